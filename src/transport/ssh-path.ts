import { posix } from 'node:path'
import { SchedulerError } from '../adapter.js'

/**
 * A path of the target as commands and SFTP both read it: absolute, or relative to the home of the login. Begins with `/` or `./`,
 * so that no command takes it for an option. Throws SchedulerError `invalid_job`.
 */
export const remotePath = (path: string): string => {
  const refuse = (why: string) => new SchedulerError('invalid_job', `The path ${JSON.stringify(path)} ${why}`)
  if (path === '' || path.includes('\0') || !path.isWellFormed())
    throw refuse('must be absolute or relative to the home of the login, in valid Unicode, without NUL.')
  if (path === '~' || path.startsWith('~/'))
    throw refuse('must not begin with ~: a relative path is below the home already.')
  return path.startsWith('/') ? path : `./${posix.normalize(path)}`
}

/** The same, for what is to be removed: neither the root, nor the home or what is above it. */
export const removablePath = (path: string): string => {
  const normal = posix.normalize(remotePath(path))
  if (/^(\/|\.\/?|\.\.(\/.*)?)$/.test(normal))
    throw new SchedulerError('invalid_job', `${path}: the root and the home directory are not removed.`)
  return remotePath(normal)
}
