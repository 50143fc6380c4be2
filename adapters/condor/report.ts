import { z } from 'zod'
import { type JobPart, type JobReport, type JobState, SchedulerError, type Token } from '../../src/adapter.js'
import { type Procs, procsOf } from './native-id.js'

/** What is asked of each proc. */
export const ATTRIBUTES = [
  'ClusterId',
  'ProcId',
  'TelestoToken',
  'JobStatus',
  'LastJobStatus',
  'EnteredCurrentStatus',
  'JobStartDate',
  'JobCurrentStartDate',
  'CompletionDate',
  'ExitCode',
  'ExitBySignal',
  'ExitSignal',
  'HoldReason',
  'HoldReasonCode',
  'HoldReasonSubCode',
  'RemoveReason',
  'DAGManJobId',
  'DAGNodeName',
] as const

// An attribute may be missing, null (undefined in ClassAds), or an expression as text: "\/Expr(…)\/".
const number = z.number().optional().catch(undefined)
const text = z.string().optional().catch(undefined)
const adSchema = z.object({
  ClusterId: z.int(),
  ProcId: z.int(),
  TelestoToken: text,
  JobStatus: z.int(),
  LastJobStatus: number,
  EnteredCurrentStatus: number,
  JobStartDate: number,
  JobCurrentStartDate: number,
  CompletionDate: number,
  ExitCode: number,
  ExitBySignal: z.boolean().optional().catch(undefined),
  ExitSignal: number,
  HoldReason: text,
  HoldReasonCode: number,
  HoldReasonSubCode: number,
  RemoveReason: text,
  DAGManJobId: number,
  DAGNodeName: text,
})

/** What HTCondor knows of one proc, from condor_q or condor_history. */
export type Ad = z.output<typeof adSchema> & {
  /** Whether it has left the queue: what is there "removed" is still ending. */
  readonly past: boolean
}

/** The ads of a `-json` answer, which is empty where condor_q found none. Throws `protocol`. */
export const adsOf = (json: string, past: boolean): Ad[] => {
  if (json.trim() === '') return []
  const wrong = (cause: unknown) =>
    new SchedulerError('protocol', `The ads of HTCondor cannot be understood: ${json.trim().slice(0, 200)}`, { cause })
  let parsed: unknown
  try {
    parsed = JSON.parse(json)
  } catch (error) {
    throw wrong(error)
  }
  const ads = z.array(adSchema).safeParse(parsed)
  if (!ads.success) throw wrong(ads.error)
  return ads.data.map((ad) => ({ ...ad, past }))
}

const WORDS = ['Unexpanded', 'Idle', 'Running', 'Removed', 'Completed', 'Held', 'Transferring Output', 'Suspended']

const ALIVE: Readonly<Record<number, JobState>> = {
  0: 'queued',
  1: 'queued',
  2: 'running',
  5: 'held',
  6: 'running',
  7: 'suspended',
}

/** By HoldReasonCode: 34 is out of resources (its subcode 104: of disk), 46 and 47 are over the allowed duration. */
const causeOf = ({ HoldReasonCode: code, HoldReasonSubCode: subcode }: Ad): JobReport['cause'] => {
  if (code === 34 && subcode !== 104) return 'memory'
  return code === 46 || code === 47 ? 'walltime' : undefined
}

type Report = Omit<JobReport, 'state' | 'parts'> & { readonly state: JobState }

/** One proc. Pure. */
export const reportOf = (ad: Ad): Report => {
  const { JobStatus: status } = ad
  const nativeState = WORDS[status] ?? String(status)
  const startedAt = dateOf(ad.JobCurrentStartDate ?? ad.JobStartDate)
  const started = startedAt ? { startedAt } : {}
  if (status === 4) return { nativeState, ...started, ...endOf(ad), ...exitOf(ad) }
  if (status === 3 && ad.past)
    return { state: 'cancelled', nativeState, ...said(ad.RemoveReason), ...started, ...endOf(ad) }
  // Its shadow still ends it: until then it is what it was.
  if (status === 3) return { state: ALIVE[ad.LastJobStatus ?? 1] ?? 'queued', nativeState, ...said(ad.RemoveReason) }
  const state = ALIVE[status] ?? 'unknown'
  const cause = state === 'held' ? causeOf(ad) : undefined
  return {
    state,
    nativeState,
    ...(state === 'held' ? said(ad.HoldReason) : {}),
    ...(cause ? { cause } : {}),
    ...(state === 'running' || state === 'suspended' ? started : {}),
  }
}

const exitOf = ({ ExitCode, ExitBySignal, ExitSignal }: Ad): Pick<Report, 'state' | 'exitCode' | 'message'> => {
  if (ExitBySignal === true)
    return { state: 'failed', message: `It was ended by signal ${ExitSignal ?? '(of unknown number)'}.` }
  if (ExitCode === undefined) return { state: 'failed', message: 'It is complete, but HTCondor knows no exit code.' }
  return { state: ExitCode === 0 ? 'succeeded' : 'failed', exitCode: ExitCode }
}

const endOf = ({ CompletionDate, EnteredCurrentStatus }: Ad): Pick<Report, 'endedAt'> => {
  // The date is 0 for a job that never was complete.
  const endedAt = dateOf(CompletionDate || EnteredCurrentStatus)
  return endedAt ? { endedAt } : {}
}

const dateOf = (seconds: number | undefined): Date | undefined =>
  seconds === undefined || seconds <= 0 ? undefined : new Date(seconds * 1000)

const said = (message: string | undefined) => (message === undefined ? {} : { message })

/** The ads of each job, by its token and by the number of the proc within it. Ads of others are left out. */
export const adsByJob = (
  ads: readonly Ad[],
  jobs: readonly { readonly token: Token; readonly nativeId: string }[],
): Map<Token, Map<number, Ad>> => {
  const asked = new Map<Token, { readonly procs: Procs; readonly ads: Map<number, Ad> }>()
  for (const { token, nativeId } of jobs) {
    const procs = procsOf(nativeId)
    if (procs) asked.set(token, { procs, ads: new Map() })
  }
  for (const ad of ads) {
    const job = asked.get(ad.TelestoToken ?? '')
    // A schedd that lost its queue begins to count anew: both must fit.
    if (!job || ad.ClusterId !== job.procs.cluster || ad.ProcId < job.procs.first || ad.ProcId > job.procs.last)
      continue
    const number = ad.ProcId - job.procs.first
    if (!job.ads.get(number)?.past) job.ads.set(number, ad)
  }
  return new Map([...asked].map(([token, job]) => [token, job.ads]))
}

/**
 * The whole job: of one proc its state, of several a part for each, in order. Undefined where the ads do not tell of all of them.
 * Pure.
 */
export const jobReportOf = (nativeId: string, ads: ReadonlyMap<number, Ad>): JobReport | undefined => {
  const procs = procsOf(nativeId)
  const first = ads.get(0)
  if (!procs || !first) return undefined
  const count = procs.last - procs.first + 1
  if (count === 1) return reportOf(first)
  if (ads.size < count) return undefined
  const parts = Array.from({ length: count }, (_, number): JobPart | undefined => {
    const ad = ads.get(number)
    return ad && { ...reportOf(ad), name: String(number), nativeId: `${ad.ClusterId}.${ad.ProcId}` }
  })
  return { parts: parts.filter((part) => part !== undefined) }
}
