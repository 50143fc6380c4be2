import { readFile, rm, stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { afterEach, describe, expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { local } from '../adapters/local.js'
import { defineAdapter } from '../src/adapter.js'
import { type AppOptions, createTelesto, type Job } from '../src/index.js'
import { forget, look, telestoIn } from './database.js'
import { expectRefusal, refusal, scripted, sharedTelesto, temporaryDirectory } from './fixture.js'

const BASIC = { name: 'a job', user: 'ada', jobType: 'BASIC' } as const
/** What an adapter needs beside its types. */
const nothing = {
  label: 'Nothing',
  defaults: { pollSeconds: 1, maxIdsPerPoll: 1, maxSubmitsPerMinute: 1 },
  connect: () => {
    throw new Error('Nobody connects to nothing.')
  },
}
const opened: (() => Promise<void>)[] = []
afterEach(async () => {
  for (const close of opened.splice(0).reverse()) await close()
})
const directoryOfTest = async (): Promise<string> => {
  const directory = await temporaryDirectory()
  onTestFinished(async () => {
    await forget(directory)
    await rm(directory, { recursive: true, force: true })
  })
  return directory
}
const open = async (
  options: { readonly directory?: string; readonly runLoops?: boolean; readonly url?: string } = {},
) => {
  const directory = options.directory ?? (await directoryOfTest())
  const telesto = await createTelesto({
    adapters: [local, scripted()],
    runLoops: false,
    ...options,
    ...(await telestoIn(directory)),
  })
  opened.push(async () => await telesto.close())
  return telesto
}

describe('two Telestos in one process share nothing', () => {
  test('jobs, apps, settings, schedulers, keys and closing', async () => {
    const directories = [await directoryOfTest(), await directoryOfTest()] as const
    const [one, other] = [await open({ directory: directories[0] }), await open({ directory: directories[1] })]
    const keys = await Promise.all(directories.map((directory) => readFile(path.join(directory, 'report.key'), 'hex')))
    expect(new Set(keys).size).toBe(2)
    const app = one.app('flood', { schedulerSettings: { compute: { adapter: 'scripted' } } })
    const job = await app.createJob(BASIC)
    await one.createScheduler({ name: 'pool', adapter: 'scripted' })
    await one.assignScheduler('flood', 'compute', 'pool')

    expect(await other.getScheduler('pool')).toBeNull()
    await expectRefusal(() => other.as({ id: 'root', isAdmin: true }).app('flood'), 'unknown_app', 'app')
    const theirs = other.app('flood')
    expect([await theirs.getJob(job.id), await theirs.query().count()]).toEqual([null, 0])
    await expectRefusal(
      () => theirs.createJob({ ...BASIC, jobType: 'SCRIPTED', scheduler: 'compute' }),
      'setting_not_declared',
      'scheduler',
    )
    const [mine, his] = [await one.getScheduler('local'), await other.getScheduler('local')]
    await one.updateScheduler('local', { maxActiveJobs: 1 })
    expect((await other.getScheduler('local'))?.maxActiveJobs).toBe(his?.maxActiveJobs)
    expect(mine?.name).toBe(his?.name)

    await one.close()
    expect((await refusal(() => app.query().count())).code).toBe('closed')
    expect((await theirs.createJob(BASIC)).status).toBe('Pending')
  })
  test('two on one directory see the same jobs', async () => {
    const directory = await directoryOfTest()
    const [one, other] = [await open({ directory }), await open({ directory })]
    const job = await one.app('flood').createJob(BASIC)
    const seen = await other.app('flood').getJob(job.id)
    await seen?.updateStatus('Running')
    await job.refresh()
    expect(job.status).toBe('Running')
  })
  test('each has its own adapters, and its own job types', async () => {
    const noted = defineAdapter({
      ...nothing,
      type: 'noted',
      config: z.strictObject({}),
      secrets: [],
      specs: { NOTE: z.strictObject({ text: z.string() }) },
      needsScheduler: () => false,
    })
    const telesto = await createTelesto({
      adapters: [noted],
      ...(await telestoIn(await directoryOfTest())),
      runLoops: false,
    })
    opened.push(async () => await telesto.close())
    const note = await telesto.app('notes').createJob({ name: 'n', user: 'ada', jobType: 'NOTE', text: 'hello' })
    await note.updateStatus('Complete')
    expect([note.status, note.spec]).toEqual(['Complete', { text: 'hello' }])
    await expectRefusal(() => telesto.app('notes').createJob(BASIC as never), 'unknown_job_type', 'jobType')
    expect(await telesto.listSchedulers()).toEqual([])
  })
})

describe('createTelesto', () => {
  test.each<[string, Record<string, unknown>, string, string]>([
    ['without an adapter', { adapters: [] }, 'invalid', 'adapters'],
    ['with something that is no adapter', { adapters: [{}] }, 'invalid', 'adapters.0'],
    ['with one adapter twice', { adapters: [local, local] }, 'invalid', 'adapters'],
    ['with an unknown option', { adaptors: [] }, 'unknown_field', 'adaptors'],
    ['with an address that is none', { url: 'portal.example' }, 'invalid', 'url'],
    ['with an address of another kind', { url: 'javascript:alert(1)' }, 'invalid', 'url'],
    ['with a lease of nothing', { leaseSeconds: 0 }, 'invalid', 'leaseSeconds'],
    ['with identify that is no function', { identify: 'ada' }, 'invalid', 'identify'],
    ['with a mount path that is none', { mountPath: 'telesto?' }, 'invalid', 'mountPath'],
  ])('is refused %s', async (_name, options, code, field) => {
    const directory = await directoryOfTest()
    await expectRefusal(
      () => createTelesto({ adapters: [local], directory, runLoops: false, ...options } as never),
      code,
      field,
    )
  })
  test('an app is declared once, with options that are right', async () => {
    const telesto = await open()
    telesto.app('flood', { workspaceRoots: ['/tmp'] })
    expect(telesto.app('flood').app).toBe('flood')
    await expectRefusal(() => telesto.app('flood', {}), 'invalid', 'options')
    for (const name of ['', 'a/b', 'a b', '../x', 'x'.repeat(256)])
      await expectRefusal(() => telesto.app(name), 'invalid', 'name')
    await expectRefusal(
      () => telesto.app('x', { processResults: { f: 5 as never } }),
      'invalid',
      'options.processResults.f',
    )
    await expectRefusal(() => telesto.app('x', { colour: 'red' } as never), 'unknown_field', 'options.colour')
    await expectRefusal(() => telesto.app('x', { url: '//evil.example' }), 'invalid', 'options.url')
  })
  test('addresses come from url alone', async () => {
    const telesto = await open({ url: 'https://portal.example/telesto/' })
    const app = telesto.app('flood')
    const job = await app.createJob(BASIC)
    expect(job.url).toBe(`https://portal.example/telesto/jobs/${job.id}`)
    expect(app.getJobStatusCallbackUrl(job.id)).toBe(`https://portal.example/telesto/update-job-status/${job.id}`)
  })
  test('closing twice is closing once', async () => {
    const telesto = await open()
    await Promise.all([telesto.close(), telesto.close()])
    await telesto.close()
  })
})

describe('scheduler records', () => {
  const shared = sharedTelesto()
  const root = () => shared.telesto
  test('that of this machine is there, and is BASIC’s default', async () => {
    const record = await root().getScheduler('local')
    expect(record).toMatchObject({ name: 'local', adapter: 'local', enabled: true, health: 'ok' })
    const job = await (await shared.newApp()).createJob({ ...BASIC, command: ['true'] })
    await job.execute()
    expect(job.record).toBe(record?.id)
  })
  test('are listed by name, and keep their limits', async () => {
    const made = await root().createScheduler({
      name: 'a pool',
      adapter: 'scripted',
      pollSeconds: 2.5,
      maxActiveJobsPerUser: 3,
    })
    expect(made).toMatchObject({
      name: 'a pool',
      pollSeconds: 2.5,
      maxActiveJobsPerUser: 3,
      maxIdsPerPoll: 100,
      maxActiveJobs: null,
    })
    expect((await root().listSchedulers()).map((record) => record.name)).toEqual(['a pool', 'local', 'pool'])
    const changed = await root().updateScheduler('a pool', {
      enabled: false,
      maxActiveJobs: 7,
      maxActiveJobsPerUser: null,
    })
    expect(changed).toEqual({ ...made, enabled: false, maxActiveJobs: 7, maxActiveJobsPerUser: null })
    expect(await root().updateScheduler('a pool', { pollSeconds: undefined } as never)).toEqual(changed)
    expect(await root().getScheduler('a pool')).toEqual(changed)
    expect(await root().getScheduler('nope')).toBeNull()
  })
  test.each<[string, Record<string, unknown>, string, string]>([
    ['a name in use', { name: 'pool' }, 'scheduler_name_taken', 'name'],
    ['an empty name', { name: '' }, 'invalid', 'name'],
    ['a name with a control character', { name: 'a\u0000' }, 'invalid', 'name'],
    ['an unknown adapter', { adapter: 'pbs' }, 'invalid', 'adapter'],
    ['a configuration that its adapter refuses', { config: { host: 'x' } }, 'unknown_field', 'config.host'],
    ['an unknown limit', { maxJobs: 5 }, 'unknown_field', 'maxJobs'],
    ['a limit of 0', { maxActiveJobs: 0 }, 'invalid', 'maxActiveJobs'],
    ['a poll interval of 0', { pollSeconds: 0 }, 'invalid', 'pollSeconds'],
  ])('refused: %s', async (_name, more, code, field) => {
    const before = await root().listSchedulers()
    await expectRefusal(() => root().createScheduler({ name: 'new', adapter: 'scripted', ...more }), code, field)
    expect(await root().listSchedulers()).toEqual(before)
  })
  test('a secret is not stored where there is no key for it', async () => {
    const config = z.strictObject({ password: z.string().optional() })
    const vault = defineAdapter({ ...nothing, type: 'vault', config, secrets: ['password'], specs: {} })
    const telesto = await createTelesto({
      adapters: [vault],
      ...(await telestoIn(await directoryOfTest())),
      runLoops: false,
    })
    opened.push(async () => await telesto.close())
    const secret = { name: 'v', adapter: 'vault', config: { password: 'canary' } }
    const error = await expectRefusal(() => telesto.createScheduler(secret), 'secrets_without_key', 'config.password')
    expect(error.message).not.toContain('canary')
    expect(await telesto.listSchedulers()).toEqual([])
  })
  test('are assigned to settings that are declared, of the adapter that the setting names', async () => {
    const app = await shared.newApp()
    await expectRefusal(() => root().assignScheduler(app.app, 'nope', 'pool'), 'setting_not_declared', 'setting')
    await expectRefusal(() => root().assignScheduler(app.app, 'constructor', 'pool'), 'setting_not_declared', 'setting')
    await expectRefusal(() => root().assignScheduler(app.app, 'spare', 'nope'), 'scheduler_not_found', 'scheduler')
    await expectRefusal(() => root().assignScheduler(app.app, 'spare', 'local'), 'setting_wrong_adapter', 'scheduler')
    await expectRefusal(() => root().assignScheduler('never-declared', 'spare', 'pool'), 'unknown_app', 'app')
    await expectRefusal(() => root().updateScheduler('nope', {}), 'scheduler_not_found', 'name')
    await expectRefusal(() => root().updateScheduler('pool', { name: 'x' } as never), 'unknown_field', 'name')
    await root().assignScheduler(app.app, 'spare', 'pool')
    const job = await app.createJob({ ...BASIC, jobType: 'SCRIPTED', scheduler: 'spare' })
    await job.execute()
    expect(job.submitting).toBe(true)
  })
})

describe('jobs that run for real', () => {
  const running = async (options: AppOptions = {}) => {
    const directory = await directoryOfTest()
    const telesto = await open({ directory, runLoops: true })
    const app = telesto.app('flood', options)
    const run = async (script: string, more = {}): Promise<Job> => {
      const job = await app.createJob({ ...BASIC, command: ['/bin/sh', '-c', script], ...more })
      await job.execute()
      return job
    }
    const reach = async (job: Job, holds: (job: Job) => boolean): Promise<Job> => {
      await expect
        .poll(
          async () => {
            await job.refresh()
            return holds(job)
          },
          { timeout: 15_000, interval: 20 },
        )
        .toBe(true)
      return job
    }
    const settled = async (job: Job) => await reach(job, (one) => one.isSettled)
    const at = (job: Job, file: string): string =>
      path.join(directory, 'jobs/flood/ada', String(job.id), String(job.attempt), file)
    return { app, run, reach, settled, at, directory }
  }

  test('a command runs, is read while it runs, and its function sets what commits with Complete', async () => {
    const seen: string[] = []
    const { run, reach, settled, at } = await running({
      processResults: {
        read(job, { directory, idempotencyKey }) {
          seen.push(directory, idempotencyKey)
          job.extendedProperties.year = 1898
          job.statusMessage = 'done'
        },
      },
    })
    const job = await run('echo started; while [ ! -e go ]; do sleep 0.02; done; echo 1898 > year.txt', {
      processResults: 'read',
    })
    await reach(job, (one) => one.status === 'Running')
    await expect
      .poll(async () => Buffer.from((await job.readLog({ name: 'stdout' })).bytes).toString(), { timeout: 10_000 })
      .toBe('started\n')
    expect((await job.logs()).map((log) => log.name)).toEqual(['stdout', 'stderr'])
    const past = await job.readLog({ name: 'stdout' }, 1_000_000)
    expect([past.bytes.length, past.next]).toEqual([0, expect.any(Number)])
    await expectRefusal(() => job.readLog({ name: '../../telesto.db' }), 'not_found', 'name')
    await expectRefusal(() => job.readLog({ name: 'stdout' }, -1), 'invalid', 'from')
    await expectRefusal(() => job.delete(), 'job_is_active', 'stop')
    await writeFile(at(job, 'go'), '')
    await settled(job)
    expect(job.toJSON()).toMatchObject({
      status: 'Complete',
      exitCode: 0,
      statusMessage: 'done',
      extendedProperties: { year: 1898 },
    })
    expect((await job.results()).map((file) => file.path)).toContain('year.txt')
    expect(await job.resultPath('year.txt')).toBe(at(job, 'year.txt'))
    expect(seen).toEqual([at(job, ''), expect.stringMatching(/^t[0-9a-f]{32}$/)])
    expect(Number(job.completionTime)).toBeGreaterThanOrEqual(Number(job.startTime))
  })
  test('an exit code other than 0 is an Error; a resubmit is another attempt; a parent’s failure aborts the child', async () => {
    const { app, run, settled } = await running()
    const job = await run('exit 3')
    const child = await app.createJob({ ...BASIC, command: ['true'], parents: [job.id] })
    await child.execute()
    await settled(job)
    expect([job.status, job.exitCode]).toEqual(['Error', 3])
    await settled(child)
    expect([child.status, child.cause, child.reason]).toEqual([
      'Aborted',
      'dependency',
      expect.stringContaining(`${job.id}`),
    ])
    await job.resubmit()
    await settled(job)
    expect((await job.attempts()).map(({ number, status, exitCode }) => [number, status, exitCode])).toEqual([
      [1, 'Error', 3],
      [2, 'Error', 3],
    ])
  })
  test('stopped while it runs it is Aborted; deleted while it runs it ends, and nothing of it is left', async () => {
    const { app, run, reach, settled, at, directory } = await running()
    const [stopped, deleted] = [await run('sleep 60'), await run('sleep 60')]
    for (const job of [stopped, deleted]) await reach(job, ({ status }) => status === 'Running')
    await stopped.stop()
    await settled(stopped)
    expect(stopped.status).toBe('Aborted')
    const directoryOfJob = path.dirname(at(deleted, '.'))
    expect((await stat(directoryOfJob)).isDirectory()).toBe(true)
    await deleted.delete({ stop: true })
    expect(await app.getJob(deleted.id)).toBeNull()
    const rows = async () => await look(directory, 'SELECT id FROM telesto_jobs WHERE id = $1', [deleted.id])
    await expect.poll(rows, { timeout: 15_000, interval: 50 }).toEqual([])
    await expect(stat(directoryOfJob)).rejects.toThrow('ENOENT')
  })
})

test('what a scheduler cannot do is not_supported', async () => {
  const telesto = await createTelesto({
    adapters: [scripted([])],
    ...(await telestoIn(await directoryOfTest())),
    runLoops: false,
  })
  opened.push(async () => await telesto.close())
  const scheduler = await telesto.createScheduler({ name: 'simple', adapter: 'scripted' })
  const job = await telesto.app('flood').createJob({ ...BASIC, jobType: 'SCRIPTED', scheduler })
  await expectRefusal(() => job.pause(), 'action_not_allowed', 'action')
  await job.execute()
  const { message } = await expectRefusal(() => job.pause(), 'not_supported', 'action')
  expect(message).toBe(`The scheduler of job ${job.id} cannot hold jobs.`)
  await expectRefusal(() => job.resume(), 'not_supported', 'action')
  expect(await job.logs()).toEqual([])
  await expectRefusal(() => job.readLog({ name: 'stdout' }), 'not_found', 'name')
})
