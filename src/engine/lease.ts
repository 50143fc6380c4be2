import type { Core } from '../core.js'
import type { Transaction } from '../store/database.js'
import type { SchedulerRow } from '../store/schedulers.js'
import { readScheduler } from '../store/schedulers.js'

/** The loops that only one process runs for a record at a time. */
export type RecordLoop = 'poll' | 'orders'

/**
 * The sole right to do one thing for a while. It is an economy, not a safety: whoever loses it without knowing does no harm,
 * since every commit is a compare-and-set and every submission can be recovered.
 */
export interface Lease {
  /** Aborts when the lease is lost, or when the engine closes. */
  readonly signal: AbortSignal
  /** Asks the database: still ours? Within a transaction where one is given. */
  holds(reader?: Pick<Transaction, 'all'>): Promise<boolean>
  /** Ends renewal. What ends the work also clears the lease in the same statement, or calls release(). */
  end(): void
  release(): Promise<void>
}

interface Place {
  readonly table: string
  readonly owner: string
  readonly until: string
  readonly id: number
}

const PLACES: Readonly<Record<RecordLoop, { owner: string; until: string; due: string }>> = {
  poll: { owner: 'poll_owner', until: 'poll_until', due: 'next_poll_at' },
  orders: { owner: 'orders_owner', until: 'orders_until', due: 'next_orders_at' },
}

/**
 * Takes a record's loop if it is due and nobody else has it. A lease that this very process has is free: its queue begins a loop once
 * at a time, so that was given up already, and the database went away before it knew.
 */
export const leaseRecord = async (
  core: Core,
  loop: RecordLoop,
  id: number,
  signal: AbortSignal,
): Promise<{ readonly lease: Lease; readonly record: SchedulerRow } | undefined> => {
  const { owner, until, due } = PLACES[loop]
  const lease = await take(
    core,
    { table: 'telesto_schedulers', owner, until, id },
    `${due} <= ${core.database.now()} AND enabled = 1 AND (${until} <= ${core.database.now()} OR ${owner} = $1)`,
    signal,
  )
  if (!lease) return undefined
  const record = await readScheduler(core.database, id)
  if (record) return { lease, record }
  lease.end()
  return undefined
}

/** Takes the collecting of one attempt's results if it is due and nobody else has it. */
export const leaseCollect = async (core: Core, attemptId: number, signal: AbortSignal): Promise<Lease | undefined> => {
  const place = { table: 'telesto_attempts', owner: 'collect_owner', until: 'collect_until', id: attemptId }
  const now = core.database.now()
  return await take(core, place, `collect_due_at <= ${now} AND collect_until <= ${now}`, signal)
}

/** `free`: a condition, in which $1 is this process. */
const take = async (core: Core, place: Place, free: string, signal: AbortSignal): Promise<Lease | undefined> => {
  const { database } = core
  const taken = await database.write(
    async (tx) =>
      await tx.run(
        `UPDATE ${place.table} SET ${place.owner} = $1, ${place.until} = ${database.now()} + ${core.leaseMs}
         WHERE id = $2 AND ${free}`,
        [core.owner, place.id],
      ),
    { fleeting: true },
  )
  return taken === 1 ? keep(core, place, signal) : undefined
}

const keep = (core: Core, place: Place, outer: AbortSignal): Lease => {
  const { database, clock } = core
  const lost = new AbortController()
  const over = new AbortController()
  const signal = AbortSignal.any([outer, lost.signal])
  const mine = `id = $1 AND ${place.owner} = $2`
  const renew = async (): Promise<void> => {
    while (!over.signal.aborted) {
      await clock.sleep(core.leaseMs / 3, over.signal)
      if (over.signal.aborted) return
      const renewed = await database
        .write(
          async (tx) =>
            await tx.run(
              `UPDATE ${place.table} SET ${place.until} = ${database.now()} + ${core.leaseMs} WHERE ${mine}`,
              [place.id, core.owner],
            ),
          { fleeting: true },
        )
        .catch(() => 1) // A store that is busy now will say next time.
      if (renewed === 0) return lost.abort(new Error('The lease was lost.'))
    }
  }
  void renew()
  return {
    signal,
    async holds(reader = database) {
      const sql = `SELECT 1 AS held FROM ${place.table} WHERE ${mine} AND ${place.until} > ${database.now()}`
      return (await reader.all(sql, [place.id, core.owner])).length === 1
    },
    end: () => over.abort(),
    async release() {
      over.abort()
      await database.write(
        async (tx) =>
          await tx.run(`UPDATE ${place.table} SET ${place.owner} = NULL, ${place.until} = 0 WHERE ${mine}`, [
            place.id,
            core.owner,
          ]),
        { fleeting: true },
      )
    },
  }
}

/** Leases of processes of this machine that no longer exist are given up, so that a restart need not wait for their end. */
export const releaseDeadLeases = async (core: Core, isAlive: (owner: string) => boolean): Promise<void> => {
  const { database } = core
  const places = [
    ['telesto_schedulers', 'poll_owner', 'poll_until'],
    ['telesto_schedulers', 'orders_owner', 'orders_until'],
    ['telesto_attempts', 'collect_owner', 'collect_until'],
  ] as const
  for (const [table, owner, until] of places) {
    const where = table === 'telesto_attempts' ? ' AND collect_due_at IS NOT NULL' : ''
    const owners = await database.all<{ owner: string }>(
      `SELECT DISTINCT ${owner} AS owner FROM ${table} WHERE ${owner} IS NOT NULL${where}`,
    )
    for (const { owner: name } of owners) {
      if (name === core.owner || isAlive(name)) continue
      await database.write(
        async (tx) => await tx.run(`UPDATE ${table} SET ${owner} = NULL, ${until} = 0 WHERE ${owner} = $1`, [name]),
      )
    }
  }
}
