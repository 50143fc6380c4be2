import { mkdir, symlink } from 'node:fs/promises'
import path from 'node:path'
import { describe, expect, test } from 'vitest'
import { expectRefusal, sharedTelesto } from './fixture.js'

const shared = sharedTelesto()
const BASIC = { name: 'a job', user: 'ada', jobType: 'BASIC' } as const
type Given = Record<string, unknown>
/** An app, whose createJob takes anything, as JavaScript does. */
const anApp = async () => {
  const app = await shared.newApp()
  const create = async (more: Given = {}) => await app.createJob({ ...BASIC, ...more } as typeof BASIC)
  const stored = async () => await app.query().count()
  return { app, create, stored }
}
/** Refused by create, build and bulk alike, and nothing is stored. */
const expectRefused = async (more: Given, code: string, field: string): Promise<void> => {
  const { app, create, stored } = await anApp()
  const options = { ...BASIC, ...more } as typeof BASIC
  await expectRefusal(() => create(more), code, field)
  await expectRefusal(() => app.buildJob(options), code, field)
  await expectRefusal(() => app.bulkCreate([BASIC, BASIC, BASIC, options]), code, `3.${field}`)
  expect(await stored()).toBe(0)
}

describe('createJob', () => {
  test('stores the job as Pending, with every option, and gives it', async () => {
    const { app } = await anApp()
    const parent = await app.createJob(BASIC)
    const job = await app.createJob({
      ...BASIC,
      name: 'run {id}',
      description: 'Two\nlines',
      groups: ['hydro', 'ops', 'hydro'],
      scheduler: 'compute',
      jobType: 'SCRIPTED',
      extendedProperties: { basin: { name: 'nile', areas: [1, 2.5] } },
      processResults: 'read',
      parents: [parent.id, parent.id],
      tags: { basin: 'nile' },
    })
    expect(job.id).toSatisfy(Number.isSafeInteger)
    const read = await app.getJob(job.id)
    expect(read?.toJSON()).toEqual(job.toJSON())
    expect(read?.toJSON()).toMatchObject({
      id: job.id,
      app: app.app,
      name: `run ${job.id}`,
      description: 'Two\nlines',
      user: 'ada',
      groups: ['hydro', 'ops'],
      jobType: 'SCRIPTED',
      spec: { does: '' },
      scheduler: 'compute',
      extendedProperties: { basin: { name: 'nile', areas: [1, 2.5] } },
      processResults: 'read',
      parents: [parent.id],
      tags: { basin: 'nile' },
      workspace: '',
      status: 'Pending',
      statusCode: 'PEN',
      submitting: false,
      attempt: null,
      executeTime: null,
      startTime: null,
      completionTime: null,
      runTime: null,
    })
    expect(job.label).toBe(app.app)
    expect(job.type).toBe('SCRIPTED')
    expect(job.creationTime).toBeInstanceOf(Date)
    expect(job.url).toBe(`/telesto/jobs/${job.id}`)
  })

  test('what a host sends with res.json(job) is the job and nothing of Telesto', async () => {
    const { create } = await anApp()
    const sent = JSON.parse(JSON.stringify(await create())) as Given
    expect(sent).toMatchObject({ name: 'a job', status: 'Pending', extendedProperties: {} })
    expect(Object.keys(sent)).not.toContain('core')
  })

  test('options that are undefined are options that are not given', async () => {
    const { create } = await anApp()
    const job = await create({ description: undefined, groups: undefined, scheduler: undefined, command: undefined })
    expect(job.groups).toEqual([])
  })

  test.each([
    ['one group', 'hydro', ['hydro']],
    ['many groups, each once', ['b', 'a', 'b'], ['a', 'b']],
    ['none', [], []],
    ['the longest', ['x'.repeat(255)], ['x'.repeat(255)]],
  ])('groups: %s', async (_name, groups, expected) => {
    const { create } = await anApp()
    expect((await create({ groups })).groups).toEqual(expected)
  })

  test('the longest name has 1,024 characters, of any language', async () => {
    const { create } = await anApp()
    for (const name of ['x'.repeat(1024), 'Δ Ñ 流域 🌊 “quotes” \'"`$(rm -rf /);\\', ' '])
      expect((await create({ name })).name).toBe(name)
  })

  test('extendedProperties come back as they were given, whatever their names', async () => {
    const { create } = await anApp()
    const json = '{"__proto__":{"admin":true},"constructor":"c","a b":{"":[null,true,1e21,-1.5,"\\\\u0000\\u0001"]}}'
    const job = await create({ extendedProperties: JSON.parse(json) })
    expect(Object.keys(job.extendedProperties)).toEqual(['__proto__', 'constructor', 'a b'])
    expect(job.extendedProperties).toStrictEqual(JSON.parse(json))
    expect((job as unknown as { admin?: boolean }).admin).toBeUndefined()
    expect(
      (await create({ extendedProperties: Object.assign(Object.create(null), { a: 1 }) })).extendedProperties,
    ).toEqual({ a: 1 })
  })
})

describe('{id} in a name is replaced by the id as plain text', () => {
  const names = [
    ['run {id}', (id: number) => `run ${id}`],
    ['{id}{x}', (id: number) => `${id}{x}`],
    ['{id}{id.__class__}', (id: number) => `${id}{id.__class__}`],
    ['{id} of {id}', (id: number) => `${id} of ${id}`],
    ['{ID} {{id}} {0}', (id: number) => `{ID} {${id}} {0}`],
    ["'{id}' || $1 %s", (id: number) => `'${id}' || $1 %s`],
  ] as const
  const types = [
    ['BASIC without a command', { jobType: 'BASIC' }],
    ['BASIC with a command', { jobType: 'BASIC', command: ['true'] }],
    ['a scheduler’s type', { jobType: 'SCRIPTED' }],
  ] as const

  test.each(types)('%s: created, built and created in bulk', async (_type, options) => {
    const { app } = await anApp()
    for (const [name, expected] of names) {
      const given = { name, user: 'ada', ...options } as Given as typeof BASIC
      const created = await app.createJob(given)
      const built = await app.buildJob(given)
      expect(built.name).toBe(name)
      await built.save()
      const bulk = await app.bulkCreate([given, given])
      for (const job of [created, built, ...bulk]) {
        expect(job.name).toBe(expected(job.id))
        expect((await app.getJob(job.id))?.name).toBe(expected(job.id))
      }
    }
  })
  test('renamed and updated later too', async () => {
    const { app } = await anApp()
    const [one, two] = await app.bulkCreate([BASIC, BASIC])
    if (!one || !two) throw new Error('Two were created.')
    one.name = 'again {id}{x}'
    await one.save()
    expect(one.name).toBe(`again ${one.id}{x}`)
    await app.query().update({ name: 'all {id}' })
    expect((await app.query()).map((job) => job.name)).toEqual([`all ${one.id}`, `all ${two.id}`])
  })
  test('in names only', async () => {
    const { create } = await anApp()
    const job = await create({ description: '{id}', tags: { t: '{id}' }, extendedProperties: { a: '{id}' } })
    expect([job.description, job.tags.t, job.extendedProperties.a]).toEqual(['{id}', '{id}', '{id}'])
  })
})

describe('refused by createJob, buildJob and bulkCreate alike, storing nothing', () => {
  test.each<[string, Given, string, string]>([
    ['an unknown job type', { jobType: 'DASK' }, 'unknown_job_type', 'jobType'],
    ['a job type in other letters', { jobType: 'basic' }, 'unknown_job_type', 'jobType'],
    ['a job type of every object', { jobType: 'constructor' }, 'unknown_job_type', 'jobType'],
    ['no job type', { jobType: undefined }, 'unknown_job_type', 'jobType'],
    ['an unknown option', { comand: ['x'] }, 'unknown_field', 'comand'],
    ['an option of another type', { does: 'x' }, 'unknown_field', 'does'],
    ['an option of every object', { constructor: 'x' }, 'unknown_field', 'constructor'],
    ['an option of the wrong shape', { command: 'echo hello' }, 'invalid', 'command'],
    ['an unknown scheduler setting', { scheduler: 'nope' }, 'setting_not_declared', 'scheduler'],
    ['a setting of every object', { scheduler: 'constructor' }, 'setting_not_declared', 'scheduler'],
    [
      'a setting that nobody assigned',
      { jobType: 'SCRIPTED', scheduler: 'spare' },
      'setting_not_assigned',
      'scheduler',
    ],
    ['a setting of another adapter', { scheduler: 'compute' }, 'setting_wrong_adapter', 'scheduler'],
    [
      'a scheduler record that does not exist',
      { scheduler: { id: 4711, name: 'gone' } },
      'scheduler_not_found',
      'scheduler',
    ],
    ['a scheduler that is neither name nor record', { scheduler: 5 }, 'invalid', 'scheduler'],
    ['an unknown processResults name', { processResults: 'nope' }, 'unknown_process_results', 'processResults'],
    [
      'a processResults name of every object',
      { processResults: 'toString' },
      'unknown_process_results',
      'processResults',
    ],
    ['an unknown parent', { command: ['true'], parents: [987_654] }, 'unknown_parent', 'parents'],
    ['parents of a job that runs on no scheduler', { parents: [1] }, 'invalid', 'parents'],
    ['a parent that is no id', { parents: ['1'] }, 'invalid', 'parents.0'],
    ['a group that is empty', { groups: '' }, 'invalid', 'groups'],
    ['a group among others that is empty', { groups: ['ok', ''] }, 'invalid', 'groups.1'],
    ['a group of 256 characters', { groups: 'x'.repeat(256) }, 'invalid', 'groups'],
    ['a group that is no string', { groups: 5 }, 'invalid', 'groups'],
    ['a group among others that is no string', { groups: [5] }, 'invalid', 'groups'],
    ['groups that are null', { groups: null }, 'invalid', 'groups'],
    ['a group with a control character', { groups: ['a\nb'] }, 'invalid', 'groups.0'],
    ['a name of 1,025 characters', { name: 'x'.repeat(1025) }, 'invalid', 'name'],
    ['an empty name', { name: '' }, 'invalid', 'name'],
    ['a name that is no string', { name: 5 }, 'invalid', 'name'],
    ['no name', { name: undefined }, 'invalid', 'name'],
    ['control characters in a name', { name: 'a\u0000b' }, 'invalid', 'name'],
    ['a newline in a name', { name: 'a\nb' }, 'invalid', 'name'],
    ['an escape sequence in a name', { name: '\u001b[31mred' }, 'invalid', 'name'],
    ['a C1 control character in a name', { name: 'a\u0085b' }, 'invalid', 'name'],
    ['a lone surrogate in a name', { name: 'a\ud800b' }, 'invalid', 'name'],
    ['a lone surrogate in a user', { user: '\udc00' }, 'invalid', 'user'],
    ['no user', { user: undefined }, 'invalid', 'user'],
    ['a user of 256 characters', { user: 'x'.repeat(256) }, 'invalid', 'user'],
    ['a description of 2,049 characters', { description: 'x'.repeat(2049) }, 'invalid', 'description'],
    ['a NUL in a description', { description: '\0' }, 'invalid', 'description'],
    ['a tag that is no string', { tags: { basin: 5 } }, 'invalid', 'tags.basin'],
    ['extendedProperties with a Date', { extendedProperties: { at: new Date() } }, 'invalid', 'extendedProperties'],
    ['extendedProperties with NaN', { extendedProperties: { a: [Number.NaN] } }, 'invalid', 'extendedProperties'],
    [
      'extendedProperties with Infinity',
      { extendedProperties: { a: Number.POSITIVE_INFINITY } },
      'invalid',
      'extendedProperties',
    ],
    ['extendedProperties with undefined', { extendedProperties: { a: undefined } }, 'invalid', 'extendedProperties'],
    ['extendedProperties with a hole', { extendedProperties: { a: Array(1) } }, 'invalid', 'extendedProperties'],
    ['extendedProperties with a function', { extendedProperties: { a: () => 1 } }, 'invalid', 'extendedProperties'],
    ['extendedProperties with a bigint', { extendedProperties: { a: 1n } }, 'invalid', 'extendedProperties'],
    ['extendedProperties with a Map', { extendedProperties: { a: new Map() } }, 'invalid', 'extendedProperties'],
    ['extendedProperties with a cycle', { extendedProperties: cycle() }, 'invalid', 'extendedProperties'],
    ['extendedProperties that are a function', { extendedProperties: () => 1 }, 'invalid', 'extendedProperties'],
    ['extendedProperties that are an array', { extendedProperties: [1] }, 'invalid', 'extendedProperties'],
    ['extendedProperties that are a Date', { extendedProperties: new Date() }, 'invalid', 'extendedProperties'],
    ['extendedProperties that are null', { extendedProperties: null }, 'invalid', 'extendedProperties'],
    ['a workspace outside the roots', { workspace: '/etc' }, 'workspace_outside_roots', 'workspace'],
    ['a relative workspace', { workspace: 'space' }, 'workspace_outside_roots', 'workspace'],
    ['an empty workspace', { workspace: '' }, 'workspace_outside_roots', 'workspace'],
    ['a workspace with NUL', { workspace: '/etc\0' }, 'workspace_outside_roots', 'workspace'],
  ])('%s', async (_name, more, code, field) => await expectRefused(more, code, field))

  test('a parent of another app', async () => {
    const other = await (await anApp()).create()
    await expectRefused({ command: ['true'], parents: [other.id] }, 'unknown_parent', 'parents')
  })
  test('a parent that was deleted', async () => {
    const { create } = await anApp()
    const parent = await create()
    await parent.delete()
    await expectRefusal(() => create({ command: ['true'], parents: [parent.id] }), 'unknown_parent', 'parents')
  })
  test('a parent that is deleted between buildJob and save', async () => {
    const { app, create, stored } = await anApp()
    const parent = await create()
    const child = await app.buildJob({ ...BASIC, command: ['true'], parents: [parent.id] })
    await parent.delete()
    await expectRefusal(() => child.save(), 'unknown_parent', 'parents')
    expect(await stored()).toBe(0)
  })
  test('options that are no object', async () => {
    const { app } = await anApp()
    for (const given of [undefined, null, 'BASIC'])
      await expectRefusal(() => app.createJob(given as never), 'invalid', 'options')
    await expectRefusal(() => app.bulkCreate(BASIC as never), 'invalid', 'options')
  })
  test('an unknown type names the types that there are, and a wrong option what to do', async () => {
    const { create } = await anApp()
    const type = await expectRefusal(() => create({ jobType: 'SLRM' }), 'unknown_job_type', 'jobType')
    expect(type.message).toContain('BASIC, SCRIPTED')
    const group = await expectRefusal(() => create({ groups: '' }), 'invalid', 'groups')
    expect(group.message).toContain('1 to 255 characters')
    const scheduler = await expectRefusal(() => create({ scheduler: 5 }), 'invalid', 'scheduler')
    expect(scheduler.message).toContain('scheduler setting')
  })
})

function cycle(): Given {
  const properties: Given = {}
  properties.self = properties
  return properties
}

describe('a workspace', () => {
  test('inside the app’s roots, or the user’s own, is taken by its real path', async () => {
    const { app, create } = await anApp()
    const space = path.join(shared.directory, 'space')
    const own = path.join(shared.directory, 'jobs', app.app, 'ada')
    for (const workspace of [space, path.join(space, 'runs/2026'), own, path.join(own, 'x')])
      expect((await create({ workspace: path.join(workspace, '.', 'y', '..') })).workspace).toBe(workspace)
  })
  test('of another user or app, or the root of all jobs, is outside', async () => {
    const { app, create } = await anApp()
    const jobs = path.join(shared.directory, 'jobs')
    for (const workspace of [
      jobs,
      path.join(jobs, app.app),
      path.join(jobs, app.app, 'bob'),
      path.join(jobs, 'other/ada'),
    ])
      await expectRefusal(() => create({ workspace }), 'workspace_outside_roots', 'workspace')
  })
  test('that leads out by .. is outside', async () => {
    const { create } = await anApp()
    const workspace = `${path.join(shared.directory, 'space')}/../elsewhere`
    await expectRefusal(() => create({ workspace }), 'workspace_outside_roots', 'workspace')
    await expectRefusal(
      () => create({ workspace: `${shared.directory}/space-two` }),
      'workspace_outside_roots',
      'workspace',
    )
  })
  test('that leads out by a link, also one that leads to nothing yet, is outside', async () => {
    const { create } = await anApp()
    const space = path.join(shared.directory, 'space')
    await mkdir(path.join(shared.directory, 'outside'), { recursive: true })
    await mkdir(space, { recursive: true })
    await symlink(path.join(shared.directory, 'outside'), path.join(space, 'link'))
    await symlink(path.join(shared.directory, 'nothing'), path.join(space, 'dangling'))
    await symlink('loop', path.join(space, 'loop'))
    for (const inner of ['link', 'link/deeper', 'dangling', 'dangling/deeper', 'loop'])
      await expectRefusal(() => create({ workspace: path.join(space, inner) }), 'workspace_outside_roots', 'workspace')
  })
})

describe('buildJob', () => {
  test('gives a job that is nowhere until it is saved', async () => {
    const { app, stored } = await anApp()
    const job = await app.buildJob({ ...BASIC, command: ['true'] })
    expect([await stored(), job.status, job.creationTime, job.attempt]).toEqual([0, 'Pending', null, null])
    await expectRefusal(() => job.id, 'job_not_saved', 'id')
    await expectRefusal(() => job.url, 'job_not_saved', 'id')
    expect(JSON.parse(JSON.stringify(job))).toMatchObject({ id: null, name: 'a job', creationTime: null })
    for (const action of ['stop', 'pause', 'resume', 'delete', 'refresh', 'updateStatus', 'logs', 'attempts'] as const)
      await expectRefusal(() => job[action](), 'job_not_saved', 'id')
  })
  test('what is changed before the first save is stored with it', async () => {
    const { app } = await anApp()
    const job = await app.buildJob({ ...BASIC, groups: 'a', tags: { t: '1' } })
    job.name = 'renamed {id}'
    job.description = 'd'
    job.groups = ['b']
    job.tags = { u: '2' }
    job.statusMessage = 'soon'
    job.progress = 0.25
    job.extendedProperties.deep = { er: 1 }
    await job.save()
    expect((await app.getJob(job.id))?.toJSON()).toMatchObject({
      name: `renamed ${job.id}`,
      description: 'd',
      groups: ['b'],
      tags: { u: '2' },
      statusMessage: 'soon',
      progress: 0.25,
      extendedProperties: { deep: { er: 1 } },
    })
  })
  test('execute() saves it first', async () => {
    const { app } = await anApp()
    const job = await app.buildJob({ ...BASIC, command: ['true'] })
    await job.execute()
    expect((await app.getJob(job.id))?.submitting).toBe(true)
  })
  test('saved twice at once it is one job', async () => {
    const { app, stored } = await anApp()
    const job = await app.buildJob(BASIC)
    await Promise.all([job.save(), job.save(), job.save()])
    expect(await stored()).toBe(1)
  })
})

describe('bulkCreate', () => {
  test('stores many jobs, and gives them in their order', async () => {
    const { app, stored } = await anApp()
    const list = Array.from({ length: 2500 }, (_, index) => ({
      ...BASIC,
      name: `n${index} {id}`,
      groups: `g${index % 3}`,
    }))
    const jobs = await app.bulkCreate(list)
    expect(jobs.map((job) => job.name)).toEqual(jobs.map((job, index) => `n${index} ${job.id}`))
    expect(jobs[7]?.groups).toEqual(['g1'])
    expect(new Set(jobs.map((job) => job.id)).size).toBe(2500)
    expect(await stored()).toBe(2500)
  })
  test('stores all or none, and names the place of the one that is wrong', async () => {
    const { app, stored } = await anApp()
    const error = await expectRefusal(
      () => app.bulkCreate([BASIC, BASIC, BASIC, { ...BASIC, name: '' }]),
      'invalid',
      '3.name',
    )
    expect(error.message).toContain('Job 3')
    await expectRefusal(() => app.bulkCreate([{ ...BASIC, name: '' }]), 'invalid', '0.name')
    expect(await stored()).toBe(0)
    expect(await shared.count('telesto_events', `app = '${app.app}'`)).toBe(0)
  })
  test('of nothing is nothing', async () => {
    const { app } = await anApp()
    expect(await app.bulkCreate([])).toEqual([])
  })
  test('more parents than a statement has parameters', async () => {
    const { app } = await anApp()
    const parents = (await app.bulkCreate(Array.from({ length: 40 }, () => BASIC))).map((job) => job.id)
    const jobs = await app.bulkCreate(
      Array.from({ length: 1000 }, () => ({ ...BASIC, command: ['true'] as const, parents })),
    )
    expect(jobs.at(-1)?.parents).toEqual(parents)
  })
})

describe('getJobStatusCallbackUrl', () => {
  test('is a path where Telesto does not know its url', async () => {
    const { app } = await anApp()
    expect(app.getJobStatusCallbackUrl(7)).toBe('/telesto/update-job-status/7')
  })

  test('takes no request, as Tethys does: it says so', async () => {
    const { app } = await anApp()
    const request = { headers: { host: 'evil.example' } } as unknown as number
    expect(() => app.getJobStatusCallbackUrl(request)).toThrow(
      expect.objectContaining({ code: 'invalid', field: 'jobId' }),
    )
  })
})
