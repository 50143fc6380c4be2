// Plays random stories of two engines, a scheduler and people against a small model of what must be.
//
//     npm run model -- --runs 1000000 [--seed 7] [--workers 2] [--commands 18]
//     npm run model -- --seed 7 --path 12:3:0      replays a story that failed, and tells it

import { fork } from 'node:child_process'
import { parseArgs } from 'node:util'
import fc from 'fast-check'
import { type Story, stories } from './commands.ts'
import { play } from './play.ts'
import { openStore } from './store.ts'

const { values } = parseArgs({
  options: {
    runs: { type: 'string', default: '10000' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    workers: { type: 'string', default: '2' },
    commands: { type: 'string', default: '18' },
    path: { type: 'string' },
    /** The first failure ends it: it is not made smaller. */
    first: { type: 'boolean', default: false },
  },
})
const number = (name: 'runs' | 'seed' | 'workers' | 'commands'): number => {
  const value = Number(values[name])
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new Error(`--${name} takes a whole number, not ${values[name]}.`)
}
const [runs, seed, workers, commands] = [number('runs'), number('seed'), number('workers'), number('commands')]
const EVERY = 1000

const playAll = async (): Promise<void> => {
  const store = await openStore()
  let played = 0
  const began = performance.now()
  try {
    const property = fc.asyncProperty(stories(commands), async (story) => {
      await play(store, story)
      if (++played % EVERY === 0) process.send?.(EVERY)
    })
    const { path } = values
    const found = await fc.check(property, {
      seed,
      numRuns: runs,
      endOnFailure: values.first,
      ...(path === undefined ? {} : { path }),
    })
    process.send?.(played % EVERY)
    if (found.failed) await tell(store, found.counterexample?.[0] as Story, found.counterexamplePath ?? '')
  } finally {
    await store.close()
  }
  if (process.send === undefined) console.log(`${played} runs in ${Math.round(performance.now() - began)} ms`)
  process.disconnect?.()
}

const tell = async (store: Awaited<ReturnType<typeof openStore>>, story: Story, path: string): Promise<void> => {
  const lines: string[] = []
  const error = await play(store, story, (line) => lines.push(line)).then(
    () => new Error('The story does not fail a second time.'),
    (reason: unknown) => reason,
  )
  process.exitCode = 1
  const why = error instanceof Error && error.name !== 'LawBroken' ? error.stack : String((error as Error).message)
  console.log([...lines, why, `npm run model -- --seed ${seed} --commands ${commands} --path ${path}`].join('\n'))
}

const share = async (): Promise<void> => {
  console.log(`seed ${seed}: ${runs} runs by ${workers} workers`)
  const began = performance.now()
  let played = 0
  let told = 0
  const seconds = () => Math.round((performance.now() - began) / 1000)
  const worker = async (index: number): Promise<number | null> => {
    const part = Math.floor(runs / workers) + (index < runs % workers ? 1 : 0)
    const child = fork(
      new URL(import.meta.url),
      ['--runs', `${part}`, '--seed', `${seed + index}`, '--commands', `${commands}`],
      {
        env: { ...process.env, TELESTO_MODEL_WORKER: '1' },
      },
    )
    child.on('message', (more: number) => {
      played += more
      if (played - told < runs / 10) return
      told = played
      console.log(`${played} runs after ${seconds()} s`)
    })
    return await new Promise((resolve) => child.on('close', resolve))
  }
  const codes = await Promise.all(Array.from({ length: workers }, (_, index) => worker(index)))
  const failed = codes.filter((code) => code !== 0).length
  console.log(failed === 0 ? `${played} runs in ${seconds()} s: every law held` : `seed ${seed}: a law was broken`)
  process.exitCode = failed === 0 ? 0 : 1
}

if (values.path !== undefined || workers === 0 || process.env.TELESTO_MODEL_WORKER !== undefined) await playAll()
else await share()
