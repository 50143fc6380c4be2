/**
 * The steps of the analysis as nodes of a workflow. Each reads and writes files of the directory that it is started in.
 *
 *   node step.ts split <parts> <resamples>   part-<n>.json: which resamples each part makes
 *   node step.ts bootstrap <n>               part-<n>.json -> tally-<n>.json
 *   node step.ts merge <parts>               tally-*.json -> summary.json and result.json
 *   node step.ts plot                        summary.json -> plot.svg
 */
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { Bootstrap, type Summary, type Tally } from '../nile/change-point.ts'
import { drawPlot } from '../nile/plot.ts'
import { describe } from '../nile/result.ts'
import { InputError, readSeries, shown } from '../nile/series.ts'

/** The resamples of one node. Parts with different seeds share none. */
type Part = { seed: number; resamples: number }

const SEED = 1

const series = await readSeries(fileURLToPath(new URL('../nile/nile.csv', import.meta.url)))
const read = async <T>(file: string) => JSON.parse(await readFile(file, 'utf8')) as T
const write = async (file: string, value: unknown) =>
  await writeFile(file, `${JSON.stringify(value)}\n`, { flush: true })
const whole = (text: string | undefined): number => {
  if (text !== undefined && /^\d{1,8}$/.test(text)) return Number(text)
  throw new InputError(`A whole number is needed, not ${text === undefined ? 'nothing' : shown(text)}.`)
}
const numbers = (count: number): number[] => Array.from({ length: count }, (_, number) => number)

const STEPS: Readonly<Record<string, (args: readonly string[]) => Promise<void>>> = {
  async split([parts, resamples]) {
    const count = whole(parts)
    const each = Math.ceil(whole(resamples) / count)
    for (const number of numbers(count))
      await write(`part-${number}.json`, { seed: SEED + number, resamples: each } satisfies Part)
    process.stdout.write(`${count} parts of ${each} resamples\n`)
  },
  async bootstrap([number]) {
    const { seed, resamples } = await read<Part>(`part-${whole(number)}.json`)
    const run = new Bootstrap(series.flows, seed)
    while (run.done < resamples) run.resample()
    await write(`tally-${whole(number)}.json`, run.tally)
    process.stdout.write(`${resamples} resamples with seed ${seed}\n`)
  },
  async merge([parts]) {
    const run = new Bootstrap(series.flows, SEED)
    for (const number of numbers(whole(parts))) run.add(await read<Tally>(`tally-${number}.json`))
    const summary = run.summary()
    await write('summary.json', summary)
    await write('result.json', describe(series, summary, SEED))
    process.stdout.write(`${summary.resamples} resamples of ${whole(parts)} parts\n`)
  },
  async plot() {
    await writeFile('plot.svg', drawPlot(series, await read<Summary>('summary.json')), { flush: true })
  },
}

try {
  const [name = '', ...args] = process.argv.slice(2)
  const step = STEPS[name]
  if (!step) throw new InputError(`There is no step ${shown(name)}, but ${Object.keys(STEPS).join(', ')}.`)
  await step(args)
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = error instanceof InputError ? 2 : 1
}
