import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { expect, onTestFinished, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import { openDatabase } from '../../src/store/open.js'

const log = { debug() {}, info() {}, warn() {}, error() {} }

test('each table of the migrations has a model with exactly its columns and its primary key', async () => {
  const directory = mkdtempSync(join(tmpdir(), 'telesto-models-'))
  const database = await openDatabase({ file: join(directory, 'telesto.db'), clock: systemClock, log })
  onTestFinished(async () => {
    await database.close()
    rmSync(directory, { recursive: true })
  })
  const tables = await database.all<{ name: string }>(
    "SELECT name FROM sqlite_master WHERE type = 'table' AND name LIKE 'telesto\\_%' ESCAPE '\\' AND name <> 'telesto_migrations' ORDER BY name",
  )
  expect(Object.keys(database.sequelize.models).sort()).toEqual(tables.map(({ name }) => name))
  for (const { name } of tables) {
    const columns = await database.all<{ name: string; pk: number }>(`PRAGMA table_info(${name})`)
    const model = database.sequelize.model(name)
    const modelled = Object.values(model.getAttributes()).map(({ field, primaryKey }) => [field, primaryKey === true])
    expect(new Map(modelled as [string, boolean][]), name).toEqual(
      new Map(columns.map((column) => [column.name, column.pk > 0])),
    )
  }
})
