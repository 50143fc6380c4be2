import type { SchedulerError } from '../adapter.js'
import type { Core } from '../core.js'
import type { Transaction } from '../store/database.js'
import { insertEvents } from '../store/events.js'
import type { SchedulerRow } from '../store/schedulers.js'
import { backoff, jitter } from './backoff.js'
import type { RecordLoop } from './lease.js'
import { shortestPause } from './pace.js'

/** The longest pause between two questions to a scheduler that does not answer, in milliseconds. */
export const MAX_PAUSE_MS = 15 * 60_000

const dueOf = { poll: 'next_poll_at', orders: 'next_orders_at' } as const
const other = { poll: 'orders', orders: 'poll' } as const

/** The scheduler answered this loop, whose next turn is due at `nextAt`; it is well when both loops are. Ends the lease. */
export const answered = async (
  core: Core,
  tx: Transaction,
  record: SchedulerRow,
  loop: RecordLoop,
  now: number,
  nextAt: number,
): Promise<void> => {
  const ours = await tx.run(
    `UPDATE telesto_schedulers SET ${loop}_failures = 0, ${dueOf[loop]} = $1, ${loop}_owner = NULL, ${loop}_until = 0
     WHERE id = $2 AND ${loop}_owner = $3`,
    [nextAt, record.id, core.owner],
  )
  if (ours === 0 || record.health === 'ok') return
  const well = await tx.run(
    `UPDATE telesto_schedulers SET health = 'ok', health_message = NULL, health_since = $1 WHERE id = $2 AND ${other[loop]}_failures = 0 AND health <> 'ok'`,
    [now, record.id],
  )
  if (well > 0) await tell(tx, record, now, 'ok', null)
}

/** We stopped the question ourselves, so that nothing is known of the scheduler. Ends the lease. */
export const interrupted = async (
  core: Core,
  tx: Transaction,
  record: SchedulerRow,
  loop: RecordLoop,
  nextAt: number,
): Promise<void> => {
  await tx.run(
    `UPDATE telesto_schedulers SET ${dueOf[loop]} = $1, ${loop}_owner = NULL, ${loop}_until = 0 WHERE id = $2 AND ${loop}_owner = $3`,
    [nextAt, record.id, core.owner],
  )
}

/** The scheduler could not be asked: no job changes, it is asked again ever more rarely. Ends the lease. */
export const failed = async (
  core: Core,
  tx: Transaction,
  record: SchedulerRow,
  loop: RecordLoop,
  now: number,
  error: SchedulerError,
): Promise<void> => {
  const blocked = error.code === 'auth'
  const health = blocked ? 'blocked' : 'degraded'
  const failures = (loop === 'poll' ? record.pollFailures : record.ordersFailures) + 1
  const shortest = shortestPause(record)
  const pause = blocked ? MAX_PAUSE_MS : backoff(failures, Math.max(1000, shortest), MAX_PAUSE_MS)
  const next = Math.max(shortest, Math.min(MAX_PAUSE_MS, jitter(pause, Math.random())))
  const message = error.message.slice(0, 2048)
  const ours = await tx.run(
    `UPDATE telesto_schedulers SET ${loop}_failures = $1, health = $2, health_message = $3, ${dueOf[loop]} = $4,
       ${loop}_owner = NULL, ${loop}_until = 0, health_since = CASE WHEN health = $2 THEN health_since ELSE $5 END
     WHERE id = $6 AND ${loop}_owner = $7`,
    [failures, health, message, Math.round(now + next), now, record.id, core.owner],
  )
  if (ours === 0) return // Another process has taken over: it judges for itself.
  if (record.health !== health) await tell(tx, record, now, health, message)
  core.log.warn(
    { scheduler: record.name, loop, code: error.code, error: message, failures },
    'a scheduler could not be asked',
  )
}

/** The news that a record's health changed. */
export const tell = async (
  tx: Transaction,
  record: Pick<SchedulerRow, 'id'>,
  now: number,
  health: string,
  message: string | null,
): Promise<void> => {
  const data = { health, ...(message === null ? {} : { message }) }
  await insertEvents(tx, now, [{ kind: 'health', schedulerId: record.id, data }])
}
