import path from 'node:path'
import { type Access, defaultAccess } from './access.js'
import type { Adapter } from './adapter.js'
import type { Functions } from './app-options.js'
import { systemClock } from './clock.js'
import { createConnections } from './connections.js'
import type { Core } from './core.js'
import { createEngine, type Engine } from './engine/engine.js'
import { createEventFeed } from './event-feed.js'
import { createKeyRing, keysInEnvironment } from './key-ring.js'
import { machineId } from './machine.js'
import { check } from './options.js'
import { createPokes } from './pokes.js'
import { processIdentity } from './process-identity.js'
import { processing } from './processing.js'
import { createQuestions } from './questions.js'
import { createRegistry } from './registry.js'
import { createReportTokens, reportKeys } from './report-token.js'
import { ensureRecordsOfThisMachine } from './schedulers/change.js'
import { silent } from './silent.js'
import { DATABASE_FILE, openDatabase } from './store/open.js'
import { createProgress } from './store/progress.js'
import { Telesto } from './telesto.js'
import { type TelestoOptions, telestoOptionsSchema } from './telesto-options.js'
import { createTotals } from './totals.js'
import { openTransport } from './transport/open.js'
import { createUrls } from './urls.js'
import { createPolled } from './waiting/polled.js'
import { createWaiting } from './waiting/waiting.js'
import { createWeb } from './web/web.js'

/** Opens the store, starts the loops. Throws TelestoError that names the option; `database_…` where the store cannot be used. */
export const createTelesto = async <const A extends readonly Adapter[]>(
  options: TelestoOptions<A>,
): Promise<Telesto<A>> => {
  const checked = check(telestoOptionsSchema, options)
  const log = options.log ?? silent
  const clock = options.clock ?? systemClock
  const directory = path.resolve(checked.directory ?? '.telesto')
  const registry = createRegistry(options.adapters)
  const keys = createKeyRing(checked.keys ?? keysInEnvironment())
  const database = await openDatabase({
    ...(checked.database === undefined ? { file: path.join(directory, DATABASE_FILE) } : { url: checked.database }),
    ...(checked.migrate === undefined ? {} : { migrate: checked.migrate }),
    clock,
    log,
  })
  try {
    const unread = (what: string) => (error: unknown) => log.warn({ error: String(error) }, `${what} could not be read`)
    const feed = createEventFeed(database, clock, unread('events'))
    const access: Access = { visible: options.visible ?? defaultAccess.visible, may: options.may ?? defaultAccess.may }
    let engine: Engine | undefined
    const wake = (): void => engine?.wake()
    const now = (): Date => new Date(Date.now() + clock.databaseOffset())
    const machine = machineId()
    const totals = createTotals(database, () => clock.monotonic())
    const core: Core = {
      database,
      clock,
      log,
      registry,
      keys,
      customStatuses: new Map(Object.entries(checked.customStatuses ?? {})),
      access,
      urls: createUrls(checked.url, checked.mountPath, log),
      tokens: createReportTokens(await reportKeys(keys, directory)),
      connections: createConnections(registry, keys, log, now, openTransport),
      pokes: createPokes(() => clock.monotonic(), wake),
      questions: createQuestions(() => clock.monotonic()),
      waiting: createWaiting({ database, clock, access, feed, failed: unread('jobs that are waited for') }),
      totals,
      progress: createProgress(database),
      polled: createPolled(database, clock, unread('polls of other processes')),
      jobsRoot: path.join(directory, 'jobs'),
      machine,
      owner: processIdentity(machine),
      leaseMs: (checked.leaseSeconds ?? 90) * 1000,
      apps: new Map(),
      committed: () => {
        totals.forget()
        feed.wake()
        wake()
      },
      told: () => feed.wake(),
    }
    await ensureRecordsOfThisMachine(core)
    const functions = new Map<string, Functions>()
    engine = createEngine(
      core,
      processing(core, (app, name) => functions.get(app)?.[name]),
    )
    const web = createWeb(core, {
      identify: options.identify ?? (() => undefined),
      feed,
      rateLimits: { callback: checked.rateLimits?.callback ?? 600, api: checked.rateLimits?.api ?? 3000 },
    })
    if (checked.runLoops !== false) engine.start()
    return new Telesto<A>(core, engine, feed, web, functions)
  } catch (error) {
    await database.close()
    throw error
  }
}
