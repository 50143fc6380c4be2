import { stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type JobRef, type LogName, type LogWindow, SchedulerError, type Transport } from '../../src/adapter.js'
import { type Place, placeOf } from './facts.js'

const NAMES = ['stdout', 'stderr'] as const

/** Empty where the job has not started. */
export const listLogs = async (job: JobRef): Promise<readonly LogName[]> => {
  const place = placeOf(job)
  const logs: LogName[] = []
  for (const name of NAMES) {
    const size = await sizeOf(place, name)
    if (size !== undefined) logs.push({ name, size })
  }
  return logs
}

/** `ended` must have been found out before the call: what is read after the end is all there is. */
export const readLog = async (
  job: JobRef,
  log: LogName,
  from: number,
  maxBytes: number,
  ended: boolean,
  transport: Transport,
): Promise<LogWindow> => {
  const name = NAMES.find((known) => known === log.name)
  if (!name || log.part !== undefined)
    throw new SchedulerError('rejected', 'The logs of a job on this machine are "stdout" and "stderr".')
  const place = placeOf(job)
  const size = (await sizeOf(place, name)) ?? 0
  if (from >= size) return { bytes: new Uint8Array(), next: size, end: ended }
  const bytes =
    (await transport.read(join(place.folder, name), from, Math.min(maxBytes, size - from))) ?? new Uint8Array()
  const next = from + bytes.byteLength
  return { bytes, next, end: ended && next >= size }
}

const sizeOf = async (place: Place, name: string): Promise<number | undefined> => {
  try {
    return (await stat(join(place.folder, name))).size
  } catch (error) {
    if (error instanceof Error && 'code' in error && /^(ENOENT|ENOTDIR)$/.test(String(error.code))) return undefined
    throw new SchedulerError('unavailable', `The log cannot be read: ${String(error)}`, { cause: error })
  }
}
