import { expect, test } from 'vitest'
import { SchedulerError } from '../src/adapter.js'
import type { Job } from '../src/job.js'
import { MAX_LOG_WINDOW } from '../src/logs.js'
import { portal } from './engine/portal.js'
import { hangs, held } from './engine/scripted-adapter.js'

const logged = async (has: readonly ('listLogs' | 'readLog')[] = ['listLogs', 'readLog']) => {
  const p = await portal({ script: { has }, limits: { pollSeconds: 3600 } })
  const job = await p.accepted()
  await p.pass(2000)
  return { p, job }
}
const textOf = async (job: Job, from = 0, maxBytes?: number) => {
  const window = await job.readLog({ name: 'stdout' }, from, maxBytes)
  return { text: new TextDecoder().decode(window.bytes), next: window.next, end: window.end }
}
const refused = { code: 'scheduler_unavailable', status: 503 }

test('A window of a log begins at its offset; past the end it is empty', async () => {
  const { job } = await logged()
  expect(await job.logs()).toEqual([{ name: 'stdout', size: 5 }])
  expect(await textOf(job)).toEqual({ text: 'hello', next: 5, end: true })
  expect(await textOf(job, 2)).toEqual({ text: 'llo', next: 5, end: true })
  expect((await textOf(job, 5)).text).toBe('')
  expect((await textOf(job, 1_000_000)).text).toBe('')
})

test('Bad questions are refused by name: a negative or broken offset, no bytes at all, a log that is not there', async () => {
  const { p, job } = await logged()
  for (const from of [-1, 0.5, Number.NaN, Number.POSITIVE_INFINITY, 2 ** 60]) {
    await expect(job.readLog({ name: 'stdout' }, from)).rejects.toMatchObject({ code: 'invalid', field: 'from' })
  }
  await expect(job.readLog({ name: 'stdout' }, 0, 0)).rejects.toMatchObject({ code: 'invalid', field: 'maxBytes' })
  await expect(job.readLog({ name: '../etc/passwd' })).rejects.toMatchObject({ code: 'not_found', field: 'name' })
  await expect(job.readLog({ name: 'stdout', part: 'b' })).rejects.toMatchObject({ code: 'not_found' })
  expect(p.system.count('readLog')).toBe(0)
})

test('A window is never larger than 64 KiB, whatever is asked', async () => {
  const { p, job } = await logged()
  const asked: number[] = []
  p.system.script.readLog = async (_ref, _log, from, maxBytes) => {
    asked.push(maxBytes)
    return { bytes: new Uint8Array(maxBytes), next: from + maxBytes, end: false }
  }
  await job.readLog({ name: 'stdout' })
  await job.readLog({ name: 'stdout' }, 1, 10_000_000)
  await job.readLog({ name: 'stdout' }, 2, 100)
  expect(asked).toEqual([MAX_LOG_WINDOW, MAX_LOG_WINDOW, 100])
})

test('All who look at one window share one question, and its answer for a second', async () => {
  const { p, job } = await logged()
  const gate = held<void>()
  p.system.script.readLog = async (...args): Promise<unknown> => {
    await gate.promise
    return await p.system.good.readLog(...args)
  }
  const viewers = Array.from({ length: 50 }, async () => await textOf(await p.read(job)))
  await p.settled()
  gate.resolve()
  expect(new Set((await Promise.all(viewers)).map(({ text }) => text))).toEqual(new Set(['hello']))
  expect(p.system.count('readLog')).toBe(1)
  expect(p.system.count('listLogs')).toBe(1)
  p.clock.advance(100)
  await textOf(job)
  expect(p.system.count('readLog')).toBe(1)
  p.clock.advance(2000)
  await textOf(job)
  expect(p.system.count('readLog')).toBe(2)
  await textOf(job, 3) // another window is another question
  expect(p.system.count('readLog')).toBe(3)
  expect(p.system.count('listLogs')).toBe(2)
})

test('A scheduler that is slow is left after 10 seconds, with 503; its signal is aborted', async () => {
  const { p, job } = await logged()
  p.system.script.listLogs = hangs
  const began = p.clock.monotonic()
  const outcome = job.logs().then(
    () => 'answered',
    (error: unknown) => error,
  )
  await p.settled()
  p.clock.advance(9900)
  await p.settled()
  expect(p.system.callsOf('listLogs')[0]?.signal?.aborted).toBe(false)
  p.clock.advance(200)
  expect(await outcome).toMatchObject({
    ...refused,
    message: 'The scheduler could not be asked just now: No answer within 10 s.',
  })
  expect(p.clock.monotonic() - began).toBeLessThan(11_000)
  expect(p.system.callsOf('listLogs')[0]?.signal?.aborted).toBe(true)
})

test('A scheduler that is busy with the questions of others is not asked another: 503 at once, and again when one has ended', async () => {
  const { p } = await logged()
  const jobs = [await p.accepted(), await p.accepted(), await p.accepted(), await p.accepted(), await p.accepted()]
  const gates: ((logs: readonly []) => void)[] = []
  p.system.script.listLogs = () => new Promise<readonly []>((resolve) => gates.push(resolve))
  const waiting = jobs.slice(0, 4).map(async (job) => await job.logs())
  await expect.poll(() => gates).toHaveLength(4)
  await expect((jobs[4] as Job).logs()).rejects.toMatchObject(refused)
  expect(gates).toHaveLength(4)
  gates[0]?.([])
  await Promise.race(waiting)
  const fifth = (jobs[4] as Job).logs()
  await expect.poll(() => gates).toHaveLength(5)
  for (const answer of gates) answer([])
  expect(await fifth).toEqual([])
  await Promise.all(waiting)
})

test('A question that fails is 503 with its reason, and harms neither job nor record', async () => {
  const { p, job } = await logged()
  for (const thrown of [new SchedulerError('unavailable', 'no route'), new TypeError('oops'), 'text']) {
    p.system.script.listLogs = () => Promise.reject(thrown)
    await expect(job.logs()).rejects.toMatchObject(refused)
    p.clock.advance(2000)
  }
  delete p.system.script.listLogs
  p.system.script.readLog = () => {
    throw new SchedulerError('auth', 'refused')
  }
  await expect(job.readLog({ name: 'stdout' })).rejects.toMatchObject({
    ...refused,
    message: 'The scheduler could not be asked just now: refused',
  })
  p.clock.advance(2000)
  await p.run(`UPDATE telesto_schedulers SET config = '{"password":"old"}'`)
  await expect(job.logs()).rejects.toMatchObject(refused)
  expect((await p.record()).health).toBe('ok')
  expect(await p.status(job)).toBe('Submitted')
})

test('Garbage for a list or a window is 503, never shown', async () => {
  const { p, job } = await logged()
  for (const list of [undefined, 'stdout', [{ name: 7, size: 1 }], [{ name: 'stdout', size: -1 }], [null]]) {
    p.system.script.listLogs = async () => list
    await expect(job.logs()).rejects.toMatchObject(refused)
    p.clock.advance(2000)
  }
  delete p.system.script.listLogs
  const bytes = new Uint8Array(4)
  const windows = [
    undefined,
    null,
    'text',
    { bytes: 'text', next: 4, end: true },
    { bytes: new Uint8Array(MAX_LOG_WINDOW + 1), next: 4, end: true },
    { bytes, next: 0.5, end: true },
    { bytes, next: Number.NaN, end: true },
  ]
  for (const window of windows) {
    p.system.script.readLog = async () => window
    await expect(job.readLog({ name: 'stdout' })).rejects.toMatchObject(refused)
    p.clock.advance(2000)
  }
})

test('No logs where there is nothing to ask: before hand-over, without the methods, on another machine', async () => {
  const { p, job } = await logged()
  const saved = await p.create()
  expect(await saved.logs()).toEqual([])
  await expect(saved.readLog({ name: 'stdout' })).rejects.toMatchObject({ code: 'not_found' })
  await p.run(`UPDATE telesto_schedulers SET machine = 'elsewhere'`)
  expect(await job.logs()).toEqual([])
  expect(p.system.count('listLogs')).toBe(0)

  const without = await logged([])
  expect(await without.job.logs()).toEqual([])
  await expect(without.job.readLog({ name: 'stdout' })).rejects.toMatchObject({ code: 'not_found' })
})
