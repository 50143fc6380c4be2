import type { Answer, JobPart, JobReport, JobState, Logger, NativeId, Token } from '../adapter.js'
import { JOB_STATES, SchedulerError } from '../adapter.js'
import { asSchedulerError, isSchedulerError, storableText } from './ask.js'

// What an adapter answers is checked like a stranger's: of the right shape, and about what was asked.

const garbage = (what: string): never => {
  throw new SchedulerError('protocol', `The adapter's answer cannot be understood: ${what}.`)
}

/** The entries of an answer that are about one of `asked`; the others are ignored and logged. Throws `protocol`. */
const entriesOf = <T>(
  answer: unknown,
  asked: ReadonlySet<Token>,
  log: Logger,
  value: (one: unknown, token: Token) => T,
): Map<Token, T> => {
  if (!(answer instanceof Map)) return garbage('it is no Map')
  const found = new Map<Token, T>()
  const strangers: unknown[] = []
  for (const [token, one] of answer) {
    if (typeof token === 'string' && asked.has(token)) found.set(token, value(one, token))
    else strangers.push(token)
  }
  if (strangers.length > 0)
    log.warn(
      { tokens: strangers.slice(0, 10), count: strangers.length },
      'an adapter answered about jobs that nobody asked about',
    )
  return found
}

const STATES: ReadonlySet<unknown> = new Set(JOB_STATES)
const CAUSES: ReadonlySet<unknown> = new Set(['walltime', 'memory', 'node', 'preempted', 'dependency', 'submit'])
/** The longest text of an adapter that is kept. */
const MAX_TEXT = 8192

const text = (value: unknown, field: string): string | undefined => {
  if (value === undefined) return undefined
  return typeof value === 'string' ? storableText(value.slice(0, MAX_TEXT)) : garbage(`${field} is no string`)
}
const time = (value: unknown, field: string): Date | undefined => {
  if (value === undefined) return undefined
  return value instanceof Date && Number.isFinite(value.getTime()) ? value : garbage(`${field} is no time`)
}

/** Spread, it adds nothing: of ten thousand answers none makes an object for what it does not say. */
const NOTHING = {}

const facts = (one: Record<string, unknown>) => {
  const { cause, exitCode } = one
  if (cause !== undefined && !CAUSES.has(cause)) garbage('its cause is unknown')
  if (exitCode !== undefined && !Number.isSafeInteger(exitCode)) garbage('its exitCode is no whole number')
  const nativeState = text(one.nativeState, 'nativeState')
  const message = text(one.message, 'message')
  const startedAt = time(one.startedAt, 'startedAt')
  const endedAt = time(one.endedAt, 'endedAt')
  return {
    ...(nativeState === undefined ? NOTHING : { nativeState }),
    ...(message === undefined ? NOTHING : { message }),
    ...(startedAt === undefined ? NOTHING : { startedAt }),
    ...(endedAt === undefined ? NOTHING : { endedAt }),
    ...(cause === undefined ? NOTHING : { cause: cause as NonNullable<JobReport['cause']> }),
    ...(exitCode === undefined ? NOTHING : { exitCode: exitCode as number }),
  }
}

const object = (value: unknown): Record<string, unknown> =>
  typeof value === 'object' && value !== null ? (value as Record<string, unknown>) : garbage('a report is no object')

const part = (value: unknown): JobPart => {
  const one = object(value)
  if (typeof one.name !== 'string' || one.name === '') garbage('a part has no name')
  if (one.name !== storableText(one.name as string)) garbage('the name of a part is no text')
  if (!STATES.has(one.state)) garbage('the state of a part is unknown')
  const nativeId = text(one.nativeId, 'nativeId')
  return {
    name: one.name as string,
    state: one.state as JobState,
    ...facts(one),
    ...(nativeId === undefined ? {} : { nativeId }),
  }
}

/** Four digits are what a bar can show; a database may keep no more, and what differs each time would be written each time. */
const fraction = (value: unknown): number | undefined => {
  if (value === undefined) return undefined
  if (typeof value !== 'number' || !(value >= 0 && value <= 1)) return garbage('its progress is no number from 0 to 1')
  return Math.round(value * 10_000) / 10_000
}

/** What a job itself has to say is shown, so it is made fit for that rather than refused. */
const words = (value: unknown): string | undefined => text(value, 'statusMessage')?.slice(0, 2048).toWellFormed()

const jobReport = (value: unknown): JobReport => {
  const one = object(value)
  if (one.state !== undefined && !STATES.has(one.state)) garbage(`the state ${JSON.stringify(one.state)} is unknown`)
  if (one.parts !== undefined && !Array.isArray(one.parts)) garbage('its parts are no list')
  const parts = (one.parts as unknown[] | undefined)?.map(part)
  const progress = fraction(one.progress)
  const statusMessage = words(one.statusMessage)
  if (parts && new Set(parts.map(({ name }) => name)).size !== parts.length) garbage('two parts have one name')
  return {
    ...facts(one),
    ...(one.state === undefined ? NOTHING : { state: one.state as JobState }),
    ...(parts ? { parts } : NOTHING),
    ...(progress === undefined ? NOTHING : { progress }),
    ...(statusMessage === undefined ? NOTHING : { statusMessage }),
  }
}

const nativeId = (value: unknown): NativeId =>
  typeof value === 'string' && value !== '' && value.length <= 1024 && value === storableText(value)
    ? value
    : garbage('a native id is no text of 1 to 1024 characters')

export const checkedReports = (answer: unknown, asked: ReadonlySet<Token>, log: Logger): Map<Token, JobReport> =>
  entriesOf(answer, asked, log, jobReport)

export const checkedSubmissions = (
  answer: unknown,
  asked: ReadonlySet<Token>,
  log: Logger,
): Map<Token, NativeId | SchedulerError> =>
  entriesOf(answer, asked, log, (one) => {
    if (isSchedulerError(one)) return asSchedulerError(one)
    try {
      return nativeId(one)
    } catch (error) {
      return asSchedulerError(error) // The others were accepted all the same; the fate of this one is open.
    }
  })

export const checkedRecoveries = (
  answer: unknown,
  asked: ReadonlySet<Token>,
  log: Logger,
): Map<Token, NativeId | 'absent'> => entriesOf(answer, asked, log, nativeId)

export const checkedAnswers = (answer: unknown, asked: ReadonlySet<Token>, log: Logger): Map<Token, Answer> =>
  entriesOf(answer, asked, log, (one) => {
    if (one === 'ok') return one
    return isSchedulerError(one) ? asSchedulerError(one) : garbage('an answer is neither ok nor an error')
  })
