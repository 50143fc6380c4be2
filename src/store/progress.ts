import type { Token } from '../adapter.js'
import { settledSql } from '../status.js'
import type { Database, Value } from './database.js'
import { together } from './together.js'

/** What a job tells of its progress; what is absent stays. */
export interface News {
  readonly statusMessage?: string | null
  readonly progress?: number | null
}

interface Told {
  readonly id: number
  /** Of the attempt that tells it. */
  readonly token: Token
  readonly news: News
}

/**
 * Stores what a job tells, and an event of it; it raises no version. False, and nothing was written, where that attempt is not
 * the job's current one, where the job has settled or was deleted, and where somebody is changing it just now. What jobs
 * tell together shares a statement and its commit.
 */
export type Progress = (told: Told) => Promise<boolean>

/** So many share a statement, ... */
const MOST = 64
/** ... and so many of these run at once: while one waits for its commit, the next is filled. */
const LANES = 2

export const createProgress = (database: Database): Progress =>
  together({ most: MOST, lanes: LANES }, async (all: readonly Told[]) => {
    // Of two that one job tells at once the second has its own turn.
    const first = new Map(all.toReversed().map((told) => [told.id, told]))
    const stored = await storeProgress(database, [...first.values()])
    return all.map((told) => first.get(told.id) === told && stored.has(told.id))
  })

/** What is told of each job, column by column. */
const COLUMNS: readonly (readonly [name: string, type: string, value: (told: Told) => Value])[] = [
  ['id', 'BIGINT', ({ id }) => id],
  ['token', 'TEXT', ({ token }) => token],
  ['has_message', 'BIGINT', ({ news }) => (news.statusMessage === undefined ? 0 : 1)],
  ['message', 'TEXT', ({ news }) => news.statusMessage ?? null],
  ['has_progress', 'BIGINT', ({ news }) => (news.progress === undefined ? 0 : 1)],
  ['progress', 'DOUBLE PRECISION', ({ news }) => news.progress ?? null],
  ['data', 'TEXT', ({ news }) => JSON.stringify(news)],
]

/** Rows of one statement. Few sizes: each is another text, which is prepared and remembered. */
const SIZES = [1, 4, 16, MOST] as const

const tableOf = (rows: number): string => {
  let place = 0
  const row = () => `(${COLUMNS.map(([, type]) => `CAST($${++place} AS ${type})`).join(', ')})`
  return `told (${COLUMNS.map(([name]) => name).join(', ')}) AS (VALUES ${Array.from({ length: rows }, row).join(', ')})`
}
const TABLES = new Map<number, string>(SIZES.map((rows) => [rows, tableOf(rows)]))

/** The ids of those that were stored. */
const storeProgress = async (database: Database, all: readonly Told[]): Promise<ReadonlySet<number>> => {
  const size = SIZES.find((one) => one >= all.length) ?? MOST
  const stored = await database.changeFree<{ id: number }>(
    {
      tables: TABLES.get(size) as string,
      free: `SELECT told.*, j.app AS app, a.number AS attempt, ${database.now()} AS now
        FROM told JOIN telesto_jobs j ON j.id = told.id JOIN telesto_attempts a ON a.id = j.attempt_id
        WHERE a.token = told.token AND j.deleted_at IS NULL AND NOT ${settledSql('j')}`,
      tell: `INSERT INTO telesto_events (kind, at, app, job_id, attempt, data)
        SELECT 'progress', now, app, id, attempt, data FROM free`,
      change: `UPDATE telesto_jobs SET last_status_update = free.now,
          status_message = CASE free.has_message WHEN 1 THEN free.message ELSE status_message END,
          progress = CASE free.has_progress WHEN 1 THEN free.progress ELSE telesto_jobs.progress END
        FROM free WHERE telesto_jobs.id = free.id RETURNING telesto_jobs.id AS id`,
    },
    // The places that are left over are of no job.
    Array.from({ length: size }, (_, index) => all[index]).flatMap((told) =>
      COLUMNS.map(([, , value]) => (told ? value(told) : null)),
    ),
  )
  return new Set(stored.map(({ id }) => id))
}
