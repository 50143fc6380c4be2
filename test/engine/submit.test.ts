import path from 'node:path'
import { expect, test } from 'vitest'
import { type NativeId, SchedulerError, type Token } from '../../src/adapter.js'
import type { Job } from '../../src/job.js'
import { look } from '../database.js'
import { type Portal, portal } from './portal.js'
import { hangs, held } from './scripted-adapter.js'

const MINUTE = 60_000

/** What another process sees of the attempts at this very moment. */
const lookFromOutside = async (p: Portal) =>
  await look(p.directory, 'SELECT token, handed_over_at, live, native_id FROM telesto_attempts ORDER BY id')
const strays = (p: Portal) => p.all('SELECT token, native_id, tries FROM telesto_strays')
const notes = async (p: Portal, job: Job) =>
  (await p.events(job)).filter(({ kind }) => kind === 'note').map((one) => String(Reflect.get(one, 'reason')))

test('"Handed over" is committed before the adapter is called', async () => {
  const p = await portal()
  const seen: unknown[] = []
  p.system.script.submit = async (requests, signal) => {
    seen.push(...(await lookFromOutside(p)))
    return await p.system.good.submit(requests, signal)
  }
  const job = await p.accepted()
  const { token, handedOverAt } = await p.row(job)
  expect(handedOverAt).toBeGreaterThan(0)
  expect(seen).toEqual([{ token, handed_over_at: handedOverAt, live: 1, native_id: null }])
  expect(p.system.callsOf('submit').map(({ tokens }) => tokens)).toEqual([[token]])
})

test('An attempt is handed over with its own directory, its name, where its inputs are, and the attempt before it', async () => {
  const p = await portal()
  const requests: Record<string, unknown>[] = []
  p.system.script.submit = async (list, signal) => {
    requests.push(...list.map((one) => ({ ...one })))
    return await p.system.good.submit(list, signal)
  }
  const job = await p.accepted({ name: 'run {id}', does: 'model' })
  const first = await p.row(job)
  await p.says(job, { state: 'failed' })
  await p.pass(30_000)
  await (await p.read(job)).resubmit()
  await p.pass(1000)
  const home = path.join(p.directory, 'jobs', 'flood', 'ada')
  const both = { jobType: 'SCRIPTED', name: `run ${job.id}`, spec: { does: 'model' }, inputRoots: [home, p.directory] }
  expect(requests).toEqual([
    { ...both, token: first.token, workdir: path.join(home, String(job.id), '1') },
    {
      ...both,
      token: (await p.row(job)).token,
      workdir: path.join(home, String(job.id), '2'),
      previous: { token: first.token, nativeId: first.nativeId, jobType: 'SCRIPTED', workdir: first.workdir },
    },
  ])
})

test('The attempt before it is the last one that its scheduler had: not one that was refused, nor one of another scheduler', async () => {
  const p = await portal()
  const previous: (string | undefined)[] = []
  p.system.script.submit = async (list, signal) => {
    previous.push(...list.map((one) => one.previous?.token))
    if (previous.length === 2)
      return new Map(list.map(({ token }) => [token, new SchedulerError('rejected', 'The disk is full.')]))
    return await p.system.good.submit(list, signal)
  }
  const again = async () => {
    await (await p.read(job)).resubmit()
    await p.pass(1000)
  }
  const job = await p.accepted()
  const first = await p.row(job)
  await p.says(job, { state: 'failed' })
  await p.pass(30_000)
  await again()
  expect(await p.status(job)).toBe('Error')
  await again()
  expect(previous).toEqual([undefined, first.token, first.token])
  await p.says(job, { state: 'failed' })
  await p.pass(30_000)
  await look(p.directory, 'UPDATE telesto_attempts SET scheduler_id = 99 WHERE job_id = $1', [job.id])
  await again()
  expect(previous.at(-1)).toBeUndefined()
  expect(previous).toHaveLength(4)
})

test('The lease is looked at again between "handed over" and submit: who lost it does not submit', async () => {
  const p = await portal({ start: false })
  const job = await p.job()
  const { token } = await p.row(job)
  let stolen = false
  p.faults.beforeRead = async (sql) => {
    const [attempt] = await lookFromOutside(p)
    if (stolen || !attempt?.handed_over_at || !/ AS held FROM telesto_schedulers/.test(sql)) return
    stolen = true
    await look(p.directory, `UPDATE telesto_schedulers SET orders_owner = 'another machine 1 1 x'`)
  }
  p.engine.start()
  await p.pass(60_000)
  expect(stolen).toBe(true)
  expect(p.system.count('submit')).toBe(0)
  expect((await p.row(job)).handedOverAt).not.toBeNull()
  // The thief never came back: its lease ends, and what became of the attempt is asked before anything else.
  await p.pass(2 * MINUTE)
  expect(p.system.calls.map(({ method }) => method).filter((one) => one !== 'status')).toEqual(['recover', 'submit'])
  expect((await p.row(job)).token).not.toBe(token)
  expect(await p.status(job)).toBe('Submitted')
})

test('Answers differ by job: accepted, invalid, rejected, unavailable, garbage, not tried', async () => {
  const p = await portal({ start: false })
  const names = ['good', 'invalid', 'rejected', 'down', 'garbage', 'empty', 'untried'] as const
  const jobs = new Map<string, Job>()
  for (const name of names) jobs.set(name, await p.job({ name }))
  const of = (name: string) => jobs.get(name) as Job
  const recovered: Token[] = []
  let knows = false
  p.system.script.recover = async (attempts, signal) => {
    if (!knows) return new Map()
    recovered.push(...attempts.map(({ token }) => token))
    return knows ? await p.system.good.recover(attempts, signal) : new Map()
  }
  p.system.script.submit = async (requests) => {
    if (requests.length < names.length) return await p.system.good.submit(requests, new AbortController().signal)
    return new Map<Token, unknown>(
      requests.flatMap(({ name, token }): [Token, unknown][] => {
        if (name === 'good') return [[token, p.system.accept(token).nativeId]]
        if (name === 'invalid') return [[token, new SchedulerError('invalid_job', 'no such queue')]]
        if (name === 'rejected') return [[token, new SchedulerError('rejected', 'quota')]]
        if (name === 'down') return [[token, new SchedulerError('unavailable', 'cut')]]
        if (name === 'garbage') return [[token, { id: 7 }]]
        return name === 'empty' ? [[token, '']] : []
      }),
    )
  }
  const before = new Map<string, Token | null>(
    await Promise.all(names.map(async (name) => [name, (await p.row(of(name))).token] as const)),
  )
  p.engine.start()
  await p.pass(200)
  expect(await p.read(of('good'))).toMatchObject({ status: 'Submitted' })
  expect(await p.read(of('invalid'))).toMatchObject({ status: 'Error', cause: 'submit', reason: 'no such queue' })
  expect(await p.read(of('rejected'))).toMatchObject({ status: 'Error', cause: 'submit', reason: 'quota' })
  for (const name of ['down', 'garbage', 'empty']) {
    expect(await p.read(of(name))).toMatchObject({ status: 'Pending' })
    expect((await p.row(of(name))).orderName).toBe('submit')
  }
  knows = true
  await p.pass(10_000)
  expect(new Set(recovered)).toEqual(new Set([before.get('down'), before.get('garbage'), before.get('empty')]))
  for (const name of ['down', 'garbage', 'empty']) {
    expect(await p.status(of(name))).toBe('Submitted')
    expect((await p.row(of(name))).token).not.toBe(before.get(name))
  }
  // Not tried: handed over again, under a new token.
  expect(await p.status(of('untried'))).toBe('Submitted')
  expect((await p.row(of('untried'))).token).not.toBe(before.get('untried'))
  expect((await p.record()).health).toBe('ok')
  expect(p.system.jobs.size).toBe(5)
})

test('An adapter that never tries anything is asked ever more rarely', async () => {
  const p = await portal()
  p.system.script.submit = async () => new Map()
  const job = await p.job()
  await p.pass(10 * MINUTE, 5000)
  expect(p.system.count('submit')).toBeGreaterThan(5)
  expect(p.system.count('submit')).toBeLessThan(20)
  expect(await p.status(job)).toBe('Pending')
  delete p.system.script.submit
  await p.pass(2 * MINUTE)
  expect(await p.status(job)).toBe('Submitted')
})

test.each([
  ['throws', () => Promise.reject(new SchedulerError('unavailable', 'connection reset'))],
  ['throws what is no SchedulerError', () => Promise.reject(new TypeError('undefined is not a function'))],
  ['hangs', hangs],
  ['answers no Map', async () => ['native-1']],
] as const)(
  'A submit that %s leaves the fate open: nothing is submitted again before recover answers',
  async (_how, submit) => {
    const p = await portal()
    p.system.script.submit = submit as never
    p.system.script.recover = async () => new Map()
    const job = await p.job()
    const { token } = await p.row(job)
    await p.pass(5 * MINUTE, 2500)
    expect(p.system.count('submit')).toBe(1)
    expect(p.system.count('recover')).toBeGreaterThan(2)
    expect(p.system.callsOf('recover').every(({ tokens }) => tokens.length === 1 && tokens[0] === token)).toBe(true)
    expect((await p.record()).health).toMatch(/ok|degraded/)
    expect(await p.read(job)).toMatchObject({ status: 'Pending' })

    delete p.system.script.submit
    delete p.system.script.recover
    await p.pass(2 * MINUTE)
    const now = await p.row(job)
    expect(p.system.count('submit')).toBe(2)
    expect(now.token).not.toBe(token) // absent: the old token is retired for ever
    expect(p.system.callsOf('submit').at(-1)?.tokens).toEqual([now.token])
    expect(await p.status(job)).toBe('Submitted')
    expect(await strays(p)).toEqual([])
  },
)

test('A submit whose answer was lost is recovered by its id, and never repeated', async () => {
  const p = await portal()
  p.system.script.submit = async (requests) => {
    for (const { token } of requests) p.system.accept(token)
    throw new SchedulerError('unavailable', 'the link broke before the answer came')
  }
  const job = await p.job()
  const { token } = await p.row(job)
  await p.pass(MINUTE)
  expect(await p.status(job)).toBe('Submitted')
  expect(await p.row(job)).toMatchObject({ token, nativeId: 'native-1', orderName: null, orderError: null })
  expect(p.system.count('submit')).toBe(1)
})

test('While recover cannot tell, it is asked ever more rarely, and the job says what it waits for', async () => {
  const p = await portal()
  p.system.script.submit = () => Promise.reject(new SchedulerError('unavailable', 'cut'))
  p.system.script.recover = async () => new Map()
  const job = await p.job()
  await p.pass(30 * MINUTE, 10_000)
  expect(p.system.count('submit')).toBe(1)
  const asked = p.system.count('recover')
  expect(asked).toBeGreaterThan(20)
  expect(asked).toBeLessThan(45) // doubling from half a second to a minute
  expect((await p.row(job)).orderError).toBe('The scheduler cannot tell yet whether it has the job.')
})

test('Without recover a submission is uncertain, said once; Stop takes it as unwanted, and a late id is then a stray', async () => {
  const p = await portal({ script: { has: ['hold', 'release'] } })
  const { promise, resolve } = held<ReadonlyMap<Token, NativeId>>()
  p.system.script.submit = () => promise as never
  const job = await p.job()
  const { token } = await p.row(job)
  await p.pass(5 * MINUTE, 2500)
  expect(p.system.count('submit')).toBe(1)
  expect((await p.row(job)).orderError).toMatch(/^submission uncertain/)
  await p.pass(60 * MINUTE, 60_000)
  expect(await notes(p, job)).toEqual([expect.stringMatching(/^submission uncertain.*Stop or resubmit it\.$/)])

  await (await p.read(job)).stop()
  await p.pass(10_000)
  expect(await p.read(job)).toMatchObject({
    status: 'Aborted',
    reason: 'Stopped while it was uncertain whether the scheduler has the job.',
  })
  resolve(new Map([[token as string, p.system.accept(token as string).nativeId]]))
  await p.pass(MINUTE)
  expect(p.system.callsOf('cancel').map(({ tokens }) => tokens)).toEqual([[token]])
  expect(p.system.jobs.get(token as string)?.report).toEqual({ state: 'cancelled' })
  expect(await strays(p)).toEqual([])
  expect((await notes(p, job)).at(-1)).toBe(
    'The scheduler has a job native-1 that is no longer wanted; it is being cancelled.',
  )
  expect(await p.status(job)).toBe('Aborted')
})

test('Without recover, Resubmit starts a new attempt; a late id of the old one becomes a stray', async () => {
  const p = await portal({ script: { has: [] } })
  const { promise, resolve } = held<ReadonlyMap<Token, NativeId>>()
  p.system.script.submit = () => promise as never
  const job = await p.job()
  const { token } = await p.row(job)
  await p.pass(3 * MINUTE)
  delete p.system.script.submit
  await (await p.read(job)).resubmit()
  await p.pass(2 * MINUTE)
  const again = await p.row(job)
  expect(again).toMatchObject({ attemptNumber: 2, nativeId: 'native-1' })
  resolve(new Map([[token as string, p.system.accept(token as string).nativeId]]))
  await p.pass(MINUTE)
  expect(p.system.jobs.get(token as string)?.report).toEqual({ state: 'cancelled' })
  expect(p.system.jobs.get(again.token as string)?.report).toEqual({ state: 'queued' })
  expect(await strays(p)).toEqual([])
  expect(await p.read(job)).toMatchObject({ status: 'Submitted' })
})

test('An id that comes after the deadline is stored all the same', async () => {
  const p = await portal()
  const { promise, resolve } = held<ReadonlyMap<Token, NativeId>>()
  p.system.script.submit = () => promise as never
  p.system.script.recover = async () => new Map()
  const job = await p.job()
  const { token } = await p.row(job)
  await p.pass(61_000)
  expect((await p.row(job)).nativeId).toBeNull()
  resolve(new Map([[token as string, p.system.accept(token as string).nativeId]]))
  await p.settled()
  expect(await p.row(job)).toMatchObject({ nativeId: 'native-1', token, orderName: null })
  expect(await p.status(job)).toBe('Submitted')
  await p.pass(MINUTE)
  expect(p.system.count('submit')).toBe(1)
  expect(await strays(p)).toEqual([])
})

test('An id that comes after "absent" is a stray: cancelled until it is gone, and told', async () => {
  const p = await portal()
  const { promise, resolve } = held<ReadonlyMap<Token, NativeId>>()
  p.system.script.submit = () => promise as never
  const job = await p.job()
  const { token } = await p.row(job)
  await p.pass(60_200, 200)
  delete p.system.script.submit
  await p.pass(2 * MINUTE)
  expect((await p.row(job)).token).not.toBe(token)
  expect(await p.status(job)).toBe('Submitted')
  // The promise was broken: the first attempt runs all the same, and ignores the first two cancels.
  const late = p.system.accept(token as string)
  late.report = { state: 'running' }
  let cancels = 0
  p.system.script.cancel = async (refs, signal) => {
    if (++cancels <= 2) return new Map(refs.map((ref) => [ref.token, 'ok']))
    return await p.system.good.cancel(refs, signal)
  }
  resolve(new Map([[token as string, late.nativeId]]))
  await p.pass(MINUTE)
  expect(cancels).toBe(3)
  expect(late.report).toEqual({ state: 'cancelled' })
  expect(await strays(p)).toEqual([])
  expect(await notes(p, job)).toEqual([
    `The scheduler has a job ${late.nativeId} that is no longer wanted; it is being cancelled.`,
  ])
  expect(await p.status(job)).toBe('Submitted')
})

test('A second id for one attempt is a stray; the first one stays', async () => {
  const p = await portal()
  const { promise, resolve } = held<ReadonlyMap<Token, NativeId>>()
  p.system.script.submit = (requests) => {
    for (const { token } of requests) p.system.accept(token)
    return promise as never
  }
  const job = await p.job()
  const { token } = await p.row(job)
  await p.pass(2 * MINUTE) // recovered by its id meanwhile
  expect((await p.row(job)).nativeId).toBe('native-1')
  const cancelled: unknown[] = []
  p.system.script.cancel = async (refs) => {
    cancelled.push(...refs.map(({ nativeId }) => nativeId))
    return new Map(refs.map((ref) => [ref.token, 'ok']))
  }
  p.system.script.status = async (refs) =>
    new Map(refs.flatMap((ref) => (ref.nativeId === 'native-1' ? [[ref.token, { state: 'running' }]] : [])))
  resolve(new Map([[token as string, 'the-double']]))
  // Nothing mentions the double, which may only be slow to appear: it is cancelled again and again for two minutes.
  await p.pass(4 * MINUTE, 2500)
  expect(new Set(cancelled)).toEqual(new Set(['the-double']))
  expect(await strays(p)).toEqual([])
  expect(await p.row(job)).toMatchObject({ nativeId: 'native-1', token })
  expect(await p.status(job)).toBe('Running')
})

test('Strays are chased together: one cancel and one question for all, and those of one token one after the other', async () => {
  const p = await portal({ start: false })
  for (const token of ['a', 'b', 'c']) p.system.accept(token).report = { state: 'running' }
  const values = ['a', 'b', 'c'].map(
    (token) => `('${token}', 'native-of-${token}', 1, 'SCRIPTED', ${p.scheduler.id}, '/w', 0)`,
  )
  values.push(`('a', 'the-double', 1, 'SCRIPTED', ${p.scheduler.id}, '/w', 0)`)
  await p.run(
    `INSERT INTO telesto_strays (token, native_id, job_id, job_type, scheduler_id, workdir, due_at) VALUES ${values.join(', ')}`,
  )
  p.engine.start()
  await p.pass(10_000)
  expect(p.system.callsOf('cancel').map(({ tokens }) => tokens)).toEqual([['a', 'b', 'c'], ['a']])
  expect(p.system.count('status')).toBe(2)
  expect(await strays(p)).toEqual([])
})

test('A job that was not tried because its token is no longer taken goes under a new one', async () => {
  const p = await portal({ start: false })
  const job = await p.job()
  // Another process was told "absent", and died before it could say so: what is late finds the claim on the token taken.
  const { token: retired } = await p.row(job)
  p.system.script.submit = async (requests, signal) =>
    requests.some(({ token }) => token === retired) ? new Map() : await p.system.good.submit(requests, signal)
  p.engine.start()
  await p.pass(10_000)
  expect(await p.status(job)).toBe('Submitted')
  expect((await p.row(job)).token).not.toBe(retired)
})

/** A job inside submit(), which ends when the test says so. */
const duringSubmit = async () => {
  const p = await portal()
  const gate = held<void>()
  p.system.script.submit = async (requests, signal) => {
    await gate.promise
    return await p.system.good.submit(requests, signal)
  }
  const job = await p.job()
  await p.pass(1000)
  expect(p.system.count('submit')).toBe(1)
  return { p, job, go: gate.resolve }
}

test('Stop during submit: the id is stored, and the job cancelled', async () => {
  const { p, job, go } = await duringSubmit()
  await job.stop()
  await p.pass(2000)
  expect(await p.status(job)).toBe('Pending')
  go()
  await p.pass(30_000)
  expect(await p.row(job)).toMatchObject({ nativeId: 'native-1', orderName: null })
  expect(p.system.count('cancel')).toBeGreaterThanOrEqual(1)
  expect(await p.status(job)).toBe('Aborted')
  expect(await strays(p)).toEqual([])
})

test('Stop during a submit that turns out not to have happened: Aborted, nothing is submitted', async () => {
  const { p, job } = await duringSubmit()
  await job.stop()
  await p.pass(3 * MINUTE)
  expect(p.system.count('submit')).toBe(1)
  expect(p.system.count('recover')).toBeGreaterThanOrEqual(1)
  expect(await p.read(job)).toMatchObject({ status: 'Aborted', reason: 'Stopped before the scheduler had it.' })
})

test.each<[string, SchedulerError | undefined]>([
  ['refuses the job', new SchedulerError('rejected', 'quota')],
  ['did not try it', undefined],
])('Stop during a submit that %s: Aborted', async (_how, answer) => {
  const p = await portal()
  const gate = held<void>()
  p.system.script.submit = async (requests): Promise<unknown> => {
    await gate.promise
    return new Map(requests.flatMap(({ token }): [Token, unknown][] => (answer ? [[token, answer]] : [])))
  }
  const job = await p.job()
  await p.pass(1000)
  await job.stop()
  gate.resolve()
  await p.pass(5000)
  expect(await p.read(job)).toMatchObject({ status: 'Aborted', cause: null })
  expect(p.system.count('submit')).toBe(1)
})

test('Delete during submit: the job is cancelled, then its row goes', async () => {
  const { p, job, go } = await duringSubmit()
  await job.delete({ stop: true })
  expect(await p.app.getJob(job.id)).toBeNull()
  go()
  await p.pass(2 * MINUTE)
  await p.until(async () => (await p.all('SELECT id FROM telesto_jobs')).length === 0)
  expect([...p.system.jobs.values()].map(({ report }) => report)).toEqual([{ state: 'cancelled' }])
  expect(await p.all('SELECT id FROM telesto_attempts')).toEqual([])
  expect(await strays(p)).toEqual([])
})

test('Resubmit while a poll is under way: its answer is about the old attempt, and is dropped', async () => {
  const p = await portal()
  const job = await p.accepted()
  await p.says(job, { state: 'failed' })
  await p.pass(15_000)
  await (await p.read(job)).resubmit()
  await p.pass(2000)
  expect(await p.status(job)).toBe('Submitted')
  await p.says(job, { state: 'failed', message: 'the second' })
  await p.pass(15_000)
  expect(await p.status(job)).toBe('Error')

  const third = await p.accepted()
  const { promise, resolve } = held<void>()
  p.system.script.status = async (refs): Promise<unknown> => {
    await promise
    return new Map(refs.map(({ token }) => [token, { state: 'failed', message: 'an old story' }]))
  }
  await p.pass(15_000)
  const old = await p.row(third)
  // Nothing but a lost job can be resubmitted while it is polled.
  await p.run(`UPDATE telesto_jobs SET status_code = 'ERR', cause = 'lost' WHERE id = ${third.id}`)
  await (await p.read(third)).resubmit()
  resolve()
  delete p.system.script.status
  await p.pass(2000)
  const now = await p.row(third)
  expect(now.token).not.toBe(old.token)
  expect(now).toMatchObject({ statusCode: 'SUB', attemptNumber: 2, reason: null })
  expect(p.system.jobs.get(old.token as string)?.report).toEqual({ state: 'cancelled' })
})

test('A job of an app that this process has not declared waits, holds up nobody, and can be stopped', async () => {
  const p = await portal({ limits: { pollSeconds: 1, maxActiveJobs: 1, maxActiveJobsPerUser: 5 }, start: false })
  const [first, second] = [await p.job(), await p.job()]
  const flood = p.core.apps.get('flood')
  if (!flood) throw new Error('It is declared.')
  p.core.apps.delete('flood')
  p.engine.start()
  await p.pass(10_000)
  expect(p.system.count('submit')).toBe(0)
  expect((await p.read(first)).waitingFor).toContain('has not declared the app flood')
  await second.stop()
  expect(await p.status(second)).toBe('Aborted')

  p.core.apps.set('tide', { ...flood, name: 'tide' })
  await p.pass(2_000)
  expect(p.system.count('submit')).toBe(0)
  p.core.apps.set('flood', flood)
  await p.pass(2_000)
  expect(await p.status(first)).toBe('Submitted')

  // What was handed over is looked after by whoever there is.
  p.core.apps.clear()
  await p.says(first, { state: 'running' })
  await p.pass(5_000)
  expect(await p.status(first)).toBe('Running')
})
