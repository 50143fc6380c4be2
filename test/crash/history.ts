import type { Action } from './protocol.ts'
import type { Outcome } from './server-process.ts'
import type { Story } from './story.ts'

/** One thing that was asked of a job, and what is known of the answer. */
export interface Request {
  readonly action: Action
  /** The attempt that was the current one when it was asked; 0 before the first. */
  readonly attempt: number
  /** Delete also while it is active. */
  readonly stop: boolean
  outcome: Outcome['outcome']
}

/** All that was asked of one job, in order: each request was answered, or its server dead, before the next was sent. */
export interface History {
  readonly story: Pick<Story, 'key' | 'behaviours' | 'processed' | 'kind' | 'procs'>
  readonly requests: readonly Request[]
  /** Attempts whose directory was taken away for a while. */
  readonly unmounted: readonly number[]
}

const asked = (history: History, actions: readonly Action[]): readonly Request[] =>
  history.requests.filter(({ action, outcome }) => actions.includes(action) && outcome !== 'refused')

/** How often something happened: at least as often as it was acknowledged, at most as often as it may have been. */
export const timesOf = (history: History, ...actions: readonly Action[]): { least: number; most: number } => {
  const requests = asked(history, actions)
  return { least: requests.filter(({ outcome }) => outcome === 'done').length, most: requests.length }
}

/** Whether someone may have ended this attempt. */
export const mayBeStopped = (history: History, attempt: number): boolean =>
  asked(history, ['stop', 'delete']).some(
    (request) => request.attempt === attempt && (request.action === 'stop' || request.stop),
  )
