/** Milliseconds to wait after the n-th failure in a row (1 is the first): doubling from `base`, never over `cap`. Pure. */
export const backoff = (failures: number, base: number, cap: number): number =>
  Math.min(cap, base * 2 ** Math.min(Math.max(failures - 1, 0), 40))

/** The same, up to a tenth more or less, so that many that failed together do not come back together. `random` is in [0, 1). */
export const jitter = (ms: number, random: number): number => Math.round(ms * (0.9 + 0.2 * random))
