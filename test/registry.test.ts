import { describe, expect, test } from 'vitest'
import { z } from 'zod'
import { type Adapter, defineAdapter, RESERVED_OPTIONS, type Specs } from '../src/adapter.js'
import { createRegistry } from '../src/registry.js'
import { expectRefusal } from './fixture.js'

const adapter = (type: string, specs: Specs, aliases: Readonly<Record<string, string>> = {}): Adapter =>
  defineAdapter({
    type,
    label: type,
    config: z.strictObject({}),
    secrets: [],
    specs,
    aliases,
    defaults: { pollSeconds: 1, maxIdsPerPoll: 1, maxSubmitsPerMinute: 1 },
    connect: () => {
      throw new Error('Nobody connects here.')
    },
  })
const spec = z.strictObject({ executable: z.string() })

describe('defineAdapter', () => {
  test('gives the adapter back', () => {
    const condor = adapter('condor', { CONDOR: spec }, { CONDORJOB: 'CONDOR' })
    expect([condor.type, Object.keys(condor.specs), condor.aliases]).toEqual([
      'condor',
      ['CONDOR'],
      { CONDORJOB: 'CONDOR' },
    ])
  })
  test.each(RESERVED_OPTIONS)('refuses the reserved option %s in a spec', (option) => {
    expect(() => adapter('condor', { CONDOR: z.object({ [option]: z.string() }) })).toThrow(
      `The spec of CONDOR has an option ${option}, which every job has already.`,
    )
  })
  test.each(['NOTHING', 'constructor', 'toString'])('refuses an alias of nothing: %s', (jobType) => {
    expect(() => adapter('condor', { CONDOR: spec }, { CONDORJOB: jobType })).toThrow(
      `The alias CONDORJOB means ${jobType}, which is no job type of condor.`,
    )
  })
})

describe('the registry', () => {
  test('finds a job type by its name and by its alias, with its adapter', () => {
    const condor = adapter('condor', { CONDOR: spec, CONDORWORKFLOW: spec }, { CONDORJOB: 'CONDOR' })
    const registry = createRegistry([condor, adapter('dask', { DASK: spec })])
    expect(registry.jobType('CONDOR')).toEqual({ name: 'CONDOR', adapter: condor, schema: spec })
    expect(registry.jobType('CONDORJOB').name).toBe('CONDOR')
    expect([...registry.jobTypes.keys()]).toEqual(['CONDOR', 'CONDORWORKFLOW', 'DASK'])
    expect([...registry.adapters.keys()]).toEqual(['condor', 'dask'])
  })
  test.each(['SLURM', 'condor', '', 'constructor', '__proto__', undefined, null, 5, {}, ['CONDOR']])(
    'an unknown job type is refused, naming those that there are: %j',
    async (name) => {
      const registry = createRegistry([adapter('condor', { CONDOR: spec }, { CONDORJOB: 'CONDOR' })])
      const error = await expectRefusal(() => registry.jobType(name), 'unknown_job_type', 'jobType')
      expect(error.message).toContain('Known: CONDOR, CONDORJOB.')
    },
  )
  test.each<[string, readonly Adapter[], string]>([
    [
      'two adapters of one type',
      [adapter('a', { A: spec }), adapter('a', { B: spec })],
      'Two adapters have the type a.',
    ],
    [
      'a job type claimed twice',
      [adapter('a', { A: spec }), adapter('b', { A: spec })],
      'The job type A is claimed twice.',
    ],
    [
      'an alias that is a job type',
      [adapter('a', { A: spec }, { B: 'A' }), adapter('b', { B: spec })],
      'The job type B is claimed twice.',
    ],
    [
      'one alias for two',
      [adapter('a', { A: spec }, { C: 'A' }), adapter('b', { B: spec }, { C: 'B' })],
      'The job type C is claimed twice.',
    ],
    ['an alias that is its own job type', [adapter('a', { A: spec }, { A: 'A' })], 'The job type A is claimed twice.'],
  ])('refuses %s', async (_name, adapters, message) => {
    const error = await expectRefusal(() => createRegistry(adapters), 'invalid', 'adapters')
    expect(error.message).toContain(message)
  })
})
