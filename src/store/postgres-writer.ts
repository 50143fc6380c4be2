import type { Pool, PoolClient, QueryResult } from 'pg'
import { TelestoError } from '../errors.js'
import type { Row, Transaction, Value } from './database.js'
import { connectionConfig, createPool, type Pg, type PostgresAddress } from './postgres-connection.js'
import { databaseError } from './postgres-errors.js'
import type { Writer } from './write-queue.js'

/** "tele" in ASCII: the first half of the key of Telesto's lock. The second is the schema, which may be one of several. */
const LOCK = 0x74656c65

/** So long a process may stand still inside a transaction before the server ends it, in milliseconds. */
const IDLE_MS = 30_000

/** Makes statements that come again prepared ones: of the server's memory, each takes some on each connection. */
export const createStatementNames = (most = 300) => {
  const seen = new Set<string>()
  const names = new Map<string, string>()
  return (sql: string): { readonly name?: string } => {
    const name = names.get(sql)
    if (name !== undefined) return { name }
    if (names.size < most && seen.delete(sql)) names.set(sql, `telesto_${names.size}`)
    // What has ids in its text comes once.
    else if (seen.size < most) seen.add(sql)
    else seen.clear()
    return {}
  }
}

export interface Answer {
  readonly rows: Row[]
  /** Rows inserted, changed or deleted. */
  readonly changes: number
}

const CHANGES: ReadonlySet<string> = new Set(['INSERT', 'UPDATE', 'DELETE', 'MERGE'])
const answerOf = (result: QueryResult): Answer => ({
  rows: result.rows as Row[],
  changes: CHANGES.has(result.command) ? (result.rowCount ?? 0) : 0,
})

/**
 * The one connection that writes, made anew after it broke. Its transactions mean what they mean on SQLite: one at a time, over
 * all processes. Each takes Telesto's advisory lock first, and reads only after it: so READ COMMITTED is enough, for
 * every writer sees all that the writers before it committed, and nobody changes anything meanwhile.
 */
export class PostgresWriter implements Writer {
  readonly #pool: Pool
  readonly #lock: string
  readonly #named = createStatementNames()
  readonly #address: PostgresAddress
  readonly #patience: number
  #client: PoolClient | undefined
  #saved = false
  /** The server's clock as it was when the lock was taken, until anything else happens. */
  #now: number | undefined
  #broken: unknown
  #undone: unknown

  readonly #clock: () => string

  /**
   * `patience`: milliseconds to wait for the lock. `clock`: the server's, in SQL. `unhurried`: statements may take their time, as
   * those of a migration.
   */
  constructor(pg: Pg, address: PostgresAddress, patience: number, clock: () => string, { unhurried = false } = {}) {
    this.#clock = clock
    const config = connectionConfig(address, {
      idle_in_transaction_session_timeout: IDLE_MS,
      // 0 would be to wait for ever.
      lock_timeout: Math.max(1, Math.trunc(patience)),
    })
    this.#pool = createPool(pg, { ...config, max: 1, idleTimeoutMillis: 0, ...(unhurried ? { query_timeout: 0 } : {}) })
    this.#address = address
    this.#patience = patience
    this.#lock = `pg_advisory_xact_lock(${LOCK}, hashtext(COALESCE(current_schema(), '')))`
  }

  async begin(fleeting = false): Promise<void> {
    this.#saved = false
    this.#broken = undefined
    this.#undone = undefined
    this.#client = await this.#coded(this.#pool.connect())
    try {
      // Each of its statements has an answer, which pg's types do not know.
      const hasty = fleeting ? 'SET LOCAL synchronous_commit = off; ' : ''
      const answers: unknown = await this.#step(`BEGIN; ${hasty}SELECT ${this.#clock()} AS now FROM ${this.#lock}`)
      this.#now = (answers as readonly QueryResult<{ now: number }>[]).at(-1)?.rows[0]?.now
    } catch (error) {
      await this.rollBack()
      throw error
    }
  }

  async savepoint(): Promise<void> {
    this.#now = undefined // Who joins later has come later.
    await this.#step(this.#saved ? 'RELEASE work; SAVEPOINT work' : 'SAVEPOINT work')
    this.#saved = true
    this.#undone = undefined
  }

  async rollBackTo(): Promise<void> {
    await this.#step('ROLLBACK TO work')
  }

  broken(): unknown {
    return this.#broken
  }

  undone(): unknown {
    return this.#undone
  }

  /** They go one after the other, also where the work does not wait for each. */
  statements(check: () => void): Transaction {
    let last: Promise<unknown> = Promise.resolve()
    const execute = async (sql: string, params?: readonly Value[]): Promise<Answer> => {
      check()
      const answer = last.then(async () => {
        const undone = this.#broken ?? this.#undone
        if (undone !== undefined) throw undone
        try {
          return await this.execute(sql, params)
        } catch (error) {
          if (error instanceof TelestoError && error.code.startsWith('database_')) this.#broken = error
          else this.#undone = error
          throw error
        }
      })
      last = answer.catch(() => {})
      return await answer
    }
    return {
      all: async <T extends object>(sql: string, params?: readonly Value[]) => (await execute(sql, params)).rows as T[],
      run: async (sql, params) => (await execute(sql, params)).changes,
      now: async () => {
        check()
        const now = this.#now
        this.#now = undefined
        return now ?? Number((await execute(`SELECT ${this.#clock()} AS now`)).rows[0]?.now)
      },
    }
  }

  /** Outside a transaction the statement is one of its own. */
  async execute(sql: string, params: readonly Value[] = []): Promise<Answer> {
    this.#now = undefined
    const query = { ...this.#named(sql), text: sql, values: [...params] }
    return answerOf(await this.#coded((this.#client ?? this.#pool).query(query)))
  }

  /** Rejects where the server did not commit, and where nobody knows because the connection broke. */
  async commit(): Promise<void> {
    const result = await this.#step('COMMIT')
    if (result?.command !== 'COMMIT') throw new Error('The transaction was undone: a statement of it had failed.')
    this.#release()
  }

  /** Undoes what is not committed; where that fails the connection is given up, and the server undoes it. */
  async rollBack(): Promise<void> {
    try {
      await this.#client?.query('ROLLBACK')
      this.#release()
    } catch {
      this.#release(true)
    }
  }

  async close(): Promise<void> {
    await this.#pool.end()
  }

  async #step(sql: string): Promise<QueryResult | undefined> {
    return this.#client && (await this.#coded(this.#client.query(sql)))
  }
  async #coded<T>(asked: Promise<T>): Promise<T> {
    try {
      return await asked
    } catch (error) {
      throw databaseError(error, this.#address.name, this.#patience)
    }
  }
  #release(broken = false): void {
    this.#client?.release(broken)
    this.#client = undefined
  }
}
