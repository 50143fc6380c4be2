import { expect, test } from 'vitest'
import { SchedulerError } from '../../src/adapter.js'
import { portal } from './portal.js'
import { hangs, held } from './scripted-adapter.js'

const MINUTE = 60_000

/** What must not change while a scheduler cannot be asked. */
const pictureOf = async (p: Awaited<ReturnType<typeof portal>>) => ({
  jobs: await p.all('SELECT * FROM telesto_jobs ORDER BY id'),
  attempts: await p.all('SELECT * FROM telesto_attempts ORDER BY id'),
  events: await p.all(`SELECT * FROM telesto_events WHERE kind <> 'health' ORDER BY id`),
})
const pauses = (times: readonly number[]): number[] => times.slice(1).map((at, index) => at - (times[index] as number))

test('An adapter whose status throws for 10 minutes of injected time, then hangs, then answers garbage, then answers: no job changed', async () => {
  const p = await portal({ limits: { pollSeconds: 10, maxPollsPerMinute: 4 } })
  const jobs = [await p.accepted(), await p.accepted(), await p.accepted()]
  p.system.all({ state: 'running', nativeState: 'R' })
  await p.pass(30_000)
  expect(await Promise.all(jobs.map(p.status))).toEqual(['Running', 'Running', 'Running'])
  const before = await pictureOf(p)
  const asked = () => p.system.callsOf('status').map(({ at }) => at)

  p.system.script.status = () => Promise.reject(new SchedulerError('unavailable', 'no route to host'))
  const outage = asked().length
  await p.pass(10 * MINUTE, 2000)
  expect(await pictureOf(p)).toEqual(before)
  expect(await p.record()).toMatchObject({ health: 'degraded', health_message: 'no route to host' })
  const during = asked().slice(outage)
  // 15 s, 30 s, 60 s, 120 s, 240 s, each a tenth more or less: not more than that, and not less.
  expect(during.length).toBeGreaterThanOrEqual(5)
  expect(during.length).toBeLessThanOrEqual(7)
  const grows = pauses(during)
  for (const [index, pause] of grows.slice(1).entries()) expect(pause).toBeGreaterThan((grows[index] ?? 0) * 1.4)

  p.system.script.status = hangs
  await p.pass(40 * MINUTE, 10_000)
  expect(await pictureOf(p)).toEqual(before)
  expect((await p.record()).health_message).toBe('No answer within 60 s.')

  const answers: unknown[] = [undefined, 'all is well', [], new Map([['x', 1]]), { get: () => 'running' }]
  const garbage = asked().length
  p.system.script.status = async (refs) => {
    const nonsense = answers.shift()
    return nonsense instanceof Map ? new Map(refs.map(({ token }) => [token, { state: 'fine' }])) : nonsense
  }
  await p.pass(80 * MINUTE, 10_000)
  expect(asked().length - garbage).toBeGreaterThanOrEqual(5)
  expect(await pictureOf(p)).toEqual(before)
  expect(await p.record()).toMatchObject({ health: 'degraded' })
  for (const pause of pauses(asked())) {
    expect(pause).toBeGreaterThanOrEqual(15_000 - 100)
    expect(pause).toBeLessThanOrEqual(15 * MINUTE + 90_000) // one that hangs takes its minute, and time passes in steps
  }

  delete p.system.script.status
  await p.pass(16 * MINUTE, 5000)
  expect(await p.record()).toMatchObject({ health: 'ok', health_message: null, poll_failures: 0 })
  expect(await pictureOf(p)).toEqual(before)
  const health = (await p.events()).filter(({ kind }) => kind === 'health').map((event) => Reflect.get(event, 'health'))
  expect(health).toEqual(['degraded', 'ok'])
  p.system.all({ state: 'succeeded' })
  await p.pass(MINUTE)
  expect(await Promise.all(jobs.map(p.status))).toEqual(['Complete', 'Complete', 'Complete'])
})

test('The pauses of an outage double up to 15 minutes, and never exceed them', async () => {
  const p = await portal({ limits: { pollSeconds: 60 } })
  await p.accepted()
  await p.pass(2 * MINUTE)
  p.system.script.status = () => Promise.reject(new SchedulerError('unavailable', 'down'))
  const before = p.system.count('status')
  await p.pass(3 * 60 * MINUTE, 15_000)
  const waits = pauses(
    p.system
      .callsOf('status')
      .slice(before)
      .map(({ at }) => at),
  )
  expect(waits.length).toBeGreaterThan(10)
  for (const wait of waits) expect(wait).toBeLessThanOrEqual(15 * MINUTE + 18_000)
  for (const wait of waits.slice(5)) expect(wait).toBeGreaterThanOrEqual(0.9 * 15 * MINUTE)
})

test('Refused credentials block a record, which is asked every 15 minutes, and are forgotten when it answers', async () => {
  const p = await portal()
  const job = await p.accepted()
  await p.pass(20_000)
  p.system.script.status = () => Promise.reject(new SchedulerError('auth', 'wrong password'))
  const before = p.system.count('status')
  await p.pass(61 * MINUTE, 5000)
  expect(await p.record()).toMatchObject({ health: 'blocked', health_message: 'wrong password' })
  const asked = p.system.count('status') - before
  expect(asked).toBeGreaterThanOrEqual(4)
  expect(asked).toBeLessThanOrEqual(6)
  expect(await p.status(job)).toBe('Submitted')
  delete p.system.script.status
  await p.pass(16 * MINUTE, 5000)
  expect(await p.record()).toMatchObject({ health: 'ok', health_message: null })
})

test('An answer that cannot be understood degrades the record and says what was wrong with it', async () => {
  const cases: [unknown, RegExp][] = [
    [null, /it is no Map/],
    [new Set(), /it is no Map/],
    [{ state: 'exploded' }, /the state "exploded" is unknown/],
    ['running', /a report is no object/],
    [{ state: 'running', exitCode: 1.5 }, /exitCode is no whole number/],
    [{ state: 'running', startedAt: new Date(Number.NaN) }, /startedAt is no time/],
    [{ state: 'failed', cause: 'gremlins' }, /its cause is unknown/],
    [{ state: 'running', message: 7 }, /message is no string/],
    [{ parts: 'many' }, /its parts are no list/],
    [{ parts: [{ name: '', state: 'running' }] }, /a part has no name/],
    [{ parts: [{ name: 'a', state: 'gone' }] }, /the state of a part is unknown/],
    [
      {
        parts: [
          { name: 'a', state: 'running' },
          { name: 'a', state: 'failed' },
        ],
      },
      /two parts have one name/,
    ],
  ]
  const p = await portal({ limits: { pollSeconds: 1 } })
  const job = await p.accepted()
  await p.pass(5000)
  for (const [answer, message] of cases) {
    p.system.script.status = async (refs) =>
      answer === null || answer instanceof Set ? answer : new Map(refs.map(({ token }) => [token, answer]))
    await p.run('UPDATE telesto_schedulers SET next_poll_at = 0, health_message = NULL')
    await p.pass(400, 200)
    const record = await p.record()
    expect(record.health).toBe('degraded')
    expect(record.health_message).toMatch(message)
    expect(await p.status(job)).toBe('Submitted')
  }
})

test('What an adapter throws that is no SchedulerError is a bug of the adapter: protocol, and no job changes', async () => {
  const thrown = [
    new Error('oops'),
    'a string',
    undefined,
    Object.create(null) as object,
    Object.assign(new Error('odd'), { name: 'SchedulerError', code: 'made up' }),
  ]
  const p = await portal({ limits: { pollSeconds: 1 } })
  const job = await p.accepted()
  await p.pass(5000)
  for (const one of thrown) {
    p.system.script.status = () => {
      throw one
    }
    await p.run('UPDATE telesto_schedulers SET next_poll_at = 0, health_message = NULL')
    await p.pass(400, 200)
    expect((await p.record()).health_message).toMatch(/^The adapter threw .*, which is no SchedulerError\.$/)
  }
  expect((await p.record()).health_message).toContain('SchedulerError: odd')
  expect(await p.status(job)).toBe('Submitted')
  expect(p.lines.filter(({ message }) => message === 'unexpected')).toEqual([])
})

test('The same of an order: an adapter that throws anything backs the record off, and the order stays', async () => {
  const p = await portal()
  const job = await p.accepted()
  p.system.script.cancel = () => {
    throw Object.create(null) as object
  }
  await job.stop()
  await p.pass(2000)
  expect(await p.record()).toMatchObject({ health: 'degraded', orders_owner: null, orders_failures: 1 })
  expect((await p.row(job)).orderName).toBe('cancel')
  expect(p.lines.filter(({ message }) => message === 'unexpected')).toEqual([])
  const tries = p.system.count('cancel')
  await p.pass(10 * MINUTE, 2500)
  expect(p.system.count('cancel') - tries).toBeLessThanOrEqual(6)
  delete p.system.script.cancel
  // The longest pause there is, and what jitter may add to it.
  await p.pass(17 * MINUTE, 2500)
  expect(await p.status(job)).toBe('Aborted')
  expect((await p.record()).health).toBe('ok')
})

test('Answers about jobs that nobody asked about are ignored and logged', async () => {
  const p = await portal()
  const [job, other] = [await p.accepted(), await p.accepted()]
  await p.pass(15_000)
  p.system.script.status = async (refs) =>
    new Map<unknown, unknown>([
      ...refs.map(({ token }) => [token, { state: 'running' }] as const),
      ['t-of-a-stranger', { state: 'failed' }],
      [42, { nonsense: true }],
    ])
  await p.pass(30_000)
  expect(await p.status(job)).toBe('Running')
  expect(await p.status(other)).toBe('Running')
  expect((await p.record()).health).toBe('ok')
  expect(p.lines).toContainEqual({
    level: 'warn',
    fields: { tokens: ['t-of-a-stranger', 42], count: 2 },
    message: 'an adapter answered about jobs that nobody asked about',
  })
  const { n } = await p.one<{ n: number }>('SELECT COUNT(*) AS n FROM telesto_jobs')
  expect(n).toBe(2)
})

test('An adapter cannot change the lists that it is given', async () => {
  const p = await portal()
  const jobs = [await p.accepted(), await p.accepted()]
  p.system.all({ state: 'running' })
  let frozen = false
  p.system.script.status = async (refs) => {
    frozen = Object.isFrozen(refs)
    ;(refs as unknown as unknown[]).pop()
    return new Map()
  }
  await p.pass(15_000)
  expect(frozen).toBe(true)
  expect((await p.record()).health_message).toMatch(/TypeError/)
  p.system.script.submit = async (requests) => {
    const answer = await p.system.good.submit([...requests], new AbortController().signal)
    Reflect.set(requests, 'length', 0)
    return answer
  }
  const third = await p.job()
  await p.pass(2000)
  expect((await p.row(third)).nativeId).toBe('native-3')
  delete p.system.script.status
  await p.pass(MINUTE)
  expect(await Promise.all([...jobs, third].map(p.status))).toEqual(['Running', 'Running', 'Submitted'])
})

test('A call that outlives its deadline is left behind: its connection is closed, another is opened, its answer thrown away', async () => {
  const p = await portal()
  const job = await p.accepted()
  const { promise, resolve } = held<ReadonlyMap<string, { state: 'failed' }>>()
  let asked: string[] = []
  p.system.script.status = (refs) => {
    asked = refs.map(({ token }) => token)
    return promise
  }
  await p.pass(15_000)
  const connections = p.system.connections
  const closed = p.system.closed
  await p.pass(62_000)
  expect(p.system.callsOf('status').at(-1)?.signal?.aborted).toBe(true)
  expect(p.system.closed).toBe(closed + 1)
  delete p.system.script.status
  resolve(new Map(asked.map((token) => [token, { state: 'failed' }])))
  await p.pass(MINUTE)
  expect(p.system.connections).toBeGreaterThan(connections)
  expect(await p.status(job)).toBe('Submitted')
})

test('A connection that cannot be closed, or a configuration that its adapter no longer takes, brings nothing down', async () => {
  const p = await portal()
  const job = await p.accepted()
  p.system.script.close = () => {
    throw new TypeError('close() is broken')
  }
  p.system.script.status = () => Promise.reject(new SchedulerError('unavailable', 'down'))
  await p.pass(15_000)
  expect(p.lines).toContainEqual(expect.objectContaining({ level: 'warn', message: 'closing a scheduler failed' }))
  delete p.system.script.close
  delete p.system.script.status

  await p.run(`UPDATE telesto_schedulers SET config = '{"password":"old"}'`)
  await job.stop()
  await p.pass(MINUTE)
  const record = await p.record()
  expect(record).toMatchObject({ health: 'degraded', poll_owner: null, orders_owner: null })
  expect(record.health_message).toMatch(/ZodError/)
  expect(p.lines.filter(({ message }) => message === 'unexpected')).toEqual([])
  await p.run(`UPDATE telesto_schedulers SET config = '{}'`)
  await p.pass(5 * MINUTE)
  expect(await p.status(job)).toBe('Aborted')
})

test('What was answered before the link failed was answered: the first chunk counts, its gaps do not', async () => {
  const p = await portal({ limits: { maxIdsPerPoll: 2 } })
  const jobs = [await p.accepted(), await p.accepted(), await p.accepted(), await p.accepted()]
  await p.pass(15_000)
  await p.says(jobs[0] as never, { state: 'running' })
  await p.says(jobs[1] as never, undefined)
  let chunks = 0
  p.system.script.status = async (refs, signal) => {
    if (++chunks % 2 === 0) throw new SchedulerError('unavailable', 'cut')
    return await p.system.good.status(refs, signal)
  }
  await p.pass(MINUTE)
  expect(await Promise.all(jobs.map(p.status))).toEqual(['Running', 'Submitted', 'Submitted', 'Submitted'])
  expect((await p.record()).health).toBe('degraded')
  expect(await p.one(`SELECT SUM(gap_count) AS gaps FROM telesto_attempts`)).toEqual({ gaps: 0 })
})

test('A store that fails in the middle is not held against the scheduler: the work is done again', async () => {
  const p = await portal({ limits: { pollSeconds: 5 } })
  const job = await p.accepted()
  let failures = 0
  const fail = () => {
    failures++
    p.faults.nextWrite = new Error('database is locked')
  }
  p.system.script.cancel = async (refs, signal) => {
    if (failures === 0) fail()
    return await p.system.good.cancel(refs, signal)
  }
  p.system.script.status = async (refs, signal) => {
    if (failures === 1) fail()
    return await p.system.good.status(refs, signal)
  }
  await job.stop()
  await p.pass(MINUTE)
  expect(failures).toBe(2)
  expect(await p.status(job)).toBe('Aborted')
  expect(await p.record()).toMatchObject({ health: 'ok', poll_owner: null, orders_owner: null })
  expect((await p.events()).filter(({ kind }) => kind === 'health')).toEqual([])
  expect(
    p.lines.filter(({ message }) => message === 'unexpected').map(({ fields }) => Reflect.get(fields, 'work')),
  ).toEqual([`orders ${p.scheduler.id}`, `poll ${p.scheduler.id}`])
})
