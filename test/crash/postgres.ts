import { execFile, spawnSync } from 'node:child_process'
import { chmodSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'

/** A PostgreSQL server of one run, with an empty database that has Telesto's tables. */
export interface Postgres {
  /** The URL of its database. */
  readonly url: string
  /** As a power cut would; resolves when none of its processes is left. */
  kill(): Promise<void>
  start(): Promise<void>
  stop(): Promise<void>
}

const REPOSITORY = fileURLToPath(new URL('../..', import.meta.url))
const SCRIPT = join(REPOSITORY, 'test/systems/postgres.sh')

/** Its state is below `root`; what is committed there survives a kill. */
export const startPostgres = async (root: string): Promise<Postgres> => {
  // The server runs as another user, who has to come by.
  chmodSync(root, 0o755)
  const env = { ...process.env, SYSTEMS_ROOT: join(root, 'systems'), POSTGRES_DURABLE: '1' }
  const tell = async (command: string): Promise<string> =>
    (await promisify(execFile)(SCRIPT, [command], { env })).stdout
  /** Nobody else would stop it when this process is told to end. */
  const leave = (): void => {
    spawnSync(SCRIPT, ['stop'], { env })
    process.exit(1)
  }
  const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
  for (const signal of signals) process.once(signal, leave)
  const stop = async (): Promise<void> => {
    await tell('stop')
    for (const signal of signals) process.off(signal, leave)
  }
  const start = async (): Promise<void> => void (await tell('start'))
  try {
    await start()
    const [, url] = /TELESTO_TEST_DATABASE=(\S+)/.exec(await tell('env')) ?? []
    if (url === undefined) throw new Error(`${SCRIPT} env names no database.`)
    const telesto = join(REPOSITORY, 'dist/src/cli/telesto.js')
    await promisify(execFile)(process.execPath, [telesto, 'migrate'], { env: { ...process.env, DATABASE_URL: url } })
    return { url, start, stop, kill: async () => void (await tell('kill')) }
  } catch (error) {
    await stop()
    throw error
  }
}
