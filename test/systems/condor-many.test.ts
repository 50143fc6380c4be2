// A thousand jobs: in how many commands they are handed over and asked about, and how long that takes beside HTCondor's own commands.
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, expect, test } from 'vitest'
import { condor } from '../../adapters/condor.js'
import type { Adapter, JobRef, SubmitRequest, Transport } from '../../src/adapter.js'
import { sshTransport } from '../../src/transport/ssh.js'
import { quiet } from '../store/support.js'
import { sshTarget } from './condor-pool.js'

const COUNT = 1000
const BATCH = 'telesto-many'
const folder = mkdtempSync(join(tmpdir(), 'telesto-many-'))
const ssh = sshTransport(sshTarget())
let commands = 0
const transport: Transport = {
  ...ssh,
  exec: (argv, options) => {
    commands++
    return ssh.exec(argv, options)
  },
}
const adapter: Adapter = condor
const scheduler = adapter.connect(adapter.config.parse({}), {
  log: quiet,
  now: () => new Date(),
  transport,
  fetch: globalThis.fetch,
})
const signal = () => AbortSignal.timeout(100_000)
const refs: JobRef[] = []
afterAll(async () => {
  await ssh.exec(['condor_rm', '-constraint', `JobBatchName =?= "${BATCH}"`])
  await ssh.close()
  rmSync(folder, { recursive: true, force: true })
})

/** The best of some, in milliseconds: what else the machine does is no part of it. */
const measured = async (times: number, work: () => Promise<unknown>): Promise<number> => {
  let best = Number.POSITIVE_INFINITY
  for (let time = 0; time < times; time++) {
    const start = performance.now()
    await work()
    best = Math.min(best, performance.now() - start)
  }
  return Math.round(best)
}
const requests = (): SubmitRequest[] =>
  Array.from({ length: COUNT }, (_, number) => {
    const token = randomUUID()
    const spec = adapter.specs.CONDOR?.parse({
      executable: '/bin/sleep',
      arguments: [`${number}`],
      environment: { NUMBER: `${number}` },
      attributes: { hold: true, batch_name: BATCH },
    })
    return { jobType: 'CONDOR', token, name: `job ${number}`, spec, workdir: join(folder, token), inputRoots: [] }
  })
const raw = async (command: readonly [string, ...string[]], stdin = '') => {
  const { code, stdout, stderr } = await ssh.exec(command, { cwd: folder, stdin })
  expect([code, new TextDecoder().decode(stderr)]).toEqual([0, ''])
  return new TextDecoder().decode(stdout)
}

test('1,000 jobs are handed over in one command', async () => {
  await ssh.exec(['true'])
  const file = `executable = /bin/sleep\narguments = $(Process)\nhold = true\nbatch_name = ${BATCH}\ninitialdir = ${folder}\nlog = events.log\nqueue ${COUNT}\n`
  const own = await measured(3, async () => await raw(['condor_submit', '-terse', '/dev/stdin'], file))
  const ours = await measured(3, async () => {
    const jobs = requests()
    commands = 0
    const answers = await scheduler.submit(jobs, signal())
    expect(commands).toBe(1)
    for (const { token, jobType, workdir } of jobs)
      refs.push({ token, jobType, workdir, nativeId: String(answers.get(token)) })
    expect(new Set(answers.values()).size).toBe(COUNT)
  })
  console.log(`submit() of ${COUNT} jobs over SSH: ${ours} ms; condor_submit of one file with ${COUNT}: ${own} ms`)
}, 120_000)

test('1,000 jobs are asked about in one command, and cancelled in one', async () => {
  const jobs = refs.slice(-COUNT)
  const cluster = jobs[0]?.nativeId.split('.')[0] ?? ''
  const attributes = 'ClusterId,ProcId,JobStatus,HoldReason,EnteredCurrentStatus'
  const own = await measured(5, async () => await raw(['condor_q', cluster, '-json', '-attributes', attributes]))
  const ours = await measured(5, async () => {
    commands = 0
    const reports = await scheduler.status(jobs, signal())
    expect([commands, reports.size]).toEqual([1, COUNT])
  })
  const bare = await measured(5, async () => await raw(['condor_q', cluster]))
  console.log(
    `status() of ${COUNT} jobs over SSH: ${ours} ms; condor_q -json of their cluster: ${own} ms, condor_q of it: ${bare} ms`,
  )
  commands = 0
  const answers = await scheduler.cancel(jobs, signal())
  expect([commands, [...answers.values()].every((answer) => answer === 'ok'), answers.size]).toEqual([1, true, COUNT])
}, 120_000)
