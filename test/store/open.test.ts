import { stat, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { type Migration, migrations } from '../../migrations/index.js'
import { migrateDatabase } from '../../src/store/open.js'
import { counters, labels } from './children/schema.js'
import {
  childScript,
  filesIn,
  freshDirectory,
  freshFile,
  look,
  openFor,
  quiet,
  refusal,
  schemaOf,
  startChild,
} from './support.js'

const ledger = 'SELECT name FROM telesto_migrations ORDER BY name'

test('a fresh file and its directory are made for their owner alone, and migrated', async () => {
  const file = path.join(await freshDirectory(), 'a', 'b', 'telesto.db')
  const database = await openFor(file)
  expect(await database.all(ledger)).toEqual(migrations.map(({ name }) => ({ name })))
  await database.close()
  const modes = await Promise.all(
    [path.dirname(path.dirname(file)), path.dirname(file), file].map((name) => stat(name)),
  )
  expect(modes.map(({ mode }) => mode & 0o777)).toEqual([0o700, 0o700, 0o600])
  expect(await filesIn(path.dirname(file))).toEqual(['telesto.db'])
})

test('an up-to-date database is opened as it is', async () => {
  const file = await freshFile()
  await (await openFor(file)).close()
  const before = schemaOf(file)
  const database = await openFor(file, { migrate: false })
  expect(await database.all('SELECT count(*) AS n FROM telesto_jobs')).toEqual([{ n: 0 }])
  await database.close()
  expect(schemaOf(file)).toEqual(before)
  expect(await filesIn(path.dirname(file))).toEqual(['telesto.db'])
})

test('an older database is copied with what is still in its log, then migrated', async () => {
  const file = await freshFile()
  await (await openFor(file, { migrations: [counters] })).close()
  // Open all the while, so that the row stays in the log.
  const other = new DatabaseSync(file)
  onTestFinished(() => other.close())
  other.exec('INSERT INTO counters (id, n) VALUES (2, 22)')
  const database = await openFor(file, { migrations: [counters, labels] })
  expect(await database.all(ledger)).toEqual([{ name: '0001-counters' }, { name: '0002-labels' }])
  expect(await database.all('SELECT n FROM counters ORDER BY id')).toEqual([{ n: 0 }, { n: 22 }])
  const copy = `${file}.before-0002-labels`
  expect(look(copy, 'SELECT n FROM counters ORDER BY id')).toEqual([{ n: 0 }, { n: 22 }])
  expect(look(copy, ledger)).toEqual([{ name: '0001-counters' }])
  expect(look(copy, 'PRAGMA integrity_check')).toEqual([{ integrity_check: 'ok' }])
  expect((await stat(copy)).mode & 0o777).toBe(0o600)
})

test('a copy that is there already is kept beside the new one', async () => {
  const file = await freshFile()
  const both = [counters, labels]
  await (await openFor(file, { migrations: [counters] })).close()
  await (await openFor(file, { migrations: both })).close()
  await migrateDatabase({ file, log: quiet, migrations: both, down: true })
  await (await openFor(file, { migrations: both })).close()
  expect(await filesIn(path.dirname(file))).toEqual([
    'telesto.db',
    'telesto.db.before-0002-labels',
    'telesto.db.before-0002-labels.2',
    'telesto.db.before-undoing-0002-labels',
  ])
})

test('another program’s tables are copied and left alone', async () => {
  const file = await freshFile()
  const theirs = new DatabaseSync(file)
  theirs.exec('CREATE TABLE theirs (a); INSERT INTO theirs VALUES (1)')
  theirs.close()
  const database = await openFor(file, { migrations: [counters] })
  expect(await database.all('SELECT a FROM theirs')).toEqual([{ a: 1 }])
  expect(look(`${file}.before-0001-counters`, 'SELECT a FROM theirs')).toEqual([{ a: 1 }])
})

test('a newer database is refused with both names, and left as it was', async () => {
  const file = await freshFile()
  await (await openFor(file, { migrations: [counters, labels] })).close()
  const before = schemaOf(file)
  const error = await refusal(openFor(file, { migrations: [counters] }))
  expect(error).toMatchObject({ code: 'database_too_new', field: 'file' })
  expect(error.message).toContain(file)
  expect(error.message).toContain('"0002-labels"')
  expect(error.message).toContain('"0001-counters"')
  expect(schemaOf(file)).toEqual(before)
  expect(await filesIn(path.dirname(file))).toEqual(['telesto.db'])
})

test('an older database that must not be migrated is refused with the command to run', async () => {
  const file = await freshFile()
  await (await openFor(file, { migrations: [counters] })).close()
  const before = schemaOf(file)
  const error = await refusal(openFor(file, { migrations: [counters, labels], migrate: false }))
  expect(error).toMatchObject({ code: 'database_too_old', field: 'file' })
  expect(error.message).toContain('"0002-labels"')
  expect(error.message).toContain(`telesto migrate --file ${file}`)
  expect(schemaOf(file)).toEqual(before)
})

test('a database that is not there is not made where it must not be migrated', async () => {
  const file = path.join(await freshDirectory(), 'a', 'telesto.db')
  expect((await refusal(openFor(file, { migrate: false }))).code).toBe('database_too_old')
  expect(await filesIn(path.dirname(path.dirname(file)))).toEqual([])
})

const half: Migration = {
  name: '0003-half',
  async up({ run }) {
    await run('CREATE TABLE half (a)')
    await run('UPDATE counters SET n = 99')
    await run('CREATE TABLE counters (b)')
  },
  async down({ run }) {
    await run('DROP TABLE half')
  },
}

test('a migration that fails half-way leaves the database as it was, with the ones before it undone too', async () => {
  const file = await freshFile()
  await (await openFor(file, { migrations: [counters] })).close()
  const before = schemaOf(file)
  const error = await refusal(openFor(file, { migrations: [counters, labels, half] }))
  expect(error).toMatchObject({ code: 'database_unusable', field: 'file' })
  expect(error.message).toContain('0003-half')
  expect(error.message).toContain('table counters already exists')
  expect(schemaOf(file)).toEqual(before)
  expect(look(file, 'SELECT n FROM counters')).toEqual([{ n: 0 }])
  expect(look(file, ledger)).toEqual([{ name: '0001-counters' }])
  expect(await filesIn(path.dirname(file))).toEqual(['telesto.db'])
  const database = await openFor(file, { migrations: [counters, labels] })
  expect(await database.all('SELECT count(*) AS n FROM labels')).toEqual([{ n: 0 }])
})

test('up, down and up again give the same schema', async () => {
  const file = await freshFile()
  await migrateDatabase({ file, log: quiet })
  const up = schemaOf(file)
  expect(up.length).toBeGreaterThan(20)
  const [first] = migrations
  const down = await migrateDatabase({ file, log: quiet, down: first?.name ?? '' })
  expect(down.names).toEqual(migrations.map(({ name }) => name).toReversed())
  const left = schemaOf(file).map(({ name }) => String(name))
  expect(left.filter((name) => !name.startsWith('sqlite_'))).toEqual(['telesto_migrations'])
  expect((await migrateDatabase({ file, log: quiet })).names).toEqual(migrations.map(({ name }) => name))
  expect(schemaOf(file)).toEqual(up)
  expect((await migrateDatabase({ file, log: quiet })).names).toEqual([])
})

test('down undoes the named migration and those after it, or the last one', async () => {
  const file = await freshFile()
  const schema = { file, log: quiet, migrations: [counters, labels] }
  await migrateDatabase(schema)
  const unknown = await refusal(migrateDatabase({ ...schema, down: '0009-none' }))
  expect(unknown).toMatchObject({ code: 'invalid', field: 'down' })
  expect(unknown.message).toContain('0001-counters, 0002-labels')
  expect((await migrateDatabase({ ...schema, down: true })).names).toEqual(['0002-labels'])
  expect(look(file, ledger)).toEqual([{ name: '0001-counters' }])
  await migrateDatabase(schema)
  const both = await migrateDatabase({ ...schema, down: '0001-counters' })
  expect(both.names).toEqual(['0002-labels', '0001-counters'])
  expect(look(both.copy ?? '', ledger)).toEqual([{ name: '0001-counters' }, { name: '0002-labels' }])
  expect((await migrateDatabase({ ...schema, down: true })).names).toEqual([])
  const missing = { ...schema, file: `${file}.missing` }
  expect((await refusal(migrateDatabase({ ...missing, down: true }))).code).toBe('database_unusable')
  expect(await filesIn(path.dirname(file))).not.toContain('telesto.db.missing')
})

test('an older database that is opened twice at once is copied once', async () => {
  const file = await freshFile()
  await (await openFor(file, { migrations: [counters] })).close()
  const both = await Promise.all([1, 2].map(() => openFor(file, { migrations: [counters, labels] })))
  const tables = await Promise.all(both.map((database) => database.all(ledger)))
  expect(tables).toEqual(Array.from({ length: 2 }, () => [{ name: '0001-counters' }, { name: '0002-labels' }]))
  await Promise.all(both.map((database) => database.close()))
  expect(await filesIn(path.dirname(file))).toEqual(['telesto.db', 'telesto.db.before-0002-labels'])
})

test('several processes open one fresh file at once', { timeout: 60_000 }, async () => {
  const directory = await freshDirectory()
  for (let round = 0; round < 5; round += 1) {
    const file = path.join(directory, String(round), 'telesto.db')
    const children = Array.from({ length: 3 }, () => startChild(childScript('open'), [file]))
    expect(await Promise.all(children.map((child) => child.line()))).toEqual(['ready', 'ready', 'ready'])
    for (const child of children) child.tell('go')
    const reports = await Promise.all(children.map((child) => child.line()))
    expect(reports.map((report) => JSON.parse(report ?? ''))).toEqual(
      Array.from({ length: 3 }, () => ({ tables: expect.any(Number) })),
    )
    await Promise.all(children.map((child) => child.ended))
    expect(look(file, 'SELECT count(*) AS n FROM telesto_events')).toEqual([{ n: 3 }])
    expect(look(file, ledger)).toEqual(migrations.map(({ name }) => ({ name })))
  }
})

test('a copy that was cut short is thrown away by the next one', async () => {
  const file = await freshFile()
  await (await openFor(file, { migrations: [counters] })).close()
  await writeFile(`${file}.before-0002-labels.unfinished`, 'half')
  await (await openFor(file, { migrations: [counters, labels] })).close()
  expect(await filesIn(path.dirname(file))).toEqual(['telesto.db', 'telesto.db.before-0002-labels'])
  expect(look(`${file}.before-0002-labels`, ledger)).toEqual([{ name: '0001-counters' }])
})
