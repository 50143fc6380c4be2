import type { ClientConfig, Pool, PoolConfig } from 'pg'
import { TelestoError } from '../errors.js'
import type { Value } from './database.js'

export type Pg = typeof import('pg')['default']

/** The package pg, which is there only where somebody wants PostgreSQL. */
export const loadPg = async (): Promise<Pg> => {
  try {
    return (await import('pg')).default
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new TelestoError('database_unusable', 'PostgreSQL needs the package pg beside Telesto. Run: npm install pg', {
      cause: error,
      field: 'database',
    })
  }
}

/** Where a database is. */
export interface PostgresAddress {
  readonly url: string
  /** The options of a session that the URL itself sets. */
  readonly options: string
  /** What it is called in sentences: no password, no parameter. */
  readonly name: string
}

/** Throws TelestoError `invalid`, which names `database` and repeats nothing of the URL. */
export const postgresAddress = (database: string): PostgresAddress => {
  const url = /^postgres(ql)?:\/\//.test(database) ? parse(database) : undefined
  if (!url) {
    throw new TelestoError(
      'invalid',
      'database: must be the URL of a PostgreSQL database, postgres://user:password@host:5432/name, its special characters ' +
        'percent-encoded. A SQLite database has no URL: it stands in the directory.',
      { field: 'database' },
    )
  }
  const query = url.searchParams
  const host = query.get('host') ?? (url.hostname || 'localhost')
  const port = query.get('port') ?? url.port
  const user = query.get('user') ?? url.username
  const options = query.get('options') ?? ''
  const name = `postgres://${user === '' ? '' : `${user}@`}${host}${port === '' ? '' : `:${port}`}${url.pathname}`
  query.delete('options')
  return { url: url.href, options, name }
}

const parse = (text: string): URL | undefined => {
  // With a user and `?host=/directory-of-a-socket` there may be no host before the path, which a URL does not allow.
  const url = URL.parse(text.replace('@/', '@localhost/'))
  try {
    for (const part of [url?.username, url?.password, url?.pathname]) decodeURIComponent(part ?? '')
    return url ?? undefined
  } catch {
    return undefined
  }
}

const whole = (text: string): number => {
  const value = Number(text)
  if (Number.isSafeInteger(value)) return value
  throw new RangeError(`The database answered ${text}, which is more than a number can hold.`)
}

/** What is no text: whole numbers, real ones, and truth, which is 1 or 0 as on SQLite. Keyed by PostgreSQL's type. */
const PARSERS: Readonly<Record<number, (text: string) => Value>> = {
  16: (text) => (text === 't' ? 1 : 0),
  20: whole,
  21: whole,
  23: whole,
  700: Number,
  701: Number,
  1700: Number,
}
const asText = (text: string): string => text

/** Of this connection alone: the package's own parsers are shared by the whole process, and give a long number as text. */
export const types = { getTypeParser: (type: number) => PARSERS[type] ?? asText } as NonNullable<ClientConfig['types']>

const CONNECT_MS = 5000
/** A connection whose other end is gone without a word is given up after this time. */
const ANSWER_MS = 60_000

/** How a connection is made. `settings` are those of its session. */
export const connectionConfig = (
  { url, options }: PostgresAddress,
  settings: Readonly<Record<string, string | number>>,
): ClientConfig => ({
  connectionString: url,
  fallback_application_name: 'telesto',
  connectionTimeoutMillis: CONNECT_MS,
  query_timeout: ANSWER_MS,
  keepAlive: true,
  options: [options, ...Object.entries(settings).map(([name, value]) => `-c ${name}=${value}`)].join(' ').trim(),
  types,
})

/** Connections that break while nobody uses them are forgotten; the next that is asked for is a new one. */
export const createPool = (pg: Pg, config: PoolConfig): Pool => {
  const pool = new pg.Pool(config)
  pool.on('error', () => {})
  // Whoever uses a connection that breaks learns it from their statement; without a listener the process would end.
  pool.on('connect', (client) => client.on('error', () => {}))
  return pool
}
