/** Requests for an earlier poll, coalesced in memory: they cost no write until they are taken. A lost one costs one interval. */
export interface Pokes {
  /** Asks that the scheduler of this job be asked again, not before `delayMs` from now. Any id will do. */
  job(id: number, delayMs?: number): void
  /** The ids whose time has come; they are forgotten. */
  take(now: number): number[]
}

/** So many ids wait at the most; a poke beyond them is dropped. */
const CAPACITY = 100_000
/** A burst of pokes wakes the loops this often, in milliseconds; they look a few times a second by themselves. */
const WAKE_EVERY_MS = 50
/** The longest delay of a poke, in milliseconds: an hour. */
export const MAX_POKE_DELAY_MS = 3_600_000

export const createPokes = (monotonic: () => number, wake: () => void): Pokes => {
  const due = new Map<number, number>()
  let woken = Number.NEGATIVE_INFINITY
  return {
    job(id, delayMs = 0) {
      const now = monotonic()
      const at = now + Math.min(Math.max(delayMs, 0), MAX_POKE_DELAY_MS)
      const before = due.get(id)
      if (before === undefined && due.size >= CAPACITY) return
      if (before === undefined || at < before) due.set(id, at)
      if (delayMs > 0 || now - woken < WAKE_EVERY_MS) return
      woken = now
      wake()
    },
    take(now) {
      const ids = [...due].filter(([, at]) => at <= now).map(([id]) => id)
      for (const id of ids) due.delete(id)
      return ids
    },
  }
}
