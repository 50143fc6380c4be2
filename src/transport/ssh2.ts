import { SchedulerError } from '../adapter.js'

export type Ssh2 = typeof import('ssh2')

/** The package ssh2, which is there only where somebody wants SSH. */
export const loadSsh2 = async (): Promise<Ssh2> => {
  try {
    return (await import('ssh2')).default
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new SchedulerError('unavailable', 'SSH needs the package ssh2 beside Telesto. Run: npm install ssh2', {
      cause: error,
    })
  }
}
