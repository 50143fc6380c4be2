import type { JobRef } from '../../src/adapter.js'
import { DAG_FILE, JOBSTATE, NODE_STATUS } from './dag-file.js'
import { procsOf } from './native-id.js'
import { type NodeFacts, type NodeJob, nodeParts, parseJobstate, parseNodeStatus } from './node-status.js'
import { placeOf } from './place.js'
import { sectionOf, type Told } from './remote.js'
import { type Ad, reportOf } from './report.js'

/** Of one answer: the nodes of workflows beyond it are told another time. */
const MAX_BYTES = 8_000_000
/** Of one workflow: 10,000 nodes write 800,000 of the one, and 2,500,000 of the other where each runs once. */
const MAX_STATUS_BYTES = 4_000_000
const MAX_JOBSTATE_BYTES = 3_000_000

/**
 * `workflow TOKEN DIRECTORY`, for the scripts that ask: sections `nodes TOKEN`, `jobstate TOKEN` and `errors TOKEN` with what DAGMan
 * wrote; the last one where DAGMan has left the queue. What says nothing is left out.
 */
export const WORKFLOW_FILES = `\
left=${MAX_BYTES}
part() {
  [ "$left" -gt 0 ] && [ -n "$2" ] || return 0
  left=$((left - \${#2}))
  say "$1"
  printf '%s\\n' "$2"
}
workflow() {
  [ -e "$2/${NODE_STATUS}" ] || return 0
  part "nodes $1" "$(
    grep -E '^[][]|^ *(Type|Node|NodeStatus|StatusDetails|JobProcsQueued|JobProcsHeld) = ' "$2/${NODE_STATUS}" |
      grep -v -e '= "";' -e 'JobProcs[A-Za-z]* = 0;' -e 'Type = "DagStatus"' | head -c ${MAX_STATUS_BYTES}
  )"
  part "jobstate $1" "$(tail -c ${MAX_JOBSTATE_BYTES} "$2/${JOBSTATE}" 2>/dev/null)"
  [ -z "$3" ] || part "errors $1" "$(
    tail -n 400 "$2/${DAG_FILE}.dagman.out" 2>/dev/null |
      sed -n '/ERROR:\\|submit error/s|^[0-9/]* [0-9:]* [. ]*||p' | tail -n 3 | cut -c 1-500
  )"
}
`

export const isWorkflow = ({ jobType }: Pick<JobRef, 'jobType'>): boolean => jobType === 'CONDORWORKFLOW'

/** The workflows of a question, as the scripts read them. */
export const workflowLines = (jobs: readonly JobRef[]): string =>
  jobs
    .filter(isWorkflow)
    .map((job) => `${job.token}\t${placeOf(job).workdir}\n`)
    .join('')

/** The jobs of nodes, by the cluster of their DAGMan. */
export type NodeJobs = ReadonlyMap<number, readonly NodeJob[]>

/** They are known by their DAGManJobId and DAGNodeName. Pure. */
export const nodeJobsOf = (ads: readonly Ad[]): NodeJobs => {
  const jobs = new Map<number, NodeJob[]>()
  for (const ad of ads) {
    if (ad.past || ad.DAGManJobId === undefined || ad.DAGNodeName === undefined) continue
    const { state, message } = reportOf(ad)
    const own = jobs.get(ad.DAGManJobId) ?? []
    jobs.set(ad.DAGManJobId, own)
    own.push({ node: ad.DAGNodeName, state, ...(message === undefined ? {} : { message }) })
  }
  return jobs
}

/** What the scripts told of one workflow. Pure. */
export const workflowFacts = (told: Told, job: Pick<JobRef, 'token' | 'nativeId'>, jobs: NodeJobs): NodeFacts => {
  const cluster = procsOf(job.nativeId)?.cluster
  const own = cluster === undefined ? [] : (jobs.get(cluster) ?? [])
  const section = (title: string) => sectionOf(told, `${title} ${job.token}`)
  return {
    parts: nodeParts(parseNodeStatus(section('nodes')), parseJobstate(section('jobstate')), own),
    errors: section('errors').trim(),
  }
}
