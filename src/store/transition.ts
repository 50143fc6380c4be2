import { LOST_WATCH_MS } from '../decide.js'
import { displayStatuses, isSettled, type StatusCode } from '../status.js'
import type { Transaction, Value } from './database.js'
import { insertEvents, type NewEvent } from './events.js'
import type { JobRow } from './jobs.js'

/** Columns of a job that change together. A column that is absent stays. */
export interface JobChange {
  readonly status?: StatusCode
  readonly customStatus?: string | null
  readonly statusMessage?: string | null
  readonly progress?: number | null
  readonly nativeState?: string | null
  readonly cause?: string | null
  readonly reason?: string | null
  readonly exitCode?: number | null
  readonly startTime?: number | null
  readonly executeTime?: number | null
  readonly completionTime?: number | null
  readonly extendedProperties?: string
  readonly attemptId?: number
}

/** Columns of the current attempt that change with it. */
export interface AttemptChange {
  readonly nativeId?: string
  readonly live?: 0 | 1
  readonly ended?: 1
  readonly mentioned?: 1
  readonly gapCount?: number
  readonly gapSince?: number | null
  readonly watchDueAt?: number | null
  readonly watchUntil?: number | null
  readonly orderName?: OrderName | null
  readonly orderDueAt?: number
  readonly orderTries?: number
  readonly orderError?: string | null
  readonly handedOverAt?: number | null
  readonly collectDueAt?: number | null
  readonly collectTries?: number
  readonly collectError?: string | null
  readonly collectOwner?: string | null
  readonly collectUntil?: number
}
export type OrderName = 'submit' | 'cancel' | 'hold' | 'release' | 'clean_up'

/** The part of a row that a compare-and-set compares, and that an event tells about. */
export type JobVersion = Pick<
  JobRow,
  'id' | 'app' | 'attemptId' | 'attemptNumber' | 'statusCode' | 'statusVersion' | 'deletedAt'
>

export interface Change {
  readonly job?: JobChange
  readonly attempt?: AttemptChange
  /** Raise the version although the status stays: an order was given. */
  readonly order?: true
  /** Who asked, for the history. */
  readonly by?: string
  readonly events?: readonly NewEvent[]
}

/**
 * Changes one job and its current attempt if they are still at the attempt and version of `job`; false, and nothing has
 * changed, if not. All that follows from a status by itself is done here: an attempt whose job has settled takes no more
 * orders and is no longer polled, results are to be collected, the history is written.
 */
export const change = async (tx: Transaction, job: JobVersion, now: number, wanted: Change): Promise<boolean> => {
  const status = wanted.job?.status
  const raises = status !== undefined || wanted.order === true
  const sets = new Assignments()
  const { status: _, ...columns } = wanted.job ?? {}
  sets.add(columns)
  if (status !== undefined) sets.add({ statusCode: status, statusChangedAt: now })
  if (wanted.job) sets.add({ lastStatusUpdate: now })
  if (raises) sets.literal('status_version = status_version + 1')
  else if (sets.empty) sets.literal('status_version = status_version')
  const changed = await tx.run(
    `UPDATE telesto_jobs SET ${sets.sql} WHERE id = ${job.id} AND status_version = ${job.statusVersion} AND attempt_id IS ${job.attemptId ?? 'NULL'}`,
    sets.params,
  )
  if (changed === 0) return false

  const attemptId = wanted.job?.attemptId ?? job.attemptId
  if (attemptId !== null) {
    const follows = status !== undefined && wanted.job?.attemptId === undefined
    const attempt = { ...(follows ? consequences(job, status, wanted.job?.cause, now) : {}), ...wanted.attempt }
    await changeAttempt(tx, attemptId, attempt)
    if (wanted.job && isSettled({ statusCode: status ?? job.statusCode })) await keepHistory(tx, attemptId)
    else if (follows && isSettled(job)) await forgetEnd(tx, attemptId)
  }
  await insertEvents(tx, now, [...statusEvent(job, wanted), ...(wanted.events ?? [])])
  return true
}

/** Changes columns of one attempt, whatever its job. */
export const changeAttempt = async (tx: Transaction, id: number, wanted: AttemptChange): Promise<void> => {
  const sets = new Assignments().add(wanted)
  if (!sets.empty) await tx.run(`UPDATE telesto_attempts SET ${sets.sql} WHERE id = ${id}`, sets.params)
}

const consequences = (
  job: JobVersion,
  status: StatusCode,
  cause: string | null | undefined,
  now: number,
): AttemptChange => {
  const over = isSettled({ statusCode: status }) || status === 'RES'
  // Only a job that was given up as lost comes back from Error within its attempt.
  if (!over) return job.statusCode === 'ERR' ? { live: 1, watchDueAt: null, watchUntil: null } : {}
  const noOrder = { live: 0, orderName: null, orderError: null, orderTries: 0 } as const
  if (job.deletedAt !== null) return { ...noOrder, orderName: 'clean_up', orderDueAt: now, collectDueAt: null }
  if (status === 'RES' || status === 'VCP')
    return { ...noOrder, collectDueAt: now, collectTries: 0, collectError: null }
  const watch =
    status === 'ERR' && cause === 'lost' ? { watchDueAt: now, watchUntil: now + LOST_WATCH_MS } : { watchDueAt: null }
  return { ...noOrder, ...watch, collectDueAt: null, collectError: null }
}

/** It was given up as lost and is alive after all, or its results are collected again. */
const forgetEnd = async (tx: Transaction, attemptId: number): Promise<void> => {
  await tx.run(
    `UPDATE telesto_attempts SET status_code = NULL, cause = NULL, reason = NULL, completion_time = NULL WHERE id = ${attemptId}`,
  )
}

const keepHistory = async (tx: Transaction, attemptId: number): Promise<void> => {
  const columns = ['status_code', 'cause', 'reason', 'exit_code', 'execute_time', 'start_time', 'completion_time']
  await tx.run(
    `UPDATE telesto_attempts SET ${columns
      .map((column) => `${column} = (SELECT j.${column} FROM telesto_jobs j WHERE j.id = telesto_attempts.job_id)`)
      .join(', ')} WHERE id = ${attemptId}`,
  )
}

const statusEvent = (job: JobVersion, wanted: Change): NewEvent[] => {
  const to = wanted.job?.status
  if (to === undefined) return []
  const { reason, cause, exitCode } = wanted.job ?? {}
  return [
    {
      kind: 'status',
      app: job.app,
      jobId: job.id,
      attempt: job.attemptNumber,
      data: {
        from: displayStatuses[job.statusCode],
        to: displayStatuses[to],
        ...(reason ? { reason } : {}),
        ...(cause ? { cause } : {}),
        ...(exitCode === undefined || exitCode === null ? {} : { exitCode }),
        ...(wanted.by === undefined ? {} : { by: wanted.by }),
      },
    },
  ]
}

/** SET clauses from an object of camelCase columns. Only names from the interfaces above reach it. */
class Assignments {
  readonly params: Value[] = []
  readonly #sets: string[] = []

  add(columns: object): this {
    for (const [name, value] of Object.entries(columns)) {
      if (value === undefined) continue
      const column = name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)
      this.#sets.push(`${column} = $${this.params.push(value as Value)}`)
    }
    return this
  }
  literal(set: string): this {
    this.#sets.push(set)
    return this
  }
  get empty(): boolean {
    return this.#sets.length === 0
  }
  get sql(): string {
    return this.#sets.join(', ')
  }
}
