import { expect, test } from 'vitest'
import { idsOf, nativeIdOf, procsOf } from '../../../adapters/condor/native-id.js'

test.for([
  ['12.0', { cluster: 12, first: 0, last: 0 }],
  ['12.3-7', { cluster: 12, first: 3, last: 7 }],
] as const)('%s is read as it was written', ([id, procs]) => {
  expect(procsOf(id)).toEqual(procs)
  expect(nativeIdOf(procs)).toBe(id)
})

test.for(['', '12', '12.', '.3', '12.7-3', '12.3-', 'a.b', ' 12.0', '12.0\n', '-1.0', '1e3.0', 'telesto-never-was'])(
  '%j is no id',
  (id) => {
    expect(procsOf(id)).toBeUndefined()
  },
)

test('the procs of a job are a range, in whatever order they are found', () => {
  const found = [
    { token: 'a', cluster: 5, proc: 2 },
    { token: 'b', cluster: 5, proc: 3 },
    { token: 'a', cluster: 5, proc: 0 },
    { token: 'a', cluster: 5, proc: 1 },
    { token: 'a', cluster: 4, proc: 9 }, // no cluster but the first
  ]
  expect([...idsOf(found)]).toEqual([
    ['a', '5.0-2'],
    ['b', '5.3'],
  ])
})
