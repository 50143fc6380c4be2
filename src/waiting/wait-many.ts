import { z } from 'zod'
import type { Viewer } from '../access.js'
import type { Core } from '../core.js'
import { TelestoError } from '../errors.js'
import { Job } from '../job.js'
import { check } from '../options.js'
import type { JobQuery } from '../query.js'
import { hasFailed, isSettled } from '../status.js'
import type { WholeJob } from '../store/jobs.js'
import { endings, isTimeout, type WaitOptions, waitFields } from './wait.js'
import { type Ending, readSeen, readStandings } from './waiting.js'

/** Jobs, ids of jobs, or a query, which is evaluated when the waiting begins. */
export type WaitedFor = readonly (Job | number)[] | JobQuery

const RETURN_WHEN = ['ALL_COMPLETED', 'FIRST_COMPLETED', 'FIRST_EXCEPTION'] as const

/** As in concurrent.futures and Dask: all have settled; at least one has; one has failed or was deleted, else as all. */
export type ReturnWhen = (typeof RETURN_WHEN)[number]

export interface WaitManyOptions extends WaitOptions {
  /** @defaultValue 'ALL_COMPLETED' */
  readonly returnWhen?: ReturnWhen | undefined
}

/** What `wait` found: each job once, in the order given. A job that was given as such is that object, refreshed. */
export interface Waited {
  readonly done: Job[]
  readonly notDone: Job[]
  /** The ids of those that were deleted meanwhile. */
  readonly gone: number[]
}

const options = z.strictObject({
  ...waitFields,
  returnWhen: z.enum(RETURN_WHEN, `must be one of ${RETURN_WHEN.join(', ')}`).optional(),
})

interface Whose {
  readonly core: Core
  readonly viewer: Viewer
  readonly app: string
}

export const waitForJobs = async (whose: Whose, given: WaitedFor, wanted: WaitManyOptions): Promise<Waited> => {
  const { core, viewer } = whose
  const { returnWhen = 'ALL_COMPLETED', ...until } = check(options, wanted)
  const jobs = await theseJobs(whose, given)
  const ended = new Map<number, WholeJob | undefined>()
  try {
    for await (const batch of endings(core, viewer, jobs.keys(), until)) {
      for (const { id, whole } of batch) ended.set(id, whole)
      if (batch.some((ending) => suffices(returnWhen, ending))) break
    }
  } catch (error) {
    if (!isTimeout(error)) throw error
  }
  const others = [...jobs.keys()].filter((id) => !ended.has(id))
  const rest = await readSeen(core, viewer, others)
  const waited: Waited = { done: [], notDone: [], gone: [] }
  for (const [id, job] of jobs) {
    const whole = ended.get(id) ?? rest.get(id)
    if (!whole) waited.gone.push(id)
    else if (isSettled(whole.row)) waited.done.push(picture(whose, job, whole))
    else waited.notDone.push(picture(whose, job, whole))
  }
  return waited
}

const suffices = (when: ReturnWhen, { whole }: Ending): boolean => {
  if (when === 'FIRST_COMPLETED') return whole !== undefined
  return when === 'FIRST_EXCEPTION' && (whole === undefined || hasFailed(whole.row))
}

export async function* jobsAsCompleted(whose: Whose, given: WaitedFor, until: WaitOptions): AsyncGenerator<Job> {
  const jobs = await theseJobs(whose, given)
  const gone: number[] = []
  for await (const batch of endings(whose.core, whose.viewer, jobs.keys(), until)) {
    for (const { id, whole } of batch) {
      if (whole) yield picture(whose, jobs.get(id), whole)
      else gone.push(id)
    }
  }
  if (gone.length > 0)
    throw new TelestoError('not_found', `Deleted while they were waited for: jobs ${gone.join(', ')}.`, {
      field: 'jobs',
    })
}

const picture = ({ core, viewer }: Whose, job: Job | undefined, whole: WholeJob): Job =>
  job?.show(whole) ?? new Job(core, viewer, whole)

/** What is to be waited for, by id, in the order given; with the job where it was given as such. */
const theseJobs = async ({ core, viewer, app }: Whose, given: WaitedFor): Promise<Map<number, Job | undefined>> => {
  const list: readonly (Job | number)[] = await given
  if (!Array.isArray(list)) {
    throw new TelestoError('invalid', 'Jobs are waited for by a list of jobs or ids, or by a query.', { field: 'jobs' })
  }
  const jobs = new Map<number, Job | undefined>()
  for (const [index, one] of list.entries()) {
    const job = one instanceof Job ? one : undefined
    const id = job?.id ?? one
    if (!Number.isSafeInteger(id)) {
      throw new TelestoError('invalid', `jobs.${index}: must be a job or the id of one.`, { field: `jobs.${index}` })
    }
    if (!jobs.has(id)) jobs.set(id, job)
  }
  const known = await readStandings(core, viewer, [...jobs.keys()], [{ app }])
  for (const id of jobs.keys()) {
    if (!known.has(id)) throw new TelestoError('not_found', `The app ${app} has no job ${id}.`, { field: 'jobs' })
  }
  return jobs
}
