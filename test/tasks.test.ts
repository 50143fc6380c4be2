import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { z } from 'zod'
import { local } from '../adapters/local.js'
import { type AppOptions, createTelesto, type Job, type Tasks } from '../src/index.js'
import { forget, look, telestoIn } from './database.js'
import { expectRefusal, sharedTelesto, temporaryDirectory } from './fixture.js'

const moduleOf = (name: string): URL => new URL(`./adapters/tasks/${name}.ts`, import.meta.url)
const shared = sharedTelesto()
const BASIC = { name: 'a job', user: 'ada', jobType: 'BASIC' } as const
let apps = 0
const app = <const T extends Tasks>(tasks: T) => shared.telesto.app(`tasks-${++apps}`, { tasks })

test('the input of a task is checked by its schema, whose output is stored; a plain URL takes any JSON', async () => {
  const tasks = app({
    analyse: {
      module: moduleOf('echo'),
      input: z.strictObject({ basin: z.string().trim().min(1), year: z.coerce.number().int().default(1871) }),
    },
    echo: moduleOf('echo'),
  })
  const job = await tasks.createJob({ ...BASIC, task: 'analyse', input: { basin: ' nile ' } })
  expect(job.spec).toEqual({ task: 'analyse', input: { basin: 'nile', year: 1871 } })
  const input = { 'a "name"\n': [null, true, 'été', { deep: 1.5 }] }
  expect((await tasks.createJob({ ...BASIC, task: 'echo', input })).spec).toEqual({ task: 'echo', input })
  expect((await tasks.createJob({ ...BASIC, task: 'echo' })).spec).toEqual({ task: 'echo' })
  expect((await tasks.buildJob({ ...BASIC, task: 'analyse', input: { basin: 'b', year: 1 } })).spec).toEqual({
    task: 'analyse',
    input: { basin: 'b', year: 1 },
  })
})

test('a task that is not registered, and an input that does not fit, are refused before anything is stored', async () => {
  const tasks = app({ analyse: { module: moduleOf('echo'), input: z.strictObject({ deep: z.array(z.int()) }) } })
  const before = await shared.count('telesto_jobs')
  const create = (options: object) => () => tasks.createJob({ ...BASIC, ...options } as never)
  await expectRefusal(create({ task: 'toString' }), 'unknown_task', 'task')
  const error = await expectRefusal(create({ task: 'analyze', input: {} }), 'unknown_task', 'task')
  expect(error.message).toContain('"analyze"')
  expect(error.message).toContain('Registered: analyse')
  await expectRefusal(create({ task: 5 }), 'invalid', 'task')
  await expectRefusal(create({ task: 'analyse' }), 'invalid', 'input')
  await expectRefusal(create({ task: 'analyse', input: { deep: [1, 'two'] } }), 'invalid', 'input.deep.1')
  await expectRefusal(create({ task: 'analyse', input: { deep: [], more: 1 } }), 'unknown_field', 'input.more')
  await expectRefusal(create({ input: {} }), 'invalid', 'input')
  await expectRefusal(create({ task: 'analyse', command: ['true'], input: { deep: [] } }), 'invalid', 'task')
  await expectRefusal(
    () => tasks.bulkCreate([{ ...BASIC }, { ...BASIC, task: 'analyse', input: { deep: [0.5] } }]),
    'invalid',
    '1.input.deep.0',
  )
  expect(await shared.count('telesto_jobs')).toBe(before)
})

test('an input must be JSON, also what a schema makes of it', async () => {
  const tasks = app({
    any: moduleOf('echo'),
    dates: { module: moduleOf('echo'), input: z.string().transform((text) => new Date(text)) },
  })
  for (const input of [Number.NaN, new Date(0), { a: undefined }, 1n])
    await expectRefusal(() => tasks.createJob({ ...BASIC, task: 'any', input }), 'invalid', 'input')
  await expectRefusal(() => tasks.createJob({ ...BASIC, task: 'dates', input: '1913' }), 'invalid', 'input')
})

test('what is declared as a task must be a file, or a file and a schema', async () => {
  const declare = (task: unknown) => () => shared.telesto.app('never', { tasks: { task } } as AppOptions)
  for (const wrong of [
    new URL('https://portal.example/analyse.js'),
    '/analyse.js',
    import.meta.url,
    { module: new URL('data:text/javascript,1'), input: z.string() },
    { module: moduleOf('echo'), input: {} },
    { module: moduleOf('echo') },
  ]) {
    const error = await expectRefusal(declare(wrong), 'invalid', 'options.tasks.task')
    expect(error.message).toContain('file: URL')
  }
  const coloured = declare({ module: moduleOf('echo'), input: z.string(), colour: 'red' })
  await expectRefusal(coloured, 'unknown_field', 'options.tasks.task.colour')
})

/** A Telesto whose loops run, on a directory that goes with the test. */
const running = async (directory?: string) => {
  const own = directory ?? (await temporaryDirectory())
  const telesto = await createTelesto({ adapters: [local], ...(await telestoIn(own)) })
  onTestFinished(async () => {
    await telesto.close()
    await forget(own)
    await rm(own, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  })
  return { telesto, directory: own }
}
const settled = async (job: Job): Promise<Job> => {
  for (const until = performance.now() + 20_000; !job.isSettled && performance.now() < until; await job.refresh())
    await sleep(20)
  return job
}
const resultOf = async (directory: string, job: Job): Promise<unknown> =>
  (await look(directory, `SELECT result FROM telesto_attempts WHERE job_id = ${job.id} ORDER BY number DESC`))[0]
    ?.result

test('a task runs, shows its progress without any address to report to, and its result is stored with Complete', async () => {
  const { telesto, directory } = await running()
  const seen: unknown[] = []
  const flood = telesto.app('flood', {
    tasks: { wait: moduleOf('wait'), echo: { module: moduleOf('echo'), input: z.string() } },
    processResults: {
      look: (_job, { result }) => void seen.push(result),
      shorten: (_job, { result }) => ({ length: String(result).length }),
    },
  })
  const job = await flood.createJob({ ...BASIC, task: 'wait', processResults: 'look' })
  await job.execute()
  await expect.poll(async () => (await flood.getJob(job.id))?.progress, { timeout: 15_000 }).toBe(0.25)
  await job.refresh()
  expect(job).toMatchObject({ status: 'Running', statusMessage: 'waiting', reason: null })
  const [{ version } = {}] = await look(
    directory,
    `SELECT status_version AS version FROM telesto_jobs WHERE id = ${job.id}`,
  )
  const [{ workdir } = {}] = await look(directory, 'SELECT workdir FROM telesto_attempts')
  await writeFile(path.join(String(workdir), 'go'), '')
  expect(await settled(job)).toMatchObject({ status: 'Complete', progress: 0.75, statusMessage: 'going', exitCode: 0 })
  expect(seen).toEqual([{ waited: true }])
  expect(await resultOf(directory, job)).toBe('{"waited":true}')
  // Running, Results-Ready, Complete: what the task told raised nothing.
  const [{ now } = {}] = await look(directory, `SELECT status_version AS now FROM telesto_jobs WHERE id = ${job.id}`)
  expect(Number(now) - Number(version)).toBe(2)
  const told = await look(directory, `SELECT data FROM telesto_events WHERE kind = 'progress' ORDER BY id`)
  expect(told.map(({ data }) => JSON.parse(String(data)) as unknown)).toEqual([
    { progress: 0.25, statusMessage: 'waiting' },
    { progress: 0.75, statusMessage: 'going' },
  ])

  const short = await flood.createJob({ ...BASIC, task: 'echo', input: 'ab "c"\n', processResults: 'shorten' })
  await short.execute()
  expect((await settled(short)).status).toBe('Complete')
  expect(await resultOf(directory, short)).toBe('{"length":7}')
})

test('a task that throws: Error, with its message; one that is stopped: Aborted', async () => {
  const { telesto, directory } = await running()
  const flood = telesto.app('flood', { tasks: { wait: moduleOf('wait'), misbehave: moduleOf('misbehave') } })
  const fails = await flood.createJob({ ...BASIC, task: 'misbehave', input: 'throws' })
  const stops = await flood.createJob({ ...BASIC, task: 'wait' })
  await fails.execute()
  await stops.execute()
  await expect.poll(async () => (await flood.getJob(stops.id))?.progress, { timeout: 15_000 }).toBe(0.25)
  await (await flood.getJob(stops.id))?.stop()
  expect(await settled(fails)).toMatchObject({
    status: 'Error',
    reason: 'the "basin" is dry\nsince 1913',
    exitCode: 1,
  })
  expect((await settled(stops)).status).toBe('Aborted')
  expect(await resultOf(directory, fails)).toBeNull()
})

test('a job whose app or task no process has waits, says so, and goes on when one has', async () => {
  const directory = await temporaryDirectory()
  // Committed by a process that only takes orders, and is gone then.
  const taking = await createTelesto({ adapters: [local], ...(await telestoIn(directory)), runLoops: false })
  await taking.updateScheduler('local', { maxActiveJobs: 1 })
  const jobs = [
    await taking.app('flood', { tasks: { echo: moduleOf('echo') } }).createJob({ ...BASIC, task: 'echo', input: 1 }),
    await taking.app('other').createJob({ ...BASIC, command: ['true'] }),
  ] as const
  for (const job of jobs) await job.execute()
  expect(jobs.map((job) => job.waitingFor)).toEqual([null, null])
  await taking.close()

  const { telesto: poor } = await running(directory)
  const mine = await poor.app('flood').createJob({ ...BASIC, command: ['true'] })
  await mine.execute()
  // It is handed over although older ones wait and there is but one place.
  expect((await settled(mine)).status).toBe('Complete')
  const everybodys = poor.as({ id: 'root', isAdmin: true })
  const waiting = await Promise.all(jobs.map((job) => everybodys.getJob(job.id)))
  expect(waiting.map((job) => [job?.status, job?.submitting, job?.waitingFor])).toEqual([
    ['Pending', true, expect.stringMatching(/not registered the task "echo" of the app flood; the job waits/)],
    ['Pending', true, expect.stringMatching(/not declared the app other; the job waits/)],
  ])
  poor.app('other')
  expect((await settled(waiting[1] as Job)).status).toBe('Complete')
  expect((await everybodys.getJob(jobs[0].id))?.status).toBe('Pending')

  const { telesto: whole } = await running(directory)
  whole.app('flood', { tasks: { echo: moduleOf('echo') } })
  expect((await settled(waiting[0] as Job)).status).toBe('Complete')
  expect(await resultOf(directory, waiting[0] as Job)).toBe('1')
})
