import { lstat, readdir, rm, rmdir } from 'node:fs/promises'
import { join } from 'node:path'
import { type Answer, type JobRef, SchedulerError } from '../../src/adapter.js'
import { ABSENT, placeOf, readFact } from './facts.js'

/**
 * Removes the workdir of a job that is not alive. A symbolic link in place of the workdir is refused; links inside go,
 * and what they point to stays. The private folder goes last, so that a removal cut short can be repeated. Where
 * recover() promised that the token can no longer arrive, the claim that keeps this promise stays.
 */
export const cleanUp = async (job: JobRef): Promise<Answer> => {
  try {
    const place = placeOf(job)
    const kind = await lstat(place.workdir)
    if (!kind.isDirectory())
      return new SchedulerError('rejected', `${place.workdir} is not a directory, so it was not made for this job.`)
    for (const name of await readdir(place.workdir))
      if (name !== '.telesto') await rm(join(place.workdir, name), { recursive: true, force: true })
    if ((await readFact(place, 'claim'))?.text === ABSENT) return 'ok'
    await rm(place.privateDir, { recursive: true, force: true })
    await rmdir(place.workdir)
    return 'ok'
  } catch (error) {
    if (error instanceof SchedulerError) return error
    if (error instanceof Error && 'code' in error && error.code === 'ENOENT') return 'ok'
    return new SchedulerError('unavailable', `The job's directory cannot be removed: ${String(error)}`, {
      cause: error,
    })
  }
}
