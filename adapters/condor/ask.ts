import type { JobRef, JobReport, Token } from '../../src/adapter.js'
import { procsOf } from './native-id.js'
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

/**
 * Arguments: the attributes and a constraint. On standard input `<token> TAB <directory>` for each workflow. Sections: `queue`, and
 * what DAGMan wrote of the workflows.
 */
const QUEUE_SCRIPT = `\
${WORKFLOW_FILES}
say queue
condor_q -json -attributes "$1" -constraint "$2" || over $?
while IFS=$tab read -r token dir; do workflow "$token" "$dir"; done
over 0
`

/** The same; the third argument is the number of procs to be found at most. Sections `queue` and `history` too. */
const HISTORY_SCRIPT = `\
${WORKFLOW_FILES}
say queue
condor_q -json -attributes "$1" -constraint "$2" || over $?
say history
condor_history -json -attributes "$1" -constraint "$2" -limit "$3" || over $?
while IFS=$tab read -r token dir; do workflow "$token" "$dir" over; done
over 0
`

const WANTED = ATTRIBUTES.join(',')

export interface Asker {
  status(jobs: readonly JobRef[], signal: AbortSignal): Promise<Reports>
  history(jobs: readonly JobRef[], signal: AbortSignal): Promise<Reports>
  forget(tokens: Iterable<Token>): void
}

/**
 * What the queue and the history say of jobs. The procs of a job leave the queue one by one: of a job whose procs are not all there,
 * status() says nothing, and history() asks for the others. Those are remembered, as an economy.
 */
export const askerOn = (remote: Remote): Asker => {
  const remembered = new Map<Token, Map<number, Ad>>()
  let count = 0
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
      const told = await remote('status', QUEUE_SCRIPT, {
        args: [WANTED, constraint],
        stdin: workflowLines(jobs),
        signal,
      })
      if (told.code !== 0) throw notAsked('condor_q', told.stderr)
      return reportsOf(jobs, adsOf(sectionOf(told, 'queue'), false), told)
    },
    history: async (asked, signal) => {
      const reports: Reports = new Map()
      // All of the history is read for a job that is not in it: none for what cannot be there.
      const jobs = asked.filter(({ nativeId }) => procsOf(nativeId))
      for (let start = 0; start < jobs.length; start += AT_ONCE) {
        const chunk = jobs.slice(start, start + AT_ONCE)
        const constraint = withTokens(chunk.map(({ token }) => token))
        const args = [WANTED, constraint, String(procCount(chunk))]
        const told = await remote('history', HISTORY_SCRIPT, { args, stdin: workflowLines(chunk), signal })
        if (told.code !== 0) throw notAsked('condor_history', told.stderr)
        const ads = [...adsOf(sectionOf(told, 'queue'), false), ...adsOf(sectionOf(told, 'history'), true)]
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

const procCount = (jobs: readonly JobRef[]): number => jobs.reduce((sum, { nativeId }) => sum + countOf(nativeId), 0)
const countOf = (nativeId: string): number => {
  const procs = procsOf(nativeId)
  return procs ? procs.last - procs.first + 1 : 0
}
