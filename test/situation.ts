import type { Situation } from '../src/decide.js'
import type { StatusCode } from '../src/status.js'

/** A job of which nothing but its status is known. */
export const situation = (statusCode: StatusCode, more: Partial<Situation> = {}): Situation => ({
  statusCode,
  statusClass: null,
  statusChangedAt: 0,
  startTime: null,
  cause: null,
  nativeState: null,
  reason: null,
  exitCode: null,
  progress: null,
  statusMessage: null,
  orderName: null,
  orderTries: 0,
  gapCount: 0,
  gapSince: null,
  ...more,
})
