import { expect, test } from 'vitest'
import { createTelesto } from '../../src/index.js'
import { look, telestoIn } from '../database.js'
import { ManualClock } from './manual-clock.js'
import { freshDirectory, type Portal, portal } from './portal.js'
import { hangs, scriptedSystem } from './scripted-adapter.js'

const MINUTE = 60_000

/** What stands in the store when all connections of Telesto to it are closed. */
const leftIn = async (directory: string) => ({
  record: (await look(directory, 'SELECT * FROM telesto_schedulers'))[0],
  attempt: (await look(directory, 'SELECT * FROM telesto_attempts'))[0],
  job: (await look(directory, 'SELECT * FROM telesto_jobs'))[0],
  health: await look(directory, `SELECT data FROM telesto_events WHERE kind = 'health'`),
})
const noLease = { poll_owner: null, poll_until: 0, orders_owner: null, orders_until: 0 }
const well = { health: 'ok', health_message: null, poll_failures: 0, orders_failures: 0 }
const reopen = async (p: Portal) => await portal({ directory: p.directory, clock: p.clock, system: p.system })

test('close() aborts a poll that hangs, leaves no lease, and does not hold it against the scheduler', async () => {
  const p = await portal({ limits: { pollSeconds: 20 } })
  const job = await p.accepted()
  await p.pass(2 * MINUTE, 2000)
  p.system.script.status = hangs
  const before = p.system.count('status')
  for (let tries = 0; p.system.count('status') === before && tries < 100; tries++) await p.pass(1000)
  const asked = p.system.callsOf('status').at(-1)
  expect(asked?.signal?.aborted).toBe(false)
  const began = p.clock.monotonic()
  await p.close()
  expect(p.clock.monotonic() - began).toBeLessThan(3000)
  expect(asked?.signal?.aborted).toBe(true)
  const left = await leftIn(p.directory)
  expect(left.record).toMatchObject({ ...noLease, ...well })
  expect(left.job).toMatchObject({ id: job.id, status_code: 'SUB' })
  expect(left.health).toEqual([])

  // Who comes next keeps the pace all the same.
  delete p.system.script.status
  const next = await reopen(p)
  await next.pass(MINUTE)
  const then = p.system.callsOf('status')[before + 1]
  expect((then?.at ?? 0) - (asked?.at ?? 0)).toBeGreaterThanOrEqual(20_000 - 100)
  expect((then?.at ?? 0) - (asked?.at ?? 0)).toBeLessThan(25_000)
})

test('close() during a submit that hangs: no lease, a healthy scheduler, and the next process recovers the job', async () => {
  const p = await portal()
  p.system.script.submit = (requests) => {
    for (const { token } of requests) p.system.accept(token)
    return hangs()
  }
  const job = await p.job()
  const { token } = await p.row(job)
  await p.pass(1000)
  await p.close()
  const left = await leftIn(p.directory)
  expect(left.record).toMatchObject({ ...noLease, ...well })
  expect(left.attempt).toMatchObject({ token, native_id: null, order_name: 'submit', live: 1 })
  expect(left.attempt?.handed_over_at).not.toBeNull()
  const next = await reopen(p)
  await next.pass(5000)
  expect(await next.row(job)).toMatchObject({ token, nativeId: 'native-1', statusCode: 'SUB' })
  expect(p.system.count('submit')).toBe(1)
})

test('close() while results are processed waits for the function, counts no try and leaves no lease', async () => {
  let ended = 0
  const p = await portal({
    processResults: {
      read: async (_job, { signal }) => {
        await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
        ended++
        throw new Error('interrupted')
      },
    },
  })
  const job = await p.accepted({ processResults: 'read' })
  await p.says(job, { state: 'succeeded' })
  await p.pass(15_000)
  await p.close()
  expect(ended).toBe(1)
  expect(await leftIn(p.directory)).toMatchObject({
    job: { status_code: 'RES' },
    attempt: { collect_owner: null, collect_until: 0, collect_tries: 0, collect_error: null },
  })
  const next = await portal({
    directory: p.directory,
    clock: p.clock,
    system: p.system,
    processResults: { read: () => {} },
  })
  await next.pass(2000)
  expect(await next.status(job)).toBe('Complete')
})

test('A loop that closes takes no new work, and calls nothing after its signal', async () => {
  const p = await portal()
  await p.accepted()
  const closing = p.engine.close()
  const job = await p.job()
  p.engine.wake()
  await closing
  const calls = p.system.count()
  p.engine.wake()
  await p.pass(MINUTE)
  expect(p.system.count()).toBe(calls)
  expect(await p.status(job)).toBe('Pending')
  await p.engine.close()
})

test('createTelesto: close() may be called twice, also at once; afterwards everything says "closed"', async () => {
  const clock = new ManualClock()
  const { adapter } = scriptedSystem(() => clock.monotonic())
  const telesto = await createTelesto({ adapters: [adapter], ...(await telestoIn(await freshDirectory())), clock })
  const scheduler = await telesto.createScheduler({ name: 'pool', adapter: 'scripted' })
  const app = telesto.app('flood')
  const job = await app.createJob({ jobType: 'SCRIPTED', name: 'a', user: 'ada', scheduler })
  await job.execute()
  await Promise.all([telesto.close(), telesto.close()])
  await telesto.close()
  await expect(app.getJob(job.id)).rejects.toMatchObject({ code: 'closed', status: 503 })
  await expect(job.stop()).rejects.toMatchObject({ code: 'closed' })
})

test('Two Telestos in one process share nothing but what they were given', async () => {
  const clock = new ManualClock()
  const [one, two] = [scriptedSystem(() => clock.monotonic()), scriptedSystem(() => clock.monotonic())]
  const open = async (system: typeof one) => {
    const telesto = await createTelesto({
      adapters: [system.adapter],
      ...(await telestoIn(await freshDirectory())),
      clock,
    })
    const scheduler = await telesto.createScheduler({ name: 'pool', adapter: 'scripted' })
    const job = await telesto.app('flood').createJob({ jobType: 'SCRIPTED', name: 'a', user: 'ada', scheduler })
    return { telesto, job }
  }
  const [first, second] = [await open(one), await open(two)]
  try {
    await first.job.execute()
    for (let tries = 0; one.jobs.size === 0 && tries < 1000; tries++) {
      clock.advance(50)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    expect(one.jobs.size).toBe(1)
    expect(two.count()).toBe(0)
    await first.telesto.close()
    await second.job.refresh()
    expect(second.job.status).toBe('Pending')
  } finally {
    await first.telesto.close()
    await second.telesto.close()
  }
})
