import { expect, test } from 'vitest'
import { portal } from './portal.js'

// What a scheduler has heard from the job itself: shown and kept, and never a reason for anything.

test('progress and message are stored when they change, told in one event, and raise no version', async () => {
  const p = await portal({ limits: { pollSeconds: 1 } })
  const job = await p.accepted()
  await p.says(job, { state: 'running' })
  await p.pass(5_000)
  const { statusVersion } = await p.row(job)
  await p.says(job, { state: 'running', progress: 1 / 3, statusMessage: 'step 1\0 of 3' })
  await p.pass(20_000)
  expect(await p.read(job)).toMatchObject({ status: 'Running', progress: 0.3333, statusMessage: 'step 1 of 3' })
  // Nothing new: a number that differs in what nobody can see, and no word at all.
  await p.says(job, { state: 'running', progress: 0.33334 })
  await p.pass(10_000)
  await p.says(job, { state: 'running' })
  await p.pass(10_000)
  await p.says(job, { state: 'running', statusMessage: 'x'.repeat(3000) })
  await p.pass(10_000)
  expect(await p.read(job)).toMatchObject({ progress: 0.3333, statusMessage: 'x'.repeat(2048) })
  expect((await p.row(job)).statusVersion).toBe(statusVersion)
  expect((await p.events(job)).filter(({ kind }) => kind === 'progress')).toEqual([
    { kind: 'progress', statusMessage: 'step 1 of 3', progress: 0.3333 },
    { kind: 'progress', statusMessage: 'x'.repeat(2048) },
  ])
  // Not every database keeps NUL, and a reason that cannot be written would be written again for ever.
  await p.says(job, { state: 'running', message: 'on\0 node 7' })
  await p.pass(10_000)
  expect(await p.read(job)).toMatchObject({ reason: 'on node 7' })
  await p.says(job, { state: 'succeeded', exitCode: 0, progress: 1 })
  await p.pass(10_000)
  expect(await p.read(job)).toMatchObject({ status: 'Complete', progress: 1 })
})

test.each([[-0.1], [1.1], [Number.NaN], ['half' as never]])('a progress of %s is no answer', async (progress) => {
  const p = await portal({ limits: { pollSeconds: 1 } })
  const job = await p.accepted()
  await p.says(job, { state: 'running', progress })
  await p.pass(5_000)
  expect([await p.status(job), (await p.record()).health]).toEqual(['Submitted', 'degraded'])
  expect((await p.record()).health_message).toContain('progress')
})
