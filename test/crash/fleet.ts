import { setTimeout as sleep } from 'node:timers/promises'
import type { Random } from './random.ts'
import type { ServerProcess } from './server-process.ts'

/** The servers of one portal, all on one store and one directory. */
export interface Fleet {
  readonly all: readonly ServerProcess[]
  /** Starts those that are missing. */
  fill(): void
  /** Those that the next kill hits: one of them, sometimes all. */
  victims(random: Random): readonly ServerProcess[]
  kill(victims: readonly ServerProcess[]): Promise<void>
  /** Resolves when all are up, or after that time. */
  allUp(patienceMs: number): Promise<void>
  /** Tells all to close, and waits for that. */
  close(patienceMs: number): Promise<void>
}

export interface FleetOptions {
  readonly size: number
  readonly start: () => ServerProcess
  /** It is up, and can be asked. */
  readonly up: (server: ServerProcess) => void
  /** It is gone, or about to be. */
  readonly down: (server: ServerProcess) => void
  /** How often the store went away until now: a server may end when it finds none at its start, and only then. */
  readonly outages: () => number
  readonly surprise: (what: string) => void
}

/** How often all servers are killed at once. */
const ALL = 0.25

export const createFleet = ({ size, start, up, down, outages, surprise }: FleetOptions): Fleet => {
  const running = new Set<ServerProcess>()
  const expected = new Set<ServerProcess>()

  const add = (): void => {
    const before = outages()
    const server = start()
    running.add(server)
    let wasUp = false
    void server.ready.then((isUp) => {
      wasUp = isUp
      if (isUp && running.has(server) && !expected.has(server)) up(server)
    })
    void server.ended.then((how) => {
      running.delete(server)
      down(server)
      if (expected.has(server)) return
      if (wasUp) surprise(`a server ended by itself: ${how}`)
      else if (outages() === before) surprise(`a server did not start: ${how}`)
    })
  }
  const fill = (): void => {
    while (running.size < size) add()
  }

  return {
    get all() {
      return [...running]
    },
    fill,
    victims(random) {
      const all = [...running]
      // Of one that is left, or of none, there is nothing to choose.
      return all.length < 2 || random.chance(ALL) ? all : [random.pick(all)]
    },
    async kill(victims) {
      for (const server of victims) {
        expected.add(server)
        server.signal('SIGKILL')
        down(server)
      }
      await Promise.all(victims.map(({ ended }) => ended))
    },
    async allUp(patienceMs) {
      const until = performance.now() + patienceMs
      for (let ready = 0; ready < size && performance.now() < until; ) {
        fill()
        const answers = await Promise.all([...running].map(({ ready }) => ready))
        ready = answers.filter(Boolean).length
      }
    },
    async close(patienceMs) {
      const all = [...running]
      for (const server of all) {
        expected.add(server)
        down(server)
        server.tell({ close: true })
      }
      const late = sleep(patienceMs, 'not closed', { ref: false })
      for (const server of all) {
        const ended = await Promise.race([server.ended, late])
        if (ended !== 0) surprise(`a server was told to close at the end: ${ended}`)
        server.signal('SIGKILL')
        await server.ended
      }
    },
  }
}
