import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { type Access, type Viewer, visibleTo } from '../access.js'
import type { Clock } from '../clock.js'
import { TelestoError } from '../errors.js'
import type { EventFeed } from '../event-feed.js'
import type { Condition, JobFilter } from '../filters.js'
import { isSettled } from '../status.js'
import type { Database } from '../store/database.js'
import type { EventRow } from '../store/events.js'
import type { WholeJob } from '../store/jobs.js'
import { findJobs, findStandings, type JobStanding } from '../store/list.js'

/** What a waiter hears of a job: how it is now that it has settled; `whole` is undefined where there is no such job (any more). */
export interface Ending {
  readonly id: number
  readonly whole: WholeJob | undefined
}

/** One who waits for jobs. `stop` it: what it holds is freed then. */
export interface Watch {
  /** The first look at its jobs is over, and what it found is told. */
  readonly looked: Promise<void>
  /** The next endings, in the order in which the jobs settled; each job once. Rejects with what `fail` was given. */
  next(): Promise<readonly Ending[]>
  fail(reason: unknown): void
  stop(): void
}

/**
 * All who wait for jobs in this process. They share one subscription to the events, which lasts while anybody waits, and one
 * reading of the rows for each batch of events, whatever their number. The rows are the truth; events only tell when to look.
 */
export interface Waiting {
  /** Waits for these jobs as `viewer` sees them. */
  watch(viewer: Viewer, ids: Iterable<number>): Watch
  /** Whoever waits is refused with `closed`. */
  close(): void
}

interface Parts {
  readonly database: Database
  readonly clock: Clock
  readonly access: Access
  readonly feed: EventFeed
  readonly failed: (error: unknown) => void
}

/** So many jobs in one statement. */
const CHUNK = 1000
/** What could not be read is read again after this time. */
const LOOK_AGAIN_MS = 1000
const ANY_ORDER = { order: 'id', descending: false, offset: 0, limit: null } as const

export const createWaiting = ({ database, clock, access, feed, failed }: Parts): Waiting => {
  const waiters = new Set<Waiter>()
  const byJob = new Map<number, Set<Waiter>>()
  /** To be looked at, in the order of the news about them. */
  let news = new Set<number>()
  let unlooked = new Set<Waiter>()
  let subscribed: Promise<() => void> | undefined
  let looking = false
  const closing = new AbortController()

  const heard = (events: readonly EventRow[]): void => {
    for (const { kind, jobId } of events) {
      if (jobId === null || !byJob.has(jobId) || (kind !== 'status' && kind !== 'deleted')) continue
      news.delete(jobId)
      news.add(jobId)
    }
    void look()
  }
  const look = async (): Promise<void> => {
    if (looking) return
    looking = true
    while (news.size > 0 || unlooked.size > 0) {
      // Who begins to wait in the same turn is looked after together.
      await turnOfTheLoop()
      await lookAt([...news], unlooked)
    }
    looking = false
  }
  const lookAt = async (ids: readonly number[], first: ReadonlySet<Waiter>): Promise<void> => {
    news = new Set()
    unlooked = new Set()
    const again: number[] = []
    for (const [viewer, waiting] of byViewer(ids)) {
      const newcomers = [...first].filter((waiter) => waiter.viewer === viewer)
      try {
        tell(waiting, await endingsOf(viewer, [...waiting.keys()]))
        for (const waiter of newcomers) waiter.seen()
      } catch (error) {
        if (closing.signal.aborted) return
        failed(error)
        // Who has just asked is told why there is no answer; who waits goes on waiting.
        for (const waiter of newcomers) waiter.fail(error)
        again.push(...waiting.keys())
      }
    }
    if (again.length === 0) return
    await clock.sleep(LOOK_AGAIN_MS, closing.signal)
    news = new Set([...again, ...news])
  }
  /** Who waits for these jobs now: who comes later may ask about a new attempt, and is answered by a later look. */
  const byViewer = (ids: readonly number[]): Map<Viewer, Map<number, readonly Waiter[]>> => {
    const groups = new Map<Viewer, Map<number, readonly Waiter[]>>()
    for (const id of ids) {
      for (const [viewer, waiting] of Map.groupBy(byJob.get(id) ?? [], (waiter) => waiter.viewer)) {
        const group = groups.get(viewer)
        if (group) group.set(id, waiting)
        else groups.set(viewer, new Map([[id, waiting]]))
      }
    }
    return groups
  }
  /** Of these jobs those that are over for this viewer, in the order in which they settled. */
  const endingsOf = async (viewer: Viewer, ids: readonly number[]): Promise<Ending[]> => {
    const standings = await readStandings({ database, access }, viewer, ids)
    const over = ids.filter((id) => {
      const standing = standings.get(id)
      return standing === undefined || isSettled(standing)
    })
    const wholes = await readSeen({ database, access }, viewer, over)
    return (
      over
        .map((id) => ({ id, whole: wholes.get(id) }))
        // It may have been resubmitted between the two statements.
        .filter(({ whole }) => whole === undefined || isSettled(whole.row))
        .sort((a, b) => (a.whole?.row.completionTime ?? 0) - (b.whole?.row.completionTime ?? 0))
    )
  }
  const tell = (waiting: ReadonlyMap<number, readonly Waiter[]>, endings: readonly Ending[]): void => {
    const told = new Map<Waiter, Ending[]>()
    for (const ending of endings) {
      const { id } = ending
      for (const waiter of waiting.get(id) ?? []) {
        if (!waiter.ids.has(id)) continue
        const own = told.get(waiter) ?? []
        own.push(ending)
        told.set(waiter, own)
        forget(waiter, id)
      }
    }
    for (const [waiter, own] of told) waiter.tell(own)
  }
  const forget = (waiter: Waiter, id: number): void => {
    waiter.ids.delete(id)
    const others = byJob.get(id)
    others?.delete(waiter)
    if (others?.size === 0) byJob.delete(id)
  }

  const begin = async (waiter: Waiter): Promise<void> => {
    waiters.add(waiter)
    // Subscribed first, then looked: what settles in between is heard.
    subscribed ??= feed.subscribe(heard).then(({ stop }) => stop)
    const subscription = subscribed
    try {
      await subscription
    } catch (error) {
      if (subscribed === subscription) subscribed = undefined
      return waiter.fail(error)
    }
    if (!waiters.has(waiter)) return
    for (const id of waiter.ids) {
      const others = byJob.get(id)
      if (others) others.add(waiter)
      else byJob.set(id, new Set([waiter]))
      news.add(id)
    }
    unlooked.add(waiter)
    void look()
  }
  const end = (waiter: Waiter): void => {
    if (!waiters.delete(waiter)) return
    unlooked.delete(waiter)
    for (const id of [...waiter.ids]) forget(waiter, id)
    if (waiters.size > 0) return
    subscribed?.then((stop) => stop()).catch(() => {})
    subscribed = undefined
  }
  const closed = (): TelestoError =>
    new TelestoError('closed', 'Telesto was closed, so nothing is waited for any more.')
  return {
    watch(viewer, ids) {
      const waiter = new Waiter(viewer, ids, end)
      if (closing.signal.aborted) waiter.fail(closed())
      else void begin(waiter)
      return waiter
    },
    close() {
      closing.abort()
      for (const waiter of [...waiters]) {
        waiter.fail(closed())
        end(waiter)
      }
    },
  }
}

class Waiter implements Watch {
  readonly viewer: Viewer
  /** Those that have not settled yet. */
  readonly ids: Set<number>
  readonly #looked = Promise.withResolvers<void>()
  readonly #end: (waiter: Waiter) => void
  #told: Ending[] = []
  #failure: { readonly reason: unknown } | undefined
  #awaited: (() => void) | undefined

  constructor(viewer: Viewer, ids: Iterable<number>, end: (waiter: Waiter) => void) {
    this.viewer = viewer
    this.ids = new Set(ids)
    this.#end = end
  }
  get looked(): Promise<void> {
    return this.#looked.promise
  }
  async next(): Promise<readonly Ending[]> {
    if (this.#told.length === 0 && !this.#failure) {
      await new Promise<void>((resolve) => {
        this.#awaited = resolve
      })
    }
    const told = this.#told
    this.#told = []
    if (told.length === 0 && this.#failure) throw this.#failure.reason
    return told
  }
  seen(): void {
    this.#looked.resolve()
  }
  tell(endings: readonly Ending[]): void {
    for (const ending of endings) this.#told.push(ending)
    this.#awaited?.()
  }
  fail(reason: unknown): void {
    this.#failure ??= { reason }
    this.#awaited?.()
  }
  stop(): void {
    this.#end(this)
  }
}

type Reading = Pick<Parts, 'database' | 'access'>

/** Reads these jobs, as far as the viewer sees them, `CHUNK` of them in one go. */
const inChunks = async <T>(
  reading: Reading,
  viewer: Viewer,
  ids: readonly number[],
  filters: readonly JobFilter[],
  read: (where: Condition) => Promise<readonly T[]>,
): Promise<T[]> => {
  const found: T[] = []
  for (let start = 0; start < ids.length; start += CHUNK) {
    const where = visibleTo(reading, viewer, [...filters, { id: ids.slice(start, start + CHUNK) }])
    if (where) found.push(...(await read(where)))
  }
  return found
}

/** Those of these jobs that the viewer sees, by id, with what belongs to them. */
export const readSeen = async (
  core: Reading,
  viewer: Viewer,
  ids: readonly number[],
): Promise<Map<number, WholeJob>> => {
  const wholes = await inChunks(core, viewer, ids, [], async (where) => await findJobs(core.database, where, ANY_ORDER))
  return new Map(wholes.map((whole) => [whole.row.id, whole]))
}

/** Of those of these jobs that the viewer sees, and that match, only what tells whether they have settled. */
export const readStandings = async (
  core: Reading,
  viewer: Viewer,
  ids: readonly number[],
  filters: readonly JobFilter[] = [],
): Promise<Map<number, JobStanding>> => {
  const standings = await inChunks(
    core,
    viewer,
    ids,
    filters,
    async (where) => await findStandings(core.database, where),
  )
  return new Map(standings.map((standing) => [standing.id, standing]))
}
