import type { RequestHandler, Router } from 'express'
import type { User } from './access.js'
import type { Adapter } from './adapter.js'
import { type AppOptions, checkApp, type Functions } from './app-options.js'
import { type App, appOf, type Core } from './core.js'
import { type StatusCategories, statusCategories } from './custom-statuses.js'
import type { Engine } from './engine/engine.js'
import { TelestoError } from './errors.js'
import type { EventFeed } from './event-feed.js'
import { JobManager } from './job-manager.js'
import type { Tasks } from './job-options.js'
import * as questions from './schedulers/ask.js'
import * as change from './schedulers/change.js'
import * as records from './schedulers/records.js'
import { type Rotated, rotateKeys } from './schedulers/rotate.js'
import * as settings from './schedulers/settings.js'
import type { HostKey } from './transport/ssh-host-key.js'
import { UserView } from './user-view.js'
import type { Web } from './web/web.js'

declare global {
  namespace Express {
    interface Request {
      /** Telesto as the user of this request sees it; put there by `telesto.middleware`. */
      telesto: UserView
    }
  }
}

/** A job manager for the apps of one Express host. Made by createTelesto(). */
export class Telesto<A extends readonly Adapter[] = readonly Adapter[]> {
  readonly #core: Core
  readonly #engine: Engine
  readonly #feed: EventFeed
  readonly #web: Web
  /** By app. */
  readonly #functions: Map<string, Functions>
  /** Settings of apps that are being written down. */
  readonly #declaring = new Set<Promise<void>>()

  /** @internal */
  constructor(core: Core, engine: Engine, feed: EventFeed, web: Web, functions: Map<string, Functions>) {
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
      const { app, functions } = checkApp(name, options ?? {})
      apps.set(name, app)
      this.#functions.set(name, functions)
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
   * `scheduler_not_found`, `scheduler_has_active_jobs`: with `abandon` those are given up, for a host that is gone for ever.
   */
  async removeScheduler(name: string, options: change.RemoveScheduler = {}): Promise<void> {
    await change.removeScheduler(this.#core, name, options)
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
