import { describe, expect, test } from 'vitest'
import type { Job } from '../src/index.js'
import { cycleIn } from '../src/parent-graph.js'
import { expectRefusal, refusal, sharedTelesto } from './fixture.js'

const shared = sharedTelesto()
const SCRIPTED = { name: 'a job', user: 'ada', jobType: 'SCRIPTED', scheduler: 'compute' } as const

const jobsOf = async (count: number, more: (place: number) => { readonly after?: readonly number[] } = () => ({})) => {
  const app = await shared.newApp()
  const jobs = await app.bulkCreate(Array.from({ length: count }, (_, place) => ({ ...SCRIPTED, ...more(place) })))
  return { app, jobs, ids: jobs.map(({ id }) => id) }
}
const adopt = async (job: Job | undefined, ...parents: (Job | undefined)[]): Promise<void> => {
  const child = job as Job
  child.parents = parents.map((parent) => (parent as Job).id)
  await child.save()
}
const stored = async (job: Job | undefined): Promise<unknown[]> =>
  (await shared.sql(`SELECT parent_id AS id FROM telesto_parents WHERE job_id = ${job?.id} ORDER BY 1`)).map(
    ({ id }) => id,
  )

describe('a cycle among jobs', () => {
  test('a diamond is none, nor are parents that are not among them', () => {
    const diamond = new Map([
      [4, [2, 3]],
      [2, [1, 1, 99]],
      [3, [1]],
      [1, []],
    ])
    expect(cycleIn(diamond)).toBeUndefined()
    expect(cycleIn(new Map())).toBeUndefined()
  })
  test('is told without the jobs that only wait for it', () => {
    const parents = new Map([
      [7, [1]],
      [1, [2, 8]],
      [2, [3]],
      [3, [1]],
      [8, []],
    ])
    expect(cycleIn(parents)).toEqual([1, 2, 3, 1])
    expect(cycleIn(new Map([[5, [5]]]))).toEqual([5, 5])
  })
  test('is found in 100,000 jobs in a row', () => {
    const row = new Map(Array.from({ length: 100_000 }, (_, job) => [job, job === 0 ? [] : [job - 1]]))
    expect(cycleIn(row)).toBeUndefined()
    expect(cycleIn(row.set(0, [99_999]))).toHaveLength(100_001)
  })
})

describe('the parents of a job that was not executed yet', () => {
  test('can be changed, taken away, and are told in its history', async () => {
    const { app, jobs, ids } = await jobsOf(4)
    const [a, b, c, d] = jobs
    await adopt(d, a, b, a)
    expect(await stored(d)).toEqual([ids[0], ids[1]])
    expect((await app.getJob(d?.id as number))?.parents).toEqual([ids[0], ids[1]])
    await adopt(d, b, c)
    expect(await stored(d)).toEqual([ids[1], ids[2]])
    await adopt(d)
    expect(await stored(d)).toEqual([])
    const edits = await shared.sql(`SELECT data FROM telesto_events WHERE kind = 'edited' AND job_id = ${d?.id}`)
    expect(edits).toEqual(Array(3).fill({ data: '{"fields":["parents"]}' }))
  })
  test('a job that is built takes them before it is saved', async () => {
    const { app, jobs, ids } = await jobsOf(2)
    const job = await app.buildJob({ ...SCRIPTED, onParentFailure: 'wait' })
    job.parents = ids
    job.onParentFailure = 'run'
    await job.save()
    expect(job).toMatchObject({ parents: ids, onParentFailure: 'run' })
    expect(await stored(job)).toEqual(jobs.map(({ id }) => id))
  })
  test('are jobs of its app; one that it had already needs not be seen by who changes them', async () => {
    const { jobs, ids } = await jobsOf(3)
    const other = await jobsOf(1)
    const [a, b, c] = jobs
    await expectRefusal(() => adopt(c, a, other.jobs[0]), 'unknown_parent', 'parents')
    expect(await stored(c)).toEqual([])
    for (const hidden of [a, b]) await shared.set(hidden as Job, { user_id: 'bob' })
    await adopt(c, a)
    const mine = (await shared.telesto.as({ id: 'ada' }).getJob(c?.id as number)) as Job
    await expectRefusal(() => adopt(mine, a, b), 'unknown_parent', 'parents')
    await mine.refresh()
    await adopt(mine, a)
    expect(await stored(c)).toEqual([ids[0]])
  })
  test.each([[['1']], [[1.5]], ['1'], [null]])('are ids: %j are none', async (wrong) => {
    const { jobs } = await jobsOf(1)
    const job = jobs[0] as unknown as { parents: unknown }
    expect((await refusal(() => (job.parents = wrong))).code).toBe('invalid')
  })
  test('once it was executed they stay, also after it was stopped', async () => {
    const { jobs } = await jobsOf(3)
    const [a, b, c] = jobs
    await adopt(c, a)
    await c?.execute()
    await expectRefusal(() => adopt(c, b), 'action_not_allowed', 'parents')
    await c?.refresh()
    await c?.stop()
    await expectRefusal(() => adopt(c, b), 'action_not_allowed', 'parents')
    expect(await stored(c)).toEqual([a?.id])
  })
  test('of execute() and a change at the same moment, what runs has the parents that it waits for', async () => {
    for (let round = 0; round < 10; round++) {
      const { app, jobs } = await jobsOf(3)
      const [a, b, c] = jobs
      await adopt(c, a)
      const twin = (await app.getJob(c?.id as number)) as Job
      const [changed] = await Promise.allSettled(
        round % 2 ? [adopt(c, b), twin.execute()] : [twin.execute(), adopt(c, b)].toReversed(),
      )
      const [attempt] = await shared.sql(`SELECT waits_for AS parent FROM telesto_attempts WHERE job_id = ${c?.id}`)
      expect(await stored(c)).toEqual([attempt?.parent])
      expect(attempt?.parent).toBe(changed?.status === 'fulfilled' ? b?.id : a?.id)
    }
  })
  test('a job that runs on no scheduler has none', async () => {
    const { app, jobs } = await jobsOf(1)
    const form = await app.createJob({ name: 'form', user: 'ada', jobType: 'BASIC' })
    await expectRefusal(() => adopt(form, jobs[0]), 'invalid', 'parents')
  })
  test('an unknown onParentFailure is refused, wherever it is given', async () => {
    const { app, jobs } = await jobsOf(1)
    const wrong = { ...SCRIPTED, onParentFailure: 'ignore' } as unknown as typeof SCRIPTED
    await expectRefusal(() => app.createJob(wrong), 'invalid', 'onParentFailure')
    const job = jobs[0] as unknown as { onParentFailure: string }
    expect((await refusal(() => (job.onParentFailure = 'ignore'))).field).toBe('onParentFailure')
    expect((await app.createJob(SCRIPTED)).onParentFailure).toBe('abort')
  })
})

describe('a cycle', () => {
  const pathIn = async (work: () => Promise<void>): Promise<string | undefined> =>
    (await expectRefusal(work, 'parents_cycle', 'parents')).message.match(/itself: (.*)\. Leave/)?.[1]

  test('of one, of two and of many is refused with its path, and nothing is stored', async () => {
    const { jobs, ids } = await jobsOf(4)
    const [a, b, c, d] = jobs
    expect(await pathIn(() => adopt(a, a))).toBe(`${ids[0]} → ${ids[0]}`)
    await adopt(b, a)
    expect(await pathIn(() => adopt(a, b))).toBe(`${ids[0]} → ${ids[1]} → ${ids[0]}`)
    await adopt(c, b)
    await adopt(d, c, b)
    // The shortest of the two ways.
    expect(await pathIn(() => adopt(a, d))).toBe(`${ids[0]} → ${ids[3]} → ${ids[1]} → ${ids[0]}`)
    expect(await stored(a)).toEqual([])
    expect((await refusal(() => adopt(a, d))).status).toBe(400)
  })
  test('a diamond is none', async () => {
    const { jobs, ids } = await jobsOf(4)
    const [a, b, c, d] = jobs
    await adopt(b, a)
    await adopt(c, a)
    await adopt(d, b, c)
    expect(await stored(d)).toEqual([ids[1], ids[2]])
  })
  test('of 1,000 jobs is found', async () => {
    const { jobs, ids } = await jobsOf(1000, (place) => ({ after: place === 0 ? [] : [place - 1] }))
    const path = await pathIn(() => adopt(jobs[0], jobs.at(-1)))
    expect(path).toBe([ids[0], ...ids.toReversed()].join(' → '))
  })
  test('is found by two who make its halves at the same moment: one is refused', async () => {
    for (let round = 0; round < 5; round++) {
      const { jobs } = await jobsOf(2)
      const [a, b] = jobs
      const outcomes = await Promise.allSettled([adopt(a, b), adopt(b, a)])
      const refused = outcomes.filter(({ status }) => status === 'rejected')
      expect(refused).toEqual([{ status: 'rejected', reason: expect.objectContaining({ code: 'parents_cycle' }) }])
      expect([...(await stored(a)), ...(await stored(b))]).toHaveLength(1)
    }
  })
})

describe('bulkCreate with after', () => {
  test('makes jobs that wait for each other, earlier or later ones, beside parents that are there', async () => {
    const { app, ids } = await jobsOf(1)
    const made = await app.bulkCreate([
      { ...SCRIPTED, after: [2, 1, 2] },
      { ...SCRIPTED, parents: ids },
      { ...SCRIPTED, after: [1], parents: ids, onParentFailure: 'run' },
    ])
    const [first, second, third] = made as [Job, Job, Job]
    expect(first.parents).toEqual([second.id, third.id])
    expect(second.parents).toEqual(ids)
    expect(third).toMatchObject({ parents: [...ids, second.id], onParentFailure: 'run' })
  })
  test('a cycle is refused, naming the places, and nothing is stored', async () => {
    const { app } = await jobsOf(0)
    const cyclic = [[], [3], [0, 1], [2]].map((after) => ({ ...SCRIPTED, after }))
    const error = await expectRefusal(() => app.bulkCreate(cyclic), 'parents_cycle', '1.after')
    expect(error.message).toContain('place 1 would wait for itself: 1 → 3 → 2 → 1.')
    await expectRefusal(() => app.bulkCreate([{ ...SCRIPTED, after: [0] }]), 'parents_cycle', '0.after')
    expect(await app.query().count()).toBe(0)
  })
  test.each([[2], [-1], [1e9]])('a place that is not there is refused: %d', async (place) => {
    const { app } = await jobsOf(0)
    await expectRefusal(() => app.bulkCreate([SCRIPTED, { ...SCRIPTED, after: [place] }]), 'invalid', '1.after')
    await expectRefusal(() => app.bulkCreate([{ ...SCRIPTED, after: ['a'] } as never]), 'invalid', '0.after.0')
  })
  test('belongs to many jobs: one alone names its parents by their ids; and a scheduler must run it', async () => {
    const { app } = await jobsOf(0)
    const one = { ...SCRIPTED, after: [0] }
    await expectRefusal(() => app.createJob(one), 'unknown_field', 'after')
    await expectRefusal(() => app.buildJob(one), 'unknown_field', 'after')
    const form = { name: 'form', user: 'ada', jobType: 'BASIC', after: [0] } as const
    await expectRefusal(() => app.bulkCreate([SCRIPTED, form]), 'invalid', '1.after')
  })
})
