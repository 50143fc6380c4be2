import { z } from 'zod'
import { defineAdapter, type JobRef, type Scheduler, type SubmitRequest } from '../../src/adapter.js'

/** The log of every job of the toy: an invalid byte, a tag, and a character that a window may cut in two. */
export const TOY_LOG = Buffer.concat([
  Buffer.from('<script>alert("log")</script> über\n'),
  Buffer.from([0xff, 0xfe]),
  Buffer.from(' end\n'),
])

const spec = z.strictObject({
  manual: z.boolean().optional(),
  pausable: z.boolean().optional(),
  /** The nodes of a graph, each with what it waits for. */
  steps: z.record(z.string(), z.array(z.string())).optional(),
})

/** Jobs that run until they are stopped. With `manual` their status is the app's; the toy cannot pause a job. */
export const toy = defineAdapter({
  type: 'toy',
  label: 'Toy',
  config: z.strictObject({}),
  secrets: [],
  specs: { TOY: spec },
  defaults: { pollSeconds: 1, maxIdsPerPoll: 1000, maxSubmitsPerMinute: 6000 },
  thisMachine: { record: 'toy' },
  needsScheduler: (_jobType, checked) =>
    !(typeof checked === 'object' && checked !== null && 'manual' in checked && checked.manual === true),
  graph: (_jobType, checked) => {
    const { steps } = checked as z.output<typeof spec>
    return steps && Object.entries(steps).map(([name, parents]) => ({ name, parents }))
  },
  connect: (): Scheduler<SubmitRequest> => {
    const cancelled = new Set<string>()
    const each = <T>(jobs: readonly JobRef[], answer: (job: JobRef) => T) =>
      new Map(jobs.map((job) => [job.token, answer(job)]))
    return {
      submit: async (jobs) => new Map(jobs.map(({ token }) => [token, `toy-${token}`])),
      status: async (jobs) =>
        each(jobs, ({ token }) => ({ state: cancelled.has(token) ? ('cancelled' as const) : ('running' as const) })),
      cancel: async (jobs) =>
        each(jobs, ({ token }) => {
          cancelled.add(token)
          return 'ok' as const
        }),
      recover: async (attempts) => new Map(attempts.map(({ token }) => [token, `toy-${token}`])),
      listLogs: async () => [{ name: 'stdout', size: TOY_LOG.length }],
      readLog: async (_job, _log, from, maxBytes) => {
        const bytes = TOY_LOG.subarray(from, from + maxBytes)
        return { bytes, next: from + bytes.length, end: false }
      },
      close: async () => {},
    }
  },
})
