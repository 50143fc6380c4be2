import { z } from 'zod'
import type { Adapter } from '../adapter.js'
import { TelestoError } from '../errors.js'
import { check } from '../options.js'
import { insertRecordAudit } from '../store/audit.js'
import type { Transaction } from '../store/database.js'
import { readScheduler, readSchedulerByName, readSchedulerOfMachine, type SchedulerRow } from '../store/schedulers.js'
import { type Abandoned, abandon } from './abandon.js'
import { refuseActive } from './activity.js'
import { type CheckedConfig, checkConfig, movedField } from './config.js'
import { checkLimits, limitColumns, type SchedulerLimits } from './limits.js'
import { type By, demandRow, type Office, type SchedulerRecord, toRecord } from './records.js'
import { seal, sealedOf } from './secrets.js'

export interface NewScheduler extends SchedulerLimits {
  readonly name: string
  /** The type of its adapter: "local". */
  readonly adapter: string
  /** Its fields, secrets among them, as the adapter's schema has them. */
  readonly config?: Readonly<Record<string, unknown>>
}

export interface SchedulerChanges extends SchedulerLimits {
  /**
   * Fields of the configuration; those that are not named stay as they are, null removes one. A secret that is '' stays as it
   * is: a form can be sent with its password left blank.
   */
  readonly config?: Readonly<Record<string, unknown>>
}

const schedulerName = z
  .string()
  .min(1)
  .max(255)
  .regex(/^\P{Cc}+$/u, 'must have no control characters')

const adapterOf = (office: Office, type: string): Adapter => {
  const adapter = office.registry.adapters.get(type)
  if (adapter) return adapter
  throw new TelestoError(
    'invalid',
    `There is no adapter ${JSON.stringify(type)}. Passed to createTelesto: ${[...office.registry.adapters.keys()].join(', ')}.`,
    { field: 'adapter' },
  )
}

/** Stores a record. Throws TelestoError that names the field; `scheduler_name_taken`; `secrets_without_key`. */
export const createScheduler = async (office: Office, wanted: NewScheduler, by?: By): Promise<SchedulerRecord> => {
  const { name: given, adapter: type, config = {}, ...rest } = wanted
  const name = check(schedulerName, given, 'name')
  const adapter = adapterOf(office, type)
  const checked = checkConfig(adapter, office.keys, undefined, config)
  const limits = checkLimits(rest)
  const row = await office.database.write(async (tx) => {
    if (await readSchedulerByName(tx, name)) {
      const message = `There is a scheduler ${JSON.stringify(name)} already.`
      throw new TelestoError('scheduler_name_taken', message, { field: 'name' })
    }
    const id = await insert(office, tx, name, adapter, checked, { ...adapter.defaults, ...limits })
    const data = { name, adapter: type, ...told(checked), ...limits }
    await audit(tx, by, 'createScheduler', { schedulerId: id, data })
    return (await readScheduler(tx, id)) as SchedulerRow
  })
  office.committed()
  return toRecord(office.keys, row)
}

/** What the audit trail tells of a configuration: of secrets, that they were set. */
const told = ({ open, fresh }: CheckedConfig, before: object = {}): object => {
  const old = new Map(Object.entries(before))
  const config = Object.entries(JSON.parse(open) as object).filter(
    ([field, value]) => JSON.stringify(old.get(field)) !== JSON.stringify(value),
  )
  const now: object = JSON.parse(open)
  const removed = [...old.keys()].filter((field) => !Object.hasOwn(now, field)).map((field) => [field, null])
  const secrets = Object.keys(fresh)
  return {
    config: Object.fromEntries([...config, ...removed]),
    ...(secrets.length > 0 ? { secretsSet: secrets } : {}),
  }
}

const audit = async (
  tx: Transaction,
  by: By,
  action: string,
  about: Parameters<typeof insertRecordAudit>[4],
): Promise<void> => await insertRecordAudit(tx, await tx.now(), by, action, about)

type Settings = { readonly [K in keyof SchedulerLimits]: SchedulerLimits[K] | undefined }

const insert = async (
  office: Office,
  tx: Transaction,
  name: string,
  adapter: Adapter,
  config: CheckedConfig,
  settings: Settings,
): Promise<number> => {
  const [row] = await tx.all<{ id: number }>(
    `INSERT INTO telesto_schedulers (name, adapter, config, machine, enabled, poll_seconds, max_ids_per_poll, max_polls_per_minute,
       max_submits_per_minute, max_active_jobs, max_active_jobs_per_user, creation_time)
     VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, ${office.database.now()}) RETURNING id`,
    [
      name,
      adapter.type,
      config.open,
      adapter.thisMachine ? office.machine : null,
      settings.enabled === false ? 0 : 1,
      settings.pollSeconds ?? adapter.defaults.pollSeconds,
      settings.maxIdsPerPoll ?? adapter.defaults.maxIdsPerPoll,
      settings.maxPollsPerMinute ?? null,
      settings.maxSubmitsPerMinute ?? adapter.defaults.maxSubmitsPerMinute,
      settings.maxActiveJobs ?? null,
      settings.maxActiveJobsPerUser ?? null,
    ],
  )
  const { id } = row as { id: number }
  // Secrets are bound to the id, which there is only now.
  await tx.run('UPDATE telesto_schedulers SET secrets = $1 WHERE id = $2', [sealed(office, id, config), id])
  return id
}

const sealed = (office: Office, id: number, { fresh, kept }: CheckedConfig): string =>
  JSON.stringify({
    ...kept,
    ...Object.fromEntries(Object.entries(fresh).map(([field, value]) => [field, seal(office.keys, id, field, value)])),
  })

/**
 * Changes limits and configuration of a record; it is asked at once under a configuration that is new. Throws
 * `scheduler_not_found`; `unknown_field` and `invalid` that name the field; `secrets_without_key`; `scheduler_has_active_jobs`
 * where jobs would lose the host, the login or the directory where they are.
 */
export const updateScheduler = async (
  office: Office,
  name: string,
  wanted: SchedulerChanges,
  by?: By,
  action = 'updateScheduler',
): Promise<SchedulerRecord> => {
  const { config, ...rest } = wanted
  const limits = checkLimits(rest)
  const { row, reconfigured } = await office.database.write(async (tx) => {
    const found = await demandRow(tx, name)
    const changed = config === undefined ? undefined : await changedConfig(office, tx, found, config)
    const columns = [...limitColumns(limits), ...(changed?.columns ?? [])]
    if (columns.length === 0) return { row: found, reconfigured: false }
    const sets = columns.map(([column], index) => `${column} = $${index + 2}`).join(', ')
    await tx.run(`UPDATE telesto_schedulers SET ${sets} WHERE id = $1`, [
      found.id,
      ...columns.map(([, value]) => value),
    ])
    const data = { name, ...limits, ...changed?.told }
    await audit(tx, by, action, { schedulerId: found.id, data })
    return { row: (await readScheduler(tx, found.id)) as SchedulerRow, reconfigured: changed !== undefined }
  })
  if (reconfigured) office.connections.drop(row.id)
  office.committed()
  return toRecord(office.keys, row)
}

interface Changed {
  readonly columns: readonly [string, string | number][]
  readonly told: object
}

/** undefined: it stays as it is. */
const changedConfig = async (
  office: Office,
  tx: Transaction,
  row: SchedulerRow,
  given: unknown,
): Promise<Changed | undefined> => {
  const adapter = adapterOf(office, row.adapter)
  const checked = checkConfig(adapter, office.keys, row, given)
  const removed = Object.keys(sealedOf(row)).filter(
    (field) => !Object.hasOwn(checked.kept, field) && !Object.hasOwn(checked.fresh, field),
  )
  const same = checked.open === row.config && Object.keys(checked.fresh).length === 0 && removed.length === 0
  if (same) return undefined
  const field = movedField(adapter, row.config, checked.open)
  if (field !== undefined) await refuseActive(tx, row, `config.${field}`, `The ${field} cannot be changed now`)
  return {
    columns: [
      ['config', checked.open],
      ['secrets', sealed(office, row.id, checked)],
      // Whatever it was that could not be asked: this may be the remedy.
      ['poll_failures', 0],
      ['orders_failures', 0],
      ['next_poll_at', 0],
      ['next_orders_at', 0],
    ],
    told: {
      ...told(checked, JSON.parse(row.config)),
      ...(removed.length > 0 ? { secretsRemoved: removed } : {}),
    },
  }
}

export interface RemoveScheduler {
  /**
   * Gives up the active jobs of a scheduler that is gone for ever: each is in Error, cause "abandoned", though it may still run there,
   * unseen. Nothing is asked of the scheduler. @defaultValue false
   */
  readonly abandon?: boolean
}

const GONE = ' If it is gone for ever, remove it with { abandon: true } (telesto schedulers remove --abandon).'

/**
 * Removes a record. Settings of apps that had it stay, unassigned; its jobs keep their history, and those that were made for this
 * very record never run on another. Answers what was abandoned, where that was asked for. Throws `scheduler_not_found`,
 * `scheduler_has_active_jobs`.
 */
export const removeScheduler = async (
  office: Office,
  name: string,
  { abandon: given = false }: RemoveScheduler,
  by?: By,
): Promise<Abandoned | undefined> => {
  const { id, abandoned } = await office.database.write(async (tx) => {
    const row = await demandRow(tx, name)
    if (!given) await refuseActive(tx, row, 'name', 'It cannot be removed now', GONE)
    const abandoned = given ? await abandon(tx, row, await tx.now(), by) : undefined
    await tx.run('DELETE FROM telesto_schedulers WHERE id = $1', [row.id])
    const data = { name, adapter: row.adapter, ...(abandoned ? { abandoned } : {}) }
    await audit(tx, by, 'removeScheduler', { schedulerId: row.id, data })
    return { id: row.id, abandoned }
  })
  office.connections.drop(id)
  office.committed()
  return abandoned
}

/** Makes the record of each adapter that runs jobs on this very machine, where there is none. */
export const ensureRecordsOfThisMachine = async (office: Office): Promise<void> => {
  const { database, registry, keys, machine } = office
  for (const adapter of registry.adapters.values()) {
    if (!adapter.thisMachine) continue
    const { record: wanted } = adapter.thisMachine
    if (await readSchedulerOfMachine(database, adapter.type, machine)) continue
    await database.write(async (tx) => {
      if (await readSchedulerOfMachine(tx, adapter.type, machine)) return
      const taken = await readSchedulerByName(tx, wanted)
      const unique = taken ? `${wanted} (${machine})` : wanted
      await insert(office, tx, unique, adapter, checkConfig(adapter, keys, undefined, {}), adapter.defaults)
    })
  }
}
