import { AsyncLocalStorage } from 'node:async_hooks'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { Sequelize, Transaction as SequelizeTransaction } from 'sequelize'
import type { Clock } from '../clock.js'
import { TelestoError } from '../errors.js'
import type { Database, Row, Transaction, Value } from './database.js'
import { type Handle, type Outcome, patiently } from './handle.js'
import { defineModels, type Models } from './models.js'
import { createDialectModule, type HandlePool } from './sqlite.js'
import { databaseError, isSqliteError } from './sqlite-errors.js'

/** A write transaction: whether it still runs, and what was its undoing, if anything. */
interface Writing {
  open: boolean
  broken?: unknown
}

// The engine is synchronous: after so many milliseconds at a stretch, timers and sockets have their turn.
const STRETCH = 4

const QUERY_ONLY = 8

/** What a database is made of: a file whose schema is right, and two connections of `pool` that are its own. */
interface Opened {
  readonly file: string
  readonly clock: Clock
  readonly patience: number
  readonly pool: HandlePool
  readonly writer: Handle
  readonly reader: Handle
}

export class SqliteDatabase implements Database {
  readonly dialect = 'sqlite'
  readonly sequelize: Sequelize
  readonly models: Models
  readonly #opened: Opened
  readonly #writing = new AsyncLocalStorage<Writing>()
  #writer: Handle | undefined
  #tail: Promise<unknown> = Promise.resolve()
  #closing: Promise<void> | undefined
  #closed = false
  #lastTurn = 0

  constructor(opened: Opened) {
    this.#opened = opened
    this.#writer = opened.writer
    opened.reader.execute('PRAGMA query_only = ON')
    this.sequelize = new Sequelize({
      dialect: 'sqlite',
      storage: opened.file,
      dialectModule: createDialectModule(opened.pool, opened.patience),
      transactionType: SequelizeTransaction.TYPES.IMMEDIATE,
      logging: false,
      retry: { max: 1 },
    })
    this.#codeErrorsOf(this.sequelize)
    this.models = defineModels(this.sequelize)
  }

  async all<T extends object = Row>(sql: string, params?: readonly Value[]): Promise<T[]> {
    if (this.#closed) throw this.#closedError()
    const { reader, patience } = this.#opened
    try {
      const { rows } = await patiently(() => reader.execute(sql, params), patience)
      await this.#takeTurns()
      return rows as T[]
    } catch (error) {
      if (isSqliteError(error) && error.errcode === QUERY_ONLY) {
        throw new Error('all() of a database only reads. Write inside its write().', { cause: error })
      }
      throw this.#coded(error)
    }
  }

  async write<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    if (this.#writing.getStore()?.open) {
      throw new Error('write() was called inside the work of another write(), which would wait for itself. Pass tx on.')
    }
    if (this.#closing !== undefined) throw this.#closedError()
    const result = this.#tail.then(() => this.#transact(work))
    this.#tail = result.catch(() => {})
    return result
  }

  now(): string {
    const offset = this.#opened.clock.databaseOffset()
    const now = `CAST(unixepoch('subsec') * 1000 AS INTEGER)`
    if (offset === 0) return now
    if (!Number.isSafeInteger(offset)) throw new RangeError(`The clock's offset must be whole milliseconds: ${offset}.`)
    return `(${now} + ${offset})`
  }

  async readNow(): Promise<number> {
    const [row] = await this.all<{ now: number }>(`SELECT ${this.now()} AS now`)
    return Number(row?.now)
  }

  close(): Promise<void> {
    if (this.#writing.getStore()?.open) {
      return Promise.reject(new Error('close() was called inside the work of a write(), for which it would wait.'))
    }
    this.#closing ??= this.#tail.then(async () => {
      this.#closed = true
      await this.sequelize.close()
      this.#opened.reader.close()
      this.#opened.pool.close()
      // Last, so that a connection which may write empties the log into the file.
      this.#writer?.close()
    })
    return this.#closing
  }

  /**
   * Not by Sequelize's transaction: where a COMMIT fails (a full disk), Sequelize prints to the console and gives the connection
   * up with its transaction open. Nothing of Sequelize's is needed here, and a statement without it takes a fifth of the time.
   */
  async #transact<T>(work: (tx: Transaction) => Promise<T>): Promise<T> {
    const { pool, patience } = this.#opened
    const writing: Writing = { open: true }
    const handle = await this.#begin()
    try {
      const result = await this.#writing.run(writing, () => work(this.#transaction(handle, writing)))
      writing.open = false
      if (writing.broken !== undefined) throw writing.broken
      await patiently(() => handle.execute('COMMIT'), patience).catch((error: unknown) => {
        throw this.#coded(error)
      })
      return result
    } catch (error) {
      writing.open = false
      if (!handle.rollBack()) {
        this.#writer = undefined
        pool.giveBack(handle)
      }
      throw error
    } finally {
      await this.#takeTurns()
    }
  }

  async #begin(): Promise<Handle> {
    const { pool, patience } = this.#opened
    try {
      const handle = this.#writer ?? (await pool.take())
      this.#writer = handle
      await patiently(() => handle.execute('BEGIN IMMEDIATE'), patience)
      return handle
    } catch (error) {
      throw this.#coded(error)
    }
  }

  /** Its statements run at once, one by one: with the lock held there is nothing to wait for. */
  #transaction(handle: Handle, writing: Writing): Transaction {
    const execute = async (sql: string, params?: readonly Value[]): Promise<Outcome> => {
      if (!writing.open) throw new Error('This transaction has ended: await its statements inside the work of write().')
      // The engine may have rolled back by itself, and would commit the next statement on its own.
      if (writing.broken !== undefined) throw writing.broken
      try {
        const outcome = handle.execute(sql, params)
        await this.#takeTurns()
        return outcome
      } catch (error) {
        const coded = this.#coded(error)
        if (coded instanceof TelestoError) writing.broken = coded
        throw coded
      }
    }
    return {
      all: async <T extends object>(sql: string, params?: readonly Value[]) => (await execute(sql, params)).rows as T[],
      run: async (sql, params) => (await execute(sql, params)).changes,
    }
  }

  async #takeTurns(): Promise<void> {
    if (performance.now() - this.#lastTurn < STRETCH) return
    await nextTurn()
    this.#lastTurn = performance.now()
  }

  /** All that Sequelize does goes through its query(). */
  #codeErrorsOf(sequelize: Sequelize): void {
    const original = sequelize.query.bind(sequelize) as (...args: unknown[]) => Promise<unknown>
    const query = async (...args: unknown[]) => {
      if (this.#closed) throw this.#closedError()
      try {
        return await original(...args)
      } catch (error) {
        throw this.#coded(error)
      }
    }
    Object.assign(sequelize, { query })
  }

  #coded(error: unknown): unknown {
    return databaseError(error, this.#opened.file, this.#opened.patience)
  }

  #closedError(): TelestoError {
    return new TelestoError('closed', `The database ${this.#opened.file} is closed.`)
  }
}
