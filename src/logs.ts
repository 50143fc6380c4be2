import { z } from 'zod'
import type { JobRef, LogName, LogWindow, Scheduler } from './adapter.js'
import type { Core } from './core.js'
import { ask, connect } from './engine/ask.js'
import { TelestoError } from './errors.js'
import { check } from './options.js'
import type { JobRow } from './store/jobs.js'
import { readScheduler } from './store/schedulers.js'

/** The largest window of a log, in bytes. */
export const MAX_LOG_WINDOW = 65_536
/** A window of a log is one of the few questions that a request may ask a scheduler: it waits so long, and no longer. */
const DEADLINE_MS = 10_000
const logName = z.object({ part: z.string().optional(), name: z.string(), size: z.number().nonnegative() })

interface Source {
  readonly recordId: number
  readonly scheduler: Scheduler
  readonly ref: JobRef
}

const sourceOf = async (core: Core, row: JobRow): Promise<Source | undefined> => {
  if (row.attemptSchedulerId === null || row.nativeId === null || row.token === null || row.workdir === null)
    return undefined
  const record = await readScheduler(core.database, row.attemptSchedulerId)
  if (!record || !core.registry.adapters.has(record.adapter)) return undefined
  if (record.machine !== null && record.machine !== core.machine) return undefined
  const workdir = row.targetWorkdir ?? row.workdir
  const ref = { token: row.token, nativeId: row.nativeId, jobType: row.jobType, workdir }
  try {
    return { recordId: record.id, scheduler: connect(core.connections, record), ref }
  } catch (error) {
    throw unavailable(error)
  }
}

const unavailable = (error: unknown): TelestoError => {
  const reason = error instanceof Error ? error.message : String(error)
  return new TelestoError('scheduler_unavailable', `The scheduler could not be asked just now: ${reason}`, {
    cause: error,
  })
}

const question = async <T>(
  core: Core,
  source: Source,
  key: string,
  call: (signal: AbortSignal) => Promise<T>,
): Promise<T> => {
  try {
    return await core.questions.ask(
      source.recordId,
      `${source.ref.token} ${key}`,
      async () => await ask(core.clock, call, { deadlineMs: DEADLINE_MS }),
    )
  } catch (error) {
    throw error instanceof TelestoError ? error : unavailable(error)
  }
}

export const listLogs = async (core: Core, row: JobRow): Promise<readonly LogName[]> => {
  const source = await sourceOf(core, row)
  const list = source?.scheduler.listLogs?.bind(source.scheduler)
  if (!source || !list) return []
  const logs = await question(core, source, 'logs', async (signal) => await list(source.ref, signal))
  const checked = z.array(logName).safeParse(logs)
  if (checked.success) return checked.data as readonly LogName[]
  throw new TelestoError('scheduler_unavailable', 'The scheduler answered with something that is no list of logs.')
}

export const readLog = async (
  core: Core,
  row: JobRow,
  log: { readonly part?: string; readonly name: string },
  from: number,
  maxBytes: number = MAX_LOG_WINDOW,
): Promise<LogWindow> => {
  const start = check(z.int().nonnegative('must be a byte offset of 0 or more'), from, 'from')
  const size = Math.min(check(z.int().positive('must be 1 or more'), maxBytes, 'maxBytes'), MAX_LOG_WINDOW)
  const source = await sourceOf(core, row)
  const read = source?.scheduler.readLog?.bind(source.scheduler)
  if (!source || !read) throw new TelestoError('not_found', `Job ${row.id} has no logs.`, { field: 'name' })
  const known = (await listLogs(core, row)).find((one) => one.name === log.name && one.part === log.part)
  if (!known)
    throw new TelestoError('not_found', `Job ${row.id} has no log ${JSON.stringify(log.name)}.`, { field: 'name' })
  const key = `log ${JSON.stringify([known.part, known.name, start, size])}`
  const window = await question(core, source, key, async (signal) => await read(source.ref, known, start, size, signal))
  if (window?.bytes instanceof Uint8Array && window.bytes.length <= size && Number.isSafeInteger(window.next))
    return window
  throw new TelestoError('scheduler_unavailable', 'The scheduler answered with something that is no window of a log.')
}
