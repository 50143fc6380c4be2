import type { StoreName } from './results.ts'

export type Value = string | number | null
export type Row = Record<string, unknown>
/** A prepared statement of the raw driver. It answers the rows; at once, where the driver does. */
export type Statement = (...values: readonly Value[]) => readonly Row[] | Promise<readonly Row[]>

/** One connection of the raw driver, at the durability of Telesto's own. */
export interface Raw {
  /** $1, $2, … stand in the order of the values, each once. */
  prepare(sql: string): Statement
  close(): Promise<void>
}

/** A database of its own, with the schema that Telesto's migrations made. */
export interface Place {
  /** For createTelesto(). */
  readonly options: { readonly directory: string; readonly database?: string; readonly migrate?: boolean }
  /** A number that is another one whenever something was written meanwhile. */
  changes(): Promise<number>
  remove(): Promise<void>
}

/** A kind of database that Telesto stores in. */
export interface Store {
  readonly name: StoreName
  /** So many values a statement takes. */
  readonly maxValues: number
  place(): Promise<Place>
  /** A connection to the database of such options; or several, where the database serves them at once. */
  connect(options: Place['options'], connections?: number): Promise<Raw>
  /** A connection that fills a database fast, and would lose all of it in a power cut. */
  filler(options: Place['options']): Promise<Raw>
  close(): Promise<void>
}
