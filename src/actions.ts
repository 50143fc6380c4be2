import { ALLOWED, stopping } from './allowed.js'
import { type Asked, apply, orderEvent } from './asked.js'
import type { Core } from './core.js'
import { TelestoError } from './errors.js'
import { startAttempts } from './new-attempts.js'
import { isActive, type StatusCode, statusText } from './status.js'
import type { Transaction } from './store/database.js'
import { insertEvents, type NewEvent } from './store/events.js'
import type { JobRow } from './store/jobs.js'
import { readScheduler } from './store/schedulers.js'
import type { AttemptChange, JobChange, OrderName } from './store/transition.js'

/**
 * Every action takes the rows of its jobs as they were read in the same transaction, up to about 500, and needs a number of
 * statements that does not depend on theirs. Throws `action_not_allowed` where the status of one of them does not allow it.
 */
export type JobAction = (core: Core, tx: Transaction, rows: readonly JobRow[], asked: Asked) => Promise<void>

const demand = (rows: readonly JobRow[], action: keyof typeof ALLOWED): void => {
  const row = rows.find((one) => !ALLOWED[action](one))
  if (!row) return
  const stopped = stopping(row) ? ' and is being stopped' : ''
  const status = row.statusCode === 'PEN' && row.executeTime !== null ? 'being submitted' : statusText(row)
  const message = `Job ${row.id} is ${status}${stopped}, which does not allow ${action}.`
  throw new TelestoError('action_not_allowed', message, { field: 'action' })
}

/** Those for which it holds, and the others. */
const split = <T>(all: readonly T[], holds: (one: T) => boolean): readonly [readonly T[], readonly T[]] => [
  all.filter(holds),
  all.filter((one) => !holds(one)),
]

export const execute: JobAction = async (core, tx, rows, asked) => {
  demand(rows, 'execute')
  await startAttempts(core, tx, rows, await tx.now(), {}, asked)
}

/** Before hand-over: Aborted at once. After it: an order, which is repeated until the scheduler itself says that it ended. */
export const stop: JobAction = async (_core, tx, rows, asked) => {
  demand(rows, 'stop')
  const now = await tx.now()
  const event = orderEvent('cancel', asked)
  const ended = { attempt: { ended: 1 }, ...asked } as const
  const aborted = { status: 'ABT', completionTime: now } as const
  const [owned, scheduled] = split(rows, (row) => row.needsScheduler === 0)
  const [handedOver, waiting] = split(scheduled, (row) => row.handedOverAt !== null)
  const reason = 'Stopped before it was handed to a scheduler.'
  await apply(tx, owned, now, { ...ended, job: aborted }, event)
  await apply(tx, waiting, now, { ...ended, job: { ...aborted, reason } }, event)
  await apply(tx, handedOver, now, { order: true, attempt: orders('cancel', now) }, event)
}

const orders = (orderName: OrderName, now: number): AttemptChange => ({
  orderName,
  orderDueAt: now,
  orderTries: 0,
  orderError: null,
})

export const pause: JobAction = async (_core, tx, rows, asked) => {
  demand(rows, 'pause')
  await holdOrRelease(tx, rows, 'hold', 'PAS', asked)
}
export const resume: JobAction = async (_core, tx, rows, asked) => {
  demand(rows, 'resume')
  await holdOrRelease(tx, rows, 'release', 'RUN', asked)
}
const holdOrRelease = async (
  tx: Transaction,
  rows: readonly JobRow[],
  order: 'hold' | 'release',
  status: StatusCode,
  asked: Asked,
): Promise<void> => {
  const now = await tx.now()
  const event = orderEvent(order, asked)
  const [owned, scheduled] = split(rows, (row) => row.needsScheduler === 0)
  const [starting, going] = split(owned, (row) => status === 'RUN' && row.startTime === null)
  await apply(tx, starting, now, { job: { status, startTime: now }, ...asked }, event)
  await apply(tx, going, now, { job: { status }, ...asked }, event)
  await apply(tx, scheduled, now, { order: true, attempt: orders(order, now) }, event)
}

/** New attempts; the old ones keep their history, and are cancelled first unless their scheduler said that they ended. */
export const resubmit: JobAction = async (core, tx, rows, asked) => {
  demand(rows, 'resubmit')
  const now = await tx.now()
  await retire(tx, rows, now)
  const afresh: JobChange = {
    status: 'PEN',
    customStatus: null,
    statusMessage: null,
    progress: null,
    nativeState: null,
    cause: null,
    reason: null,
    exitCode: null,
    startTime: null,
    completionTime: null,
  }
  await startAttempts(core, tx, rows, now, afresh, asked)
}

const STRAYS = `INSERT INTO telesto_strays (token, native_id, job_id, job_type, scheduler_id, workdir, due_at)
  SELECT token, native_id, job_id, job_type, scheduler_id, COALESCE(target_workdir, workdir), CAST($1 AS BIGINT) FROM telesto_attempts
  WHERE native_id IS NOT NULL AND ended = 0 AND scheduler_id IN (SELECT id FROM telesto_schedulers)`

const retire = async (tx: Transaction, rows: readonly JobRow[], now: number): Promise<void> => {
  const attempts = rows.flatMap(({ attemptId }) => (attemptId === null ? [] : [attemptId]))
  if (attempts.length === 0) return
  const these = `id IN (${attempts.join(', ')})`
  await tx.run(`${STRAYS} AND ${these} ON CONFLICT DO NOTHING`, [now])
  await tx.run(
    `UPDATE telesto_attempts SET order_name = NULL, live = 0, watch_due_at = NULL, collect_due_at = NULL WHERE ${these}`,
  )
}

/** Results are collected again, from the first try. */
export const collectAgain: JobAction = async (_core, tx, rows, asked) => {
  demand(rows, 'collect')
  const now = await tx.now()
  const event = orderEvent('collect', asked)
  const [various, failed] = split(rows, (row) => row.statusCode === 'VCP')
  const attempt = { collectDueAt: now, collectTries: 0, collectError: null }
  await apply(tx, various, now, { job: { cause: null }, attempt, order: true }, event)
  const job: JobChange = { status: 'RES', cause: null, reason: null, completionTime: null }
  await apply(tx, failed, now, { job, ...asked }, event)
}

/**
 * Hides jobs at once; the engine ends, cleans up and removes them. With `stop`, active ones are stopped first. Followed by
 * refuseToOrphan() in the same transaction, when all that is to go is hidden.
 */
export const remove =
  (options: { readonly stop: boolean }): JobAction =>
  async (core, tx, rows, asked) => {
    const refused = options.stop ? undefined : rows.find((row) => !ALLOWED.delete(row))
    if (refused) throw jobIsActive(refused)
    if (rows.length === 0) return
    const these = rows.map(({ id }) => id).join(', ')
    const running = rows.filter((row) => isActive(row) && !stopping(row))
    await stop(core, tx, running, asked)
    const now = await tx.now()
    await tx.run(
      `UPDATE telesto_jobs SET deleted_at = $1, status_version = status_version + 1 WHERE id IN (${these})`,
      [now],
    )
    // What was given up as lost may yet be running.
    await tx.run(`${STRAYS} AND live = 0 AND job_id IN (${these}) ON CONFLICT DO NOTHING`, [now])
    // Attempts that may still be alive keep their order to cancel; when that is done, cleaning up follows by itself.
    await tx.run(
      `UPDATE telesto_attempts SET order_name = 'clean_up', order_due_at = $1, order_tries = 0, collect_due_at = NULL, watch_due_at = NULL
       WHERE job_id IN (${these}) AND live = 0 AND (order_name IS NULL OR order_name <> 'cancel')`,
      [now],
    )
    const deleted = (row: JobRow): NewEvent => ({ kind: 'deleted', app: row.app, jobId: row.id, data: asked })
    await insertEvents(tx, now, rows.map(deleted))
  }

/** Throws `job_has_children` where a job that stays waits for one of these. */
export const refuseToOrphan = async (tx: Transaction, ids: readonly number[]): Promise<void> => {
  if (ids.length === 0) return
  const [waiting] = await tx.all<{ id: number; parent: number }>(
    `SELECT c.id AS id, p.parent_id AS parent FROM telesto_parents p JOIN telesto_jobs c ON c.id = p.job_id
     WHERE p.parent_id IN (${ids.join(', ')}) AND c.deleted_at IS NULL AND c.status_code = 'PEN' LIMIT 1`,
  )
  if (!waiting) return
  const message = `Job ${waiting.id} waits for job ${waiting.parent}. Delete it first.`
  throw new TelestoError('job_has_children', message, { field: 'id' })
}

const jobIsActive = (row: Pick<JobRow, 'id'>): TelestoError =>
  new TelestoError('job_is_active', `Job ${row.id} is active: stop it first, or delete it with { stop: true }.`, {
    field: 'stop',
  })

/** Whether the job's scheduler can hold, or release, without asking it. A job that no scheduler runs can. */
export const supports = async (core: Core, row: JobRow, method: 'hold' | 'release'): Promise<boolean> => {
  if (row.needsScheduler === 0) return true
  if (row.attemptSchedulerId === null) return false
  const record = await readScheduler(core.database, row.attemptSchedulerId)
  return record !== undefined && core.connections.supports(record, method)
}
