import { z } from 'zod'
import type { User, Viewer } from './access.js'
import type { Adapter } from './adapter.js'
import { appOf, type Core } from './core.js'
import { TelestoError } from './errors.js'
import type { Job } from './job.js'
import { JobManager } from './job-manager.js'
import { check } from './options.js'
import { JobQuery } from './query.js'
import type { Doer } from './store/audit.js'

/** Who is nobody must not pass for somebody. */
const userSchema = z.object({
  id: z.string('must be a string').min(1, 'must not be empty'),
  groups: z.array(z.string()).optional(),
})

/** Telesto as one user sees it: each app limited to what they may see and do, and their jobs of all apps. */
export class UserView<A extends readonly Adapter[] = readonly Adapter[]> {
  readonly #core: Core
  readonly #viewer: Viewer

  /** @internal `telesto.as(user)` and `req.telesto` give it; this one with the address that the request came from. */
  constructor(core: Core, user: User | undefined, address?: string) {
    this.#core = core
    this.#viewer = user ? { user, ...(address === undefined ? {} : { address }) } : undefined
    if (user) check(userSchema, user, 'user')
  }

  /** Somebody is signed in. */
  get isSignedIn(): boolean {
    return this.#viewer !== undefined
  }
  /** Who it is. Throws `not_signed_in` (401) for nobody. */
  get user(): User {
    return this.#signedIn.user
  }
  /** @internal Who administers, as the audit trail names them. Throws `not_signed_in`; `forbidden` for everybody else. */
  get admin(): Doer {
    if (this.user.isAdmin === true) return this.#signedIn
    throw new TelestoError('forbidden', 'This is for administrators.')
  }
  get #signedIn(): NonNullable<Viewer> {
    if (this.#viewer) return this.#viewer
    throw new TelestoError('not_signed_in', 'Sign in first.')
  }
  /** The manager of an app's jobs, limited to this user. Throws `unknown_app`, `not_signed_in`. */
  app(name: string): JobManager<A> {
    return new JobManager<A>(this.#core, this.#signedIn, appOf(this.#core, name).name)
  }
  /** The jobs of all apps that this user may see. */
  query(): JobQuery {
    return new JobQuery(this.#core, this.#signedIn, {})
  }
  /** A job of any app, or null where this user sees none of that id. */
  async getJob(jobId: number): Promise<Job | null> {
    return Number.isSafeInteger(jobId) ? await this.query().filter({ id: jobId }).first() : null
  }
}
