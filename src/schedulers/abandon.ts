import { type Tracked, tracked } from '../engine/tracked.js'
import type { Transaction } from '../store/database.js'
import type { SchedulerRow } from '../store/schedulers.js'
import { type Change, changeAll } from '../store/transition.js'
import { activeAttempts } from './activity.js'
import type { By } from './records.js'

/** What an administrator gave up with a record. */
export interface Abandoned {
  /** Jobs that were active there, each of which is in Error now, cause "abandoned". */
  readonly jobs: number
  /** Jobs of the scheduler that were being cancelled, because no attempt wanted them. */
  readonly strays: number
}

/** So many jobs share the statements of a change. */
const CHUNK = 500

/** Ends all that needs the record, without a word of the scheduler: only for an administrator who says that there will be none. */
export const abandon = async (
  tx: Transaction,
  row: Pick<SchedulerRow, 'id' | 'name'>,
  now: number,
  by: By,
): Promise<Abandoned> => {
  const ids = await activeAttempts(tx, row)
  let jobs = 0
  for (let start = 0; start < ids.length; start += CHUNK) {
    const some = ids.slice(start, start + CHUNK)
    const active = await tracked(tx, `a.id IN (${some.join(', ')})`, [], CHUNK)
    const changes = new Map(active.map((job) => [job, givenUp(job, row.name, now, by)]))
    jobs += (await changeAll(tx, changes, now)).size
  }
  const strays = await tx.run('DELETE FROM telesto_strays WHERE scheduler_id = $1', [row.id])
  return { jobs, strays }
}

const givenUp = (job: Tracked, name: string, now: number, by: By): Change => {
  const why = { cause: 'abandoned', reason: reasonFor(job, name) } as const
  const who = by === undefined ? {} : { by: by.user.id }
  // Various-Complete is settled; only its results will never come.
  return job.statusCode === 'VCP'
    ? { job: why, attempt: { collectDueAt: null, collectError: null }, order: true, ...who }
    : { job: { ...why, status: 'ERR', completionTime: now }, ...who }
}

const reasonFor = ({ statusCode, handedOverAt }: Tracked, name: string): string => {
  const removed = `An administrator removed the scheduler ${name}`
  if (statusCode === 'RES' || statusCode === 'VCP') return `${removed} before the results were collected.`
  if (handedOverAt === null) return `${removed} before it was given this job.`
  return `${removed} and gave up its jobs. Whether this one still runs there is not known.`
}
