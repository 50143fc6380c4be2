import type { Transaction } from '../store/database.js'
import type { SchedulerRow } from '../store/schedulers.js'

/** The pause that is kept between two polls whoever asks, in whole milliseconds. */
export const shortestPause = (record: Pick<SchedulerRow, 'pollSeconds' | 'maxPollsPerMinute'>): number =>
  Math.ceil(
    Math.max(record.pollSeconds * 1000, record.maxPollsPerMinute === null ? 0 : 60_000 / record.maxPollsPerMinute),
  )

/** A job was accepted or ordered about: its record is asked as soon as its pace allows. */
export const pollSoon = async (tx: Transaction, record: SchedulerRow, now: number): Promise<void> => {
  await tx.run(
    `UPDATE telesto_schedulers SET next_poll_at = CASE WHEN COALESCE(last_asked_at, 0) + $2 > $1 THEN COALESCE(last_asked_at, 0) + $2 ELSE $1 END,
       quiet_polls = 0 WHERE id = $3 AND poll_failures = 0 AND next_poll_at > $1`,
    [now, Math.round(shortestPause(record)), record.id],
  )
}
