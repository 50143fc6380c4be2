import { said, unusable } from './unusable.js'

// node:sqlite gives numbers; Sequelize, and whoever looks for a broken constraint, wants SQLite's names.
const names: Readonly<Record<number, string>> = {
  1: 'SQLITE_ERROR',
  3: 'SQLITE_PERM',
  5: 'SQLITE_BUSY',
  6: 'SQLITE_LOCKED',
  7: 'SQLITE_NOMEM',
  8: 'SQLITE_READONLY',
  10: 'SQLITE_IOERR',
  11: 'SQLITE_CORRUPT',
  13: 'SQLITE_FULL',
  14: 'SQLITE_CANTOPEN',
  15: 'SQLITE_PROTOCOL',
  19: 'SQLITE_CONSTRAINT',
  21: 'SQLITE_MISUSE',
  23: 'SQLITE_AUTH',
  26: 'SQLITE_NOTADB',
  261: 'SQLITE_BUSY_RECOVERY',
  517: 'SQLITE_BUSY_SNAPSHOT',
  773: 'SQLITE_BUSY_TIMEOUT',
  275: 'SQLITE_CONSTRAINT_CHECK',
  787: 'SQLITE_CONSTRAINT_FOREIGNKEY',
  1299: 'SQLITE_CONSTRAINT_NOTNULL',
  1555: 'SQLITE_CONSTRAINT_PRIMARYKEY',
  1811: 'SQLITE_CONSTRAINT_TRIGGER',
  2067: 'SQLITE_CONSTRAINT_UNIQUE',
  2579: 'SQLITE_CONSTRAINT_ROWID',
}

/** What node:sqlite throws; `code` is "ERR_SQLITE_ERROR" until `named` has seen it. */
interface SqliteError extends Error {
  code: string
  readonly errcode: number
}

export const isSqliteError = (error: unknown): error is SqliteError =>
  error instanceof Error && typeof (error as Partial<SqliteError>).errcode === 'number'

/** Gives the engine's error the name of its result code: "SQLITE_BUSY", "SQLITE_CONSTRAINT_UNIQUE". */
export const named = (error: unknown): unknown => {
  if (isSqliteError(error)) error.code = names[error.errcode] ?? names[error.errcode & 0xff] ?? error.code
  return error
}

/** Another connection is in the way for a moment. Not BUSY_SNAPSHOT: there only a new transaction can succeed. */
export const isBusy = (error: unknown): boolean =>
  isSqliteError(error) && (error.errcode === 15 || ((error.errcode & 0xff) === 5 && error.errcode !== 517))

/** The statement was at fault, and its transaction goes on: bad SQL, a broken constraint, a value that does not fit. */
const isStatementError = (error: unknown): boolean =>
  !isSqliteError(error) || [1, 18, 19, 20, 21, 25].includes(error.errcode & 0xff)

/** A TelestoError where the database itself is at fault; everything else as it is. Sequelize's errors are looked into. */
export const databaseError = (error: unknown, file: string, patience: number): unknown => {
  const inner = error instanceof Error && 'parent' in error ? error.parent : error
  if (!isSqliteError(inner) || isStatementError(inner)) return error
  const code = inner.errcode & 0xff
  if (code === 5 || code === 6 || code === 15) {
    return unusable(
      'database_locked',
      file,
      `has been locked by another process for ${Math.round(patience / 100) / 10} s. Nothing was written. ` +
        `Find who holds it (fuser ${file}), end or wait for that process, and try again.`,
      error,
    )
  }
  if (code === 8) {
    return unusable(
      'database_read_only',
      file,
      'cannot be written. Let the user of this process write to the file and its directory, and try again.',
      error,
    )
  }
  // SHMSIZE: the index of the log could not grow, which is how a full disk shows on the first write.
  if (code === 13 || inner.errcode === 4874) {
    return unusable(
      'database_full',
      file,
      'cannot grow: its disk is full. Nothing was written. Free some space; no restart is needed.',
      error,
    )
  }
  if (code === 26 || code === 11) {
    return unusable(
      'database_unusable',
      file,
      `is not a sound SQLite database (${said(inner)}). Name another file, or restore a copy.`,
      error,
    )
  }
  return unusable(
    'database_unusable',
    file,
    `cannot be used (${said(inner)}). Check the file, its directory and its disk.`,
    error,
  )
}
