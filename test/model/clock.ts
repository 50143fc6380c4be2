import type { Clock } from '../../src/clock.js'

interface Sleeper {
  readonly at: number
  readonly wake: () => void
}

/** The clock of one engine: it starts anywhere, goes a little too fast or too slow, and moves only when time passes. */
export class EngineClock implements Clock {
  #now: number
  readonly #rate: number
  readonly #sleepers = new Set<Sleeper>()

  constructor(start: number, rate: number) {
    this.#now = start
    this.#rate = rate
  }
  monotonic(): number {
    return this.#now
  }
  databaseOffset(): number {
    return 0
  }
  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    if (ms <= 0 || signal?.aborted === true) return Promise.resolve()
    return new Promise((resolve) => {
      const wake = (): void => {
        this.#sleepers.delete(sleeper)
        signal?.removeEventListener('abort', wake)
        resolve()
      }
      const sleeper: Sleeper = { at: this.#now + ms, wake }
      this.#sleepers.add(sleeper)
      signal?.addEventListener('abort', wake, { once: true })
    })
  }

  /** `ms` pass for the world; whoever slept long enough wakes. */
  pass(ms: number): void {
    this.#now += ms * this.#rate
    const due = [...this.#sleepers].filter(({ at }) => at <= this.#now)
    for (const { wake } of due.sort((a, b) => a.at - b.at)) wake()
  }
  /** Milliseconds of the world until the next sleeper wakes. */
  get untilNext(): number {
    let next = Number.POSITIVE_INFINITY
    for (const { at } of this.#sleepers) next = Math.min(next, at)
    return Math.max(0, Math.ceil((next - this.#now) / this.#rate))
  }
  /** Its process is dead: nobody wakes any more. */
  die(): void {
    this.#sleepers.clear()
  }
}
