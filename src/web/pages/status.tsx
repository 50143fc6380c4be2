import type { Job } from '../../job.js'
import type { StatusClass, StatusCode } from '../../status.js'

const DOING: Readonly<Record<string, string>> = {
  submit: 'submitting',
  cancel: 'stopping',
  hold: 'pausing',
  release: 'resuming',
}

/** A text of the app's own looks like what it means. */
const LOOK: Readonly<Record<StatusClass, StatusCode>> = {
  'pre-running': 'SUB',
  running: 'RUN',
  active: 'OTH',
  terminal: 'COM',
}
export const lookOf = (statusCode: StatusCode, statusClass: StatusClass | null): StatusCode =>
  statusCode === 'OTH' && statusClass !== null ? LOOK[statusClass] : statusCode

/** A status in words; shape and colour of the dot repeat them. */
export const Status = ({ code, children }: { readonly code: StatusCode; readonly children: string }) => (
  <span class="status" data-status={code}>
    <span class="dot" aria-hidden="true" />
    {children}
  </span>
)

/** A job's status, with the label that its app gave it and what is being asked of it. */
export const JobStatus = ({ job }: { readonly job: Job }) => {
  // What waits for something says for what, and is not being submitted.
  const waits = job.order === 'submit' && job.waitingFor !== null
  const doing = job.order === null || waits ? undefined : DOING[job.order]
  const label = job.statusCode === 'OTH' ? null : job.customStatus
  return (
    <>
      <Status code={lookOf(job.statusCode, job.statusClass)}>{job.status}</Status>
      {doing && <span class="doing"> {doing}…</span>}
      {label && <span class="label">{label}</span>}
    </>
  )
}

/** Why it is as it is: what hinders it, its scheduler's reason, or the job's own words; of a failure at least the exit code. */
export const reasonOf = (job: Job): string | null =>
  job.waitingFor ??
  job.reason ??
  job.statusMessage ??
  (job.statusCode === 'ERR' && job.exitCode !== null ? `exit code ${job.exitCode}` : null)

export const Progress = ({ value }: { readonly value: number }) => {
  const percent = `${Math.floor(value * 100)} %`
  return (
    <span class="progress">
      <progress max="1" value={value} aria-label="Progress">
        {percent}
      </progress>
      <span class="percent">{percent}</span>
    </span>
  )
}
