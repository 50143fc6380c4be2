/**
 * When did the mean of a series change, and how sure is that?
 *
 * The model: one mean up to some year, another mean after it. The fit is by least squares over every possible year.
 *
 * The uncertainty is bootstrapped: a resample is the fitted step plus residuals drawn with replacement, each segment from
 * its own. Refitting many resamples tells how much the year of change would vary from one history of the river to another.
 *
 * A percentile interval holds its 95 % only for long series and clear steps. So a double bootstrap checks it (Beran 1987,
 * Loh 1987): each resample is itself resampled 199 times, as if it were the data. There the true year is known, and we
 * see which percentiles would have covered it 95 times in 100. Where that asks for more than the plain interval has, we
 * give more. Where it asks for less we do not: near the ends of a short series the check is itself too hopeful.
 *
 * Whether there is a change at all is a separate question, answered by a permutation test: if the mean never changed, the
 * order of the years carries no information, and shuffling them should often give a step as large as the one observed.
 */
import { Random } from './random.ts'
import { type Moments, Spread } from './spread.ts'

/** Neither level may be shorter than this: a handful of years at either end always makes a tempting "change". */
export const MIN_SEGMENT = 5

const INNER_RESAMPLES = 199
const TAIL = 0.025

export type Fit = {
  /** The number of values before the change. */
  split: number
  before: number
  after: number
  /** How much of the sum of squares the step explains; the larger, the clearer the change. */
  gain: number
}

export type Estimate = {
  value: number
  standardError: number
}

export type Summary = {
  fit: Fit
  /** The smallest and the largest `split` of the 95 % interval. */
  interval: [number, number]
  before: Estimate
  after: Estimate
  drop: Estimate
  pValue: number
  resamples: number
  /** How many resamples changed after 0, 1, 2 ... values. */
  counts: readonly number[]
}

/** What a run has counted so far: JSON, so that many processes can each make a part of the resamples. */
export type Tally = {
  done: number
  counts: readonly number[]
  before: Moments
  after: Moments
  drop: Moments
  innerBelow: readonly number[]
  innerUpTo: readonly number[]
  shufflesAsLarge: number
}

/** Does the work in small steps, so that its caller can report progress, and stop, between any two of them. */
export class Bootstrap {
  readonly fit: Fit
  readonly #values: Float64Array
  readonly #random: Random
  readonly #counts: number[]
  readonly #before = new Spread()
  readonly #after = new Spread()
  readonly #drop = new Spread()
  #done = 0
  #shufflesAsLarge = 0

  // For each resample: how many of its own resamples changed before the true year (or not after it).
  readonly #innerBelow = new Array<number>(INNER_RESAMPLES + 1).fill(0)
  readonly #innerUpTo = new Array<number>(INNER_RESAMPLES + 1).fill(0)

  // Buffers that live as long as the run: the inner loop allocates nothing.
  readonly #weights: Float64Array
  readonly #sums: Float64Array
  readonly #outer: Float64Array
  readonly #inner: Float64Array
  readonly #shuffled: Float64Array
  readonly #residuals: Float64Array
  readonly #outerResiduals: Float64Array

  constructor(values: readonly number[], seed: number) {
    const n = values.length
    this.#values = Float64Array.from(values)
    this.#random = new Random(seed)
    this.#counts = new Array<number>(n + 1).fill(0)
    this.#weights = Float64Array.from({ length: n }, (_, k) => n / (k * (n - k)))
    this.#sums = new Float64Array(n + 1)
    this.#outer = new Float64Array(n)
    this.#inner = new Float64Array(n)
    this.#shuffled = Float64Array.from(values)
    this.#residuals = new Float64Array(n)
    this.#outerResiduals = new Float64Array(n)
    this.fit = this.#fitStep(this.#values)
    this.#takeResiduals(this.#values, this.fit, this.#residuals)
  }

  get done(): number {
    return this.#done
  }

  /** One resample, its own resamples, and one shuffle. */
  resample(): void {
    const truth = this.fit.split
    this.#simulate(this.fit, this.#residuals, this.#outer)
    const outer = this.#fitStep(this.#outer)
    this.#counts[outer.split] = (this.#counts[outer.split] ?? 0) + 1
    this.#before.add(outer.before)
    this.#after.add(outer.after)
    this.#drop.add(outer.before - outer.after)

    this.#takeResiduals(this.#outer, outer, this.#outerResiduals)
    let below = 0
    let upTo = 0
    for (let i = 0; i < INNER_RESAMPLES; i += 1) {
      this.#simulate(outer, this.#outerResiduals, this.#inner)
      const { split } = this.#fitStep(this.#inner)
      if (split < truth) below += 1
      if (split <= truth) upTo += 1
    }
    this.#innerBelow[below] = (this.#innerBelow[below] ?? 0) + 1
    this.#innerUpTo[upTo] = (this.#innerUpTo[upTo] ?? 0) + 1

    this.#shuffle()
    if (this.#fitStep(this.#shuffled).gain >= this.fit.gain) this.#shufflesAsLarge += 1
    this.#done += 1
  }

  get tally(): Tally {
    return {
      done: this.#done,
      counts: this.#counts,
      before: this.#before.moments,
      after: this.#after.moments,
      drop: this.#drop.moments,
      innerBelow: this.#innerBelow,
      innerUpTo: this.#innerUpTo,
      shufflesAsLarge: this.#shufflesAsLarge,
    }
  }

  /** As if the resamples of another run of the same values, with another seed, had been made here. */
  add(tally: Tally): void {
    this.#done += tally.done
    this.#shufflesAsLarge += tally.shufflesAsLarge
    this.#before.merge(tally.before)
    this.#after.merge(tally.after)
    this.#drop.merge(tally.drop)
    const sum = (mine: number[], theirs: readonly number[]) => {
      for (const [index, count] of theirs.entries()) mine[index] = (mine[index] ?? 0) + count
    }
    sum(this.#counts, tally.counts)
    sum(this.#innerBelow, tally.innerBelow)
    sum(this.#innerUpTo, tally.innerUpTo)
  }

  summary(): Summary {
    const { before, after } = this.fit
    return {
      fit: this.fit,
      interval: [this.#quantile(this.#lowerLevel()), this.#quantile(this.#upperLevel())],
      before: { value: before, standardError: this.#before.deviation },
      after: { value: after, standardError: this.#after.deviation },
      drop: { value: before - after, standardError: this.#drop.deviation },
      // The observed order is one of the possible orders, hence the ones: a permutation test never says zero.
      pValue: (1 + this.#shufflesAsLarge) / (1 + this.#done),
      resamples: this.#done,
      counts: this.#counts,
    }
  }

  /**
   * Least squares over every split. Minimising what the step leaves unexplained is maximising what it explains, which
   * needs only running sums: one pass, no squares of the data.
   */
  #fitStep(values: Float64Array): Fit {
    const n = values.length
    const sums = this.#sums
    const weights = this.#weights
    let total = 0
    for (let i = 0; i < n; i += 1) {
      total += values[i] as number
      sums[i + 1] = total
    }
    const mean = total / n
    let split = MIN_SEGMENT
    let gain = -1
    for (let k = MIN_SEGMENT; k <= n - MIN_SEGMENT; k += 1) {
      const lead = (sums[k] as number) - k * mean
      const explained = lead * lead * (weights[k] as number)
      if (explained > gain) {
        gain = explained
        split = k
      }
    }
    const first = sums[split] as number
    return { split, before: first / split, after: (total - first) / (n - split), gain }
  }

  /** Residuals are a little too small, since the means were fitted to the same values; the factor restores them. */
  #takeResiduals(values: Float64Array, fit: Fit, into: Float64Array): void {
    const { split, before, after } = fit
    const rest = values.length - split
    const scaleBefore = Math.sqrt(split / (split - 1))
    const scaleAfter = Math.sqrt(rest / (rest - 1))
    for (let i = 0; i < split; i += 1) into[i] = ((values[i] as number) - before) * scaleBefore
    for (let i = split; i < values.length; i += 1) into[i] = ((values[i] as number) - after) * scaleAfter
  }

  #simulate(fit: Fit, residuals: Float64Array, into: Float64Array): void {
    const { split, before, after } = fit
    const random = this.#random
    const rest = into.length - split
    for (let i = 0; i < split; i += 1) into[i] = before + (residuals[random.below(split)] as number)
    for (let i = split; i < into.length; i += 1) into[i] = after + (residuals[split + random.below(rest)] as number)
  }

  #shuffle(): void {
    const values = this.#shuffled
    for (let i = values.length - 1; i > 0; i -= 1) {
      const j = this.#random.below(i + 1)
      const kept = values[i] as number
      values[i] = values[j] as number
      values[j] = kept
    }
  }

  /** The smallest split with at least this share of the resamples at or below it. */
  #quantile(level: number): number {
    let seen = 0
    for (const [split, count] of this.#counts.entries()) {
      seen += count
      if (count > 0 && seen >= level * this.#done) return split
    }
    return this.#values.length - MIN_SEGMENT
  }

  /**
   * The lower end covers the truth where the share of inner resamples up to the truth reaches the level. This is the
   * highest level that does so in 97.5 % of the resamples, unless that would narrow the interval.
   */
  #lowerLevel(): number {
    let missed = 0
    for (const [upTo, count] of this.#innerUpTo.entries()) {
      missed += count
      if (missed > TAIL * this.#done) return Math.min(TAIL, upTo / INNER_RESAMPLES)
    }
    return TAIL
  }

  /** The same for the upper end, which covers the truth where the share before the truth stays under the level. */
  #upperLevel(): number {
    let missed = 0
    for (let below = INNER_RESAMPLES; below >= 0; below -= 1) {
      missed += this.#innerBelow[below] ?? 0
      if (missed > TAIL * this.#done) return Math.max(1 - TAIL, (below + 1) / INNER_RESAMPLES)
    }
    return 1 - TAIL
  }
}
