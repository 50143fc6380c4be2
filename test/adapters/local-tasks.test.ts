import { existsSync, readdirSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { describe, expect, test, vi } from 'vitest'
import type { BasicRequest } from '../../adapters/local/start.js'
import type { JobRef } from '../../src/adapter.js'
import { connect, exists, machine, never, pidOf } from './local-fixture.js'

const moduleOf = (name: string): string => new URL(`./tasks/${name}`, import.meta.url).href
const task = (name: string, input?: unknown): Partial<BasicRequest> => ({
  spec: { task: name, ...(input === undefined ? {} : { input }) },
  task: { module: moduleOf(`${name}.ts`), input },
})
const unused = ['unused'] as const
const privateFile = (ref: JobRef, name: string): string => join(ref.workdir, '.telesto', ref.token, name)

test('a task runs in its directory, tells how far it is while it runs and after, and its result is had', async () => {
  const { run, until, ended, read, scheduler } = machine()
  const ref = await run(unused, task('wait'))
  const told = await vi.waitFor(async () => {
    const report = await until(ref, 'running')
    if (report.progress === undefined) throw new Error('It has told nothing yet.')
    return report
  })
  expect(told).toMatchObject({ state: 'running', progress: 0.25, statusMessage: 'waiting' })
  expect(await scheduler.result?.(ref, never)).toBeUndefined()
  writeFileSync(join(ref.workdir, 'go'), '')
  expect(await ended(ref)).toMatchObject({
    state: 'succeeded',
    exitCode: 0,
    progress: 0.75,
    statusMessage: 'going',
  })
  expect(await scheduler.result?.(ref, never)).toEqual({ waited: true })
  expect(read(ref, 'runs').trim().split('\n')).toHaveLength(1)
})

test('a stop aborts its signal; it tidies up within the grace, and has been cancelled', async () => {
  const { run, ended, read, scheduler } = machine({ killGraceSeconds: 30 })
  const ref = await run(unused, task('wait'))
  await vi.waitFor(() => expect(read(ref, 'runs')).toMatch(/^\d+\n$/))
  await scheduler.cancel([ref], never)
  expect(await ended(ref)).toMatchObject({ state: 'cancelled' })
  expect(read(ref, 'tidied')).toBe('true')
  expect(exists(Number(read(ref, 'runs')))).toBe(false)
})

test('a task that does not listen is killed after the grace', async () => {
  const { run, ended, output, scheduler } = machine({ killGraceSeconds: 0.3 })
  const ref = await run(unused, task('misbehave', 'deaf'))
  await vi.waitFor(() => expect(output(ref)).toBe('deaf\n'))
  await scheduler.cancel([ref], never)
  expect(await ended(ref)).toMatchObject({ state: 'cancelled' })
  expect(exists(pidOf(ref))).toBe(false)
})

describe('a task that fails says why', () => {
  test.each([
    ['throws', 'the "basin" is dry\nsince 1913', /RangeError: the "basin" is dry\nsince 1913\n +at run .*misbehave/s],
    ['throws a text', 'no error at all', /no error at all/],
    ['later', 'nobody caught this', /Error: nobody caught this/],
    ['nan', 'What run() returned is no JSON: result.mean[1] is NaN.', /TypeError/],
    ['date', 'What run() returned is no JSON: result.at[0].when is a Date.', /TypeError/],
    ['class', 'What run() returned is no JSON: result is a Basin.', /TypeError/],
    ['ring', 'What run() returned is no JSON: result[0] contains itself.', /TypeError/],
    ['function', 'What run() returned is no JSON: result is of type function.', /TypeError/],
    ['bigint', 'What run() returned is no JSON: result is of type bigint.', /TypeError/],
    [
      'large',
      /^What run\(\) returned is 1048578 bytes of JSON, and at most 1048576 .* file in task\.directory/,
      /Range/,
    ],
  ])('%s', async (what, message, stderr) => {
    const { run, ended, output, scheduler } = machine()
    const ref = await run(unused, task('misbehave', what))
    const report = await ended(ref)
    expect(report).toMatchObject({ state: 'failed', exitCode: 1 })
    if (typeof message === 'string') expect(report.message).toBe(message)
    else expect(report.message).toMatch(message)
    expect(output(ref, 'stderr')).toMatch(stderr)
    expect(await scheduler.result?.(ref, never)).toBeUndefined()
  })
  test('its process ends before it has returned', async () => {
    const { submit, request, ended } = machine()
    const [idle, zero, three] = await submit(...['idle', 0, 3].map((input) => request(unused, task('leave', input))))
    if (!idle || !zero || !three) throw new Error('not accepted')
    const early = { state: 'failed', exitCode: 1, message: expect.stringContaining('before run() had returned') }
    expect(await ended(idle)).toMatchObject(early)
    expect(await ended(zero)).toMatchObject(early)
    expect(await ended(three)).toMatchObject({ state: 'failed', exitCode: 3 })
  })
  test('its module is gone, exports no run, or does not compile', async () => {
    const { root, submit, request, ended } = machine()
    const broken = join(root, 'broken.mjs')
    writeFileSync(broken, 'export const run = (')
    const gone = moduleOf('gone away.ts')
    const withModule = (module: string) => request(unused, { spec: { task: 'x' }, task: { module } })
    const refs = await submit(...[gone, moduleOf('nothing-to-run.ts'), `file://${broken}`].map(withModule))
    const reports = await Promise.all(refs.map(ended))
    expect(reports.map(({ message }) => message)).toEqual([
      `The module of the task, ${fileURLToPath(gone)}, cannot be read.`,
      `${fileURLToPath(moduleOf('nothing-to-run.ts'))} exports no function named run, which is what a task runs.`,
      expect.stringMatching(/Unexpected/),
    ])
  })
})

test('what a task returns is the result, to the last byte that fits; nothing is null', async () => {
  const { run, ended, scheduler } = machine()
  for (const [input, result] of [
    ['largest', 'é'.repeat(524_287)],
    ['optional', { a: 1 }],
  ] as const) {
    const ref = await run(unused, task('misbehave', input))
    expect(await ended(ref)).toMatchObject({ state: 'succeeded' })
    expect(await scheduler.result?.(ref, never)).toEqual(result)
  }
  const silent = await run(unused, task('print', []))
  await ended(silent)
  expect(await scheduler.result?.(silent, never)).toBeNull()
  const command = await run(['true'])
  await ended(command)
  expect(await scheduler.result?.(command, never)).toBeUndefined()
})

test('a task that has returned has ended, whatever it left open', async () => {
  const { run, ended } = machine()
  expect(await ended(await run(unused, task('misbehave', 'open')))).toMatchObject({ state: 'succeeded' })
})

test('a task that never waits is heard all the same, and numbers that are none are no news', async () => {
  const { run, until, ended } = machine()
  const busy = await run(unused, task('misbehave', 'busy'))
  await vi.waitFor(
    async () => expect(await until(busy, 'running')).toMatchObject({ progress: 0.5, statusMessage: 'thousands' }),
    { timeout: 15_000 },
  )
  const report = await ended(await run(unused, task('misbehave', 'numbers')))
  expect(report).toMatchObject({ state: 'succeeded', progress: 1, statusMessage: 'x'.repeat(2048) })
})

test('the input travels in a file for this user alone, byte for byte, and is in no argv', async () => {
  const { run, until, ended, scheduler, read } = machine()
  const input = { 'it\'s "quoted"\n': ['$HOME `id`', '\u{1f30a} été', '\0', '\ud800'] }
  const echoed = await run(unused, { ...task('echo', input), name: 'a "name"\n' })
  await ended(echoed)
  expect(await scheduler.result?.(echoed, never)).toEqual(input)

  const ref = await run(unused, task('wait', 'the input'))
  await until(ref, 'running')
  await vi.waitFor(() => expect(read(ref, 'runs')).toContain('\n'))
  expect(statSync(privateFile(ref, 'task.json')).mode & 0o777).toBe(0o600)
  expect(statSync(privateFile(ref, '')).mode & 0o777).toBe(0o700)
  const argv = readFileSync(`/proc/${read(ref, 'runs').trim()}/cmdline`, 'utf8').split('\0')
  expect(argv.slice(0, -1)).toEqual([process.execPath, expect.stringMatching(/task-runner\.ts$/), privateFile(ref, '')])
})

test('a folder that the job has spoiled tells no news, and no result', async () => {
  const { run, ended, report, scheduler } = machine()
  const ref = await run(unused, task('echo', 1))
  await ended(ref)
  for (const told of ['{', 'null', '5', '{"progress":7,"message":5,"error":{}}']) {
    writeFileSync(privateFile(ref, 'told.json'), told)
    expect(await report(ref)).not.toHaveProperty('progress')
    expect(await report(ref)).toMatchObject({ state: 'succeeded' })
  }
  writeFileSync(privateFile(ref, 'result.json'), 'x'.repeat(2_000_000))
  await expect(scheduler.result?.(ref, never)).rejects.toMatchObject({ code: 'rejected' })
  await scheduler.cleanUp?.([ref], never)
  expect(await scheduler.result?.(ref, never)).toBeUndefined()
  expect(existsSync(ref.workdir)).toBe(false)
})

test('two submits of one token at once run the task once', async () => {
  const { request, remember, ended, read } = machine()
  const job = request(unused, task('wait'))
  const answers = await Promise.all([connect(), connect(), connect()].map((each) => each.submit([job], never)))
  expect(new Set(answers.map((answer) => answer.get(job.token))).size).toBe(1)
  const ref = remember(job, String(answers[0]?.get(job.token)))
  writeFileSync(join(ref.workdir, 'go'), '')
  await ended(ref)
  expect(read(ref, 'runs').trim().split('\n')).toHaveLength(1)
  expect(readdirSync(privateFile(ref, '')).filter((name) => /draft|tmp/.test(name))).toEqual([])
  rmSync(ref.workdir, { recursive: true })
})
