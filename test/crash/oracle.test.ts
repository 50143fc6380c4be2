import { describe, expect, test } from 'vitest'
import type { Evidence, StoredAttempt, StoredJob } from './evidence.ts'
import type { History, Request } from './history.ts'
import { type Fault, judge, verdict } from './oracle.ts'
import type { Run } from './target.ts'

// Histories made up: one that is right, and what each single thing that is not right in it must be called.

const asked = (action: Request['action'], attempt: number, more: Partial<Request> = {}): Request => ({
  action,
  attempt,
  stop: false,
  outcome: 'done',
  ...more,
})
const history = (requests: readonly Request[], more: Partial<History> = {}): History => ({
  story: { key: 'j1', kind: 'kept', behaviours: [], processed: true, procs: 1 },
  requests,
  unmounted: [],
  ...more,
})
const EXECUTED = [asked('create', 0), asked('execute', 0)]

/** As the job's own lines tell it: of what was ended by others they say nothing. */
const ran = (token: string, exitCode: number | undefined, more: Partial<Run> = {}): Run[] => {
  const from = Number(token.slice(1)) * 10
  const run = { token, id: '100', from, until: from + 2, startedAt: 50, seenEnd: false, ...more }
  if (exitCode === undefined) return [{ procs: [{ ending: 'unknown' }], ...run }]
  return [{ endedAt: 51, procs: [{ ending: exitCode === 0 ? 'succeeded' : 'failed', exitCode }], ...run }]
}
/** As HTCondor tells it. */
const REMOVED: Partial<Run> = { procs: [{ ending: 'cancelled' }], seenEnd: true }
const THREE: Partial<Run> = {
  procs: [{ ending: 'failed', exitCode: 3 }, { ending: 'succeeded', exitCode: 0 }, { ending: 'cancelled' }],
  seenEnd: true,
}
const PARTS: StoredAttempt['parts'] = [
  { name: '0', state: 'failed', exitCode: 3 },
  { name: '1', state: 'succeeded', exitCode: 0 },
  { name: '2', state: 'cancelled', exitCode: null },
]
const attempt = (number: number, more: Partial<StoredAttempt> = {}): StoredAttempt => ({
  jobId: 1,
  number,
  token: `t${number}`,
  acceptedAs: '100',
  status: 'COM',
  cause: null,
  exitCode: 0,
  startTime: 50_000,
  completionTime: 52_000,
  parts: [],
  ...more,
})
const job = (attempts: readonly StoredAttempt[], more: Partial<StoredJob> = {}): StoredJob => {
  const last = attempts.at(-1)
  const complete = attempts.filter(({ status }) => status === 'COM' || status === 'VCP')
  return {
    id: 1,
    key: 'j1',
    status: last?.status ?? 'PEN',
    cause: last?.cause ?? null,
    exitCode: last?.exitCode ?? null,
    completionTime: last?.completionTime ?? null,
    deleted: false,
    attempts,
    extended: complete.length === 0 ? {} : { key: complete.at(-1)?.token ?? '', times: complete.length },
    ...more,
  }
}
const evidence = (jobs: readonly StoredJob[], runs: readonly Run[], more: Partial<Evidence> = {}): Evidence => ({
  jobs,
  runs: new Map([['j1', runs]]),
  processed: jobs.flatMap(({ attempts }) =>
    attempts.filter(({ status }) => status === 'COM' || status === 'VCP').map(({ token }) => ({ token, key: 'j1' })),
  ),
  alive: [],
  directories: jobs.map(({ id }) => id),
  leftovers: [],
  surprises: [],
  ...more,
})
const kinds = (faults: readonly Fault[]): string[] => [...new Set(faults.map(({ kind }) => kind))]

describe('what is right', () => {
  test.each<[string, History, Evidence]>([
    ['a job that completed', history(EXECUTED), evidence([job([attempt(1)])], ran('t1', 0))],
    [
      'a job that failed',
      history(EXECUTED),
      evidence([job([attempt(1, { status: 'ERR', exitCode: 3 })])], ran('t1', 3)),
    ],
    [
      'a job that was stopped while it ran',
      history([...EXECUTED, asked('stop', 1)]),
      evidence([job([attempt(1, { status: 'ABT', exitCode: 143 })])], ran('t1', undefined)),
    ],
    [
      'a job that was stopped before it was handed over',
      history([...EXECUTED, asked('stop', 1)]),
      evidence([job([attempt(1, { status: 'ABT', acceptedAs: null, startTime: null, exitCode: null })])], []),
    ],
    [
      'a job that ended before its stop came through',
      history([...EXECUTED, asked('stop', 1, { outcome: 'unknown' })]),
      evidence([job([attempt(1)])], ran('t1', 0)),
    ],
    [
      'a job that was resubmitted',
      history([...EXECUTED, asked('resubmit', 1)]),
      evidence([job([attempt(1, { status: 'ERR', exitCode: 3 }), attempt(2)])], [...ran('t1', 3), ...ran('t2', 0)]),
    ],
    [
      'a resubmit that nobody answered, and that did not happen',
      history([...EXECUTED, asked('resubmit', 1, { outcome: 'unknown' })]),
      evidence([job([attempt(1)])], ran('t1', 0)),
    ],
    [
      'a job that nobody answered for, and that was not made',
      history([asked('create', 0, { outcome: 'unknown' })]),
      evidence([], []),
    ],
    ['a job that was deleted', history([...EXECUTED, asked('delete', 1)]), evidence([], ran('t1', 0))],
    [
      'results that were processed twice, and committed once',
      history(EXECUTED),
      evidence([job([attempt(1)])], ran('t1', 0), {
        processed: [
          { token: 't1', key: 'j1' },
          { token: 't1', key: 'j1' },
        ],
      }),
    ],
    [
      'an attempt that was given up as lost, and cancelled when it was found',
      history([...EXECUTED, asked('resubmit', 1)], { unmounted: [1] }),
      evidence(
        [job([attempt(1, { status: 'ERR', cause: 'lost', exitCode: null }), attempt(2)])],
        [...ran('t1', undefined, { until: 21 }), ...ran('t2', 0)],
      ),
    ],
    [
      'a job that its scheduler says was removed, as it was asked to',
      history([...EXECUTED, asked('stop', 1)]),
      evidence([job([attempt(1, { status: 'ABT', exitCode: null })])], ran('t1', undefined, REMOVED)),
    ],
    [
      'a job that was removed before it ran',
      history([...EXECUTED, asked('stop', 1)]),
      evidence(
        [job([attempt(1, { status: 'ABT', exitCode: null, startTime: null })])],
        [{ token: 't1', id: '100', ...REMOVED, procs: [{ ending: 'cancelled' }], seenEnd: true }],
      ),
    ],
    [
      'a job of which a part failed, and that was resubmitted before its results were processed',
      history([...EXECUTED, asked('resubmit', 1)]),
      evidence(
        [
          job([attempt(1, { status: 'VCP', exitCode: null, parts: PARTS.slice(0, 2) }), attempt(2)], {
            extended: { key: 't2', times: 1 },
          }),
        ],
        [...ran('t1', undefined, { ...THREE, procs: THREE.procs?.slice(0, 2) ?? [] }), ...ran('t2', 0)],
      ),
    ],
    [
      'a job of three processes that ended in three ways',
      history([...EXECUTED, asked('stop', 1)]),
      evidence([job([attempt(1, { status: 'VCP', exitCode: null, parts: PARTS })])], ran('t1', undefined, THREE)),
    ],
  ])('%s', (_, told, there) => expect(judge([told], there)).toEqual([]))
})

describe('lost', () => {
  test.each<[string, History, Evidence]>([
    ['a job that is not in the store', history([asked('create', 0)]), evidence([], [])],
    [
      'an attempt that never ran',
      history(EXECUTED),
      evidence([job([attempt(1)])], [], { processed: [{ token: 't1', key: 'j1' }] }),
    ],
    [
      'an attempt that the store does not know',
      history([...EXECUTED, asked('resubmit', 1)]),
      evidence([job([attempt(1)])], ran('t1', 0)),
    ],
    ['an attempt of a job that is gone', history([...EXECUTED, asked('delete', 1)]), evidence([], [])],
    [
      'results that were never processed',
      history(EXECUTED),
      evidence([job([attempt(1)])], ran('t1', 0), { processed: [] }),
    ],
    [
      'results of a job of which a part failed',
      history([...EXECUTED, asked('stop', 1)]),
      evidence(
        [job([attempt(1, { status: 'VCP', exitCode: null, parts: PARTS })], { extended: {} })],
        ran('t1', undefined, THREE),
        { processed: [] },
      ),
    ],
    [
      'results that were never committed',
      history(EXECUTED),
      evidence([job([attempt(1)], { extended: {} })], ran('t1', 0)),
    ],
  ])('%s', (_, told, there) => expect(kinds(judge([told], there))).toContain('lost'))
})

describe('doubled', () => {
  test.each<[string, History, Evidence]>([
    ['a job that was made once', history([asked('create', 0)]), evidence([job([]), job([], { id: 2 })], [])],
    [
      'a token',
      history([...EXECUTED, asked('resubmit', 1)]),
      evidence([job([attempt(1), attempt(2)])], [...ran('t1', 0), ...ran('t1', 0), ...ran('t2', 0)]),
    ],
    [
      'an attempt under another token',
      history(EXECUTED),
      evidence([job([attempt(1)])], [...ran('t0', 0), ...ran('t1', 0)]),
    ],
    [
      'an attempt of a job that is gone',
      history([...EXECUTED, asked('delete', 1)]),
      evidence([], [...ran('t0', 0), ...ran('t1', 0)]),
    ],
    [
      'two attempts at once',
      history([...EXECUTED, asked('resubmit', 1)]),
      evidence([job([attempt(1), attempt(2)])], [...ran('t1', undefined, { until: 30 }), ...ran('t2', 0)]),
    ],
    [
      'one that was stopped before it was handed over',
      history([...EXECUTED, asked('stop', 1)]),
      evidence([job([attempt(1, { status: 'ABT', acceptedAs: null })])], ran('t1', undefined)),
    ],
    [
      'a process that is still alive',
      history(EXECUTED),
      evidence([job([attempt(1)])], ran('t1', 0), { alive: ['process 9 of t1'] }),
    ],
    [
      'results that were committed twice',
      history(EXECUTED),
      evidence([job([attempt(1)], { extended: { key: 't1', times: 2 } })], ran('t1', 0)),
    ],
    [
      'attempts that nobody asked for',
      history(EXECUTED),
      evidence([job([attempt(1), attempt(2)])], [...ran('t1', 0), ...ran('t2', 0)]),
    ],
  ])('%s', (_, told, there) => expect(kinds(judge([told], there))).toContain('doubled'))
})

describe('wrong', () => {
  const complete = ran('t1', 0)
  test.each<[string, History, Evidence]>([
    ['the status', history(EXECUTED), evidence([job([attempt(1)])], ran('t1', 3))],
    [
      'the status of a job that nobody stopped',
      history(EXECUTED),
      evidence([job([attempt(1, { status: 'ABT' })])], complete),
    ],
    [
      'the end of an attempt that nobody stopped',
      history(EXECUTED),
      evidence([job([attempt(1, { status: 'ERR' })])], ran('t1', undefined)),
    ],
    [
      'the end of an attempt that its scheduler says succeeded, though it was to be stopped',
      history([...EXECUTED, asked('stop', 1)]),
      evidence([job([attempt(1, { status: 'ABT' })])], ran('t1', 0, { seenEnd: true })),
    ],
    [
      'the end of an attempt that its scheduler says was removed, and nobody asked for that',
      history(EXECUTED),
      evidence([job([attempt(1, { status: 'ABT' })])], ran('t1', undefined, REMOVED)),
    ],
    [
      'the status of a job of three processes',
      history([...EXECUTED, asked('stop', 1)]),
      evidence([job([attempt(1, { status: 'ERR', exitCode: null, parts: PARTS })])], ran('t1', undefined, THREE)),
    ],
    [
      'a part',
      history([...EXECUTED, asked('stop', 1)]),
      evidence(
        [
          job([
            attempt(1, {
              status: 'VCP',
              exitCode: null,
              parts: PARTS.with(1, { name: '1', state: 'running', exitCode: null }),
            }),
          ]),
        ],
        ran('t1', undefined, THREE),
      ),
    ],
    [
      'the number of parts',
      history([...EXECUTED, asked('stop', 1)]),
      evidence(
        [job([attempt(1, { status: 'VCP', exitCode: null, parts: PARTS.slice(1) })])],
        ran('t1', undefined, THREE),
      ),
    ],
    ['the exit code', history(EXECUTED), evidence([job([attempt(1, { status: 'ERR', exitCode: 4 })])], ran('t1', 3))],
    ['the process', history(EXECUTED), evidence([job([attempt(1)])], ran('t1', 0, { id: '101' }))],
    ['the time of the end', history(EXECUTED), evidence([job([attempt(1, { completionTime: 50_500 })])], complete)],
    ['no time of the end', history(EXECUTED), evidence([job([attempt(1, { completionTime: null })])], complete)],
    ['the time of the start', history(EXECUTED), evidence([job([attempt(1, { startTime: null })])], complete)],
    ['a job and its last attempt', history(EXECUTED), evidence([job([attempt(1)], { status: 'RUN' })], complete)],
    [
      'whose results',
      history(EXECUTED),
      evidence([job([attempt(1)], { extended: { key: 't0', times: 1 } })], complete),
    ],
    [
      'results of an attempt that failed',
      history(EXECUTED),
      evidence([job([attempt(1, { status: 'ERR', exitCode: 3 })])], ran('t1', 3), {
        processed: [{ token: 't1', key: 'j1' }],
      }),
    ],
    [
      'results without a function',
      history(EXECUTED, { story: { key: 'j1', kind: 'kept', behaviours: [], processed: false, procs: 1 } }),
      evidence([job([attempt(1)])], complete),
    ],
    ['a job that was deleted', history([...EXECUTED, asked('delete', 1)]), evidence([job([attempt(1)])], complete)],
    ['a job that nobody made', history([]), evidence([job([], { key: 'j2' })], [])],
    [
      'an error that must not happen',
      history(EXECUTED),
      evidence([job([attempt(1)])], complete, { surprises: ['TypeError'] }),
    ],
  ])('%s', (_, told, there) => expect(kinds(judge([told], there))).toContain('wrong'))
})

describe('stuck', () => {
  test.each<[string, Partial<Evidence>]>([
    ['an order, a lease, a row', { leftovers: ['an order is left: attempt 1 of job 1: cancel'] }],
    ['the directory of a job that is gone', { directories: [1, 2] }],
  ])('%s', (_, left) => {
    const there = evidence([job([attempt(1)])], ran('t1', 0), left)
    expect(kinds(judge([history(EXECUTED)], there))).toEqual(['stuck'])
  })
  test('an attempt that has not ended', () => {
    const there = evidence([job([attempt(1, { status: null })], { status: 'RUN' })], ran('t1', undefined))
    expect(kinds(judge([history(EXECUTED)], there))).toEqual(['stuck'])
  })
})

test('the verdict counts each kind', () => {
  expect(verdict([])).toBe('lost 0, doubled 0, wrong 0, stuck 0')
  const faults: Fault[] = [
    { kind: 'doubled', what: '' },
    { kind: 'stuck', what: '' },
    { kind: 'doubled', what: '' },
  ]
  expect(verdict(faults)).toBe('lost 0, doubled 2, wrong 0, stuck 1')
})
