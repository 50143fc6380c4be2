import type { Core } from '../core.js'
import { among } from '../store/jobs.js'
import { readScheduler } from '../store/schedulers.js'
import { someFreed } from './children.js'
import { shortestPause } from './pace.js'

/** What this process may do now. It serves only records whose adapter it has, and those of machines only on theirs. */
export interface Due {
  readonly polls: readonly number[]
  readonly orders: readonly number[]
  readonly collects: readonly number[]
  /** Some job that waits for its parents need not wait any longer. */
  readonly children: boolean
  /** Nothing is active anywhere: there is time. */
  readonly idle: boolean
}

/** `collecting`: so many attempts may have their results collected beside those that are. */
export const findDue = async (core: Core, collecting: number): Promise<Due> => {
  const { database } = core
  const now = database.now()
  const adapters = [...core.registry.adapters.keys()]
  const served = `s.adapter IN (${adapters.map((_, index) => `$${index + 1}`).join(', ')})
    AND (s.machine IS NULL OR s.machine = $${adapters.length + 1})`
  const own = `$${adapters.length + 2}`
  const params = [...adapters, core.machine]
  const records = await database.all<{ id: number; poll: number; orders: number; active: number }>(
    `SELECT s.id AS id,
       s.next_poll_at <= ${now} AND (s.poll_until <= ${now} OR s.poll_owner = ${own}) AND (
         EXISTS (SELECT 1 FROM telesto_attempts a WHERE a.scheduler_id = s.id AND a.live = 1 AND a.native_id IS NOT NULL)
         OR EXISTS (SELECT 1 FROM telesto_attempts a WHERE a.scheduler_id = s.id AND a.watch_due_at <= ${now})) AS poll,
       s.next_orders_at <= ${now} AND (s.orders_until <= ${now} OR s.orders_owner = ${own}) AND (
         EXISTS (SELECT 1 FROM telesto_attempts a WHERE a.scheduler_id = s.id AND a.order_name IS NOT NULL AND a.waits_for IS NULL AND a.order_due_at <= ${now})
         OR EXISTS (SELECT 1 FROM telesto_strays t WHERE t.scheduler_id = s.id AND t.due_at <= ${now})) AS orders,
       (EXISTS (SELECT 1 FROM telesto_attempts a WHERE a.scheduler_id = s.id AND a.live = 1)
         OR EXISTS (SELECT 1 FROM telesto_attempts a WHERE a.scheduler_id = s.id AND a.order_name IS NOT NULL AND a.waits_for IS NULL)) AS active
     FROM telesto_schedulers s WHERE s.enabled = 1 AND ${served}`,
    [...params, core.owner],
  )
  const apps = [...core.apps.keys()]
  const collects =
    apps.length === 0 || collecting <= 0
      ? []
      : await database.all<{ id: number }>(
          `SELECT a.id AS id FROM telesto_attempts a JOIN telesto_jobs j ON j.id = a.job_id LEFT JOIN telesto_schedulers s ON s.id = a.scheduler_id
           WHERE a.collect_due_at <= ${now} AND a.collect_until <= ${now} AND (s.id IS NULL OR (${served}))
             AND j.app IN (${apps.map((_, index) => `$${params.length + index + 1}`).join(', ')})
           ORDER BY a.collect_due_at LIMIT ${Math.trunc(collecting)}`,
          [...params, ...apps],
        )
  return {
    polls: records.filter((record) => record.poll).map((record) => record.id),
    orders: records.filter((record) => record.orders).map((record) => record.id),
    collects: collects.map((row) => row.id),
    children: await someFreed(database),
    idle: collects.length === 0 && !records.some((record) => record.active),
  }
}

/** Pokes whose time has come bring the next poll of their jobs' records forward, as far as the records' pace allows. */
export const takePokes = async (core: Core): Promise<void> => {
  const { database, pokes, clock } = core
  const ids = pokes.take(clock.monotonic())
  for (let start = 0; start < ids.length; start += 1000) {
    const { sql, params } = among(ids.slice(start, start + 1000))
    const records = await database.all<{ id: number; jobId: number; busy: number; due: number }>(
      `SELECT s.id AS id, MIN(j.id) AS "jobId", s.poll_until > ${database.now()} AS busy, s.next_poll_at <= ${database.now()} AS due
       FROM telesto_jobs j JOIN telesto_attempts a ON a.id = j.attempt_id JOIN telesto_schedulers s ON s.id = a.scheduler_id
       WHERE j.id ${sql} AND a.live = 1 AND s.poll_failures = 0 GROUP BY s.id`,
      params,
    )
    for (const record of records) {
      // A poll that is under way may have asked before the news: the poke waits for its end.
      if (record.busy) pokes.job(record.jobId, 50)
      else if (!record.due) await bringForward(core, record.id)
    }
  }
}

const bringForward = async (core: Core, recordId: number): Promise<void> => {
  const record = await readScheduler(core.database, recordId)
  if (!record) return
  const earliest = Math.round((record.lastAskedAt ?? 0) + shortestPause(record))
  if (earliest >= record.nextPollAt) return
  await core.database.write(
    async (tx) =>
      await tx.run('UPDATE telesto_schedulers SET next_poll_at = $1 WHERE id = $2 AND next_poll_at > $1', [
        earliest,
        recordId,
      ]),
  )
}
