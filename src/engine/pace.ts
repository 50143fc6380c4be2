import type { SchedulerRow } from '../store/schedulers.js'

/** The pause that is kept between two polls whoever asks, in milliseconds. */
export const shortestPause = (record: Pick<SchedulerRow, 'pollSeconds' | 'maxPollsPerMinute'>): number =>
  Math.max(record.pollSeconds * 1000, record.maxPollsPerMinute === null ? 0 : 60_000 / record.maxPollsPerMinute)
