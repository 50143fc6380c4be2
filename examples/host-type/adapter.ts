// An adapter for a service that runs models over HTTP: asked about many runs at once, it answers by their tokens.
import { mkdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { defineAdapter, SchedulerError } from 'telesto'
import { z } from 'zod'

const refusal = z.object({ refused: z.string() }).transform((run) => new SchedulerError('invalid_job', run.refused))
const STATES = new Map(
  Object.entries({ running: 'running', done: 'succeeded', failed: 'failed', cancelled: 'cancelled' } as const),
)
const time = z.iso.datetime().pipe(z.coerce.date()).exactOptional()
const report = z
  .object({ state: z.string(), exitCode: z.int().exactOptional(), startedAt: time, endedAt: time })
  .transform(({ state, ...rest }) => ({ ...rest, state: STATES.get(state) ?? 'unknown', nativeState: state }) as const)

export const models = defineAdapter({
  type: 'models',
  label: 'Model service',
  config: z.strictObject({ url: z.url() }),
  secrets: [],
  specs: { MODEL: z.strictObject({ model: z.string().min(1), arguments: z.array(z.string()).default([]) }) },
  defaults: { pollSeconds: 2, maxIdsPerPoll: 1000, maxSubmitsPerMinute: 600 },
  connect({ url }, { fetch }) {
    const down = (cause: unknown): never => {
      throw new SchedulerError('unavailable', 'The model service does not answer.', { cause })
    }
    const ask = async <T>(what: string, about: readonly unknown[], answer: z.ZodType<T>, signal: AbortSignal) => {
      const question = { method: 'POST', body: JSON.stringify(about), signal }
      const response = await fetch(`${url}/${what}`, question).catch(down)
      const text = await response.text().catch(down)
      if (response.status >= 500) down(text)
      try {
        if (!response.ok) throw new Error(text)
        return new Map(Object.entries(z.record(z.string(), answer).parse(JSON.parse(text))))
      } catch (cause) {
        throw new SchedulerError('protocol', 'The answer of the model service is not understood.', { cause })
      }
    }
    const tokens = (jobs: readonly { readonly token: string }[]) => jobs.map(({ token }) => token)
    return {
      async submit(jobs, signal) {
        const runs = jobs.map(({ token, name, spec }) => ({ token, name, ...spec }))
        return await ask('runs', runs, z.string().or(refusal), signal)
      },
      status: (jobs, signal) => ask('status', tokens(jobs), report, signal),
      cancel: (jobs, signal) => ask('cancel', tokens(jobs), z.literal('ok'), signal),
      // An id, or "absent", which is a promise of the service: it refuses that token from now on.
      recover: (attempts, signal) => ask('recover', tokens(attempts), z.string(), signal),
      async fetch({ token }, into, signal) {
        const output = (await ask('output', [token], z.string(), signal)).get(token)
        if (output === undefined) throw new SchedulerError('rejected', 'The model service no longer has the output.')
        await mkdir(into, { recursive: true })
        await writeFile(path.join(into, 'output.txt'), output)
        return [path.join(into, 'output.txt')]
      },
      close: async () => {},
    }
  },
})
