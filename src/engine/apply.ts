import type { JobReport } from '../adapter.js'
import type { Core } from '../core.js'
import { type Decision, decide, FINAL_STATES, type Gap, HELD_STATES, statesOf } from '../decide.js'
import type { Transaction } from '../store/database.js'
import { insertEvents } from '../store/events.js'
import { type AttemptChange, type Change, changeAll } from '../store/transition.js'
import type { Lease } from './lease.js'
import { storeParts } from './parts.js'
import { type Polled, trackedNow } from './tracked.js'

/** One answer about one job, with when it was asked. */
export interface Observation {
  readonly job: Polled
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
    const applied = await core.database.write(async (tx) => {
      const now = await tx.now()
      const counted = batch.every(mentioned) || (await lease.holds(tx)) ? batch : batch.filter(mentioned)
      return await applyAll(tx, counted, now)
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

/** One whose compare-and-set is lost is read and decided again: within the transaction, where nobody can win a second time. */
const applyAll = async (tx: Transaction, all: readonly Observation[], now: number): Promise<Outcome[]> => {
  const plans = all.map((one) => plan(one, now))
  const changed = await changeAll(tx, new Map(plans.map(({ one, change }) => [one.job, change])), now)
  const [done, lost] = [
    plans.filter(({ one }) => changed.has(one.job)),
    plans.filter(({ one }) => !changed.has(one.job)),
  ]
  const parts = await newParts(
    tx,
    done.map(({ one }) => one),
    now,
  )
  const outcomes = done.map(({ one, decision }) => ({
    changed: decision.status !== undefined || parts.has(one) || told(decision),
    ended: decision.ended === true,
  }))
  if (lost.length === 0) return outcomes
  const current = await trackedNow(
    tx,
    lost.map(({ one }) => one.job),
  )
  const again = lost.flatMap(({ one }) => {
    const job = current.get(one.job)
    return job ? [{ ...one, job }] : []
  })
  return [...outcomes, ...(await applyAll(tx, again, now))]
}

/** What is to become of a job. */
interface Planned {
  readonly one: Observation
  readonly decision: Decision
  readonly change: Change
}

const plan = (one: Observation, now: number): Planned => {
  const decision = decide(one.job, one.report, one.asked, now)
  return { one, decision, change: changeOf(one, decision, now) }
}

/** Stores the parts of jobs that were changed. Answers those whose parts differ. */
const newParts = async (
  tx: Transaction,
  all: readonly Observation[],
  now: number,
): Promise<ReadonlySet<Observation>> => {
  const different = new Set<Observation>()
  for (const one of all) {
    const { job, report, asked } = one
    if (!mentions(report) || !report.parts || asked <= job.statusChangedAt) continue
    if (await storeParts(tx, job.attemptId, report.parts, asked)) different.add(one)
  }
  await insertEvents(
    tx,
    now,
    [...different].map(({ job }) => ({ kind: 'parts', ...about(job) })),
  )
  return different
}

const told = ({ progress, statusMessage }: Decision): boolean => progress !== undefined || statusMessage !== undefined

const changeOf = ({ job: before, report, asked }: Observation, decision: Decision, now: number): Change => {
  const { gapCount, gapSince, ended, requeued, ...columns } = decision
  const { progress, statusMessage } = columns
  const confirmed = mentions(report) && asked > before.statusChangedAt && confirms(before, report)
  const attempt: AttemptChange = {
    ...(gapCount === undefined ? {} : { gapCount }),
    ...(gapSince === undefined ? {} : { gapSince }),
    ...(ended ? { ended: 1 } : {}),
    ...(mentions(report) && before.mentioned === 0 ? { mentioned: 1 } : {}),
    ...(confirmed ? { orderName: null, orderError: null } : {}),
    ...(before.live === 0 && columns.status === undefined ? watchAgain(before, now) : {}),
  }
  const news = {
    ...(statusMessage === undefined ? {} : { statusMessage }),
    ...(progress === undefined ? {} : { progress }),
  }
  return {
    ...(Object.keys(columns).length > 0 ? { job: columns } : {}),
    attempt,
    ...(confirmed ? { order: true } : {}),
    events: [
      ...(requeued ? [{ kind: 'requeued' as const, ...about(before) }] : []),
      ...(told(decision) ? [{ kind: 'progress' as const, ...about(before), data: news }] : []),
    ],
  }
}

const about = ({ app, id, attemptNumber }: Polled) => ({ app, jobId: id, attempt: attemptNumber })

const watchAgain = (job: Polled, now: number): AttemptChange =>
  now >= (job.watchUntil ?? 0) ? { watchDueAt: null, watchUntil: null } : { watchDueAt: now + WATCH_EVERY_MS }
