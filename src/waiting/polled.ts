import type { Clock } from '../clock.js'
import { TelestoError } from '../errors.js'
import type { Database } from '../store/database.js'

/** All who wait for an answered poll in this process. They share the look at the polls of other processes. */
export interface Polled {
  /** True once a poll of this record that was asked at `since` (the database's clock) or later is answered; false after `ms`. */
  after(recordId: number, since: number, ms: number): Promise<boolean>
  /** A poll of this process, asked at `askedAt`, was answered, and what it told is committed. */
  tell(recordId: number, askedAt: number): void
  /** Whoever waits is refused with `closed`. */
  close(): void
}

/** Polls of other processes are looked for this often. */
const LOOK_EVERY_MS = 1000

interface Waiter {
  readonly recordId: number
  readonly since: number
  readonly over: AbortController
  answered: boolean
}

export const createPolled = (
  database: Pick<Database, 'all'>,
  clock: Clock,
  failed: (error: unknown) => void,
): Polled => {
  const waiters = new Set<Waiter>()
  const closing = new AbortController()
  let looking = false

  const tell = (recordId: number, askedAt: number): void => {
    for (const waiter of waiters) {
      if (waiter.recordId !== recordId || askedAt < waiter.since) continue
      waiter.answered = true
      waiter.over.abort()
    }
  }
  const look = async (): Promise<void> => {
    const ids = new Set([...waiters].map(({ recordId }) => recordId))
    const records = await database.all<{ id: number; asked: number }>(
      `SELECT id, last_asked_at AS asked FROM telesto_schedulers
       WHERE last_answered_at >= last_asked_at AND id IN (${[...ids].join(', ')})`,
    )
    for (const { id, asked } of records) tell(id, asked)
  }
  const loop = async (): Promise<void> => {
    if (looking) return
    looking = true
    while (waiters.size > 0 && !closing.signal.aborted) {
      await clock.sleep(LOOK_EVERY_MS, closing.signal)
      if (waiters.size > 0 && !closing.signal.aborted) await look().catch(failed)
    }
    looking = false
  }
  return {
    async after(recordId, since, ms) {
      const waiter: Waiter = { recordId, since, over: new AbortController(), answered: false }
      waiters.add(waiter)
      void loop()
      await clock.sleep(ms, AbortSignal.any([waiter.over.signal, closing.signal]))
      waiters.delete(waiter)
      if (closing.signal.aborted) throw new TelestoError('closed', 'Telesto was closed, so no poll is waited for.')
      return waiter.answered
    },
    tell,
    close: () => closing.abort(),
  }
}
