import { type ChildProcess, spawn } from 'node:child_process'
import { chmod, mkdtemp, readdir, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { createInterface } from 'node:readline'
import { DatabaseSync } from 'node:sqlite'
import { onTestFinished } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { TelestoError } from '../../src/errors.js'
import type { Database } from '../../src/store/database.js'
import { type OpenDatabaseOptions, openDatabase } from '../../src/store/open.js'
import { forget, placeOf } from '../database.js'

export const quiet = { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} }

/** A directory of the test's own, gone after it. */
export const freshDirectory = async (): Promise<string> => {
  const directory = await mkdtemp(path.join(tmpdir(), 'telesto-store-'))
  onTestFinished(async () => {
    await forget(directory)
    await chmod(directory, 0o700)
    await rm(directory, { recursive: true, force: true })
  })
  return directory
}

/** A database file that is not there yet. */
export const freshFile = async (): Promise<string> => path.join(await freshDirectory(), 'telesto.db')

/** Opens a database, which is closed after the test. */
export const openFor = async (file: string, options: Partial<OpenDatabaseOptions> = {}): Promise<Database> => {
  const place = await placeOf(path.dirname(file), file)
  const database = await openDatabase({ ...place, migrate: true, clock: systemClock, log: quiet, ...options })
  onTestFinished(() => database.close())
  return database
}

/** Looks at a file with the engine alone. */
export const look = (file: string, sql: string): Record<string, unknown>[] => {
  const raw = new DatabaseSync(file)
  try {
    return raw
      .prepare(sql)
      .all()
      .map((row) => ({ ...row }))
  } finally {
    raw.close()
  }
}

export const schemaOf = (file: string) =>
  look(file, 'SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name')

/** The TelestoError that `work` must reject with. */
export const refusal = async (work: Promise<unknown>): Promise<TelestoError> => {
  const error = await work.then(
    () => new Error('it was not refused'),
    (reason: unknown) => reason,
  )
  if (error instanceof TelestoError) return error
  throw error
}

export const filesIn = async (directory: string): Promise<string[]> => (await readdir(directory)).sort()

export interface Child {
  readonly process: ChildProcess
  /** The next line that it prints; undefined when it has ended. */
  line(): Promise<string | undefined>
  tell(line: string): void
  /** Its exit code or signal, and what it wrote to stderr. */
  readonly ended: Promise<{ readonly code: number | string | null; readonly stderr: string }>
}

/** Starts a TypeScript file as a process of its own, killed after the test if it still runs. */
export const startChild = (
  script: URL,
  args: readonly string[],
  options: { cwd?: string; preload?: URL; env?: NodeJS.ProcessEnv } = {},
): Child => {
  const hooks = [new URL('./run-typescript.mjs', import.meta.url), ...(options.preload ? [options.preload] : [])]
  const child = spawn(
    process.execPath,
    [...hooks.flatMap((hook) => ['--import', hook.href]), script.pathname, ...args],
    {
      stdio: ['pipe', 'pipe', 'pipe'],
      ...(options.cwd === undefined ? {} : { cwd: options.cwd }),
      ...(options.env === undefined ? {} : { env: { ...process.env, ...options.env } }),
    },
  )
  const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]()
  let stderr = ''
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += String(chunk)
  })
  const ended = new Promise<{ code: number | string | null; stderr: string }>((resolve) => {
    child.on('close', (code, signal) => resolve({ code: code ?? signal, stderr }))
  })
  onTestFinished(async () => {
    child.kill('SIGKILL')
    await ended
  })
  return {
    process: child,
    line: async () => (await lines.next()).value as string | undefined,
    tell: (line) => child.stdin.write(`${line}\n`),
    ended,
  }
}

export const childScript = (name: string): URL => new URL(`./children/${name}.ts`, import.meta.url)
