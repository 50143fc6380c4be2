import type { JobRef } from '../adapter.js'
import type { Core } from '../core.js'
import type { Situation } from '../decide.js'
import type { Transaction } from '../store/database.js'
import type { JobVersion } from '../store/transition.js'

/** A current attempt as the loops see it: what decide() needs, what a compare-and-set compares, how the adapter finds it. */
export interface Tracked extends JobVersion, Omit<Situation, 'cancelOrdered' | 'cancelSent'> {
  readonly attemptId: number
  readonly userId: string
  readonly jobType: string
  readonly token: string
  readonly nativeId: string | null
  /** Its directory on this machine, where results are fetched into. */
  readonly directory: string
  /** Its directory for the adapter: the same, or one on the scheduler's host. */
  readonly workdir: string
  readonly live: number
  readonly mentioned: number
  readonly watchUntil: number | null
  readonly orderName: string | null
  readonly orderTries: number
  readonly orderError: string | null
  readonly handedOverAt: number | null
}

const SELECT = `SELECT j.id AS id, j.app AS app, j.user_id AS "userId", j.attempt_id AS "attemptId", a.number AS "attemptNumber",
  j.status_code AS "statusCode", j.custom_status AS "customStatus", j.status_class AS "statusClass",
  j.status_version AS "statusVersion", j.deleted_at AS "deletedAt",
  j.status_changed_at AS "statusChangedAt", j.start_time AS "startTime", j.cause AS cause, j.native_state AS "nativeState",
  j.reason AS reason, j.exit_code AS "exitCode", j.progress AS progress, j.status_message AS "statusMessage",
  a.gap_count AS "gapCount", a.gap_since AS "gapSince", a.job_type AS "jobType", a.token AS token, a.native_id AS "nativeId", 
  a.workdir AS directory, COALESCE(a.target_workdir, a.workdir) AS workdir, a.live AS live, a.mentioned AS mentioned,
  a.watch_until AS "watchUntil", a.order_name AS "orderName", a.order_tries AS "orderTries", a.order_error AS "orderError",
  a.handed_over_at AS "handedOverAt"
  FROM telesto_attempts a JOIN telesto_jobs j ON j.id = a.job_id AND j.attempt_id = a.id`

type Reader = Pick<Transaction, 'all'>

/** The attempts that a poll of this record asks about: all that live there, and lost ones whose time to look has come. */
export const polled = async (core: Core, recordId: number): Promise<Tracked[]> => {
  const of = `${SELECT} WHERE a.scheduler_id = $1 AND a.native_id IS NOT NULL AND`
  return await core.database.all<Tracked>(
    `${of} a.live = 1 UNION ALL ${of} a.live = 0 AND a.watch_due_at <= ${core.database.now()}`,
    [recordId],
  )
}

/** Attempts that match `where`, oldest first. */
export const tracked = async (
  reader: Reader,
  where: string,
  params: readonly (string | number)[],
  limit: number,
): Promise<Tracked[]> =>
  await reader.all<Tracked>(`${SELECT} WHERE ${where} ORDER BY a.id LIMIT ${Math.trunc(limit)}`, params)

/** One attempt as it is now; undefined where it is no longer its job's current one. */
export const trackedAttempt = async (reader: Reader, attemptId: number): Promise<Tracked | undefined> =>
  (await tracked(reader, 'a.id = $1', [attemptId], 1))[0]

export const trackedToken = async (reader: Reader, token: string): Promise<Tracked | undefined> =>
  (await tracked(reader, 'a.token = $1', [token], 1))[0]

export const situation = (job: Tracked): Situation => {
  const cancelOrdered = job.orderName === 'cancel'
  return { ...job, cancelOrdered, cancelSent: cancelOrdered && job.orderTries > 0 }
}

export const refOf = (job: Pick<Tracked, 'token' | 'nativeId' | 'jobType' | 'workdir'>): JobRef => ({
  token: job.token,
  nativeId: job.nativeId ?? '',
  jobType: job.jobType,
  workdir: job.workdir,
})
