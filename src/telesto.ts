import path from 'node:path'
import type { Request, RequestHandler, Router } from 'express'
import { z } from 'zod'
import { type Access, defaultAccess, type User } from './access.js'
import type { Adapter, Logger } from './adapter.js'
import { type Clock, systemClock } from './clock.js'
import { createConnections } from './connections.js'
import { type App, appOf, type Core, type SchedulerSettingDeclaration, type Urls } from './core.js'
import { customStatusesSchema, type StatusCategories, statusCategories } from './custom-statuses.js'
import { createEngine, type Engine } from './engine/engine.js'
import { TelestoError } from './errors.js'
import { createEventFeed, type EventFeed } from './event-feed.js'
import { JobManager } from './job-manager.js'
import type { TaskDeclaration, Tasks } from './job-options.js'
import { createKeyRing, keysInEnvironment } from './key-ring.js'
import { machineId } from './machine.js'
import { check, type Task } from './options.js'
import { createPokes } from './pokes.js'
import { processIdentity } from './process-identity.js'
import { type ProcessResults, processing } from './processing.js'
import { createQuestions } from './questions.js'
import { createRegistry } from './registry.js'
import { createReportTokens, reportKeys } from './report-token.js'
import * as questions from './schedulers/ask.js'
import * as change from './schedulers/change.js'
import * as records from './schedulers/records.js'
import { type Rotated, rotateKeys } from './schedulers/rotate.js'
import * as settings from './schedulers/settings.js'
import type { StatusClass } from './status.js'
import { DATABASE_FILE, openDatabase } from './store/open.js'
import { createProgress } from './store/progress.js'
import { createTotals } from './totals.js'
import { openTransport } from './transport/open.js'
import type { HostKey } from './transport/ssh-host-key.js'
import { UserView } from './user-view.js'
import { createPolled } from './waiting/polled.js'
import { createWaiting } from './waiting/waiting.js'
import { createWeb, type Web } from './web/web.js'

declare global {
  namespace Express {
    interface Request {
      /** Telesto as the user of this request sees it; put there by `telesto.middleware`. */
      telesto: UserView
    }
  }
}

export interface TelestoOptions<A extends readonly Adapter[]> {
  /** The kinds of schedulers that this portal drives; they bring the job types. */
  readonly adapters: A
  /** Who asks: the host's own authentication. Undefined is nobody, who sees nothing. Default: nobody. */
  readonly identify?: (req: Request & { readonly user?: User }) => User | undefined | Promise<User | undefined>
  /** Who sees which jobs, as a filter. Default: owner, member of a group of the job, admin. */
  readonly visible?: Access['visible']
  /** Who may do what with a visible job. Default: the same. */
  readonly may?: Access['may']
  /**
   * Texts of the apps' own as statuses, each with what it means: `{ Calibrating: 'running', Archived: 'terminal' }`. The
   * class is stored with a job when its status is set; a text that is not listed counts as on its way.
   */
  readonly customStatuses?: Readonly<Record<string, StatusClass>>
  /** Where the database, the key of reports and the jobs' directories live. @defaultValue '.telesto' */
  readonly directory?: string
  /**
   * The keys that encrypt the secrets of scheduler records, as `npx telesto keys generate` prints them: the first one encrypts, all
   * decrypt. The same in every process. Without one no secret can be stored.
   * @defaultValue those of the environment variable TELESTO_KEYS, with commas between them
   */
  readonly keys?: readonly string[]
  /**
   * A PostgreSQL database, which any number of processes and machines may share: 'postgres://user:password@host:5432/name'.
   * Needs the package pg. @defaultValue a SQLite file in `directory`
   */
  readonly database?: string
  /**
   * Whether a database of an older version is brought up to date (a file after a copy), or refused with `database_too_old`.
   * @defaultValue true for the SQLite file; false for `database`, which is for `telesto migrate`
   */
  readonly migrate?: boolean
  /** The address under which the world reaches the router: 'https://portal.example/telesto'. Without it jobs cannot report. */
  readonly url?: string
  /** Where the router is mounted, when there is no `url`. @defaultValue '/telesto' */
  readonly mountPath?: string
  /** False: this process shows and takes orders, and another one carries them out. @defaultValue true */
  readonly runLoops?: boolean
  /** How long a process that no longer answers keeps its work from the others, in seconds. @defaultValue 90 */
  readonly leaseSeconds?: number
  /**
   * Requests in a minute from one address: pokes of the callback (and the reports of each job), and the API.
   * @defaultValue 600 and 3000
   */
  readonly rateLimits?: { readonly callback?: number; readonly api?: number }
  /** Shaped like pino. @defaultValue silent */
  readonly log?: Logger
  /** @defaultValue the real one; a test brings its own */
  readonly clock?: Clock
}

export interface AppOptions<T extends Tasks = Tasks> {
  readonly schedulerSettings?: Readonly<Record<string, SchedulerSettingDeclaration>>
  /** Functions that a job names in `processResults`. */
  readonly processResults?: Readonly<Record<string, ProcessResults>>
  /**
   * Modules whose `run` a job can name as its `task`, to be run in a process of its own: a file: URL, or that and a zod schema
   * of the input, which types and validates what createJob takes: `{ module: new URL('./analyse.js', import.meta.url), input }`.
   */
  readonly tasks?: T
  /** Where relative input files are looked up after the job's own workspace. @defaultValue the working directory */
  readonly workspace?: string
  /** Directories, beside the user's own in Telesto's, in which a job's `workspace` may lie. */
  readonly workspaceRoots?: readonly string[]
  /** The app's own page, which Telesto's pages link to: a path or an http(s) address. */
  readonly url?: string
  /** The app's page for the results of a job; `{id}` in it is replaced by the job's id. Linked once there are results. */
  readonly resultsUrl?: string
}

const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

const optionsSchema = z.strictObject({
  adapters: z
    .array(z.custom<Adapter>((value) => typeof (value as Adapter | null)?.connect === 'function', 'must be an adapter'))
    .min(1, 'must name at least one adapter'),
  identify: z
    .custom<(req: Request) => User | undefined>((value) => typeof value === 'function', 'must be a function')
    .optional(),
  visible: z.custom<Access['visible']>((value) => typeof value === 'function', 'must be a function').optional(),
  may: z.custom<Access['may']>((value) => typeof value === 'function', 'must be a function').optional(),
  customStatuses: customStatusesSchema.optional(),
  directory: z.string().min(1).optional(),
  keys: z.array(z.string()).optional(),
  database: z.string().optional(),
  migrate: z.boolean().optional(),
  url: z.url({ protocol: /^https?$/, message: 'must be an http or https address' }).optional(),
  mountPath: z
    .string()
    .regex(/^(\/[^/?#]+)*\/?$/, 'must be a path like /telesto')
    .optional(),
  runLoops: z.boolean().optional(),
  leaseSeconds: z.number().min(1, 'must be 1 or more').max(3600).optional(),
  rateLimits: z
    .strictObject({ callback: z.int().positive().optional(), api: z.int().positive().optional() })
    .optional(),
  log: z.custom<Logger>((value) => typeof (value as Logger | null)?.info === 'function', 'must be a logger').optional(),
  clock: z
    .custom<Clock>((value) => typeof (value as Clock | null)?.monotonic === 'function', 'must be a clock')
    .optional(),
})

const address = z.string().regex(/^(\/(?!\/)|https?:\/\/)/, 'must be a path like /flood or an http(s) address')
const moduleUrl = z.custom<URL>((value) => value instanceof URL && value.protocol === 'file:')
const schema = z.custom<z.ZodType>((value) => typeof (value as z.ZodType | null)?.safeParse === 'function')
const appSchema = z.strictObject({
  schedulerSettings: z
    .record(
      z.string().min(1).max(255),
      z.strictObject({ adapter: z.string(), description: z.string().optional(), required: z.boolean().optional() }),
    )
    .optional(),
  processResults: z
    .record(
      z.string().min(1).max(255),
      z.custom<ProcessResults>((value) => typeof value === 'function', 'must be a function'),
    )
    .optional(),
  tasks: z
    .record(
      z.string().min(1).max(255),
      z.union([moduleUrl, z.strictObject({ module: moduleUrl, input: schema })], {
        error: 'must be a file: URL, or { module: a file: URL, input: a zod schema }',
      }),
    )
    .optional(),
  workspace: z.string().optional(),
  workspaceRoots: z.array(z.string()).optional(),
  url: address.optional(),
  resultsUrl: address.optional(),
})
const appName = z.string().regex(/^[\w.-]{1,255}$/, 'must have 1 to 255 letters, digits, _, . or -')

const toTask = (declared: TaskDeclaration): Task =>
  declared instanceof URL
    ? { module: declared.href, input: undefined }
    : { module: declared.module.href, input: declared.input }

/** The functions that process results, by app and name. */
type Functions = Map<string, Readonly<Record<string, ProcessResults>>>

/** A job manager for the apps of one Express host. Made by createTelesto(). */
export class Telesto<A extends readonly Adapter[] = readonly Adapter[]> {
  readonly #core: Core
  readonly #engine: Engine
  readonly #feed: EventFeed
  readonly #web: Web
  readonly #functions: Functions
  /** Settings of apps that are being written down. */
  readonly #declaring = new Set<Promise<void>>()

  /** @internal */
  constructor(core: Core, engine: Engine, feed: EventFeed, web: Web, functions: Functions) {
    this.#core = core
    this.#engine = engine
    this.#feed = feed
    this.#web = web
    this.#functions = functions
  }

  /**
   * The manager of an app's jobs, for trusted code of the host. The first call declares the app: this process submits jobs and
   * processes results only of apps that it has declared, and settings exist only for these. With `tasks` in the options, the
   * jobs that name one are typed by them. Throws `invalid` where options are given a second time.
   */
  app<const T extends Tasks = Record<never, never>>(name: string, options: AppOptions<T>): JobManager<A, T>
  app(name: string): JobManager<A>
  app(name: string, options?: AppOptions): JobManager<A> {
    const { apps } = this.#core
    if (options !== undefined && apps.has(name)) {
      throw new TelestoError('invalid', `The app ${name} is declared already. Give its options once.`, {
        field: 'options',
      })
    }
    if (!apps.has(name)) {
      const checked = check(appSchema, options ?? {}, 'options')
      const app: App = {
        name: check(appName, name, 'name'),
        schedulerSettings: (checked.schedulerSettings ?? {}) as App['schedulerSettings'],
        processResults: new Set(Object.keys(checked.processResults ?? {})),
        tasks: new Map(Object.entries(checked.tasks ?? {}).map(([task, declared]) => [task, toTask(declared)])),
        workspace: path.resolve(checked.workspace ?? '.'),
        workspaceRoots: (checked.workspaceRoots ?? []).map((root) => path.resolve(root)),
        ...(checked.url === undefined ? {} : { url: checked.url }),
        ...(checked.resultsUrl === undefined ? {} : { resultsUrl: checked.resultsUrl }),
      }
      apps.set(app.name, app)
      this.#functions.set(app.name, checked.processResults ?? {})
      this.#declare(app)
      this.#engine.wake()
    }
    return new JobManager<A>(this.#core, undefined, appOf(this.#core, name).name)
  }

  /** The settings of an app are written down, so that administrators and the command line see them. */
  #declare(app: App): void {
    const { log } = this.#core
    const written = settings
      .recordSettings(this.#core, app)
      .catch((error) => log.warn({ app: app.name, error: String(error) }, 'settings could not be written down'))
      .finally(() => this.#declaring.delete(written))
    this.#declaring.add(written)
  }

  /** The same as `req.telesto`, for a user: limited to what they may see and do. Throws `invalid` for a user without an id. */
  as(user: User): UserView<A> {
    return new UserView<A>(this.#core, user)
  }

  /** Puts `req.telesto` on every request: who asks, and each app limited to what they may do. */
  get middleware(): RequestHandler {
    return this.#web.middleware
  }
  /** Pages, API, events and the callback; mount it at `mountPath` or at the path of `url`. */
  get router(): Router {
    return this.#web.router
  }
  /** The callback alone, for the host's root: `/update-job-status/:id`, as Tethys has it. */
  get callbackRouter(): Router {
    return this.#web.callbackRouter
  }

  /** Tethys' categories of display names, with the texts of `customStatuses` in theirs. */
  get statuses(): StatusCategories {
    return statusCategories(this.#core.customStatuses)
  }

  /** All scheduler records, by name. */
  async listSchedulers(): Promise<records.SchedulerRecord[]> {
    return await records.listSchedulers(this.#core)
  }
  /** A record by its name, or null. */
  async getScheduler(name: string): Promise<records.SchedulerRecord | null> {
    return await records.getScheduler(this.#core, name)
  }
  /** Stores a record. Throws TelestoError that names the field; `scheduler_name_taken`; `secrets_without_key`. */
  async createScheduler(scheduler: change.NewScheduler): Promise<records.SchedulerRecord> {
    return await change.createScheduler(this.#core, scheduler)
  }
  /**
   * Changes limits and fields of the configuration of a record, which is then asked at once. Throws `scheduler_not_found`;
   * `unknown_field` and `invalid` that name the field; `secrets_without_key`; `scheduler_has_active_jobs` for a new host, login
   * or directory while jobs are there.
   */
  async updateScheduler(name: string, changes: change.SchedulerChanges): Promise<records.SchedulerRecord> {
    return await change.updateScheduler(this.#core, name, changes)
  }
  /**
   * Removes a record. Settings that had it stay, unassigned; its jobs keep their history and never run on another. Throws
   * `scheduler_not_found`, `scheduler_has_active_jobs`.
   */
  async removeScheduler(name: string): Promise<void> {
    await change.removeScheduler(this.#core, name)
  }
  /**
   * Asks a scheduler whether it is well, within ten seconds, and stores its health. That it is not well is a result. Throws
   * `scheduler_not_found`; `not_supported` where its adapter has no test; `scheduler_unavailable` while others ask too much.
   */
  async testScheduler(name: string): Promise<questions.SchedulerTest> {
    return await questions.testScheduler(this.#core, name)
  }
  /**
   * The key that the host of a record behind SSH offers now. Throws `scheduler_not_found`, `not_supported`,
   * `scheduler_unavailable`.
   */
  async hostKeyOf(name: string): Promise<HostKey> {
    return await questions.hostKeyOf(this.#core, name)
  }
  /**
   * Accepts a host key by its fingerprint, "SHA256:…": from now on nothing connects to a host that offers another. Throws
   * `scheduler_not_found`, `not_supported`, `invalid`.
   */
  async acceptHostKey(name: string, fingerprint: string): Promise<records.SchedulerRecord> {
    return await questions.acceptHostKey(this.#core, name, fingerprint)
  }
  /** The scheduler settings that apps have declared, in this process or before, each with the record assigned to it. */
  async listSchedulerSettings(): Promise<settings.SchedulerSetting[]> {
    await Promise.all(this.#declaring)
    return await settings.listSchedulerSettings(this.#core)
  }
  /**
   * Assigns a record to a setting of an app, or none with null. Throws `unknown_app`, `setting_not_declared`,
   * `setting_wrong_adapter`, `scheduler_not_found`.
   */
  async assignScheduler(app: string, setting: string, scheduler: string | null): Promise<void> {
    await settings.assignScheduler(this.#core, app, setting, scheduler)
  }
  /**
   * Encrypts all secrets anew with the first key of the ring, in one transaction. Afterwards the other keys can go. Throws
   * `secrets_without_key`.
   */
  async rotateKeys(): Promise<Rotated> {
    return await rotateKeys(this.#core)
  }

  /**
   * Ends loops and streams, waits for what is in flight (ten seconds at most), closes the store. Who waits for a job is
   * refused with `closed`. Jobs run on; the next start finds them. Idempotent.
   */
  async close(): Promise<void> {
    this.#web.close()
    this.#core.waiting.close()
    this.#core.polled.close()
    this.#feed.close()
    await this.#engine.close()
    await Promise.all(this.#declaring)
    await this.#core.connections.close()
    await this.#core.database.close()
  }
}

/** Opens the store, starts the loops. Throws TelestoError that names the option; `database_…` where the store cannot be used. */
export const createTelesto = async <const A extends readonly Adapter[]>(
  options: TelestoOptions<A>,
): Promise<Telesto<A>> => {
  const checked = check(optionsSchema, options)
  const log = options.log ?? silent
  const clock = options.clock ?? systemClock
  const directory = path.resolve(checked.directory ?? '.telesto')
  const registry = createRegistry(options.adapters)
  const keys = createKeyRing(checked.keys ?? keysInEnvironment())
  const database = await openDatabase({
    ...(checked.database === undefined ? { file: path.join(directory, DATABASE_FILE) } : { url: checked.database }),
    ...(checked.migrate === undefined ? {} : { migrate: checked.migrate }),
    clock,
    log,
  })
  try {
    const unread = (what: string) => (error: unknown) => log.warn({ error: String(error) }, `${what} could not be read`)
    const feed = createEventFeed(database, clock, unread('events'))
    const access: Access = { visible: options.visible ?? defaultAccess.visible, may: options.may ?? defaultAccess.may }
    let engine: Engine | undefined
    const wake = (): void => engine?.wake()
    const now = (): Date => new Date(Date.now() + clock.databaseOffset())
    const machine = machineId()
    const totals = createTotals(database, () => clock.monotonic())
    const core: Core = {
      database,
      clock,
      log,
      registry,
      keys,
      customStatuses: new Map(Object.entries(checked.customStatuses ?? {})),
      access,
      urls: createUrls(checked.url, checked.mountPath, log),
      tokens: createReportTokens(await reportKeys(keys, directory)),
      connections: createConnections(registry, keys, log, now, openTransport),
      pokes: createPokes(() => clock.monotonic(), wake),
      questions: createQuestions(() => clock.monotonic()),
      waiting: createWaiting({ database, clock, access, feed, failed: unread('jobs that are waited for') }),
      totals,
      progress: createProgress(database),
      polled: createPolled(database, clock, unread('polls of other processes')),
      jobsRoot: path.join(directory, 'jobs'),
      machine,
      owner: processIdentity(machine),
      leaseMs: (checked.leaseSeconds ?? 90) * 1000,
      apps: new Map(),
      committed: () => {
        totals.forget()
        feed.wake()
        wake()
      },
      told: () => feed.wake(),
    }
    await change.ensureRecordsOfThisMachine(core)
    const functions: Functions = new Map()
    engine = createEngine(
      core,
      processing(core, (app, name) => functions.get(app)?.[name]),
    )
    const web = createWeb(core, {
      identify: options.identify ?? (() => undefined),
      feed,
      rateLimits: { callback: checked.rateLimits?.callback ?? 600, api: checked.rateLimits?.api ?? 3000 },
    })
    if (checked.runLoops !== false) engine.start()
    return new Telesto<A>(core, engine, feed, web, functions)
  } catch (error) {
    await database.close()
    throw error
  }
}

const createUrls = (url: string | undefined, mountPath: string | undefined, log: Logger): Urls => {
  const base = (url ?? mountPath ?? '/telesto').replace(/\/+$/, '')
  let told = url !== undefined
  return {
    page: (inner) => `${base}${inner}`,
    callback(jobId) {
      if (url !== undefined) return `${base}/update-job-status/${jobId}`
      if (!told) log.warn({}, 'Jobs get no address to report to: createTelesto({ url }) was not given.')
      told = true
      return undefined
    },
  }
}
