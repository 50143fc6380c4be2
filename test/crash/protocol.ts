// What the driver and a server process say to each other.

/** Places in the server that it tells of when it passes them, and where it can be made to wait. */
export type Point =
  | 'submitting'
  | 'submitted'
  | 'recovering'
  | 'asking'
  | 'answered'
  | 'cancelling'
  | 'collecting'
  | 'cleaning'

export type Action = 'create' | 'execute' | 'stop' | 'pause' | 'resume' | 'resubmit' | 'delete'

/** What createJob is told of a job: its type, and the options of that type. */
export type JobOptions =
  | { readonly jobType: 'BASIC'; readonly command: readonly [string, ...string[]] }
  | {
      readonly jobType: 'CONDOR'
      readonly executable: string
      readonly transferExecutable: boolean
      readonly arguments: readonly string[]
      readonly numJobs: number
      readonly attributes: Readonly<Record<string, string>>
    }

/** The record that a server works with. */
export interface SchedulerWish {
  readonly adapter: 'local' | 'condor'
  readonly name: string
  readonly config: Readonly<Record<string, unknown>>
  readonly maxActiveJobs: number
}

export interface NewJob {
  readonly key: string
  readonly options: JobOptions
  readonly processed: boolean
}

/** A job as the API shows it. */
export interface Snapshot {
  readonly id: number
  readonly key: string
  readonly status: string
  readonly settled: boolean
  readonly cause: string | null
  readonly order: string | null
  /** 0 before the first. */
  readonly attempt: number
}

export interface Question {
  readonly ask: number
  readonly action: Action | 'list'
  readonly id?: number
  readonly job?: NewJob
  /** Delete also while it is active. */
  readonly stop?: boolean
  /** List after all transactions that are under way: a database may still commit what a dead server sent. */
  readonly behindAll?: boolean
}

export type ToServer =
  | Question
  /** Stay at the next passing of a point, for so many milliseconds or for ever. */
  | { readonly halt: Point; readonly ms?: number }
  /** Let the database's clock be so far ahead from now on. */
  | { readonly clockAhead: number }
  | { readonly close: true }

export type FromServer =
  | { readonly ready: true }
  /** Sent when the promise of the API has resolved: what was asked is committed. */
  | { readonly answer: number; readonly jobs: readonly Snapshot[] }
  | { readonly answer: number; readonly refused: string; readonly message: string }
  | {
      readonly at: Point
      readonly ids: readonly number[]
      readonly ended?: readonly number[]
      readonly halted: boolean
    }
  /** A loop failed; with the code of a TelestoError. */
  | { readonly unexpected: string; readonly code?: string }

export interface ServerOptions {
  readonly directory: string
  /** The URL of a PostgreSQL database; a file in the directory otherwise. */
  readonly database?: string
  /** Where the function that processes results leaves its idempotency keys. */
  readonly processedFile: string
  readonly scheduler: SchedulerWish
  readonly leaseSeconds: number
  readonly pollSeconds: number
  readonly clockAhead: number
  /** Milliseconds to spend at a point each time, so that there is something to hit. */
  readonly waits: Readonly<Partial<Record<Point, number>>>
}
