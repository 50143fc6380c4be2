import type { JobState } from '../adapter.js'
import { displayStatuses, type StatusCode, type StatusName } from '../status.js'
import type { Database, Transaction } from './database.js'

type Reader = Pick<Transaction, 'all'>

/** One attempt of a job. Status, times and cause are those it ended with; null while it has not. */
export interface AttemptHistory {
  readonly number: number
  readonly nativeId: string | null
  readonly status: StatusName | null
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
  readonly cause: string | null
  readonly reason: string | null
  readonly exitCode: number | null
  readonly executeTime: number | null
  readonly startTime: number | null
  readonly completionTime: number | null
}

const date = (time: number | null): Date | null => (time === null ? null : new Date(time))

export const readAttempts = async ({ models }: Pick<Database, 'models'>, jobId: number): Promise<AttemptHistory[]> => {
  const attributes = [
    'number',
    'nativeId',
    'statusCode',
    'cause',
    'reason',
    'exitCode',
    'executeTime',
    'startTime',
    'completionTime',
  ]
  const found = await models.Attempt.findAll({ attributes, where: { jobId }, order: [['number', 'ASC']], raw: true })
  return (found as unknown as AttemptRow[]).map(({ statusCode, ...row }) => ({
    ...row,
    status: statusCode === null ? null : displayStatuses[statusCode],
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

export const readParts = async (reader: Reader, attemptId: number): Promise<StoredPart[]> =>
  await reader.all<StoredPart>(
    `SELECT position, name, state, native_id AS "nativeId", native_state AS "nativeState", message, exit_code AS "exitCode",
       started_at AS "startedAt", ended_at AS "endedAt", reported_at AS "reportedAt"
     FROM telesto_parts WHERE attempt_id = $1 ORDER BY position`,
    [attemptId],
  )
