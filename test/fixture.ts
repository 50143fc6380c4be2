import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { afterAll, beforeAll, expect } from 'vitest'
import { local } from '../adapters/local.js'
import { type Access, type AppOptions, createTelesto, type Job, TelestoError } from '../src/index.js'
import type { StatusCode } from '../src/status.js'
import { forget, look, telestoIn } from './database.js'
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

type Columns = Readonly<Record<string, string | number | null>>

/** A Telesto without loops, shared by the tests of one file; each test declares an app of its own. */
export const sharedTelesto = (access: Partial<Access> = {}) => {
  const open = async () => {
    const directory = await temporaryDirectory()
    const adapters = [local, scripted()] as const
    const telesto = await createTelesto({
      adapters,
      ...(await telestoIn(directory)),
      runLoops: false,
      ...access,
    })
    await telesto.createScheduler({ name: 'pool', adapter: 'scripted' })
    return { directory, telesto }
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
    const { telesto, directory } = now()
    await telesto.close()
    await forget(directory)
    await rm(directory, { recursive: true, force: true })
  })

  let count = 0
  const sql = async (text: string): Promise<Record<string, unknown>[]> => await look(now().directory, text)
  const update = async (table: string, key: string, id: number, columns: Columns): Promise<void> => {
    const sets = Object.keys(columns).map((column, index) => `${column} = $${index + 2}`)
    await look(now().directory, `UPDATE ${table} SET ${sets.join(', ')} WHERE ${key} = $1`, [
      id,
      ...Object.values(columns),
    ])
  }
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
    set: async (job: Job | number, columns: Columns): Promise<void> =>
      await update('telesto_jobs', 'id', typeof job === 'number' ? job : job.id, columns),
    setAttempt: async (job: Job, columns: Columns): Promise<void> =>
      await update('telesto_attempts', 'job_id', job.id, columns),
    count: async (table: string, where = 'TRUE'): Promise<number> =>
      Number((await sql(`SELECT COUNT(*) AS n FROM ${table} WHERE ${where}`))[0]?.n),
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
