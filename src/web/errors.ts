import { z } from 'zod'
import type { Logger } from '../adapter.js'
import { TelestoError } from '../errors.js'

/** The one shape of every error that is answered as JSON. */
export const errorSchema = z
  .object({
    error: z.object({
      code: z.string().describe('Stable, for programs.'),
      message: z.string().describe('A sentence for people.'),
      field: z.string().optional().describe('The parameter, option or field that is wrong.'),
    }),
  })
  .meta({ id: 'ErrorAnswer' })

/** An error as it is answered. */
export interface Failure {
  readonly status: number
  readonly code: string
  readonly message: string
  readonly field?: string
}

/** What is told of an error. One that Telesto did not expect is told in the log alone. */
export const failureOf = (error: unknown, log: Logger): Failure => {
  if (error instanceof TelestoError) {
    const { status, code, message, field } = error
    if (status >= 500 && status !== 503) log.error({ code, field }, message)
    return { status, code, message, ...(field === undefined ? {} : { field }) }
  }
  // Express could not decode a part of the path: "/jobs/%E0".
  if (error instanceof URIError) {
    return { status: 400, code: 'invalid', message: 'The path is not well-formed.', field: 'path' }
  }
  log.error({ error: error instanceof Error ? (error.stack ?? String(error)) : String(error) }, 'A request failed.')
  return {
    status: 500,
    code: 'internal',
    message: 'Something went wrong here. The reason is in the log of the server.',
  }
}

export const errorBody = ({ code, message, field }: Failure): z.output<typeof errorSchema> => ({
  error: { code, message, ...(field === undefined ? {} : { field }) },
})
