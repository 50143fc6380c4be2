import { expect, test } from 'vitest'
import { expectRefusal } from '../fixture.js'
import { openVaults } from './vault.js'

/** A job of the adapter, on a record of its own. */
const jobOn = async (
  telesto: Awaited<ReturnType<Awaited<ReturnType<typeof openVaults>>['open']>>['telesto'],
  name: string,
) => {
  const record = await telesto.getScheduler(name)
  const app = telesto.app('flood')
  return await app.createJob({
    name: 'run',
    user: 'ada',
    jobType: 'SCRIPTED',
    scheduler: { id: record?.id ?? 0, name },
  } as never)
}

test('A record is made, listed, read, changed and removed by its name', async () => {
  const vaults = await openVaults()
  const { telesto } = await vaults.open()
  const made = await telesto.createScheduler({ name: 'pool', adapter: 'vault', maxActiveJobs: 7, pollSeconds: 5 })
  expect(made).toMatchObject({
    name: 'pool',
    adapter: 'vault',
    maxActiveJobs: 7,
    pollSeconds: 5,
    health: 'ok',
    secretsSet: [],
    config: { address: 'one', colour: 'red' },
    maxIdsPerPoll: 100,
  })
  expect(await telesto.getScheduler('pool')).toEqual(made)
  expect((await telesto.listSchedulers()).map(({ name }) => name)).toEqual(['local', 'pool'])
  const changed = await telesto.updateScheduler('pool', {
    maxActiveJobs: null,
    enabled: false,
    config: { colour: 'blue' },
  })
  expect(changed).toEqual({ ...made, maxActiveJobs: null, enabled: false, config: { address: 'one', colour: 'blue' } })
  await telesto.removeScheduler('pool')
  expect(await telesto.getScheduler('pool')).toBeNull()
  await expectRefusal(() => telesto.removeScheduler('pool'), 'scheduler_not_found', 'name')
  await expectRefusal(() => telesto.updateScheduler('pool', {}), 'scheduler_not_found', 'name')
  await expectRefusal(() => telesto.testScheduler('pool'), 'scheduler_not_found', 'name')
  await expectRefusal(() => telesto.hostKeyOf('pool'), 'scheduler_not_found', 'name')
  await expectRefusal(() => telesto.acceptHostKey('pool', 'SHA256:x'), 'scheduler_not_found', 'name')
})

test.each<[string, Record<string, unknown>, string, string]>([
  ['a name in use', { name: 'pool' }, 'scheduler_name_taken', 'name'],
  ['no name', { name: '' }, 'invalid', 'name'],
  ['an adapter that is not there', { adapter: 'condor' }, 'invalid', 'adapter'],
  ['a value that is wrong', { config: { colour: 'green' } }, 'invalid', 'config.colour'],
  ['a field that does not exist', { config: { color: 'red' } }, 'unknown_field', 'config.color'],
  ['a configuration that is none', { config: 'red' }, 'invalid', 'config'],
  ['a limit that is none', { maxActiveJobs: 0 }, 'invalid', 'maxActiveJobs'],
  ['a limit that does not exist', { maxJobs: 1 }, 'unknown_field', 'maxJobs'],
])('A new record with %s is refused, and nothing is stored', async (_, wrong, code, field) => {
  const vaults = await openVaults()
  const { telesto } = await vaults.open()
  await telesto.createScheduler({ name: 'pool', adapter: 'vault' })
  await expectRefusal(() => telesto.createScheduler({ name: 'new', adapter: 'vault', ...wrong } as never), code, field)
  expect((await telesto.listSchedulers()).map(({ name }) => name)).toEqual(['local', 'pool'])
})

test.each<[Record<string, unknown>, string, string]>([
  [{ config: { colour: 'green' } }, 'invalid', 'config.colour'],
  [{ config: { color: 'red' } }, 'unknown_field', 'config.color'],
  [{ config: { __proto__: null, constructor: 'x' } }, 'unknown_field', 'config.constructor'],
  [{ config: null }, 'invalid', 'config'],
  [{ config: [] }, 'invalid', 'config'],
  [{ maxIdsPerPoll: 1.5 }, 'invalid', 'maxIdsPerPoll'],
  [{ name: 'another' }, 'unknown_field', 'name'],
])('A change to %j is refused whole', async (wrong, code, field) => {
  const vaults = await openVaults()
  const { telesto } = await vaults.open()
  const made = await telesto.createScheduler({ name: 'pool', adapter: 'vault' })
  await expectRefusal(() => telesto.updateScheduler('pool', { enabled: false, ...wrong } as never), code, field)
  expect(await telesto.getScheduler('pool')).toEqual(made)
})

test('While jobs are active the place stays, and everything else can change', async () => {
  const vaults = await openVaults()
  const { telesto } = await vaults.open()
  await telesto.createScheduler({ name: 'pool', adapter: 'vault', config: { password: 'Swordfish-7301' } })
  const job = await jobOn(telesto, 'pool')
  expect((await telesto.updateScheduler('pool', { config: { address: 'two' } })).config).toMatchObject({
    address: 'two',
  })
  await job.execute()
  const error = await expectRefusal(
    () => telesto.updateScheduler('pool', { enabled: false, config: { address: 'three', colour: 'blue' } }),
    'scheduler_has_active_jobs',
    'config.address',
  )
  expect(error.message).toContain('1 active job.')
  expect(await telesto.getScheduler('pool')).toMatchObject({ enabled: true, config: { address: 'two', colour: 'red' } })
  await telesto.updateScheduler('pool', { config: { address: 'two', colour: 'blue', password: 'Another-9912' } })
  expect(await telesto.getScheduler('pool')).toMatchObject({ config: { address: 'two', colour: 'blue' } })
  await job.stop()
  expect((await telesto.updateScheduler('pool', { config: { address: 'three' } })).config).toMatchObject({
    address: 'three',
  })
})

test('A record with active jobs is not removed; without, its jobs keep their history, and never run on another', async () => {
  const vaults = await openVaults()
  const { telesto, system } = await vaults.open(undefined, { runLoops: true })
  // Another record of the same adapter, and one of this machine: neither is what the job was made for.
  await telesto.createScheduler({ name: 'spare', adapter: 'vault' })
  await telesto.createScheduler({ name: 'pool', adapter: 'vault', pollSeconds: 0.2 })
  const app = telesto.app('flood')
  const job = await jobOn(telesto, 'pool')
  const never = await jobOn(telesto, 'pool')
  await job.execute()
  await expect.poll(async () => (await app.getJob(job.id))?.status, { timeout: 20_000 }).toBe('Submitted')
  const error = await expectRefusal(() => telesto.removeScheduler('pool'), 'scheduler_has_active_jobs', 'name')
  expect(error.message).toContain('1 active job.')
  system.all({ state: 'succeeded' })
  await expect.poll(async () => (await app.getJob(job.id))?.status, { timeout: 20_000 }).toBe('Complete')
  await telesto.removeScheduler('pool')

  const after = await app.getJob(job.id)
  expect(after?.status).toBe('Complete')
  expect(JSON.stringify(await after?.history())).toContain('Complete')
  const submits = system.count('submit')
  for (const one of [after, never]) {
    const what = one === never ? never.execute() : after?.resubmit()
    const refused = await expectRefusal(async () => await what, 'scheduler_not_found', 'scheduler')
    expect(refused.message).toMatch(/has been removed, and it runs on no other/)
  }
  expect((await app.getJob(never.id))?.status).toBe('Pending')
  // Deleted they go entirely, though nobody can clean up for them any more.
  await after?.delete()
  await never.delete()
  await expect.poll(async () => await vaults.rows('SELECT id FROM telesto_jobs'), { timeout: 20_000 }).toEqual([])
  expect(system.count('submit')).toBe(submits)
})

test('A removed record leaves the settings of apps in place, unassigned, and never falls back to another', async () => {
  const vaults = await openVaults()
  const { telesto } = await vaults.open()
  await telesto.createScheduler({ name: 'spare', adapter: 'local' })
  await telesto.createScheduler({ name: 'pool', adapter: 'local' })
  const app = telesto.app('flood', { schedulerSettings: { here: { adapter: 'local', description: 'Runs' } } })
  await telesto.assignScheduler('flood', 'here', 'pool')
  const basic = { name: 'run', user: 'ada', jobType: 'BASIC', command: ['true'], scheduler: 'here' } as const
  const job = await app.createJob(basic as never)
  await telesto.removeScheduler('pool')
  expect(await telesto.listSchedulerSettings()).toEqual([
    { app: 'flood', name: 'here', adapter: 'local', description: 'Runs', required: false, scheduler: null },
  ])
  await expectRefusal(() => job.execute(), 'setting_not_assigned', 'scheduler')
  await expectRefusal(() => app.createJob(basic as never), 'setting_not_assigned', 'scheduler')
  await telesto.assignScheduler('flood', 'here', 'spare')
  await job.execute()
  expect((await telesto.listSchedulerSettings())[0]?.scheduler).toBe('spare')
})

test('A record that made place for another of its name is another', async () => {
  const vaults = await openVaults()
  const { telesto } = await vaults.open()
  const first = await telesto.createScheduler({ name: 'pool', adapter: 'vault' })
  const job = await jobOn(telesto, 'pool')
  await telesto.removeScheduler('pool')
  const second = await telesto.createScheduler({ name: 'pool', adapter: 'vault' })
  expect(second.id).not.toBe(first.id)
  await expectRefusal(() => job.execute(), 'scheduler_not_found', 'scheduler')
})

test('What apps declare is written down when they are declared, before anything is assigned', async () => {
  const vaults = await openVaults()
  const one = await vaults.open()
  one.telesto.app('flood', {
    schedulerSettings: {
      compute: { adapter: 'vault', description: 'Models', required: true },
      here: { adapter: 'local' },
    },
  })
  expect(await one.telesto.listSchedulerSettings()).toEqual([
    { app: 'flood', name: 'compute', adapter: 'vault', description: 'Models', required: true, scheduler: null },
    { app: 'flood', name: 'here', adapter: 'local', description: '', required: false, scheduler: null },
  ])
  await one.telesto.createScheduler({ name: 'pool', adapter: 'vault' })
  await one.telesto.assignScheduler('flood', 'compute', 'pool')
  await one.telesto.assignScheduler('flood', 'here', 'local')
  await one.telesto.close()
  // A new version of the app: other words, another adapter.
  const two = await vaults.open()
  two.telesto.app('flood', {
    schedulerSettings: { compute: { adapter: 'vault', description: 'All models' }, here: { adapter: 'vault' } },
  })
  expect(await two.telesto.listSchedulerSettings()).toEqual([
    { app: 'flood', name: 'compute', adapter: 'vault', description: 'All models', required: false, scheduler: 'pool' },
    { app: 'flood', name: 'here', adapter: 'vault', description: '', required: false, scheduler: null },
  ])
})

test('Assigning names what is wrong, and an app of another process can be assigned to', async () => {
  const vaults = await openVaults()
  const { telesto } = await vaults.open()
  telesto.app('flood', { schedulerSettings: { compute: { adapter: 'vault' } } })
  await telesto.createScheduler({ name: 'pool', adapter: 'vault' })
  await expectRefusal(() => telesto.assignScheduler('drought', 'compute', 'pool'), 'unknown_app', 'app')
  await expectRefusal(() => telesto.assignScheduler('flood', 'storage', 'pool'), 'setting_not_declared', 'setting')
  await expectRefusal(() => telesto.assignScheduler('flood', 'constructor', 'pool'), 'setting_not_declared', 'setting')
  await expectRefusal(() => telesto.assignScheduler('flood', 'compute', 'none'), 'scheduler_not_found', 'scheduler')
  await expectRefusal(() => telesto.assignScheduler('flood', 'compute', 'local'), 'setting_wrong_adapter', 'scheduler')
  await telesto.listSchedulerSettings()
  const other = await vaults.open()
  await other.telesto.assignScheduler('flood', 'compute', 'pool')
  expect((await telesto.listSchedulerSettings())[0]?.scheduler).toBe('pool')
  await other.telesto.assignScheduler('flood', 'compute', null)
  expect((await telesto.listSchedulerSettings())[0]?.scheduler).toBeNull()
})

test('A new configuration closes the old connection, and the next call has a new one', async () => {
  const vaults = await openVaults()
  const { telesto, system, connected } = await vaults.open()
  await telesto.createScheduler({ name: 'pool', adapter: 'vault', config: { password: 'Swordfish-7301' } })
  await telesto.testScheduler('pool')
  await telesto.updateScheduler('pool', { maxActiveJobs: 3, config: { password: '' } })
  await telesto.testScheduler('pool')
  expect([system.connections, system.closed]).toEqual([1, 0])
  await telesto.updateScheduler('pool', { config: { password: 'Another-9912' } })
  await expect.poll(() => system.closed).toBe(1)
  await telesto.testScheduler('pool')
  expect(connected.map(({ config }) => config.password)).toEqual(['Swordfish-7301', 'Another-9912'])
  await telesto.removeScheduler('pool')
  await expect.poll(() => system.closed).toBe(2)
})
