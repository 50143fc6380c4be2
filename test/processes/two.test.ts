import { setTimeout as sleep } from 'node:timers/promises'
import { describe, test } from 'vitest'
import { createPortal, LEASE_SECONDS } from './portal.ts'

// Two processes on one database, whose clocks are ten minutes apart.

/** Longer than a lease, so that the other process takes over. */
const STOPPED_MS = 2 * LEASE_SECONDS * 1000
const CLOCKS = [
  ['right', 'ahead'],
  ['ahead', 'right'],
] as const

describe.concurrent('a process that is stopped for twice the lease, and then goes on', { timeout: 60_000 }, () => {
  describe.each(CLOCKS)('its clock is %s, the other one is %s', (first, second) => {
    test.for(['submitting', 'submitted'] as const)('inside submit (%s): one submission', async (point, context) => {
      const { expect } = context
      const portal = createPortal(context)
      const stopped = await portal.start(first)
      await portal.ask(stopped, 'create', 'a')
      const there = stopped.stopAt(point)
      await portal.ask(stopped, 'execute', 'a')
      await there
      const other = await portal.start(second)
      await sleep(STOPPED_MS)
      expect(other.passings.map(({ at }) => at)).toContain('recovering')
      stopped.signal('SIGCONT')
      expect((await portal.settle()).faults).toEqual([])
    })

    test('inside collecting: processed again under the same key, committed once', async (context) => {
      const { expect } = context
      const portal = createPortal(context)
      const stopped = await portal.start(first)
      await portal.ask(stopped, 'create', 'a')
      const there = stopped.stopAt('collecting')
      await portal.ask(stopped, 'execute', 'a')
      await there
      const other = await portal.start(second)
      await sleep(STOPPED_MS)
      await expect.poll(async () => (await portal.list(other))[0]?.status, { timeout: 5000 }).toBe('Complete')
      // The one that was stopped must not complete this attempt, of which it knows nothing.
      await portal.ask(other, 'resubmit', 'a')
      stopped.signal('SIGCONT')
      const { faults, calls } = await portal.settle()
      expect(faults).toEqual([])
      expect(calls).toHaveLength(3)
      expect(calls[1]).toBe(calls[0])
      expect(calls[2]).not.toBe(calls[0])
    })
  })
})

test.concurrent('a record is polled once per interval, however many processes there are', {
  timeout: 60_000,
}, async (context) => {
  const { expect } = context
  const interval = 500
  const portal = createPortal(context, interval / 1000)
  const servers = await Promise.all([portal.start('right'), portal.start('ahead')])
  for (const key of ['a', 'b', 'c']) {
    await portal.ask(servers[0], 'create', key, 70)
    await portal.ask(servers[1], 'execute', key)
  }
  await expect.poll(() => servers.flatMap(({ passings }) => passings).some(({ at }) => at === 'asking')).toBe(true)
  const began = performance.now()
  await sleep(5000)
  const elapsed = performance.now() - began
  const polls = servers.flatMap(({ passings }) => passings).filter(({ at, when }) => at === 'asking' && when >= began)
  expect(polls.length).toBeLessThanOrEqual(elapsed / interval + 1)
  // Slower when nothing changes, but never silent.
  expect(polls.length).toBeGreaterThanOrEqual(elapsed / interval / 3 - 1)
  for (const { ids } of polls) expect(ids).toHaveLength(3)
  expect((await portal.settle()).faults).toEqual([])
})
