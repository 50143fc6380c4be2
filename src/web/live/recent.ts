import type { EventRow } from '../../store/events.js'

/** So many events are remembered. */
const MOST = 2000

/** The events that were told last, as they came: what a page has missed that was rendered a moment ago is asked of no database. */
export interface Recent {
  add(events: readonly EventRow[]): void
  /**
   * What came together with the event `id`, or later; undefined where it is not remembered. What came before it had been
   * committed when a page could know `id`; what came together with it perhaps had not.
   */
  since(id: number): readonly EventRow[] | undefined
  forget(): void
}

export const createRecent = (): Recent => {
  let told: (readonly EventRow[])[] = []
  let count = 0
  return {
    add(events) {
      told.push(events)
      count += events.length
      while (count > MOST) count -= told.shift()?.length ?? 0
    },
    since(id) {
      const from = told.findLastIndex((events) => events.some((event) => event.id === id))
      return from < 0 ? undefined : told.slice(from).flatMap((events) => events.filter((event) => event.id !== id))
    },
    forget() {
      told = []
      count = 0
    },
  }
}
