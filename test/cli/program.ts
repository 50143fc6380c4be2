import path from 'node:path'
import { expect, onTestFinished } from 'vitest'
import { local } from '../../adapters/local.js'
import { createTelesto } from '../../src/index.js'
import { newKey } from '../../src/key-ring.js'
import { migrateDatabase } from '../../src/store/open.js'
import { freshDirectory, look, startChild } from '../store/support.js'
import { shell, vault } from './adapters.js'

export const CLI = new URL('../../src/cli/telesto.ts', import.meta.url)
export const ADAPTERS = new URL('./adapters.ts', import.meta.url).pathname
export const KEY = newKey()
export const PASSWORD = 'Swordfish-7301'
/** Followed by a name. */
export const VAULT = ['schedulers', 'create', '--adapter', 'vault', '--module', ADAPTERS, '--name'] as const

interface Given {
  readonly env?: NodeJS.ProcessEnv
  /** What is typed, and then the end. */
  readonly input?: string
}

/** The program in `cwd`, with a key, and with nothing that the tests' own environment may hold. */
export const program = (cwd: string) => {
  const directory = path.join(cwd, '.telesto')
  const file = path.join(directory, 'telesto.db')
  const telesto = async (args: readonly string[], given: Given = {}) => {
    const child = startChild(CLI, args, { cwd, env: { DATABASE_URL: '', TELESTO_KEYS: KEY, ...given.env } })
    child.process.stdin?.end(given.input ?? '')
    const lines: string[] = []
    for (let line = await child.line(); line !== undefined; line = await child.line()) lines.push(line)
    return { ...(await child.ended), stdout: lines.join('\n') }
  }
  const open = async () =>
    await createTelesto({ adapters: [local, vault, shell], directory, keys: [KEY], runLoops: false })
  return {
    telesto,
    /** The same, which must succeed. */
    async done(args: readonly string[], given: Given = {}): Promise<string> {
      const { code, stdout, stderr } = await telesto(args, given)
      expect({ args, code, stderr }).toEqual({ args, code: 0, stderr: '' })
      return stdout
    },
    rows: (sql: string) => look(file, sql),
    open,
    /** A portal of the same database, with the adapters of the tests. */
    async portal() {
      const made = await open()
      onTestFinished(async () => await made.close())
      return made
    },
  }
}

const silent = { debug() {}, info() {}, warn() {}, error() {} }

/** The program where there is a database. */
export const installedIn = async (cwd: string) => {
  await migrateDatabase({ file: path.join(cwd, '.telesto', 'telesto.db'), log: silent })
  return { cwd, ...program(cwd) }
}
export const installed = async () => await installedIn(await freshDirectory())
