// A portal's server as a process of its own: does what it is told over IPC, acknowledges what is committed, and can be
// killed at any moment. Its argument is ServerOptions as JSON.

import { appendFileSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Adapter, type Clock, createTelesto, type Job, type JobRef, type JobReport, TelestoError } from 'telesto'
import { condor } from 'telesto/adapters/condor'
import { local } from 'telesto/adapters/local'
import type { FromServer, Point, Question, ServerOptions, Snapshot, ToServer } from './protocol.ts'

const options = JSON.parse(process.argv[2] ?? '') as ServerOptions
const { scheduler } = options
const tell = (message: FromServer): void => {
  process.send?.(message)
}
process.on('disconnect', () => process.exit())

const ADMINISTER_EVERY_MS = 500

const halts = new Map<Point, number | undefined>()
const never = new Promise<void>(() => {})

/** Tells that the process is here, and stays as long as it was told to. */
const pass = async (at: Point, ids: readonly number[], ended?: readonly number[]): Promise<void> => {
  const halted = halts.has(at)
  const ms = halted ? halts.get(at) : (options.waits[at] ?? 0)
  halts.delete(at)
  tell({ at, ids, halted, ...(ended ? { ended } : {}) })
  if (ms === undefined) await never
  else if (ms > 0) await sleep(ms)
}

const jobOf = ({ workdir }: { readonly workdir: string }): number => Number(basename(dirname(workdir)))
const FINAL: ReadonlySet<unknown> = new Set(['succeeded', 'failed', 'cancelled'])
const isOver = (report: JobReport | undefined): boolean =>
  FINAL.has(report?.state) || (report?.parts?.every(({ state }) => FINAL.has(state)) ?? false)

/** The adapter, whose calls tell of themselves. */
const watched = (adapter: Adapter): Adapter => ({
  ...adapter,
  connect(config, context) {
    const inner = adapter.connect(config, context)
    const { recover, cleanUp } = inner
    return {
      ...inner,
      async submit(jobs, signal) {
        await pass('submitting', jobs.map(jobOf))
        const answers = await inner.submit(jobs, signal)
        await pass('submitted', jobs.map(jobOf))
        return answers
      },
      async status(jobs, signal) {
        await pass('asking', jobs.map(jobOf))
        return await answered(jobs, await inner.status(jobs, signal))
      },
      ...(inner.history
        ? {
            async history(jobs, signal) {
              return await answered(jobs, (await inner.history?.(jobs, signal)) ?? new Map())
            },
          }
        : {}),
      async cancel(jobs, signal) {
        await pass('cancelling', jobs.map(jobOf))
        return await inner.cancel(jobs, signal)
      },
      async recover(attempts, signal) {
        await pass('recovering', attempts.map(jobOf))
        return (await recover?.(attempts, signal)) ?? new Map()
      },
      async cleanUp(jobs, signal) {
        await pass('cleaning', jobs.map(jobOf))
        return (await cleanUp?.(jobs, signal)) ?? new Map()
      },
    }
  },
})
const answered = async (jobs: readonly JobRef[], reports: ReadonlyMap<string, JobReport>) => {
  const ended = jobs.filter(({ token }) => isOver(reports.get(token))).map(jobOf)
  await pass('answered', jobs.map(jobOf), ended)
  return reports
}

let clockAhead = options.clockAhead
const clock: Clock = {
  monotonic: () => performance.now(),
  databaseOffset: () => clockAhead,
  sleep: (ms, signal) => sleep(ms, undefined, signal ? { signal } : {}).catch(() => {}),
}
const complain = (facts: object, message: string): void => {
  console.error(new Date().toISOString(), process.pid, message, JSON.stringify(facts))
}
const telesto = await createTelesto({
  adapters: [watched({ local, condor }[scheduler.adapter])],
  directory: options.directory,
  ...(options.database === undefined ? {} : { database: options.database }),
  leaseSeconds: options.leaseSeconds,
  clock,
  log: {
    debug() {},
    info() {},
    warn: complain,
    error(facts: { readonly code?: string }, message: string) {
      complain(facts, message)
      const { code } = facts
      if (message === 'unexpected') tell({ unexpected: JSON.stringify(facts), ...(code === undefined ? {} : { code }) })
    },
  },
})
const { pollSeconds } = options
const { name, adapter, config, maxActiveJobs } = scheduler
if (!(await telesto.getScheduler(name))) {
  await telesto.createScheduler({ name, adapter, config }).catch((error) => {
    if (error.code !== 'scheduler_name_taken') throw error // Another server was faster.
  })
}
/** Also a write, which waits for those before it, whoever made them. */
const setLimits = async () => await telesto.updateScheduler(name, { pollSeconds, maxActiveJobs, config })
await setLimits()

const app = telesto.app('crash', {
  schedulerSettings: { compute: { adapter } },
  processResults: {
    async note(job, { idempotencyKey }) {
      appendFileSync(options.processedFile, `${idempotencyKey} ${job.name}\n`)
      await pass('collecting', [job.id])
      const { times } = job.extendedProperties as { times?: number }
      job.extendedProperties = { key: idempotencyKey, times: (times ?? 0) + 1 }
    },
  },
})

await telesto.assignScheduler('crash', 'compute', name)

/** Who administers the portal sees that its scheduler is not well, and presses Test: nobody waits for the pauses of an outage. */
const administer = async (): Promise<void> => {
  const record = await telesto.getScheduler(name)
  if (record && record.health !== 'ok') await telesto.testScheduler(name)
}
setInterval(() => void administer().catch(() => {}), ADMINISTER_EVERY_MS) // The store may be away.

const snapshot = (job: Job): Snapshot => ({
  id: job.id,
  key: job.name,
  status: job.status,
  settled: job.isSettled,
  cause: job.cause,
  order: job.order,
  attempt: job.attempt ?? 0,
})

const carryOut = async ({ action, id, job: wanted, stop, behindAll }: Question): Promise<Snapshot[]> => {
  if (behindAll) await setLimits()
  if (action === 'list') return (await app.listJobs()).map(snapshot)
  if (wanted) {
    const { key, options, processed } = wanted
    const job = await app.createJob({
      ...options,
      name: key,
      user: 'ann',
      scheduler: 'compute',
      ...(processed ? { processResults: 'note' } : {}),
    })
    return [snapshot(job)]
  }
  const job = await app.getJob(id ?? 0)
  if (!job) throw new TelestoError('not_found', `There is no job ${id}.`, { field: 'id' })
  if (action === 'delete') {
    await job.delete({ stop: stop === true })
    return []
  }
  if (action !== 'create') await job[action]()
  return [snapshot(job)]
}

process.on('message', (message: ToServer) => {
  if ('halt' in message) halts.set(message.halt, message.ms)
  else if ('clockAhead' in message) clockAhead = message.clockAhead
  else if ('close' in message) {
    void telesto.close().then(() => process.disconnect())
  } else {
    carryOut(message).then(
      (jobs) => tell({ answer: message.ask, jobs }),
      (error: unknown) => {
        const refused = error instanceof TelestoError ? error.code : 'unexpected'
        tell({ answer: message.ask, refused, message: String(error) })
      },
    )
  }
})
tell({ ready: true })
