import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { DatabaseSync } from 'node:sqlite'
import { setTimeout as sleep } from 'node:timers/promises'
import type { TestContext } from 'vitest'
import { gather, type Scene, unsettled } from '../crash/evidence.ts'
import type { History, Request } from '../crash/history.ts'
import { localTarget } from '../crash/local-target.ts'
import { type Fault, judge } from '../crash/oracle.ts'
import type { Point } from '../crash/protocol.ts'
import { databaseOf } from '../crash/reading.ts'
import { type Passing, type ServerProcess, startServer } from '../crash/server-process.ts'

export const LEASE_SECONDS = 2

/** A server of the portal, and what it told. */
export interface Server extends ServerProcess {
  readonly passings: readonly (Passing & { readonly when: number })[]
  /** Makes it stay for a while when it next passes the point, stops it there, and resolves. */
  stopAt(point: Point): Promise<void>
}

/** Several server processes on one database file, gone after the test. */
export const createPortal = ({ onTestFinished }: Pick<TestContext, 'onTestFinished'>, pollSeconds = 0.25) => {
  const root = mkdtempSync(join(tmpdir(), 'telesto-portal-'))
  const scene: Scene = {
    directory: join(root, 'telesto'),
    processedFile: join(root, 'processed'),
  }
  mkdirSync(scene.directory)
  const target = localTarget(scene.directory, join(root, 'files'))
  const servers: ServerProcess[] = []
  const surprises: string[] = []
  const requests = new Map<string, Request[]>()
  onTestFinished(async () => {
    for (const server of servers) server.signal('SIGKILL')
    await Promise.all(servers.map(({ ended }) => ended))
    await target.clear()
    rmSync(root, { recursive: true, force: true })
  })

  return {
    scene,
    /** Starts a server; its wall clock may be ten minutes ahead. */
    async start(clock: 'right' | 'ahead'): Promise<Server> {
      const passings: (Passing & { when: number })[] = []
      let halted: (() => void) | undefined
      const server = startServer(
        {
          directory: scene.directory,
          processedFile: scene.processedFile,
          scheduler: target.scheduler,
          leaseSeconds: LEASE_SECONDS,
          pollSeconds,
          clockAhead: 0,
          waits: {},
        },
        {
          log: join(root, 'log'),
          passing: (passing) => {
            passings.push({ ...passing, when: performance.now() })
            if (passing.halted) halted?.()
          },
          unexpected: (what) => surprises.push(what),
          ...(clock === 'ahead' ? { preload: new URL('clock-ahead.ts', import.meta.url).href } : {}),
        },
      )
      servers.push(server)
      if (!(await server.ready)) throw new Error('The server did not start.')
      return {
        ...server,
        passings,
        async stopAt(point) {
          const there = new Promise<void>((resolve) => {
            halted = resolve
          })
          server.tell({ halt: point, ms: 400 })
          await there
          await stopAtRest(server, scene)
        },
      }
    },

    /** Asks a server for something; it must be done. Answers the job's id. */
    async ask(server: ServerProcess, action: Request['action'], key: string, beats = 3): Promise<number> {
      const [job] = (await list(server)).filter((one) => one.key === key)
      const behaviours = Array.from({ length: 4 }, () => ({ beats, exitCode: 0, deaf: false }))
      const wanted = { key, options: target.optionsOf({ key, behaviours, procs: 1 }), processed: true }
      const outcome = await server.ask(job ? { action, id: job.id } : { action, job: wanted })
      if (outcome.outcome !== 'done') throw new Error(`${action} ${key}: ${JSON.stringify(outcome)}`)
      const request = { action, attempt: job?.attempt ?? 0, stop: false, outcome: 'done' } as const
      requests.set(key, [...(requests.get(key) ?? []), request])
      return outcome.jobs[0]?.id ?? 0
    },
    list,

    /** Waits until nothing is left to do, closes the servers, and compares what there is then. */
    async settle(): Promise<{ readonly faults: readonly Fault[]; readonly calls: readonly string[] }> {
      for (let quiet = 0; quiet < 3; quiet = (await unsettled(scene)).length === 0 ? quiet + 1 : 0) await sleep(100)
      for (const server of servers) server.tell({ close: true })
      await Promise.all(servers.map(({ ended }) => ended))
      const histories = [...requests].map(
        ([key, asked]): History => ({
          story: { key, kind: 'kept', behaviours: [], processed: true, procs: 1 },
          requests: asked,
          unmounted: [],
        }),
      )
      const evidence = await gather(scene, target, [...requests.keys()], surprises)
      return { faults: judge(histories, evidence), calls: evidence.processed.map(({ token }) => token) }
    },
  }
}

const list = async (server: ServerProcess) => {
  const outcome = await server.ask({ action: 'list' })
  if (outcome.outcome !== 'done') throw new Error(JSON.stringify(outcome))
  return outcome.jobs
}

/** SIGSTOP, but not inside a transaction: SQLite has one writer, and no other process could do anything meanwhile. */
const stopAtRest = async (server: ServerProcess, scene: Scene): Promise<void> => {
  for (;;) {
    server.signal('SIGSTOP')
    if (isFree(databaseOf(scene))) return
    server.signal('SIGCONT')
    await sleep(5)
  }
}

const isFree = (file: string): boolean => {
  const database = new DatabaseSync(file, { timeout: 0 })
  try {
    database.exec('BEGIN IMMEDIATE; ROLLBACK')
    return true
  } catch {
    return false
  } finally {
    database.close()
  }
}
