import { open, rename, rm, stat } from 'node:fs/promises'
import path from 'node:path'
import { Handle, patiently } from './handle.js'
import type { SchemaConnection } from './migrate.js'
import { databaseError } from './sqlite-errors.js'
import { unusable } from './unusable.js'

/** The schema of a file, over `handle`. `patience`: milliseconds to wait for another process. */
export const sqliteSchema = (handle: Handle, file: string, patience: number): SchemaConnection => ({
  dialect: 'sqlite',
  name: file,
  all: async (sql, params) => (await patiently(() => handle.execute(sql, params), patience)).rows,
  async tables() {
    const sql = `SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'`
    return (await patiently(() => handle.execute(sql), patience)).rows.map((row) => String(row.name))
  },
  async begin() {
    await patiently(() => handle.execute('BEGIN IMMEDIATE'), patience)
  },
  async commit() {
    handle.execute('COMMIT')
  },
  async rollBack() {
    handle.rollBack()
  },
  copy: {
    before: async (what) => await copyBefore(file, what),
    remove: async (copy) => await rm(copy, { force: true }),
  },
  coded: (error) => databaseError(error, file, patience),
  unusable: (code, what, cause) => unusable(code, file, what, cause),
})

/**
 * Copies the database beside itself, whole and with its log, and makes the copy durable. The caller holds the write lock, so
 * nothing is committed meanwhile; readers go on.
 */
const copyBefore = async (file: string, before: string): Promise<string> => {
  const copy = await freeName(`${file}.before-${before}`)
  const unfinished = `${copy}.unfinished`
  const { mode } = await stat(file)
  // What a process left that was killed while it copied: with the lock held, nobody else copies.
  await rm(unfinished, { force: true })
  const target = await open(unfinished, 'wx', mode & 0o777)
  try {
    // The lock's own connection has a transaction open, in which SQLite does not copy.
    const reader = new Handle(file)
    try {
      reader.execute('VACUUM INTO $1', [unfinished])
    } finally {
      reader.close()
    }
    await target.sync()
    await rename(unfinished, copy)
    await syncDirectory(path.dirname(file))
  } catch (error) {
    await rm(unfinished, { force: true })
    throw error
  } finally {
    await target.close()
  }
  return copy
}

const syncDirectory = async (directory: string): Promise<void> => {
  const handle = await open(directory)
  try {
    await handle.sync()
  } finally {
    await handle.close()
  }
}

const freeName = async (wanted: string): Promise<string> => {
  for (let number = 1; ; number += 1) {
    const name = number === 1 ? wanted : `${wanted}.${number}`
    if (!(await stat(name).catch(() => undefined))) return name
  }
}
