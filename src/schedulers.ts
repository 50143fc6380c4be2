import { z } from 'zod'
import type { Adapter } from './adapter.js'
import { appOf, type Core } from './core.js'
import { TelestoError } from './errors.js'
import { check, toJson } from './options.js'
import { insertRecordAudit } from './store/audit.js'
import { nowIn, type Transaction } from './store/database.js'
import {
  readScheduler,
  readSchedulerByName,
  readSchedulerOfMachine,
  readSchedulers,
  type SchedulerRow,
} from './store/schedulers.js'

/** What an administrator may set on a scheduler record beside its configuration. null: no limit. */
export interface SchedulerLimits {
  readonly enabled?: boolean
  readonly pollSeconds?: number
  readonly maxIdsPerPoll?: number
  readonly maxPollsPerMinute?: number | null
  readonly maxSubmitsPerMinute?: number
  readonly maxActiveJobs?: number | null
  readonly maxActiveJobsPerUser?: number | null
}
export interface NewScheduler extends SchedulerLimits {
  readonly name: string
  /** The type of its adapter: "local". */
  readonly adapter: string
  readonly config?: Readonly<Record<string, unknown>>
}

/** A scheduler record, as its administrator configured it and as the engine last found it. */
export interface SchedulerRecord extends Required<SchedulerLimits> {
  readonly id: number
  readonly name: string
  readonly adapter: string
  readonly config: unknown
  /** ok; degraded: could not be asked, asked ever more rarely; blocked: it refused the credentials. */
  readonly health: 'ok' | 'degraded' | 'blocked'
  readonly healthMessage: string | null
  readonly healthSince: Date | null
  /** When it last answered a question about its jobs. */
  readonly lastAnsweredAt: Date | null
}

const positive = z.int().positive('must be a whole number of 1 or more')
const limits = {
  enabled: z.boolean(),
  pollSeconds: z.number().positive('must be more than 0').max(3600),
  maxIdsPerPoll: positive,
  maxPollsPerMinute: positive.nullable(),
  maxSubmitsPerMinute: positive,
  maxActiveJobs: positive.nullable(),
  maxActiveJobsPerUser: positive.nullable(),
}
const changes = z.strictObject(limits).partial()
/** The limits that are given: undefined is none. */
const limitsOf = (wanted: unknown): SchedulerLimits =>
  Object.fromEntries(Object.entries(check(changes, wanted)).filter(([, value]) => value !== undefined))
const name = z
  .string()
  .min(1)
  .max(255)
  .regex(/^\P{Cc}+$/u, 'must have no control characters')

const record = (row: SchedulerRow): SchedulerRecord => ({
  id: row.id,
  name: row.name,
  adapter: row.adapter,
  config: JSON.parse(row.config),
  enabled: row.enabled === 1,
  pollSeconds: row.pollSeconds,
  maxIdsPerPoll: row.maxIdsPerPoll,
  maxPollsPerMinute: row.maxPollsPerMinute,
  maxSubmitsPerMinute: row.maxSubmitsPerMinute,
  maxActiveJobs: row.maxActiveJobs,
  maxActiveJobsPerUser: row.maxActiveJobsPerUser,
  health: row.health,
  healthMessage: row.healthMessage,
  healthSince: row.healthSince === null ? null : new Date(row.healthSince),
  lastAnsweredAt: row.lastAnsweredAt === null ? null : new Date(row.lastAnsweredAt),
})

export const listSchedulers = async (core: Core): Promise<SchedulerRecord[]> =>
  (await readSchedulers(core.database)).map(record)

/** null where there is none of this name. */
export const getScheduler = async (core: Core, schedulerName: string): Promise<SchedulerRecord | null> => {
  const row = await readSchedulerByName(core.database, schedulerName)
  return row ? record(row) : null
}

const adapterOf = (core: Core, type: string): Adapter => {
  const adapter = core.registry.adapters.get(type)
  if (adapter) return adapter
  throw new TelestoError(
    'invalid',
    `There is no adapter ${JSON.stringify(type)}. Passed to createTelesto: ${[...core.registry.adapters.keys()].join(', ')}.`,
    { field: 'adapter' },
  )
}

/** Stores a record. Throws TelestoError that names the field; `scheduler_name_taken`; `secrets_without_key`. */
export const createScheduler = async (core: Core, wanted: NewScheduler): Promise<SchedulerRecord> => {
  const { name: given, adapter: type, config = {}, ...rest } = wanted
  const checkedName = check(name, given, 'name')
  const adapter = adapterOf(core, type)
  const checkedConfig = check(adapter.config, config, 'config')
  const secret = adapter.secrets.find((field) => (config as Record<string, unknown>)[field] !== undefined)
  if (secret !== undefined) {
    throw new TelestoError(
      'secrets_without_key',
      `${secret} is a secret, and this Telesto has no key to encrypt it with; it was not stored.`,
      {
        field: `config.${secret}`,
      },
    )
  }
  const settings = { ...adapter.defaults, ...limitsOf(rest) }
  const id = await core.database.write(async (tx) => {
    if (await readSchedulerByName(tx, checkedName)) {
      throw new TelestoError('scheduler_name_taken', `There is a scheduler ${JSON.stringify(checkedName)} already.`, {
        field: 'name',
      })
    }
    const made = await insert(core, tx, checkedName, adapter, toJson(checkedConfig, 'config'), settings)
    await audit(core, tx, 'createScheduler', { schedulerId: made, data: { name: checkedName, adapter: type } })
    return made
  })
  core.committed()
  return record((await readScheduler(core.database, id)) as SchedulerRow)
}

const audit = async (
  core: Core,
  tx: Transaction,
  action: string,
  about: Parameters<typeof insertRecordAudit>[3],
): Promise<void> => await insertRecordAudit(tx, await nowIn(core.database, tx), action, about)

type Settings = { readonly [K in keyof SchedulerLimits]: SchedulerLimits[K] | undefined }

const insert = async (
  core: Core,
  tx: Transaction,
  schedulerName: string,
  adapter: Adapter,
  config: string,
  settings: Settings,
): Promise<number> => {
  const [row] = await tx.all<{ id: number }>(
    `INSERT INTO telesto_schedulers (name, adapter, config, machine, enabled, poll_seconds, max_ids_per_poll, max_polls_per_minute,
       max_submits_per_minute, max_active_jobs, max_active_jobs_per_user, creation_time)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, ${core.database.now()}) RETURNING id`,
    [
      schedulerName,
      adapter.type,
      config,
      adapter.thisMachine ? core.machine : null,
      settings.enabled === false ? 0 : 1,
      settings.pollSeconds ?? adapter.defaults.pollSeconds,
      settings.maxIdsPerPoll ?? adapter.defaults.maxIdsPerPoll,
      settings.maxPollsPerMinute ?? null,
      settings.maxSubmitsPerMinute ?? adapter.defaults.maxSubmitsPerMinute,
      settings.maxActiveJobs ?? null,
      settings.maxActiveJobsPerUser ?? null,
    ],
  )
  return (row as { id: number }).id
}

/** Changes limits of a record. Throws `scheduler_not_found`, `unknown_field` or `invalid`. */
export const updateScheduler = async (
  core: Core,
  schedulerName: string,
  wanted: SchedulerLimits,
): Promise<SchedulerRecord> => {
  const columns = Object.entries(limitsOf(wanted)).map(([field, value]) => [
    field.replace(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`),
    typeof value === 'boolean' ? Number(value) : (value as number | null),
  ])
  const row = await core.database.write(async (tx) => {
    const found = await readSchedulerByName(tx, schedulerName)
    if (!found)
      throw new TelestoError('scheduler_not_found', `There is no scheduler ${JSON.stringify(schedulerName)}.`, {
        field: 'name',
      })
    if (columns.length > 0) {
      const sets = columns.map(([column], index) => `${column} = $${index + 2}`).join(', ')
      await tx.run(`UPDATE telesto_schedulers SET ${sets} WHERE id = $1`, [
        found.id,
        ...columns.map(([, value]) => value as number | null),
      ])
      const data = { name: schedulerName, ...limitsOf(wanted) }
      await audit(core, tx, 'updateScheduler', { schedulerId: found.id, data })
    }
    return (await readScheduler(tx, found.id)) as SchedulerRow
  })
  core.committed()
  return record(row)
}

/** Assigns a record to a setting of an app; null takes it away. Throws `setting_not_declared`, `setting_wrong_adapter`, `scheduler_not_found`. */
export const assignScheduler = async (
  core: Core,
  app: string,
  setting: string,
  schedulerName: string | null,
): Promise<void> => {
  const declared = Object.entries(appOf(core, app).schedulerSettings).find(([one]) => one === setting)?.[1]
  if (!declared) {
    throw new TelestoError(
      'setting_not_declared',
      `The app ${app} declares no scheduler setting ${JSON.stringify(setting)}.`,
      { field: 'setting' },
    )
  }
  await core.database.write(async (tx) => {
    const row = schedulerName === null ? undefined : await readSchedulerByName(tx, schedulerName)
    if (schedulerName !== null && !row) {
      throw new TelestoError('scheduler_not_found', `There is no scheduler ${JSON.stringify(schedulerName)}.`, {
        field: 'scheduler',
      })
    }
    if (row && row.adapter !== declared.adapter) {
      throw new TelestoError(
        'setting_wrong_adapter',
        `The setting ${setting} of ${app} needs a scheduler of the adapter ${declared.adapter}; ${row.name} has ${row.adapter}.`,
        { field: 'scheduler' },
      )
    }
    await tx.run(
      `INSERT INTO telesto_scheduler_settings (app, name, adapter, description, required, scheduler_id) VALUES ($1, $2, $3, $4, $5, $6)
       ON CONFLICT (app, name) DO UPDATE SET adapter = excluded.adapter, description = excluded.description,
         required = excluded.required, scheduler_id = excluded.scheduler_id`,
      [app, setting, declared.adapter, declared.description ?? '', declared.required === true ? 1 : 0, row?.id ?? null],
    )
    const about = { app, data: { setting, scheduler: schedulerName }, ...(row ? { schedulerId: row.id } : {}) }
    await audit(core, tx, 'assignScheduler', about)
  })
  core.committed()
}

/** Makes the record of each adapter that runs jobs on this very machine, where there is none. */
export const ensureRecordsOfThisMachine = async (core: Core): Promise<void> => {
  for (const adapter of core.registry.adapters.values()) {
    if (!adapter.thisMachine) continue
    const { record: wanted } = adapter.thisMachine
    if (await readSchedulerOfMachine(core.database, adapter.type, core.machine)) continue
    await core.database.write(async (tx) => {
      if (await readSchedulerOfMachine(tx, adapter.type, core.machine)) return
      const taken = await readSchedulerByName(tx, wanted)
      const unique = taken ? `${wanted} (${core.machine})` : wanted
      await insert(core, tx, unique, adapter, toJson(adapter.config.parse({}), 'config'), adapter.defaults)
    })
  }
}
