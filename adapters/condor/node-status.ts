import type { JobPart, JobReport, JobState } from '../../src/adapter.js'

// What DAGMan writes of its nodes: NODE_STATUS_FILE, in the syntax of ClassAds, and JOBSTATE_LOG, a line for each event.

/** One job of a node that is in the queue now. */
export interface NodeJob {
  readonly node: string
  readonly state: JobState
  readonly message?: string
}

/** NODE_STATUS_FILE as it was written last. */
export interface NodeStatusFile {
  readonly nodes: readonly NodeStatus[]
  /** It was read to its end. */
  readonly whole: boolean
}
interface NodeStatus {
  readonly name: string
  readonly status: number
  readonly details: string
  readonly retries: number
  readonly queued: number
  readonly held: number
}

const LINE = /^\s*(\w+) = (?:"((?:\\.|[^"\\])*)"|(-?\d+)) ?;/

/** A string of a ClassAd: non-ASCII text is written as the bytes of its UTF-8, in octal. */
const plainText = (text: string): string => {
  const pieces = text.split(/\\([0-7]{3}|.)/s).map((piece, index) => {
    if (index % 2 === 0) return Buffer.from(piece)
    if (/^[0-7]{3}$/.test(piece)) return Buffer.of(Number.parseInt(piece, 8))
    return Buffer.from({ n: '\n', t: '\t', r: '\r' }[piece] ?? piece)
  })
  return Buffer.concat(pieces).toString()
}

/** Reads NODE_STATUS_FILE. What it does not know of it passes over. Pure. */
export const parseNodeStatus = (text: string): NodeStatusFile => {
  const nodes: NodeStatus[] = []
  let ad = new Map<string, string>()
  let whole = false
  for (const line of text.split('\n')) {
    if (line.startsWith('[')) ad = new Map()
    const [, name, string, number] = LINE.exec(line) ?? []
    if (name !== undefined) ad.set(name, string === undefined ? (number as string) : plainText(string))
    if (!line.startsWith(']')) continue
    const count = (attribute: string): number => Number(ad.get(attribute) ?? 0)
    const type = ad.get('Type')
    if (type === 'StatusEnd') whole = true
    const node = ad.get('Node')
    if (type === 'NodeStatus' && node !== undefined)
      nodes.push({
        name: node,
        status: Number(ad.get('NodeStatus') ?? Number.NaN),
        details: ad.get('StatusDetails') ?? '',
        retries: count('RetryCount'),
        queued: count('JobProcsQueued'),
        held: count('JobProcsHeld'),
      })
  }
  return { nodes, whole }
}

/** When a node's last try began and ended, under which id, and what its job exited with. */
interface NodeTimes {
  nativeId?: string
  startedAt?: Date
  endedAt?: Date
  exitCode?: number
}

/** Reads JOBSTATE_LOG. Each line: seconds since 1970, node, event, id or exit code. Of several tries the last one counts.
 * The text may begin within a line. Pure.
 */
export const parseJobstate = (text: string): ReadonlyMap<string, NodeTimes> => {
  const nodes = new Map<string, NodeTimes>()
  for (const line of text.split('\n')) {
    const [seconds, node, event, what] = line.split(' ')
    if (seconds === undefined || !/^\d{10}$/.test(seconds) || node === undefined || node === 'INTERNAL') continue
    const at = new Date(Number(seconds) * 1000)
    const known = nodes.get(node) ?? {}
    nodes.set(node, known)
    if (event === 'PRE_SCRIPT_STARTED') nodes.set(node, { startedAt: at })
    else if (event === 'SUBMIT') {
      // A NOOP node has an id that is none.
      const id = what === undefined || what.startsWith('0.') ? undefined : what.split('.')[0]
      if (id !== undefined && id === known.nativeId) continue // Another proc of the same try.
      // A try begins with its PRE script, or else with its job.
      const begun = known.nativeId === undefined && known.endedAt === undefined ? known.startedAt : undefined
      nodes.set(node, { ...(begun ? { startedAt: begun } : {}), ...(id === undefined ? {} : { nativeId: id }) })
    } else if (event === 'EXECUTE') known.startedAt ??= at
    else if (event === 'JOB_TERMINATED' || event === 'JOB_ABORTED' || event === 'POST_SCRIPT_TERMINATED')
      known.endedAt = at
    else if (event === 'PRE_SCRIPT_FAILURE') known.endedAt = at
    else if ((event === 'JOB_SUCCESS' || event === 'JOB_FAILURE') && /^\d+$/.test(what ?? ''))
      known.exitCode = Number(what)
  }
  return nodes
}

/** The words of DAGMan, by their numbers. */
const WORDS = [
  'STATUS_NOT_READY',
  'STATUS_READY',
  'STATUS_PRERUN',
  'STATUS_SUBMITTED',
  'STATUS_POSTRUN',
  'STATUS_DONE',
  'STATUS_ERROR',
  'STATUS_FUTILE',
] as const

type Told = Pick<JobPart, 'state' | 'message'>

const MOST_ALIVE: readonly JobState[] = ['running', 'suspended', 'held', 'queued']

/** A node whose jobs are in the queue: as its liveliest one. The queue knows better than the file, which is a second old. */
const submitted = (node: NodeStatus, jobs: readonly NodeJob[]): Told => {
  for (const state of MOST_ALIVE) {
    const job = jobs.find((one) => one.state === state)
    if (job) return { state, ...(job.message === undefined ? {} : { message: job.message }) }
  }
  if (node.held > 0 && node.held >= node.queued) return { state: 'held' }
  return { state: node.details === 'not_idle' ? 'running' : 'queued' }
}

const told = (node: NodeStatus, jobs: readonly NodeJob[]): Told => {
  switch (WORDS[node.status]) {
    case 'STATUS_NOT_READY':
    case 'STATUS_READY':
      return { state: 'queued' }
    case 'STATUS_PRERUN':
      return { state: 'running', message: 'Its PRE script is running.' }
    case 'STATUS_SUBMITTED':
      return submitted(node, jobs)
    case 'STATUS_POSTRUN':
      return { state: 'running', message: 'Its POST script is running.' }
    case 'STATUS_DONE':
      return { state: 'succeeded' }
    case 'STATUS_ERROR':
      // What DAGMan took out of the queue at its own end did not fail.
      return node.details.startsWith('Was STATUS_')
        ? { state: 'cancelled', message: 'It was removed with the workflow.' }
        : { state: 'failed', ...(node.details === '' ? {} : { message: node.details }) }
    case 'STATUS_FUTILE':
      return { state: 'cancelled', message: node.details === '' ? 'Had an ancestor node fail' : node.details }
    default:
      return { state: 'unknown' }
  }
}

const FINAL: ReadonlySet<JobState> = new Set(['succeeded', 'failed', 'cancelled'])

/**
 * The nodes as parts, in the order of the DAG file; those of a splice come last. undefined where the file was not read whole:
 * parts are told completely or not at all. Pure.
 */
export const nodeParts = (
  file: NodeStatusFile,
  times: ReadonlyMap<string, NodeTimes>,
  jobs: readonly NodeJob[],
): JobPart[] | undefined => {
  if (!file.whole) return undefined
  const inQueue = Map.groupBy(jobs, ({ node }) => node)
  return file.nodes.map((node) => {
    const { endedAt, exitCode, ...begun } = times.get(node.name) ?? {}
    const now = told(node, inQueue.get(node.name) ?? [])
    const ended = FINAL.has(now.state)
    return {
      name: node.name,
      ...now,
      nativeState: WORDS[node.status] ?? String(node.status),
      ...begun,
      ...(ended && endedAt ? { endedAt } : {}),
      // That of the job: a node can fail after it, in its POST script.
      ...(ended && exitCode !== undefined && (now.state === 'succeeded' || exitCode !== 0) ? { exitCode } : {}),
    }
  })
}

/** Nothing of a DAG that runs can go on before somebody releases what is held. */
const heldUp = (parts: readonly JobPart[]): JobPart | undefined => {
  const waits = parts.every(
    ({ state, nativeState }) =>
      FINAL.has(state) || state === 'held' || (state === 'queued' && nativeState === 'STATUS_NOT_READY'),
  )
  return waits ? parts.find(({ state }) => state === 'held') : undefined
}

/** The parts of a workflow that has ended: what did not end with it was not run. */
const settled = (parts: readonly JobPart[]): JobPart[] =>
  parts.map((part) =>
    FINAL.has(part.state)
      ? part
      : { ...part, state: 'cancelled', message: 'It was not run: the workflow ended before.' },
  )

/** What DAGMan wrote of a workflow. */
export interface NodeFacts {
  /** undefined: nothing, or not all of it. */
  readonly parts: readonly JobPart[] | undefined
  /** Its last words of what went wrong. */
  readonly errors: string
}

/** What a workflow is: DAGMan's own job, as `dagman` reports it, and its nodes. Pure. */
export const workflowReport = (dagman: JobReport, { parts, errors }: NodeFacts): JobReport => {
  const { state } = dagman
  if (state !== undefined && FINAL.has(state)) {
    const ended = parts && settled(parts)
    const failed = state === 'failed' || (state === 'succeeded' && (dagman.exitCode ?? 0) !== 0)
    const message = failed ? whyFailed(ended ?? [], errors) : undefined
    return { ...dagman, ...(message === undefined ? {} : { message }), ...(ended ? { parts: ended } : {}) }
  }
  const held = state === 'running' ? heldUp(parts ?? []) : undefined
  return {
    ...dagman,
    ...(held
      ? { state: 'held', message: [`The node ${held.name} is held`, held.message].filter(Boolean).join(': ') }
      : {}),
    ...(parts ? { parts } : {}),
  }
}

const whyFailed = (parts: readonly JobPart[], errors: string): string | undefined => {
  const [first, ...others] = parts.filter(({ state }) => state === 'failed')
  if (!first) return errors === '' ? undefined : `DAGMan: ${errors.replaceAll(/\s*\n\s*/g, ' ')}`
  const more = others.length === 0 ? '' : ` ${others.length} more failed.`
  // Why a job could not be submitted DAGMan tells in its log alone.
  const submit = /submit failed/i.test(first.message ?? '') && /submit error: .*/.exec(errors)
  const words = [first.message, ...(submit ? [submit[0]] : [])].filter((word) => word !== undefined)
  return `The node ${first.name} failed${words.map((word) => `: ${word}`).join('')}.${more}`
}
