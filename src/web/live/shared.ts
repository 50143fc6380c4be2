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
export class Moment extends Shared {
  /** The newest event when it began: what is told in it may lack what came later, and nothing else. */
  readonly newest: number

  constructor(newest: number) {
    super(MOST)
    this.newest = newest
  }
}

export interface Moments {
  now(): Promise<Moment>
  /** A new one, for who knows that the present one is too old. */
  renew(): Promise<Moment>
}

export const createMoments = (
  clock: Pick<Clock, 'monotonic'>,
  feed: Pick<EventFeed, 'changes'>,
  database: Parameters<typeof lastEventId>[0],
): Moments => {
  let moment: Promise<Moment> | undefined
  let until = 0
  let changes = 0
  const renew = async (): Promise<Moment> => {
    until = clock.monotonic() + MOMENT_MS
    changes = feed.changes()
    const made = lastEventId(database).then((newest) => new Moment(newest))
    moment = made
    made.catch(() => {
      if (moment === made) moment = undefined
    })
    return await made
  }
  return {
    async now() {
      const lasts = clock.monotonic() < until && feed.changes() === changes
      return lasts && moment !== undefined ? await moment : await renew()
    },
    renew,
  }
}
