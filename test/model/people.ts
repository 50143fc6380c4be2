import { TelestoError } from '../../src/errors.js'
import type { Job } from '../../src/job.js'
import { report } from '../../src/reports.js'
import { displayStatuses, type StatusName } from '../../src/status.js'
import { type JobRow, readJobRow } from '../../src/store/jobs.js'
import type { Command } from './commands.ts'
import { type Action, allows, isSettled, type ModelJob, type Standing } from './model.ts'
import type { Run } from './run.ts'

type Of<K extends Command['do']> = Extract<Command, { readonly do: K }>

/** Does what must be possible exactly when the model says so; what is refused must change nothing. */
const attempt = async (run: Run, what: string, possible: boolean, act: () => Promise<unknown>): Promise<boolean> => {
  const before = possible ? '' : await picture(run)
  try {
    await act()
    if (!possible) run.faults.push(`wrong: ${what} was not refused`)
    return true
  } catch (error) {
    if (!(error instanceof TelestoError)) throw error
    if (possible) run.faults.push(`wrong: ${what} was refused: ${error.message}`)
    else if ((await picture(run)) !== before) run.faults.push(`wrong: ${what} was refused and changed something`)
    return false
  }
}

/** All that a refusal must leave as it is. */
const picture = async ({ core: { database } }: Run): Promise<string> =>
  JSON.stringify([
    await database.all('SELECT * FROM telesto_jobs ORDER BY id'),
    await database.all('SELECT * FROM telesto_attempts ORDER BY id'),
    await database.all('SELECT token, native_id FROM telesto_strays ORDER BY token'),
    await database.all('SELECT MAX(id) AS id FROM telesto_events'),
  ])

const nameOf = (job: ModelJob): string => `job ${job.number}`

export const create = async (run: Run, command: Of<'create'>): Promise<void> => {
  const picked = [...new Set(command.parents.map((one) => run.jobs[one % run.jobs.length]))]
  const parents = command.alone ? [] : picked.filter((one) => one !== undefined && !one.deleted)
  const { alone, user, onParentFailure, results, execute } = command
  const made = await run.app.createJob({
    jobType: 'SIMULATED',
    name: `job ${run.jobs.length + 1}`,
    user,
    alone,
    parents: parents.map((one) => (one as ModelJob).id),
    onParentFailure,
    ...(alone ? {} : { scheduler: { id: run.recordId, name: 'pool' } }),
    ...(results === 'none' ? {} : { processResults: results }),
  })
  const job: ModelJob = {
    number: run.jobs.length + 1,
    id: made.id,
    alone,
    parents: parents as ModelJob[],
    onParentFailure,
    results,
    attempts: 0,
    stopped: false,
    deleted: false,
    removed: false,
    collectsAgain: false,
    resubmitted: false,
    set: [],
    status: 'Pending',
    cause: undefined,
    exitCode: undefined,
    changedAt: run.store.now,
    version: 0,
    completed: 0,
    mixed: 0,
  }
  run.jobs.push(job)
  if (execute) await ask(run, job, 'execute')
}

const standing = (run: Run, job: ModelJob, row: JobRow): Standing => ({
  status: displayStatuses[row.statusCode],
  executed: row.executeTime !== null,
  order: row.orderName,
  cause: row.cause,
  alone: job.alone,
  holds: job.alone || row.attemptId === null || run.setup.holds,
  child: run.jobs.some((one) => one.parents.includes(job) && !one.deleted && one.status === 'Pending'),
})

const ACTS: Readonly<Record<Action, (job: Job) => Promise<void>>> = {
  execute: async (job) => await job.execute(),
  stop: async (job) => await job.stop(),
  pause: async (job) => await job.pause(),
  resume: async (job) => await job.resume(),
  resubmit: async (job) => await job.resubmit(),
  collectAgain: async (job) => await job.collectAgain(),
  delete: async (job) => await job.delete(),
  stopDelete: async (job) => await job.delete({ stop: true }),
}

export const ask = async (run: Run, job: ModelJob, action: Action): Promise<void> => {
  const found = await run.app.getJob(job.id)
  if ((found === null) !== job.deleted) run.faults.push(`wrong: ${nameOf(job)} can${found ? '' : 'not'} be seen`)
  if (found === null) return
  const row = (await readJobRow(run.core.database, job.id)) as JobRow
  const now = standing(run, job, row)
  const done = await attempt(
    run,
    `${action} of ${nameOf(job)}`,
    allows(action, now),
    async () => await ACTS[action](found),
  )
  if (!done) return
  if (action === 'stopDelete' && !isSettled(now.status) && now.status !== 'Results-Ready') job.stopped = true
  asked(job, action)
}

const asked = (job: ModelJob, action: Action): void => {
  if (action === 'execute' || action === 'resubmit') {
    job.attempts++
    job.stopped = false
    if (job.alone) job.set.push('Submitted')
  }
  if (action === 'stop') job.stopped = true
  if (job.alone && action === 'pause') job.set.push('Paused')
  if (job.alone && action === 'resume') job.set.push('Running')
  if (action === 'resubmit') job.resubmitted = true
  if (action === 'collectAgain') job.collectsAgain = true
  if (action === 'delete' || action === 'stopDelete') job.deleted = true
}

/** Bulk actions: all that may be executed or stopped are; all are deleted, or none where one of them is active. */
export const askAll = async (run: Run, action: 'execute' | 'stop' | 'delete'): Promise<void> => {
  const left = run.jobs.filter((one) => !one.deleted)
  const rows = await Promise.all(left.map(async (one) => (await readJobRow(run.core.database, one.id)) as JobRow))
  const chosen = left.filter((job, index) =>
    // No job stays for which another one would wait.
    allows(action, { ...standing(run, job, rows[index] as JobRow), child: false }),
  )
  const possible = action !== 'delete' || chosen.length === left.length
  const done = await attempt(run, `${action} of all jobs`, possible, async () => {
    const count = await run.app.query()[action]()
    if (count !== chosen.length) run.faults.push(`wrong: ${action} of all reached ${count} jobs, not ${chosen.length}`)
  })
  if (done) for (const job of chosen) asked(job, action)
}

const STANDARD: readonly string[] = Object.values(displayStatuses)

/** The status is the app's only where no scheduler runs the job; a text of its own is a label anywhere. */
export const set = async (run: Run, job: ModelJob, text: string): Promise<void> => {
  const found = await run.app.getJob(job.id)
  if (found === null) return
  const row = (await readJobRow(run.core.database, job.id)) as JobRow
  const possible = job.alone ? !hasEnded(row) : !STANDARD.includes(text)
  const done = await attempt(run, `"${text}" for ${nameOf(job)}`, possible, async () => await found.updateStatus(text))
  if (done && job.alone) wasSet(job, row, text)
}
const hasEnded = (row: JobRow): boolean => row.statusCode === 'RES' || isSettled(displayStatuses[row.statusCode])
const wasSet = (job: ModelJob, row: JobRow, text: string): void => {
  if (row.attemptId === null) job.attempts++
  job.set.push('Submitted', STANDARD.includes(text) ? (text as StatusName) : 'Other', 'Results-Ready')
}

const BODIES = { progress: { progress: 0.4 }, nodes: { nodes: { 'part 0': 'running' } } } as const

/** A signed report: only the current attempt's own token counts, and only while the job has not settled. */
export const tell = async (run: Run, job: ModelJob, { token, says }: Of<'report'>): Promise<void> => {
  const { core } = run
  const row = await readJobRow(core.database, job.id)
  const [old] = await core.database.all<{ token: string }>(
    'SELECT token FROM telesto_attempts WHERE job_id = $1 ORDER BY number LIMIT 1',
    [job.id],
  )
  const signed = token === 'right' ? row?.token : token === 'old' ? old?.token : 't-wrong'
  const right = row?.token !== null && row?.token !== undefined && signed === row.token && row.deletedAt === null
  const status = says === 'progress' || says === 'nodes' ? undefined : says
  const settled = row !== undefined && isSettled(displayStatuses[row.statusCode])
  const owned = job.alone && status !== undefined
  const possible = right && !settled && !(owned && row && hasEnded(row))
  const body = says === 'progress' || says === 'nodes' ? BODIES[says] : { status: says }
  const bearer = core.tokens.of(signed ?? 'none')
  const done = await attempt(
    run,
    `the report of ${nameOf(job)}`,
    possible,
    async () => await report(core, job.id, bearer, body),
  )
  if (done && owned && row) wasSet(job, row, says)
}
