import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { Job, JobFilter, JobManager } from '../src/index.js'
import { expectRefusal, sharedTelesto } from './fixture.js'

const shared = sharedTelesto()
const BASIC = { user: 'ada', jobType: 'BASIC' } as const
type App = Pick<JobManager, 'query' | 'listJobs' | 'getJob'>
const names = async (app: App, filter: JobFilter): Promise<string[]> =>
  (await app.query().filter(filter)).map((job) => job.name)
const excluded = async (app: App, filter: JobFilter): Promise<string[]> =>
  (await app.query().exclude(filter)).map((job) => job.name)

const HOSTILE = [
  `100% "sure"_it's`,
  `100x "sure"_it's`,
  'back\\slash\\%',
  `'; DROP TABLE telesto_jobs; --`,
  '$1 ? :name @x',
  'a_b',
  'aXb',
  'ÄÖ 流域 🌊',
]

/** Jobs a, b, c, d that differ in everything that can be filtered. */
const population = async () => {
  const app = await shared.newApp()
  const [a, b, c, d] = (await app.bulkCreate([
    { ...BASIC, name: 'a', description: 'Blue Nile', groups: ['hydro', 'ops'], tags: { basin: 'nile', run: '1' } },
    {
      ...BASIC,
      name: 'b',
      user: 'bob',
      groups: 'hydro',
      tags: { basin: 'nile', run: '2' },
      extendedProperties: PROPERTIES,
    },
    { ...BASIC, name: 'c', jobType: 'SCRIPTED', scheduler: 'compute', description: 'Rhine' },
    { ...BASIC, name: 'd', user: 'cyd' },
  ])) as [Job, Job, Job, Job]
  const [e] = await app.bulkCreate([{ ...BASIC, command: ['true'], name: 'e', parents: [a.id, b.id] }])
  await shared.set(a, { status_code: 'RUN', creation_time: 1000, execute_time: 1500, start_time: 2000 })
  await shared.set(b, {
    status_code: 'COM',
    creation_time: 2000,
    execute_time: 2500,
    start_time: 3000,
    completion_time: 4000,
  })
  await shared.set(c, { status_code: 'OTH', custom_status: 'Half-way', creation_time: 3000 })
  await shared.set(d, { creation_time: 4000 })
  await shared.set(e as Job, { status_code: 'RUN', custom_status: 'Half-way', creation_time: 5000 })
  return { app, a, b, c, d, e: e as Job }
}
const PROPERTIES = {
  basin: { name: 'nile', 'area-km2': 3_400_000, 'deep er': 1 },
  ok: true,
  one: 1,
  text: '1',
  none: null,
  list: [1, 2],
  quote: `it's "50%"`,
} as const

describe('filters', () => {
  const at = (time: number): Date => new Date(time)
  test.each<[string, (of: Awaited<ReturnType<typeof population>>) => JobFilter, string]>([
    ['id', ({ a }) => ({ id: a.id }), 'a'],
    ['id, several', ({ a, c }) => ({ id: [a.id, c.id, 999_999] }), 'ac'],
    ['id, none', () => ({ id: [] }), ''],
    ['idNe', ({ a }) => ({ idNe: a.id }), 'bcde'],
    ['idNe, several', ({ a, b }) => ({ idNe: [a.id, b.id] }), 'cde'],
    ['idNe, none', () => ({ idNe: [] }), 'abcde'],
    ['app', ({ app }) => ({ app: app.app }), 'abcde'],
    ['app, another', () => ({ app: 'another' }), ''],
    ['name', () => ({ name: 'a' }), 'a'],
    ['name, several', () => ({ name: ['a', 'd'] }), 'ad'],
    ['nameNe', () => ({ nameNe: ['a', 'd'] }), 'bce'],
    ['nameContains', () => ({ nameContains: 'C' }), 'c'],
    ['description', () => ({ description: 'Rhine' }), 'c'],
    ['descriptionNe', () => ({ descriptionNe: 'Rhine' }), 'abde'],
    ['descriptionContains', () => ({ descriptionContains: 'nile' }), 'a'],
    ['status, a display name', () => ({ status: 'Running' }), 'ae'],
    ['status, a code', () => ({ status: 'COM' }), 'b'],
    ['status, a custom text or label', () => ({ status: 'Half-way' }), 'ce'],
    ['status, Other', () => ({ status: 'Other' }), 'c'],
    ['status, of each kind', () => ({ status: ['PEN', 'Complete', 'Half-way'] }), 'bcde'],
    ['status, a property of every object', () => ({ status: 'constructor' }), ''],
    ['statusNe', () => ({ statusNe: 'Running' }), 'bcd'],
    ['statusNe, a custom text, holds where there is none', () => ({ statusNe: 'Half-way' }), 'abd'],
    ['jobType', () => ({ jobType: 'SCRIPTED' }), 'c'],
    ['jobTypeNe', () => ({ jobTypeNe: 'SCRIPTED' }), 'abde'],
    ['user', () => ({ user: ['bob', 'cyd'] }), 'bd'],
    ['userNe', () => ({ userNe: 'ada' }), 'bd'],
    ['userContains', () => ({ userContains: 'o' }), 'b'],
    ['groups, each job once', () => ({ groups: ['hydro', 'ops'] }), 'ab'],
    ['groups, one', () => ({ groups: 'ops' }), 'a'],
    ['groupsNe', () => ({ groupsNe: 'ops' }), 'bcde'],
    ['scheduler', () => ({ scheduler: 'compute' }), 'c'],
    ['schedulerNe holds where there is none', () => ({ schedulerNe: 'compute' }), 'abde'],
    ['tags', () => ({ tags: { basin: 'nile' } }), 'ab'],
    ['tags, all of them', () => ({ tags: { basin: 'nile', run: '2' } }), 'b'],
    ['tags, none', () => ({ tags: {} }), 'abcde'],
    ['tagsNe', () => ({ tagsNe: { basin: 'nile', run: '2' } }), 'acde'],
    ['parentId', ({ b }) => ({ parentId: b.id }), 'e'],
    ['parentIdNe', ({ b }) => ({ parentIdNe: b.id }), 'abcd'],
    ['creationTimeAfter', () => ({ creationTimeAfter: at(2000) }), 'cde'],
    ['creationTimeBefore', () => ({ creationTimeBefore: at(2000) }), 'a'],
    ['executeTimeAfter', () => ({ executeTimeAfter: at(1500) }), 'b'],
    ['executeTimeBefore', () => ({ executeTimeBefore: at(2500) }), 'a'],
    ['startTimeAfter', () => ({ startTimeAfter: at(2000) }), 'b'],
    ['startTimeBefore', () => ({ startTimeBefore: at(3000) }), 'a'],
    ['completionTimeAfter', () => ({ completionTimeAfter: at(3999) }), 'b'],
    ['completionTimeBefore', () => ({ completionTimeBefore: at(4001) }), 'b'],
    ['extendedProperties, a text', () => ({ extendedProperties: { 'basin.name': 'nile' } }), 'b'],
    ['extendedProperties, a number', () => ({ extendedProperties: { 'basin.area-km2': 3_400_000 } }), 'b'],
    ['extendedProperties, true', () => ({ extendedProperties: { ok: true } }), 'b'],
    ['extendedProperties, true is not 1', () => ({ extendedProperties: { ok: 1 } }), ''],
    ['extendedProperties, 1 is not "1"', () => ({ extendedProperties: { one: '1' } }), ''],
    ['extendedProperties, "1" is not 1', () => ({ extendedProperties: { text: 1 } }), ''],
    ['extendedProperties, 1 is not true', () => ({ extendedProperties: { one: true } }), ''],
    ['extendedProperties, false', () => ({ extendedProperties: { ok: false } }), ''],
    ['extendedProperties, null or nothing', () => ({ extendedProperties: { none: null } }), 'abcde'],
    ['extendedProperties, null, where there is a value', () => ({ extendedProperties: { ok: null } }), 'acde'],
    ['extendedProperties, quotes', () => ({ extendedProperties: { quote: PROPERTIES.quote } }), 'b'],
    ['extendedProperties, several', () => ({ extendedProperties: { ok: true, one: 2 } }), ''],
    ['extendedPropertiesNe', () => ({ extendedPropertiesNe: { ok: true } }), 'acde'],
    ['extendedPropertiesContains', () => ({ extendedPropertiesContains: { 'basin.name': 'IL' } }), 'b'],
    ['extendedPropertiesContains, % is a percent sign', () => ({ extendedPropertiesContains: { quote: '0%"' } }), 'b'],
    ['extendedPropertiesContains, % is no wildcard', () => ({ extendedPropertiesContains: { quote: 'i%0' } }), ''],
    ['all that is given', () => ({ user: 'ada', statusNe: 'Running' }), 'c'],
    ['nothing', () => ({}), 'abcde'],
    ['or', () => ({ or: [{ user: 'bob' }, { name: 'd' }] }), 'bd'],
    ['or, within and', () => ({ user: 'ada', or: [{ name: 'a' }, { name: 'b' }] }), 'a'],
    [
      'or, of several fields each',
      () => ({
        or: [
          { user: 'ada', name: 'c' },
          { user: 'bob', status: 'COM' },
        ],
      }),
      'bc',
    ],
    ['or, nested', () => ({ or: [{ or: [{ name: 'a' }] }, { or: [] }] }), 'a'],
    ['or, of nothing, holds for no job', () => ({ or: [] }), ''],
    ['or, of an empty filter, holds for every job', () => ({ or: [{}, { name: 'a' }] }), 'abcde'],
  ])('%s; excluding gives the others', async (_name, make, expected) => {
    const people = await population()
    const filter = make(people)
    expect((await names(people.app, filter)).join('')).toBe(expected)
    const others = [...'abcde'].filter((name) => !expected.includes(name)).join('')
    expect((await excluded(people.app, filter)).join('')).toBe(others)
    expect(await people.app.query().filter(filter).count()).toBe(expected.length)
  })

  test('chained, all of them hold, also two of one field', async () => {
    const { app } = await population()
    const query = app
      .query()
      .filter({ name: ['a', 'b'] })
      .filter({ name: ['b', 'c'] })
    expect((await query).map((job) => job.name)).toEqual(['b'])
    expect((await query.exclude({ user: 'bob' })).length).toBe(0)
    const listed = await app.listJobs({ user: 'ada', filters: { user: 'bob' } })
    expect(listed).toEqual([])
  })

  test.each(HOSTILE)('text is text: %j', async (name) => {
    const app = await shared.newApp()
    await app.bulkCreate(HOSTILE.map((one) => ({ ...BASIC, name: one, tags: { t: one }, groups: one })))
    expect(await names(app, { name })).toEqual([name])
    expect(await names(app, { nameContains: name.slice(1) })).toEqual([name])
    expect(await names(app, { tags: { t: name } })).toEqual([name])
    expect(await names(app, { groups: name })).toEqual([name])
    expect(await names(app, { nameNe: name })).toEqual(HOSTILE.filter((one) => one !== name))
    expect(await names(app, { tags: { [name]: name } })).toEqual([])
  })

  test('any JSON value at a path is found again, and nothing else is', async () => {
    const app = await shared.newApp()
    const job = await app.createJob({ ...BASIC, name: 'it' })
    const value = fc.oneof(
      fc.string({ unit: 'binary' }).filter((text) => !text.includes('\0')),
      fc.double({ noNaN: true, noDefaultInfinity: true }),
      fc.boolean(),
    )
    await fc.assert(
      fc.asyncProperty(value, value, async (stored, other) => {
        fc.pre(!Object.is(stored, -0) && !Object.is(other, -0))
        job.extendedProperties = { a: { b: stored } }
        await job.save()
        const found = async (b: string | number | boolean) =>
          await app
            .query()
            .filter({ extendedProperties: { 'a.b': b } })
            .exists()
        expect(await found(stored)).toBe(true)
        expect(await found(other)).toBe(stored === other)
      }),
      { numRuns: 30 },
    )
  })

  const hostilePaths = [
    '',
    'a..b',
    '.a',
    `a'`,
    'a"',
    `a') OR 1=1 --`,
    'a[0]',
    '$',
    'a b',
    '*',
    '#',
    'a\\',
    'ä',
    'x'.repeat(256),
  ]
  test.each(hostilePaths)('the path %j of extendedProperties is refused', async (path) => {
    const { app } = await population()
    for (const field of ['extendedProperties', 'extendedPropertiesNe', 'extendedPropertiesContains'])
      await expectRefusal(() => app.query().filter({ [field]: { [path]: 'x' } }), 'invalid', `${field}.${path}`)
  })
  test('a path that is there for every object finds nothing', async () => {
    const { app } = await population()
    expect(await names(app, { extendedProperties: { constructor: 'x' } })).toEqual([])
    expect(await names(app, { extendedProperties: { 'basin.length': 1 } })).toEqual([])
  })

  test.each([
    'nope',
    'Name',
    'name ',
    'nope Ne',
    'Ne',
    'orNe',
    'creationTime',
    'jobTypeContains',
    'status_code',
    `name' OR '1'='1`,
    'constructor',
    'constructorNe',
    'toString',
    'valueOf',
    'hasOwnProperty',
  ])('an unknown filter is refused, and its value is no SQL: %j', async (field) => {
    const { app } = await population()
    for (const value of ['1=1', '1=1) OR (1=1', 5, null, undefined])
      await expectRefusal(() => app.query().filter({ [field]: value }), 'unknown_field', field)
    await expectRefusal(() => app.query().exclude({ [field]: '1=1' }), 'unknown_field', field)
    await expectRefusal(() => app.query().filter({ or: [{ [field]: '1=1' }] } as JobFilter), 'unknown_field', field)
    await expectRefusal(() => app.listJobs({ filters: { [field]: '1=1' } }), 'unknown_field', field)
    await expectRefusal(() => app.getJob(1, { filters: { [field]: '1=1' } }), 'unknown_field', field)
  })

  test.each<[string, unknown]>([
    ['id', '1'],
    ['id', 1.5],
    ['id', [1, Number.NaN]],
    ['id', null],
    ['parentId', '1 OR 1=1'],
    ['name', 5],
    ['name', null],
    ['name', [['a']]],
    ['nameContains', ['a']],
    ['nameContains', 'x'.repeat(10_001)],
    ['status', 5],
    ['groups', { a: 1 }],
    ['tags', 'basin'],
    ['tags', ['basin']],
    ['extendedProperties', 'basin'],
    ['creationTimeAfter', '2026-01-01'],
    ['creationTimeBefore', new Date(Number.NaN)],
    ['or', { name: 'a' }],
  ])('a filter of the wrong shape is refused: %s', async (field, value) => {
    const { app } = await population()
    await expectRefusal(() => app.query().filter({ [field]: value }), 'invalid', field)
  })
  test.each<[string, unknown, string]>([
    ['a tag that is no text', { tags: { basin: 1 } }, 'tags.basin'],
    ['a property that is an object', { extendedProperties: { a: { b: 1 } } }, 'extendedProperties.a'],
    ['a property that is NaN', { extendedProperties: { a: Number.NaN } }, 'extendedProperties.a'],
    ['a filter that is null', null, 'filter'],
    ['a filter that is an array', [], 'filter'],
    ['a filter that is a text', 'name', 'filter'],
    ['a filter in or that is null', { or: [null] }, 'filter'],
    ['more values than a database takes', { name: Array.from({ length: 5001 }, String) }, 'filter'],
  ])('refused: %s', async (_name, filter, field) => {
    const { app } = await population()
    await expectRefusal(() => app.query().filter(filter as JobFilter), 'invalid', field)
  })
  test('a filter that is undefined is refused, since it would be none at all', async () => {
    const { app } = await population()
    await expectRefusal(() => app.query().filter({ user: undefined } as never), 'invalid', 'user')
    await expectRefusal(() => app.query().exclude({ userNe: undefined } as never), 'invalid', 'userNe')
  })
  test('a list of 100,000 ids', async () => {
    const { app, a } = await population()
    const id = Array.from({ length: 100_000 }, (_, index) => a.id + 10 + index)
    expect(await names(app, { id: [a.id, ...id] })).toEqual(['a'])
  })
})

describe('orders', () => {
  test.each([
    ['id', 'abcde'],
    ['-id', 'edcba'],
    ['name', 'abcde'],
    ['-name', 'edcba'],
    ['status', 'bcdae'], // by code: COM, OTH, PEN, RUN, RUN
    ['-status', 'eadcb'],
    ['creationTime', 'abcde'],
    ['-creationTime', 'edcba'],
    ['executeTime', 'cdeab'], // what has no time comes first, by id
    ['-executeTime', 'baedc'],
    ['startTime', 'cdeab'],
    ['-startTime', 'baedc'],
    ['completionTime', 'acdeb'],
    ['-completionTime', 'bedca'],
  ] as const)('%s', async (order, expected) => {
    const { app } = await population()
    expect((await app.query().orderBy(order)).map((job) => job.name).join('')).toBe(expected)
    expect((await app.listJobs({ orderBy: order })).map((job) => job.name).join('')).toBe(expected)
  })
  test.each(['user', '--id', '-', '', 'id ', 'ID', 'id DESC', 'constructor', '-toString', undefined, null, 5])(
    'an unknown order is refused: %j',
    async (order) => {
      const app = await shared.newApp()
      await expectRefusal(() => app.query().orderBy(order as never), 'unknown_field', 'orderBy')
    },
  )
})

describe('a query', () => {
  const numbered = async (count: number) => {
    const app = await shared.newApp()
    await app.bulkCreate(Array.from({ length: count }, (_, index) => ({ ...BASIC, name: `n${index}` })))
    return app
  }
  const shown = async (query: PromiseLike<Job[]>) => (await query).map((job) => Number(job.name.slice(1)))

  test('is asked anew each time that it is awaited', async () => {
    const app = await numbered(1)
    const query = app.query()
    expect(await query).toHaveLength(1)
    await app.createJob({ ...BASIC, name: 'n1' })
    expect(await query).toHaveLength(2)
  })
  test('is not changed by what is made from it', async () => {
    const app = await numbered(3)
    const query = app.query()
    query.filter({ name: 'n0' }).exclude({ name: 'n1' }).orderBy('-id').slice(0, 1)
    expect(await shown(query)).toEqual([0, 1, 2])
  })
  test('slices as arrays do', async () => {
    const app = await numbered(10)
    const whole = await shown(app.query())
    const bound = fc.nat({ max: 12 })
    await fc.assert(
      fc.asyncProperty(
        bound,
        fc.option(bound, { nil: undefined }),
        bound,
        fc.option(bound, { nil: undefined }),
        async (a, b, c, d) => {
          const query = app.query().slice(a, b)
          const expected = whole.slice(a, b)
          expect(await shown(query)).toEqual(expected)
          expect(await query.count()).toBe(expected.length)
          expect(await query.exists()).toBe(expected.length > 0)
          expect((await query.first())?.name).toBe(expected.length > 0 ? `n${expected[0]}` : undefined)
          const inner = query.slice(c, d)
          expect(await shown(inner)).toEqual(expected.slice(c, d))
          expect(await inner.count()).toBe(expected.slice(c, d).length)
        },
      ),
      { numRuns: 60 },
    )
  })
  test('refuses a slice that is none, and to be filtered or ordered after it', async () => {
    const app = await numbered(1)
    for (const [start, end, field] of [
      [-1, 1, 'start'],
      [0.5, 1, 'start'],
      [0, -1, 'end'],
      [0, Number.NaN, 'end'],
    ] as const)
      await expectRefusal(() => app.query().slice(start, end), 'invalid', field)
    const sliced = app.query().slice(0, 1)
    await expectRefusal(() => sliced.filter({ name: 'n0' }), 'invalid', 'slice')
    await expectRefusal(() => sliced.exclude({ name: 'n0' }), 'invalid', 'slice')
    await expectRefusal(() => sliced.orderBy('-id'), 'invalid', 'slice')
    await expectRefusal(() => sliced.get({ name: 'n0' }), 'invalid', 'slice')
    expect((await sliced.get()).name).toBe('n0')
  })
  test('counts, up to a cap where one is given', async () => {
    const app = await numbered(20)
    expect(await app.query().count()).toBe(20)
    expect(await app.query().count({ cap: 7 })).toBe(7)
    expect(await app.query().count({ cap: 100 })).toBe(20)
    expect(await app.query().slice(15).count({ cap: 7 })).toBe(5)
    expect(await app.query().exists()).toBe(true)
    expect(await app.query().filter({ name: 'nope' }).exists()).toBe(false)
  })
  test('get() gives the one, and throws with the filters where there is none or another', async () => {
    const app = await numbered(3)
    expect((await app.query().get({ name: 'n1' })).name).toBe('n1')
    const none = await expectRefusal(
      () => app.query().filter({ user: 'ada' }).get({ user: 'bob', name: 'n1' }),
      'job_does_not_exist',
    )
    expect([none.name, none.status]).toEqual(['JobDoesNotExist', 404])
    for (const part of [`"app":"${app.app}"`, '"user":"ada"', '"user":"bob"', '"name":"n1"'])
      expect(none.message).toContain(part)
    const many = await expectRefusal(() => app.query().exclude({ name: 'n0' }).get(), 'multiple_jobs_returned')
    expect([many.name, many.status]).toEqual(['MultipleJobsReturned', 409])
    expect(many.message).toContain('{"exclude":{"name":"n0"}}')
  })
  test('first() gives the first in its order, or null', async () => {
    const app = await numbered(3)
    expect((await app.query().first())?.name).toBe('n0')
    expect((await app.query().orderBy('-id').first())?.name).toBe('n2')
    expect(await app.query().filter({ name: 'nope' }).first()).toBeNull()
  })
  test('is iterated beyond one page: each job once, in order, as it is when it comes', async () => {
    const app = await numbered(1201)
    const seen: number[] = []
    for await (const job of app.query().orderBy('-id')) {
      seen.push(Number(job.name.slice(1)))
      if (seen.length === 1) {
        await app.createJob({ ...BASIC, name: 'n9999' })
        await app.query().filter({ name: 'n5' }).delete()
        await app.query().filter({ name: 'n7' }).update({ description: 'changed' })
      }
      if (job.name === 'n7') expect(job.description).toBe('changed')
    }
    expect(seen).toEqual(Array.from({ length: 1201 }, (_, index) => 1200 - index).filter((n) => n !== 5))
    const some: number[] = []
    for await (const job of app.query().slice(100, 700)) some.push(job.id)
    expect(some).toHaveLength(600)
  })
  test('of one app does not see the jobs of another', async () => {
    const [one, other] = [await numbered(2), await numbered(3)]
    const [job] = await other.query()
    expect(await one.query().count()).toBe(2)
    expect(await one.getJob(job?.id ?? 0)).toBeNull()
    expect(await one.query().filter({ app: other.app })).toEqual([])
  })
})

describe('listJobs and getJob', () => {
  test('by user or by groups, not both', async () => {
    const { app } = await population()
    expect((await app.listJobs({ user: 'bob' })).map((job) => job.name)).toEqual(['b'])
    expect((await app.listJobs({ groups: 'hydro', orderBy: '-id' })).map((job) => job.name)).toEqual(['b', 'a'])
    expect((await app.listJobs({ groups: ['ops', 'hydro'], filters: { user: 'ada' } })).map((job) => job.name)).toEqual(
      ['a'],
    )
    expect(await app.listJobs({ groups: [] })).toEqual([])
    const both = await expectRefusal(() => app.listJobs({ user: 'ada', groups: 'hydro' }), 'invalid', 'groups')
    expect(both.message).toContain('not both')
  })
  test('leave the caller’s filters as they are', async () => {
    const { app, a } = await population()
    const filters = Object.freeze({ name: 'a' })
    expect(await app.listJobs({ user: 'ada', filters })).toHaveLength(1)
    expect((await app.getJob(a.id, { user: 'ada', filters }))?.id).toBe(a.id)
    expect(filters).toEqual({ name: 'a' })
  })
  test('getJob gives null where there is no such job, user or match', async () => {
    const { app, a, b, d } = await population()
    expect((await app.getJob(a.id))?.name).toBe('a')
    expect(await app.getJob(a.id, { user: 'bob' })).toBeNull()
    expect(await app.getJob(a.id, { filters: { status: 'Complete' } })).toBeNull()
    expect(await app.getJob(a.id, { filters: { id: b.id } })).toBeNull()
    for (const id of [999_999, 0, -1, 1.5, Number.NaN, Number.POSITIVE_INFINITY, `${a.id}`, undefined, null, {}])
      expect(await app.getJob(id as number)).toBeNull()
    await d.delete()
    expect(await app.getJob(d.id)).toBeNull()
  })
})

describe('update', () => {
  test('changes the four fields on all that match, in one go, and answers how many', async () => {
    const { app, a } = await population()
    const changes = { name: 'new', description: 'd', tags: { t: '1' }, extendedProperties: { x: [1] } }
    expect(await app.query().filter({ user: 'ada' }).update(changes)).toBe(3)
    const changed = await app.query().filter({ name: 'new' })
    expect(changed.map((job) => job.toJSON())).toEqual([1, 2, 3].map(() => expect.objectContaining(changes)))
    await a.refresh()
    expect([a.groups, a.status]).toEqual([['hydro', 'ops'], 'Running'])
    expect((await app.query().get({ user: 'bob' })).tags).toEqual({ basin: 'nile', run: '2' })
    expect(await shared.count('telesto_events', `kind = 'edited' AND app = '${app.app}'`)).toBe(3)
  })
  test.each([
    'status',
    'statusCode',
    'user',
    'app',
    'groups',
    'progress',
    'statusMessage',
    'id',
    'constructor',
    'status_code',
  ])('refuses any other field: %s', async (field) => {
    const { app } = await population()
    await expectRefusal(() => app.query().update({ name: 'x', [field]: 'y' }), 'unknown_field', field)
    expect(await app.query().filter({ name: 'x' }).exists()).toBe(false)
  })
  test.each([
    ['name', ''],
    ['description', 5],
    ['tags', { a: 1 }],
    ['extendedProperties', { at: new Date() }],
  ])('refuses a %s that createJob refuses', async (field, value) => {
    const { app } = await population()
    await expectRefusal(() => app.query().update({ [field]: value }), 'invalid', field === 'tags' ? 'tags.a' : field)
  })
  test('of nothing, or of no job, is nothing', async () => {
    const { app } = await population()
    expect(await app.query().update({})).toBe(0)
    expect(await app.query().filter({ name: 'nope' }).update({ name: 'x' })).toBe(0)
  })
  test('of a slice changes the slice', async () => {
    const { app } = await population()
    expect(await app.query().orderBy('-id').slice(0, 2).update({ description: 'last two' })).toBe(2)
    expect(await names(app, { description: 'last two' })).toEqual(['d', 'e'])
  })
})

describe('delete', () => {
  test('deletes all that match, and answers how many', async () => {
    const { app } = await population()
    expect(
      await app
        .query()
        .filter({ name: ['c', 'd'] })
        .exclude({ status: 'Other' })
        .delete(),
    ).toBe(1)
    expect((await app.query()).map((job) => job.name).join('')).toBe('abce')
    expect(await app.query().filter({ name: 'nope' }).delete()).toBe(0)
  })
  test('deletes none if one is active', async () => {
    const { app, b } = await population()
    await expectRefusal(() => app.query().delete(), 'job_is_active', 'stop')
    expect(await app.query().count()).toBe(5)
    expect(await shared.sql(`SELECT deleted_at AS at FROM telesto_jobs WHERE id = ${b.id}`)).toEqual([{ at: null }])
    expect(await shared.count('telesto_events', `kind = 'deleted' AND app = '${app.app}'`)).toBe(0)
  })
  test('deletes none if a child that is not among them waits for one', async () => {
    const { app, a, b, e } = await population()
    await shared.set(a, { status_code: 'COM' })
    await shared.set(e, { status_code: 'PEN' })
    await expectRefusal(
      () =>
        app
          .query()
          .filter({ id: [b.id, a.id] })
          .delete(),
      'job_has_children',
      'id',
    )
    expect(await app.query().count()).toBe(5)
  })
  test('deletes parents together with the children that wait for them', async () => {
    const { app, a, e } = await population()
    await shared.set(a, { status_code: 'COM' })
    await shared.set(e, { status_code: 'PEN' })
    expect(
      await app
        .query()
        .filter({ name: ['a', 'b', 'e'] })
        .delete(),
    ).toBe(3)
  })
})
