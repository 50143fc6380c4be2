// A whole portal whose jobs run on the pool of condor.sh, behind an sshd of its own that comes before it.
import { execFileSync, spawnSync } from 'node:child_process'
import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { condor } from '../../adapters/condor.js'
import type { Job, Logger, SchedulerRecord } from '../../src/index.js'
import { newKey } from '../../src/key-ring.js'
import { startPortal } from '../web/support.js'
import { given, password, removeSshd, startSshd } from './ssh-server.js'

export type CondorPortal = Awaited<ReturnType<typeof startCondorPortal>>

/** The account of the pool: it logs in, and its jobs are HTCondor's. */
export const ACCOUNT = (): string => given('CONDOR_USER')
/** Until the test is over. */
export const changePassword = (to: string): void => {
  const change = (password: string): void =>
    void execFileSync('chpasswd', { input: `${ACCOUNT()}:${password}\n`, stdio: ['pipe', 'ignore', 'inherit'] })
  onTestFinished(() => change(password()))
  change(to)
}

/** `settings` are lines of sshd_config. */
export const startCondorPortal = async ({
  log,
  settings = [],
}: {
  readonly log?: Logger
  readonly settings?: readonly string[]
} = {}) => {
  const commands = mkdtempSync(path.join(tmpdir(), 'telesto-commands-'))
  chmodSync(commands, 0o755)
  const bin = path.join(given('CONDOR_DIR'), 'bin')
  const sshd = await startSshd([...settings, `SetEnv PATH=${commands}:${bin}:/usr/local/bin:/usr/bin:/bin`])
  onTestFinished(async () => {
    spawnSync(path.join(bin, 'condor_rm'), ['-constraint', 'TelestoToken =!= undefined'], { stdio: 'ignore' })
  })
  onTestFinished(async () => {
    await removeSshd(sshd)
    rmSync(commands, { recursive: true, force: true })
  })
  const options = { adapters: [condor], keys: [newKey()], runLoops: true, leaseSeconds: 6, ...(log ? { log } : {}) }
  const portal = await startPortal(options as object)
  const { telesto, nile } = portal

  const record = async (name = 'pool'): Promise<SchedulerRecord> => {
    const found = await telesto.getScheduler(name)
    if (!found) throw new Error(`There is no scheduler ${name}.`)
    return found
  }
  return {
    ...portal,
    sshd,
    record,
    /** A record that logs in with the key of the tests, unless something else is told. */
    async connect(config: Readonly<Record<string, unknown>> = {}, name = 'pool'): Promise<void> {
      const { host, port, username, privateKeyPath, hostKey } = sshd.target
      const login = { host, port, username, hostKey, ...(config.password === undefined ? { privateKeyPath } : {}) }
      await telesto.createScheduler({ name, adapter: 'condor', config: { ...login, ...config }, pollSeconds: 1 })
    },
    /** A job that is executed: a line of the shell, and other options of CONDOR. */
    async run(line: string, more: Readonly<Record<string, unknown>> = {}, scheduler = 'pool'): Promise<Job> {
      const { id, name } = await record(scheduler)
      const job = (await nile.createJob({
        name: line,
        user: 'ada',
        jobType: 'CONDOR',
        scheduler: { id, name },
        executable: '/bin/sh',
        transferExecutable: false,
        arguments: ['-c', line],
        ...more,
      } as never)) as unknown as Job
      await job.execute()
      return job
    },
    async status(job: Job): Promise<string | undefined> {
      return (await nile.getJob(job.id))?.status
    },
    async reaches(job: Job, status: string, seconds = 60): Promise<void> {
      await expect
        .poll(async () => (await nile.getJob(job.id))?.status, { timeout: seconds * 1000, interval: 200 })
        .toBe(status)
    },
    /** Waits until the record's health is so, for a reason like that. */
    async feels(health: SchedulerRecord['health'], why?: RegExp, seconds = 60): Promise<void> {
      const told = async () => {
        const { health: now, healthMessage } = await record()
        return now === health && (why === undefined || why.test(healthMessage ?? '')) ? 'so' : { now, healthMessage }
      }
      await expect.poll(told, { timeout: seconds * 1000, interval: 100 }).toBe('so')
    },
    /** Puts a command of this name before the pool's, until the answer is called. */
    instead(name: string, script: string): () => void {
      const file = path.join(commands, name)
      writeFileSync(file, `#!/bin/sh\n${script}`, { mode: 0o755 })
      return () => rmSync(file)
    },
  }
}
