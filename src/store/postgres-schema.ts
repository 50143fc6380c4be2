import type { SchemaConnection } from './migrate.js'
import type { PostgresAddress } from './postgres-connection.js'
import type { PostgresWriter } from './postgres-writer.js'
import { unusable } from './unusable.js'

/** The schema of a database, over `writer`. */
export const postgresSchema = (writer: PostgresWriter, { name }: PostgresAddress): SchemaConnection => ({
  dialect: 'postgres',
  name,
  all: async (sql, params) => (await writer.execute(sql, params)).rows,
  async tables() {
    const sql = 'SELECT tablename AS name FROM pg_catalog.pg_tables WHERE schemaname = current_schema()'
    return (await writer.execute(sql)).rows.map((row) => String(row.name))
  },
  begin: () => writer.begin(),
  commit: () => writer.commit(),
  rollBack: () => writer.rollBack(),
  coded: (error) => error, // The writer has done it.
  unusable: (code, what, cause) => unusable(code, name, what, cause, 'database'),
})
