import type { JobReport } from '../adapter.js'
import type { Core } from '../core.js'
import { type Decision, decide, FINAL_STATES, type Gap, HELD_STATES, statesOf } from '../decide.js'
import { nowIn, type Transaction } from '../store/database.js'
import type { NewEvent } from '../store/events.js'
import { type AttemptChange, type Change, changeAll } from '../store/transition.js'
import { storeParts } from './parts.js'
import { type Polled, type Tracked, trackedAttempts } from './tracked.js'

/** One answer about one job, with when it was asked. */
export interface Observation<J extends Polled = Polled> {
  readonly job: J
  readonly report: JobReport | Gap
  readonly asked: number
}

/** So many changes share one transaction, and its statements. */
const BATCH = 1000
/** A lost job is asked about this often, in milliseconds. */
const WATCH_EVERY_MS = 5 * 60_000

/** Decides each observation, and commits those that change anything. Answers how many did, and how many jobs ended. */
export const applyObservations = async (
  core: Core,
  observations: readonly Observation[],
): Promise<{ readonly changed: number; readonly ended: number }> => {
  const news = observations.filter((one) => saysAnything(one, decide(one.job, one.report, one.asked)))
  let changed = 0
  let ended = 0
  for (let start = 0; start < news.length; start += BATCH) {
    const whole = await readWhole(core.database, news.slice(start, start + BATCH))
    await core.database.write(async (tx) => {
      const now = await nowIn(core.database, tx)
      let batch = whole
      // A compare-and-set that is lost is read and decided again; inside this transaction nobody can win a second time.
      for (let attempt = 0; attempt < 2 && batch.length > 0; attempt++) {
        const { done, lost } = await applyBatch(tx, batch, now)
        changed += done.filter((one) => one.news).length
        ended += done.filter((one) => one.ended).length
        batch = lost.length === 0 ? [] : await readWhole(tx, lost)
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
const confirms = (job: Polled, report: JobReport): boolean => {
  const states = [...statesOf(report)]
  const alive = states.filter((state) => !FINAL_STATES.has(state))
  if (job.orderName === 'hold') return alive.length > 0 && alive.every((state) => HELD_STATES.has(state))
  if (job.orderName !== 'release' || states.length === 0) return false
  return states.every((state) => state !== 'unknown' && !HELD_STATES.has(state))
}

/** What is to be committed of one observation. */
interface Wanted {
  readonly one: Observation<Tracked>
  readonly change: Change
  /** Whether it is news for people, and whether it is the job's end. */
  readonly news: boolean
  readonly ended: boolean
}

/** Commits observations: those that change alike together, so that the number of statements does not grow with them. */
const applyBatch = async (
  tx: Transaction,
  batch: readonly Observation<Tracked>[],
  now: number,
): Promise<{ readonly done: readonly Wanted[]; readonly lost: readonly Observation<Tracked>[] }> => {
  const wanted: Wanted[] = []
  for (const one of batch) wanted.push(await wantedOf(tx, one, now))
  const done: Wanted[] = []
  for (const group of Map.groupBy(wanted, alike).values()) {
    const of = new Map(group.map((each) => [each.one.job, each]))
    const own = new Map(group.map(({ one, change }) => [one.job.id, ownColumns(change)]))
    const { job, attempt, order } = (group[0] as Wanted).change
    const together = {
      ...(job ? { job: shared(job) } : {}),
      ...(attempt ? { attempt } : {}),
      ...(order ? { order } : {}),
      own,
    }
    const changed = await changeAll(tx, [...of.keys()], now, together, (each) => of.get(each)?.change.events ?? [])
    for (const each of changed) done.push(of.get(each) as Wanted)
  }
  const known = new Set(done)
  return { done, lost: wanted.filter((each) => !known.has(each)).map(({ one }) => one) }
}

/** What jobs must have in common to be changed together: all that decides what follows from it. */
const alike = ({ change }: Wanted): string =>
  JSON.stringify([change.job && shared(change.job), Object.keys(ownColumns(change)), change.attempt, change.order])
const shared = ({ status, cause }: NonNullable<Change['job']>) => ({
  ...(status === undefined ? {} : { status }),
  ...(cause === undefined ? {} : { cause }),
})
const ownColumns = ({ job: { status: _, cause: _cause, statusClass: _class, ...own } = {} }: Change) => own

/** The same of the jobs as they are now; without those whose attempt is no longer the current one. */
const readWhole = async (
  reader: Pick<Transaction, 'all'>,
  observations: readonly Observation[],
): Promise<readonly Observation<Tracked>[]> => {
  const ids = observations.map(({ job }) => job.attemptId)
  const jobs = await trackedAttempts(reader, ids)
  return observations.flatMap((one) => {
    const job = jobs.get(one.job.attemptId)
    return job ? [{ ...one, job }] : []
  })
}

const wantedOf = async (tx: Transaction, one: Observation<Tracked>, now: number): Promise<Wanted> => {
  const { job, report, asked } = one
  const decision = decide(job, report, asked)
  const parts =
    asked > job.statusChangedAt && mentions(report) && report.parts
      ? await storeParts(tx, job.attemptId, report.parts, asked)
      : false
  return {
    one,
    change: asChange(job, decision, report, asked, now, parts),
    news: decision.status !== undefined || parts || told(decision),
    ended: decision.ended === true,
  }
}

const told = ({ progress, statusMessage }: Decision): boolean => progress !== undefined || statusMessage !== undefined

const asChange = (
  job: Tracked,
  { gapCount, gapSince, ended, requeued, ...columns }: Decision,
  report: JobReport | Gap,
  asked: number,
  now: number,
  parts: boolean,
): Change => {
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
    ...(Object.keys(columns).length > 0 ? { job: columns } : {}),
    attempt,
    events,
    ...(confirmed ? { order: true as const } : {}),
  }
}

const watchAgain = (job: Tracked, now: number): AttemptChange =>
  now >= (job.watchUntil ?? 0) ? { watchDueAt: null, watchUntil: null } : { watchDueAt: now + WATCH_EVERY_MS }
