import type { ComponentChildren } from 'preact'
import type { Job } from '../../job.js'
import { isComplete } from '../../status.js'
import { writeIds } from '../live/ids.js'
import { Actions } from './actions.js'
import { Facts } from './facts.js'
import { type JobData, watchedParents } from './job-data.js'
import { type PageContext, page } from './layout.js'
import { LogViewer } from './log-viewer.js'
import { Partial, partialOf, render } from './partial.js'
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

const SECTIONS = {
  'job-head': Head,
  'job-facts': Facts,
  'job-timeline': Timeline,
  'job-attempts': Attempts,
  'job-parts': Parts,
  'job-results': Results,
} as const
type SectionId = keyof typeof SECTIONS
const IDS = Object.keys(SECTIONS) as readonly SectionId[]

/** A job as it is shown to all who see the same of it and may do the same with it; it holds nothing of a person's own. */
export interface ShownJob {
  /** What stands in its page. */
  readonly html: string
  /** The same sections, as a message to a page that is open. */
  readonly news: { readonly html: string }
  /** The parents whose news concern it. */
  readonly parents: readonly number[]
}

/** Each section is rendered once, for the page and for the message. `since` is the newest event when it was read. */
export const renderJob = (data: JobData, since: number): ShownJob => {
  const { job, links } = data
  const parents = watchedParents(data)
  const following = {
    job: String(job.id),
    ...(parents.length > 0 ? { ids: writeIds(parents) } : {}),
    since: String(since),
  }
  const events = links.events(new URLSearchParams(following).toString())
  const sections = Object.fromEntries(
    IDS.map((id) => {
      const Section = SECTIONS[id]
      return [id, render(<Section data={data} />)]
    }),
  ) as Readonly<Record<SectionId, string>>
  const html = [
    render(<div hx-sse:connect={events} hx-trigger="load" hx-swap="none" />),
    sections['job-head'],
    '<div class="columns"><div class="main">',
    sections['job-results'],
    render(<LogViewer job={job} links={links} />),
    sections['job-parts'],
    sections['job-attempts'],
    '</div><div class="side">',
    sections['job-facts'],
    sections['job-timeline'],
    '</div></div>',
  ].join('')
  const news = IDS.map((id) => partialOf(id, 'outerMorph', sections[id])).join('')
  return { html, news: { html: news }, parents }
}

/** The page of a job. */
export const jobPage = (context: PageContext, job: Job, shown: ShownJob, alert?: string): string => {
  const { links, user } = context
  return page(
    { links, user, title: `${job.id} ${job.name}`, section: 'jobs', alert },
    <article
      id="job"
      hx-get={links.job(job.id)}
      hx-trigger="refresh"
      hx-select="#job"
      hx-swap="outerHTML"
      // It was rendered, and so escaped, by renderJob.
      dangerouslySetInnerHTML={{ __html: shown.html }}
    />,
  )
}

export const jobGone = (id: number): string =>
  render(
    <Partial target="job" swap="innerHTML">
      <div class="empty">
        <h2>{`Job ${id} was deleted`}</h2>
      </div>
    </Partial>,
  )
