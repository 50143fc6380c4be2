import type { OnParentFailure } from '../job-options.js'
import type { StatusClass, StatusCode } from '../status.js'
import { asFields } from './columns.js'
import type { Transaction } from './database.js'

/** A row of telesto_jobs with what is shown of its current attempt. Times are milliseconds since 1970. */
export interface JobRow {
  readonly id: number
  readonly app: string
  readonly name: string
  readonly description: string
  readonly userId: string
  readonly jobType: string
  readonly spec: string
  readonly needsScheduler: number
  readonly task: string | null
  readonly schedulerSetting: string | null
  readonly schedulerId: number | null
  readonly workspace: string
  readonly processResults: string | null
  readonly onParentFailure: OnParentFailure
  readonly extendedProperties: string
  readonly statusCode: StatusCode
  readonly customStatus: string | null
  readonly statusClass: StatusClass | null
  readonly statusVersion: number
  readonly statusChangedAt: number
  readonly statusMessage: string | null
  /** How many parts of the attempt are in each state, as JSON; null where it has none. */
  readonly partStates: string | null
  readonly progress: number | null
  readonly nativeState: string | null
  readonly cause: string | null
  readonly reason: string | null
  readonly exitCode: number | null
  readonly attemptId: number | null
  readonly creationTime: number
  readonly executeTime: number | null
  readonly startTime: number | null
  readonly completionTime: number | null
  readonly lastStatusUpdate: number | null
  readonly deletedAt: number | null
  /** Of the current attempt; null before the first. */
  readonly attemptNumber: number | null
  readonly token: string | null
  readonly nativeId: string | null
  /** The attempt's directory on this machine. */
  readonly workdir: string | null
  /** Its directory on its scheduler's host, where that is another machine. */
  readonly targetWorkdir: string | null
  readonly attemptSchedulerId: number | null
  readonly orderName: string | null
  readonly orderError: string | null
  readonly handedOverAt: number | null
  /** A parent that keeps it from being submitted, with that one's status; null where none does. */
  readonly waitsFor: number | null
  readonly waitsForStatus: StatusCode | null
  readonly waitsForCustom: string | null
  readonly waitsForClass: StatusClass | null
  readonly collectError: string | null
}

/** A job with the rows that belong to it. */
export interface WholeJob {
  readonly row: JobRow
  readonly groups: readonly string[]
  readonly tags: Readonly<Record<string, string>>
  readonly parents: readonly number[]
}

const JOB_COLUMNS = [
  'id',
  'app',
  'name',
  'description',
  'user_id',
  'job_type',
  'spec',
  'needs_scheduler',
  'task',
  'scheduler_setting',
  'scheduler_id',
  'workspace',
  'process_results',
  'on_parent_failure',
  'extended_properties',
  'status_code',
  'custom_status',
  'status_class',
  'status_version',
  'status_changed_at',
  'status_message',
  'part_states',
  'progress',
  'native_state',
  'cause',
  'reason',
  'exit_code',
  'attempt_id',
  'creation_time',
  'execute_time',
  'start_time',
  'completion_time',
  'last_status_update',
  'deleted_at',
]
const ATTEMPT_COLUMNS = [
  'token',
  'native_id',
  'workdir',
  'target_workdir',
  'order_name',
  'order_error',
  'handed_over_at',
  'waits_for',
  'collect_error',
]

/** Every column of JobRow, of telesto_jobs j and its current attempt a. */
export const SELECT = `SELECT ${[
  asFields(JOB_COLUMNS, 'j'),
  asFields(ATTEMPT_COLUMNS, 'a'),
  'a.number AS "attemptNumber"',
  'a.scheduler_id AS "attemptSchedulerId"',
  'w.status_code AS "waitsForStatus"',
  'w.custom_status AS "waitsForCustom"',
  'w.status_class AS "waitsForClass"',
].join(', ')} FROM telesto_jobs j LEFT JOIN telesto_attempts a ON a.id = j.attempt_id
  LEFT JOIN telesto_jobs w ON w.id = a.waits_for`

/** The columns of a row of telesto_jobs itself, as INSERT answers them. */
export const OWN_COLUMNS = asFields(JOB_COLUMNS)
/** The other fields of a row of which no attempt exists. */
export const NO_ATTEMPT = {
  attemptNumber: null,
  token: null,
  nativeId: null,
  workdir: null,
  targetWorkdir: null,
  attemptSchedulerId: null,
  orderName: null,
  orderError: null,
  handedOverAt: null,
  waitsFor: null,
  waitsForStatus: null,
  waitsForCustom: null,
  waitsForClass: null,
  collectError: null,
} as const

type Reader = Pick<Transaction, 'all'>

/** One row, also of a job that is being deleted. */
export const readJobRow = async (reader: Reader, id: number): Promise<JobRow | undefined> =>
  (await reader.all<JobRow>(`${SELECT} WHERE j.id = $1`, [id]))[0]

/** One row of a job that nobody deleted, with what belongs to it. */
export const readJob = async (reader: Reader, id: number): Promise<WholeJob | undefined> => {
  const row = await readJobRow(reader, id)
  return row && row.deletedAt === null ? (await withBelongings(reader, [row]))[0] : undefined
}

/** The jobs with these ids that nobody deleted, by id, whatever their number. */
export const readJobs = async (reader: Reader, ids: readonly number[]): Promise<WholeJob[]> => {
  const jobs: WholeJob[] = []
  for (let start = 0; start < ids.length; start += 1000) {
    const { sql, params } = among(ids.slice(start, start + 1000))
    const chosen = `${SELECT} WHERE j.deleted_at IS NULL AND j.id ${sql} ORDER BY j.id`
    const rows = await reader.all<JobRow>(chosen, params)
    jobs.push(...(await withBelongings(reader, rows)))
  }
  return jobs
}

/** With their groups, tags and parents: one statement for up to 10,000. */
export const withBelongings = async (reader: Reader, rows: readonly JobRow[]): Promise<WholeJob[]> => {
  const whole = rows.map((row) => ({
    row,
    groups: [] as string[],
    tags: {} as Record<string, string>,
    parents: [] as number[],
  }))
  const byId = new Map(whole.map((job) => [job.row.id, job]))
  for (let start = 0; start < rows.length; start += MOST_IDS) {
    const ids = rows.slice(start, start + MOST_IDS).map((row) => row.id)
    for (const { id, name, value, parent } of await belongings(reader, ids)) {
      const job = byId.get(id)
      if (parent !== null) job?.parents.push(parent)
      else if (value !== null && job) job.tags[name] = value
      else job?.groups.push(name)
    }
  }
  return whole
}

interface Belonging {
  readonly id: number
  readonly name: string
  /** Of a tag. */
  readonly value: string | null
  readonly parent: number | null
}

const belongings = async (reader: Reader, ids: readonly number[]): Promise<Belonging[]> => {
  const { sql, params } = among(ids)
  return await reader.all<Belonging>(
    `SELECT job_id AS id, name AS name, CAST(NULL AS TEXT) AS value, CAST(NULL AS BIGINT) AS parent FROM telesto_groups WHERE job_id ${sql}
     UNION ALL SELECT job_id, name, value, NULL FROM telesto_tags WHERE job_id ${sql}
     UNION ALL SELECT job_id, '', NULL, parent_id FROM telesto_parents WHERE job_id ${sql}
     ORDER BY name, parent`,
    params,
  )
}

/** So many ids have places in a statement. Few sizes: each is another text, which is prepared and remembered. */
const SIZES = [1, 10, 50, 200, 1000, 10_000] as const
/** What SQLite takes where a statement names its ids three times. */
const MOST_IDS = 10_000

/** "IN ($1, …)" of one to 10,000 ids; the last one has all places that are left. */
export const among = (ids: readonly number[]): { readonly sql: string; readonly params: number[] } => {
  const size = SIZES.find((one) => one >= ids.length) ?? MOST_IDS
  const params = Array.from({ length: size }, (_, index) => ids[Math.min(index, ids.length - 1)] as number)
  return { sql: `IN (${params.map((_, index) => `$${index + 1}`).join(', ')})`, params }
}

/** What createJob stores. */
export interface NewJob {
  readonly app: string
  readonly name: string
  readonly description: string
  readonly user: string
  readonly jobType: string
  readonly spec: string
  readonly needsScheduler: boolean
  /** The name of the task of its app that it runs. */
  readonly task: string | null
  readonly schedulerSetting: string | null
  readonly schedulerId: number | null
  readonly workspace: string
  readonly processResults: string | null
  readonly extendedProperties: string
  readonly groups: readonly string[]
  readonly tags: Readonly<Record<string, string>>
  readonly parents: readonly number[]
  /** Places of jobs that are inserted together with it, and are its parents too. */
  readonly after: readonly number[]
  readonly onParentFailure: OnParentFailure
}
