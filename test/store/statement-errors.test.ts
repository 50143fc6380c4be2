import { expect, test } from 'vitest'
import { counters, labels } from './children/schema.js'
import { freshFile, openFor } from './support.js'

const open = async () => openFor(await freshFile(), { migrations: [counters, labels] })
const n = async (database: Awaited<ReturnType<typeof open>>) =>
  (await database.all<{ n: number }>('SELECT n FROM counters WHERE id = 1'))[0]?.n

test('a broken constraint has its name, and the transaction goes on', async () => {
  const database = await open()
  await database.write(async (tx) => {
    await tx.run(`INSERT INTO counters (n, note) VALUES (1, 'a')`)
    const unique = tx.run(`INSERT INTO counters (n, note) VALUES (2, 'a')`)
    await expect(unique).rejects.toMatchObject({ code: 'SQLITE_CONSTRAINT_UNIQUE' })
    const foreign = tx.run(`INSERT INTO labels VALUES (99, 'x')`)
    await expect(foreign).rejects.toMatchObject({ code: 'SQLITE_CONSTRAINT_FOREIGNKEY' })
    await tx.run('UPDATE counters SET n = 3 WHERE id = 1')
  })
  expect(await n(database)).toBe(3)
})

test('a COMMIT that fails undoes the write, and the next one works', async () => {
  const database = await open()
  const failing = database.write(async (tx) => {
    await tx.run('PRAGMA defer_foreign_keys = ON')
    await tx.run('UPDATE counters SET n = 4')
    await tx.run(`INSERT INTO labels VALUES (99, 'x')`)
  })
  await expect(failing).rejects.toMatchObject({ code: 'SQLITE_CONSTRAINT_FOREIGNKEY' })
  expect(await n(database)).toBe(0)
  expect(await database.write((tx) => tx.run('UPDATE counters SET n = 5'))).toBe(1)
})
