import { z } from 'zod'
import type { Viewer } from '../access.js'
import type { Core } from '../core.js'
import { TelestoError } from '../errors.js'
import { check } from '../options.js'
import { isActive } from '../status.js'
import type { JobRow } from '../store/jobs.js'
import type { Ending } from './waiting.js'

/** How long, and until when, something is waited for. */
export interface WaitOptions {
  /** At most so many milliseconds; absent: for as long as it takes. 0: what is so now. */
  readonly timeoutMs?: number | undefined
  /** Ends the waiting when it aborts: what waits rejects with its reason. */
  readonly signal?: AbortSignal | undefined
}

/** What `updateStatus({ wait })` found. */
export interface StatusAnswer {
  /** The status now, as `job.status` shows it. */
  readonly status: string
  /** Whether a poll that was asked after the call has been answered. */
  readonly answered: boolean
  /** Milliseconds since the scheduler last answered a poll; null where it never did, or where nobody asks about the job. */
  readonly ageMs: number | null
}

/** A timer of Node holds no more. */
const LONGEST_MS = 2 ** 31 - 1

export const waitFields = {
  timeoutMs: z
    .number()
    .min(0, 'must be 0 or more milliseconds')
    .max(LONGEST_MS, 'must be less than 25 days in milliseconds; leave it out to wait for as long as it takes')
    .optional(),
  signal: z.instanceof(AbortSignal, { error: 'must be an AbortSignal' }).optional(),
}
const waitOptions = z.strictObject(waitFields)

export const checkWait = (options: WaitOptions): WaitOptions => check(waitOptions, options)

/**
 * The endings of these jobs, in batches, in the order in which they settle, those that have settled already first. Rejects
 * with `timeout` when the time is over, with the signal's reason, with `closed`, and with what the first look threw.
 */
export async function* endings(
  core: Pick<Core, 'clock' | 'waiting'>,
  viewer: Viewer,
  ids: Iterable<number>,
  { timeoutMs, signal }: WaitOptions,
): AsyncGenerator<readonly Ending[]> {
  signal?.throwIfAborted()
  const left = new Set(ids)
  if (left.size === 0) return
  const watch = core.waiting.watch(viewer, left)
  const over = new AbortController()
  const abort = (): void => watch.fail(signal?.reason)
  signal?.addEventListener('abort', abort, { once: true })
  if (timeoutMs !== undefined) {
    // However short the time is, what is so now is told.
    void Promise.all([core.clock.sleep(timeoutMs, over.signal), watch.looked]).then(() =>
      watch.fail(new TelestoError('timeout', `Not all was over after ${timeoutMs} ms.`, { field: 'timeoutMs' })),
    )
  }
  try {
    while (left.size > 0) {
      const batch = await watch.next()
      for (const { id } of batch) left.delete(id)
      yield batch
    }
  } finally {
    over.abort()
    signal?.removeEventListener('abort', abort)
    watch.stop()
  }
}

export const isTimeout = (error: unknown): error is TelestoError =>
  error instanceof TelestoError && error.code === 'timeout'

/** Asks for an earlier poll of the job's scheduler, and waits for its answer, `ms` at the most. */
export const pollAgain = async (core: Core, row: JobRow, ms: number): Promise<Omit<StatusAnswer, 'status'>> => {
  const { database, pokes, polled } = core
  const since = await database.readNow()
  pokes.job(row.id)
  const recordId = isActive(row) ? row.attemptSchedulerId : null
  if (recordId === null) return { answered: false, ageMs: null }
  const answered = ms > 0 && (await polled.after(recordId, since, ms))
  const [record] = await database.all<{ age: number | null }>(
    `SELECT ${database.now()} - last_answered_at AS age FROM telesto_schedulers WHERE id = $1`,
    [recordId],
  )
  const age = record?.age ?? null
  return { answered, ageMs: age === null ? null : Math.max(0, Number(age)) }
}
