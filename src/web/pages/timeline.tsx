import { type StatusClass, statusCodeOf } from '../../status.js'
import type { EventRow } from '../../store/events.js'
import type { AttemptHistory } from '../../store/history.js'
import type { JobData } from './job-data.js'
import { lookOf, Status } from './status.js'
import { Time } from './time.js'

interface EventData {
  readonly to?: string
  readonly class?: StatusClass
  readonly reason?: string
  readonly cause?: string
  readonly exitCode?: number
  readonly order?: string
  readonly label?: string
  readonly by?: string
  readonly fields?: readonly string[]
}

const ORDERS: Readonly<Record<string, string>> = {
  submit: 'Run asked for',
  cancel: 'Stop asked for',
  hold: 'Pause asked for',
  release: 'Resume asked for',
  collect: 'Collecting again asked for',
}

/** What happened, in words. */
const headline = (kind: EventRow['kind'], data: EventData) => {
  switch (kind) {
    case 'created':
      return 'Created'
    case 'status':
      return <StatusWord name={data.to ?? ''} statusClass={data.class} />
    case 'order':
      return ORDERS[data.order ?? ''] ?? `Asked to ${data.order ?? 'do something'}`
    case 'edited':
      return `Changed ${(data.fields ?? []).join(', ')}`
    case 'label':
      return `Labelled ${data.label ?? ''}`
    case 'requeued':
      return 'Queued again'
    case 'parts':
      return 'Parts changed'
    case 'deleted':
      return 'Deleted'
    default:
      return 'Note'
  }
}

const StatusWord = ({
  name,
  statusClass = null,
}: {
  readonly name: string
  readonly statusClass?: StatusClass | null | undefined
}) => <Status code={lookOf(statusCodeOf(name) ?? 'OTH', statusClass)}>{name}</Status>

/** So many parts of one colour in a row are told as the last of them. */
const told = (events: readonly EventRow[]): readonly EventRow[] =>
  events.filter(({ kind }, index) => kind !== 'parts' || events[index + 1]?.kind !== 'parts')

export const Timeline = ({ data: { events } }: { readonly data: JobData }) => (
  <section id="job-timeline" class="panel" aria-labelledby="timeline-title">
    <h2 id="timeline-title">History</h2>
    <ol class="timeline" reversed>
      {told(events)
        .toReversed()
        .map((event) => {
          const data = JSON.parse(event.data) as EventData
          const small = [
            data.reason,
            data.exitCode === undefined || data.reason !== undefined ? undefined : `exit code ${data.exitCode}`,
            data.by === undefined ? undefined : `by ${data.by}`,
            event.attempt !== null && event.attempt > 1 ? `attempt ${event.attempt}` : undefined,
          ].filter((part) => part !== undefined)
          return (
            <li key={event.id} id={`event-${event.id}`} data-kind={event.kind}>
              <p>
                <strong>{headline(event.kind, data)}</strong>
                <Time at={event.at} exact />
              </p>
              {small.length > 0 && <p class="quiet">{small.join(' · ')}</p>}
            </li>
          )
        })}
    </ol>
  </section>
)

const AttemptRow = ({ attempt }: { readonly attempt: AttemptHistory }) => (
  <tr>
    <th scope="row">{attempt.number}</th>
    <td>
      {attempt.status === null ? (
        <span class="quiet">current</span>
      ) : (
        <StatusWord name={attempt.status} statusClass="terminal" />
      )}
    </td>
    <td>
      <Time at={attempt.startTime ?? attempt.executeTime} />
    </td>
    <td>
      <Time at={attempt.completionTime} />
    </td>
    <td class="wrap">{attempt.reason ?? exit(attempt.exitCode)}</td>
  </tr>
)
const exit = (code: number | null): string | null => (code === null ? null : `exit code ${code}`)

/** Shown from the second attempt on: of one, the rest of the page tells. */
export const Attempts = ({ data: { attempts } }: { readonly data: JobData }) => (
  <section id="job-attempts" class="panel" hidden={attempts.length < 2} aria-labelledby="attempts-title">
    <h2 id="attempts-title">Attempts</h2>
    <div class="scroll">
      <table>
        <thead>
          <tr>
            <th scope="col">No.</th>
            <th scope="col">Ended as</th>
            <th scope="col">Started</th>
            <th scope="col">Finished</th>
            <th scope="col">Why</th>
          </tr>
        </thead>
        <tbody>
          {attempts.length < 2
            ? null
            : attempts.toReversed().map((attempt) => <AttemptRow key={attempt.number} attempt={attempt} />)}
        </tbody>
      </table>
    </div>
  </section>
)
