import { afterAll, describe, test } from 'vitest'
import type { Adapter } from '../src/adapter.js'
import { fileCases } from './testing/files.js'
import { type Harness, offers } from './testing/harness.js'
import { mannerCases } from './testing/manners.js'
import { outageCases } from './testing/outages.js'
import { resultCases } from './testing/results.js'
import { type Case, runCase } from './testing/trial.js'
import { workCases } from './testing/work.js'

export type { Harness, Link, Need } from './testing/harness.js'
export { type Case, runCase, type Trial } from './testing/trial.js'

/** Every promise of the contract that can be put to the test from outside. The names are unique. */
export const cases: readonly Case[] = [...mannerCases, ...workCases, ...fileCases, ...resultCases, ...outageCases]

/** The cases that an adapter and its harness have what is needed for. Throws nothing but what `connect()` throws. */
export const casesFor = (adapter: Adapter, harness: Harness): readonly Case[] => {
  const context = {
    log: { debug: () => {}, info: () => {}, warn: () => {}, error: () => {} },
    now: () => new Date(),
    // Only asked which methods it has.
    transport: harness.transport ?? unusedTransport,
    fetch: harness.fetch ?? globalThis.fetch,
  }
  const offered = offers(adapter.connect(adapter.config.parse(harness.config), context), harness)
  return cases.filter(({ needs }) => needs.every((need) => offered.has(need)))
}

/**
 * Registers the conformance kit with vitest: one test for each case that applies. A case that does not apply is not
 * registered, so that nothing is skipped.
 *
 *     describeAdapter(condor, { start: startMinicondor })
 *
 * `start` starts a real system, or connects to one; it runs while the tests are collected, because what the harness
 * offers decides which tests there are.
 */
export const describeAdapter = (adapter: Adapter, { start }: { start(): Promise<Harness> }): void => {
  describe(`the adapter "${adapter.type}" keeps its promises`, async () => {
    const harness = await start()
    afterAll(() => harness.stop())
    for (const one of casesFor(adapter, harness))
      test(one.name, { timeout: (harness.patience ?? 30_000) * 4 }, () => runCase(adapter, harness, one))
  })
}

const unused = () => Promise.reject(new Error('connect() must not do I/O'))
const unusedTransport = {
  exec: unused,
  read: unused,
  write: unused,
  put: unused,
  get: unused,
  list: unused,
  mkdir: unused,
  remove: unused,
  close: unused,
}
