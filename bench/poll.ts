import { setTimeout as sleep } from 'node:timers/promises'
import type { Bench, Benchmark } from './benchmark.ts'
import { type Child, startChild } from './child.ts'
import { median } from './measure.ts'
import type { TelestoServer, TelestoServerOptions } from './servers/telesto.ts'

const goals = [
  {
    name: 'poll',
    what: "a poll of 10,000 active jobs of which 1 % changed: the processor's time of the whole process but the adapter (beside it the adapter)",
    goal: 100,
    is: 'at most',
    unit: 'ms',
  },
] as const

/** The next poll has begun and been committed: a change or two later nothing of it runs any more. */
const afterPoll = async (telesto: Child<TelestoServer>) => {
  const { polls } = await telesto.ask('counts')
  for (;;) {
    await sleep(20)
    const counts = await telesto.ask('counts')
    if (counts.polls > polls) {
      await sleep(500)
      return await telesto.ask('counts')
    }
  }
}

const run = async ({ store, size, note }: Bench) => {
  const place = await store.place()
  const telesto = await startChild<TelestoServer>('telesto.ts', { place: place.options } satisfies TelestoServerOptions)
  try {
    await telesto.ask('runJobs', { count: size(10_000, 1000), pollSeconds: 2 })
    await telesto.ask('changing', 100)
    const all: number[] = []
    const adapter: number[] = []
    let before = await afterPoll(telesto)
    for (let turn = 0; turn < size(20, 4); turn++) {
      const after = await afterPoll(telesto)
      const polls = after.polls - before.polls
      adapter.push((after.cpuMs - before.cpuMs) / polls)
      all.push((after.processCpuMs - before.processCpuMs) / polls)
      before = after
    }
    const core = median(all) - median(adapter)
    note(`${Math.round(median(all))} ms in all`)
    return { poll: { ratio: core, ours: core, other: median(adapter) } }
  } finally {
    await telesto.stop()
    await place.remove()
  }
}

export const poll: Benchmark = { name: 'poll', goals, run }
