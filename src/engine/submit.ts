import type { NativeId, Scheduler, SchedulerError, SubmitRequest } from '../adapter.js'
import type { Core } from '../core.js'
import { defaultWorkspace, targetDirectory } from '../directories.js'
import type { SchedulerRow } from '../store/schedulers.js'
import { checkedSubmissions } from './answers.js'
import { ask } from './ask.js'
import { type Fate, storeFates } from './fates.js'
import type { Lease } from './lease.js'
import type { Tracked } from './tracked.js'

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
  const tokens = new Set(handed.map(({ token }) => token))
  const answer = await ask(core.clock, async (signal) => await scheduler.submit(requests, signal), {
    deadlineMs: (core.leaseMs * 2) / 3,
    signal: lease.signal,
    late: (late) => void storeLate(core, record, handed, late),
  }).catch(async (error: SchedulerError) => {
    await storeFates(core, record, new Map(handed.map((job) => [job, { is: 'open', why: error.message }])))
    throw error
  })
  const answers = checkedSubmissions(answer, tokens, core.log)
  const fates = handed.map((job): [Tracked, Fate] => [job, fateOf(answers.get(job.token), answers.size === 0)])
  await storeFates(core, record, new Map(fates))
}

/** `untried`: none of them was tried. */
const fateOf = (answer: NativeId | SchedulerError | undefined, untried: boolean): Fate => {
  if (answer === undefined) return { is: 'absent', ...(untried ? { untried } : {}) }
  if (typeof answer === 'string') return { is: 'accepted', nativeId: answer }
  const final = answer.code === 'invalid_job' || answer.code === 'rejected'
  return { is: final ? 'refused' : 'open', why: answer.message }
}

/** Accepted is accepted, however late the answer. */
const storeLate = async (
  core: Core,
  record: SchedulerRow,
  handed: readonly Tracked[],
  late: unknown,
): Promise<void> => {
  try {
    const answers = checkedSubmissions(late, new Set(handed.map(({ token }) => token)), core.log)
    const accepted = handed.flatMap((job): [Tracked, Fate][] => {
      const answer = answers.get(job.token)
      return typeof answer === 'string' ? [[job, fateOf(answer, false)]] : []
    })
    await storeFates(core, record, new Map(accepted))
  } catch (error) {
    core.log.warn(
      { scheduler: record.name, error: String(error) },
      'a late answer could not be stored; recovering will find it',
    )
  }
}

/** `root`: where attempts get their directories on the record's host; undefined: they have them here. */
const handOver = async (
  core: Core,
  record: SchedulerRow,
  jobs: readonly Tracked[],
  root: string | undefined,
): Promise<Tracked[]> => {
  return await core.database.write(async (tx) => {
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

/** The last attempt of each that the same scheduler had: one that it refused left nothing. */
const previousOf = async (core: Core, jobs: readonly Tracked[]) => {
  const rows = await core.database.all<{
    id: number
    token: string
    nativeId: string
    jobType: string
    workdir: string
  }>(
    `SELECT a.id AS id, b.token AS token, b.native_id AS "nativeId", b.job_type AS "jobType", COALESCE(b.target_workdir, b.workdir) AS workdir
     FROM telesto_attempts a JOIN telesto_attempts b ON b.id = (SELECT MAX(c.id) FROM telesto_attempts c
       WHERE c.job_id = a.job_id AND c.number < a.number AND c.scheduler_id = a.scheduler_id AND c.native_id IS NOT NULL)
     WHERE a.id IN (${jobs.map((job) => job.attemptId).join(', ')})`,
  )
  return new Map(rows.map(({ id, ...ref }) => [id, ref]))
}
