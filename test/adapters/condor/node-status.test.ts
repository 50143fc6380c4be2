import { readFileSync } from 'node:fs'
import { describe, expect, test } from 'vitest'
import {
  type NodeJob,
  nodeParts,
  parseJobstate,
  parseNodeStatus,
  workflowReport,
} from '../../../adapters/condor/node-status.js'
import type { JobPart, JobReport } from '../../../src/adapter.js'
import { decide } from '../../../src/decide.js'
import { situation } from '../../situation.js'

// What DAGMan 23.9 wrote of real workflows.
const read = (file: string): string => readFileSync(new URL(`recorded/${file}`, import.meta.url), 'utf8')
const partsOf = (name: string, jobs: readonly NodeJob[] = []): JobPart[] =>
  nodeParts(parseNodeStatus(read(`${name}.status`)), parseJobstate(read(`${name}.jobstate`)), jobs) as JobPart[]
const states = (parts: readonly JobPart[]): string => parts.map(({ name, state }) => `${name} ${state}`).join(', ')
const at = (seconds: number): Date => new Date(seconds * 1000)

describe('the nodes of a workflow', () => {
  test('that runs: what is not ready is queued', () => {
    const parts = partsOf('running')
    expect(states(parts)).toBe('A running, B queued, C queued, D queued')
    expect(parts[0]).toEqual({
      name: 'A',
      state: 'running',
      nativeState: 'STATUS_SUBMITTED',
      nativeId: '25',
      startedAt: at(1795281941),
    })
  })
  test('of which one failed: its last try counts, and what waited for it never runs', () => {
    const parts = partsOf('failed')
    expect(states(parts)).toBe('A succeeded, B failed, C succeeded, D cancelled')
    expect(parts[1]).toEqual({
      name: 'B',
      state: 'failed',
      nativeState: 'STATUS_ERROR',
      nativeId: '38',
      message: 'Job proc (38.0.0) failed with status 3 (after 1 node retries)',
      exitCode: 3,
      startedAt: at(1795281986),
      endedAt: at(1795281986),
    })
    expect(parts[3]).toEqual({
      name: 'D',
      state: 'cancelled',
      nativeState: 'STATUS_FUTILE',
      message: 'Had an ancestor node fail',
    })
  })
  test('that was removed: what DAGMan took out of the queue did not fail', () => {
    expect(states(partsOf('removed'))).toBe('A cancelled, B queued, Z succeeded')
  })
  test('with scripts: one runs from its PRE to its POST script, and either can make it fail', () => {
    expect(partsOf('scripts-running').map(({ name, state, message }) => [name, state, message])).toEqual([
      ['A', 'failed', 'PRE Script failed with status 1'],
      ['B', 'failed', 'Job proc (47.0.0) failed with status 5'],
      ['C', 'running', 'Its POST script is running.'],
      ['D', 'running', 'Its PRE script is running.'],
    ])
    const [, b, c, d] = partsOf('scripts')
    expect(b).toMatchObject({ exitCode: 5, startedAt: at(1795282017), endedAt: at(1795282020) })
    expect(c).toMatchObject({ state: 'failed', endedAt: at(1795282023) })
    expect(c).not.toHaveProperty('exitCode')
    expect(d).toMatchObject({ state: 'failed', message: 'Job proc (49.0.0) failed with signal 9' })
    expect(d).not.toHaveProperty('exitCode')
  })
  test('with names beyond ASCII, several procs, and without a job', () => {
    const parts = partsOf('names')
    expect(states(parts)).toBe('vars succeeded, ü succeeded, noop succeeded, done succeeded, fin succeeded')
    expect(parts[1]).toMatchObject({ nativeId: '35', exitCode: 4, startedAt: at(1795281982), endedAt: at(1795281984) })
    expect(parts[2]).not.toHaveProperty('nativeId')
  })
  test('are known by their DAGNodeName in the queue, which tells why one is held', () => {
    expect(states(partsOf('held'))).toBe('A succeeded, B queued, C queued')
    const jobs = [{ node: 'B', state: 'held', message: 'submitted on hold at user’s request' }] as const
    expect(partsOf('held', jobs)[1]).toMatchObject({ state: 'held', message: 'submitted on hold at user’s request' })
    const procs = [...jobs, { node: 'B', state: 'queued' }, { node: 'B', state: 'running' }] as const
    expect(partsOf('held', procs)[1]).toMatchObject({ state: 'running' })
    // What the queue still has of a node that is done says nothing.
    expect(partsOf('held', [{ node: 'A', state: 'running' }])[0]).toMatchObject({ state: 'succeeded' })
  })
  test('are told completely or not at all', () => {
    const text = read('failed.status')
    for (const length of [0, 1, 300, 600, text.lastIndexOf('[') - 1])
      expect(nodeParts(parseNodeStatus(text.slice(0, length)), new Map(), [])).toBeUndefined()
    expect(nodeParts(parseNodeStatus(text), new Map(), [])).toHaveLength(4)
  })
  test('in a word that no DAGMan has yet are unknown', () => {
    const text = read('failed.status').replaceAll('NodeStatus = 6;', 'NodeStatus = 12;')
    expect(nodeParts(parseNodeStatus(text), new Map(), [])?.[1]).toEqual({
      name: 'B',
      state: 'unknown',
      nativeState: '12',
    })
  })
  test('garbage tells nothing', () => {
    expect(parseNodeStatus('oops ]\n[\n]\n')).toEqual({ nodes: [], whole: false })
    expect(parseJobstate('x\n\n1 \n1795281940 A\n1795281940 A SUBMIT\n').get('A')).toEqual({})
    // The text begins within a line.
    expect(parseJobstate('5281940 A EXECUTE 1.0 - - 1\n1795281999 B EXECUTE 2.0 - - 1\n')).toEqual(
      new Map([['B', { startedAt: at(1795281999) }]]),
    )
  })
})

const fresh = situation('SUB')
const whole = (dagman: JobReport, name: string, jobs: readonly NodeJob[] = [], errors = '') => {
  const report = workflowReport(dagman, { parts: partsOf(name, jobs), errors })
  return { report, status: decide(fresh, report, 1).status }
}

describe('a workflow as a whole', () => {
  test('runs as long as DAGMan does', () => {
    const { report, status } = whole({ state: 'running' }, 'running')
    expect(status).toBe('RUN')
    expect(report.parts).toHaveLength(4)
    expect(workflowReport({ state: 'queued' }, { parts: undefined, errors: '' })).toEqual({ state: 'queued' })
  })
  test('is held up where nothing can go on before a node is released', () => {
    const held = [{ node: 'B', state: 'held', message: 'no such file' }] as const
    expect(whole({ state: 'running' }, 'held', held)).toMatchObject({
      status: 'PAS',
      report: { state: 'held', message: 'The node B is held: no such file' },
    })
    expect(whole({ state: 'running' }, 'held').status).toBe('RUN')
  })
  test('failed with nodes that succeeded: Various-Complete, and the first node that failed is the reason', () => {
    expect(whole({ state: 'failed', exitCode: 1 }, 'failed')).toMatchObject({
      status: 'VCP',
      report: { message: 'The node B failed: Job proc (38.0.0) failed with status 3 (after 1 node retries).' },
    })
  })
  test('failed with no node that succeeded: Error', () => {
    const { report, status } = whole({ state: 'failed', exitCode: 1 }, 'scripts')
    expect(status).toBe('ERR')
    expect(report.message).toBe('The node A failed: PRE Script failed with status 1. 3 more failed.')
  })
  test('that DAGMan refused failed with its words, and nothing was run', () => {
    const { report, status } = whole(
      { state: 'failed', exitCode: 1 },
      'running',
      [],
      'ERROR: a cycle exists in the dag',
    )
    expect(status).toBe('ERR')
    expect(report.message).toBe('DAGMan: ERROR: a cycle exists in the dag')
    expect(states(report.parts ?? [])).toBe('A cancelled, B cancelled, C cancelled, D cancelled')
  })
  test('with a job that could not be submitted failed with the words of the submission', () => {
    const text = read('failed.status').replace(/Job proc \(38[^"]*/, 'Job submit failed')
    const parts = nodeParts(parseNodeStatus(text), new Map(), []) as JobPart[]
    const errors = 'ERROR: on Line 8\nsubmit error: Submit:-1:Unbalanced quote\nERROR: the following job(s) failed:'
    expect(workflowReport({ state: 'failed', exitCode: 1 }, { parts, errors }).message).toBe(
      'The node B failed: Job submit failed: submit error: Submit:-1:Unbalanced quote.',
    )
  })
  test('that was removed is cancelled, whatever its nodes are', () => {
    const { report, status } = whole({ state: 'cancelled' }, 'removed')
    expect(status).toBe('ABT')
    expect(states(report.parts ?? [])).toBe('A cancelled, B cancelled, Z succeeded')
    expect(report.parts?.[1]?.message).toBe('It was not run: the workflow ended before.')
  })
  test('succeeded where DAGMan says so, also where it was told to end before all nodes ran', () => {
    const { report, status } = whole({ state: 'succeeded', exitCode: 0 }, 'running')
    expect(status).toBe('RES')
    expect(report).not.toHaveProperty('message')
  })
})
