// What a registered task is to the process that runs it. Part of the contract: adapters run tasks.

/** What a task is given beside its input. */
export interface TaskContext {
  /**
   * Tells how far the work is, from 0 to 1, and what it is at. May be called as often as one likes: the last word of each
   * moment counts. A number outside is taken as the nearest one, NaN as no news.
   */
  progress(fraction: number, message?: string): void
  /** Tells what the work is at. */
  message(text: string): void
  /** Aborts when the job is asked to stop. What then goes on longer than the scheduler's grace is killed. */
  readonly signal: AbortSignal
  /** The attempt's directory, absolute; also the working directory. What is written here is a result file of the job. */
  readonly directory: string
  /** Unique for the attempt: a key for what must happen once. */
  readonly idempotencyKey: string
}

/**
 * What the module of a task exports under the name `run`. It returns the job's result: JSON of at most `MAX_RESULT_BYTES`, or
 * nothing, which is null. What it throws ends the job in Error. When it has returned, its process ends.
 */
export type RunTask<Input = unknown> = (input: Input, task: TaskContext) => unknown

/** The longest result of a job, in bytes of JSON. What is larger belongs into a file. */
export const MAX_RESULT_BYTES = 1024 * 1024
