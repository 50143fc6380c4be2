import { spawnSync } from 'node:child_process'
import { expect, test } from 'vitest'
import { ManualClock } from './manual-clock.js'
import { freshDirectory, portal } from './portal.js'
import { hangs, scriptedSystem } from './scripted-adapter.js'

const MINUTE = 60_000

/** The id of a process of this machine that has just ended. */
const deadPid = (): number => spawnSync(process.execPath, ['--version']).pid

test('A lease is renewed while its call runs, however many calls follow: nobody else asks meanwhile', async () => {
  const directory = await freshDirectory()
  const clock = new ManualClock()
  const system = scriptedSystem(() => clock.monotonic())
  const options = { directory, clock, system, leaseSeconds: 9, limits: { pollSeconds: 3600, maxIdsPerPoll: 1 } }
  const one = await portal(options)
  for (let n = 0; n < 5; n++) await one.accepted()
  await one.pass(2000)
  const two = await portal(options)
  system.script.status = async (refs, signal) => {
    await clock.sleep(5000, signal)
    return await system.good.status(refs, signal)
  }
  const before = system.count('status')
  await one.run('UPDATE telesto_schedulers SET next_poll_at = 0')
  let owner: string | null = null
  for (let second = 0; second < 120; second++) {
    clock.advance(1000)
    await Promise.all([one.settled(), two.settled()])
    const record = await one.record()
    owner ??= record.poll_owner
    if (record.poll_owner !== null) expect(record.poll_owner).toBe(owner)
    else if (owner !== null) break
  }
  expect(owner).not.toBeNull()
  expect(system.count('status')).toBe(before + 5)
  expect(await one.record()).toMatchObject({ poll_owner: null, health: 'ok' })
})

test('The lease of a dead process of this machine is given up at once', async () => {
  const p = await portal()
  const job = await p.accepted()
  await p.says(job, { state: 'running' })
  const dead = `${p.core.machine} ${deadPid()} 1 some-uuid`
  const far = Date.now() + 24 * 60 * MINUTE
  await p.run(
    `UPDATE telesto_schedulers SET poll_owner = '${dead}', poll_until = ${far}, orders_owner = '${dead}', orders_until = ${far}`,
  )
  await p.pass(15_000)
  expect(await p.status(job)).toBe('Running')
  await (await p.read(job)).stop()
  await p.pass(15_000)
  expect(await p.status(job)).toBe('Aborted')
})

test('So is one that this very process has given up, where the database went away before it knew', async () => {
  const p = await portal()
  const job = await p.accepted()
  await p.says(job, { state: 'running' })
  const far = Date.now() + 24 * 60 * MINUTE
  await p.run(
    `UPDATE telesto_schedulers SET poll_owner = '${p.core.owner}', poll_until = ${far}, orders_owner = '${p.core.owner}', orders_until = ${far}`,
  )
  await p.pass(15_000)
  expect(await p.status(job)).toBe('Running')
  await (await p.read(job)).stop()
  await p.pass(15_000)
  expect(await p.status(job)).toBe('Aborted')
  expect(await p.record()).toMatchObject({ poll_owner: null, orders_owner: null })
})

test('So is the lease of a dead process that collected', async () => {
  const p = await portal({ processResults: { read: () => {} }, start: false })
  const job = await p.job({ processResults: 'read' })
  const dead = `${p.core.machine} ${deadPid()} 1 some-uuid`
  await p.run(`UPDATE telesto_jobs SET status_code = 'RES'`)
  await p.run(
    `UPDATE telesto_attempts SET order_name = NULL, collect_due_at = 1, collect_owner = '${dead}', collect_until = ${Date.now() + 24 * 60 * MINUTE}`,
  )
  p.engine.start()
  await p.pass(5000)
  expect(await p.status(job)).toBe('Complete')
})

test('The lease of a process of another machine, or of one that lives, ends only with its time', async () => {
  for (const owner of ['another-machine 1 1 some-uuid', undefined]) {
    const p = await portal({ limits: { pollSeconds: 5 } })
    await p.accepted()
    await p.pass(6000)
    const alive = owner ?? `${p.core.machine} ${process.pid} ${p.core.owner.split(' ')[2]} another-of-this-process`
    await p.run(
      `UPDATE telesto_schedulers SET poll_owner = '${alive}', poll_until = ${p.clock.databaseOffset() + Date.now() + 60_000}`,
    )
    const before = p.system.count('status')
    await p.pass(45_000)
    expect(p.system.count('status')).toBe(before)
    expect((await p.record()).poll_owner).toBe(alive)
    await p.pass(20_000)
    expect(p.system.count('status')).toBeGreaterThan(before)
  }
})

test('Who lost the lease during its call changes nothing of the record, and its news are still compared and set', async () => {
  const p = await portal({ leaseSeconds: 30, limits: { pollSeconds: 3600 } })
  const job = await p.accepted()
  await p.pass(2000)
  const gate = Promise.withResolvers<void>()
  p.system.script.status = async (refs) => {
    await gate.promise
    return new Map(refs.map(({ token }) => [token, { state: 'running' }]))
  }
  await p.run('UPDATE telesto_schedulers SET next_poll_at = 0')
  await p.pass(1000)
  await p.run(
    `UPDATE telesto_schedulers SET poll_owner = 'another-machine 1 1 x', last_asked_at = 77, health = 'blocked'`,
  )
  gate.resolve()
  await p.settled()
  expect(await p.status(job)).toBe('Running')
  expect(await p.record()).toMatchObject({ poll_owner: 'another-machine 1 1 x', last_asked_at: 77, health: 'blocked' })
  expect((await p.events()).filter(({ kind }) => kind === 'health')).toEqual([])
})

test('Who lost the lease during its call counts no gaps: whoever has it now may have heard of the job since', async () => {
  const p = await portal({ limits: { pollSeconds: 5 } })
  const job = await p.accepted()
  await p.pass(6000)
  for (const lost of [true, false]) {
    const gate = Promise.withResolvers<void>()
    p.system.script.status = async () => {
      await gate.promise
      return new Map()
    }
    await p.run('UPDATE telesto_schedulers SET next_poll_at = 0')
    await p.pass(1000)
    if (lost) await p.run(`UPDATE telesto_schedulers SET poll_owner = 'another-machine 1 1 x'`)
    gate.resolve()
    await p.settled()
    expect(await p.one('SELECT gap_count AS gaps FROM telesto_attempts')).toEqual({ gaps: lost ? 0 : 1 })
    await p.run('UPDATE telesto_schedulers SET poll_owner = NULL, poll_until = 0')
  }
  expect(await p.status(job)).toBe('Submitted')
})

test('A call whose lease was lost is aborted, and its failure is not held against the scheduler', async () => {
  const p = await portal({ leaseSeconds: 30, limits: { pollSeconds: 3600 } })
  await p.accepted()
  await p.pass(2000)
  p.system.script.status = hangs
  await p.run('UPDATE telesto_schedulers SET next_poll_at = 0')
  await p.pass(1000)
  await p.run(`UPDATE telesto_schedulers SET poll_owner = 'another-machine 1 1 x'`)
  await p.pass(13_000)
  expect(p.system.callsOf('status').at(-1)?.signal?.aborted).toBe(true)
  expect(await p.record()).toMatchObject({ health: 'ok', poll_failures: 0, poll_owner: 'another-machine 1 1 x' })
  expect((await p.events()).filter(({ kind }) => kind === 'health')).toEqual([])
})

test('A record of another machine is never leased, and the results of its jobs are collected there alone', async () => {
  const directory = await freshDirectory()
  const clock = new ManualClock()
  const script = { thisMachine: { record: 'here' } }
  const system = scriptedSystem(() => clock.monotonic(), script)
  const foreign = scriptedSystem(() => clock.monotonic(), script)
  const ran: string[] = []
  const of = (machine: string) => ({ read: () => void ran.push(machine) })
  const here = await portal({ directory, clock, system, machine: 'here', processResults: of('here'), start: false })
  const job = await here.job({ processResults: 'read' })
  const there = await portal({ directory, clock, system: foreign, machine: 'there', processResults: of('there') })
  expect(await there.all('SELECT name, machine FROM telesto_schedulers ORDER BY id')).toEqual([
    { name: 'here', machine: 'here' },
    { name: 'pool', machine: 'here' },
    { name: 'here (there)', machine: 'there' },
  ])
  await there.pass(5 * MINUTE, 5000)
  expect(foreign.count()).toBe(0)
  expect(await there.status(job)).toBe('Pending')

  here.engine.start()
  await here.pass(2000)
  await here.says(job, { state: 'succeeded' })
  await here.close()
  await there.run(`UPDATE telesto_jobs SET status_code = 'RES'`)
  await there.run(`UPDATE telesto_attempts SET live = 0, collect_due_at = 1`)
  await there.pass(MINUTE)
  expect(ran).toEqual([])
  expect(foreign.count()).toBe(0)
  const again = await portal({ directory, clock, system, machine: 'here', processResults: of('here') })
  await again.pass(2000)
  expect(ran).toEqual(['here'])
  expect(await again.status(job)).toBe('Complete')
})
