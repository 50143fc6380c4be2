import { expect, onTestFinished, test } from 'vitest'
import { createTelesto } from '../../src/index.js'
import { shell } from '../cli/adapters.js'
import { forget, telestoIn } from '../database.js'
import { expectRefusal, refusal, temporaryDirectory } from '../fixture.js'
import { sshServer } from './ssh-server.js'
import { KEYS } from './vault.js'

const PASSWORD = 'Swordfish-7301'

const withHost = async () => {
  const host = await sshServer(PASSWORD)
  const directory = await temporaryDirectory()
  onTestFinished(async () => await forget(directory))
  const telesto = await createTelesto({
    adapters: [shell],
    ...(await telestoIn(directory)),
    keys: KEYS,
    runLoops: false,
  })
  onTestFinished(async () => await telesto.close())
  const config = { host: '127.0.0.1', port: host.port, username: 'ada', password: PASSWORD }
  await telesto.createScheduler({ name: 'host', adapter: 'shell', config })
  return { host, telesto, config }
}

test('A host key is shown, accepted, and then the only one that is talked to; the password goes to no other', async () => {
  const { host, telesto } = await withHost()
  const offered = await telesto.hostKeyOf('host')
  expect(offered).toEqual({ fingerprint: expect.stringMatching(/^SHA256:[\w+/]{43}$/), keyType: 'ssh-rsa' })
  expect(await telesto.testScheduler('host')).toMatchObject({ health: 'blocked', hostKey: offered })
  expect(host.logins).toBe(0)
  await expectRefusal(() => telesto.acceptHostKey('host', 'aa:bb'), 'invalid', 'config.hostKey')
  const record = await telesto.acceptHostKey('host', offered.fingerprint)
  expect(record.config).toMatchObject({ hostKey: offered.fingerprint })
  expect(await telesto.testScheduler('host')).toEqual({
    health: 'ok',
    version: "shell it's me",
    message: null,
    hostKey: null,
  })
  expect(host.logins).toBe(1)

  await host.reinstall()
  await expect
    .poll(async () => await telesto.testScheduler('host'), { timeout: 20_000, interval: 1100 })
    .toMatchObject({ health: 'blocked', hostKey: { fingerprint: expect.not.stringMatching(offered.fingerprint) } })
  expect(host.logins).toBe(1)
})

test('A wrong password blocks the record, and the right one opens it at once', async () => {
  const { telesto } = await withHost()
  await telesto.acceptHostKey('host', (await telesto.hostKeyOf('host')).fingerprint)
  await telesto.updateScheduler('host', { config: { password: 'Another-9912' } })
  const refused = await telesto.testScheduler('host')
  expect(refused).toMatchObject({ health: 'blocked', version: null, hostKey: null })
  expect(refused.message).not.toContain('Another-9912')
  await telesto.updateScheduler('host', { config: { password: PASSWORD } })
  expect(await telesto.testScheduler('host')).toMatchObject({ health: 'ok' })
  expect(await telesto.getScheduler('host')).toMatchObject({ health: 'ok', healthMessage: null })
})

test('The accepted key goes with the host that it was accepted for, and without a host there is this machine', async () => {
  const { telesto, config } = await withHost()
  await telesto.acceptHostKey('host', (await telesto.hostKeyOf('host')).fingerprint)
  const same = await telesto.updateScheduler('host', { config: { ...config, username: 'grace' } })
  expect(same.config.hostKey).toMatch(/^SHA256:/)
  const other = await telesto.updateScheduler('host', { config: { host: 'other.example' } })
  expect(other.config.hostKey).toBeUndefined()
  await telesto.updateScheduler('host', { config: { host: null, password: null, username: null } })
  expect(await telesto.testScheduler('host')).toMatchObject({ health: 'ok', version: "shell it's me" })
  await expectRefusal(() => telesto.hostKeyOf('host'), 'not_supported', 'name')
})

test('A host that is not there has no key to show', async () => {
  const { telesto } = await withHost()
  await telesto.updateScheduler('host', { config: { port: 1 } })
  const { code, message } = await refusal(() => telesto.hostKeyOf('host'))
  expect([code, message]).toEqual(['scheduler_unavailable', expect.stringContaining('127.0.0.1')])
  expect(await telesto.testScheduler('host')).toMatchObject({ health: 'degraded', hostKey: null })
})
