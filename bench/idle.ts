import { setTimeout as sleep } from 'node:timers/promises'
import type { Bench, Benchmark } from './benchmark.ts'
import { startChild } from './child.ts'
import { median } from './measure.ts'
import type { TelestoServer, TelestoServerOptions } from './servers/telesto.ts'
import type { Place } from './store.ts'

const goals = [
  {
    name: 'idle-calls',
    what: 'calls of an adapter in 10 s without an active job',
    goal: 0,
    is: 'at most',
    unit: 'calls',
  },
  {
    name: 'idle-writes',
    what: 'writes to the database in 10 s without an active job',
    goal: 0,
    is: 'at most',
    unit: 'writes',
  },
  { name: 'memory', what: 'resident memory beyond that of Express alone', goal: 40, is: 'at most', unit: 'MB' },
] as const

const SECONDS = 10

/** What happens while nothing is to be done. */
const rest = async (place: Place) => {
  const telesto = await startChild<TelestoServer>('telesto.ts', { place: place.options } satisfies TelestoServerOptions)
  try {
    await sleep(2000) // what is done at a start is done
    const before = { calls: (await telesto.ask('counts')).calls, changes: await place.changes() }
    await sleep(SECONDS * 1000)
    const calls = (await telesto.ask('counts')).calls - before.calls
    return { calls, writes: (await place.changes()) - before.changes }
  } finally {
    await telesto.stop()
  }
}

/** The resident memory of a portal, with Telesto in `options` or without, in MB. */
const memoryOf = async (options: Place['options'] | object): Promise<number> => {
  const portal = await startChild<{ rss: () => number }>('resting.mjs', options)
  try {
    return await portal.ask('rss')
  } finally {
    await portal.stop()
  }
}

const run = async ({ store, size }: Bench) => {
  const place = await store.place()
  try {
    const { calls, writes } = await rest(place)
    const ours: number[] = []
    const alone: number[] = []
    for (let start = 0; start < size(9, 3); start++) {
      ours.push(await memoryOf(place.options))
      alone.push(await memoryOf({}))
    }
    return {
      'idle-calls': { ratio: calls, ours: calls, other: null },
      'idle-writes': { ratio: writes, ours: writes, other: null },
      memory: { ratio: median(ours) - median(alone), ours: median(ours), other: median(alone) },
    }
  } finally {
    await place.remove()
  }
}

export const idle: Benchmark = { name: 'idle', goals, run }
