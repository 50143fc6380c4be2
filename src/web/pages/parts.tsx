import type { JobState } from '../../adapter.js'
import type { StatusCode } from '../../status.js'
import type { StoredPart } from '../../store/history.js'
import type { JobData } from './job-data.js'
import { Status } from './status.js'
import { Time } from './time.js'

/** So many are listed; the API has them all. */
const MAX_LISTED = 200

const WORDS: Readonly<Record<JobState, readonly [code: StatusCode, word: string]>> = {
  queued: ['SUB', 'Queued'],
  held: ['PAS', 'Held'],
  running: ['RUN', 'Running'],
  suspended: ['PAS', 'Suspended'],
  succeeded: ['COM', 'Succeeded'],
  failed: ['ERR', 'Failed'],
  cancelled: ['ABT', 'Cancelled'],
  unknown: ['OTH', 'Unknown'],
}
const stateOf = (part: StoredPart) => {
  const [code, word] = WORDS[part.state]
  return <Status code={code}>{word}</Status>
}

export const Parts = ({ data: { parts } }: { readonly data: JobData }) => {
  const counts = Map.groupBy(parts, ({ state }) => state)
  return (
    <section id="job-parts" class="panel" hidden={parts.length === 0} aria-labelledby="parts-title">
      <h2 id="parts-title">Parts</h2>
      <p class="counts">
        {[...counts].map(([state, of]) => (
          <span key={state}>
            <Status code={WORDS[state][0]}>{`${of.length} ${WORDS[state][1].toLowerCase()}`}</Status>
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
