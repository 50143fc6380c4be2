import path from 'node:path'
import { migrations as allMigrations } from '../../migrations/index.js'
import type { Migration } from '../../migrations/migration.js'
import type { Logger } from '../adapter.js'
import type { Clock } from '../clock.js'
import type { Database } from './database.js'
import { databaseExists, prepareDatabaseFile } from './database-file.js'
import { Handle, patiently } from './handle.js'
import { type Migrated, type MigrateOptions, migrateDown, migrateUp, schemaState } from './migrate.js'
import { createHandlePool } from './sqlite.js'
import { SqliteDatabase } from './sqlite-database.js'
import { databaseError, unusable } from './sqlite-errors.js'

/** The name of the database inside Telesto's directory. */
export const DATABASE_FILE = 'telesto.db'

/** Milliseconds to wait for what other processes write, and for one of them to copy and migrate. */
const PATIENCE = 5000
const MIGRATION_PATIENCE = 60_000

export interface OpenDatabaseOptions {
  /** Path of the database file. It and its directory are made where they are not there. */
  readonly file: string
  readonly clock: Clock
  readonly log: Logger
  /** The schema; by default Telesto's own. */
  readonly migrations?: readonly Migration[]
  /** False refuses a database that is not up to date. By default it is brought up to date, after a copy. */
  readonly migrate?: boolean
  /** Milliseconds to wait for other processes: by default 5 s for what they write, a minute for their migrations. */
  readonly patience?: number
}

/**
 * Opens a database, and brings its schema up to date. Any number of processes may open one file at once: one migrates, the
 * others wait for it. Throws TelestoError `database_too_new`, `database_too_old` (with `migrate: false`), `database_locked`,
 * `database_read_only`, `database_full` or `database_unusable`; what the database held is then as it was.
 */
export const openDatabase = async (options: OpenDatabaseOptions): Promise<Database> => {
  const { clock, log, migrations = allMigrations, migrate = true, patience = PATIENCE } = options
  const file = path.resolve(options.file)
  const schema = { file, migrations, log, patience: options.patience ?? MIGRATION_PATIENCE }
  if (!migrate && !(await databaseExists(file))) throw tooOld(schema, migrations[0]?.name)
  await prepareDatabaseFile(file)
  const pool = createHandlePool({ file, patience })
  const handles: Handle[] = []
  try {
    const writer = await pool.take()
    handles.push(writer)
    const [lacks] = (await patiently(() => schemaState(writer, schema), patience)).pending
    if (lacks !== undefined && !migrate) throw tooOld(schema, lacks)
    if (lacks !== undefined) {
      const { copy, names } = await migrateUp(writer, schema)
      if (copy !== undefined) log.info({ file, copy, names }, 'database copied before its migration')
    }
    const reader = await pool.take()
    handles.push(reader)
    return new SqliteDatabase({ file, clock, patience, pool, writer, reader })
  } catch (error) {
    for (const handle of handles) handle.close()
    pool.close()
    throw databaseError(error, file, patience)
  }
}

const tooOld = ({ file }: Pick<MigrateOptions, 'file'>, lacks = 'none') =>
  unusable('database_too_old', file, `lacks the migration "${lacks}". Run: telesto migrate --file ${file}`)

/** What `telesto migrate` does. `down` undoes the migration of that name and all after it, or `true` the last one. */
export const migrateDatabase = async (
  options: Pick<OpenDatabaseOptions, 'log' | 'migrations' | 'patience'> & {
    readonly file: string
    readonly down?: string | true
  },
): Promise<Migrated & { readonly file: string }> => {
  const { log, migrations = allMigrations, patience = MIGRATION_PATIENCE, down } = options
  const file = path.resolve(options.file)
  if (down !== undefined && !(await databaseExists(file))) {
    throw unusable('database_unusable', file, 'does not exist: there is nothing to undo.')
  }
  await prepareDatabaseFile(file)
  const schema = { file, migrations, log, patience }
  let handle: Handle | undefined
  try {
    const opened = await patiently(() => new Handle(file), patience)
    handle = opened
    if (down !== undefined) return { file, ...(await migrateDown(opened, schema, down === true ? undefined : down)) }
    const { pending } = await patiently(() => schemaState(opened, schema), patience)
    return pending.length === 0 ? { file, names: [] } : { file, ...(await migrateUp(opened, schema)) }
  } catch (error) {
    throw databaseError(error, file, patience)
  } finally {
    handle?.close()
  }
}
