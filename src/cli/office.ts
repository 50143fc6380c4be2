import { existsSync } from 'node:fs'
import { userInfo } from 'node:os'
import path from 'node:path'
import type { Adapter } from '../adapter.js'
import { systemClock } from '../clock.js'
import { createConnections } from '../connections.js'
import type { App } from '../core.js'
import { createKeyRing, keysInEnvironment } from '../key-ring.js'
import { machineId } from '../machine.js'
import { createQuestions } from '../questions.js'
import { createRegistry } from '../registry.js'
import type { By, Office } from '../schedulers/records.js'
import { silent } from '../silent.js'
import { DATABASE_FILE, openDatabase } from '../store/open.js'
import { openTransport } from '../transport/open.js'
import { failing } from './command.js'
import { type PlaceGiven, placeIn } from './place.js'

/** What the command line has of Telesto: the records, and no loops. */
export interface CliOffice extends Office {
  readonly apps: Map<string, App>
  /** The same records, with other adapters. */
  knowing(adapters: readonly Adapter[]): CliOffice
}

/** Who is audited: the account that runs the program. */
export const by = (): By => ({ user: { id: userInfo().username }, address: 'command line' })

/** Opens the database that the options name, which must be up to date, for as long as `work` takes. */
export const inOffice = async <T>(given: PlaceGiven, work: (office: CliOffice) => Promise<T>): Promise<T> => {
  const keys = createKeyRing(keysInEnvironment())
  const place = placeIn(given, DATABASE_FILE)
  // Opening would make an empty one, in whatever directory the command was given.
  if ('file' in place && !existsSync(place.file)) {
    const file = path.resolve(place.file)
    throw failing(
      1,
      `There is no database ${file}. Name the portal's: --directory, --file or --database. Or make one: telesto migrate --file ${file}`,
    )
  }
  const database = await openDatabase({
    ...place,
    clock: systemClock,
    log: silent,
    migrate: false,
  })
  const opened: CliOffice[] = []
  const office = (adapters: readonly Adapter[]): CliOffice => {
    const registry = createRegistry(adapters)
    const now = (): Date => new Date(Date.now() + systemClock.databaseOffset())
    const made: CliOffice = {
      database,
      registry,
      keys,
      machine: machineId(),
      connections: createConnections(registry, keys, silent, now, openTransport),
      questions: createQuestions(() => systemClock.monotonic()),
      clock: systemClock,
      log: silent,
      committed: () => {},
      apps: new Map(),
      knowing: office,
    }
    opened.push(made)
    return made
  }
  try {
    return await work(office([]))
  } finally {
    await Promise.all(opened.map(async ({ connections }) => await connections.close()))
    await database.close()
  }
}
