import type { Scheduler, Token } from '../../src/adapter.js'
import { createConnections } from '../../src/connections.js'
import type { App, Core } from '../../src/core.js'
import { releaseChildren } from '../../src/engine/children.js'
import { collect } from '../../src/engine/collect.js'
import { findDue, takePokes } from '../../src/engine/due.js'
import { releaseDeadLeases } from '../../src/engine/lease.js'
import { carryOutOrders } from '../../src/engine/orders.js'
import { poll } from '../../src/engine/poll.js'
import { removeDeleted } from '../../src/engine/sweep.js'
import { createPokes } from '../../src/pokes.js'
import { type ProcessResults, processing } from '../../src/processing.js'
import type { Registry } from '../../src/registry.js'
import type { Database } from '../../src/store/database.js'
import { localTransport } from '../../src/transport/local.js'
import type { EngineClock } from './clock.ts'
import { silent } from './store.ts'
import type { Method, World } from './world.ts'

/** A task of an engine waits here before its next effect, until the run lets it go on. */
export interface Gate {
  readonly task: Task
  readonly what: string
  readonly open: () => void
}

/** One turn of a loop. */
export interface Task {
  readonly key: string
  readonly engine: Engine
  /** By the database's clock: its first commit takes the lease; then it reads the clock and asks its scheduler. */
  leased: number | undefined
  asked: number | undefined
  over: boolean
  ended: number
  waiting: number
}

/** What all engines of a run share. */
export interface Shared {
  readonly world: World
  readonly base: Omit<Core, 'database' | 'clock' | 'connections' | 'pokes' | 'owner' | 'committed'>
  readonly registry: Registry
  readonly now: () => number
  readonly functions: Readonly<Record<string, ProcessResults>>
  readonly dead: ReadonlySet<string>
  /** Statements and transactions that have begun and not ended. */
  readonly flight: { count: number; commits: number }
  /** Told of each poll that asks. */
  readonly polls: (task: Task) => void
  readonly failed: (error: unknown, key: string) => void
}

export const SWEEP_EVERY_MS = 2000
const COLLECT_AT_ONCE = 4

/**
 * One process with its loops, driven by hand: each task waits at a gate before each effect (a read, a transaction, the sending
 * of a request, the arrival of its answer). Between two gates there is nothing that a crash could cut in two.
 */
export class Engine {
  readonly name: string
  readonly clock: EngineClock
  readonly gates: Gate[] = []
  readonly tasks = new Map<string, Task>()
  /** Tasks do not wait at their gates. */
  free = false
  crashed = false
  readonly #shared: Shared
  readonly #database: Database
  readonly #core: Core
  readonly #closing = new AbortController()
  #sweepAt = 0
  #sleepUntil = 0

  constructor(name: string, database: Database, clock: EngineClock, shared: Shared) {
    this.name = name
    this.clock = clock
    this.#shared = shared
    this.#database = database
    this.#core = {
      ...shared.base,
      database,
      clock,
      connections: createConnections(
        shared.registry,
        shared.base.keys,
        silent,
        () => new Date(shared.now()),
        localTransport,
      ),
      pokes: createPokes(
        () => clock.monotonic(),
        () => {},
      ),
      owner: name,
      committed: () => {},
    }
  }
  get pokes() {
    return this.#core.pokes
  }
  /** It takes no more work, and what runs is told to end. */
  close(): void {
    this.#sleepUntil = Number.POSITIVE_INFINITY
    this.#closing.abort()
  }
  /** No instruction of it is ever executed again. */
  crash(): void {
    this.crashed = true
    this.gates.length = 0
    this.clock.die()
  }

  /** Looks what is due and begins it, as the queue does. */
  look(): void {
    if (this.tasks.has('look') || this.crashed || this.clock.monotonic() < this.#sleepUntil) return
    this.#begin('look', async (core) => {
      await takePokes(core)
      const collecting = [...this.tasks.keys()].filter((key) => key.startsWith('collect')).length
      const { polls, orders, collects, children } = await findDue(core, COLLECT_AT_ONCE - collecting)
      const { signal } = this.#closing
      for (const id of polls) this.#begin(`poll ${id}`, async (own) => await poll(own, id, signal))
      for (const id of orders) this.#begin(`orders ${id}`, async (own) => await carryOutOrders(own, id, signal))
      for (const id of collects) {
        this.#begin(`collect ${id}`, async (own) => {
          const run = processing(own, (_, name) => this.#shared.functions[name])
          await collect(own, run, id, signal)
        })
      }
      if (children) this.#begin('children', async (own) => await releaseChildren(own, signal))
      if (this.clock.monotonic() < this.#sweepAt) return
      this.#sweepAt = this.clock.monotonic() + SWEEP_EVERY_MS
      this.#begin('sweep', async (own) => {
        await releaseDeadLeases(own, (owner) => !this.#shared.dead.has(owner))
        await removeDeleted(own)
      })
    })
  }

  #begin(key: string, run: (core: Core) => Promise<void>): void {
    if (this.tasks.has(key) || this.#closing.signal.aborted) return
    const task: Task = {
      key,
      engine: this,
      leased: undefined,
      asked: undefined,
      over: false,
      ended: 0,
      waiting: 0,
    }
    this.tasks.set(key, task)
    void (async () => {
      try {
        await run(this.#coreOf(task))
      } catch (error) {
        if (!this.#closing.signal.aborted) this.#shared.failed(error, `${this.name} ${key}`)
      } finally {
        task.over = true
        task.ended = this.#shared.now()
        this.tasks.delete(key)
      }
    })()
  }

  /** Something runs that waits neither at a gate nor for time or an answer: it is in the file system. */
  get inFiles(): boolean {
    if (this.crashed) return false
    return [...this.tasks].some(([key, task]) => (key === 'sweep' || key.startsWith('collect')) && task.waiting === 0)
  }

  async #gate(task: Task, what: string): Promise<void> {
    if (this.crashed) return await new Promise<never>(() => {})
    if (this.free) return
    task.waiting++
    await new Promise<void>((open) => this.gates.push({ task, what, open }))
    task.waiting--
  }

  async #during<T>(work: Promise<T>): Promise<T> {
    const { flight } = this.#shared
    flight.count++
    try {
      return await work
    } finally {
      flight.count--
    }
  }

  /** The process as one task sees it: each of its effects is a gate of that task. */
  #coreOf(task: Task): Core {
    const inner = this.#database
    const own: Pick<Database, 'all' | 'write' | 'readNow'> = {
      all: async (sql, params) => {
        await this.#gate(task, 'reads')
        return await this.#during(inner.all(sql, params))
      },
      write: async (work, options) => {
        await this.#gate(task, 'commits')
        this.#shared.flight.commits++
        task.leased ??= this.#shared.now()
        return await this.#during(inner.write(work, options))
      },
      readNow: async () => {
        await this.#gate(task, 'reads the clock')
        task.asked ??= this.#shared.now()
        return await this.#during(inner.readNow())
      },
    }
    const { connections } = this.#core
    return {
      ...this.#core,
      database: Object.assign(Object.create(inner) as Database, { now: inner.now }, own),
      connections: { ...connections, of: (record) => this.#schedulerOf(task, connections.of(record)) },
    }
  }

  #schedulerOf(task: Task, scheduler: Scheduler): Scheduler {
    const method = (name: Method) => async (first: unknown) => {
      await this.#gate(task, `sends ${name}`)
      if (name === 'status' && task.key.startsWith('poll')) this.#shared.polls(task)
      const refs = (Array.isArray(first) ? first : [first]) as readonly { readonly token: Token }[]
      const { answer, heard } = this.#shared.world.call(name, refs)
      task.waiting++
      const came = await answer.then(
        (value) => ({ value }),
        (error: unknown) => ({ error }),
      )
      task.waiting--
      await this.#gate(task, `hears ${name}`)
      if ('error' in came) throw came.error
      heard(came.value)
      return came.value
    }
    const names = Object.keys(scheduler).filter((name) => name !== 'close') as Method[]
    return {
      ...Object.fromEntries(names.map((name) => [name, method(name)])),
      close: async () => {},
    } as unknown as Scheduler
  }
}

export const appNamed = (name: string, directory: string, functions: readonly string[]): App => ({
  name,
  schedulerSettings: {},
  processResults: new Set(functions),
  tasks: new Map(),
  workspace: directory,
  workspaceRoots: [],
})
