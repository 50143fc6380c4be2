import { rm } from 'node:fs/promises'
import { afterAll, beforeAll, describe, expect, test } from 'vitest'
import { z } from 'zod'
import { local } from '../adapters/local.js'
import { createTelesto, defineAdapter, type SpecAttributes } from '../src/index.js'
import { forget, telestoIn } from './database.js'
import { expectRefusal, temporaryDirectory } from './fixture.js'

const batchSpec = z.strictObject({
  program: z.string().default('true'),
  attributes: z.record(z.string(), z.string().max(10)).default({}),
})
/** Attributes of a system whose users know `program` as `cmd`. */
const attributes: SpecAttributes = {
  get: (spec, name) => {
    const { program, attributes } = spec as z.output<typeof batchSpec>
    return name === 'cmd' ? program : attributes[name]
  },
  set: (spec, name, value) => {
    const { program, attributes } = spec as z.output<typeof batchSpec>
    if (name === 'cmd') return { program: value, attributes }
    const { [name]: _, ...others } = attributes
    return { program, attributes: value === undefined ? others : { ...others, [name]: value } }
  },
}
const batch = defineAdapter({
  type: 'batch',
  label: 'Batch',
  config: z.object({}),
  secrets: [],
  specs: { BATCH: batchSpec },
  attributes: { BATCH: attributes },
  defaults: { pollSeconds: 1, maxIdsPerPoll: 1, maxSubmitsPerMinute: 1 },
  connect: () => {
    throw new Error('Nobody connects: there are no loops.')
  },
})

const open = async () => {
  const directory = await temporaryDirectory()
  const telesto = await createTelesto({ adapters: [local, batch], runLoops: false, ...(await telestoIn(directory)) })
  const app = telesto.app('flood', { schedulerSettings: { compute: { adapter: 'batch' } } })
  await telesto.createScheduler({ name: 'pool', adapter: 'batch' })
  await telesto.assignScheduler('flood', 'compute', 'pool')
  return { directory, telesto, app }
}
let opened: Awaited<ReturnType<typeof open>>
beforeAll(async () => {
  opened = await open()
})
afterAll(async () => {
  await opened.telesto.close()
  await forget(opened.directory)
  await rm(opened.directory, { recursive: true, force: true })
})

const BATCH = { name: 'a job', user: 'ada', jobType: 'BATCH', scheduler: 'compute' } as const
const stored = async (id: number) => {
  const job = await opened.app.getJob(id)
  if (!job) throw new Error('It is there.')
  return job
}

describe('attributes of a job', () => {
  test('are read under the names of its scheduler, and are those that were given', async () => {
    const job = await opened.app.createJob({ ...BATCH, program: 'model', attributes: { queue: 'long' } })
    expect([job.getAttribute('cmd'), job.getAttribute('queue'), job.getAttribute('none')]).toEqual([
      'model',
      'long',
      undefined,
    ])
    expect(job.attributes).toEqual({ queue: 'long' })
  })
  test('can be set and taken away, and are stored by save()', async () => {
    const job = await opened.app.createJob({ ...BATCH, attributes: { queue: 'long', a: 'b' } })
    job.setAttribute('cmd', 'other')
    job.setAttribute('queue', 'short')
    job.setAttribute('a', undefined)
    expect((await stored(job.id)).spec).toEqual({ program: 'true', attributes: { queue: 'long', a: 'b' } })
    expect([job.getAttribute('cmd'), job.attributes]).toEqual(['other', { queue: 'short' }])
    await job.save()
    expect((await stored(job.id)).spec).toEqual({ program: 'other', attributes: { queue: 'short' } })
    expect((await job.history()).map(({ kind }) => kind)).toContain('edited')
  })
  test('set on a job that is not saved yet are stored with it, and by execute() too', async () => {
    const built = await opened.app.buildJob(BATCH)
    built.setAttribute('queue', 'short')
    expect(built.attributes).toEqual({ queue: 'short' })
    await built.execute()
    expect((await stored(built.id)).attributes).toEqual({ queue: 'short' })
  })
  test('that are not saved are dropped by refresh()', async () => {
    const job = await opened.app.createJob(BATCH)
    job.setAttribute('queue', 'short')
    await job.refresh()
    expect(job.attributes).toEqual({})
  })
  test('are checked as the options are; what is wrong changes nothing', async () => {
    const job = await opened.app.createJob({ ...BATCH, attributes: { queue: 'long' } })
    await expectRefusal(() => job.setAttribute('queue', 'x'.repeat(11)), 'invalid', 'attributes.queue')
    await expectRefusal(() => job.setAttribute('cmd', ['a']), 'invalid', 'program')
    expect(job.attributes).toEqual({ queue: 'long' })
  })
  test('can be changed until the job is executed, whoever executes it', async () => {
    const job = await opened.app.createJob(BATCH)
    const copy = await stored(job.id)
    copy.setAttribute('queue', 'short')
    await job.execute()
    await expectRefusal(() => job.setAttribute('queue', 'long'), 'action_not_allowed', 'attributes')
    await expectRefusal(async () => await copy.save(), 'action_not_allowed', 'attributes')
    expect((await stored(job.id)).attributes).toEqual({})
  })
  test('may be changed by those alone who may edit the job', async () => {
    const job = await opened.app.createJob(BATCH)
    expect(await opened.telesto.as({ id: 'ben' }).app('flood').getJob(job.id)).toBeNull()
    const mine = await opened.telesto.as({ id: 'ada' }).app('flood').getJob(job.id)
    mine?.setAttribute('queue', 'short')
    await mine?.save()
    expect((await stored(job.id)).attributes).toEqual({ queue: 'short' })
  })
  test('are none of a job type without them', async () => {
    const job = await opened.app.createJob({ name: 'a job', user: 'ada', jobType: 'BASIC' })
    expect(job.attributes).toEqual({})
    await expectRefusal(() => job.getAttribute('queue'), 'not_supported', 'attributes')
    await expectRefusal(() => job.setAttribute('queue', 'x'), 'not_supported', 'attributes')
  })
})

test('an adapter that names attributes of another job type is refused as it is written down', () => {
  expect(() => defineAdapter({ ...batch, attributes: { OTHER: attributes } })).toThrow(
    'There are attributes of OTHER, which is no job type of batch.',
  )
})
