import type { Request } from 'express'
import { z } from 'zod'
import type { Access, User } from './access.js'
import type { Adapter, Logger } from './adapter.js'
import type { Clock } from './clock.js'
import { customStatusesSchema } from './custom-statuses.js'
import type { StatusClass } from './status.js'

/** What createTelesto() takes. */
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

export const telestoOptionsSchema = z.strictObject({
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
