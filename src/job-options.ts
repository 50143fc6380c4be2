// What createJob accepts, from the adapters passed to createTelesto.

import type { z } from 'zod'
import type { Adapter } from './adapter.js'

/**
 * 'abort': the job is Aborted with the cause "dependency". 'wait': it waits until the parent was resubmitted and is Complete.
 * 'run': it runs once all parents have ended, however.
 */
export type OnParentFailure = 'abort' | 'wait' | 'run'

/** Options of every job, whatever its type. An adapter's spec may not use these names. */
export interface JobOptions {
  /** 1 to 1,024 characters on one line; `{id}` in it becomes the job's id. It need not be unique. */
  readonly name: string
  /** The id of its owner, 1 to 255 characters: `User.id`. */
  readonly user: string
  /** At most 2,048 characters. */
  readonly description?: string
  /** One group or many, of 1 to 255 characters each: who is in one of them sees the job. */
  readonly groups?: string | readonly string[]
  /** The name of a scheduler setting of the app, or a record given by `getScheduler`. */
  readonly scheduler?: string | { readonly id: number; readonly name: string }
  /** JSON of the app's own; filters find what is in it. */
  readonly extendedProperties?: Readonly<Record<string, unknown>>
  /** The name of a function that the app was declared with; it runs when the results are here. */
  readonly processResults?: string
  /** Jobs of the same app, of any type, that must be Complete first. */
  readonly parents?: readonly number[]
  /** What becomes of this job when its parents have ended and one of them is not Complete. Default: 'abort'. */
  readonly onParentFailure?: OnParentFailure
  /** Texts of at most 1,024 characters by their names, to filter by. */
  readonly tags?: Readonly<Record<string, string>>
  /** The directory in which the job's attempts get theirs; absolute, inside the app's roots. Default: one for each user. */
  readonly workspace?: string
}

/** The module of a task (a file: URL), or that and a zod schema of its input. What the schema puts out must be JSON: it is stored. */
export type TaskDeclaration = URL | { readonly module: URL; readonly input: z.ZodType }
export type Tasks = Readonly<Record<string, TaskDeclaration>>

/** How a job names one of these tasks. */
type TaskOptions<T extends Tasks> = {
  [N in keyof T & string]: { readonly task: N } & (T[N] extends {
    readonly input: infer I extends z.ZodType
  }
    ? undefined extends z.input<I>
      ? { readonly input?: z.input<I> }
      : { readonly input: z.input<I> }
    : { readonly input?: unknown })
}[keyof T & string]
type WithTasks<Options, T extends Tasks> = 'task' extends keyof Options
  ? Omit<Options, 'task' | 'input'> & ({ readonly task?: undefined; readonly input?: undefined } | TaskOptions<T>)
  : Options

/** What zod calls the input of an object without fields would forbid the options of every job. */
type InputOf<Spec extends z.ZodType> = z.input<Spec> extends Record<string, never> ? unknown : z.input<Spec>
type OptionsOf<J extends string, Spec, T extends Tasks> = JobOptions & { readonly jobType: J } & (Spec extends z.ZodType
    ? WithTasks<InputOf<Spec>, T>
    : never)
/** Of each job type, and under each of the other names that its adapter declares. Any name at all is no declaration. */
type AdapterOptions<A, T extends Tasks> =
  A extends Adapter<string, z.ZodType, infer S, infer N>
    ?
        | { [J in keyof S & string]: OptionsOf<J, S[J], T> }[keyof S & string]
        | (string extends keyof N ? never : { [J in keyof N & string]: OptionsOf<J, S[N[J]], T> }[keyof N & string])
    : never
/**
 * The union over all job types of the adapters, under their own names and their aliases: `jobType` decides which options are
 * legal. Where the app's tasks are known, `task` decides what `input` may be.
 */
export type CreateJobOptions<A extends readonly Adapter[], T extends Tasks = Tasks> = {
  [K in keyof A]: AdapterOptions<A[K], T>
}[number]
/** A job among many that bulkCreate makes. `after`: places in the same array of jobs that are its parents too. */
export type BulkJobOptions<A extends readonly Adapter[], T extends Tasks = Tasks> = CreateJobOptions<A, T> & {
  readonly after?: readonly number[]
}
