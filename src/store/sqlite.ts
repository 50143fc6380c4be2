import { type Bound, type BoundValue, Handle, type Outcome, patiently } from './handle.js'

type Callback = (this: unknown, error: unknown, rows?: Outcome['rows']) => void
type Parameters = readonly unknown[] | Readonly<Record<string, unknown>>

// Sequelize compares the name of this class; by another name, bulkCreate returns rows without ids.
class Statement {
  readonly sql: string
  readonly lastID: number
  readonly changes: number
  constructor(sql: string, outcome?: Outcome) {
    this.sql = sql
    this.lastID = outcome?.lastId ?? 0
    this.changes = outcome?.changes ?? 0
  }
}

const toSql = (value: unknown): BoundValue => {
  if (value === undefined) return null
  if (typeof value === 'boolean') return value ? 1 : 0
  if (value instanceof Date) return value.toISOString()
  return value as BoundValue // what is left, the engine takes or refuses by name
}

const toBound = (parameters: Parameters | undefined): Bound | undefined => {
  if (parameters === undefined) return undefined
  if (Array.isArray(parameters)) return parameters.map(toSql)
  return Object.fromEntries(
    Object.entries(parameters).map(([name, value]) => [name.replace(/^[$:@]/, ''), toSql(value)]),
  )
}

/** Connections to one file that are open and idle: Sequelize takes a new one for each transaction. */
export interface HandlePool {
  /** An idle connection, or a new one. */
  take(): Promise<Handle>
  /** Undoes what it has not committed and keeps it for the next; closes it where that cannot be, or there are enough. */
  giveBack(handle: Handle): void
  /** Closes what is idle; from then on, what is given back is closed too, and none is given. */
  close(): void
}

interface PoolOptions {
  readonly file: string
  /** Milliseconds to wait for a lock. */
  readonly patience: number
  readonly maxIdle?: number
}

export const createHandlePool = ({ file, patience, maxIdle = 4 }: PoolOptions): HandlePool => {
  const idle: Handle[] = []
  let closed = false
  return {
    async take() {
      if (closed) throw new Error(`The connections to ${file} are closed.`)
      return idle.pop() ?? (await patiently(() => new Handle(file), patience))
    },
    giveBack(handle) {
      if (handle.rollBack() && !closed && idle.length < maxIdle) idle.push(handle)
      else handle.close()
    },
    close() {
      closed = true
      for (const handle of idle.splice(0)) handle.close()
    },
  }
}

/** A connection as Sequelize uses it: callbacks come later, with a Statement as `this`. */
interface Connection {
  readonly filename: string
  uuid: string | undefined
  serialize(work: () => void): void
  close(callback?: (error: unknown) => void): void
  run(sql: string, parameters?: Parameters | Callback, callback?: Callback): void
  all(sql: string, parameters?: Parameters | Callback, callback?: Callback): void
}

/** What Sequelize uses of the package sqlite3. */
export interface DialectModule {
  readonly Database: new (file: string, mode: number, opened?: (error: unknown) => void) => Connection
  readonly OPEN_READONLY: number
  readonly OPEN_READWRITE: number
  readonly OPEN_CREATE: number
  readonly OPEN_FULLMUTEX: number
}

/**
 * node:sqlite in the shape of the package sqlite3, as Sequelize's `dialectModule`, for the one file of `pool`. Sequelize's
 * connection-manager and query are its only callers. It is made anew for each database and keeps nothing global.
 */
export const createDialectModule = (pool: HandlePool, patience: number): DialectModule => {
  class Database implements Connection {
    readonly filename: string
    /** Set by Sequelize, which closes only connections that have one. */
    uuid: string | undefined
    #handle: Promise<Handle> | undefined
    #closed = false

    constructor(file: string, _mode: number, callback?: (error: unknown) => void) {
      this.filename = file
      // Later, never now: Sequelize stores this instance first and reads it back in the callback.
      this.#open().then(
        () => callback?.(null),
        (error) => callback?.(error),
      )
    }

    #open(): Promise<Handle> {
      if (this.#closed) return Promise.reject(new Error('This connection is closed.'))
      if (this.#handle !== undefined) return this.#handle
      // Sequelize keeps a connection that could not be opened, so the next statement tries again.
      const opening = pool.take()
      this.#handle = opening
      opening.catch(() => {
        this.#handle = undefined
      })
      return opening
    }

    serialize(work: () => void): void {
      work()
    }

    close(callback?: (error: unknown) => void): void {
      const handle = this.#handle
      this.#closed = true
      this.#handle = undefined
      const finish = (error: unknown) => setImmediate(() => callback?.(error))
      if (handle === undefined) finish(null)
      else handle.then((opened) => pool.giveBack(opened)).then(() => finish(null), finish)
    }

    run(sql: string, parameters?: Parameters | Callback, callback?: Callback): void {
      this.#execute(sql, parameters, callback)
    }

    all(sql: string, parameters?: Parameters | Callback, callback?: Callback): void {
      this.#execute(sql, parameters, callback)
    }

    #execute(sql: string, parameters?: Parameters | Callback, callback?: Callback): void {
      const done = typeof parameters === 'function' ? parameters : callback
      const bound = typeof parameters === 'function' ? undefined : parameters
      this.#attempt(sql, bound).then(
        (outcome) => {
          // Sequelize asks rows for their methods.
          const rows = outcome.rows.map((row) => ({ ...row }))
          setImmediate(() => done?.call(new Statement(sql, outcome), null, rows))
        },
        (error) => setImmediate(() => done?.call(new Statement(sql), error)),
      )
    }

    async #attempt(sql: string, parameters: Parameters | undefined): Promise<Outcome> {
      const handle = await this.#open()
      const bound = toBound(parameters)
      try {
        return await patiently(() => handle.execute(sql, bound), patience)
      } catch (error) {
        // After a COMMIT that failed Sequelize forgets the connection, and with it the write lock that it holds.
        if (/^\s*commit\b/i.test(sql)) handle.rollBack()
        throw error
      }
    }
  }

  return { Database, OPEN_READONLY: 1, OPEN_READWRITE: 2, OPEN_CREATE: 4, OPEN_FULLMUTEX: 65_536 } as const
}
