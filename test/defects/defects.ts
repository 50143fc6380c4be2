/** Another text in a file of the sources, in the place of one that stands there exactly once. */
export interface Replacement {
  readonly file: string
  readonly text: string
  readonly by: string
}

/** A defect of Tethys (its number in docs/tethys.md), the test that shows it absent here, and the change that would bring it. */
export interface Defect {
  readonly id: string
  /** What Telesto does instead. */
  readonly instead: string
  readonly file: string
  /** The name of the test, or its beginning. */
  readonly test: string
  readonly change: readonly Replacement[]
}

export const DEFECTS: readonly Defect[] = [
  {
    id: 'W2',
    instead: 'an outage of the scheduler ends no job',
    file: 'test/engine/outages.test.ts',
    test: 'An adapter whose status throws for 10 minutes of injected time',
    change: [
      {
        file: 'src/engine/poll.ts',
        text: "observations: observations.filter((one) => one.report !== 'gap'), askedAt, error",
        by: "observations: jobs.map((job) => ({ job, asked, report: { state: 'failed' as const } })), askedAt, error",
      },
    ],
  },
  {
    id: 'W3',
    instead: 'results that cannot be fetched are fetched again; meanwhile the job is not complete',
    file: 'test/engine/collect.test.ts',
    test: 'A fetch that fails, hangs or writes outside the directory is a failed try',
    change: [
      {
        file: 'src/engine/collect.ts',
        text: 'await failedOnce(core, job, tries + 1, message, final)',
        by: 'await complete(core, job, null, async () => { void final })',
      },
    ],
  },
  {
    id: 'W6',
    instead: 'the results of a job are processed by one process at a time',
    file: 'test/engine/collect.test.ts',
    test: 'Of two engines that find results to collect at once, one processes them',
    change: [
      { file: 'src/engine/due.ts', text: 'AND a.collect_until <= $' + '{now} ', by: '' },
      { file: 'src/engine/lease.ts', text: ' AND collect_until <= $' + '{now}`', by: '`' },
    ],
  },
  {
    id: 'W14',
    instead: "HTCondor's 6 is running, its 7 suspended and its 5 held with a reason: none of them ends a job",
    file: 'test/adapters/condor/report.test.ts',
    test: 'transferring output is running still, suspended is suspended',
    change: [
      {
        file: 'adapters/condor/report.ts',
        text: "  6: 'running',\n  7: 'suspended',",
        by: "  6: 'failed',\n  7: 'failed',",
      },
    ],
  },
  {
    id: 'W15',
    instead: 'a node of a workflow is known by its DAGNodeName, not by what it runs',
    file: 'test/adapters/condor/node-status.test.ts',
    test: 'are known by their DAGNodeName in the queue',
    change: [
      {
        file: 'adapters/condor/node-status.ts',
        text: 'Map.groupBy(jobs, ({ node }) => node)',
        by: "Map.groupBy(jobs, () => file.nodes[0]?.name ?? '')",
      },
    ],
  },
  {
    id: 'W16',
    instead: 'every option of a node is written to the DAG file, on a line of its own, and 0 is a value',
    file: 'test/adapters/condor/dag-file.test.ts',
    test: 'has every option on a line of its own, and 0 is a value',
    change: [
      { file: 'adapters/condor/dag-file.ts', text: "...(node.noop ? ['NOOP'] : []),", by: '' },
      {
        file: 'adapters/condor/dag-file.ts',
        text: 'value === undefined ? [] : [write(value)]',
        by: '!value ? [] : [write(value)]',
      },
    ],
  },
  {
    id: 'W17',
    instead: 'nodes that wait for each other are refused with their path, before anything is saved, in linear time',
    file: 'test/adapters/condor/workflow-spec.test.ts',
    test: 'are refused with their path',
    change: [
      {
        file: 'src/parent-graph.ts',
        text: 'levels.size === parents.size ? undefined',
        by: 'levels.size >= 0 ? undefined',
      },
    ],
  },
  {
    id: 'W18',
    instead: '{id} in a name is replaced once, before anything is made of the name',
    file: 'test/create-job.test.ts',
    test: '{id} in a name is replaced by the id as plain text',
    change: [{ file: 'src/store/write-jobs.ts', text: ".name.includes('{id}')", by: ".name.includes('{never}')" }],
  },
  {
    id: 'W21',
    instead: 'a job has a log of each of its procs, and one of its events',
    file: 'test/adapters/condor/logs.test.ts',
    test: 'of several procs each has its own',
    change: [
      {
        file: 'adapters/condor/logs.ts',
        text: "count > 1 && command !== 'log' ? { path, part: String(number) } : { path }",
        by: '{ path }',
      },
    ],
  },
  {
    id: 'W22',
    instead: 'a record with active jobs is not removed, and the jobs of a removed one run on no other',
    file: 'test/schedulers/records.test.ts',
    test: 'A record with active jobs is not removed',
    change: [{ file: 'src/schedulers/activity.ts', text: 'if (jobs === 0 && strays === 0) return', by: 'return' }],
  },
  {
    id: 'W23',
    instead: 'a record is made of named fields, with the defaults of its adapter',
    file: 'test/schedulers/records.test.ts',
    test: 'A record is made, listed, read, changed and removed by its name',
    change: [{ file: 'src/schedulers/change.ts', text: '      config.open,\n', by: "      '{}',\n" }],
  },
  {
    id: 'W24',
    instead: 'one group or many are taken, and a job of two of them is listed once',
    file: 'test/create-job.test.ts',
    test: 'groups: one group',
    change: [
      { file: 'src/options.ts', text: 'line(255).transform((group) => [group])', by: 'z.array(line(255)).max(0)' },
    ],
  },
  {
    id: 'W28',
    instead: 'a job is cancelled before it is deleted, wherever it runs',
    file: 'test/engine/delete.test.ts',
    test: 'Delete hides the job at once; then it is cancelled',
    change: [{ file: 'src/engine/orders.ts', text: "await repeat(work, 'cancel', plan.cancel)", by: '' }],
  },
  {
    id: 'W29',
    instead: 'cleaning up is repeated until it is done, whatever the scheduler knows of the job',
    file: 'test/engine/delete.test.ts',
    test: 'Cleaning up that fails for one job is repeated for that one alone',
    change: [
      {
        file: 'src/engine/orders.ts',
        text: "if (answer === 'ok')\n        await tx.run(`DELETE",
        by: 'if (answer !== undefined)\n        await tx.run(`DELETE',
      },
    ],
  },
  {
    id: 'W30',
    instead: 'a time is written in ISO 8601 and UTC, and the browser puts it into words',
    file: 'test/web/pages.test.ts',
    test: 'writes a time in ISO 8601 and UTC',
    change: [
      { file: 'src/web/pages/time.tsx', text: 'dateTime={iso}', by: "dateTime={new Date(at).toLocaleString('en-US')}" },
    ],
  },
  {
    id: 'W31',
    instead: 'a job that is no longer mentioned keeps its status, and is lost only after 3 answers over 2 minutes',
    file: 'test/engine/gaps.test.ts',
    test: 'A job that is not mentioned is unchanged until 3 answered polls over 2 minutes or more',
    change: [
      {
        file: 'src/engine/poll.ts',
        text: "report: reports.get(job.token) ?? 'gap' }))",
        by: "report: reports.get(job.token) ?? { state: 'queued' as const } }))",
      },
    ],
  },
  {
    id: 'X6',
    instead: 'secrets are encrypted, never shown, and stay where a form leaves them blank',
    file: 'test/schedulers/secrets.test.ts',
    test: 'A secret that is blank or absent stays',
    change: [{ file: 'src/schedulers/config.ts', text: "!(value === '' && isSecret(field))", by: 'true' }],
  },
  {
    id: 'X7',
    instead: 'nothing is said to a host whose key nobody accepted',
    file: 'test/schedulers/host-key.test.ts',
    test: 'A host key is shown, accepted, and then the only one that is talked to',
    change: [
      {
        file: 'src/transport/ssh-login.ts',
        text: 'verified = key.fingerprint === target.hostKey',
        by: 'verified = true',
      },
      { file: 'src/transport/ssh-login.ts', text: 'if (target.hostKey === undefined) break', by: '' },
    ],
  },
  {
    id: 'X8',
    instead: 'no word of a command means anything but itself to the shell of the target',
    file: 'test/transport/quote.test.ts',
    test: 'a real shell gives every word back byte for byte',
    change: [{ file: 'src/transport/quote.ts', text: 'text.replaceAll("\'", "\'\\\\\'\'")', by: 'text' }],
  },
]
