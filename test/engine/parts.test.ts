import { expect, test } from 'vitest'
import type { JobPart, JobReport, JobState } from '../../src/adapter.js'
import { decide } from '../../src/decide.js'
import { mergeParts } from '../../src/engine/parts.js'
import { report } from '../../src/reports.js'
import { readParts } from '../../src/store/history.js'
import { situation } from '../situation.js'
import { portal } from './portal.js'

const STATES = ['queued', 'held', 'running', 'suspended', 'succeeded', 'failed', 'cancelled', 'unknown'] as const
const FINAL = new Set<JobState>(['succeeded', 'failed', 'cancelled'])
const ALONE: Record<JobState, string | undefined> = {
  queued: 'SUB',
  held: 'PAS',
  running: 'RUN',
  suspended: 'PAS',
  succeeded: 'RES',
  failed: 'ERR',
  cancelled: 'ABT',
  unknown: undefined,
}
const fresh = situation('PEN')
const partsOf = (states: readonly JobState[]): JobPart[] => states.map((state, index) => ({ name: `p${index}`, state }))

/** Every set of states that parts can be in at once. */
const subsets = Array.from({ length: 2 ** STATES.length - 1 }, (_, bits) =>
  STATES.filter((_state, index) => (bits + 1) & (1 << index)),
)

test('Where the scheduler has no word on the whole, its parts decide: every combination of states', () => {
  expect(subsets).toHaveLength(255)
  for (const states of subsets) {
    const expected = () => {
      if (states.length === 1) return ALONE[states[0] as JobState]
      if (!states.every((state) => FINAL.has(state))) return 'VAR'
      return states.includes('succeeded') ? 'VCP' : 'ERR'
    }
    for (const order of [states, states.toReversed()]) {
      expect([order, decide(fresh, { parts: partsOf(order) }, 1).status]).toEqual([order, expected()])
    }
  }
  expect(decide(fresh, { parts: [] }, 1).status).toBeUndefined()
})

test('The word on the whole wins over the parts, but a failure with parts that succeeded is Various-Complete', () => {
  for (const state of STATES) {
    for (const states of subsets) {
      const mixed = state === 'failed' && states.includes('succeeded')
      const word: JobReport = { state, parts: partsOf(states) }
      expect([word, decide(fresh, word, 1).status]).toEqual([word, mixed ? 'VCP' : ALONE[state]])
    }
  }
})

test('A state that a job told of a part holds against a poll that was asked before, and only against that', () => {
  const stored = mergeParts([], partsOf(['running', 'running']), 100).map((part) =>
    part.name === 'p0' ? { ...part, state: 'succeeded' as const, reportedAt: 200 } : part,
  )
  const answered = partsOf(['running', 'failed'])
  expect(mergeParts(stored, answered, 150).map(({ state, reportedAt }) => [state, reportedAt])).toEqual([
    ['succeeded', 200],
    ['failed', null],
  ])
  expect(mergeParts(stored, answered, 201).map(({ state, reportedAt }) => [state, reportedAt])).toEqual([
    ['running', null],
    ['failed', null],
  ])
  // The list is the scheduler's: what it no longer has is gone, whatever was told of it.
  expect(mergeParts(stored, partsOf([]), 150)).toEqual([])
})

const live = async () => {
  const p = await portal({ limits: { pollSeconds: 5 } })
  const job = await p.accepted()
  const { attemptId, token } = await p.row(job)
  return { p, job, token: token as string, parts: async () => await readParts(p.database, attemptId as number) }
}

test('Parts are stored with all that is told of them, in order, and an event says so only when they differ', async () => {
  const { p, job, parts } = await live()
  const startedAt = new Date('2026-01-02T03:04:05Z')
  await p.says(job, {
    parts: [
      { name: 'b', state: 'running', nativeId: '7.0', nativeState: 'R', startedAt },
      { name: 'a', state: 'failed', exitCode: 2, message: 'no input', endedAt: startedAt },
    ],
  })
  await p.pass(30_000)
  expect(await p.status(job)).toBe('Various')
  expect(await parts()).toMatchObject([
    { position: 0, name: 'b', state: 'running', nativeId: '7.0', nativeState: 'R', startedAt: startedAt.getTime() },
    { position: 1, name: 'a', state: 'failed', exitCode: 2, message: 'no input', endedAt: startedAt.getTime() },
  ])
  const told = async () => (await p.events(job)).filter(({ kind }) => kind === 'parts').length
  expect(await told()).toBe(1)
  await p.says(job, {
    parts: [
      { name: 'b', state: 'succeeded', nativeId: '7.0' },
      { name: 'a', state: 'failed', exitCode: 2 },
    ],
  })
  await p.pass(30_000)
  expect(await told()).toBe(2)
  expect(await p.status(job)).toBe('Various-Complete')
})

test('Hundreds of parts are stored, and a report without parts leaves them as they are', async () => {
  const { p, job, parts } = await live()
  await p.says(job, { state: 'running', parts: partsOf(Array(700).fill('running')) })
  await p.pass(10_000)
  expect(await parts()).toHaveLength(700)
  await p.says(job, { state: 'running', message: 'no word on the parts' })
  await p.pass(15_000)
  expect(await p.read(job)).toMatchObject({ reason: 'no word on the parts' })
  expect(await parts()).toHaveLength(700)
})

test('What a job reports of its parts holds until a later poll', async () => {
  const { p, job, token, parts } = await live()
  await p.says(job, { parts: partsOf(['running', 'running']) })
  await p.pass(10_000)
  p.system.script.status = () => Promise.reject(new Error('down'))
  const answer = await report(p.core, job.id, p.core.tokens.of(token), { nodes: { p1: 'succeeded', p9: 'failed' } })
  expect(answer).toEqual({ nodesApplied: 1 })
  await p.pass(30_000)
  expect((await parts()).map(({ state }) => state)).toEqual(['running', 'succeeded'])
  delete p.system.script.status
  await p.pass(3 * 60_000)
  expect((await parts()).map(({ state }) => state)).toEqual(['running', 'running'])
})
