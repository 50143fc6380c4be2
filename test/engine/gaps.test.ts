import { expect, test } from 'vitest'
import { portal } from './portal.js'

const MINUTE = 60_000
const HOUR = 60 * MINUTE

test('A job that is not mentioned is unchanged until 3 answered polls over 2 minutes or more: not before either', async () => {
  // Many polls, little time: the time decides.
  const quick = await portal({ limits: { pollSeconds: 5 } })
  const fast = await quick.accepted()
  await quick.pass(6000)
  await quick.says(fast, undefined)
  await quick.pass(115_000)
  const { gaps } = await quick.one<{ gaps: number }>('SELECT gap_count AS gaps FROM telesto_attempts')
  expect(gaps).toBeGreaterThan(3)
  expect(await quick.status(fast)).toBe('Submitted')
  await quick.pass(40_000)
  expect(await quick.read(fast)).toMatchObject({ status: 'Error', cause: 'lost' })

  // Few polls, much time: the polls decide.
  const slow = await portal({ limits: { pollSeconds: 300 } })
  const rare = await slow.accepted()
  await slow.pass(301_000, 5000)
  await slow.says(rare, undefined)
  const asked = () => slow.system.count('status')
  const before = asked()
  for (let tries = 0; asked() < before + 2 && tries < 400; tries++) await slow.pass(5000, 5000)
  expect(asked()).toBe(before + 2)
  expect(await slow.status(rare)).toBe('Submitted')
  for (let tries = 0; asked() < before + 3 && tries < 400; tries++) await slow.pass(5000, 5000)
  expect(await slow.status(rare)).toBe('Error')
})

test('An answer that was long under way makes no job lost any sooner: the 2 minutes begin when it is here', async () => {
  const p = await portal({ limits: { pollSeconds: 5 } })
  const job = await p.accepted()
  await p.pass(6000)
  const slow = Promise.withResolvers<void>()
  p.system.script.status = async () => {
    await slow.promise
    return new Map()
  }
  await p.pass(50_000)
  expect(await p.one('SELECT gap_count AS gaps FROM telesto_attempts')).toEqual({ gaps: 0 })
  slow.resolve()
  await p.pass(115_000)
  expect(await p.status(job)).toBe('Submitted')
  await p.pass(40_000)
  expect(await p.read(job)).toMatchObject({ status: 'Error', cause: 'lost' })
})

test('One mention in between begins the count anew', async () => {
  const p = await portal({ limits: { pollSeconds: 5 } })
  const job = await p.accepted()
  await p.pass(6000)
  for (let round = 0; round < 3; round++) {
    await p.says(job, undefined)
    await p.pass(100_000)
    await p.says(job, { state: 'queued' })
    await p.pass(20_000)
  }
  expect(await p.status(job)).toBe('Submitted')
  expect(await p.one('SELECT gap_count, gap_since FROM telesto_attempts')).toEqual({ gap_count: 0, gap_since: null })
})

test('Polls that could not be answered do not count', async () => {
  const p = await portal({ limits: { pollSeconds: 5 } })
  const job = await p.accepted()
  await p.pass(6000)
  await p.says(job, undefined)
  await p.pass(10_000)
  const counted = await p.one('SELECT gap_count AS gaps FROM telesto_attempts')
  p.system.script.status = () => Promise.reject(new Error('down'))
  await p.pass(30 * MINUTE, 10_000)
  expect(await p.one('SELECT gap_count AS gaps FROM telesto_attempts')).toEqual(counted)
  expect(await p.status(job)).toBe('Submitted')
})

test("The history's word wins over a gap", async () => {
  const p = await portal({ script: { has: ['history', 'recover'] }, limits: { pollSeconds: 5 } })
  const job = await p.accepted()
  const { token } = await p.row(job)
  await p.pass(6000)
  await p.says(job, undefined)
  const reads: readonly string[][] = []
  p.system.script.history = async (refs) => {
    ;(reads as string[][]).push(refs.map((ref) => ref.token))
    return new Map(refs.map((ref) => [ref.token, { state: 'failed', exitCode: 3, message: 'from the history' }]))
  }
  await p.pass(20_000)
  expect(reads).toEqual([[token]])
  expect(await p.read(job)).toMatchObject({ status: 'Error', cause: null, exitCode: 3, reason: 'from the history' })
})

test('The history is asked about gaps alone, and a history that fails makes no gap of them', async () => {
  const p = await portal({ script: { has: ['history', 'recover'] }, limits: { pollSeconds: 5 } })
  const [seen, missing] = [await p.accepted(), await p.accepted()]
  await p.pass(10_000)
  expect(p.system.count('history')).toBe(0)
  await p.says(missing, undefined)
  p.system.script.history = () => Promise.reject(new Error('sacct is away'))
  await p.pass(20 * MINUTE, 10_000)
  expect(p.system.callsOf('history').every(({ tokens }) => tokens.length === 1)).toBe(true)
  expect(p.system.count('history')).toBeGreaterThan(3)
  expect(await Promise.all([seen, missing].map(p.status))).toEqual(['Submitted', 'Submitted'])
  expect(await p.one('SELECT SUM(gap_count) AS gaps FROM telesto_attempts')).toEqual({ gaps: 0 })
})

/** A job in Error, cause "lost". */
const lostJob = async () => {
  const p = await portal({ limits: { pollSeconds: 10 } })
  const job = await p.accepted()
  await p.says(job, { state: 'running' })
  await p.pass(30_000)
  await p.says(job, undefined)
  await p.pass(4 * MINUTE, 2500)
  expect(await p.read(job)).toMatchObject({ status: 'Error', cause: 'lost' })
  expect((await p.read(job)).completionTime).toBeInstanceOf(Date)
  return { p, job }
}

test('A lost job is watched slowly for 24 hours, and then not any more', async () => {
  const { p, job } = await lostJob()
  const before = p.system.count('status')
  await p.pass(HOUR, 20_000)
  const inAnHour = p.system.count('status') - before
  expect(inAnHour).toBeGreaterThanOrEqual(10)
  expect(inAnHour).toBeLessThanOrEqual(13)
  await p.pass(23 * HOUR + 10 * MINUTE, 300_000)
  const asked = p.system.count('status')
  const writes = p.counts.writes
  await p.pass(2 * HOUR, 300_000)
  expect(p.system.count('status')).toBe(asked)
  expect(p.counts.writes).toBe(writes)
  expect(await p.read(job)).toMatchObject({ status: 'Error', cause: 'lost' })
  expect(await p.one('SELECT watch_due_at, watch_until FROM telesto_attempts')).toEqual({
    watch_due_at: null,
    watch_until: null,
  })
})

test('A lost job that runs again is running: neither lost nor ended, and polled as before', async () => {
  const { p, job } = await lostJob()
  await p.says(job, { state: 'running', nativeState: 'R' })
  await p.pass(6 * MINUTE, 2500)
  expect(await p.read(job)).toMatchObject({ status: 'Running', cause: null, reason: null, completionTime: null })
  const before = p.system.count('status')
  await p.pass(5 * MINUTE, 2500)
  expect(p.system.count('status') - before).toBeGreaterThan(5)
  await p.says(job, { state: 'succeeded' })
  await p.pass(MINUTE)
  const done = await p.read(job)
  expect(done).toMatchObject({ status: 'Complete', cause: null })
  const statuses = (await p.events(job)).filter(({ kind }) => kind === 'status').map((one) => Reflect.get(one, 'to'))
  expect(statuses).toEqual(['Submitted', 'Running', 'Error', 'Running', 'Results-Ready', 'Complete'])
})

test('A lost job that the scheduler later calls failed has failed: its own cause stands, and nobody watches it', async () => {
  const { p, job } = await lostJob()
  await p.says(job, { state: 'failed', exitCode: 9, cause: 'memory', message: 'out of memory' })
  await p.pass(6 * MINUTE, 2500)
  expect(await p.read(job)).toMatchObject({ status: 'Error', cause: 'memory', exitCode: 9, reason: 'out of memory' })
  expect(await p.one('SELECT cause, watch_due_at, ended FROM telesto_attempts')).toEqual({
    cause: 'memory',
    watch_due_at: null,
    ended: 1,
  })
  const before = p.system.count('status')
  await p.pass(30 * MINUTE, 10_000)
  expect(p.system.count('status')).toBe(before)
})

test('A lost job that had succeeded has its results collected, and the time of its end is then', async () => {
  const { p, job } = await lostJob()
  const lostAt = (await p.read(job)).completionTime as Date
  await p.says(job, { state: 'succeeded' })
  await p.pass(10 * MINUTE, 2500)
  const done = await p.read(job)
  expect(done).toMatchObject({ status: 'Complete', cause: null })
  expect(done.completionTime?.getTime()).toBeGreaterThan(lostAt.getTime())
})

test('A poll that mentions none of two jobs that it mentioned before is an outage, until the history speaks of one', async () => {
  const p = await portal({ script: { has: ['history', 'recover'] }, limits: { pollSeconds: 5 } })
  const jobs = [await p.accepted(), await p.accepted()]
  await p.pass(10_000)
  p.system.all(undefined)
  await p.pass(20 * MINUTE, 10_000)
  expect(await Promise.all(jobs.map(p.status))).toEqual(['Submitted', 'Submitted'])
  const record = await p.record()
  expect(record.health).toBe('degraded')
  expect(record.health_message).toMatch(/mentioned none of 2 jobs that it knew before/)
  expect(await p.one('SELECT SUM(gap_count) AS gaps FROM telesto_attempts')).toEqual({ gaps: 0 })

  const { token } = await p.row(jobs[0] as never)
  p.system.script.history = async () => new Map([[token as string, { state: 'succeeded' }]])
  await p.pass(20 * MINUTE, 10_000)
  expect(await p.status(jobs[0] as never)).toBe('Complete')
  expect((await p.record()).health).toBe('ok')
  // The other is alone now: gaps count again.
  expect(await p.read(jobs[1] as never)).toMatchObject({ status: 'Error', cause: 'lost' })
})

test('In such an outage, gaps count of jobs that a person stopped: what has really vanished can be ended, and no other is', async () => {
  const p = await portal({ limits: { pollSeconds: 5 } })
  const [left, vanished, other] = [await p.accepted(), await p.accepted(), await p.accepted()]
  await p.pass(10_000)
  p.system.all(undefined)
  await p.pass(10 * MINUTE, 10_000)
  expect((await p.record()).health_message).toMatch(/stop them: .* end as Aborted/)
  // Stopped, but the scheduler was not told yet: it may still run, unseen.
  p.system.script.cancel = () => Promise.reject(new Error('down'))
  await vanished.stop()
  await p.pass(HOUR, 60_000)
  expect(await p.status(vanished)).toBe('Submitted')
  delete p.system.script.cancel
  await p.pass(2 * HOUR, 60_000)
  expect(await p.read(vanished)).toMatchObject({
    status: 'Aborted',
    reason: 'The job was asked to stop, and the scheduler no longer knows it.',
  })
  expect(await Promise.all([left, other].map(p.status))).toEqual(['Submitted', 'Submitted'])
  expect((await p.record()).health).toBe('degraded')
  await left.stop()
  await other.stop()
  await p.pass(2 * HOUR, 60_000)
  expect(await Promise.all([left, other].map(p.status))).toEqual(['Aborted', 'Aborted'])
})

test('Two new jobs that no answer has mentioned yet are no outage', async () => {
  const p = await portal({ limits: { pollSeconds: 5 } })
  p.system.script.status = async () => new Map()
  const jobs = [await p.accepted(), await p.accepted()]
  await p.pass(MINUTE)
  expect((await p.record()).health).toBe('ok')
  await p.pass(2 * MINUTE)
  expect(await Promise.all(jobs.map(p.status))).toEqual(['Error', 'Error'])
})

test('A gap after an ordered cancel, kept up as long, is Aborted', async () => {
  const p = await portal({ limits: { pollSeconds: 5 } })
  const job = await p.accepted()
  await p.pass(6000)
  p.system.script.cancel = async (refs) => {
    await p.says(job, undefined)
    return new Map(refs.map(({ token }) => [token, 'ok']))
  }
  await job.stop()
  await p.pass(100_000)
  expect(await p.status(job)).toBe('Submitted')
  await p.pass(MINUTE)
  expect(await p.read(job)).toMatchObject({
    status: 'Aborted',
    cause: null,
    reason: 'The job was asked to stop, and the scheduler no longer knows it.',
  })
  expect((await p.row(job)).orderName).toBeNull()
})

test('A lost job that is found alive has no end in its history any more', async () => {
  const p = await portal({ limits: { pollSeconds: 5 } })
  const job = await p.accepted()
  await p.says(job, { state: 'running' })
  await p.pass(10_000)
  await p.says(job, undefined)
  await p.pass(4 * MINUTE)
  expect(await (await p.read(job)).attempts()).toMatchObject([{ status: 'Error', cause: 'lost' }])
  await p.says(job, { state: 'running' })
  await p.pass(10 * MINUTE, 5000)
  expect(await p.status(job)).toBe('Running')
  expect(await (await p.read(job)).attempts()).toMatchObject([{ status: null, cause: null, completionTime: null }])
})
