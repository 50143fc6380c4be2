import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import type { Scene } from './evidence.ts'

export type Query = <T extends object = object>(sql: string) => Promise<T[]>

/** The file of a scene that has no database elsewhere. */
export const databaseOf = ({ directory }: Pick<Scene, 'directory'>): string => join(directory, 'telesto.db')

/** Whole numbers of PostgreSQL: bigint, smallint and integer. */
const NUMBERS: ReadonlySet<number> = new Set([20, 21, 23])
const types = { getTypeParser: (type: number) => (NUMBERS.has(type) ? Number : String) }

/** Reads the store past Telesto, whichever store it is. */
export const reading = async <T>(
  scene: Pick<Scene, 'directory' | 'database'>,
  read: (all: Query) => Promise<T>,
): Promise<T> => {
  if (scene.database === undefined) {
    const database = new DatabaseSync(databaseOf(scene), { readOnly: true })
    try {
      return await read(async <R>(sql: string) => database.prepare(sql).all() as R[])
    } finally {
      database.close()
    }
  }
  const client = new pg.Client({ connectionString: scene.database, types: types as pg.CustomTypesConfig })
  await client.connect()
  try {
    return await read(async <R>(sql: string) => (await client.query(sql)).rows as R[])
  } finally {
    await client.end()
  }
}
