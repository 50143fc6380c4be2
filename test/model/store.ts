import { mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import path from 'node:path'
import type { Logger } from '../../src/adapter.js'
import { systemClock } from '../../src/clock.js'
import type { Database } from '../../src/store/database.js'
import { openDatabase } from '../../src/store/open.js'

/** The database's clock is a row, so that time passes only where the test says so. */
const NOW = '(SELECT at FROM model_clock)'
const START = 1_800_000_000_000

/** Children before their parents. */
const TABLES = ['audit', 'events', 'strays', 'parts', 'tags', 'groups', 'parents', 'attempts', 'jobs', 'schedulers']

export const silent: Logger = { debug() {}, info() {}, warn() {}, error() {} }

/**
 * One database for all runs of a process, empty at the start of each. Both engines use one object for it: their effects come
 * one at a time anyhow, and each further connection would read again what another has written.
 */
export interface Store {
  readonly directory: string
  readonly database: Database
  /** The database's time, in milliseconds since 1970. */
  readonly now: number
  pass(ms: number): Promise<void>
  /** Removes all jobs, events and records, and sets the clock back. */
  empty(): Promise<void>
  close(): Promise<void>
}

/** In memory where this machine has such a file system: what is tested is the order of commits, not the disk. */
const freshDirectory = (): string => {
  const memory = statSync('/dev/shm', { throwIfNoEntry: false })?.isDirectory() === true
  return mkdtempSync(path.join(memory ? '/dev/shm' : tmpdir(), 'telesto-model-'))
}

export const openStore = async (): Promise<Store> => {
  const directory = freshDirectory()
  const opened = await openDatabase({ file: path.join(directory, 'telesto.db'), clock: systemClock, log: silent })
  const database = Object.assign(opened, { now: () => NOW })
  await database.write(async (tx) => {
    await tx.run('CREATE TABLE model_clock (at BIGINT NOT NULL)')
    await tx.run('INSERT INTO model_clock (at) VALUES ($1)', [START])
  })
  let now = START
  return {
    directory,
    database,
    get now() {
      return now
    },
    async pass(ms) {
      now += ms
      await database.write(async (tx) => void (await tx.run('UPDATE model_clock SET at = $1', [now])))
    },
    async empty() {
      now = START
      await database.write(async (tx) => {
        for (const table of TABLES) await tx.run(`DELETE FROM telesto_${table}`)
        // The same ids in each run: their statements are prepared already, and a replay tells the same story.
        if (database.dialect === 'sqlite') await tx.run('DELETE FROM sqlite_sequence')
        await tx.run('UPDATE model_clock SET at = $1', [now])
      })
    },
    async close() {
      await database.close()
      rmSync(directory, { recursive: true, force: true })
    },
  }
}
