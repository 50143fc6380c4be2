import { displayStatuses, type StatusCode, type StatusName } from '../../src/status.js'
import { judge, type ModelJob, unrest } from './model.ts'
import { LawBroken, type Run } from './run.ts'
import { isAlive } from './world.ts'

interface Row {
  readonly id: number
  readonly code: StatusCode
  readonly version: number
  readonly cause: string | null
  readonly exitCode: number | null
  readonly deletedAt: number | null
  readonly created: number
  readonly executed: number | null
  readonly started: number | null
  readonly completed: number | null
  readonly extended: string
}
interface Event {
  readonly id: number
  readonly at: number
  readonly jobId: number
  readonly attempt: number | null
  readonly data: string
}

/** What must be true after every step. Throws LawBroken. */
export const check = async (run: Run): Promise<void> => {
  const { database } = run.core
  const events = await database.all<Event>(
    `SELECT id, at, job_id AS "jobId", attempt, data FROM telesto_events WHERE id > $1 AND kind = 'status' ORDER BY id`,
    [run.lastEvent],
  )
  const changes = new Map<ModelJob, number>()
  for (const event of events) {
    run.lastEvent = event.id
    const job = run.jobs.find(({ id }) => id === event.jobId)
    if (!job) throw new LawBroken(`wrong: an event of job ${event.jobId}, which nobody made`)
    follow(run, job, event)
    changes.set(job, (changes.get(job) ?? 0) + 1)
  }
  const rows = await database.all<Row>(
    `SELECT id, status_code AS code, status_version AS version, cause, exit_code AS "exitCode", deleted_at AS "deletedAt",
       creation_time AS created, execute_time AS executed, start_time AS started, completion_time AS completed,
       extended_properties AS extended FROM telesto_jobs`,
  )
  const byId = new Map(rows.map((row) => [row.id, row]))
  for (const job of run.jobs) compare(job, byId.get(job.id), changes.get(job) ?? 0)
  const [fault] = [...run.faults, ...run.world.faults]
  if (fault !== undefined) throw new LawBroken(fault)
}

/** One change of status, as its history tells it. */
const follow = (run: Run, job: ModelJob, { at, attempt, data }: Event): void => {
  const told = JSON.parse(data) as { from: string; to: string; cause?: string }
  const [from, to, cause] = [nameOf(told.from), nameOf(told.to), told.cause]
  if (from !== job.status)
    throw new LawBroken(`wrong: the history of job ${job.number} goes on from ${from}, and it was ${job.status}`)
  if (at < job.changedAt) throw new LawBroken(`wrong: the history of job ${job.number} goes back in time`)
  const number = attempt ?? 0
  const evidence = {
    said: run.world.said(job.id, number),
    accepted: run.world.jobsOf(job.id).some((one) => one.attempt === number),
    rejected: run.world.attemptsOf(job.id, number).some((one) => one.rejected),
    parentFailed: parentFailed(job),
  }
  const why = judge(job, { from, to, cause }, evidence)
  if (why !== undefined) throw new LawBroken(`wrong: ${why}`)
  if (to === 'Complete') job.completed++
  if (to === 'Various-Complete') job.mixed++
  if (to === 'Results-Ready') job.collectsAgain = false
  if (from !== 'Pending' && (to === 'Pending' || to === 'Submitted')) job.resubmitted = false
  job.status = to
  job.cause = cause
  job.changedAt = at
}
/** A text of the app's own stands in its history as it is. */
const nameOf = (text: string): StatusName => Object.values(displayStatuses).find((name) => name === text) ?? 'Other'

const parentFailed = (job: ModelJob): boolean =>
  job.parents.some(
    ({ deleted, status }) => !deleted && (status === 'Error' || status === 'Aborted' || status === 'Various-Complete'),
  )

/** The row agrees with its history. */
const compare = (job: ModelJob, row: Row | undefined, changes: number): void => {
  const wrong = (what: string): never => {
    throw new LawBroken(`wrong: job ${job.number} ${what}`)
  }
  if (!row) {
    if (!job.deleted) wrong('is gone, and nobody deleted it')
    job.removed = true
    return
  }
  if ((row.deletedAt !== null) !== job.deleted)
    wrong(job.deleted ? 'was deleted, and is not' : 'was not deleted, and is')
  const status = displayStatuses[row.code]
  if (status !== job.status) wrong(`is ${status}, and its history ends with ${job.status}`)
  if (row.version < job.version + changes)
    wrong(`changed ${changes} times, its version from ${job.version} to ${row.version}`)
  job.version = row.version
  job.cause = row.cause ?? undefined
  job.exitCode = row.exitCode ?? undefined
  const times = [row.created, row.executed, row.started, row.completed].filter((time) => time !== null)
  if (times.some((time, index) => index > 0 && time < (times[index - 1] as number)))
    wrong(`has times out of order: ${JSON.stringify(row)}`)
  const { times: processed = 0 } = JSON.parse(row.extended) as { times?: number }
  const least = job.results === 'good' || job.results === 'late' ? job.completed : 0
  const most = least + (least === job.completed ? job.mixed : 0)
  if (processed < least) wrong(`is Complete ${job.completed} times, and its results were committed ${processed} times`)
  if (processed > most) wrong(`has its results committed ${processed} times, and is Complete ${job.completed} times`)
}

/** Why it is not at rest yet; undefined when all is done that must be done. */
export const restless = async (run: Run): Promise<string | undefined> => {
  await check(run)
  for (const job of run.jobs) {
    const own = run.world.jobsOf(job.id).filter((one) => one.attempt === job.attempts)
    const last = own.at(-1)
    const why = unrest(job, {
      truth: last && { state: last.state, exitCode: last.exitCode, mentioned: run.world.remembers(last) },
      rejected: run.world.attemptsOf(job.id, job.attempts).some((one) => one.rejected),
      settledMs: run.store.now - job.changedAt,
    })
    if (why !== undefined) return `${/does not end|still there/.test(why) ? 'stuck' : 'wrong'}: ${why}`
  }
  for (const one of run.world.jobs.values()) {
    const job = run.jobs.find(({ id }) => id === one.jobId)
    // One that was given up as lost may live on unseen: nobody has asked for its end.
    if (isAlive(one) && !run.wants(one))
      return `doubled: a ${one.state} job of job ${job?.number}, attempt ${one.attempt}, is not wanted and lives`
  }
  // What is Various-Complete has settled before its results are here.
  const [collecting] = await run.core.database.all<{ id: number }>(
    'SELECT job_id AS id FROM telesto_attempts WHERE collect_due_at IS NOT NULL LIMIT 1',
  )
  if (collecting)
    return `stuck: the results of job ${run.jobs.find(({ id }) => id === collecting.id)?.number} are still to be collected`
  const [stray] = await run.core.database.all<{ id: number }>('SELECT job_id AS id FROM telesto_strays LIMIT 1')
  if (stray) return `stuck: a stray of job ${run.jobs.find(({ id }) => id === stray.id)?.number} is still chased`
  return undefined
}
