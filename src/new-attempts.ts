import { type Asked, apply, orderEvent } from './asked.js'
import type { Core } from './core.js'
import { attemptDirectory, defaultWorkspace } from './directories.js'
import { TelestoError } from './errors.js'
import { newToken } from './report-token.js'
import { notAssigned } from './schedulers/settings.js'
import type { Transaction } from './store/database.js'
import { insertRows } from './store/insert.js'
import type { JobRow } from './store/jobs.js'
import { youngestParents } from './store/parents.js'
import { readScheduler, readSchedulerOfMachine, readSetting, type SchedulerRow } from './store/schedulers.js'
import type { JobChange } from './store/transition.js'

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
    throw notAssigned(row.app, row.schedulerSetting)
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
export const startAttempts = async (
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
  const owned = rows.filter((row) => row.needsScheduler === 0)
  const scheduled = rows.filter((row) => row.needsScheduler === 1)
  await apply(tx, scheduled, now, { ...started, job: { ...job, executeTime: now } }, event)
  await apply(tx, owned, now, { ...started, job: { ...job, status: 'SUB', executeTime: now } }, event)
}
