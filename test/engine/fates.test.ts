import { expect, test } from 'vitest'
import { type NativeId, SchedulerError, type Token } from '../../src/adapter.js'
import { carryOutOrders } from '../../src/engine/orders.js'
import type { Job } from '../../src/job.js'
import { type Portal, portal } from './portal.js'
import { held } from './scripted-adapter.js'

const limits = { pollSeconds: 1, maxSubmitsPerMinute: 100_000, maxIdsPerPoll: 500 }

const execute = async (p: Portal, count: number) => {
  const jobs = await p.app.bulkCreate(
    Array.from({ length: count }, (_, index) => ({
      name: `run ${index}`,
      user: 'ann',
      jobType: 'SCRIPTED' as const,
      scheduler: p.scheduler,
    })),
  )
  const query = p.app.query().filter({ id: jobs.map(({ id }) => id) })
  await query.execute()
  return jobs
}

/** One turn of the loop that carries out orders, when all of them are due again. Answers what it asked the database. */
const turn = async (p: Portal): Promise<number> => {
  p.clock.advance(20 * 60_000)
  await p.settled()
  const before = p.counts.statements + p.counts.reads
  await carryOutOrders(p.core, p.scheduler.id, new AbortController().signal)
  return p.counts.statements + p.counts.reads - before
}

interface Stored {
  readonly token: Token
  readonly status: string
  readonly nativeId: NativeId | null
  readonly order: string | null
  readonly tries: number
  readonly why: string | null
}
const stored = async (p: Portal): Promise<Stored[]> =>
  await p.all<Stored & Record<string, string>>(
    `SELECT a.token AS token, j.status_code AS status, a.native_id AS "nativeId", a.order_name AS "order", a.order_tries AS tries,
       COALESCE(j.reason, a.order_error) AS why FROM telesto_attempts a JOIN telesto_jobs j ON j.attempt_id = a.id ORDER BY a.id`,
  )

type Answer = NativeId | SchedulerError | undefined
const own = (token: Token): string => `it's "${token}"`
const pending = { status: 'PEN', nativeId: null, order: 'submit', tries: 1 }

test.each<[string, (token: Token) => Answer, (token: Token) => Partial<Stored>]>([
  ['accepted', own, (token) => ({ token, status: 'SUB', nativeId: own(token), order: null, tries: 0, why: null })],
  [
    'refused',
    (token) => new SchedulerError('rejected', own(token)),
    (token) => ({ token, status: 'ERR', nativeId: null, order: null, tries: 0, why: own(token) }),
  ],
  [
    'left open',
    (token) => new SchedulerError('unavailable', own(token)),
    (token) => ({ token, ...pending, why: own(token) }),
  ],
  ['not tried', () => undefined, (token) => ({ token: expect.not.stringContaining(token), ...pending, why: null })],
  [
    'lost with their connection',
    () => {
      throw new SchedulerError('unavailable', 'cut')
    },
    (token) => ({ token, ...pending, why: 'cut' }),
  ],
])('What became of jobs that were %s is stored for 500 in as many statements as for 2', async (_how, answer, row) => {
  const cost = async (count: number): Promise<number> => {
    const p = await portal({ start: false, limits })
    p.system.script.submit = async (requests) =>
      new Map(
        requests.flatMap(({ token }): [Token, Answer][] => {
          const one = answer(token)
          return one === undefined ? [] : [[token, one]]
        }),
      )
    await execute(p, count)
    const statements = await turn(p)
    const tokens = p.system.callsOf('submit')[0]?.tokens ?? []
    expect(tokens).toHaveLength(count)
    expect(await stored(p)).toEqual(tokens.map((token) => row(token)))
    return statements
  }
  expect(await cost(500)).toBe(await cost(2))
})

test('What recover answers of many, and orders that are repeated, is stored for 500 in as many statements as for 2', async () => {
  const cost = async (count: number): Promise<readonly number[]> => {
    const p = await portal({ start: false, limits })
    const jobs = await execute(p, count)
    const all = async (like: Partial<Stored>): Promise<void> => {
      const rows = await stored(p)
      expect(rows).toEqual(rows.map((row) => ({ ...row, ...like })))
    }
    p.system.script.submit = () => Promise.reject(new SchedulerError('unavailable', 'cut'))
    p.system.script.recover = async () => new Map()
    await turn(p)
    const unknown = await turn(p)
    await all({ ...pending, tries: 2, why: 'The scheduler cannot tell yet whether it has the job.' })
    delete p.system.script.recover
    const absent = await turn(p)
    await all({ ...pending, tries: 0, why: null })
    p.system.script.submit = async (requests) => {
      for (const { token } of requests) p.system.accept(token)
      throw new SchedulerError('unavailable', 'cut')
    }
    await turn(p)
    const accepted = await turn(p)
    await all({ status: 'SUB', order: null, tries: 0 })
    expect(new Set((await stored(p)).map(({ nativeId }) => nativeId)).size).toBe(count)
    p.system.script.hold = async (refs) =>
      new Map(refs.map(({ token }) => [token, new SchedulerError('rejected', own(token))]))
    await Promise.all(jobs.map(async (job) => await job.pause()))
    const refused = await turn(p)
    await all({ status: 'SUB', order: null })
    await Promise.all(jobs.map(async (job) => await job.stop()))
    const repeated = await turn(p)
    await all({ status: 'SUB', order: 'cancel', tries: 1 })
    return [unknown, absent, accepted, refused, repeated]
  }
  expect(await cost(500)).toEqual(await cost(2))
})

test('Of jobs that were handed over together each meets its own fate, whatever happened to it meanwhile', async () => {
  const p = await portal({ start: false })
  const meanwhile = ['nothing', 'stopped', 'retired'] as const
  const answers = ['accepted', 'refused', 'open', 'untried'] as const
  const jobs = new Map<string, Job>()
  for (const event of meanwhile)
    for (const answer of answers) jobs.set(`${answer}, ${event}`, await p.job({ name: `${answer}, ${event}` }))
  const of = (name: string): Job => jobs.get(name) as Job
  const [asked, go] = [held<void>(), held<void>()]
  p.system.script.recover = async () => new Map()
  p.system.script.submit = async (requests) => {
    p.system.script.submit = async () => new Map()
    asked.resolve()
    await go.promise
    return new Map(
      requests.flatMap(({ name, token }): [Token, NativeId | SchedulerError][] => {
        if (name.startsWith('accepted')) return [[token, p.system.accept(token).nativeId]]
        if (name.startsWith('refused')) return [[token, new SchedulerError('rejected', `${name}: no`)]]
        return name.startsWith('open') ? [[token, new SchedulerError('unavailable', `${name}: cut`)]] : []
      }),
    )
  }
  const handed = new Map(await Promise.all([...jobs].map(async ([name, job]) => [name, await p.row(job)] as const)))
  const handingOver = carryOutOrders(p.core, p.scheduler.id, new AbortController().signal)
  await asked.promise
  for (const answer of answers) {
    await of(`${answer}, stopped`).stop()
    // As another process does that took the lease over, and was told "absent".
    const { attemptId } = await p.row(of(`${answer}, retired`))
    await p.run(
      `UPDATE telesto_attempts SET token = 'new ${answer}', handed_over_at = NULL, live = 0, order_due_at = order_due_at + 3600000 WHERE id = ${attemptId}`,
    )
  }
  go.resolve()
  await handingOver

  const row = async (name: string) => await p.row(of(name))
  const token = (name: string) => handed.get(name)?.token as Token
  expect(await row('accepted, nothing')).toMatchObject({ statusCode: 'SUB', token: token('accepted, nothing') })
  expect((await row('accepted, nothing')).nativeId).toBe(p.system.jobs.get(token('accepted, nothing'))?.nativeId)
  expect(await row('refused, nothing')).toMatchObject({ statusCode: 'ERR', reason: 'refused, nothing: no' })
  expect(await row('open, nothing')).toMatchObject({ statusCode: 'PEN', orderError: 'open, nothing: cut' })
  expect((await row('open, nothing')).token).toBe(token('open, nothing'))
  expect(await row('untried, nothing')).toMatchObject({ statusCode: 'PEN', nativeId: null, orderError: null })
  expect((await row('untried, nothing')).token).not.toBe(token('untried, nothing'))

  expect((await row('accepted, stopped')).nativeId).toBe(p.system.jobs.get(token('accepted, stopped'))?.nativeId)
  for (const name of ['refused, stopped', 'untried, stopped'])
    expect(await row(name)).toMatchObject({ statusCode: 'ABT', reason: 'Stopped before the scheduler had it.' })
  expect(await row('open, stopped')).toMatchObject({ statusCode: 'PEN', orderName: 'cancel' })

  for (const answer of answers)
    expect(await row(`${answer}, retired`)).toMatchObject({ token: `new ${answer}`, statusCode: 'PEN', nativeId: null })
  const stray = p.system.jobs.get(token('accepted, retired'))
  expect((await p.events(of('accepted, retired'))).at(-1)).toEqual({
    kind: 'note',
    reason: `The scheduler has a job ${stray?.nativeId} that is no longer wanted; it is being cancelled.`,
  })

  p.engine.start()
  await p.pass(30_000)
  expect(await p.status(of('accepted, stopped'))).toBe('Aborted')
  expect(stray?.report).toEqual({ state: 'cancelled' })
  expect(await p.all('SELECT token FROM telesto_strays')).toEqual([])
  expect(p.system.jobs.get(token('accepted, nothing'))?.report).toEqual({ state: 'queued' })
})
