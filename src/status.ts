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

/** What isActive() and isSettled() look at. */
export interface Standing {
  readonly statusCode: StatusCode
  /** When execute() of the current attempt was committed. */
  readonly executeTime: number | Date | null
}

const SETTLED: ReadonlySet<StatusCode> = new Set(['COM', 'ERR', 'ABT', 'VCP'])

/** The job has ended; only a resubmit starts it again. Results-Ready is not settled: its results are being collected. */
export const isSettled = (job: Pick<Standing, 'statusCode'>): boolean => SETTLED.has(job.statusCode)

const FAILED: ReadonlySet<StatusCode> = new Set(['ERR', 'ABT', 'VCP'])

/** The job has ended, and not as it should: Error, Aborted or Various-Complete. */
export const hasFailed = (job: Pick<Standing, 'statusCode'>): boolean => FAILED.has(job.statusCode)

/**
 * The job is on its way: from the commit of execute() until its scheduler's last word. Results-Ready is not active: the
 * computation has ended.
 */
export const isActive = (job: Standing): boolean =>
  !isSettled(job) && job.statusCode !== 'RES' && (job.statusCode !== 'PEN' || job.executeTime !== null)
