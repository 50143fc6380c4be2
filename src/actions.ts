import { ALLOWED, stopping } from './allowed.js'
import { appOf, type Core } from './core.js'
import { attemptDirectory, defaultWorkspace } from './directories.js'
import { TelestoError } from './errors.js'
import { newToken } from './report-token.js'
import { isActive, type StatusCode, statusText } from './status.js'
import type { Transaction } from './store/database.js'
import { insertEvents, type NewEvent } from './store/events.js'
import { insertRows } from './store/insert.js'
import type { JobRow } from './store/jobs.js'
import { youngestParents } from './store/parents.js'
import { readScheduler, readSchedulerOfMachine, readSetting, type SchedulerRow } from './store/schedulers.js'
import { type AttemptChange, type Change, changeAll, type JobChange, type OrderName } from './store/transition.js'

const refuse = (row: JobRow, action: keyof typeof ALLOWED): never => {
  const stopped = stopping(row) ? ' and is being stopped' : ''
  const status = row.statusCode === 'PEN' && row.executeTime !== null ? 'being submitted' : statusText(row)
  throw new TelestoError(
    'action_not_allowed',
    `Job ${row.id} is ${status}${stopped}, which does not allow ${action}.`,
    {
      field: 'action',
    },
  )
}

/**
 * Every action takes the rows of its jobs as they were read in the same transaction, up to about 500, and needs a number of
 * statements that does not depend on theirs. Throws `action_not_allowed` where the status of one of them does not allow it.
 */
export type JobAction = (core: Core, tx: Transaction, rows: readonly JobRow[], asked: Asked) => Promise<void>

/** Who asked; nobody for trusted code. */
export interface Asked {
  readonly by?: string
}

/** Applies a change that nothing else can have overtaken: the caller read the rows in the same transaction. */
export const apply = async (
  tx: Transaction,
  rows: readonly JobRow[],
  now: number,
  wanted: Omit<Change, 'events'>,
  eventsOf: (row: JobRow) => readonly NewEvent[],
): Promise<void> => {
  const changed = new Set(await changeAll(tx, rows, now, wanted, eventsOf))
  const overtaken = rows.find((row) => !changed.has(row))
  if (!overtaken) return
  const message = `Job ${overtaken.id} changed at the same moment. Read it again and retry.`
  throw new TelestoError('action_not_allowed', message, { field: 'action' })
}

const orderEvent =
  (order: string, { by }: Asked) =>
  (row: JobRow): readonly NewEvent[] => [
    {
      kind: 'order',
      app: row.app,
      jobId: row.id,
      attempt: row.attemptNumber,
      data: { order, ...(by === undefined ? {} : { by }) },
    },
  ]
/** For the history. */
export const who = ({ by }: Asked): { readonly by?: string } => (by === undefined ? {} : { by })

const demand = (rows: readonly JobRow[], action: keyof typeof ALLOWED): void => {
  const refused = rows.find((row) => !ALLOWED[action](row))
  if (refused) refuse(refused, action)
}

/** The records that run these jobs, each read once. */
const schedulersOf = async (
  core: Core,
  tx: Transaction,
  rows: readonly JobRow[],
): Promise<(row: JobRow) => SchedulerRow | undefined> => {
  const key = (row: JobRow): string => JSON.stringify([row.app, row.jobType, row.schedulerId, row.schedulerSetting])
  const found = new Map<string, SchedulerRow>()
  for (const row of rows)
    if (row.needsScheduler === 1 && !found.has(key(row))) found.set(key(row), await schedulerOf(core, tx, row))
  return (row) => found.get(key(row))
}

/** The record that runs a job: given, or assigned to the setting it names, or that of this machine. */
const schedulerOf = async (core: Core, tx: Transaction, row: JobRow): Promise<SchedulerRow> => {
  const adapter = core.registry.jobType(row.jobType).adapter
  if (row.schedulerId !== null) {
    const record = await readScheduler(tx, row.schedulerId)
    if (record) return record
    throw new TelestoError(
      'scheduler_not_found',
      `The scheduler for which job ${row.id} was made has been removed, and it runs on no other. Make a new job.`,
      { field: 'scheduler' },
    )
  }
  if (row.schedulerSetting !== null) {
    const setting = await readSetting(tx, row.app, row.schedulerSetting)
    const record = setting?.schedulerId ? await readScheduler(tx, setting.schedulerId) : undefined
    if (record) return record
    throw new TelestoError(
      'setting_not_assigned',
      `No scheduler is assigned to the setting ${row.schedulerSetting} of the app ${row.app}. An administrator assigns one.`,
      { field: 'scheduler' },
    )
  }
  const record = adapter.thisMachine ? await readSchedulerOfMachine(tx, adapter.type, core.machine) : undefined
  if (record) return record
  throw new TelestoError(
    'invalid',
    `A job of type ${row.jobType} needs the option scheduler: the name of a setting of its app.`,
    {
      field: 'scheduler',
    },
  )
}

/**
 * New attempts, committed with their order to submit: from here on the jobs run, whatever happens to this process. Where they
 * have parents, a sweep (engine/children.ts) sees whether these let them.
 */
export const start = async (
  core: Core,
  tx: Transaction,
  rows: readonly JobRow[],
  now: number,
  job: JobChange,
  asked: Asked,
): Promise<void> => {
  const schedulerFor = await schedulersOf(core, tx, rows)
  const parents = await youngestParents(
    tx,
    rows.map(({ id }) => id),
  )
  const next = (row: JobRow): number => (row.attemptNumber ?? 0) + 1
  await insertRows(
    tx,
    'telesto_attempts',
    ['job_id', 'number', 'token', 'job_type', 'scheduler_id', 'workdir', 'order_name', 'order_due_at', 'waits_for'],
    rows.map((row) => {
      const workspace = row.workspace || defaultWorkspace(core.jobsRoot, row.app, row.userId)
      const scheduler = schedulerFor(row)
      return [
        row.id,
        next(row),
        newToken(),
        row.jobType,
        scheduler?.id ?? null,
        attemptDirectory(workspace, row.id, next(row)),
        scheduler ? 'submit' : null,
        now,
        parents.get(row.id) ?? null,
      ]
    }),
  )
  const started = { newAttempt: true, order: true } as const
  const event = (row: JobRow) => orderEvent('submit', asked)({ ...row, attemptNumber: next(row) })
  const [owned, scheduled] = split(rows, (row) => row.needsScheduler === 0)
  await apply(tx, scheduled, now, { ...started, job: { ...job, executeTime: now } }, event)
  await apply(tx, owned, now, { ...started, job: { ...job, status: 'SUB', executeTime: now } }, event)
}

/** Those for which it holds, and the others. */
const split = <T>(all: readonly T[], holds: (one: T) => boolean): readonly [readonly T[], readonly T[]] => [
  all.filter(holds),
  all.filter((one) => !holds(one)),
]

export const execute: JobAction = async (core, tx, rows, asked) => {
  demand(rows, 'execute')
  await start(core, tx, rows, await tx.now(), {}, asked)
}

/** Before hand-over: Aborted at once. After it: an order, which is repeated until the scheduler itself says that it ended. */
export const stop: JobAction = async (_core, tx, rows, asked) => {
  demand(rows, 'stop')
  const now = await tx.now()
  const event = orderEvent('cancel', asked)
  const ended = { attempt: { ended: 1 }, ...who(asked) } as const
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
  await apply(tx, starting, now, { job: { status, startTime: now }, ...who(asked) }, event)
  await apply(tx, going, now, { job: { status }, ...who(asked) }, event)
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
  await start(core, tx, rows, now, afresh, asked)
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
  await apply(tx, failed, now, { job, ...who(asked) }, event)
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
    const deleted = (row: JobRow): NewEvent => ({ kind: 'deleted', app: row.app, jobId: row.id, data: who(asked) })
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

/** Whether the job's scheduler offers an operation, without asking it: a method is there exactly when it is supported. */
export const supports = async (
  core: Core,
  row: JobRow,
  method: 'hold' | 'release' | 'readLog' | 'listLogs',
): Promise<boolean> => {
  if (row.needsScheduler === 0) return method === 'hold' || method === 'release'
  if (row.attemptSchedulerId === null) return false
  const record = await readScheduler(core.database, row.attemptSchedulerId)
  return record !== undefined && core.connections.supports(record, method)
}

/** Throws where this process does not know what the job names: its app or its function. */
export const checkNames = (core: Core, app: string, processResults: string | undefined): void => {
  if (processResults === undefined || appOf(core, app).processResults.has(processResults)) return
  throw new TelestoError(
    'unknown_process_results',
    `The app ${app} has no function ${JSON.stringify(processResults)}. Register it: telesto.app(${JSON.stringify(app)}, { processResults: { … } }).`,
    { field: 'processResults' },
  )
}
