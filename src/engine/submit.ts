import type { NativeId, Scheduler, SchedulerError, SubmitRequest } from '../adapter.js'
import type { Core } from '../core.js'
import { defaultWorkspace, targetDirectory } from '../directories.js'
import { newToken } from '../report-token.js'
import type { Transaction } from '../store/database.js'
import { insertEvents } from '../store/events.js'
import type { SchedulerRow } from '../store/schedulers.js'
import { change } from '../store/transition.js'
import { checkedSubmissions } from './answers.js'
import { ask } from './ask.js'
import { backoff } from './backoff.js'
import type { Lease } from './lease.js'
import { shortestPause } from './pace.js'
import { type Tracked, trackedToken } from './tracked.js'

/** The longest pause before it is asked again what became of an attempt, in milliseconds. */
const MAX_RECOVER_PAUSE_MS = 60_000

/**
 * Hands jobs over. "Handed over" is committed first; then the lease is looked at again; then the adapter is called. Every id
 * that it answers is stored, whatever has happened meanwhile. Throws SchedulerError where nothing is known of any of them.
 */
export const submit = async (
  core: Core,
  record: SchedulerRow,
  scheduler: Scheduler,
  lease: Lease,
  jobs: readonly Tracked[],
): Promise<void> => {
  const handed = await handOver(core, record, jobs, core.connections.directoryOf(record))
  if (handed.length === 0) return
  core.committed()
  if (!(await lease.holds())) return // Whoever has it now recovers them.
  const requests = await requestsOf(core, handed)
  const tokens = new Map(handed.map((job) => [job.token, job]))
  const answer = await ask(core.clock, async (signal) => await scheduler.submit(requests, signal), {
    deadlineMs: (core.leaseMs * 2) / 3,
    signal: lease.signal,
    // Accepted is accepted, however late the answer.
    late: (late) => void storeAccepted(core, record, tokens, late),
  }).catch(async (error: SchedulerError) => {
    await leaveOpen(core, handed, error.message)
    throw error
  })
  await storeAnswers(core, record, tokens, checkedSubmissions(answer, new Set(tokens.keys()), core.log))
}

/** `root`: where attempts get their directories on the record's host; undefined: they have them here. */
const handOver = async (
  core: Core,
  record: SchedulerRow,
  jobs: readonly Tracked[],
  root: string | undefined,
): Promise<Tracked[]> => {
  const { database } = core
  return await database.write(async (tx) => {
    const now = await tx.now()
    const place = placeOnTarget(root, jobs)
    const handed = await tx.all<{ id: number; targetWorkdir: string | null }>(
      `UPDATE telesto_attempts SET handed_over_at = $1, live = 1, order_error = NULL, order_due_at = $1${place.sql}
       WHERE id IN (${jobs.map((job) => job.attemptId).join(', ')}) AND order_name = 'submit' AND handed_over_at IS NULL
       RETURNING id, target_workdir AS "targetWorkdir"`,
      [now, ...place.params],
    )
    await tx.run(
      `UPDATE telesto_schedulers SET submit_window_count = CASE WHEN submit_window_start > $1 THEN submit_window_count ELSE 0 END + $2,
         submit_window_start = CASE WHEN submit_window_start > $1 THEN submit_window_start ELSE $3 END WHERE id = $4`,
      [now - 60_000, handed.length, now, record.id],
    )
    const byId = new Map(handed.map((row) => [row.id, row.targetWorkdir]))
    return jobs.flatMap((job) => {
      const targetWorkdir = byId.get(job.attemptId)
      return targetWorkdir === undefined ? [] : [{ ...job, workdir: targetWorkdir ?? job.directory }]
    })
  })
}

/**
 * Sets the attempts' directories on the record's host, from $2 on. They are chosen once: later edits of the record, and the new
 * tokens of an attempt that was taken back, do not move them.
 */
const placeOnTarget = (root: string | undefined, jobs: readonly Tracked[]): { sql: string; params: string[] } => {
  if (root === undefined) return { sql: '', params: [] }
  const cases = jobs.map((job, index) => `WHEN ${job.attemptId} THEN $${index + 2}`)
  return {
    sql: `, target_workdir = COALESCE(target_workdir, CASE id ${cases.join(' ')} END)`,
    params: jobs.map((job) => targetDirectory(root, job)),
  }
}

const requestsOf = async (core: Core, jobs: readonly Tracked[]): Promise<SubmitRequest[]> => {
  const rows = await core.database.all<{
    id: number
    name: string
    spec: string
    task: string | null
    workspace: string
  }>(`SELECT id, name, spec, task, workspace FROM telesto_jobs WHERE id IN (${jobs.map((job) => job.id).join(', ')})`)
  const byId = new Map(rows.map((row) => [row.id, row]))
  const previous = await previousOf(core, jobs)
  return jobs.flatMap((job) => {
    const row = byId.get(job.id)
    if (!row) return []
    const url = core.urls.callback(job.id)
    const before = previous.get(job.attemptId)
    const app = core.apps.get(job.app)
    const spec = JSON.parse(row.spec) as { readonly input?: unknown }
    const task = row.task === null ? undefined : app?.tasks.get(row.task)
    return [
      {
        jobType: job.jobType,
        token: job.token,
        name: row.name,
        spec,
        workdir: job.workdir,
        inputRoots: [
          row.workspace || defaultWorkspace(core.jobsRoot, job.app, job.userId),
          ...(app === undefined ? [] : [app.workspace]),
        ],
        ...(before ? { previous: before } : {}),
        ...(task ? { task: { module: task.module, input: spec.input } } : {}),
        ...(url === undefined ? {} : { report: { url, token: core.tokens.of(job.token) } }),
      },
    ]
  })
}

const previousOf = async (core: Core, jobs: readonly Tracked[]) => {
  const rows = await core.database.all<{
    id: number
    token: string
    nativeId: string
    jobType: string
    workdir: string
  }>(
    `SELECT a.id AS id, b.token AS token, b.native_id AS "nativeId", b.job_type AS "jobType", COALESCE(b.target_workdir, b.workdir) AS workdir
     FROM telesto_attempts a JOIN telesto_attempts b ON b.job_id = a.job_id AND b.number = a.number - 1
     WHERE a.id IN (${jobs.map((job) => job.attemptId).join(', ')}) AND b.native_id IS NOT NULL`,
  )
  return new Map(rows.map(({ id, ...ref }) => [id, ref]))
}

const storeAnswers = async (
  core: Core,
  record: SchedulerRow,
  tokens: ReadonlyMap<string, Tracked>,
  answers: ReadonlyMap<string, NativeId | SchedulerError>,
): Promise<void> => {
  await core.database.write(async (tx) => {
    const now = await tx.now()
    for (const [token, job] of tokens) {
      const answer = answers.get(token)
      if (typeof answer === 'string') await accept(tx, record, job, token, answer, now)
      else if (answer === undefined) await takeBack(tx, job, token, answers.size, now)
      else if (answer.code === 'invalid_job' || answer.code === 'rejected') await refused(tx, job, token, answer, now)
      else await stayOpen(tx, job, token, answer.message, now)
    }
    await pollSoon(tx, record, now)
  })
  core.committed()
}

const storeAccepted = async (
  core: Core,
  record: SchedulerRow,
  tokens: ReadonlyMap<string, Tracked>,
  late: unknown,
): Promise<void> => {
  try {
    const answers = checkedSubmissions(late, new Set(tokens.keys()), core.log)
    await core.database.write(async (tx) => {
      const now = await tx.now()
      for (const [token, answer] of answers) {
        if (typeof answer === 'string') await accept(tx, record, tokens.get(token) as Tracked, token, answer, now)
      }
    })
    core.committed()
  } catch (error) {
    core.log.warn(
      { scheduler: record.name, error: String(error) },
      'a late answer could not be stored; recovering will find it',
    )
  }
}

/** Stores an accepted id. One that its attempt no longer wants is a stray: never dropped, but cancelled and told. */
export const accept = async (
  tx: Transaction,
  record: SchedulerRow,
  job: Tracked,
  token: string,
  nativeId: NativeId,
  now: number,
): Promise<void> => {
  const current = await trackedToken(tx, token)
  if (current?.nativeId === nativeId) return
  if (
    current &&
    current.nativeId === null &&
    current.handedOverAt !== null &&
    (current.orderName === 'submit' || current.orderName === 'cancel')
  ) {
    const submitted = current.statusCode === 'PEN'
    await change(tx, current, now, {
      ...(submitted ? { job: { status: 'SUB' } } : {}),
      attempt: {
        nativeId,
        live: 1,
        orderName: current.orderName === 'submit' ? null : 'cancel',
        orderDueAt: now,
        orderTries: 0,
        orderError: null,
      },
      order: true,
    })
    return
  }
  const stored = await tx.run(
    `INSERT INTO telesto_strays (token, native_id, job_id, job_type, scheduler_id, workdir, due_at)
     SELECT $1, $2, $3, $4, $5, $6, $7 WHERE NOT EXISTS (SELECT 1 FROM telesto_attempts WHERE token = $1 AND native_id = $2)
     ON CONFLICT DO NOTHING`,
    [token, nativeId, job.id, job.jobType, record.id, job.workdir, now],
  )
  if (stored === 0) return
  const reason = `The scheduler has a job ${nativeId} that is no longer wanted; it is being cancelled.`
  await insertEvents(tx, now, [
    { kind: 'note', app: job.app, jobId: job.id, attempt: job.attemptNumber, data: { reason } },
  ])
}

/**
 * Not tried: it waits for its turn again, and ever longer where none of those it was handed over with was tried either. Under a
 * new token: another process may have been told "absent" of the old one, under which nothing is taken any more.
 */
const takeBack = async (tx: Transaction, job: Tracked, token: string, answered: number, now: number): Promise<void> => {
  const tries = answered === 0 ? job.orderTries + 1 : 0
  const dueAt = answered === 0 ? now + backoff(tries, 500, MAX_RECOVER_PAUSE_MS) : now
  await tx.run(
    `UPDATE telesto_attempts SET token = $1, handed_over_at = NULL, live = 0, order_tries = $2, order_due_at = $3
     WHERE id = $4 AND token = $5 AND native_id IS NULL AND order_name = 'submit'`,
    [newToken(), tries, dueAt, job.attemptId, token],
  )
  const current = await trackedToken(tx, token)
  // Stopped meanwhile: nothing was ever submitted.
  if (current?.nativeId === null && current.orderName === 'cancel') await aborted(tx, current, now)
}

const refused = async (
  tx: Transaction,
  job: Tracked,
  token: string,
  error: SchedulerError,
  now: number,
): Promise<void> => {
  const current = await trackedToken(tx, token)
  if (!current || current.nativeId !== null || current.orderName === null || current.id !== job.id) return
  if (current.orderName === 'cancel') return await aborted(tx, current, now)
  const reason = error.message.slice(0, 8192)
  await change(tx, current, now, {
    job: { status: 'ERR', cause: 'submit', reason, completionTime: now },
    attempt: { ended: 1 },
  })
}

/** A person stopped it, and it turned out that the scheduler never had it. */
export const aborted = async (
  tx: Transaction,
  job: Tracked,
  now: number,
  reason = 'Stopped before the scheduler had it.',
): Promise<void> => {
  await change(tx, job, now, { job: { status: 'ABT', reason, completionTime: now }, attempt: { ended: 1 } })
}

/** Its fate is open: it is asked what became of it, ever more rarely, and not submitted again meanwhile. */
export const stayOpen = async (
  tx: Transaction,
  job: Tracked,
  token: string,
  error: string,
  now: number,
): Promise<void> => {
  const tries = job.orderTries + 1
  await tx.run(
    `UPDATE telesto_attempts SET order_tries = $1, order_error = $2, order_due_at = $3 WHERE id = $4 AND token = $5 AND native_id IS NULL AND handed_over_at IS NOT NULL`,
    [tries, error.slice(0, 2048), now + backoff(tries, 500, MAX_RECOVER_PAUSE_MS), job.attemptId, token],
  )
}

const leaveOpen = async (core: Core, jobs: readonly Tracked[], error: string): Promise<void> => {
  await core.database.write(async (tx) => {
    const now = await tx.now()
    for (const job of jobs) await stayOpen(tx, job, job.token, error, now)
  })
}

/** It is not there and can no longer arrive: the token is retired, and the job waits for its turn under a new one. */
export const retireToken = async (tx: Transaction, job: Tracked, now: number): Promise<void> => {
  await tx.run(
    `UPDATE telesto_attempts SET token = $1, handed_over_at = NULL, live = 0, order_due_at = $2, order_tries = 0, order_error = NULL
     WHERE id = $3 AND token = $4 AND native_id IS NULL AND order_name = 'submit'`,
    [newToken(), now, job.attemptId, job.token],
  )
}

/** A job was accepted or ordered about: its record is asked as soon as its pace allows. */
export const pollSoon = async (tx: Transaction, record: SchedulerRow, now: number): Promise<void> => {
  await tx.run(
    `UPDATE telesto_schedulers SET next_poll_at = CASE WHEN COALESCE(last_asked_at, 0) + $2 > $1 THEN COALESCE(last_asked_at, 0) + $2 ELSE $1 END,
       quiet_polls = 0 WHERE id = $3 AND poll_failures = 0 AND next_poll_at > $1`,
    [now, Math.round(shortestPause(record)), record.id],
  )
}
