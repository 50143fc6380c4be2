import type { Migration, MigrationContext } from '../../migrations/migration.js'
import type { Logger } from '../adapter.js'
import { TelestoError } from '../errors.js'
import type { Row, Value } from './database.js'
import type { DialectName } from './dialect.js'

const LEDGER = 'telesto_migrations'

/** A database whose schema is looked at and changed, over one connection. */
export interface SchemaConnection {
  readonly dialect: DialectName
  /** What it is called in sentences: its file, or its URL without what is secret. */
  readonly name: string
  all(sql: string, params?: readonly Value[]): Promise<Row[]>
  tables(): Promise<readonly string[]>
  /** Begins a transaction that keeps other processes from writing; waits for those that do. */
  begin(): Promise<void>
  commit(): Promise<void>
  /** Undoes what is not committed; never fails. */
  rollBack(): Promise<void>
  /** Copies the database while it is locked. Absent: whoever runs the server makes its copies. */
  readonly copy?: {
    before(what: string): Promise<string>
    remove(copy: string): Promise<void>
  }
  /** What is wrong with the database, as a TelestoError; every other error as it is. */
  coded(error: unknown): unknown
  unusable(
    code: 'database_too_new' | 'database_too_old' | 'database_unusable',
    what: string,
    cause?: unknown,
  ): TelestoError
}

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
  readonly migrations: readonly Migration[]
  readonly log: Logger
}

export interface Migrated {
  /** Names of the migrations that ran, in their order. */
  readonly names: readonly string[]
  /** The copy that was made before them; undefined where there was nothing to lose, or nobody here to copy it. */
  readonly copy?: string
}

const readLedger = async (schema: SchemaConnection): Promise<string[]> =>
  (await schema.all(`SELECT name FROM ${LEDGER}`)).map((row) => String(row.name)).sort()

/** Reads the state. Throws TelestoError `database_too_new` where the database has a migration that this code does not know. */
export const schemaState = async (
  schema: SchemaConnection,
  { migrations }: Pick<MigrateOptions, 'migrations'>,
): Promise<SchemaState> => {
  const tables = await schema.tables()
  const applied = tables.includes(LEDGER) ? await readLedger(schema) : []
  const known = migrations.map(({ name }) => name)
  const strange = applied.filter((name) => !known.includes(name)).at(-1)
  if (strange !== undefined) {
    throw schema.unusable(
      'database_too_new',
      `belongs to a newer Telesto: it has the migration "${strange}", and the last that this one knows is ` +
        `"${known.at(-1) ?? 'none'}". Install the newer Telesto, or name another database.`,
    )
  }
  return {
    applied,
    pending: known.filter((name) => !applied.includes(name)),
    empty: tables.every((name) => name === LEDGER),
  }
}

/** Runs migrations by umzug, which is loaded only here: an up-to-date database never needs it. */
const umzug = async (schema: SchemaConnection, { migrations, log }: MigrateOptions) => {
  const { Umzug } = await import('umzug')
  const context: MigrationContext = {
    dialect: schema.dialect,
    run: async (sql) => {
      await schema.all(sql)
    },
  }
  const tell = (event: Record<string, unknown>) => log.info({ ...event, database: schema.name }, 'database migration')
  return new Umzug<MigrationContext>({
    migrations: migrations.map((migration) => ({
      name: migration.name,
      up: () => migration.up(context),
      down: () => migration.down(context),
    })),
    context,
    storage: {
      executed: async () => await readLedger(schema),
      logMigration: async ({ name }) => {
        await schema.all(`INSERT INTO ${LEDGER} (name) VALUES ($1)`, [name])
      },
      unlogMigration: async ({ name }) => {
        await schema.all(`DELETE FROM ${LEDGER} WHERE name = $1`, [name])
      },
    },
    logger: { debug: tell, info: tell, warn: tell, error: tell },
  })
}

/**
 * Runs `work` under the lock, in one transaction: a failure leaves the database as it was, and no copy behind. `work` is told
 * the state under the lock: another process may have migrated while this one waited for it.
 */
const underLock = async (
  schema: SchemaConnection,
  options: MigrateOptions,
  work: (state: SchemaState, keepCopy: (before: string) => Promise<void>) => Promise<readonly string[]>,
): Promise<Migrated> => {
  let copy: string | undefined
  try {
    await schema.begin()
    const names = await work(await schemaState(schema, options), async (before) => {
      copy = await schema.copy?.before(before)
    })
    await schema.commit()
    return copy === undefined ? { names } : { names, copy }
  } catch (error) {
    await schema.rollBack()
    if (copy !== undefined) await schema.copy?.remove(copy)
    throw failed(error, schema)
  }
}

const failed = (error: unknown, schema: SchemaConnection): unknown => {
  const migration = error instanceof Error && error.name === 'MigrationError' ? error : undefined
  const cause = migration ? migration.cause : error
  const known = schema.coded(cause)
  if (known instanceof TelestoError || !migration) return known
  return schema.unusable('database_unusable', `could not be migrated and is as it was. ${migration.message}`, cause)
}

/**
 * Brings the database up to this code: all pending migrations in one transaction, under a lock that keeps other processes
 * from writing. A file that is not empty is copied first, to `<file>.before-<first pending migration>`.
 */
export const migrateUp = (schema: SchemaConnection, options: MigrateOptions): Promise<Migrated> =>
  underLock(schema, options, async ({ pending, empty }, keepCopy) => {
    const [first] = pending
    if (first === undefined) return []
    if (!empty) await keepCopy(first)
    await schema.all(`CREATE TABLE IF NOT EXISTS ${LEDGER} (name TEXT PRIMARY KEY)`)
    return (await (await umzug(schema, options)).up()).map(({ name }) => name)
  })

/**
 * Undoes the migration `to` and all after it, newest first; without `to` the last one only. A file is copied first, to
 * `<file>.before-undoing-<name>`. Throws TelestoError `invalid` for a migration that the database does not have.
 */
export const migrateDown = (schema: SchemaConnection, options: MigrateOptions, to?: string): Promise<Migrated> =>
  underLock(schema, options, async ({ applied }, keepCopy) => {
    const target = to ?? applied.at(-1)
    if (target === undefined) return []
    if (!applied.includes(target)) {
      const have = applied.length > 0 ? `It has ${applied.join(', ')}.` : 'It has none.'
      throw new TelestoError('invalid', `${schema.name} has no migration "${target}". ${have}`, { field: 'down' })
    }
    await keepCopy(`undoing-${target}`)
    return (await (await umzug(schema, options)).down({ to: target })).map(({ name }) => name)
  })
