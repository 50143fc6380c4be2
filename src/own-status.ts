import { z } from 'zod'
import { JOB_STATES, type JobState } from './adapter.js'
import { hasEnded } from './allowed.js'
import { type Asked, apply } from './asked.js'
import type { Core } from './core.js'
import { statusOfParts } from './decide.js'
import { storeToldParts, type ToldPart } from './engine/parts.js'
import { TelestoError } from './errors.js'
import { startAttempts } from './new-attempts.js'
import { line, prose } from './options.js'
import { hasStarted, isSettled, type StatusCode, statusCodeOf, statusText } from './status.js'
import type { Transaction } from './store/database.js'
import { insertEvents } from './store/events.js'
import { type JobRow, readJobRow } from './store/jobs.js'
import { change, type JobChange } from './store/transition.js'

/** So many parts a job may have that are told by its app or by itself. */
export const MAX_PARTS = 10_000

const partSchema = z.strictObject({
  name: line(255),
  state: z.enum(JOB_STATES, `must be one of ${JOB_STATES.join(', ')}`),
  message: prose(2048).nullable().exactOptional(),
  exitCode: z.int().exactOptional(),
  nativeId: line(255).exactOptional(),
})
export const partsSchema = z.array(partSchema).superRefine((parts, context) => {
  const names = new Set<string>()
  for (const [index, { name }] of parts.entries()) {
    if (names.has(name)) context.addIssue({ code: 'custom', path: [index, 'name'], message: 'names a part twice' })
    names.add(name)
  }
})

const refuseEnded = (row: JobRow, field: string): void => {
  if (!hasEnded(row)) return
  const message = `Job ${row.id} has ended: it is ${statusText(row)}. A resubmit starts a settled job again.`
  throw new TelestoError('already_settled', message, { field })
}

/** The job with an attempt, to which status and parts belong: telling either starts it. */
const started = async (core: Core, tx: Transaction, row: JobRow, asked: Asked): Promise<JobRow> => {
  if (row.attemptId !== null) return row
  await startAttempts(core, tx, [row], await tx.now(), {}, asked)
  return (await readJobRow(tx, row.id)) as JobRow
}

/**
 * Sets the status of a job whose status is the app's: a display name, a code, or a text of its own, which is stored with the
 * class that it has here; the one that it has already is no change. On a scheduler's job such a text becomes a label beside the
 * status, and has no class.
 */
export const setStatus = async (
  core: Core,
  tx: Transaction,
  before: JobRow,
  text: string,
  news: Pick<JobChange, 'statusMessage' | 'progress'>,
  asked: Asked,
): Promise<void> => {
  const code = statusCodeOf(text)
  if (before.needsScheduler === 1) return await setLabel(tx, before, code, text, news, asked)
  refuseEnded(before, 'status')
  const row = await started(core, tx, before, asked)
  const now = await tx.now()
  const status = code === 'COM' && row.processResults !== null ? 'RES' : (code ?? 'OTH')
  const statusClass = code === undefined ? (core.customStatuses.get(text) ?? null) : null
  const customStatus = code === undefined ? text : null
  if (status === row.statusCode && customStatus === row.customStatus && statusClass === row.statusClass)
    return await tellNews(tx, row, news, now)
  const after = { statusCode: status, statusClass }
  const settled = isSettled(after)
  const job = {
    ...news,
    status,
    customStatus,
    statusClass,
    ...(hasStarted(after) && row.startTime === null ? { startTime: now } : {}),
    ...(settled ? { completionTime: now } : {}),
  }
  await apply(tx, [row], now, { job, ...(settled ? { attempt: { ended: 1 } } : {}), ...asked }, () => [])
}

/** What is told beside a status that stays: it does not raise the version of that. */
export const tellNews = async (
  tx: Transaction,
  row: JobRow,
  news: Pick<JobChange, 'statusMessage' | 'progress'>,
  now: number,
): Promise<void> => {
  if (Object.keys(news).length === 0) return
  const event = { kind: 'progress' as const, app: row.app, jobId: row.id, attempt: row.attemptNumber, data: news }
  await change(tx, row, now, { job: news, events: [event] })
}

const setLabel = async (
  tx: Transaction,
  row: JobRow,
  code: StatusCode | undefined,
  label: string,
  news: Pick<JobChange, 'statusMessage' | 'progress'>,
  asked: Asked,
): Promise<void> => {
  if (code !== undefined) {
    throw new TelestoError(
      'status_owned_by_scheduler',
      `The scheduler of job ${row.id} says what its status is. A text of your own is kept as a label beside it.`,
      { field: 'status' },
    )
  }
  const about = { app: row.app, jobId: row.id, attempt: row.attemptNumber }
  const event = { kind: 'label' as const, ...about, data: { label, ...asked } }
  const now = await tx.now()
  await apply(tx, [row], now, { job: { ...news, customStatus: label } }, () => [event])
}

/** Tells parts of a job whose status is the app's; with `deriveStatus` the job then has the status that they add up to. */
export const setParts = async (
  core: Core,
  tx: Transaction,
  before: JobRow,
  parts: readonly ToldPart[],
  deriveStatus: boolean,
  asked: Asked,
): Promise<void> => {
  if (before.needsScheduler === 1) {
    throw new TelestoError(
      'parts_owned_by_scheduler',
      `The scheduler of job ${before.id} says what its parts are. The job itself may report their states.`,
      { field: 'parts' },
    )
  }
  refuseEnded(before, 'parts')
  const row = await started(core, tx, before, asked)
  await tellParts(tx, row, parts, await tx.now(), 'parts')
  if (!deriveStatus) return
  const { partStates } = (await readJobRow(tx, row.id)) as JobRow
  const status = statusOfParts(new Set(Object.keys(JSON.parse(partStates ?? '{}')) as JobState[]))
  if (status !== undefined) await setStatus(core, tx, row, status, {}, asked)
}

/** Stores parts of a started job; those that it has not yet are added, in this order. Throws `invalid` where they are too many. */
export const tellParts = async (
  tx: Transaction,
  row: JobRow,
  parts: readonly ToldPart[],
  now: number,
  field: string,
): Promise<void> => {
  const { total, changed } = await storeToldParts(tx, row.attemptId as number, parts, now)
  if (total > MAX_PARTS) {
    throw new TelestoError('invalid', `A job has at most ${MAX_PARTS} parts; with these it would have ${total}.`, {
      field,
    })
  }
  if (changed) await insertEvents(tx, now, [{ kind: 'parts', app: row.app, jobId: row.id, attempt: row.attemptNumber }])
}
