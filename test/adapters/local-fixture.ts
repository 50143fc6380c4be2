import { randomUUID } from 'node:crypto'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { onTestFinished, vi } from 'vitest'
import type { BasicRequest } from '../../adapters/local/start.js'
import { local } from '../../adapters/local.js'
import { type JobRef, type JobReport, type Logger, type Scheduler, SchedulerError } from '../../src/adapter.js'
import { localTransport } from '../../src/transport/local.js'

type Command = readonly [string, ...string[]]
export const quiet: Logger = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
export const never = new AbortController().signal
export const sh = (script: string, ...args: readonly string[]): [string, ...string[]] => [
  '/bin/sh',
  '-c',
  script,
  'sh',
  ...args,
]

export const connect = (config: { killGraceSeconds?: number } = {}): Scheduler<BasicRequest> =>
  local.connect(local.config.parse(config), { log: quiet, now: () => new Date(), transport: localTransport(), fetch })

export const exists = (pid: number): boolean => {
  try {
    process.kill(pid, 0)
    // A zombie whose parent is slow to notice is no process any more.
    return !/^\d+ \(.*\) Z/s.test(readFileSync(`/proc/${pid}/stat`, 'latin1'))
  } catch {
    return false
  }
}

/** A root directory and a connection for one test; whatever is alive afterwards is killed. */
export const machine = (config: { killGraceSeconds?: number } = {}) => {
  const root = mkdtempSync(join(tmpdir(), "telesto été 'x' "))
  const scheduler = connect(config)
  const refs: JobRef[] = []
  onTestFinished(async () => {
    await scheduler.close()
    const killer = connect({ killGraceSeconds: 0 })
    await killer.cancel(refs, never)
    await killer.cancel(refs, never)
    await killer.close()
    await vi.waitFor(() => rmSync(root, { recursive: true, force: true }))
  })

  const request = (
    command: Command,
    more: Partial<BasicRequest> & { env?: Record<string, string> } = {},
  ): BasicRequest => {
    const { env, ...rest } = more
    const token = more.token ?? randomUUID()
    return {
      jobType: 'BASIC',
      token,
      name: 'a job',
      workdir: join(root, token),
      inputRoots: [],
      spec: { command: [...command] as [string, ...string[]], ...(env && { env }) },
      ...rest,
    }
  }
  const remember = (job: BasicRequest, nativeId: string): JobRef => {
    const ref = { token: job.token, nativeId, jobType: 'BASIC', workdir: job.workdir }
    refs.push(ref)
    return ref
  }
  const submit = async (...jobs: BasicRequest[]): Promise<JobRef[]> => {
    const answers = await scheduler.submit(jobs, never)
    return jobs.map((job) => {
      const answer = answers.get(job.token)
      if (typeof answer !== 'string') throw answer ?? new Error('not tried')
      return remember(job, answer)
    })
  }
  const run = async (
    command: Command,
    more: Partial<BasicRequest> & { env?: Record<string, string> } = {},
  ): Promise<JobRef> => {
    const [ref] = await submit(request(command, more))
    if (!ref) throw new Error('no answer')
    return ref
  }
  const report = async (ref: JobRef, from = scheduler): Promise<JobReport | undefined> =>
    (await from.status([ref], never)).get(ref.token)
  const until = (ref: JobRef, ...states: string[]): Promise<JobReport> =>
    vi.waitFor(
      async () => {
        const found = await report(ref)
        if (!found || !states.includes(found.state ?? '')) throw new Error(`${ref.token} is ${JSON.stringify(found)}`)
        return found
      },
      { timeout: 15_000, interval: 20 },
    )
  const ended = (ref: JobRef) => until(ref, 'succeeded', 'failed', 'cancelled')
  const read = (ref: JobRef, ...path: string[]) => readFileSync(join(ref.workdir, ...path), 'utf8')
  const output = (ref: JobRef, name = 'stdout') => read(ref, '.telesto', ref.token, name)
  return { root, scheduler, request, remember, submit, run, report, until, ended, read, output }
}

export const pidOf = (ref: Pick<JobRef, 'nativeId'>): number => Number(ref.nativeId.split(':')[1])

export const errorOf = (answer: unknown): SchedulerError => {
  if (answer instanceof SchedulerError) return answer
  throw new Error(`expected a SchedulerError, got ${String(answer)}`)
}
export const refusal = (promise: Promise<unknown>): Promise<SchedulerError> =>
  promise.then(errorOf, (reason: unknown) => errorOf(reason))
