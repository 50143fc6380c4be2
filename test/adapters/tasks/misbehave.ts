import { setTimeout as sleep } from 'node:timers/promises'
import type { TaskContext } from '../../../src/task.js'

class Basin {
  name = 'nile'
}
const ring: unknown[] = []
ring.push(ring)

/** What a task can return that is no JSON, or too much of it. */
const VALUES: Readonly<Record<string, unknown>> = {
  nan: { mean: [1, Number.NaN] },
  date: { at: [{ when: new Date(0) }] },
  class: new Basin(),
  ring,
  function: () => 1,
  bigint: 1n,
  large: 'é'.repeat(524_288),
  largest: 'é'.repeat(524_287),
  // No JSON either, but nothing is lost: a property that is undefined is no property.
  optional: { a: 1, b: undefined },
}

export const run = async (what: string, task: TaskContext): Promise<unknown> => {
  if (what in VALUES) return VALUES[what]
  if (what === 'throws') throw new RangeError('the "basin" is dry\nsince 1913')
  if (what === 'throws a text') throw 'no error at all'
  if (what === 'later') setTimeout(() => Promise.reject(new Error('nobody caught this')), 1)
  if (what === 'later') await sleep(10_000)
  if (what === 'open') setInterval(() => {}, 1000)
  if (what === 'deaf') {
    console.log('deaf')
    for (;;) await sleep(1000)
  }
  if (what === 'busy') {
    // Never waits for anything, so that no timer of its process runs.
    for (let step = 0, until = performance.now() + 60_000; performance.now() < until; step++)
      task.progress(step % 2 === 0 ? 0.5 : Number.NaN, step > 1000 ? 'thousands' : 'few')
  }
  if (what === 'numbers') {
    for (const fraction of [Number.NaN, -1, 7]) task.progress(fraction)
    task.message('x'.repeat(5000))
  }
  return what
}
