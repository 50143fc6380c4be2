import type { Transaction } from './database.js'
import { insertRows } from './insert.js'

/** What happened, as stored and as sent to viewers. */
export type EventKind =
  | 'created'
  | 'edited'
  | 'status' // data: from, to, class, reason, cause, exitCode
  | 'label' // a custom text beside the status
  | 'order' // data: order, by: what a person asked
  | 'requeued'
  | 'parts'
  | 'progress' // of the job, or of the parents that it waits for; forgotten after an hour: it is news, not history
  | 'deleted' // likewise
  | 'note' // data: reason: something that a person should know (a stray, an uncertain submission)
  | 'health' // of a scheduler record

export interface NewEvent {
  readonly kind: EventKind
  readonly app?: string
  readonly jobId?: number
  readonly attempt?: number | null
  readonly schedulerId?: number
  readonly data?: object
}

/** A stored event. `at` is in milliseconds since 1970 by the database's clock. */
export interface EventRow {
  readonly id: number
  readonly kind: EventKind
  readonly at: number
  readonly app: string | null
  readonly jobId: number | null
  readonly attempt: number | null
  readonly schedulerId: number | null
  readonly data: string
}

export const insertEvents = async (tx: Transaction, now: number, events: readonly NewEvent[]): Promise<void> => {
  await insertRows(
    tx,
    'telesto_events',
    ['kind', 'at', 'app', 'job_id', 'attempt', 'scheduler_id', 'data'],
    events.map((event) => [
      event.kind,
      now,
      event.app ?? null,
      event.jobId ?? null,
      event.attempt ?? null,
      event.schedulerId ?? null,
      JSON.stringify(event.data ?? {}),
    ]),
  )
}

type Reader = Pick<Transaction, 'all'>
const SELECT = `SELECT id, kind, at, app, job_id AS "jobId", attempt, scheduler_id AS "schedulerId", data FROM telesto_events`

/** Events after `id`, oldest first. */
export const eventsAfter = async (reader: Reader, id: number, limit: number): Promise<EventRow[]> =>
  await reader.all<EventRow>(`${SELECT} WHERE id > $1 ORDER BY id LIMIT ${Math.trunc(limit)}`, [id])

/** Ids up to `id` of events younger than `since`: ids of parallel transactions may commit out of order. */
export const recentEventIds = async (reader: Reader, id: number, since: number): Promise<number[]> =>
  (await reader.all<{ id: number }>('SELECT id FROM telesto_events WHERE at > $1 AND id <= $2', [since, id])).map(
    (row) => row.id,
  )

export const eventsById = async (reader: Reader, ids: readonly number[]): Promise<EventRow[]> =>
  ids.length === 0 ? [] : await reader.all<EventRow>(`${SELECT} WHERE id IN (${ids.join(', ')}) ORDER BY id`)

/** The newest id, 0 when there is none. */
export const lastEventId = async (reader: Reader): Promise<number> =>
  Number((await reader.all<{ id: number | null }>('SELECT MAX(id) AS id FROM telesto_events'))[0]?.id ?? 0)

/** Events that are news and not history, as a condition. */
export const NEWS = `kind IN ('progress', 'deleted')`

/** Forgets news older than `before`. */
export const forgetNews = async (tx: Transaction, before: number): Promise<void> => {
  await tx.run(`DELETE FROM telesto_events WHERE at < $1 AND ${NEWS}`, [before])
}
