import { expect, test } from 'vitest'
import { condition } from '../src/filters.js'
import { createTotals } from '../src/totals.js'
import { portal } from './engine/portal.js'

const CAP = 1200

/** A group with more jobs than are counted, and how many statements a count makes. */
const crowded = async () => {
  const one = await portal({ start: false })
  const jobs = await one.app.bulkCreate(
    Array.from({ length: CAP + 1 }, () => ({
      name: 'run',
      user: 'ada',
      groups: 'team',
      jobType: 'SCRIPTED' as const,
      scheduler: one.scheduler,
    })),
  )
  let now = 0
  const totals = createTotals(one.core.database, () => now)
  const where = (user: string) => condition(one.core.database.dialect, [{ or: [{ user }, { groups: 'team' }] }])
  const count = async (user: string, cap?: number) => {
    const before = one.counts.reads
    const total = await totals.count(where(user), cap)
    return { total, reads: one.counts.reads - before }
  }
  const remove = async (some: number) => {
    const ids = jobs.splice(0, some).map(({ id }) => id)
    expect(await one.app.query().filter({ id: ids }).delete()).toBe(some)
  }
  return {
    count,
    remove,
    totals,
    pass: (ms: number): void => {
      now += ms
    },
  }
}

test('that a group has too many jobs to be counted is told to all its members for a second, and no longer', async () => {
  const { count, remove, pass } = await crowded()
  expect((await count('eve', CAP)).total).toBe(CAP)
  expect(await count('eve', CAP)).toEqual({ total: CAP, reads: 0 })
  expect(await count('bob', CAP)).toEqual({ total: CAP, reads: 0 })
  await remove(2)
  pass(999)
  expect((await count('bob', CAP)).total).toBe(CAP)
  pass(1)
  expect((await count('bob', CAP)).total).toBe(CAP - 1)
})

test('what this process changed, another number and what is quickly counted are asked for', async () => {
  const { count, remove, totals } = await crowded()
  expect((await count('eve', CAP)).total).toBe(CAP)
  expect((await count('eve', CAP + 1)).total).toBe(CAP + 1)
  expect((await count('eve', CAP + 2)).total).toBe(CAP + 1)
  expect((await count('eve')).total).toBe(CAP + 1)
  expect((await count('eve', 10)).total).toBe(10)
  await remove(CAP)
  totals.forget()
  expect((await count('eve', CAP)).total).toBe(1)
  await remove(1)
  expect((await count('eve', 10)).total).toBe(0)
})
