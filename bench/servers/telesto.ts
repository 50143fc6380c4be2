// A portal with Telesto, driven by a scheduler that answers at once. Whoever asks names themself in x-user.

import { setTimeout as sleep } from 'node:timers/promises'
import express from 'express'
import { createTelesto } from 'telesto'
import { answer, optionsOf } from '../child.ts'
import { instant } from '../instant.ts'
import type { Place } from '../store.ts'
import { countSql } from './count-sql.ts'
import { listen } from './listen.ts'

export interface TelestoServerOptions {
  readonly place: Place['options']
  readonly runLoops?: boolean
  readonly countsSql?: boolean
}

const { place, runLoops = true, countsSql = false } = optionsOf<TelestoServerOptions>()
const sql = countsSql ? countSql() : { statements: 0 }
const scheduler = instant()
const telesto = await createTelesto({
  adapters: [scheduler.adapter],
  ...place,
  runLoops,
  url: 'http://127.0.0.1/telesto',
  // They count, and refuse nobody.
  rateLimits: { callback: 1e9, api: 1e9 },
  identify: (req) => {
    const id = req.get('x-user')
    return id === undefined ? undefined : { id, groups: ['team'] }
  },
})
const bench = telesto.app('bench')
const app = express()
app.use('/telesto', telesto.router)
const port = await listen(app)

const cpuMs = (): number => {
  const { user, system } = process.cpuUsage()
  return (user + system) / 1000
}

const answers = {
  port: () => port,
  statements: () => sql.statements,
  counts: () => ({ ...scheduler.counts, cpuMs: scheduler.counts.cpuMs, processCpuMs: cpuMs() }),
  /** One job in so many changes with each poll. */
  changing: (one: number) => {
    scheduler.changing = one
  },
  /** Makes jobs that the scheduler runs; answers with what each may report. */
  async runJobs({ count, pollSeconds }: { readonly count: number; readonly pollSeconds: number }) {
    const record =
      (await telesto.getScheduler('pool')) ??
      (await telesto.createScheduler({ name: 'pool', adapter: 'instant', pollSeconds }))
    const before = scheduler.counts.submitted
    const jobs = await bench.bulkCreate(
      Array.from({ length: count }, (_, index) => ({
        name: `run ${index}`,
        user: 'ada',
        groups: 'team',
        jobType: 'INSTANT' as const,
        scheduler: record,
      })),
    )
    await bench
      .query()
      .filter({ id: jobs.map((job) => job.id) })
      .execute()
    while (scheduler.counts.submitted < before + count) await sleep(50)
    while (
      (await bench
        .query()
        .filter({ status: ['Pending', 'Submitted'] })
        .count()) > 0
    )
      await sleep(50)
    return jobs.map(({ id }) => ({ id, token: scheduler.reports.get(bench.getJobStatusCallbackUrl(id)) ?? '' }))
  },
}
export type TelestoServer = typeof answers
answer(answers)
