import type { Evidence, StoredAttempt, StoredJob } from './evidence.ts'
import { type History, mayBeStopped, timesOf } from './history.ts'
import type { Ending, Proc, Run } from './target.ts'

/** A command's end is the time of a file, by the kernel's coarse clock: a tick behind the one that the command reads. */
const COARSE_MS = 20

export const KINDS = ['lost', 'doubled', 'wrong', 'stuck'] as const

/** Something that must not be so, whatever was killed when. */
export interface Fault {
  readonly kind: (typeof KINDS)[number]
  /** The job's key; absent where it is nobody's. */
  readonly key?: string
  readonly what: string
}

/**
 * Compares what was asked and acknowledged, what the store says, and what the witness tells of the jobs. Pure. A request that
 * was not answered may have happened or not; both are right.
 */
export const judge = (histories: readonly History[], evidence: Evidence): Fault[] => [
  ...histories.flatMap((history) => judgeJob(history, evidence)),
  ...evidence.jobs
    .filter((job) => !histories.some(({ story }) => story.key === job.key))
    .map((job): Fault => ({ kind: 'wrong', key: job.key, what: `job ${job.id} is in the store, and nobody made it` })),
  ...evidence.alive.map((what): Fault => ({ kind: 'doubled', what: `${what} is alive, and no job explains it` })),
  ...evidence.leftovers.map((what): Fault => ({ kind: 'stuck', what })),
  ...evidence.directories
    .filter((id) => !evidence.jobs.some((job) => job.id === id))
    .map((id): Fault => ({ kind: 'stuck', what: `the directory of job ${id}, which is gone, is still there` })),
  ...evidence.surprises.map((what): Fault => ({ kind: 'wrong', what })),
]

/** The line that a run ends with. */
export const verdict = (faults: readonly Fault[]): string =>
  KINDS.map((kind) => `${kind} ${faults.filter((fault) => fault.kind === kind).length}`).join(', ')

const judgeJob = (history: History, evidence: Evidence): Fault[] => {
  const { key } = history.story
  const found: Omit<Fault, 'key'>[] = []
  const jobs = evidence.jobs.filter((job) => job.key === key)
  const runs = evidence.runs.get(key) ?? []
  const calls = evidence.processed.filter((call) => call.key === key).map(({ token }) => token)
  const created = timesOf(history, 'create')
  const removed = timesOf(history, 'delete')
  if (jobs.length > created.most)
    found.push({ kind: 'doubled', what: `${jobs.length} jobs, asked for ${created.most}` })
  found.push(...judgeRuns(history, runs), ...judgeCalls(runs, calls))
  const [job] = jobs
  if (job) {
    if (removed.least > 0 && !job.deleted) found.push({ kind: 'wrong', what: 'deleted, and back' })
    if (!job.deleted) found.push(...judgeAttempts(history, job, runs), ...judgeResults(history, job, calls))
  } else {
    if (created.least > 0 && removed.most === 0) found.push({ kind: 'lost', what: 'made, and not in the store' })
    found.push(...judgeForgotten(history, runs))
  }
  return found.map((fault) => ({ ...fault, key }))
}

type Found = Omit<Fault, 'key'>[]

const tokensOf = (runs: readonly Run[]): string[] => [...new Set(runs.map(({ token }) => token))]

/** What the witness tells whether or not the store still knows of it: each token once, no two at once. */
const judgeRuns = (history: History, runs: readonly Run[]): Found => {
  const found: Found = []
  const most = timesOf(history, 'execute', 'resubmit').most
  const tokens = tokensOf(runs)
  if (tokens.length > most) found.push({ kind: 'doubled', what: `${tokens.length} attempts ran, asked for ${most}` })
  for (const token of tokens) {
    if (runs.filter((run) => run.token === token).length > 1)
      found.push({ kind: 'doubled', what: `${token} ran more than once` })
  }
  for (const { token, from, until = from } of runs) {
    if (from === undefined || history.unmounted.includes(tokens.indexOf(token) + 1)) continue
    const beside = runs.find((run) => run.token !== token && (run.from ?? 0) > from && (run.from ?? 0) < (until ?? 0))
    if (beside) found.push({ kind: 'doubled', what: `${token} was still running beside ${beside.token}` })
  }
  return found
}

/** Of an attempt that succeeded, or of which a part did. */
const hasResults = (status: string | null | undefined): boolean => status === 'COM' || status === 'VCP'

/** Results are processed where there are some, and nowhere else. */
const judgeCalls = (runs: readonly Run[], calls: readonly string[]): Found =>
  [...new Set(calls)]
    .filter((token) => !hasResults(statusOf(runs.find((run) => run.token === token)?.procs ?? [])))
    .map((token) => ({ kind: 'wrong', what: `the results of ${token} were processed, and there are none` }))

const CODES: Readonly<Record<Ending, string | undefined>> = {
  succeeded: 'COM',
  failed: 'ERR',
  cancelled: 'ABT',
  unknown: undefined,
}
/** What the ends of its processes add up to; undefined where the witness does not tell of all. */
const statusOf = (procs: readonly Proc[]): string | undefined => {
  const codes = new Set(procs.map(({ ending }) => CODES[ending]))
  const [only] = codes
  if (codes.size < 2 || codes.has(undefined)) return codes.has(undefined) ? undefined : only
  return codes.has('COM') ? 'VCP' : 'ERR'
}

/** A job that is gone: of its attempts only the witness tells. */
const judgeForgotten = (history: History, runs: readonly Run[]): Found => {
  const { least } = timesOf(history, 'execute', 'resubmit')
  const stopped = Array.from({ length: least }, (_, index) => index + 1).filter((n) => mayBeStopped(history, n))
  const ran = tokensOf(runs).length
  return ran >= least - stopped.length
    ? []
    : [{ kind: 'lost', what: `${ran} attempts ran, ${least} were acknowledged and ${stopped.length} of them stopped` }]
}

const judgeAttempts = (history: History, job: StoredJob, runs: readonly Run[]): Found => {
  const { least, most } = timesOf(history, 'execute', 'resubmit')
  const { attempts } = job
  const found: Found = []
  if (attempts.length < least)
    found.push({ kind: 'lost', what: `${least} attempts acknowledged, ${attempts.length} stored` })
  if (attempts.length > most)
    found.push({ kind: 'doubled', what: `${most} attempts asked for, ${attempts.length} stored` })
  for (const token of tokensOf(runs)) {
    if (!attempts.some((attempt) => attempt.token === token))
      found.push({ kind: 'doubled', what: `${token} ran, and the store knows no such attempt` })
  }
  for (const attempt of attempts) found.push(...judgeAttempt(history, attempt, runs))
  const last = attempts.at(-1)
  const agrees =
    last === undefined
      ? job.status === 'PEN'
      : (['status', 'cause', 'exitCode', 'completionTime'] as const).every((field) => job[field] === last[field])
  // A job that has not settled is told among the leftovers.
  if (!agrees && (last === undefined || last.status !== null))
    found.push({
      kind: 'wrong',
      what: `the job is ${job.status} ${job.exitCode}, its last attempt ${last?.status} ${last?.exitCode}`,
    })
  return found
}

const judgeAttempt = (history: History, attempt: StoredAttempt, runs: readonly Run[]): Found => {
  const run = runs.find(({ token }) => token === attempt.token)
  const name = `attempt ${attempt.number} (${attempt.token})`
  const fault = (kind: Fault['kind'], what: string): Found => [{ kind, what: `${name} ${what}` }]
  const stopped = mayBeStopped(history, attempt.number)
  const lost = attempt.cause === 'lost' && history.unmounted.includes(attempt.number)

  if (attempt.status === null)
    return attempt.number === 1 || run ? fault('stuck', 'has not ended') : fault('lost', 'never ran')
  if (run && attempt.acceptedAs === null)
    return fault('doubled', `was accepted as ${run.id}, and the store says that nobody accepted it`)
  const found: Found = []
  if (run && attempt.acceptedAs !== run.id)
    found.push(...fault('wrong', `is ${attempt.acceptedAs} in the store, and ran as ${run.id}`))
  if (run?.startedAt === undefined) {
    if (!stopped) return [...found, ...fault('lost', `never ran, and is ${attempt.status}`)]
    return attempt.status === 'ABT' ? found : [...found, ...fault('wrong', `never ran, and is ${attempt.status}`)]
  }

  const ended = statusOf(run.procs)
  const right = new Set(ended === undefined ? [] : [ended])
  if (stopped && !run.seenEnd) right.add('ABT')
  if (lost) right.add('ERR')
  const unasked = run.procs.some(({ ending }) => ending === 'cancelled') && !stopped
  if (right.size === 0 || unasked)
    return [...found, ...fault('wrong', `was killed, and nobody asked for that; it is ${attempt.status}`)]
  if (!right.has(attempt.status))
    found.push(...fault('wrong', `is ${attempt.status} and not ${[...right].join(' or ')}`))
  if (lost) return found
  found.push(...judgeProcs(attempt, run.procs).flatMap((what) => fault('wrong', what)))
  if (attempt.startTime === null || attempt.startTime >= (run.startedAt + 2) * 1000)
    found.push(...fault('wrong', `started at ${run.startedAt}, and not at ${attempt.startTime}`))
  if (attempt.completionTime === null || attempt.completionTime < (run.endedAt ?? 0) * 1000 - COARSE_MS)
    found.push(...fault('wrong', `ended at ${run.endedAt}, and not at ${attempt.completionTime}`))
  return found
}

/** Exit codes, and the parts of an attempt of several processes; in words what is not so. */
const judgeProcs = ({ status, exitCode, parts }: StoredAttempt, procs: readonly Proc[]): string[] => {
  if (procs.length === 1) {
    const code = procs[0]?.exitCode
    const wrong = status !== 'ABT' && exitCode !== code
    return wrong ? [`has exit code ${exitCode} in the store, and ended with ${code}`] : []
  }
  if (parts.length !== procs.length) return [`has ${parts.length} parts in the store, and ran as ${procs.length}`]
  return procs.flatMap(({ ending, exitCode = null }, number) => {
    const part = parts[number]
    return part?.name === String(number) && part.state === ending && part.exitCode === exitCode
      ? []
      : [`has part ${JSON.stringify(part)} in the store, and ${number} ended ${ending} with ${exitCode}`]
  })
}

/**
 * Processed at least once, committed exactly once: together with Complete. What is Various-Complete is settled before that: it may
 * be resubmitted first, and then nobody needs its results.
 */
const judgeResults = ({ story }: History, { attempts, extended }: StoredJob, calls: readonly string[]): Found => {
  if (!story.processed)
    return extended.key === undefined ? [] : [{ kind: 'wrong', what: 'processed, and has no function' }]
  const may = attempts.filter(({ status }) => hasResults(status))
  const must = may.filter((attempt) => attempt.status === 'COM' || attempt === attempts.at(-1))
  const found: Found = must
    .filter(({ token }) => !calls.includes(token))
    .map(({ token }) => ({ kind: 'lost', what: `the results of ${token} were never processed` }))
  const times = extended.times ?? 0
  if (times < must.length)
    found.push({ kind: 'lost', what: `results committed ${times} times, there are those of ${must.length} attempts` })
  if (times > may.length)
    found.push({ kind: 'doubled', what: `results committed ${times} times, there are those of ${may.length} attempts` })
  const last = must.at(-1)
  const right = last ? may.slice(may.indexOf(last)) : [undefined, ...may]
  if (!right.some((attempt) => attempt?.token === extended.key))
    found.push({
      kind: 'wrong',
      what: `the results are of ${extended.key}, and the last that has some is ${last?.token}`,
    })
  return found
}
