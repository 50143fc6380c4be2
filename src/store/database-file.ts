import { access, constants, mkdir, open, stat } from 'node:fs/promises'
import path from 'node:path'
import { unusable } from './unusable.js'

const codeOf = (error: unknown): string => (error as NodeJS.ErrnoException).code ?? ''
const readOnlyCodes = ['EROFS', 'EPERM']

const can = async (target: string, mode: number): Promise<string | undefined> => {
  try {
    await access(target, mode)
    return undefined
  } catch (error) {
    return codeOf(error)
  }
}

/** Whether there is something at `file` already. Throws TelestoError `database_unusable` for what can be no database. */
export const databaseExists = async (file: string): Promise<boolean> => {
  const found = await stat(file).catch((error: unknown) => {
    if (codeOf(error) === 'ENOENT') return undefined
    if (codeOf(error) === 'ENOTDIR') throw notADirectory(file, error)
    throw unusable(
      'database_unusable',
      file,
      `cannot be looked at (${codeOf(error)}). Check the permissions of its directory.`,
      error,
    )
  })
  if (found?.isDirectory()) throw unusable('database_unusable', file, 'is a directory. Name a file inside it.')
  // SQLite would wait for ever on a pipe.
  if (found && !found.isFile()) throw unusable('database_unusable', file, 'is no regular file. Name another.')
  return found !== undefined
}

const notADirectory = (file: string, cause: unknown) =>
  unusable(
    'database_unusable',
    file,
    `cannot be made: part of ${path.dirname(file)} is a file. Name another directory.`,
    cause,
    'directory',
  )

/** Not mkdir's own `recursive`, which tries for ever where a parent exists but takes no directories, as in /proc. */
const makeDirectory = async (directory: string): Promise<void> => {
  const mode = 0o700
  try {
    await mkdir(directory, { mode })
  } catch (error) {
    if (codeOf(error) === 'EEXIST' && (await stat(directory)).isDirectory()) return
    if (codeOf(error) !== 'ENOENT' || path.dirname(directory) === directory) throw error
    await makeDirectory(path.dirname(directory))
    await mkdir(directory, { mode }).catch((again: unknown) => {
      if (codeOf(again) !== 'EEXIST') throw again // another process may have made it meanwhile
    })
  }
}

/**
 * Makes the directory (0700) and the file (0600) where they are not there. Throws TelestoError `database_read_only` or
 * `database_unusable`, which say what the engine's own "unable to open database file" does not.
 */
export const prepareDatabaseFile = async (file: string): Promise<void> => {
  const directory = path.dirname(file)
  try {
    await makeDirectory(directory)
  } catch (error) {
    if (codeOf(error) === 'EEXIST' || codeOf(error) === 'ENOTDIR') throw notADirectory(file, error)
    const code = readOnlyCodes.includes(codeOf(error)) ? 'database_read_only' : 'database_unusable'
    throw unusable(
      code,
      file,
      `has no directory, and ${directory} cannot be made (${codeOf(error)}).`,
      error,
      'directory',
    )
  }
  const exists = await databaseExists(file)
  if (exists && (await can(file, constants.R_OK)) !== undefined) {
    throw unusable('database_unusable', file, 'may not be read by the user of this process. Change its owner or mode.')
  }
  if (exists && (await can(file, constants.W_OK)) !== undefined) {
    throw unusable(
      'database_read_only',
      file,
      'may not be written by the user of this process. Change its owner or mode.',
    )
  }
  // The log stands beside the file.
  const refused = await can(directory, constants.W_OK | constants.X_OK)
  if (refused !== undefined) {
    const code = exists || readOnlyCodes.includes(refused) ? 'database_read_only' : 'database_unusable'
    throw unusable(
      code,
      file,
      `stands in ${directory}, which may not be written (${refused}). Change its owner or mode.`,
      undefined,
      'directory',
    )
  }
  if (exists) return
  try {
    // Not exclusive: another process may make it at the same moment.
    await (await open(file, 'a', 0o600)).close()
  } catch (error) {
    const full = codeOf(error) === 'ENOSPC' || codeOf(error) === 'EDQUOT'
    throw unusable(full ? 'database_full' : 'database_unusable', file, `cannot be made (${codeOf(error)}).`, error)
  }
}
