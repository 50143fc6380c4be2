import type { SubmitDescription } from './submit-description.js'

/** A job as it is described to condor_submit. */
export interface Described {
  readonly token: string
  readonly description: SubmitDescription
}

/**
 * Jobs that one condor_submit takes: one submit file, and one line for each job. (Several `queue` statements in one file would do
 * too, but HTCondor 24 has them no more, and 23.9 makes a cluster for each new executable.)
 */
export interface Group {
  readonly submitFile: string
  /** `<token>,<number>`: what condor_submit reads from its standard input. */
  readonly lines: readonly string[]
}

/**
 * Puts jobs together that one submit file can describe: with the same commands, so that no command of one job can leak to
 * the next, as many procs each, and the same universe, which is one for a whole cluster. What all of them say alike stands in the file
 * once, what differs in a macro of each. Pure.
 */
export const groupsOf = (jobs: readonly Described[]): Group[] => {
  const groups = new Map<string, Described[]>()
  for (const job of jobs) {
    const { commands, count } = job.description
    const key = JSON.stringify([[...commands.keys()].sort(), count, commands.get('universe')])
    const group = groups.get(key)
    if (group) group.push(job)
    else groups.set(key, [job])
  }
  return [...groups.values()].map(groupOf)
}

// A line of `queue … from` is split at commas and white space and knows no quotes: it holds no values, but the number of the job,
// which is part of the names of the macros that do.
const groupOf = (jobs: readonly Described[]): Group => {
  const [first] = jobs
  if (!first) throw new Error('A group without a job.')
  const macros: string[] = []
  const commands: string[] = []
  for (const [command, value] of first.description.commands) {
    const differs = jobs.some(({ description }) => description.commands.get(command) !== value)
    commands.push(`${command} = ${differs ? `$(telesto_${commands.length}_$(telestoJob))` : value}`)
    if (!differs) continue
    for (const [job, { description }] of jobs.entries())
      macros.push(`telesto_${commands.length - 1}_${job} = ${description.commands.get(command) ?? ''}`)
  }
  const queue = `queue ${first.description.count} telestoToken,telestoJob from -`
  return {
    submitFile: [...macros, ...commands, queue, ''].join('\n'),
    lines: jobs.map(({ token }, job) => `${token},${job}`),
  }
}
