import type { JobState } from '../../adapter.js'
import type { Job } from '../../job.js'
import type { StatusCode } from '../../status.js'
import type { StoredPart } from '../../store/history.js'
import type { JobData } from './job-data.js'
import { Status } from './status.js'
import { Time } from './time.js'

/** So many are listed; the API has them all. */
const MAX_LISTED = 200

/** In the order in which they are counted: what is done comes first. */
const WORDS: Readonly<Record<JobState, readonly [code: StatusCode, word: string]>> = {
  succeeded: ['COM', 'Succeeded'],
  failed: ['ERR', 'Failed'],
  cancelled: ['ABT', 'Cancelled'],
  running: ['RUN', 'Running'],
  suspended: ['PAS', 'Suspended'],
  held: ['PAS', 'Held'],
  queued: ['SUB', 'Queued'],
  unknown: ['OTH', 'Unknown'],
}
const STATES = Object.keys(WORDS) as readonly JobState[]
const stateOf = (part: StoredPart) => {
  const [code, word] = WORDS[part.state]
  return <Status code={code}>{word}</Status>
}

type Counts = readonly (readonly [state: JobState, count: number])[]
const countsOf = (job: Job): Counts =>
  STATES.map((state) => [state, job.statuses[state] ?? 0] as const).filter(([, count]) => count > 0)
const inWords = ([state, count]: Counts[number]): string => `${count} ${WORDS[state][1].toLowerCase()}`

/** How many parts of a job are in each state, as one bar. Nothing where they are all alike. */
export const PartsBar = ({ job }: { readonly job: Job }) => {
  const counts = countsOf(job)
  if (counts.length < 2) return null
  const all = counts.reduce((sum, [, count]) => sum + count, 0)
  let start = 0
  return (
    <svg
      class="stack"
      viewBox={`0 0 ${all} 1`}
      preserveAspectRatio="none"
      role="img"
      aria-label={counts.map(inWords).join(', ')}
    >
      {counts.map(([state, count]) => {
        const x = start
        start += count
        return <rect key={state} class="status" data-status={WORDS[state][0]} x={x} y="0" width={count} height="1" />
      })}
    </svg>
  )
}

export const Parts = ({ data: { job, parts } }: { readonly data: JobData }) => {
  const counts = countsOf(job)
  return (
    <section id="job-parts" class="panel" hidden={parts.length === 0} aria-labelledby="parts-title">
      <h2 id="parts-title">Parts</h2>
      <PartsBar job={job} />
      <p class="counts">
        {counts.map((counted) => (
          <span key={counted[0]}>
            <Status code={WORDS[counted[0]][0]}>{inWords(counted)}</Status>
          </span>
        ))}
      </p>
      <div class="scroll tall">
        <table>
          <thead>
            <tr>
              <th scope="col">Part</th>
              <th scope="col">State</th>
              <th scope="col">Started</th>
              <th scope="col">Finished</th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {parts.slice(0, MAX_LISTED).map((part) => (
              <tr key={part.name}>
                <th scope="row">{part.name}</th>
                <td>{stateOf(part)}</td>
                <td>
                  <Time at={part.startedAt} />
                </td>
                <td>
                  <Time at={part.endedAt} />
                </td>
                <td class="wrap">
                  {[part.message, part.exitCode === null ? null : `exit code ${part.exitCode}`]
                    .filter(Boolean)
                    .join(' · ')}
                </td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {parts.length > MAX_LISTED && <p class="quiet">{`The first ${MAX_LISTED} of ${parts.length} parts.`}</p>}
    </section>
  )
}
