import type { Bench } from '../benchmark.ts'
import type { Child } from '../child.ts'
import { type Measured, median, sideBySide, timed } from '../measure.ts'
import type { Goal } from '../results.ts'
import type { CondorServer } from '../servers/condor.ts'
import type { FarSide } from './far-side.ts'
import type { RawSsh } from './raw.ts'

export const submitGoals = [
  {
    name: 'condor-submit',
    what: '1,000 jobs of HTCondor submitted over SSH by the adapter, to one `condor_submit` of a file with `queue 1000` over such a connection',
    goal: 4,
    is: 'at most',
    of: 'ms',
  },
  {
    name: 'condor-execute',
    what: 'the same by a whole Telesto, from `execute()` of the 1,000 to the last id in the database',
    goal: 4,
    is: 'at most',
    of: 'ms',
  },
] as const satisfies readonly Goal[]

const file = (count: number): string =>
  `executable = /bin/sleep\narguments = 3600\nrequirements = false\nlog = jobs.log\nqueue ${count}\n`

export const measureSubmit = async (
  { size, note }: Bench,
  far: FarSide,
  raw: RawSsh,
  portal: Child<CondorServer>,
): Promise<Record<(typeof submitGoals)[number]['name'], Measured>> => {
  const jobs = size(1000, 100)
  const limit = async (): Promise<number> => {
    const ms = await timed(async () => await raw.run('cat >jobs.sub && condor_submit -terse jobs.sub', file(jobs)))
    far.empty()
    return ms
  }
  const turns = { warmUp: 1, fewest: size(5, 2), most: size(9, 3) }
  const byAdapter = await sideBySide(
    async () => {
      const ms = await portal.ask('hand', jobs)
      far.empty()
      return ms
    },
    limit,
    turns,
  )
  const byTelesto = await sideBySide(
    async () => {
      const { ms, adapterMs } = await portal.ask('submit', jobs)
      note(`${Math.round(ms)} ms, of which ${Math.round(adapterMs)} in the adapter`)
      far.empty()
      await portal.ask('settled')
      return ms
    },
    limit,
    turns,
  )
  const few = size(100, 10)
  const loops: number[] = []
  for (let turn = 0; turn < 3; turn++) {
    const ms = await timed(async () => {
      for (let n = 0; n < few; n++) await raw.run('cat >job.sub && condor_submit -terse job.sub', file(1))
    })
    far.empty()
    loops.push((ms / few) * jobs)
  }
  note(
    `one condor_submit for each of ${jobs} jobs, over one connection: ${Math.round(median(loops))} ms, scaled from ${few}`,
  )
  return { 'condor-submit': byAdapter, 'condor-execute': byTelesto }
}
