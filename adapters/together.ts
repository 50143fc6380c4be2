import { SchedulerError } from '../src/adapter.js'

/** Does `work` for all items, at most `limit` at once; starts no more of them once the signal aborts. */
export const together = async <T>(
  items: readonly T[],
  limit: number,
  signal: AbortSignal,
  work: (item: T) => Promise<void>,
): Promise<void> => {
  const queue = items.values()
  const worker = async () => {
    for (const item of queue) {
      if (signal.aborted) return
      await work(item)
    }
  }
  await Promise.all(Array.from({ length: Math.min(limit, items.length) }, worker))
}

/**
 * The result of `work`, or what `onAbort` gives as soon as the signal aborts: a file system that hangs must not hold up
 * the caller. What `work` was waiting for is then left alone.
 */
export const untilAborted = <T>(signal: AbortSignal, work: Promise<T>, onAbort: () => T): Promise<T> =>
  new Promise((settle, fail) => {
    const stop = () => {
      try {
        settle(onAbort())
      } catch (error) {
        fail(error)
      }
    }
    if (signal.aborted) stop()
    else signal.addEventListener('abort', stop, { once: true })
    work.then(settle, fail).finally(() => signal.removeEventListener('abort', stop))
  })

export const aborted = (): never => {
  throw new SchedulerError('unavailable', 'The call was aborted.')
}
