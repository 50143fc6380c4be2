import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, readlink, rm, writeFile } from 'node:fs/promises'
import type { Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { homedir } from 'node:os'
import { join } from 'node:path'
import { setTimeout } from 'node:timers/promises'
import { promisify } from 'node:util'
import express from 'express'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { CondorWorkflow, CondorWorkflowJobNode, condor } from '../../adapters/condor.js'
import { createTelesto, type Job, type JobRef } from '../../src/index.js'
import { localTransport } from '../../src/transport/local.js'
import { shims, withShims } from './condor-pool.js'

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
/** The directory of its attempt. */
const attemptOf = (job: Job): string =>
  join(root, 'telesto', 'jobs', 'flood', 'ada', String(job.id), String(job.attempt))
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

describe.concurrent('a workflow', () => {
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
    const ran = await left(job, 'ran.txt')
    expect(ran.split('\n').sort().join(' ')).toBe(' a-ran b-ran c-ran')
    const first = attemptOf(job)

    await writeFile(flag, '')
    await job.resubmit()
    await ended(job)
    // What the first attempt left is its own, though B and D have written into their copy.
    expect(await readFile(join(first, 'ran.txt'), 'utf8')).toBe(ran)
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

/** Lines of a file that several nodes wrote to, as `<node> <what> <time in ms>`. */
const stamped = (text: string) =>
  text
    .trim()
    .split('\n')
    .map((line) => line.split(' '))
    .map(([node = '', what = '', at]) => ({ node, what, at: Number(at) }))

describe.concurrent('the options of a node do with a real DAGMan what they say', () => {
  test('noop, done, dir, retry, retryUnlessExitValue, preSkip, variables, scripts and their arguments', async () => {
    // biome-ignore lint/suspicious/noTemplateCurlyInString: of the shell.
    const script = '#!/bin/sh\n{ pwd; for one; do printf "<%s>\\n" "$one"; done; } >>"$OUT"\nexit "${CODE:-0}"\n'
    await writeFile(join(root, 'app', 'bin', 'tell.sh'), script, { mode: 0o644 })
    const tell = { name: 'tell', job: sh('exit 3') }
    const odd = ['a b', `it's "so" \\ $HOME \`x\` *`, '', 'line\nbreak']
    const job = await run(
      [
        { name: 'noop', noop: true, job: sh('touch noop.txt') },
        { name: 'bare', noop: true },
        { name: 'done', done: true, job: sh('touch done.txt') },
        { name: 'dir', dir: 'runs/one two', job: sh('pwd >where.txt') },
        { name: 'retry', retry: 2, job: sh('echo x >>retry.txt; exit 2') },
        { name: 'never', retry: 2, retryUnlessExitValue: 2, job: sh('echo x >>never.txt; exit 2') },
        { name: 'zero', retry: 0, retryUnlessExitValue: 0, priority: 0, job: sh('echo x >>zero.txt; exit 2') },
        { name: 'skip', preScript: '/bin/sh', preScriptArgs: ['-c', 'exit 9'], preSkip: 9, job: sh('touch skip.txt') },
        {
          name: 'vars',
          variables: { said: `it is ''a'' \\ ""$(JOB)""`, size: 0, '+Project': String.raw`"p \"q\" \\"` },
          job: { executable: '/bin/sh', arguments: `"-c 'echo ""$(said) $(size)"" >vars.txt'"` },
        },
        {
          ...tell,
          dir: 'runs/scripts',
          preScript: '/usr/bin/env',
          preScriptArgs: ['OUT=pre.txt', '../../bin/tell.sh', ...odd, '$JOB', '$RETRY'],
          postScript: '/usr/bin/env',
          postScriptArgs: 'OUT=post.txt CODE=0 ../../bin/tell.sh $RETURN $job',
        },
        { name: 'sent', preScript: 'bin/tell.sh', preScriptArgs: ['x'], job: sh('true') },
      ],
      { remoteInputFiles: ['bin/tell.sh'] },
    )
    await ended(job)
    expect([job.status, await statesOf(job)]).toEqual([
      'Various-Complete',
      'noop succeeded, bare succeeded, done succeeded, dir succeeded, retry failed, never failed, zero failed, skip succeeded, vars succeeded, tell succeeded, sent succeeded',
    ])
    const workdir = attemptOf(job)
    const files = (await job.results()).map(({ path }) => path)
    for (const file of ['noop.txt', 'done.txt', 'skip.txt']) expect(files).not.toContain(file)
    expect(await left(job, 'runs/one two/where.txt')).toBe(`${workdir}/runs/one two\n`)
    expect([await left(job, 'retry.txt'), await left(job, 'never.txt'), await left(job, 'zero.txt')]).toEqual([
      'x\nx\nx\n',
      'x\n',
      'x\n',
    ])
    // Put into the line as text: what HTCondor then makes of its quotes is HTCondor's own.
    expect(await left(job, 'vars.txt')).toBe(`it is 'a' \\ vars 0\n`)
    const about = ['-af', 'Project', '-constraint', `ClusterId == ${(await part(job, 'vars'))?.nativeId}`]
    // In a submit description a backslash escapes nothing but a quote.
    expect((await promisify(execFile)('condor_history', about)).stdout).toBe('p "q" \\\\\n')
    const told = (...args: string[]) => [`${workdir}/runs/scripts`, ...args.map((one) => `<${one}>`), ''].join('\n')
    expect(await left(job, 'runs/scripts/pre.txt')).toBe(told(...odd, 'tell', '0'))
    // The POST script succeeded, so the node did, whatever its job exited with.
    expect(await left(job, 'runs/scripts/post.txt')).toBe(told('3', 'tell'))
    expect(await part(job, 'tell')).toMatchObject({ exitCode: 3 })
    // It was sent without a bit for execution and got one; what it says is kept.
    expect(await log(job, 'pre.log', 'sent')).toMatch(/nonexistent|cannot create|No such file/)
  })

  test('priority, category and maxJobs: one after the other, the more important first', async () => {
    const stamp = (name: string, priority: number) => ({
      name,
      priority,
      category: 'one',
      job: sh(`echo ${name} from $(date +%s%3N) >>order.txt; sleep 0.2; echo ${name} to $(date +%s%3N) >>order.txt`),
    })
    const job = await run([stamp('zero', 0), stamp('low', -3), stamp('high', 7)], { maxJobs: { one: 1 } })
    await ended(job)
    expect([job.status, job.reason]).toEqual(['Complete', null])
    const order = stamped(await left(job, 'order.txt'))
    expect(order.map(({ node, what }) => `${node} ${what}`)).toEqual([
      'high from',
      'high to',
      'zero from',
      'zero to',
      'low from',
      'low to',
    ])
  })

  test.each([
    [{ abortDagOn: 4, abortDagOnReturnValue: 44 }, 'Various-Complete', 44],
    [{ abortDagOn: 4 }, 'Various-Complete', 4],
    [{ abortDagOn: 4, abortDagOnReturnValue: 0 }, 'Complete', 0],
  ])('%j ends the workflow at once, and it stays ended', async (options, status, exitCode) => {
    const job = await run([
      { name: 'first', job: sh('true') },
      { name: 'A', parents: ['first'], job: sh('exit 4'), ...options },
      { name: 'long', parents: ['first'], job: sh('sleep 60') },
      { name: 'later', parents: ['long'], job: sh('touch later.txt') },
    ])
    await ended(job)
    expect([job.status, job.exitCode]).toEqual([status, exitCode])
    expect(await statesOf(job)).toBe('first succeeded, A failed, long cancelled, later cancelled')
    expect((await log(job, 'events.log')).match(/Job executing/g)).toHaveLength(1)
  })

  test.each([
    ['settings', { DAGMAN_MAX_JOBS_IDLE: 7 }],
    ['a file that travels with it', 'dagman.conf'],
  ])('config: %s', async (_what, config) => {
    await writeFile(join(root, 'app', 'dagman.conf'), 'DAGMAN_MAX_JOBS_IDLE = 7\n')
    const job = await ended(await run([{ name: 'A', noop: true }], { config }))
    expect(job.status).toBe('Complete')
    expect(await log(job, 'dagman.out')).toMatch(/DAGMAN_MAX_JOBS_IDLE setting: 7/)
  })

  test('SPLICE, SUBDAG and FINAL', async () => {
    await writeFile(join(root, 'app', 'inner.dag'), 'JOB X inner.sub\nJOB Y inner.sub\nPARENT X CHILD Y\n')
    await writeFile(join(root, 'app', 'inner.sub'), 'executable = /bin/true\nqueue\n')
    const job = await run(
      [
        { name: 'F', type: 'FINAL', job: sh('exit 6') },
        { name: 'A', job: sh('true') },
        { name: 'S', type: 'SPLICE', file: 'inner.dag', parents: ['A'], children: ['T'] },
        { name: 'T', type: 'SUBDAG', file: 'inner.dag' },
      ],
      { remoteInputFiles: ['inner.sub'] },
    )
    await ended(job)
    expect([job.status, await statesOf(job)]).toEqual([
      'Various-Complete',
      'F failed, A succeeded, T succeeded, S+X succeeded, S+Y succeeded',
    ])
    expect((await job.graph()).map(({ name, part }) => [name, part?.state])).toEqual([
      ['A', 'succeeded'],
      ['S', undefined],
      ['T', 'succeeded'],
      ['F', 'failed'],
    ])
  })
})

describe.concurrent('the nodes of a workflow', () => {
  test('with equal commands and arguments keep apart', async () => {
    const job = await run([
      { name: 'one', job: sh('exit $(expr $(ls | wc -l) - $(ls | wc -l))') },
      { name: 'two', parents: ['one'], job: sh('exit $(expr $(ls | wc -l) - $(ls | wc -l))') },
    ])
    await ended(job)
    const [one, two] = [await part(job, 'one'), await part(job, 'two')]
    expect([one?.state, two?.state]).toEqual(['succeeded', 'succeeded'])
    expect(one?.nativeId).toMatch(/^\d+$/)
    expect(one?.nativeId).not.toBe(two?.nativeId)
  })

  test('are 26, in a workflow that was built node by node', async () => {
    const workflow = new CondorWorkflow({ config: { DAGMAN_MAX_JOBS_IDLE: 100 } })
    for (const [at, name] of [...'abcdefghijklmnopqrstuvwxyz'].entries()) {
      const node = new CondorWorkflowJobNode({ name, workflow, job: sh(`echo ${name} >${name}.txt`) })
      for (const parent of workflow.nodes.slice(Math.max(0, at - (at % 9)), at))
        if (at % 9 === 8) node.addParent(parent)
    }
    const job = await create(workflow.toSpec())
    await job.execute()
    await ended(job)
    expect([job.status, job.statuses, job.reason]).toEqual(['Complete', { succeeded: 26 }, null])
    expect((await job.parts()).map(({ name }) => name).join('')).toBe('abcdefghijklmnopqrstuvwxyz')
    expect((await job.results()).length).toBe(26)
  })

  test('have several procs, and pass files to each other where HTCondor moves them', async () => {
    const moved = { shouldTransferFiles: 'YES', whenToTransferOutput: 'ON_EXIT' } as const
    const job = await run([
      {
        name: 'A',
        job: {
          ...sh('echo "$1" >a.$1.txt; echo "$1"'),
          ...moved,
          arguments: `"-c 'echo $(Process) >a.$(Process).txt; echo $(Process)'"`,
          numJobs: 2,
        },
      },
      {
        name: 'B',
        parents: ['A'],
        job: { ...sh('cat a.0.txt a.1.txt >b.txt'), ...moved, transferInputFiles: ['a.0.txt', 'a.1.txt'] },
      },
    ])
    await ended(job)
    expect([job.status, job.reason]).toEqual(['Complete', null])
    expect(await left(job, 'b.txt')).toBe('0\n1\n')
    expect([await log(job, '0.out', 'A'), await log(job, '1.out', 'A')]).toEqual(['0\n', '1\n'])
  })

  test('are told of by a POST script, with curl and with the command of Telesto', async () => {
    const cli = join(import.meta.dirname, '..', '..', 'dist', 'src', 'cli', 'telesto.js')
    const post = (line: string) => ({ postScript: '/bin/sh', postScriptArgs: ['-c', line] })
    const job = await run([
      { name: 'A', job: sh('true') },
      {
        name: 'B',
        parents: ['A'],
        job: sh('true'),
        ...post(
          `curl -sS --config "$TELESTO_REPORT" --json '{"nodes":{"A":"succeeded","B":"succeeded","Z":"failed"}}' >curl.json`,
        ),
      },
      {
        name: 'C',
        parents: ['A'],
        job: sh('true'),
        ...post(
          `exec >cli.json; exec "${process.execPath}" "${cli}" report --node A=succeeded --node C=running --message 'nearly done' --json`,
        ),
      },
      { name: 'D', parents: ['B', 'C'], job: sh('true') },
    ])
    await ended(job)
    expect([job.status, job.reason, job.statusMessage]).toEqual(['Complete', null, 'nearly done'])
    expect(JSON.parse(await left(job, 'curl.json'))).toEqual({ success: true, nodesApplied: 2 })
    expect(JSON.parse(await left(job, 'cli.json'))).toMatchObject({ success: true, nodesApplied: 2 })
    expect(await statesOf(job)).toBe('A succeeded, B succeeded, C succeeded, D succeeded')
  })
})

describe.concurrent('a workflow can be', () => {
  const inQueue = async (job: Job): Promise<string> =>
    (await promisify(execFile)('condor_q', ['-af', 'JobStatus', '-constraint', `JobBatchId == "${job.nativeId}"`]))
      .stdout
  const until = async (what: () => Promise<boolean>, ms = 60_000): Promise<void> => {
    const end = Date.now() + ms
    while (!(await what())) {
      if (Date.now() > end) throw new Error('It did not come to that in time.')
      await setTimeout(200)
    }
  }
  const seen = async (job: Job, states: string): Promise<void> =>
    await until(async () => {
      await job.refresh()
      return (await statesOf(job)) === states
    }).catch(async () => expect([await statesOf(job), job.status, job.waitingFor]).toEqual([states]))

  test('paused with all of its nodes, and resumed', async () => {
    const job = await run([
      { name: 'A', job: sh('while [ ! -e go.txt ]; do sleep 0.2; done') },
      { name: 'B', parents: ['A'], job: sh('true') },
    ])
    await seen(job, 'A running, B queued')
    await job.refresh()
    expect(job.status).toBe('Running')
    await job.pause()
    await seen(job, 'A held, B queued')
    expect([job.status, job.reason]).toEqual(['Paused', expect.stringMatching(/via condor_hold/)])
    expect((await inQueue(job)).trim().split('\n')).toEqual(['5', '5'])
    await job.resume()
    await seen(job, 'A running, B queued')
    await writeFile(join(attemptOf(job), 'go.txt'), '')
    await ended(job)
    expect([job.status, await statesOf(job)]).toEqual(['Complete', 'A succeeded, B succeeded'])
  })

  test('held up by a node, and resumed', async () => {
    const job = await run([
      { name: 'A', job: { ...sh('true'), attributes: { hold: true } } },
      { name: 'B', parents: ['A'], job: sh('true') },
    ])
    await seen(job, 'A held, B queued')
    await until(async () => {
      await job.refresh()
      return job.status === 'Paused'
    })
    expect(job.reason).toMatch(/^The node A is held: submitted on hold/)
    await job.resume()
    await ended(job)
    expect(job.status).toBe('Complete')
  })

  test('stopped with all of its nodes; run again, it goes on from there', async () => {
    const job = await run([
      { name: 'A', job: sh('echo a >>a.txt') },
      { name: 'B', parents: ['A'], job: sh(`[ -e "${join(root, 'again')}" ] || sleep 300`) },
      { name: 'C', parents: ['B'], job: sh('true') },
    ])
    await seen(job, 'A succeeded, B running, C queued')
    await job.stop()
    await ended(job)
    expect([job.status, await statesOf(job)]).toEqual(['Aborted', 'A succeeded, B cancelled, C cancelled'])
    expect(await inQueue(job)).toBe('')
    await writeFile(join(root, 'again'), '')
    await job.resubmit()
    await ended(job)
    expect([job.status, await left(job, 'a.txt')]).toEqual(['Complete', 'a\n'])
    // One that had succeeded is begun anew.
    await job.resubmit()
    await ended(job)
    expect([job.status, job.attempt, await left(job, 'a.txt')]).toEqual(['Complete', 3, 'a\n'])
    expect(await log(job, 'dagman.out')).toMatch(/Number of pre-completed nodes: 0/)
  })

  test('removed while it is held, when DAGMan writes no rescue file: it goes on all the same', async () => {
    const flag = join(root, 'go on')
    const job = await run([
      { name: 'ä', job: sh('echo a >>a.txt') },
      { name: 'B', parents: ['ä'], job: sh(`[ -e "${flag}" ] || sleep 300`) },
    ])
    await seen(job, 'ä succeeded, B running')
    await job.pause()
    await seen(job, 'ä succeeded, B held')
    await job.stop()
    await ended(job)
    expect(job.status).toBe('Aborted')
    await writeFile(flag, '')
    await job.resubmit()
    await ended(job)
    expect([job.status, await left(job, 'a.txt')]).toEqual(['Complete', 'a\n'])
    expect(await log(job, 'dagman.out')).toMatch(/Number of pre-completed nodes: 1/)
  })

  test('handed over again only when its earlier DAGMan has left the queue; many are one question', async () => {
    const transport = localTransport()
    let asked = 0
    const exec: typeof transport.exec = async (...args) => {
      asked += 1
      return await transport.exec(...args)
    }
    const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
    const context = { log, now: () => new Date(), fetch, transport: { ...transport, exec } }
    const scheduler = condor.connect(condor.config.parse({}), context)
    const { signal } = new AbortController()
    const request = (token: string, previous?: JobRef) => ({
      jobType: 'CONDORWORKFLOW' as const,
      token,
      name: token,
      spec: condor.specs.CONDORWORKFLOW.parse({ nodes: [{ name: 'A', job: sh('sleep 300') }] }),
      workdir: join(root, 'direct', token),
      inputRoots: [],
      ...(previous ? { previous } : {}),
    })
    const tokens = ['first', 'second', 'third'].map((name) => `${name}-${Date.now()}`)
    const ids = await scheduler.submit(
      tokens.map((token) => request(token)),
      signal,
    )
    const refs = tokens.map((token) => ({
      token,
      jobType: 'CONDORWORKFLOW',
      workdir: join(root, 'direct', token),
      nativeId: String(ids.get(token)),
    }))
    const [first] = refs as [JobRef]
    asked = 0
    const reports = await scheduler.status(refs, signal)
    expect(asked).toBe(1)
    for (const { token } of refs) expect(reports.get(token)?.parts?.map(({ name }) => name)).toEqual(['A'])
    const again = request(`again-${Date.now()}`, first)
    expect(await scheduler.submit([again], signal)).toEqual(new Map())
    await scheduler.cancel(refs, signal)
    await until(async () => (await scheduler.status(refs, signal)).size === 0)
    const handed = await scheduler.submit([request(`once-more-${Date.now()}`, first)], signal)
    expect([...handed.values()]).toEqual([expect.stringMatching(/^\d+\.0$/)])
    await scheduler.cancel(
      [...handed].map(([token, nativeId]) => ({ ...first, token, nativeId: String(nativeId) })),
      signal,
    )
    await scheduler.close()
    await transport.close()
  })

  test('handed over by a condor_submit_dag that then prints an error: it is there once', async () => {
    const transport = localTransport()
    const env = withShims(
      shims({ condor_submit_dag: `condor_submit_dag "$@" >/dev/null; echo 'ERROR: Failed to commit' >&2; exit 1` }),
    )
    const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
    const exec: typeof transport.exec = (argv, options) => transport.exec(argv, { ...options, env })
    const scheduler = condor.connect(condor.config.parse({}), {
      log,
      now: () => new Date(),
      fetch,
      transport: { ...transport, exec },
    })
    const { signal } = new AbortController()
    const token = `printed-${Date.now()}`
    const workdir = join(root, 'direct', token)
    const spec = condor.specs.CONDORWORKFLOW.parse({ nodes: [{ name: 'A', job: sh('sleep 300') }] })
    const request = { jobType: 'CONDORWORKFLOW' as const, token, name: token, spec, workdir, inputRoots: [] }
    const nativeId = String((await scheduler.submit([request], signal)).get(token))
    expect(nativeId).toMatch(/^\d+\.0$/)
    const constraint = `TelestoToken == "${token}"`
    const { stdout } = await promisify(execFile)('condor_q', ['-constraint', constraint, '-af:j', 'ProcId'])
    expect(stdout).toBe(`${nativeId} 0\n`)
    await scheduler.cancel([{ token, jobType: 'CONDORWORKFLOW', workdir, nativeId }], signal)
    await transport.close()
  })

  test('gone on with from what another had done, however long the copy takes and whatever becomes of the first try', async () => {
    const transport = localTransport()
    const shimmed = (programs: Readonly<Record<string, string>>) => {
      const env = withShims(shims(programs))
      const exec: typeof transport.exec = (argv, options) => transport.exec(argv, { ...options, env })
      return condor.connect(condor.config.parse({}), { ...context, transport: { ...transport, exec } })
    }
    const log = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }
    const context = { log, now: () => new Date(), fetch, transport }
    const scheduler = condor.connect(condor.config.parse({}), context)
    const { signal } = new AbortController()
    const nodes = [
      { name: 'A', job: sh('head -c 100000 /dev/zero >a.bin; mkdir -p deep; ln -s ../a.bin deep/link') },
      { name: 'B', parents: ['A'], job: sh('sleep 300') },
    ]
    const request = (token: string, place: string, previous?: JobRef) => ({
      jobType: 'CONDORWORKFLOW' as const,
      token,
      name: token,
      spec: condor.specs.CONDORWORKFLOW.parse({ nodes }),
      workdir: join(root, 'copied', place),
      inputRoots: [],
      ...(previous ? { previous } : {}),
    })
    const refOf = ({ token, jobType, workdir }: ReturnType<typeof request>, ids: ReadonlyMap<string, unknown>) => ({
      token,
      jobType,
      workdir,
      nativeId: String(ids.get(token)),
    })
    const first = request(`copied-1-${Date.now()}`, '1')
    const previous = refOf(first, await scheduler.submit([first], signal))
    await until(
      async () => (await scheduler.status([previous], signal)).get(first.token)?.parts?.[0]?.state === 'succeeded',
    )
    await scheduler.cancel([previous], signal)
    await until(async () => (await scheduler.status([previous], signal)).size === 0)

    const full = shimmed({ cp: 'echo "cp: error writing: No space left on device" >&2; exit 1' })
    await expect(full.submit([request(`copied-2-${Date.now()}`, '2', previous)], signal)).rejects.toMatchObject({
      code: 'unavailable',
      message: expect.stringContaining('No space left on device'),
    })
    const slow = shimmed({ cp: 'sleep 2; exec cp "$@"' })
    const second = request(`copied-3-${Date.now()}`, '2', previous)
    await expect(slow.submit([second], AbortSignal.timeout(1500))).rejects.toMatchObject({ code: 'unavailable' })
    const fate = async () =>
      (await scheduler.recover?.([{ ...second, handedOverAt: new Date() }], signal))?.get(second.token)
    expect(await fate()).toBeUndefined()
    await until(async () => (await fate()) === 'absent')
    expect((await readFile(join(second.workdir, 'a.bin'))).length).toBe(100_000)

    const last = request(`copied-4-${Date.now()}`, '2', previous)
    const ref = refOf(last, await scheduler.submit([last], signal))
    expect(ref.nativeId).toMatch(/^\d+\.0$/)
    expect(await readFile(join(last.workdir, '.telesto', 'dag', 'workflow.dag.rescue001'), 'utf8')).toBe('DONE A\n')
    expect(await readlink(join(last.workdir, 'deep', 'link'))).toBe('../a.bin')
    await scheduler.cancel([ref], signal)
    await scheduler.close()
    await transport.close()
  })

  test('refused by DAGMan, in its words', async () => {
    await writeFile(join(root, 'app', 'bad.dag'), 'JOB X x.sub\nPARENT X CHILD Y\n')
    const job = await ended(
      await run([
        { name: 'S', type: 'SPLICE', file: 'bad.dag' },
        { name: 'A', job: sh('true') },
      ]),
    )
    expect([job.status, await statesOf(job)]).toEqual(['Error', 'A cancelled'])
    expect(job.reason).toMatch(/^DAGMan: .*bad\.dag \(line 2\): Unknown Job Y/)
  })

  test('refused for a file that is not there, and for what its job lacks', async () => {
    const missing = await ended(await run([{ name: 'A', preScript: 'nowhere.sh', job: sh('true') }]))
    expect([missing.status, missing.reason]).toEqual(['Error', expect.stringMatching(/nowhere\.sh/)])
    const bare = await ended(await run([{ name: 'A', job: {} }]))
    expect([bare.status, bare.reason]).toEqual(['Error', expect.stringMatching(/executable/)])
  })
})
