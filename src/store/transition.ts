import { LOST_WATCH_MS } from '../decide.js'
import { isSettled, type StatusClass, type StatusCode, statusText } from '../status.js'
import type { Transaction } from './database.js'
import { insertEvents, type NewEvent } from './events.js'
import type { JobRow } from './jobs.js'
import { type RowUpdate, updateRows } from './update.js'

/** Columns of a job that change together. A column that is absent stays. */
export interface JobChange {
  readonly status?: StatusCode
  readonly customStatus?: string | null
  /** Of `customStatus`, where that is the status. Absent with a new status: none. */
  readonly statusClass?: StatusClass | null
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
}

/** Columns of the current attempt that change with it. */
export interface AttemptChange {
  readonly token?: string
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
  readonly waitsFor?: null
  readonly collectDueAt?: number | null
  readonly collectTries?: number
  readonly collectError?: string | null
  readonly collectOwner?: string | null
  readonly collectUntil?: number
  /** JSON. */
  readonly result?: string | null
}
export type OrderName = 'submit' | 'cancel' | 'hold' | 'release' | 'clean_up'

/** The part of a row that a compare-and-set compares, and that an event tells about. */
export type JobVersion = Pick<
  JobRow,
  | 'id'
  | 'app'
  | 'attemptId'
  | 'attemptNumber'
  | 'statusCode'
  | 'customStatus'
  | 'statusClass'
  | 'statusVersion'
  | 'deletedAt'
>

export interface Change {
  /** The newest attempt of the job becomes its current one. */
  readonly newAttempt?: true
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
export const change = async (tx: Transaction, job: JobVersion, now: number, wanted: Change): Promise<boolean> =>
  (await changeAll(tx, new Map([[job, wanted]]), now)).has(job)

/**
 * The same for many, up to about 1,000, each with a change of its own: those of which the same columns change share their
 * statements. Answers those that changed.
 */
export const changeAll = async <J extends JobVersion>(
  tx: Transaction,
  changes: ReadonlyMap<J, Change>,
  now: number,
): Promise<ReadonlySet<J>> => {
  const wanted = [...changes].map(([job, change]) => ({ job, change, ...ofJob(job, change, now) }))
  const changed = await updateRows(tx, 'telesto_jobs', VERSION, wanted)
  const attempts = changed.flatMap(({ job, change }) => ofAttempt(job, change, now))
  await updateRows(tx, 'telesto_attempts', ['id'], attempts)
  const events = changed.flatMap(({ job, change }) => [...statusEvent(job, change), ...(change.events ?? [])])
  await insertEvents(tx, now, events)
  return new Set(changed.map(({ job }) => job))
}

/** What a compare-and-set compares. */
const VERSION = ['id', 'status_version', 'COALESCE(attempt_id, 0)']

const ofJob = (before: JobVersion, { job, newAttempt, order }: Change, now: number): RowUpdate => {
  const { status, statusClass = null, ...columns } = job ?? {}
  const raises = status !== undefined || order === true
  return {
    key: [before.id, before.statusVersion, before.attemptId ?? 0],
    columns: {
      ...columns,
      ...(status === undefined ? {} : { statusCode: status, statusClass, statusChangedAt: now }),
      ...(job ? { lastStatusUpdate: now } : {}),
    },
    sets: [
      // A text that was the status goes with it; a label beside a scheduler's status stays.
      ...(status !== undefined && columns.customStatus === undefined
        ? [`custom_status = CASE status_code WHEN 'OTH' THEN NULL ELSE custom_status END`]
        : []),
      ...(newAttempt ? [NEWEST_ATTEMPT, 'part_states = NULL'] : []),
      `status_version = status_version${raises ? ' + 1' : ''}`,
    ],
  }
}
const NEWEST_ATTEMPT = 'attempt_id = (SELECT MAX(a.id) FROM telesto_attempts a WHERE a.job_id = telesto_jobs.id)'

/** What a change of a job means for its current attempt. */
const ofAttempt = (before: JobVersion, { job, attempt, newAttempt }: Change, now: number): RowUpdate[] => {
  if (before.attemptId === null || newAttempt) return []
  const after = job?.status && { statusCode: job.status, statusClass: job.statusClass ?? null }
  const end = job && isSettled(after ?? before) ? [KEEP_END] : after && isSettled(before) ? [FORGET_END] : []
  const columns = { ...(after ? consequences(before, after, job.cause, now) : {}), ...attempt }
  return [{ key: [before.attemptId], columns, sets: end }]
}

/** Changes columns of one attempt, whatever its job. */
export const changeAttempt = async (tx: Transaction, id: number, wanted: AttemptChange): Promise<void> => {
  await updateRows(tx, 'telesto_attempts', ['id'], [{ key: [id], columns: wanted }])
}

const consequences = (
  job: JobVersion,
  after: Pick<JobVersion, 'statusCode' | 'statusClass'>,
  cause: string | null | undefined,
  now: number,
): AttemptChange => {
  const status = after.statusCode
  const over = isSettled(after) || status === 'RES'
  // Only a job that was given up as lost comes back from Error within its attempt.
  if (!over) return job.statusCode === 'ERR' ? { live: 1, watchDueAt: null, watchUntil: null } : {}
  const noOrder = { live: 0, orderName: null, orderError: null, orderTries: 0, waitsFor: null } as const
  if (job.deletedAt !== null) return { ...noOrder, orderName: 'clean_up', orderDueAt: now, collectDueAt: null }
  if (status === 'RES' || status === 'VCP')
    return { ...noOrder, collectDueAt: now, collectTries: 0, collectError: null }
  const watch =
    status === 'ERR' && cause === 'lost' ? { watchDueAt: now, watchUntil: now + LOST_WATCH_MS } : { watchDueAt: null }
  return { ...noOrder, ...watch, collectDueAt: null, collectError: null }
}

/** They were given up as lost and are alive after all, or their results are collected again. */
const FORGET_END = 'status_code = NULL, custom_status = NULL, cause = NULL, reason = NULL, completion_time = NULL'

/** An attempt keeps how it ended, whatever becomes of its job. */
const KEEP_END = [
  'status_code',
  'custom_status',
  'cause',
  'reason',
  'exit_code',
  'execute_time',
  'start_time',
  'completion_time',
]
  .map((column) => `${column} = (SELECT j.${column} FROM telesto_jobs j WHERE j.id = telesto_attempts.job_id)`)
  .join(', ')

const statusEvent = (job: JobVersion, wanted: Change): NewEvent[] => {
  const to = wanted.job?.status
  if (to === undefined) return []
  const { cause, exitCode, reason, statusClass, customStatus = null } = wanted.job ?? {}
  return [
    {
      kind: 'status',
      app: job.app,
      jobId: job.id,
      // A status that comes with a new attempt is that one's first.
      attempt: wanted.newAttempt ? (job.attemptNumber ?? 0) + 1 : job.attemptNumber,
      data: {
        from: statusText(job),
        to: statusText({ statusCode: to, customStatus }),
        ...(statusClass ? { class: statusClass } : {}),
        ...(reason ? { reason } : {}),
        ...(cause ? { cause } : {}),
        ...(exitCode === undefined || exitCode === null ? {} : { exitCode }),
        ...(wanted.by === undefined ? {} : { by: wanted.by }),
      },
    },
  ]
}
