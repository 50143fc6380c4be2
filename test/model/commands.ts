import fc from 'fast-check'
import type { OnParentFailure } from '../../src/job-options.js'
import { ACTIONS, type Action, type Results } from './model.ts'
import { OUTAGES, type OutageKind } from './outages.ts'
import type { Method } from './world.ts'

/** A or B; both for a step in which chance decides, effect by effect. */
export type Who = 'A' | 'B' | 'both'

export const HAPPENINGS = [
  'start',
  'start', // most jobs run before anything else becomes of them
  'succeed',
  'exit 3',
  'fail for want of memory',
  'cancel itself',
  'hold',
  'suspend',
  'evict',
  'be of parts',
  'end in parts',
  'be forgotten',
  'be forgotten for ever',
  'be remembered',
  'vanish',
  'answer an unknown word',
] as const
export type Happening = (typeof HAPPENINGS)[number]

/** One step of a run. Jobs are meant by their place among those made so far, modulo their number. */
export type Command =
  | {
      readonly do: 'create'
      readonly alone: boolean
      readonly user: string
      readonly parents: readonly number[]
      readonly onParentFailure: OnParentFailure
      readonly results: Results
      readonly execute: boolean
    }
  | { readonly do: 'ask'; readonly action: Action; readonly job: number }
  | { readonly do: 'all'; readonly action: 'execute' | 'stop' | 'delete' }
  | { readonly do: 'set'; readonly job: number; readonly text: string }
  | {
      readonly do: 'report'
      readonly job: number
      readonly token: 'right' | 'old' | 'wrong'
      readonly says: ReportBody
    }
  | { readonly do: 'poke'; readonly job: number; readonly who: 'A' | 'B'; readonly unknown: boolean }
  | { readonly do: 'limits'; readonly most: number | null; readonly perUser: number | null }
  | { readonly do: 'world'; readonly what: Happening; readonly job: number }
  | { readonly do: 'forget all'; readonly recorded: boolean }
  | { readonly do: 'outage'; readonly kind: OutageKind; readonly method: Method | undefined; readonly calls: number }
  | { readonly do: 'heal' }
  | { readonly do: 'arrive' }
  | { readonly do: 'pass'; readonly ms: number }
  | { readonly do: 'live'; readonly ms: number }
  | { readonly do: 'run'; readonly who: Who; readonly effects: number; readonly pick: number }
  | { readonly do: 'crash'; readonly who: 'A' | 'B' }
  | { readonly do: 'close'; readonly who: 'A' | 'B' }
export type ReportBody = 'progress' | 'Running' | 'Complete' | 'Error' | 'nearly there' | 'nodes'

export interface Setup {
  readonly history: boolean
  readonly holds: boolean
  readonly fetches: boolean
  readonly slowCancel: boolean
  readonly claims: boolean
  readonly tellsTimes: boolean
  readonly pollSeconds: number
  readonly most: number | null
  readonly perUser: number | null
  readonly chance: number
}
export interface Story {
  readonly setup: Setup
  readonly commands: readonly Command[]
}

const job = fc.nat(5)
const engine = fc.constantFrom('A' as const, 'B' as const)
type Rest<K extends Command['do']> = Omit<Extract<Command, { readonly do: K }>, 'do'>
const as = <K extends Command['do']>(
  name: K,
  fields: { readonly [F in keyof Rest<K>]: fc.Arbitrary<Rest<K>[F]> },
): fc.Arbitrary<Command> => fc.record(fields).map((rest) => ({ do: name, ...rest }) as unknown as Command)
const METHODS = ['submit', 'status', 'history', 'recover', 'cancel', 'hold', 'release', 'cleanUp'] as const
const TEXTS = ['nearly there', 'Running', 'Various', 'Paused', 'Complete', 'Error', 'Aborted'] as const
const LIMIT = fc.constantFrom(null, null, 1, 2)

const command: fc.Arbitrary<Command> = fc.oneof(
  {
    weight: 10,
    arbitrary: as('create', {
      alone: fc.constantFrom(false, false, false, false, false, false, true),
      user: fc.constantFrom('ada', 'bob'),
      parents: fc.oneof({ weight: 4, arbitrary: fc.constant([]) }, fc.array(job, { minLength: 1, maxLength: 2 })),
      onParentFailure: fc.constantFrom('abort' as const, 'abort' as const, 'wait' as const, 'run' as const),
      results: fc.constantFrom('none' as const, 'none' as const, 'good' as const, 'late' as const, 'bad' as const),
      execute: fc.constantFrom(true, true, true, true, true, false),
    }),
  },
  {
    weight: 30,
    arbitrary: as('run', {
      who: fc.constantFrom('A' as const, 'B' as const, 'both' as const),
      effects: fc.integer({ min: 1, max: 40 }),
      pick: fc.nat(0xffff),
    }),
  },
  { weight: 12, arbitrary: as('ask', { action: fc.constantFrom(...ACTIONS), job }) },
  { weight: 12, arbitrary: as('world', { what: fc.constantFrom(...HAPPENINGS), job }) },
  { weight: 8, arbitrary: as('live', { ms: fc.constantFrom(1, 500, 5000, 61_000, 130_000, 200_000) }) },
  {
    weight: 7,
    arbitrary: as('pass', { ms: fc.constantFrom(1, 50, 1000, 31_000, 61_000, 95_000, 3_600_000, 90_000_000) }),
  },
  {
    weight: 7,
    arbitrary: as('outage', {
      kind: fc.constantFrom(...OUTAGES),
      method: fc.option(fc.constantFrom(...METHODS), { nil: undefined, freq: 4 }),
      calls: fc.integer({ min: 1, max: 3 }),
    }),
  },
  { weight: 6, arbitrary: as('crash', { who: engine }) },
  { weight: 2, arbitrary: as('close', { who: engine }) },
  { weight: 2, arbitrary: as('heal', {}) },
  { weight: 3, arbitrary: as('arrive', {}) },
  { weight: 1, arbitrary: as('forget all', { recorded: fc.boolean() }) },
  { weight: 3, arbitrary: as('poke', { job, who: engine, unknown: fc.constantFrom(false, false, false, true) }) },
  {
    weight: 3,
    arbitrary: as('report', {
      job,
      token: fc.constantFrom('right' as const, 'right' as const, 'old' as const, 'wrong' as const),
      says: fc.constantFrom<ReportBody>('progress', 'Running', 'Complete', 'Error', 'nearly there', 'nodes'),
    }),
  },
  { weight: 2, arbitrary: as('set', { job, text: fc.constantFrom(...TEXTS) }) },
  { weight: 1, arbitrary: as('limits', { most: LIMIT, perUser: LIMIT }) },
  {
    weight: 1,
    arbitrary: as('all', { action: fc.constantFrom('execute' as const, 'stop' as const, 'delete' as const) }),
  },
)

const setup: fc.Arbitrary<Setup> = fc.record({
  history: fc.boolean(),
  holds: fc.constantFrom(true, true, false),
  fetches: fc.boolean(),
  slowCancel: fc.boolean(),
  claims: fc.boolean(),
  tellsTimes: fc.boolean(),
  pollSeconds: fc.constantFrom(10, 60),
  most: fc.constantFrom(null, null, null, 1, 2),
  perUser: fc.constantFrom(null, null, null, 1),
  chance: fc.nat(0xffff),
})

/** Every run begins with a job that is to be run: without one nothing happens. */
const first: Command = {
  do: 'create',
  alone: false,
  user: 'ada',
  parents: [],
  onParentFailure: 'abort',
  results: 'none',
  execute: true,
}

export const stories = (most: number): fc.Arbitrary<Story> =>
  fc.record({
    setup,
    commands: fc.array(command, { maxLength: most, size: 'max' }).map((commands) => [first, ...commands]),
  })

const time = (ms: number): string => (ms < 1000 ? `${ms} ms` : ms < 120_000 ? `${ms / 1000} s` : `${ms / 60_000} min`)

/** A command as one reads it. `name` tells how the run calls a job. */
export const describe = (command: Command, name: (job: number) => string): string => {
  switch (command.do) {
    case 'create': {
      const parents =
        command.parents.length > 0
          ? `, after ${command.parents.map(name).join(' and ')} (${command.onParentFailure})`
          : ''
      const results = command.results === 'none' ? '' : `, results ${command.results}`
      return `${command.user} creates a job${command.alone ? ' without a scheduler' : ''}${parents}${results}${command.execute ? '; execute' : ''}`
    }
    case 'ask':
      return `${command.action} ${name(command.job)}`
    case 'all':
      return `${command.action} all jobs`
    case 'set':
      return `the app sets ${name(command.job)} to "${command.text}"`
    case 'report':
      return `${name(command.job)} reports ${command.says}, with the ${command.token} token`
    case 'poke':
      return `${command.who} is poked for ${command.unknown ? 'an unknown id' : name(command.job)}`
    case 'limits':
      return `limits: ${command.most ?? 'any number of'} jobs, ${command.perUser ?? 'any number'} per user`
    case 'world':
      return `on the scheduler: let ${name(command.job)} ${command.what}`
    case 'forget all':
      return `the scheduler restarts with an empty queue, ${command.recorded ? 'its history is whole' : 'and no history'}`
    case 'outage':
      return `${command.kind}: the next ${command.calls} calls of ${command.method ?? 'anything'}`
    case 'heal':
      return 'the scheduler is well again'
    case 'arrive':
      return 'what was on its way arrives'
    case 'pass':
      return `${time(command.ms)} pass while nobody moves`
    case 'live':
      return `${time(command.ms)} pass while both engines work`
    case 'run':
      return `${command.who === 'both' ? 'A and B go' : `${command.who} goes`} on for ${command.effects} effects`
    case 'crash':
      return `${command.who} crashes, and a new one starts`
    case 'close':
      return `${command.who} is closed, and a new one starts`
  }
}
