import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import express from 'express'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CondorWorkflow, CondorWorkflowJobNode, condor } from '../../adapters/condor.js'
import { createTelesto, type Job } from '../../src/index.js'
import { becomeAccount } from './account.js'

becomeAccount(process.env.CONDOR_USER)

type Nodes = Parameters<typeof create>[0]['nodes']

let root: string
let server: Server
let telesto: Awaited<ReturnType<typeof open>>
const open = async (url: string) =>
  await createTelesto({
    adapters: [condor],
    directory: join(root, 'telesto'),
    url,
    identify: () => undefined,
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
  })

/** A program: what it does, as a line of sh. */
const sh = (line: string) => ({ executable: '/bin/sh', arguments: ['-c', line] })

beforeAll(async () => {
  // Not below /tmp, where a strict DAGMan takes no workflow.
  root = await mkdtemp(join(homedir(), "telesto dag's "))
  const app = express()
  server = await new Promise<Server>((resolve) => {
    const listening = app.listen(0, '127.0.0.1', () => resolve(listening))
  })
  telesto = await open(`http://127.0.0.1:${(server.address() as AddressInfo).port}/telesto`)
  app.use('/telesto', telesto.router)
  telesto.app('flood', { workspace: join(root, 'app') })
  await telesto.createScheduler({ name: 'pool', adapter: 'condor', config: {}, pollSeconds: 1 })
  await mkdir(join(root, 'app', 'bin'), { recursive: true })
})
afterAll(async () => {
  await telesto?.close()
  server?.closeAllConnections()
  await new Promise((resolve) => server?.close(resolve))
  await rm(root, { recursive: true, force: true, maxRetries: 5, retryDelay: 200 })
})

const flood = () => telesto.app('flood')
const create = async (
  options: Omit<
    Extract<Parameters<ReturnType<typeof flood>['createJob']>[0], { jobType: 'CONDORWORKFLOW' }>,
    'name' | 'user' | 'jobType'
  >,
) => {
  const scheduler = await telesto.getScheduler('pool')
  if (!scheduler) throw new Error('There is no record.')
  return await flood().createJob({
    name: 'flood "{id}"',
    user: 'ada',
    jobType: 'CONDORWORKFLOW',
    scheduler,
    ...options,
  })
}
const run = async (nodes: Nodes, more: object = {}): Promise<Job> => {
  const job = await create({ nodes, ...more })
  await job.execute()
  return job
}
const ended = async (job: Job, ms = 100_000): Promise<Job> => {
  await job.done({ timeoutMs: ms }).catch(() => {})
  await job.refresh()
  expect([job.isSettled, job.status, job.reason, job.waitingFor]).toEqual([true, job.status, job.reason, null])
  return job
}
const statesOf = async (job: Job): Promise<string> =>
  (await job.parts()).map(({ name, state }) => `${name} ${state}`).join(', ')
const part = async (job: Job, name: string) => (await job.parts()).find((one) => one.name === name)
/** The text of a file that the job left. */
const left = async (job: Job, file: string): Promise<string> => await readFile(await job.resultPath(file), 'utf8')
const log = async (job: Job, name: string, node?: string): Promise<string> => {
  const logs = await job.logs()
  const found = logs.find((one) => one.name === name && one.part === node)
  expect([logs, found]).toEqual([logs, expect.anything()])
  const { bytes } = await job.readLog({ name, ...(node === undefined ? {} : { part: node }) })
  return new TextDecoder().decode(bytes)
}

const diamond = (b: string, more: object = {}): Nodes => [
  { name: 'A', job: sh('echo a >a.txt; echo a-ran >>ran.txt') },
  { name: 'B', parents: ['A'], job: sh(`cat a.txt >b.txt && echo b-ran >>ran.txt; ${b}`), ...more },
  { name: 'C', parents: ['A'], job: sh('cat a.txt >c.txt && echo c-ran >>ran.txt') },
  { name: 'D', parents: ['B', 'C'], job: sh('cat b.txt c.txt >d.txt && echo d-ran >>ran.txt') },
]

describe('a workflow', () => {
  test('runs its nodes in order, tells how each is, and leaves their files and logs', async () => {
    const job = await run(diamond('echo to-out; echo to-err >&2'))
    expect((await job.graph()).map(({ name, level }) => [name, level])).toEqual([
      ['A', 0],
      ['B', 1],
      ['C', 1],
      ['D', 2],
    ])
    await ended(job)
    expect([job.status, await statesOf(job), job.reason]).toEqual([
      'Complete',
      'A succeeded, B succeeded, C succeeded, D succeeded',
      null,
    ])
    expect(await left(job, 'd.txt')).toBe('a\na\n')
    expect((await job.results()).map(({ path }) => path).sort()).toEqual([
      'a.txt',
      'b.txt',
      'c.txt',
      'd.txt',
      'ran.txt',
    ])
    const b = await part(job, 'B')
    expect(b).toMatchObject({ nativeState: 'STATUS_DONE', exitCode: 0, nativeId: expect.stringMatching(/^\d+$/) })
    expect(b?.startedAt).toBeLessThanOrEqual(b?.endedAt ?? 0)
    expect((await job.graph()).at(-1)).toMatchObject({ name: 'D', parents: ['B', 'C'], part: { state: 'succeeded' } })
    expect(await log(job, 'out', 'B')).toBe('to-out\n')
    expect(await log(job, 'err', 'B')).toBe('to-err\n')
    expect(await log(job, 'log', 'B')).toMatch(/Job terminated/)
    expect(await log(job, 'dagman.out')).toMatch(/All jobs Completed!/)
    expect(await log(job, 'events.log')).toMatch(/Job terminated/)
    expect(await log(job, 'lib.err')).toBe('')
    await expect(job.readLog({ name: '../workflow.dag', part: 'B' })).rejects.toThrow()
  })

  test('with a node that fails is Various-Complete; a resubmit runs what was not done, with what was done in its place', async () => {
    await writeFile(join(root, 'app', 'bin', 'late.sh'), '#!/bin/sh\nexit 7\n', { mode: 0o755 })
    const nodes = [...diamond('exit 5'), { name: 'E', parents: ['D'], job: sh('true') }]
    const flag = join(root, 'mended')
    const job = await run(
      nodes.map((node) =>
        node.name === 'B'
          ? { ...node, job: sh(`echo b-ran >>ran.txt; cat a.txt >b.txt; [ -e "${flag}" ] || exit 5`) }
          : node,
      ),
    )
    await ended(job)
    expect(job.status).toBe('Various-Complete')
    expect(await statesOf(job)).toBe('A succeeded, B failed, C succeeded, D cancelled, E cancelled')
    expect(await part(job, 'B')).toMatchObject({ exitCode: 5, message: expect.stringMatching(/failed with status 5$/) })
    expect(job.reason).toMatch(/^The node B failed: Job proc \(\d+\.0\.0\) failed with status 5\.$/)
    expect((await left(job, 'ran.txt')).split('\n').sort().join(' ')).toBe(' a-ran b-ran c-ran')

    await writeFile(flag, '')
    await job.resubmit()
    await ended(job)
    expect([job.status, job.attempt]).toEqual(['Complete', 2])
    expect(await statesOf(job)).toBe('A succeeded, B succeeded, C succeeded, D succeeded, E succeeded')
    expect(await left(job, 'd.txt')).toBe('a\na\n')
    // What the first attempt wrote, and then B once more and D.
    expect((await left(job, 'ran.txt')).split('\n').filter((line) => line === 'a-ran')).toHaveLength(1)
    expect((await left(job, 'ran.txt')).split('\n').filter((line) => line === 'c-ran')).toHaveLength(1)
    expect((await left(job, 'ran.txt')).split('\n').filter((line) => line === 'd-ran')).toHaveLength(1)
    expect(await log(job, 'dagman.out')).toMatch(/Number of pre-completed nodes: 2/)
  })
})
