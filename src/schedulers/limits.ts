import { z } from 'zod'
import { check } from '../options.js'

/** What an administrator may set on a scheduler record beside its configuration. null: no limit. */
export interface SchedulerLimits {
  readonly enabled?: boolean
  readonly pollSeconds?: number
  readonly maxIdsPerPoll?: number
  readonly maxPollsPerMinute?: number | null
  readonly maxSubmitsPerMinute?: number
  readonly maxActiveJobs?: number | null
  readonly maxActiveJobsPerUser?: number | null
}

const positive = z.int().positive('must be a whole number of 1 or more')
const schema = z
  .strictObject({
    enabled: z.boolean(),
    pollSeconds: z.number().positive('must be more than 0').max(3600),
    maxIdsPerPoll: positive,
    maxPollsPerMinute: positive.nullable(),
    maxSubmitsPerMinute: positive,
    maxActiveJobs: positive.nullable(),
    maxActiveJobsPerUser: positive.nullable(),
  })
  .partial()

/** The names of the limits. */
export const LIMITS = Object.keys(schema.shape) as readonly (keyof SchedulerLimits)[]

/** The limits that are given: undefined is none. Throws `unknown_field` and `invalid`, naming the limit. */
export const checkLimits = (wanted: unknown): SchedulerLimits =>
  Object.fromEntries(Object.entries(check(schema, wanted)).filter(([, value]) => value !== undefined))

/** As columns of the record. */
export const limitColumns = (limits: SchedulerLimits): [column: string, value: number | null][] =>
  Object.entries(limits).map(([field, value]) => [
    field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    typeof value === 'boolean' ? Number(value) : (value as number | null),
  ])
