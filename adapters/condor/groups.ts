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
  /** `<token>,<values>`: what condor_submit reads from its standard input. */
  readonly lines: readonly string[]
}

/**
 * Puts jobs together that one submit file can describe: with the same commands, so that no command of one job can leak to
 * the next, as many procs each, and the same universe, which is one for a whole cluster. What all of them say alike stands in the file, what
 * differs in the lines. Pure.
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

const groupOf = (jobs: readonly Described[]): Group => {
  const [first] = jobs
  if (!first) throw new Error('A group without a job.')
  const variables = ['telestoToken']
  const columns: string[] = []
  const text = [...SEPARATORS.map(([, name, value]) => `${name} = ${value}`)]
  for (const [command, value] of first.description.commands) {
    if (jobs.every(({ description }) => description.commands.get(command) === value)) {
      text.push(`${command} = ${value}`)
      continue
    }
    const variable = `telesto${columns.length}`
    variables.push(variable)
    columns.push(command)
    text.push(`${command} = $(${variable})`)
  }
  text.push(`queue ${first.description.count} ${variables.join(',')} from -`)
  return {
    submitFile: `${text.join('\n')}\n`,
    lines: jobs.map(({ token, description }) =>
      [token, ...columns.map((command) => field(description.commands.get(command) ?? ''))].join(','),
    ),
  }
}

// A line of `queue … from` is split at commas and white space, and knows no quotes: a value has macros in their place. A macro's own
// value is stripped of white space at its ends, so that a space stands between two macros of nothing.
const SEPARATORS = [
  ['', 'telestoNothing', ''],
  [',', 'telestoComma', ','],
  [' ', 'telestoSpace', '$(telestoNothing) $(telestoNothing)'],
  ['\t', 'telestoTab', '$(telestoNothing)\t$(telestoNothing)'],
] as const

const MACROS: ReadonlyMap<string, string> = new Map(SEPARATORS.map(([text, name]) => [text, `$(${name})`]))

const field = (value: string): string => {
  const trimmed = value.trim()
  return trimmed === '' ? (MACROS.get('') ?? '') : trimmed.replaceAll(/[, \t]/g, (one) => MACROS.get(one) ?? one)
}
