import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { createInlineQueue, type Work } from '../../src/queue/inline.js'
import { ManualClock } from '../engine/manual-clock.js'

const settle = async () => {
  for (let turn = 0; turn < 5; turn++) await turnOfTheLoop()
}

/** A queue whose work the test decides. */
const queueOf = (due: () => readonly Work[], idle = () => false) => {
  const clock = new ManualClock()
  const errors: [string, unknown][] = []
  let looks = 0
  const queue = createInlineQueue(
    clock,
    async () => {
      looks++
      return { work: due(), idle: idle() }
    },
    (error, key) => errors.push([key, error]),
  )
  onTestFinished(async () => await queue.close())
  return {
    clock,
    queue,
    errors,
    looks: () => looks,
    async pass(ms: number) {
      await settle()
      clock.advance(ms)
      await settle()
    },
  }
}
const worker = (key: string, run: (signal: AbortSignal) => Promise<void> = async () => {}): Work => ({ key, run })

test('An unexpected error in one piece of work does not stop the others, and it is tried again after a second', async () => {
  const ran: string[] = []
  const { queue, errors, pass } = queueOf(() => [
    worker('bad', async () => {
      ran.push('bad')
      throw new Error('a bug')
    }),
    worker('good', async () => void ran.push('good')),
  ])
  queue.start()
  await pass(0)
  expect(ran).toEqual(['bad', 'good'])
  expect(errors).toEqual([['bad', new Error('a bug')]])
  for (let looks = 0; looks < 3; looks++) await pass(210)
  expect(ran.filter((one) => one === 'bad')).toHaveLength(1)
  expect(ran.filter((one) => one === 'good').length).toBeGreaterThan(2)
  for (let looks = 0; looks < 4; looks++) await pass(210)
  expect(ran.filter((one) => one === 'bad')).toHaveLength(2)
})

test('Work that throws before its first await is an error like any other', async () => {
  const { queue, errors, pass } = queueOf(() => [
    worker('sync', () => {
      throw new Error('at once')
    }),
  ])
  queue.start()
  await pass(0)
  expect(errors).toHaveLength(1)
})

test('What cannot be looked for is looked for again after a second', async () => {
  let broken = true
  const ran: string[] = []
  const { queue, errors, looks, pass } = queueOf(() => {
    if (broken) throw new Error('the store is gone')
    return [worker('one', async () => void ran.push('one'))]
  })
  queue.start()
  await pass(500)
  expect(errors).toEqual([['due', new Error('the store is gone')]])
  expect(looks()).toBe(1)
  broken = false
  await pass(600)
  expect(ran).toEqual(['one'])
})

test('A key never runs twice at once', async () => {
  let active = 0
  let most = 0
  const gates: (() => void)[] = []
  const { queue, pass } = queueOf(() => [
    worker('one', async () => {
      most = Math.max(most, ++active)
      await new Promise<void>((resolve) => gates.push(resolve))
      active--
    }),
  ])
  queue.start()
  for (let n = 0; n < 5; n++) {
    queue.wake()
    await pass(250)
  }
  expect(gates).toHaveLength(1)
  gates[0]?.()
  await pass(0)
  expect(gates).toHaveLength(2)
  expect(most).toBe(1)
  for (const open of gates) open()
})

test('Work that changed nothing is not begun again at once; who was woken meanwhile looks when it ends', async () => {
  let runs = 0
  let wakes = false
  const { queue, looks, pass } = queueOf(() => [
    worker('one', async () => {
      runs++
      await turnOfTheLoop()
      if (wakes) {
        wakes = false
        queue.wake()
      }
    }),
  ])
  queue.start()
  await pass(0)
  expect([runs, looks()]).toEqual([1, 1])
  await pass(210)
  expect([runs, looks()]).toEqual([2, 2])
  wakes = true
  await pass(210)
  // The third run woke the loop: it was looked at once while it ran, and again when it had ended.
  expect(runs).toBe(4)
})

test('It looks five times a second while there is work, once while all is idle, and at once when woken', async () => {
  let idle = false
  const { queue, looks, pass } = queueOf(
    () => [],
    () => idle,
  )
  queue.start()
  await pass(0)
  for (let n = 0; n < 5; n++) await pass(210)
  expect(looks()).toBe(6)
  idle = true
  await pass(210)
  expect(looks()).toBe(7)
  for (let n = 0; n < 4; n++) await pass(210)
  expect(looks()).toBe(7)
  await pass(210)
  expect(looks()).toBe(8)
  queue.wake()
  await settle()
  expect(looks()).toBe(9)
  for (let n = 0; n < 100; n++) queue.wake()
  await settle()
  expect(looks()).toBe(10)
})

test('close() takes no more work, aborts what runs and waits for it; it may be called twice, and before start()', async () => {
  const seen: string[] = []
  const { queue, looks, pass } = queueOf(() => [
    worker('one', async (signal) => {
      seen.push('began')
      await new Promise<void>((resolve) => signal.addEventListener('abort', () => resolve(), { once: true }))
      await turnOfTheLoop()
      seen.push('ended')
    }),
  ])
  queue.start()
  await pass(0)
  await Promise.all([queue.close(), queue.close()])
  expect(seen).toEqual(['began', 'ended'])
  const before = looks()
  queue.wake()
  queue.start()
  await pass(5000)
  expect(looks()).toBe(before)
  expect(seen).toEqual(['began', 'ended'])

  const never = queueOf(() => [])
  await never.queue.close()
  never.queue.start()
  await never.pass(1000)
  expect(never.looks()).toBe(0)
})

test('What fails because the queue closes is no error', async () => {
  const { queue, errors, pass } = queueOf(() => [
    worker('one', async (signal) => {
      await new Promise<void>((_resolve, reject) =>
        signal.addEventListener('abort', () => reject(new Error('aborted')), { once: true }),
      )
    }),
  ])
  queue.start()
  await pass(0)
  await queue.close()
  expect(errors).toEqual([])
})

test('close() leaves work behind that ignores its abort for ten seconds', async () => {
  const { queue, clock, pass } = queueOf(() => [worker('deaf', async () => await new Promise<void>(() => {}))])
  queue.start()
  await pass(0)
  let closed = false
  const closing = queue.close().then(() => {
    closed = true
  })
  await pass(9_000)
  expect(closed).toBe(false)
  clock.advance(1_000)
  await closing
  expect(closed).toBe(true)
})
