import { execFileSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { chmod, mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { fileURLToPath } from 'node:url'
import pg from 'pg'
import { createTelesto } from 'telesto'
import { instant } from './instant.ts'
import type { Place, Raw, Store } from './store.ts'

const SCRIPT = fileURLToPath(new URL('../test/systems/postgres.sh', import.meta.url))

/** A server of the run's own, at which what was committed survives a power cut. */
interface Server {
  readonly url: string
  stop(): void
}

const start = async (): Promise<Server> => {
  const root = mkdtempSync(path.join(tmpdir(), 'telesto-bench-postgres-'))
  await chmod(root, 0o755) // its own account enters it
  const run = (command: string): string =>
    execFileSync(SCRIPT, [command], {
      env: { ...process.env, SYSTEMS_ROOT: root, POSTGRES_DURABLE: '1' },
      encoding: 'utf8',
      stdio: ['ignore', 'pipe', 'inherit'],
    })
  run('start')
  const url = /^export TELESTO_TEST_DATABASE=(.*)$/m.exec(run('env'))?.[1]
  if (url === undefined) throw new Error(`${SCRIPT} env tells no address.`)
  let stopped = false
  const stop = (): void => {
    if (stopped) return
    stopped = true
    run('stop')
    rmSync(root, { recursive: true, force: true })
  }
  process.once('exit', stop) // whatever the run ends by
  return { url, stop }
}

let server: Promise<Server> | undefined
let places = 0

const connect = async ({ database }: Place['options'], connections = 1): Promise<Raw> => {
  const pool = new pg.Pool({ connectionString: database ?? '', max: connections, idleTimeoutMillis: 0 })
  pool.on('error', () => {}) // the database was dropped
  let prepared = 0
  return {
    prepare(text) {
      const name = `bench${++prepared}`
      return async (...values) => (await pool.query<Record<string, unknown>>({ name, text, values: [...values] })).rows
    },
    close: async () => await pool.end(),
  }
}

const filler = async (options: Place['options']): Promise<Raw> => {
  const raw = await connect(options)
  await raw.prepare('SET synchronous_commit = off')()
  const close = async (): Promise<void> => {
    await raw.prepare('ANALYZE')() // as the server does by itself, a minute later
    await raw.close()
  }
  return { ...raw, close }
}

const place = async (): Promise<Place> => {
  server ??= start()
  const { url } = await server
  const admin = await connect({ directory: '', database: url })
  const name = `place${++places}`
  await admin.prepare(`CREATE DATABASE ${name}`)()
  const own = new URL(url)
  own.pathname = `/${name}`
  const directory = await mkdtemp(path.join(tmpdir(), 'telesto-bench-'))
  const options = { directory, database: own.href, migrate: true }
  await (await createTelesto({ adapters: [instant().adapter], ...options, runLoops: false })).close()
  const watching = await connect(options)
  const written = watching.prepare('SELECT SUM(n_tup_ins + n_tup_upd + n_tup_del) AS rows FROM pg_stat_user_tables')
  return {
    options,
    changes: async () => Number((await written())[0]?.rows),
    async remove() {
      await watching.close()
      await admin.prepare(`DROP DATABASE ${name} WITH (FORCE)`)()
      await admin.close()
      await rm(directory, { recursive: true, force: true })
    },
  }
}

export const postgres: Store = {
  name: 'postgres',
  maxValues: 65_000,
  place,
  connect,
  filler,
  async close() {
    ;(await server)?.stop()
  },
}
