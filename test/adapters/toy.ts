// A system small enough to be seen through, behind a link that can break, and a good adapter for it.
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { setImmediate } from 'node:timers/promises'
import { z } from 'zod'
import type { Harness } from '../../adapters/testing.js'
import {
  type Answer,
  defineAdapter,
  type JobReport,
  type NativeId,
  type Scheduler,
  SchedulerError,
  type SubmitRequest,
} from '../../src/adapter.js'

const spec = z.strictObject({
  does: z.enum(['succeed', 'fail', 'run', 'print', 'return', 'nonsense']),
  code: z.number().default(0),
  words: z.array(z.string()).default([]),
  value: z.unknown().optional(),
})
export const PASSWORD = 'canary-of-the-toy'

interface ToyJob {
  readonly id: string
  readonly name: string
  readonly spec: z.output<typeof spec>
  readonly since: number
  ended?: 'cancelled'
  held?: boolean
}
type Question = Readonly<{
  op: string
  tokens: string[]
  name?: string
  spec?: z.output<typeof spec>
  password: string
}>

export const toySystem = () => {
  const jobs = new Map<string, ToyJob>()
  const absent = new Set<string>()
  let link: 'ok' | 'cut' | 'hung' | 'garbled' | 'chatty' = 'ok'
  let submitsLeft = Number.POSITIVE_INFINITY

  const reportOf = (job: ToyJob): JobReport => {
    if (job.ended) return { state: job.ended }
    if (job.held) return { state: 'suspended' }
    if (job.spec.does === 'run') return { state: 'running' }
    if (Date.now() < job.since + 3) return { state: 'queued' }
    return { state: job.spec.does === 'fail' ? 'failed' : 'succeeded', exitCode: job.spec.code }
  }
  const answer = ({ op, tokens, name = '', spec }: Question): unknown => {
    const known = tokens.flatMap((token) => {
      const job = jobs.get(token)
      return job ? [[token, job] as const] : []
    })
    if (op === 'submit') {
      const [token = ''] = tokens
      if (absent.has(token)) return { refused: 'unavailable' }
      if (!spec || spec.does === 'nonsense') return { refused: 'invalid_job' }
      if (!jobs.has(token)) jobs.set(token, { id: `toy-${jobs.size + 1}`, name, spec, since: Date.now() })
      if (--submitsLeft <= 0) link = 'cut'
      return { id: jobs.get(token)?.id }
    }
    if (op === 'recover') for (const token of tokens) if (!jobs.has(token)) absent.add(token)
    if (op === 'recover') return tokens.map((token) => [token, jobs.get(token)?.id ?? 'absent'])
    if (op === 'cancel') for (const [, job] of known) if (!isOver(job)) job.ended = 'cancelled'
    if (op === 'hold' || op === 'release') for (const [, job] of known) job.held = op === 'hold'
    if (op === 'log') return known.map(([, job]) => job.spec.words.map((word) => `${word}\0`).join(''))[0] ?? ''
    if (op === 'result') return { value: known[0]?.[1].spec.value }
    return known.map(([token, job]) => [token, reportOf(job)])
  }
  const isOver = (job: ToyJob) => ['succeeded', 'failed', 'cancelled'].includes(reportOf(job).state ?? '')

  const fetch = async (_url: unknown, init?: RequestInit): Promise<Response> => {
    await setImmediate()
    init?.signal?.throwIfAborted()
    if (link === 'hung')
      return new Promise((_settle, fail) => init?.signal?.addEventListener('abort', () => fail(new Error('aborted'))))
    if (link === 'cut') throw new TypeError('fetch failed')
    if (link === 'garbled') return new Response('<html>Internal error</html>')
    const question = JSON.parse(String(init?.body)) as Question
    if (question.password !== PASSWORD) return new Response('no', { status: 401 })
    return new Response(`${link === 'chatty' ? 'Welcome to the toy!\n' : ''}${JSON.stringify(answer(question))}`)
  }
  const change = (to: typeof link) => () => {
    link = to
    submitsLeft = Number.POSITIVE_INFINITY
  }
  const harness: Harness = {
    config: { password: PASSWORD },
    wrongCredentials: { password: 'wrong-password' },
    jobType: 'TOY',
    workdir: (token) => `/toy/${token}`,
    specs: {
      succeeds: { does: 'succeed' },
      fails: (code) => ({ does: 'fail', code }),
      runs: { does: 'run' },
      prints: (words) => ({ does: 'print', words: [...words] }),
      invalid: { does: 'nonsense' },
      returns: (value) => ({ does: 'return', value }),
    },
    output: async ({ token }) =>
      new TextEncoder().encode(
        jobs
          .get(token)
          ?.spec.words.map((word) => `${word}\0`)
          .join(''),
      ),
    nameOf: async ({ token }) => jobs.get(token)?.name,
    fetch,
    many: 30,
    patience: 300,
    link: {
      cut: change('cut'),
      hang: change('hung'),
      garble: change('garbled'),
      chatter: change('chatty'),
      cutAfterSubmits: (count) => {
        submitsLeft = count
      },
      heal: change('ok'),
    },
    stop: async () => {},
  }
  return { harness, jobs }
}

const lastLine = (text: string): string => text.trim().split('\n').at(-1) ?? ''

/** `read` finds the answer in what came over the link. */
export const toyAdapter = (read: (text: string) => string = lastLine) =>
  defineAdapter({
    type: 'toy',
    label: 'Toy',
    config: z.strictObject({ password: z.string() }),
    secrets: ['password'],
    specs: { TOY: spec },
    defaults: { pollSeconds: 1, maxIdsPerPoll: 1000, maxSubmitsPerMinute: 1000 },
    connect: ({ password }, { fetch }) => {
      const ask = async <T>(question: Omit<Question, 'password'>, signal: AbortSignal): Promise<T> => {
        let response: Response
        try {
          response = await fetch('toy://', { method: 'POST', body: JSON.stringify({ ...question, password }), signal })
        } catch (error) {
          throw new SchedulerError('unavailable', 'the toy does not answer', { cause: error })
        }
        if (response.status === 401) throw new SchedulerError('auth', 'the toy refuses the password')
        try {
          return JSON.parse(read(await response.text())) as T
        } catch {
          throw new SchedulerError('protocol', 'the toy talks nonsense')
        }
      }
      const plural =
        <T>(op: string) =>
        async (refs: readonly { readonly token: string }[], signal: AbortSignal): Promise<Map<string, T>> =>
          new Map(await ask<[string, T][]>({ op, tokens: refs.map(({ token }) => token) }, signal))
      const order = (op: string) => async (refs: readonly { readonly token: string }[], signal: AbortSignal) => {
        await plural(op)(refs, signal)
        return new Map<string, Answer>(refs.map(({ token }) => [token, 'ok']))
      }
      const log = (token: string, signal: AbortSignal) =>
        ask<string>({ op: 'log', tokens: [token] }, signal).then((text) => new TextEncoder().encode(text))
      return {
        submit: async (jobs, signal) => {
          const answers = new Map<string, NativeId | SchedulerError>()
          for (const { token, name, spec } of jobs) {
            try {
              type Told = { id?: string; refused?: 'invalid_job' | 'unavailable' }
              const { id, refused = 'protocol' } = await ask<Told>(
                { op: 'submit', tokens: [token], name, spec },
                signal,
              )
              answers.set(token, id ?? new SchedulerError(refused, 'the toy refuses the job'))
            } catch (error) {
              if (!(error instanceof SchedulerError)) throw error
              answers.set(token, error)
              break
            }
          }
          return answers
        },
        status: plural<JobReport>('status'),
        history: plural<JobReport>('status'),
        recover: plural<string>('recover'),
        cancel: order('cancel'),
        hold: order('hold'),
        release: order('release'),
        cleanUp: order('clean'),
        listLogs: async ({ token }, signal) => [{ name: 'out', size: (await log(token, signal)).byteLength }],
        readLog: async (job, _log, from, maxBytes, signal) => {
          const all = await log(job.token, signal)
          const [report] = [...(await plural<JobReport>('status')([job], signal)).values()]
          const bytes = all.subarray(from, from + maxBytes)
          const next = Math.min(from, all.byteLength) + bytes.byteLength
          return { bytes, next, end: report?.state !== 'running' && next === all.byteLength }
        },
        fetch: async ({ token }, into, signal) => {
          const bytes = await log(token, signal)
          mkdirSync(into, { recursive: true })
          writeFileSync(join(into, 'out'), bytes)
          return [join(into, 'out')]
        },
        result: async ({ token }, signal) =>
          (await ask<{ value?: unknown }>({ op: 'result', tokens: [token] }, signal)).value,
        ping: async (signal) => {
          await ask({ op: 'ping', tokens: [] }, signal)
          return { version: 'toy 1' }
        },
        info: async (signal) => {
          await ask({ op: 'info', tokens: [] }, signal)
          return [{ label: 'Jobs', value: 'some' }]
        },
        close: async () => {},
      } satisfies Scheduler<SubmitRequest<{ TOY: typeof spec }>>
    },
  })
