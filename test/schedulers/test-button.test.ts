import { expect, test } from 'vitest'
import { SchedulerError } from '../../src/adapter.js'
import { expectRefusal } from '../fixture.js'
import { KEYS, openVaults } from './vault.js'

const withPool = async (options: { readonly runLoops?: boolean; readonly has?: readonly 'recover'[] } = {}) => {
  const vaults = await openVaults()
  const opened = await vaults.open(undefined, options)
  await opened.telesto.createScheduler({ name: 'pool', adapter: 'vault' })
  return { ...vaults, ...opened }
}

test('Test tells the version, and stores that the scheduler is well', async () => {
  const { telesto, system, rows } = await withPool()
  await rows(
    `UPDATE telesto_schedulers SET health = 'blocked', health_message = 'No.', poll_failures = 9, next_poll_at = 9e15, next_orders_at = 9e15`,
  )
  system.script.ping = async () => ({ version: '9.8.7' })
  expect(await telesto.testScheduler('pool')).toEqual({ health: 'ok', version: '9.8.7', message: null, hostKey: null })
  expect(await telesto.getScheduler('pool')).toMatchObject({ health: 'ok', healthMessage: null })
  const [row] = await rows(
    `SELECT poll_failures, next_poll_at, next_orders_at FROM telesto_schedulers WHERE name = 'pool'`,
  )
  expect(row).toEqual({ poll_failures: 0, next_poll_at: 0, next_orders_at: 0 })
})

test.each([
  ['auth', 'blocked'],
  ['unavailable', 'degraded'],
  ['protocol', 'degraded'],
] as const)('That it fails with %s is a result, and the record is %s', async (code, health) => {
  const { telesto, system, rows } = await withPool()
  system.script.ping = async () => {
    throw new SchedulerError(code, 'It said no.')
  }
  expect(await telesto.testScheduler('pool')).toEqual({ health, version: null, message: 'It said no.', hostKey: null })
  expect(await telesto.getScheduler('pool')).toMatchObject({ health, healthMessage: 'It said no.' })
  const events = await rows<{ data: string }>(`SELECT data FROM telesto_events WHERE kind = 'health'`)
  expect(events.map(({ data }) => JSON.parse(data))).toEqual([{ health, message: 'It said no.' }])
})

test('All who test at once share one question, and one answer', async () => {
  const { telesto, system } = await withPool()
  const answer = Promise.withResolvers<{ version: string }>()
  system.script.ping = () => answer.promise
  const tests = Array.from({ length: 20 }, () => telesto.testScheduler('pool'))
  await expect.poll(() => system.count('ping')).toBe(1)
  answer.resolve({ version: '1' })
  expect(new Set((await Promise.all(tests)).map(({ version }) => version))).toEqual(new Set(['1']))
  expect(system.count('ping')).toBe(1)
  // An edit is asked about anew, however soon it comes.
  await telesto.updateScheduler('pool', { config: { colour: 'blue' } })
  await telesto.testScheduler('pool')
  expect(system.count('ping')).toBe(2)
})

test('A blocked record whose remedy was found is asked at once: by Test, and by an edit', async () => {
  const { telesto, system } = await withPool({ runLoops: true })
  const app = telesto.app('flood')
  const refuse = async () => {
    throw new SchedulerError('auth', 'Permission denied.')
  }
  const record = await telesto.getScheduler('pool')
  const blocked = async () => {
    system.script.submit = refuse
    system.script.recover = refuse
    const scheduler = { id: record?.id ?? 0, name: 'pool' }
    const job = await app.createJob({ name: 'run', user: 'ada', jobType: 'SCRIPTED', scheduler } as never)
    await job.execute()
    await expect.poll(async () => (await telesto.getScheduler('pool'))?.health, { timeout: 20_000 }).toBe('blocked')
    delete system.script.submit
    delete system.script.recover
    return job
  }
  for (const remedy of [
    () => telesto.testScheduler('pool'),
    () => telesto.updateScheduler('pool', { config: { password: 'Swordfish-7301' } }),
  ]) {
    const job = await blocked()
    await remedy()
    await expect.poll(async () => (await app.getJob(job.id))?.status, { timeout: 20_000 }).toBe('Submitted')
  }
})

test('What a process cannot ask because it lacks the key is no word about the scheduler: nothing is stored', async () => {
  const vaults = await openVaults()
  const { telesto } = await vaults.open([KEYS[0]])
  await telesto.createScheduler({ name: 'pool', adapter: 'vault', config: { password: 'Swordfish-7301' } })
  const { telesto: stranger, system } = await vaults.open([KEYS[1]])
  expect(await stranger.testScheduler('pool')).toMatchObject({
    health: 'blocked',
    message: expect.stringMatching(/password of the scheduler pool cannot be decrypted/),
  })
  expect(system.count('ping')).toBe(0)
  expect(await telesto.getScheduler('pool')).toMatchObject({ health: 'ok', healthMessage: null })
})

test('What has no test says so', async () => {
  const { telesto } = await withPool({ has: ['recover'] })
  await expectRefusal(() => telesto.testScheduler('pool'), 'not_supported', 'adapter')
  await expectRefusal(() => telesto.hostKeyOf('pool'), 'not_supported', 'name')
  await expectRefusal(() => telesto.acceptHostKey('pool', 'SHA256:x'), 'not_supported', 'name')
})
