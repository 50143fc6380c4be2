import type { Job } from '../../job.js'
import type { StatusCode } from '../../status.js'
import type { Links } from '../links.js'
import type { Possible } from '../possible.js'
import { Actions } from './actions.js'
import { PartsBar } from './parts.js'
import { JobStatus, Progress, reasonOf } from './status.js'
import { RunTime, Time } from './time.js'

/** Statuses of a job whose parts may be anywhere. */
const PARTLY: ReadonlySet<StatusCode> = new Set(['RUN', 'VAR', 'VCP'])

/** A row of the table of jobs. */
export const JobRow = ({
  job,
  possible,
  links,
}: {
  readonly job: Job
  readonly possible: Possible
  readonly links: Links
}) => {
  const reason = reasonOf(job)
  const tags = Object.entries(job.tags)
  return (
    <tr id={rowId(job.id)} data-status={job.statusCode}>
      <td class="id">
        <a href={links.job(job.id)}>{job.id}</a>
      </td>
      <th scope="row" class="name">
        <a href={links.job(job.id)} title={job.name}>
          {job.name}
        </a>
        {tags.length > 0 && (
          <span class="tags">
            {tags.slice(0, 3).map(([name, value]) => (
              <span key={name} class="tag" title={`${name}: ${value}`}>{`${name}: ${value}`}</span>
            ))}
            {tags.length > 3 && <span class="tag">{`+${tags.length - 3}`}</span>}
          </span>
        )}
      </th>
      <td class="state">
        <JobStatus job={job} />
        {PARTLY.has(job.statusCode) && <PartsBar job={job} />}
        {job.progress !== null && !job.isSettled && <Progress value={job.progress} />}
        {reason && (
          <span class="reason" title={reason}>
            {reason}
          </span>
        )}
      </td>
      <td class="type" data-label="Type">
        {job.jobType}
      </td>
      <td class="app" data-label="App">
        {job.app}
      </td>
      <td class="owner" data-label="Owner">
        {job.user}
      </td>
      <td class="created" data-label="Created">
        <Time at={job.creationTime} />
      </td>
      <td class="run-time" data-label="Run time">
        <RunTime job={job} />
      </td>
      <td class="buttons">
        <Actions job={job} possible={possible} links={links} />
      </td>
    </tr>
  )
}

export const rowId = (jobId: number): string => `job-${jobId}`
