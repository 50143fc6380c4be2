import { expect, test } from 'vitest'
import { verdict } from '../crash/oracle.ts'
import { crashRun } from '../crash/run.ts'

// The crash run in short. `npm run crash` kills more often, and says where the kills fell.

test('a server that is killed a dozen times loses and doubles nothing', { timeout: 90_000 }, async () => {
  const { faults, details } = await crashRun({ kills: 12, seed: 7, jobs: 30, patienceMs: 40_000 })
  expect({ verdict: verdict(faults), faults, details }).toEqual({
    verdict: 'lost 0, doubled 0, wrong 0, stuck 0',
    faults: [],
    details: [],
  })
})
