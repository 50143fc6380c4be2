import { setTimeout as sleep } from 'node:timers/promises'
import type { Bench } from '../benchmark.ts'
import type { Child } from '../child.ts'
import { type Measured, sideBySide, timed } from '../measure.ts'
import type { Goal } from '../results.ts'
import type { CondorServer } from '../servers/condor.ts'
import type { FarSide, Seen } from './far-side.ts'
import { quoted, type RawSsh } from './raw.ts'

export const refreshGoals = [
  {
    name: 'condor-refresh',
    what: 'a refresh of 1,000 jobs of HTCondor over SSH, to one `condor_q` with the same question over such a connection',
    goal: 1.2,
    is: 'at most',
    of: 'ms',
  },
  {
    name: 'condor-commands',
    what: 'commands that the host of the scheduler sees of such a refresh',
    goal: 1,
    is: 'at most',
    unit: 'commands',
  },
  {
    name: 'condor-commands-left',
    what: 'the same where some of the jobs have left the queue',
    goal: 2,
    is: 'at most',
    unit: 'commands',
  },
  {
    name: 'condor-logins',
    what: 'logins that it sees, from the submission of the 1,000 to the last refresh',
    goal: 1,
    is: 'at most',
    unit: 'logins',
  },
  {
    name: 'condor-sql',
    what: 'statements about jobs of such a refresh, beyond 2 and 1 for each 500 that changed: the worst of five cases',
    goal: 0,
    is: 'at most',
    unit: 'statements',
  },
] as const satisfies readonly Goal[]

type Portal = Child<CondorServer>
interface Case {
  readonly commands: number
  /** Statements beyond what the goal allows. */
  readonly beyond: number
}

/** A session runs one command of ours, which may run several of HTCondor's: whichever are more. */
const commandsOf = ({ sessions, commands }: Seen): number => Math.max(sessions, commands.length)

/** One refresh after `change`, which makes `changed` jobs have the status `status`. */
const afterChange = async (
  { note }: Bench,
  far: FarSide,
  portal: Portal,
  what: string,
  change: () => unknown,
  changed: number,
): Promise<Case> => {
  await portal.ask('pause', true)
  await change()
  far.seen()
  await portal.ask('pause', false)
  const { statements, aboutJobs } = await portal.ask('refresh')
  const seen = far.seen()
  const names = seen.commands.map(([name]) => name).join(', ')
  note(
    `${what}: ${seen.sessions} sessions (${names}); ${aboutJobs.length} statements about jobs, ${statements.length} with lease, clock, pace and health`,
  )
  return { commands: commandsOf(seen), beyond: Math.max(0, aboutJobs.length - 2 - Math.ceil(changed / 500)) }
}

export const measureRefresh = async (
  bench: Bench,
  far: FarSide,
  raw: RawSsh,
  portal: Portal,
): Promise<Record<(typeof refreshGoals)[number]['name'], Measured>> => {
  const { size, note } = bench
  const jobs = size(1000, 100)
  const few = 10
  const before = far.seen().logins
  await portal.ask('submit', jobs)
  await portal.ask('refresh')
  await portal.ask('refresh')

  const question = await questionOf(far, portal)
  note(`the question: ${question.slice(0, 60)} …`)
  const wall = await sideBySide(
    async () => (await portal.ask('refresh')).ms,
    async () => {
      await sleep(1000) // as ours, whose record is asked once a second: neither finds the machine warm
      return await timed(async () => await raw.run(question))
    },
    { warmUp: 2, fewest: size(15, 4), most: size(40, 6) },
  )

  const cluster = (part: string) => ['-constraint', part]
  const someOf = (from: number) => cluster(`ProcId >= ${from} && ProcId < ${from + few}`)
  const all = cluster('true')
  const quiet = await afterChange(bench, far, portal, 'nothing changed', () => {}, 0)
  const cases = [
    quiet,
    await afterChange(bench, far, portal, `${few} held`, () => far.run('condor_hold', ...someOf(0)), few),
    await afterChange(bench, far, portal, 'all held', () => far.run('condor_hold', ...all), jobs),
  ]
  const left = await afterChange(bench, far, portal, `${few} removed`, () => far.run('condor_rm', ...someOf(0)), few)
  const ended = await afterChange(bench, far, portal, 'all removed', () => far.run('condor_rm', ...all), jobs)
  const beyond = Math.max(...[...cases, left, ended].map((one) => one.beyond))
  const plain = (ratio: number): Measured => ({ ratio, ours: ratio, other: null })
  return {
    'condor-refresh': wall,
    'condor-commands': plain(quiet.commands),
    'condor-commands-left': plain(Math.max(left.commands, ended.commands)),
    'condor-logins': plain(far.seen().logins - before),
    'condor-sql': plain(beyond),
  }
}

/** What our refresh asked over there, for the other side to ask the same. */
const questionOf = async (far: FarSide, portal: Portal): Promise<string> => {
  far.seen()
  await portal.ask('refresh')
  const [command] = far.seen().commands
  if (!command) throw new Error('A refresh was not seen by the host of the scheduler.')
  return command.map(quoted).join(' ')
}
