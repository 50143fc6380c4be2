import { execFileSync } from 'node:child_process'
import { chmod, mkdir, readFile, writeFile } from 'node:fs/promises'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { expect, onTestFinished, test } from 'vitest'
import { counters, labels } from './children/schema.js'
import {
  childScript,
  filesIn,
  freshDirectory,
  freshFile,
  look,
  openFor,
  refusal,
  schemaOf,
  startChild,
} from './support.js'

test('a file that is not a database is refused and left as it was', async () => {
  for (const content of ['hello', 'not a database\n'.repeat(2000)]) {
    const file = await freshFile()
    await writeFile(file, content)
    const error = await refusal(openFor(file))
    expect(error).toMatchObject({ code: 'database_unusable', field: 'file' })
    expect(error.message).toContain(`${file} is not a sound SQLite database`)
    expect(await readFile(file, 'utf8')).toBe(content)
    expect(await filesIn(path.dirname(file))).toEqual(['telesto.db'])
  }
})

test('a directory in the place of the file is refused', async () => {
  const directory = await freshDirectory()
  const error = await refusal(openFor(directory))
  expect(error).toMatchObject({ code: 'database_unusable', field: 'file' })
  expect(error.message).toContain(`${directory} is a directory`)
  expect(await filesIn(directory)).toEqual([])
})

test('a pipe in the place of the file is refused instead of waited for', async () => {
  const file = await freshFile()
  execFileSync('mkfifo', [file])
  expect(await refusal(openFor(file))).toMatchObject({ code: 'database_unusable', field: 'file' })
})

test('a file in the place of the directory is refused', async () => {
  const file = await freshFile()
  await writeFile(file, 'x')
  for (const below of [path.join(file, 'telesto.db'), path.join(file, 'a', 'telesto.db')]) {
    const error = await refusal(openFor(below))
    expect(error).toMatchObject({ code: 'database_unusable', field: 'directory' })
    expect(error.message).toContain(path.dirname(below))
  }
})

test('a directory that cannot be made is refused', async () => {
  const error = await refusal(openFor('/proc/telesto/telesto.db'))
  expect(error).toMatchObject({ code: 'database_unusable', field: 'directory' })
})

/** How a process without root's privileges fares with `file`. */
const asNobody = async (file: string) => {
  const child = startChild(childScript('open'), [file, 'nobody'])
  expect(await child.line()).toBe('ready')
  child.tell('go')
  return JSON.parse((await child.line()) ?? '') as { code?: string; field?: string; message?: string; tables?: number }
}

/** A database in a directory that anyone may use. */
const sharedFile = async () => {
  const file = await freshFile()
  await (await openFor(file)).close()
  await chmod(path.dirname(file), 0o777)
  await chmod(file, 0o666)
  return file
}

test('a file that may not be read is refused', async () => {
  const file = await sharedFile()
  expect((await asNobody(file)).tables).toBeGreaterThan(5)
  await chmod(file, 0)
  const report = await asNobody(file)
  expect(report).toMatchObject({ code: 'database_unusable', field: 'file' })
  expect(report.message).toContain(`${file} may not be read`)
})

test('a file that may only be read is refused', async () => {
  const file = await sharedFile()
  await chmod(file, 0o444)
  const report = await asNobody(file)
  expect(report).toMatchObject({ code: 'database_read_only', field: 'file' })
  expect(report.message).toContain(`${file} may not be written`)
  await chmod(file, 0o666)
  expect((await asNobody(file)).tables).toBeGreaterThan(5)
})

test('a directory that may only be read is refused, for the log stands in it', async () => {
  const file = await sharedFile()
  await chmod(path.dirname(file), 0o555)
  const report = await asNobody(file)
  expect(report).toMatchObject({ code: 'database_read_only', field: 'directory' })
  expect(report.message).toContain(path.dirname(file))
  expect((await asNobody(path.join(path.dirname(file), 'new.db'))).code).toBe('database_unusable')
  expect((await asNobody(path.join(path.dirname(file), 'new', 'new.db'))).field).toBe('directory')
})

test('a file that may not be looked at is refused', async () => {
  const file = await sharedFile()
  await chmod(path.dirname(file), 0o600)
  expect(await asNobody(file)).toMatchObject({ code: 'database_unusable', field: 'file' })
})

test('a database that turns read-only while it is open says so, and commits nothing', async () => {
  const database = await openFor(await freshFile(), { migrations: [counters] })
  const turning = database.write(async (tx) => {
    await tx.run('UPDATE counters SET n = 1')
    await tx.all('PRAGMA query_only = ON')
    await tx.run('UPDATE counters SET n = 2')
  })
  expect(await refusal(turning)).toMatchObject({ code: 'database_read_only', field: 'file' })
  const next = database.write((tx) => tx.run('UPDATE counters SET n = 3'))
  expect(await refusal(next)).toMatchObject({ code: 'database_read_only', field: 'file' })
  expect(await database.all('SELECT n FROM counters')).toEqual([{ n: 0 }])
})

const held = async (file: string, what: 'write' | 'everything') => {
  const child = startChild(childScript('hold'), [file, what])
  expect(await child.line()).toBe('held')
  return child
}

test('a write lock held by another process for too long is reported, and the next write after it works', async () => {
  const file = await freshFile()
  const database = await openFor(file, { migrations: [counters], patience: 100 })
  const child = await held(file, 'write')
  const error = await refusal(database.write((tx) => tx.run('UPDATE counters SET n = 1')))
  expect(error).toMatchObject({ code: 'database_locked', field: 'file' })
  expect(error.message).toContain(`fuser ${file}`)
  expect(error.message).toContain('0.1 s')
  const bySequelize = await refusal(database.sequelize.query('UPDATE counters SET n = 2'))
  expect(bySequelize.code).toBe('database_locked')
  expect(await database.all('SELECT n FROM counters')).toEqual([{ n: 0 }])
  child.tell('go')
  expect(await child.line()).toBe('let go')
  expect(await database.write((tx) => tx.run('UPDATE counters SET n = 3'))).toBe(1)
})

test('a lock that is let go in time is waited for', async () => {
  const file = await freshFile()
  const database = await openFor(file, { migrations: [counters] })
  const child = await held(file, 'write')
  const writing = database.write((tx) => tx.run('UPDATE counters SET n = 1'))
  setTimeout(() => child.tell('go'), 50)
  expect(await writing).toBe(1)
})

test('a database that another process keeps to itself cannot be opened, and is as it was', async () => {
  const file = await freshFile()
  await (await openFor(file, { migrations: [counters] })).close()
  const before = schemaOf(file)
  const child = await held(file, 'everything')
  const error = await refusal(openFor(file, { migrations: [counters], patience: 100 }))
  expect(error).toMatchObject({ code: 'database_locked', field: 'file' })
  child.tell('go')
  expect(await child.line()).toBe('let go')
  expect(schemaOf(file)).toEqual(before)
})

test('a migration waits for a writer of another process, and gives up without a copy', async () => {
  const file = await freshFile()
  await (await openFor(file, { migrations: [counters] })).close()
  const child = await held(file, 'write')
  const both = [counters, labels]
  expect((await refusal(openFor(file, { migrations: both, patience: 100 }))).code).toBe('database_locked')
  expect((await filesIn(path.dirname(file))).filter((name) => name.includes('before'))).toEqual([])
  setTimeout(() => child.tell('go'), 50)
  const database = await openFor(file, { migrations: both })
  expect(await database.all('SELECT count(*) AS n FROM labels')).toEqual([{ n: 0 }])
})

const page = 'x'.repeat(4000)

test('a full disk is reported, nothing is half done, and the next write after space is freed works', async () => {
  const file = await freshFile()
  const database = await openFor(file, { migrations: [counters] })
  await database.write((tx) => tx.run('INSERT INTO counters (id, n, note) VALUES (2, 0, $1)', [page]))
  await database.write(async (tx) => {
    const [size] = await tx.all<{ page_count: number }>('PRAGMA page_count')
    await tx.all(`PRAGMA max_page_count = ${size?.page_count}`)
  })
  const fill = () =>
    database.write(async (tx) => {
      await tx.run('UPDATE counters SET n = 5 WHERE id = 1')
      await tx.run('INSERT INTO counters (n, note) VALUES (6, $1)', [`other${page}`])
    })
  const error = await refusal(fill())
  expect(error).toMatchObject({ code: 'database_full', field: 'file' })
  expect(error.message).toContain(file)
  expect(await database.all('SELECT id, n FROM counters ORDER BY id')).toEqual([
    { id: 1, n: 0 },
    { id: 2, n: 0 },
  ])
  await database.write((tx) => tx.run('DELETE FROM counters WHERE id = 2'))
  await fill()
  expect(await database.all('SELECT n FROM counters ORDER BY n')).toEqual([{ n: 5 }, { n: 6 }])
})

test('work that swallows a full disk commits nothing', async () => {
  const database = await openFor(await freshFile(), { migrations: [counters] })
  const swallowing = database.write(async (tx) => {
    await tx.run('UPDATE counters SET n = 5')
    await tx.all('PRAGMA max_page_count = 1')
    await tx.run('INSERT INTO counters (n, note) VALUES (6, $1)', [page.repeat(20)]).catch(() => {})
    await tx.run('UPDATE counters SET n = 7').catch(() => {})
  })
  expect((await refusal(swallowing)).code).toBe('database_full')
  expect(await database.all('SELECT n FROM counters')).toEqual([{ n: 0 }])
})

test('a database that is full cannot be migrated, and is as it was', async () => {
  const file = await freshFile()
  await (await openFor(file, { migrations: [counters] })).close()
  const before = schemaOf(file)
  const growing = {
    ...labels,
    async up(context: Parameters<typeof labels.up>[0]) {
      await labels.up(context)
      await context.run('PRAGMA max_page_count = 1')
      await context.run(`INSERT INTO counters (n, note) VALUES (1, '${page.repeat(20)}')`)
    },
  }
  expect((await refusal(openFor(file, { migrations: [counters, growing] }))).code).toBe('database_full')
  expect(schemaOf(file)).toEqual(before)
  expect(await filesIn(path.dirname(file))).toEqual(['telesto.db'])
})

test('a damaged database is refused', async () => {
  const file = await freshFile()
  await (await openFor(file)).close()
  const bytes = await readFile(file)
  bytes.fill(0xff, 100, 4096)
  await writeFile(file, bytes)
  expect(await refusal(openFor(file))).toMatchObject({ code: 'database_unusable', field: 'file' })
})

test('a directory that already stands keeps its mode, and an empty file is fresh', async () => {
  const directory = path.join(await freshDirectory(), 'mine')
  await mkdir(directory, { mode: 0o755 })
  const file = path.join(directory, 'telesto.db')
  await writeFile(file, '')
  const database = await openFor(file, { migrations: [counters] })
  expect(await database.all('SELECT n FROM counters')).toEqual([{ n: 0 }])
  expect(await filesIn(directory)).toEqual(['telesto.db', 'telesto.db-shm', 'telesto.db-wal'])
  const raw = new DatabaseSync(file)
  onTestFinished(() => raw.close())
  expect(look(file, 'PRAGMA journal_mode')).toEqual([{ journal_mode: 'wal' }])
})
