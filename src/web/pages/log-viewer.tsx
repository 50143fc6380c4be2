import type { User } from '../../access.js'
import type { LogName } from '../../adapter.js'
import type { Job } from '../../job.js'
import type { Links } from '../links.js'
import { page } from './layout.js'

/** The place of the log on a job's page. Without script it is a link to the page below. */
export const LogViewer = ({ job, links }: { readonly job: Job; readonly links: Links }) => (
  <section
    id="job-log"
    class="panel log"
    data-logs={links.api(`/jobs/${job.id}/logs`)}
    aria-labelledby="log-title"
    hx-morph-skip=""
  >
    <div class="bar">
      <h2 id="log-title">Log</h2>
      <label data-script hidden>
        <span class="unseen">Which log</span>
        <select />
      </label>
      <label class="follow" data-script hidden>
        <input type="checkbox" checked /> Follow
      </label>
      <a href={`${links.job(job.id)}/logs`}>On its own page</a>
    </div>
    <p class="quiet" role="status" data-script hidden />
    {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
    <pre tabIndex={0} data-script hidden role="log" aria-live="off" aria-label="Text of the log" />
  </section>
)

/** One window of one log. */
export interface LogPage {
  readonly links: Links
  readonly user: User
  readonly job: Job
  readonly logs: readonly LogName[]
  readonly shown?: { readonly log: LogName; readonly from: number; readonly next: number; readonly text: string }
  /** Why there is nothing to show. */
  readonly trouble?: string
}

export const logLabel = ({ name, part }: LogName): string => (part === undefined ? name : `${part}: ${name}`)

const address = ({ links, job }: LogPage, { name, part }: LogName, from?: number): string => {
  const query = new URLSearchParams({
    name,
    ...(part === undefined ? {} : { part }),
    ...(from === undefined ? {} : { from: String(from) }),
  })
  return `${links.job(job.id)}/logs?${query}`
}

export const logPage = (data: LogPage, windowBytes: number): string => {
  const { links, user, job, logs, shown, trouble } = data
  return page(
    { links, user, title: `Log of ${job.id} ${job.name}`, section: 'jobs', alert: trouble },
    <article>
      <header class="job-head">
        <p class="crumbs">
          <a href={links.jobs}>Jobs</a>
          <span aria-hidden="true"> / </span>
          <a href={links.job(job.id)}>{`Job ${job.id}`}</a>
          <span aria-hidden="true"> / </span>
          Log
        </p>
        <h1>{job.name}</h1>
      </header>
      <section class="panel log whole" hidden={trouble !== undefined && logs.length === 0}>
        {logs.length === 0 && trouble === undefined && <p class="quiet">This job has written no log yet.</p>}
        <nav class="bar" aria-label="Logs">
          {logs.map((log) => {
            const current = shown !== undefined && logLabel(log) === logLabel(shown.log)
            return (
              <a
                key={logLabel(log)}
                href={address(data, log)}
                {...(current ? { 'aria-current': 'page' as const } : {})}
              >
                {logLabel(log)}
              </a>
            )
          })}
        </nav>
        {shown && (
          <>
            {/* biome-ignore lint/a11y/noNoninteractiveTabindex: what scrolls must be reachable by keyboard */}
            <pre tabIndex={0}>{shown.text}</pre>
            <nav class="paging" aria-label="Parts of the log">
              <p>{`Bytes ${shown.from}–${shown.next} of ${Math.max(shown.log.size, shown.next)}`}</p>
              {shown.from > 0 && (
                <>
                  <a class="button" href={address(data, shown.log, 0)}>
                    Start
                  </a>
                  <a class="button" href={address(data, shown.log, Math.max(0, shown.from - windowBytes))}>
                    Earlier
                  </a>
                </>
              )}
              {shown.next < shown.log.size && (
                <a class="button" href={address(data, shown.log, shown.next)}>
                  Later
                </a>
              )}
              <a class="button" href={address(data, shown.log)}>
                End
              </a>
            </nav>
          </>
        )}
      </section>
    </article>,
  )
}
