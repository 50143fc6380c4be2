import type { ComponentChildren } from 'preact'
import { isComplete } from '../../status.js'
import { writeIds } from '../live/ids.js'
import { Actions } from './actions.js'
import { Facts } from './facts.js'
import { type JobData, watchedParents } from './job-data.js'
import { page } from './layout.js'
import { LogViewer } from './log-viewer.js'
import { Partial, render } from './partial.js'
import { Parts } from './parts.js'
import { Results } from './results.js'
import { JobStatus, Progress } from './status.js'
import { Attempts, Timeline } from './timeline.js'

const Line = ({ label, children }: { readonly label?: string; readonly children: ComponentChildren }) => (
  <p class="line">
    {label !== undefined && <span class="quiet">{label} </span>}
    {children}
  </p>
)

/** Where the app itself shows what came out; once there is something. */
const AppResults = ({ data: { job, links } }: { readonly data: JobData }) => {
  const href = isComplete(job) || job.statusCode === 'VCP' ? links.results(job.app, job.id) : undefined
  return href === undefined ? null : (
    <Line>
      <a href={href}>{`The results in ${job.app}`}</a>
    </Line>
  )
}

const Head = ({ data }: { readonly data: JobData }) => {
  const { job, possible, links } = data
  return (
    <header id="job-head" class="job-head" data-attempt={job.attempt ?? 0} data-active={String(job.isActive)}>
      <p class="crumbs">
        <a href={links.jobs}>Jobs</a>
        <span aria-hidden="true"> / </span>
        {`Job ${job.id}`}
      </p>
      <h1>{job.name}</h1>
      {job.description && <p class="description">{job.description}</p>}
      <div class="now">
        <p class="big" role="status" aria-live="polite">
          <JobStatus job={job} />
        </p>
        {job.progress !== null && <Progress value={job.progress} />}
        <Actions job={job} possible={possible} links={links} />
      </div>
      {job.statusMessage && <Line>{job.statusMessage}</Line>}
      <AppResults data={data} />
      {job.reason && <Line label="Reason:">{job.reason}</Line>}
      {job.waitingFor && <Line label="Waits:">{job.waitingFor}</Line>}
    </header>
  )
}

const SECTIONS = [
  ['job-head', Head],
  ['job-facts', Facts],
  ['job-timeline', Timeline],
  ['job-attempts', Attempts],
  ['job-parts', Parts],
  ['job-results', Results],
] as const

/** The page of a job; `since` is the newest event when it was read. */
export const jobPage = (data: JobData, since: number, alert?: string): string => {
  const { job, links, user } = data
  const watched = watchedParents(data)
  const following = {
    job: String(job.id),
    ...(watched.length > 0 ? { ids: writeIds(watched) } : {}),
    since: String(since),
  }
  const events = links.events(new URLSearchParams(following).toString())
  return page(
    { links, user, title: `${job.id} ${job.name}`, section: 'jobs', alert },
    <article id="job" hx-get={links.job(job.id)} hx-trigger="refresh" hx-select="#job" hx-swap="outerHTML">
      <div hx-sse:connect={events} hx-trigger="load" hx-swap="none" />
      <Head data={data} />
      <div class="columns">
        <div class="main">
          <Results data={data} />
          <LogViewer job={job} links={links} />
          <Parts data={data} />
          <Attempts data={data} />
        </div>
        <div class="side">
          <Facts data={data} />
          <Timeline data={data} />
        </div>
      </div>
    </article>,
  )
}

/** The same sections, as a message to a page that is open. */
export const jobNews = (data: JobData): string =>
  SECTIONS.map(([id, Section]) =>
    render(
      <Partial target={id} swap="outerMorph">
        <Section data={data} />
      </Partial>,
    ),
  ).join('')

export const jobGone = (id: number): string =>
  render(
    <Partial target="job" swap="innerHTML">
      <div class="empty">
        <h2>{`Job ${id} was deleted`}</h2>
      </div>
    </Partial>,
  )
