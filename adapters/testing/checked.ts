import assert from 'node:assert/strict'
import { type Scheduler, SchedulerError } from '../../src/adapter.js'

const STATES = ['queued', 'held', 'running', 'suspended', 'succeeded', 'failed', 'cancelled', 'unknown', undefined]

/** Hears of every error that the scheduler throws or answers. */
export type Listener = (error: unknown) => void

/**
 * The same scheduler, with the rules of the contract that hold for every call enforced on each: what goes in is frozen,
 * what comes out is about what was asked and of the right shape, and what is thrown is a SchedulerError.
 */
export const checked = (scheduler: Scheduler, heard: Listener): Scheduler => {
  const enforce = async <T>(method: string, input: readonly unknown[], call: () => Promise<T>): Promise<T> => {
    for (const argument of input) freeze(argument)
    try {
      const answer = await call()
      check(method, input[0], answer, heard)
      return answer
    } catch (error) {
      heard(error)
      if (error instanceof assert.AssertionError) throw error
      assert.ok(error instanceof SchedulerError, `${method}() threw ${String(error)}, which is no SchedulerError`)
      throw error
    }
  }
  return new Proxy(scheduler, {
    get: (target, name: keyof Scheduler) => {
      const method = target[name]
      if (typeof method !== 'function') return method
      return (...input: unknown[]) =>
        enforce(
          name,
          input,
          async () => await (method as (...input: unknown[]) => Promise<unknown>).apply(target, input),
        )
    },
  })
}

const freeze = (value: unknown): void => {
  if (typeof value !== 'object' || value === null || value instanceof AbortSignal || value instanceof Date) return
  Object.freeze(value)
  for (const inner of Object.values(value)) freeze(inner)
}

const check = (method: string, asked: unknown, answer: unknown, heard: Listener): void => {
  if (!['submit', 'status', 'history', 'cancel', 'hold', 'release', 'recover', 'cleanUp'].includes(method)) return
  assert.ok(answer instanceof Map, `${method}() must answer a Map`)
  const tokens = new Set((asked as readonly { token: string }[]).map(({ token }) => token))
  for (const [token, value] of answer as ReadonlyMap<unknown, unknown>) {
    assert.ok(tokens.has(String(token)), `${method}() answered about ${String(token)}, which was not asked about`)
    if (value instanceof SchedulerError) heard(value)
    const fits =
      method === 'status' || method === 'history'
        ? isReport(value)
        : method === 'recover'
          ? typeof value === 'string' && value !== ''
          : value instanceof SchedulerError ||
            (method === 'submit' ? typeof value === 'string' && value !== '' : value === 'ok')
    assert.ok(fits, `${method}() answered ${JSON.stringify(value)}, which the contract does not know`)
  }
}

const isReport = (value: unknown): boolean => {
  if (typeof value !== 'object' || value === null) return false
  const { state, startedAt, endedAt, exitCode, parts, progress, statusMessage } = value as Record<string, unknown>
  const isTime = (time: unknown) => time === undefined || (time instanceof Date && !Number.isNaN(time.getTime()))
  return (
    STATES.includes(state as string) &&
    (state !== undefined || Array.isArray(parts)) &&
    isTime(startedAt) &&
    isTime(endedAt) &&
    (exitCode === undefined || Number.isInteger(exitCode)) &&
    (progress === undefined || (typeof progress === 'number' && progress >= 0 && progress <= 1)) &&
    (statusMessage === undefined || typeof statusMessage === 'string')
  )
}
