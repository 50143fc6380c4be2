import type { Condition } from './filters.js'
import type { Database } from './store/database.js'
import { countJobs } from './store/list.js'

/** To count so many jobs takes long; ... */
const MANY = 1000
/** ... that a user or a group has so many is told for this time to all who ask, in milliseconds. */
const TOLD_MS = 1000

/** Counts the jobs of lists, of which very many may be open at once. */
export interface Totals {
  /** How many jobs match; counting stops at `cap`. That there are so many may be a second old. */
  count(where: Condition, cap?: number): Promise<number>
  /** This process has changed something: what was told before is no longer. */
  forget(): void
}

export const createTotals = (database: Database, monotonic: () => number): Totals => {
  let crowds = new Map<string, number>()
  return {
    async count(where, cap) {
      if (cap === undefined || cap < MANY) return await countJobs(database, where, cap)
      // Of what was forgotten meanwhile nothing is learned.
      const known = crowds
      const now = monotonic()
      for (const [source, until] of known) if (until <= now) known.delete(source)
      return await countJobs(database, where, cap, {
        has: (source) => known.has(source),
        add: (source) => void known.set(source, now + TOLD_MS),
      })
    },
    forget() {
      crowds = new Map()
    },
  }
}
