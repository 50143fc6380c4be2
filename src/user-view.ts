import { z } from 'zod'
import type { User } from './access.js'
import type { Adapter } from './adapter.js'
import { appOf, type Core } from './core.js'
import { TelestoError } from './errors.js'
import type { Job } from './job.js'
import { JobManager } from './job-manager.js'
import { check } from './options.js'
import { JobQuery } from './query.js'

/** Who is nobody must not pass for somebody. */
const userSchema = z.object({
  id: z.string('must be a string').min(1, 'must not be empty'),
  groups: z.array(z.string()).optional(),
})

/** Telesto as one user sees it: each app limited to what they may see and do, and their jobs of all apps. */
export class UserView<A extends readonly Adapter[] = readonly Adapter[]> {
  readonly #core: Core
  readonly #user: User | undefined

  /** @internal `telesto.as(user)` and `req.telesto` give it. */
  constructor(core: Core, user: User | undefined) {
    this.#core = core
    this.#user = user ?? undefined
    if (this.#user) check(userSchema, this.#user, 'user')
  }

  /** Somebody is signed in. */
  get isSignedIn(): boolean {
    return this.#user !== undefined
  }
  /** Who it is. Throws `not_signed_in` (401) for nobody. */
  get user(): User {
    if (this.#user) return this.#user
    throw new TelestoError('not_signed_in', 'Sign in first.')
  }
  /** The manager of an app's jobs, limited to this user. Throws `unknown_app`, `not_signed_in`. */
  app(name: string): JobManager<A> {
    return new JobManager<A>(this.#core, this.user, appOf(this.#core, name).name)
  }
  /** The jobs of all apps that this user may see. */
  query(): JobQuery {
    return new JobQuery(this.#core, this.user, {})
  }
  /** A job of any app, or null where this user sees none of that id. */
  async getJob(jobId: number): Promise<Job | null> {
    return Number.isSafeInteger(jobId) ? await this.query().filter({ id: jobId }).first() : null
  }
}
