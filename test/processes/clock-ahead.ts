// Loaded first, it puts the wall clock of a process ten minutes ahead.

const AHEAD_MS = 600_000
const RealDate = Date

globalThis.Date = class extends RealDate {
  constructor(...given: [] | [value: number | string | Date]) {
    if (given.length === 0) super(RealDate.now() + AHEAD_MS)
    else super(...given)
  }
  static override now(): number {
    return RealDate.now() + AHEAD_MS
  }
  // Node's own times, of files for one, are made by the real one.
  static override [Symbol.hasInstance](value: unknown): boolean {
    return value instanceof RealDate
  }
} as DateConstructor
