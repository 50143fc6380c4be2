import { posix } from 'node:path'
import { type JobRef, SchedulerError, type Token } from '../../src/adapter.js'

/** The directory of an attempt on the target. Scripts begin in `root` and are given paths relative to it. */
export interface Place {
  /** As the transport takes it. */
  readonly workdir: string
  /** `/`, or `.` for the home of the login. */
  readonly root: '/' | '.'
  readonly relative: string
}

/** Whether it can stand anywhere, unquoted. */
export const isToken = (token: Token): boolean => /^[A-Za-z0-9_-]{1,200}$/.test(token)

/** Throws `invalid_job` for a token or a directory that could lead somewhere else. */
export const placeOf = ({ workdir, token }: Pick<JobRef, 'workdir' | 'token'>): Place => {
  if (!isToken(token)) throw new SchedulerError('invalid_job', 'A token is made of A-Z a-z 0-9 _ -.')
  const path = posix.normalize(workdir)
  const relative = path.replace(/^\/|\/$/g, '')
  if (relative === '' || relative.split('/').includes('..') || relative === '.' || relative.startsWith('-'))
    throw new SchedulerError('invalid_job', `${JSON.stringify(workdir)} cannot be the directory of a job.`)
  if (/\p{Cc}/u.test(path) || !path.isWellFormed())
    throw new SchedulerError(
      'invalid_job',
      `The directory ${JSON.stringify(workdir)} has a control character, which HTCondor cannot carry.`,
    )
  return { workdir: path.replace(/(.)\/$/, '$1'), root: path.startsWith('/') ? '/' : '.', relative }
}
