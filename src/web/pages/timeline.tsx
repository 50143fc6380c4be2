import type { HistoryEntry } from '../../job-history.js'
import { type StatusClass, statusCodeOf } from '../../status.js'
import type { AttemptHistory } from '../../store/history.js'
import { type JobData, MAX_SHOWN } from './job-data.js'
import { lookOf, Status } from './status.js'
import { Age, Time } from './time.js'

const ASKED: Readonly<Record<string, string>> = {
  execute: 'Run',
  resubmit: 'Run again',
  stop: 'Stop',
  pause: 'Pause',
  resume: 'Resume',
  collect: 'Collect again',
}

/** What happened, in words. */
const headline = (entry: HistoryEntry) => {
  switch (entry.kind) {
    case 'created':
      return 'Created'
    case 'status':
      return <StatusWord name={entry.to ?? ''} statusClass={entry.class} />
    case 'order':
      return `${ASKED[entry.action ?? ''] ?? 'Something'} asked for`
    case 'edited':
      return `Changed ${(entry.fields ?? []).join(', ')}`
    case 'label':
      return `Labelled ${entry.label ?? ''}`
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

/** Many changes of parts in a row are told as the last of them. */
const told = (history: readonly HistoryEntry[]): readonly HistoryEntry[] =>
  history.filter(({ kind }, index) => kind !== 'parts' || history[index + 1]?.kind !== 'parts')

const Entry = ({ entry, now }: { readonly entry: HistoryEntry; readonly now: number }) => {
  const exitCode =
    entry.exitCode === undefined || entry.reason !== undefined ? undefined : `exit code ${entry.exitCode}`
  const why = [entry.reason, exitCode].filter((part) => part !== undefined)
  return (
    <li id={`event-${entry.id}`} data-kind={entry.kind}>
      <p>
        <strong>{headline(entry)}</strong>
        {entry.by !== undefined && <span>{`by ${entry.by}`}</span>}
        {entry.address !== undefined && <span class="quiet">{`from ${entry.address}`}</span>}
      </p>
      {why.length > 0 && <p class="why">{why.join(' · ')}</p>}
      <p class="when quiet">
        <Age ms={now - entry.at.getTime()} />
        <Time at={entry.at} exact />
      </p>
    </li>
  )
}

/** The newest first. From the second attempt on, each has a line above it. */
export const Timeline = ({ data: { history, attempts, now } }: { readonly data: JobData }) => {
  let current = 1
  // What is about no attempt stands with the one that was before it.
  const entries = told(history).map((entry) => {
    current = entry.attempt ?? current
    return { entry, attempt: current }
  })
  let shown: number | undefined
  const lines = entries.toReversed().flatMap(({ entry, attempt }) => {
    const line = <Entry key={entry.id} entry={entry} now={now} />
    if (attempts.length < 2 || attempt === shown) return [line]
    shown = attempt
    return [
      <li key={`attempt-${entry.id}`} id={`attempt-${shown}-${entry.id}`} class="attempt">
        {`Attempt ${shown}`}
      </li>,
      line,
    ]
  })
  return (
    <section id="job-timeline" class="panel" aria-labelledby="timeline-title">
      <h2 id="timeline-title">History</h2>
      <ol class="timeline">{lines}</ol>
      {history.length >= MAX_SHOWN && <p class="quiet">{`The last ${MAX_SHOWN} entries.`}</p>}
    </section>
  )
}

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
