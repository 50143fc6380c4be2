// A portal and a pool: what its users see of their jobs, here and over SSH.
import { existsSync, mkdirSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { basename, dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { condor } from '../../adapters/condor.js'
import { createTelesto, type Job } from '../../src/index.js'
import { quiet } from '../store/support.js'
import { pool, sshTarget } from './condor-pool.js'

const home = process.env.HOME ?? ''
const { directory: _, ...login } = sshTarget()
const far = mkdtempSync(join(home, 'portal '))
const records = { here: {}, 'over SSH': { ...login, directory: far.slice(home.length + 1) } }

const PATIENCE = { timeoutMs: 60_000 }
const MINUTE = { timeout: 60_000, interval: 200 }

describe.each(Object.entries(records))('%s', (_name, config) => {
  const directory = mkdtempSync(join(tmpdir(), 'telesto-portal-'))
  const workspace = join(directory, 'workspace')
  const start = async () => {
    const telesto = await createTelesto({ adapters: [condor], directory: join(directory, 'data'), log: quiet })
    const app = telesto.app('flood', {
      workspace,
      processResults: {
        sum: (_job: unknown, { directory: results }: { readonly directory: string }) => ({
          lines: readFileSync(join(results, 'out'), 'utf8').trim().split('\n'),
        }),
      },
    })
    const scheduler = await telesto.createScheduler({ name: 'pool', adapter: 'condor', config, pollSeconds: 0.5 })
    return { telesto, app, scheduler }
  }
  let portal: Awaited<ReturnType<typeof start>>
  beforeAll(async () => {
    mkdirSync(workspace)
    writeFileSync(
      join(workspace, 'model.sh'),
      '#!/bin/sh\nwc -l <"$1"\nmkdir -p maps\necho drawn >maps/1.txt\necho odd >&2\n',
      {
        mode: 0o755,
      },
    )
    writeFileSync(join(workspace, 'nile.csv'), 'year,flow\n1871,1120\n')
    portal = await start()
  })
  afterAll(async () => {
    await portal.telesto.close()
    rmSync(directory, { recursive: true, force: true, maxRetries: 5 })
    rmSync(far, { recursive: true, force: true, maxRetries: 5 })
  })

  const create = async (options: object): Promise<Job> => {
    const job = await portal.app.createJob({
      jobType: 'CONDOR',
      name: 'a run {id}',
      user: 'ada',
      scheduler: portal.scheduler,
      ...options,
    } as Parameters<typeof portal.app.createJob>[0])
    await job.execute()
    return job
  }
  const until = async (job: Job, status: string): Promise<void> => {
    const seen = async () => {
      await job.refresh()
      return job.status
    }
    await expect.poll(seen, MINUTE).toBe(status)
  }
  const SLEEPS = { executable: '/bin/sleep', arguments: ['600'], transferExecutable: false }

  test('a job is Complete, with its results, its logs and the value that was processed', async () => {
    const job = await create({
      executable: 'model.sh',
      arguments: ['nile.csv'],
      remoteInputFiles: ['nile.csv'],
      transferOutputFiles: ['maps'],
      shouldTransferFiles: 'YES',
      processResults: 'sum',
    })
    await job.done(PATIENCE)
    expect([job.status, job.reason, job.exitCode]).toEqual(['Complete', null, 0])
    expect(await job.result()).toEqual({ lines: ['2'] })
    const results = await job.results()
    expect(results.map(({ path }) => path)).toEqual(expect.arrayContaining(['out', 'err', 'maps/1.txt']))
    expect(results.some(({ path }) => path.includes('.telesto'))).toBe(false)
    expect(readFileSync(await job.resultPath('maps/1.txt'), 'utf8')).toBe('drawn\n')
    const read = async (name: string) => {
      const { bytes, end } = await job.readLog({ name })
      return [Buffer.from(bytes).toString(), end]
    }
    expect((await job.logs()).map(({ name }) => name)).toEqual(['out', 'err', 'events.log'])
    expect(await read('out')).toEqual(['2\n', true])
    expect(await read('err')).toEqual(['odd\n', true])
    expect((await read('events.log'))[0]).toContain('Job terminated of its own accord')
  })

  test('a job of several procs has a part for each, and one that fails leaves the others their results', async () => {
    const job = await create({
      executable: '/bin/sh',
      arguments: `"-c 'exit $(Process)'"`, // HTCondor's own line
      transferExecutable: false,
      numJobs: 3,
    })
    await job.done(PATIENCE)
    expect((await job.parts()).map(({ name, exitCode }) => [name, exitCode])).toEqual([
      ['0', 0],
      ['1', 1],
      ['2', 2],
    ])
    expect(job.status).toBe('Various-Complete')
    // It is over before they are fetched.
    const names = async () => (await job.results()).map(({ path }) => path)
    await expect.poll(names, MINUTE).toEqual(expect.arrayContaining(['out.0', 'out.1', 'out.2']))
  })

  test('a job that is held is Paused, with the reason, and goes on when it is released', async () => {
    const job = await create(SLEEPS)
    await until(job, 'Running')
    await job.pause()
    await until(job, 'Paused')
    expect(job.reason).toContain('via condor_hold')
    await job.resume()
    await until(job, 'Running')
    pool('condor_hold', job.nativeId ?? '', '-reason', 'maintenance')
    await until(job, 'Paused')
    expect(job.reason).toContain('maintenance')
    await job.stop()
    await until(job, 'Aborted')
  })

  test('a job that fails is Error, with its exit code; one that can never run says why', async () => {
    const fails = await create({ executable: '/bin/sh', arguments: ['-c', 'echo why >&2; exit 3'] })
    const never = await create({ executable: 'not-there.sh' })
    const refused = await create({ ...SLEEPS, requirements: '((' })
    await Promise.all([fails, never, refused].map(async (job) => await job.done(PATIENCE)))
    expect([fails.status, fails.exitCode]).toEqual(['Error', 3])
    expect(Buffer.from((await fails.readLog({ name: 'err' })).bytes).toString()).toBe('why\n')
    expect([never.status, never.reason]).toEqual(['Error', expect.stringContaining('not-there.sh')])
    expect([refused.status, refused.reason]).toEqual(['Error', expect.stringContaining('Parse error')])
  })

  test('a job that is deleted leaves nothing behind, in the queue and on the disks', async () => {
    const job = await create(SLEEPS)
    await until(job, 'Running')
    const id = job.nativeId ?? ''
    const there = pool('condor_q', id, '-af', 'Iwd').trim()
    expect(existsSync(join(there, '.telesto', 'events.log'))).toBe(true)
    await job.delete({ stop: true })
    expect(basename(dirname(there))).toBe(String(job.id))
    await expect.poll(() => existsSync(dirname(there)), MINUTE).toBe(false)
    await expect.poll(() => pool('condor_q', id, '-af', 'JobStatus'), MINUTE).toBe('')
  })
})
