import { mkdir } from 'node:fs/promises'
import path from 'node:path'
import { type Scheduler, SchedulerError } from '../adapter.js'
import type { Core } from '../core.js'
import { isInside } from '../directories.js'
import { toJson } from '../options.js'
import type { Transaction } from '../store/database.js'
import { readJob, type WholeJob } from '../store/jobs.js'
import { readScheduler, type SchedulerRow } from '../store/schedulers.js'
import { change, changeAttempt } from '../store/transition.js'
import { MAX_RESULT_BYTES } from '../task.js'
import { ask, connect, isSchedulerError, storableText } from './ask.js'
import { backoff } from './backoff.js'
import { type Lease, leaseCollect } from './lease.js'
import { refOf, type Tracked, trackedAttempt } from './tracked.js'

/** Results that cannot be collected are tried so often, ... */
export const COLLECT_TRIES = 10
/** ... over about an hour: the pauses double from this. */
const FIRST_PAUSE_MS = 7_000
/** A job whose function nobody here has registered is looked at again after this time. */
const UNREGISTERED_PAUSE_MS = 30_000
/** While its scheduler cannot be asked, collecting is no failed try: it is looked at again after a quarter of its silence, within these. */
const [SHORTEST_OUTAGE_PAUSE_MS, LONGEST_OUTAGE_PAUSE_MS] = [5000, 15 * 60_000]
/** Fetching that did not end in time is given twice as long with each try, up to so many times the first. */
const LONGEST_FETCH = 64
const PING_MS = 10_000

/** What a function that processes results is given beside the job. */
export interface ResultsContext {
  /** The attempt's directory on this machine, absolute: what the job wrote and what was fetched. */
  readonly directory: string
  /** Unique for the attempt, and the same each time that its results are processed: a key for what must happen once. */
  readonly idempotencyKey: string
  /** What the job computed, as JSON: what a task returned. Undefined where it computed no value. */
  readonly result: unknown
  /** Aborts when Telesto closes or another process has taken over. */
  readonly signal: AbortSignal
}

/** What a function of the job's app returned, and how to commit what it set. */
export interface Processed {
  readonly result: unknown
  readonly commit: (tx: Transaction) => Promise<void>
}

/** What the manager adds to the engine: it runs a function of the job's app. */
export type RunProcessResults = (name: string, job: WholeJob, context: ResultsContext) => Promise<Processed>

/** Collects one attempt's results if they are due and nobody else does: fetch, process, Complete. */
export const collect = async (
  core: Core,
  run: RunProcessResults,
  attemptId: number,
  signal: AbortSignal,
): Promise<void> => {
  const lease = await leaseCollect(core, attemptId, signal)
  if (!lease) return
  try {
    const job = await trackedAttempt(core.database, attemptId)
    if (!job || job.deletedAt !== null || (job.statusCode !== 'RES' && job.statusCode !== 'VCP')) {
      await core.database.write(async (tx) => await changeAttempt(tx, attemptId, { collectDueAt: null }))
      return
    }
    await collectJob(core, run, job, lease)
  } finally {
    await lease.release()
  }
}

const collectJob = async (core: Core, run: RunProcessResults, job: Tracked, lease: Lease): Promise<void> => {
  const whole = await readJob(core.database, job.id)
  if (!whole) return
  const name = whole.row.processResults
  if (name !== null && core.apps.get(job.app)?.processResults.has(name) !== true) {
    const collectError = `No process has registered the function ${JSON.stringify(name)} of the app ${job.app}; the results wait for it.`
    return await postpone(core, job, { collectError }, UNREGISTERED_PAUSE_MS)
  }
  const tries = await triesOf(core, job)
  try {
    const result = await bringHome(core, whole, job, lease, tries)
    const context = { directory: job.directory, idempotencyKey: job.token, result, signal: lease.signal }
    const processed = name === null ? undefined : await run(name, whole, context)
    if (lease.signal.aborted) return
    const kept = storable(processed?.result === undefined ? result : processed.result)
    await complete(core, job, kept, async (tx) => await processed?.commit(tx))
  } catch (error) {
    if (lease.signal.aborted) return
    const message = error instanceof Error ? error.message : String(error)
    const away = isSchedulerError(error) && (await isAway(core, whole, lease))
    if (lease.signal.aborted) return
    if (away) {
      const collectError = `The results cannot be collected yet: ${message.replace(/\.$/, '')}. This is tried again until its scheduler answers.`
      const change = { collectError: storableText(collectError.slice(0, 8192)) }
      return await postpone(core, job, change, await outagePause(core, whole))
    }
    const final = isSchedulerError(error) && error.code === 'rejected'
    await failedOnce(core, job, tries + 1, message, final)
  }
}

/** The result as JSON, null where there is none. Throws `rejected` for what is none, or too long: so it would be next time. */
const storable = (result: unknown): string | null => {
  if (result === undefined) return null
  let json: string
  try {
    json = toJson(result, 'The result')
  } catch (error) {
    throw new SchedulerError('rejected', error instanceof Error ? error.message : String(error), { cause: error })
  }
  const bytes = Buffer.byteLength(json)
  if (bytes <= MAX_RESULT_BYTES) return json
  const message = `The result is ${bytes} bytes of JSON, and at most ${MAX_RESULT_BYTES} are kept. Write it to a file in the job's directory instead.`
  throw new SchedulerError('rejected', message)
}

const recordOf = async (core: Core, { row }: WholeJob): Promise<SchedulerRow | undefined> =>
  row.attemptSchedulerId === null ? undefined : await readScheduler(core.database, row.attemptSchedulerId)

/** Its scheduler does not answer at all: what failed says nothing of the results. */
const isAway = async (core: Core, whole: WholeJob, lease: Lease): Promise<boolean> => {
  const record = await recordOf(core, whole)
  if (!record) return false
  try {
    const scheduler = connect(core.connections, record)
    const ping = scheduler.ping?.bind(scheduler)
    if (ping) await ask(core.clock, async (signal) => await ping(signal), { deadlineMs: PING_MS, signal: lease.signal })
    return false
  } catch {
    if (lease.signal.aborted) return false
    core.connections.drop(record.id)
    return true
  }
}

const outagePause = async (core: Core, whole: WholeJob): Promise<number> => {
  const now = await core.database.readNow()
  const silent = now - ((await recordOf(core, whole))?.lastAnsweredAt ?? now)
  return Math.round(Math.min(Math.max(silent / 4, SHORTEST_OUTAGE_PAUSE_MS), LONGEST_OUTAGE_PAUSE_MS))
}

/** Fetches the files, and answers the value that the job computed. */
const bringHome = async (core: Core, whole: WholeJob, job: Tracked, lease: Lease, tries: number): Promise<unknown> => {
  const record = job.nativeId === null ? undefined : await recordOf(core, whole)
  if (!record) return
  const scheduler: Scheduler = connect(core.connections, record)
  // The lease is renewed meanwhile.
  const longer = Math.min(2 ** tries, LONGEST_FETCH)
  const limits = { deadlineMs: ((core.leaseMs * 2) / 3) * longer, signal: lease.signal }
  const fetch = scheduler.fetch?.bind(scheduler)
  if (fetch) {
    await mkdir(job.directory, { recursive: true })
    const paths = await ask(core.clock, async (signal) => await fetch(refOf(job), job.directory, signal), limits)
    const outside = Array.isArray(paths)
      ? paths.find((one) => !isInside(job.directory, path.resolve(job.directory, String(one))))
      : 'no list of paths'
    if (outside !== undefined) throw new Error(`The adapter wrote outside the job's directory: ${String(outside)}`)
  }
  const result = scheduler.result?.bind(scheduler)
  return result && (await ask(core.clock, async (signal) => await result(refOf(job), signal), limits))
}

/** Complete (a job with failed parts stays Various-Complete), together with its result and what the function set. */
const complete = async (
  core: Core,
  job: Tracked,
  result: string | null,
  commit: Processed['commit'],
): Promise<void> => {
  await core.database.write(async (tx) => {
    const now = await tx.now()
    const settled = job.statusCode === 'RES' ? { status: 'COM' as const, completionTime: now, reason: null } : {}
    const done = await change(tx, job, now, {
      job: settled,
      attempt: { result, collectDueAt: null, collectTries: 0, collectError: null },
    })
    if (done) await commit(tx)
  })
  core.committed()
}

/** How often it has failed so far. */
const triesOf = async (core: Core, job: Tracked): Promise<number> => {
  const [row] = await core.database.all<{ tries: number }>(
    'SELECT collect_tries AS tries FROM telesto_attempts WHERE id = $1',
    [job.attemptId],
  )
  return row?.tries ?? 0
}

/** For the `tries`th time. `final`: trying again would not help. */
const failedOnce = async (core: Core, job: Tracked, tries: number, message: string, final: boolean): Promise<void> => {
  const error = storableText(`The results could not be collected: ${message}`.slice(0, 8192))
  core.log.warn({ job: job.id, tries, error }, 'collecting results failed')
  if (tries < COLLECT_TRIES && !final) {
    const change = { collectTries: tries, collectError: error }
    return await postpone(core, job, change, backoff(tries, FIRST_PAUSE_MS, Number.POSITIVE_INFINITY))
  }
  await core.database.write(async (tx) => {
    const now = await tx.now()
    const status = job.statusCode === 'RES' ? { status: 'ERR' as const, completionTime: now } : {}
    await change(tx, job, now, {
      job: { ...status, cause: 'results', reason: error },
      attempt: { collectDueAt: null, collectTries: tries, collectError: null },
    })
  })
  core.committed()
}

const postpone = async (
  core: Core,
  job: Tracked,
  wanted: { readonly collectTries?: number; readonly collectError: string },
  pauseMs: number,
): Promise<void> => {
  await core.database.write(async (tx) => {
    const now = await tx.now()
    await change(tx, job, now, { attempt: { ...wanted, collectDueAt: now + pauseMs } })
  })
  core.committed()
}
