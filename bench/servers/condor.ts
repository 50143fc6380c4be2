// A portal with Telesto, whose jobs HTCondor runs on a host over SSH. Whoever asks names themself in x-user.

import { randomUUID } from 'node:crypto'
import { setTimeout as sleep } from 'node:timers/promises'
import express from 'express'
import { createTelesto } from 'telesto'
import { condor } from 'telesto/adapters/condor'
import { openTransport } from '../../dist/src/transport/open.js'
import { answer, optionsOf } from '../child.ts'
import type { Login } from '../condor/far-side.ts'
import type { Place } from '../store.ts'
import { listen } from './listen.ts'
import { aboutJobs, watchRefreshes } from './refreshes.ts'

export interface CondorServerOptions {
  readonly place: Place['options']
  readonly login: Login
}

const { place, login } = optionsOf<CondorServerOptions>()
const refreshes = watchRefreshes()
let submitMs = 0
/** The adapter as it is; how long its submit() takes is noted. */
const adapter: typeof condor = {
  ...condor,
  connect(config, context) {
    const scheduler = condor.connect(config, context)
    return {
      ...scheduler,
      async submit(jobs, signal) {
        const began = performance.now()
        try {
          return await scheduler.submit(jobs, signal)
        } finally {
          submitMs += performance.now() - began
        }
      },
    }
  },
}
const telesto = await createTelesto({
  adapters: [adapter],
  ...place,
  url: 'http://127.0.0.1/telesto',
  rateLimits: { callback: 1e9, api: 1e9 }, // they count, and refuse nobody
  identify: (req) => {
    const id = req.get('x-user')
    return id === undefined ? undefined : { id, groups: ['team'] }
  },
})
const app = telesto.app('bench')
const web = express()
web.use('/telesto', telesto.router)
const port = await listen(web)
const record =
  (await telesto.getScheduler('pool')) ??
  (await telesto.createScheduler({
    name: 'pool',
    adapter: 'condor',
    config: { ...login },
    pollSeconds: 1,
    maxSubmitsPerMinute: 1_000_000,
  }))

refreshes.learn(true)
await sleep(3500)
refreshes.learn(false)

const silent = { debug() {}, info() {}, warn() {}, error() {} }
const condorSpec = condor.specs.CONDOR

/** Jobs that wait in the queue and never run, so that nothing but what is measured changes. */
const waiting = (count: number) =>
  Array.from({ length: count }, (_, index) => ({
    name: `run ${index}`,
    user: 'ada',
    groups: 'team',
    jobType: 'CONDOR' as const,
    scheduler: record,
    executable: '/bin/sleep',
    arguments: ['3600'],
    requirements: 'false',
  }))

const ACTIVE = ['Pending', 'Submitted', 'Running', 'Various', 'Paused']
const active = async (): Promise<number> => await app.query().filter({ status: ACTIVE }).count()

const answers = {
  port: () => port,
  /** Makes jobs and has them submitted; answers how long that took from the order to the last id, and the adapter's part in it. */
  async submit(count: number) {
    const jobs = await app.bulkCreate(waiting(count))
    submitMs = 0
    const began = performance.now()
    const query = () => app.query().filter({ id: jobs.map(({ id }) => id) })
    await query().execute()
    while ((await query().filter({ status: 'Submitted' }).count()) < count) await sleep(5)
    return { ms: performance.now() - began, adapterMs: submitMs }
  },
  /** Hands so many jobs to the adapter alone, in one call, over a connection of its own that is open. Answers how long that took. */
  async hand(count: number) {
    const config = condor.config.parse({ ...login })
    const transport = openTransport(condor.ssh?.(config), silent)
    const scheduler = condor.connect(config, { log: silent, now: () => new Date(), transport, fetch })
    const { signal } = new AbortController()
    try {
      await scheduler.ping?.(signal)
      const jobs = waiting(count).map(({ name, executable, arguments: args, requirements }) => {
        const token = randomUUID()
        const spec = condorSpec.parse({ executable, arguments: args, requirements })
        const workdir = `telesto/hand/${token}`
        return { jobType: 'CONDOR' as const, token, name, spec, workdir, inputRoots: [] }
      })
      const began = performance.now()
      const answers = await scheduler.submit(jobs, signal)
      const ms = performance.now() - began
      const refused = [...answers.values()].find((one) => typeof one !== 'string')
      if (refused || answers.size < count) throw refused ?? new Error(`${answers.size} of ${count} were answered.`)
      return ms
    } finally {
      await scheduler.close()
      await transport.close()
    }
  },
  /** Starts a workflow of 26 nodes, 24 of them side by side, which takes a minute or so; answers its id when nodes of it run. */
  async workflow() {
    const run = (name: string, parents: readonly string[]) => ({
      name,
      parents: [...parents],
      job: { executable: '/bin/sleep', arguments: ['4'] },
    })
    const middle = Array.from({ length: 24 }, (_, index) => `node${index + 1}`)
    const job = await app.createJob({
      name: 'workflow',
      user: 'ada',
      groups: 'team',
      jobType: 'CONDORWORKFLOW',
      scheduler: record,
      nodes: [run('first', []), ...middle.map((name) => run(name, ['first'])), run('last', middle)],
    })
    await job.execute()
    while (!(await job.parts()).some(({ state }) => state === 'running')) await sleep(100)
    return job.id
  },
  /** What has become of a job, how often that was told, and the processor's time that this process has taken so far. */
  async told(id: number) {
    const job = await app.getJob(id)
    const history = (await job?.history({ limit: 500 })) ?? []
    const { user, system } = process.cpuUsage()
    return { status: job?.status, events: history.length, cpuMs: (user + system) / 1000 }
  },
  /** Until the present jobs have settled. */
  async settled() {
    while ((await active()) > 0) await sleep(100)
  },
  /** Nothing is asked and nothing submitted while it is paused. */
  async pause(paused: boolean) {
    await telesto.updateScheduler('pool', { enabled: !paused })
  },
  /** The next refresh of all jobs: how long it took, and what it asked the database. */
  async refresh() {
    const [job] = await app.query().filter({ status: ACTIVE }).slice(0, 1)
    if (!job) throw new Error('There is no active job.')
    const before = refreshes.last()
    await job.updateStatus({ wait: 30_000 })
    while (refreshes.last() === before) await sleep(1)
    const { ms, statements } = refreshes.last() as NonNullable<typeof before>
    return { ms, statements, aboutJobs: aboutJobs(statements) }
  },
}
export type CondorServer = typeof answers
answer(answers)
