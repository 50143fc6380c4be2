import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import path from 'node:path'
import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { onTestFinished } from 'vitest'
import { type Access, defaultAccess } from '../../src/access.js'
import type { Adapter, Logger } from '../../src/adapter.js'
import { createConnections } from '../../src/connections.js'
import type { App, Core } from '../../src/core.js'
import { createEngine } from '../../src/engine/engine.js'
import { createEventFeed } from '../../src/event-feed.js'
import type { Job } from '../../src/job.js'
import { JobManager } from '../../src/job-manager.js'
import { createKeyRing } from '../../src/key-ring.js'
import { machineId } from '../../src/machine.js'
import { createPokes } from '../../src/pokes.js'
import { processIdentity } from '../../src/process-identity.js'
import { type ProcessResults, processing } from '../../src/processing.js'
import { createQuestions } from '../../src/questions.js'
import { createRegistry } from '../../src/registry.js'
import { createReportTokens } from '../../src/report-token.js'
import { createScheduler, ensureRecordsOfThisMachine } from '../../src/schedulers/change.js'
import type { SchedulerLimits } from '../../src/schedulers/limits.js'
import type { Database, Transaction, Value } from '../../src/store/database.js'
import { readJobRow } from '../../src/store/jobs.js'
import { openDatabase } from '../../src/store/open.js'
import { createProgress } from '../../src/store/progress.js'
import { createTotals } from '../../src/totals.js'
import { localTransport } from '../../src/transport/local.js'
import { createPolled } from '../../src/waiting/polled.js'
import { createWaiting } from '../../src/waiting/waiting.js'
import { forget, placeOf } from '../database.js'
import { ManualClock } from './manual-clock.js'
import { type ScriptedSystem, type ScriptOptions, scriptedSystem } from './scripted-adapter.js'

/** A directory of the test's own, gone after it. */
export const freshDirectory = async (): Promise<string> => {
  const directory = await mkdtemp(path.join(tmpdir(), 'telesto-engine-'))
  onTestFinished(async () => {
    await forget(directory)
    await rm(directory, { recursive: true, force: true })
  })
  return directory
}

/** The database, counting. `statements`: those inside transactions. `busy`: what has begun and not ended. */
const counted = (database: Database) => {
  const counts = { reads: 0, writes: 0, statements: 0, busy: 0 }
  const faults: {
    nextWrite?: Error
    nextRead?: Error
    beforeRead?: (sql: string) => Promise<void>
    afterRead?: (sql: string) => Promise<void> | undefined
  } = {}
  const during = async <T>(work: Promise<T>): Promise<T> => {
    counts.busy++
    try {
      return await work
    } finally {
      counts.busy--
    }
  }
  const countedIn = (tx: Transaction): Transaction => ({
    all: (sql, params) => {
      counts.statements++
      return tx.all(sql, params)
    },
    run: (sql, params) => {
      counts.statements++
      return tx.run(sql, params)
    },
    now: () => {
      counts.statements++
      return tx.now()
    },
  })
  const over: Pick<Database, 'all' | 'write' | 'readNow'> = {
    all: async <T extends object>(sql: string, params?: readonly Value[]): Promise<T[]> => {
      counts.reads++
      const { nextRead, beforeRead, afterRead } = faults
      delete faults.nextRead
      if (nextRead) throw nextRead
      const rows = await during((beforeRead?.(sql) ?? Promise.resolve()).then(() => database.all<T>(sql, params)))
      await afterRead?.(sql)
      return rows
    },
    write: (work, options) => {
      counts.writes++
      const { nextWrite } = faults
      delete faults.nextWrite
      return during(nextWrite ? Promise.reject(nextWrite) : database.write((tx) => work(countedIn(tx)), options))
    },
    readNow: () => during(database.readNow()),
  }
  const counting = new Proxy(database, {
    get(target, name) {
      const own: unknown = Reflect.get(over, name) ?? Reflect.get(target, name, target)
      return typeof own === 'function' ? own.bind(target) : own
    },
  })
  return { counting, counts, faults }
}

interface Line {
  readonly level: string
  readonly fields: object
  readonly message: string | undefined
}
const collectingLog = () => {
  const lines: Line[] = []
  const at = (level: string) => (fields: object, message?: string) => void lines.push({ level, fields, message })
  const log: Logger = { debug: at('debug'), info: at('info'), warn: at('warn'), error: at('error') }
  return { log, lines }
}

export interface PortalOptions {
  readonly directory?: string
  readonly clock?: ManualClock
  readonly system?: ScriptedSystem
  readonly script?: ScriptOptions
  /** Beside the scripted one. */
  readonly adapters?: readonly Adapter[]
  readonly limits?: SchedulerLimits
  readonly processResults?: Record<string, ProcessResults>
  readonly apps?: readonly string[]
  readonly leaseSeconds?: number
  readonly machine?: string
  readonly owner?: string
  /** False: the loops wait for engine.start(). */
  readonly start?: boolean
  readonly record?: string
  readonly visible?: Access['visible']
}

/** More than this many statements in one go are no work but a loop. */
const ENDLESS = 5000

/**
 * All of Telesto but its web, over a scripted scheduler and a manual clock: `settled()` waits until nothing moves any more,
 * `pass()` lets time pass, in steps between which everything settles.
 */
export const portal = async (options: PortalOptions = {}) => {
  const directory = options.directory ?? (await freshDirectory())
  const clock = options.clock ?? new ManualClock()
  const system = options.system ?? scriptedSystem(() => clock.monotonic(), options.script)
  const { log, lines } = collectingLog()
  const registry = createRegistry([system.adapter, ...(options.adapters ?? [])])
  const database = await openDatabase({ ...(await placeOf(directory)), migrate: true, clock, log })
  const { counting, counts, faults } = counted(database)
  const unread = (what: string) => (error: unknown) => log.warn({ error: String(error) }, what)
  const feed = createEventFeed(counting, clock, unread('feed'))
  const access: Access = { visible: (user) => (options.visible ?? defaultAccess.visible)(user), may: defaultAccess.may }
  const machine = options.machine ?? machineId()
  let wake = (): void => {}
  const core: Core = {
    database: counting,
    clock,
    log,
    registry,
    customStatuses: new Map(),
    access,
    urls: { page: (inner) => inner, callback: () => undefined },
    tokens: createReportTokens([new Uint8Array(32)]),
    keys: createKeyRing([]),
    connections: createConnections(
      registry,
      createKeyRing([]),
      log,
      () => new Date(),
      () => localTransport(),
    ),
    pokes: createPokes(
      () => clock.monotonic(),
      () => wake(),
    ),
    questions: createQuestions(() => clock.monotonic()),
    waiting: createWaiting({ database: counting, clock, access, feed, failed: unread('waiting') }),
    totals: createTotals(counting, () => clock.monotonic()),
    progress: createProgress(counting),
    polled: createPolled(counting, clock, unread('polled')),
    jobsRoot: path.join(directory, 'jobs'),
    machine,
    owner: options.owner ?? processIdentity(machine),
    leaseMs: (options.leaseSeconds ?? 90) * 1000,
    apps: new Map(),
    committed: () => {
      feed.wake()
      wake()
    },
    told: () => feed.wake(),
  }
  for (const name of options.apps ?? ['flood']) {
    const app: App = {
      name,
      schedulerSettings: {},
      processResults: new Set(Object.keys(options.processResults ?? {})),
      tasks: new Map(),
      workspace: directory,
      workspaceRoots: [directory],
    }
    core.apps.set(name, app)
  }
  await ensureRecordsOfThisMachine(core)
  const name = options.record ?? 'pool'
  const [known] = await database.all<{ id: number }>('SELECT id FROM telesto_schedulers WHERE name = $1', [name])
  const scheduler = {
    id: known?.id ?? (await createScheduler(core, { name, adapter: system.adapter.type, ...options.limits })).id,
    name,
  }
  const engine = createEngine(
    core,
    processing(core, (_app, name) => options.processResults?.[name]),
  )
  wake = () => engine.wake()

  const settled = async (): Promise<void> => {
    const before = counts.reads + counts.writes
    for (let quiet = 0; quiet < 3; ) {
      if (counts.reads + counts.writes - before > ENDLESS)
        throw new Error('It does not settle: something works on without an end.')
      await turnOfTheLoop()
      quiet = counts.busy === 0 ? quiet + 1 : 0
    }
  }
  const pass = async (ms: number, step = ms >= 60_000 ? 2500 : 1000): Promise<void> => {
    await settled()
    for (let left = ms; left > 0; left -= step) {
      clock.advance(Math.min(step, left))
      await settled()
    }
  }
  /** For what goes through the file system, whose end cannot be seen: time passes until it is so. */
  const until = async (reached: () => boolean | Promise<boolean>, step = 250): Promise<void> => {
    for (let tries = 0; tries < 2000; tries++) {
      await settled()
      if (await reached()) return
      clock.advance(step)
      await new Promise((resolve) => setTimeout(resolve, 1))
    }
    throw new Error(`It was never so: ${reached}`)
  }

  const app = new JobManager<readonly [ScriptedSystem['adapter']]>(core, undefined, [...core.apps.keys()][0] ?? '')
  let named = 0
  type Extra = Partial<Parameters<typeof app.createJob>[0]>
  const create = async (extra: Extra = {}): Promise<Job> =>
    await app.createJob({ jobType: 'SCRIPTED', name: `job ${++named}`, user: 'ada', scheduler, ...extra })
  /** A new job whose execute() is committed. */
  const job = async (extra: Extra = {}): Promise<Job> => {
    const made = await create(extra)
    await made.execute()
    return made
  }
  /** A job that the scheduler has accepted. */
  const accepted = async (extra: Extra = {}): Promise<Job> => {
    const made = await job(extra)
    for (let tries = 0; tries < 100 && (await row(made)).nativeId === null; tries++) await pass(200)
    return made
  }
  const row = async (of: Job | number) => {
    const found = await readJobRow(database, typeof of === 'number' ? of : of.id)
    if (!found) throw new Error('There is no such row.')
    return found
  }
  const all = async <T extends object = Record<string, string | number | null>>(sql: string): Promise<T[]> =>
    await database.all<T>(sql)
  const one = async <T extends object = Record<string, string | number | null>>(sql: string): Promise<T> => {
    const [found] = await database.all<T>(sql)
    if (!found) throw new Error(`Nothing: ${sql}`)
    return found
  }
  const record = async () =>
    await one<{
      health: string
      health_message: string | null
      poll_failures: number
      orders_failures: number
      next_poll_at: number
      next_orders_at: number
      last_asked_at: number | null
      last_answered_at: number | null
      quiet_polls: number
      poll_owner: string | null
      orders_owner: string | null
    }>(`SELECT * FROM telesto_schedulers WHERE id = ${scheduler.id}`)
  const events = async (of?: Job) =>
    (
      await all<{ kind: string; data: string }>(
        `SELECT kind, data FROM telesto_events ${of ? `WHERE job_id = ${of.id}` : ''} ORDER BY id`,
      )
    ).map(({ kind, data }) => ({ kind, ...(JSON.parse(data) as Record<string, unknown>) }))
  /** The scheduler's word about one job from now on; undefined: no answer mentions it. */
  const says = async (of: Job, report: Parameters<ScriptedSystem['all']>[0]): Promise<void> => {
    const { token } = await row(of)
    const known = system.jobs.get(token ?? '')
    if (!known) throw new Error(`The scheduler has no job ${of.id}.`)
    known.report = report
  }

  let closing: Promise<void> | undefined
  /** As Telesto closes. */
  const close = (): Promise<void> => {
    closing ??= (async () => {
      core.waiting.close()
      core.polled.close()
      feed.close()
      const stopped = engine.close()
      // Calls that ignore their signal are left behind after a second of the clock.
      let over = false
      void stopped.finally(() => {
        over = true
      })
      for (let tries = 0; tries < 200 && !over; tries++) {
        await settled()
        clock.advance(100)
      }
      await stopped
      await core.connections.close()
      await database.close()
    })()
    return closing
  }
  onTestFinished(close)
  if (options.start !== false) engine.start()
  await settled()

  return {
    directory,
    clock,
    system,
    core,
    engine,
    feed,
    database,
    counts,
    /** What fails next in the store, what happens before it is read, and what holds an answer of it back. */
    faults,
    lines,
    scheduler,
    app,
    create,
    job,
    accepted,
    row,
    all,
    one,
    record,
    events,
    says,
    settled,
    pass,
    until,
    close,
    /** The job as it is now. */
    async read(of: Job): Promise<Job> {
      const found = await app.getJob(of.id)
      if (!found) throw new Error(`There is no job ${of.id}.`)
      return found
    },
    /** Its status, in words. */
    async status(of: Job): Promise<string> {
      return (await app.getJob(of.id))?.status ?? 'gone'
    },
    async run(sql: string): Promise<void> {
      await database.write(async (tx) => void (await tx.run(sql)))
    },
  }
}
export type Portal = Awaited<ReturnType<typeof portal>>
