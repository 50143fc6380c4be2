import { expect, test } from 'vitest'
import type { DialectName } from '../../src/store/dialect.js'
import { freshFile, openFor } from './support.js'

/** Every column of every table, and whether it belongs to the primary key. */
const COLUMNS: Readonly<Record<DialectName, string>> = {
  sqlite: `SELECT t.name AS "table", c.name AS "column", c.pk > 0 AS key
    FROM sqlite_schema t JOIN pragma_table_info(t.name) c WHERE t.type = 'table' AND t.name LIKE 'telesto\\_%' ESCAPE '\\'`,
  postgres: `SELECT t.relname AS "table", c.attname AS "column", COALESCE(c.attnum = ANY (k.indkey), FALSE) AS key
    FROM pg_class t JOIN pg_attribute c ON c.attrelid = t.oid AND c.attnum > 0
      LEFT JOIN pg_index k ON k.indrelid = t.oid AND k.indisprimary
    WHERE t.relkind = 'r' AND t.relnamespace = current_schema()::regnamespace`,
}

test('each table of the migrations has a model with exactly its columns and its primary key', async () => {
  const database = await openFor(await freshFile())
  const columns = await database.all<{ table: string; column: string; key: number }>(COLUMNS[database.dialect])
  const tables = new Set(columns.map(({ table }) => table))
  expect(tables.delete('telesto_migrations')).toBe(true)
  expect(new Set(Object.keys(database.sequelize.models))).toEqual(tables)
  for (const table of tables) {
    const attributes = Object.values(database.sequelize.model(table).getAttributes())
    const modelled = attributes.map(({ field, primaryKey }) => [field as string, primaryKey === true] as const)
    const stored = columns.filter((one) => one.table === table).map(({ column, key }) => [column, key === 1] as const)
    expect(new Map(modelled), table).toEqual(new Map(stored))
  }
})
