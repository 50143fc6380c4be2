import { type ChildProcess, fork } from 'node:child_process'
import { closeSync, openSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import type { FromServer, Question, ServerOptions, Snapshot, ToServer } from './protocol.ts'

export type Passing = Extract<FromServer, { at: unknown }>
/** What a request came to. "unknown": the server was killed before it answered; it may have happened. */
export type Outcome =
  | { readonly outcome: 'done'; readonly jobs: readonly Snapshot[] }
  | { readonly outcome: 'refused'; readonly code: string; readonly message: string }
  | { readonly outcome: 'unknown' }

/** A server that runs, seen from outside. */
export interface ServerProcess {
  readonly pid: number
  readonly ready: Promise<boolean>
  /** Resolves when the process is gone, with its exit code or signal. */
  readonly ended: Promise<number | string | null>
  ask(question: Omit<Question, 'ask'>): Promise<Outcome>
  tell(message: ToServer): void
  signal(name: NodeJS.Signals): void
}

const SERVER = fileURLToPath(new URL('server.ts', import.meta.url))
/** The repository's own, which runs TypeScript; the parent may be older. */
const NODE = fileURLToPath(new URL('../../node_modules/.bin/node', import.meta.url))

let questions = 0

export const startServer = (
  options: ServerOptions,
  events: {
    readonly passing?: (passing: Passing) => void
    readonly unexpected?: (what: string, code?: string) => void
    /** A file for what the server complains of. */
    readonly log: string
    /** A module to load first. */
    readonly preload?: string
  },
): ServerProcess => {
  const waiting = new Map<number, (outcome: Outcome) => void>()
  const log = openSync(events.log, 'a')
  const child: ChildProcess = fork(SERVER, [JSON.stringify(options)], {
    execPath: NODE,
    execArgv: events.preload === undefined ? [] : ['--import', events.preload],
    stdio: ['ignore', log, log, 'ipc'],
  })
  closeSync(log)
  let becomeReady: (ready: boolean) => void = () => {}
  const ready = new Promise<boolean>((resolve) => {
    becomeReady = resolve
  })
  const settle = (ask: number, outcome: Outcome): void => {
    waiting.get(ask)?.(outcome)
    waiting.delete(ask)
  }
  child.on('message', (message: FromServer) => {
    if ('ready' in message) becomeReady(true)
    else if ('at' in message) events.passing?.(message)
    else if ('unexpected' in message) events.unexpected?.(message.unexpected, message.code)
    else if ('jobs' in message) settle(message.answer, { outcome: 'done', jobs: message.jobs })
    else settle(message.answer, { outcome: 'refused', code: message.refused, message: message.message })
  })
  const ended = new Promise<number | string | null>((resolve) => {
    // "close" comes after the last message that the process managed to send.
    child.on('close', (code, signal) => {
      becomeReady(false)
      for (const ask of [...waiting.keys()]) settle(ask, { outcome: 'unknown' })
      resolve(code ?? signal)
    })
  })
  const tell = (message: ToServer): void => {
    if (child.connected) child.send(message, () => {}) // a process that is gone answers nothing, which is an outcome too
  }
  return {
    pid: child.pid ?? 0,
    ready,
    ended,
    tell,
    signal: (name) => {
      child.kill(name)
    },
    ask: (question) =>
      new Promise((resolve) => {
        if (!child.connected) return resolve({ outcome: 'unknown' })
        const ask = ++questions
        waiting.set(ask, resolve)
        tell({ ...question, ask })
      }),
  }
}
