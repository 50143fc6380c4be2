import { asFields } from './columns.js'
import type { Transaction } from './database.js'

/** A row of telesto_schedulers. Times are milliseconds since 1970. */
export interface SchedulerRow {
  readonly id: number
  readonly name: string
  readonly adapter: string
  readonly config: string
  /** Its encrypted fields, as JSON. */
  readonly secrets: string
  readonly machine: string | null
  readonly enabled: number
  readonly pollSeconds: number
  readonly maxIdsPerPoll: number
  readonly maxPollsPerMinute: number | null
  readonly maxSubmitsPerMinute: number
  readonly maxActiveJobs: number | null
  readonly maxActiveJobsPerUser: number | null
  readonly health: 'ok' | 'degraded' | 'blocked'
  readonly healthMessage: string | null
  readonly healthSince: number | null
  /** Failures in a row of each loop. */
  readonly pollFailures: number
  readonly ordersFailures: number
  readonly nextPollAt: number
  readonly lastAskedAt: number | null
  readonly lastAnsweredAt: number | null
  readonly quietPolls: number
  readonly submitWindowStart: number
  readonly submitWindowCount: number
  readonly creationTime: number
}

const COLUMNS = [
  'id',
  'name',
  'adapter',
  'config',
  'secrets',
  'machine',
  'enabled',
  'poll_seconds',
  'max_ids_per_poll',
  'max_polls_per_minute',
  'max_submits_per_minute',
  'max_active_jobs',
  'max_active_jobs_per_user',
  'health',
  'health_message',
  'health_since',
  'poll_failures',
  'orders_failures',
  'next_poll_at',
  'last_asked_at',
  'last_answered_at',
  'quiet_polls',
  'submit_window_start',
  'submit_window_count',
  'creation_time',
]
const SELECT = `SELECT ${asFields(COLUMNS)} FROM telesto_schedulers`

type Reader = Pick<Transaction, 'all'>

export const readSchedulers = async (reader: Reader): Promise<SchedulerRow[]> =>
  await reader.all<SchedulerRow>(`${SELECT} ORDER BY name`)
export const readScheduler = async (reader: Reader, id: number): Promise<SchedulerRow | undefined> =>
  (await reader.all<SchedulerRow>(`${SELECT} WHERE id = $1`, [id]))[0]
export const readSchedulerByName = async (reader: Reader, name: string): Promise<SchedulerRow | undefined> =>
  (await reader.all<SchedulerRow>(`${SELECT} WHERE name = $1`, [name]))[0]
/** The record that runs jobs of `adapter` on `machine` itself: the oldest, where there are several. */
export const readSchedulerOfMachine = async (
  reader: Reader,
  adapter: string,
  machine: string,
): Promise<SchedulerRow | undefined> =>
  (
    await reader.all<SchedulerRow>(`${SELECT} WHERE adapter = $1 AND machine = $2 ORDER BY id LIMIT 1`, [
      adapter,
      machine,
    ])
  )[0]

export interface SettingRow {
  readonly app: string
  readonly name: string
  readonly adapter: string
  readonly description: string
  readonly required: number
  readonly schedulerId: number | null
}
/** With the name of the record that is assigned, if any. */
interface NamedSettingRow extends SettingRow {
  readonly scheduler: string | null
}
const SELECT_SETTING = `SELECT t.app AS app, t.name AS name, t.adapter AS adapter, t.description AS description, t.required AS required,
  t.scheduler_id AS "schedulerId", s.name AS scheduler
  FROM telesto_scheduler_settings t LEFT JOIN telesto_schedulers s ON s.id = t.scheduler_id`

export const readSetting = async (reader: Reader, app: string, name: string): Promise<SettingRow | undefined> =>
  (await reader.all<SettingRow>(`${SELECT_SETTING} WHERE t.app = $1 AND t.name = $2`, [app, name]))[0]
/** The settings of one app, or of all, by app and name. */
export const readSettings = async (reader: Reader, app?: string): Promise<NamedSettingRow[]> =>
  await reader.all<NamedSettingRow>(
    `${SELECT_SETTING}${app === undefined ? '' : ' WHERE t.app = $1'} ORDER BY t.app, t.name`,
    app === undefined ? [] : [app],
  )
