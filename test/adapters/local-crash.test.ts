import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, readlinkSync, rmSync, symlinkSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { expect, onTestFinished, test, vi } from 'vitest'
import { formatIdentity, parseIdentity } from '../../adapters/local/processes.js'
import type { BasicRequest } from '../../adapters/local/start.js'
import { connect, errorOf, exists, machine, never, pidOf, sh } from './local-fixture.js'

const linesOf = (file: string) => (existsSync(file) ? readFileSync(file, 'utf8').trim().split('\n') : [])
const claimOf = (job: { workdir: string; token: string }) => join(job.workdir, '.telesto', job.token, 'claim')

/** Another server on this machine, which submits `jobs` as soon as it is up. */
const server = (jobs: readonly BasicRequest[]) => {
  const path = (name: string) => fileURLToPath(new URL(name, import.meta.url))
  const child: ChildProcess = spawn(
    process.execPath,
    ['--no-warnings', '--import', path('resolve-ts.mjs'), path('local-server.ts'), JSON.stringify(jobs)],
    { stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const lines = createInterface({ input: child.stdout ?? process.stdin })[Symbol.asyncIterator]()
  const gone = new Promise<void>((settle) => child.once('exit', () => settle()))
  const end = async () => {
    child.kill('SIGKILL')
    await gone
  }
  onTestFinished(end)
  return { child, end, line: async (): Promise<string> => (await lines.next()).value ?? '' }
}

test('two submits of one token at once run it once, and both name the same process', async () => {
  const { root, request, remember, ended } = machine()
  const file = join(root, 'runs')
  for (let round = 0; round < 10; round++) {
    const job = request(sh('echo "$2" >> "$1"', file, String(round)))
    const answers = await Promise.all([connect(), connect(), connect()].map((each) => each.submit([job], never)))
    const ids = answers.map((answer) => String(answer.get(job.token)))
    expect(new Set(ids).size).toBe(1)
    expect(ids[0]).toMatch(/^[\w-]+:\d+:\S+$/)
    const ref = remember(job, String(ids[0]))
    expect(await ended(ref)).toMatchObject({ state: 'succeeded' })
    expect((await connect().submit([job], never)).get(job.token)).toBe(ref.nativeId)
  }
  expect(linesOf(file)).toHaveLength(10)
})

test('200 jobs at once are all accepted, each runs once', async () => {
  const { root, request, submit, scheduler } = machine()
  const file = join(root, 'runs')
  const jobs = Array.from({ length: 200 }, () => request(sh('echo "$TELESTO_TOKEN" >> "$1"', file)))
  const refs = await submit(...jobs)
  await vi.waitFor(
    async () => {
      const reports = await scheduler.status(refs, never)
      expect([...reports.values()].filter(({ state }) => state === 'succeeded')).toHaveLength(200)
    },
    { timeout: 20_000, interval: 100 },
  )
  expect(linesOf(file).sort()).toEqual(jobs.map(({ token }) => token).sort())
}, 40_000)

test('a job outlives the kill -9 of its server and is found again', async () => {
  const { request, remember, until, ended, scheduler, output } = machine()
  const job = request(sh('echo begun; while [ ! -e go ]; do sleep 0.05; done; echo over; exit 5'))
  const other = server([job])
  expect(await other.line()).toBe('ready')
  const [[token, id] = []] = JSON.parse(await other.line()) as [string, string][]
  expect(token).toBe(job.token)
  await other.end()
  const ref = remember(job, String(id))
  expect((await scheduler.recover?.([{ ...job, handedOverAt: new Date() }], never))?.get(job.token)).toBe(id)
  await until(ref, 'running')
  writeFileSync(join(ref.workdir, 'go'), '')
  expect(await ended(ref)).toMatchObject({ state: 'failed', exitCode: 5 })
  expect(output(ref)).toBe('begun\nover\n')
})

test.each(['kill', 'stop'] as const)(
  '%s the server anywhere inside submit: what recover says is what happens',
  async (how) => {
    const { root, request, remember, ended, scheduler } = machine()
    const file = join(root, 'runs')
    const verdicts = { id: 0, absent: 0 }
    for (const delay of [0, 5, 10, 20, 40, 60, 90, 120]) {
      const jobs = Array.from({ length: 12 }, () => request(sh('echo "$TELESTO_TOKEN" >> "$1"', file)))
      const other = server(jobs)
      await other.line()
      await sleep(delay) // the moment of the cut is the input of this test, not something to wait for
      if (how === 'kill') await other.end()
      else other.child.kill('SIGSTOP')
      const verdict = await scheduler.recover?.(
        jobs.map((job) => ({ ...job, handedOverAt: new Date() })),
        never,
      )
      expect(verdict?.size).toBe(jobs.length)
      if (how === 'stop') {
        other.child.kill('SIGCONT')
        const told = new Map(JSON.parse(await other.line()) as [string, string][])
        for (const { token } of jobs)
          if (verdict?.get(token) === 'absent') expect(told.get(token)).toContain('given up')
          else expect(told.get(token)).toBe(verdict?.get(token))
        await other.end()
      }
      for (const job of jobs) {
        const id = verdict?.get(job.token)
        if (id === undefined || id === 'absent') {
          verdicts.absent++
          expect(readlinkSync(claimOf(job))).toBe('telesto:absent')
          continue
        }
        verdicts.id++
        expect(await ended(remember(job, id))).toMatchObject({ state: 'succeeded' })
      }
      const ran = linesOf(file)
      for (const { token } of jobs)
        expect(ran.filter((line) => line === token)).toHaveLength(verdict?.get(token) === 'absent' ? 0 : 1)
    }
    // Both outcomes must have been seen, or the cuts fell in one place.
    expect(verdicts.id).toBeGreaterThan(0)
    expect(verdicts.absent).toBeGreaterThan(0)
  },
  60_000,
)

test('recover racing submit: one of them wins, and both know which', async () => {
  const { root, request, remember, ended } = machine()
  const file = join(root, 'runs')
  for (let round = 0; round < 20; round++) {
    const job = request(sh('echo "$TELESTO_TOKEN" >> "$1"', file))
    const submitting = connect().submit([job], never)
    await sleep(round / 2)
    const verdict = (await connect().recover?.([{ ...job, handedOverAt: new Date() }], never))?.get(job.token)
    const answer = (await submitting).get(job.token)
    if (verdict === 'absent') expect(errorOf(answer).code).toBe('unavailable')
    else {
      expect(answer).toBe(verdict)
      await ended(remember(job, String(verdict)))
    }
    expect(linesOf(file).filter((line) => line === job.token)).toHaveLength(verdict === 'absent' ? 0 : 1)
  }
})

test('a token given up by recover never runs, not even after its directory was cleaned up', async () => {
  const { root, request, scheduler } = machine()
  const file = join(root, 'runs')
  const job = request(sh('echo ran >> "$1"', file))
  const attempt = { ...job, handedOverAt: new Date() }
  expect((await scheduler.recover?.([attempt], never))?.get(job.token)).toBe('absent')
  expect((await scheduler.recover?.([attempt], never))?.get(job.token)).toBe('absent')
  const ref = { ...job, nativeId: 'telesto:absent' }
  expect((await scheduler.status([ref], never)).has(job.token)).toBe(false)
  for (let again = 0; again < 2; again++) {
    expect(errorOf((await scheduler.submit([job], never)).get(job.token)).code).toBe('unavailable')
    expect((await scheduler.cleanUp?.([ref], never))?.get(job.token)).toBe('ok')
  }
  expect(existsSync(file)).toBe(false)
})

test('a wrapper that was killed alone: failed, cause node, and nothing of the job goes on', async () => {
  const { run, ended, until, read } = machine()
  const ref = await run(sh('sleep 60 & echo $$ $! > pids; wait'))
  await until(ref, 'running')
  await vi.waitFor(() => expect(read(ref, 'pids')).toContain('\n'))
  process.kill(pidOf(ref), 'SIGKILL')
  const report = await ended(ref)
  expect(report).toMatchObject({
    state: 'failed',
    cause: 'node',
    message: expect.stringContaining('killed from outside'),
  })
  expect(report).not.toHaveProperty('exitCode')
  const pids = read(ref, 'pids').trim().split(' ').map(Number)
  expect(pids).toHaveLength(2)
  await vi.waitFor(() => expect(pids.some(exists)).toBe(false))
})

test('a wrapper stopped from outside is suspended, whoever asks', async () => {
  const { run, until, scheduler } = machine()
  const ref = await run(['sleep', '60'])
  process.kill(-pidOf(ref), 'SIGSTOP')
  await until(ref, 'suspended')
  await scheduler.release?.([ref], never)
  await until(ref, 'running')
})

/** The job as it would look if its process had been started with another identity. */
const forge = (
  ref: { token: string; nativeId: string; jobType: string; workdir: string },
  change: { boot?: string; start?: string },
) => {
  const identity = parseIdentity(ref.nativeId)
  if (!identity) throw new Error(ref.nativeId)
  const nativeId = formatIdentity({ ...identity, ...change })
  rmSync(claimOf(ref))
  symlinkSync(nativeId, claimOf(ref))
  return { ...ref, nativeId }
}

test.each([
  [{ start: '1' }, 'killed from outside'],
  [{ boot: '00000000-0000-0000-0000-000000000000' }, 'machine was restarted'],
])('a process with another %j is not the job, and is never signalled', async (change, words) => {
  const { run, until, report, scheduler } = machine({ killGraceSeconds: 0 })
  const ref = await run(['sleep', '60'])
  await until(ref, 'running')
  const forged = forge(ref, change)
  const answer = { state: 'failed', cause: 'node', message: expect.stringContaining(words) }
  expect(await report(forged)).toMatchObject(answer)
  expect((await scheduler.hold?.([forged], never))?.get(ref.token)).toMatchObject({ code: 'rejected' })
  expect((await scheduler.cancel([forged], never)).get(ref.token)).toBe('ok')
  expect((await scheduler.cancel([forged], never)).get(ref.token)).toBe('ok')
  expect(exists(pidOf(ref))).toBe(true)
  rmSync(claimOf(ref))
  symlinkSync(ref.nativeId, claimOf(ref))
  expect(await report(ref)).toMatchObject({ state: 'running' })
})

test('an id that does not fit the claim, and a job that never was, are gaps', async () => {
  const { run, until, root, scheduler } = machine()
  const ref = await run(['sleep', '60'])
  await until(ref, 'running')
  const gaps = [
    { ...ref, nativeId: ref.nativeId.replace(/:\d+$/, ':1') },
    { ...ref, token: 'never' },
    { ...ref, workdir: join(root, 'never') },
    { ...ref, workdir: 'relative' },
    { ...ref, nativeId: 'x:1:1' },
  ]
  for (const gap of gaps) {
    expect((await scheduler.status([gap], never)).size).toBe(0)
    expect((await scheduler.cancel([gap], never)).get(gap.token)).toBe('ok')
  }
  expect((await scheduler.status([ref], never)).get(ref.token)).toMatchObject({ state: 'running' })
})

test('the abort of a submit returns at once with what was accepted', async () => {
  const { request, remember, scheduler, ended } = machine()
  const jobs = Array.from({ length: 60 }, () => request(['true']))
  const controller = new AbortController()
  const submitting = scheduler.submit(jobs, controller.signal)
  await vi.waitFor(
    () =>
      expect(
        jobs.some((job) => existsSync(join(job.workdir, '.telesto', job.token, 'exit')) || existsSync(job.workdir)),
      ).toBe(true),
    { interval: 1 },
  )
  const aborted = performance.now()
  controller.abort()
  const answers = await submitting
  expect(performance.now() - aborted).toBeLessThan(1000)
  expect(answers.size).toBeLessThan(jobs.length)
  const verdict = await scheduler.recover?.(
    jobs.map((job) => ({ ...job, handedOverAt: new Date() })),
    never,
  )
  for (const job of jobs) {
    const answer = answers.get(job.token)
    if (typeof answer === 'string') expect(verdict?.get(job.token)).toBe(answer)
    if (answer === undefined) expect(verdict?.get(job.token)).toBe('absent')
    const id = verdict?.get(job.token)
    if (id !== undefined && id !== 'absent')
      expect(await ended(remember(job, id))).toMatchObject({ state: 'succeeded' })
  }
})
