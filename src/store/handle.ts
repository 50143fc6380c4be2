import type { DatabaseSync, StatementSync } from 'node:sqlite'
import { setTimeout as delay } from 'node:timers/promises'
import type { Value } from './database.js'
import { isBusy, isSqliteError, named } from './sqlite-errors.js'

type NodeSqlite = typeof import('node:sqlite')
let loaded: NodeSqlite | undefined

/** node:sqlite, loaded when first used and without the one warning by which Node 22 greets it. */
const nodeSqlite = (): NodeSqlite => {
  if (loaded) return loaded
  const original = process.emitWarning
  process.emitWarning = ((...args: Parameters<typeof original>) => {
    if (String(args[0]).startsWith('SQLite is an experimental feature')) return
    Reflect.apply(original, process, args)
  }) as typeof original
  try {
    loaded = process.getBuiltinModule('node:sqlite')
  } finally {
    process.emitWarning = original
  }
  return loaded
}

/**
 * Tries again while another connection is in the way, after 5 to 20 ms each time, until about `patience` ms were waited.
 * The engine itself never waits: that would block the event loop, and with it a holder of the lock in this process.
 * What was waited is added up instead of read from a clock, so a process that was stopped has lost none of its patience.
 */
export const patiently = async <T>(attempt: () => T, patience: number): Promise<T> => {
  for (let waited = 0; ; ) {
    try {
      return attempt()
    } catch (error) {
      if (!isBusy(error) || waited >= patience) throw error
    }
    const pause = 5 + Math.random() * 15
    waited += pause
    await delay(pause)
  }
}

export type BoundValue = Value | bigint | Uint8Array
export type Bound = readonly BoundValue[] | Record<string, BoundValue>

export interface Outcome {
  readonly rows: Record<string, Value>[]
  /** Rows inserted, changed or deleted. */
  readonly changes: number
  /** Of the last row inserted on this handle. */
  readonly lastId: number
}

interface Prepared {
  readonly statement: StatementSync
  readonly returnsRows: boolean
  /** The names of the columns, where the engine gives rows as arrays. */
  readonly names: readonly string[] | undefined
  readonly inserts: boolean
  readonly changesRows: boolean
  /** Which of $1, $2, … stands at each ?. */
  readonly positions: readonly number[]
  /** The highest of them. */
  readonly values: number
}

const REMEMBERED = 200
/** The engine keeps about twelve bytes for a character of a statement: those of many rows take much, and may come once. */
const REMEMBERED_CHARACTERS = 1_000_000
/** Longer statements without parameters come once: Sequelize writes values into its text. */
const LONGEST_REMEMBERED = 8192

const returnsRows = (statement: StatementSync, sql: string): boolean => {
  // columns() is younger than the oldest Node that Telesto runs on.
  if (typeof statement.columns === 'function') return statement.columns().length > 0
  if (/\breturning\b/i.test(sql) || /^\s*(select|pragma|explain|values)\b/i.test(sql)) return true
  return /^\s*with\b/i.test(sql) && !/\b(insert|update|delete|replace)\b/i.test(sql)
}

/** To SQLite $1 is a name, and values that are bound by name take longer the more there are of them: ? is bound by place. */
const byPlace = (sql: string): { readonly sql: string; readonly positions: readonly number[] } => {
  const positions: number[] = []
  const placed = sql.replace(/'(?:[^']|'')*'|"(?:[^"]|"")*"|\$(\d+)/g, (found, digits: string | undefined) => {
    if (digits === undefined) return found
    positions.push(Number(digits))
    return '?'
  })
  return { sql: placed, positions }
}

/** One connection to a database file, synchronous, with the statements that it has prepared. Its errors are named. */
export class Handle {
  readonly #db: DatabaseSync
  readonly #statements = new Map<string, Prepared>()
  /** Of the texts of these. */
  #characters = 0
  /** Throws at once where the file is locked: open it `patiently`. */
  constructor(file: string, options: { readonly readOnly?: boolean } = {}) {
    try {
      this.#db = new (nodeSqlite().DatabaseSync)(file, { timeout: 0, readOnly: options.readOnly ?? false })
    } catch (error) {
      throw named(error)
    }
    try {
      if (!options.readOnly) this.#db.exec('PRAGMA journal_mode = WAL')
      // FULL: what was committed survives a power cut. A log of 4000 pages (16 MB): the next poll, or report, writes many of the
      // same again, which then go into the file once. These hold for this connection only.
      this.#db.exec('PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON; PRAGMA wal_autocheckpoint = 4000')
    } catch (error) {
      this.close()
      throw named(error)
    }
  }

  #prepare(sql: string): Prepared {
    const known = this.#statements.get(sql)
    if (known) {
      this.#statements.delete(sql)
      this.#statements.set(sql, known)
      return known
    }
    const { sql: placed, positions } = byPlace(sql)
    const statement = this.#db.prepare(placed)
    const rows = returnsRows(statement, sql)
    const prepared = {
      statement,
      returnsRows: rows,
      names: rows ? asArrays(statement) : undefined,
      inserts: /^\s*(insert|replace)\b/i.test(sql),
      changesRows: /^\s*(insert|update|delete|replace|with)\b/i.test(sql),
      positions,
      values: positions.reduce((highest, position) => Math.max(highest, position), 0),
    }
    if (positions.length > 0 || sql.length <= LONGEST_REMEMBERED) {
      this.#statements.set(sql, prepared)
      this.#characters += sql.length
      for (const oldest of this.#statements.keys()) {
        if (this.#statements.size <= REMEMBERED && this.#characters <= REMEMBERED_CHARACTERS) break
        this.#statements.delete(oldest)
        this.#characters -= oldest.length
      }
    }
    return prepared
  }

  /** Runs one statement. `bound` is the values of $1, $2, …, or of ?, or of named parameters. */
  execute(sql: string, bound?: Bound): Outcome {
    try {
      const prepared = this.#prepare(sql)
      const args = toArguments(prepared, bound)
      if (!prepared.returnsRows) {
        const { changes, lastInsertRowid } = prepared.statement.run(...args)
        return { rows: [], changes: prepared.changesRows ? Number(changes) : 0, lastId: Number(lastInsertRowid) }
      }
      const rows = rowsOf(prepared.statement.all(...args), prepared.names)
      const lastId = prepared.inserts ? Number(this.execute('SELECT last_insert_rowid() AS id').rows[0]?.id) : 0
      return { rows, changes: prepared.changesRows ? rows.length : 0, lastId }
    } catch (error) {
      throw named(error)
    }
  }

  /** Undoes what is not committed. False where that failed: then the handle can only be closed. */
  rollBack(): boolean {
    if (this.#db.isTransaction === false) return true
    try {
      this.#db.exec('ROLLBACK')
      return true
    } catch (error) {
      return isSqliteError(error) && error.message.includes('no transaction is active')
    }
  }

  close(): void {
    this.#statements.clear()
    this.#characters = 0
    if (this.#db.isOpen !== false) this.#db.close()
  }
}

const toArguments = (prepared: Prepared, bound: Bound = []): [Record<string, BoundValue>, ...BoundValue[]] => {
  const { positions, values } = prepared
  if (values === 0) return isList(bound) ? [none, ...bound] : [bound]
  if (!isList(bound)) return [none, ...positions.map((position) => bound[position] as BoundValue)] // Sequelize's
  // A value that is missing would be NULL without a word.
  if (bound.length !== values) {
    throw new TypeError(`The statement has ${values} parameters, and ${bound.length} values were given.`)
  }
  return [none, ...positions.map((position) => bound[position - 1] as BoundValue)]
}

const none = {}

/** Asks the engine for arrays, where it can: objects that it makes itself are slow to make, and slow to read. */
const asArrays = (statement: StatementSync): readonly string[] | undefined => {
  if (typeof statement.setReturnArrays !== 'function' || typeof statement.columns !== 'function') return undefined
  statement.setReturnArrays(true)
  return statement.columns().map(({ name }) => name)
}

const rowsOf = (rows: readonly unknown[], names: readonly string[] | undefined): Record<string, Value>[] => {
  if (names === undefined) return rows as Record<string, Value>[]
  return (rows as Value[][]).map((values) => {
    const row: Record<string, Value> = {}
    for (let index = 0; index < names.length; index++) row[names[index] as string] = values[index] as Value
    return row
  })
}

const isList = (bound: Bound): bound is readonly BoundValue[] => Array.isArray(bound)
