import { expect, test } from 'vitest'
import type { Job } from '../../src/job.js'
import { ManualClock } from './manual-clock.js'
import { freshDirectory, type Portal, portal } from './portal.js'
import { scriptedSystem } from './scripted-adapter.js'

// The releasing sweep: what it costs, and what may happen in between.

const MINUTE = 60_000
const COMPLETE = { state: 'succeeded' } as const

/** So many jobs, executed, all with these options. */
const many = async (
  p: Portal,
  count: number,
  options: (place: number) => { readonly parents?: readonly number[]; readonly after?: readonly number[] },
) => {
  const jobs = await p.app.bulkCreate(
    Array.from({ length: count }, (_, place) => ({
      jobType: 'SCRIPTED' as const,
      name: `many ${place}`,
      user: 'ada',
      scheduler: p.scheduler,
      ...options(place),
    })),
  )
  return jobs
}
/** As execute() leaves them, but all at once: what the release costs is looked at, not what execute() does. */
const executed = async (p: Portal): Promise<void> => {
  await p.run(
    `INSERT INTO telesto_attempts (job_id, number, token, job_type, scheduler_id, workdir, order_name, order_due_at, waits_for)
     SELECT j.id, 1, 't' || j.id, j.job_type, j.scheduler_id, '/nowhere', 'submit', 0,
       (SELECT MAX(parent_id) FROM telesto_parents WHERE job_id = j.id) FROM telesto_jobs j WHERE j.attempt_id IS NULL`,
  )
  await p.run(
    `UPDATE telesto_jobs SET execute_time = 1, attempt_id = (SELECT a.id FROM telesto_attempts a WHERE a.job_id = telesto_jobs.id)
     WHERE attempt_id IS NULL`,
  )
}
const count = async (p: Portal, where: string): Promise<number> =>
  (
    await p.one<{ n: number }>(
      `SELECT COUNT(*) AS n FROM telesto_jobs j JOIN telesto_attempts a ON a.id = j.attempt_id WHERE ${where}`,
    )
  ).n
const ends = async (p: Portal, jobs: readonly Job[], status: 'COM' | 'ERR'): Promise<void> =>
  await p.run(`UPDATE telesto_jobs SET status_code = '${status}' WHERE id IN (${jobs.map(({ id }) => id).join(', ')})`)

test('Children that wait cost no write and no busy loop, and other jobs go past them', async () => {
  const p = await portal({ limits: { pollSeconds: 600 } })
  const parent = await p.accepted()
  for (let n = 0; n < 10; n++) await p.job({ parents: [parent.id] })
  const other = await p.accepted()
  expect(await p.status(other)).toBe('Submitted')
  await p.pass(5000)
  const { writes, reads } = p.counts
  await p.pass(MINUTE)
  expect(p.counts.writes).toBe(writes)
  expect(p.counts.reads - reads).toBeLessThan(60 * 20)
})

test.each([
  ['COM', 'a.waits_for IS NULL', 5],
  ['ERR', "j.cause = 'dependency'", 7],
] as const)(
  '1 parent and 10,000 children: when it ends (%s), some statements for each 500 of them',
  async (end, reached, most) => {
    const p = await portal({ start: false })
    const [parent] = await many(p, 1, () => ({}))
    for (let n = 0; n < 10; n++) await many(p, 1000, () => ({ parents: [(parent as Job).id] }))
    await executed(p)
    // No slot: what is released stays where it is.
    await p.run('UPDATE telesto_schedulers SET max_active_jobs = 0')
    p.engine.start()
    await p.pass(5000)
    const waiting = { ...p.counts }
    await p.pass(5000)
    expect(p.counts.statements).toBe(waiting.statements)
    expect(await count(p, 'a.waits_for IS NOT NULL')).toBe(10_000)
    await ends(p, [parent as Job], end)
    const before = { ...p.counts }
    await p.pass(5000)
    expect(await count(p, reached)).toBeGreaterThanOrEqual(10_000)
    expect(await count(p, 'a.waits_for IS NOT NULL')).toBe(0)
    // 500 jobs in a transaction.
    expect(p.counts.writes - before.writes).toBeLessThanOrEqual(20 + 5)
    expect(p.counts.statements - before.statements).toBeLessThanOrEqual(20 * most)
  },
)

test('10,000 parents and 1 child: while they end one after the other, hardly anything is asked for it', async () => {
  const p = await portal({ start: false })
  const parents: Job[] = []
  for (let n = 0; n < 10; n++) parents.push(...(await many(p, 1000, () => ({}))))
  await p.run("UPDATE telesto_jobs SET status_code = 'RUN'")
  await executed(p)
  await p.run('UPDATE telesto_attempts SET order_name = NULL')
  const child = await p.job({ parents: parents.map(({ id }) => id) })
  p.engine.start()
  await p.pass(2000)
  const before = { ...p.counts }
  for (let n = 0; n < 9; n++) {
    await ends(p, parents.slice(n * 1000, (n + 1) * 1000), 'COM')
    await p.pass(2000)
  }
  // The youngest is watched, and has not ended yet.
  expect(p.counts.writes).toBe(before.writes)
  await ends(p, parents.slice(9001), 'COM')
  await p.pass(2000)
  expect(p.counts.writes).toBe(before.writes + 1)
  expect((await p.read(child)).waitingFor).toBe(`After job ${parents[9000]?.id} (Running), one of 10,000 parents`)
  await ends(p, parents, 'COM')
  await p.pass(10_000)
  expect(await p.status(child)).toBe('Submitted')
})

test('A chain of 1,000 whose head fails is Aborted to its end, link by link, in as many short transactions', async () => {
  const p = await portal({ start: false })
  const chain = await many(p, 1000, (place) => ({ after: place === 0 ? [] : [place - 1] }))
  await executed(p)
  p.engine.start()
  await p.pass(3000)
  const [head, ...rest] = chain as [Job, ...Job[]]
  expect([await p.status(head), await count(p, 'a.waits_for IS NOT NULL')]).toEqual(['Submitted', 999])
  const before = { ...p.counts }
  await p.says(head, { state: 'failed' })
  await p.pass(30_000)
  expect(await count(p, "j.status_code = 'ABT' AND j.cause = 'dependency'")).toBe(999)
  expect((await p.read(rest.at(-1) as Job)).reason).toContain(`Job ${rest.at(-2)?.id},`)
  expect(p.counts.writes - before.writes).toBeLessThan(999 + 50)
  expect(p.counts.statements - before.statements).toBeLessThan(999 * 8)
})

test('A chain whose links complete goes through one after the other', async () => {
  const p = await portal({ limits: { pollSeconds: 1 }, start: false })
  p.system.script.status = async (refs) => new Map(refs.map(({ token }) => [token, COMPLETE]))
  const chain = await many(p, 30, (place) => ({ after: place === 29 ? [] : [place + 1] }))
  await executed(p)
  p.engine.start()
  await p.pass(3 * MINUTE)
  expect(await count(p, "j.status_code = 'COM'")).toBe(30)
  const submitted = p.system.callsOf('submit').map(({ tokens }) => tokens)
  expect(submitted).toEqual(chain.toReversed().map(({ id }) => [`t${id}`]))
})

test('A crash between a parent’s end and the release of its children loses nothing: another process releases them', async () => {
  const directory = await freshDirectory()
  const clock = new ManualClock()
  const system = scriptedSystem(() => clock.monotonic())
  const one = await portal({ directory, clock, system, limits: { pollSeconds: 5 } })
  const parent = await one.accepted()
  const [child, doomed] = [
    await one.job({ parents: [parent.id] }),
    await one.job({ parents: [parent.id, (await one.accepted()).id] }),
  ]
  const second = doomed.parents.find((id) => id !== parent.id) as number
  await one.settled()
  await one.close()
  // As the dead process left it: the ends are committed, and nothing that follows from them.
  const two = await portal({ directory, clock, system, start: false })
  await two.run(`UPDATE telesto_jobs SET status_code = 'COM' WHERE id = ${parent.id}`)
  await two.run(`UPDATE telesto_jobs SET status_code = 'ERR' WHERE id = ${second}`)
  expect([await two.status(child), await two.status(doomed)]).toEqual(['Pending', 'Pending'])
  two.engine.start()
  await two.pass(5000)
  expect([await two.status(child), await two.status(doomed)]).toEqual(['Submitted', 'Aborted'])
})

test('Two engines that sweep at once release and abort each child once', async () => {
  const directory = await freshDirectory()
  const clock = new ManualClock()
  const system = scriptedSystem(() => clock.monotonic())
  const one = await portal({ directory, clock, system, start: false })
  const two = await portal({ directory, clock, system, start: false })
  const [good, bad] = (await many(one, 2, () => ({}))) as [Job, Job]
  await many(one, 600, () => ({ parents: [good.id] }))
  const doomed = await many(one, 600, () => ({ parents: [bad.id] }))
  await executed(one)
  await ends(one, [good], 'COM')
  await ends(one, [bad], 'ERR')
  await one.run('UPDATE telesto_attempts SET order_name = NULL WHERE waits_for IS NULL')
  one.engine.start()
  two.engine.start()
  for (let n = 0; n < 30; n++) {
    clock.advance(1000)
    await Promise.all([one.settled(), two.settled()])
  }
  expect(await count(one, "j.status_code = 'SUB'")).toBe(600)
  expect(await count(one, "j.status_code = 'ABT'")).toBe(600)
  const submitted = system.callsOf('submit').flatMap(({ tokens }) => tokens)
  expect([submitted.length, new Set(submitted).size]).toEqual([600, 600])
  const aborts = `SELECT COUNT(*) AS n FROM telesto_events WHERE kind = 'status' AND job_id IN (${doomed.map(({ id }) => id).join(', ')})`
  expect(await one.one(aborts)).toEqual({ n: 600 })
  expect([...one.lines, ...two.lines].filter(({ level }) => level === 'error')).toEqual([])
})
