import { completeSql, type StatusClass, type StatusCode } from '../status.js'
import type { Transaction } from './database.js'

/** A job for which another one waits. */
export interface Parent {
  readonly id: number
  readonly statusCode: StatusCode
  readonly customStatus: string | null
  readonly statusClass: StatusClass | null
}

/** At most `limit` parents of a job, those that are not Complete first. */
export const readParents = async (reader: Pick<Transaction, 'all'>, id: number, limit: number): Promise<Parent[]> =>
  await reader.all<Parent>(
    `SELECT p.parent_id AS id, j.status_code AS "statusCode", j.custom_status AS "customStatus", j.status_class AS "statusClass"
     FROM telesto_parents p JOIN telesto_jobs j ON j.id = p.parent_id
     WHERE p.job_id = $1 ORDER BY CASE WHEN ${completeSql('j')} THEN 1 ELSE 0 END, p.parent_id LIMIT ${Math.trunc(limit)}`,
    [id],
  )

/** The youngest parent of each of these jobs that has any. */
export const youngestParents = async (
  reader: Pick<Transaction, 'all'>,
  ids: readonly number[],
): Promise<ReadonlyMap<number, number>> => {
  if (ids.length === 0) return new Map()
  const rows = await reader.all<{ id: number; parent: number }>(
    `SELECT job_id AS id, MAX(parent_id) AS parent FROM telesto_parents WHERE job_id IN (${ids.join(', ')}) GROUP BY job_id`,
  )
  return new Map(rows.map(({ id, parent }) => [id, parent]))
}
