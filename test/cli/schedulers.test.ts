import { spawn } from 'node:child_process'
import { chmod, readdir, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, test, vi } from 'vitest'
import { sshServer } from '../schedulers/ssh-server.js'
import { freshDirectory } from '../store/support.js'
import { digest } from './adapters.js'
import { ADAPTERS, CLI, installed, KEY, PASSWORD, program, VAULT } from './program.js'

// Each test starts the program several times.
vi.setConfig({ testTimeout: 180_000 })

test('Nothing is made where there is no database: the sentence says how to make one', async () => {
  const directory = await freshDirectory()
  const { telesto } = program(directory)
  for (const args of [
    ['schedulers', 'list'],
    ['keys', 'rotate'],
    ['link', 'pool', 'flood:compute'],
    ['unlink', 'flood:compute'],
  ])
    expect(await telesto(args)).toMatchObject({
      code: 1,
      stdout: '',
      stderr: expect.stringContaining('telesto migrate'),
    })
  expect(await readdir(directory)).toEqual([])
})

test('--help tells the options of an adapter, its secrets without a way to give them as arguments', async () => {
  const { telesto } = program(await freshDirectory())
  for (const args of [['create-condor'], ['create', '--adapter', 'condor']]) {
    const { code, stdout } = await telesto(['schedulers', ...args, '--help'])
    expect(code).toBe(0)
    expect(stdout).toMatch(/^ {2}--private-key-path +A file of this machine/m)
    expect(stdout).toMatch(/^ {2}--port +By default 22\.$/m)
    expect(stdout).toMatch(/^ {2}--max-active-jobs +.*"none": no limit\.$/m)
    expect(stdout).toMatch(/^ {2}--password-file <path> +Or TELESTO_PASSWORD in the environment/m)
    expect(stdout).not.toMatch(/^ {2}--password /m)
  }
})

test('A record is made with its fields and limits as options, and listed', async () => {
  const { done, rows } = await installed()
  expect(await done(['schedulers', 'list'])).toBe('There are no schedulers.')
  const made = await done([
    ...VAULT,
    'pool 1',
    '--address',
    'two',
    '--port',
    '7',
    '--careful',
    'false',
    '--scheduler-directory',
    'x',
    '--shelves',
    '["a","b"]',
    '--poll-seconds',
    '3',
    '--max-active-jobs',
    'none',
    '--enabled',
    'false',
  ])
  expect(made).toContain(`telesto schedulers test 'pool 1'`)
  expect(await done(['schedulers', 'list'])).toBe(
    ['NAME    ADAPTER  HOST  SECRETS  HEALTH', 'pool 1  vault    -     -        ok, disabled'].join('\n'),
  )
  expect(await done(['schedulers', 'list', '--type', 'condor'])).toBe('There are no schedulers of the adapter condor.')
  const [record] = JSON.parse(await done(['schedulers', 'list', '--type', 'vault', '--json']))
  expect(record).toMatchObject({
    name: 'pool 1',
    config: { address: 'two', port: 7, careful: false, directory: 'x', shelves: ['a', 'b'] },
    secretsSet: [],
    enabled: false,
    pollSeconds: 3,
    maxActiveJobs: null,
  })
  expect(rows('SELECT user_id IS NOT NULL AS known, address, action FROM telesto_audit')).toEqual([
    { known: 1, address: 'command line', action: 'createScheduler' },
  ])
})

test('The adapters of this package are known by their names', async () => {
  const { done, telesto } = await installed()
  await done(['schedulers', 'create', '--name', 'here', '--adapter', 'local'])
  expect(await done(['schedulers', 'test', 'here'])).toMatch(/^here is ok, version /)
  for (const adapter of ['none', '../local', 'testing'])
    expect(await telesto(['schedulers', 'create', '--name', 'x', '--adapter', adapter])).toMatchObject({
      code: 1,
      stderr: expect.stringMatching(/^telesto: There is no adapter ".*" in this package, which has .*local.*--module/),
    })
})

test('Secrets come from a file or from the environment', async () => {
  const { cwd, done, rows } = await installed()
  const file = path.join(cwd, 'password.txt')
  await writeFile(file, `${PASSWORD}\n`)
  await chmod(file, 0o600)
  await done([...VAULT, 'pool', '--password-file', file], { env: { TELESTO_PASS_PHRASE: 'open sesame' } })
  expect(await done(['schedulers', 'list'])).toContain('pool  vault    -     password, passPhrase  ok')
  const test = ['schedulers', 'test', 'pool', '--module', ADAPTERS]
  expect(await done(test)).toBe(`pool is ok, version ${digest(PASSWORD, 'open sesame')}.`)
  expect(JSON.stringify(rows('SELECT * FROM telesto_schedulers'))).not.toContain(PASSWORD)

  await done(['schedulers', 'update', 'pool', '--module', ADAPTERS, '--address', 'two'])
  expect(await done(test)).toBe(`pool is ok, version ${digest(PASSWORD, 'open sesame')}.`)
  await done(['schedulers', 'update', 'pool', '--module', ADAPTERS, '--unset', 'pass-phrase'], {
    env: { TELESTO_PASSWORD: 'Another-9912' },
  })
  expect(await done(test)).toBe(`pool is ok, version ${digest('Another-9912', '')}.`)
})

test('At a terminal a secret is asked for, and not shown', async () => {
  const { cwd, done } = await installed()
  const command = [
    process.execPath,
    '--import',
    new URL('../store/run-typescript.mjs', import.meta.url).href,
    CLI.pathname,
    ...VAULT,
    'pool',
  ]
  const quoted = command.map((word) => `'${word}'`).join(' ')
  const env = { ...process.env, DATABASE_URL: '', TELESTO_KEYS: KEY }
  const terminal = spawn('script', ['-qec', quoted, '/dev/null'], { cwd, env, stdio: ['pipe', 'pipe', 'inherit'] })
  let shown = ''
  terminal.stdout.on('data', (chunk: Buffer) => {
    shown += String(chunk)
  })
  const ended = new Promise((resolve) => terminal.on('close', resolve))
  await expect.poll(() => shown, { timeout: 20_000 }).toContain('password (Enter: none): ')
  terminal.stdin.write(`${PASSWORD}x\u007f\r`)
  await expect.poll(() => shown, { timeout: 20_000 }).toContain('passPhrase (Enter: none): ')
  terminal.stdin.write('\r')
  expect([await ended, shown]).toEqual([0, expect.stringContaining('The scheduler pool was made.')])
  expect(shown).not.toContain('Sword')
  const version = await done(['schedulers', 'test', 'pool', '--module', ADAPTERS])
  expect(version).toBe(`pool is ok, version ${digest(PASSWORD, '')}.`)
})

test('Without a key no secret is stored; a key that is none is refused', async () => {
  const { telesto, done } = await installed()
  const without = await telesto([...VAULT, 'pool'], { env: { TELESTO_KEYS: '', TELESTO_PASSWORD: PASSWORD } })
  expect(without).toMatchObject({ code: 1, stderr: expect.stringMatching(/npx telesto keys generate/) })
  expect(without.stderr).not.toContain(PASSWORD)
  const wrong = await telesto(['schedulers', 'list'], { env: { TELESTO_KEYS: 'hunter2' } })
  expect(wrong).toMatchObject({ code: 1, stderr: expect.stringContaining('Key 1 of TELESTO_KEYS') })
  expect(wrong.stderr).not.toContain('hunter2')
  expect(await done(['schedulers', 'list'])).toBe('There are no schedulers.')
})

test('Removing asks y or n until it is answered, and --force does not ask', async () => {
  const { telesto, done } = await installed()
  for (const name of ['one', 'two']) await done([...VAULT, name])
  for (const input of ['n\n', 'maybe\nNO\n', '']) {
    const answer = await telesto(['schedulers', 'remove', 'one'], { input })
    expect(answer).toMatchObject({ code: 1, stdout: '' })
    expect(answer.stderr).toContain('Aborted. The scheduler was not removed.')
  }
  const yes = await telesto(['schedulers', 'remove', 'one'], { input: 'what?\ny\n' })
  expect(yes).toMatchObject({ code: 0, stdout: 'The scheduler one was removed.' })
  expect(yes.stderr.match(/\[y\/n\]/g)).toHaveLength(2)
  expect(await done(['schedulers', 'remove', 'two', '--force'])).toBe('The scheduler two was removed.')
  expect(await done(['schedulers', 'list'])).toBe('There are no schedulers.')
})

test('A record with active jobs is not removed, forced or not; with --abandon they are given up, after asking', async () => {
  const { telesto, done, portal, rows } = await installed()
  await done([...VAULT, 'pool'])
  const app = (await portal()).app('flood')
  const id = Number(JSON.parse(await done(['schedulers', 'list', '--json', '--type', 'vault']))[0].id)
  const job = await app.createJob({
    name: 'x',
    user: 'ada',
    jobType: 'VAULT',
    scheduler: { id, name: 'pool' },
  } as never)
  await job.execute()
  expect(await telesto(['schedulers', 'remove', 'pool', '-f'])).toMatchObject({
    code: 1,
    stderr: expect.stringMatching(/It cannot be removed now: the scheduler pool has 1 active job\..* --abandon/),
  })
  const no = await telesto(['schedulers', 'remove', 'pool', '--abandon'], { input: 'n\n' })
  expect(no.stderr).toContain('and give up its active jobs, which may still run there? [y/n]')
  expect((await app.getJob(job.id))?.status).toBe('Pending')
  expect(await done(['schedulers', 'remove', 'pool', '--abandon', '--force'])).toBe(
    'The scheduler pool was removed. Jobs given up: 1.',
  )
  expect(await app.getJob(job.id)).toMatchObject({ status: 'Error', cause: 'abandoned' })
  expect(rows(`SELECT address FROM telesto_audit WHERE action = 'removeScheduler'`)).toEqual([
    { address: 'command line' },
  ])
})

test('link assigns a record to a setting that an app has declared', async () => {
  const { telesto, done, portal, rows } = await installed()
  await done([...VAULT, 'pool'])
  expect(await telesto(['link', 'pool', 'flood:compute'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('No app has declared the setting flood:compute in this database. Declared: none.'),
  })
  const opened = await portal()
  opened.app('flood', { schedulerSettings: { compute: { adapter: 'vault' }, here: { adapter: 'local' } } })
  await opened.listSchedulerSettings()
  expect(await done(['link', 'pool', 'flood:compute'])).toBe('flood:compute runs on pool from now on.')
  expect((await opened.listSchedulerSettings())[0]).toMatchObject({ name: 'compute', scheduler: 'pool' })
  for (const [args, sentence] of [
    [['pool', 'flood:here'], 'The setting here of flood needs a scheduler of the adapter local; pool has vault.'],
    [['none', 'flood:compute'], 'There is no scheduler "none".'],
    [
      ['pool', 'flood:storage'],
      'No app has declared the setting flood:storage in this database. Declared: flood:compute, flood:here.',
    ],
  ] as const)
    expect(await telesto(['link', ...args])).toMatchObject({ code: 1, stderr: expect.stringContaining(sentence) })
  expect(rows(`SELECT app, address FROM telesto_audit WHERE action = 'assignScheduler'`)).toEqual([
    { app: 'flood', address: 'command line' },
  ])
})

test('unlink takes the record away: executed jobs keep theirs, others are refused until one is linked', async () => {
  const { telesto, done, portal, rows } = await installed()
  await done([...VAULT, 'pool'])
  const opened = await portal()
  const flood = opened.app('flood', { schedulerSettings: { compute: { adapter: 'vault' } } })
  await opened.listSchedulerSettings()
  expect(await done(['unlink', 'flood:compute'])).toBe('flood:compute had no scheduler.')
  await done(['link', 'pool', 'flood:compute'])
  const run = { name: 'run', user: 'ada', jobType: 'VAULT', scheduler: 'compute' } as const
  const [executed, created] = await flood.bulkCreate([run, run])
  await executed?.execute()
  expect(await done(['unlink', 'flood:compute'])).toBe(
    'flood:compute no longer runs on pool. Jobs that were executed run on; others are refused until a scheduler is linked.',
  )
  expect((await opened.listSchedulerSettings())[0]).toMatchObject({ name: 'compute', scheduler: null })
  expect(rows('SELECT s.name FROM telesto_attempts a JOIN telesto_schedulers s ON s.id = a.scheduler_id')).toEqual([
    { name: 'pool' },
  ])
  await expect(created?.execute()).rejects.toMatchObject({ code: 'setting_not_assigned' })
  await expect(flood.createJob(run)).rejects.toMatchObject({ code: 'setting_not_assigned' })
  expect(await telesto(['unlink', 'flood:storage'])).toMatchObject({
    code: 1,
    stderr: expect.stringContaining(
      'No app has declared the setting flood:storage in this database. Declared: flood:compute.',
    ),
  })
  expect(rows(`SELECT data FROM telesto_audit WHERE action = 'assignScheduler' AND scheduler_id IS NULL`)).toEqual(
    Array.from({ length: 2 }, () => ({ data: JSON.stringify({ setting: 'compute', scheduler: null }) })),
  )
  await done(['link', 'pool', 'flood:compute'])
  await created?.execute()
})

test('keys: a new one, and rotation from an old one to it', async () => {
  const { telesto, done } = await installed()
  const fresh = await done(['keys', 'generate'])
  expect(fresh).toMatch(/^[\w-]{43}$/)
  expect(await done(['keys', 'generate'])).not.toBe(fresh)
  await done([...VAULT, 'pool'], { env: { TELESTO_PASSWORD: PASSWORD } })
  const test = ['schedulers', 'test', 'pool', '--module', ADAPTERS]
  const lost = await telesto(test, { env: { TELESTO_KEYS: fresh } })
  expect(lost).toMatchObject({
    code: 1,
    stderr: expect.stringContaining('pool is blocked: The secret password of the scheduler pool cannot be decrypted'),
  })
  const unreadable = await telesto(['keys', 'rotate'], { env: { TELESTO_KEYS: fresh } })
  expect(unreadable).toMatchObject({ code: 1, stderr: expect.stringMatching(/password of pool \(key [0-9a-f]{12}\)/) })
  const both = { env: { TELESTO_KEYS: `${fresh}, ${KEY}` } }
  expect(await done(['keys', 'rotate'], both)).toBe('1 of 1 secrets encrypted anew; 0 had the first key already.')
  expect(await done(['keys', 'rotate'], both)).toBe('0 of 1 secrets encrypted anew; 1 had the first key already.')
  expect(await done(test, { env: { TELESTO_KEYS: fresh } })).toContain(digest(PASSWORD, ''))
  expect(await telesto(test)).toMatchObject({ code: 1 })
  expect(await telesto(['keys', 'rotate'], { env: { TELESTO_KEYS: '' } })).toMatchObject({ code: 1 })
})

test('test shows the key of a host that is not known, and accepts it when told to', async () => {
  const { telesto, done } = await installed()
  const host = await sshServer(PASSWORD)
  const login = [
    '--endpoint',
    '127.0.0.1',
    '--port',
    `${host.port}`,
    '--username',
    'ada',
    '--private-key-path',
    '/nowhere',
  ]
  await done(['schedulers', 'create-shell', '--name', 'host', '--module', ADAPTERS, ...login], {
    env: { TELESTO_PASSWORD: PASSWORD },
  })
  await done(['schedulers', 'update', 'host', '--module', ADAPTERS, '--unset', 'private-key-path'])
  expect(await done(['schedulers', 'list'])).toMatch(/^host +shell +127\.0\.0\.1 +password +ok$/m)
  const asked = ['schedulers', 'test', 'host', '--module', ADAPTERS]
  const unknown = await telesto(asked)
  expect(unknown).toMatchObject({ code: 3, stdout: '' })
  const [, fingerprint = ''] = /--accept-host-key (SHA256:\S+)$/m.exec(unknown.stderr) ?? []
  expect(unknown.stderr).toContain(`The host shows ${fingerprint} (ssh-rsa).`)
  expect(await telesto([...asked, '--accept-host-key', `SHA256:${'x'.repeat(43)}`])).toMatchObject({ code: 3 })
  expect(host.logins).toBe(0)
  expect(await done([...asked, '--accept-host-key', fingerprint])).toBe(`host is ok, version shell it's me.`)
  expect(await done(asked)).toBe(`host is ok, version shell it's me.`)
  await done(['schedulers', 'update', 'host', '--module', ADAPTERS], { env: { TELESTO_PASSWORD: 'Another-9912' } })
  const refused = await telesto(asked)
  expect(refused).toMatchObject({ code: 1, stderr: expect.stringContaining('host is blocked: ') })
  expect(refused.stderr).not.toContain('Another-9912')
})

test('--help of the program, of a group and of a command', async () => {
  const { done } = await installed()
  const all = await done(['--help'])
  for (const one of [
    'migrate',
    'schedulers list',
    'schedulers create',
    'schedulers remove',
    'link',
    'unlink',
    'keys rotate',
    'report',
  ])
    expect(all).toContain(`telesto ${one} `)
  expect(await done(['keys', '--help'])).toMatch(/Usage: telesto keys generate\n[\s\S]*Usage: telesto keys rotate/)
  expect(await done(['schedulers', 'test', '--help'])).toContain("3  the host's key is not the accepted one")
  expect(await done(['schedulers', 'create-condor', '--help'])).toContain('[--endpoint <host>]')
})
