import type { ComponentChildren } from 'preact'
import { statusText } from '../../status.js'
import type { JobData } from './job-data.js'
import { lookOf, Status } from './status.js'
import { RunTime, Time } from './time.js'

const Fact = ({ label, children }: { readonly label: string; readonly children: ComponentChildren }) => (
  <div>
    <dt>{label}</dt>
    <dd>{children}</dd>
  </div>
)

const Json = ({ title, value }: { readonly title: string; readonly value: unknown }) => (
  <details id={`json-${title.toLowerCase()}`}>
    <summary>{title}</summary>
    <pre>{JSON.stringify(value, null, 2)}</pre>
  </details>
)

const Text = ({ label, value }: { readonly label: string; readonly value: string | number | null }) =>
  value === null || value === '' ? null : <Fact label={label}>{value}</Fact>

const IF_ONE_FAILS = {
  wait: 'it waits until that one is resubmitted and Complete',
  run: 'it runs all the same',
} as const

export const Facts = ({ data: { job, links, parents } }: { readonly data: JobData }) => (
  <section id="job-facts" class="panel" aria-labelledby="facts-title">
    <h2 id="facts-title">Facts</h2>
    <dl class="facts">
      <Text label="Owner" value={job.user} />
      <Text label="Groups" value={job.groups.join(', ')} />
      <Text label="App" value={job.app} />
      <Text label="Type" value={job.jobType} />
      <Text label="Scheduler" value={job.scheduler} />
      <Fact label="Created">
        <Time at={job.creationTime} exact />
      </Fact>
      {job.executeTime && (
        <Fact label="Submitted">
          <Time at={job.executeTime} exact />
        </Fact>
      )}
      {job.startTime && (
        <Fact label="Started">
          <Time at={job.startTime} exact />
        </Fact>
      )}
      {job.completionTime && (
        <Fact label="Finished">
          <Time at={job.completionTime} exact />
        </Fact>
      )}
      {job.runTime !== null && (
        <Fact label="Run time">
          <RunTime job={job} />
        </Fact>
      )}
      <Text label="Attempt" value={job.attempt !== null && job.attempt > 1 ? job.attempt : null} />
      <Text label="Exit code" value={job.exitCode} />
      <Text label="Cause" value={job.cause} />
      <Text label="Scheduler’s word" value={job.nativeState} />
      {job.nativeId !== null && (
        <Fact label="Scheduler’s id">
          <code>{job.nativeId}</code>
        </Fact>
      )}
      <Text label="Processed by" value={job.processResults} />
      {job.parents.length > 0 && (
        <Fact label={job.statusCode === 'PEN' ? 'Waits for' : 'Waited for'}>
          {parents.map(({ id, statusCode, statusClass, customStatus }) => (
            <div key={id}>
              <a href={links.job(id)}>{`job ${id}`}</a>{' '}
              <Status code={lookOf(statusCode, statusClass)}>{statusText({ statusCode, customStatus })}</Status>
            </div>
          ))}
          {job.parents.length > parents.length && (
            <div>{`and ${(job.parents.length - parents.length).toLocaleString('en')} more`}</div>
          )}
        </Fact>
      )}
      {job.parents.length > 0 && job.onParentFailure !== 'abort' && (
        <Fact label="If one fails">{IF_ONE_FAILS[job.onParentFailure]}</Fact>
      )}
      {Object.entries(job.tags).map(([name, value]) => (
        <Text key={name} label={name} value={value} />
      ))}
    </dl>
    <Json title="Options" value={job.spec} />
    {Object.keys(job.extendedProperties).length > 0 && <Json title="Properties" value={job.extendedProperties} />}
  </section>
)
