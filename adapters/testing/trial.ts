import assert from 'node:assert/strict'
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import {
  type Adapter,
  type JobRef,
  type JobReport,
  type Logger,
  type Scheduler,
  SchedulerError,
  type SubmitRequest,
} from '../../src/adapter.js'
import { localTransport } from '../../src/transport/local.js'
import { checked } from './checked.js'
import type { Harness, Need } from './harness.js'

/** A named promise of the contract. It throws where the adapter breaks it. */
export interface Case {
  readonly name: string
  /** Run only where all of these are offered. */
  readonly needs: readonly Need[]
  run(trial: Trial): Promise<void>
}

/** One case's dealings with the adapter. */
export interface Trial {
  readonly adapter: Adapter
  readonly harness: Harness
  /** Counts what the adapter asks of its transport and of fetch. */
  readonly asked: { count: number }
  readonly signal: AbortSignal
  /** An empty directory on this machine, removed with the case. */
  readonly scratch: string
  connect(config?: unknown): Scheduler
  request(spec: unknown, name?: string): SubmitRequest
  /** Submits and insists on an id. */
  submit(scheduler: Scheduler, ...jobs: SubmitRequest[]): Promise<JobRef[]>
  /** A job under an id that was learned otherwise; ended with the case. */
  ref(job: SubmitRequest, nativeId: string): JobRef
  /** What status() says, or where it is silent history(), as the core asks them. */
  report(scheduler: Scheduler, job: JobRef): Promise<JobReport | undefined>
  /** Asks until the job is in one of the states. */
  until(scheduler: Scheduler, job: JobRef, ...states: readonly string[]): Promise<JobReport>
  /** A reference to a job that never was. */
  stranger(): JobRef
}

const FINAL = ['succeeded', 'failed', 'cancelled']
export const isFinal = (report: JobReport | undefined): boolean => FINAL.includes(report?.state ?? '')

/** Runs one case as a plain function. Throws what the case found, or a secret that came out meanwhile. */
export const runCase = async (adapter: Adapter, harness: Harness, one: Case): Promise<void> => {
  const words: string[] = [] // everything that would be shown or logged
  const remember = (error: unknown) => {
    for (
      let each = error;
      each !== undefined && words.length < 100_000;
      each = each instanceof Error ? each.cause : undefined
    )
      words.push(each instanceof Error ? `${each.message}\n${each.stack}\n${JSON.stringify(each)}` : String(each))
  }
  const line = (fields: object, message = '') => {
    words.push(message, JSON.stringify(fields))
    for (const value of Object.values(fields)) remember(value)
  }
  const log: Logger = { debug: line, info: line, warn: line, error: line }
  const asked = { count: 0 }
  const own = localTransport()
  const transport = new Proxy(harness.transport ?? own, {
    get: (target, name, receiver) => {
      asked.count++
      return Reflect.get(target, name, receiver)
    },
  })
  const counted: typeof globalThis.fetch = (...input) => {
    asked.count++
    return (harness.fetch ?? globalThis.fetch)(...input)
  }

  const patience = harness.patience ?? 30_000
  const signal = AbortSignal.timeout(patience * 3)
  const connections: Scheduler[] = []
  const jobs: JobRef[] = []
  const connect = (config: unknown = harness.config) => {
    const parsed = adapter.config.parse(config)
    const raw = adapter.connect(parsed, { log, now: () => new Date(), transport, fetch: counted })
    const scheduler = checked(raw, remember)
    connections.push(scheduler)
    return scheduler
  }
  const trial: Trial = {
    adapter,
    harness,
    asked,
    signal,
    scratch: mkdtempSync(join(tmpdir(), 'telesto kit ')),
    connect,
    request: (spec, name = 'a job') => {
      const token = randomUUID()
      const schema = adapter.specs[harness.jobType]
      assert.ok(schema, `the adapter has no job type ${harness.jobType}`)
      const parsed = schema.parse(spec)
      const { task, input } = parsed as { readonly task?: string; readonly input?: unknown }
      const module = task === undefined ? undefined : harness.tasks?.[task]
      return {
        jobType: harness.jobType,
        token,
        name,
        spec: parsed,
        workdir: harness.workdir(token),
        inputRoots: [],
        ...(module ? { task: { module: module.href, input } } : {}),
      }
    },
    ref: ({ token, jobType, workdir }, nativeId) => {
      const ref = { token, nativeId, jobType, workdir }
      jobs.push(ref)
      return ref
    },
    submit: async (scheduler, ...requests) => {
      const answers = await scheduler.submit(requests, signal)
      const refs = requests.flatMap((job) => {
        const id = answers.get(job.token)
        return typeof id === 'string' ? [trial.ref(job, id)] : []
      })
      assert.equal(refs.length, requests.length, `not every job was accepted: ${[...answers.values()].map(String)}`)
      return refs
    },
    report: async (scheduler, job) =>
      (await scheduler.status([job], signal)).get(job.token) ??
      (await scheduler.history?.([job], signal))?.get(job.token),
    until: async (scheduler, job, ...states) => {
      const deadline = performance.now() + patience
      for (let pause = 5; ; pause = Math.min(pause * 2, 1000)) {
        const report = await trial.report(scheduler, job)
        if (report?.state && states.includes(report.state)) return report
        const told = JSON.stringify(report)
        assert.ok(!isFinal(report), `expected ${states.join(' or ')}, got ${told}`)
        assert.ok(performance.now() < deadline, `not ${states.join(' or ')} within ${patience} ms, but ${told}`)
        await sleep(pause)
      }
    },
    stranger: () => {
      const token = randomUUID()
      return { token, nativeId: 'telesto-never-was', jobType: harness.jobType, workdir: harness.workdir(token) }
    },
  }

  try {
    await one.run(trial)
  } catch (error) {
    remember(error)
    throw error
  } finally {
    await harness.link?.heal()
    // What the case leaves running is ended here; how well cancel() works is a case of its own.
    if (jobs.length > 0) await connect().cancel(jobs, AbortSignal.timeout(10_000)).catch(remember)
    for (const connection of connections) await connection.close().catch(remember)
    await own.close()
    rmSync(trial.scratch, { recursive: true, force: true })
  }
  const config = adapter.config.parse(harness.config) as Record<string, unknown>
  for (const field of adapter.secrets) {
    const secret = config[field]
    if (typeof secret !== 'string' || secret.length < 8) continue
    assert.ok(!words.some((text) => text.includes(secret)), `the secret "${field}" came out in an error or a log line`)
  }
}

/** How a call ended: 'answered', or the code of the error that it threw or gave for every job. */
export const outcome = async (call: Promise<unknown>): Promise<string> => {
  try {
    const answer = await call
    if (!(answer instanceof Map) || answer.size === 0) return 'answered'
    const codes = new Set([...answer.values()].map((each) => (each instanceof SchedulerError ? each.code : 'answered')))
    return [...codes].join(' and ')
  } catch (error) {
    if (error instanceof SchedulerError) return error.code
    throw error
  }
}

/** Fails where the call is not over within a second of the abort. */
export const endsWithin = async (method: string, milliseconds: number, call: Promise<unknown>): Promise<string> => {
  const late = new AbortController()
  const ending = outcome(call)
  const result = await Promise.race([ending, sleep(milliseconds, 'late', { signal: late.signal })])
  late.abort()
  assert.notEqual(result, 'late', `${method}() went on for more than ${milliseconds} ms after the abort`)
  return result
}
