import type { Clock } from '../clock.js'

/** Something that is due: its key keeps it from running twice at once in this process. */
export interface Work {
  readonly key: string
  readonly run: (signal: AbortSignal) => Promise<void>
}

/** Drives the loops of one process: asks what is due, starts it, sleeps until there may be more. */
export interface Queue {
  start(): void
  wake(): void
  /** Takes no more work, aborts and awaits what runs. Idempotent. */
  close(): Promise<void>
}

/** Without a wake it is looked this often for what has become due, or what another process has left. */
const LOOK_EVERY_MS = 200
const IDLE_MS = 1000
/** After an unexpected error (the store is busy or gone) the next look waits so long. */
const AFTER_ERROR_MS = 1000

/** Work that ignores its abort so long is left behind: all that it could still commit is a compare-and-set. */
const CLOSE_PATIENCE_MS = 10_000

export const createInlineQueue = (
  clock: Clock,
  due: () => Promise<{ readonly work: readonly Work[]; readonly idle: boolean }>,
  failed: (error: unknown, key: string) => void,
): Queue => {
  const running = new Map<string, Promise<void>>()
  const closing = new AbortController()
  let bell = new AbortController()
  let wakes = 0
  let loop: Promise<void> | undefined
  let closed: Promise<void> | undefined

  const begin = ({ key, run }: Work): void => {
    if (running.has(key) || closing.signal.aborted) return
    const before = wakes
    const ended = (async () => {
      try {
        await run(closing.signal)
      } catch (error) {
        if (!closing.signal.aborted) failed(error, key)
        await clock.sleep(AFTER_ERROR_MS, closing.signal)
      } finally {
        running.delete(key)
        // Who woke the loop meanwhile may want this key again; work that changed nothing has woken nobody.
        if (wakes !== before) bell.abort()
      }
    })()
    running.set(key, ended)
  }

  const look = async (): Promise<number> => {
    try {
      const { work, idle } = await due()
      for (const one of work) begin(one)
      return idle && running.size === 0 ? IDLE_MS : LOOK_EVERY_MS
    } catch (error) {
      if (!closing.signal.aborted) failed(error, 'due')
      return AFTER_ERROR_MS
    }
  }

  const turn = async (): Promise<void> => {
    while (!closing.signal.aborted) {
      bell = new AbortController()
      const pause = await look()
      await clock.sleep(pause, AbortSignal.any([bell.signal, closing.signal]))
    }
  }

  const end = async (): Promise<void> => {
    closing.abort()
    await loop
    const over = new AbortController()
    await Promise.race([Promise.all(running.values()), clock.sleep(CLOSE_PATIENCE_MS, over.signal)])
    over.abort()
  }

  return {
    start() {
      loop ??= turn()
    },
    wake() {
      wakes++
      // Each abort() makes an error and its stack, also where the signal is aborted already.
      if (!bell.signal.aborted) bell.abort()
    },
    close: () => {
      closed ??= end()
      return closed
    },
  }
}
