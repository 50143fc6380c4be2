import { type App, appOf, type Core, type SchedulerSettingDeclaration } from '../core.js'
import { TelestoError } from '../errors.js'
import { insertRecordAudit } from '../store/audit.js'
import type { Transaction } from '../store/database.js'
import { readSetting, readSettings } from '../store/schedulers.js'
import { type By, demandRow, type Office } from './records.js'

/** A named slot of an app, as the app declared it, and the record that an administrator assigned to it. */
export interface SchedulerSetting {
  readonly app: string
  readonly name: string
  /** The type of adapter that the app expects: "condor". */
  readonly adapter: string
  readonly description: string
  readonly required: boolean
  /** The name of the record; null: none is assigned. */
  readonly scheduler: string | null
}

/** All settings that apps have declared in this database, by app and name. */
export const listSchedulerSettings = async (office: Pick<Office, 'database'>): Promise<SchedulerSetting[]> =>
  (await readSettings(office.database)).map(({ app, name, adapter, description, required, scheduler }) => ({
    app,
    name,
    adapter,
    description,
    required: required === 1,
    scheduler,
  }))

const UPSERT = `INSERT INTO telesto_scheduler_settings (app, name, adapter, description, required) VALUES ($1, $2, $3, $4, $5)
  ON CONFLICT (app, name) DO UPDATE SET description = excluded.description, required = excluded.required, adapter = excluded.adapter,
    scheduler_id = CASE WHEN telesto_scheduler_settings.adapter = excluded.adapter THEN telesto_scheduler_settings.scheduler_id END`

const declare = async (
  tx: Transaction,
  app: string,
  name: string,
  declared: SchedulerSettingDeclaration,
): Promise<void> => {
  const { adapter, description = '', required = false } = declared
  await tx.run(UPSERT, [app, name, adapter, description, required ? 1 : 0])
}

/**
 * Writes down what an app declares, so that administrators see it before anything is assigned. A setting that now wants another
 * adapter loses its record; one that is no longer declared stays.
 */
export const recordSettings = async (core: Pick<Core, 'database'>, app: App): Promise<void> => {
  const known = new Map(
    (await readSettings(core.database, app.name)).map(({ name, adapter, description, required }) => [
      name,
      JSON.stringify([adapter, description, required]),
    ]),
  )
  const news = Object.entries(app.schedulerSettings).filter(
    ([name, { adapter, description = '', required = false }]) =>
      known.get(name) !== JSON.stringify([adapter, description, required ? 1 : 0]),
  )
  if (news.length === 0) return
  await core.database.write(async (tx) => {
    for (const [name, declared] of news) await declare(tx, app.name, name, declared)
  })
}

/**
 * Assigns a record to a setting of an app; null takes it away. The app declared the setting, in this process or in another before.
 * Throws `unknown_app`, `setting_not_declared`, `setting_wrong_adapter`, `scheduler_not_found`.
 */
export const assignScheduler = async (
  office: Office & Pick<Core, 'apps'>,
  app: string,
  setting: string,
  scheduler: string | null,
  by?: By,
): Promise<void> => {
  await office.database.write(async (tx) => {
    const here = office.apps.get(app)?.schedulerSettings
    const stored = await readSetting(tx, app, setting)
    const declared = here && Object.hasOwn(here, setting) ? here[setting] : undefined
    if (declared) await declare(tx, app, setting, declared)
    else if (!stored || here) throw notDeclared(appOf(office, app), setting, 'setting')
    const adapter = declared?.adapter ?? stored?.adapter
    const row = scheduler === null ? undefined : await demandRow(tx, scheduler, 'scheduler')
    if (row && row.adapter !== adapter) {
      throw new TelestoError(
        'setting_wrong_adapter',
        `The setting ${setting} of ${app} needs a scheduler of the adapter ${adapter}; ${row.name} has ${row.adapter}.`,
        { field: 'scheduler' },
      )
    }
    await tx.run('UPDATE telesto_scheduler_settings SET scheduler_id = $3 WHERE app = $1 AND name = $2', [
      app,
      setting,
      row?.id ?? null,
    ])
    const about = { app, data: { setting, scheduler }, ...(row ? { schedulerId: row.id } : {}) }
    await insertRecordAudit(tx, await tx.now(), by, 'assignScheduler', about)
  })
  office.committed()
}

/** What a job, or an administrator, named under `field` is no setting of the app. */
export const notDeclared = (app: App, setting: string, field: string): TelestoError =>
  new TelestoError(
    'setting_not_declared',
    `The app ${app.name} declares no scheduler setting ${JSON.stringify(setting)}. Declared: ${Object.keys(app.schedulerSettings).join(', ') || 'none'}.`,
    { field },
  )

/** A job cannot run on the setting that it names. */
export const notAssigned = (app: string, setting: string): TelestoError =>
  new TelestoError(
    'setting_not_assigned',
    `No scheduler is assigned to the setting ${setting} of the app ${app}. An administrator assigns one.`,
    { field: 'scheduler' },
  )
