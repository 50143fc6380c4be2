// The process of one task: `node task-runner.js <folder>`. It stands alone, so that Node can run it as it is, and tells all
// that there is to tell in files, each written beside its place and then put there in one step.

import { accessSync, constants, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import type { TaskContext } from '../../src/task.js'
import type { TaskOrder, Told } from './task.js'

/** What is told more often than this, in milliseconds, is told together. */
const TELL_EVERY_MS = 100
const MAX_WORDS = 2048

const folder = process.argv[2] ?? ''
const order = JSON.parse(readFileSync(join(folder, 'task.json'), 'utf8')) as TaskOrder

const write = (name: string, text: string): void => {
  const draft = join(folder, `${name}.draft`)
  writeFileSync(draft, text, { mode: 0o600 })
  renameSync(draft, join(folder, name))
}

let told: Told = {}
let writtenAt = Number.NEGATIVE_INFINITY
let later: NodeJS.Timeout | undefined
const flush = (): void => {
  clearTimeout(later)
  later = undefined
  writtenAt = performance.now()
  try {
    write('told.json', JSON.stringify(told))
  } catch {
    // The disk may be full: news that cannot be told are no reason to fail.
  }
}
/** At once, or with what else is told in this moment. By the clock too: a task that never waits has no timers. */
const tell = (news: Told): void => {
  told = { ...told, ...news }
  const pause = writtenAt + TELL_EVERY_MS - performance.now()
  if (pause <= 0) flush()
  else later ??= setTimeout(flush, pause).unref()
}
const words = (text: unknown): string => String(text).slice(0, MAX_WORDS)

const stopped = new AbortController()
process.on('SIGTERM', () => stopped.abort(new DOMException('The job was asked to stop.', 'AbortError')))

const context: TaskContext = {
  progress(fraction, message) {
    const progress = Math.min(1, Math.max(0, Number(fraction)))
    tell({
      ...(Number.isNaN(progress) ? {} : { progress }),
      ...(message === undefined ? {} : { message: words(message) }),
    })
  },
  message: (text) => tell({ message: words(text) }),
  signal: stopped.signal,
  directory: order.directory,
  idempotencyKey: process.env.TELESTO_TOKEN ?? '',
}

/** Where the value is no JSON, and what is there; undefined where all of it is. A property that is undefined is none. */
const notJson = (value: unknown, place: string, above: readonly unknown[]): string | undefined => {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return undefined
  if (typeof value === 'number') return Number.isFinite(value) ? undefined : `${place} is ${value}`
  if (typeof value !== 'object') return `${place} is of type ${typeof value}`
  if (above.includes(value)) return `${place} contains itself`
  const prototype: unknown = Object.getPrototypeOf(value)
  if (!Array.isArray(value) && prototype !== Object.prototype && prototype !== null)
    return `${place} is a ${(value as object).constructor?.name || 'special object'}`
  const inside = [...above, value]
  if (Array.isArray(value)) {
    for (let index = 0; index < value.length; index++) {
      const found = notJson(value[index], `${place}[${index}]`, inside)
      if (found !== undefined) return found
    }
    return undefined
  }
  for (const [name, one] of Object.entries(value)) {
    const found = one === undefined ? undefined : notJson(one, `${place}.${name}`, inside)
    if (found !== undefined) return found
  }
  return undefined
}

const asResult = (value: unknown): string => {
  if (value === undefined) return 'null'
  const wrong = notJson(value, 'result', [])
  if (wrong !== undefined) throw new TypeError(`What run() returned is no JSON: ${wrong}.`)
  const json = JSON.stringify(value)
  const bytes = Buffer.byteLength(json)
  if (bytes <= order.maxResultBytes) return json
  throw new RangeError(
    `What run() returned is ${bytes} bytes of JSON, and at most ${order.maxResultBytes} are kept. Write it to a file in task.directory instead, and return its name.`,
  )
}

const moduleOf = async (): Promise<{ readonly run?: unknown }> => {
  const file = fileURLToPath(order.module)
  try {
    accessSync(file, constants.R_OK)
  } catch (error) {
    throw new Error(`The module of the task, ${file}, cannot be read.`, { cause: error })
  }
  return (await import(order.module)) as { readonly run?: unknown }
}

let returned = false
const main = async (): Promise<void> => {
  const { run } = await moduleOf()
  if (typeof run !== 'function')
    throw new TypeError(`${fileURLToPath(order.module)} exports no function named run, which is what a task runs.`)
  const value: unknown = await run(order.input, context)
  write('result.json', asResult(value))
  returned = true
  // Whatever it left open (connections, timers): it has returned.
  process.exit(0)
}

const failed = (error: unknown): void => {
  told = { ...told, error: words(error instanceof Error ? error.message || error.name : error) }
}
// The rest of an uncaught error is Node's: the stack on stderr, exit code 1.
process.on('uncaughtExceptionMonitor', failed)
process.on('exit', (code) => {
  if (code === 0 && !returned) {
    failed('The process ended before run() had returned: it had nothing left to wait for, or called process.exit().')
    console.error(told.error)
    process.exitCode = 1
  }
  if (Object.keys(told).length > 0) flush()
})
main().catch((error: unknown) => {
  failed(error)
  console.error(error)
  process.exit(1)
})
