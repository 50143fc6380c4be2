import { readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, test } from 'vitest'
import { type NativeId, SchedulerError, type Token } from '../../src/adapter.js'
import type { Job } from '../../src/job.js'
import { type Portal, portal } from './portal.js'
import { hangs, type Method, type ScriptedSystem } from './scripted-adapter.js'

const HOST = { host: 'pool.example', port: 22, username: 'ada', directory: 'runs' }
const onHost = async (options: Parameters<typeof portal>[0] = {}) =>
  await portal({
    ...options,
    script: { ssh: HOST, has: ['recover', 'hold', 'release', 'fetch', 'cleanUp', 'listLogs', 'readLog', 'history'] },
  })

/** Every workdir that the adapter is shown, by method. */
const watched = (system: ScriptedSystem): Map<Method, string[]> => {
  const seen = new Map<Method, string[]>()
  const watch = (name: Method): void => {
    const good = system.script[name] ?? system.good[name]
    const watching = (...args: unknown[]): unknown => {
      const shown = [args[0]].flat() as { readonly workdir?: string }[]
      const workdirs = shown.flatMap(({ workdir }) => (workdir === undefined ? [] : [workdir]))
      seen.set(name, [...(seen.get(name) ?? []), ...workdirs])
      return Reflect.apply(good, system.good, args)
    }
    Object.assign(system.script, { [name]: watching })
  }
  for (const name of ['submit', 'status', 'cancel', 'recover', 'fetch', 'cleanUp', 'listLogs', 'history'] as const)
    watch(name)
  return seen
}
const targetOf = async (p: Portal, job: Job): Promise<string> => {
  const { targetWorkdir } = await p.row(job)
  if (targetWorkdir === null) throw new Error('It was not handed over to a host.')
  return targetWorkdir
}

test('On a host an attempt has a directory that nobody else ever gets, below the directory of the record', async () => {
  const p = await onHost()
  const seen = watched(p.system)
  const job = await p.accepted({ user: 'Ada Lovelace/..' })
  const { targetWorkdir, token, workdir } = await p.row(job)
  expect(targetWorkdir).toMatch(/^runs\/flood\/Ada_Lovelace___~[0-9a-f]{16}\/\d+\/1-[0-9a-f]{12}$/)
  expect(targetWorkdir?.endsWith(`/${job.id}/1-${token?.slice(-12)}`)).toBe(true)
  expect(workdir).toBe(
    path.join(p.directory, 'jobs', 'flood', `Ada_Lovelace___~${targetWorkdir?.slice(27, 43)}`, `${job.id}`, '1'),
  )
  expect(seen.get('submit')).toEqual([targetWorkdir])
  await p.pass(30_000)
  expect(new Set(seen.get('status'))).toEqual(new Set([targetWorkdir]))
})

test('A record on this machine has no such directory: the attempt lives where it always did', async () => {
  const p = await portal()
  const seen = watched(p.system)
  const job = await p.accepted()
  const { targetWorkdir, workdir } = await p.row(job)
  expect(targetWorkdir).toBeNull()
  expect(seen.get('submit')).toEqual([workdir])
})

test('The directory stays through recover, a new token, cancel and logs, and is cleaned up with the job', async () => {
  const p = await onHost()
  const seen = watched(p.system)
  const { submit } = p.system.script
  p.system.script.submit = async (...args) => {
    await submit?.(...args)
    p.system.jobs.clear()
    throw new SchedulerError('unavailable', 'The link was cut.')
  }
  const job = await p.job()
  await p.pass(500)
  const target = await targetOf(p, job)
  const before = (await p.row(job)).token
  if (submit) p.system.script.submit = submit
  await p.pass(60_000)
  const after = await p.row(job)
  expect(after.token).not.toBe(before)
  expect(after).toMatchObject({ nativeId: 'native-1', targetWorkdir: target })
  await p.pass(20_000)
  await (await p.read(job)).logs()
  await (await p.read(job)).stop()
  await p.pass(20_000)
  expect(await p.status(job)).toBe('Aborted')
  await (await p.read(job)).delete()
  await p.pass(20_000)
  for (const method of ['submit', 'recover', 'status', 'listLogs', 'cancel', 'cleanUp'] as const)
    expect([method, new Set(seen.get(method))]).toEqual([method, new Set([target])])
})

test('What was handed over and refused is cleaned up too: its files may have travelled before', async () => {
  const p = await onHost()
  const seen = watched(p.system)
  p.system.script.submit = async (requests) =>
    new Map(
      requests.map(({ token }): [Token, NativeId | SchedulerError] => [
        token,
        new SchedulerError('rejected', 'No quota.'),
      ]),
    )
  const job = await p.job()
  await p.pass(1000)
  expect(await p.status(job)).toBe('Error')
  const target = await targetOf(p, job)
  await (await p.read(job)).delete()
  await p.pass(5000)
  expect(seen.get('cleanUp')).toEqual([target])
  expect(await p.all('SELECT id FROM telesto_attempts')).toEqual([])
})

test('A stray is chased where it was handed over to', async () => {
  const p = await onHost()
  const seen = watched(p.system)
  const job = await p.accepted()
  const target = await targetOf(p, job)
  await p.says(job, undefined)
  p.system.script.history = async () => new Map()
  await p.pass(10 * 60_000)
  expect(await p.status(job)).toBe('Error')
  p.system.script.cancel = hangs
  await (await p.read(job)).resubmit()
  await p.settled()
  expect(await p.all('SELECT workdir FROM telesto_strays')).toEqual([{ workdir: target }])
  const second = await targetOf(p, await p.read(job)).catch(() => undefined)
  expect(second).not.toBe(target)
  expect(seen.get('status')).toContain(target)
})

test('The attempt before it is told with its directory on the host', async () => {
  const p = await onHost()
  const previous: unknown[] = []
  p.system.script.submit = async (requests, signal) => {
    previous.push(...requests.map((one) => one.previous?.workdir))
    return await p.system.good.submit(requests, signal)
  }
  const job = await p.accepted()
  const target = await targetOf(p, job)
  await p.says(job, { state: 'failed' })
  await p.pass(30_000)
  await (await p.read(job)).resubmit()
  await p.pass(2000)
  expect(previous).toEqual([undefined, target])
  expect(await targetOf(p, job)).not.toBe(target)
})

test('Results are fetched into the directory on this machine, which is there, and listed from it', async () => {
  const p = await onHost()
  p.system.script.fetch = async (_ref, into) => {
    await writeFile(path.join(into, 'flow.csv'), '1,2\n')
    return [path.join(into, 'flow.csv')]
  }
  const job = await p.accepted()
  await p.says(job, { state: 'succeeded' })
  await p.until(async () => (await p.status(job)) === 'Complete')
  const done = await p.read(job)
  expect((await done.results()).map((file) => file.path)).toEqual(['flow.csv'])
  const { workdir } = await p.row(job)
  expect(await readFile(path.join(workdir ?? '', 'flow.csv'), 'utf8')).toBe('1,2\n')
})
