import type { Core } from '../core.js'
import { TelestoError } from '../errors.js'
import { mayBeAlive } from '../process-identity.js'
import { createInlineQueue, type Work } from '../queue/inline.js'
import { releaseChildren } from './children.js'
import { collect, type RunProcessResults } from './collect.js'
import { findDue, takePokes } from './due.js'
import { releaseDeadLeases } from './lease.js'
import { carryOutOrders } from './orders.js'
import { poll } from './poll.js'
import { forgetOldNews, removeDeleted } from './sweep.js'

/** The loops of one process: they poll, carry out orders and collect results. */
export interface Engine {
  start(): void
  /** There may be work: look now. */
  wake(): void
  /** Stops taking work, aborts and awaits what is in flight. Idempotent. */
  close(): Promise<void>
}

/** What is left behind is swept up this often, in milliseconds. */
const SWEEP_EVERY_MS = 2_000
const FORGET_EVERY_MS = 600_000
/** So many attempts have their results collected at once by one process. */
const COLLECT_AT_ONCE = 4

export const createEngine = (core: Core, run: RunProcessResults): Engine => {
  let sweepAt = 0
  let forgetAt = 0
  let collecting = 0
  const sweep = async (): Promise<void> => {
    await releaseDeadLeases(core, (owner) => mayBeAlive(owner, core.machine, core.owner))
    await removeDeleted(core)
    if (core.clock.monotonic() < forgetAt) return
    forgetAt = core.clock.monotonic() + FORGET_EVERY_MS
    await forgetOldNews(core)
  }
  const due = async () => {
    await takePokes(core)
    const { polls, orders, collects, children, idle } = await findDue(core, COLLECT_AT_ONCE - collecting)
    const work: Work[] = [
      ...polls.map((id) => ({ key: `poll ${id}`, run: async (signal: AbortSignal) => await poll(core, id, signal) })),
      ...orders.map((id) => ({
        key: `orders ${id}`,
        run: async (signal: AbortSignal) => await carryOutOrders(core, id, signal),
      })),
      ...collects.map((id) => ({
        key: `collect ${id}`,
        run: async (signal: AbortSignal) => {
          collecting++
          await collect(core, run, id, signal).finally(() => collecting--)
        },
      })),
      ...(children
        ? [{ key: 'children', run: async (signal: AbortSignal) => await releaseChildren(core, signal) }]
        : []),
    ]
    const now = core.clock.monotonic()
    if (now >= sweepAt) {
      sweepAt = now + SWEEP_EVERY_MS
      work.push({ key: 'sweep', run: sweep })
    }
    return { work, idle }
  }
  return createInlineQueue(core.clock, due, (error, key) => {
    core.log.error(
      {
        work: key,
        ...(error instanceof TelestoError ? { code: error.code } : {}),
        error: error instanceof Error ? (error.stack ?? error.message) : String(error),
      },
      'unexpected',
    )
  })
}
