import { expect, test } from 'vitest'
import { local } from '../../adapters/local.js'
import type { Job } from '../../src/job.js'
import { JobManager } from '../../src/job-manager.js'
import type { OnParentFailure } from '../../src/job-options.js'
import { portal } from './portal.js'

const MINUTE = 60_000

const COMPLETE = { state: 'succeeded' } as const
const ENDS = {
  Complete: COMPLETE,
  Error: { state: 'failed' },
  Aborted: { state: 'cancelled' },
  'Various-Complete': {
    state: 'failed',
    parts: [
      { name: 'a', state: 'succeeded' },
      { name: 'b', state: 'failed' },
    ],
  },
} as const
type End = keyof typeof ENDS

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
  await p.pass(20_000)
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

test.each(['Error', 'Aborted', 'Various-Complete'] as const)(
  'A parent that ends as %s: the child is Aborted, cause "dependency", naming the parent, and so on down',
  async (end) => {
    const p = await portal({ limits: { pollSeconds: 5 } })
    const parent = await p.accepted()
    const child = await p.job({ parents: [parent.id] })
    const grandchild = await p.job({ parents: [child.id] })
    await p.says(parent, ENDS[end])
    await p.pass(30_000)
    expect(await p.status(parent)).toBe(end)
    expect(await p.read(child)).toMatchObject({
      status: 'Aborted',
      cause: 'dependency',
      reason: `Job ${parent.id}, for which this job waited, did not complete.`,
      order: null,
      waitingFor: null,
    })
    expect(await p.read(grandchild)).toMatchObject({
      status: 'Aborted',
      cause: 'dependency',
      reason: `Job ${child.id}, for which this job waited, did not complete.`,
    })
    expect((await p.read(child)).completionTime).toBeInstanceOf(Date)
    const [attempt] = await child.attempts()
    expect(attempt).toMatchObject({ status: 'Aborted', cause: 'dependency' })
    expect((await p.events(child)).at(-1)).toMatchObject({ kind: 'status', from: 'Pending', to: 'Aborted' })
    expect(p.system.count('submit')).toBe(1)
    expect((await p.record()).health).toBe('ok')
  },
)

test.each<[OnParentFailure, End, string]>([
  ['abort', 'Complete', 'Submitted'],
  ['abort', 'Error', 'Aborted'],
  ['abort', 'Aborted', 'Aborted'],
  ['abort', 'Various-Complete', 'Aborted'],
  ['wait', 'Complete', 'Submitted'],
  ['wait', 'Error', 'Pending'],
  ['wait', 'Aborted', 'Pending'],
  ['wait', 'Various-Complete', 'Pending'],
  ['run', 'Complete', 'Submitted'],
  ['run', 'Error', 'Submitted'],
  ['run', 'Aborted', 'Submitted'],
  ['run', 'Various-Complete', 'Submitted'],
])('onParentFailure %s, and a parent that ends as %s: the child is %s', async (onParentFailure, end, expected) => {
  const p = await portal({ limits: { pollSeconds: 5 } })
  const [other, parent, last] = [await p.accepted(), await p.accepted(), await p.accepted()]
  const child = await p.job({ parents: [other.id, parent.id, last.id], onParentFailure })
  await p.says(other, COMPLETE)
  await p.says(parent, ENDS[end])
  await p.pass(MINUTE)
  expect(await p.status(parent)).toBe(end)
  expect(await p.read(child)).toMatchObject({
    status: 'Pending',
    onParentFailure,
    waitingFor: `After job ${last.id} (Submitted), one of 3 parents`,
  })
  await p.says(last, COMPLETE)
  await p.pass(MINUTE)
  expect(await p.status(child)).toBe(expected)
  // Nothing changes its mind later.
  await p.pass(2 * MINUTE)
  expect(await p.status(child)).toBe(expected)
  if (expected === 'Pending') {
    expect((await p.read(child)).waitingFor).toBe(
      `After job ${parent.id} (${end}), one of 3 parents: waits until that is resubmitted and Complete`,
    )
    await (await p.read(parent)).resubmit()
    await p.pass(MINUTE)
    expect([await p.status(parent), await p.status(child)]).toEqual(['Submitted', 'Pending'])
    await p.says(parent, COMPLETE)
    await p.pass(MINUTE)
    expect([await p.status(parent), await p.status(child)]).toEqual(['Complete', 'Submitted'])
  }
})

test('What becomes of a job when a parent fails can be changed while it waits, and for its next attempt', async () => {
  const p = await portal({ limits: { pollSeconds: 5 } })
  const parent = await p.accepted()
  const [patient, doomed] = [
    await p.job({ parents: [parent.id], onParentFailure: 'wait' }),
    await p.job({ parents: [parent.id] }),
  ]
  await p.says(parent, ENDS.Error)
  await p.pass(MINUTE)
  expect([await p.status(patient), await p.status(doomed)]).toEqual(['Pending', 'Aborted'])
  for (const job of [patient, doomed]) {
    await job.refresh()
    job.onParentFailure = 'run'
    await job.save()
  }
  await doomed.resubmit()
  await p.pass(MINUTE)
  expect([await p.status(patient), await p.status(doomed)]).toEqual(['Submitted', 'Submitted'])
})

test('A parent that is resubmitted after its child was released: the child runs on', async () => {
  const p = await portal({ limits: { pollSeconds: 5, maxActiveJobs: 1 } })
  const parent = await p.accepted()
  const [first, second] = [await p.job({ parents: [parent.id] }), await p.job({ parents: [parent.id] })]
  await p.says(parent, COMPLETE)
  await p.pass(20_000)
  expect([await p.status(first), await p.status(second)]).toEqual(['Submitted', 'Pending'])
  // The second was released too: it waits for a slot alone.
  expect(await p.read(second)).toMatchObject({ order: 'submit', waitingFor: null })
  await (await p.read(parent)).resubmit()
  await p.says(first, COMPLETE)
  await p.pass(30_000)
  expect([await p.status(parent), await p.status(first), await p.status(second)]).toEqual([
    'Pending',
    'Complete',
    'Submitted',
  ])
})

test('A parent given up as lost is a failure; that it is found again brings its child not back', async () => {
  const p = await portal({ limits: { pollSeconds: 10 } })
  const parent = await p.accepted()
  const child = await p.job({ parents: [parent.id] })
  await p.says(parent, undefined)
  await p.pass(5 * MINUTE)
  expect(await p.read(parent)).toMatchObject({ status: 'Error', cause: 'lost' })
  expect(await p.status(child)).toBe('Aborted')
  await p.says(parent, COMPLETE)
  await p.pass(10 * MINUTE)
  expect([await p.status(parent), await p.status(child)]).toEqual(['Complete', 'Aborted'])
  await (await p.read(child)).resubmit()
  await p.pass(MINUTE)
  expect(await p.status(child)).toBe('Submitted')
})

test('A parent may be of any type: here one that no scheduler runs, whose status is the app’s', async () => {
  const p = await portal({ adapters: [local] })
  const app = new JobManager<readonly [typeof local]>(p.core, undefined, 'flood')
  const form = async () => await app.createJob({ jobType: 'BASIC', name: 'form', user: 'ada' })
  const [filled, refused] = [await form(), await form()]
  const [child, other] = [await p.job({ parents: [filled.id] }), await p.job({ parents: [refused.id] })]
  await p.pass(MINUTE)
  expect([await p.status(child), await p.status(other)]).toEqual(['Pending', 'Pending'])
  await filled.updateStatus('Checking')
  await p.pass(10_000)
  expect((await p.read(child)).waitingFor).toBe(`After job ${filled.id} (Checking)`)
  await filled.updateStatus('Complete')
  await refused.updateStatus('Error')
  await p.pass(10_000)
  expect([await p.status(child), await p.status(other)]).toEqual(['Submitted', 'Aborted'])
})

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

test('Children that were never executed keep their parent too; whoever has run or was stopped does not', async () => {
  const p = await portal({ limits: { pollSeconds: 5 } })
  const parent = await p.accepted()
  const [ran, stopped] = [await p.job({ parents: [parent.id] }), await p.job({ parents: [parent.id] })]
  const never = await p.create({ parents: [parent.id] })
  await (await p.read(stopped)).stop()
  await p.says(parent, COMPLETE)
  await p.pass(20_000)
  expect(await p.status(ran)).toBe('Submitted')
  const goes = await p.read(parent)
  await expect(goes.delete()).rejects.toMatchObject({
    code: 'job_has_children',
    message: expect.stringContaining(`Job ${never.id} `),
  })
  await never.delete()
  await goes.delete()
  // What it once waited for is gone: a resubmit waits for nobody.
  await (await p.read(stopped)).resubmit()
  await p.pass(20_000)
  expect(await p.status(stopped)).toBe('Submitted')
})

test('A query deletes parents and children together, whichever is older', async () => {
  const p = await portal()
  const jobs: Job[] = []
  for (let n = 0; n < 4; n++) jobs.push(await p.create())
  const [first, second, third, fourth] = jobs as [Job, Job, Job, Job]
  // 1 waits for 4, which waits for 2, which waits for 3.
  for (const [job, parent] of [
    [first, fourth],
    [fourth, second],
    [second, third],
  ] as const) {
    job.parents = [parent.id]
    await job.save()
  }
  await expect(
    p.app
      .query()
      .filter({ id: [second.id, third.id] })
      .delete(),
  ).rejects.toMatchObject({ code: 'job_has_children' })
  expect(await p.app.query().delete()).toBe(4)
})

test('A cycle is looked for in time linear in the jobs above: 5,000 of them, 10 parents each, in some statements', async () => {
  const p = await portal({ start: false })
  const [WIDTH, DEPTH] = [100, 50]
  const jobs = await p.app.bulkCreate(
    Array.from({ length: WIDTH * DEPTH }, (_, place) => ({
      jobType: 'SCRIPTED' as const,
      name: `node ${place}`,
      user: 'ada',
      scheduler: p.scheduler,
      after: Array.from({ length: place < WIDTH ? 0 : 10 }, (_parent, n) => {
        const layer = Math.floor(place / WIDTH) - 1
        return layer * WIDTH + ((place + n * 7) % WIDTH)
      }),
    })),
  )
  const [root, last] = [jobs[0] as Job, jobs.at(-1) as Job]
  // Somebody waits for it, so that the way up is walked, and to its end: nothing above leads back.
  const free = await p.create()
  await p.create({ parents: [free.id] })
  const cost = async (job: Job): Promise<number> => {
    const before = p.counts.statements
    job.parents = [last.id]
    await job.save().catch((error: unknown) => {
      if ((error as { code?: string }).code !== 'parents_cycle') throw error
    })
    return p.counts.statements - before
  }
  expect(await cost(free)).toBeLessThan(DEPTH + 20)
  expect((await p.read(free)).parents).toEqual([last.id])
  expect(await cost(root)).toBeLessThan(DEPTH + 20)
  expect((await p.read(root)).parents).toEqual([])
  // Nobody waits for a new job: no way up is walked at all.
  expect(await cost(await p.create())).toBeLessThan(15)
})
