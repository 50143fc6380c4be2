import { execFile } from 'node:child_process'
import { inspect, promisify } from 'node:util'
import { expect, test } from 'vitest'
import type { Logger, Scheduler } from '../src/adapter.js'
import { type Redact, redactedLog, redactedScheduler, redactor } from '../src/redact.js'
import { hunt, newCanary } from './canary.js'

const SECRET = newCanary()
const redact = redactor({ password: SECRET, port: 22, more: [''] }) as Redact

/** What a logger would find: in the words of Node, as JSON, and in the own properties of an error. */
const everythingIn = (value: unknown): string =>
  [
    inspect(value, { depth: 20, showHidden: true }),
    JSON.stringify(value),
    JSON.stringify({ ...(value as object) }),
  ].join()

const found = (value: unknown): string[] => {
  const search = hunt({ password: SECRET })
  search.look('it', everythingIn(value))
  return [...search.found]
}

const failed = async (): Promise<unknown> =>
  await promisify(execFile)('/no/such/program', ['--password', SECRET]).catch((error: unknown) => error)

test('What an error carries beside its message is hidden as well: the arguments of a command, errors of errors', async () => {
  const spawned = await failed()
  expect(found(spawned)).not.toEqual([])
  const all = new AggregateError([new Error(`wrong: ${SECRET}`), spawned], 'all failed', { cause: spawned })
  const scheduler = { status: async () => await Promise.reject(all) } as unknown as Scheduler
  const told: unknown = await redactedScheduler(scheduler, redact)
    .status([], new AbortController().signal)
    .catch((error: unknown) => error)
  expect(told).toBe(all)
  expect(found(told)).toEqual([])
  expect(spawned).toMatchObject({ code: 'ENOENT', path: '/no/such/program', spawnargs: ['--password', '(secret)'] })
})

test.each<[string, () => unknown]>([
  ['a map', () => new Map([['password', SECRET]])],
  ['a set', () => new Set([SECRET])],
  ['an address', () => new URL(`http://portal:${SECRET}@host.example/`)],
  ['headers', () => new Headers({ authorization: `Basic ${btoa(`portal:${SECRET}`)}` })],
  ['an object without a prototype', () => Object.assign(Object.create(null), { password: SECRET })],
  [
    'an instance',
    () =>
      new (class Login {
        password = SECRET
      })(),
  ],
  ['a text in base64, wherever it stands', () => ['', 'u:', 'us:', 'use:'].map((user) => btoa(`${user}${SECRET}`))],
])('No log shows a secret in %s; what is said beside it stays', (_, make) => {
  const lines: object[] = []
  const at = (fields: object): void => void lines.push(fields)
  const log = redactedLog({ debug: at, info: at, warn: at, error: at } satisfies Logger, redact)
  expect(found(make())).not.toEqual([])
  log.warn({ given: make() })
  expect(found(lines)).toEqual([])
  log.warn({ date: new Date(0), tries: 3, jobs: ['t1'], nothing: null })
  expect(lines[1]).toEqual({ date: '1970-01-01T00:00:00.000Z', tries: 3, jobs: ['t1'], nothing: null })
})
