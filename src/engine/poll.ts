import type { JobReport, Scheduler } from '../adapter.js'
import { SchedulerError } from '../adapter.js'
import type { Core } from '../core.js'
import type { Transaction } from '../store/database.js'
import type { SchedulerRow } from '../store/schedulers.js'
import { checkedReports } from './answers.js'
import { applyObservations, type Observation } from './apply.js'
import { ask, connect, isSchedulerError } from './ask.js'
import { jitter } from './backoff.js'
import { answered, failed, interrupted } from './health.js'
import { type Lease, leaseRecord } from './lease.js'
import { shortestPause } from './pace.js'
import { type Polled, polled, refOf } from './tracked.js'

/** Without a change the pause between two polls grows by this factor each time, ... */
const SLOWER = 1.25
/** ... up to so many times the record's interval. */
const SLOWEST = 3

/**
 * One question to one scheduler for all its jobs, if it is due and nobody else is asking. What it answers is decided job by
 * job; that it could not be asked changes no job.
 */
export const poll = async (core: Core, recordId: number, signal: AbortSignal): Promise<void> => {
  const leased = await leaseRecord(core, 'poll', recordId, signal)
  if (!leased) return
  const { lease, record } = leased
  try {
    const jobs = await polled(core, record.id)
    const answer = await question(core, record, jobs, lease)
    const { changed, ended } = await applyObservations(core, answer.observations, lease)
    await settle(core, record, lease, answer, changed, ended)
  } catch (error) {
    core.connections.drop(record.id)
    await lease.release()
    throw error
  }
}

interface PollAnswer {
  readonly observations: readonly Observation[]
  readonly askedAt: number
  /** Why the question, or a part of it, could not be asked. */
  readonly error?: SchedulerError
}

const question = async (
  core: Core,
  record: SchedulerRow,
  jobs: readonly Polled[],
  lease: Lease,
): Promise<PollAnswer> => {
  const observations: Observation[] = []
  const gaps: { readonly job: Polled; readonly asked: number }[] = []
  const askedAt = await core.database.readNow()
  let asked = askedAt
  try {
    const scheduler = connect(core.connections, record)
    for (let start = 0; start < jobs.length; start += record.maxIdsPerPoll) {
      const chunk = jobs.slice(start, start + record.maxIdsPerPoll)
      if (start > 0) asked = await core.database.readNow()
      const reports = await reportsOf(core, scheduler.status.bind(scheduler), chunk, lease)
      for (const job of chunk) {
        const report = reports.get(job.token)
        if (report) observations.push({ job, report, asked })
        else gaps.push({ job, asked })
      }
    }
    const mentionedNow = observations.length > 0
    const remembered = await secondOpinion(core, record, scheduler, gaps, lease)
    observations.push(...remembered)
    const knownBefore = jobs.filter((job) => job.mentioned === 1 && job.live === 1).length
    if (knownBefore >= 2 && !mentionedNow && !remembered.some((one) => one.report !== 'gap')) {
      const error = new SchedulerError(
        'protocol',
        `The scheduler mentioned none of ${knownBefore} jobs that it knew before, and no history of them. If it has really lost them, ` +
          'stop them: they then end as Aborted, once three such answers have not mentioned them.',
      )
      // Nothing is given up for it but what somebody wants gone.
      return { observations: remembered.filter(({ job }) => job.orderName === 'cancel'), askedAt, error }
    }
    return { observations, askedAt }
  } catch (error) {
    if (!isSchedulerError(error)) throw error
    // What was answered before the link failed was answered; a gap is an answer only where all was.
    return { observations: observations.filter((one) => one.report !== 'gap'), askedAt, error }
  }
}

const reportsOf = async (
  core: Core,
  call: Scheduler['status'],
  jobs: readonly Polled[],
  lease: Lease,
): Promise<ReadonlyMap<string, JobReport>> => {
  const refs = Object.freeze(jobs.map(refOf))
  const answer = await ask(core.clock, async (signal) => await call(refs, signal), {
    deadlineMs: (core.leaseMs * 2) / 3,
    signal: lease.signal,
  })
  return checkedReports(answer, new Set(jobs.map((job) => job.token)), core.log)
}

/** What the scheduler's own history says of the jobs that its answer did not mention. */
const secondOpinion = async (
  core: Core,
  record: SchedulerRow,
  scheduler: Scheduler,
  gaps: readonly { readonly job: Polled; readonly asked: number }[],
  lease: Lease,
): Promise<Observation[]> => {
  const reports = new Map<string, JobReport>()
  const history = scheduler.history?.bind(scheduler)
  if (history) {
    for (let start = 0; start < gaps.length; start += record.maxIdsPerPoll) {
      const chunk = gaps.slice(start, start + record.maxIdsPerPoll).map(({ job }) => job)
      for (const [token, report] of await reportsOf(core, history, chunk, lease)) reports.set(token, report)
    }
  }
  return gaps.map(({ job, asked }) => ({ job, asked, report: reports.get(job.token) ?? 'gap' }))
}

const settle = async (
  core: Core,
  record: SchedulerRow,
  lease: Lease,
  answer: PollAnswer,
  changed: number,
  ended: number,
): Promise<void> => {
  lease.end()
  if (answer.error) core.connections.drop(record.id)
  const store = async (tx: Transaction): Promise<void> => {
    const now = await tx.now()
    const ours = await tx.run('UPDATE telesto_schedulers SET last_asked_at = $1 WHERE id = $2 AND poll_owner = $3', [
      answer.askedAt,
      record.id,
      core.owner,
    ])
    if (ours === 0) return // Whoever has the lease now keeps the pace.
    if (answer.error && lease.signal.aborted)
      return await interrupted(core, tx, record, 'poll', Math.round(answer.askedAt + shortestPause(record)))
    if (answer.error) return await failed(core, tx, record, 'poll', now, answer.error)
    const quiet = changed > 0 || (await awaitsNews(tx, record)) ? 0 : record.quietPolls + 1
    const interval = record.pollSeconds * 1000 * Math.min(SLOWEST, SLOWER ** quiet)
    const next = Math.max(jitter(interval, Math.random()), shortestPause(record))
    await tx.run('UPDATE telesto_schedulers SET last_answered_at = $1, quiet_polls = $2 WHERE id = $3', [
      now,
      quiet,
      record.id,
    ])
    await answered(core, tx, record, 'poll', now, Math.round(answer.askedAt + next))
  }
  // A pace is an economy; news of a record's health are not.
  await core.database.write(store, { fleeting: !answer.error && record.health === 'ok' })
  if (!answer.error) core.polled.tell(record.id, answer.askedAt)
  if (answer.error || record.health !== 'ok' || ended > 0) core.committed()
  if (ended > 0) core.log.debug({ scheduler: record.name, ended }, 'jobs ended')
}

/** A job was accepted while the poll was under way, or an order waits to be confirmed: the next poll is no quiet one. */
const awaitsNews = async (tx: Transaction, record: SchedulerRow): Promise<boolean> => {
  const found = await tx.all(
    `SELECT 1 FROM telesto_attempts WHERE scheduler_id = $1 AND live = 1 AND native_id IS NOT NULL
       AND (order_name IS NOT NULL OR (mentioned = 0 AND gap_count = 0)) LIMIT 1`,
    [record.id],
  )
  return found.length > 0
}
