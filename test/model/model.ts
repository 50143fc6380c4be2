import type { OnParentFailure } from '../../src/job-options.js'
import type { StatusName } from '../../src/status.js'
import type { Said, Word } from './world.ts'

// What a job should be, in the words of the design. Nothing of the implementation is used here but the names of statuses.

export const ACTIONS = [
  'execute',
  'stop',
  'pause',
  'resume',
  'resubmit',
  'collectAgain',
  'delete',
  'stopDelete',
] as const
export type Action = (typeof ACTIONS)[number]

/** What the people of a run did with one job. */
export interface ModelJob {
  /** As the story calls it: 1, 2, … */
  readonly number: number
  readonly id: number
  /** Its status is the app's: no scheduler runs it. */
  readonly alone: boolean
  readonly parents: readonly ModelJob[]
  readonly onParentFailure: OnParentFailure
  /** The function that processes its results: it works, it throws the first time, or always. */
  readonly results: Results
  attempts: number
  /** Somebody asked for the end of the current attempt. */
  stopped: boolean
  deleted: boolean
  /** It is gone from the store. */
  removed: boolean
  /** Collecting was asked for again, and its history does not tell it yet; likewise a new attempt. */
  collectsAgain: boolean
  resubmitted: boolean
  /** The app or the job itself set these. */
  readonly set: StatusName[]
  /** What its history tells so far. */
  status: StatusName
  cause: string | undefined
  changedAt: number
  version: number
  exitCode: number | undefined
  /** How often it became Complete, and Various-Complete. */
  completed: number
  mixed: number
}
export type Results = 'none' | 'good' | 'late' | 'bad'

const SETTLED: readonly StatusName[] = ['Complete', 'Error', 'Aborted', 'Various-Complete']
export const isSettled = (status: StatusName): boolean => SETTLED.includes(status)

/** What can be seen of a job when something is asked of it. */
export interface Standing {
  readonly status: StatusName
  readonly executed: boolean
  /** What was asked and is not confirmed. */
  readonly order: string | null
  readonly cause: string | null
  readonly alone: boolean
  /** The scheduler can hold and release. */
  readonly holds: boolean
  /** A job that was never started or waits has this one as a parent. */
  readonly child: boolean
}

/** May this be asked now? */
export const allows = (action: Action, job: Standing): boolean => {
  const active = !isSettled(job.status) && job.status !== 'Results-Ready' && (job.status !== 'Pending' || job.executed)
  const stopping = job.order === 'cancel'
  switch (action) {
    case 'execute':
      return job.status === 'Pending' && !job.executed
    case 'stop':
      return active && !stopping
    case 'pause':
      return job.holds && ['Submitted', 'Running', 'Various'].includes(job.status) && !stopping && job.order !== 'hold'
    case 'resume':
      return job.holds && job.status === 'Paused' && !stopping && job.order !== 'release'
    case 'resubmit':
      return isSettled(job.status)
    case 'collectAgain':
      return isSettled(job.status) && job.cause === 'results'
    case 'delete':
      return !active && !job.child
    case 'stopDelete':
      return !job.child
  }
}

/** A job is given up after three answers that do not mention it, over two minutes at least. */
const LOST_POLLS = 3
const LOST_MS = 120_000
const LOST_WATCH_MS = 24 * 3_600_000

/** What the world knows about the attempt whose status changed. */
export interface Evidence {
  readonly said: readonly Said[]
  /** The scheduler has taken one of its tokens, or refused it for good. */
  readonly accepted: boolean
  readonly rejected: boolean
  readonly parentFailed: boolean
}

export interface StatusChange {
  readonly from: StatusName
  readonly to: StatusName
  readonly cause: string | undefined
}

const WORDS: Readonly<Partial<Record<StatusName, readonly Word[]>>> = {
  Submitted: ['queued'],
  Running: ['running'],
  Paused: ['held', 'suspended'],
  Various: ['various'],
  'Results-Ready': ['succeeded'],
  'Various-Complete': ['mixed'],
  Error: ['failed'],
  Aborted: ['cancelled'],
}

/** Enough answers in a row, over enough time, did not mention it. */
const isMissing = (said: readonly Said[], since: number): boolean => {
  // A late answer was asked for before those that came in time.
  const fresh = said.filter((one) => one.at > since).toSorted((a, b) => a.at - b.at)
  const spoken = fresh.findLastIndex((one) => one.word !== 'missing')
  const gaps = fresh.slice(spoken + 1)
  const [first, last] = [gaps[0], gaps.at(-1)]
  return gaps.length >= LOST_POLLS && first !== undefined && last !== undefined && last.at - first.at >= LOST_MS
}

/** Why this change of status is wrong; undefined where the world, or a person, gave a reason for it. */
export const judge = (job: ModelJob, change: StatusChange, evidence: Evidence): string | undefined => {
  const { from, to, cause } = change
  const wrong = (why: string): string =>
    `job ${job.number} went from ${from} to ${to}${cause ? ` (${cause})` : ''}, ${why}`
  const lost = from === 'Error' && job.cause === 'lost'
  // A job without a scheduler has nobody to wait for.
  if (to === (job.alone ? 'Submitted' : 'Pending') && isSettled(from)) {
    return job.resubmitted ? undefined : wrong('and was not resubmitted')
  }
  if (isSettled(from) && !lost && !(to === 'Results-Ready' && job.collectsAgain)) return wrong('from its end')
  if (from === to && !lost && !(job.alone && to === 'Other')) return wrong('which is no change')
  if (from === 'Results-Ready') {
    if (to === 'Complete') return undefined
    if (to === 'Error' && cause === 'results' && job.results === 'bad') return undefined
    return wrong('while its results were collected')
  }
  if (to === 'Complete') return job.alone && job.set.includes(to) ? undefined : wrong('without its results')
  if (job.alone)
    return job.set.includes(to) || (to === 'Aborted' && job.stopped) ? undefined : wrong('and nobody set it')
  if (to === 'Results-Ready' && job.collectsAgain) return undefined
  if (to === 'Submitted' && from === 'Pending') {
    if (!evidence.accepted) return wrong('and no scheduler has it')
    const early = job.parents.find(
      (parent) => job.onParentFailure !== 'run' && !parent.deleted && parent.completed === 0,
    )
    return early ? wrong(`and job ${early.number}, for which it waits, was never Complete`) : undefined
  }
  if (to === 'Error' && cause === 'submit' && evidence.rejected) return undefined
  if (to === 'Error' && cause === 'lost') {
    return isMissing(evidence.said, job.changedAt) ? undefined : wrong('too early to give it up')
  }
  if (to === 'Aborted' && cause === 'dependency') {
    const aborts = evidence.parentFailed && job.onParentFailure === 'abort'
    return aborts ? undefined : wrong('and no parent failed that it could not do without')
  }
  const words = WORDS[to] ?? []
  // An answer to a question that is older than the last change says nothing.
  const word = evidence.said.find((one) => one.at > job.changedAt && words.includes(one.word))
  if (word && (to !== 'Error' || word.cause === cause)) return undefined
  if (to === 'Aborted' && job.stopped) {
    const never = !evidence.accepted || from === 'Pending'
    return never || isMissing(evidence.said, job.changedAt) ? undefined : wrong('and the scheduler has not said so')
  }
  return wrong('which the scheduler did not say')
}

/** A parent that was deleted keeps nobody waiting. */
const hinders = (parent: ModelJob, { onParentFailure }: ModelJob): boolean =>
  !parent.deleted && (!isSettled(parent.status) || (onParentFailure === 'wait' && parent.status !== 'Complete'))

/** What is left of an attempt when everything has come to rest. */
export interface Rest {
  /** The true state of what its scheduler accepted last; undefined: it has nothing. */
  readonly truth:
    | { readonly state: string; readonly exitCode: number | undefined; readonly mentioned: boolean }
    | undefined
  readonly rejected: boolean
  /** Since when it is what it is. */
  readonly settledMs: number
}

/** Why this is no status to rest in; undefined where it is one. */
export const unrest = (job: ModelJob, rest: Rest): string | undefined => {
  const { status, cause } = job
  const is = `job ${job.number} is ${status}${cause ? ` (${cause})` : ''}`
  if (job.deleted) return job.removed ? undefined : `job ${job.number} was deleted and is still there`
  if (job.attempts === 0 || job.alone) return undefined
  if (status === 'Pending' && job.parents.some((parent) => hinders(parent, job))) return undefined
  if (!isSettled(status)) return `${is} and does not end`
  if (status === 'Aborted') {
    // Its parent may have got well again since: one that was given up as lost, or was resubmitted.
    if (cause === 'dependency') return job.parents.length > 0 ? undefined : `${is}, and has no parent`
    return job.stopped || rest.truth?.state === 'cancelled' ? undefined : `${is}, and nobody stopped it`
  }
  if (cause === 'submit') return rest.rejected ? undefined : `${is}, and was not refused`
  if (rest.truth === undefined) return `${is}, and no scheduler ever had it`
  if (cause === 'lost') {
    if (!rest.truth.mentioned || rest.settledMs > LOST_WATCH_MS) return undefined
    return `${is}, and its scheduler knows that it ${rest.truth.state}`
  }
  if (status === 'Complete') {
    const well = rest.truth.state === 'succeeded' && (rest.truth.exitCode ?? 0) === 0
    return well ? undefined : `${is}, and ${rest.truth.state} with ${rest.truth.exitCode}`
  }
  if (cause === 'results') return job.results === 'bad' ? undefined : `${is}, and nothing is wrong with its results`
  const failed = rest.truth.state === 'failed' || (rest.truth.exitCode ?? 0) !== 0
  if (!failed) return `${is}, and ${rest.truth.state}`
  return job.exitCode === rest.truth.exitCode
    ? undefined
    : `${is} with exit code ${job.exitCode}, and it was ${rest.truth.exitCode}`
}
