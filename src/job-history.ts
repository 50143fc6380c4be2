import { z } from 'zod'
import type { StatusClass } from './status.js'
import type { EventKind } from './store/events.js'
import type { HistoryRow } from './store/history.js'

/** One thing that happened to a job. What is absent is not known, or does not apply. */
export interface HistoryEntry {
  /** Rises with time; `history({ after: id })` gives what came after it. */
  readonly id: number
  readonly at: Date
  /** What it is: a status, an order that somebody gave, a label, an edit, a note of the engine's… */
  readonly kind: EventKind
  /** The attempt that it is about. */
  readonly attempt?: number
  /** The user who asked for it. Absent: the scheduler, the engine, the job itself, or code of the host. */
  readonly by?: string
  /** What was asked for: "create", "edit", "execute", "stop", "pause", "resume", "resubmit", "collect", "delete", "updateStatus". */
  readonly action?: string
  /** Where from: told to administrators and trusted code alone. */
  readonly address?: string
  /** The statuses before and after, as display names. */
  readonly from?: string
  readonly to?: string
  /** The class of `to`, where that is a text of the app's own that has one. */
  readonly class?: StatusClass
  readonly reason?: string
  readonly cause?: string
  readonly exitCode?: number
  readonly label?: string
  /** The names of the fields that were changed. */
  readonly fields?: readonly string[]
}

export interface HistoryPage {
  /** Only what came after the entry with this id. */
  readonly after?: number
  /** At most so many entries, 1 to 1000. @defaultValue 200 */
  readonly limit?: number
  /** The last entries instead of the first. @defaultValue false */
  readonly last?: boolean
}

export const MAX_ENTRIES = 1000
export const historyPage = z.strictObject({
  after: z.int().nonnegative().default(0),
  limit: z.int().min(1).max(MAX_ENTRIES, `must be 1 to ${MAX_ENTRIES}`).default(200),
  last: z.boolean().default(false),
})

const ACTION_OF_ORDER: Readonly<Record<string, string>> = {
  submit: 'execute',
  cancel: 'stop',
  hold: 'pause',
  release: 'resume',
  collect: 'collect',
}

interface EventData extends Omit<HistoryEntry, 'id' | 'at' | 'kind' | 'attempt' | 'action' | 'address'> {
  readonly order?: string
}

/** An event and who did it, as one entry. Pure. */
export const historyEntry = (row: HistoryRow, seesAddresses: boolean): HistoryEntry => {
  const { order, by = row.userId, ...told } = JSON.parse(row.data) as EventData
  const ordered = order === 'submit' && (row.attempt ?? 1) > 1 ? 'resubmit' : ACTION_OF_ORDER[order ?? '']
  const action = row.action ?? ordered
  return {
    id: row.id,
    at: new Date(row.at),
    kind: row.kind,
    ...(row.attempt === null ? {} : { attempt: row.attempt }),
    ...(action === undefined ? {} : { action }),
    ...(by === null ? {} : { by }),
    ...told,
    ...(seesAddresses && row.address !== null ? { address: row.address } : {}),
  }
}
