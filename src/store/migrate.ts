import { open, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import type { Migration, MigrationContext } from '../../migrations/migration.js'
import type { Logger } from '../adapter.js'
import { TelestoError } from '../errors.js'
import { Handle, patiently } from './handle.js'
import { databaseError, unusable } from './sqlite-errors.js'

const LEDGER = 'telesto_migrations'

/** How a database compares with the migrations of this code. */
interface SchemaState {
  /** Migrations that the database has, oldest first. */
  readonly applied: readonly string[]
  /** Those that it lacks. */
  readonly pending: readonly string[]
  /** It holds no table but the ledger. */
  readonly empty: boolean
}

export interface MigrateOptions {
  /** The file, absolute. */
  readonly file: string
  readonly migrations: readonly Migration[]
  readonly log: Logger
  /** Milliseconds to wait for another process. */
  readonly patience: number
}

export interface Migrated {
  /** Names of the migrations that ran, in their order. */
  readonly names: readonly string[]
  /** The copy that was made before them; undefined where there was nothing to lose. */
  readonly copy?: string
}

/** Reads the state. Throws TelestoError `database_too_new` where the database has a migration that this code does not know. */
export const schemaState = (
  handle: Handle,
  { file, migrations }: Pick<MigrateOptions, 'file' | 'migrations'>,
): SchemaState => {
  const tables = handle.execute(
    `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'`,
  )
  const names = tables.rows.map((row) => String(row.name))
  const ledger = names.includes(LEDGER) ? handle.execute(`SELECT name FROM ${LEDGER} ORDER BY name`).rows : []
  const applied = ledger.map((row) => String(row.name))
  const known = migrations.map(({ name }) => name)
  const strange = applied.filter((name) => !known.includes(name)).at(-1)
  if (strange !== undefined) {
    throw unusable(
      'database_too_new',
      file,
      `belongs to a newer Telesto: it has the migration "${strange}", and the last that this one knows is ` +
        `"${known.at(-1) ?? 'none'}". Install the newer Telesto, or name another file.`,
    )
  }
  return {
    applied,
    pending: known.filter((name) => !applied.includes(name)),
    empty: names.every((name) => name === LEDGER),
  }
}

/**
 * Copies the database beside itself, whole and with its log, and makes the copy durable. The caller holds the write lock, so
 * nothing is committed meanwhile; readers go on.
 */
const copyBefore = async (file: string, before: string): Promise<string> => {
  const copy = await freeName(`${file}.before-${before}`)
  const unfinished = `${copy}.unfinished`
  const { mode } = await stat(file)
  // What a process left that was killed while it copied: with the lock held, nobody else copies.
  await rm(unfinished, { force: true })
  const target = await open(unfinished, 'wx', mode & 0o777)
  try {
    // The lock's own connection has a transaction open, in which SQLite does not copy.
    const reader = new Handle(file)
    try {
      reader.execute('VACUUM INTO $1', [unfinished])
    } finally {
      reader.close()
    }
    await target.sync()
    await rename(unfinished, copy)
    await syncDirectory(path.dirname(file))
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  } finally {
    await target.close()
  }
  return copy
}

const syncDirectory = async (directory: string): Promise<void> => {
  const handle = await open(directory)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const freeName = async (wanted: string): Promise<string> => {
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? wanted : `${wanted}.${number}`
    if (!(await stat(name).catch(() => undefined))) return name
  }
}

/** Runs migrations by umzug, which is loaded only here: an up-to-date database never needs it. */
const umzug = async (handle: Handle, { migrations, file, log }: MigrateOptions) => {
  const { Umzug } = await import('umzug')
  const context: MigrationContext = {
    dialect: 'sqlite',
    run: async (sql) => {
      handle.execute(sql)
    },
  }
  const tell = (event: Record<string, unknown>) => log.info({ ...event, file }, 'database migration')
  return new Umzug<MigrationContext>({
    migrations: migrations.map((migration) => ({
      name: migration.name,
      up: () => migration.up(context),
      down: () => migration.down(context),
    })),
    context,
    storage: {
      executed: async () =>
        handle.execute(`SELECT name FROM ${LEDGER} ORDER BY name`).rows.map((row) => String(row.name)),
      logMigration: async ({ name }) => {
        handle.execute(`INSERT INTO ${LEDGER} (name) VALUES ($1)`, [name])
      },
      unlogMigration: async ({ name }) => {
        handle.execute(`DELETE FROM ${LEDGER} WHERE name = $1`, [name])
      },
    },
    logger: { debug: tell, info: tell, warn: tell, error: tell },
  })
}

/**
 * Runs `work` under the write lock, in one transaction: a failure leaves the database as it was, and no copy behind.
 * `work` is told the state under the lock: another process may have migrated while this one waited for it.
 */
const underLock = async (
  handle: Handle,
  options: MigrateOptions,
  work: (state: SchemaState, keepCopy: (before: string) => Promise<void>) => Promise<readonly string[]>,
): Promise<Migrated> => {
  let copy: string | undefined
  try {
    await patiently(() => handle.execute('BEGIN IMMEDIATE'), options.patience)
    const names = await work(schemaState(handle, options), async (before) => {
      copy = await copyBefore(options.file, before)
    })
    handle.execute('COMMIT')
    return copy === undefined ? { names } : { names, copy }
  } catch (error) {
    handle.rollBack()
    if (copy !== undefined) await rm(copy, { force: true })
    throw failed(error, options)
  }
}

const failed = (error: unknown, { file, patience }: MigrateOptions): unknown => {
  const migration = error instanceof Error && error.name === 'MigrationError' ? error : undefined
  const cause = migration ? migration.cause : error
  const known = databaseError(cause, file, patience)
  if (known instanceof TelestoError || !migration) return known
  return unusable('database_unusable', file, `could not be migrated and is as it was. ${migration.message}`, cause)
}

/**
 * Brings the database up to this code: all pending migrations in one transaction, under a lock that keeps other processes
 * from writing. What is not empty is copied first, to `<file>.before-<first pending migration>`.
 */
export const migrateUp = (handle: Handle, options: MigrateOptions): Promise<Migrated> =>
  underLock(handle, options, async ({ pending, empty }, keepCopy) => {
    const [first] = pending
    if (first === undefined) return []
    if (!empty) await keepCopy(first)
    handle.execute(`CREATE TABLE IF NOT EXISTS ${LEDGER} (name TEXT PRIMARY KEY) WITHOUT ROWID`)
    return (await (await umzug(handle, options)).up()).map(({ name }) => name)
  })

/**
 * Undoes the migration `to` and all after it, newest first; without `to` the last one only. The database is copied first, to
 * `<file>.before-undoing-<name>`. Throws TelestoError `invalid` for a migration that the database does not have.
 */
export const migrateDown = (handle: Handle, options: MigrateOptions, to?: string): Promise<Migrated> =>
  underLock(handle, options, async ({ applied }, keepCopy) => {
    const target = to ?? applied.at(-1)
    if (target === undefined) return []
    if (!applied.includes(target)) {
      const have = applied.length > 0 ? `It has ${applied.join(', ')}.` : 'It has none.'
      throw new TelestoError('invalid', `${path.basename(options.file)} has no migration "${target}". ${have}`, {
        field: 'down',
      })
    }
    await keepCopy(`undoing-${target}`)
    return (await (await umzug(handle, options)).down({ to: target })).map(({ name }) => name)
  })
