import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { createTelesto } from 'telesto'
import { instant } from './instant.ts'
import type { Place, Raw, Store } from './store.ts'

const open = (file: string): DatabaseSync => {
  const db = new DatabaseSync(file, { timeout: 5000 })
  db.exec('PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA foreign_keys = ON')
  return db
}

const FILE = 'telesto.db'

const connect = async ({ directory }: Place['options']): Promise<Raw> => rawOf(open(path.join(directory, FILE)))

const filler = async ({ directory }: Place['options']): Promise<Raw> => {
  const db = open(path.join(directory, FILE))
  db.exec('PRAGMA synchronous = OFF; PRAGMA cache_size = -500000')
  return rawOf(db)
}

const rawOf = (db: DatabaseSync): Raw => ({
  prepare(sql) {
    let places = 0
    // What is bound by place is bound fastest.
    const placed = sql.replace(/\$(\d+)/g, (_, digits: string) => {
      if (Number(digits) !== ++places) throw new Error(`$${digits} is out of order in: ${sql}`)
      return '?'
    })
    const statement = db.prepare(placed)
    return (...values) => statement.all(...values)
  },
  close: async () => db.close(),
})

const place = async (): Promise<Place> => {
  const directory = await mkdtemp(path.join(tmpdir(), 'telesto-bench-'))
  await (await createTelesto({ adapters: [instant().adapter], directory, runLoops: false })).close()
  const watching = open(path.join(directory, FILE))
  return {
    options: { directory },
    // Raised by each commit of another connection.
    changes: async () => Number(watching.prepare('PRAGMA data_version').get()?.data_version),
    async remove() {
      watching.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

export const sqlite: Store = { name: 'sqlite', maxValues: 32_000, place, connect, filler, close: async () => {} }
