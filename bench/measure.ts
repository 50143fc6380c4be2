/** One side of a comparison: does the same piece of work once, and answers how long it took, in milliseconds. */
export type Side = () => Promise<number>

/** What was measured: `ratio` is compared with the goal; `ours` and `other` are what it was made of. */
export interface Measured {
  readonly ratio: number
  readonly ours: number
  readonly other: number | null
}

export interface Turns {
  /** Pairs that are thrown away. */
  readonly warmUp: number
  readonly fewest: number
  readonly most: number
}

export const sorted = (values: readonly number[]): number[] => values.toSorted((a, b) => a - b)

/** The value below which the share `part` of all values lies; 0.5 is the median. */
export const quantile = (values: readonly number[], part: number): number => {
  const inOrder = sorted(values)
  const place = (inOrder.length - 1) * part
  const below = inOrder[Math.floor(place)]
  const above = inOrder[Math.ceil(place)]
  if (below === undefined || above === undefined) throw new RangeError('There is no quantile of nothing.')
  return below + (above - below) * (place - Math.floor(place))
}

export const median = (values: readonly number[]): number => quantile(values, 0.5)

/** So far may the median of the ratios be from the true one, as a share of it, before more pairs are measured. */
const PRECISION = 0.05

/** The error of a median is about the distance of the quartiles by the square root of the number of values. */
export const isStable = (ratios: readonly number[]): boolean => {
  const spread = quantile(ratios, 0.75) - quantile(ratios, 0.25)
  return spread / Math.sqrt(ratios.length) <= PRECISION * median(ratios)
}

/**
 * Both sides in turns, ours first and second by turns, so that whatever else the machine does weighs on both alike; until the
 * ratio is stable. The ratio is the median of those of the pairs.
 */
export const sideBySide = async (ours: Side, other: Side, { warmUp, fewest, most }: Turns): Promise<Measured> => {
  const pairs: { readonly ours: number; readonly other: number }[] = []
  const ratios = () => pairs.map((pair) => pair.ours / pair.other)
  for (let turn = 0; turn < warmUp + most; turn++) {
    const first = turn % 2 === 0 ? await ours() : undefined
    const others = await other()
    const pair = { ours: first ?? (await ours()), other: others }
    if (turn >= warmUp) pairs.push(pair)
    if (pairs.length >= fewest && isStable(ratios())) break
  }
  return {
    ratio: median(ratios()),
    ours: median(pairs.map((pair) => pair.ours)),
    other: median(pairs.map((pair) => pair.other)),
  }
}

/** How long `work` takes, in milliseconds. */
export const timed = async (work: () => unknown): Promise<number> => {
  const began = performance.now()
  await work()
  return performance.now() - began
}
