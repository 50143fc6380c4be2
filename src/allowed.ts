import type { Action } from './access.js'
import { HELD_STATES } from './decide.js'
import { isActive, isSettled, type StatusCode } from './status.js'
import type { JobRow } from './store/jobs.js'

/** What a row tells about what may be asked of its job. */
type Standing = Pick<
  JobRow,
  | 'statusCode'
  | 'statusClass'
  | 'executeTime'
  | 'needsScheduler'
  | 'partStates'
  | 'orderName'
  | 'orderError'
  | 'nativeId'
  | 'cause'
  | 'handedOverAt'
>

/** The attempt was handed over, no answer came, and its adapter cannot find out what became of it. */
export const UNCERTAIN = 'submission uncertain'

/** Paused; or some of its parts are, while others run or have ended. */
const isHeld = ({ statusCode, partStates }: Standing): boolean =>
  statusCode === 'PAS' ||
  (statusCode === 'VAR' && [...HELD_STATES].some((state) => Object.hasOwn(JSON.parse(partStates ?? '{}'), state)))

const running: ReadonlySet<StatusCode> = new Set(['SUB', 'RUN', 'VAR'])
/** It has settled, or it will as soon as its results are collected. */
export const hasEnded = (job: Pick<Standing, 'statusCode' | 'statusClass'>): boolean =>
  isSettled(job) || job.statusCode === 'RES'
export const stopping = (job: Standing): boolean => job.orderName === 'cancel'
const uncertain = (job: Standing): boolean => job.orderName === 'submit' && (job.orderError ?? '').startsWith(UNCERTAIN)

/** Which actions a job's status allows. Whether its scheduler can hold and release is asked beside this. Pure. */
export const ALLOWED: Readonly<Record<Exclude<Action, 'read' | 'edit'>, (job: Standing) => boolean>> = {
  execute: (job) => job.statusCode === 'PEN' && job.executeTime === null,
  stop: (job) => isActive(job) && !stopping(job),
  pause: (job) => running.has(job.statusCode) && !stopping(job) && job.orderName !== 'hold',
  resume: (job) => isHeld(job) && !stopping(job) && job.orderName !== 'release',
  resubmit: (job) => isSettled(job) || uncertain(job),
  collect: (job) => job.cause === 'results' && isSettled(job),
  delete: (job) => !isActive(job),
  // A label beside the status of a scheduler's job can be set at any time.
  updateStatus: (job) => job.needsScheduler === 1 || !hasEnded(job),
}
