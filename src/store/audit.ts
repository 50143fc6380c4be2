import type { Transaction } from './database.js'

/** Who did something: a person, and from where, where that is known. */
export interface Doer {
  readonly user: { readonly id: string }
  readonly address?: string
}

/** Jobs of one statement. */
const CHUNK = 500

/**
 * The audit trail of jobs: who asked for what, from where. To be written after the events of the same act, in its transaction:
 * each entry names the last of them, which tells the rest, so that the history tells an act once.
 */
export const insertAudit = async (
  tx: Transaction,
  now: number,
  doer: Doer,
  action: string,
  jobs: readonly { readonly id: number }[],
): Promise<void> => {
  for (let start = 0; start < jobs.length; start += CHUNK) {
    const ids = jobs.slice(start, start + CHUNK).map(({ id }) => Math.trunc(id))
    await tx.run(
      `INSERT INTO telesto_audit (at, user_id, action, app, job_id, address, event_id)
       SELECT CAST($1 AS BIGINT), CAST($2 AS TEXT), CAST($3 AS TEXT), j.app, j.id, CAST($4 AS TEXT),
         (SELECT MAX(e.id) FROM telesto_events e WHERE e.job_id = j.id AND e.kind <> 'progress')
       FROM telesto_jobs j WHERE j.id IN (${ids.join(', ')}) ORDER BY j.id`,
      [now, doer.user.id, action, doer.address ?? null],
    )
  }
}

/** The audit trail of scheduler records and settings. `data` holds no secret. Without a doer it was code of the host. */
export const insertRecordAudit = async (
  tx: Transaction,
  now: number,
  doer: Doer | undefined,
  action: string,
  about: { readonly schedulerId?: number; readonly app?: string; readonly data: object },
): Promise<void> => {
  await tx.run(
    'INSERT INTO telesto_audit (at, user_id, address, action, app, scheduler_id, data) VALUES ($1, $2, $3, $4, $5, $6, $7)',
    [
      now,
      doer?.user.id ?? null,
      doer?.address ?? null,
      action,
      about.app ?? null,
      about.schedulerId ?? null,
      JSON.stringify(about.data),
    ],
  )
}
