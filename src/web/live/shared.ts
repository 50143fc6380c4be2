import type { Clock } from '../../clock.js'
import type { EventFeed } from '../../event-feed.js'
import { lastEventId } from '../../store/events.js'

/** What is read and rendered once for all who need the same. */
export class Shared {
  readonly #made = new Map<string, Promise<unknown>>()
  readonly #most: number

  /** It keeps at most so many things; what comes beyond them is made for whoever asks. */
  constructor(most = Number.POSITIVE_INFINITY) {
    this.#most = most
  }

  /** `make()`, once for each key; again where it failed. */
  async once<T>(key: string, make: () => Promise<T>): Promise<T> {
    const known = this.#made.get(key)
    if (known !== undefined) return (await known) as T
    const made = make()
    if (this.#made.size < this.#most) {
      this.#made.set(key, made)
      made.catch(() => this.#made.delete(key))
    }
    return await made
  }
}

/** What is read and rendered in a moment is told to all who ask within it, in milliseconds. */
const MOMENT_MS = 1000
/** About a hundred pages. */
const MOST = 200

/**
 * What all requests and streams of a moment share. It ends after a second, and as soon as this process has committed something,
 * or heard of what another one did. Who is about to read takes it first: what was read before its end is not told after it.
 */
export interface Moments {
  now(): Shared
  /** A new one, for who knows that the present one is too old. */
  renew(): Shared
}

export const createMoments = (clock: Pick<Clock, 'monotonic'>, feed: Pick<EventFeed, 'changes'>): Moments => {
  let shared = new Shared(MOST)
  let until = 0
  let changes = -1
  const renew = (): Shared => {
    shared = new Shared(MOST)
    until = clock.monotonic() + MOMENT_MS
    changes = feed.changes()
    return shared
  }
  return {
    now: () => (clock.monotonic() >= until || feed.changes() !== changes ? renew() : shared),
    renew,
  }
}

/** The newest event when a moment began: asked for before anything else is read in it, so that a page hears what came later. */
export const newestEvent = async (reader: Parameters<typeof lastEventId>[0], moment: Shared): Promise<number> =>
  await moment.once('newest', async () => await lastEventId(reader))
