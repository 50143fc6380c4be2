import { z } from 'zod'

const id = z
  .string()
  .regex(/^[1-9]\d{0,15}$/, 'must be the id of a job')
  .transform(Number)
  .refine(Number.isSafeInteger, 'must be the id of a job')

/** Path parameters of everything about one job. */
export const jobParams = z.object({ id })

/** No parameters: any is unknown, and refused by its name. */
export const none = z.strictObject({})
