import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { JobPart, JobReport, JobState } from '../src/adapter.js'
import { type Decision, decide, type Gap, LOST_AFTER_MS, LOST_AFTER_POLLS, type Situation } from '../src/decide.js'
import { isSettled, type StatusCode } from '../src/status.js'
import { CODES } from './fixture.js'
import { situation as fresh } from './situation.js'

const CHANGED = 1_000_000
const ASKED = CHANGED + 5000

const situation = (statusCode: StatusCode, more: Partial<Situation> = {}): Situation =>
  fresh(statusCode, { statusChangedAt: CHANGED, ...more })
const lost = (more: Partial<Situation> = {}): Situation =>
  situation('ERR', { cause: 'lost', reason: 'no record', gapCount: 3, gapSince: 0, ...more })
const parts = (...states: JobState[]): readonly JobPart[] =>
  states.map((state, index) => ({ name: `p${index}`, state }))

const REPORTS: Readonly<Record<string, JobReport | Gap>> = {
  gap: 'gap',
  nothing: {},
  'unknown word': { state: 'unknown', nativeState: 'XYZ' },
  'unknown parts': { parts: parts('unknown', 'unknown') },
  queued: { state: 'queued' },
  held: { state: 'held', message: 'over quota' },
  suspended: { state: 'suspended' },
  running: { state: 'running' },
  'running, parts': { state: 'running', parts: parts('queued', 'succeeded', 'failed') },
  succeeded: { state: 'succeeded', exitCode: 0 },
  'succeeded, exit 3': { state: 'succeeded', exitCode: 3 },
  failed: { state: 'failed', exitCode: 1 },
  cancelled: { state: 'cancelled' },
  'parts differ': { parts: parts('queued', 'running') },
  'parts half done': { parts: parts('succeeded', 'running') },
  'parts queued': { parts: parts('queued', 'queued') },
  'parts running': { parts: parts('running', 'running') },
  'parts succeeded': { parts: parts('succeeded', 'succeeded') },
  'parts + exit 3': { parts: parts('succeeded', 'succeeded'), exitCode: 3 },
  'parts failed': { parts: parts('failed', 'failed') },
  'parts cancelled': { parts: parts('cancelled', 'cancelled') },
  'parts fail/cancel': { parts: parts('failed', 'cancelled') },
  'parts mixed': { parts: parts('succeeded', 'failed', 'succeeded') },
  'whole failed, one ok': { state: 'failed', parts: parts('failed', 'succeeded') },
  'whole ok, exit 3': { state: 'succeeded', exitCode: 3, parts: parts('succeeded', 'failed') },
  'whole cancelled': { state: 'cancelled', parts: parts('succeeded', 'cancelled') },
}

// Which status follows; a dot: the status stays. LOST is an Error that was given up as lost.
const TABLE = `
report               | PEN SUB RUN VAR PAS OTH LOST | COM ERR ABT VCP RES
gap                  | .   .   .   .   .   .   .    | .   .   .   .   .
nothing              | .   .   .   .   .   .   .    | .   .   .   .   .
unknown word         | .   .   .   .   .   .   .    | .   .   .   .   .
unknown parts        | .   .   .   .   .   .   .    | .   .   .   .   .
queued               | SUB .   SUB SUB SUB SUB SUB  | .   .   .   .   .
held                 | PAS PAS PAS PAS .   PAS PAS  | .   .   .   .   .
suspended            | PAS PAS PAS PAS .   PAS PAS  | .   .   .   .   .
running              | RUN RUN .   RUN RUN RUN RUN  | .   .   .   .   .
running, parts       | RUN RUN .   RUN RUN RUN RUN  | .   .   .   .   .
succeeded            | RES RES RES RES RES RES RES  | .   .   .   .   .
succeeded, exit 3    | ERR ERR ERR ERR ERR ERR ERR  | .   .   .   .   .
failed               | ERR ERR ERR ERR ERR ERR ERR  | .   .   .   .   .
cancelled            | ABT ABT ABT ABT ABT ABT ABT  | .   .   .   .   .
parts differ         | VAR VAR VAR .   VAR VAR VAR  | .   .   .   .   .
parts half done      | VAR VAR VAR .   VAR VAR VAR  | .   .   .   .   .
parts queued         | SUB .   SUB SUB SUB SUB SUB  | .   .   .   .   .
parts running        | RUN RUN .   RUN RUN RUN RUN  | .   .   .   .   .
parts succeeded      | RES RES RES RES RES RES RES  | .   .   .   .   .
parts + exit 3       | VCP VCP VCP VCP VCP VCP VCP  | .   .   .   .   .
parts failed         | ERR ERR ERR ERR ERR ERR ERR  | .   .   .   .   .
parts cancelled      | ABT ABT ABT ABT ABT ABT ABT  | .   .   .   .   .
parts fail/cancel    | ERR ERR ERR ERR ERR ERR ERR  | .   .   .   .   .
parts mixed          | VCP VCP VCP VCP VCP VCP VCP  | .   .   .   .   .
whole failed, one ok | VCP VCP VCP VCP VCP VCP VCP  | .   .   .   .   .
whole ok, exit 3     | VCP VCP VCP VCP VCP VCP VCP  | .   .   .   .   .
whole cancelled      | ABT ABT ABT ABT ABT ABT ABT  | .   .   .   .   .
`
const [head, ...rows] = TABLE.trim()
  .split('\n')
  .map((line) => line.split('|').map((cell) => cell.trim()))
const columns = (head ?? []).slice(1).join(' ').split(/\s+/)
const pairs = rows.flatMap(([report = '', ...cells]) =>
  cells
    .join(' ')
    .split(/\s+/)
    .map((status, index) => [columns[index] ?? '', report, status] as const),
)

describe('which status follows from which report', () => {
  test('the table has every status and every report', () => {
    expect([...columns].sort()).toEqual([...CODES, 'LOST'].sort())
    expect(rows.map(([report]) => report)).toEqual(Object.keys(REPORTS))
    expect(pairs).toHaveLength(columns.length * rows.length)
  })

  test.each(pairs)('%s, %s: %s', (from, report, expected) => {
    const job = from === 'LOST' ? lost() : situation(from as StatusCode)
    const decision = decide(job, REPORTS[report] as JobReport | Gap, ASKED)
    expect(decision.status ?? '.').toBe(expected)
    if (from === 'RES' || (from !== 'LOST' && isSettled(job))) expect(decision).toEqual({})
  })

  test.each(pairs)('%s, %s, but asked before the last change of status: nothing', (from, report) => {
    const job = from === 'LOST' ? lost() : situation(from as StatusCode)
    for (const asked of [CHANGED, CHANGED - 1]) expect(decide(job, REPORTS[report] as JobReport, asked)).toEqual({})
  })
})

describe('what comes with a status', () => {
  test('running: the start is the scheduler’s where it tells, else when it was first seen', () => {
    const startedAt = new Date(CHANGED - 60_000)
    expect(decide(situation('SUB'), { state: 'running', startedAt }, ASKED).startTime).toBe(startedAt.getTime())
    expect(decide(situation('SUB'), { state: 'running' }, ASKED).startTime).toBe(ASKED)
    expect(decide(situation('SUB', { startTime: 7 }), { state: 'running' }, ASKED)).not.toHaveProperty('startTime')
    expect(decide(situation('SUB'), { parts: parts('queued', 'running') }, ASKED).startTime).toBe(ASKED)
  })
  test('of a job of several parts the times are those of its first start and its last end', () => {
    const at = (from: number, to: number) => ({ startedAt: new Date(from), endedAt: new Date(to) })
    const [one, two, three] = parts('succeeded', 'failed', 'cancelled') as [JobPart, JobPart, JobPart]
    const all = [{ ...one, ...at(20, 70) }, { ...two, ...at(10, 90) }, three]
    expect(decide(situation('SUB'), { parts: all }, ASKED)).toMatchObject({ startTime: 10, completionTime: 90 })
    const whole = { startedAt: new Date(5), endedAt: new Date(100) }
    expect(decide(situation('SUB'), { ...whole, parts: all }, ASKED)).toMatchObject({
      startTime: 5,
      completionTime: 100,
    })
  })
  test('queued and held jobs have not started', () => {
    for (const state of ['queued', 'held', 'suspended'] as const)
      expect(decide(situation('PEN'), { state }, ASKED)).not.toHaveProperty('startTime')
  })
  test('running to queued is told as requeued, and keeps its start', () => {
    expect(decide(situation('RUN', { startTime: 5 }), { state: 'queued' }, ASKED)).toEqual({
      status: 'SUB',
      requeued: true,
    })
    expect(decide(situation('PAS'), { state: 'queued' }, ASKED)).toEqual({ status: 'SUB' })
  })
  test('held: the reason is kept, and goes when the job is released', () => {
    const held = decide(situation('SUB'), { state: 'held', message: 'over quota', nativeState: '5' }, ASKED)
    expect(held).toEqual({ status: 'PAS', reason: 'over quota', nativeState: '5' })
    const job = situation('PAS', { reason: 'over quota', nativeState: '5' })
    expect(decide(job, { state: 'queued', nativeState: '1' }, ASKED)).toEqual({
      status: 'SUB',
      reason: null,
      nativeState: '1',
    })
  })
  test('succeeded has ended, and is complete only when its results are collected', () => {
    expect(decide(situation('RUN', { startTime: 5 }), { state: 'succeeded', exitCode: 0 }, ASKED)).toEqual({
      status: 'RES',
      ended: true,
      cause: null,
      exitCode: 0,
    })
  })
  test('failed: cause, message, exit code and the scheduler’s time of the end', () => {
    const endedAt = new Date(CHANGED - 1)
    const report = { state: 'failed', cause: 'memory', message: 'OOM', exitCode: 137, endedAt } as const
    expect(decide(situation('RUN'), report, ASKED)).toEqual({
      status: 'ERR',
      ended: true,
      cause: 'memory',
      reason: 'OOM',
      exitCode: 137,
      completionTime: endedAt.getTime(),
    })
  })
  test('an unknown word is shown, and changes nothing else', () => {
    expect(decide(situation('RUN'), { state: 'unknown', nativeState: 'ZZ' }, ASKED)).toEqual({ nativeState: 'ZZ' })
  })
  test('what is known already is not told again', () => {
    const job = situation('RUN', { startTime: 5, nativeState: 'R', reason: 'fine', exitCode: null })
    expect(decide(job, { state: 'running', nativeState: 'R', message: 'fine' }, ASKED)).toEqual({})
  })
})

describe('a job that is not mentioned', () => {
  const next = (job: Situation, decision: Decision): Situation => ({ ...job, ...decision }) as Situation
  const gaps = (job: Situation, times: readonly number[]): Situation =>
    times.reduce((at, asked) => next(at, decide(at, 'gap', asked)), job)

  test('is lost after three answered polls over two minutes, not before', () => {
    const twice = gaps(situation('RUN'), [ASKED, ASKED + LOST_AFTER_MS])
    expect(twice).toMatchObject({ statusCode: 'RUN', gapCount: 2, gapSince: ASKED })
    const third = decide(twice, 'gap', ASKED + LOST_AFTER_MS + 1)
    expect(third).toMatchObject({ status: 'ERR', cause: 'lost', completionTime: ASKED + LOST_AFTER_MS + 1 })
    expect(third).not.toHaveProperty('ended')
  })
  test('is missing since the first answer was here, not since that was asked for', () => {
    const HEARD = ASKED + LOST_AFTER_MS / 2
    const first = decide(situation('RUN'), 'gap', ASKED, HEARD)
    expect(first).toEqual({ gapCount: 1, gapSince: HEARD })
    const twice = gaps(next(situation('RUN'), first), [HEARD + 1])
    expect(decide(twice, 'gap', HEARD + LOST_AFTER_MS - 1, HEARD + 9 * LOST_AFTER_MS)).not.toHaveProperty('status')
    expect(decide(twice, 'gap', HEARD + LOST_AFTER_MS)).toMatchObject({ status: 'ERR', cause: 'lost' })
  })
  test('is not lost by many gaps in a short time', () => {
    const often = gaps(
      situation('RUN'),
      Array.from({ length: 50 }, (_, index) => ASKED + index * 1000),
    )
    expect(often).toMatchObject({ gapCount: 50 })
    expect(often).not.toHaveProperty('status')
    expect(LOST_AFTER_POLLS).toBe(3)
  })
  test('starts anew when it is mentioned in between', () => {
    const twice = gaps(situation('RUN', { startTime: 1 }), [ASKED, ASKED + LOST_AFTER_MS])
    const mentioned = decide(twice, { state: 'running' }, ASKED + LOST_AFTER_MS + 1)
    expect(mentioned).toEqual({ gapCount: 0, gapSince: null })
    expect(decide(next(twice, mentioned), 'gap', ASKED + 2 * LOST_AFTER_MS)).not.toHaveProperty('status')
  })
  test('is Aborted instead of lost where a person asked for its end', () => {
    const job = gaps(situation('RUN', { orderName: 'cancel', orderTries: 1 }), [ASKED, ASKED + LOST_AFTER_MS])
    const third = decide(job, 'gap', ASKED + LOST_AFTER_MS + 1)
    expect(third).toMatchObject({ status: 'ABT', completionTime: ASKED + LOST_AFTER_MS + 1 })
    expect(third).not.toHaveProperty('cause')
  })
  test('is not given up before its scheduler was asked for the end: it may still run, unseen', () => {
    const job = gaps(situation('RUN', { orderName: 'cancel' }), [ASKED, ASKED + LOST_AFTER_MS])
    expect(decide(job, 'gap', ASKED + LOST_AFTER_MS + 1)).toEqual({ gapCount: 3, gapSince: ASKED })
  })
  test('a single gap after an ordered cancel ends nothing', () => {
    expect(decide(situation('RUN', { orderName: 'cancel' }), 'gap', ASKED)).toEqual({ gapCount: 1, gapSince: ASKED })
  })
})

describe('a job that was given up as lost', () => {
  test('is corrected by the scheduler’s later word, and has not ended then', () => {
    expect(decide(lost(), { state: 'running' }, ASKED)).toMatchObject({
      status: 'RUN',
      cause: null,
      reason: null,
      completionTime: null,
      gapCount: 0,
    })
  })
  test('that failed is a plain Error from then on', () => {
    const corrected = decide(lost(), { state: 'failed', exitCode: 2 }, ASKED)
    expect(corrected).toMatchObject({ cause: null, exitCode: 2, ended: true, completionTime: ASKED })
    expect(decide(situation('ERR', { cause: corrected.cause ?? null }), { state: 'running' }, ASKED + 9)).toEqual({})
  })
  test('stays lost while nobody mentions it', () => {
    expect(decide(lost(), 'gap', ASKED + 10 * LOST_AFTER_MS)).toEqual({})
  })
})

const state = fc.constantFrom<JobState>(
  'queued',
  'held',
  'running',
  'suspended',
  'succeeded',
  'failed',
  'cancelled',
  'unknown',
)
const time = fc.integer({ min: 0, max: 10_000_000 })
const facts = {
  nativeState: fc.string(),
  message: fc.string(),
  cause: fc.constantFrom('walltime' as const, 'memory' as const, 'submit' as const),
  exitCode: fc.integer({ min: -1, max: 255 }),
  startedAt: time.map((at) => new Date(at)),
  endedAt: time.map((at) => new Date(at)),
}
const aReport: fc.Arbitrary<JobReport> = fc.record(
  {
    ...facts,
    state,
    parts: fc.array(fc.record({ name: fc.string(), state }), { maxLength: 5 }),
  },
  { requiredKeys: [] },
)
const anAnswer: fc.Arbitrary<JobReport | Gap> = fc.oneof(fc.constant<Gap>('gap'), aReport)
const aSituation: fc.Arbitrary<Situation> = fc.record({
  statusCode: fc.constantFrom(...CODES),
  statusClass: fc.constant(null),
  statusChangedAt: time,
  startTime: fc.option(time),
  cause: fc.option(fc.constantFrom('lost', 'memory', 'results')),
  nativeState: fc.option(fc.string()),
  reason: fc.option(fc.string()),
  exitCode: fc.option(fc.integer({ min: 0, max: 255 })),
  progress: fc.option(fc.constantFrom(0, 0.5, 1)),
  statusMessage: fc.option(fc.string()),
  orderName: fc.constantFrom(null, 'submit', 'cancel', 'hold', 'release'),
  orderTries: fc.nat({ max: 2 }),
  gapCount: fc.nat({ max: 10 }),
  gapSince: fc.option(time),
})
const isLost = (job: Situation): boolean => job.statusCode === 'ERR' && job.cause === 'lost'

describe('whatever is reported', () => {
  const always = (holds: (job: Situation, answer: JobReport | Gap, asked: number, decision: Decision) => void): void =>
    fc.assert(
      fc.property(aSituation, anAnswer, time, (job, answer, asked) =>
        holds(job, answer, asked, decide(job, answer, asked)),
      ),
      { numRuns: 2000 },
    )

  test('a settled job never changes, unless it was lost', () =>
    always((job, _answer, _asked, decision) => {
      if (isSettled(job) && !isLost(job)) expect(decision).toEqual({})
    }))
  test('Results-Ready never changes', () =>
    always((job, _answer, _asked, decision) => {
      if (job.statusCode === 'RES') expect(decision).toEqual({})
    }))
  test('an answer to an older question never changes anything', () =>
    always((job, _answer, asked, decision) => {
      if (asked <= job.statusChangedAt) expect(decision).toEqual({})
    }))
  test('the status is always one that a scheduler can bring about', () =>
    always((_job, _answer, _asked, { status }) => {
      if (status !== undefined) expect(['SUB', 'RUN', 'VAR', 'PAS', 'ERR', 'ABT', 'VCP', 'RES']).toContain(status)
    }))
  test('a status that settles has a time of its end, and no other has', () =>
    always((_job, _answer, _asked, { status, completionTime }) => {
      if (status === undefined) return
      if (isSettled({ statusCode: status, statusClass: null })) expect(completionTime).toBeTypeOf('number')
      else expect(completionTime ?? null).toBeNull()
    }))
  test('only the scheduler’s own word says that the attempt ended', () =>
    always((_job, answer, _asked, { ended, status }) => {
      if (answer === 'gap') expect(ended).toBeUndefined()
      if (ended) expect(['RES', 'ERR', 'ABT', 'VCP']).toContain(status)
    }))
  test('the same answer a second time changes nothing', () =>
    always((job, answer, asked, decision) => {
      if (answer === 'gap') return
      const { status, ended, requeued, completionTime, ...rest } = decision
      const again = { ...job, ...rest, statusCode: status ?? job.statusCode, statusChangedAt: job.statusChangedAt }
      expect(decide(again, answer, asked)).toEqual({})
    }))
})
