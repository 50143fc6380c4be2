import { beforeAll, expect, test } from 'vitest'
import { watchSql } from '../../bench/servers/count-sql.ts'
import { aboutJobs } from '../../bench/servers/refreshes.ts'
import type { JobReport } from '../../src/adapter.js'
import { carryOutOrders } from '../../src/engine/orders.js'
import { poll } from '../../src/engine/poll.js'
import { portal } from './portal.js'

const asked: string[] = []
beforeAll(() =>
  watchSql((sql) => {
    asked.push(sql)
    return () => {}
  }),
)

test('A refresh asks the database about jobs twice, or once where some changed and once for each table that changes', async () => {
  const p = await portal({
    start: false,
    limits: { pollSeconds: 1, maxSubmitsPerMinute: 100_000, maxIdsPerPoll: 1000 },
  })
  const signal = new AbortController().signal
  await p.app.bulkCreate(
    Array.from({ length: 500 }, () => ({
      name: 'run',
      user: 'ann',
      jobType: 'SCRIPTED' as const,
      scheduler: p.scheduler,
    })),
  )
  await p.app.query().execute()
  await carryOutOrders(p.core, p.scheduler.id, signal)
  const known = [...p.system.jobs.values()]
  expect(known).toHaveLength(500)

  const refresh = async (from = 0, to = 0, report?: JobReport): Promise<readonly string[]> => {
    for (const job of known.slice(from, to)) job.report = report
    p.clock.advance(60_000)
    await p.settled()
    asked.length = 0
    await poll(p.core, p.scheduler.id, signal)
    return aboutJobs(asked).map((sql) => /^(\w+)(?: INTO)?.*?\b(telesto_\w+)/s.exec(sql)?.slice(1).join(' ') ?? sql)
  }
  const read = 'SELECT telesto_attempts'
  const [jobs, events, attempts] = ['UPDATE telesto_jobs', 'INSERT telesto_events', 'UPDATE telesto_attempts']
  await refresh() // It mentions them for the first time.
  expect(await refresh()).toEqual([read, read])
  expect(await refresh(0, 10, { state: 'held', message: 'disk' })).toEqual([read, jobs, events])
  expect(await refresh(10, 500, { state: 'held', message: 'walltime' })).toEqual([read, jobs, events])
  expect(await refresh(0, 10, { state: 'succeeded' })).toEqual([read, jobs, attempts, events])
  expect(await refresh(10, 500, { state: 'cancelled' })).toEqual([read, jobs, attempts, events])
  expect(await refresh()).toEqual([read, read])
})
