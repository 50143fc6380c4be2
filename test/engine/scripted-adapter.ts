import { z } from 'zod'
import {
  type AdapterDefaults,
  type Answer,
  defineAdapter,
  type HandedOver,
  type JobRef,
  type JobReport,
  type LogName,
  type LogWindow,
  type NativeId,
  type Scheduler,
  type SchedulerError,
  type SubmitRequest,
  type Token,
} from '../../src/adapter.js'
import type { SshTarget } from '../../src/transport/ssh-target.js'

const specs = { SCRIPTED: z.strictObject({ does: z.string().default('') }) }
type Request = SubmitRequest<typeof specs>
type Full = Required<Scheduler<Request>>
export type Method = keyof Full
const OPTIONAL = [
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
] as const
type Optional = (typeof OPTIONAL)[number]

/** A job as the scripted scheduler knows it. `report` undefined: no answer mentions it. */
export interface ScriptedJob {
  readonly token: Token
  readonly nativeId: NativeId
  report: JobReport | undefined
}

/** One call: which tokens, when by the clock of the test, with which signal. */
export interface Call {
  readonly method: Method
  readonly tokens: readonly Token[]
  readonly at: number
  readonly signal: AbortSignal | undefined
}

/** What a method answers instead; anything may come back, as from a stranger. */
type Script = { [M in Method]?: (...args: Parameters<Full[M]>) => unknown }

export interface ScriptOptions {
  /** The optional methods that this scheduler has. Default: recover, hold, release. */
  readonly has?: readonly Optional[]
  readonly defaults?: Partial<AdapterDefaults>
  readonly thisMachine?: { readonly record: string }
  readonly type?: string
  /** Its record is on a host: commands and files would be there. */
  readonly ssh?: SshTarget
}

/** Never answers, and ignores its signal. */
export const hangs = (): Promise<never> => new Promise<never>(() => {})

/** A promise that the test settles. */
export const held = <T = unknown>() => Promise.withResolvers<T>()

/**
 * A scheduler that a test scripts. Without a script it is a small, good one: it accepts, remembers by token, and does as told.
 * It counts every call.
 */
export const scriptedSystem = (now: () => number, options: ScriptOptions = {}) => {
  const jobs = new Map<Token, ScriptedJob>()
  const calls: Call[] = []
  const script: Script = {}
  let connections = 0
  let closed = 0
  const has = new Set<string>(options.has ?? ['recover', 'hold', 'release'])

  const known = <T>(refs: readonly { readonly token: Token }[], value: (job: ScriptedJob) => T | undefined) =>
    new Map(
      refs.flatMap(({ token }): [Token, T][] => {
        const job = jobs.get(token)
        const one = job && value(job)
        return one === undefined ? [] : [[token, one]]
      }),
    )
  const ok = (refs: readonly JobRef[], state?: JobReport['state']) => {
    for (const { token } of refs) {
      const job = jobs.get(token)
      if (job?.report && state && !isFinal(job.report)) job.report = { state }
    }
    return new Map(refs.map(({ token }): [Token, Answer] => [token, 'ok']))
  }
  const good: Full = {
    async submit(requests) {
      const answer = new Map<Token, NativeId | SchedulerError>()
      for (const { token } of requests) answer.set(token, accept(token).nativeId)
      return answer
    },
    status: async (refs) => known(refs, (job) => job.report),
    history: async () => new Map(),
    cancel: async (refs) => ok(refs, 'cancelled'),
    recover: async (attempts: readonly HandedOver[]) =>
      new Map(attempts.map(({ token }) => [token, jobs.get(token)?.nativeId ?? ('absent' as const)])),
    hold: async (refs) => ok(refs, 'suspended'),
    release: async (refs) => ok(refs, 'running'),
    listLogs: async () => [{ name: 'stdout', size: 5 }] satisfies LogName[],
    readLog: async (_ref, _log, from): Promise<LogWindow> => {
      const bytes = new TextEncoder().encode('hello').slice(from)
      return { bytes, next: from + bytes.length, end: true }
    },
    fetch: async () => [],
    result: async () => undefined,
    cleanUp: async (refs) => ok(refs),
    ping: async () => ({}),
    info: async () => [],
    close: async () => {
      closed++
    },
  }
  const accept = (token: Token): ScriptedJob => {
    const job = jobs.get(token) ?? { token, nativeId: `native-${jobs.size + 1}`, report: { state: 'queued' as const } }
    jobs.set(token, job)
    return job
  }
  const tokensOf = (first: unknown): Token[] => {
    const list = Array.isArray(first) ? first : [first]
    return list.flatMap((one) => (typeof one?.token === 'string' ? [one.token as Token] : []))
  }
  const method =
    (name: Method) =>
    (...args: unknown[]): unknown => {
      const signal = args.find((one) => one instanceof AbortSignal) as AbortSignal | undefined
      calls.push({ method: name, tokens: tokensOf(args[0]), at: now(), signal })
      return Reflect.apply(script[name] ?? good[name], good, args)
    }
  const connect = (): Scheduler<Request> => {
    connections++
    const names: Method[] = ['submit', 'status', 'cancel', 'close', ...OPTIONAL.filter((name) => has.has(name))]
    return Object.fromEntries(names.map((name) => [name, method(name)])) as unknown as Scheduler<Request>
  }

  return {
    adapter: defineAdapter({
      type: options.type ?? 'scripted',
      label: 'Scripted',
      config: z.strictObject({}),
      secrets: [],
      specs,
      defaults: { pollSeconds: 10, maxIdsPerPoll: 100, maxSubmitsPerMinute: 10_000, ...options.defaults },
      ...(options.thisMachine ? { thisMachine: options.thisMachine } : {}),
      ...(options.ssh ? { ssh: () => options.ssh } : {}),
      connect,
    }),
    script,
    good,
    jobs,
    calls,
    accept,
    /** All that the scheduler knows, told to be in one state. */
    all(report: JobReport | undefined): void {
      for (const job of jobs.values()) job.report = report
    },
    count: (name?: Method): number => calls.filter((call) => name === undefined || call.method === name).length,
    callsOf: (name: Method): Call[] => calls.filter((call) => call.method === name),
    get connections() {
      return connections
    },
    get closed() {
      return closed
    },
  }
}
export type ScriptedSystem = ReturnType<typeof scriptedSystem>

const isFinal = ({ state }: JobReport): boolean => state === 'succeeded' || state === 'failed' || state === 'cancelled'
