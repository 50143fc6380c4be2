// Kills a server with -9 again and again while jobs are made, run, stopped, paused, resubmitted, deleted and collected, then
// compares the store with what each job wrote of itself, or with what HTCondor's history tells of it.
//
//     node test/crash/main.ts --kills 200 --seed 7 [--jobs 200] [--adapter local|condor] [--patience 90]
//       [--store sqlite|postgres] [--servers 2] [--kill-store] [--kill-sshd] [--slow]

import { parseArgs } from 'node:util'
import { verdict } from './oracle.ts'
import { crashRun } from './run.ts'
import { WINDOWS } from './windows.ts'

/** A window that fewer kills fell into, in a run of at least ENOUGH, was not tried. */
const FEWEST = 5
const ENOUGH = 200

const { values } = parseArgs({
  options: {
    kills: { type: 'string' },
    seed: { type: 'string', default: String(Date.now() % 1_000_000) },
    jobs: { type: 'string' },
    adapter: { type: 'string', default: 'local' },
    patience: { type: 'string', default: '90' },
    store: { type: 'string', default: 'sqlite' },
    servers: { type: 'string', default: '1' },
    'kill-store': { type: 'boolean', default: false },
    'kill-sshd': { type: 'boolean', default: false },
    slow: { type: 'boolean', default: false },
  },
})
const number = (name: 'kills' | 'seed' | 'jobs' | 'patience' | 'servers', otherwise?: number): number => {
  const value = Number(values[name] ?? otherwise)
  if (Number.isSafeInteger(value) && value >= 0) return value
  throw new Error(`--${name} takes a whole number, not ${values[name]}.`)
}
const { adapter, store, 'kill-store': killStore, 'kill-sshd': cut, slow } = values
if (adapter !== 'local' && adapter !== 'condor') throw new Error(`--adapter ${adapter}: there is "local" and "condor".`)
if (cut && adapter !== 'condor')
  throw new Error('--kill-sshd needs --adapter condor: the jobs of this machine need no SSH.')
if (slow && adapter !== 'condor') throw new Error('--slow needs --adapter condor.')
if (store !== 'sqlite' && store !== 'postgres') throw new Error(`--store ${store}: there is "sqlite" and "postgres".`)
if (killStore && store !== 'postgres') throw new Error('--kill-store needs --store postgres: SQLite is no process.')
const [seed, servers] = [number('seed'), number('servers')]
const [kills, jobs] =
  adapter === 'condor' ? [number('kills', 100), number('jobs', 300)] : [number('kills', 200), number('jobs', 200)]
if (servers < 1) throw new Error('--servers takes 1 or more.')

console.log(`seed ${seed}: ${kills} kills, ${jobs} jobs; ${adapter}, ${store}, servers: ${servers}`)
const began = performance.now()
const result = await crashRun({
  kills,
  seed,
  jobs,
  adapter,
  cut,
  slow,
  store,
  servers,
  killStore,
  patienceMs: number('patience') * 1000,
  progress: (kill) => {
    if (kill % 25 === 0) console.log(`${kill} kills after ${Math.round((performance.now() - began) / 1000)} s`)
  },
})
console.log(`${result.attempts} attempts ran in ${Math.round((performance.now() - began) / 1000)} s; kills fell`)
if (killStore) {
  const unseen = `${result.madeUnseen} requests were carried out that nobody saw the answer of`
  console.log(`  ${String(result.outages).padStart(5)}  the store itself; ${unseen}`)
}
if (cut) console.log(`  ${String(result.cuts).padStart(5)}  all connections over SSH, while servers were killed`)
for (const window of WINDOWS) console.log(`  ${String(result.windows[window]).padStart(5)}  ${window}`)
for (const { kind, key, what } of result.faults) console.log(`${kind}: ${key === undefined ? '' : `${key}: `}${what}`)
for (const detail of result.details) console.log(detail)
if (result.directory !== undefined) console.log(`seed ${seed}; what is left is in ${result.directory}`)

const untried = kills < ENOUGH ? [] : WINDOWS.filter((window) => result.windows[window] < FEWEST)
if (untried.length > 0) console.log(`fewer than ${FEWEST} kills fell into: ${untried.join(', ')}`)
console.log(verdict(result.faults))
process.exitCode = result.faults.length > 0 || untried.length > 0 ? 1 : 0
