import { z } from 'zod'
import type { GraphNode } from '../../src/adapter.js'
import { condorSpec } from './spec.js'

/** More nodes than this are no workflow but a campaign: make several, or nest sub-DAGs. */
export const MAX_NODES = 10_000

/** Text on one line of the DAG file. */
const text = z
  .string()
  .max(8192, 'must have at most 8,192 characters')
  .refine((value) => !/[\p{Cc}\u2028\u2029]/u.test(value), 'must have no line breaks or other control characters')
  .refine((value) => value.isWellFormed(), 'must be well-formed Unicode: it holds half of a surrogate pair')

const NAME = 'must start with a letter or digit and go on with letters, digits and _ . : @ - only'
/** DAGMan cuts names at white space and keeps "+" for itself; quotes and macros have no place in one either. */
const word = z
  .string()
  .min(1, 'must have 1 to 128 characters')
  .max(128, 'must have 1 to 128 characters')
  .regex(/^[\p{L}\p{N}][\p{L}\p{N}\p{M}_.:@-]*$/u, NAME)
const nodeName = word.refine(
  (name) => !/^(PARENT|CHILD|ALL_NODES)$/i.test(name),
  'must not be PARENT, CHILD or ALL_NODES, which are words of DAGMan',
)

/** A relative path that stays inside the job's directory, as a word of the DAG file: it may be quoted, but holds no quote. */
const path = text
  .refine((value) => value.trim() !== '' && value === value.trim(), 'must be a path without white space around it')
  .refine((value) => !/["\\]/.test(value), 'must have no double quote and no backslash')
  .refine(
    (value) => !value.startsWith('/') && !value.split('/').includes('..'),
    'must be a relative path without "..", looked up in the workspace of the job, then of the app',
  )
const script = text
  .refine((value) => value.trim() !== '' && !value.startsWith('-'), 'must name a program, and not start with "-"')
  .refine(
    (value) => value.startsWith('/') || !value.split('/').includes('..'),
    'must be an absolute path on the scheduler, or a relative one without ".." that travels with the job',
  )
const argument = z
  .string()
  .max(8192, 'must have at most 8,192 characters')
  .refine((value) => !/[\0\r]/.test(value), 'must have no NUL and no carriage return')
  .refine((value) => value.isWellFormed(), 'must be well-formed Unicode: it holds half of a surrogate pair')
/** A text is cut at white space, as DAGMan does it. */
const scriptArguments = z
  .union(
    [z.array(argument).max(1000), text.transform((line) => line.split(/[ \t]+/).filter((one) => one !== ''))],
    'must be a list of arguments, or one line of them that is cut at white space',
  )
  .optional()

const int32 = z
  .int()
  .min(-(2 ** 31), 'must fit in 32 bits')
  .max(2 ** 31 - 1, 'must fit in 32 bits')
const exitCode = z.int().min(0, 'must be 0 to 255').max(255, 'must be 0 to 255')
/** A node may also return the negative number of the signal that ended it. */
const returnValue = z.int().min(-65535, 'must be an exit code').max(65535, 'must be an exit code')

const variables = z
  .record(
    z.string(),
    z.union([text, z.number(), z.boolean()], 'must be text on one line, a number, true or false').transform(String),
  )
  .superRefine((given, context) => {
    const seen = new Set<string>()
    for (const name of Object.keys(given)) {
      const message = !/^\+?[A-Za-z_][A-Za-z0-9_]*$/.test(name)
        ? 'is no name of a variable: letters, digits and _, not starting with a digit; "+" before it makes a ClassAd attribute'
        : /^\+?telesto/i.test(name)
          ? 'is reserved: names with telesto belong to Telesto'
          : /^(queue|prepend$|append$)/i.test(name)
            ? 'is a word of DAGMan, not a name of a variable'
            : seen.has(name.toLowerCase())
              ? 'is the same name twice: HTCondor does not look at case'
              : undefined
      seen.add(name.toLowerCase())
      if (message) context.addIssue({ code: 'custom', message, path: [name] })
    }
  })

const TYPES = ['JOB', 'SUBDAG', 'SPLICE', 'FINAL'] as const

/** DAGMan exits so where it wants to be started again, and is. */
const RESTART = 3
/** What DAGMan exits with where this node ends the workflow: a process has one byte for it. */
export const abortCode = (given: {
  readonly abortDagOn?: number | undefined
  readonly abortDagOnReturnValue?: number | undefined
}): number | undefined =>
  given.abortDagOnReturnValue ?? (given.abortDagOn === undefined ? undefined : given.abortDagOn & 255)

const node = z
  .strictObject({
    /** Names the node within the workflow. */
    name: nodeName,
    /** JOB, the default; SUBDAG and SPLICE are another DAG file; FINAL is a job that runs at the end, whatever happened. */
    type: z.enum(TYPES).default('JOB'),
    /** What a JOB or FINAL node runs: the options of a CONDOR job. */
    job: condorSpec.optional(),
    /** The DAG file of a SUBDAG or SPLICE: a relative path, which travels with the workflow. */
    file: path.optional(),
    /** The nodes that must be done before it. */
    parents: z.array(nodeName).max(MAX_NODES).default([]),
    /** The nodes that wait for it: the same, told from the other end. */
    children: z.array(nodeName).max(MAX_NODES).default([]),
    /** Runs on the scheduler's host before the job. A relative path is a file that travels with the workflow. */
    preScript: script.optional(),
    /** Each argument arrives byte for byte. $JOB, $RETRY, $MAX_RETRIES, $DAG_STATUS and $FAILED_COUNT are told by DAGMan. */
    preScriptArgs: scriptArguments,
    /** Runs on the scheduler's host after the job, however that ended: its exit code is then the node's. */
    postScript: script.optional(),
    /** As of preScript, and $RETURN, $JOBID and $PRE_SCRIPT_RETURN. */
    postScriptArgs: scriptArguments,
    /** Macros for the job's options that are HTCondor's own text: `arguments: '--size $(size)'`. */
    variables: variables.optional(),
    /** Among the nodes that are ready; more is earlier. */
    priority: int32.optional(),
    /** For `maxJobs`. */
    category: word.optional(),
    /** How often the node is tried again after it failed. */
    retry: z.int().min(0, 'must be 0 to 65,535').max(65_535, 'must be 0 to 65,535').optional(),
    /** It is not tried again after it returned this. */
    retryUnlessExitValue: returnValue.optional(),
    /** The node is done, and its job is not run, if the pre-script exits with this. DAGMan does not look at it for 0. */
    preSkip: exitCode.min(1, 'must be 1 to 255: of a preScript that exits with 0, DAGMan runs the job').optional(),
    /** The whole workflow ends at once if the node returns this. */
    abortDagOn: returnValue.optional(),
    /** What DAGMan then exits with; 0 makes the workflow a success. Default: what the node returned. */
    abortDagOnReturnValue: exitCode.optional(),
    /** A folder inside the workflow's directory in which the node and its scripts work. Default: that directory. */
    dir: path.optional(),
    /** Its job is not run: the node only ties others together, and runs its scripts. */
    noop: z.boolean().default(false),
    /** It counts as done from the start. */
    done: z.boolean().default(false),
  })
  .superRefine((given, context) => {
    const who = `The node ${given.name}`
    const wrong = (field: keyof typeof given, message: string) =>
      context.addIssue({ code: 'custom', message: `${who} ${message}`, path: [field] })
    const has = (field: keyof typeof given): boolean => {
      const value = given[field]
      return value !== undefined && value !== false && !(Array.isArray(value) && value.length === 0)
    }
    const needs = (field: keyof typeof given, other: keyof typeof given) => {
      if (has(field) && !has(other)) wrong(field, `has ${field} and no ${other}: give both or none`)
    }
    const runsJob = given.type === 'JOB' || given.type === 'FINAL'
    if (runsJob && !has('job') && !given.noop)
      wrong('job', `is a ${given.type} and needs a job, the options of a CONDOR job`)
    if (runsJob && has('file')) wrong('file', `is a ${given.type}: a file is that of a SUBDAG or SPLICE`)
    if (!runsJob && has('job')) wrong('job', `is a ${given.type}: it has a file, and no job`)
    if (!runsJob && !has('file')) wrong('file', `is a ${given.type} and needs the file with its DAG`)
    for (const field of given.type === 'SPLICE' ? NOT_OF_SPLICE : given.type === 'FINAL' ? NOT_OF_FINAL : []) {
      if (has(field)) wrong(field, `is a ${given.type}, which cannot have ${field}`)
    }
    const early = (given.preScriptArgs ?? []).find((one) => /^\$(RETURN|JOBID|PRE_SCRIPT_RETURN)$/i.test(one))
    if (early !== undefined)
      wrong('preScriptArgs', `has ${early} among its preScriptArgs, which only a postScript knows`)
    needs('preScriptArgs', 'preScript')
    needs('preSkip', 'preScript')
    needs('postScriptArgs', 'postScript')
    needs('retryUnlessExitValue', 'retry')
    needs('abortDagOnReturnValue', 'abortDagOn')
    if (abortCode(given) === RESTART)
      wrong(
        given.abortDagOnReturnValue === undefined ? 'abortDagOn' : 'abortDagOnReturnValue',
        `would end DAGMan with ${RESTART}, with which it asks to be started again: give another abortDagOnReturnValue`,
      )
  })

type Field = keyof z.output<typeof node>
/** A splice melts into the workflow: what concerns one node stands in its file. */
const NOT_OF_SPLICE: readonly Field[] = [
  'preScript',
  'postScript',
  'variables',
  'priority',
  'category',
  'retry',
  'abortDagOn',
  'preSkip',
  'noop',
  'done',
]
/** The final node runs once, when all others are through. */
const NOT_OF_FINAL: readonly Field[] = ['parents', 'children', 'retry', 'abortDagOn', 'priority', 'category', 'done']

/** Each node's parents, however they were told, each once, in the order of their mention. */
const withParents = <N extends { readonly name: string; readonly parents: string[]; readonly children: string[] }>(
  nodes: readonly N[],
): (Omit<N, 'children'> & { readonly parents: string[] })[] => {
  const parents = new Map(nodes.map((one) => [one.name, new Set(one.parents)]))
  for (const { name, children } of nodes) for (const child of children) parents.get(child)?.add(name)
  return nodes.map(({ children: _, ...one }) => ({ ...one, parents: [...(parents.get(one.name) ?? [])] }))
}

const nodes = z
  .array(node)
  .min(1, 'must have at least one node')
  .max(MAX_NODES, `must have at most ${MAX_NODES} nodes`)
  .superRefine((given, context) => {
    const wrong = (place: number, field: string, message: string) =>
      context.addIssue({ code: 'custom', message, path: [place, field] })
    const types = new Map<string, string>()
    let final: string | undefined
    for (const [place, { name, type }] of given.entries()) {
      if (types.has(name)) wrong(place, 'name', `There are two nodes of the name ${name}`)
      if (type === 'FINAL' && final !== undefined)
        wrong(place, 'type', `The node ${name} is a second FINAL node beside ${final}: there can be one`)
      types.set(name, type)
      if (type === 'FINAL') final ??= name
    }
    for (const [place, { name, parents, children }] of given.entries()) {
      for (const [field, others] of [['parents', parents] as const, ['children', children] as const]) {
        const found = others.find((other) => other === name || !types.has(other) || types.get(other) === 'FINAL')
        if (found === undefined) continue
        const message = !types.has(found) ? 'which is no node' : found === name ? 'itself' : 'which is the FINAL node'
        wrong(place, field, `The node ${name} has among its ${field} ${found}, ${message}`)
      }
    }
  })
  .transform(withParents)

const setting = z.union([text, z.number(), z.boolean()], 'must be text on one line, a number, true or false')
const config = z.union(
  [
    path,
    z
      .record(z.string().regex(/^[A-Za-z_][A-Za-z0-9_.]*$/, 'is no name of a setting'), setting.transform(String))
      .refine(
        (entries) => Object.values(entries).every((one) => !one.trimEnd().endsWith('\\')),
        'must not end with a backslash',
      ),
  ],
  'must be the path of a file, or settings of DAGMan by their names: { DAGMAN_MAX_JOBS_IDLE: 10 }',
)

/** A workflow of HTCondor: the nodes of a DAG, run by DAGMan. */
export const condorWorkflowSpec = z.strictObject({
  nodes,
  /** How many jobs of a category are in the queue at once. */
  maxJobs: z.record(word, z.int().min(1, 'must be 1 or more: with 0 its jobs would never run')).optional(),
  /** DAGMan's own configuration: a relative path of a file that travels with the workflow, or the settings themselves. */
  config: config.optional(),
  /** Files and folders that the nodes share: they go into the workflow's directory, each under its path. */
  remoteInputFiles: z.array(path).max(MAX_NODES).optional(),
})
export type CondorWorkflowSpec = z.output<typeof condorWorkflowSpec>
export type CondorWorkflowOptions = z.input<typeof condorWorkflowSpec>
export type WorkflowNode = CondorWorkflowSpec['nodes'][number]
export type WorkflowNodeOptions = CondorWorkflowOptions['nodes'][number]

/** The parts of a workflow, and what each waits for: all but the FINAL node wait for their parents, and that one for all. */
export const workflowGraph = ({ nodes: all }: CondorWorkflowSpec): GraphNode[] =>
  all.map(({ name, type, parents }) => ({
    name,
    parents: type === 'FINAL' ? leavesOf(all) : parents,
  }))

const leavesOf = (all: CondorWorkflowSpec['nodes']): string[] => {
  const waitedFor = new Set(all.flatMap(({ parents }) => parents))
  return all.filter(({ name, type }) => type !== 'FINAL' && !waitedFor.has(name)).map(({ name }) => name)
}
