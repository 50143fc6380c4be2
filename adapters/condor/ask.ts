import type { JobRef, JobReport, Token } from '../../src/adapter.js'
import { countOf, procsOf } from './native-id.js'
import { workflowReport } from './node-status.js'
import { inRangeOf, withTokens } from './queue.js'
import { type Remote, sectionOf, type Told } from './remote.js'
import { type Ad, ATTRIBUTES, adsByJob, adsOf, jobReportOf } from './report.js'
import { notAsked } from './words.js'
import { isWorkflow, nodeJobsOf, WORKFLOW_FILES, workflowFacts, workflowLines } from './workflow-status.js'

type Reports = Map<Token, JobReport>

/** Jobs in one question to the history, which is asked for the tokens themselves. */
const AT_ONCE = 1000
/** Procs that have left the queue, of jobs that have not: so many are remembered, so that the history is asked once for each. */
const MAX_REMEMBERED = 200_000

/** Arguments: the attributes and a constraint. Section `queue`. */
const ASK_QUEUE = `\
say queue
condor_q -json -attributes "$1" -constraint "$2" || over $?
`

/** The third argument is the number of procs to be found at most. Section `history`. */
const ASK_HISTORY = `\
say history
condor_history -json -attributes "$1" -constraint "$2" -limit "$3" || over $?
`

/** What DAGMan wrote of workflows, of which `<token> TAB <directory>` come on standard input. `over`: they have left the queue. */
const askWorkflows = (over: '' | 'over') => `\
${WORKFLOW_FILES}
while IFS=$tab read -r token dir; do workflow "$token" "$dir" ${over}; done
`
const [ALIVE, GONE] = [askWorkflows(''), askWorkflows('over')]

/** A script is read byte by byte over there: what is not needed is left out. */
const scriptOf = (...parts: readonly string[]): string => `${parts.join('')}over 0\n`

const WANTED = ATTRIBUTES.join(',')

export interface Asker {
  status(jobs: readonly JobRef[], signal: AbortSignal): Promise<Reports>
  history(jobs: readonly JobRef[], signal: AbortSignal): Promise<Reports>
  forget(tokens: Iterable<Token>): void
}

/**
 * What the queue and the history say of jobs. The procs of a job leave the queue one by one: of a job whose procs are not all there,
 * status() says nothing, and history() asks for the others. Those are remembered, as an economy; so is what the queue has just
 * told of such a job: what has left it since is in the history.
 */
export const askerOn = (remote: Remote): Asker => {
  const remembered = new Map<Token, Map<number, Ad>>()
  let count = 0
  /** Of the jobs of which the last status() said nothing: what is in the queue of them, or of their nodes. */
  let queued: ReadonlyMap<Token, readonly Ad[]> = new Map()
  const forget = (token: Token): void => {
    count -= remembered.get(token)?.size ?? 0
    remembered.delete(token)
  }
  const remember = (token: Token, ads: ReadonlyMap<number, Ad>): void => {
    forget(token)
    const past = new Map([...ads].filter(([, ad]) => ad.past))
    if (past.size === 0 || past.size === ads.size) return // Of a job that is over, nothing more is asked.
    remembered.set(token, past)
    count += past.size
    for (const oldest of remembered.keys()) {
      if (count <= MAX_REMEMBERED) break
      forget(oldest)
    }
  }
  const reportsOf = (jobs: readonly JobRef[], ads: readonly Ad[], told: Told): Reports => {
    const found = adsByJob(ads, jobs)
    const nodes = nodeJobsOf(ads)
    const reports: Reports = new Map()
    for (const job of jobs) {
      const { token, nativeId } = job
      const all = new Map([...(remembered.get(token) ?? []), ...(found.get(token) ?? [])])
      const report = jobReportOf(nativeId, all)
      if (report) reports.set(token, isWorkflow(job) ? workflowReport(report, workflowFacts(told, job, nodes)) : report)
    }
    return reports
  }
  return {
    status: async (jobs, signal) => {
      const constraint = inRangeOf(jobs)
      if (constraint === undefined) return new Map()
      const stdin = workflowLines(jobs)
      const script = scriptOf(ASK_QUEUE, stdin === '' ? '' : ALIVE)
      const told = await remote('status', script, { args: [WANTED, constraint], stdin, signal })
      if (told.code !== 0) throw notAsked('condor_q', told.stderr)
      const ads = adsOf(sectionOf(told, 'queue'), false)
      const reports = reportsOf(jobs, ads, told)
      queued = queuedOf(
        jobs.filter(({ token }) => !reports.has(token)),
        ads,
      )
      return reports
    },
    history: async (asked, signal) => {
      const reports: Reports = new Map()
      // All of the history is read for a job that is not in it: none for what cannot be there.
      const jobs = asked.filter(({ nativeId }) => procsOf(nativeId))
      for (let start = 0; start < jobs.length; start += AT_ONCE) {
        const chunk = jobs.slice(start, start + AT_ONCE)
        const constraint = withTokens(chunk.map(({ token }) => token))
        const known = chunk.every(({ token }) => queued.has(token))
        const args = [WANTED, constraint, String(procCount(chunk))]
        const stdin = workflowLines(chunk)
        const script = scriptOf(known ? '' : ASK_QUEUE, ASK_HISTORY, stdin === '' ? '' : GONE)
        const told = await remote('history', script, { args, stdin, signal })
        if (told.code !== 0) throw notAsked('condor_history', told.stderr)
        const present = known
          ? chunk.flatMap(({ token }) => queued.get(token) ?? [])
          : adsOf(sectionOf(told, 'queue'), false)
        const ads = [...present, ...adsOf(sectionOf(told, 'history'), true)]
        for (const [token, report] of reportsOf(chunk, ads, told)) reports.set(token, report)
        for (const [token, own] of adsByJob(ads, chunk)) remember(token, own)
      }
      return reports
    },
    forget: (tokens) => {
      for (const token of tokens) forget(token)
    },
  }
}

const queuedOf = (jobs: readonly JobRef[], ads: readonly Ad[]): ReadonlyMap<Token, readonly Ad[]> => {
  if (jobs.length === 0) return new Map()
  const own = adsByJob(ads, jobs)
  const nodes = Map.groupBy(
    ads.filter(({ DAGManJobId }) => DAGManJobId !== undefined),
    ({ DAGManJobId }) => DAGManJobId,
  )
  return new Map(
    jobs.map(({ token, nativeId }) => [
      token,
      [...(own.get(token)?.values() ?? []), ...(nodes.get(procsOf(nativeId)?.cluster) ?? [])],
    ]),
  )
}

const procCount = (jobs: readonly JobRef[]): number => jobs.reduce((sum, { nativeId }) => sum + countOf(nativeId), 0)
