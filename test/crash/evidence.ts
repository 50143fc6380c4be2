import { existsSync, readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { type Query, reading } from './reading.ts'
import type { Run, Target } from './target.ts'

// What is there when all is over: the store, what the witness tells of the jobs, those that still live, and the directories.

export interface StoredAttempt {
  readonly jobId: number
  readonly number: number
  readonly token: string
  /** What the witness calls it; null: the store says that nobody accepted it. */
  readonly acceptedAs: string | null
  /** How it ended; null while it has not. */
  readonly status: string | null
  readonly cause: string | null
  readonly exitCode: number | null
  readonly startTime: number | null
  readonly completionTime: number | null
  /** In order; none where it has one process. */
  readonly parts: readonly StoredPart[]
}

export interface StoredPart {
  readonly name: string
  readonly state: string
  readonly exitCode: number | null
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
  /** What was accepted of each job, by key. */
  readonly runs: ReadonlyMap<string, readonly Run[]>
  /** Each call of the function that processes results. */
  readonly processed: readonly { readonly token: string; readonly key: string }[]
  /** Jobs that are still there, each in words. */
  readonly alive: readonly string[]
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

const JOBS = `SELECT id, name AS key, status_code AS status, cause, exit_code AS "exitCode", completion_time AS "completionTime",
  deleted_at AS "deletedAt", extended_properties AS extended FROM telesto_jobs ORDER BY id`
const ATTEMPTS = `SELECT id, job_id AS "jobId", number, token, native_id AS "nativeId", status_code AS status, cause, exit_code AS "exitCode",
  start_time AS "startTime", completion_time AS "completionTime" FROM telesto_attempts ORDER BY job_id, number`
const PARTS = `SELECT attempt_id AS "attemptId", name, state, exit_code AS "exitCode" FROM telesto_parts ORDER BY attempt_id, position`

/** All of it, read when no server runs any more. */
export const gather = async (
  scene: Scene,
  target: Target,
  keys: readonly string[],
  surprises: readonly string[],
): Promise<Evidence> =>
  await reading(scene, async (all) => {
    type Attempt = Omit<StoredAttempt, 'acceptedAs' | 'parts'> & { id: number; nativeId: string | null }
    const parts = await all<StoredPart & { attemptId: number }>(PARTS)
    const attempts = (await all<Attempt>(ATTEMPTS)).map(
      ({ id, nativeId, ...attempt }): StoredAttempt => ({
        ...attempt,
        acceptedAs: nativeId === null ? null : target.idOf(nativeId),
        parts: parts.filter(({ attemptId }) => attemptId === id),
      }),
    )
    type Row = Omit<StoredJob, 'deleted' | 'extended' | 'attempts'> & { deletedAt: number | null; extended: string }
    const rows = await all<Row>(JOBS)
    return {
      jobs: rows.map(({ deletedAt, extended, ...job }) => ({
        ...job,
        deleted: deletedAt !== null,
        extended: JSON.parse(extended) as StoredJob['extended'],
        attempts: attempts.filter(({ jobId }) => jobId === job.id),
      })),
      runs: await target.runs(keys),
      processed: readProcessed(scene.processedFile),
      alive: await target.alive(),
      directories: [...new Set([...directoriesOf(scene), ...target.directories()])],
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
