import type { JobReport, Scheduler } from '../adapter.js'
import { SchedulerError } from '../adapter.js'
import type { Core } from '../core.js'
import { nowIn } from '../store/database.js'
import type { SchedulerRow } from '../store/schedulers.js'
import { checkedReports } from './answers.js'
import { applyObservations, type Observation } from './apply.js'
import { ask, asSchedulerError } from './ask.js'
import { jitter } from './backoff.js'
import { answered, failed } from './health.js'
import { type Lease, leaseRecord } from './lease.js'
import { shortestPause } from './pace.js'
import { polled, refOf, type Tracked } from './tracked.js'

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
    const { changed, ended } = await applyObservations(core, answer.observations)
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
  jobs: readonly Tracked[],
  lease: Lease,
): Promise<PollAnswer> => {
  const observations: Observation[] = []
  const gaps: { readonly job: Tracked; readonly asked: number }[] = []
  const askedAt = await core.database.readNow()
  let asked = askedAt
  try {
    const scheduler = core.connections.of(record)
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
      throw new SchedulerError(
        'protocol',
        `The scheduler mentioned none of ${knownBefore} jobs that it knew before, and no history of them.`,
      )
    }
    return { observations, askedAt }
  } catch (thrown) {
    const error = asSchedulerError(thrown)
    // What was answered before the link failed was answered; a gap is an answer only where all was.
    return { observations: observations.filter((one) => one.report !== 'gap'), askedAt, error }
  }
}

const reportsOf = async (
  core: Core,
  call: Scheduler['status'],
  jobs: readonly Tracked[],
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
  gaps: readonly { readonly job: Tracked; readonly asked: number }[],
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
  await core.database.write(async (tx) => {
    const now = await nowIn(core.database, tx)
    if (answer.error) {
      await tx.run('UPDATE telesto_schedulers SET last_asked_at = $1 WHERE id = $2', [answer.askedAt, record.id])
      await failed(core, tx, record, 'poll', now, answer.error)
      return
    }
    const quiet = changed > 0 ? 0 : record.quietPolls + 1
    const interval = record.pollSeconds * 1000 * Math.min(SLOWEST, SLOWER ** quiet)
    const next = Math.max(jitter(interval, Math.random()), shortestPause(record))
    await tx.run(
      'UPDATE telesto_schedulers SET last_asked_at = $1, last_answered_at = $2, quiet_polls = $3 WHERE id = $4',
      [answer.askedAt, now, quiet, record.id],
    )
    await answered(core, tx, record, 'poll', now, answer.askedAt + next)
  })
  if (answer.error || record.health !== 'ok' || ended > 0) core.committed()
  if (ended > 0) core.log.debug({ scheduler: record.name, ended }, 'jobs ended')
}
