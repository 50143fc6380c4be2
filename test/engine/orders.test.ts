import { expect, test } from 'vitest'
import { type JobState, SchedulerError, type Token } from '../../src/adapter.js'
import { portal } from './portal.js'
import { held } from './scripted-adapter.js'

const MINUTE = 60_000
const ok = (refs: readonly { readonly token: Token }[]) => new Map(refs.map(({ token }) => [token, 'ok']))

test('A cancel is repeated, ever more rarely, until a poll shows the end; then it is cleared', async () => {
  const p = await portal({ limits: { pollSeconds: 5 } })
  const job = await p.accepted()
  await p.says(job, { state: 'running' })
  await p.pass(6000)
  p.system.script.cancel = async (refs) => ok(refs)
  await job.stop()
  await p.pass(10 * MINUTE, 2000)
  const times = p.system.callsOf('cancel').map(({ at }) => at)
  expect(times.length).toBeGreaterThan(5)
  expect(times.length).toBeLessThan(20)
  for (const [index, at] of times.slice(1).entries()) expect(at - (times[index] as number)).toBeGreaterThan(9000)
  expect(await p.status(job)).toBe('Running')
  expect((await p.row(job)).orderName).toBe('cancel')

  await p.says(job, { state: 'cancelled' })
  await p.pass(20_000)
  expect(await p.status(job)).toBe('Aborted')
  expect((await p.row(job)).orderName).toBeNull()
  const before = p.system.count()
  await p.pass(10 * MINUTE, 10_000)
  expect(p.system.count()).toBe(before)
})

test('A cancel that the scheduler refuses is kept and tried again: only its own word ends the job', async () => {
  const p = await portal({ limits: { pollSeconds: 5 } })
  const job = await p.accepted()
  p.system.script.cancel = async (refs) =>
    new Map(refs.map(({ token }) => [token, new SchedulerError('rejected', 'not now')]))
  await job.stop()
  await p.pass(MINUTE)
  expect(await p.row(job)).toMatchObject({ orderName: 'cancel', orderError: 'not now', statusCode: 'SUB' })
  delete p.system.script.cancel
  await p.pass(2 * MINUTE)
  expect(await p.status(job)).toBe('Aborted')
})

test('A job that ends by itself while it is being stopped ended by itself', async () => {
  const p = await portal()
  const job = await p.accepted()
  p.system.script.cancel = async (refs) => {
    await p.says(job, { state: 'succeeded' })
    return ok(refs)
  }
  await job.stop()
  await p.pass(30_000)
  expect(await p.status(job)).toBe('Complete')
  expect((await p.row(job)).orderName).toBeNull()
})

test('Hold and release are repeated until a poll confirms them, and cleared on confirmation', async () => {
  const p = await portal({ limits: { pollSeconds: 5 } })
  const job = await p.accepted()
  await p.says(job, { state: 'running' })
  await p.pass(6000)
  let deaf = true
  p.system.script.hold = async (refs, signal) => (deaf ? ok(refs) : await p.system.good.hold(refs, signal))
  p.system.script.release = async (refs, signal) => (deaf ? ok(refs) : await p.system.good.release(refs, signal))

  await (await p.read(job)).pause()
  await p.pass(MINUTE)
  expect(p.system.count('hold')).toBeGreaterThanOrEqual(2)
  expect(await p.status(job)).toBe('Running')
  expect((await p.row(job)).orderName).toBe('hold')
  deaf = false
  await p.pass(2 * MINUTE)
  expect(await p.status(job)).toBe('Paused')
  expect((await p.row(job)).orderName).toBeNull()
  const holds = p.system.count('hold')

  deaf = true
  await (await p.read(job)).resume()
  await p.pass(MINUTE)
  expect(p.system.count('release')).toBeGreaterThanOrEqual(2)
  expect((await p.row(job)).orderName).toBe('release')
  deaf = false
  await p.pass(2 * MINUTE)
  expect(await p.status(job)).toBe('Running')
  expect((await p.row(job)).orderName).toBeNull()
  expect(p.system.count('hold')).toBe(holds)
  expect(p.system.count('release')).toBeLessThan(8)
})

test('Of a job of several parts a hold and a release are confirmed by all parts that have not ended', async () => {
  const p = await portal({ limits: { pollSeconds: 5 } })
  const job = await p.accepted()
  const says = async (...states: JobState[]) =>
    await p.says(job, { parts: states.map((state, index) => ({ name: `${index}`, state })) })
  p.system.script.hold = async (refs) => ok(refs)
  p.system.script.release = async (refs) => ok(refs)
  await says('succeeded', 'running', 'running')
  await p.pass(6000)
  await (await p.read(job)).pause()
  await says('succeeded', 'held', 'running')
  await p.pass(MINUTE)
  expect((await p.row(job)).orderName).toBe('hold')
  await says('succeeded', 'held', 'held')
  await p.pass(MINUTE)
  expect(await p.status(job)).toBe('Various')
  expect((await p.row(job)).orderName).toBeNull()

  await (await p.read(job)).resume()
  await says('succeeded', 'held', 'queued')
  await p.pass(MINUTE)
  expect((await p.row(job)).orderName).toBe('release')
  await says('succeeded', 'running', 'queued')
  await p.pass(MINUTE)
  expect((await p.row(job)).orderName).toBeNull()
  expect((await p.read(job)).can('resume')).toBe(false)
})

test('A hold that the scheduler rejects is dropped, with a note for people', async () => {
  const p = await portal()
  const job = await p.accepted()
  p.system.script.hold = async (refs) =>
    new Map(refs.map(({ token }) => [token, new SchedulerError('rejected', 'not your job')]))
  await job.pause()
  await p.pass(10 * MINUTE, 5000)
  expect(p.system.count('hold')).toBe(1)
  expect(await p.row(job)).toMatchObject({ orderName: null, statusCode: 'SUB' })
  expect(await p.events(job)).toContainEqual({
    kind: 'note',
    reason: 'The scheduler refused to hold the job: not your job',
  })
})

test('Where a scheduler cannot hold, pausing is not supported; an order given before it lost the method is dropped', async () => {
  const p = await portal({ script: { has: ['recover'] } })
  const job = await p.accepted()
  await expect(job.pause()).rejects.toMatchObject({ code: 'not_supported', field: 'action' })
  expect((await p.row(job)).orderName).toBeNull()
  await p.run(`UPDATE telesto_attempts SET order_name = 'hold', order_due_at = 0`)
  await p.pass(5000)
  expect((await p.row(job)).orderName).toBeNull()
  expect(await p.events(job)).toContainEqual({
    kind: 'note',
    reason: 'The scheduler refused to hold the job: it has no such operation',
  })
  expect(p.system.count('hold')).toBe(0)
})

test('Many orders travel in few calls, each of at most maxIdsPerPoll jobs', async () => {
  const p = await portal({ limits: { maxIdsPerPoll: 10 }, start: false })
  const jobs = await p.app.bulkCreate(
    Array.from({ length: 25 }, (_, index) => ({
      jobType: 'SCRIPTED' as const,
      name: `job ${index}`,
      user: 'ada',
      scheduler: p.scheduler,
    })),
  )
  for (const job of jobs) await job.execute()
  p.engine.start()
  await p.pass(2000)
  expect(p.system.callsOf('submit').map(({ tokens }) => tokens.length)).toEqual([25])
  p.system.script.status = async () => new Map()
  p.system.script.cancel = async (refs) => ok(refs)
  const asked = p.system.count('cancel')
  await p.run(`UPDATE telesto_attempts SET order_name = 'cancel', order_due_at = 0`)
  await p.pass(400, 200)
  expect(
    p.system
      .callsOf('cancel')
      .slice(asked)
      .map(({ tokens }) => tokens.length),
  ).toEqual([10, 10, 5])
})

test('An answer to a question that is older than the last change of status is dropped', async () => {
  const p = await portal({ limits: { pollSeconds: 10 } })
  const job = await p.accepted()
  await p.says(job, { state: 'running' })
  await p.pass(15_000)
  expect(await p.status(job)).toBe('Running')
  const gate = held<void>()
  let late = true
  p.system.script.status = async (refs, signal): Promise<unknown> => {
    if (!late) return await p.system.good.status(refs, signal)
    await gate.promise
    return new Map(refs.map(({ token }) => [token, { state: 'queued', message: 'old news' }]))
  }
  await p.pass(20_000)
  // While the question is under way another answer is stored: here by hand, else by another process.
  const now = p.clock.databaseOffset() + Date.now()
  await p.run(
    `UPDATE telesto_jobs SET status_code = 'PAS', status_version = status_version + 1, status_changed_at = ${now} WHERE id = ${job.id}`,
  )
  late = false
  gate.resolve()
  await p.settled()
  expect(await p.row(job)).toMatchObject({ statusCode: 'PAS', reason: null })
  await p.pass(30_000)
  expect(await p.status(job)).toBe('Running')
})

test('A compare-and-set that is lost is decided again: an order given during a poll costs no news', async () => {
  const p = await portal({ limits: { pollSeconds: 10 } })
  const job = await p.accepted()
  await p.pass(12_000)
  const gate = held<void>()
  p.system.script.status = async (refs): Promise<unknown> => {
    await gate.promise
    return new Map(refs.map(({ token }) => [token, { state: 'running', nativeState: 'R' }]))
  }
  p.system.script.cancel = async (refs) => ok(refs)
  await p.pass(30_000)
  const before = await p.row(job)
  await job.stop()
  expect((await p.row(job)).statusVersion).toBe(before.statusVersion + 1)
  gate.resolve()
  await p.settled()
  expect(await p.row(job)).toMatchObject({ statusCode: 'RUN', nativeState: 'R', orderName: 'cancel' })
})

test('Progress and messages do not raise the version: a chatty job never starves its poller', async () => {
  const p = await portal({ limits: { pollSeconds: 5 } })
  const job = await p.accepted()
  await p.says(job, { state: 'running' })
  await p.pass(10_000)
  const { statusVersion } = await p.row(job)
  for (let step = 0; step < 10; step++) {
    await p.says(job, { state: 'running', message: `step ${step}` })
    const chatty = await p.read(job)
    chatty.progress = step / 10
    await chatty.save()
    await p.pass(20_000)
  }
  const row = await p.row(job)
  expect(row).toMatchObject({ statusVersion, reason: 'step 9', progress: 0.9 })
  await p.says(job, { state: 'succeeded' })
  await p.pass(20_000)
  expect(await p.status(job)).toBe('Complete')
})

test('A job that ran and is queued again is Submitted, and an event says "requeued"', async () => {
  const p = await portal()
  const job = await p.accepted()
  await p.says(job, { state: 'running' })
  await p.pass(15_000)
  const { startTime } = await p.row(job)
  await p.says(job, { state: 'queued', message: 'evicted' })
  await p.pass(30_000)
  expect(await p.read(job)).toMatchObject({ status: 'Submitted', reason: 'evicted' })
  expect((await p.row(job)).startTime).toBe(startTime)
  expect((await p.events(job)).map(({ kind }) => kind)).toContain('requeued')
})
