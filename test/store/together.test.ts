import { describe, expect, it } from 'vitest'
import { together } from '../../src/store/together.js'

/** Runs that end when they are told to. */
const held = (most: number, lanes: number) => {
  const runs: { readonly items: readonly number[]; readonly end: (error?: Error) => void }[] = []
  const ask = together({ most, lanes }, async (items: readonly number[]) => {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    runs.push({ items, end: (error) => (error ? reject(error) : resolve()) })
    await promise
    return items.map((item) => `answer ${item}`)
  })
  const begun = async (count: number): Promise<void> => {
    while (runs.length < count) await new Promise((resolve) => setImmediate(resolve))
  }
  return { ask, runs, begun }
}
const asked = ({ runs }: ReturnType<typeof held>) => runs.map(({ items }) => items)

describe('calls that come together', () => {
  it('are one run, and each has its own answer', async () => {
    const one = held(10, 1)
    const answers = Promise.all([1, 2, 3].map(one.ask))
    await one.begun(1)
    one.runs[0]?.end()
    expect(await answers).toEqual(['answer 1', 'answer 2', 'answer 3'])
    expect(asked(one)).toEqual([[1, 2, 3]])
  })

  it('while all lanes are busy wait for the next run, and so many at the most share it', async () => {
    const one = held(2, 2)
    const first = [one.ask(1), one.ask(2)]
    await one.begun(1)
    const second = [one.ask(3)]
    await one.begun(2)
    const rest = [4, 5, 6].map(one.ask)
    await new Promise((resolve) => setImmediate(resolve))
    expect(asked(one)).toEqual([[1, 2], [3]])
    one.runs[1]?.end()
    expect(await Promise.all(second)).toEqual(['answer 3'])
    await one.begun(3)
    one.runs[0]?.end()
    expect(await Promise.all(first)).toEqual(['answer 1', 'answer 2'])
    await one.begun(4)
    for (const { end } of one.runs) end()
    expect(await Promise.all(rest)).toEqual(['answer 4', 'answer 5', 'answer 6'])
    expect(asked(one)).toEqual([[1, 2], [3], [4, 5], [6]])
  })

  it('are refused together where their run fails, and those after them are not', async () => {
    const one = held(10, 1)
    const failed = Promise.allSettled([one.ask(1), one.ask(2)])
    await one.begun(1)
    const after = one.ask(3)
    const error = new Error('the link is cut')
    one.runs[0]?.end(error)
    const refused = { status: 'rejected', reason: error }
    expect(await failed).toEqual([refused, refused])
    await one.begun(2)
    one.runs[1]?.end()
    expect(await after).toBe('answer 3')
  })
})
