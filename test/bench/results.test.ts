import { expect, test } from 'vitest'
import { isStable, median, quantile, sideBySide } from '../../bench/measure.ts'
import { between, type Goal, merged, type Result, resultOf, rounded, table } from '../../bench/results.ts'

const goal: Goal = { name: 'one', what: 'one thing', goal: 2, is: 'at most' }
const least: Goal = { name: 'other', what: 'another', goal: 0.9, is: 'at least', unit: 'MB' }
const about = { store: 'sqlite', date: '2026-01-31', node: '24.0.0', cpus: 2 } as const
const measured = (ratio: number) => ({ ratio, ours: ratio, other: 1 })
const result = (of: Goal, ratio: number, store: Result['store'] = 'sqlite') =>
  resultOf(of, measured(ratio), { ...about, store })

test('Quantiles lie between the values, whatever their order', () => {
  expect(median([3, 1, 2])).toBe(2)
  expect(median([4, 1, 2, 3])).toBe(2.5)
  expect(quantile([10, 0], 0.95)).toBeCloseTo(9.5)
  expect(() => median([])).toThrow(RangeError)
})

test('Ratios that scatter need more pairs than ratios that agree', () => {
  expect(isStable([1, 1.01, 0.99, 1])).toBe(true)
  expect(isStable([1, 2, 0.5, 4])).toBe(false)
})

test('Each side has its turn, and the ratio is that of the pairs', async () => {
  const order: string[] = []
  const side = (name: string, ms: number) => async () => {
    order.push(name)
    return await Promise.resolve(ms)
  }
  const turns = { warmUp: 1, fewest: 3, most: 9 }
  expect(await sideBySide(side('ours', 3), side('raw', 2), turns)).toEqual({ ratio: 1.5, ours: 3, other: 2 })
  expect(order).toEqual(['ours', 'raw', 'raw', 'ours', 'ours', 'raw', 'raw', 'ours'])
})

test('A goal holds up to its very figure, as it is told', () => {
  expect(result(goal, 2).holds).toBe(true)
  expect(result(goal, 2.004)).toMatchObject({ ratio: 2, holds: true, goal: '≤ 2 x' })
  expect(result(goal, 2.01).holds).toBe(false)
  expect(result(least, 0.9)).toMatchObject({ holds: true, goal: '≥ 0.9 MB', unit: 'MB' })
  expect(result(least, 0.89).holds).toBe(false)
  expect(rounded(1234.5)).toBe(1230)
})

test('New results take the place of old ones of the same store; what is no goal any more goes', () => {
  const gone: Goal = { ...goal, name: 'gone' }
  const before = [result(goal, 5), result(goal, 6, 'postgres'), result(gone, 1)]
  const all = merged([least, goal], before, [result(goal, 1), result(least, 1)])
  expect(all.map(({ name, store, ratio }) => [name, store, ratio])).toEqual([
    ['other', 'sqlite', 1],
    ['one', 'sqlite', 1],
    ['one', 'postgres', 6],
  ])
})

test('The table has a line for each goal, and what misses one is bold', () => {
  expect(table([goal, least], [result(goal, 3), result(goal, 1.5, 'postgres')]).split('\n')).toEqual([
    '| measured | goal | SQLite | PostgreSQL |',
    '|---|---|---|---|',
    '| one thing | ≤ 2 x | **3 x** | 1.5 x |',
    '| another | ≥ 0.9 MB | – | – |',
  ])
})

test('The table is put between its markers, again and again, and nowhere else', () => {
  const document = 'before\n<!-- bench: written by npm run bench -->\n<!-- end of bench -->\nafter\n'
  const once = between(document, 'TABLE')
  expect(once).toBe('before\n<!-- bench: written by npm run bench -->\nTABLE\n<!-- end of bench -->\nafter\n')
  expect(between(once, 'TABLE')).toBe(once)
  expect(() => between('no markers', 'TABLE')).toThrow('lacks')
})
