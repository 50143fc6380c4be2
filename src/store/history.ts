import type { JobState } from '../adapter.js'
import { type StatusCode, statusText } from '../status.js'
import type { Database, Transaction } from './database.js'
import type { EventRow } from './events.js'

type Reader = Pick<Transaction, 'all'>

/** One attempt of a job. Status, times and cause are those it ended with; null while it has not. */
export interface AttemptHistory {
  readonly number: number
  readonly nativeId: string | null
  /** A display name, or a terminal text of the app's own. */
  readonly status: string | null
  readonly cause: string | null
  readonly reason: string | null
  readonly exitCode: number | null
  readonly executeTime: Date | null
  readonly startTime: Date | null
  readonly completionTime: Date | null
}

interface AttemptRow {
  readonly number: number
  readonly nativeId: string | null
  readonly statusCode: StatusCode | null
  readonly customStatus: string | null
  readonly cause: string | null
  readonly reason: string | null
  readonly exitCode: number | null
  readonly executeTime: number | null
  readonly startTime: number | null
  readonly completionTime: number | null
}

const date = (time: number | null): Date | null => (time === null ? null : new Date(time))

export const readAttempts = async (database: Database, jobId: number): Promise<AttemptHistory[]> => {
  const attributes = [
    'number',
    'nativeId',
    'statusCode',
    'customStatus',
    'cause',
    'reason',
    'exitCode',
    'executeTime',
    'startTime',
    'completionTime',
  ]
  const found = await database.models.Attempt.findAll({
    attributes,
    where: { jobId },
    order: [['number', 'ASC']],
    raw: true,
  })
  return (found as unknown as AttemptRow[]).map(({ statusCode, customStatus, ...row }) => ({
    ...row,
    status: statusCode === null ? null : statusText({ statusCode, customStatus }),
    executeTime: date(row.executeTime),
    startTime: date(row.startTime),
    completionTime: date(row.completionTime),
  }))
}

/** The value that an attempt computed; null where it told none. */
export const readAttemptResult = async (reader: Reader, attemptId: number): Promise<unknown> => {
  const [row] = await reader.all<{ result: string | null }>('SELECT result FROM telesto_attempts WHERE id = $1', [
    attemptId,
  ])
  return row === undefined || row.result === null ? null : JSON.parse(row.result)
}

/** Keeps in the job's row how many parts of its attempt are in each state. To be called after they change. */
export const countParts = async (tx: Transaction, attemptId: number): Promise<void> => {
  const counts = await tx.all<{ state: JobState; n: number }>(
    'SELECT state, COUNT(*) AS n FROM telesto_parts WHERE attempt_id = $1 GROUP BY state ORDER BY state',
    [attemptId],
  )
  const states = counts.length === 0 ? null : Object.fromEntries(counts.map(({ state, n }) => [state, Number(n)]))
  await tx.run(
    'UPDATE telesto_jobs SET part_states = $1 WHERE id = (SELECT a.job_id FROM telesto_attempts a WHERE a.id = $2)',
    [states === null ? null : JSON.stringify(states), attemptId],
  )
}

/** A part as stored. Times are milliseconds since 1970; `reportedAt` is set where the job itself told the state. */
export interface StoredPart {
  readonly position: number
  readonly name: string
  readonly state: JobState
  readonly nativeId: string | null
  readonly nativeState: string | null
  readonly message: string | null
  readonly exitCode: number | null
  readonly startedAt: number | null
  readonly endedAt: number | null
  readonly reportedAt: number | null
}

/** The parts of an attempt, or those of them with these names, in their order. */
export const readParts = async (
  reader: Reader,
  attemptId: number,
  names?: readonly string[],
): Promise<StoredPart[]> => {
  const list = names?.map((_, index) => `$${index + 2}`).join(', ')
  return await reader.all<StoredPart>(
    `SELECT position, name, state, native_id AS "nativeId", native_state AS "nativeState", message, exit_code AS "exitCode",
       started_at AS "startedAt", ended_at AS "endedAt", reported_at AS "reportedAt"
     FROM telesto_parts WHERE attempt_id = $1${list === undefined ? '' : ` AND name IN (${list})`} ORDER BY position`,
    [attemptId, ...(names ?? [])],
  )
}

/** An event of a job, and what the audit trail knows of the act that it was. */
export interface HistoryRow extends Pick<EventRow, 'id' | 'kind' | 'at' | 'attempt' | 'data'> {
  readonly action: string | null
  readonly userId: string | null
  readonly address: string | null
}

/** Oldest first: the first rows after the event `after`, or the last ones. Progress is news, and no history. */
export const readHistory = async (
  reader: Reader,
  jobId: number,
  after: number,
  limit: number,
  last: boolean,
): Promise<HistoryRow[]> => {
  const rows = await reader.all<HistoryRow>(
    `SELECT e.id, e.kind, e.at, e.attempt, e.data, a.action, a.user_id AS "userId", a.address
     FROM telesto_events e LEFT JOIN telesto_audit a ON a.job_id = e.job_id AND a.event_id = e.id
       AND NOT EXISTS (SELECT 1 FROM telesto_audit b WHERE b.job_id = a.job_id AND b.event_id = a.event_id AND b.id < a.id)
     WHERE e.job_id = $1 AND e.id > $2 AND e.kind <> 'progress' ORDER BY e.id ${last ? 'DESC' : 'ASC'} LIMIT ${Math.trunc(limit)}`,
    [jobId, after],
  )
  return last ? rows.reverse() : rows
}
