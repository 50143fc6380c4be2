import type { Core } from './core.js'
import { isActive } from './status.js'
import type { JobRow } from './store/jobs.js'

const LOOK_EVERY_MS = 50

/** Resolves after the next poll of the job's scheduler that is asked from now on and answered, or after `ms`. */
export const waitForAnswer = async (core: Core, row: JobRow, ms: number): Promise<void> => {
  if (row.attemptSchedulerId === null || !isActive(row)) return // Nobody asks about it.
  const { database, clock } = core
  const since = await database.readNow()
  const until = clock.monotonic() + ms
  while (clock.monotonic() < until) {
    const [record] = await database.all<{ asked: number | null; answered: number | null }>(
      'SELECT last_asked_at AS asked, last_answered_at AS answered FROM telesto_schedulers WHERE id = $1',
      [row.attemptSchedulerId],
    )
    if ((record?.asked ?? 0) >= since && (record?.answered ?? 0) >= (record?.asked ?? 0)) return
    await clock.sleep(LOOK_EVERY_MS)
  }
}
