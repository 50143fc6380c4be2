import { type Scheduler, SchedulerError } from '../adapter.js'
import type { Clock } from '../clock.js'

/**
 * Asks an adapter one thing, and trusts none of it: the call is raced against `deadlineMs` (monotonic), its signal aborts at
 * the deadline and with `signal`, and whatever it throws becomes a SchedulerError. A call that has not ended by its
 * deadline goes on without us: `late` is told if it still answers.
 */
export const ask = async <T>(
  clock: Clock,
  call: (signal: AbortSignal) => Promise<T>,
  options: { readonly deadlineMs: number; readonly signal?: AbortSignal; readonly late?: (answer: T) => void },
): Promise<T> => {
  if (options.signal?.aborted === true) throw new SchedulerError('unavailable', 'The call was aborted.')
  const controller = new AbortController()
  const over = new AbortController()
  const stop = (): void => controller.abort(options.signal?.reason)
  options.signal?.addEventListener('abort', stop, { once: true })
  let decided = false
  const answer = (async () => await call(controller.signal))()
  answer.then(
    (value) => {
      if (decided) options.late?.(value)
    },
    () => {},
  )
  const deadline = clock.sleep(options.deadlineMs, over.signal).then(() => {
    decided = true
    throw new SchedulerError('unavailable', `No answer within ${Math.round(options.deadlineMs / 1000)} s.`)
  })
  // A call that ignores its abort is given a second, as the contract grants, and then left behind.
  const aborted = new Promise<void>((resolve) =>
    controller.signal.addEventListener('abort', () => resolve(), { once: true }),
  )
    .then(async () => await clock.sleep(1000, over.signal))
    .then(() => {
      decided = true
      throw new SchedulerError('unavailable', 'The call was aborted.')
    })
  for (const loser of [deadline, aborted]) loser.catch(() => {})
  try {
    return await Promise.race([answer, deadline, aborted])
  } catch (error) {
    throw asSchedulerError(error)
  } finally {
    decided = true
    over.abort()
    controller.abort()
    options.signal?.removeEventListener('abort', stop)
  }
}

/** The connection of a record. That its adapter refuses the configuration is one more way in which it cannot be asked. */
export const connect = <R>(connections: { of(record: R): Scheduler }, record: R): Scheduler => {
  try {
    return connections.of(record)
  } catch (error) {
    throw asSchedulerError(error)
  }
}

const CODES: ReadonlySet<string> = new Set(['invalid_job', 'rejected', 'unavailable', 'auth', 'protocol'])

/** What a call threw, as the one error of the contract. Anything else is a bug of the adapter: `protocol`. */
export const asSchedulerError = (error: unknown): SchedulerError => {
  const cause = { cause: error }
  const known = isSchedulerError(error)
    ? error
    : new SchedulerError('protocol', `The adapter threw ${describe(error)}, which is no SchedulerError.`, cause)
  const message = storableText(known.message)
  return message === known.message ? known : new SchedulerError(known.code, message, cause)
}

/** By shape and not by class: an adapter may bring its own copy of the package. */
export const isSchedulerError = (value: unknown): value is SchedulerError =>
  value instanceof Error && value.name === 'SchedulerError' && CODES.has((value as { code?: unknown }).code as string)

/** A text of a stranger as every database takes it: without NUL, and without half of a surrogate pair. */
export const storableText = (text: string): string => text.replaceAll('\0', '').toWellFormed()

const describe = (error: unknown): string => {
  try {
    return error instanceof Error ? `${error.name}: ${error.message}` : String(error)
  } catch {
    return 'something'
  }
}
