import type { Viewer } from './access.js'
import { TelestoError } from './errors.js'
import type { Transaction } from './store/database.js'
import type { NewEvent } from './store/events.js'
import type { JobRow } from './store/jobs.js'
import { type Change, changeAll } from './store/transition.js'

/** Who asked; nobody for trusted code. */
export interface Asked {
  readonly by?: string
}
export const askedBy = (viewer: Viewer): Asked => (viewer ? { by: viewer.user.id } : {})

/** Applies a change that nothing else can have overtaken: the caller read the rows in the same transaction. */
export const apply = async (
  tx: Transaction,
  rows: readonly JobRow[],
  now: number,
  wanted: Omit<Change, 'events'>,
  eventsOf: (row: JobRow) => readonly NewEvent[],
): Promise<void> => {
  const changed = await changeAll(tx, new Map(rows.map((row) => [row, { ...wanted, events: eventsOf(row) }])), now)
  const overtaken = rows.find((row) => !changed.has(row))
  if (!overtaken) return
  const message = `Job ${overtaken.id} changed at the same moment. Read it again and retry.`
  throw new TelestoError('action_not_allowed', message, { field: 'action' })
}

/** An order stands in the history of its job, with who gave it. */
export const orderEvent =
  (order: string, asked: Asked) =>
  (row: JobRow): readonly NewEvent[] => [
    {
      kind: 'order',
      app: row.app,
      jobId: row.id,
      attempt: row.attemptNumber,
      data: { order, ...asked },
    },
  ]
