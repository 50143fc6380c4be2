import { z } from 'zod'
import { check } from '../options.js'
import { columnOf } from '../store/columns.js'

/** What an administrator may set on a scheduler record beside its configuration. null: no limit. */
export interface SchedulerLimits {
  /** False: it is asked nothing and given nothing; its jobs stay as they are. @defaultValue true */
  readonly enabled?: boolean
  /** Seconds between two polls, whoever asks; more where nothing changes, and none without active jobs. At most 3600. */
  readonly pollSeconds?: number
  /** Jobs in one question; more are asked about in several. */
  readonly maxIdsPerPoll?: number
  /** Of all processes together. @defaultValue null */
  readonly maxPollsPerMinute?: number | null
  /** Jobs that are handed over in a minute, by all processes together. */
  readonly maxSubmitsPerMinute?: number
  /** Jobs that it has at once; the others wait as Pending. */
  readonly maxActiveJobs?: number | null
  /** The same of one user. @defaultValue null */
  readonly maxActiveJobsPerUser?: number | null
}

const positive = z.int().positive('must be a whole number of 1 or more')
export const limitsSchema = z
  .strictObject({
    enabled: z
      .boolean()
      .describe('Whether it is used. If not, nothing is asked and nothing submitted; jobs stay as they are.'),
    pollSeconds: z
      .number()
      .positive('must be more than 0')
      .max(3600)
      .describe('Seconds between two questions; fewer are never asked.'),
    maxIdsPerPoll: positive.describe('Jobs in one question.'),
    maxPollsPerMinute: positive.nullable().describe('Questions in a minute.'),
    maxSubmitsPerMinute: positive.describe('Jobs handed over in a minute.'),
    maxActiveJobs: positive.nullable().describe('Jobs at once; the others wait as Pending.'),
    maxActiveJobsPerUser: positive.nullable().describe('The same for each owner.'),
  })
  .partial()

/** The limits that are given: undefined is none. Throws `unknown_field` and `invalid`, naming the limit. */
export const checkLimits = (wanted: unknown): SchedulerLimits =>
  Object.fromEntries(Object.entries(check(limitsSchema, wanted)).filter(([, value]) => value !== undefined))

/** As columns of the record. */
export const limitColumns = (limits: SchedulerLimits): [column: string, value: number | null][] =>
  Object.entries(limits).map(([field, value]) => [
    columnOf(field),
    typeof value === 'boolean' ? Number(value) : (value as number | null),
  ])
