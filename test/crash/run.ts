import { mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { type Aim, chooseAim } from './aims.ts'
import { createDriver, type Driver } from './driver.ts'
import { databaseOf, type Evidence, gather, processesOf, type Scene, unsettled } from './evidence.ts'
import type { History } from './history.ts'
import { type Fault, judge } from './oracle.ts'
import type { ServerOptions } from './protocol.ts'
import { createRandom, type Random } from './random.ts'
import { type ServerProcess, startServer } from './server-process.ts'
import { tell } from './story.ts'
import { WINDOWS, type Window, type Windows, windowsIn } from './windows.ts'

export interface CrashOptions {
  readonly kills: number
  readonly seed: number
  readonly jobs: number
  /** Milliseconds that everything may take to come to rest after the last restart. */
  readonly patienceMs: number
  readonly progress?: (kill: number, windows: Windows) => void
}

export interface CrashResult {
  readonly faults: readonly Fault[]
  readonly windows: Windows
  readonly attempts: number
  /** What is left to look at; only where there are faults. */
  readonly directory?: string
  /** What was asked of each job that has a fault. */
  readonly details: readonly string[]
}

/** A kill that waits for something comes after this time in any case, in milliseconds. */
const AIM_MS = 1200
const TICK_MS = 8

/** Kills servers and tells stories; then compares. */
export const crashRun = async (options: CrashOptions): Promise<CrashResult> => {
  const root = mkdtempSync(join(tmpdir(), 'telesto-crash-'))
  const scene: Scene = {
    directory: join(root, 'telesto'),
    files: join(root, 'files'),
    processedFile: join(root, 'processed'),
  }
  for (const directory of [scene.directory, scene.files]) mkdirSync(directory)
  // Apart from each other, so that stories and kills do not depend on how often the driver chose.
  const [forStories, random, forDriver] = [0, 1, 2].map((part) => createRandom(options.seed * 3 + part)) as [
    Random,
    Random,
    Random,
  ]
  const surprises: string[] = []
  const stories = Array.from({ length: options.jobs }, (_, index) => tell(forStories, index + 1))
  const driver = createDriver(stories, scene.directory, scene.files, forDriver, (what) => surprises.push(what))
  const windows = Object.fromEntries(WINDOWS.map((window) => [window, 0])) as Record<Window, number>
  const start = (waits: ServerOptions['waits']): ServerProcess =>
    startServer(
      {
        directory: scene.directory,
        processedFile: scene.processedFile,
        leaseSeconds: 5,
        pollSeconds: 0.25,
        maxActiveJobs: 5,
        clockAhead: driver.clockAhead,
        waits,
      },
      {
        log: join(root, 'log'),
        passing: (passing) => {
          driver.passing(passing)
          if (passing.halted) onHalt()
        },
        unexpected: (what) => surprises.push(what),
      },
    )
  let onHalt: () => void = () => {}

  try {
    for (let kill = 1; kill <= options.kills; kill++) {
      const aim = chooseAim(random, windows)
      const server = start(waitsOf(random))
      const hit = new Promise<void>((resolve) => {
        onHalt = resolve
        driver.onRequest = (when, action) => {
          if (typeof aim === 'object' && 'when' in aim && aim.when === when && aim.action === action) resolve()
        }
      })
      // The last jobs are made shortly before the last kills.
      const allowed = Math.ceil((options.jobs * kill) / (options.kills * 0.95))
      await liveUntilKill(server, driver, aim, hit, allowed, random)
      server.signal('SIGKILL')
      driver.lose()
      await server.ended
      for (const window of windowsIn(databaseOf(scene))) windows[window]++
      options.progress?.(kill, windows)
    }
    driver.onRequest = undefined
    const server = start({})
    await server.ready
    driver.use(server)
    await untilSettled(scene, driver, options.patienceMs)
    server.tell({ close: true })
    const ended = await Promise.race([server.ended, sleep(10_000, 'not closed', { ref: false })])
    if (ended !== 0) surprises.push(`the last server was told to close: ${ended}`)
    server.signal('SIGKILL')
    await server.ended
    if (driver.open) surprises.push(`stories did not come to their end:\n${driver.describe()}`)

    const evidence = gather(
      scene,
      stories.map(({ key }) => key),
      surprises,
    )
    const faults = judge(driver.histories, evidence)
    const attempts = [...evidence.files.values()].flat().filter(({ word }) => word === 'start').length
    const details = detailsOf(faults, driver.histories, evidence)
    if (faults.length === 0) rmSync(root, { recursive: true, force: true })
    return { faults, windows, attempts, details, ...(faults.length > 0 ? { directory: root } : {}) }
  } finally {
    for (const { pid } of processesOf(scene)) {
      try {
        process.kill(pid, 'SIGKILL')
      } catch {
        // gone by itself
      }
    }
  }
}

/** All that is known of each job that has a fault. */
const detailsOf = (faults: readonly Fault[], histories: readonly History[], { files, jobs }: Evidence): string[] => {
  const suspects = new Set(faults.map(({ key }) => key))
  return histories
    .filter(({ story }) => suspects.has(story.key))
    .map(({ story, requests }) =>
      JSON.stringify({
        ...story,
        requests,
        lines: files.get(story.key)?.filter(({ word }) => word !== 'beat'),
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
  server: ServerProcess,
  driver: Driver,
  aim: Aim,
  hit: Promise<void>,
  allowed: number,
  random: Random,
): Promise<void> => {
  const over = new AbortController()
  const ready = server.ready.then((up) => {
    if (!up || over.signal.aborted) return
    driver.use(server)
    // Not always the first that comes by.
    if (typeof aim === 'object' && 'at' in aim) setTimeout(() => server.tell({ halt: aim.at }), random.between(0, 150))
  })
  const ticks = (async () => {
    while (!over.signal.aborted) {
      driver.tick(allowed)
      await sleep(TICK_MS)
    }
  })()
  // Also while it starts.
  if (aim === 'any moment') await sleep(random.between(0, 900))
  else {
    await ready
    await Promise.race([hit, sleep(AIM_MS, undefined, { ref: false })])
  }
  over.abort()
  void ticks
}

const untilSettled = async (scene: Scene, driver: Driver, patienceMs: number): Promise<void> => {
  const until = performance.now() + patienceMs
  let quiet = 0
  while (performance.now() < until && quiet < 3) {
    driver.tick(Number.POSITIVE_INFINITY)
    await sleep(20)
    quiet = !driver.open && unsettled(scene).length === 0 && processesOf(scene).length === 0 ? quiet + 1 : 0
  }
}
