import { spawn } from 'node:child_process'
import { writeFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { local } from '../adapters/local.js'
import { type AdapterContext, SchedulerError } from '../src/index.js'
import { newKey } from '../src/key-ring.js'
import { formsOf, hunt, newCanary, watch } from './canary.js'
import { shell, vault } from './cli/adapters.js'
import { temporaryDirectory } from './fixture.js'
import { sshServer } from './schedulers/ssh-server.js'
import { startPortal } from './web/support.js'

test('The search finds a canary in every form, wherever it stands', async () => {
  const canary = newCanary()
  for (const { name, bytes } of formsOf(canary)) {
    const search = hunt({ planted: canary })
    search.look('a text', Buffer.concat([Buffer.from('before '), bytes, Buffer.from(' after')]))
    expect(search.found).toContain(`planted (${name}) in a text`)
  }
  for (const before of ['', 'a', 'ab', 'abc', 'ü', '{"user":"ada","password":"'])
    for (const encoding of ['base64', 'base64url', 'hex'] as const) {
      const search = hunt({ planted: canary })
      search.look('a text', Buffer.from(`${before}${canary}" and more`).toString(encoding))
      expect([before, encoding, search.found.length]).toEqual([before, encoding, 1])
    }
  const search = hunt({ planted: canary })
  search.look('a text', newCanary())
  expect(search.found).toEqual([])
})

test('The search finds a canary in files, in their names, and among the arguments of a process', async () => {
  const canary = newCanary()
  const directory = await temporaryDirectory()
  await writeFile(path.join(directory, 'one'), Buffer.from(`x${canary}`).toString('base64'))
  await writeFile(path.join(directory, `two-${canary}`), '')
  const child = spawn('/bin/sh', ['-c', 'read line', canary])
  onTestFinished(() => void child.kill())
  const search = hunt({ planted: canary })
  await search.inFiles(directory)
  await search.inProcesses()
  expect(search.found).toEqual([
    `planted (base64 at 1) in ${path.join(directory, 'one')}`,
    'planted (plain) in the arguments of /bin/sh',
    `planted (plain) in the name of ${path.join(directory, `two-${canary}`)}`,
  ])
})

/** An adapter that tells its secrets wherever it can. */
const loud = () => {
  const told: { context?: AdapterContext; secrets: string } = { secrets: '' }
  const complain = async (): Promise<never> => {
    told.context?.log.error({ config: told.secrets, bytes: Buffer.from(told.secrets) }, `It was ${told.secrets}.`)
    throw new SchedulerError('unavailable', `Refused: ${told.secrets}`, { cause: new Error(told.secrets) })
  }
  const adapter: typeof vault = {
    ...vault,
    connect({ password = '', passPhrase = '' }, context) {
      Object.assign(told, { context, secrets: `${password}:${passPhrase} ${Buffer.from(password).toString('base64')}` })
      return {
        submit: complain,
        status: complain,
        cancel: complain,
        ping: complain,
        recover: complain,
        close: complain,
      }
    },
  }
  return adapter
}

test('A secret goes in and never comes out: rows, log, pages, API, errors and arguments of processes', async () => {
  const secrets = { password: newCanary(), passPhrase: newCanary(), login: newCanary(), wrong: newCanary() }
  const { planted, search, log, logged, tried, stopProcesses, everywhere } = watch(secrets)
  const options = { adapters: [local, loud(), shell], keys: [newKey()], runLoops: true, log }
  const portal = await startPortal(options as object)
  const { telesto } = portal
  const host = await sshServer(secrets.login)
  const { password, passPhrase } = secrets
  await tried(() => telesto.createScheduler({ name: 'loud', adapter: 'vault', config: { password, passPhrase } }))
  await tried(() => telesto.createScheduler({ name: 'loud', adapter: 'vault', config: { password, passPhrase } }))
  await tried(() => telesto.createScheduler({ name: 'x', adapter: 'vault', config: { password: [secrets.wrong] } }))
  await tried(() => telesto.createScheduler({ name: 'x', adapter: 'shell', config: { pasword: secrets.wrong } }))
  await tried(() => telesto.testScheduler('loud'))
  const ssh = { host: '127.0.0.1', port: host.port, username: 'ada', password: secrets.wrong }
  await tried(() => telesto.createScheduler({ name: 'host', adapter: 'shell', config: ssh }))
  await tried(() => telesto.testScheduler('host'))
  await tried(async () => await telesto.acceptHostKey('host', (await telesto.hostKeyOf('host')).fingerprint))
  await tried(() => telesto.testScheduler('host'))
  await tried(() => telesto.updateScheduler('host', { config: { password: secrets.login, port: -1 } }))
  await tried(() => telesto.updateScheduler('host', { config: { password: secrets.login } }))
  expect(await tried(() => telesto.testScheduler('host'))).toMatchObject({ health: 'ok' })

  // A job that the loud one is asked to run, and one that says what a page can say.
  const record = await telesto.getScheduler('loud')
  const app = portal.nile
  const create = async (jobType: string, more: object): Promise<number> => {
    const job = await app.createJob({ name: 'run', user: 'ada', jobType, description: planted, ...more } as never)
    await tried(() => job.execute())
    return job.id
  }
  const jobs = [
    await create('VAULT', { scheduler: { id: record?.id ?? 0, name: 'loud' } }),
    await create('BASIC', { command: ['/bin/sh', '-c', 'env'] }),
  ]
  await expect
    .poll(() => logged.filter((line) => line.includes('Refused')).length, { timeout: 20_000 })
    .toBeGreaterThan(1)
  await expect.poll(async () => (await app.getJob(jobs[1] as number))?.status, { timeout: 20_000 }).toBe('Complete')
  await tried(() => telesto.rotateKeys())
  await tried(() => telesto.listSchedulers())

  search.look(
    'every row',
    JSON.stringify(await Promise.all(TABLES.map((table) => portal.sql(`SELECT * FROM ${table}`)))),
  )
  await stopProcesses()

  // What was planted is in rows, pages and API: the search saw them. Nothing else is anywhere.
  const { places, others } = await everywhere(portal, jobs)
  expect(places).toContain('every row')
  expect(places).toContain(`the answer to /jobs/${jobs[0]}`)
  expect(places).toContain(`the answer to /api/jobs/${jobs[0]}`)
  if (process.env.TELESTO_TEST_DATABASE === undefined) expect(places.join()).toContain('telesto.db')
  expect(others).toEqual([])
})

const TABLES = ['schedulers', 'scheduler_settings', 'jobs', 'attempts', 'events', 'audit', 'strays', 'parts'].map(
  (name) => `telesto_${name}`,
)
