// The values that jobs compute.
import assert from 'node:assert/strict'
import type { Case } from './trial.js'

const VALUES = [
  null,
  false,
  0,
  -1.5e-7,
  '',
  'it\'s "1" \n\0\\ \u{1f30a} \u00e9t\u00e9',
  [],
  { '': [1, { deep: [null, true] }], 'a.b': 'c' },
]

export const resultCases: readonly Case[] = [
  {
    name: 'result: the value that a job computed, unchanged, over any connection, as often as it is asked',
    needs: ['result', 'returns'],
    run: async ({ connect, request, submit, until, signal, harness }) => {
      const scheduler = connect()
      for (const value of VALUES) {
        const [ref] = await submit(scheduler, request(harness.specs.returns?.(value)))
        assert.ok(ref)
        await until(scheduler, ref, 'succeeded')
        for (const asked of [scheduler, scheduler, connect()])
          assert.deepEqual(await asked.result?.(ref, signal), value, `of ${JSON.stringify(value)}`)
      }
    },
  },
  {
    name: 'result: undefined where a job computed no value',
    needs: ['result'],
    run: async ({ connect, request, submit, until, signal, harness }) => {
      const scheduler = connect()
      const [ref] = await submit(scheduler, request(harness.specs.fails(4)))
      assert.ok(ref)
      await until(scheduler, ref, 'failed')
      assert.equal(await scheduler.result?.(ref, signal), undefined)
    },
  },
]
