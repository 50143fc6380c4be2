import { createHash } from 'node:crypto'
import path from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import pg from 'pg'
import { DATABASE_FILE, type DatabasePlace } from '../src/store/open.js'
import { types } from '../src/store/postgres-connection.js'

/** The PostgreSQL on which all suites run that ask here for their stores; without it they run on SQLite. */
const SERVER = process.env.TELESTO_TEST_DATABASE

const admin = SERVER
  ? new pg.Pool({ connectionString: SERVER, max: 2, idleTimeoutMillis: 500, allowExitOnIdle: true, types })
  : undefined
const schemaOf = (directory: string): string => `t${createHash('sha256').update(directory).digest('hex').slice(0, 16)}`

/** A schema of the server, as a database of its own. */
export const urlOf = (server: string, schema: string): string => {
  const url = new URL(server)
  url.searchParams.set('options', `-c search_path=${schema}`)
  return url.href
}

/** Where the rows of a Telesto in `directory` are: a file in it, or a schema of its own on the server, made when first asked for. */
export const placeOf = async (
  directory: string,
  file = path.join(directory, DATABASE_FILE),
): Promise<DatabasePlace> => {
  if (!admin || !SERVER) return { file }
  await admin.query(`CREATE SCHEMA IF NOT EXISTS ${schemaOf(directory)}`)
  return { url: urlOf(SERVER, schemaOf(directory)) }
}

/** A directory with its store, as options of createTelesto. */
export const telestoIn = async (
  directory: string,
): Promise<{ readonly directory: string; readonly database?: string; readonly migrate?: true }> => {
  const place = await placeOf(directory)
  return { directory, ...('url' in place ? { database: place.url, migrate: true } : {}) }
}

/** What placeOf() made outside `directory` goes, when its test is over. */
export const forget = async (directory: string): Promise<void> => {
  await admin?.query(`DROP SCHEMA IF EXISTS ${schemaOf(directory)} CASCADE`)
}

type Value = string | number | null

/** Looks at the rows, or changes them, behind Telesto's back: over a connection of its own. `$1`, `$2`, … are `params`. */
export const look = async <T extends object = Record<string, unknown>>(
  directory: string,
  sql: string,
  params: readonly Value[] = [],
): Promise<T[]> => {
  if (admin) {
    const client = await admin.connect()
    try {
      await client.query(`SET search_path = ${schemaOf(directory)}`)
      return (await client.query(sql, [...params])).rows as T[]
    } finally {
      client.release()
    }
  }
  const raw = new DatabaseSync(path.join(directory, DATABASE_FILE), { timeout: 5000 })
  try {
    const bound = Object.fromEntries(params.map((value, index) => [`$${index + 1}`, value]))
    const statement = raw.prepare(sql)
    const rows = params.length === 0 ? statement.all() : statement.all(bound)
    return rows.map((row) => ({ ...row })) as T[]
  } finally {
    raw.close()
  }
}
