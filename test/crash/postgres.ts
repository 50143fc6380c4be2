import { execFile } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { startSystem } from '../systems/started.ts'

/** A PostgreSQL server of one run, with an empty database that has Telesto's tables. */
export interface Postgres {
  /** The URL of its database. */
  readonly url: string
  /** As a power cut would; resolves when none of its processes is left. */
  kill(): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

const TELESTO = fileURLToPath(new URL('../../dist/src/cli/telesto.js', import.meta.url))

/** Its state is below `root`; what is committed there survives a kill. */
export const startPostgres = async (root: string): Promise<Postgres> => {
  // The server runs as another user, who has to come by.
  chmodSync(root, 0o755)
  const { env, tell, stop } = await startSystem('postgres.sh', {
    SYSTEMS_ROOT: join(root, 'systems'),
    POSTGRES_DURABLE: '1',
  })
  try {
    const url = env.TELESTO_TEST_DATABASE
    if (url === undefined) throw new Error('postgres.sh env names no database.')
    await promisify(execFile)(process.execPath, [TELESTO, 'migrate'], { env: { ...process.env, DATABASE_URL: url } })
    return { url, stop, start: async () => void (await tell('start')), kill: async () => void (await tell('kill')) }
  } catch (error) {
    await stop()
    throw error
  }
}
