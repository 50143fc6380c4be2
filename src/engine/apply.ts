import type { JobReport } from '../adapter.js'
import type { Core } from '../core.js'
import { type Decision, decide, FINAL_STATES, type Gap, HELD_STATES, statesOf } from '../decide.js'
import { nowIn, type Transaction } from '../store/database.js'
import type { NewEvent } from '../store/events.js'
import { type AttemptChange, change, type JobChange } from '../store/transition.js'
import { storeParts } from './parts.js'
import { situation, type Tracked, trackedAttempt } from './tracked.js'

/** One answer about one job, with when it was asked. */
export interface Observation {
  readonly job: Tracked
  readonly report: JobReport | Gap
  readonly asked: number
}

/** So many changes share one transaction. */
const BATCH = 200
/** A lost job is asked about this often, in milliseconds. */
const WATCH_EVERY_MS = 5 * 60_000

/** Decides each observation, and commits those that change anything. Answers how many did, and how many jobs ended. */
export const applyObservations = async (
  core: Core,
  observations: readonly Observation[],
): Promise<{ readonly changed: number; readonly ended: number }> => {
  const news = observations.filter((one) => saysAnything(one, decide(situation(one.job), one.report, one.asked)))
  let changed = 0
  let ended = 0
  for (let start = 0; start < news.length; start += BATCH) {
    await core.database.write(async (tx) => {
      const now = await nowIn(core.database, tx)
      for (const one of news.slice(start, start + BATCH)) {
        const outcome = await applyOne(tx, one, now)
        if (outcome.changed) changed++
        if (outcome.ended) ended++
      }
    })
  }
  if (changed > 0) core.committed()
  return { changed, ended }
}

const mentions = (report: JobReport | Gap): report is JobReport => report !== 'gap'

const saysAnything = ({ job, report }: Observation, decision: Decision): boolean =>
  Object.keys(decision).length > 0 ||
  job.live === 0 ||
  (mentions(report) && (job.mentioned === 0 || report.parts !== undefined || confirms(job, report)))

/**
 * The scheduler's word shows that what a person asked has happened, of the whole or of all its parts that have not ended. The end of
 * a job confirms everything by itself.
 */
const confirms = (job: Tracked, report: JobReport): boolean => {
  const states = [...statesOf(report)]
  const alive = states.filter((state) => !FINAL_STATES.has(state))
  if (job.orderName === 'hold') return alive.length > 0 && alive.every((state) => HELD_STATES.has(state))
  if (job.orderName !== 'release' || states.length === 0) return false
  return states.every((state) => state !== 'unknown' && !HELD_STATES.has(state))
}

const applyOne = async (
  tx: Transaction,
  { job, report, asked }: Observation,
  now: number,
): Promise<{ readonly changed: boolean; readonly ended: boolean }> => {
  let current: Tracked | undefined = job
  // A compare-and-set that is lost is read and decided again; inside this transaction nobody can win a second time.
  for (let attempt = 0; attempt < 2 && current; attempt++) {
    const decision = decide(situation(current), report, asked)
    const fresh = asked > current.statusChangedAt
    const parts =
      fresh && mentions(report) && report.parts ? await storeParts(tx, current.attemptId, report.parts, asked) : false
    const done = await change(tx, current, now, asChange(current, decision, report, asked, now, parts))
    if (done) {
      const news = decision.status !== undefined || parts || told(decision)
      return { changed: news, ended: decision.ended === true }
    }
    current = await trackedAttempt(tx, job.attemptId)
  }
  return { changed: false, ended: false }
}

const told = ({ progress, statusMessage }: Decision): boolean => progress !== undefined || statusMessage !== undefined

const asChange = (
  job: Tracked,
  { gapCount, gapSince, ended, requeued, ...columns }: Decision,
  report: JobReport | Gap,
  asked: number,
  now: number,
  parts: boolean,
) => {
  const confirmed = mentions(report) && asked > job.statusChangedAt && confirms(job, report)
  const attempt: AttemptChange = {
    ...(gapCount === undefined ? {} : { gapCount }),
    ...(gapSince === undefined ? {} : { gapSince }),
    ...(ended ? { ended: 1 } : {}),
    ...(mentions(report) && job.mentioned === 0 ? { mentioned: 1 } : {}),
    ...(confirmed ? { orderName: null, orderError: null } : {}),
    ...(job.live === 0 && columns.status === undefined ? watchAgain(job, now) : {}),
  }
  const { progress, statusMessage } = columns
  const data = {
    ...(statusMessage === undefined ? {} : { statusMessage }),
    ...(progress === undefined ? {} : { progress }),
  }
  const about = { app: job.app, jobId: job.id, attempt: job.attemptNumber }
  const events: NewEvent[] = [
    ...(requeued ? [{ kind: 'requeued' as const, ...about }] : []),
    ...(parts ? [{ kind: 'parts' as const, ...about }] : []),
    ...(told(columns) ? [{ kind: 'progress' as const, ...about, data }] : []),
  ]
  return {
    ...(Object.keys(columns).length > 0 ? { job: columns as JobChange } : {}),
    attempt,
    events,
    ...(confirmed ? { order: true as const } : {}),
  }
}

const watchAgain = (job: Tracked, now: number): AttemptChange =>
  now >= (job.watchUntil ?? 0) ? { watchDueAt: null, watchUntil: null } : { watchDueAt: now + WATCH_EVERY_MS }
