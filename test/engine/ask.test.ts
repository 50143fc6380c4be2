import { expect, test } from 'vitest'
import { SchedulerError } from '../../src/adapter.js'
import { ask, asSchedulerError, isSchedulerError } from '../../src/engine/ask.js'
import { ManualClock } from './manual-clock.js'
import { hangs } from './scripted-adapter.js'

const outcomeOf = (work: Promise<unknown>) => work.catch((error: unknown) => error)

test('An answer before the deadline is the answer, and leaves nobody asleep', async () => {
  const clock = new ManualClock()
  const signals: AbortSignal[] = []
  const late: unknown[] = []
  const call = async (signal: AbortSignal) => {
    signals.push(signal)
    return 42
  }
  expect(await ask(clock, call, { deadlineMs: 1000, late: (answer) => late.push(answer) })).toBe(42)
  expect(clock.sleepers).toBe(0)
  expect(late).toEqual([])
  // Whatever the call still does in the background is told to end.
  expect(signals[0]?.aborted).toBe(true)
})

test('A call that does not end by its deadline is unavailable; its signal aborts, and its late answer is told', async () => {
  const clock = new ManualClock()
  const { promise, resolve } = Promise.withResolvers<string>()
  const late: unknown[] = []
  let signal: AbortSignal | undefined
  const outcome = outcomeOf(
    ask(
      clock,
      (given) => {
        signal = given
        return promise
      },
      { deadlineMs: 60_000, late: (answer) => late.push(answer) },
    ),
  )
  clock.advance(59_000)
  expect(signal?.aborted).toBe(false)
  clock.advance(1001)
  expect(await outcome).toMatchObject({ code: 'unavailable', message: 'No answer within 60 s.' })
  expect(signal?.aborted).toBe(true)
  resolve('native-1')
  await promise
  await Promise.resolve()
  expect(late).toEqual(['native-1'])
  expect(clock.sleepers).toBe(0)
})

test('An answer that comes in the same instant as the deadline is either the answer or told as late: never lost', async () => {
  for (let hops = 0; hops < 8; hops++) {
    const clock = new ManualClock()
    const { promise, resolve } = Promise.withResolvers<string>()
    const late: unknown[] = []
    const outcome = outcomeOf(ask(clock, () => promise, { deadlineMs: 1000, late: (answer) => late.push(answer) }))
    clock.advance(1001)
    for (let hop = 0; hop < hops; hop++) await Promise.resolve()
    resolve('native-1')
    const result = await outcome
    for (let hop = 0; hop < 8; hop++) await Promise.resolve()
    expect(result === 'native-1' || late[0] === 'native-1').toBe(true)
  }
})

test('A call that ignores its abort is given a second, then left behind', async () => {
  const clock = new ManualClock()
  const closing = new AbortController()
  let over = false
  const outcome = outcomeOf(ask(clock, hangs, { deadlineMs: 60_000, signal: closing.signal }))
  void outcome.then(() => {
    over = true
  })
  closing.abort()
  for (let hop = 0; hop < 20; hop++) await Promise.resolve()
  expect(over).toBe(false)
  clock.advance(1001)
  expect(await outcome).toMatchObject({ code: 'unavailable', message: 'The call was aborted.' })
  expect(clock.sleepers).toBe(0)
})

test('After its signal has aborted nothing is called any more', async () => {
  const clock = new ManualClock()
  let called = false
  const call = () => {
    called = true
    return hangs()
  }
  const error = await outcomeOf(ask(clock, call, { deadlineMs: 60_000, signal: AbortSignal.abort() }))
  expect(error).toMatchObject({ code: 'unavailable' })
  expect(called).toBe(false)
  expect(clock.sleepers).toBe(0)
})

test('Everything that is thrown becomes a SchedulerError; one from another copy of the package is one already', () => {
  const foreign = Object.assign(new Error('refused'), { name: 'SchedulerError', code: 'auth' })
  expect(isSchedulerError(foreign)).toBe(true)
  expect(asSchedulerError(foreign)).toBe(foreign)
  const unknown = Object.assign(new Error('refused'), { name: 'SchedulerError', code: 'fatal' })
  for (const thrown of [
    unknown,
    new Error('x'),
    'x',
    null,
    undefined,
    Symbol('x'),
    Object.create(null),
    { code: 'auth' },
  ]) {
    const error = asSchedulerError(thrown)
    expect(error).toBeInstanceOf(SchedulerError)
    expect(error).toMatchObject({ code: 'protocol', cause: thrown })
  }
})
