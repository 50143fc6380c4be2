import type { Bench } from '../benchmark.ts'
import { type Child, startChild } from '../child.ts'
import { type Measured, median, quantile } from '../measure.ts'
import type { Goal } from '../results.ts'
import type { CondorServer } from '../servers/condor.ts'
import type { Viewers } from '../servers/viewers.ts'
import type { FarSide } from './far-side.ts'

export const watchGoals = [
  {
    name: 'condor-views',
    what: 'commands that the host of the scheduler sees for each page of a running workflow of 26 nodes (beside it those in all: 800 viewers, 8)',
    goal: 0,
    is: 'at most',
    unit: 'commands',
  },
  {
    name: 'condor-page',
    what: 'such a page for one of 8 viewers, median (beside it p99)',
    goal: 20,
    is: 'at most',
    unit: 'ms',
  },
  {
    name: 'condor-page-800',
    what: 'such a page for one of 800 viewers, who open it 80 times a second and follow it live, p99 (beside it the median)',
    goal: 100,
    is: 'at most',
    unit: 'ms',
  },
] as const satisfies readonly Goal[]

const look = async (
  { note }: Bench,
  far: FarSide,
  portal: Child<CondorServer>,
  client: Child<Viewers>,
  viewers: number,
  seconds: number,
) => {
  const job = await portal.ask('workflow')
  far.seen()
  const before = await portal.ask('told', job)
  const everySeconds = Math.max(1, viewers / 80)
  const port = await portal.ask('port')
  const { pages, news, newsBytes } = await client.ask('watch', {
    port,
    job,
    viewers,
    everySeconds,
    seconds,
    holds: 'node24',
  })
  const { sessions } = far.seen()
  const after = await portal.ask('told', job)
  const busy = (after.cpuMs - before.cpuMs) / ((everySeconds + seconds) * 1000)
  note(
    `${viewers} viewers: ${pages.length} pages, median ${median(pages).toFixed(1)} ms, p99 ${quantile(pages, 0.99).toFixed(1)} ms; ` +
      `${after.events - before.events} changes told ${news} times (${Math.round(newsBytes / 1e6)} MB); ` +
      `${Math.round(busy * 100)} % of a processor; ${sessions} commands at the scheduler; then it was ${after.status}`,
  )
  if (news === 0) throw new Error('The pages heard no news.')
  far.empty()
  await portal.ask('settled')
  return { pages, sessions }
}

export const measureWatch = async (
  bench: Bench,
  far: FarSide,
  portal: Child<CondorServer>,
): Promise<Record<(typeof watchGoals)[number]['name'], Measured>> => {
  const client = await startChild<Viewers>('viewers.ts', {})
  try {
    const seconds = bench.size(20, 8)
    const few = await look(bench, far, portal, client, 8, seconds)
    const many = await look(bench, far, portal, client, bench.size(800, 80), seconds)
    const each = Math.max(0, many.sessions - few.sessions) / (many.pages.length - few.pages.length)
    const [p50, p99] = [0.5, 0.99]
    return {
      // One refresh more or less fell into the seconds: that is of no page.
      'condor-views': { ratio: Math.round(each * 10) / 10, ours: many.sessions, other: few.sessions },
      'condor-page': {
        ratio: quantile(few.pages, p50),
        ours: quantile(few.pages, p50),
        other: quantile(few.pages, p99),
      },
      'condor-page-800': {
        ratio: quantile(many.pages, p99),
        ours: quantile(many.pages, p99),
        other: quantile(many.pages, p50),
      },
    }
  } finally {
    await client.stop()
  }
}
