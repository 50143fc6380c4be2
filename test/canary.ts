import { randomBytes } from 'node:crypto'
import { readdir, readFile, stat } from 'node:fs/promises'
import path from 'node:path'
import { expect } from 'vitest'
import { type Logger, TelestoError } from '../src/index.js'
import { routes } from '../src/web/routes.js'
import type { Portal } from './web/support.js'

// Secrets are canaries: nothing but the adapter may ever hold one, in whatever form. Whoever looks for them plants one more
// first, and finds it: so that a search that cannot find anything is noticed.

/** A secret that stands nowhere by chance, in letters and digits that no escaping changes. */
export const newCanary = (): string => `Canary${randomBytes(12).toString('hex')}`

interface Form {
  readonly name: string
  readonly bytes: Buffer
}

/** How a secret may look: as it is, in hex, and inside anything that is base64, whatever stands before and after it. */
export const formsOf = (secret: string): readonly Form[] => [
  { name: 'plain', bytes: Buffer.from(secret) },
  { name: 'reversed', bytes: Buffer.from([...secret].reverse().join('')) },
  { name: 'UTF-16', bytes: Buffer.from(secret, 'utf16le') },
  { name: 'hex', bytes: Buffer.from(Buffer.from(secret).toString('hex')) },
  { name: 'HEX', bytes: Buffer.from(Buffer.from(secret).toString('hex').toUpperCase()) },
  ...[0, 1, 2].flatMap((offset) => {
    const text = Buffer.concat([Buffer.alloc(offset), Buffer.from(secret)]).toString('base64')
    // Of the first and the last characters some bits are not the secret's.
    const own = text.slice(offset === 0 ? 0 : offset + 1, Math.floor(((offset + secret.length) * 8) / 6))
    const forms = new Set([own, own.replaceAll('+', '-').replaceAll('/', '_')])
    return [...forms].map((form) => ({ name: `base64 at ${offset}`, bytes: Buffer.from(form) }))
  }),
]

/** Looks for canaries, by what they are called. What it finds is told as "password (hex) in the log". */
export const hunt = (canaries: Readonly<Record<string, string>>) => {
  const wanted = Object.entries(canaries).flatMap(([name, secret]) =>
    formsOf(secret).map(({ name: form, bytes }) => ({ name: `${name} (${form})`, bytes })),
  )
  const found = new Set<string>()
  const look = (where: string, content: string | Uint8Array): void => {
    const bytes = Buffer.from(content as Uint8Array)
    for (const { name, bytes: form } of wanted) if (bytes.includes(form)) found.add(`${name} in ${where}`)
  }
  /** Every file below a directory, by its name and its content: the log of a database as well as the database. */
  const inFiles = async (directory: string): Promise<void> => {
    for (const name of await readdir(directory, { recursive: true })) {
      const file = path.join(directory, name)
      look(`the name of ${file}`, name)
      const facts = await stat(file).catch(() => undefined)
      if (facts?.isFile()) look(file, await readFile(file).catch(() => ''))
    }
  }
  /** The arguments of every process of this machine, as anybody can read them; and its environment, where we may. */
  const inProcesses = async (): Promise<void> => {
    const ids = (await readdir('/proc')).filter((name) => /^\d+$/.test(name))
    await Promise.all(
      ids.map(async (id) => {
        const line = await readFile(`/proc/${id}/cmdline`).catch(() => '')
        const name = String(line).split('\0')[0]
        look(`the arguments of ${name}`, line)
        look(`the environment of ${name}`, await readFile(`/proc/${id}/environ`).catch(() => ''))
      }),
    )
  }
  return {
    look,
    inFiles,
    inProcesses,
    /** Looks at the processes again and again until it is stopped. */
    watchProcesses(): () => Promise<void> {
      let over = false
      const watching = (async () => {
        while (!over) {
          // Half of the time is for those who are watched.
          const began = performance.now()
          await inProcesses()
          await new Promise((resolve) => setTimeout(resolve, Math.max(5, performance.now() - began)))
        }
      })()
      return async () => {
        over = true
        await watching
      }
    },
    /** Everything that Telesto's router answers to GET, of these jobs. `ask` makes the request, as a user who may see all. */
    async inAnswers(ask: (where: string) => Promise<Response>, jobs: readonly number[]): Promise<number> {
      const paths = routes.filter(({ method, path: where }) => method === 'get' && where !== '/events')
      const all = new Set(
        paths.flatMap(({ path: where }) =>
          where.includes(':id') ? jobs.flatMap((id) => filled(where.replace(':id', `${id}`))) : filled(where),
        ),
      )
      for (const where of all) {
        const response = await ask(where)
        look(`the answer to ${where}`, await response.text())
        look(`the headers of ${where}`, JSON.stringify([...response.headers]))
      }
      return all.size
    },
    /** What was found, sorted; [] is what one hopes for. */
    get found(): readonly string[] {
      return [...found].sort()
    },
  }
}

/**
 * Watches over the secrets of a portal: what it logs with `log`, what is answered or thrown to whoever `tried`, and the processes
 * of this machine. Beside them a canary is planted, which has to be found wherever the search looks.
 */
export const watch = (secrets: Readonly<Record<string, string>>) => {
  const planted = newCanary()
  const search = hunt({ ...secrets, planted })
  const stopProcesses = search.watchProcesses()
  const logged: string[] = []
  const told: unknown[] = []
  const at =
    (level: string) =>
    (fields: object, message?: string): void =>
      void logged.push(`${level} ${message} ${JSON.stringify(fields)} ${String(Reflect.get(fields, 'error'))}`)
  const log: Logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  return {
    planted,
    search,
    log,
    logged,
    /** undefined where it throws. */
    async tried<T>(work: () => Promise<T>): Promise<T | undefined> {
      try {
        const answer = await work()
        told.push(answer)
        return answer
      } catch (error) {
        told.push(error)
        if (error instanceof TelestoError) told.push(error.stack, error.cause)
        return undefined
      }
    },
    /** Ends the watch over the processes. */
    stopProcesses,
    /** Looks at all that the portal said, answers and stores. Answers where what was planted was found, as it is, and what else was. */
    async everywhere({ directory, ask }: Pick<Portal, 'directory' | 'ask'>, jobs: readonly number[]) {
      for (const one of told) search.look('what was answered or thrown', `${String(one)} ${JSON.stringify(one)}`)
      search.look('the log', logged.join('\n'))
      const answers = await search.inAnswers((where) => ask(`/telesto${where}`, { as: 'root' }), jobs)
      expect(answers).toBeGreaterThan(20)
      await search.inFiles(directory)
      const asPlanted = 'planted (plain) in '
      const isPlanted = (one: string): boolean => one.startsWith(asPlanted)
      return {
        places: search.found.filter(isPlanted).map((one) => one.slice(asPlanted.length)),
        others: search.found.filter((one) => !isPlanted(one)),
      }
    },
  }
}

const ACTIONS = ['execute', 'stop', 'pause', 'resume', 'resubmit', 'delete', 'collect']
const filled = (where: string): readonly string[] =>
  where.includes(':action') ? ACTIONS.map((action) => where.replace(':action', action)) : [where.replace(/:\w+/g, 'x')]
