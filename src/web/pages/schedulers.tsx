import type { Adapter } from '../../adapter.js'
import type { SchedulerRecord } from '../../schedulers/records.js'
import type { SchedulerSetting } from '../../schedulers/settings.js'
import type { Links } from '../links.js'
import { type PageContext, page } from './layout.js'
import { Status } from './status.js'
import { Time } from './time.js'

/** Everything that the page of schedulers shows. */
export interface SchedulersPage extends PageContext {
  readonly records: readonly SchedulerRecord[]
  readonly settings: readonly SchedulerSetting[]
  readonly adapters: readonly Adapter[]
  readonly alert?: string | undefined
}

/** How a record is, in a word. */
export const Health = ({ record: { enabled, health } }: { readonly record: SchedulerRecord }) => {
  if (!enabled) return <Status code="ABT">Disabled</Status>
  if (health === 'ok') return <Status code="COM">Ok</Status>
  return health === 'degraded' ? <Status code="PAS">Degraded</Status> : <Status code="ERR">Blocked</Status>
}

const hostOf = ({ config }: SchedulerRecord): string =>
  typeof config.host === 'string' && config.host !== '' ? config.host : 'this machine'

const Records = ({ records, links }: { readonly records: readonly SchedulerRecord[]; readonly links: Links }) => (
  <section class="panel" aria-label="Scheduler records">
    <div class="scroll">
      <table class="records">
        <thead>
          <tr>
            <th scope="col">Name</th>
            <th scope="col">Health</th>
            <th scope="col">Host</th>
            <th scope="col">Adapter</th>
            <th scope="col">Last answered</th>
          </tr>
        </thead>
        <tbody>
          {records.map((record) => (
            <tr key={record.id}>
              <th scope="row" class="wrap">
                <a href={links.scheduler(record.id)}>{record.name}</a>
              </th>
              <td class="health">
                <Health record={record} />
                {record.healthMessage !== null && (
                  <span class="clamped" title={record.healthMessage}>
                    {record.healthMessage}
                  </span>
                )}
              </td>
              <td class="wrap">{hostOf(record)}</td>
              <td>{record.adapter}</td>
              <td>
                <Time at={record.lastAnsweredAt} />
              </td>
            </tr>
          ))}
        </tbody>
      </table>
    </div>
  </section>
)

const Setting = ({
  setting: { app, name, adapter, description, required, scheduler },
  records,
  links,
}: {
  readonly setting: SchedulerSetting
  readonly records: readonly SchedulerRecord[]
  readonly links: Links
}) => (
  <tr>
    <th scope="row" class="wrap">{`${app}: ${name}`}</th>
    <td class="wrap">
      {description}
      {required && scheduler === null && (
        <Status code="PAS">{description === '' ? 'Needs one' : 'Needs a scheduler'}</Status>
      )}
    </td>
    <td>
      <form class="assign" method="post" action={`${links.schedulers}/settings`}>
        <input type="hidden" name="app" value={app} />
        <input type="hidden" name="setting" value={name} />
        <select name="scheduler" aria-label={`Scheduler for ${app}: ${name}`}>
          <option value="" selected={scheduler === null}>
            None
          </option>
          {records
            .filter((record) => record.adapter === adapter)
            .map((record) => (
              <option key={record.id} value={record.name} selected={record.name === scheduler}>
                {record.name}
              </option>
            ))}
        </select>
        <button type="submit" aria-label={`Assign to ${app}: ${name}`}>
          Assign
        </button>
      </form>
    </td>
    <td>{adapter}</td>
  </tr>
)

const Settings = ({ settings, records, links }: Pick<SchedulersPage, 'settings' | 'records' | 'links'>) => (
  <section class="panel" aria-labelledby="settings-title">
    <h2 id="settings-title">Which app runs where</h2>
    {settings.length === 0 ? (
      <p class="quiet">No app has declared a scheduler setting yet. It does when it starts.</p>
    ) : (
      <div class="scroll">
        <table class="settings">
          <thead>
            <tr>
              <th scope="col">Setting</th>
              <th scope="col">What for</th>
              <th scope="col">Scheduler</th>
              <th scope="col">Adapter</th>
            </tr>
          </thead>
          <tbody>
            {settings.map((setting) => (
              <Setting key={`${setting.app}:${setting.name}`} setting={setting} records={records} links={links} />
            ))}
          </tbody>
        </table>
      </div>
    )}
  </section>
)

export const schedulersPage = ({ records, settings, adapters, alert, ...context }: SchedulersPage): string => {
  const { links } = context
  return page(
    { ...context, title: 'Schedulers', section: 'schedulers', alert },
    <>
      <div class="title">
        <h1>Schedulers</h1>
        <nav class="actions" aria-label="New schedulers">
          {adapters.map(({ type, label }) => (
            <a key={type} class="button" href={`${links.schedulers}/new?${new URLSearchParams({ adapter: type })}`}>
              {`New: ${label ?? type}`}
            </a>
          ))}
        </nav>
      </div>
      <div class="main">
        {records.length === 0 ? (
          <p class="panel quiet">There is no scheduler yet. Make one, test it, then assign it to an app’s setting.</p>
        ) : (
          <Records records={records} links={links} />
        )}
        <Settings settings={settings} records={records} links={links} />
      </div>
    </>,
  )
}
