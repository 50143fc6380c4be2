import { posix } from 'node:path'
import { quote } from '../../src/transport/quote.js'
import { classAdText, literalName, textLine } from './arguments.js'
import { givenBy } from './given.js'
import { REPORT_FILE } from './report-file.js'
import type { CondorSpec } from './spec.js'
import { describe, EVENTS_FILE, type JobPlace, serialize } from './submit-description.js'
import { abortCode, type CondorWorkflowSpec, type WorkflowNode } from './workflow-spec.js'

/** Where DAGMan's own files are, below the directory of the attempt. */
export const DAG_FOLDER = '.telesto/dag'
export const DAG_FILE = `${DAG_FOLDER}/workflow.dag`
export const DAG_CONFIG = `${DAG_FOLDER}/dagman.config`
export const NODE_STATUS = `${DAG_FOLDER}/node.status`
export const JOBSTATE = `${DAG_FOLDER}/jobstate.log`
/** What the nodes write: JSON of NodeLog[]. */
export const LOGS_FILE = `${DAG_FOLDER}/logs.json`
/** A log of a node: its name, and the path below the directory of the attempt, in which `*` is what HTCondor alone works out. */
export type NodeLog = readonly [node: string, name: string, path: string]

/** A file of a node; numbered, because no name is made a path. */
export const nodeFile = (place: number, ending: string): string => `${DAG_FOLDER}/${place}.${ending}`

/** A word of the DAG file. Only file names can have white space, and they cannot have quotes. */
const fileWord = (path: string): string => (/\s/.test(path) ? `"${path}"` : path)
const quoted = (text: string): string => `"${text.replaceAll('\\', '\\\\').replaceAll('"', '\\"')}"`

/** What DAGMan is to read from the folder in which the node works. */
const from = (node: WorkflowNode, path: string): string => posix.relative(posix.normalize(node.dir ?? '.'), path)

const KEYWORD = { JOB: 'JOB', FINAL: 'FINAL', SUBDAG: 'SUBDAG EXTERNAL', SPLICE: 'SPLICE' } as const

const declaration = (node: WorkflowNode, place: number): string =>
  [
    `${KEYWORD[node.type]} ${node.name} ${fileWord(from(node, node.file ?? nodeFile(place, 'sub')))}`,
    ...(node.dir === undefined ? [] : [`DIR ${fileWord(posix.normalize(node.dir))}`]),
    ...(node.noop ? ['NOOP'] : []),
    ...(node.done ? ['DONE'] : []),
  ].join(' ')

/** What DAGMan replaces where it is a whole argument of a script. */
const MACRO = /^\$(JOB|RETRY|MAX_RETRIES|DAG_STATUS|FAILED_COUNT|RETURN|JOBID|PRE_SCRIPT_RETURN)$/i
const macrosOf = (args: readonly string[]): string[] => [...new Set(args.filter((arg) => MACRO.test(arg)))]

/** DAGMan cuts the arguments of a script at white space and knows no quotes: they stand in a script of ours, which runs it. */
const scriptLine = (node: WorkflowNode, place: number, when: 'PRE' | 'POST', args: readonly string[]): string =>
  ['SCRIPT', when, node.name, '/bin/sh', from(node, nodeFile(place, when.toLowerCase())), ...macrosOf(args)].join(' ')

const scriptText = (command: string, args: readonly string[], place: number, when: 'PRE' | 'POST', at: JobPlace) => {
  const macros = macrosOf(args)
  const words = args.map((arg) => (MACRO.test(arg) ? `"\${${macros.indexOf(arg) + 1}}"` : quote(arg)))
  const program = command.startsWith('/') ? command : posix.join(at.directory, command)
  const report = posix.join(at.directory, REPORT_FILE)
  return [
    `exec >>${quote(posix.join(at.directory, nodeFile(place, `${when.toLowerCase()}.log`)))} 2>&1`,
    `if [ -e ${quote(report)} ]; then TELESTO_REPORT=${quote(report)}; export TELESTO_REPORT; fi`,
    `exec ${[quote(program), ...words].join(' ')}`,
    '',
  ].join('\n')
}

const optionLines = (node: WorkflowNode, place: number): string[] => {
  const { name, preScriptArgs = [], postScriptArgs = [] } = node
  const line = (...words: (string | number | undefined)[]) => words.filter((word) => word !== undefined).join(' ')
  const optional = <T>(value: T | undefined, write: (value: T) => string): string[] =>
    value === undefined ? [] : [write(value)]
  return [
    ...Object.entries(node.variables ?? {}).map(([key, value]) => line('VARS', name, `${key}=${quoted(value)}`)),
    ...optional(node.preScript, () => scriptLine(node, place, 'PRE', preScriptArgs)),
    ...optional(node.postScript, () => scriptLine(node, place, 'POST', postScriptArgs)),
    ...optional(node.preSkip, (code) => line('PRE_SKIP', name, code)),
    ...optional(node.category, (category) => line('CATEGORY', name, category)),
    ...optional(node.priority, (priority) => line('PRIORITY', name, priority)),
    ...optional(node.retry, (retry) =>
      line('RETRY', name, retry, ...optional(node.retryUnlessExitValue, (code) => `UNLESS-EXIT ${code}`)),
    ),
    ...optional(node.abortDagOn, (code) =>
      line('ABORT-DAG-ON', name, code, ...optional(node.abortDagOnReturnValue, (value) => `RETURN ${value}`)),
    ),
  ]
}

/**
 * The DAG file. Every option stands on a line of its own, a child has all its parents on one (several of both would make DAGMan
 * add nodes). Pure.
 */
export const dagFile = (spec: CondorWorkflowSpec): string =>
  [
    ...(spec.config === undefined ? [] : [`CONFIG ${DAG_CONFIG}`]),
    ...spec.nodes.map(declaration),
    ...spec.nodes.flatMap(optionLines),
    ...spec.nodes
      .filter(({ parents }) => parents.length > 0)
      .map(({ name, parents }) => `PARENT ${parents.join(' ')} CHILD ${name}`),
    ...Object.entries(spec.maxJobs ?? {}).map(([category, jobs]) => `MAXJOBS ${category} ${jobs}`),
    `NODE_STATUS_FILE ${NODE_STATUS} 1 ALWAYS-UPDATE`,
    `JOBSTATE_LOG ${JOBSTATE}`,
    '',
  ].join('\n')

/**
 * The arguments of condor_submit_dag, each one line, to be run in the directory of the attempt. HTCondor starts a DAGMan again that
 * exits with more than 2: also where the workflow itself says so by abortDagOn. Pure.
 */
export const submitDagArguments = (spec: CondorWorkflowSpec, { name }: Pick<JobPlace, 'name'>): string[] => {
  const shown = textLine(name)
  const codes = new Set(spec.nodes.map(abortCode).filter((code) => code !== undefined && code > 2))
  const ends = [EXITS, ...[...codes].map((code) => `ExitCode =?= ${code}`)].join(' || ')
  return [
    // What an earlier try under another token left is not in the way.
    '-update_submit',
    // What an attempt before it had done is told in a rescue file.
    ...['-autorescue', '1'],
    ...['-append', `log = ${EVENTS_FILE}`],
    ...(shown === undefined ? [] : ['-append', `MY.JobBatchName = ${shown}`]),
    ...(codes.size === 0 ? [] : ['-append', `on_exit_remove = ${ends}`]),
    DAG_FILE,
  ]
}
/** As condor_submit_dag has it. */
const EXITS = 'ExitSignal =?= 11 || (ExitCode =!= UNDEFINED && ExitCode >= 0 && ExitCode <= 2)'

/** The state of the nodes as long as DAGMan has not told it: none is ready. In DAGMan's own syntax; it replaces the file. */
const firstStatus = (spec: CondorWorkflowSpec): string =>
  [
    ...spec.nodes
      .filter(({ type }) => type !== 'SPLICE')
      .map(
        ({ name, done }) => `[\n  Type = "NodeStatus";\n  Node = ${quoted(name)};\n  NodeStatus = ${done ? 5 : 0};\n]`,
      ),
    '[\n  Type = "StatusEnd";\n]',
    '',
  ].join('\n')

/**
 * What a node submits. It is a job of the workflow, not the workflow: it does not carry its token. What it prints is kept with
 * DAGMan's files where it names none of its own, so that nodes in one folder do not write over each other.
 */
const nodeJob = (node: WorkflowNode, job: CondorSpec, at: number, place: JobPlace) => {
  const given = givenBy(job)
  const start = [node.dir === undefined ? undefined : posix.normalize(node.dir), given.get('initialdir')]
  const initialDir = start.filter((folder) => folder !== undefined && folder !== '').join('/')
  const described = describe({ ...job, ...(initialDir === '' ? {} : { initialDir }) }, { ...place, name: node.name })
  const commands = new Map(described.commands)
  const own = (ending: string) => `${literalName(place.directory)}/${nodeFile(at, ending)}`
  const each = job.numJobs > 1 ? '$(Step).' : ''
  if (!given.get('output')) commands.set('output', own(`${each}out`))
  if (!given.get('error')) commands.set('error', own(`${each}err`))
  if (!given.get('log')) commands.set('log', own('log'))
  for (const name of ['dagman_log', 'MY.TelestoToken', 'MY.TelestoBatch', 'MY.JobBatchName']) commands.delete(name)
  commands.set('MY.TelestoWorkflow', classAdText(place.token))
  return {
    text: serialize({ ...described, commands }),
    folders: described.folders,
    logs: logsOf(node.name, commands, job.numJobs, place.directory),
  }
}

const LOGS = [
  ['out', 'output'],
  ['err', 'error'],
  ['log', 'log'],
] as const

/** One for each proc, where they differ. */
const logsOf = (node: string, commands: ReadonlyMap<string, string>, count: number, directory: string): NodeLog[] =>
  LOGS.flatMap(([name, command]) => {
    const path = posix.resolve(commands.get('initialdir') ?? '/', commands.get(command) ?? '')
    const relative = posix.relative(literalName(directory), path)
    const procs =
      count > 1 && /\$\(step\)/i.test(relative) ? Array.from({ length: count }, (_, proc) => proc) : [undefined]
    return procs.map((proc): NodeLog => {
      const own = proc === undefined ? relative : relative.replaceAll(/\$\(step\)/gi, `${proc}`)
      return [
        node,
        proc === undefined ? name : `${proc}.${name}`,
        own.replaceAll(/\$\(DOLLAR\)/gi, '$').replaceAll(/\$\([^)]*\)/g, '*'),
      ]
    })
  })

/**
 * All texts that DAGMan needs beside the inputs, by their paths below the directory of the attempt. `folders` must be there
 * before it starts. Pure.
 */
export const workflowFiles = (
  spec: CondorWorkflowSpec,
  place: JobPlace,
): { readonly files: ReadonlyMap<string, string>; readonly folders: readonly string[] } => {
  const files = new Map([
    [DAG_FILE, dagFile(spec)],
    [NODE_STATUS, firstStatus(spec)],
  ])
  const folders = new Set<string>()
  const logs: NodeLog[] = []
  if (typeof spec.config === 'object') files.set(DAG_CONFIG, configText(spec.config))
  for (const [at, node] of spec.nodes.entries()) {
    if (node.dir !== undefined) folders.add(posix.normalize(node.dir))
    if (node.job) {
      const job = nodeJob(node, node.job, at, place)
      files.set(nodeFile(at, 'sub'), job.text)
      for (const folder of job.folders) folders.add(folder)
      logs.push(...job.logs)
    }
    const { preScript, preScriptArgs = [], postScript, postScriptArgs = [] } = node
    const scripts = [['PRE', preScript, preScriptArgs] as const, ['POST', postScript, postScriptArgs] as const]
    for (const [when, script, args] of scripts) {
      if (script === undefined) continue
      const ending = when.toLowerCase()
      files.set(nodeFile(at, ending), scriptText(script, args, at, when, place))
      logs.push([node.name, `${ending}.log`, nodeFile(at, `${ending}.log`)])
    }
  }
  files.set(LOGS_FILE, JSON.stringify(logs))
  return { files, folders: [...folders] }
}

const configText = (settings: Readonly<Record<string, string>>): string =>
  Object.entries(settings)
    .map(([name, value]) => `${name} = ${value}\n`)
    .join('')
