import type { Core } from '../core.js'
import type { SchedulerRow } from '../store/schedulers.js'
import { type Tracked, tracked } from './tracked.js'

/** A job of an attempt that is no longer wanted: to be cancelled until the scheduler says that it is gone. */
export interface Stray {
  readonly token: string
  readonly nativeId: string
  readonly jobId: number
  readonly jobType: string
  readonly workdir: string
  readonly tries: number
}

/** What a record's orders ask for now. */
export interface Plan {
  /** Handed over, and no answer was stored: what became of them? */
  readonly open: readonly Tracked[]
  readonly cancel: readonly Tracked[]
  readonly hold: readonly Tracked[]
  readonly release: readonly Tracked[]
  readonly cleanUp: readonly CleanUp[]
  readonly strays: readonly Stray[]
  /** To be submitted now, within the limits of the record and its users. */
  readonly submit: readonly Tracked[]
}

/**
 * Jobs that this process may submit: of an app that it has declared, because inputs are looked up there, and with a task that it
 * has registered. The others wait for a process that has. Its parameters are numbered from `first`.
 */
const ours = (core: Core, first: number): { readonly sql: string; readonly params: string[] } => {
  if (core.apps.size === 0) return { sql: '1 = 0', params: [] }
  const params: string[] = []
  const list = (names: Iterable<string>): string =>
    [...names].map((name) => `$${first + params.push(name) - 1}`).join(', ')
  const apps = `j.app IN (${list(core.apps.keys())})`
  const tasks = [...core.apps.values()]
    .filter((app) => app.tasks.size > 0)
    .map((app) => `(j.app = ${list([app.name])} AND j.task IN (${list(app.tasks.keys())}))`)
  return { sql: `${apps} AND (${['j.task IS NULL', ...tasks].join(' OR ')})`, params }
}

/** An attempt of a deleted job, current or old. */
export interface CleanUp {
  readonly attemptId: number
  readonly token: string
  readonly nativeId: string | null
  readonly jobType: string
  readonly workdir: string
  /** Its workdir is on another machine, where there may be something even if no job was accepted. */
  readonly onTarget: number | boolean
  readonly orderTries: number
}

/** So many orders of one kind are carried out in one turn. */
const TURN = 500
/** So many jobs are handed over in one call. */
export const SUBMIT_CHUNK = 500

/** To be submitted, and not handed over yet. */
const PENDING = 'a.handed_over_at IS NULL AND a.native_id IS NULL'
/** The term of the index of orders: what waits for its parents (children.ts) is not looked at. */
const FREE = 'a.waits_for IS NULL'

export const planOrders = async (core: Core, record: SchedulerRow): Promise<Plan> => {
  const reader = core.database
  const now = reader.now()
  const due = (order: string, more: string): Promise<Tracked[]> =>
    tracked(
      reader,
      `a.scheduler_id = $1 AND a.order_name = $2 AND ${FREE} AND a.order_due_at <= ${now} AND ${more}`,
      [record.id, order],
      TURN,
    )
  const accepted = 'a.native_id IS NOT NULL'
  const openAttempts = [
    ...(await due('submit', 'a.handed_over_at IS NOT NULL AND a.native_id IS NULL')),
    ...(await due('cancel', 'a.handed_over_at IS NOT NULL AND a.native_id IS NULL')),
  ]
  return {
    open: openAttempts,
    cancel: await due('cancel', accepted),
    hold: await due('hold', accepted),
    release: await due('release', accepted),
    cleanUp: await reader.all<CleanUp>(
      `SELECT a.id AS "attemptId", a.token AS token, a.native_id AS "nativeId", a.job_type AS "jobType", COALESCE(a.target_workdir, a.workdir) AS workdir,
         a.target_workdir IS NOT NULL AS "onTarget", a.order_tries AS "orderTries"
       FROM telesto_attempts a WHERE a.scheduler_id = $1 AND a.order_name = 'clean_up' AND ${FREE} AND a.order_due_at <= ${now} AND a.collect_until <= ${now}
       ORDER BY a.id LIMIT ${TURN}`,
      [record.id],
    ),
    strays: await reader.all<Stray>(
      `SELECT token, native_id AS "nativeId", job_id AS "jobId", job_type AS "jobType", workdir, tries FROM telesto_strays
       WHERE scheduler_id = $1 AND due_at <= ${now} LIMIT ${TURN}`,
      [record.id],
    ),
    submit: await withinLimits(core, record),
  }
}

export const isEmpty = (plan: Plan): boolean =>
  Object.values(plan).every((list: readonly unknown[]) => list.length === 0)

/** The oldest jobs that may go now: active jobs in all and per user, submissions per minute. */
const withinLimits = async (core: Core, record: SchedulerRow): Promise<Tracked[]> => {
  const { database } = core
  const [count] = await database.all<{ n: number; now: number }>(
    `SELECT COUNT(*) AS n, ${database.now()} AS now FROM telesto_attempts WHERE scheduler_id = $1 AND live = 1`,
    [record.id],
  )
  const window = (count?.now ?? 0) - record.submitWindowStart < 60_000 ? record.submitWindowCount : 0
  const room = Math.min(
    SUBMIT_CHUNK,
    record.maxActiveJobs === null ? SUBMIT_CHUNK : record.maxActiveJobs - (count?.n ?? 0),
    record.maxSubmitsPerMinute - window,
  )
  if (room <= 0) return []
  const mine = ours(core, 2)
  const where = `a.scheduler_id = $1 AND a.order_name = 'submit' AND ${FREE} AND a.order_due_at <= ${database.now()}
    AND ${PENDING} AND ${mine.sql}`
  const params = [record.id, ...mine.params]
  const most = record.maxActiveJobsPerUser
  if (most === null) return await tracked(database, where, params, room)
  const live = await database.all<{ user: string; n: number }>(
    `SELECT j.user_id AS "user", COUNT(*) AS n FROM telesto_attempts a JOIN telesto_jobs j ON j.id = a.job_id
     WHERE a.scheduler_id = $1 AND a.live = 1 GROUP BY j.user_id`,
    [record.id],
  )
  const active = new Map(live.map(({ user, n }) => [user, n]))
  const full = [...active].filter(([, n]) => n >= most).map(([user]) => user)
  const others =
    full.length === 0
      ? ''
      : ` AND j.user_id NOT IN (${full.map((_, index) => `$${params.length + index + 1}`).join(', ')})`
  const candidates = await tracked(database, where + others, [...params, ...full], TURN)
  const chosen: Tracked[] = []
  for (const job of candidates) {
    const n = active.get(job.userId) ?? 0
    if (n >= most) continue
    active.set(job.userId, n + 1)
    if (chosen.push(job) >= room) break
  }
  return chosen
}
