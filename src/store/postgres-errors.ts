import { TelestoError } from '../errors.js'
import { said, unusable } from './unusable.js'

/** What the server or the driver throws; only the server's have a SQLSTATE. */
const sqlState = (error: Error): string | undefined => {
  const code = 'code' in error ? error.code : undefined
  return typeof code === 'string' && /^[0-9A-Z]{5}$/.test(code) && 'severity' in error ? code : undefined
}

/** Classes of SQLSTATE in which the connection, the server or its access is at fault, and not the statement. */
const AT_FAULT = /^(08(?!P01)|28|3D|3F|42501|53|57|58|25P03|F0|XX)/

/**
 * What the driver threw (or Sequelize, which is looked into), as a TelestoError where the database itself is at fault; else
 * as it is. `name` is what the database is called without what is secret, `patience` how long it was waited for a lock.
 */
export const databaseError = (error: unknown, name: string, patience: number): unknown => {
  const inner = error instanceof Error && 'parent' in error ? error.parent : error
  if (!(inner instanceof Error) || inner instanceof TypeError || inner instanceof RangeError) return error
  const state = sqlState(inner)
  const fault = (code: Parameters<typeof unusable>[0], what: string) => unusable(code, name, what, error, 'database')
  if (state === undefined)
    return fault('database_unusable', `cannot be reached (${reason(inner)}). It is tried again with the next request.`)
  if (state === '55P03' || state === '40P01') {
    return fault(
      'database_locked',
      `has been locked by another process for ${Math.round(patience / 100) / 10} s. Nothing was written. ` +
        'Find who holds it (pg_locks and pg_stat_activity tell), end or wait for that process, and try again.',
    )
  }
  if (state === '25006') {
    return fault('database_read_only', 'takes no writes just now, as a standby does. Name the server that does.')
  }
  if (state === '53100') {
    return fault(
      'database_full',
      'cannot grow: its disk is full. Nothing was written. Free some space; no restart is needed.',
    )
  }
  if (state === '22021' || state === '22P05') {
    return new TelestoError('invalid', 'A text holds a character that cannot be stored: NUL, or half of a pair.', {
      cause: error,
    })
  }
  return AT_FAULT.test(state)
    ? fault('database_unusable', `cannot be used (${said(inner)}). Check the server, and what this user may do there.`)
    : error
}

/** A connection that was refused on several addresses has one error for each, and no words of its own. */
const reason = (error: Error): string => {
  const [first] = error instanceof AggregateError ? (error.errors as unknown[]) : [error]
  const told = first instanceof Error ? said(first) : said(error)
  return told === '' ? String((error as NodeJS.ErrnoException).code) : told
}
