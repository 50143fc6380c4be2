import type { Access } from './access.js'
import type { Logger } from './adapter.js'
import type { Clock } from './clock.js'
import type { Connections } from './connections.js'
import type { CustomStatuses } from './custom-statuses.js'
import { TelestoError } from './errors.js'
import type { KeyRing } from './key-ring.js'
import type { Task } from './options.js'
import type { Pokes } from './pokes.js'
import type { Questions } from './questions.js'
import type { Registry } from './registry.js'
import type { ReportTokens } from './report-token.js'
import type { Database } from './store/database.js'
import type { Progress } from './store/progress.js'
import type { Totals } from './totals.js'
import type { Polled } from './waiting/polled.js'
import type { Waiting } from './waiting/waiting.js'

/** A named slot of an app, to which an administrator assigns a scheduler record. */
export interface SchedulerSettingDeclaration {
  /** The type of adapter that the app expects: "condor". */
  readonly adapter: string
  readonly description?: string
  /** Shown to the administrator as missing while nothing is assigned. */
  readonly required?: boolean
}

/** An app as it was declared in this process. */
export interface App {
  readonly name: string
  readonly schedulerSettings: Readonly<Record<string, SchedulerSettingDeclaration>>
  /** The names of the functions that process results. */
  readonly processResults: ReadonlySet<string>
  /** What its jobs can run in a process of their own, by name. */
  readonly tasks: ReadonlyMap<string, Task>
  /** Where relative input files are looked up after the job's own workspace. */
  readonly workspace: string
  /** Directories in which a job's own workspace may lie, beside the default. */
  readonly workspaceRoots: readonly string[]
  /** The app's own page, linked from Telesto's; undefined: none. */
  readonly url?: string
  /** The app's page for the results of a job, `{id}` being the job's id; undefined: none. */
  readonly resultsUrl?: string
}

/** Absolute addresses, from the `url` that the host configured alone; never from a request. */
export interface Urls {
  /** Path (and, where the host configured it, origin) of a page of Telesto. */
  page(path: string): string
  /** Where a job reports to; undefined without a configured `url`. */
  callback(jobId: number): string | undefined
}

/** All that the parts of one Telesto share. Two in one process share nothing else. */
export interface Core {
  readonly database: Database
  readonly clock: Clock
  readonly log: Logger
  readonly registry: Registry
  readonly keys: KeyRing
  /** What the apps' own texts mean as statuses. */
  readonly customStatuses: CustomStatuses
  readonly access: Access
  readonly urls: Urls
  readonly tokens: ReportTokens
  readonly connections: Connections
  readonly pokes: Pokes
  readonly questions: Questions
  /** Who waits for jobs to settle. */
  readonly waiting: Waiting
  readonly totals: Totals
  /** What jobs tell of their progress. */
  readonly progress: Progress
  /** Who waits for an answered poll. */
  readonly polled: Polled
  /** The root of all directories of jobs, absolute. */
  readonly jobsRoot: string
  /** Identifies this machine in records that belong to one. */
  readonly machine: string
  /** Unique for this process: the owner of its leases. */
  readonly owner: string
  /** How long a lease lasts without renewal, in milliseconds. Calls of adapters end before it. */
  readonly leaseMs: number
  readonly apps: Map<string, App>
  /** Something was committed that loops or viewers wait for. */
  readonly committed: () => void
  /** News for viewers were committed, which give the loops nothing to do. */
  readonly told: () => void
}

export const appOf = (core: Pick<Core, 'apps'>, name: string): App => {
  const app = core.apps.get(name)
  if (app) return app
  throw new TelestoError(
    'unknown_app',
    `The app ${JSON.stringify(name)} is not declared in this process: telesto.app(name).`,
    {
      field: 'app',
    },
  )
}
