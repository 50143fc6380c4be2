import type { Core } from '../core.js'
import type { OnParentFailure } from '../job-options.js'
import { completeSql, settledSql } from '../status.js'
import type { Transaction } from '../store/database.js'
import { insertEvents } from '../store/events.js'
import { type Change, changeAll, type JobVersion } from '../store/transition.js'

// A job that waits watches one parent that hinders it (waits_for): the youngest, which is likely to end last. Only when that
// one hinders no longer are the others looked at; another one is watched from then on, or the job is released. So a look
// costs no more than one row for each parent that is watched. It starts from what waits, never from a parent's end: a crash
// between the two loses nothing.

/** So many jobs are released in one transaction. */
const BATCH = 500

// What a parent must have come to, as conditions on its row `p`.
const COMPLETE = completeSql('p')
const SETTLED = settledSql('p')
/** The parent `p` has not ended. One that was deleted keeps nobody waiting. */
const OPEN = `p.deleted_at IS NULL AND NOT ${SETTLED}`
/** The parent `p` keeps the job `j` waiting. */
const HINDERS = `p.deleted_at IS NULL AND (NOT ${SETTLED} OR (j.on_parent_failure = 'wait' AND NOT ${COMPLETE}))`

/** Those of the watched parents that have ended. Each is looked at once, by the index alone, however many jobs watch it. */
const ENDED = `SELECT w.waits_for FROM (SELECT DISTINCT waits_for FROM telesto_attempts WHERE waits_for IS NOT NULL) w
  WHERE NOT EXISTS (SELECT 1 FROM telesto_jobs p WHERE p.id = w.waits_for AND ${OPEN})`

/** The jobs that watch one of these parents, where it hinders them no longer. */
const freedFrom = (parents: string): string => `FROM telesto_attempts a JOIN telesto_jobs j ON j.id = a.job_id
  WHERE a.waits_for IN (${parents}) AND NOT EXISTS (SELECT 1 FROM telesto_jobs p WHERE p.id = a.waits_for AND ${HINDERS})`

interface Freed extends JobVersion {
  readonly id: number
  readonly attemptId: number
  readonly onParentFailure: OnParentFailure
  /** Another parent that hinders it; null: none does. */
  readonly next: number | null
}

/** Whether some job waits for a parent that hinders it no longer. `parents`: those that are looked at, as SQL. */
export const someFreed = async (reader: Pick<Transaction, 'all'>, parents = ENDED): Promise<boolean> =>
  (await reader.all(`SELECT a.id AS id ${freedFrom(parents)} LIMIT 1`)).length > 0

/** The releasing sweep: releases or aborts every job whose parents allow or demand it. Safe to repeat and to run twice at once. */
export const releaseChildren = async (core: Core, signal: AbortSignal): Promise<void> => {
  let parents = ENDED
  try {
    while (!signal.aborted) {
      if (await someFreed(core.database, parents)) {
        const aborted = await core.database.write(async (tx) => await release(tx, parents))
        // Their children come next: of a long chain not all links are looked at for each of them.
        parents = aborted.length > 0 ? aborted.join(', ') : ENDED
      } else if (parents !== ENDED) parents = ENDED
      else return
    }
  } finally {
    core.committed()
  }
}

/** One batch. Answers the jobs that it aborted. */
const release = async (tx: Transaction, parents: string): Promise<readonly number[]> => {
  const freed = await tx.all<Freed>(
    `SELECT j.id AS id, j.app AS app, j.attempt_id AS "attemptId", a.number AS "attemptNumber", j.status_code AS "statusCode",
       j.custom_status AS "customStatus", j.status_class AS "statusClass", j.status_version AS "statusVersion", j.deleted_at AS "deletedAt", j.on_parent_failure AS "onParentFailure",
       (SELECT o.parent_id FROM telesto_parents o JOIN telesto_jobs p ON p.id = o.parent_id
        WHERE o.job_id = j.id AND ${HINDERS} ORDER BY o.parent_id DESC LIMIT 1) AS next
     ${freedFrom(parents)} LIMIT ${BATCH}`,
  )
  if (freed.length === 0) return []
  const now = await tx.now()
  const failed = await failedParents(
    tx,
    freed.filter(({ next, onParentFailure }) => next === null && onParentFailure === 'abort'),
  )
  const aborted = await changeAll(tx, new Map(freed.flatMap((job) => abortedBy(job, failed.get(job.id), now))), now)
  await watchNext(
    tx,
    now,
    freed.filter(({ id }) => !failed.has(id)),
  )
  return [...aborted].map(({ id }) => id)
}

const abortedBy = (job: Freed, parent: number | undefined, now: number): [Freed, Change][] => {
  if (parent === undefined) return []
  const reason = `Job ${parent}, for which this job waited, did not complete.`
  return [[job, { job: { status: 'ABT', cause: 'dependency', reason, completionTime: now }, attempt: { ended: 1 } }]]
}

/** Of each job the parent to be named, where one did not complete. */
const failedParents = async (tx: Transaction, jobs: readonly Freed[]): Promise<ReadonlyMap<number, number>> => {
  if (jobs.length === 0) return new Map()
  const rows = await tx.all<{ job: number; parent: number }>(
    `SELECT o.job_id AS job, MIN(o.parent_id) AS parent FROM telesto_parents o JOIN telesto_jobs p ON p.id = o.parent_id
     WHERE o.job_id IN (${jobs.map(({ id }) => id).join(', ')}) AND p.deleted_at IS NULL AND NOT ${COMPLETE} GROUP BY o.job_id`,
  )
  return new Map(rows.map(({ job, parent }) => [job, parent]))
}

/** From now on another parent is watched; where none is left to wait for, the order to submit is free. */
const watchNext = async (tx: Transaction, now: number, jobs: readonly Freed[]): Promise<void> => {
  if (jobs.length === 0) return
  const moved = jobs.filter(({ next }) => next !== null)
  const next = moved.map((job) => `WHEN ${job.attemptId} THEN ${job.next}`).join(' ')
  const changed = await tx.all<{ id: number }>(
    `UPDATE telesto_attempts SET waits_for = ${moved.length === 0 ? 'NULL' : `CASE id ${next} ELSE NULL END`}
     WHERE id IN (${jobs.map(({ attemptId }) => attemptId).join(', ')}) AND waits_for IS NOT NULL RETURNING id`,
  )
  const ids = new Set(changed.map(({ id }) => id))
  // News for who looks at it, and no history.
  const news = jobs.filter(({ attemptId }) => ids.has(attemptId))
  await insertEvents(
    tx,
    now,
    news.map(({ id, app, attemptNumber }) => ({ kind: 'progress', app, jobId: id, attempt: attemptNumber })),
  )
}
