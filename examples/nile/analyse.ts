/**
 * Finds the year in which the Nile's annual flow changed its level, and how sure that is.
 *
 *   node analyse.ts [--data nile.csv] [--seed 1] [--resamples 120000] [--out .]
 *
 * Writes result.json and plot.svg. The method is told in change-point.ts. The same seed gives the same result.
 * Exit codes: 0 done, 1 the results could not be written, 2 wrong arguments or data, 143 stopped by SIGTERM.
 */
import { constants, rmSync } from 'node:fs'
import { access, mkdir, rename, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { setImmediate as nextTurn } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { Bootstrap, type Summary } from './change-point.ts'
import { drawPlot } from './plot.ts'
import { openReporter, type Reporter } from './report.ts'
import { describe } from './result.ts'
import { InputError, readSeries, type Series, shown } from './series.ts'

/** About twenty seconds on one core of a slow machine; the ends of the interval have long settled by then. */
const DEFAULT_RESAMPLES = 120_000

/** How long to compute before looking at signals and reports again. */
const SLICE_MS = 25

type Settings = { data: string; seed: number; resamples: number; out: string }

let unfinished: string | undefined

process.on('SIGTERM', () => {
  if (unfinished !== undefined) rmSync(unfinished, { force: true })
  process.stdout.write('stopped by SIGTERM\n')
  process.exit(143)
})

try {
  await main(readSettings(process.argv.slice(2)))
} catch (error) {
  process.stderr.write(`${error instanceof Error ? error.message : String(error)}\n`)
  process.exitCode = error instanceof InputError ? 2 : 1
}

async function main(settings: Settings): Promise<void> {
  const series = await readSeries(settings.data)
  await prepare(settings.out)
  const reporter = await openReporter()
  const summary = await bootstrap(series, settings, reporter)
  const result = describe(series, summary, settings.seed)
  // The numbers come last: whoever finds result.json finds a finished plot beside it.
  await writeWhole(join(settings.out, 'plot.svg'), drawPlot(series, summary))
  await writeWhole(join(settings.out, 'result.json'), `${JSON.stringify(result, null, 2)}\n`)
  process.stdout.write(
    `last year of the old level: ${result.changeYear}, 95 % interval ${result.interval95.join(' to ')}\n` +
      `mean ${result.meanBefore} before, ${result.meanAfter} after, a drop of ${result.drop} (10^8 m3 a year)\n`,
  )
  await reporter.finish(`resample ${settings.resamples} of ${settings.resamples}`)
}

/** Before the work, not after it: nobody should wait for results that cannot be written. */
async function prepare(out: string): Promise<void> {
  try {
    await mkdir(out, { recursive: true })
    await access(out, constants.W_OK)
  } catch (error) {
    throw new InputError(`--out ${shown(out)}: this is no directory that can be written to (${codeOf(error)}).`)
  }
}

async function bootstrap(series: Series, { seed, resamples }: Settings, reporter: Reporter): Promise<Summary> {
  process.stdout.write(`${series.flows.length} years from ${series.years[0]}, ${resamples} resamples, seed ${seed}\n`)
  const run = new Bootstrap(series.flows, seed)
  const started = performance.now()
  let tenths = 0
  while (run.done < resamples) {
    reporter.progress(run.done / resamples, `resample ${run.done} of ${resamples}`)
    await nextTurn() // signals and reports get their turn here

    const pause = performance.now() + SLICE_MS
    while (run.done < resamples && performance.now() < pause) {
      run.resample()
      if (run.done * 10 < (tenths + 1) * resamples) continue
      tenths += 1
      const seconds = ((performance.now() - started) / 1000).toFixed(1)
      process.stdout.write(`${String(tenths * 10).padStart(3)} %  resample ${run.done} of ${resamples}  ${seconds} s\n`)
    }
  }
  return run.summary()
}

/** Under another name first: a reader sees the whole file or none, even if this process dies meanwhile. */
async function writeWhole(path: string, text: string): Promise<void> {
  unfinished = `${path}.${process.pid}.tmp`
  await writeFile(unfinished, text, { flush: true })
  await rename(unfinished, path)
  unfinished = undefined
}

function readSettings(args: string[]): Settings {
  // Not strict, because what parseArgs itself says of a wrong argument runs over several lines.
  const value = { type: 'string' } as const
  const options = { data: value, seed: value, resamples: value, out: value }
  const { values, positionals } = parseArgs({ args, options, strict: false })
  const known = Object.keys(options)
  for (const name of Object.keys(values)) {
    if (known.includes(name)) continue
    throw new InputError(`--${name} is not an argument of this program, which has --${known.join(', --')}.`)
  }
  if (positionals[0] !== undefined) {
    throw new InputError(`${shown(positionals[0])} does not belong to any of --${known.join(', --')}.`)
  }
  const given = (name: keyof typeof options) => {
    const value = values[name]
    if (value === undefined) return undefined
    if (typeof value !== 'string' || value === '') throw new InputError(`--${name} needs a value.`)
    return value
  }
  const whole = (name: keyof typeof options, least: number, most: number, otherwise: number) => {
    const value = given(name)
    if (value === undefined) return otherwise
    const number = /^\d{1,10}$/.test(value) ? Number(value) : Number.NaN
    if (number >= least && number <= most) return number
    throw new InputError(`--${name} must be a whole number from ${least} to ${most}, not ${shown(value)}.`)
  }
  return {
    data: given('data') ?? fileURLToPath(new URL('./nile.csv', import.meta.url)),
    seed: whole('seed', 0, 2 ** 32 - 1, 1),
    // Under a hundred there is no 2.5 % tail to speak of; ten million take about half an hour.
    resamples: whole('resamples', 100, 10_000_000, DEFAULT_RESAMPLES),
    out: given('out') ?? '.',
  }
}

function codeOf(error: unknown): string {
  return error instanceof Error && 'code' in error ? String(error.code) : String(error)
}
