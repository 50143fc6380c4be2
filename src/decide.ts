import type { JobReport, JobState } from './adapter.js'
import { isSettled, type StatusClass, type StatusCode } from './status.js'

/** Why a job is in Error, or was aborted: an adapter's word, or one of the core's own. */
export type Cause = NonNullable<JobReport['cause']> | 'lost' | 'results' | 'abandoned'

/** A job without news before it is given up: this many answered polls that do not mention it ... */
export const LOST_AFTER_POLLS = 3
/** ... over at least this many milliseconds. */
export const LOST_AFTER_MS = 120_000
/** How long a job in Error, cause "lost", is still asked about, in milliseconds. */
export const LOST_WATCH_MS = 24 * 3_600_000

/** What decide() needs to know of a job. Times are milliseconds by the database's clock. */
export interface Situation {
  readonly statusCode: StatusCode
  readonly statusClass: StatusClass | null
  readonly statusChangedAt: number
  readonly startTime: number | null
  readonly cause: string | null
  readonly nativeState: string | null
  readonly reason: string | null
  readonly exitCode: number | null
  readonly progress: number | null
  readonly statusMessage: string | null
  /** What a person asked for, and how often the scheduler has been told. */
  readonly orderName: string | null
  readonly orderTries: number
  readonly gapCount: number
  readonly gapSince: number | null
}

/** Columns to change; a column that is absent stays. `status` is present exactly when the status changes. */
export interface Decision {
  readonly status?: StatusCode
  readonly startTime?: number
  readonly completionTime?: number | null
  readonly cause?: Cause | null
  readonly nativeState?: string | null
  readonly reason?: string | null
  readonly exitCode?: number | null
  readonly progress?: number
  readonly statusMessage?: string
  readonly gapCount?: number
  readonly gapSince?: number | null
  /** The scheduler itself said that the attempt ended. */
  readonly ended?: true
  /** A job that ran is queued again (evicted, requeued): legitimate, and told in an event. */
  readonly requeued?: true
}

/** Most answers change nothing: it is spread, and they make no object for what they do not say. */
const NOTHING: Decision = {}

/** A poll was answered and did not mention the job, and neither did the history. */
export type Gap = 'gap'

/**
 * What one answer about one job means. Pure. `asked` is when the question was asked: an answer to a question that is older
 * than the last change of status says nothing. By `heard` the answer was here; default: at once.
 */
export const decide = (job: Situation, report: JobReport | Gap, asked: number, heard = asked): Decision => {
  const lost = isLost(job)
  if (job.statusCode === 'RES' || (isSettled(job) && !lost)) return {}
  if (asked <= job.statusChangedAt) return {}
  if (report === 'gap') return lost ? {} : decideGap(job, asked, heard)

  const seen = { ...(job.gapCount > 0 ? { gapCount: 0, gapSince: null } : NOTHING), ...facts(job, report) }
  const state = overall(report)
  const status = STATUS_OF[state]
  if (status === undefined) return seen
  if (isSettled({ statusCode: status, statusClass: null })) {
    // What succeeded is Complete only when its results are here.
    return { ...seen, ...started(job, report), ...end(job, report, status === 'COM' ? 'RES' : status, asked) }
  }
  if (status === 'SUB') {
    return { ...seen, ...to(job, status), ...(job.statusCode === 'RUN' ? { requeued: true } : NOTHING) }
  }
  return { ...seen, ...started(job, report, status === 'PAS' ? undefined : asked), ...to(job, status) }
}

const decideGap = (job: Situation, asked: number, heard: number): Decision => {
  // From when the first answer was here to when the last question was asked: however slow both were, it was missing so long.
  const gap = { gapCount: job.gapCount + 1, gapSince: job.gapSince ?? heard }
  if (gap.gapCount < LOST_AFTER_POLLS || asked - gap.gapSince < LOST_AFTER_MS) return gap
  // What was never asked to end may still run, unseen: it is not given up before it was.
  const cancelled = job.orderName === 'cancel'
  if (cancelled && job.orderTries === 0) return gap
  if (cancelled) {
    const reason = 'The job was asked to stop, and the scheduler no longer knows it.'
    return { ...gap, status: 'ABT', completionTime: asked, reason }
  }
  const reason = 'The scheduler no longer knows this job and left no record of it.'
  return { ...gap, status: 'ERR', completionTime: asked, cause: 'lost', reason }
}

type Overall = JobState | 'various' | 'mixed'

/** What each means for a job; undefined: nothing. */
const STATUS_OF: Readonly<Record<Overall, StatusCode | undefined>> = {
  queued: 'SUB',
  held: 'PAS',
  suspended: 'PAS',
  running: 'RUN',
  various: 'VAR',
  succeeded: 'COM',
  failed: 'ERR',
  cancelled: 'ABT',
  mixed: 'VCP',
  unknown: undefined,
}

/** The scheduler's word on the whole; where it has none, what its parts add up to. */
const overall = (report: JobReport): Overall => {
  const parts = report.parts ?? []
  const said = report.state ?? sum(statesOf(report))
  const state = said === 'succeeded' && (report.exitCode ?? 0) !== 0 ? 'failed' : said
  return state === 'failed' && parts.some((part) => part.state === 'succeeded') ? 'mixed' : state
}

/** The scheduler's word on the whole; where it has none, those on its parts. */
export const statesOf = ({ state, parts = [] }: JobReport): ReadonlySet<JobState> =>
  new Set(state === undefined ? parts.map((part) => part.state) : [state])

/** States of what stays as it is until it is released. */
export const HELD_STATES: ReadonlySet<JobState> = new Set(['held', 'suspended'])
/** States that a job or part does not leave. */
export const FINAL_STATES: ReadonlySet<JobState> = new Set(['succeeded', 'failed', 'cancelled'])

/** What parts in these states add up to. */
const sum = (states: ReadonlySet<JobState>): Overall => {
  const [only, ...others] = states
  if (only === undefined) return 'unknown'
  if (others.length === 0) return only
  if (![...states].every((state) => FINAL_STATES.has(state))) return 'various'
  return states.has('succeeded') ? 'mixed' : 'failed'
}

/** The status of a job whose parts are in these states, by the rule that holds for a scheduler's; undefined: they do not tell. */
export const statusOfParts = (states: ReadonlySet<JobState>): StatusCode | undefined => STATUS_OF[sum(states)]

const isLost = (job: Situation): boolean => job.statusCode === 'ERR' && job.cause === 'lost'

/** A later word on a job that was given up changes its status even from Error to Error, and undoes its end. */
const to = (job: Situation, status: StatusCode): Decision => {
  if (isLost(job)) return { status, cause: null, completionTime: null }
  return job.statusCode === status ? NOTHING : { status, ...(job.cause === null ? NOTHING : { cause: null }) }
}

/** Of the whole where the scheduler has a time of it, else of its parts: the first that started, the last that ended. */
const timesOf = ({ startedAt, endedAt, parts = [] }: JobReport): { startedAt?: number; endedAt?: number } => {
  const starts = startedAt ? [startedAt] : parts.flatMap((part) => part.startedAt ?? [])
  const ends = endedAt ? [endedAt] : parts.flatMap((part) => part.endedAt ?? [])
  return {
    ...(starts.length > 0
      ? { startedAt: starts.reduce((first, one) => Math.min(first, one.getTime()), Number.POSITIVE_INFINITY) }
      : {}),
    ...(ends.length > 0 ? { endedAt: ends.reduce((last, one) => Math.max(last, one.getTime()), 0) } : {}),
  }
}

const started = (job: Situation, report: JobReport, otherwise?: number): Decision => {
  const startTime = report.startedAt?.getTime() ?? timesOf(report).startedAt ?? job.startTime ?? otherwise
  return startTime === undefined || startTime === null || startTime === job.startTime ? NOTHING : { startTime }
}

const end = (job: Situation, report: JobReport, status: StatusCode, asked: number): Decision => ({
  ...to(job, status),
  ended: true,
  cause: report.cause ?? null,
  // The computation has ended; a job with results is settled, and has its completionTime, once they are collected.
  ...(status === 'RES' ? {} : { completionTime: timesOf(report).endedAt ?? asked }),
})

/** What is shown beside the status: the native word, the reason, the exit code, what the job tells. Only what differs. */
const facts = (job: Situation, report: JobReport): Decision => {
  const nativeState = report.nativeState ?? null
  const reason = report.message ?? null
  const exitCode = report.exitCode ?? null
  return {
    ...(nativeState === job.nativeState ? NOTHING : { nativeState }),
    ...(reason === job.reason ? NOTHING : { reason }),
    ...(exitCode === job.exitCode ? NOTHING : { exitCode }),
    ...(report.progress === undefined || report.progress === job.progress ? NOTHING : { progress: report.progress }),
    ...(report.statusMessage === undefined || report.statusMessage === job.statusMessage
      ? NOTHING
      : { statusMessage: report.statusMessage }),
  }
}
