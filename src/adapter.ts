// The contract between the core and an adapter: all that an adapter may import, and all that the core knows of one.
import type { z } from 'zod'
import type { SshTarget } from './transport/ssh-target.js'
import type { Transport } from './transport/transport.js'

export type { ExecOptions, ExecResult, Transport } from './transport/transport.js'

/** What the scheduler calls a job: "1234.0", "8941", a Dask key, a Balsam job id. Opaque to the core. */
export type NativeId = string

/**
 * Names one attempt of one job, for ever; stored before submit(). Only [A-Za-z0-9_-], so that it can travel anywhere.
 * It is public (a ClassAd, a comment, a tag) and grants nothing.
 */
export type Token = string

/** One attempt that was handed over. All that an adapter needs to find it again: it keeps no state that matters. */
export interface JobRef {
  readonly token: Token
  readonly nativeId: NativeId
  readonly jobType: string
  /**
   * This attempt's own directory on the transport's machine: absolute, or (over SSH) relative to the home of the login, below
   * the `directory` of `SshTarget`. It does not exist before the adapter makes it. The directory above it is that of the job, named by
   * its number: its attempts alone are in it.
   */
  readonly workdir: string
}

/** How a job or a part of it is, in the scheduler's view. */
export const JOB_STATES = [
  // Still alive.
  'queued',
  'held',
  'running',
  'suspended',
  // Final, and the scheduler said so.
  'succeeded',
  'failed',
  'cancelled',
  // It answered, with a word that the adapter does not know.
  'unknown',
] as const
export type JobState = (typeof JOB_STATES)[number]

interface Report {
  /** The scheduler's own word: "PD", "5", "erred". Always kept, always shown. */
  readonly nativeState?: string
  /** A reason for people: HoldReason, squeue's %r, the head of a traceback. */
  readonly message?: string
  readonly cause?: 'walltime' | 'memory' | 'node' | 'preempted' | 'dependency' | 'submit'
  readonly exitCode?: number
  readonly startedAt?: Date
  readonly endedAt?: Date
}
export interface JobPart extends Report {
  readonly name: string
  readonly state: JobState
  readonly nativeId?: NativeId
}

export interface JobReport extends Report {
  /** The scheduler's word on the whole job. Absent where it has none (a cluster of procs): the core then counts the parts. */
  readonly state?: JobState
  /** What the job itself last told of its work, where the adapter hears it: 0 to 1. Kept to the fourth digit. */
  readonly progress?: number
  /** The same in words, of at most 2,048 characters. Not `message`, which is why the job is as it is. */
  readonly statusMessage?: string
  /** DAG nodes, procs, array tasks: always the complete list, in a stable order. */
  readonly parts?: readonly JobPart[]
}

/** A part that a spec names before anything runs, and the parts that must be done before it. */
export interface GraphNode {
  readonly name: string
  readonly parents: readonly string[]
}

/** Job types and their schemas, as an adapter declares them. */
export type Specs = Readonly<Record<string, z.ZodType>>

export type SubmitRequest<S extends Specs = Specs> = {
  [T in keyof S & string]: {
    readonly jobType: T
    readonly token: Token
    /** As the user wrote it: any text. Carry it unchanged or not at all. */
    readonly name: string
    readonly spec: z.output<S[T]>
    readonly workdir: string
    /** Directories on this machine in which a relative input file is looked up, in this order: the job's workspace, the app's. */
    readonly inputRoots: readonly string[]
    /** The last attempt before this one that this scheduler had, where there was one: rescue a DAG from it. */
    readonly previous?: JobRef
    /**
     * What is to be run for a spec with the option `task`: the file: URL of the module that this process registered under
     * that name, and the input. Its `run(input, context)` is called once, in a process of its own (`RunTask`).
     */
    readonly task?: { readonly module: string; readonly input?: unknown }
    /** Where the job may report to. Goes into a file that only the job's account can read, never into argv or a ClassAd. */
    readonly report?: { readonly url: string; readonly token: string }
  }
}[keyof S & string]

/** 'ok': the request was taken, not carried out. An error concerns this job alone. */
export type Answer = 'ok' | SchedulerError
/** An attempt of which no more is known than that submit() was called for it. */
export interface HandedOver {
  readonly token: Token
  readonly jobType: string
  readonly workdir: string
  readonly handedOverAt: Date
}
export interface LogName {
  /** The part of the job that writes it; absent: the job itself. */
  readonly part?: string
  readonly name: string
  /** Bytes, so far. */
  readonly size: number
}
/** A window of a log. */
export interface LogWindow {
  readonly bytes: Uint8Array
  /** The byte to ask from next time. */
  readonly next: number
  /** Nothing more will come. */
  readonly end: boolean
}

/**
 * A live connection to one scheduler record. Every method may throw SchedulerError and nothing else; a throw means that
 * the question could not be asked. When `signal` aborts, the call ends within a second. The core trusts none of this: it
 * races each call against a deadline, checks every answer, and ignores what it did not ask about.
 */
export interface Scheduler<R = SubmitRequest> {
  /**
   * Hands jobs over. An id: accepted. `invalid_job`, `rejected`: final for that job. Any other error: its fate is open and
   * recover() will be asked. A missing token: not tried; the job is handed over again, under a new token. What was accepted is
   * returned, whatever becomes of the rest.
   */
  submit(jobs: readonly R[], signal: AbortSignal): Promise<ReadonlyMap<Token, NativeId | SchedulerError>>
  /** One round trip for many jobs. A gap means "the answer did not mention it", never "done". */
  status(jobs: readonly JobRef[], signal: AbortSignal): Promise<ReadonlyMap<Token, JobReport>>
  /** Asks for an end; a later status() tells. Cancelling what is finished or absent is 'ok'. */
  cancel(jobs: readonly JobRef[], signal: AbortSignal): Promise<ReadonlyMap<Token, Answer>>
  /** Idempotent. */
  close(): Promise<void>

  // Optional. Present means supported: the page shows the button exactly then.

  /** A second opinion on gaps: condor_history, sacct, the wrapper's exit-code file. Gaps as in status(). */
  history?(jobs: readonly JobRef[], signal: AbortSignal): Promise<ReadonlyMap<Token, JobReport>>
  /**
   * After a crash: what became of attempts that were handed over without an answer being stored. An id: it is there.
   * 'absent' promises that it is not there and can no longer arrive (a claim taken on the target, or the adapter's own
   * wait); the core then retires the token for ever and submits the job again under a new one. A gap: cannot tell yet;
   * it is asked again, and nothing is submitted meanwhile.
   */
  recover?(attempts: readonly HandedOver[], signal: AbortSignal): Promise<ReadonlyMap<Token, NativeId | 'absent'>>
  hold?(jobs: readonly JobRef[], signal: AbortSignal): Promise<ReadonlyMap<Token, Answer>>
  release?(jobs: readonly JobRef[], signal: AbortSignal): Promise<ReadonlyMap<Token, Answer>>
  listLogs?(job: JobRef, signal: AbortSignal): Promise<readonly LogName[]>
  /** At most `maxBytes` from offset `from`; `next` is the offset to ask for next time; `end`: nothing more will come. */
  readLog?(job: JobRef, log: LogName, from: number, maxBytes: number, signal: AbortSignal): Promise<LogWindow>
  /** Brings the results into `into`, a directory on our machine, which exists; answers the paths written. Safe to repeat. */
  fetch?(job: JobRef, into: string, signal: AbortSignal): Promise<readonly string[]>
  /**
   * The value that the job computed, as JSON; undefined where it computed none. Asked when its results are collected, perhaps
   * again. `rejected`: there is one that can never be had; any other error: it is asked again later.
   */
  result?(job: JobRef, signal: AbortSignal): Promise<unknown>
  /**
   * Removes what the attempt left on the target: its workdir, the directory of the job above it with the last of them, its pinned
   * keys. No token of the attempt, the earlier ones included, can arrive afterwards. Safe to repeat. An attempt on another machine
   * that was handed over and never accepted may have left its workdir too: its `nativeId` is ''.
   */
  cleanUp?(jobs: readonly JobRef[], signal: AbortSignal): Promise<ReadonlyMap<Token, Answer>>
  /** The Test button. */
  ping?(signal: AbortSignal): Promise<{ readonly version?: string }>
  /** Facts and links for the admin page. The core reads none of it. */
  info?(
    signal: AbortSignal,
  ): Promise<readonly { readonly label: string; readonly value: string; readonly href?: string }[]>
}

/** A value of an attribute, as JSON. undefined: none. */
export type AttributeValue =
  | string
  | number
  | boolean
  | readonly string[]
  | Readonly<Record<string, string>>
  | undefined

/**
 * The attributes of a job type: parts of its options, by the names that its scheduler's users know. Pure. A spec is what the
 * schema of the type put out.
 */
export interface SpecAttributes {
  /** As it was given, or as a template gives it. */
  get(spec: unknown, name: string): AttributeValue
  /** The options with this value in place of any other under that name; the schema then checks them. */
  set(spec: unknown, name: string, value: AttributeValue): unknown
}

/** What a new record of the adapter starts with; an administrator may change each. */
export interface AdapterDefaults {
  /** Seconds between two polls of a record with active jobs. */
  readonly pollSeconds: number
  /** Ids in one question; more are asked in several. */
  readonly maxIdsPerPoll: number
  readonly maxSubmitsPerMinute: number
  /** Jobs on the scheduler at once; the others wait as Pending. Absent: as many as it takes. */
  readonly maxActiveJobs?: number
}

/** What an adapter module exports: plain data and one function. There is no base class. */
export interface Adapter<
  Type extends string = string,
  C extends z.ZodType = z.ZodType,
  S extends Specs = Specs,
  N extends Readonly<Record<string, string>> = Readonly<Record<string, string>>,
> {
  /** The word for this kind of scheduler everywhere: "condor". */
  readonly type: Type
  readonly label: string
  /** Validates the record and draws the admin form. */
  readonly config: C
  /** Fields of `config` that are encrypted at rest and never shown. Plain data: a mark inside the schema can get lost. */
  readonly secrets: readonly string[]
  /**
   * Fields of `config` that say which scheduler it is, such as its address: they cannot change while it has active jobs. Those of
   * `SshTarget` that do so (host, port, username, directory) are meant anyway where there is `ssh`.
   */
  readonly identity?: readonly string[]
  /**
   * One schema per job type. Its input types createJob's options; its output, which must be JSON, is stored and submitted.
   *
   * An option `task` has one meaning everywhere: the name of a task that the job's app has registered, with the option `input`
   * for what it is given. The core checks both against the app, and fills in `SubmitRequest.task`.
   */
  readonly specs: S
  /**
   * Other names under which createJob accepts a job type, with the same options: { CONDORJOB: 'CONDOR' }. Resolved before anything
   * is stored: `job.jobType` and filters know the type's own name alone.
   */
  readonly aliases?: N & Readonly<Record<string, keyof S & string>>
  /** For job types of which `job.getAttribute(name)` and `job.setAttribute(name, value)` can be asked. */
  readonly attributes?: Readonly<Record<string, SpecAttributes>>
  readonly defaults: AdapterDefaults
  /**
   * Set by an adapter that runs jobs on the machine of the process itself. Its records belong to the machine that made
   * them, only a process there serves them, and where this machine has none, one of this name is made.
   */
  readonly thisMachine?: { readonly record: string }
  /**
   * False: this spec holds nothing that a scheduler could run, so its status is the app's and the callback's to set (a
   * BASIC job without a command). Absent: every job of the adapter runs on a scheduler.
   */
  needsScheduler?(jobType: string, spec: unknown): boolean
  /**
   * The parts that a spec names, in their order, with what each waits for: the nodes of a DAG. Pure; undefined where a type has
   * no such thing. The core refuses a job whose parts wait for each other, and shows the graph without asking a scheduler.
   */
  graph?(jobType: string, spec: unknown): readonly GraphNode[] | undefined
  /**
   * The host on which the commands and files of a record are, by its configuration; undefined: this machine. Pure. Absent: this
   * machine, always. The core opens the transport, and pins the host's key.
   */
  ssh?(config: z.output<C>): SshTarget | undefined
  /** Does no I/O: the first call does. */
  connect(config: z.output<C>, context: AdapterContext): Scheduler<SubmitRequest<S>>
}

/** Options that every job has: a spec may not use these names. */
export const RESERVED_OPTIONS: readonly string[] = [
  'jobType',
  'name',
  'user',
  'description',
  'groups',
  'scheduler',
  'extendedProperties',
  'processResults',
  'parents',
  'onParentFailure',
  'after',
  'tags',
  'workspace',
]

/** Checks an adapter as it is written down. Throws Error, naming what is wrong: a reserved option, an alias of nothing. */
export const defineAdapter = <
  const Type extends string,
  C extends z.ZodType,
  S extends Specs,
  const N extends Readonly<Record<string, keyof S & string>> = Readonly<Record<never, never>>,
>(
  adapter: Adapter<Type, C, S, N> & { readonly secrets: readonly (keyof z.output<C> & string)[] },
): Adapter<Type, C, S, N> => {
  for (const [jobType, schema] of Object.entries(adapter.specs)) {
    const fields = Object.keys((schema as { readonly shape?: object }).shape ?? {})
    const reserved = fields.find((field) => RESERVED_OPTIONS.includes(field))
    if (reserved) throw new Error(`The spec of ${jobType} has an option ${reserved}, which every job has already.`)
  }
  for (const jobType of Object.keys(adapter.attributes ?? {})) {
    if (!Object.hasOwn(adapter.specs, jobType))
      throw new Error(`There are attributes of ${jobType}, which is no job type of ${adapter.type}.`)
  }
  for (const [alias, jobType] of Object.entries(adapter.aliases ?? {})) {
    if (!Object.hasOwn(adapter.specs, jobType))
      throw new Error(`The alias ${alias} means ${jobType}, which is no job type of ${adapter.type}.`)
  }
  return adapter
}

/** Named by what the core does next, not by what went wrong. */
export type SchedulerErrorCode =
  | 'invalid_job' // the spec is wrong, the same job would fail again: the job ends in Error
  | 'rejected' // the scheduler said no (account, quota, limits): the job ends in Error, with its words
  | 'unavailable' // could not ask: no job changes; back off, health "degraded"
  | 'auth' // credentials refused: as unavailable, health "blocked", asked every 15 minutes and at once after an edit
  | 'protocol' // the answer cannot be understood: as unavailable, the raw text (redacted) in the log
export class SchedulerError extends Error {
  override readonly name = 'SchedulerError'
  readonly code: SchedulerErrorCode
  constructor(code: SchedulerErrorCode, message: string, options?: ErrorOptions) {
    super(message, options)
    this.code = code
  }
}

/** Shaped like pino: fields, then a message. */
export interface Logger {
  debug(f: object, m?: string): void
  info(f: object, m?: string): void
  warn(f: object, m?: string): void
  error(f: object, m?: string): void
}
/** What an adapter has of the world outside. */
export interface AdapterContext {
  /** Secrets of the record are taken out of what it is told. */
  readonly log: Logger
  /** The wall clock. */
  readonly now: () => Date
  readonly transport: Transport
  readonly fetch: typeof globalThis.fetch
}
