import type { Action, User } from '../access.js'
import type { Core } from '../core.js'
import type { Job } from '../job.js'
import { readSchedulers } from '../store/schedulers.js'
import type { Shared } from './live/shared.js'

/** What a page offers to do with a job, in the order of its buttons. */
export const BUTTONS = ['execute', 'resume', 'pause', 'stop', 'collect', 'resubmit', 'delete'] as const
export type Button = (typeof BUTTONS)[number]

/** Tells which of all actions this viewer can do now. One statement for any number of jobs. */
export type Possible = (job: Job) => readonly Exclude<Action, 'read'>[]

export const readPossible = async (core: Core): Promise<Possible> => {
  const holds = new Map<number, { readonly hold: boolean; readonly release: boolean }>()
  for (const record of await readSchedulers(core.database)) {
    holds.set(record.id, {
      hold: core.connections.supports(record, 'hold'),
      release: core.connections.supports(record, 'release'),
    })
  }
  const supported = (job: Job, method: 'hold' | 'release'): boolean =>
    job.record === undefined || (job.record !== null && holds.get(job.record)?.[method] === true)
  return (job) =>
    ([...BUTTONS, 'updateStatus', 'edit'] as const).filter(
      (action) =>
        job.can(action) &&
        (action !== 'pause' || supported(job, 'hold')) &&
        (action !== 'resume' || supported(job, 'release')),
    )
}

/** The same, read once in a moment. */
export const possibleNow = async (core: Core, moment: Shared): Promise<Possible> =>
  await moment.once('possible', async () => await readPossible(core))

/** Two people with the same rights see the same of a job, and may do the same with it. */
export const rightsOf = (user: User, possible: ReturnType<Possible>): string =>
  [user.isAdmin === true, ...possible].join(' ')
