// A service that runs models, as a group may have one: programs that it knows by name, started by HTTP, each run known by a
// token of its caller. Every request is a POST of JSON about many runs, every answer an object by token.
import { type ChildProcess, spawn } from 'node:child_process'
import { createServer, type IncomingMessage } from 'node:http'
import type { AddressInfo } from 'node:net'
import { z } from 'zod'

/** What is started for a model; the arguments of a run follow. */
export type Models = Readonly<Record<string, readonly [program: string, ...first: string[]]>>

interface Run {
  readonly id: string
  readonly process: ChildProcess
  readonly startedAt: Date
  output: string
  state: 'running' | 'done' | 'failed' | 'cancelled'
  exitCode?: number
  endedAt?: Date
}

const MAX_BODY = 16 * 2 ** 20
const MAX_OUTPUT = 2 ** 20
const tokens = z.array(z.string())
const wanted = z.array(
  z.object({ token: z.string(), name: z.string(), model: z.string(), arguments: z.array(z.string()) }),
)

const read = async (request: IncomingMessage): Promise<unknown> => {
  let text = ''
  for await (const chunk of request.setEncoding('utf8')) {
    text += chunk
    if (text.length > MAX_BODY) throw new Error('too long')
  }
  return JSON.parse(text)
}

/** Starts the service on a port of its own (or on that one) of this machine. */
export const startService = async (models: Models, port = 0) => {
  const runs = new Map<string, Run>()
  /** Said to be absent, and therefore never accepted again. */
  const refused = new Set<string>()

  const start = ({ token, model, arguments: more }: z.output<typeof wanted>[number]) => {
    const known = runs.get(token)
    if (known) return known.id
    if (refused.has(token)) return { refused: 'this run was given up' }
    const command = Object.hasOwn(models, model) ? models[model] : undefined
    if (!command) return { refused: `there is no model ${JSON.stringify(model)}` }
    if (more.some((argument) => argument.includes('\0'))) return { refused: 'an argument holds a NUL' }
    const [program, ...first] = command
    const child = spawn(program, [...first, ...more], { stdio: ['ignore', 'pipe', 'ignore'] })
    const run: Run = { id: `run-${runs.size + 1}`, process: child, startedAt: new Date(), output: '', state: 'running' }
    child.stdout.setEncoding('utf8').on('data', (text: string) => {
      run.output = (run.output + text).slice(0, MAX_OUTPUT)
    })
    child.on('error', () => Object.assign(run, { state: 'failed', endedAt: new Date() }))
    child.on('close', (code) => {
      run.endedAt = new Date()
      if (code !== null) run.exitCode = code
      if (run.state === 'running') run.state = code === 0 ? 'done' : 'failed'
    })
    runs.set(token, run)
    return run.id
  }
  const stop = (run: Run): void => {
    if (run.state !== 'running') return
    run.state = 'cancelled'
    run.process.kill('SIGKILL')
  }
  const known = <T>(asked: unknown, tell: (run: Run) => T): Record<string, T> =>
    Object.fromEntries(
      tokens.parse(asked).flatMap((token) => {
        const run = runs.get(token)
        return run ? [[token, tell(run)] as const] : []
      }),
    )
  const answers: Readonly<Record<string, (asked: unknown) => Record<string, unknown>>> = {
    '/runs': (asked) => Object.fromEntries(wanted.parse(asked).map((run) => [run.token, start(run)])),
    '/status': (asked) =>
      known(asked, ({ state, exitCode, startedAt, endedAt }) => ({ state, exitCode, startedAt, endedAt })),
    // Also of runs that it does not have: what is not there does not run.
    '/cancel': (asked) => {
      known(asked, stop)
      return Object.fromEntries(tokens.parse(asked).map((token) => [token, 'ok']))
    },
    '/output': (asked) => known(asked, ({ output }) => output),
    '/recover': (asked) => {
      for (const token of tokens.parse(asked)) if (!runs.has(token)) refused.add(token)
      return Object.fromEntries(tokens.parse(asked).map((token) => [token, runs.get(token)?.id ?? 'absent']))
    },
  }

  const server = createServer(async (request, response) => {
    const answer = answers[request.url ?? '']
    try {
      if (!answer || request.method !== 'POST') response.writeHead(404).end('{"error": "there is no such question"}')
      else response.setHeader('content-type', 'application/json').end(JSON.stringify(answer(await read(request))))
    } catch (error) {
      response.writeHead(400).end(JSON.stringify({ error: String(error) }))
    }
  })
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve))
  return {
    url: `http://127.0.0.1:${(server.address() as AddressInfo).port}`,
    /** Ends the service and the runs that it has. */
    async close(): Promise<void> {
      for (const run of runs.values()) stop(run)
      server.closeAllConnections()
      await new Promise((resolve) => server.close(resolve))
    },
  }
}
