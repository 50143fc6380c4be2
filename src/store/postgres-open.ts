import { migrations as allMigrations } from '../../migrations/index.js'
import type { Migration } from '../../migrations/migration.js'
import type { Logger } from '../adapter.js'
import type { Clock } from '../clock.js'
import type { Database } from './database.js'
import { clockSql } from './dialect.js'
import { type Migrated, migrateDown, migrateUp, type SchemaConnection, schemaState } from './migrate.js'
import { loadPg, postgresAddress } from './postgres-connection.js'
import { PostgresDatabase } from './postgres-database.js'
import { postgresSchema } from './postgres-schema.js'
import { PostgresWriter } from './postgres-writer.js'
import { unusable } from './unusable.js'

/** What a schema is looked at, and changed, with. */
interface SchemaOptions {
  readonly url: string
  readonly log: Logger
  readonly migrations?: readonly Migration[]
  /** Milliseconds to wait for other processes, before a migration. */
  readonly migrationPatience: number
}

interface OpenOptions extends SchemaOptions {
  readonly clock: Clock
  readonly migrate?: boolean
  /** Milliseconds to wait for other writers. */
  readonly patience: number
}

/** Opens a database of a PostgreSQL server, whose schema is brought up to date only where `migrate` says so. */
export const openPostgres = async (options: OpenOptions): Promise<Database> => {
  const { clock, log, migrations = allMigrations, migrate = false, patience } = options
  const address = postgresAddress(options.url)
  await overSchema(options, async (schema) => {
    const [lacks] = (await schemaState(schema, { migrations })).pending
    if (lacks === undefined) return
    if (!migrate) {
      const what = `lacks the migration "${lacks}". Run, with the URL of the database in DATABASE_URL: telesto migrate`
      throw unusable('database_too_old', address.name, what, undefined, 'database')
    }
    await migrateUp(schema, { migrations, log })
  })
  return new PostgresDatabase({ pg: await loadPg(), address, clock, patience })
}

/** What `telesto migrate` does with a PostgreSQL database. */
export const migratePostgres = async (
  options: SchemaOptions & { readonly down?: string | true },
): Promise<Migrated & { readonly name: string }> => {
  const { log, migrations = allMigrations, down } = options
  const { name } = postgresAddress(options.url)
  return await overSchema(options, async (schema) => {
    if (down !== undefined)
      return { name, ...(await migrateDown(schema, { migrations, log }, down === true ? undefined : down)) }
    const { pending } = await schemaState(schema, { migrations })
    return pending.length === 0 ? { name, names: [] } : { name, ...(await migrateUp(schema, { migrations, log })) }
  })
}

const overSchema = async <T>(
  { url, migrationPatience }: Pick<SchemaOptions, 'url' | 'migrationPatience'>,
  work: (schema: SchemaConnection) => Promise<T>,
): Promise<T> => {
  const address = postgresAddress(url)
  const writer = new PostgresWriter(await loadPg(), address, migrationPatience, () => clockSql('postgres', 0), {
    unhurried: true,
  })
  try {
    return await work(postgresSchema(writer, address))
  } finally {
    await writer.close()
  }
}
