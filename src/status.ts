/** The eleven statuses, as Tethys names and codes them. The order is Tethys' too. */
const STATUSES = [
  ['PEN', 'Pending'],
  ['SUB', 'Submitted'],
  ['RUN', 'Running'],
  ['VAR', 'Various'],
  ['PAS', 'Paused'],
  ['COM', 'Complete'],
  ['ERR', 'Error'],
  ['ABT', 'Aborted'],
  ['VCP', 'Various-Complete'],
  ['RES', 'Results-Ready'],
  ['OTH', 'Other'],
] as const

export type StatusCode = (typeof STATUSES)[number][0]
export type StatusName = (typeof STATUSES)[number][1]

/** Code and display name of each status, in Tethys' order. */
export const statuses: readonly (readonly [StatusCode, StatusName])[] = STATUSES
/** The three-letter codes, as stored. */
export const validStatuses: readonly StatusCode[] = STATUSES.map(([code]) => code)
/** Display name of each code. */
export const displayStatuses = Object.freeze(Object.fromEntries(STATUSES)) as Readonly<Record<StatusCode, StatusName>>
/** Code of each display name. */
export const reverseStatuses = Object.freeze(
  Object.fromEntries(STATUSES.map(([code, name]) => [name, code])),
) as Readonly<Record<StatusName, StatusCode>>

/** Tethys' categories, for code that was written against them. Telesto itself asks isActive() and isSettled(). */
export const preRunningStatuses: readonly StatusName[] = ['Pending', 'Submitted']
export const runningStatuses: readonly StatusName[] = ['Running', 'Various']
export const activeStatuses: readonly StatusName[] = ['Submitted', 'Running', 'Various', 'Paused']
export const nonTerminalStatuses: readonly StatusName[] = ['Pending', ...activeStatuses]
export const terminalStatuses: readonly StatusName[] = [
  'Complete',
  'Error',
  'Aborted',
  'Various-Complete',
  'Results-Ready',
]
export const nonTerminalStatusCodes: readonly StatusCode[] = nonTerminalStatuses.map((name) => reverseStatuses[name])
export const terminalStatusCodes: readonly StatusCode[] = terminalStatuses.map((name) => reverseStatuses[name])

const CODES: ReadonlyMap<string, StatusCode> = new Map(
  STATUSES.flatMap(([code, name]): [string, StatusCode][] => [
    [code, code],
    [name, code],
  ]),
)

/** The code of a display name or a code; undefined for anything else, which is then a custom text. */
export const statusCodeOf = (text: string): StatusCode | undefined => CODES.get(text)

/** The display name of a status; for one of the app's own, its text. */
export const statusText = (job: { readonly statusCode: StatusCode; readonly customStatus: string | null }): string =>
  job.statusCode === 'OTH' ? (job.customStatus ?? displayStatuses.OTH) : displayStatuses[job.statusCode]

/** What a text of the app's own may mean: Tethys' four classes of custom statuses. */
export const STATUS_CLASSES = ['pre-running', 'running', 'active', 'terminal'] as const
export type StatusClass = (typeof STATUS_CLASSES)[number]

/** What isActive() and isSettled() look at. */
export interface Standing {
  readonly statusCode: StatusCode
  /** Of a text of the app's own, as it was classified when it was set; null for every other status, and without a class. */
  readonly statusClass: StatusClass | null
  /** When execute() of the current attempt was committed. */
  readonly executeTime: number | Date | null
}

type Ends = readonly (readonly [code: StatusCode, statusClass?: StatusClass])[]
type End = Pick<Standing, 'statusCode' | 'statusClass'>
const isOneOf = (ends: Ends, job: End): boolean =>
  ends.some(([code, wanted]) => job.statusCode === code && (wanted === undefined || job.statusClass === wanted))
/** The same of a row of telesto_jobs. Never NULL, so that its contrary holds for every other row. */
const sqlOf = (ends: Ends, job: string): string => {
  const tests = ends.map(([code, wanted]) => {
    const test = `${job}.status_code = '${code}'`
    return wanted === undefined ? test : `(${test} AND COALESCE(${job}.status_class, '') = '${wanted}')`
  })
  return `(${tests.join(' OR ')})`
}

const COMPLETE: Ends = [['COM'], ['OTH', 'terminal']]
const SETTLED: Ends = [...COMPLETE, ['ERR'], ['ABT'], ['VCP']]

/** The job ended as it was to: Complete, or a terminal status of the app's own. What waits for it may go. */
export const isComplete = (job: End): boolean => isOneOf(COMPLETE, job)
/** isComplete() as a condition; `job` is the name of telesto_jobs in the statement. */
export const completeSql = (job: string): string => sqlOf(COMPLETE, job)

/** The job has ended; only a resubmit starts it again. Results-Ready is not settled: its results are being collected. */
export const isSettled = (job: End): boolean => isOneOf(SETTLED, job)
/** isSettled() as a condition. */
export const settledSql = (job: string): string => sqlOf(SETTLED, job)

const FAILED: ReadonlySet<StatusCode> = new Set(['ERR', 'ABT', 'VCP'])

/** The job has ended, and not as it should: Error, Aborted or Various-Complete. */
export const hasFailed = (job: Pick<Standing, 'statusCode'>): boolean => FAILED.has(job.statusCode)

/**
 * The job is on its way: from the commit of execute() until its scheduler's last word. Results-Ready is not active: the
 * computation has ended.
 */
export const isActive = (job: Standing): boolean =>
  !isSettled(job) && job.statusCode !== 'RES' && (job.statusCode !== 'PEN' || job.executeTime !== null)

/** The status says that the job's work has begun: it runs, it is held up, or it ended otherwise than by failing. */
export const hasStarted = (job: End): boolean =>
  STARTED.has(job.statusCode) ||
  (job.statusCode === 'OTH' && (job.statusClass === 'running' || job.statusClass === 'terminal'))
const STARTED: ReadonlySet<StatusCode> = new Set(['RUN', 'VAR', 'PAS', 'COM', 'VCP', 'RES'])
