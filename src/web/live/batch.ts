import type { User } from '../../access.js'
import type { Core } from '../../core.js'
import type { Job } from '../../job.js'
import type { EventKind, EventRow } from '../../store/events.js'
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

/**
 * News for all viewers with the same rights. Each thing is read and rendered once for them, when the first one needs it; what
 * they may not see is not in it.
 */
export class Batch {
  readonly core: Core
  readonly viewer: UserView
  readonly user: User
  readonly changes: Changes
  readonly #shown: readonly number[]
  readonly #made = new Map<string, Promise<unknown>>()

  constructor(core: Core, viewer: UserView, user: User, changes: Changes, shown: readonly number[]) {
    this.core = core
    this.viewer = viewer
    this.user = user
    this.changes = changes
    this.#shown = shown
  }

  /** `make()`, once for each key. */
  async once<T>(key: string, make: () => Promise<T>): Promise<T> {
    const made = this.#made.get(key) ?? make()
    this.#made.set(key, made)
    return (await made) as T
  }

  /** The changed jobs that somebody here shows, as they are now. A job that is not in it is gone, or not theirs any more. */
  async shown(): Promise<ReadonlyMap<number, Job>> {
    return await this.once('shown', async () => {
      const jobs = this.#shown.length === 0 ? [] : await this.viewer.query().filter({ id: this.#shown })
      return new Map(jobs.filter((job) => job.can('read')).map((job) => [job.id, job]))
    })
  }

  async possible(): Promise<Possible> {
    return await this.once('possible', async () => await readPossible(this.core))
  }
}
