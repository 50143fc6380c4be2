import { type User, visibleTo } from '../../access.js'
import type { Core } from '../../core.js'
import { Job } from '../../job.js'
import type { EventKind, EventRow } from '../../store/events.js'
import { readJobs, type WholeJob } from '../../store/jobs.js'
import { findJobIds } from '../../store/list.js'
import { UserView } from '../../user-view.js'
import { type Possible, possibleNow, rightsOf } from '../possible.js'
import { type Moment, Shared } from './shared.js'

/** The jobs that changed, and in which ways. */
export type Changes = ReadonlyMap<number, ReadonlySet<EventKind>>

export const changesOf = (events: readonly EventRow[]): Changes => {
  const changes = new Map<number, Set<EventKind>>()
  for (const { jobId, kind } of events) {
    if (jobId !== null) changes.set(jobId, (changes.get(jobId) ?? new Set()).add(kind))
  }
  return changes
}

/** What all viewers of the same changes share. */
export interface Burst {
  readonly changes: Changes
  /** The jobs that any of them shows, and that the changes concern. */
  readonly shown: readonly number[]
  readonly rows: Shared
  /** What they share with the pages that are opened. */
  readonly moment: Moment
}

/**
 * News for all viewers with the same rights: which jobs they see is asked once for them. What the jobs are now is read once for all
 * viewers, and rendered once for all who may do the same with a job.
 */
export class Batch {
  readonly core: Core
  readonly user: User
  readonly burst: Burst
  readonly #shown: readonly number[]
  readonly #own = new Shared()
  #viewer: UserView | undefined

  /** `shown`: the jobs that these viewers show. */
  constructor(core: Core, user: User, shown: readonly number[], burst: Burst) {
    this.core = core
    this.user = user
    this.burst = burst
    this.#shown = shown
  }

  get changes(): Changes {
    return this.burst.changes
  }
  get viewer(): UserView {
    this.#viewer ??= new UserView(this.core, this.user)
    return this.#viewer
  }

  /** `make()`, once for each key. */
  async once<T>(key: string, make: () => Promise<T>): Promise<T> {
    return await this.#own.once(key, make)
  }

  /** `make()` of a job, once for each key and all who see the same of it and may do the same with it. */
  async onceFor<T>(job: Job, key: string, make: () => Promise<T>): Promise<T> {
    const rights = rightsOf(this.user, (await this.possible())(job))
    return await this.burst.rows.once(`${key} ${job.id} ${rights}`, make)
  }

  /** The changed jobs that somebody here shows, as they are now. A job that is not in it is gone, or not theirs any more. */
  async shown(): Promise<ReadonlyMap<number, Job>> {
    return await this.once('shown', async () => {
      const viewer = { user: this.user }
      const shown = this.#shown
      const where = shown.length === 0 ? null : visibleTo(this.core, viewer, [{ id: shown }])
      const ids = where === null ? [] : await findJobIds(this.core.database, where, ALL)
      const whole = ids.length === 0 ? new Map<number, WholeJob>() : await this.#whole()
      const jobs = ids.flatMap((id) => whole.get(id) ?? []).map((one) => new Job(this.core, viewer, one))
      return new Map(jobs.filter((job) => job.can('read')).map((job) => [job.id, job]))
    })
  }
  async #whole(): Promise<ReadonlyMap<number, WholeJob>> {
    return await this.burst.rows.once('jobs', async () => {
      const jobs = await readJobs(this.core.database, this.burst.shown)
      return new Map(jobs.map((one) => [one.row.id, one]))
    })
  }

  async possible(): Promise<Possible> {
    return await possibleNow(this.core, this.burst.moment)
  }
}

const ALL = { order: 'id', descending: false, offset: 0, limit: null } as const
