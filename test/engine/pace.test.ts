import { expect, test } from 'vitest'
import { backoff, jitter } from '../../src/engine/backoff.js'
import { shortestPause } from '../../src/engine/pace.js'
import { createPokes, MAX_POKE_DELAY_MS } from '../../src/pokes.js'
import { type Portal, portal } from './portal.js'
import { held } from './scripted-adapter.js'

const MINUTE = 60_000
const pausesOf = (p: Portal, from = 0): number[] => {
  const times = p.system
    .callsOf('status')
    .slice(from)
    .map(({ at }) => at)
  return times.slice(1).map((at, index) => at - (times[index] as number))
}

test('backoff doubles from its base up to its cap; jitter stays within a tenth; the shortest pause is the slower of the two', () => {
  expect([1, 2, 3, 4].map((n) => backoff(n, 1000, 5000))).toEqual([1000, 2000, 4000, 5000])
  expect(backoff(10_000, 1000, 900_000)).toBe(900_000)
  expect([jitter(1000, 0), jitter(1000, 0.5), jitter(1000, 0.999_999)]).toEqual([900, 1000, 1100])
  expect(shortestPause({ pollSeconds: 5, maxPollsPerMinute: null })).toBe(5000)
  expect(shortestPause({ pollSeconds: 5, maxPollsPerMinute: 4 })).toBe(15_000)
  expect(shortestPause({ pollSeconds: 30, maxPollsPerMinute: 4 })).toBe(30_000)
})

test('Pokes of one job are one poke, at the earliest of their times; no delay is longer than an hour; what was taken is gone', () => {
  let now = 0
  let woken = 0
  const pokes = createPokes(
    () => now,
    () => woken++,
  )
  for (let n = 0; n < 1000; n++) pokes.job(7, 5000)
  pokes.job(7, 60_000)
  pokes.job(8, Number.MAX_VALUE)
  expect(woken).toBe(0)
  expect(pokes.take(now)).toEqual([])
  now = 4000
  pokes.job(7, 500)
  now = 4500
  expect(pokes.take(now)).toEqual([7])
  expect(pokes.take(100_000)).toEqual([])
  expect(pokes.take(MAX_POKE_DELAY_MS)).toEqual([8])
  pokes.job(9)
  expect(woken).toBe(1)
  expect(pokes.take(now)).toEqual([9])
})

test('So many ids wait at the most: a flood of pokes fills no memory', () => {
  const pokes = createPokes(
    () => 0,
    () => {},
  )
  for (let id = 0; id < 150_000; id++) pokes.job(id, 1000)
  pokes.job(5, 0) // known, so it still counts
  expect(pokes.take(0)).toEqual([5])
  expect(pokes.take(1000)).toHaveLength(99_999)
})

test('1,000 pokes are one earlier poll, never faster than the interval of the record, and one write', async () => {
  const p = await portal({ limits: { pollSeconds: 60 } })
  const job = await p.accepted()
  await p.pass(20 * MINUTE, 5000) // quiet by now: the interval is three times as long
  const quiet = pausesOf(p)
  expect(Math.max(...quiet)).toBeGreaterThan(150_000)
  const before = p.system.count('status')
  for (let tries = 0; p.system.count('status') === before && tries < 60; tries++) await p.pass(5000, 5000)
  const { writes } = p.counts
  for (let n = 0; n < 1000; n++) p.core.pokes.job(job.id)
  await p.pass(1000)
  expect(p.counts.writes - writes).toBe(1)
  for (let second = 0; second < 64; second++) {
    p.core.pokes.job(job.id)
    await p.pass(1000)
  }
  expect(p.system.count('status')).toBe(before + 2)
  const [pause] = pausesOf(p, before)
  expect(pause).toBeGreaterThanOrEqual(60_000)
  expect(pause).toBeLessThanOrEqual(63_000)
})

test('A delayed poke counts when its time has come', async () => {
  const p = await portal({ limits: { pollSeconds: 10 } })
  const job = await p.accepted()
  await p.pass(5 * MINUTE, 2500)
  const before = p.system.count('status')
  for (let tries = 0; p.system.count('status') === before && tries < 100; tries++) await p.pass(500, 500)
  p.core.pokes.job(job.id, 15_000)
  await p.pass(14_000)
  expect(p.system.count('status')).toBe(before + 1)
  await p.pass(3000)
  expect(p.system.count('status')).toBe(before + 2)
})

test('A poke during a poll is not lost: the poll that follows is early', async () => {
  const p = await portal({ limits: { pollSeconds: 10 } })
  const job = await p.accepted()
  await p.pass(5 * MINUTE, 2500)
  const gate = held<void>()
  p.system.script.status = async (refs, signal): Promise<unknown> => {
    await gate.promise
    return await p.system.good.status(refs, signal)
  }
  const before = p.system.count('status')
  for (let tries = 0; p.system.count('status') === before && tries < 100; tries++) await p.pass(500, 500)
  p.core.pokes.job(job.id)
  await p.pass(2000)
  gate.resolve()
  await p.pass(9000)
  expect(p.system.count('status')).toBe(before + 2)
  expect(pausesOf(p, before)[0]).toBeLessThanOrEqual(11_500)
})

test('A poke for a job that does not exist, or has ended, costs one reading and nothing else', async () => {
  const p = await portal()
  const job = await p.accepted()
  p.system.all({ state: 'succeeded' })
  await p.pass(MINUTE)
  expect(await p.status(job)).toBe('Complete')
  await p.pass(5000)
  const { writes } = p.counts
  const calls = p.system.count()
  for (const id of [job.id, 999_999, -1, Number.MAX_SAFE_INTEGER]) p.core.pokes.job(id)
  await p.pass(10_000)
  expect(p.counts.writes).toBe(writes)
  expect(p.system.count()).toBe(calls)
})

test('The interval is short after a change and grows while nothing happens, up to three times, jittered', async () => {
  const p = await portal({ limits: { pollSeconds: 10 } })
  const job = await p.accepted()
  await p.pass(10 * MINUTE, 1000)
  const slow = pausesOf(p)
  // 12.5, 15.6, 19.5, 24.4, 30, 30, …, each a tenth more or less, seen in steps of a second
  expect(slow[0]).toBeLessThanOrEqual(15_000)
  expect(slow.slice(8).every((pause) => pause >= 26_900 && pause <= 34_200)).toBe(true)
  expect(new Set(slow.slice(8).map((pause) => Math.round(pause / 1000))).size).toBeGreaterThan(1)
  await p.says(job, { state: 'running' })
  const before = p.system.count('status')
  await p.pass(35_000)
  expect(await p.status(job)).toBe('Running')
  await p.pass(15_000)
  const [first] = pausesOf(p, before)
  expect(first).toBeGreaterThanOrEqual(10_000)
  expect(first).toBeLessThanOrEqual(12_200)
})

test('A job that is accepted while a quiet poll is under way does not wait for the slow interval', async () => {
  const p = await portal({ limits: { pollSeconds: 10 } })
  await p.accepted()
  await p.pass(5 * MINUTE, 2500)
  const gate = held<void>()
  p.system.script.status = async (refs, signal): Promise<unknown> => {
    await gate.promise
    return await p.system.good.status(refs, signal)
  }
  const before = p.system.count('status')
  for (let tries = 0; p.system.count('status') === before && tries < 200; tries++) await p.pass(500, 500)
  const job = await p.accepted()
  expect(await p.status(job)).toBe('Submitted')
  gate.resolve()
  await p.pass(13_000)
  expect(p.system.count('status')).toBe(before + 2)
  expect(p.system.callsOf('status').at(-1)?.tokens).toContain((await p.row(job)).token)
})

test('With nothing active there are no calls and no writes, however long', async () => {
  const p = await portal()
  const done = await p.accepted()
  await p.says(done, { state: 'failed' })
  await p.create() // saved, never executed
  await p.pass(2 * MINUTE)
  expect(await p.status(done)).toBe('Error')
  const { writes } = p.counts
  const calls = p.system.count()
  await p.pass(24 * 60 * MINUTE, 300_000)
  expect(p.counts.writes).toBe(writes)
  expect(p.system.count()).toBe(calls)
})

test('A record with active jobs is asked one question for all of them, in chunks of maxIdsPerPoll', async () => {
  const p = await portal({ limits: { maxIdsPerPoll: 4 }, start: false })
  for (let n = 0; n < 10; n++) await p.job()
  p.engine.start()
  await p.pass(5000)
  expect(p.system.callsOf('status').map(({ tokens }) => tokens.length)).toEqual([4, 4, 2])
  expect(new Set(p.system.callsOf('status').flatMap(({ tokens }) => tokens)).size).toBe(10)
})

test('updateStatus({ wait }) resolves after the next answered poll, at once where nobody asks, else at the end of the wait', async () => {
  const p = await portal({ limits: { pollSeconds: 10 } })
  const job = await p.accepted()
  await p.pass(2 * MINUTE)
  await p.says(job, { state: 'running' })
  let over = false
  const waiting = job.updateStatus({ wait: MINUTE }).then(() => {
    over = true
  })
  for (let tries = 0; !over && tries < 100; tries++) await p.pass(500, 500)
  await waiting
  expect(job.status).toBe('Running')

  p.system.script.status = () => Promise.reject(new Error('down'))
  over = false
  const began = p.clock.monotonic()
  const inVain = job.updateStatus({ wait: 30_000 }).then(() => {
    over = true
  })
  for (let tries = 0; !over && tries < 200; tries++) await p.pass(500, 500)
  await inVain
  expect(p.clock.monotonic() - began).toBeGreaterThanOrEqual(30_000)
  expect(job.status).toBe('Running')

  delete p.system.script.status
  await p.says(job, { state: 'failed' })
  await p.pass(5 * MINUTE)
  const now = p.clock.monotonic()
  await job.updateStatus({ wait: MINUTE })
  expect(p.clock.monotonic() - now).toBeLessThan(1000)
  expect(job.status).toBe('Error')
})
