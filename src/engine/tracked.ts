import type { JobRef } from '../adapter.js'
import type { Core } from '../core.js'
import type { Situation } from '../decide.js'
import type { Transaction } from '../store/database.js'
import { among } from '../store/jobs.js'
import type { JobVersion } from '../store/transition.js'

/**
 * A current attempt as a poll sees it, of which there may be very many: what decide() needs, how the adapter finds it, what a
 * compare-and-set compares, and what is told of it.
 */
export interface Polled extends Situation, JobVersion {
  readonly attemptId: number
  readonly jobType: string
  readonly token: string
  readonly nativeId: string | null
  /** Its directory for the adapter: the one on this machine, or one on the scheduler's host. */
  readonly workdir: string
  readonly live: number
  readonly mentioned: number
  readonly watchUntil: number | null
}

/** A current attempt as the loops see it. */
export interface Tracked extends Polled {
  readonly userId: string
  /** Its directory on this machine, where results are fetched into. */
  readonly directory: string
  readonly handedOverAt: number | null
}

const POLLED = `a.id AS "attemptId", a.job_type AS "jobType", a.token AS token, a.native_id AS "nativeId",
  COALESCE(a.target_workdir, a.workdir) AS workdir, a.live AS live, a.mentioned AS mentioned, j.status_code AS "statusCode", j.status_class AS "statusClass",
  j.status_changed_at AS "statusChangedAt", j.start_time AS "startTime", j.cause AS cause, j.native_state AS "nativeState",
  j.reason AS reason, j.exit_code AS "exitCode", j.progress AS progress, j.status_message AS "statusMessage",
  a.order_name AS "orderName", a.order_tries AS "orderTries", a.gap_count AS "gapCount", a.gap_since AS "gapSince",
  j.id AS id, j.app AS app, a.number AS "attemptNumber", j.custom_status AS "customStatus", j.status_version AS "statusVersion",
  j.deleted_at AS "deletedAt", a.watch_until AS "watchUntil"`

const TRACKED = `${POLLED}, j.user_id AS "userId", a.workdir AS directory, a.handed_over_at AS "handedOverAt"`

const FROM = 'FROM telesto_attempts a JOIN telesto_jobs j ON j.id = a.job_id AND j.attempt_id = a.id'

type Reader = Pick<Transaction, 'all'>

/** The attempts that a poll of this record asks about: all that live there, and lost ones whose time to look has come. */
export const polled = async ({ database }: Core, recordId: number): Promise<Polled[]> => {
  const those = `SELECT ${POLLED} ${FROM} WHERE a.scheduler_id = $1 AND a.native_id IS NOT NULL AND`
  return await database.all<Polled>(
    `${those} a.live = 1 UNION ALL ${those} a.live = 0 AND a.watch_due_at <= ${database.now()}`,
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
  await reader.all<Tracked>(`SELECT ${TRACKED} ${FROM} WHERE ${where} ORDER BY a.id LIMIT ${Math.trunc(limit)}`, params)

/** Each of these attempts as it is now, where it still has its token and is its job's current one. */
export const trackedNow = async <J extends Pick<Polled, 'attemptId' | 'token'>>(
  reader: Reader,
  attempts: readonly J[],
): Promise<ReadonlyMap<J, Tracked>> => {
  if (attempts.length === 0) return new Map()
  const { sql, params } = among(attempts.map(({ attemptId }) => attemptId))
  const rows = await tracked(reader, `a.id ${sql}`, params, attempts.length)
  const byToken = new Map(rows.map((row) => [row.token, row]))
  return new Map(
    attempts.flatMap((one): [J, Tracked][] => {
      const now = byToken.get(one.token)
      return now === undefined ? [] : [[one, now]]
    }),
  )
}

/** One attempt as it is now; undefined where it is no longer its job's current one. */
export const trackedAttempt = async (reader: Reader, attemptId: number): Promise<Tracked | undefined> =>
  (await tracked(reader, 'a.id = $1', [attemptId], 1))[0]

export const refOf = (job: Pick<Polled, 'token' | 'nativeId' | 'jobType' | 'workdir'>): JobRef => ({
  token: job.token,
  nativeId: job.nativeId ?? '',
  jobType: job.jobType,
  workdir: job.workdir,
})
