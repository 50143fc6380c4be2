// Measures Telesto beside the raw driver and bare Express, in one run and in turns, and tells which goals hold.
//
//     node bench/main.ts [--store sqlite|postgres] [--quick] [names]
//
// Names are those of benchmarks; without any, all run but those that need what not every machine has. What was measured goes to bench/results.json and to the README's
// table, except with --quick: small sizes, to see that it runs.

import { readFile, writeFile } from 'node:fs/promises'
import { availableParallelism } from 'node:os'
import { parseArgs } from 'node:util'
import type { Benchmark } from './benchmark.ts'
import { callback } from './callback.ts'
import { condor } from './condor.ts'
import { create } from './create.ts'
import { idle } from './idle.ts'
import { list } from './list.ts'
import { live } from './live.ts'
import { poll } from './poll.ts'
import { between, merged, type Result, resultOf, table } from './results.ts'
import { storeOf } from './stores.ts'

const BENCHMARKS: readonly Benchmark[] = [create, list, callback, live, poll, idle, condor]

const { values, positionals } = parseArgs({
  options: { store: { type: 'string', default: 'sqlite' }, quick: { type: 'boolean', default: false } },
  allowPositionals: true,
})
const benchmarkOf = (name: string): Benchmark => {
  const found = BENCHMARKS.find((one) => one.name === name)
  if (found) return found
  throw new Error(`There is no benchmark ${name}: ${BENCHMARKS.map((one) => one.name).join(', ')}.`)
}
const store = storeOf(values.store)
const chosen =
  positionals.length > 0 ? positionals.map(benchmarkOf) : BENCHMARKS.filter(({ needs }) => needs === undefined)
const goals = BENCHMARKS.flatMap((one) => one.goals)

const about = {
  store: store.name,
  date: new Date().toISOString().slice(0, 10),
  node: process.versions.node,
  cpus: availableParallelism(),
}
// However the run ends, what it started ends with it.
for (const signal of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.on(signal, () => process.exit(1))
const results: Result[] = []
try {
  for (const benchmark of chosen) {
    const needs = benchmark.needs === undefined ? '' : `, which needs ${benchmark.needs}`
    console.log(`\n${benchmark.name} on ${store.name}${needs}`)
    const began = performance.now()
    const note = (text: string): void => console.log(`  ${text}`)
    const size = (full: number, quick: number): number => (values.quick ? quick : full)
    const measured = await benchmark.run({ store, size, note })
    for (const goal of benchmark.goals) {
      const figure = measured[goal.name]
      if (!figure) throw new Error(`${benchmark.name} did not measure ${goal.name}.`)
      const result = resultOf(goal, figure, about)
      results.push(result)
      const of = 'of' in goal ? ` ${goal.of}` : ''
      const sides = result.other === null ? '' : ` (${result.ours} to ${result.other}${of})`
      note(`${goal.name}: ${result.ratio}${sides}, goal ${result.goal}: ${result.holds ? 'holds' : 'MISSED'}`)
    }
    note(`in ${Math.round((performance.now() - began) / 1000)} s`)
  }
} finally {
  await store.close()
}

console.log(`\n${table(goals, results)}`)
if (!values.quick) {
  const file = new URL('results.json', import.meta.url)
  const readme = new URL('../README.md', import.meta.url)
  const before = JSON.parse(await readFile(file, 'utf8').catch(() => '[]')) as Result[]
  const all = merged(goals, before, results)
  await writeFile(file, `${JSON.stringify(all, null, 2)}\n`)
  await writeFile(readme, between(await readFile(readme, 'utf8'), table(goals, all)))
}
