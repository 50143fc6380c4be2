import fc from 'fast-check'
import { expect, test } from 'vitest'
import { type Condition, condition, type JobFilter } from '../../src/filters.js'
import { countJobs, findJobIds, ORDER_COLUMNS, type OrderField } from '../../src/store/list.js'
import { type Portal, portal } from '../engine/portal.js'

const USERS = ['ada', 'bob', 'eve']
const GROUPS = ['hydro', 'ops', 'all']
const ORDERS = Object.keys(ORDER_COLUMNS) as OrderField[]

/** Jobs of everybody, in all combinations of groups, some executed, ended, renamed, regrouped or deleted since. */
const populated = async (): Promise<Portal> => {
  const one = await portal({ start: false })
  const jobs = await one.app.bulkCreate(
    Array.from({ length: 120 }, (_, index) => ({
      name: `n${index % 7}`,
      user: USERS[index % 3] as string,
      jobType: 'SCRIPTED' as const,
      scheduler: one.scheduler,
      groups: GROUPS.filter((_group, bit) => (index >> (bit + 1)) % 2 === 1),
      tags: { third: `${index % 3}` },
    })),
  )
  const some = (rest: number) =>
    one.app.query().filter({ id: jobs.map(({ id }) => id).filter((id) => id % 5 === rest) })
  one.clock.advance(1000)
  await some(0).execute()
  one.clock.advance(1000)
  await some(1).execute()
  await some(1).stop()
  await some(2).update({ name: 'new {id}' })
  await some(3).slice(0, 10).delete()
  for (const job of await some(4).slice(0, 10)) {
    job.groups = ['ops', 'late']
    await job.save()
  }
  await one.run(
    'UPDATE telesto_jobs SET start_time = execute_time + id % 3 WHERE id % 2 = 0 AND execute_time IS NOT NULL',
  )
  return one
}

const withoutUnion = ({ sql, params }: Condition): Condition => ({ sql, params })

test('a list that is merged from its sources is the list that is looked through, whatever its order and page', async () => {
  const { database } = await populated()
  const source = fc.oneof(
    fc.subarray(USERS, { minLength: 1 }).map((user): JobFilter => ({ user })),
    fc.subarray([...GROUPS, 'late', 'none'], { minLength: 1 }).map((groups): JobFilter => ({ groups })),
  )
  const rest = fc.constantFrom<JobFilter>(
    {},
    { app: 'flood' },
    { tags: { third: '1' } },
    { status: 'Pending' },
    { user: 'bob' },
  )
  await fc.assert(
    fc.asyncProperty(
      fc.array(source, { minLength: 1, maxLength: 3 }),
      rest,
      fc.constantFrom(...ORDERS),
      fc.boolean(),
      fc.nat(60),
      fc.nat(40),
      async (or, others, order, descending, offset, limit) => {
        const where = condition(database.dialect, [others, { or }])
        expect(where.union).toBeDefined()
        const page = { order, descending, offset, limit }
        expect(await findJobIds(database, where, page)).toEqual(await findJobIds(database, withoutUnion(where), page))
        expect(await countJobs(database, where)).toBe(await countJobs(database, withoutUnion(where)))
        expect(await countJobs(database, where, limit)).toBe(await countJobs(database, withoutUnion(where), limit))
      },
    ),
    { numRuns: 300 },
  )
})

test('jobs that are named are found by the same filters as those of a list', async () => {
  const { database } = await populated()
  const page = { order: 'id', descending: false, offset: 0, limit: null } as const
  const find = async (...filters: JobFilter[]) =>
    await findJobIds(database, withoutUnion(condition(database.dialect, filters)), page)
  const all = await find({})
  for (const filter of [
    { groups: 'ops' },
    { groups: ['late', 'hydro'] },
    { groupsNe: 'ops' },
    { groups: [] },
    { tags: { third: '1' } },
    { tagsNe: { third: '1' } },
    { or: [{ user: 'ada' }, { groups: ['ops'] }] },
    { or: [{ tags: { third: '2' } }, { groups: 'late' }], user: 'bob' },
  ] satisfies JobFilter[]) {
    const listed = await find(filter)
    expect([filter, await find({ id: all }, filter)]).toEqual([filter, listed])
    const one = listed[0] ?? 0
    expect([filter, await find({ id: one }, filter)]).toEqual([filter, listed.slice(0, 1)])
  }
})

test('what a group keeps of its jobs is what they are', async () => {
  const one = await populated()
  const kept = await one.all(
    `SELECT job_id, user_id, job_name, status_code, creation_time, execute_time, start_time, completion_time
     FROM telesto_groups ORDER BY job_id, name`,
  )
  const are = await one.all(
    `SELECT g.job_id AS job_id, j.user_id AS user_id, j.name AS job_name, j.status_code AS status_code, j.creation_time AS creation_time,
       j.execute_time AS execute_time, j.start_time AS start_time, j.completion_time AS completion_time
     FROM telesto_groups g JOIN telesto_jobs j ON j.id = g.job_id WHERE j.deleted_at IS NULL ORDER BY g.job_id, g.name`,
  )
  expect(kept).toEqual(are)
  expect(kept.length).toBeGreaterThan(100)
})
