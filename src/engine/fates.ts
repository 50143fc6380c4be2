import type { NativeId } from '../adapter.js'
import type { Core } from '../core.js'
import { newToken } from '../report-token.js'
import type { Transaction } from '../store/database.js'
import { insertEvents } from '../store/events.js'
import type { SchedulerRow } from '../store/schedulers.js'
import { type Change, changeAll } from '../store/transition.js'
import { backoff } from './backoff.js'
import { pollSoon } from './pace.js'
import { type Tracked, trackedNow } from './tracked.js'

/** What became of an attempt that was handed over. */
export type Fate =
  | { readonly is: 'accepted'; readonly nativeId: NativeId }
  /** The scheduler will not have it. */
  | { readonly is: 'refused'; readonly why: string }
  /** It is not there and can no longer arrive. `untried`: nor was any of those that it was handed over with so much as tried. */
  | { readonly is: 'absent'; readonly untried?: true }
  /** Nobody can tell yet. */
  | { readonly is: 'open'; readonly why: string }

/** The longest pause before it is asked again what became of an attempt, in milliseconds. */
const MAX_PAUSE_MS = 60_000

/**
 * Stores what became of attempts, up to about 1,000, whatever has happened to them meanwhile: they are read again in the same
 * transaction, and those of one fate share their statements. An accepted id that its attempt no longer wants is a stray: never
 * dropped, but cancelled and told.
 */
export const storeFates = async (
  core: Core,
  record: SchedulerRow,
  fates: ReadonlyMap<Tracked, Fate>,
): Promise<void> => {
  await core.database.write(async (tx) => {
    const now = await tx.now()
    const current = await trackedNow(tx, [...fates.keys()])
    const changes = new Map<Tracked, Change>()
    for (const [handed, fate] of fates) {
      const job = current.get(handed)
      if (job && isAwaited(job)) changes.set(job, changeOf(job, fate, now))
      else if (fate.is === 'accepted' && job?.nativeId !== fate.nativeId)
        await storeStray(tx, record, handed, fate.nativeId, now)
    }
    await changeAll(tx, changes, now)
    if ([...fates.values()].some(({ is }) => is === 'accepted')) await pollSoon(tx, record, now)
  })
  core.committed()
}

/** It was handed over, and nobody knows more of it. */
const isAwaited = (current: Tracked): boolean =>
  current.nativeId === null &&
  current.handedOverAt !== null &&
  (current.orderName === 'submit' || current.orderName === 'cancel')

const changeOf = (job: Tracked, fate: Fate, now: number): Change => {
  if (fate.is === 'accepted') return accepted(job, fate.nativeId, now)
  if (fate.is === 'open') return stayOpen(job, fate.why, now)
  if (job.orderName === 'cancel') return aborted(now, 'Stopped before the scheduler had it.')
  return fate.is === 'refused' ? refused(fate.why, now) : takenBack(job, fate.untried === true, now)
}

const accepted = (job: Tracked, nativeId: NativeId, now: number): Change => ({
  ...(job.statusCode === 'PEN' ? { job: { status: 'SUB' } } : {}),
  attempt: {
    nativeId,
    live: 1,
    orderName: job.orderName === 'cancel' ? 'cancel' : null,
    orderDueAt: now,
    orderTries: 0,
    orderError: null,
  },
  order: true,
})

const refused = (why: string, now: number): Change => ({
  job: { status: 'ERR', cause: 'submit', reason: why.slice(0, 8192), completionTime: now },
  attempt: { ended: 1 },
})

/** A person stopped it, and the scheduler never had it. */
export const aborted = (now: number, reason: string): Change => ({
  job: { status: 'ABT', reason, completionTime: now },
  attempt: { ended: 1 },
})

/** Its fate is open: it is asked what became of it, ever more rarely, and not submitted again meanwhile. */
const stayOpen = (job: Tracked, why: string, now: number): Change => {
  const tries = job.orderTries + 1
  const orderDueAt = now + backoff(tries, 500, MAX_PAUSE_MS)
  return { attempt: { orderTries: tries, orderError: why.slice(0, 2048), orderDueAt } }
}

/**
 * It waits for its turn again, and ever longer where nothing is tried. The token is retired: another process may have been told
 * "absent" of it, and nothing is taken under it any more.
 */
const takenBack = (job: Tracked, untried: boolean, now: number): Change => {
  const tries = untried ? job.orderTries + 1 : 0
  const orderDueAt = untried ? now + backoff(tries, 500, MAX_PAUSE_MS) : now
  return {
    attempt: { token: newToken(), handedOverAt: null, live: 0, orderTries: tries, orderDueAt, orderError: null },
  }
}

const storeStray = async (
  tx: Transaction,
  record: SchedulerRow,
  job: Tracked,
  nativeId: NativeId,
  now: number,
): Promise<void> => {
  const stored = await tx.run(
    `INSERT INTO telesto_strays (token, native_id, job_id, job_type, scheduler_id, workdir, due_at)
     SELECT $1, $2, $3, $4, $5, $6, $7 WHERE NOT EXISTS (SELECT 1 FROM telesto_attempts WHERE token = $1 AND native_id = $2)
       AND EXISTS (SELECT 1 FROM telesto_schedulers WHERE id = $5)
     ON CONFLICT DO NOTHING`,
    [job.token, nativeId, job.id, job.jobType, record.id, job.workdir, now],
  )
  if (stored === 0) return
  const reason = `The scheduler has a job ${nativeId} that is no longer wanted; it is being cancelled.`
  await insertEvents(tx, now, [
    { kind: 'note', app: job.app, jobId: job.id, attempt: job.attemptNumber, data: { reason } },
  ])
}
