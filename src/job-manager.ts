import type { Viewer } from './access.js'
import type { Adapter } from './adapter.js'
import { type App, appOf, type Core } from './core.js'
import { checkWorkspace, defaultWorkspace } from './directories.js'
import { TelestoError } from './errors.js'
import type { JobFilter } from './filters.js'
import { Job } from './job.js'
import type { BulkJobOptions, CreateJobOptions, JobOptions, Tasks } from './job-options.js'
import { checkOptions } from './options.js'
import { checkParents, checkPlaces, visibleParents } from './parents.js'
import { JobQuery, type Order } from './query.js'
import { notAssigned, notDeclared } from './schedulers/settings.js'
import type { Transaction } from './store/database.js'
import type { NewJob, WholeJob } from './store/jobs.js'
import { readScheduler, readSetting } from './store/schedulers.js'
import { insertJobs } from './store/write-jobs.js'
import { checkWait, type WaitOptions } from './waiting/wait.js'
import { jobsAsCompleted, type Waited, type WaitedFor, type WaitManyOptions, waitForJobs } from './waiting/wait-many.js'

export interface ListJobsOptions {
  /** Only this user's jobs. Not together with `groups`. */
  readonly user?: string
  /** Only jobs of at least one of these groups; each job once. */
  readonly groups?: string | readonly string[]
  /** Default: by id. */
  readonly orderBy?: Order
  readonly filters?: JobFilter
}

export interface GetJobOptions {
  /** Only if it is this user's. */
  readonly user?: string
  /** Only if these hold. */
  readonly filters?: JobFilter
}

/**
 * Creates and finds the jobs of one app. `telesto.app(name)` gives that of trusted host code, `req.telesto.app(name)` and
 * `telesto.as(user).app(name)` the same, limited to what that user may see and do.
 */
export class JobManager<A extends readonly Adapter[] = readonly Adapter[], T extends Tasks = Tasks> {
  readonly #core: Core
  readonly #viewer: Viewer
  /** The name of the app. */
  readonly app: string

  /** @internal */
  constructor(core: Core, viewer: Viewer, app: string) {
    this.#core = core
    this.#viewer = viewer
    this.app = app
  }
  /** The same; Tethys calls it so. */
  get label(): string {
    return this.app
  }

  /**
   * Stores a new job and gives it, as Pending. Its options are those of every job and those of its type.
   * Throws TelestoError that names the field; then nothing was stored.
   */
  async createJob(options: CreateJobOptions<A, T>): Promise<Job> {
    alone(options)
    return (await this.#create([options], (_index, work) => work()))[0] as Job
  }

  /** The same, but unsaved: the first save() or execute() stores it. */
  async buildJob(options: CreateJobOptions<A, T>): Promise<Job> {
    alone(options)
    const checked = await this.#check(options)
    const { app, parents } = checked
    checkParents(checked, await visibleParents(this.#core, this.#viewer, this.#core.database, app, parents))
    return new Job(this.#core, this.#viewer, checked)
  }

  /**
   * Stores many jobs in one transaction: all, or none if one is wrong. The field in the error starts with its place: "3.name".
   * `after` names parents by their places in the same array: [0, 1]. Throws `parents_cycle`, with the places, where jobs would
   * wait for each other.
   */
  async bulkCreate(options: readonly BulkJobOptions<A, T>[]): Promise<Job[]> {
    if (!Array.isArray(options)) {
      throw new TelestoError('invalid', 'bulkCreate takes an array of options.', { field: 'options' })
    }
    return await this.#create(options, inPlace)
  }

  /** A query of this app's jobs, narrowed. Awaited it is Job[]. Throws `invalid` and `unknown_field`, naming the option or filter. */
  listJobs(options: ListJobsOptions = {}): JobQuery {
    const { user, groups, orderBy = 'id', filters = {} } = options
    if (user !== undefined && groups !== undefined) {
      throw new TelestoError('invalid', 'listJobs takes user or groups, not both.', { field: 'groups' })
    }
    return this.query()
      .filter(filters)
      .filter({ ...(user === undefined ? {} : { user }), ...(groups === undefined ? {} : { groups }) })
      .orderBy(orderBy)
  }

  /** The job with this id, or null where this app (and user) has none. */
  async getJob(jobId: number, options: GetJobOptions = {}): Promise<Job | null> {
    if (!Number.isSafeInteger(jobId)) return null
    const { user, filters = {} } = options
    return await this.query()
      .filter(filters)
      .filter({ id: jobId, ...(user === undefined ? {} : { user }) })
      .first()
  }

  /** All jobs of this app, lazily. */
  query(): JobQuery {
    return new JobQuery(this.#core, this.#viewer, { app: this.app })
  }

  /**
   * Waits for jobs of this app until all have settled, or as `returnWhen` says. When the time is over it resolves all the
   * same, with what is done and what is not, as concurrent.futures does (Dask rejects). Rejects with `not_found` where the
   * app (and user) has no such job when the waiting begins, with the signal's reason, with `closed`.
   */
  async wait(jobs: WaitedFor, options: WaitManyOptions = {}): Promise<Waited> {
    return await waitForJobs({ core: this.#core, viewer: this.#viewer, app: this.app }, jobs, options)
  }
  /**
   * Jobs of this app, each once, in the order in which they settle; those that have settled already come first. Each is as it
   * was when it settled; a job that was given as such is that object, refreshed. Nothing is asked before the iteration begins.
   * Throws as `wait` does; `timeout` when the time is over; after the last one `not_found` where some were deleted meanwhile.
   */
  asCompleted(jobs: WaitedFor, options: WaitOptions = {}): AsyncIterableIterator<Job> {
    return jobsAsCompleted({ core: this.#core, viewer: this.#viewer, app: this.app }, jobs, checkWait(options))
  }

  /** The address at which the job's status can be poked and reported: absolute where Telesto knows its url, else a path. */
  getJobStatusCallbackUrl(jobId: number): string {
    if (!Number.isSafeInteger(jobId) || jobId < 1) {
      const message = 'getJobStatusCallbackUrl takes the id of a job alone: an address never comes from a request.'
      throw new TelestoError('invalid', message, { field: 'jobId' })
    }
    return this.#core.urls.callback(jobId) ?? this.#core.urls.page(`/update-job-status/${jobId}`)
  }

  async #create(list: readonly GivenOptions[], at: At): Promise<Job[]> {
    const { database } = this.#core
    const jobs: NewJob[] = []
    const chosen = this.#schedulers()
    for (const [index, options] of list.entries())
      jobs.push(await at(index, async () => await this.#check(options, chosen)))
    checkPlaces(jobs)
    const work = async (tx: Transaction): Promise<WholeJob[]> => {
      const named = jobs.flatMap(({ parents }) => parents)
      const visible = await visibleParents(this.#core, this.#viewer, tx, this.app, named)
      for (const [index, job] of jobs.entries()) await at(index, async () => checkParents(job, visible))
      return await insertJobs(tx, jobs, this.#viewer)
    }
    const stored = await database.write(work, { alone: jobs.length > 1 })
    this.#core.committed()
    return stored.map((whole) => new Job(this.#core, this.#viewer, whole))
  }

  async #check(options: GivenOptions, chosen = this.#schedulers()): Promise<NewJob> {
    const app = appOf(this.#core, this.app)
    return await toNewJob(this.#core, app, this.#viewer, options, chosen)
  }

  /** The option `scheduler` of jobs of one call: each setting or record is looked at once, whatever their number. */
  #schedulers(): ChooseScheduler {
    const known = new Map<string, Promise<ChosenScheduler>>()
    return (adapter, scheduler) => {
      const key = JSON.stringify([adapter, typeof scheduler === 'object' ? scheduler.id : scheduler])
      const found = known.get(key) ?? schedulerOption(this.#core, appOf(this.#core, this.app), adapter, scheduler)
      known.set(key, found)
      return found
    }
  }
}

/** What was given, whatever its type. */
type GivenOptions = JobOptions & { readonly jobType: string }

/** Throws where one job names places in an array of jobs. */
const alone = (options: object): void => {
  if ((options as { readonly after?: unknown } | null)?.after === undefined) return
  const message =
    'The option after names places in the array of bulkCreate; one job names its parents by their ids: parents.'
  throw new TelestoError('unknown_field', message, { field: 'after' })
}

/** Does what concerns one job of a list. */
type At = <T>(index: number, work: () => Promise<T>) => Promise<T>

/** The field of an error starts with the job's place. */
const inPlace: At = async (index, work) => {
  try {
    return await work()
  } catch (error) {
    if (!(error instanceof TelestoError)) throw error
    const field = error.field === undefined ? `${index}` : `${index}.${error.field}`
    throw new TelestoError(error.code, `Job ${index}: ${error.message}`, { field, cause: error })
  }
}

interface ChosenScheduler {
  readonly schedulerSetting: string | null
  readonly schedulerId: number | null
}
type ChooseScheduler = (adapter: string, scheduler: JobOptions['scheduler']) => Promise<ChosenScheduler>

const toNewJob = async (
  core: Core,
  app: App,
  viewer: Viewer,
  options: GivenOptions,
  choose: ChooseScheduler,
): Promise<NewJob> => {
  const { jobType, common, spec, needsScheduler, task } = checkOptions(core.registry, app, options)
  if (viewer && viewer.user.isAdmin !== true && common.user !== viewer.user.id) {
    throw new TelestoError('forbidden', 'A job is created for the user who asks for it.', { field: 'user' })
  }
  if (viewer && viewer.user.isAdmin !== true && typeof common.scheduler === 'object') {
    throw new TelestoError(
      'forbidden',
      'A record is chosen by code of the host; name a scheduler setting of the app.',
      {
        field: 'scheduler',
      },
    )
  }
  const scheduler = await choose(jobType.adapter.type, common.scheduler)
  return {
    app: app.name,
    name: common.name,
    description: common.description,
    user: common.user,
    jobType: jobType.name,
    spec,
    needsScheduler,
    task,
    ...scheduler,
    workspace:
      common.workspace === undefined
        ? ''
        : await checkWorkspace(common.workspace, [
            // Not the root of all jobs: the directories of other users and apps lie beside each other there.
            defaultWorkspace(core.jobsRoot, app.name, common.user),
            ...app.workspaceRoots,
          ]),
    processResults: common.processResults ?? null,
    extendedProperties: JSON.stringify(common.extendedProperties),
    groups: common.groups,
    tags: common.tags,
    parents: common.parents,
    after: common.after,
    onParentFailure: common.onParentFailure,
  }
}

const schedulerOption = async (
  core: Core,
  app: App,
  adapter: string,
  scheduler: JobOptions['scheduler'],
): Promise<ChosenScheduler> => {
  if (scheduler === undefined) return { schedulerSetting: null, schedulerId: null }
  const wrongAdapter = (name: string, type: string): never => {
    throw new TelestoError('setting_wrong_adapter', `${name} is for ${type}, and the job needs ${adapter}.`, {
      field: 'scheduler',
    })
  }
  if (typeof scheduler === 'object') {
    const record = await readScheduler(core.database, scheduler.id)
    if (!record) {
      throw new TelestoError('scheduler_not_found', `There is no scheduler ${JSON.stringify(scheduler.name)}.`, {
        field: 'scheduler',
      })
    }
    if (record.adapter !== adapter) wrongAdapter(`The scheduler ${record.name}`, record.adapter)
    return { schedulerSetting: null, schedulerId: record.id }
  }
  const declared = app.schedulerSettings[scheduler]
  if (!declared || !Object.hasOwn(app.schedulerSettings, scheduler)) throw notDeclared(app, scheduler, 'scheduler')
  if (declared.adapter !== adapter) wrongAdapter(`The setting ${scheduler}`, declared.adapter)
  const setting = await readSetting(core.database, app.name, scheduler)
  if (setting === undefined || setting.schedulerId === null) throw notAssigned(app.name, scheduler)
  return { schedulerSetting: scheduler, schedulerId: null }
}
