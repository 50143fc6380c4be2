import type { Clock } from './clock.js'
import type { Database } from './store/database.js'
import { type EventRow, eventsAfter, eventsById, lastEventId, recentEventIds } from './store/events.js'

/** So far back the table is read again each time, since ids of parallel transactions may commit out of order. */
const WINDOW_MS = 10_000
/** Without a commit of this process the table is looked at this often. */
const LOOK_EVERY_MS = 1000
const GATHER_MS = 10
/** So many events in one reading; the rest follows in the next. */
const BATCH = 2000

export type Listener = (events: readonly EventRow[]) => void

/**
 * The events of the store, read once for all listeners of this process, and only while there are any. A commit of this
 * process wakes it at once, one of another process is seen within a second.
 */
export interface EventFeed {
  /** The newest id now, and every event after it to `listener`, each once. The answer's `stop` ends this subscription alone. */
  subscribe(listener: Listener): Promise<{ readonly from: number; readonly stop: () => void }>
  wake(): void
  /** Another number whenever this process has committed something, or what another one committed is about to be told. */
  changes(): number
  close(): void
}

export const createEventFeed = (database: Database, clock: Clock, failed: (error: unknown) => void): EventFeed => {
  const listeners = new Set<Listener>()
  let seen = new Set<number>()
  let last = 0
  let looping = false
  let bell = new AbortController()
  let closed = false
  let changes = 0
  let turn: Promise<unknown> = Promise.resolve()
  /** Subscribing and reading both move `last`: one at a time. */
  const alone = <T>(work: () => Promise<T>): Promise<T> => {
    const done = turn.then(work)
    turn = done.catch(() => {})
    return done
  }

  const read = async (): Promise<void> => {
    const since = (await database.readNow()) - WINDOW_MS
    const recent = await recentEventIds(database, last, since)
    const late = await eventsById(
      database,
      recent.filter((id) => !seen.has(id)),
    )
    const fresh = [...late, ...(await eventsAfter(database, last, BATCH))]
    last = Math.max(last, fresh.at(-1)?.id ?? 0)
    seen = new Set([...recent, ...fresh.map((event) => event.id)])
    if (fresh.length >= BATCH) bell.abort()
    if (fresh.length === 0) return
    changes += 1
    for (const listener of listeners) tell(listener, fresh)
  }
  const tell = (listener: Listener, fresh: readonly EventRow[]): void => {
    try {
      listener(fresh)
    } catch (error) {
      failed(error) // The others hear it all the same.
    }
  }
  const loop = async (): Promise<void> => {
    while (listeners.size > 0 && !closed) {
      await clock.sleep(LOOK_EVERY_MS, bell.signal)
      if (bell.signal.aborted) {
        bell = new AbortController()
        // Commits come in bursts: what follows within a blink is read together.
        await clock.sleep(GATHER_MS)
      }
      if (listeners.size > 0 && !closed)
        await alone(read).catch((error: unknown) => {
          if (!closed) failed(error)
        })
    }
    looping = false
  }
  return {
    subscribe: (listener) =>
      alone(async () => {
        if (listeners.size === 0) {
          // What happened before anybody listened is no news, and is known to nobody who read before.
          changes += 1
          last = await lastEventId(database)
          seen = new Set(await recentEventIds(database, last, (await database.readNow()) - WINDOW_MS))
        }
        // Each subscription is its own, also where one function subscribes twice.
        const own: Listener = (events) => listener(events)
        listeners.add(own)
        if (!looping) {
          looping = true
          void loop()
        }
        return { from: last, stop: () => void listeners.delete(own) }
      }),
    changes: () => changes,
    wake() {
      changes += 1
      // Each abort() makes an error and its stack, also where the signal is aborted already.
      if (!bell.signal.aborted) bell.abort()
    },
    close() {
      closed = true
      listeners.clear()
      bell.abort()
    },
  }
}
