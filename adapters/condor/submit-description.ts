import {
  argumentsCommand,
  classAdText,
  environmentCommand,
  inQuotes,
  literalName,
  nameProblem,
  textLine,
  variableWords,
} from './arguments.js'
import { expand, expandForEach, type Given, givenBy, invalid, type Value, withStep } from './given.js'
import { REPORT_FILE, reportVariable } from './report-file.js'
import type { CondorSpec } from './spec.js'
import { destinationOf, mayTransfer, shippedExecutable, standardInput, transferInputs } from './transfers.js'

/** An attempt, and where it is. */
export interface JobPlace {
  readonly token: string
  /** As the user wrote it: any text. */
  readonly name: string
  /** Absolute, on the machine of the schedd. */
  readonly directory: string
  /** The batch that hands it over. */
  readonly batch?: string
  /** Whether REPORT_FILE is in the directory: the job is then told of it. */
  readonly report?: boolean
}
export interface SubmitDescription {
  /** Commands of condor_submit, in lower case, and attributes of the ClassAd, as `MY.Name`; each value is one line. */
  readonly commands: ReadonlyMap<string, string>
  readonly count: number
  /** Folders that must be in the directory when it is submitted, beside those of its input files. */
  readonly folders: readonly string[]
}

/** Where Telesto keeps its own files, in the directory of an attempt. */
export const OWN_FOLDER = '.telesto'
/** The log of HTCondor's events that Telesto reads. */
export const EVENTS_FILE = `${OWN_FOLDER}/events.log`

/** A value as one line of the submit language. In a list, nothing is a macro. */
const lineOf = (command: string, value: Value): string => {
  if (typeof value === 'string') return withStep(value)
  if (!Array.isArray(value)) return `${value}`
  if (command.startsWith('MY.')) return `{${value.map(classAdText).join(', ')}}`
  // An empty value would mean that everything comes back.
  if (command === 'transfer_output_files' && value.length === 0) return '""'
  const items = value.map(literalName)
  return command.endsWith('remaps') ? `"${items.join('; ')}"` : items.join(', ')
}

/** Macros that no command of condor_submit is, and that it warns of where nothing uses them. */
const OWN_MACROS = ['logdir', 'job_name']

/** A part of a file name, made of a job's name: what $(job_name) is. */
const fileName = (name: string): string => {
  let safe = ''
  for (const letter of name.replaceAll(/[^\p{L}\p{N}._-]/gu, '_').replace(/^[.-]/, '_')) {
    if (Buffer.byteLength(safe + letter) > 120) break
    safe += letter
  }
  return safe || '_'
}

/** The folder of a path, which must stay in the job's directory. */
const folderOf = (command: string, path: string): string => {
  const parts = path.split('/').filter((part) => part !== '' && part !== '.')
  if (path.startsWith('/') || parts.includes('..') || parts[0] === OWN_FOLDER)
    throw invalid(
      `${command}: ${path} must be a path inside the directory of the job, without "..", and not in ${OWN_FOLDER}.`,
    )
  const folder = parts.slice(0, -1).join('/')
  if (folder.includes('$'))
    throw invalid(`${command}: in the folder of ${path} only $(Process) and macros of your own can be used.`)
  return folder
}
const join = (...parts: readonly string[]): string => parts.filter((part) => part !== '').join('/')

/** Commands with which a job needs no executable: something else says what is run. */
const WITHOUT_EXECUTABLE = ['docker_image', 'container_image', 'vm_type', 'shell']

type Commands = Map<string, string>

const setExecutable = (commands: Commands, all: Given, directory: string): void => {
  const executable = all.get('executable')
  if (typeof executable !== 'string' || executable === '') {
    if (!WITHOUT_EXECUTABLE.some((command) => all.has(command)))
      throw invalid("The job has no executable: give the option executable, or setAttribute('executable', …).")
    commands.delete('executable')
  } else {
    const shipped = shippedExecutable(all)
    commands.set(
      'executable',
      literalName(shipped === undefined ? executable : `${directory}/${destinationOf(shipped)}`),
    )
  }
}

/** Where the procs start and write; answers the folders that must be there. */
const setPaths = (commands: Commands, all: Given, directory: string, count: number): Set<string> => {
  const folders = new Set<string>()
  const start = (commands.get('initialdir') ?? '').replace(/\/+$/, '')
  const starts = expandForEach(start, all, count).map((first) =>
    first === '' ? '' : folderOf('initialdir', `${first}/_`),
  )
  for (const first of starts) if (first !== '') folders.add(first)
  commands.set('initialdir', join(literalName(directory), expand(start, all)))

  const each = count > 1 ? '.$(Step)' : ''
  if (!commands.get('output')) commands.set('output', `out${each}`)
  if (!commands.get('error')) commands.set('error', `err${each}`)
  for (const command of ['output', 'error', 'log']) {
    const path = expand(commands.get(command) ?? '', all)
    if (path === '' || path === '/dev/null') continue
    commands.set(command, path)
    // Of both there is one, or one for each proc.
    const paths = expandForEach(path, all, count)
    for (let proc = 0; proc < Math.max(paths.length, starts.length); proc++) {
      const folder = folderOf(command, paths[proc % paths.length] as string)
      if (folder !== '') folders.add(join(starts[proc % starts.length] as string, folder))
    }
  }
  // A log that the job asks for is a second one: HTCondor writes both.
  commands.set(commands.get('log') ? 'dagman_log' : 'log', `${literalName(directory)}/${EVENTS_FILE}`)
  return folders
}

const setInputs = (commands: Commands, spec: CondorSpec, all: Given, place: JobPlace): void => {
  const directory = literalName(place.directory)
  // HTCondor looks them up from where the procs start, the files are in the job's directory.
  const started = commands.get('initialdir') !== directory
  const told = (text: string, ships: readonly string[]): string =>
    started && ships.length > 0 ? `${directory}/${text}` : text

  const input = standardInput(spec, all)
  if (input) commands.set('input', told(withStep(input.text), input.ships))

  const executable = shippedExecutable(all)
  let files = transferInputs(spec, all)?.map(({ text, ships }) => told(withStep(text), ships))
  if (files === undefined) {
    const all = (spec.remoteInputFiles ?? []).map(destinationOf)
    const names = all.filter((name) => executable === undefined || name !== destinationOf(executable))
    files = names.map((name) => told(literalName(name), [name]))
    if (files.some((name) => name.includes('/')) && !started && !commands.has('preserve_relative_paths'))
      commands.set('preserve_relative_paths', 'true')
  }
  if (place.report === true) files = [...files, `${directory}/${REPORT_FILE}`]
  if (files.length > 0 && mayTransfer(all)) commands.set('transfer_input_files', files.join(', '))
  else if (!mayTransfer(all)) commands.delete('transfer_input_files')
}

const setEnvironment = (commands: Commands, all: Given, place: JobPlace): void => {
  const report = place.report === true ? reportVariable(all, place.directory) : undefined
  const given = all.get('environment')
  const text = typeof given === 'string' ? withStep(given).trim() : ''
  if (text !== '' && !text.startsWith('"')) {
    // The old syntax: variables are separated by semicolons.
    commands.set('environment', report === undefined ? text : `${text};TELESTO_REPORT=${report.value}`)
    return
  }
  const mine = report === undefined || report.macro ? {} : { TELESTO_REPORT: report.value }
  const macro = report?.macro === true ? `TELESTO_REPORT=${report.value}` : ''
  if (text !== '') {
    const added = inQuotes([variableWords(mine), macro].join(' ').trim()).slice(1)
    commands.set('environment', report === undefined ? text : `${text.replace(/"$/, '')} ${added}`)
    return
  }
  const words = variableWords({ ...(given as Readonly<Record<string, string>> | undefined), ...mine })
  if (words !== '' || macro !== '') commands.set(...environmentCommand(words, macro))
}

/**
 * A job as condor_submit is told of it. Throws SchedulerError `invalid_job`, naming the command, for a job without an executable
 * and for a path that leads out of its directory.
 */
export const describe = (spec: CondorSpec, place: JobPlace): SubmitDescription => {
  const problem = nameProblem(place.directory)
  if (problem) throw invalid(`HTCondor cannot be told the directory ${JSON.stringify(place.directory)}: it ${problem}.`)
  const all = givenBy(spec).set('job_name', fileName(place.name))
  const commands: Commands = new Map()
  for (const [command, value] of all) {
    if (command === 'arguments' && Array.isArray(value)) commands.set(...argumentsCommand(value))
    else if (command !== 'environment') commands.set(command, lineOf(command, value))
  }
  setExecutable(commands, all, place.directory)
  const folders = setPaths(commands, all, place.directory, spec.numJobs)
  setInputs(commands, spec, all, place)
  setEnvironment(commands, all, place)
  const name = textLine(place.name)
  if (name !== undefined && !all.has('batch_name')) commands.set('MY.JobBatchName', name)
  commands.set('MY.TelestoToken', classAdText(place.token))
  if (place.batch !== undefined) commands.set('MY.TelestoBatch', classAdText(place.batch))
  for (const macro of OWN_MACROS)
    if (![...commands.values()].some((value) => value.toLowerCase().includes(`$(${macro})`))) commands.delete(macro)
  return { commands, count: spec.numJobs, folders: [...folders] }
}

const line = (command: string, value: string): string => `${command} = ${value}\n`

/** The submit file of one job. */
export const serialize = ({ commands, count }: SubmitDescription): string =>
  `${[...commands].map(([command, value]) => line(command, value)).join('')}queue ${count}\n`
