import { expect, test } from 'vitest'
import { portal } from './portal.js'

const MINUTE = 60_000

test('A child is submitted only when all its parents are Complete: Results-Ready is not enough', async () => {
  let release = false
  const p = await portal({
    limits: { pollSeconds: 5 },
    processResults: {
      read: () => {
        if (!release) throw new Error('not yet')
      },
    },
  })
  const first = await p.accepted()
  const second = await p.accepted({ processResults: 'read' })
  const child = await p.job({ parents: [first.id, second.id] })
  const grandchild = await p.job({ parents: [child.id] })
  await p.pass(20_000)
  expect(await p.status(child)).toBe('Pending')
  await p.says(first, { state: 'succeeded' })
  await p.pass(20_000)
  await p.says(second, { state: 'succeeded' })
  await p.pass(10_000)
  expect(await p.status(second)).toBe('Results-Ready')
  expect(await p.status(child)).toBe('Pending')
  expect(p.system.count('submit')).toBe(2)
  release = true
  await p.pass(2 * MINUTE)
  expect(await p.status(second)).toBe('Complete')
  expect(await p.status(child)).toBe('Submitted')
  expect(await p.status(grandchild)).toBe('Pending')
  await p.says(child, { state: 'succeeded' })
  await p.pass(30_000)
  expect(await p.status(grandchild)).toBe('Submitted')
})

test.each(['failed', 'cancelled', 'mixed'] as const)(
  'A parent that ends %s: the child is Aborted, cause "dependency", naming the parent, and so on down',
  async (end) => {
    const p = await portal({ limits: { pollSeconds: 5 } })
    const parent = await p.accepted()
    const child = await p.job({ parents: [parent.id] })
    const grandchild = await p.job({ parents: [child.id] })
    const parts = [
      { name: 'a', state: 'succeeded' as const },
      { name: 'b', state: 'failed' as const },
    ]
    await p.says(parent, end === 'mixed' ? { state: 'failed', parts } : { state: end })
    await p.pass(30_000)
    expect(await p.read(child)).toMatchObject({
      status: 'Aborted',
      cause: 'dependency',
      reason: `Job ${parent.id}, for which this job waited, did not complete.`,
    })
    expect(await p.read(grandchild)).toMatchObject({
      status: 'Aborted',
      cause: 'dependency',
      reason: `Job ${child.id}, for which this job waited, did not complete.`,
    })
    expect((await p.read(child)).completionTime).toBeInstanceOf(Date)
    expect(p.system.count('submit')).toBe(1)
    expect((await p.record()).health).toBe('ok')
  },
)

test('While one parent still runs, another that failed aborts nothing: it may be resubmitted meanwhile', async () => {
  const p = await portal({ limits: { pollSeconds: 5 } })
  const [slow, failing] = [await p.accepted(), await p.accepted()]
  const child = await p.job({ parents: [slow.id, failing.id] })
  await p.says(failing, { state: 'failed' })
  await p.pass(MINUTE)
  expect(await p.status(child)).toBe('Pending')
  await (await p.read(failing)).resubmit()
  await p.pass(MINUTE)
  p.system.all({ state: 'succeeded' })
  await p.pass(MINUTE)
  expect(await p.status(child)).toBe('Submitted')
})

test('Children that wait cost no write and no busy loop, and other jobs go past them', async () => {
  const p = await portal({ limits: { pollSeconds: 600 } })
  const parent = await p.accepted()
  for (let n = 0; n < 10; n++) await p.job({ parents: [parent.id] })
  const other = await p.accepted()
  expect(await p.status(other)).toBe('Submitted')
  await p.pass(5000)
  const { writes, reads } = p.counts
  await p.pass(MINUTE)
  expect(p.counts.writes).toBe(writes)
  expect(p.counts.reads - reads).toBeLessThan(60 * 20)
})

test('A parent with waiting children cannot be deleted; a child can', async () => {
  const p = await portal()
  const parent = await p.accepted()
  const child = await p.job({ parents: [parent.id] })
  await expect(parent.delete({ stop: true })).rejects.toMatchObject({ code: 'job_has_children' })
  await child.delete({ stop: true })
  await parent.delete({ stop: true })
  await p.pass(MINUTE)
  await p.until(async () => (await p.all('SELECT id FROM telesto_jobs')).length === 0)
  expect(await p.all('SELECT job_id FROM telesto_parents')).toEqual([])
})
