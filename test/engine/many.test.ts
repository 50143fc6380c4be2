import { expect, test } from 'vitest'
import type { JobReport } from '../../src/adapter.js'
import { portal } from './portal.js'

const at = (index: number): Date => new Date(1_750_000_000_000 + index * 1000)

test('What a poll tells of many jobs, each with its own times, exit code and words, is stored for each, in a few statements', async () => {
  const one = await portal({ limits: { pollSeconds: 1, maxSubmitsPerMinute: 100_000 } })
  const cost = async (count: number, reportOf: (index: number) => JobReport): Promise<number> => {
    const known = [...one.system.jobs.values()].slice(-count)
    known.forEach((job, index) => {
      job.report = reportOf(index)
    })
    const before = one.counts.statements
    const polls = one.system.count('status')
    while (one.system.count('status') === polls) await one.pass(1000)
    return one.counts.statements - before
  }
  const make = async (count: number) => {
    const jobs = await one.app.bulkCreate(
      Array.from({ length: count }, (_, index) => ({
        name: `run ${index}`,
        user: 'ann',
        jobType: 'SCRIPTED' as const,
        scheduler: one.scheduler,
      })),
    )
    const query = () => one.app.query().filter({ id: jobs.map(({ id }) => id) })
    await query().execute()
    while ((await query().filter({ status: 'Submitted' }).count()) < count) await one.pass(1000)
    return query
  }
  const running = (index: number): JobReport => ({
    state: 'running',
    nativeState: `R${index % 7}`,
    startedAt: at(index),
  })
  const failed = (index: number): JobReport => ({
    state: 'failed',
    nativeState: 'F',
    message: `it's "${index}"`,
    exitCode: 1 + (index % 250),
    startedAt: at(index),
    endedAt: at(index + 60),
  })
  await make(1)
  const few = [await cost(1, running), await cost(1, failed)]
  const jobs = await make(400)
  const many = [await cost(400, running), await cost(400, failed)]
  expect(many.map((statements, index) => statements - (few[index] ?? 0))).toEqual([0, 0])
  const told = (await jobs().orderBy('id')).map((job) => [
    job.status,
    job.nativeState,
    job.reason,
    job.exitCode,
    job.startTime,
    job.completionTime,
  ])
  expect(told).toEqual(
    Array.from({ length: 400 }, (_, index) => [
      'Error',
      'F',
      `it's "${index}"`,
      1 + (index % 250),
      at(index),
      at(index + 60),
    ]),
  )
  const ended = await one.core.database.all<{ n: number; codes: number }>(
    'SELECT COUNT(completion_time) AS n, COUNT(DISTINCT exit_code) AS codes FROM telesto_attempts WHERE status_code = $1',
    ['ERR'],
  )
  expect(ended).toEqual([{ n: 401, codes: 250 }])
})
