import type { Action } from './protocol.ts'
import type { Random } from './random.ts'

/** When a step is taken. A job that settles before that moment comes is past it. */
export type When =
  | 'at once'
  | 'running'
  | 'paused'
  | 'settled'
  /** The scheduler has just accepted it, and that is not yet stored. */
  | 'accepted'
  /** The scheduler has just told that the attempt ended, and that is not yet stored. */
  | 'ending'
  /** Its results are being processed. */
  | 'collecting'
  /** Its scheduler knows it no longer, and it was given up. */
  | 'lost'

/** "unmount" and "mount" take the job's directory away and bring it back, as a file system does that is not there for a while. */
export interface Step {
  readonly take: Action | 'unmount' | 'mount'
  readonly when: When
  /** Milliseconds to wait from then on. */
  readonly after: number
  /** Delete also while it is active. */
  readonly stop?: boolean
}

/** How one attempt of a job behaves. */
export interface Behaviour {
  /** It lives for so many tenths of a second; then it ends. */
  readonly beats: number
  readonly exitCode: number
  /** It ignores TERM, and must be killed. */
  readonly deaf: boolean
}

/** A job has behaviours for so many attempts. */
const MAX_ATTEMPTS = 8

/** As an argument of a job's command. */
export const wordOf = ({ beats, exitCode, deaf }: Behaviour): string =>
  `${beats}:${exitCode}:${deaf ? 'deaf' : 'hears'}`

/** What can be told of the jobs of a target. */
export interface Repertoire {
  /** Their directories can be taken away, and with these all that their scheduler knows of them. */
  readonly unmounts: boolean
  /** A job may have so many processes. */
  readonly mostProcs: number
}

/** What is asked of one job, in order, and how its attempts behave. */
export interface Story {
  readonly key: string
  readonly kind: Kind
  readonly steps: readonly Step[]
  readonly behaviours: readonly Behaviour[]
  /** A function processes its results. */
  readonly processed: boolean
  /** How many processes each attempt has. */
  readonly procs: number
}
type Kind = keyof typeof KINDS

const KINDS = { kept: 20, again: 25, stopped: 18, paused: 9, removed: 7, cut: 9, overtaken: 4, unmounted: 1 } as const

const step = (take: Step['take'], when: When, after = 0, more: { readonly stop?: true } = {}): Step => ({
  take,
  when,
  after,
  ...more,
})

export const tell = (random: Random, number: number, { unmounts, mostProcs }: Repertoire): Story => {
  // The kinds that few others stand in for come early and often, whatever the seed.
  const early: Kind | undefined =
    unmounts && number % 30 === 3 ? 'unmounted' : number % 8 === 5 ? 'overtaken' : undefined
  const kind: Kind = early ?? random.weighted(unmounts ? KINDS : { ...KINDS, unmounted: 0 })
  const settles = (): Step[] => [step('resubmit', 'settled', random.between(0, 150))]
  const steps: Record<Kind, () => Step[]> = {
    kept: () => [],
    again: () => Array.from({ length: random.between(1, 3) }, settles).flat(),
    stopped: () => [
      random.chance(0.6)
        ? step('stop', 'accepted')
        : step('stop', random.pick(['at once', 'running']), random.between(0, 600)),
      ...(random.chance(0.6) ? settles() : []),
      ...(random.chance(0.3) ? [step('stop', 'at once', random.between(0, 50))] : []),
    ],
    paused: () => [step('pause', 'running', random.between(0, 300)), step('resume', 'paused', random.between(0, 500))],
    removed: () => [...(random.chance(0.5) ? settles() : []), step('delete', 'settled', random.between(0, 300))],
    cut: () => [step('delete', random.pick(['at once', 'running']), random.between(0, 900), { stop: true })],
    overtaken: () => [
      ...(random.chance(0.3) ? settles() : []),
      step('delete', random.pick(['ending', 'ending', 'collecting']), 0, { stop: true }),
    ],
    // The old attempt is still alive, and nobody wants it any more: it is found before the resubmit, or some time after.
    unmounted: () => {
      const back = [step('mount', 'lost'), step('resubmit', 'at once')]
      return [
        step('unmount', 'running'),
        ...(random.chance(0.5) ? back : [step('resubmit', 'lost'), step('mount', 'at once', 1000)]),
      ]
    },
  }
  const behaviours = Array.from({ length: MAX_ATTEMPTS }, () => ({
    beats: kind === 'paused' ? random.between(8, 20) : random.chance(0.4) ? 0 : random.between(1, 15),
    exitCode: random.chance(0.2) ? 3 : 0,
    deaf: random.chance(0.15),
  }))
  // It would run for ten minutes, if it were not cancelled.
  if (kind === 'unmounted') behaviours[0] = { beats: 6000, exitCode: 0, deaf: random.chance(0.3) }
  return {
    key: `j${number}`,
    kind,
    steps: [step('create', 'at once'), step('execute', 'at once', random.between(0, 100)), ...steps[kind]()],
    behaviours,
    processed: kind === 'overtaken' || random.chance(0.7),
    procs: mostProcs > 1 && random.chance(0.25) ? random.between(2, mostProcs) : 1,
  }
}
