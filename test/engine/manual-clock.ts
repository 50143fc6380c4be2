import type { Clock } from '../../src/clock.js'

/**
 * A clock on which ten minutes pass in a millisecond. The database reads its machine's time, so that runs on beneath: what
 * advance() adds is added to all three, and they agree. Nobody who sleeps wakes except in advance().
 */
export class ManualClock implements Clock {
  #passed = 0
  readonly #sleepers = new Set<{ readonly at: number; readonly wake: () => void }>()

  monotonic(): number {
    return performance.now() + this.#passed
  }
  databaseOffset(): number {
    return this.#passed
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (ms <= 0 || signal?.aborted === true) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#sleepers.delete(sleeper)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      const sleeper = { at: this.monotonic() + ms, wake }
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', wake, { once: true })
    })
  }

  /** Whole milliseconds, as the database's clock has them. */
  advance(ms: number): void {
    this.#passed += ms
    const now = this.monotonic()
    const due = [...this.#sleepers].filter(({ at }) => at <= now)
    for (const { wake } of due.sort((a, b) => a.at - b.at)) wake()
  }
  get sleepers(): number {
    return this.#sleepers.size
  }
}
