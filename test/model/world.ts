import { z } from 'zod'
import {
  type Answer,
  defineAdapter,
  type HandedOver,
  type JobPart,
  type JobRef,
  type JobReport,
  type JobState,
  type NativeId,
  type Scheduler,
  SchedulerError,
  type SubmitRequest,
  type Token,
} from '../../src/adapter.js'
import { type Outage, type OutageKind, spoil } from './outages.ts'

const specs = { SIMULATED: z.strictObject({ alone: z.boolean().default(false) }) }
const config = z.strictObject({ history: z.boolean(), holds: z.boolean(), fetches: z.boolean() })
type Capabilities = z.output<typeof config>
type Request = SubmitRequest<typeof specs>
export type Method = 'submit' | 'status' | 'history' | 'recover' | 'cancel' | 'hold' | 'release' | 'fetch' | 'cleanUp'

/** A job that the scheduler accepted, as it truly is. */
export interface WorldJob {
  readonly token: Token
  readonly nativeId: NativeId
  readonly jobId: number
  readonly attempt: number
  readonly acceptedAt: number
  state: JobState
  startedAt: number | undefined
  endedAt: number | undefined
  exitCode: number | undefined
  cause: JobReport['cause']
  /** States of its parts; then the scheduler has no word on the whole while it lives. */
  parts: JobState[] | undefined
  /** Its queue mentions it. */
  known: boolean
  /** Its history mentions it, once it has ended. */
  recorded: boolean
  /** Asked to end, and not gone yet. */
  ending: boolean
  cleaned: boolean
}

/** What an answer that arrived said of an attempt, or that it did not mention it; `at` is when the question came. */
export interface Said {
  readonly at: number
  readonly word: Word
  readonly exitCode: number | undefined
  readonly cause: string | undefined
}
export type Word = JobState | 'various' | 'mixed' | 'missing'

const FINAL: ReadonlySet<JobState> = new Set(['succeeded', 'failed', 'cancelled'])
export const isAlive = (job: Pick<WorldJob, 'state'>): boolean => !FINAL.has(job.state)

/** What becomes of a token: handed over; answered as not tried; denied for ever. */
type Fate = 'offered' | 'not tried' | 'absent'
export interface Attempted {
  readonly jobId: number
  readonly attempt: number
  fate: Fate
  rejected: boolean
}

export interface WorldOptions extends Capabilities {
  /** A cancelled job takes a while to end. */
  readonly slowCancel: boolean
  /** recover() makes sure of what is still on its way; otherwise it cannot tell until it has arrived. */
  readonly claims: boolean
  /** Reports tell when a job started. */
  readonly tellsTimes: boolean
}

/** A scheduler: the ground truth that the store is compared with. It judges by itself what must never reach it. */
export class World {
  readonly jobs = new Map<Token, WorldJob>()
  readonly attempts = new Map<Token, Attempted>()
  readonly outages: Outage[] = []
  /** Requests and answers that are still on their way. */
  readonly travelling: (() => void)[] = []
  /** What must never happen, and did. */
  readonly faults: string[] = []
  /** From now on every wanted job ends well, as soon as it is asked about. */
  prompt: ((job: WorldJob) => boolean) | undefined
  calls = 0
  readonly #said = new Map<string, Said[]>()
  readonly #now: () => number
  readonly #options: WorldOptions
  #ids = 0

  constructor(now: () => number, options: WorldOptions) {
    this.#now = now
    this.#options = options
  }

  /** All that was said of one attempt, whatever its tokens. */
  said(jobId: number, attempt: number): readonly Said[] {
    return this.#said.get(`${jobId} ${attempt}`) ?? []
  }
  attemptsOf(jobId: number, attempt: number): Attempted[] {
    return [...this.attempts.values()].filter((one) => one.jobId === jobId && one.attempt === attempt)
  }
  jobsOf(jobId: number): WorldJob[] {
    return [...this.jobs.values()].filter((one) => one.jobId === jobId)
  }

  /** Some answer would still mention it. */
  remembers(job: WorldJob): boolean {
    return job.known || (job.recorded && this.#options.history)
  }

  /** One call of an adapter. Its effect is now, unless it travels; `heard` is told the answer when it has arrived. */
  call(
    method: Method,
    refs: readonly { readonly token: Token }[],
  ): { readonly answer: Promise<unknown>; readonly heard: (answer: unknown) => void } {
    this.calls++
    const asked = this.#now()
    if (method === 'submit') this.#offered(refs as readonly Request[])
    const answer = spoil(this.#outage(method), method, refs, this.travelling, (some) => this.#do(method, some))
    const heard = (said: unknown): void => {
      if (!(said instanceof Map)) return
      if (method === 'submit') this.#answered(refs, said)
      if (method === 'status' || method === 'history') this.#note(method, refs, said, asked)
    }
    return { answer, heard }
  }

  #outage(method: Method): OutageKind | undefined {
    const outage = this.outages.find((one) => one.left > 0 && (one.method === undefined || one.method === method))
    if (outage) outage.left--
    return outage?.kind
  }

  #do(method: Method, refs: readonly { readonly token: Token }[]): Map<Token, unknown> {
    switch (method) {
      case 'submit':
        return this.#submit(refs as readonly Request[])
      case 'status':
        return this.#report(refs as readonly JobRef[], false)
      case 'history':
        return this.#report(refs as readonly JobRef[], true)
      case 'recover':
        return this.#recover(refs as readonly HandedOver[])
      default:
        return new Map(refs.map(({ token }) => [token, this.#order(method, token)]))
    }
  }

  /** What the request alone tells, whatever becomes of it. */
  #offered(requests: readonly Request[]): void {
    for (const { token, workdir } of requests) {
      const before = this.attempts.get(token)
      if (before?.fate === 'absent') continue // From one that is late: the claim on it is taken.
      const where = placeOf(workdir)
      if (before && before.fate !== 'not tried')
        this.faults.push(`doubled: a token of job ${where.jobId} was submitted twice`)
      for (const other of this.attemptsOf(where.jobId, where.attempt)) {
        if (other !== before && other.fate === 'offered' && !other.rejected)
          this.faults.push(`doubled: job ${where.jobId} was submitted again before recover said "absent"`)
      }
      this.attempts.set(token, { ...where, fate: 'offered', rejected: false })
    }
  }

  #submit(requests: readonly Request[]): Map<Token, NativeId> {
    return new Map(
      requests.flatMap(({ token }): [Token, NativeId][] => {
        const attempted = this.attempts.get(token) as Attempted
        if (attempted.fate === 'absent') return []
        const { jobId, attempt } = attempted
        if (this.jobsOf(jobId).some((one) => one.attempt === attempt && isAlive(one)))
          this.faults.push(`doubled: two jobs run for attempt ${attempt} of job ${jobId}`)
        const job: WorldJob = {
          token,
          nativeId: `native-${++this.#ids}`,
          jobId,
          attempt,
          acceptedAt: this.#now(),
          state: 'queued',
          startedAt: undefined,
          endedAt: undefined,
          exitCode: undefined,
          cause: undefined,
          parts: undefined,
          known: true,
          recorded: true,
          ending: false,
          cleaned: false,
        }
        this.jobs.set(token, job)
        return [[token, job.nativeId]]
      }),
    )
  }

  /** An answer without a token says that it was not tried; a refusal is final. */
  #answered(refs: readonly { readonly token: Token }[], answer: ReadonlyMap<unknown, unknown>): void {
    for (const { token } of refs) {
      const attempted = this.attempts.get(token)
      const one = answer.get(token)
      if (attempted?.fate === 'offered' && one === undefined) attempted.fate = 'not tried'
      if (attempted && one instanceof SchedulerError && one.code === 'rejected') attempted.rejected = true
    }
  }

  #report(refs: readonly JobRef[], ended: boolean): Map<Token, JobReport> {
    const answer = new Map<Token, JobReport>()
    for (const ref of refs) {
      const job = this.jobs.get(ref.token)
      if (job?.nativeId !== ref.nativeId) {
        this.faults.push(`wrong: the scheduler was asked about ${ref.nativeId}, which was never its job`)
        continue
      }
      if (job.ending) this.end(job, 'cancelled')
      if (isAlive(job) && this.prompt?.(job)) this.end(job, 'succeeded')
      const mentioned = ended ? job.recorded && !isAlive(job) : job.known
      if (mentioned) answer.set(ref.token, this.#reportOf(job))
    }
    return answer
  }

  #note(
    method: Method,
    refs: readonly { readonly token: Token }[],
    answer: ReadonlyMap<unknown, unknown>,
    at: number,
  ): void {
    if (refs.some(({ token }) => answer.has(token) && typeof answer.get(token) !== 'object')) return // No sense in it.
    for (const { token } of refs) {
      const attempted = this.attempts.get(token)
      const report = answer.get(token) as JobReport | undefined
      // Where there is a history, only that makes a gap.
      if (!attempted || (!report && method === 'status' && this.#options.history)) continue
      const said = {
        at,
        word: report ? overall(report) : ('missing' as const),
        exitCode: report?.exitCode,
        cause: report?.cause,
      }
      const key = `${attempted.jobId} ${attempted.attempt}`
      const list = this.#said.get(key)
      if (list) list.push(said)
      else this.#said.set(key, [said])
    }
  }

  #reportOf(job: WorldJob): JobReport {
    const { state, exitCode, cause } = job
    const times = this.#options.tellsTimes
      ? {
          ...(job.startedAt === undefined ? {} : { startedAt: new Date(job.startedAt) }),
          ...(job.endedAt === undefined ? {} : { endedAt: new Date(job.endedAt) }),
        }
      : {}
    const parts = job.parts?.map((one, index): JobPart => ({ name: `part ${index}`, state: one }))
    return {
      ...(parts && isAlive(job) && state !== 'held' && state !== 'suspended' ? {} : { state }),
      nativeState: state.toUpperCase(),
      ...(exitCode === undefined ? {} : { exitCode }),
      ...(cause === undefined ? {} : { cause }),
      ...(parts ? { parts } : {}),
      ...times,
    }
  }

  #recover(handed: readonly HandedOver[]): Map<Token, NativeId | 'absent'> {
    const answer = new Map<Token, NativeId | 'absent'>()
    for (const { token, workdir } of handed) {
      const job = this.jobs.get(token)
      const attempted = this.attempts.get(token) ?? { ...placeOf(workdir), fate: 'not tried', rejected: false }
      if (job && (job.known || job.recorded || isAlive(job))) answer.set(token, job.nativeId)
      else if (attempted.fate !== 'offered' || this.#options.claims || this.travelling.length === 0) {
        this.attempts.set(token, attempted)
        attempted.fate = 'absent'
        answer.set(token, 'absent')
      }
    }
    return answer
  }

  #order(method: Method, token: Token): Answer | readonly string[] {
    const job = this.jobs.get(token)
    if (method === 'fetch') return []
    if (!job) return 'ok'
    if (method === 'cleanUp') job.cleaned = true
    if (!isAlive(job)) return 'ok'
    if (method === 'cancel' && this.#options.slowCancel) job.ending = true
    else if (method === 'cancel') this.end(job, 'cancelled')
    else if (method === 'hold') job.state = job.startedAt === undefined ? 'held' : 'suspended'
    else if (method === 'release' && job.state === 'held') job.state = 'queued'
    else if (method === 'release' && job.state === 'suspended') job.state = 'running'
    return 'ok'
  }

  end(job: WorldJob, state: JobState, exitCode?: number, cause?: JobReport['cause']): void {
    if (!isAlive(job)) return
    if (state === 'succeeded' || state === 'failed') job.startedAt ??= this.#now()
    Object.assign(job, { state, exitCode, cause, ending: false, endedAt: this.#now() })
    if (job.parts && state !== 'failed') job.parts = job.parts.map(() => state)
  }

  /** The adapter, as an engine gets it. Each call goes through `call`. */
  readonly adapter = defineAdapter({
    type: 'simulated',
    label: 'Simulated',
    config,
    secrets: [],
    specs,
    needsScheduler: (_, spec) => !(spec as { readonly alone: boolean }).alone,
    defaults: { pollSeconds: 60, maxIdsPerPoll: 100, maxSubmitsPerMinute: 10_000 },
    connect: (can) => {
      const methods: Method[] = ['submit', 'status', 'recover', 'cancel', 'cleanUp']
      if (can.history) methods.push('history')
      if (can.holds) methods.push('hold', 'release')
      if (can.fetches) methods.push('fetch')
      const unused = () => Promise.reject(new SchedulerError('protocol', 'It is called through an engine.'))
      const scheduler = Object.fromEntries(methods.map((name) => [name, unused]))
      return { ...scheduler, close: async () => {} } as unknown as Scheduler<Request>
    },
  })
}

/** An attempt's directory ends with the job's id and the attempt's number. */
const placeOf = (workdir: string) => {
  const [jobId = 0, attempt = 0] = workdir.split('/').slice(-2).map(Number)
  return { jobId, attempt }
}

/** What a report says of the whole, in the design's words. */
const overall = (report: JobReport): Word => {
  const states = [...new Set((report.parts ?? []).map((part) => part.state))]
  let word: Word = report.state ?? 'unknown'
  if (report.state === undefined && states.length === 1) word = states[0] as JobState
  if (report.state === undefined && states.length > 1) {
    const ended = states.every((state) => FINAL.has(state))
    word = ended ? (states.includes('succeeded') ? 'mixed' : 'failed') : 'various'
  }
  if (word === 'succeeded' && (report.exitCode ?? 0) !== 0) word = 'failed'
  return word === 'failed' && states.includes('succeeded') ? 'mixed' : word
}
