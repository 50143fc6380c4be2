import type { User } from '../../access.js'
import { statuses } from '../../status.js'
import type { ListLinks } from './list-links.js'

const OWN = ['search', 'status', 'app', 'user']

const Select = ({
  name,
  label,
  any,
  options,
  chosen,
}: {
  readonly name: string
  readonly label: string
  readonly any: string
  readonly options: readonly (readonly [value: string, label: string])[]
  readonly chosen: string | null
}) => (
  <label>
    <span class="unseen">{label}</span>
    <select name={name}>
      <option value="" selected={chosen === null}>
        {any}
      </option>
      {options.map(([value, text]) => (
        <option key={value} value={value} selected={value === chosen}>
          {text}
        </option>
      ))}
      {chosen !== null && !options.some(([value]) => value === chosen) && (
        <option value={chosen} selected>
          {chosen}
        </option>
      )}
    </select>
  </label>
)

/** A form that asks for the same page; what it has no field for it carries along, and shows so that it can be taken away. */
export const Filters = ({
  user,
  apps,
  customStatuses,
  list,
  jobs,
}: {
  readonly user: User
  readonly apps: readonly string[]
  readonly customStatuses: readonly string[]
  readonly list: ListLinks
  readonly jobs: string
}) => {
  const chosen = (name: string): string | null => list.params.get(name)
  const hidden = [...list.params].filter(([name]) => !OWN.includes(name) && name !== 'page' && name !== 'offset')
  const others = list.filters.filter(([name]) => !OWN.includes(name))
  const seesOthers = user.isAdmin === true || (user.groups ?? []).length > 0
  return (
    <search>
      <form class="filters" method="get" action={jobs}>
        {hidden.map(([name, value]) => (
          <input key={`${name}=${value}`} type="hidden" name={name} value={value} />
        ))}
        <input
          type="search"
          name="search"
          value={chosen('search') ?? ''}
          placeholder="Search names"
          aria-label="Search names"
        />
        <Select
          name="status"
          label="Status"
          any="Any status"
          options={[...statuses.map(([, name]) => name), ...customStatuses].map((name) => [name, name] as const)}
          chosen={chosen('status')}
        />
        {apps.length > 1 && (
          <Select
            name="app"
            label="App"
            any="All apps"
            options={apps.map((app) => [app, app] as const)}
            chosen={chosen('app')}
          />
        )}
        {seesOthers && (
          <Select
            name="user"
            label="Owner"
            any="Everybody’s jobs"
            options={[[user.id, 'My jobs'] as const]}
            chosen={chosen('user')}
          />
        )}
        <button type="submit">Filter</button>
        {list.filters.length > 0 && (
          <a class="clear" href={jobs}>
            Clear
          </a>
        )}
        {others.length > 0 && (
          <ul class="chips">
            {others.map(([name, value]) => (
              <li key={`${name}=${value}`}>
                <span class="tag">{`${name.replace(/^tag\./, '')}: ${value}`}</span>{' '}
                <a href={list.without(name)} aria-label={`Without ${name}`}>
                  ×
                </a>
              </li>
            ))}
          </ul>
        )}
      </form>
    </search>
  )
}
