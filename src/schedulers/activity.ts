import { TelestoError } from '../errors.js'
import type { Transaction } from '../store/database.js'
import type { SchedulerRow } from '../store/schedulers.js'

/** Attempts that need the record: running, ordered about, waiting for parents or to be collected. Cleaning up can be done without. */
const ACTIVE = [
  'live = 1',
  `order_name IS NOT NULL AND waits_for IS NULL AND order_name <> 'clean_up'`,
  'waits_for IS NOT NULL',
  'collect_due_at IS NOT NULL',
].map((what) => `SELECT id FROM telesto_attempts WHERE scheduler_id = $1 AND ${what}`)

/** The attempts that need this record. */
export const activeAttempts = async (tx: Transaction, row: Pick<SchedulerRow, 'id'>): Promise<readonly number[]> =>
  (await tx.all<{ id: number }>(`${ACTIVE.join(' UNION ')} ORDER BY id`, [row.id])).map(({ id }) => id)

/** Throws `scheduler_has_active_jobs` where jobs, or what became of them, still need this record. */
export const refuseActive = async (
  tx: Transaction,
  row: Pick<SchedulerRow, 'id' | 'name'>,
  field: string,
  so: string,
  otherwise = '',
): Promise<void> => {
  const [count] = await tx.all<{ jobs: number; strays: number }>(
    `SELECT (SELECT COUNT(*) FROM (${ACTIVE.join(' UNION ')}) active) AS jobs,
       (SELECT COUNT(*) FROM telesto_strays WHERE scheduler_id = $1) AS strays`,
    [row.id],
  )
  const { jobs = 0, strays = 0 } = count ?? {}
  if (jobs === 0 && strays === 0) return
  const what =
    jobs > 0
      ? `${jobs} active ${jobs === 1 ? 'job' : 'jobs'}. Stop or delete them, or wait for their end`
      : `${strays} that ${strays === 1 ? 'is' : 'are'} still being cancelled. Wait for their end`
  throw new TelestoError('scheduler_has_active_jobs', `${so}: the scheduler ${row.name} has ${what}.${otherwise}`, {
    field,
  })
}
