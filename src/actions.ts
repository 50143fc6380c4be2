import { ALLOWED, hasEnded, stopping } from './allowed.js'
import { appOf, type Core } from './core.js'
import { attemptDirectory, defaultWorkspace } from './directories.js'
import { TelestoError } from './errors.js'
import { newToken } from './report-token.js'
import { displayStatuses, isActive, isSettled, type StatusCode } from './status.js'
import { nowIn, type Transaction } from './store/database.js'
import { insertEvents } from './store/events.js'
import { type JobRow, readJobRow } from './store/jobs.js'
import { readScheduler, readSchedulerOfMachine, readSetting, type SchedulerRow } from './store/schedulers.js'
import { type AttemptChange, type Change, change, type JobChange, type OrderName } from './store/transition.js'

const refuse = (row: JobRow, action: keyof typeof ALLOWED): never => {
  const stopped = stopping(row) ? ' and is being stopped' : ''
  const status =
    row.statusCode === 'PEN' && row.executeTime !== null ? 'being submitted' : displayStatuses[row.statusCode]
  throw new TelestoError(
    'action_not_allowed',
    `Job ${row.id} is ${status}${stopped}, which does not allow ${action}.`,
    {
      field: 'action',
    },
  )
}

/** Applies a change that nothing else can have overtaken: the caller read `row` in the same transaction. */
const apply = async (tx: Transaction, row: JobRow, now: number, wanted: Change): Promise<void> => {
  if (await change(tx, row, now, wanted)) return
  throw new TelestoError('action_not_allowed', `Job ${row.id} changed at the same moment. Read it again and retry.`, {
    field: 'action',
  })
}

type Asked = { readonly by?: string }
const orderEvent = (row: JobRow, order: string, { by }: Asked) => ({
  kind: 'order' as const,
  app: row.app,
  jobId: row.id,
  attempt: row.attemptNumber,
  data: { order, ...(by === undefined ? {} : { by }) },
})
const who = ({ by }: Asked): { readonly by?: string } => (by === undefined ? {} : { by })

/** The record that runs a job: given, or assigned to the setting it names, or that of this machine. */
const schedulerOf = async (core: Core, tx: Transaction, row: JobRow): Promise<SchedulerRow> => {
  const adapter = core.registry.jobType(row.jobType).adapter
  if (row.schedulerId !== null) {
    const record = await readScheduler(tx, row.schedulerId)
    if (record) return record
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

/** A new attempt, committed with its order to submit: from here on the job runs, whatever happens to this process. */
const start = async (
  core: Core,
  tx: Transaction,
  row: JobRow,
  now: number,
  job: JobChange,
  asked: Asked,
): Promise<void> => {
  const scheduler = row.needsScheduler === 1 ? await schedulerOf(core, tx, row) : undefined
  const workspace = row.workspace || defaultWorkspace(core.jobsRoot, row.app, row.userId)
  const number = (row.attemptNumber ?? 0) + 1
  const [attempt] = await tx.all<{ id: number }>(
    `INSERT INTO telesto_attempts (job_id, number, token, job_type, scheduler_id, workdir, order_name, order_due_at)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8) RETURNING id`,
    [
      row.id,
      number,
      newToken(),
      row.jobType,
      scheduler?.id ?? null,
      attemptDirectory(workspace, row.id, number),
      scheduler ? 'submit' : null,
      now,
    ],
  )
  await apply(tx, row, now, {
    job: {
      ...job,
      ...(scheduler ? {} : { status: 'SUB' as const }),
      attemptId: attempt?.id as number,
      executeTime: now,
    },
    order: true,
    events: [{ ...orderEvent(row, 'submit', asked), attempt: number }],
  })
}

export const execute = async (core: Core, tx: Transaction, row: JobRow, asked: Asked): Promise<void> => {
  if (!ALLOWED.execute(row)) refuse(row, 'execute')
  await start(core, tx, row, await nowIn(core.database, tx), {}, asked)
}

/** Before hand-over: Aborted at once. After it: an order, which is repeated until the scheduler itself says that it ended. */
export const stop = async (core: Core, tx: Transaction, row: JobRow, asked: Asked): Promise<void> => {
  if (!ALLOWED.stop(row)) refuse(row, 'stop')
  const now = await nowIn(core.database, tx)
  const events = [orderEvent(row, 'cancel', asked)]
  if (row.needsScheduler === 0 || row.handedOverAt === null) {
    const reason = 'Stopped before it was handed to a scheduler.'
    const job: JobChange = { status: 'ABT', completionTime: now, ...(row.needsScheduler === 0 ? {} : { reason }) }
    await apply(tx, row, now, { job, attempt: { ended: 1 }, ...who(asked), events })
    return
  }
  await apply(tx, row, now, { order: true, attempt: orders('cancel', now), events })
}

const orders = (orderName: OrderName, now: number): AttemptChange => ({
  orderName,
  orderDueAt: now,
  orderTries: 0,
  orderError: null,
})

export const pause = async (core: Core, tx: Transaction, row: JobRow, asked: Asked): Promise<void> => {
  if (!ALLOWED.pause(row)) refuse(row, 'pause')
  await holdOrRelease(core, tx, row, 'hold', 'PAS', asked)
}
export const resume = async (core: Core, tx: Transaction, row: JobRow, asked: Asked): Promise<void> => {
  if (!ALLOWED.resume(row)) refuse(row, 'resume')
  await holdOrRelease(core, tx, row, 'release', 'RUN', asked)
}
const holdOrRelease = async (
  core: Core,
  tx: Transaction,
  row: JobRow,
  order: 'hold' | 'release',
  status: StatusCode,
  asked: Asked,
): Promise<void> => {
  const now = await nowIn(core.database, tx)
  const events = [orderEvent(row, order, asked)]
  if (row.needsScheduler === 0) {
    const started = status === 'RUN' && row.startTime === null ? { startTime: now } : {}
    await apply(tx, row, now, { job: { status, ...started }, ...who(asked), events })
  } else await apply(tx, row, now, { order: true, attempt: orders(order, now), events })
}

/** A new attempt; the old one keeps its history, and is cancelled first unless its scheduler said that it ended. */
export const resubmit = async (core: Core, tx: Transaction, row: JobRow, asked: Asked): Promise<void> => {
  if (!ALLOWED.resubmit(row)) refuse(row, 'resubmit')
  const now = await nowIn(core.database, tx)
  await retire(tx, row, now)
  await start(
    core,
    tx,
    row,
    now,
    {
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
    },
    asked,
  )
}

const retire = async (tx: Transaction, row: JobRow, now: number): Promise<void> => {
  if (row.attemptId === null) return
  await tx.run(
    `INSERT INTO telesto_strays (token, native_id, job_id, job_type, scheduler_id, workdir, due_at)
     SELECT token, native_id, job_id, job_type, scheduler_id, workdir, $1 FROM telesto_attempts
     WHERE id = $2 AND native_id IS NOT NULL AND ended = 0 ON CONFLICT DO NOTHING`,
    [now, row.attemptId],
  )
  await tx.run(
    `UPDATE telesto_attempts SET order_name = NULL, live = 0, watch_due_at = NULL, collect_due_at = NULL WHERE id = $1`,
    [row.attemptId],
  )
}

/** Results are collected again, from the first try. */
export const collectAgain = async (core: Core, tx: Transaction, row: JobRow, asked: Asked): Promise<void> => {
  if (!ALLOWED.collect(row)) refuse(row, 'collect')
  const now = await nowIn(core.database, tx)
  const events = [orderEvent(row, 'collect', asked)]
  if (row.statusCode === 'VCP') {
    const attempt = { collectDueAt: now, collectTries: 0, collectError: null }
    await apply(tx, row, now, { job: { cause: null }, attempt, order: true, events })
    return
  }
  const job: JobChange = { status: 'RES', cause: null, reason: null, completionTime: null }
  await apply(tx, row, now, { job, ...who(asked), events })
}

/** Hides the job at once; the engine ends, cleans up and removes it. */
export const remove = async (
  core: Core,
  tx: Transaction,
  row: JobRow,
  stopFirst: boolean,
  asked: Asked,
): Promise<void> => {
  if (!ALLOWED.delete(row) && !stopFirst) {
    throw new TelestoError(
      'job_is_active',
      `Job ${row.id} is active: stop it first, or delete it with { stop: true }.`,
      { field: 'stop' },
    )
  }
  const [child] = await tx.all<{ id: number }>(
    `SELECT c.id AS id FROM telesto_parents p JOIN telesto_jobs c ON c.id = p.job_id
     WHERE p.parent_id = $1 AND c.deleted_at IS NULL AND c.status_code = 'PEN' LIMIT 1`,
    [row.id],
  )
  if (child) {
    throw new TelestoError('job_has_children', `Job ${child.id} waits for job ${row.id}. Delete it first.`, {
      field: 'id',
    })
  }
  if (isActive(row) && !stopping(row)) await stop(core, tx, row, asked)
  const now = await nowIn(core.database, tx)
  await tx.run('UPDATE telesto_jobs SET deleted_at = $1, status_version = status_version + 1 WHERE id = $2', [
    now,
    row.id,
  ])
  // What was given up as lost may yet be running.
  await tx.run(
    `INSERT INTO telesto_strays (token, native_id, job_id, job_type, scheduler_id, workdir, due_at)
     SELECT token, native_id, job_id, job_type, scheduler_id, workdir, $1 FROM telesto_attempts
     WHERE job_id = $2 AND native_id IS NOT NULL AND ended = 0 AND live = 0 ON CONFLICT DO NOTHING`,
    [now, row.id],
  )
  // Attempts that may still be alive keep their order to cancel; when that is done, cleaning up follows by itself.
  await tx.run(
    `UPDATE telesto_attempts SET order_name = 'clean_up', order_due_at = $1, order_tries = 0, collect_due_at = NULL, watch_due_at = NULL
     WHERE job_id = $2 AND live = 0 AND (order_name IS NULL OR order_name <> 'cancel')`,
    [now, row.id],
  )
  await insertEvents(tx, now, [{ kind: 'deleted', app: row.app, jobId: row.id, data: who(asked) }])
}

/** Sets the status of a job whose status is the app's; on a scheduler's job a custom text becomes a label beside it. */
export const setStatus = async (
  core: Core,
  tx: Transaction,
  row: JobRow,
  code: StatusCode | undefined,
  text: string,
  news: Pick<JobChange, 'statusMessage' | 'progress'>,
  asked: Asked,
): Promise<void> => {
  const now = await nowIn(core.database, tx)
  if (row.needsScheduler === 1) {
    if (code !== undefined) {
      throw new TelestoError(
        'status_owned_by_scheduler',
        `The scheduler of job ${row.id} says what its status is. A text of your own is kept as a label beside it.`,
        { field: 'status' },
      )
    }
    const event = {
      kind: 'label' as const,
      app: row.app,
      jobId: row.id,
      attempt: row.attemptNumber,
      data: { label: text, ...who(asked) },
    }
    await apply(tx, row, now, { job: { ...news, customStatus: text }, events: [event] })
    return
  }
  if (hasEnded(row)) {
    throw new TelestoError(
      'already_settled',
      `Job ${row.id} has ended: it is ${displayStatuses[row.statusCode]}. A resubmit starts a settled job again.`,
      {
        field: 'status',
      },
    )
  }
  if (row.attemptId === null) {
    await start(core, tx, row, now, {}, asked)
    const started = (await readJobRow(tx, row.id)) as JobRow
    return await setStatus(core, tx, started, code, text, news, asked)
  }
  const wanted = code ?? 'OTH'
  const status = wanted === 'COM' && row.processResults !== null ? 'RES' : wanted
  const runs = status !== 'PEN' && status !== 'SUB'
  await apply(tx, row, now, {
    job: {
      ...news,
      status,
      customStatus: code === undefined ? text : null,
      ...(runs && row.startTime === null && status !== 'ABT' && status !== 'ERR' ? { startTime: now } : {}),
      ...(isSettled({ statusCode: status }) ? { completionTime: now } : {}),
    },
    ...(isSettled({ statusCode: status }) ? { attempt: { ended: 1 } } : {}),
    ...who(asked),
  })
}

/** Whether the job's scheduler offers an operation, without asking it: a method is there exactly when it is supported. */
export const supports = async (
  core: Core,
  row: JobRow,
  method: 'hold' | 'release' | 'readLog' | 'listLogs',
): Promise<boolean> => {
  if (row.needsScheduler === 0) return method === 'hold' || method === 'release'
  if (row.attemptSchedulerId === null) return false
  const record = await readScheduler(core.database, row.attemptSchedulerId)
  if (!record || !core.registry.adapters.has(record.adapter)) return false
  return typeof core.connections.of(record)[method] === 'function'
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
