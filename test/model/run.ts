import { defaultAccess } from '../../src/access.js'
import { createConnections } from '../../src/connections.js'
import type { Core } from '../../src/core.js'
import { createEventFeed } from '../../src/event-feed.js'
import { JobManager } from '../../src/job-manager.js'
import { createKeyRing } from '../../src/key-ring.js'
import { createPokes } from '../../src/pokes.js'
import type { ProcessResults } from '../../src/processing.js'
import { createQuestions } from '../../src/questions.js'
import { createRegistry } from '../../src/registry.js'
import { createReportTokens } from '../../src/report-token.js'
import { createScheduler } from '../../src/schedulers/change.js'
import { createProgress } from '../../src/store/progress.js'
import { createTotals } from '../../src/totals.js'
import { localTransport } from '../../src/transport/local.js'
import { createPolled } from '../../src/waiting/polled.js'
import { createWaiting } from '../../src/waiting/waiting.js'
import { createRandom } from '../crash/random.ts'
import { EngineClock } from './clock.ts'
import type { Setup } from './commands.ts'
import { appNamed, Engine, type Shared, SWEEP_EVERY_MS, type Task } from './engine.ts'
import { isSettled, type ModelJob } from './model.ts'
import { type Store, silent } from './store.ts'
import { World, type WorldJob } from './world.ts'

export const LEASE_MS = 90_000
const APP = 'flood'
/** More rounds than this at one moment are no work but a loop. */
const ENDLESS = 200

/** A law was broken. The message begins with what the job is: lost, doubled, wrong or stuck. */
export class LawBroken extends Error {
  override readonly name = 'LawBroken'
}

/** Two engines of one store over one scheduler, and the people who ask things of them. */
export class Run {
  readonly store: Store
  readonly setup: Setup
  readonly world: World
  readonly core: Core
  readonly jobs: ModelJob[] = []
  readonly recordId: number
  readonly app: JobManager<readonly [World['adapter']]>
  /** Of each, the one that works now comes last; those before it were closed, and may be late. */
  readonly engines: Readonly<Record<'A' | 'B', Engine[]>>
  lastEvent = 0
  readonly faults: string[] = []
  readonly #shared: Shared
  readonly #flight = { count: 0, commits: 0 }
  readonly #dead = new Set<string>()
  readonly #thrown = new Set<string>()
  #names = 0
  #lastPoll: Task | undefined

  static async begin(store: Store, setup: Setup): Promise<Run> {
    const random = createRandom(setup.chance)
    // Pauses are jittered: a replay needs the same ones.
    Math.random = random.next
    await store.empty()
    const world = new World(() => store.now, setup)
    const core = coreOf(store, world)
    const { history, holds, fetches, pollSeconds, most, perUser } = setup
    const record = await createScheduler(core, {
      name: 'pool',
      adapter: world.adapter.type,
      config: { history, holds, fetches },
      pollSeconds,
      maxActiveJobs: most,
      maxActiveJobsPerUser: perUser,
    })
    return new Run(store, setup, world, core, record.id)
  }

  private constructor(store: Store, setup: Setup, world: World, core: Core, recordId: number) {
    this.store = store
    this.setup = setup
    this.world = world
    this.core = core
    this.recordId = recordId
    this.app = new JobManager(core, undefined, APP)
    this.#shared = {
      world,
      base: core,
      registry: core.registry,
      now: () => store.now,
      functions: this.#functions(),
      dead: this.#dead,
      flight: this.#flight,
      polls: (task) => this.#polled(task),
      failed: (error, key) => {
        this.faults.push(`wrong: ${key} threw ${error instanceof Error ? error.stack : String(error)}`)
      },
    }
    this.engines = { A: [this.#engine('A')], B: [this.#engine('B')] }
  }

  #engine(who: 'A' | 'B'): Engine {
    const clock = who === 'A' ? new EngineClock(5, 1) : new EngineClock(7_000_000, 1.03)
    return new Engine(`${who}${++this.#names}`, this.store.database, clock, this.#shared)
  }
  #functions(): Readonly<Record<string, ProcessResults>> {
    const process: ProcessResults = (job, { idempotencyKey }) => {
      const { times } = job.extendedProperties as { times?: number }
      job.extendedProperties = { key: idempotencyKey, times: (times ?? 0) + 1 }
    }
    return {
      good: process,
      late: (job, results) => {
        if (this.#thrown.has(results.idempotencyKey)) return process(job, results)
        this.#thrown.add(results.idempotencyKey)
        throw new Error('The disk is full.')
      },
      bad: () => {
        throw new Error('The file is no netCDF.')
      },
    }
  }

  get all(): Engine[] {
    return [...this.engines.A, ...this.engines.B]
  }
  current(who: 'A' | 'B'): Engine {
    return this.engines[who].at(-1) as Engine
  }
  /** What the people want of a job that the scheduler has: to run on. */
  wants({ jobId, attempt }: Pick<WorldJob, 'jobId' | 'attempt'>): boolean {
    const job = this.jobs.find(({ id }) => id === jobId)
    return job !== undefined && !job.deleted && !job.stopped && job.attempts === attempt
  }

  /** The job has been told how this attempt ended. */
  isSettled({ jobId, attempt }: Pick<WorldJob, 'jobId' | 'attempt'>): boolean {
    const job = this.jobs.find(({ id }) => id === jobId)
    return job === undefined || job.attempts !== attempt || isSettled(job.status)
  }

  /** Until every task waits: at a gate, for time, or for an answer. */
  async still(): Promise<void> {
    do await new Promise<void>((resolve) => setImmediate(resolve))
    while (this.#flight.count > 0 || this.all.some((engine) => engine.inFiles))
  }
  /** So many effects, one at a time: chance chooses whose is next. */
  async step(who: 'A' | 'B' | 'both', effects: number, pick: number): Promise<void> {
    const random = createRandom(pick)
    const slots = who === 'both' ? (['A', 'B'] as const) : ([who] as const)
    for (let left = effects; left > 0; left--) {
      const gates = () => slots.flatMap((slot) => this.engines[slot].flatMap((engine) => engine.gates))
      if (gates().length === 0 || random.chance(0.1)) {
        this.current(random.pick(slots)).look()
        await this.still()
      }
      const waiting = gates()
      if (waiting.length === 0) continue
      const gate = random.pick(waiting)
      gate.task.engine.gates.splice(gate.task.engine.gates.indexOf(gate), 1)
      this.tell?.(`    ${gate.task.engine.name} ${gate.task.key} ${gate.what}`)
      gate.open()
      await this.still()
    }
  }
  /** Told each effect, where somebody listens. */
  tell: ((line: string) => void) | undefined

  async pass(ms: number): Promise<void> {
    await this.store.pass(ms)
    for (const engine of this.all) engine.clock.pass(ms)
    await this.still()
  }
  /** Both engines work as they do when nothing is wrong with them, for `ms`, or until `until` says so. */
  async live(ms: number, until?: () => Promise<boolean>): Promise<boolean> {
    const end = this.store.now + ms
    for (const engine of this.all) {
      engine.free = true
      for (const gate of engine.gates.splice(0)) gate.open()
    }
    await this.still()
    let reached = false
    for (;;) {
      await this.#work()
      reached = (await until?.()) ?? false
      const left = end - this.store.now
      if (reached || left <= 0) break
      await this.pass(Math.min(left, await this.#untilNext()))
    }
    for (const engine of this.all) engine.free = false
    return reached
  }
  /** What is due now, and what becomes due by that: as each commit wakes the queue. */
  async #work(): Promise<void> {
    for (let rounds = 0; rounds < ENDLESS; rounds++) {
      const before = this.#flight.commits
      for (const who of ['A', 'B'] as const) {
        this.current(who).look()
        await this.still()
      }
      if (this.#flight.commits === before) return
    }
    throw new LawBroken('wrong: the engines work on without an end')
  }
  /** Milliseconds until something is due. */
  async #untilNext(): Promise<number> {
    const times = [
      ['next_poll_at', 'schedulers'],
      ['poll_until', 'schedulers'],
      ['next_orders_at', 'schedulers'],
      ['orders_until', 'schedulers'],
      ['order_due_at', 'attempts'],
      ['watch_due_at', 'attempts'],
      ['collect_due_at', 'attempts'],
      ['collect_until', 'attempts'],
      ['due_at', 'strays'],
    ].map(([column, table]) => `SELECT MIN(${column}) AS at FROM telesto_${table} WHERE ${column} > $1`)
    const [next] = await this.core.database.all<{ at: number | null }>(
      `SELECT MIN(at) AS at FROM (${times.join(' UNION ALL ')}) AS times`,
      [this.store.now],
    )
    const due = next?.at ? Number(next.at) - this.store.now : Number.POSITIVE_INFINITY
    const sweep = this.jobs.some((job) => job.deleted && !job.removed) ? SWEEP_EVERY_MS : Number.POSITIVE_INFINITY
    return Math.max(1, Math.min(due, sweep, ...this.all.map(({ clock }) => clock.untilNext)))
  }

  /** The engine stops where it is, for ever; a new process takes its place. */
  crash(who: 'A' | 'B'): void {
    const engine = this.current(who)
    engine.crash()
    this.#dead.add(engine.name)
    this.engines[who].splice(-1, 1, this.#engine(who))
  }
  async close(who: 'A' | 'B'): Promise<void> {
    this.current(who).close()
    this.engines[who].push(this.#engine(who))
    await this.still()
  }

  /** One question to a record in an interval, whoever asks: as long as nobody died over it or came too late. */
  #polled(task: Task): void {
    const before = this.#lastPoll
    this.#lastPoll = task
    if (!before || before.engine.crashed || before === task) return
    const [first, second] = [before.leased ?? 0, task.leased ?? 0]
    if (second < first) return
    if (!before.over) {
      if (second - first < LEASE_MS) this.faults.push('wrong: two engines ask one scheduler at once')
      return
    }
    const apart = (task.asked ?? 0) - (before.asked ?? 0)
    if (before.ended - first < LEASE_MS && apart < this.setup.pollSeconds * 1000)
      this.faults.push(`wrong: a scheduler was asked twice within ${apart} ms`)
  }
}

const coreOf = (store: Store, world: World): Core => {
  const registry = createRegistry([world.adapter])
  const { database } = store
  const clock = new EngineClock(0, 1)
  const failed = (error: unknown): never => {
    throw error
  }
  const feed = createEventFeed(database, clock, failed)
  return {
    database,
    clock,
    log: silent,
    registry,
    keys: createKeyRing([]),
    customStatuses: new Map(),
    access: defaultAccess,
    urls: { page: (inner) => inner, callback: () => undefined },
    tokens: createReportTokens([new Uint8Array(32)]),
    connections: createConnections(registry, createKeyRing([]), silent, () => new Date(store.now), localTransport),
    pokes: createPokes(
      () => clock.monotonic(),
      () => {},
    ),
    questions: createQuestions(() => clock.monotonic()),
    waiting: createWaiting({ database, clock, access: defaultAccess, feed, failed }),
    totals: createTotals(database, () => 0),
    progress: createProgress(database),
    polled: createPolled(database, clock, failed),
    jobsRoot: `${store.directory}/jobs`,
    machine: 'model',
    owner: 'people',
    leaseMs: LEASE_MS,
    apps: new Map([[APP, appNamed(APP, store.directory, ['good', 'late', 'bad'])]]),
    committed: () => {},
    told: () => {},
  }
}
