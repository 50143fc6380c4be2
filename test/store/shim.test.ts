import { mkdir } from 'node:fs/promises'
import { QueryTypes } from 'sequelize'
import { expect, onTestFinished, test } from 'vitest'
import { Handle, patiently } from '../../src/store/handle.js'
import { createDialectModule, createHandlePool } from '../../src/store/sqlite.js'
import { freshDirectory, freshFile, openFor } from './support.js'

const patience = 200

const pragmas = ['journal_mode', 'synchronous', 'foreign_keys'] as const
const right = { journal_mode: 'wal', synchronous: 2, foreign_keys: 1 }

test('every connection runs WAL, synchronous FULL and foreign keys, inside a transaction and outside', async () => {
  const database = await openFor(await freshFile())
  const read = async (ask: (sql: string) => Promise<object[]>) => {
    const found = {}
    for (const pragma of pragmas) Object.assign(found, (await ask(`PRAGMA ${pragma}`))[0])
    return found
  }
  expect(await read((sql) => database.all(sql))).toEqual(right)
  expect(await database.write((tx) => read((sql) => tx.all(sql)))).toEqual(right)
  const { sequelize } = database
  const type = QueryTypes.SELECT
  expect(await read((sql) => sequelize.query(sql, { type }))).toEqual(right)
  const inside = await Promise.all(
    Array.from({ length: 3 }, () =>
      sequelize.transaction((transaction) => read((sql) => sequelize.query(sql, { type, transaction }))),
    ),
  )
  expect(inside).toEqual([right, right, right])
})

const shim = async (maxIdle?: number) => {
  const file = await freshFile()
  const pool = createHandlePool({ file, patience, ...(maxIdle === undefined ? {} : { maxIdle }) })
  onTestFinished(() => pool.close())
  return { file, pool, module: createDialectModule(pool, patience) }
}

test('a connection calls back later, by this an object of the class Statement', async () => {
  const { file, module } = await shim()
  const order: string[] = []
  const connection = await new Promise<InstanceType<typeof module.Database>>((resolve) => {
    const made = new module.Database(file, module.OPEN_READWRITE | module.OPEN_CREATE, (error) => {
      order.push(`opened ${String(error)}`)
      resolve(made)
    })
    order.push('constructed')
  })
  expect(order).toEqual(['constructed', 'opened null'])
  connection.run('CREATE TABLE t (id INTEGER PRIMARY KEY, a, b, c, d)')
  const insert = await new Promise<{ lastID: number; changes: number }>((resolve) =>
    connection.run(
      'INSERT INTO t (a, b, c, d) VALUES ($a, :b, @c, $d)',
      { $a: undefined, ':b': true, '@c': new Date(0), $d: 'text' },
      function (this: unknown) {
        resolve(this as { lastID: number; changes: number })
      },
    ),
  )
  expect(insert.constructor.name).toBe('Statement')
  expect(insert).toMatchObject({ lastID: 1, changes: 1 })
  const rows = await new Promise((resolve) =>
    connection.all('SELECT * FROM t WHERE id = ?', [1], (_error, found) => resolve(found)),
  )
  expect(rows).toEqual([{ id: 1, a: null, b: 1, c: '1970-01-01T00:00:00.000Z', d: 'text' }])
  const error = await new Promise((resolve) => connection.all('SELECT missing', (reason) => resolve(reason)))
  expect(error).toMatchObject({ code: 'SQLITE_ERROR', message: 'no such column: missing' })
  await new Promise((resolve) => connection.close(resolve))
  const closed = await new Promise((resolve) => connection.all('SELECT 1', (reason) => resolve(reason)))
  expect(closed).toMatchObject({ message: 'This connection is closed.' })
})

test('a connection that could not be opened is opened by a later statement', async () => {
  const directory = await freshDirectory()
  const file = `${directory}/later/telesto.db`
  const pool = createHandlePool({ file, patience })
  onTestFinished(() => pool.close())
  const module = createDialectModule(pool, patience)
  const { promise: failure, resolve: failed } = Promise.withResolvers()
  const connection = new module.Database(file, module.OPEN_READWRITE, failed)
  expect(await failure).toMatchObject({ code: 'SQLITE_CANTOPEN' })
  await mkdir(`${directory}/later`)
  const rows = await new Promise((resolve) => connection.all('SELECT 1 AS one', (_error, found) => resolve(found)))
  expect(rows).toEqual([{ one: 1 }])
})
test('closed handles are used again, but never with a transaction open, and no more than a few are kept', async () => {
  const { pool } = await shim(1)
  const first = await pool.take()
  first.execute('CREATE TABLE t (a)')
  first.execute('BEGIN IMMEDIATE')
  first.execute('INSERT INTO t VALUES (1)')
  pool.giveBack(first)
  const again = await pool.take()
  expect(again).toBe(first)
  expect(again.execute('SELECT count(*) AS n FROM t').rows).toEqual([{ n: 0 }])
  const second = await pool.take()
  expect(second).not.toBe(first)
  second.execute('BEGIN IMMEDIATE')
  second.execute('ROLLBACK')
  pool.giveBack(again)
  pool.giveBack(second)
  expect(() => second.execute('SELECT 1')).toThrow(/not open/)
})

test('a statement goes on when columns came meanwhile, and a new one sees them', async () => {
  const { file, pool } = await shim()
  const reader = await pool.take()
  reader.execute('CREATE TABLE t (a)')
  reader.execute('INSERT INTO t VALUES (1)')
  expect(reader.execute('SELECT a FROM t').rows).toEqual([{ a: 1 }])
  const other = new Handle(file)
  other.execute('ALTER TABLE t ADD COLUMN b')
  other.close()
  expect(reader.execute('SELECT a FROM t').rows).toEqual([{ a: 1 }])
  expect(reader.execute('SELECT a, b FROM t').rows).toEqual([{ a: 1, b: null }])
  reader.close()
})

test('more statements than are remembered all work, in turn and again', async () => {
  const { pool } = await shim()
  const handle = await pool.take()
  for (const round of [1, 2]) {
    for (let i = 0; i < 500; i += 1)
      expect(handle.execute(`SELECT ${i} AS i, $1 AS r`, [round]).rows).toEqual([{ i, r: round }])
  }
  handle.close()
})

test('a value too few or too many is an error, not NULL', async () => {
  const { pool } = await shim()
  const handle = await pool.take()
  expect(() => handle.execute('SELECT $1, $2', [1])).toThrow('The statement has 2 parameters, and 1 values were given.')
  expect(() => handle.execute('SELECT $1', [1, 2])).toThrow('The statement has 1 parameters, and 2 values were given.')
  expect(handle.execute(`SELECT '$9' AS a, $1 AS b, $1 AS c`, ['x']).rows).toEqual([{ a: '$9', b: 'x', c: 'x' }])
  handle.close()
})

test('what is busy is tried again until patience ends; what cannot succeed is not', async () => {
  const failing = (errcode: number, times: number) => {
    let attempts = 0
    const attempt = () => {
      attempts += 1
      if (attempts <= times) throw Object.assign(new Error('busy'), { code: 'ERR_SQLITE_ERROR', errcode })
      return attempts
    }
    return { attempt, made: () => attempts }
  }
  expect(await patiently(failing(5, 3).attempt, patience)).toBe(4)
  expect(await patiently(failing(261, 3).attempt, patience)).toBe(4)
  const stuck = failing(5, Infinity)
  await expect(patiently(stuck.attempt, patience)).rejects.toThrow('busy')
  expect(stuck.made()).toBeGreaterThanOrEqual(patience / 20)
  expect(stuck.made()).toBeLessThanOrEqual(patience / 5 + 2)
  for (const errcode of [517, 1, 8, 13, 2067]) {
    const hopeless = failing(errcode, Infinity)
    await expect(patiently(hopeless.attempt, patience)).rejects.toThrow('busy')
    expect(hopeless.made()).toBe(1)
  }
})
