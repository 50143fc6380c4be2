import { type User, visibleTo } from '../../access.js'
import type { Core } from '../../core.js'
import { Job } from '../../job.js'
import type { EventKind, EventRow } from '../../store/events.js'
import { readJobs, type WholeJob } from '../../store/jobs.js'
import { findJobIds } from '../../store/list.js'
import type { UserView } from '../../user-view.js'
import { type Possible, readPossible } from '../possible.js'

/** The jobs that changed, and in which ways. */
export type Changes = ReadonlyMap<number, ReadonlySet<EventKind>>

export const changesOf = (events: readonly EventRow[]): Changes => {
  const changes = new Map<number, Set<EventKind>>()
  for (const { jobId, kind } of events) {
    if (jobId !== null) changes.set(jobId, (changes.get(jobId) ?? new Set()).add(kind))
  }
  return changes
}

/** What is read and rendered once for all viewers of the same changes, when the first one needs it. */
export class Shared {
  /** The jobs that any of them shows, and that the changes concern. */
  readonly shown: readonly number[]
  readonly #made = new Map<string, Promise<unknown>>()

  constructor(shown: readonly number[]) {
    this.shown = shown
  }

  /** `make()`, once for each key. */
  async once<T>(key: string, make: () => Promise<T>): Promise<T> {
    const made = this.#made.get(key) ?? make()
    this.#made.set(key, made)
    return (await made) as T
  }
}

/**
 * News for all viewers with the same rights: which jobs they see is asked once for them. What the jobs are now is read once for all
 * viewers, and rendered once for all who may do the same with a job.
 */
export class Batch {
  readonly core: Core
  readonly viewer: UserView
  readonly user: User
  readonly changes: Changes
  readonly #own: Shared
  readonly #all: Shared

  /** `shown`: the jobs that these viewers show. `all`: what they share with the others. */
  constructor(core: Core, viewer: UserView, user: User, changes: Changes, shown: readonly number[], all: Shared) {
    this.core = core
    this.viewer = viewer
    this.user = user
    this.changes = changes
    this.#own = new Shared(shown)
    this.#all = all
  }

  /** `make()`, once for each key. */
  async once<T>(key: string, make: () => Promise<T>): Promise<T> {
    return await this.#own.once(key, make)
  }

  /** `make()` of a job, once for each key and all who see the same of it and may do the same with it. */
  async onceFor<T>(job: Job, key: string, make: () => Promise<T>): Promise<T> {
    const rights = [this.user.isAdmin === true, ...(await this.possible())(job)]
    return await this.#all.once(`${key} ${job.id} ${rights.join(' ')}`, make)
  }

  /** The changed jobs that somebody here shows, as they are now. A job that is not in it is gone, or not theirs any more. */
  async shown(): Promise<ReadonlyMap<number, Job>> {
    return await this.once('shown', async () => {
      const viewer = { user: this.user }
      const { shown } = this.#own
      const where = shown.length === 0 ? null : visibleTo(this.core, viewer, [{ id: shown }])
      const ids = where === null ? [] : await findJobIds(this.core.database, where, ALL)
      const whole = ids.length === 0 ? new Map<number, WholeJob>() : await this.#whole()
      const jobs = ids.flatMap((id) => whole.get(id) ?? []).map((one) => new Job(this.core, viewer, one))
      return new Map(jobs.filter((job) => job.can('read')).map((job) => [job.id, job]))
    })
  }
  async #whole(): Promise<ReadonlyMap<number, WholeJob>> {
    return await this.#all.once('jobs', async () => {
      const jobs = await readJobs(this.core.database, this.#all.shown)
      return new Map(jobs.map((one) => [one.row.id, one]))
    })
  }

  async possible(): Promise<Possible> {
    return await this.#all.once('possible', async () => await readPossible(this.core))
  }
}

const ALL = { order: 'id', descending: false, offset: 0, limit: null } as const
