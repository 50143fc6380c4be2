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

/** So many are named; the API has them all. */
const MAX_NAMED = 5

/** What a line of the list shows: a part, or a node of the graph of which nothing was told yet. */
interface Line {
  readonly name: string
  readonly after: readonly string[]
  readonly part: StoredPart | null
}

/** Nodes come by level; parts that the graph does not name (the nodes of a splice) follow. */
const linesOf = ({ graph, parts }: Pick<JobData, 'graph' | 'parts'>): readonly Line[] => {
  const named = new Set(graph.map(({ name }) => name))
  return [
    ...graph.map(({ name, parents, part }) => ({ name, after: parents, part })),
    ...parts.filter(({ name }) => !named.has(name)).map((part) => ({ name: part.name, after: [], part })),
  ]
}

const after = (names: readonly string[]): string =>
  names.length > MAX_NAMED
    ? `${names.slice(0, MAX_NAMED).join(', ')} and ${names.length - MAX_NAMED} more`
    : names.join(', ')

const why = (part: StoredPart): string =>
  [part.message, part.exitCode === null ? null : `exit code ${part.exitCode}`].filter(Boolean).join(' · ')

export const Parts = ({ data }: { readonly data: JobData }) => {
  const { job, graph } = data
  const counts = countsOf(job)
  const lines = linesOf(data)
  return (
    <section id="job-parts" class="panel" hidden={lines.length === 0} aria-labelledby="parts-title">
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
              {graph.length > 0 && <th scope="col">After</th>}
              <th scope="col">State</th>
              <th scope="col">Started</th>
              <th scope="col">Finished</th>
              <th scope="col">Why</th>
            </tr>
          </thead>
          <tbody>
            {lines.slice(0, MAX_LISTED).map((line) => (
              <tr key={line.name}>
                <th scope="row">{line.name}</th>
                {graph.length > 0 && <td class="wrap">{after(line.after)}</td>}
                <td>{line.part && stateOf(line.part)}</td>
                <td>{line.part && <Time at={line.part.startedAt} />}</td>
                <td>{line.part && <Time at={line.part.endedAt} />}</td>
                <td class="wrap">{line.part && why(line.part)}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {lines.length > MAX_LISTED && <p class="quiet">{`The first ${MAX_LISTED} of ${lines.length} parts.`}</p>}
    </section>
  )
}
