import path from 'node:path'
import { setTimeout as delay } from 'node:timers/promises'
import { expect, test } from 'vitest'
import { systemClock } from '../../src/clock.js'
import type { Transaction } from '../../src/store/database.js'
import { dialects } from '../../src/store/dialect.js'
import { placeOf } from '../database.js'
import { counters, labels } from './children/schema.js'
import { childScript, freshFile, openFor, refusal, startChild } from './support.js'

const open = async () => openFor(await freshFile(), { migrations: [counters, labels] })
const n = async (database: Awaited<ReturnType<typeof open>>) =>
  (await database.all<{ n: number }>('SELECT n FROM counters WHERE id = 1'))[0]?.n

test('rows are read as they were written, and changes are counted', async () => {
  const database = await open()
  await database.write(async (tx) => {
    expect(await tx.run('INSERT INTO counters (n, note) VALUES ($1, $2), ($1, NULL)', [5, 'é"'])).toBe(2)
    expect(await tx.all('INSERT INTO counters (n) VALUES ($1) RETURNING id, n', [6])).toEqual([{ id: 4, n: 6 }])
    expect(await tx.run('UPDATE counters SET n = 7 WHERE n = $1 RETURNING id', [5])).toBe(2)
    expect(await tx.run('UPDATE counters SET n = 8 WHERE n = $1', [5])).toBe(0)
    expect(await tx.run('CREATE TABLE other (a TEXT)')).toBe(0)
    expect(await tx.run('DELETE FROM counters WHERE n = $1', [6])).toBe(1)
  })
  const [row] = await database.all('SELECT id, n, note FROM counters WHERE id = $1', [2])
  expect(row).toEqual({ id: 2, n: 7, note: 'é"' })
})

test('a write that fails is undone and rejects with the same error', async () => {
  const database = await open()
  const error = new Error('back')
  const failing = database.write(async (tx) => {
    await tx.run('UPDATE counters SET n = 9')
    throw error
  })
  expect(await failing.catch((reason: unknown) => reason)).toBe(error)
  expect(await n(database)).toBe(0)
  const thrown = database.write(() => {
    throw error
  })
  expect(await thrown.catch((reason: unknown) => reason)).toBe(error)
  expect(await database.write((tx) => tx.run('UPDATE counters SET n = 1'))).toBe(1)
})

test('only what is fleeting does not wait for the disk', async () => {
  const database = await open()
  const sync = async (tx: Transaction): Promise<unknown> => {
    const setting = database.dialect === 'sqlite' ? 'PRAGMA synchronous' : 'SHOW synchronous_commit'
    return Object.values((await tx.all(setting))[0] ?? {})[0]
  }
  const [full, normal] = database.dialect === 'sqlite' ? [2, 1] : ['on', 'off']
  // The server that tests run on does not wait by itself.
  if (database.dialect === 'postgres') await database.write((tx) => tx.run('SET synchronous_commit = on'))
  const fleeting = { fleeting: true }
  expect(await database.write(sync)).toBe(full)
  expect(await database.write(sync, fleeting)).toBe(normal)
  expect(await database.write(sync, fleeting)).toBe(normal)
  expect(await database.write(sync)).toBe(full)
  await expect(database.write(async () => Promise.reject(new Error('no')), fleeting)).rejects.toThrow('no')
  expect(await database.write(sync)).toBe(full)
})

test('what is not committed is not read outside', async () => {
  const database = await open()
  await database.write(async (tx) => {
    await tx.run('UPDATE counters SET n = 2')
    expect(await n(database)).toBe(0)
  })
  expect(await n(database)).toBe(2)
})

test('writers of one process wait for each other and lose nothing', async () => {
  // With no patience at all: waiting in the database would be an error.
  const database = await openFor(await freshFile(), { migrations: [counters], patience: 0 })
  const add = () =>
    database.write(async (tx) => {
      const [row] = await tx.all<{ n: number }>('SELECT n FROM counters WHERE id = 1')
      await new Promise((resolve) => setTimeout(resolve, 1))
      await tx.run('UPDATE counters SET n = $1 WHERE id = 1', [Number(row?.n) + 1])
    })
  await Promise.all(Array.from({ length: 50 }, add))
  expect(await n(database)).toBe(50)
})

test('writers of several processes lose nothing, and none is rejected', async () => {
  const file = await freshFile()
  const database = await openFor(file, { migrations: [counters] })
  const where = await placeOf(path.dirname(file))
  const place = 'url' in where ? where.url : where.file
  const children = Array.from({ length: 3 }, () => startChild(childScript('count'), [place, '60']))
  const reports = await Promise.all(children.map((child) => child.line()))
  expect(reports).toEqual(Array.from({ length: 3 }, () => JSON.stringify({ rejected: 0 })))
  expect(await n(database)).toBe(180)
})

test('two databases of one process, on one file, take turns', async () => {
  const file = await freshFile()
  const databases = [await openFor(file, { migrations: [counters] }), await openFor(file, { migrations: [counters] })]
  const adding = databases.flatMap((database) =>
    Array.from({ length: 15 }, () => database.write((tx) => tx.run('UPDATE counters SET n = n + 1'))),
  )
  expect(await Promise.all(adding)).toEqual(Array.from({ length: 30 }, () => 1))
  await databases[0]?.close()
  expect(await databases[1]?.all('SELECT n FROM counters')).toEqual([{ n: 30 }])
})

test('a write inside a write is refused instead of waiting for ever; one started there for later is not', async () => {
  const database = await open()
  const later: Promise<unknown>[] = []
  const ended = Promise.withResolvers<void>()
  await database.write(async (tx) => {
    await expect(database.write((inner) => inner.run('SELECT 1'))).rejects.toThrow(/inside the work of another write/)
    await expect(database.close()).rejects.toThrow(/inside the work of a write/)
    later.push(ended.promise.then(() => database.write((other) => other.run('UPDATE counters SET n = n + 10'))))
    await tx.run('UPDATE counters SET n = 1')
  })
  ended.resolve()
  expect(await Promise.all(later)).toEqual([1])
  expect(await n(database)).toBe(11)
})

test('a statement after the end of its transaction is refused', async () => {
  const database = await open()
  const tx = await database.write(async (inner) => inner)
  await expect(tx.run('UPDATE counters SET n = 1')).rejects.toThrow(/has ended/)
  expect(await n(database)).toBe(0)
})

test('all() outside a transaction refuses to write', async () => {
  const database = await open()
  await expect(database.all('UPDATE counters SET n = 1 RETURNING n')).rejects.toThrow(/only reads/)
  expect(await n(database)).toBe(0)
})

test('timers have their turn while statements follow each other', async () => {
  const database = await open()
  let fired = false
  setTimeout(() => {
    fired = true
  }, 1)
  for (let i = 0; i < 200_000 && !fired; i += 1) await database.all('SELECT 1')
  expect(fired).toBe(true)
})

test('the clock is the database’s, in milliseconds, moved by the offset of the clock that was given', async () => {
  let offset = 0
  const database = await openFor(await freshFile(), { clock: { ...systemClock, databaseOffset: () => offset } })
  expect(database.now()).toBe(dialects[database.dialect].clock)
  const before = Date.now()
  const now = await database.readNow()
  expect(now).toBeGreaterThanOrEqual(before)
  expect(now).toBeLessThanOrEqual(Date.now())
  offset = 600_000
  const inside = await database.write((tx) => tx.now())
  expect(inside - now).toBeGreaterThanOrEqual(600_000)
  expect(Number.isInteger(inside)).toBe(true)
  offset = -600_000
  expect(await database.readNow()).toBeLessThan(now)
  offset = 0.5
  expect(() => database.now()).toThrow(RangeError)
})

test('a transaction reads the clock when it has the lock, and each time it asks again; who joins it later reads it later', async () => {
  const database = await open()
  const ended = database.write(async (tx) => {
    const first = await tx.now()
    await delay(20)
    const second = await tx.now()
    await tx.run('UPDATE counters SET n = 1')
    await delay(20)
    const third = await tx.now()
    expect(second - first).toBeGreaterThanOrEqual(15)
    expect(third - second).toBeGreaterThanOrEqual(15)
    return third
  })
  await delay(5)
  const waited = database.write(async (tx) => {
    const now = await tx.now()
    await delay(5)
    return now
  })
  const joined = database.write((tx) => tx.now())
  expect(await waited).toBeGreaterThanOrEqual(await ended)
  expect((await joined) - (await waited)).toBeGreaterThanOrEqual(3)
})

test('close waits for the writes that were asked for, may be called again, and then all is refused', async () => {
  const file = await freshFile()
  const database = await openFor(file, { migrations: [counters] })
  const writes = [1, 2].map((value) =>
    database.write(async (tx) => {
      await new Promise((resolve) => setTimeout(resolve, 10))
      await tx.run('UPDATE counters SET n = n + $1', [value])
    }),
  )
  const closing = database.close()
  expect((await refusal(database.write((tx) => tx.run('SELECT 1')))).code).toBe('closed')
  await closing
  await database.close()
  await Promise.all(writes)
  expect((await refusal(database.all('SELECT 1'))).code).toBe('closed')
  expect((await refusal(database.readNow())).code).toBe('closed')
  expect((await refusal(database.sequelize.query('SELECT 1'))).code).toBe('closed')
  const again = await openFor(file, { migrations: [counters] })
  expect(await n(again)).toBe(3)
})
