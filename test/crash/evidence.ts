import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Line, readLines } from './job-file.ts'
import { type Query, reading } from './reading.ts'

// What is there when all is over: the store, the jobs' own files, the processes and the directories.

export interface StoredAttempt {
  readonly jobId: number
  readonly number: number
  readonly token: string
  readonly nativeId: string | null
  /** How it ended; null while it has not. */
  readonly status: string | null
  readonly cause: string | null
  readonly exitCode: number | null
  readonly startTime: number | null
  readonly completionTime: number | null
}

export interface StoredJob {
  readonly id: number
  readonly key: string
  readonly status: string
  readonly cause: string | null
  readonly exitCode: number | null
  readonly completionTime: number | null
  readonly deleted: boolean
  /** Oldest first. */
  readonly attempts: readonly StoredAttempt[]
  /** What the function that processes results set: the last key, and how many times it was committed. */
  readonly extended: { readonly key?: string; readonly times?: number }
}

export interface Evidence {
  readonly jobs: readonly StoredJob[]
  /** The lines of each job's own file, by key. */
  readonly files: ReadonlyMap<string, readonly Line[]>
  /** Each call of the function that processes results. */
  readonly processed: readonly { readonly token: string; readonly key: string }[]
  /** Processes of jobs that are alive. */
  readonly alive: readonly { readonly pid: number; readonly token: string }[]
  /** Ids of jobs that have a directory. */
  readonly directories: readonly number[]
  /** Orders, leases and rows that should be gone, each in words. */
  readonly leftovers: readonly string[]
  /** Errors that must not happen, whatever is killed. */
  readonly surprises: readonly string[]
}

export interface Scene {
  /** Telesto's own. */
  readonly directory: string
  /** The URL of a PostgreSQL database; a file in the directory otherwise. */
  readonly database?: string
  readonly files: string
  readonly processedFile: string
}

/** What has not come to rest. */
const UNSETTLED: Readonly<Record<string, string>> = {
  'an order is left': `SELECT 'attempt ' || number || ' of job ' || job_id || ': ' || order_name || ' ' || COALESCE(order_error, '') FROM telesto_attempts
    WHERE order_name IS NOT NULL`,
  'it counts as alive': `SELECT 'attempt ' || number || ' of job ' || job_id FROM telesto_attempts WHERE live = 1`,
  'results are to be collected': `SELECT 'attempt ' || number || ' of job ' || job_id || ': ' || COALESCE(collect_error, '') FROM telesto_attempts
    WHERE collect_due_at IS NOT NULL`,
  'a deleted job is still there': 'SELECT id FROM telesto_jobs WHERE deleted_at IS NOT NULL',
  'a stray is left': `SELECT token || ' of job ' || job_id FROM telesto_strays`,
  'not settled': `SELECT id || ' ' || status_code FROM telesto_jobs WHERE deleted_at IS NULL AND status_code NOT IN ('COM', 'ERR', 'ABT', 'VCP')
    AND NOT (status_code = 'PEN' AND execute_time IS NULL)`,
}
/** What a server that was told to close gives back. */
const LEASES: Readonly<Record<string, string>> = {
  'a lease of polling': 'SELECT poll_owner FROM telesto_schedulers WHERE poll_owner IS NOT NULL',
  'a lease of orders': 'SELECT orders_owner FROM telesto_schedulers WHERE orders_owner IS NOT NULL',
  'a lease of collecting': `SELECT collect_owner FROM telesto_attempts WHERE collect_owner IS NOT NULL AND collect_due_at IS NOT NULL`,
}

const found = async (all: Query, questions: Readonly<Record<string, string>>): Promise<string[]> => {
  const answers: string[] = []
  for (const [what, sql] of Object.entries(questions)) {
    for (const row of await all(sql)) answers.push(`${what}: ${Object.values(row).join(' ')}`)
  }
  return answers
}

/** What the engine has still to do, in words; nothing when all has come to rest. */
export const unsettled = async (scene: Scene): Promise<string[]> =>
  await reading(scene, async (all) => await found(all, UNSETTLED))

/** Processes that work, or did, for a job of this scene. */
export const processesOf = ({ directory }: Pick<Scene, 'directory'>): { pid: number; token: string }[] =>
  readdirSync('/proc').flatMap((entry) => {
    const pid = Number(entry)
    if (!Number.isInteger(pid)) return []
    try {
      const [environment, command, stat] = ['environ', 'cmdline', 'stat'].map((file) =>
        readFileSync(`/proc/${pid}/${file}`, 'latin1'),
      ) as [string, string, string]
      const [, token] = /(?:^|\0)TELESTO_TOKEN=([^\0]*)/.exec(environment) ?? []
      const zombie = /\) [ZX] /.test(stat)
      if (token === undefined || zombie || !`${environment}${command}`.includes(directory)) return []
      return [{ pid, token }]
    } catch {
      return [] // gone meanwhile
    }
  })

const JOBS = `SELECT id, name AS key, status_code AS status, cause, exit_code AS "exitCode", completion_time AS "completionTime",
  deleted_at AS "deletedAt", extended_properties AS extended FROM telesto_jobs ORDER BY id`
const ATTEMPTS = `SELECT job_id AS "jobId", number, token, native_id AS "nativeId", status_code AS status, cause, exit_code AS "exitCode",
  start_time AS "startTime", completion_time AS "completionTime" FROM telesto_attempts ORDER BY job_id, number`

/** All of it, read when no server runs any more. */
export const gather = async (scene: Scene, keys: readonly string[], surprises: readonly string[]): Promise<Evidence> =>
  await reading(scene, async (all) => {
    const attempts = await all<StoredAttempt>(ATTEMPTS)
    type Row = Omit<StoredJob, 'deleted' | 'extended' | 'attempts'> & { deletedAt: number | null; extended: string }
    const rows = await all<Row>(JOBS)
    return {
      jobs: rows.map(({ deletedAt, extended, ...job }) => ({
        ...job,
        deleted: deletedAt !== null,
        extended: JSON.parse(extended) as StoredJob['extended'],
        attempts: attempts.filter(({ jobId }) => jobId === job.id),
      })),
      files: new Map(keys.map((key) => [key, readLines(join(scene.files, key))])),
      processed: readProcessed(scene.processedFile),
      alive: processesOf(scene),
      directories: directoriesOf(scene),
      leftovers: [...(await found(all, UNSETTLED)), ...(await found(all, LEASES))],
      surprises,
    }
  })

const readProcessed = (file: string): Evidence['processed'] => {
  if (!existsSync(file)) return []
  const lines = readFileSync(file, 'utf8').split('\n').filter(Boolean)
  return lines.map((line) => {
    const [token = '', key = ''] = line.split(' ')
    return { token, key }
  })
}

const directoriesOf = ({ directory }: Scene): number[] => {
  const workspace = join(directory, 'jobs', 'crash', 'ann')
  return existsSync(workspace) ? readdirSync(workspace).map(Number) : []
}
