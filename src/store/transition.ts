import { LOST_WATCH_MS } from '../decide.js'
import { isSettled, type StatusClass, type StatusCode, statusText } from '../status.js'
import type { Transaction, Value } from './database.js'
import { insertEvents, type NewEvent } from './events.js'
import type { JobRow } from './jobs.js'

/** Columns of a job that change together. A column that is absent stays. */
export interface JobChange {
  readonly status?: StatusCode
  readonly customStatus?: string | null
  /** Of `customStatus`, where that is the status. Absent with a new status: none. */
  readonly statusClass?: StatusClass | null
  readonly statusMessage?: string | null
  readonly progress?: number | null
  readonly nativeState?: string | null
  readonly cause?: string | null
  readonly reason?: string | null
  readonly exitCode?: number | null
  readonly startTime?: number | null
  readonly executeTime?: number | null
  readonly completionTime?: number | null
  readonly extendedProperties?: string
}

/** Columns of the current attempt that change with it. */
export interface AttemptChange {
  readonly nativeId?: string
  readonly live?: 0 | 1
  readonly ended?: 1
  readonly mentioned?: 1
  readonly gapCount?: number
  readonly gapSince?: number | null
  readonly watchDueAt?: number | null
  readonly watchUntil?: number | null
  readonly orderName?: OrderName | null
  readonly orderDueAt?: number
  readonly orderTries?: number
  readonly orderError?: string | null
  readonly handedOverAt?: number | null
  readonly waitsFor?: null
  readonly collectDueAt?: number | null
  readonly collectTries?: number
  readonly collectError?: string | null
  readonly collectOwner?: string | null
  readonly collectUntil?: number
  /** JSON. */
  readonly result?: string | null
}
export type OrderName = 'submit' | 'cancel' | 'hold' | 'release' | 'clean_up'

/** The part of a row that a compare-and-set compares, and that an event tells about. */
export type JobVersion = Pick<
  JobRow,
  | 'id'
  | 'app'
  | 'attemptId'
  | 'attemptNumber'
  | 'statusCode'
  | 'customStatus'
  | 'statusClass'
  | 'statusVersion'
  | 'deletedAt'
>

export interface Change {
  /** The newest attempt of the job becomes its current one. */
  readonly newAttempt?: true
  readonly job?: JobChange
  readonly attempt?: AttemptChange
  /** What each of many jobs has for itself beside `job`, by id: the same columns for all of them, and no status. */
  readonly own?: ReadonlyMap<number, Omit<JobChange, 'status' | 'statusClass'>>
  /** Raise the version although the status stays: an order was given. */
  readonly order?: true
  /** Who asked, for the history. */
  readonly by?: string
  readonly events?: readonly NewEvent[]
}

/**
 * Changes one job and its current attempt if they are still at the attempt and version of `job`; false, and nothing has
 * changed, if not. All that follows from a status by itself is done here: an attempt whose job has settled takes no more
 * orders and is no longer polled, results are to be collected, the history is written.
 */
export const change = async (tx: Transaction, job: JobVersion, now: number, wanted: Change): Promise<boolean> =>
  (await changeAll(tx, [job], now, wanted, () => wanted.events ?? [])).length === 1

/** The same for many, which change alike, in a constant number of statements: up to about 1,000. Answers those that changed. */
export const changeAll = async <J extends JobVersion>(
  tx: Transaction,
  jobs: readonly J[],
  now: number,
  wanted: Omit<Change, 'events'>,
  eventsOf: (job: J) => readonly NewEvent[],
): Promise<readonly J[]> => {
  if (jobs.length === 0) return []
  const changed = await compareAndSet(tx, jobs, now, wanted)
  if (changed.length === 0) return []
  if (!wanted.newAttempt) await followOn(tx, changed, now, wanted)
  const events = changed.flatMap((job) => [...statusEvent(job, wanted), ...eventsOf(job)])
  await insertEvents(tx, now, events)
  return changed
}

const compareAndSet = async <J extends JobVersion>(
  tx: Transaction,
  jobs: readonly J[],
  now: number,
  wanted: Omit<Change, 'events'>,
): Promise<readonly J[]> => {
  const { status, statusClass = null, ...columns } = wanted.job ?? {}
  const sets = new Assignments().add(columns)
  if (status !== undefined) {
    sets.add({ statusCode: status, statusClass, statusChangedAt: now })
    // A text that was the status goes with it; a label beside a scheduler's status stays.
    if (columns.customStatus === undefined)
      sets.literal(`custom_status = CASE status_code WHEN 'OTH' THEN NULL ELSE custom_status END`)
  }
  if (wanted.job) sets.add({ lastStatusUpdate: now })
  if (wanted.newAttempt) {
    sets.literal('attempt_id = (SELECT MAX(a.id) FROM telesto_attempts a WHERE a.job_id = telesto_jobs.id)')
    sets.literal('part_states = NULL')
  }
  const raises = status !== undefined || wanted.order === true
  sets.literal(`status_version = status_version${raises ? ' + 1' : ''}`)
  const [only, another] = jobs
  if (only && !another) {
    sets.add(wanted.own?.get(only.id) ?? {})
    const [id, version, attempt] = [1, 2, 3].map((place) => `$${sets.params.length + place}`)
    const changed = await tx.run(
      `UPDATE telesto_jobs SET ${sets.sql} WHERE id = ${id} AND status_version = ${version} AND COALESCE(attempt_id, 0) = ${attempt}`,
      [...sets.params, only.id, only.statusVersion, only.attemptId ?? 0],
    )
    return changed === 1 ? jobs : []
  }
  const own = sets.own(jobs.map(({ id }) => wanted.own?.get(id) ?? {}))
  const rows = jobs.map((job, index) =>
    [job.id, job.statusVersion, job.attemptId ?? 0, ...(own[index] ?? [])].join(', '),
  )
  const changed = await tx.all<{ id: number }>(
    `UPDATE telesto_jobs SET ${sets.sql} FROM (VALUES (${rows.join('), (')})) AS v
     WHERE id = v.column1 AND status_version = v.column2 AND COALESCE(attempt_id, 0) = v.column3 RETURNING id`,
    sets.params,
  )
  const ids = new Set(changed.map(({ id }) => id))
  return jobs.filter(({ id }) => ids.has(id))
}

/** What a change of jobs means for their current attempts. */
const followOn = async (
  tx: Transaction,
  jobs: readonly JobVersion[],
  now: number,
  { job: change, attempt }: Omit<Change, 'events'>,
): Promise<void> => {
  const status = change?.status
  const changed = status === undefined ? undefined : { statusCode: status, statusClass: change?.statusClass ?? null }
  const alike = new Map<string, { readonly sets: Assignments; readonly ids: number[] }>()
  for (const job of jobs) {
    const id = job.attemptId
    if (id === null) continue
    const wanted = { ...(changed ? consequences(job, changed, change?.cause, now) : {}), ...attempt }
    const end = change && isSettled(changed ?? job) ? KEEP_END : changed && isSettled(job) ? FORGET_END : undefined
    const key = JSON.stringify([wanted, end])
    const sets = new Assignments().add(wanted)
    const group = alike.get(key) ?? { sets: end === undefined ? sets : sets.literal(end), ids: [] }
    alike.set(key, group)
    group.ids.push(id)
  }
  for (const { sets, ids } of alike.values()) await updateAttempts(tx, ids, sets)
}

/** Changes columns of one attempt, whatever its job. */
export const changeAttempt = async (tx: Transaction, id: number, wanted: AttemptChange): Promise<void> => {
  await updateAttempts(tx, [id], new Assignments().add(wanted))
}

const updateAttempts = async (tx: Transaction, ids: readonly number[], sets: Assignments): Promise<void> => {
  if (sets.empty) return
  const [only, another] = ids
  // The text for one is always the same, and so prepared once.
  if (only !== undefined && another === undefined) {
    await tx.run(`UPDATE telesto_attempts SET ${sets.sql} WHERE id = $${sets.params.length + 1}`, [
      ...sets.params,
      only,
    ])
  } else await tx.run(`UPDATE telesto_attempts SET ${sets.sql} WHERE id IN (${ids.join(', ')})`, sets.params)
}

const consequences = (
  job: JobVersion,
  after: Pick<JobVersion, 'statusCode' | 'statusClass'>,
  cause: string | null | undefined,
  now: number,
): AttemptChange => {
  const status = after.statusCode
  const over = isSettled(after) || status === 'RES'
  // Only a job that was given up as lost comes back from Error within its attempt.
  if (!over) return job.statusCode === 'ERR' ? { live: 1, watchDueAt: null, watchUntil: null } : {}
  const noOrder = { live: 0, orderName: null, orderError: null, orderTries: 0, waitsFor: null } as const
  if (job.deletedAt !== null) return { ...noOrder, orderName: 'clean_up', orderDueAt: now, collectDueAt: null }
  if (status === 'RES' || status === 'VCP')
    return { ...noOrder, collectDueAt: now, collectTries: 0, collectError: null }
  const watch =
    status === 'ERR' && cause === 'lost' ? { watchDueAt: now, watchUntil: now + LOST_WATCH_MS } : { watchDueAt: null }
  return { ...noOrder, ...watch, collectDueAt: null, collectError: null }
}

/** They were given up as lost and are alive after all, or their results are collected again. */
const FORGET_END = 'status_code = NULL, custom_status = NULL, cause = NULL, reason = NULL, completion_time = NULL'

/** An attempt keeps how it ended, whatever becomes of its job. */
const KEEP_END = [
  'status_code',
  'custom_status',
  'cause',
  'reason',
  'exit_code',
  'execute_time',
  'start_time',
  'completion_time',
]
  .map((column) => `${column} = (SELECT j.${column} FROM telesto_jobs j WHERE j.id = telesto_attempts.job_id)`)
  .join(', ')

const statusEvent = (job: JobVersion, wanted: Change): NewEvent[] => {
  const to = wanted.job?.status
  if (to === undefined) return []
  const { cause, exitCode, reason, statusClass, customStatus = null } = { ...wanted.job, ...wanted.own?.get(job.id) }
  return [
    {
      kind: 'status',
      app: job.app,
      jobId: job.id,
      // A status that comes with a new attempt is that one's first.
      attempt: wanted.newAttempt ? (job.attemptNumber ?? 0) + 1 : job.attemptNumber,
      data: {
        from: statusText(job),
        to: statusText({ statusCode: to, customStatus }),
        ...(statusClass ? { class: statusClass } : {}),
        ...(reason ? { reason } : {}),
        ...(cause ? { cause } : {}),
        ...(exitCode === undefined || exitCode === null ? {} : { exitCode }),
        ...(wanted.by === undefined ? {} : { by: wanted.by }),
      },
    },
  ]
}

const columnOf = (name: string): string => name.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

/** SET clauses from an object of camelCase columns. Only names from the interfaces above reach it. */
class Assignments {
  readonly params: Value[] = []
  readonly #sets: string[] = []

  add(columns: object): this {
    for (const [name, value] of Object.entries(columns)) {
      if (value === undefined) continue
      this.#sets.push(`${columnOf(name)} = $${this.params.push(value as Value)}`)
    }
    return this
  }
  /**
   * Columns of which each of many rows has a value of its own, from the fourth column of `v` on. Answers these values as SQL, row
   * by row. What is the same for all is said once: NULL alone would have no type.
   */
  own(rows: readonly object[]): readonly (readonly string[])[] {
    const columns = rows.map((row) => new Map(Object.entries(row).filter(([, value]) => value !== undefined)))
    const names = [...(columns[0]?.keys() ?? [])]
    const differ = names.filter((name) => new Set(columns.map((row) => row.get(name))).size > 1)
    for (const name of names) {
      if (!differ.includes(name)) this.add({ [name]: columns[0]?.get(name) })
      else this.literal(`${columnOf(name)} = v.column${4 + differ.indexOf(name)}`)
    }
    return columns.map((row) => differ.map((name) => this.#literalOf(row.get(name) as Value)))
  }
  #literalOf(value: Value): string {
    if (value === null) return 'NULL'
    return typeof value === 'number' ? String(value) : `$${this.params.push(value)}`
  }
  literal(set: string): this {
    this.#sets.push(set)
    return this
  }
  get empty(): boolean {
    return this.#sets.length === 0
  }
  get sql(): string {
    return this.#sets.join(', ')
  }
}
