import { constants } from 'node:fs'
import { access, copyFile, lstat, mkdir, rename, stat } from 'node:fs/promises'
import { dirname, isAbsolute, join, normalize } from 'node:path'
import { SchedulerError } from '../../src/adapter.js'

/** A relative path that stays below the directory it is looked up in. */
export const staysInside = (path: string): boolean => {
  const plain = normalize(path)
  return !isAbsolute(path) && plain !== '.' && plain !== '..' && !plain.startsWith('../')
}

/** A relative program with a slash, "./model.sh", is the first of that name in the roots; any other stays as it is. */
export const findProgram = async (program: string, roots: readonly string[]): Promise<string> => {
  if (isAbsolute(program) || !program.includes('/') || !staysInside(program)) return program
  return (await firstOf(program, roots)) ?? program
}

/**
 * Copies input files into the job's directory, each under the path by which it was named. Done again it does the same.
 * Throws SchedulerError `invalid_job` for a file that is in none of the roots.
 */
export const copyInputs = async (
  files: readonly string[],
  roots: readonly string[],
  workdir: string,
  draft: string,
): Promise<void> => {
  for (const file of files) {
    const from = await firstOf(file, roots)
    if (from === undefined || !(await stat(from)).isFile()) {
      throw new SchedulerError(
        'invalid_job',
        `There is no input file ${JSON.stringify(file)} in ${roots.join(' or ')}.`,
      )
    }
    const to = join(workdir, normalize(file))
    await mkdir(dirname(to), { recursive: true })
    await copyFile(from, draft, constants.COPYFILE_FICLONE)
    await rename(draft, to)
  }
}

const firstOf = async (path: string, roots: readonly string[]): Promise<string | undefined> => {
  for (const root of roots) {
    const candidate = join(root, path)
    const readable = await access(candidate, constants.R_OK).then(
      () => true,
      () => false,
    )
    if (readable && !(await lstat(candidate)).isDirectory()) return candidate
  }
  return undefined
}
