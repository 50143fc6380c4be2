import type { Evidence, StoredAttempt, StoredJob } from './evidence.ts'
import { type History, mayBeStopped, timesOf } from './history.ts'
import type { Line } from './job-file.ts'

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
 * Compares what was asked and acknowledged, what the store says, and what the jobs themselves wrote. Pure. A request that
 * was not answered may have happened or not; both are right.
 */
export const judge = (histories: readonly History[], evidence: Evidence): Fault[] => [
  ...histories.flatMap((history) => judgeJob(history, evidence)),
  ...evidence.jobs
    .filter((job) => !histories.some(({ story }) => story.key === job.key))
    .map((job): Fault => ({ kind: 'wrong', key: job.key, what: `job ${job.id} is in the store, and nobody made it` })),
  ...evidence.alive.map(
    ({ pid, token }): Fault => ({
      kind: 'doubled',
      what: `process ${pid} of ${token} is alive, and no job explains it`,
    }),
  ),
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
  const lines = evidence.files.get(key) ?? []
  const calls = evidence.processed.filter((call) => call.key === key).map(({ token }) => token)
  const created = timesOf(history, 'create')
  const removed = timesOf(history, 'delete')
  if (jobs.length > created.most)
    found.push({ kind: 'doubled', what: `${jobs.length} jobs, asked for ${created.most}` })
  found.push(...judgeRuns(history, lines), ...judgeCalls(lines, calls))
  const [job] = jobs
  if (job) {
    if (removed.least > 0 && !job.deleted) found.push({ kind: 'wrong', what: 'deleted, and back' })
    if (!job.deleted) found.push(...judgeAttempts(history, job, lines), ...judgeResults(history, job, calls))
  } else {
    if (created.least > 0 && removed.most === 0) found.push({ kind: 'lost', what: 'made, and not in the store' })
    found.push(...judgeForgotten(history, lines))
  }
  return found.map((fault) => ({ ...fault, key }))
}

type Found = Omit<Fault, 'key'>[]

const tokensOf = (lines: readonly Line[]): string[] => [...new Set(lines.map(({ token }) => token))]

/** What the jobs' own lines show whether or not the store still knows of them: each token once, no two at once. */
const judgeRuns = (history: History, lines: readonly Line[]): Found => {
  const found: Found = []
  const most = timesOf(history, 'execute', 'resubmit').most
  const tokens = tokensOf(lines)
  if (tokens.length > most) found.push({ kind: 'doubled', what: `${tokens.length} attempts ran, asked for ${most}` })
  let current: string | undefined
  const before = new Set<string>()
  for (const { token, word } of lines) {
    if (word === 'start') {
      if (before.has(token)) found.push({ kind: 'doubled', what: `${token} ran more than once` })
      current = token
      before.add(token)
    } else if (token !== current && !history.unmounted.includes(tokens.indexOf(token) + 1)) {
      found.push({ kind: 'doubled', what: `${token} was still running beside ${current}` })
      current = token
    }
  }
  return found
}

/** Results are processed of attempts that succeeded, and of no others. */
const judgeCalls = (lines: readonly Line[], calls: readonly string[]): Found =>
  [...new Set(calls)]
    .filter((token) => endOf(lines, token)?.exitCode !== 0)
    .map((token) => ({ kind: 'wrong', what: `the results of ${token} were processed, and it did not succeed` }))

const endOf = (lines: readonly Line[], token: string): Line | undefined =>
  lines.find((line) => line.token === token && line.word === 'end')

/** A job that is gone: of its attempts only its own lines tell. */
const judgeForgotten = (history: History, lines: readonly Line[]): Found => {
  const { least } = timesOf(history, 'execute', 'resubmit')
  const stopped = Array.from({ length: least }, (_, index) => index + 1).filter((n) => mayBeStopped(history, n))
  const ran = tokensOf(lines).length
  return ran >= least - stopped.length
    ? []
    : [{ kind: 'lost', what: `${ran} attempts ran, ${least} were acknowledged and ${stopped.length} of them stopped` }]
}

const judgeAttempts = (history: History, job: StoredJob, lines: readonly Line[]): Found => {
  const { least, most } = timesOf(history, 'execute', 'resubmit')
  const { attempts } = job
  const found: Found = []
  if (attempts.length < least)
    found.push({ kind: 'lost', what: `${least} attempts acknowledged, ${attempts.length} stored` })
  if (attempts.length > most)
    found.push({ kind: 'doubled', what: `${most} attempts asked for, ${attempts.length} stored` })
  for (const token of tokensOf(lines)) {
    if (!attempts.some((attempt) => attempt.token === token))
      found.push({ kind: 'doubled', what: `${token} ran, and the store knows no such attempt` })
  }
  for (const attempt of attempts) found.push(...judgeAttempt(history, attempt, lines))
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

const judgeAttempt = (history: History, attempt: StoredAttempt, lines: readonly Line[]): Found => {
  const own = lines.filter(({ token }) => token === attempt.token)
  const start = own.find(({ word }) => word === 'start')
  const end = endOf(own, attempt.token)
  const name = `attempt ${attempt.number} (${attempt.token})`
  const fault = (kind: Fault['kind'], what: string): Found => [{ kind, what: `${name} ${what}` }]
  const stopped = mayBeStopped(history, attempt.number)
  const lost = attempt.cause === 'lost' && history.unmounted.includes(attempt.number)

  if (attempt.status === null)
    return attempt.number === 1 || start ? fault('stuck', 'has not ended') : fault('lost', 'never ran')
  if (!start) {
    if (!stopped) return fault('lost', `never ran, and is ${attempt.status}`)
    return attempt.status === 'ABT' ? [] : fault('wrong', `never ran, was stopped, and is ${attempt.status}`)
  }
  if (attempt.nativeId === null) return fault('doubled', `ran, and the store says that nobody accepted it`)
  const found: Found = []
  if (Number(attempt.nativeId.split(':')[1]) !== start.wrapper)
    found.push(...fault('wrong', `is ${attempt.nativeId} in the store, and ran as process ${start.wrapper}`))

  const right = new Set<string>()
  if (end) right.add(end.exitCode === 0 ? 'COM' : 'ERR')
  if (stopped) right.add('ABT')
  if (lost) right.add('ERR')
  if (right.size === 0)
    return [...found, ...fault('wrong', `was killed, and nobody asked for that; it is ${attempt.status}`)]
  if (!right.has(attempt.status))
    found.push(...fault('wrong', `is ${attempt.status} and not ${[...right].join(' or ')}`))
  if (lost) return found
  if (attempt.status !== 'ABT' && attempt.exitCode !== end?.exitCode)
    found.push(...fault('wrong', `has exit code ${attempt.exitCode} in the store, and ended with ${end?.exitCode}`))
  if (attempt.startTime === null || attempt.startTime >= ((start.at ?? 0) + 2) * 1000)
    found.push(...fault('wrong', `started at ${start.at}, and not at ${attempt.startTime}`))
  if (attempt.completionTime === null || attempt.completionTime < (end?.at ?? 0) * 1000 - COARSE_MS)
    found.push(...fault('wrong', `ended at ${end?.at}, and not at ${attempt.completionTime}`))
  return found
}

/** Processed at least once, committed exactly once: together with Complete. */
const judgeResults = ({ story }: History, { attempts, extended }: StoredJob, calls: readonly string[]): Found => {
  if (!story.processed)
    return extended.key === undefined ? [] : [{ kind: 'wrong', what: 'processed, and has no function' }]
  const complete = attempts.filter(({ status }) => status === 'COM').map(({ token }) => token)
  const found: Found = complete
    .filter((token) => !calls.includes(token))
    .map((token) => ({ kind: 'lost', what: `the results of ${token} were never processed` }))
  const times = extended.times ?? 0
  if (times < complete.length)
    found.push({ kind: 'lost', what: `results committed ${times} times, Complete ${complete.length}` })
  if (times > complete.length)
    found.push({ kind: 'doubled', what: `results committed ${times} times, Complete ${complete.length}` })
  if (extended.key !== complete.at(-1))
    found.push({
      kind: 'wrong',
      what: `the results are of ${extended.key}, and the last to succeed is ${complete.at(-1)}`,
    })
  return found
}
