import { setImmediate as nextTurn } from 'node:timers/promises'
import { Sequelize, Transaction as SequelizeTransaction } from 'sequelize'
import type { Clock } from '../clock.js'
import { TelestoError } from '../errors.js'
import type { Database, FreeChange, Row, Transaction, Value, WriteOptions } from './database.js'
import { clockSql } from './dialect.js'
import { type Handle, type Outcome, patiently } from './handle.js'
import { defineModels, type Models } from './models.js'
import { codeErrorsOf } from './sequelize-errors.js'
import { createDialectModule, type HandlePool } from './sqlite.js'
import { databaseError, isSqliteError } from './sqlite-errors.js'
import { createWriteQueue, type WriteQueue, type Writer } from './write-queue.js'

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
  readonly #queue: WriteQueue
  #writer: Handle | undefined
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
    const ready = () => {
      if (this.#closed) throw this.#closedError()
    }
    codeErrorsOf(this.sequelize, ready, (error) => this.#coded(error))
    this.#queue = createWriteQueue(this.#steps())
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

  async write<T>(work: (tx: Transaction) => Promise<T>, options?: WriteOptions): Promise<T> {
    if (this.#queue.isInside()) {
      throw new Error('write() was called inside the work of another write(), which would wait for itself. Pass tx on.')
    }
    if (this.#closing !== undefined) throw this.#closedError()
    return await this.#queue.write(work, options)
  }

  async changeFree<T extends object>(
    { tables, free, tell, change }: FreeChange,
    params: readonly Value[],
  ): Promise<T[]> {
    const both = `WITH ${tables}, free AS (${free})`
    return await this.write(async (tx) => {
      await tx.run(`${both} ${tell}`, params)
      return await tx.all<T>(`${both} ${change}`, params)
    })
  }

  now(): string {
    return clockSql(this.dialect, this.#opened.clock.databaseOffset())
  }

  async readNow(): Promise<number> {
    const [row] = await this.all<{ now: number }>(`SELECT ${this.now()} AS now`)
    return Number(row?.now)
  }

  close(): Promise<void> {
    if (this.#queue.isInside()) {
      return Promise.reject(new Error('close() was called inside the work of a write(), for which it would wait.'))
    }
    this.#closing ??= this.#queue.idle().then(async () => {
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
  #steps(): Writer {
    const { pool, patience } = this.#opened
    let saved = false
    let broken: unknown
    let hasty: Handle | undefined
    const handle = (): Handle => this.#writer as Handle
    const coded = async <T>(step: () => Promise<T>): Promise<T> => {
      try {
        return await step()
      } catch (error) {
        throw this.#coded(error)
      }
    }
    return {
      begin: async (fleeting = false) => {
        saved = false
        broken = undefined
        await coded(async () => {
          this.#writer ??= await pool.take()
          if (fleeting !== (hasty === handle())) {
            handle().execute(`PRAGMA synchronous = ${fleeting ? 'NORMAL' : 'FULL'}`)
            hasty = fleeting ? handle() : undefined
          }
          await patiently(() => handle().execute('BEGIN IMMEDIATE'), patience)
        })
      },
      commit: async () => {
        await coded(async () => await patiently(() => handle().execute('COMMIT'), patience))
        await this.#takeTurns()
      },
      rollBack: async () => {
        if (!handle().rollBack()) {
          pool.giveBack(handle())
          this.#writer = undefined
        }
        await this.#takeTurns()
      },
      savepoint: async () => {
        if (saved) handle().execute('RELEASE work')
        handle().execute('SAVEPOINT work')
        saved = true
      },
      rollBackTo: async () => void handle().execute('ROLLBACK TO work'),
      broken: () => broken,
      statements: (check) => {
        // They run at once, one by one: with the lock held there is nothing to wait for.
        const execute = async (sql: string, params?: readonly Value[]): Promise<Outcome> => {
          check()
          // The engine may have rolled back by itself, and would commit the next statement on its own.
          if (broken !== undefined) throw broken
          try {
            const outcome = handle().execute(sql, params)
            await this.#takeTurns()
            return outcome
          } catch (error) {
            const known = this.#coded(error)
            if (known instanceof TelestoError) broken = known
            throw known
          }
        }
        return {
          all: async <T extends object>(sql: string, params?: readonly Value[]) =>
            (await execute(sql, params)).rows as T[],
          run: async (sql, params) => (await execute(sql, params)).changes,
          now: async () => Number((await execute(`SELECT ${this.now()} AS now`)).rows[0]?.now),
        }
      },
    }
  }

  async #takeTurns(): Promise<void> {
    if (performance.now() - this.#lastTurn < STRETCH) return
    await nextTurn()
    this.#lastTurn = performance.now()
  }

  #coded(error: unknown): unknown {
    return databaseError(error, this.#opened.file, this.#opened.patience)
  }

  #closedError(): TelestoError {
    return new TelestoError('closed', `The database ${this.#opened.file} is closed.`)
  }
}
