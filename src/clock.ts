import { setTimeout as delay } from 'node:timers/promises'

/**
 * The one source of time. What is stored, and what processes compare with each other (leases, next poll, age of a gap,
 * handed over), is the database's clock; deadlines inside a process are monotonic. The wall clock of a process decides
 * nothing in the core (it shows how long a job has run), so processes whose clocks disagree agree on all that matters.
 */
export interface Clock {
  /** Milliseconds that never go back. Only differences mean something. */
  monotonic(): number
  /** Milliseconds added to the database's own clock: 0, except where a test lets time pass. */
  databaseOffset(): number
  /** Resolves after `ms`, or as soon as `signal` aborts; it never rejects. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>
}

export const systemClock: Clock = {
  monotonic: () => performance.now(),
  databaseOffset: () => 0,
  sleep: (ms, signal) => delay(ms, undefined, signal ? { signal } : {}).catch(() => {}),
}
