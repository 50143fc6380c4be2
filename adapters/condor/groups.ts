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
 * the next, as many procs each, and the same universe, which is one for a whole cluster. What all of them say alike stands in the file
 * once, what differs in the lines. Pure.
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
  const macros = SEPARATORS.map(([, name, value]) => `${name} = ${value}`)
  const commands: string[] = []
  const variables = ['telestoToken']
  const lines = jobs.map(({ token }) => [token])
  for (const [command, value] of first.description.commands) {
    if (jobs.every(({ description }) => description.commands.get(command) === value)) {
      commands.push(`${command} = ${value}`)
      continue
    }
    const variable = `telesto${variables.length}`
    variables.push(variable)
    commands.push(`${command} = $(${variable})`)
    for (const [job, { description }] of jobs.entries()) {
      const own = (description.commands.get(command) ?? '').trim()
      const macro = `${variable}_${job}`
      if (own.includes('$')) macros.push(`${macro} = ${own}`)
      lines[job]?.push(own.includes('$') ? `$(${macro})` : field(own))
    }
  }
  const queue = `queue ${first.description.count} ${variables.join(',')} from -`
  return { submitFile: [...macros, ...commands, queue, ''].join('\n'), lines: lines.map((fields) => fields.join(',')) }
}

// A line of `queue … from` is split at commas and white space, and knows no quotes: plain text has macros in their place. A macro's own
// value is stripped of white space at its ends, so that a space stands between two macros of nothing. A value with macros of its own
// is one as a whole, because `$CHOICE(1,a,b)` is split before its parts are expanded. (To make each value one, HTCondor takes three times
// as long: 0.5 s for 1,000 jobs.)
const SEPARATORS = [
  ['', 'telestoNothing', ''],
  [',', 'telestoComma', ','],
  [' ', 'telestoSpace', '$(telestoNothing) $(telestoNothing)'],
  ['\t', 'telestoTab', '$(telestoNothing)\t$(telestoNothing)'],
] as const

const MACROS: ReadonlyMap<string, string> = new Map(SEPARATORS.map(([text, name]) => [text, `$(${name})`]))

const field = (text: string): string =>
  text === '' ? `${MACROS.get('')}` : text.replaceAll(/[, \t]/g, (one) => MACROS.get(one) ?? one)
