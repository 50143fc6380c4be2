import { z } from 'zod'

/** A whole number in a path or a query, written without leading zeros. */
export const whole = (min: number, max: number, message = `must be a whole number, ${min} to ${max}`) =>
  z
    .string(message)
    .regex(/^(0|[1-9]\d{0,15})$/, message)
    .transform(Number)
    .refine((value) => value >= min && value <= max, message)
    .meta({ type: 'integer', minimum: min, maximum: max })

/** A text in a query. No database stores a NUL character. */
export const text = z
  .string()
  .refine((value) => !value.includes('\0'), 'must have no NUL character')
  .meta({ pattern: '^[^\\u0000]*$' })

export const jobId = whole(1, Number.MAX_SAFE_INTEGER, 'must be the id of a job')

/** Path parameters of everything about one job. */
export const jobParams = z.object({ id: jobId })

/** No parameters: any is unknown, and refused by its name. */
export const none = z.strictObject({})
