import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** What a process answers, by name. */
// biome-ignore lint/suspicious/noExplicitAny: what an answer takes is for the one who asks
export type Answers = Readonly<Record<string, (argument: any) => unknown>>

/** A process of its own, so that what it costs is its own. */
export interface Child<A extends Answers> {
  ask<N extends keyof A & string>(name: N, ...argument: Parameters<A[N]>): Promise<Awaited<ReturnType<A[N]>>>
  stop(): Promise<void>
}

interface Question {
  readonly ask: number
  readonly name: string
  readonly argument: unknown
}
type Answer = { readonly answer: number } & ({ readonly value: unknown } | { readonly error: string })

/** In the process: what startChild() gave it. */
export const optionsOf = <O>(): O => JSON.parse(process.argv[2] ?? '{}') as O

/** In the process: answers until its parent is gone. */
export const answer = (answers: Answers): void => {
  process.on('disconnect', () => process.exit())
  process.on('message', ({ ask, name, argument }: Question) => {
    const send = (message: Answer) => process.send?.(message)
    Promise.resolve(argument)
      .then(answers[name])
      .then(
        (value) => send({ answer: ask, value }),
        (error: unknown) => send({ answer: ask, error: error instanceof Error ? (error.stack ?? '') : String(error) }),
      )
  })
  process.send?.({ answer: 0, value: undefined })
}

/** The repository's own, which runs TypeScript; the parent may be older. */
const NODE = fileURLToPath(new URL('../node_modules/.bin/node', import.meta.url))

/** Starts a script of bench/servers/, and waits until it answers. */
export const startChild = async <A extends Answers>(script: string, options: object): Promise<Child<A>> => {
  const child: ChildProcess = fork(
    fileURLToPath(new URL(`servers/${script}`, import.meta.url)),
    [JSON.stringify(options)],
    { execPath: NODE, execArgv: ['--expose-gc'], serialization: 'advanced' },
  )
  const waiting = new Map<number, PromiseWithResolvers<unknown>>()
  const expect = (ask: number): Promise<unknown> => {
    const one = Promise.withResolvers<unknown>()
    waiting.set(ask, one)
    return one.promise
  }
  child.on('message', (message: Answer) => {
    const one = waiting.get(message.answer)
    waiting.delete(message.answer)
    if ('error' in message) one?.reject(new Error(`${script}: ${message.error}`))
    else one?.resolve(message.value)
  })
  const ended = new Promise<void>((resolve) => {
    child.on('close', (code, signal) => {
      for (const { reject } of waiting.values()) reject(new Error(`${script} ended: ${code ?? signal}.`))
      resolve()
    })
  })
  await expect(0)
  let asked = 0
  return {
    async ask(name, ...[argument]) {
      const ask = ++asked
      const answered = expect(ask)
      child.send({ ask, name, argument } satisfies Question)
      return (await answered) as never
    },
    async stop() {
      child.kill('SIGKILL')
      await ended
    },
  }
}
