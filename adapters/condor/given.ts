import { SchedulerError } from '../../src/adapter.js'
import { COMMANDS, commandName, type TypedOption } from './commands.js'
import type { CondorSpec } from './spec.js'
import { TEMPLATES } from './templates.js'

/** Text is HTCondor's own language; a list is data. */
export type Value = string | number | boolean | readonly string[] | Readonly<Record<string, string>>
/** What a job says, by the names of condor_submit's commands. */
export type Given = ReadonlyMap<string, Value>

export const invalid = (message: string): SchedulerError => new SchedulerError('invalid_job', message)

/** All that a spec and its template say: what comes later has precedence. */
export const givenBy = (spec: CondorSpec): Map<string, Value> => {
  const template = spec.condorpyTemplateName === undefined ? {} : TEMPLATES[spec.condorpyTemplateName]
  const all = new Map<string, Value>(Object.entries(template))
  for (const [name, value] of Object.entries(spec.attributes)) all.set(commandName(name), value)
  for (const [option, command] of Object.entries(COMMANDS) as [TypedOption, string][]) {
    const value = spec[option]
    if (value !== undefined) all.set(command, value)
  }
  return all
}

/** Several jobs share a cluster: the number of a proc within its job is $(Step). */
export const withStep = (text: string): string =>
  text.replaceAll(/(\$[A-Za-z_]*\(\s*)proc(?:ess|id)(?=\s*[):,])/gi, '$1Step')

/** A text with the commands put in for their macros; HTCondor's own macros stay. */
export const expand = (text: string, all: Given, depth = 0): string =>
  withStep(text).replaceAll(/\$\(([A-Za-z_]\w*)\)/g, (macro, name: string) => {
    const value = all.get(name.toLowerCase())
    if (value === undefined || typeof value === 'object') return macro
    if (depth === 10) throw invalid(`The command ${name} refers to itself.`)
    return expand(`${value}`, all, depth + 1)
  })

/** A text for each proc, with all macros put in that are known before the job is submitted. */
export const expandForEach = (text: string, all: Given, count: number): readonly string[] => {
  const plain = expand(text, all)
  const step = /\$\(step\)/gi
  return plain.search(step) < 0
    ? [plain]
    : Array.from({ length: count }, (_, proc) => plain.replaceAll(step, `${proc}`))
}

/** HTCondor's own way to say no. */
export const isNo = (value: Value | undefined): boolean => /^(false|no|f|0)$/i.test(`${value ?? ''}`)
