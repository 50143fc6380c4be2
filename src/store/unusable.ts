import { TelestoError, type TelestoErrorCode } from '../errors.js'

/** What a database that cannot be used gets: `name` is its file, or its URL without what is secret. */
export const unusable = (
  code: Extract<TelestoErrorCode, `database_${string}`>,
  name: string,
  what: string,
  cause?: unknown,
  field: 'file' | 'directory' | 'database' = 'file',
): TelestoError => new TelestoError(code, `The database ${name} ${what}`, { cause, field })

/** An error's message, to be put into a sentence. */
export const said = (error: Error): string => error.message.replace(/\.$/, '')
