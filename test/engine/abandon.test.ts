import { expect, test } from 'vitest'
import { createScheduler, removeScheduler } from '../../src/schedulers/change.js'
import { portal } from './portal.js'
import { hangs } from './scripted-adapter.js'

const MINUTE = 60_000
const by = { user: { id: 'grace' }, address: '192.0.2.1' }

test('A record whose host is gone for ever is removed with abandon: whatever needed it ends in Error and says why, and nothing else changes', async () => {
  const p = await portal({ limits: { pollSeconds: 5, maxActiveJobs: 3 }, processResults: {} })
  const done = await p.accepted()
  await p.says(done, { state: 'succeeded' })
  await p.pass(10_000)
  expect(await p.status(done)).toBe('Complete')

  const [running, stopped, deleted] = [await p.accepted(), await p.accepted(), await p.accepted()]
  const waiting = await p.job() // for room
  const child = await p.job({ parents: [running.id], onParentFailure: 'run' })
  p.system.all({ state: 'running' })
  await p.pass(20_000)
  p.system.script.status = hangs
  p.system.script.cancel = hangs
  await stopped.stop()
  await deleted.delete({ stop: true })
  await p.database.write(
    async (tx) =>
      await tx.run(
        `INSERT INTO telesto_strays (token, native_id, job_id, job_type, scheduler_id, workdir, due_at) VALUES ('t1', 'n1', $1, 'SCRIPTED', $2, '/w', 0)`,
        [running.id, p.scheduler.id],
      ),
  )
  await p.pass(2 * MINUTE)
  await expect(removeScheduler(p.core, 'pool', {}, by)).rejects.toMatchObject({
    code: 'scheduler_has_active_jobs',
    message: expect.stringContaining('If it is gone for ever, remove it with { abandon: true }'),
  })
  const before = await p.status(running)
  expect(before).toBe('Running')

  expect(await removeScheduler(p.core, 'pool', { abandon: true }, by)).toEqual({ jobs: 5, strays: 1 })
  const unknown =
    'An administrator removed the scheduler pool and gave up its jobs. Whether this one still runs there is not known.'
  const never = 'An administrator removed the scheduler pool before it was given this job.'
  for (const [job, reason] of [
    [running, unknown],
    [stopped, unknown],
    [waiting, never],
    [child, never],
  ] as const)
    expect(await p.read(job)).toMatchObject({ status: 'Error', cause: 'abandoned', reason })
  expect(await p.status(done)).toBe('Complete')
  expect((await p.events(running)).at(-1)).toMatchObject({ kind: 'status', to: 'Error', by: 'grace' })
  const [audit] = await p.all<{ data: string }>(
    `SELECT user_id, address, data FROM telesto_audit WHERE action = 'removeScheduler'`,
  )
  expect(audit).toMatchObject({ user_id: 'grace', address: '192.0.2.1' })
  expect(JSON.parse(audit?.data ?? '')).toEqual({
    name: 'pool',
    adapter: 'scripted',
    abandoned: { jobs: 5, strays: 1 },
  })

  // What was under way when it was removed harms nobody, and nothing is asked any more.
  await p.pass(3 * MINUTE)
  const calls = p.system.calls.length
  await p.pass(10 * MINUTE, 10_000)
  expect(p.system.calls.length).toBe(calls)
  await expect.poll(async () => await p.all(`SELECT id FROM telesto_jobs WHERE id = ${deleted.id}`)).toEqual([])
  expect(p.lines.filter(({ level }) => level === 'error')).toEqual([])
  expect(await p.status(running)).toBe('Error')
})

test('Results that are not here yet are given up too: such a job is not Complete, and one with failed parts stays so', async () => {
  const p = await portal({ limits: { pollSeconds: 5 }, script: { has: ['recover', 'fetch'] } })
  const [whole, mixed] = [await p.accepted(), await p.accepted()]
  p.system.script.fetch = () => Promise.reject(new Error('gone'))
  await p.says(whole, { state: 'succeeded' })
  await p.says(mixed, {
    state: 'failed',
    parts: [
      { name: 'a', state: 'succeeded' },
      { name: 'b', state: 'failed' },
    ],
  })
  await p.until(
    async () => (await p.status(whole)) === 'Results-Ready' && (await p.status(mixed)) === 'Various-Complete',
  )
  await removeScheduler(p.core, 'pool', { abandon: true })
  const reason = 'An administrator removed the scheduler pool before the results were collected.'
  await p.pass(10 * MINUTE)
  expect(await p.read(whole)).toMatchObject({ status: 'Error', cause: 'abandoned', reason })
  expect(await p.read(mixed)).toMatchObject({ status: 'Various-Complete', cause: 'abandoned', reason })
  expect(await p.one('SELECT COUNT(collect_due_at) AS n FROM telesto_attempts')).toEqual({ n: 0 })
})

test('An id that comes after its record was abandoned is nobody’s: it breaks nothing, and another record of its name is another', async () => {
  const p = await portal({ limits: { pollSeconds: 5 } })
  const { core, system } = p
  const answer = Promise.withResolvers<Map<string, string>>()
  let tokens: string[] = []
  system.script.submit = async (requests) => {
    tokens = requests.map(({ token }) => token)
    return await answer.promise
  }
  const job = await p.job()
  await p.pass(1000)
  expect(tokens).toHaveLength(1)
  await removeScheduler(core, 'pool', { abandon: true })
  expect(await p.read(job)).toMatchObject({ status: 'Error', cause: 'abandoned' })
  answer.resolve(new Map(tokens.map((token) => [token, 'late-1'])))
  await p.pass(MINUTE)
  expect(p.lines.filter(({ level }) => level === 'error')).toEqual([])
  expect(await p.all('SELECT token FROM telesto_strays')).toEqual([])
  await createScheduler(core, { name: 'pool', adapter: 'scripted' })
  await expect((await p.read(job)).resubmit()).rejects.toMatchObject({ code: 'scheduler_not_found' })
})
