import { lstat, mkdir, readlink, symlink } from 'node:fs/promises'
import { isAbsolute, join, resolve } from 'node:path'
import { SchedulerError, type Token } from '../../src/adapter.js'

/**
 * Where Telesto keeps what it knows of an attempt: `<workdir>/.telesto/<token>`, for this user's eyes only. Everything
 * under `.telesto` is private and never a result.
 *
 *     run.sh              the wrapper, with the job's command and environment
 *     claim               who decided about this token, and when: a process, or "telesto:absent"
 *     cancel              a cancel was asked for, and when
 *     exit                the exit code, and when
 *     stdout, stderr      the job's own
 *     task.json           what the runner of a task is to do
 *     told.json           what the task last told: progress, message, the error it ended with
 *     result.json         what the task returned
 *     wrapper.log         what the wrapper's shell complained of
 */
export interface Place {
  readonly workdir: string
  readonly privateDir: string
  readonly folder: string
}

/** Throws `invalid_job` for a token or a directory that could lead somewhere else. */
export const placeOf = ({ workdir, token }: { readonly workdir: string; readonly token: Token }): Place => {
  if (!/^[A-Za-z0-9_-]{1,200}$/.test(token))
    throw new SchedulerError('invalid_job', 'A token is made of A-Z a-z 0-9 _ -.')
  if (!isAbsolute(workdir) || resolve(workdir) === '/' || workdir.includes('\0') || !workdir.isWellFormed())
    throw new SchedulerError(
      'invalid_job',
      'The working directory must be an absolute path below the root, without NUL.',
    )
  const privateDir = join(workdir, '.telesto')
  return { workdir, privateDir, folder: join(privateDir, token) }
}

/** Makes the private folder, and the workdir where there is none. */
export const makePlace = async (place: Place): Promise<void> => {
  await mkdir(place.workdir, { recursive: true })
  await mkdir(place.folder, { recursive: true, mode: 0o700 })
}

export interface Fact {
  readonly text: string
  /** When it was written, by the file system's clock. */
  readonly at: Date
}

/**
 * A fact is the target of a symbolic link that leads nowhere. Making one is a single step that either writes the whole
 * content or fails because the fact is there: no half-written state for a crash to leave, and nothing to lock. It needs
 * no data block either, so that an exit code can be kept on a disk which the job has filled.
 */
export const readFact = async (place: Place, name: 'claim' | 'cancel' | 'exit'): Promise<Fact | undefined> => {
  const path = join(place.folder, name)
  try {
    const text = await readlink(path)
    return { text, at: (await lstat(path)).mtime }
  } catch (error) {
    // EINVAL: something that is not a link has been put there, which tells nothing.
    if (error instanceof Error && 'code' in error && /^(ENOENT|ENOTDIR|EINVAL)$/.test(String(error.code)))
      return undefined
    throw new SchedulerError('unavailable', `${path} cannot be read: ${String(error)}`, { cause: error })
  }
}

/** False: the fact was there before. */
export const writeFact = async (place: Place, name: 'claim' | 'cancel', text: string): Promise<boolean> => {
  const path = join(place.folder, name)
  try {
    await symlink(text, path)
    return true
  } catch (error) {
    if (error instanceof Error && 'code' in error && error.code === 'EEXIST') return false
    throw new SchedulerError('unavailable', `${path} cannot be written: ${String(error)}`, { cause: error })
  }
}

/** The claim of recover(): this token never ran and never will. */
export const ABSENT = 'telesto:absent'
