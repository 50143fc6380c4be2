import type { Sequelize } from 'sequelize'
import type { DialectName } from './dialect.js'
import type { Models } from './models.js'

/** What a column can hold on every supported database. Times are milliseconds since 1970; JSON is text. */
export type Value = string | number | null
export type Row = Record<string, Value>

/**
 * One transaction. `sql` has $1, $2, … for `params`. Statements of one transaction run one after the other. After one that
 * failed the transaction may be over (PostgreSQL) or not (SQLite), so that `work` lets the error through.
 */
export interface Transaction {
  /** Rows of a SELECT, or of a statement with RETURNING. */
  all<T extends object = Row>(sql: string, params?: readonly Value[]): Promise<T[]>
  /** The number of rows that the statement inserted, changed or deleted. */
  run(sql: string, params?: readonly Value[]): Promise<number>
  /** The database's clock, in milliseconds since 1970. Before any statement it costs nothing: it came with the lock. */
  now(): Promise<number>
}

export interface WriteOptions {
  /** Shares its transaction with nobody: it is long, and others would wait for its end to be committed. */
  readonly alone?: boolean
  /**
   * An economy, as a lease or a pace: that it was committed may be forgotten when the power fails, never when a process is killed;
   * so it waits for no disk. Shares its transaction with nobody.
   */
  readonly fleeting?: boolean
}

/** SQL that changes rows by a compare-and-set: what `free` selects is what is compared. All have the same parameters. */
export interface FreeChange {
  /** Tables for WITH, of which the others may select. */
  readonly tables: string
  /** Selects rows of telesto_jobs j: the table `free` of the following two. */
  readonly free: string
  /** An INSERT … SELECT … FROM free. */
  readonly tell: string
  /** An UPDATE … FROM free … RETURNING …. */
  readonly change: string
}

/**
 * The store's connection to its database: raw SQL for hot paths, and Sequelize for what is read as objects.
 * Throws TelestoError `database_locked`, `database_read_only`, `database_full` or `database_unusable`; what was
 * not committed then did not happen.
 */
export interface Database {
  readonly dialect: DialectName
  /** @internal Not in the package's declarations: Sequelize's own do not pass under exactOptionalPropertyTypes. */
  readonly sequelize: Sequelize
  /** @internal */
  readonly models: Models
  /** Reads outside any transaction: what is committed now. */
  all<T extends object = Row>(sql: string, params?: readonly Value[]): Promise<T[]>
  /**
   * Runs `work` in a transaction that holds the write lock from its first statement, and resolves when it is committed; what
   * it wrote is undone when it rejects. Works of one process that wait together share a transaction (group commit); other
   * processes are waited for in the database, for about 5 s.
   * `work` must not wait for anything but its statements: nobody else can write meanwhile.
   */
  write<T>(work: (tx: Transaction) => Promise<T>, options?: WriteOptions): Promise<T>
  /**
   * Changes rows that nobody else is changing just now, and tells of it; answers what `change` returns. Where the database can,
   * that happens beside other writers and without their lock: it waits for no row, and so for nobody.
   */
  changeFree<T extends object>(sql: FreeChange, params: readonly Value[]): Promise<T[]>
  /** The database's clock, in milliseconds since 1970, as a SQL expression: the only clock that processes share. */
  now(): string
  /** The database's clock, read. */
  readNow(): Promise<number>
  /** Waits for a running write, then closes every connection. Idempotent. */
  close(): Promise<void>
}
