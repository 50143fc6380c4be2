import type { User } from '../../access.js'
import type { Job } from '../../job.js'
import type { Links } from '../links.js'
import { DEFAULT_PAGE } from '../list.js'
import { writeIds } from '../live/ids.js'
import type { Possible } from '../possible.js'
import { Filters } from './filters.js'
import { JobRow } from './job-row.js'
import { page } from './layout.js'
import { ListLinks } from './list-links.js'

/** Everything that the page of jobs shows. */
export interface JobsPage {
  readonly links: Links
  readonly user: User
  /** The query of the page's address. */
  readonly search: string
  readonly jobs: readonly Job[]
  readonly possible: Possible
  readonly offset: number
  readonly limit: number
  readonly total: number
  readonly totalCapped: boolean
  readonly order: string
  readonly apps: readonly string[]
  /** The texts of the apps' own that the filter offers. */
  readonly customStatuses: readonly string[]
  /** The newest event when this was read. */
  readonly since: number
  readonly alert?: string | undefined
}

const COLUMNS: readonly { readonly label: string; readonly class: string; readonly sort?: string }[] = [
  { label: 'Id', class: 'id', sort: 'id' },
  { label: 'Name', class: 'name', sort: 'name' },
  { label: 'Status', class: 'state', sort: 'status' },
  { label: 'Type', class: 'type' },
  { label: 'App', class: 'app' },
  { label: 'Owner', class: 'owner' },
  { label: 'Created', class: 'created', sort: 'creationTime' },
  { label: 'Run time', class: 'run-time' },
  { label: 'Actions', class: 'buttons' },
]

const Head = ({ order, list }: { readonly order: string; readonly list: ListLinks }) => (
  <thead>
    <tr>
      {COLUMNS.map(({ label, class: name, sort }) => {
        if (sort === undefined) {
          return (
            <th key={label} scope="col" class={name}>
              {label === 'Actions' ? <span class="unseen">{label}</span> : label}
            </th>
          )
        }
        const sorted = order === sort ? 'ascending' : order === `-${sort}` ? 'descending' : undefined
        // Times start with the newest, everything else from its beginning.
        const next =
          sorted === 'descending' ? sort : sorted === 'ascending' || sort === 'creationTime' ? `-${sort}` : sort
        return (
          <th key={label} scope="col" class={name} {...(sorted ? { 'aria-sort': sorted } : {})}>
            <a href={list.sorted(next)}>
              {label}
              <span class="arrow" aria-hidden="true">
                {sorted === 'ascending' ? '↑' : sorted === 'descending' ? '↓' : ''}
              </span>
            </a>
          </th>
        )
      })}
    </tr>
  </thead>
)

const number = (value: number): string => value.toLocaleString('en')

const Paging = ({ data, list }: { readonly data: JobsPage; readonly list: ListLinks }) => {
  const { offset, limit, total, totalCapped, jobs } = data
  const last = offset + jobs.length
  const more = totalCapped ? jobs.length === limit : last < total
  return (
    <nav class="paging" aria-label="Pages">
      <p>{`${number(offset + 1)}–${number(last)} of ${number(total)}${totalCapped ? '+' : ''}`}</p>
      {offset > 0 && (
        <a class="button" rel="prev" href={list.from(Math.max(0, offset - limit), limit)}>
          Previous
        </a>
      )}
      {more && (
        <a class="button" rel="next" href={list.from(offset + limit, limit)}>
          Next
        </a>
      )}
    </nav>
  )
}

const Nothing = ({ data, list }: { readonly data: JobsPage; readonly list: ListLinks }) => {
  if (data.offset > 0) {
    return (
      <div class="empty">
        <h2>There are no jobs this far down</h2>
        <p>
          <a href={list.from(0, data.limit)}>Back to the first page</a>
        </p>
      </div>
    )
  }
  if (list.filters.length > 0) {
    return (
      <div class="empty">
        <h2>No job matches</h2>
        <p>
          Loosen the filters, or <a href={data.links.jobs}>look at all jobs</a>.
        </p>
      </div>
    )
  }
  return (
    <div class="empty">
      <img src={data.links.asset('telesto.svg')} alt="" width="56" height="56" />
      <h2>No jobs yet</h2>
      <p>
        Start a computation in one of this portal’s apps. It appears here by itself, and you can watch it run, read its
        log and fetch its results.
      </p>
      {data.links.apps.length > 0 && (
        <p class="actions">
          {data.links.apps.map(({ name, href }) => (
            <a key={name} class="button" href={href}>
              {`Open ${name}`}
            </a>
          ))}
        </p>
      )}
      <details>
        <summary>For the author of an app</summary>
        <pre>
          {[
            "const job = await telesto.app('flood').createJob({",
            "  name: 'run {id}', user: req.telesto.user.id,",
            "  jobType: 'BASIC', command: ['./model.sh', '--basin', 'nile'],",
            '})',
            'await job.execute()',
          ].join('\n')}
        </pre>
      </details>
    </div>
  )
}

/** The address of the stream that keeps the page live: which list it is, what it shows, and what it knows. */
const eventsOf = (data: JobsPage, list: ListLinks): string => {
  const query = new URLSearchParams(list.params)
  query.set('ids', writeIds(data.jobs.map(({ id }) => id)))
  query.set('since', String(data.since))
  return data.links.events(query.toString())
}

export const jobsPage = (data: JobsPage): string => {
  const list = new ListLinks(data.links.jobs, data.search)
  return page(
    { links: data.links, user: data.user, title: 'Jobs', section: 'jobs', alert: data.alert },
    <>
      <div class="title">
        <h1>Jobs</h1>
        <Filters
          user={data.user}
          apps={data.apps}
          customStatuses={data.customStatuses}
          list={list}
          jobs={data.links.jobs}
        />
      </div>
      <section id="list" hx-get={list.self} hx-trigger="refresh" hx-select="#list" hx-swap="outerHTML">
        <div hx-sse:connect={eventsOf(data, list)} hx-trigger="load" hx-swap="none" />
        <div id="news" role="status" aria-live="polite" />
        {data.jobs.length === 0 ? (
          <Nothing data={data} list={list} />
        ) : (
          <>
            <div class="scroll">
              <table class="jobs">
                <Head order={data.order} list={list} />
                <tbody id="rows">
                  {data.jobs.map((job) => (
                    <JobRow key={job.id} job={job} possible={data.possible} links={data.links} />
                  ))}
                </tbody>
              </table>
            </div>
            {data.total > DEFAULT_PAGE || data.offset > 0 || data.totalCapped || data.total > data.jobs.length ? (
              <Paging data={data} list={list} />
            ) : (
              <p class="quiet count">{data.total === 1 ? '1 job' : `${number(data.total)} jobs`}</p>
            )}
          </>
        )}
      </section>
    </>,
  )
}
