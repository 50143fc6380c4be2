import { setImmediate as turnOfTheLoop } from 'node:timers/promises'
import { expect, onTestFinished, test } from 'vitest'
import { createEventFeed } from '../src/event-feed.js'
import { type EventRow, insertEvents, type NewEvent } from '../src/store/events.js'
import { openDatabase } from '../src/store/open.js'
import { placeOf } from './database.js'
import { ManualClock } from './engine/manual-clock.js'
import { freshDirectory } from './engine/portal.js'

const quiet = { debug() {}, info() {}, warn() {}, error() {} }

const feedOf = async () => {
  const clock = new ManualClock()
  const database = await openDatabase({ ...(await placeOf(await freshDirectory())), migrate: true, clock, log: quiet })
  let reads = 0
  let busy = 0
  let fails: Error | undefined
  let before: (read: number) => Promise<void> | undefined = () => undefined
  const counting = new Proxy(database, {
    get(target, name) {
      if (name === 'readNow') {
        return async () => {
          busy++
          return await target.readNow().finally(() => busy--)
        }
      }
      if (name !== 'all') {
        const own: unknown = Reflect.get(target, name, target)
        return typeof own === 'function' ? own.bind(target) : own
      }
      return async (...args: Parameters<typeof target.all>) => {
        reads++
        busy++
        try {
          await before(reads)
          if (fails) throw fails
          return await target.all(...args)
        } finally {
          busy--
        }
      }
    },
  })
  const errors: unknown[] = []
  const feed = createEventFeed(counting, clock, (error) => errors.push(error))
  onTestFinished(async () => {
    feed.close()
    await database.close()
  })
  const settled = async () => {
    for (let still = 0; still < 4; still = busy === 0 ? still + 1 : 0) await turnOfTheLoop()
  }
  return {
    clock,
    database,
    feed,
    errors,
    reads: () => reads,
    settled,
    /** What is waited for before the n-th reading. */
    beforeRead(wait: typeof before) {
      before = wait
    },
    fail(error: Error | undefined) {
      fails = error
    },
    async pass(ms: number) {
      await settled()
      clock.advance(ms)
      await settled()
    },
    async add(...events: readonly NewEvent[]) {
      await database.write(async (tx) => await insertEvents(tx, await database.readNow(), events))
    },
    /** An event with an id of its own, as a transaction that took long commits it. */
    async addLate(id: number, ageMs = 0) {
      await database.write(
        async (tx) =>
          void (await tx.run(
            `INSERT INTO telesto_events (id, kind, at, data) VALUES (${id}, 'note', ${database.now()} - ${ageMs}, '{}')`,
          )),
      )
    },
  }
}
const note = (n: number): NewEvent => ({ kind: 'note', app: 'flood', jobId: n, data: { n } })
const listening = () => {
  const heard: EventRow[] = []
  const batches: number[] = []
  return {
    heard,
    batches,
    listener: (events: readonly EventRow[]) => {
      heard.push(...events)
      batches.push(events.length)
    },
    ids: () => heard.map(({ jobId }) => jobId),
  }
}

test('Every event after the subscription is heard once, by every listener; what was before is no news', async () => {
  const f = await feedOf()
  await f.add(note(1), note(2))
  const [a, b] = [listening(), listening()]
  const { from } = await f.feed.subscribe(a.listener)
  expect(from).toBe(2)
  await f.feed.subscribe(b.listener)
  await f.add(note(3))
  for (let second = 0; second < 15; second++) await f.pass(1000)
  await f.add(note(4), note(5))
  for (let second = 0; second < 15; second++) await f.pass(1000)
  expect(a.ids()).toEqual([3, 4, 5])
  expect(b.ids()).toEqual([3, 4, 5])
  expect(a.heard[0]).toMatchObject({ id: 3, kind: 'note', app: 'flood', data: '{"n":3}' })
})

test('A commit of this process is heard at once, one of another within a second', async () => {
  const f = await feedOf()
  const a = listening()
  await f.feed.subscribe(a.listener)
  await f.pass(1)
  await f.add(note(1))
  f.feed.wake()
  await f.pass(15)
  expect(a.ids()).toEqual([1])
  await f.add(note(2))
  await f.pass(500)
  expect(a.ids()).toEqual([1])
  await f.pass(501)
  expect(a.ids()).toEqual([1, 2])
})

test('A burst of commits is read together', async () => {
  const f = await feedOf()
  const a = listening()
  await f.feed.subscribe(a.listener)
  await f.pass(1)
  for (let n = 0; n < 50; n++) {
    await f.add(note(n))
    f.feed.wake()
  }
  const before = f.reads()
  await f.pass(15)
  await f.pass(15)
  expect(a.ids()).toEqual(Array.from({ length: 50 }, (_, n) => n))
  expect(a.batches.length).toBeLessThanOrEqual(2)
  expect(f.reads() - before).toBeLessThanOrEqual(8)
})

test('Many listeners cost one reading', async () => {
  const costOf = async (count: number) => {
    const f = await feedOf()
    for (let n = 0; n < count; n++) await f.feed.subscribe(() => {})
    await f.pass(1)
    const before = f.reads()
    for (let second = 0; second < 10; second++) {
      await f.add(note(second))
      await f.pass(1000)
    }
    return f.reads() - before
  }
  const one = await costOf(1)
  expect(one).toBeGreaterThan(10)
  expect(await costOf(100)).toBe(one)
})

test('Without listeners nothing is read, neither before the first nor after the last', async () => {
  const f = await feedOf()
  f.feed.wake()
  await f.pass(10_000)
  expect(f.reads()).toBe(0)
  const a = listening()
  const { stop } = await f.feed.subscribe(a.listener)
  await f.pass(1000)
  stop()
  await f.pass(1000)
  const after = f.reads()
  expect(after).toBeGreaterThan(0)
  await f.add(note(1))
  f.feed.wake()
  for (let second = 0; second < 10; second++) await f.pass(1000)
  expect(f.reads()).toBe(after)
  expect(a.heard).toEqual([])

  const { from } = await f.feed.subscribe(a.listener)
  expect(from).toBe(1)
  await f.add(note(2))
  await f.pass(1000)
  await f.pass(1000)
  expect(a.ids()).toEqual([2])
})

test('Thousands of events at once are all heard, each once, without another wake', async () => {
  const f = await feedOf()
  const a = listening()
  await f.feed.subscribe(a.listener)
  await f.add(...Array.from({ length: 5000 }, (_, n) => note(n)))
  f.feed.wake()
  for (let n = 0; n < 5; n++) await f.pass(20)
  expect(a.ids()).toEqual(Array.from({ length: 5000 }, (_, n) => n))
  for (let second = 0; second < 12; second++) await f.pass(1000)
  expect(a.heard).toHaveLength(5000)
})

test('An id that commits after a higher one is heard once, if it is younger than ten seconds', async () => {
  const f = await feedOf()
  const a = listening()
  await f.feed.subscribe(a.listener)
  await f.addLate(100)
  await f.pass(1001)
  await f.addLate(50)
  await f.addLate(99, 8000)
  for (let second = 0; second < 15; second++) await f.pass(1000)
  expect(a.heard.map(({ id }) => id).toSorted((x, y) => x - y)).toEqual([50, 99, 100])
})

test('Who subscribes while another does misses nothing', async () => {
  const f = await feedOf()
  const all = Array.from({ length: 20 }, listening)
  const from = await Promise.all(
    all.map(async ({ listener }, n) => {
      if (n % 3 === 0) await f.add(note(n))
      const subscribed = await f.feed.subscribe(listener)
      f.feed.wake()
      return subscribed.from
    }),
  )
  await f.add(note(1000))
  for (let n = 0; n < 5; n++) await f.pass(1000)
  const stored = await f.database.all<{ id: number }>('SELECT id FROM telesto_events ORDER BY id')
  for (const [n, { heard }] of all.entries()) {
    const after = stored.map(({ id }) => id).filter((id) => id > (from[n] as number))
    expect(heard.map(({ id }) => id)).toEqual(after)
  }
})

test('Who subscribes while another still does takes nothing from it, whatever commits in between', async () => {
  const f = await feedOf()
  await f.add(note(1))
  const [a, b] = [listening(), listening()]
  const [first, second] = [Promise.withResolvers<void>(), Promise.withResolvers<void>()]
  f.beforeRead((read) => (read === 2 ? first.promise : read === 3 ? second.promise : undefined))
  const subscribing = f.feed.subscribe(a.listener)
  for (let n = 0; n < 5; n++) await turnOfTheLoop()
  await f.add(note(2))
  const alsoSubscribing = f.feed.subscribe(b.listener)
  for (let n = 0; n < 5; n++) await turnOfTheLoop()
  first.resolve()
  const { from } = await subscribing
  second.resolve()
  await alsoSubscribing
  for (let n = 0; n < 3; n++) await f.pass(1000)
  expect(from).toBe(1)
  expect(a.ids()).toEqual([2])
})

test('A listener that comes while the last one goes, in the middle of a reading, hears only what is after it', async () => {
  const f = await feedOf()
  const [a, b] = [listening(), listening()]
  const { stop } = await f.feed.subscribe(a.listener)
  await f.pass(1)
  await f.add(note(1))
  f.feed.wake()
  await turnOfTheLoop()
  f.clock.advance(15) // the reading begins
  await Promise.resolve()
  stop()
  const { from } = await f.feed.subscribe(b.listener)
  await f.add(note(2))
  for (let n = 0; n < 4; n++) await f.pass(1000)
  expect(from).toBe(1)
  expect(b.ids()).toEqual([2])
})

test('One function that subscribes twice has two subscriptions: the end of the first is not that of the second', async () => {
  const f = await feedOf()
  const a = listening()
  const first = f.feed.subscribe(a.listener)
  const second = f.feed.subscribe(a.listener)
  ;(await first).stop()
  await f.add(note(1))
  await f.pass(1001)
  expect(a.ids()).toEqual([1])
  ;(await second).stop()
  await f.add(note(2))
  await f.pass(3000)
  expect(a.ids()).toEqual([1])
})

test('A listener that throws takes nothing from the others', async () => {
  const f = await feedOf()
  const [a, b] = [listening(), listening()]
  await f.feed.subscribe(a.listener)
  await f.feed.subscribe(() => {
    throw new Error('a broken viewer')
  })
  await f.feed.subscribe(b.listener)
  for (let n = 1; n < 4; n++) {
    await f.add(note(n))
    await f.pass(1000)
  }
  await f.pass(1000)
  expect(a.ids()).toEqual([1, 2, 3])
  expect(b.ids()).toEqual([1, 2, 3])
  expect(f.errors).toContainEqual(new Error('a broken viewer'))
})

test('A store that cannot be read is told and read again: nothing is missed', async () => {
  const f = await feedOf()
  const a = listening()
  await f.feed.subscribe(a.listener)
  await f.pass(1000)
  f.fail(new Error('locked'))
  await f.add(note(1))
  await f.pass(1000)
  await f.pass(1000)
  expect(f.errors.length).toBeGreaterThan(0)
  expect(a.heard).toEqual([])
  f.fail(undefined)
  await f.pass(1000)
  expect(a.ids()).toEqual([1])
})

test('After close() nobody hears anything, and nothing is read or complained about', async () => {
  const f = await feedOf()
  const a = listening()
  await f.feed.subscribe(a.listener)
  await f.pass(1000)
  await f.add(note(1))
  f.fail(new Error('the database is closed'))
  f.clock.advance(1001)
  f.feed.close()
  f.feed.close()
  for (let n = 0; n < 5; n++) await f.pass(1000)
  const after = f.reads()
  f.feed.wake()
  await f.pass(5000)
  expect(f.reads()).toBe(after)
  expect(a.heard).toEqual([])
  expect(f.errors).toEqual([])
})
