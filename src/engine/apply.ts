import type { JobReport } from '../adapter.js'
import type { Core } from '../core.js'
import { type Decision, decide, FINAL_STATES, type Gap, HELD_STATES, statesOf } from '../decide.js'
import type { Transaction } from '../store/database.js'
import type { NewEvent } from '../store/events.js'
import { type AttemptChange, type Change, changeAll, type JobChange } from '../store/transition.js'
import type { Lease } from './lease.js'
import { storeParts } from './parts.js'
import { type Polled, type Tracked, trackedAttempts } from './tracked.js'

/** One answer about one job, with when it was asked. */
export interface Observation<J extends Polled = Polled> {
  readonly job: J
  readonly report: JobReport | Gap
  readonly asked: number
}

interface Outcome {
  readonly changed: boolean
  readonly ended: boolean
}

/** So many changes share one transaction, and its statements. */
const BATCH = 1000
/** A lost job is asked about this often, in milliseconds. */
const WATCH_EVERY_MS = 5 * 60_000

/**
 * Decides each observation, and commits those that change anything. Answers how many did, and how many jobs ended. A gap counts
 * only as long as nobody else may ask: whoever has the lease now may have heard of the job since, and that it was mentioned is
 * written nowhere.
 */
export const applyObservations = async (
  core: Core,
  observations: readonly Observation[],
  lease: Lease,
): Promise<{ readonly changed: number; readonly ended: number }> => {
  const news = observations.filter((one) => saysAnything(one, decide(one.job, one.report, one.asked)))
  const outcomes: Outcome[] = []
  for (let start = 0; start < news.length; start += BATCH) {
    const batch = news.slice(start, start + BATCH)
    const jobs = await trackedAttempts(
      core.database,
      batch.map(({ job }) => job.attemptId),
    )
    const whole = batch.flatMap(({ job, ...one }) => {
      const current = jobs.get(job.attemptId)
      return current ? [{ ...one, job: current }] : []
    })
    const applied = await core.database.write(async (tx) => {
      const counted = whole.every(mentioned) || (await lease.holds(tx)) ? whole : whole.filter(mentioned)
      return await applyAll(tx, counted, await tx.now())
    })
    outcomes.push(...applied)
  }
  const changed = outcomes.filter((one) => one.changed).length
  if (changed > 0) core.committed()
  return { changed, ended: outcomes.filter((one) => one.ended).length }
}

const mentions = (report: JobReport | Gap): report is JobReport => report !== 'gap'
const mentioned = ({ report }: Observation): boolean => mentions(report)

const saysAnything = ({ job, report }: Observation, decision: Decision): boolean =>
  Object.keys(decision).length > 0 ||
  job.live === 0 ||
  (mentions(report) && (job.mentioned === 0 || report.parts !== undefined || confirms(job, report)))

/**
 * The scheduler's word shows that what a person asked has happened, of the whole or of all its parts that have not ended. The end of
 * a job confirms everything by itself.
 */
const confirms = (job: Polled, report: JobReport): boolean => {
  const states = [...statesOf(report)]
  const alive = states.filter((state) => !FINAL_STATES.has(state))
  if (job.orderName === 'hold') return alive.length > 0 && alive.every((state) => HELD_STATES.has(state))
  if (job.orderName !== 'release' || states.length === 0) return false
  return states.every((state) => state !== 'unknown' && !HELD_STATES.has(state))
}

/** Those that change alike are changed together. One whose compare-and-set is lost is read and decided again. */
const applyAll = async (tx: Transaction, all: readonly Observation<Tracked>[], now: number): Promise<Outcome[]> => {
  const plans: Planned[] = []
  for (const one of all) plans.push(await plan(tx, one, now))
  const alike = Map.groupBy(plans, ({ change, own }) => JSON.stringify([change, Object.keys(own)]))
  const outcomes: Outcome[] = []
  const lost: Planned[] = []
  for (const group of alike.values()) {
    const done = await changeTogether(tx, group, now)
    for (const one of group) {
      if (done.has(one)) outcomes.push(one.outcome)
      else lost.push(one)
    }
  }
  if (lost.length === 0) return outcomes
  const current = await trackedAttempts(
    tx,
    lost.map(({ one }) => one.job.attemptId),
  )
  for (const { one } of lost) {
    const job = current.get(one.job.attemptId)
    const planned = job && (await plan(tx, { ...one, job }, now))
    // Inside this transaction nobody can win a second time.
    if (planned && (await changeTogether(tx, [planned], now)).has(planned)) outcomes.push(planned.outcome)
  }
  return outcomes
}

/** What is to become of a job, and what that is to those who count. */
interface Planned {
  readonly one: Observation<Tracked>
  /** What it must have in common with others to be changed with them: all that decides what follows from it. */
  readonly change: Omit<Change, 'events'>
  readonly own: JobChange
  readonly events: readonly NewEvent[]
  readonly outcome: Outcome
}

const plan = async (tx: Transaction, one: Observation<Tracked>, now: number): Promise<Planned> => {
  const { job, report, asked } = one
  const decision = decide(job, report, asked, now)
  const fresh = asked > job.statusChangedAt
  const parts =
    fresh && mentions(report) && report.parts ? await storeParts(tx, job.attemptId, report.parts, asked) : false
  const changed = decision.status !== undefined || parts || told(decision)
  return {
    one,
    ...changeOf(job, decision, report, asked, now),
    events: eventsOf(job, decision, parts),
    outcome: { changed, ended: decision.ended === true },
  }
}

/** Answers those that were changed. */
const changeTogether = async (
  tx: Transaction,
  group: readonly Planned[],
  now: number,
): Promise<ReadonlySet<Planned>> => {
  const byJob = new Map(group.map((planned) => [planned.one.job, planned]))
  const own = new Map(group.map((planned) => [planned.one.job.id, planned.own]))
  const change = { ...(group[0] as Planned).change, own }
  const changed = await changeAll(tx, [...byJob.keys()], now, change, (job) => byJob.get(job)?.events ?? [])
  return new Set(changed.map((job) => byJob.get(job) as Planned))
}

const told = ({ progress, statusMessage }: Decision): boolean => progress !== undefined || statusMessage !== undefined

const changeOf = (
  before: Tracked,
  { gapCount, gapSince, ended, requeued: _, ...columns }: Decision,
  report: JobReport | Gap,
  asked: number,
  now: number,
): Pick<Planned, 'change' | 'own'> => {
  const confirmed = mentions(report) && asked > before.statusChangedAt && confirms(before, report)
  const attempt: AttemptChange = {
    ...(gapCount === undefined ? {} : { gapCount }),
    ...(gapSince === undefined ? {} : { gapSince }),
    ...(ended ? { ended: 1 } : {}),
    ...(mentions(report) && before.mentioned === 0 ? { mentioned: 1 } : {}),
    ...(confirmed ? { orderName: null, orderError: null } : {}),
    ...(before.live === 0 && columns.status === undefined ? watchAgain(before, now) : {}),
  }
  const { status, cause, ...own } = columns
  const job = { ...(status === undefined ? {} : { status }), ...(cause === undefined ? {} : { cause }) }
  return {
    change: {
      ...(Object.keys(columns).length > 0 ? { job } : {}),
      attempt,
      ...(confirmed ? { order: true } : {}),
    },
    own,
  }
}

const eventsOf = (job: Tracked, decision: Decision, parts: boolean): NewEvent[] => {
  const { progress, statusMessage } = decision
  const data = {
    ...(statusMessage === undefined ? {} : { statusMessage }),
    ...(progress === undefined ? {} : { progress }),
  }
  const about = { app: job.app, jobId: job.id, attempt: job.attemptNumber }
  return [
    ...(decision.requeued ? [{ kind: 'requeued' as const, ...about }] : []),
    ...(parts ? [{ kind: 'parts' as const, ...about }] : []),
    ...(told(decision) ? [{ kind: 'progress' as const, ...about, data }] : []),
  ]
}

const watchAgain = (job: Tracked, now: number): AttemptChange =>
  now >= (job.watchUntil ?? 0) ? { watchDueAt: null, watchUntil: null } : { watchDueAt: now + WATCH_EVERY_MS }
