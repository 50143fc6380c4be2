import { expect, test } from 'vitest'
import { ManualClock } from './manual-clock.js'
import { freshDirectory, type Portal, portal } from './portal.js'
import { scriptedSystem } from './scripted-adapter.js'

const MINUTE = 60_000

const many = async (p: Portal, count: number, user = 'ada') => {
  const jobs = await p.app.bulkCreate(
    Array.from({ length: count }, (_, index) => ({
      jobType: 'SCRIPTED' as const,
      name: `${user} ${index}`,
      user,
      scheduler: p.scheduler,
    })),
  )
  for (const job of jobs) await job.execute()
  return jobs
}
const owners = async (p: Portal): Promise<string[]> =>
  (
    await p.all<{ user: string }>(
      `SELECT j.user_id AS user FROM telesto_attempts a JOIN telesto_jobs j ON j.id = a.job_id WHERE a.native_id IS NOT NULL ORDER BY a.id`,
    )
  ).map(({ user }) => user)

test('No more jobs than maxActiveJobs are on a scheduler; the oldest goes as soon as there is room', async () => {
  const p = await portal({ limits: { maxActiveJobs: 2, pollSeconds: 5 } })
  const jobs = await many(p, 5)
  await p.pass(20_000)
  expect(await Promise.all(jobs.map(p.status))).toEqual(['Submitted', 'Submitted', 'Pending', 'Pending', 'Pending'])
  await p.says(jobs[1] as never, { state: 'succeeded' })
  await p.pass(20_000)
  expect(await Promise.all(jobs.map(p.status))).toEqual(['Submitted', 'Complete', 'Submitted', 'Pending', 'Pending'])
  // Who waits can be stopped at once, and gives its place away.
  await (await p.read(jobs[3] as never)).stop()
  expect(await p.status(jobs[3] as never)).toBe('Aborted')
  await p.says(jobs[0] as never, { state: 'failed' })
  await p.pass(20_000)
  expect(await p.status(jobs[4] as never)).toBe('Submitted')
  expect(p.system.jobs.size).toBe(4)
})

test('Jobs that wait for room cost no write, no question and no busy loop', async () => {
  const p = await portal({ limits: { maxActiveJobs: 1, pollSeconds: 600 } })
  await many(p, 20)
  await p.pass(10_000)
  const { writes, reads } = p.counts
  const calls = p.system.count()
  await p.pass(MINUTE)
  expect(p.counts.writes).toBe(writes)
  expect(p.system.count()).toBe(calls)
  expect(p.counts.reads - reads).toBeLessThan(60 * 20) // some for each look, however many wait
})

test('A user who has as many active jobs as allowed waits; the jobs of others go first', async () => {
  const p = await portal({ limits: { maxActiveJobs: 5, maxActiveJobsPerUser: 2 }, start: false })
  await many(p, 510, 'ada')
  await many(p, 3, 'bob')
  p.engine.start()
  await p.pass(5000)
  expect(await owners(p)).toEqual(['ada', 'ada', 'bob', 'bob'])
  p.system.all({ state: 'succeeded' })
  await p.pass(MINUTE)
  expect((await owners(p)).filter((user) => user === 'bob')).toHaveLength(3)
})

test('Submissions in a minute are limited', async () => {
  const p = await portal({ limits: { maxSubmitsPerMinute: 7 } })
  await many(p, 30)
  const accepted = async () => (await owners(p)).length
  await p.pass(30_000)
  expect(await accepted()).toBe(7)
  await p.pass(40_000)
  expect(await accepted()).toBe(14)
  await p.pass(61_000)
  expect(await accepted()).toBe(21)
  const times = p.system.callsOf('submit').flatMap(({ at, tokens }) => tokens.map(() => at))
  const windows = times.map((from) => times.filter((at) => at >= from && at < from + 59_000).length)
  expect(Math.max(...windows)).toBe(7)
})

test('Very many jobs are handed over five hundred at a time, one call after the other', async () => {
  const p = await portal({ start: false })
  await many(p, 1200)
  p.engine.start()
  await p.pass(3000)
  expect(p.system.callsOf('submit').reduce((sum, { tokens }) => sum + tokens.length, 0)).toBe(1200)
  expect(Math.max(...p.system.callsOf('submit').map(({ tokens }) => tokens.length))).toBe(500)
  expect(p.system.count('submit')).toBeLessThan(8)
})

test('Polls in a minute are limited, whatever happens and whoever pokes', async () => {
  const p = await portal({ limits: { pollSeconds: 1, maxPollsPerMinute: 3 } })
  const jobs = [await p.accepted(), await p.accepted()]
  for (let second = 0; second < 300; second++) {
    p.core.pokes.job((jobs[second % 2] as { id: number }).id)
    if (second % 20 === 0) p.system.all({ state: second % 40 === 0 ? 'running' : 'suspended' })
    await p.pass(1000)
  }
  const times = p.system.callsOf('status').map(({ at }) => at)
  expect(times.length).toBeGreaterThanOrEqual(13)
  expect(times.length).toBeLessThanOrEqual(16)
  for (const [index, at] of times.slice(1).entries()) {
    expect(at - (times[index] as number)).toBeGreaterThanOrEqual(20_000 - 100)
  }
})

test('A disabled record is neither polled nor given anything', async () => {
  const p = await portal()
  const job = await p.accepted()
  await p.run('UPDATE telesto_schedulers SET enabled = 0')
  const calls = p.system.count()
  await p.job()
  await (await p.read(job)).stop()
  await p.pass(5 * MINUTE)
  expect(p.system.count()).toBe(calls)
  await p.run('UPDATE telesto_schedulers SET enabled = 1')
  await p.pass(MINUTE)
  expect(await p.status(job)).toBe('Aborted')
  expect(p.system.jobs.size).toBe(2)
})

test('Two engines on one file respect the limits together, and poll a record once per interval', async () => {
  const directory = await freshDirectory()
  const clock = new ManualClock()
  const system = scriptedSystem(() => clock.monotonic())
  const limits = { maxActiveJobs: 10, maxActiveJobsPerUser: 4, maxSubmitsPerMinute: 6, pollSeconds: 10 }
  const one = await portal({ directory, clock, system, limits })
  const two = await portal({ directory, clock, system })
  expect(one.core.owner).not.toBe(two.core.owner)
  const both = async (ms: number) => {
    for (let left = ms; left > 0; left -= 1000) {
      clock.advance(1000)
      await Promise.all([one.settled(), two.settled()])
      await one.settled()
    }
  }
  const jobs = [
    ...(await many(one, 4, 'ada')),
    ...(await many(two, 4, 'ada')),
    ...(await many(one, 4, 'bob')),
    ...(await many(two, 4, 'eve')),
  ]
  await both(30_000)
  expect(system.jobs.size).toBe(6)
  await both(3 * MINUTE)
  expect((await owners(one)).toSorted()).toEqual([...Array(4).fill('ada'), ...Array(4).fill('bob'), 'eve', 'eve'])
  const polls = system.callsOf('status').map(({ at }) => at)
  expect(polls.length).toBeGreaterThan(6)
  for (const [index, at] of polls.slice(1).entries())
    expect(at - (polls[index] as number)).toBeGreaterThanOrEqual(10_000 - 100)

  for (let round = 0; round < 6; round++) {
    system.all({ state: 'succeeded' })
    await both(MINUTE)
  }
  expect(await Promise.all(jobs.map(one.status))).toEqual(Array(16).fill('Complete'))
  // Each once, by whichever of the two.
  const submitted = system.callsOf('submit').flatMap(({ tokens }) => tokens)
  expect(submitted).toHaveLength(16)
  expect(new Set(submitted).size).toBe(16)
  expect(system.count('recover')).toBe(0)
})
