import path from 'node:path'
import { migrations as allMigrations } from '../../migrations/index.js'
import type { Migration } from '../../migrations/migration.js'
import type { Logger } from '../adapter.js'
import type { Clock } from '../clock.js'
import type { Database } from './database.js'
import { databaseExists, prepareDatabaseFile } from './database-file.js'
import { Handle, patiently } from './handle.js'
import { type Migrated, migrateDown, migrateUp, schemaState } from './migrate.js'
import { migratePostgres, openPostgres } from './postgres-open.js'
import { createHandlePool } from './sqlite.js'
import { SqliteDatabase } from './sqlite-database.js'
import { databaseError } from './sqlite-errors.js'
import { sqliteSchema } from './sqlite-schema.js'
import { unusable } from './unusable.js'

/** The name of the database inside Telesto's directory. */
export const DATABASE_FILE = 'telesto.db'

/** Milliseconds to wait for what other processes write, and for one of them to copy and migrate. */
const PATIENCE = 5000
const MIGRATION_PATIENCE = 60_000

/** Where a database is: a SQLite file, made with its directory where it is not there, or the URL of a PostgreSQL database. */
export type DatabasePlace = { readonly file: string } | { readonly url: string }

export interface OpenDatabaseOptions {
  readonly clock: Clock
  readonly log: Logger
  /** The schema; by default Telesto's own. */
  readonly migrations?: readonly Migration[]
  /**
   * Whether a database that is not up to date is brought up to date, or refused. By default a file is, after a copy, and
   * a shared database is refused.
   */
  readonly migrate?: boolean
  /** Milliseconds to wait for other processes: by default 5 s for what they write, a minute for their migrations. */
  readonly patience?: number
}

/**
 * Opens a database, and brings its schema up to date where it may. Any number of processes may open one at once: one migrates,
 * the others wait for it. Throws TelestoError `database_too_new`, `database_too_old`, `database_locked`,
 * `database_read_only`, `database_full` or `database_unusable`; what the database held is then as it was.
 */
export const openDatabase = async (options: OpenDatabaseOptions & DatabasePlace): Promise<Database> => {
  const { clock, log, migrations = allMigrations, migrate = true, patience = PATIENCE } = options
  const migrationPatience = options.patience ?? MIGRATION_PATIENCE
  if ('url' in options) return await openPostgres({ ...options, patience, migrationPatience })
  const file = path.resolve(options.file)
  if (!migrate && !(await databaseExists(file))) throw tooOld(file, migrations[0]?.name)
  await prepareDatabaseFile(file)
  const pool = createHandlePool({ file, patience })
  const handles: Handle[] = []
  try {
    const writer = await pool.take()
    handles.push(writer)
    const [lacks] = (await schemaState(sqliteSchema(writer, file, patience), { migrations })).pending
    if (lacks !== undefined && !migrate) throw tooOld(file, lacks)
    if (lacks !== undefined) {
      const schema = sqliteSchema(writer, file, migrationPatience)
      const { copy, names } = await migrateUp(schema, { migrations, log })
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

const tooOld = (file: string, lacks = 'none') =>
  unusable('database_too_old', file, `lacks the migration "${lacks}". Run: telesto migrate --file ${file}`)

/** What `telesto migrate` does. `down` undoes the migration of that name and all after it, or `true` the last one. */
export const migrateDatabase = async (
  options: Pick<OpenDatabaseOptions, 'log' | 'migrations' | 'patience'> &
    DatabasePlace & { readonly down?: string | true },
): Promise<Migrated & { readonly name: string }> => {
  const { log, migrations = allMigrations, patience = MIGRATION_PATIENCE, down } = options
  if ('url' in options) return await migratePostgres({ ...options, migrationPatience: patience })
  const name = path.resolve(options.file)
  if (down !== undefined && !(await databaseExists(name))) {
    throw unusable('database_unusable', name, 'does not exist: there is nothing to undo.')
  }
  await prepareDatabaseFile(name)
  let handle: Handle | undefined
  try {
    handle = await patiently(() => new Handle(name), patience)
    const schema = sqliteSchema(handle, name, patience)
    const wanted = { migrations, log }
    if (down !== undefined) return { name, ...(await migrateDown(schema, wanted, down === true ? undefined : down)) }
    const { pending } = await schemaState(schema, wanted)
    return pending.length === 0 ? { name, names: [] } : { name, ...(await migrateUp(schema, wanted)) }
  } catch (error) {
    throw databaseError(error, name, patience)
  } finally {
    handle?.close()
  }
}
