import type { Measured } from './measure.ts'
import type { Goal } from './results.ts'
import type { Store } from './store.ts'

/** What a benchmark is given. */
export interface Bench {
  readonly store: Store
  /** The size of a measurement, or a small one where the run is quick. */
  size(full: number, quick: number): number
  /** Tells something on the way: how long a database took to fill. */
  note(text: string): void
}

/** Goals that are measured together, since they share what is slow to make. */
export interface Benchmark {
  readonly name: string
  readonly goals: readonly Goal[]
  /** What it needs that not every machine has: it runs only where it is named. */
  readonly needs?: string
  /** Answers a figure for each goal, by its name. */
  run(bench: Bench): Promise<Readonly<Record<string, Measured>>>
}
