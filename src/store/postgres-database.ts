import type { Pool } from 'pg'
import { Sequelize } from 'sequelize'
import type { Clock } from '../clock.js'
import { TelestoError } from '../errors.js'
import type { Database, FreeChange, Row, Transaction, Value, WriteOptions } from './database.js'
import { clockSql } from './dialect.js'
import { defineModels, type Models } from './models.js'
import { connectionConfig, createPool, type Pg, type PostgresAddress, types } from './postgres-connection.js'
import { databaseError } from './postgres-errors.js'
import { createStatementNames, PostgresWriter } from './postgres-writer.js'
import { codeErrorsOf } from './sequelize-errors.js'
import { createWriteQueue, type WriteQueue } from './write-queue.js'

/** So many connections that only read has a process at most, so many for changes beside the one that writes, and so many of Sequelize's. */
const READERS = 4
const BESIDE = 2
const SEQUELIZE = 2

/** What a database is made of: an address at which the schema is right. */
interface Opened {
  readonly pg: Pg
  readonly address: PostgresAddress
  readonly clock: Clock
  /** Milliseconds to wait for other writers. */
  readonly patience: number
}

export class PostgresDatabase implements Database {
  readonly dialect = 'postgres'
  readonly sequelize: Sequelize
  readonly models: Models
  readonly #opened: Opened
  readonly #queue: WriteQueue
  readonly #writer: PostgresWriter
  readonly #readers: Pool
  readonly #beside: Pool
  readonly #named = createStatementNames()
  #closing: Promise<void> | undefined
  #closed = false

  constructor(opened: Opened) {
    const { pg, address, patience } = opened
    this.#opened = opened
    this.#writer = new PostgresWriter(pg, address, patience, () => this.now())
    this.#queue = createWriteQueue(this.#writer)
    // Nothing is written but under the writer's lock.
    const readOnly = connectionConfig(address, { default_transaction_read_only: 'on' })
    this.#readers = createPool(pg, { ...readOnly, max: READERS, idleTimeoutMillis: 30_000 })
    this.#beside = createPool(pg, { ...connectionConfig(address, {}), max: BESIDE, idleTimeoutMillis: 30_000 })
    this.sequelize = new Sequelize({
      dialect: 'postgres',
      dialectModule: dialectModule(pg, readOnly),
      logging: false,
      retry: { max: 1 },
      pool: { max: SEQUELIZE, idle: 30_000 },
    })
    const ready = () => {
      if (this.#closed) throw this.#closedError()
    }
    // Without a parent it is Sequelize's own complaint.
    codeErrorsOf(this.sequelize, ready, (error) =>
      error instanceof Error && 'parent' in error ? this.#coded(error) : error,
    )
    this.models = defineModels(this.sequelize)
  }

  async all<T extends object = Row>(sql: string, params: readonly Value[] = []): Promise<T[]> {
    try {
      return await this.#query<T>(this.#readers, sql, params)
    } catch (coded) {
      if (coded instanceof TelestoError && coded.code === 'database_read_only') {
        throw new Error('all() of a database only reads. Write inside its write().', { cause: coded })
      }
      throw coded
    }
  }

  /** One statement, which is a transaction of its own. */
  async changeFree<T extends object>(
    { tables, free, tell, change }: FreeChange,
    params: readonly Value[],
  ): Promise<T[]> {
    if (this.#closing !== undefined) throw this.#closedError()
    const taken = `${free} FOR NO KEY UPDATE OF j SKIP LOCKED`
    return await this.#query<T>(
      this.#beside,
      `WITH ${tables}, free AS (${taken}), told_of AS (${tell}) ${change}`,
      params,
    )
  }

  async write<T>(work: (tx: Transaction) => Promise<T>, options?: WriteOptions): Promise<T> {
    if (this.#queue.isInside()) {
      throw new Error('write() was called inside the work of another write(), which would wait for itself. Pass tx on.')
    }
    if (this.#closing !== undefined) throw this.#closedError()
    return await this.#queue.write(work, options)
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
      await Promise.all([this.#writer.close(), this.#readers.end(), this.#beside.end(), this.sequelize.close()])
    })
    return this.#closing
  }

  async #query<T extends object>(pool: Pool, sql: string, params: readonly Value[]): Promise<T[]> {
    if (this.#closed) throw this.#closedError()
    try {
      return (await pool.query({ ...this.#named(sql), text: sql, values: [...params] })).rows as T[]
    } catch (error) {
      throw this.#coded(error)
    }
  }

  #coded(error: unknown): unknown {
    return databaseError(error, this.#opened.address.name, this.#opened.patience)
  }

  #closedError(): TelestoError {
    return new TelestoError('closed', `The database ${this.#opened.address.name} is closed.`)
  }
}

/** The package pg as Sequelize uses it, whose connections are made as ours are, whatever Sequelize knows of the address. */
const dialectModule = (pg: Pg, config: ReturnType<typeof connectionConfig>): object => ({
  Client: class extends pg.Client {
    constructor(given: { readonly types: NonNullable<typeof config.types> }) {
      super({ ...config, types: given.types })
    }
  },
  types: { ...pg.types, ...types },
})
