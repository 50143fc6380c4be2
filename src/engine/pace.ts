import type { SchedulerRow } from '../store/schedulers.js'

/** The pause that is kept between two polls whoever asks, in whole milliseconds. */
export const shortestPause = (record: Pick<SchedulerRow, 'pollSeconds' | 'maxPollsPerMinute'>): number =>
  Math.ceil(
    Math.max(record.pollSeconds * 1000, record.maxPollsPerMinute === null ? 0 : 60_000 / record.maxPollsPerMinute),
  )
