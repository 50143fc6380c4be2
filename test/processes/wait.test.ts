import { rm, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { local } from '../../adapters/local.js'
import { createTelesto } from '../../src/index.js'
import { temporaryDirectory } from '../fixture.js'
import { startChild } from '../store/support.js'

// One process waits, and another one, on the same file, does what is waited for.

const start = async () => {
  const directory = await temporaryDirectory()
  const telesto = await createTelesto({ adapters: [local], directory, runLoops: false })
  onTestFinished(async () => {
    await telesto.close()
    await rm(directory, { recursive: true, force: true })
  })
  const other = startChild(new URL('worker.ts', import.meta.url), [directory])
  expect(await other.line()).toBe('ready')
  return { app: telesto.app('flood'), other, directory }
}

test('what another process settles is heard, in its order', async () => {
  const { app, other } = await start()
  const note = { jobType: 'BASIC', user: 'ada' } as const
  const [a, b] = [await app.createJob({ ...note, name: 'a' }), await app.createJob({ ...note, name: 'b' })]
  const done = a.done({ timeoutMs: 20_000 })
  const order: string[] = []
  const all = (async () => {
    for await (const { name, status } of app.asCompleted([a.id, b.id], { timeoutMs: 20_000 }))
      order.push(`${name} ${status}`)
  })()
  other.tell(JSON.stringify({ id: b.id, status: 'Error' }))
  expect(await other.line()).toBe('done')
  other.tell(JSON.stringify({ id: a.id, status: 'Complete' }))
  expect(await other.line()).toBe('done')
  expect((await done).status).toBe('Complete')
  await all
  expect(order).toEqual(['b Error', 'a Complete'])
  await expect(b.result()).rejects.toMatchObject({ code: 'job_failed' })
})

test('a job that another process runs is waited for to its end, and its status is asked for anew', async () => {
  const { app, other, directory } = await start()
  const go = path.join(directory, 'go')
  const command = ['/bin/sh', '-c', 'until [ -e "$1" ]; do sleep 0.1; done', 'sh', go] as const
  const job = await app.createJob({ jobType: 'BASIC', user: 'ada', name: 'runs', command })
  await job.execute()
  other.tell(JSON.stringify({ loops: true }))
  expect(await other.line()).toBe('done')
  await expect.poll(async () => await job.refresh().then(() => job.status), { timeout: 15_000 }).toBe('Running')
  expect(await job.updateStatus({ wait: 15_000 })).toMatchObject({ answered: true, ageMs: expect.any(Number) })
  const waiting = app.wait(app.query(), { timeoutMs: 20_000 })
  await writeFile(go, '')
  const { done, notDone, gone } = await waiting
  expect([done.map(({ status }) => status), notDone, gone]).toEqual([['Complete'], [], []])
})
