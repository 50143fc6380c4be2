import type { JobRef, Scheduler, Token, Transport } from '../../src/adapter.js'

/** Cuts and restores the way between the adapter and the system, also for calls that are under way. */
export interface Link {
  /** From now on nothing gets through, and it shows at once (connection refused, process gone). */
  cut?(): Promise<void> | void
  /** From now on nothing is answered, and nothing says so. */
  hang?(): Promise<void> | void
  /** From now on every answer is text that means nothing. */
  garble?(): Promise<void> | void
  /** From now on every answer comes with a login banner or warnings around it, and is otherwise right. */
  chatter?(): Promise<void> | void
  /** Cuts when the next submit() has handed over this many jobs. */
  cutAfterSubmits?(jobs: number): Promise<void> | void
  /** All is well again. */
  heal(): Promise<void> | void
}

/** A real system for one adapter, and how to make it do what the cases need. What it leaves out is not tested. */
export interface Harness {
  /** A valid record, as an administrator would enter it. Its secret fields are the canaries: 8 characters or more. */
  readonly config: unknown
  /** The job type that the specs below are of. */
  readonly jobType: string
  /** The directory of an attempt, on the system's machine. Give it quotes, spaces and UTF-8 if the system allows them. */
  workdir(token: Token): string
  readonly specs: {
    readonly succeeds: unknown
    fails(exitCode: number): unknown
    /** Runs until it is cancelled. */
    readonly runs: unknown
    /** Prints each word, followed by a NUL byte. */
    prints(words: readonly string[]): unknown
    /** Passes the adapter's schema, and yet can never run. */
    readonly invalid?: unknown
    /** Succeeds with this value, which is JSON, as its result. */
    returns?(value: unknown): unknown
  }
  /** The modules of the tasks that the specs name in their option `task`, for an adapter that runs tasks. */
  readonly tasks?: Readonly<Record<string, URL>>
  /** What a job has printed. */
  output(job: JobRef): Promise<Uint8Array>
  /** The name under which the system shows a job; undefined where it shows none. */
  nameOf?(job: JobRef): Promise<string | undefined>
  /** @defaultValue a transport on this machine */
  readonly transport?: Transport
  /** @defaultValue the global one */
  readonly fetch?: typeof globalThis.fetch
  /** Jobs in the case of many. @defaultValue 50 */
  readonly many?: number
  /** Milliseconds within which a short job is started and finished. @defaultValue 30000 */
  readonly patience?: number
  readonly link?: Link
  /** A record that the system refuses. */
  readonly wrongCredentials?: unknown
  /** Stops the system; called once, after the last case. */
  stop(): Promise<void>
}

const METHODS = [
  'history',
  'recover',
  'hold',
  'release',
  'listLogs',
  'readLog',
  'fetch',
  'result',
  'cleanUp',
  'ping',
  'info',
] as const satisfies readonly (keyof Scheduler)[]

/** What a case needs: an optional method of the adapter, or something that the harness offers. */
export type Need =
  | (typeof METHODS)[number]
  | 'invalid'
  | 'returns'
  | 'nameOf'
  | 'cut'
  | 'hang'
  | 'garble'
  | 'chatter'
  | 'cutAfterSubmits'
  | 'wrongCredentials'

/** What the adapter and its harness offer together. */
export const offers = (scheduler: Scheduler, { specs, nameOf, link, wrongCredentials }: Harness): ReadonlySet<Need> => {
  const found = new Set<Need>(METHODS.filter((method) => scheduler[method] !== undefined))
  if (specs.invalid !== undefined) found.add('invalid')
  if (specs.returns) found.add('returns')
  if (nameOf) found.add('nameOf')
  if (wrongCredentials !== undefined) found.add('wrongCredentials')
  for (const way of ['cut', 'hang', 'garble', 'chatter', 'cutAfterSubmits'] as const) if (link?.[way]) found.add(way)
  return found
}
