import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Aim, chooseAim } from './aims.ts'
import { startCondor } from './condor-target.ts'
import { createDriver, type Driver } from './driver.ts'
import { type Evidence, gather, type Scene, unsettled } from './evidence.ts'
import { createFleet } from './fleet.ts'
import type { History } from './history.ts'
import { localTarget } from './local-target.ts'
import { type Fault, judge } from './oracle.ts'
import { type Postgres, startPostgres } from './postgres.ts'
import type { ServerOptions } from './protocol.ts'
import { createRandom, type Random } from './random.ts'
import { type ServerProcess, startServer } from './server-process.ts'
import { tell } from './story.ts'
import type { Target } from './target.ts'
import { WINDOWS, type Window, type Windows, windowsIn } from './windows.ts'

export interface CrashOptions {
  readonly kills: number
  readonly seed: number
  readonly jobs: number
  /** Milliseconds without any step after which what has not come to rest, after the last restart, never will. */
  readonly patienceMs: number
  /** What runs the jobs. Default: this machine; "condor" is a pool of HTCondor behind SSH, of this run's own. */
  readonly adapter?: 'local' | 'condor'
  /** The connections to it are cut as well, now and then. Where it is behind SSH only. */
  readonly cut?: boolean
  /** What accepts jobs there takes its time, more often and longer. "condor" only. */
  readonly slow?: boolean
  /** By default SQLite's file in the directory; "postgres" is a server of this run's own. */
  readonly store?: 'sqlite' | 'postgres'
  /** Servers that run at the same time, on one store and one directory. Default 1. */
  readonly servers?: number
  /** Some of the kills are the store's. PostgreSQL only. */
  readonly killStore?: boolean
  readonly progress?: (kill: number, windows: Windows) => void
}

export interface CrashResult {
  readonly faults: readonly Fault[]
  readonly windows: Windows
  readonly attempts: number
  /** How often all connections to the scheduler were cut. */
  readonly cuts: number
  /** How many of the kills were the store's. */
  readonly outages: number
  /** Requests that were not answered, and turned out to have been carried out. */
  readonly madeUnseen: number
  /** What is left to look at; only where there are faults. */
  readonly directory?: string
  /** What was asked of each job that has a fault. */
  readonly details: readonly string[]
}

/** A kill that waits for something comes after this time in any case, in milliseconds. */
const AIM_MS = 1200
const TICK_MS = 8
/** A server that is told to close waits ten seconds for what is in flight; a machine may be busy. */
const CLOSE_MS = 30_000

/** How often a kill is the store's, where it may be; and how often a server is killed while the store is away. */
const STORE = 0.3
const BOTH = 0.25
/** So long, at most, it takes until the store is killed, and until it is started again. */
const STORE_MS = 1500
/** Connections to the scheduler are cut after so long, at least and at most. */
const CUT_MS = [300, 4000] as const

/** Kills servers, and the store, and tells stories; then compares. */
export const crashRun = async (options: CrashOptions): Promise<CrashResult> => {
  const root = mkdtempSync(join(tmpdir(), 'telesto-crash-'))
  const result = await crashIn(root, options)
  if (result.faults.length > 0) return { ...result, directory: root }
  rmSync(root, { recursive: true, force: true })
  return result
}

const crashIn = async (root: string, options: CrashOptions): Promise<CrashResult> => {
  const directory = join(root, 'telesto')
  mkdirSync(directory)
  const started: { stop(): Promise<void> }[] = []
  try {
    const postgres = options.store === 'postgres' ? await startPostgres(root) : undefined
    if (postgres) started.push(postgres)
    const target =
      options.adapter === 'condor' ? await startCondor(root, options.slow) : localTarget(directory, join(root, 'files'))
    started.push(target)
    const scene: Scene = {
      directory,
      ...(postgres ? { database: postgres.url } : {}),
      processedFile: join(root, 'processed'),
    }
    return await crashOn(options, root, scene, target, postgres)
  } finally {
    for (const one of started) await one.stop()
  }
}

const crashOn = async (
  options: CrashOptions,
  root: string,
  scene: Scene,
  target: Target,
  postgres: Postgres | undefined,
): Promise<CrashResult> => {
  // Apart from each other, so that stories and kills do not depend on how often the driver chose.
  const [forStories, random, forDriver] = [0, 1, 2].map((part) => createRandom(options.seed * 3 + part)) as [
    Random,
    Random,
    Random,
  ]
  const forCuts = createRandom(~options.seed)
  const surprises: string[] = []
  const surprise = (what: string): void => void surprises.push(what)
  const stories = Array.from({ length: options.jobs }, (_, index) => tell(forStories, index + 1, target.repertoire))
  const driver = createDriver(stories, scene.directory, target, forDriver, surprise)
  const windows = Object.fromEntries(WINDOWS.map((window) => [window, 0])) as Record<Window, number>
  let onHalt: () => void = () => {}
  let outages = 0
  let waits: () => ServerOptions['waits'] = () => waitsOf(random)
  const fleet = createFleet({
    size: options.servers ?? 1,
    up: driver.use,
    down: driver.lose,
    outages: () => outages,
    surprise,
    start: () =>
      startServer(
        {
          directory: scene.directory,
          ...(postgres ? { database: postgres.url } : {}),
          processedFile: scene.processedFile,
          scheduler: target.scheduler,
          leaseSeconds: target.leaseSeconds,
          pollSeconds: 0.25,
          clockAhead: driver.clockAhead,
          waits: waits(),
        },
        {
          log: join(root, 'log'),
          passing: (passing) => {
            driver.passing(passing)
            if (passing.halted) onHalt()
          },
          // That the store was away is what the loops are to say, once it was.
          unexpected: (what, code) => (outages > 0 && code === 'database_unusable' ? undefined : surprise(what)),
        },
      ),
  })

  let allowed = 0
  const over = new AbortController()
  const ticking = (async () => {
    while (!over.signal.aborted) {
      driver.tick(allowed)
      await sleep(TICK_MS)
    }
  })().catch((error) => surprise(`the driver: ${error}`))
  const killing = new AbortController()
  let cuts = 0
  const cutting = (async () => {
    while (options.cut) {
      await sleep(forCuts.between(...CUT_MS))
      if (killing.signal.aborted) return
      target.cut?.()
      cuts++
    }
  })()
  try {
    for (let kill = 1; kill <= options.kills; kill++) {
      // The last jobs are made shortly before the last kills.
      allowed = Math.ceil((options.jobs * kill) / (options.kills * 0.95))
      if (postgres && options.killStore && random.chance(STORE)) {
        fleet.fill()
        await sleep(random.between(0, STORE_MS))
        outages++
        await postgres.kill()
        if (random.chance(BOTH)) await fleet.kill(fleet.victims(random))
        await sleep(random.between(0, STORE_MS))
        await postgres.start()
      } else {
        const aim = chooseAim(random, windows)
        fleet.fill()
        const victims = fleet.victims(random)
        const hit = new Promise<void>((resolve) => {
          onHalt = resolve
          driver.onRequest = (when, action, by) => {
            const isAimed = typeof aim === 'object' && 'when' in aim && aim.when === when && aim.action === action
            if (isAimed && victims.includes(by)) resolve()
          }
        })
        await liveUntilKill(victims, aim, hit, random)
        await fleet.kill(victims)
      }
      for (const window of await windowsIn(scene, target)) windows[window]++
      options.progress?.(kill, windows)
    }
    killing.abort()
    await cutting
    driver.onRequest = undefined
    waits = () => ({})
    await fleet.allUp(options.patienceMs)
    allowed = Number.POSITIVE_INFINITY
    await untilSettled(scene, target, driver, options.patienceMs)
    over.abort()
    await ticking
    await fleet.close(CLOSE_MS)
    if (driver.open) surprise(`stories did not come to their end:\n${driver.describe()}`)

    const evidence = await gather(
      scene,
      target,
      stories.map(({ key }) => key),
      surprises,
    )
    const faults = judge(driver.histories, evidence)
    const attempts = [...evidence.runs.values()].flat().filter(({ startedAt }) => startedAt !== undefined).length
    const details = detailsOf(faults, driver.histories, evidence)
    return { faults, windows, attempts, cuts, details, outages, madeUnseen: driver.madeUnseen }
  } finally {
    over.abort()
    killing.abort()
    await fleet.kill(fleet.all)
    await target.clear()
  }
}

/** All that is known of each job that has a fault. */
const detailsOf = (faults: readonly Fault[], histories: readonly History[], { runs, jobs }: Evidence): string[] => {
  const suspects = new Set(faults.map(({ key }) => key))
  return histories
    .filter(({ story }) => suspects.has(story.key))
    .map(({ story, requests }) =>
      JSON.stringify({
        ...story,
        requests,
        runs: runs.get(story.key),
        stored: jobs.find(({ key }) => key === story.key),
      }),
    )
}

/** Calls of the scheduler take a while, so that something can happen meanwhile. */
const waitsOf = (random: Random): ServerOptions['waits'] => ({
  submitting: random.between(0, 15),
  submitted: random.between(10, 40),
  answered: random.between(10, 60),
  collecting: random.between(10, 60),
  cleaning: random.between(0, 15),
})

const liveUntilKill = async (
  victims: readonly ServerProcess[],
  aim: Aim,
  hit: Promise<void>,
  random: Random,
): Promise<void> => {
  // Also while they start.
  if (aim === 'any moment') {
    await sleep(random.between(0, 900))
    return
  }
  await Promise.all(victims.map(({ ready }) => ready))
  if ('at' in aim) {
    // Not always the first that comes by.
    await sleep(random.between(0, 150))
    for (const server of victims) server.tell({ halt: aim.at })
  }
  await Promise.race([hit, sleep(AIM_MS, undefined, { ref: false })])
}

const untilSettled = async (scene: Scene, target: Target, driver: Driver, patienceMs: number): Promise<void> => {
  let since = performance.now()
  let done = driver.done
  for (let quiet = 0; quiet < 3 && performance.now() < since + patienceMs; ) {
    await sleep(20)
    if (driver.done > done) [done, since] = [driver.done, performance.now()]
    const rests = !driver.open && (await unsettled(scene)).length === 0 && (await target.alive()).length === 0
    quiet = rests ? quiet + 1 : 0
  }
}
