import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { afterAll, beforeAll, expect } from 'vitest'
import { local } from '../adapters/local.js'
import { type Access, type AppOptions, createTelesto, type Job, TelestoError } from '../src/index.js'
import type { StatusCode } from '../src/status.js'
import { scriptedSystem } from './engine/scripted-adapter.js'

/** What Telesto refuses `work` with, whether it throws or rejects. */
export const refusal = async (work: () => unknown): Promise<TelestoError> => {
  try {
    await work()
  } catch (error) {
    if (error instanceof TelestoError) return error
    throw error
  }
  throw new Error('It was not refused.')
}

/** Asserts that `work` is refused with this code, naming this field, by a sentence. */
export const expectRefusal = async (work: () => unknown, code: string, field?: string): Promise<TelestoError> => {
  const error = await refusal(work)
  expect({ code: error.code, field: error.field, message: error.message }).toEqual({
    code,
    field,
    message: expect.stringMatching(/^\S.*[.?]$/s),
  })
  return error
}

export const temporaryDirectory = async (): Promise<string> => await mkdtemp(path.join(tmpdir(), 'telesto-api-'))

/** A scheduler as good as the real ones, for jobs of the type SCRIPTED; without loops nobody ever asks it. */
export const scripted = (has?: readonly 'hold'[]) =>
  scriptedSystem(() => 0, { type: 'scripted', ...(has ? { has } : {}) }).adapter

const SETTINGS = {
  compute: { adapter: 'scripted', description: 'Where the models run', required: true },
  spare: { adapter: 'scripted' },
  here: { adapter: 'local' },
} as const

/** A Telesto without loops, shared by the tests of one file; each test declares an app of its own. */
export const sharedTelesto = (access: Partial<Access> = {}) => {
  const open = async () => {
    const directory = await temporaryDirectory()
    const adapters = [local, scripted()] as const
    const telesto = await createTelesto({ adapters, directory, runLoops: false, ...access })
    await telesto.createScheduler({ name: 'pool', adapter: 'scripted' })
    return { directory, telesto, database: new DatabaseSync(path.join(directory, 'telesto.db'), { timeout: 5000 }) }
  }
  let opened: Awaited<ReturnType<typeof open>> | undefined
  const now = () => {
    if (!opened) throw new Error('It is opened before the tests, not while they are collected.')
    return opened
  }
  beforeAll(async () => {
    opened = await open()
  })
  afterAll(async () => {
    const { telesto, database, directory } = now()
    database.close()
    await telesto.close()
    await rm(directory, { recursive: true, force: true })
  })

  let count = 0
  const sql = (text: string): Record<string, unknown>[] =>
    now()
      .database.prepare(text)
      .all()
      .map((row) => ({ ...row }))
  return {
    get telesto() {
      return now().telesto
    },
    get directory() {
      return now().directory
    },
    sql,
    /** The manager of a new app, whose setting `compute` is assigned. */
    async newApp(options: AppOptions = {}) {
      const name = `app-${++count}`
      const app = now().telesto.app(name, {
        schedulerSettings: SETTINGS,
        processResults: { read: () => {} },
        workspaceRoots: [path.join(now().directory, 'space')],
        ...options,
      })
      await now().telesto.assignScheduler(name, 'compute', 'pool')
      return app
    },
    /** The row, as the engine would have left it. */
    set(job: Job | number, columns: Readonly<Record<string, string | number | null>>): void {
      const sets = Object.keys(columns).map((column) => `${column} = ?`)
      const id = typeof job === 'number' ? job : job.id
      now()
        .database.prepare(`UPDATE telesto_jobs SET ${sets.join(', ')} WHERE id = ?`)
        .run(...Object.values(columns), id)
    },
    setAttempt(job: Job, columns: Readonly<Record<string, string | number | null>>): void {
      const sets = Object.keys(columns).map((column) => `${column} = ?`)
      now()
        .database.prepare(`UPDATE telesto_attempts SET ${sets.join(', ')} WHERE job_id = ?`)
        .run(...Object.values(columns), job.id)
    },
    count: (table: string, where = 'TRUE'): number =>
      Number(sql(`SELECT COUNT(*) AS n FROM ${table} WHERE ${where}`)[0]?.n),
  }
}

export const CODES: readonly StatusCode[] = [
  'PEN',
  'SUB',
  'RUN',
  'VAR',
  'PAS',
  'COM',
  'ERR',
  'ABT',
  'VCP',
  'RES',
  'OTH',
]
