import { existsSync } from 'node:fs'
import { mkdir, readdir, rm, symlink, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, test } from 'vitest'
import { SchedulerError } from '../../src/adapter.js'
import type { Job } from '../../src/job.js'
import { type Portal, portal } from './portal.js'

const MINUTE = 60_000
const withCleanUp = { script: { has: ['recover', 'cleanUp'] as const }, limits: { pollSeconds: 5 } }

const gone = async (p: Portal, job: Job) =>
  await p.until(async () => (await p.all(`SELECT id FROM telesto_jobs WHERE id = ${job.id}`)).length === 0)
const remains = async (p: Portal) => ({
  attempts: await p.all('SELECT id FROM telesto_attempts'),
  strays: await p.all('SELECT token FROM telesto_strays'),
  events: await p.all(`SELECT id FROM telesto_events WHERE job_id IS NOT NULL AND kind <> 'deleted'`),
  parts: await p.all('SELECT name FROM telesto_parts'),
})
const nothing = { attempts: [], strays: [], events: [], parts: [] }

/** The same portal in a new process. */
const restart = async (p: Portal, start = true): Promise<Portal> => {
  await p.close()
  return await portal({ directory: p.directory, clock: p.clock, system: p.system, start })
}

/** What the job left on this machine. */
const fill = async (p: Portal, job: Job): Promise<string> => {
  const { workdir } = await p.row(job)
  await mkdir(path.join(workdir as string, 'sub'), { recursive: true })
  await writeFile(path.join(workdir as string, 'sub', 'out.json'), '{}')
  return workdir as string
}

test('Delete hides the job at once; then it is cancelled, cleaned up here and there, and its row goes last', async () => {
  const p = await portal(withCleanUp)
  const job = await p.accepted()
  await p.says(job, { state: 'running', parts: [{ name: 'a', state: 'running' }] })
  await p.pass(10_000)
  const workdir = await fill(p, job)
  await expect(job.delete()).rejects.toMatchObject({ code: 'job_is_active' })
  const from = p.system.calls.length
  await job.delete({ stop: true })
  expect(await p.app.getJob(job.id)).toBeNull()
  expect(existsSync(workdir)).toBe(true)
  await gone(p, job)
  const methods = p.system.calls.slice(from).map(({ method }) => method)
  expect(methods.filter((method) => method !== 'status')).toEqual(['cancel', 'cleanUp'])
  expect(existsSync(path.dirname(workdir))).toBe(false)
  expect(await remains(p)).toEqual(nothing)
})

test('A delete that is cut short at any step resumes where it was', async () => {
  let p = await portal(withCleanUp)
  const job = await p.accepted()
  const workdir = await fill(p, job)
  await p.close()

  // Hidden, and the process died before anything else.
  p = await portal({ directory: p.directory, clock: p.clock, system: p.system, start: false })
  await (await p.read(job)).delete({ stop: true })
  p.system.script.cancel = async (refs) => new Map(refs.map(({ token }) => [token, 'ok']))
  p = await restart(p)
  await p.pass(20_000)

  // Cancelled, and the process died before the scheduler said so.
  expect(p.system.count('cancel')).toBeGreaterThan(0)
  p = await restart(p)
  delete p.system.script.cancel
  p.system.script.cleanUp = () => Promise.reject(new SchedulerError('unavailable', 'cut'))
  await p.pass(3 * MINUTE)

  // It ended, and the process died before it was cleaned up.
  expect(p.system.count('cleanUp')).toBeGreaterThan(0)
  expect(await p.row(job)).toMatchObject({ statusCode: 'ABT' })
  expect(existsSync(workdir)).toBe(true)
  p = await restart(p)
  await p.pass(MINUTE)
  expect(existsSync(workdir)).toBe(true)

  // Cleaned up there and here, and the process died before the row went.
  await p.close()
  await rm(path.dirname(workdir), { recursive: true })
  delete p.system.script.cleanUp
  p = await portal({ directory: p.directory, clock: p.clock, system: p.system })
  await gone(p, job)
  expect(await remains(p)).toEqual(nothing)
  expect(existsSync(path.dirname(workdir))).toBe(false)
  const last = p.system.calls.length
  await p.pass(5 * MINUTE, 5000)
  expect(p.system.calls.length).toBe(last)
})

test('Cleaning up that fails for one job is repeated for that one alone', async () => {
  const p = await portal(withCleanUp)
  const [good, bad] = [await p.accepted(), await p.accepted()]
  p.system.all({ state: 'failed' })
  await p.pass(15_000)
  const { token } = await p.row(bad)
  let broken = true
  p.system.script.cleanUp = async (refs) =>
    new Map(
      refs.map((ref) => [ref.token, ref.token === token && broken ? new SchedulerError('rejected', 'in use') : 'ok']),
    )
  for (const job of [good, bad]) await (await p.read(job)).delete()
  await gone(p, good)
  await p.pass(10 * MINUTE, 5000)
  expect((await p.row(bad)).deletedAt).not.toBeNull()
  const tries = p.system.callsOf('cleanUp')
  expect(tries.length).toBeGreaterThan(4)
  expect(tries.length).toBeLessThan(20)
  expect(tries.slice(1).every(({ tokens }) => tokens.length === 1)).toBe(true)
  broken = false
  await p.pass(2 * MINUTE)
  await gone(p, bad)
  expect(await remains(p)).toEqual(nothing)
})

test('Only directories that Telesto made are removed: a given workspace stays with all that is in it', async () => {
  const p = await portal()
  const workspace = path.join(p.directory, 'mine')
  await mkdir(workspace)
  await writeFile(path.join(workspace, 'thesis.tex'), 'years of work')
  const job = await p.accepted({ workspace })
  const workdir = await fill(p, job)
  expect(workdir).toBe(path.join(workspace, String(job.id), '1'))
  await p.says(job, { state: 'failed' })
  await p.pass(30_000)
  await (await p.read(job)).delete()
  await gone(p, job)
  expect(await readdir(workspace)).toEqual(['thesis.tex'])
})

test('A link in the place of the directory of a job is not followed', async () => {
  const p = await portal()
  const job = await p.accepted()
  const treasure = path.join(p.directory, 'treasure')
  await mkdir(treasure)
  await writeFile(path.join(treasure, 'gold'), '')
  const { workdir } = await p.row(job)
  await mkdir(path.dirname(path.dirname(workdir as string)), { recursive: true })
  await symlink(treasure, path.dirname(workdir as string))
  await p.says(job, { state: 'failed' })
  await p.pass(30_000)
  await (await p.read(job)).delete()
  await gone(p, job)
  expect(await readdir(treasure)).toEqual(['gold'])
})

test("The directory of a user who has another job stays; an empty one goes, up to Telesto's own", async () => {
  const p = await portal()
  const [first, second] = [await p.accepted(), await p.accepted()]
  const [one, two] = [await fill(p, first), await fill(p, second)]
  p.system.all({ state: 'failed' })
  await p.pass(15_000)
  await (await p.read(first)).delete()
  await gone(p, first)
  expect(existsSync(path.dirname(one))).toBe(false)
  expect(existsSync(two)).toBe(true)
  await (await p.read(second)).delete()
  await gone(p, second)
  await p.until(() => !existsSync(path.join(p.directory, 'jobs', 'flood')))
  expect(existsSync(path.join(p.directory, 'jobs'))).toBe(true)
})

test('Strays of a deleted job are chased until they are gone; only then its row goes', async () => {
  const p = await portal({ limits: { pollSeconds: 5 } })
  const job = await p.accepted()
  const { token } = await p.row(job)
  await p.says(job, { state: 'running' })
  await p.pass(10_000)
  // Given up as lost, resubmitted, ended, deleted: the first attempt may still run.
  await p.says(job, undefined)
  await p.pass(4 * MINUTE)
  expect(await p.status(job)).toBe('Error')
  p.system.script.cancel = () => Promise.reject(new SchedulerError('unavailable', 'down'))
  await (await p.read(job)).resubmit()
  await p.pass(1000)
  await (await p.read(job)).delete({ stop: true })
  await p.pass(10 * MINUTE, 5000)
  expect((await p.row(job)).deletedAt).not.toBeNull()
  expect(await p.all('SELECT token FROM telesto_strays')).toEqual([{ token }])
  // It is alive after all, and deaf at first.
  const first = p.system.jobs.get(token as string)
  if (first) first.report = { state: 'running' }
  let deaf = 2
  p.system.script.cancel = async (refs, signal) => {
    if (refs.some((ref) => ref.token === token) && deaf-- > 0) return new Map(refs.map((ref) => [ref.token, 'ok']))
    return await p.system.good.cancel(refs, signal)
  }
  await p.pass(30 * MINUTE, 5000)
  await gone(p, job)
  expect(first?.report).toEqual({ state: 'cancelled' })
  expect(await remains(p)).toEqual(nothing)
})

test('A job that was never executed, and one that waited, go at once and ask nobody', async () => {
  const p = await portal({ limits: { maxActiveJobs: 1 } })
  await p.accepted()
  const calls = p.system.count()
  const [saved, waiting] = [await p.create(), await p.job()]
  await saved.delete()
  await waiting.delete({ stop: true })
  await gone(p, saved)
  await gone(p, waiting)
  expect(p.system.calls.slice(calls).filter(({ method }) => method !== 'status')).toEqual([])
})

test('A job that was given up as lost is cancelled before its row goes: it may yet be running', async () => {
  const p = await portal({ limits: { pollSeconds: 5 } })
  const job = await p.accepted()
  const { token } = await p.row(job)
  await p.says(job, { state: 'running' })
  await p.pass(10_000)
  await p.says(job, undefined)
  await p.pass(4 * MINUTE)
  expect((await p.row(job)).cause).toBe('lost')
  const cancelled: string[] = []
  p.system.script.cancel = async (refs, signal) => {
    cancelled.push(...refs.map((ref) => ref.token))
    return await p.system.good.cancel(refs, signal)
  }
  await (await p.read(job)).delete()
  await p.until(async () => (await p.all('SELECT id FROM telesto_jobs')).length === 0)
  expect(cancelled).toContain(token)
})
