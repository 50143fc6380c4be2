import { execFileSync } from 'node:child_process'
import { chmodSync, readFileSync, writeFileSync } from 'node:fs'
import path from 'node:path'
import { expect, test } from 'vitest'
import type { Job } from '../../src/index.js'
import { newCanary, watch } from '../canary.js'
import { temporaryDirectory } from '../fixture.js'
import { ACCOUNT, changePassword, startCondorPortal } from './condor-portal.js'
import { given } from './ssh-server.js'

// The password of the account that submits, and the passphrase of its key, are canaries. What is planted beside them has to be found
// wherever they are looked for.

const onPool = (command: string, ...args: string[]): string =>
  execFileSync(path.join(path.join(given('CONDOR_DIR'), 'bin'), command), args, {
    encoding: 'utf8',
    maxBuffer: 2 ** 28,
  })
const poolValue = (name: string): string => onPool('condor_config_val', name).trim()
const homeOf = (account: string): string =>
  execFileSync('getent', ['passwd', account], { encoding: 'utf8' }).split(':')[5] ?? ''

/** A pair of keys, the private one encrypted; no other process is told the passphrase in its arguments. */
const newKeyPair = async (passphrase: string): Promise<{ readonly file: string; readonly open: string }> => {
  const directory = await temporaryDirectory()
  chmodSync(directory, 0o755)
  const [file, askpass] = [path.join(directory, 'id'), path.join(directory, 'askpass')]
  writeFileSync(askpass, `#!/bin/sh\necho '${passphrase}'\n`, { mode: 0o700 })
  const env = { ...process.env, SSH_ASKPASS: askpass, SSH_ASKPASS_REQUIRE: 'force', DISPLAY: 'none' }
  execFileSync('ssh-keygen', ['-q', '-t', 'ed25519', '-f', file], { env, stdio: 'ignore' })
  return { file, open: `${file}.pub` }
}

test('The login of a pool goes in and never comes out: rows, log, pages, API, processes, ClassAds, directories', async () => {
  const secrets = { password: newCanary(), passphrase: newCanary(), wrong: newCanary() }
  const { planted, search, log, logged, tried, stopProcesses, everywhere } = watch(secrets)
  changePassword(secrets.password)
  const key = await newKeyPair(secrets.passphrase)
  const portal = await startCondorPortal({ log, settings: [`AuthorizedKeysFile ${key.open}`] })
  const { telesto, directory } = portal
  // Commands that last are seen.
  for (const name of ['condor_submit', 'condor_q'])
    portal.instead(name, `sleep 0.2\nexec ${path.join(path.join(given('CONDOR_DIR'), 'bin'), name)} "$@"\n`)

  await portal.connect({ password: secrets.password })
  await portal.connect({ privateKeyPath: key.file, privateKeyPass: secrets.passphrase }, 'keyed')
  await portal.connect({ password: secrets.wrong }, 'refused')
  await portal.connect({ privateKeyPath: key.file, privateKeyPass: secrets.wrong }, 'locked')
  await tried(() => portal.connect({ password: [secrets.wrong] }, 'invalid'))
  await tried(() => portal.connect({ password: secrets.password }))
  for (const name of ['refused', 'locked'])
    expect(await tried(() => telesto.testScheduler(name))).toMatchObject({ health: 'blocked' })
  for (const name of ['pool', 'keyed'])
    expect(await tried(() => telesto.testScheduler(name))).toMatchObject({ health: 'ok' })

  // A job of each login that shows all it is given, one that cannot be handed over, one that HTCondor refuses.
  const more = { environment: { PLANTED: planted }, description: planted }
  const shows = `env; echo ${planted} >planted; sleep 4`
  const jobs: Job[] = [await portal.run(shows, more), await portal.run(shows, more, 'keyed')]
  jobs.push(await portal.run('true', {}, 'refused'), await portal.run('true', { requirements: `${planted} (` }))
  for (const job of jobs.slice(0, 2)) await portal.reaches(job, 'Running')
  search.look('the queue', onPool('condor_q', '-l'))
  const target = path.join(homeOf(ACCOUNT()), 'telesto')
  await search.inFiles(target)
  for (const job of jobs.slice(0, 2)) await portal.reaches(job, 'Complete')
  await portal.reaches(jobs[3] as Job, 'Error')
  await tried(async () => await jobs[0]?.refresh())
  await tried(() => telesto.rotateKeys())
  await tried(() => telesto.listSchedulers())
  await stopProcesses()

  search.look('the history', onPool('condor_history', '-l'))
  await search.inFiles(homeOf(ACCOUNT()))
  await search.inFiles(poolValue('SPOOL'))
  await search.inFiles(poolValue('LOG'))
  search.look('the log of sshd', portal.sshd.log())
  const { places, others } = await everywhere(
    portal,
    jobs.map(({ id }) => id),
  )

  // The search saw what was planted, in every place.
  expect(logged.join('\n')).toMatch(/could not be asked/)
  const [first] = jobs
  for (const place of [
    'the queue',
    'the history',
    'the arguments of /bin/sh',
    'the environment of ',
    `the answer to /jobs/${first?.id}`,
    `the answer to /api/jobs/${first?.id}`,
    path.join(directory, 'telesto.db'),
    path.join(target, 'nile', 'ada', `${first?.id}`),
    path.join(poolValue('SPOOL'), 'history'),
  ])
    expect(places.join('\n')).toContain(place)
  expect(others).toEqual([])
  expect(readFileSync(key.file, 'utf8')).toContain('PRIVATE KEY')
}, 240_000)
