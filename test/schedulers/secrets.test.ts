import { expect, test } from 'vitest'
import { SchedulerError } from '../../src/adapter.js'
import { newKey } from '../../src/key-ring.js'
import { expectRefusal } from '../fixture.js'
import { KEYS, openVaults } from './vault.js'

const PASSWORD = 'Swordfish-7301'
const SECRETS = { password: PASSWORD, passphrase: 'open sesame' }

const sealed = async (vaults: Awaited<ReturnType<typeof openVaults>>): Promise<Record<string, string>> => {
  const [row] = await vaults.rows<{ secrets: string }>(`SELECT secrets FROM telesto_schedulers WHERE name = 'pool'`)
  return JSON.parse(row?.secrets ?? '{}')
}

test('Secrets are stored encrypted, never shown, and given to the adapter', async () => {
  const vaults = await openVaults()
  const { telesto, connected } = await vaults.open()
  const made = await telesto.createScheduler({ name: 'pool', adapter: 'vault', config: { colour: 'blue', ...SECRETS } })
  expect(made.config).toEqual({ address: 'one', colour: 'blue' })
  expect(made.secretsSet).toEqual(['password', 'passphrase'])
  const everything = JSON.stringify([
    made,
    await telesto.getScheduler('pool'),
    await telesto.listSchedulers(),
    await vaults.rows('SELECT * FROM telesto_schedulers'),
    await vaults.rows('SELECT * FROM telesto_audit'),
  ])
  expect(everything).not.toContain(PASSWORD)
  expect(everything).not.toContain('sesame')
  expect(await telesto.testScheduler('pool')).toMatchObject({ health: 'ok' })
  expect(connected.map(({ config }) => config)).toEqual([{ address: 'one', colour: 'blue', ...SECRETS }])
})

test('Without a key no secret is stored, in a new record or in an old one; a record without secrets needs none', async () => {
  const vaults = await openVaults()
  const { telesto } = await vaults.open([])
  const secret = { name: 'pool', adapter: 'vault', config: { password: PASSWORD } }
  const error = await expectRefusal(() => telesto.createScheduler(secret), 'secrets_without_key', 'config.password')
  expect(error.message).not.toContain(PASSWORD)
  expect(await telesto.getScheduler('pool')).toBeNull()
  await telesto.createScheduler({ name: 'pool', adapter: 'vault', config: { password: '', passphrase: null } })
  await expectRefusal(
    () => telesto.updateScheduler('pool', { config: { colour: 'blue', passphrase: 'x' } }),
    'secrets_without_key',
    'config.passphrase',
  )
  expect((await telesto.getScheduler('pool'))?.config).toEqual({ address: 'one', colour: 'red' })
  await expectRefusal(() => telesto.rotateKeys(), 'secrets_without_key')
})

test('A secret that is blank or absent stays, null removes it, another text replaces it', async () => {
  const vaults = await openVaults()
  const { telesto, connected } = await vaults.open()
  await telesto.createScheduler({ name: 'pool', adapter: 'vault', config: SECRETS })
  const before = await sealed(vaults)
  await telesto.updateScheduler('pool', { config: { colour: 'blue', password: '', passphrase: undefined } })
  expect(await sealed(vaults)).toEqual(before)
  expect((await telesto.getScheduler('pool'))?.config).toEqual({ address: 'one', colour: 'blue' })
  const changed = await telesto.updateScheduler('pool', { config: { password: 'Another-9912', passphrase: null } })
  expect(changed.secretsSet).toEqual(['password'])
  expect((await sealed(vaults)).password).not.toBe(before.password)
  await telesto.testScheduler('pool')
  expect(connected.at(-1)?.config).toEqual({ address: 'one', colour: 'blue', password: 'Another-9912' })
  const back = await telesto.updateScheduler('pool', { config: { colour: null } })
  expect(back.config).toEqual({ address: 'one', colour: 'red' })
})

test('The audit trail tells which secrets were set and removed, and what else changed', async () => {
  const vaults = await openVaults()
  const { telesto } = await vaults.open()
  await telesto.createScheduler({ name: 'pool', adapter: 'vault', config: { password: PASSWORD }, maxActiveJobs: 3 })
  await telesto.updateScheduler('pool', { config: { colour: 'blue', password: null, passphrase: 'open sesame' } })
  await telesto.updateScheduler('pool', { config: { colour: 'blue', password: '' } })
  await telesto.removeScheduler('pool')
  const audit = await vaults.rows<{ action: string; data: string }>(
    'SELECT action, data FROM telesto_audit ORDER BY id',
  )
  expect(audit.map(({ action, data }) => [action, JSON.parse(data)])).toEqual([
    [
      'createScheduler',
      {
        name: 'pool',
        adapter: 'vault',
        config: { address: 'one', colour: 'red' },
        secretsSet: ['password'],
        maxActiveJobs: 3,
      },
    ],
    [
      'updateScheduler',
      { name: 'pool', config: { colour: 'blue' }, secretsSet: ['passphrase'], secretsRemoved: ['password'] },
    ],
    ['removeScheduler', { name: 'pool', adapter: 'vault' }],
  ])
})

test('A ciphertext that was moved to another record or field does not open there', async () => {
  const vaults = await openVaults()
  const { telesto } = await vaults.open()
  await telesto.createScheduler({ name: 'pool', adapter: 'vault', config: { password: PASSWORD } })
  await telesto.createScheduler({ name: 'other', adapter: 'vault', config: { password: 'Another-9912' } })
  const { password } = await sealed(vaults)
  const put = async (name: string, secrets: object): Promise<unknown> => {
    await vaults.rows(`UPDATE telesto_schedulers SET secrets = '${JSON.stringify(secrets)}' WHERE name = '${name}'`)
    return await telesto.testScheduler(name)
  }
  for (const [name, secrets] of [
    ['other', { password }],
    ['pool', { passphrase: password }],
  ] as const) {
    expect(await put(name, secrets)).toMatchObject({
      health: 'blocked',
      message: expect.stringMatching(/belongs to another record or field/),
    })
  }
  expect(await put('pool', { password })).toMatchObject({ health: 'ok' })
})

test('Where a key is missing the record is blocked with a sentence, everything else goes on, and the secret can be set anew', async () => {
  const vaults = await openVaults()
  const before = await vaults.open()
  await before.telesto.createScheduler({ name: 'pool', adapter: 'vault', config: SECRETS })
  await before.telesto.createScheduler({ name: 'open', adapter: 'vault' })
  await before.telesto.close()

  const { telesto, system, connected } = await vaults.open([newKey()], { runLoops: true })
  const pool = await telesto.getScheduler('pool')
  expect(pool).toMatchObject({ health: 'blocked', secretsSet: ['password', 'passphrase'] })
  expect(pool?.healthMessage).toMatch(
    /^The secret password of the scheduler pool cannot be decrypted: its key [0-9a-f]{12} is not in TELESTO_KEYS\./,
  )
  expect(await telesto.getScheduler('open')).toMatchObject({ health: 'ok', healthMessage: null })

  const app = telesto.app('flood')
  const record = (name: string) => ({ scheduler: { id: 0, name } })
  const jobOf = async (name: string) => {
    const found = await telesto.getScheduler(name)
    const job = await app.createJob({
      ...record(name),
      name: 'run',
      user: 'ada',
      jobType: 'SCRIPTED',
      scheduler: { id: found?.id ?? 0, name },
    } as never)
    await job.execute()
    return job
  }
  const waits = await jobOf('pool')
  const goes = await jobOf('open')
  await expect.poll(async () => (await app.getJob(goes.id))?.status, { timeout: 20_000 }).toBe('Submitted')
  await expect
    .poll(async () => (await vaults.rows(`SELECT health FROM telesto_schedulers WHERE name = 'pool'`))[0], {
      timeout: 20_000,
    })
    .toEqual({ health: 'blocked' })
  expect((await app.getJob(waits.id))?.status).toBe('Pending')
  expect(connected.map(({ config }) => config.password)).toEqual([undefined])

  // As an administrator would: the job begins at once.
  await telesto.updateScheduler('pool', { config: { password: 'Another-9912', passphrase: null } })
  await expect.poll(async () => (await app.getJob(waits.id))?.status, { timeout: 20_000 }).toBe('Submitted')
  expect(connected.at(-1)?.config).toEqual({ address: 'one', colour: 'red', password: 'Another-9912' })
  await expect.poll(async () => (await telesto.getScheduler('pool'))?.health, { timeout: 20_000 }).toBe('ok')
  expect(system.count('submit')).toBe(2)
})

test('Rotation encrypts all secrets with the first key, tells how many, and then the old key can go', async () => {
  const vaults = await openVaults()
  const [old, fresh] = KEYS
  const before = await vaults.open([old])
  await before.telesto.createScheduler({ name: 'pool', adapter: 'vault', config: SECRETS })
  await before.telesto.createScheduler({ name: 'other', adapter: 'vault', config: { password: PASSWORD } })
  await before.telesto.createScheduler({ name: 'open', adapter: 'vault' })
  const both = await vaults.open([fresh, old])
  await both.telesto.updateScheduler('other', { config: { password: 'Another-9912' } })
  expect(await both.telesto.rotateKeys()).toEqual({ rotated: 2, secrets: 3, unreadable: [] })
  const once = await sealed(vaults)
  expect(await both.telesto.rotateKeys()).toEqual({ rotated: 0, secrets: 3, unreadable: [] })
  expect(await sealed(vaults)).toEqual(once)
  const after = await vaults.open([fresh])
  expect(await after.telesto.testScheduler('pool')).toMatchObject({ health: 'ok' })
  expect(after.connected[0]?.config).toMatchObject(SECRETS)
  expect(await before.telesto.getScheduler('pool')).toMatchObject({ health: 'blocked' })
  const audit = await vaults.rows<{ data: string }>(`SELECT data FROM telesto_audit WHERE action = 'rotateKeys'`)
  expect(audit.map(({ data }) => JSON.parse(data))).toEqual([
    { rotated: 2, key: expect.stringMatching(/^[0-9a-f]{12}$/) },
  ])
})

test('Rotation leaves what no key opens as it is, and names it', async () => {
  const vaults = await openVaults()
  const lost = newKey()
  const before = await vaults.open([lost])
  await before.telesto.createScheduler({ name: 'pool', adapter: 'vault', config: { password: PASSWORD } })
  const text = (await sealed(vaults)).password
  const { telesto } = await vaults.open([KEYS[1], KEYS[0]])
  await telesto.createScheduler({ name: 'other', adapter: 'vault', config: { password: PASSWORD } })
  expect(await telesto.rotateKeys()).toEqual({
    rotated: 0,
    secrets: 2,
    unreadable: [{ scheduler: 'pool', field: 'password', key: expect.stringMatching(/^[0-9a-f]{12}$/) }],
  })
  expect((await sealed(vaults)).password).toBe(text)
})

test('What an adapter throws, answers or logs tells nothing of its secrets', async () => {
  const vaults = await openVaults()
  const { telesto, system, connected } = await vaults.open()
  await telesto.createScheduler({ name: 'pool', adapter: 'vault', config: { password: 'Sword "fish"' } })
  const told = 'Sword "fish" is wrong'
  system.script.ping = async () => {
    connected[0]?.context.log.warn({ given: told, deep: [new Error(told)] }, told)
    throw new SchedulerError('auth', told, { cause: new Error(told) })
  }
  const found = await telesto.testScheduler('pool')
  expect(found).toMatchObject({ health: 'blocked', message: '(secret) is wrong' })
  const [row] = await vaults.rows(`SELECT health_message FROM telesto_schedulers WHERE name = 'pool'`)
  expect(row).toEqual({ health_message: '(secret) is wrong' })
  expect(vaults.lines.join('\n')).toContain('(secret) is wrong')
  expect(vaults.lines.join('\n')).not.toContain('fish')
})

test('What is wrong with a secret is told without the secret', async () => {
  const vaults = await openVaults()
  const { telesto } = await vaults.open()
  const error = await expectRefusal(
    () => telesto.createScheduler({ name: 'pool', adapter: 'vault', config: { password: 'short' } }),
    'invalid',
    'config.password',
  )
  expect(error.message).not.toContain('short')
})

test('A key that is none is refused when Telesto opens', async () => {
  const vaults = await openVaults()
  await expectRefusal(() => vaults.open(['not a key']), 'invalid', 'keys')
})
