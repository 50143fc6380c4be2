/** What a Spread has seen: how many values, their mean, and the sum of their squared distances from it. */
export type Moments = readonly [count: number, mean: number, squares: number]

/** A running mean and variance (Welford), so that memory does not grow with the number of resamples. */
export class Spread {
  #count = 0
  #mean = 0
  #squares = 0

  add(value: number): void {
    this.#count += 1
    const distance = value - this.#mean
    this.#mean += distance / this.#count
    this.#squares += distance * (value - this.#mean)
  }

  /** As if all values that another one has seen had been added here (Chan). */
  merge([count, mean, squares]: Moments): void {
    if (count === 0) return
    const all = this.#count + count
    const distance = mean - this.#mean
    this.#squares += squares + (distance * distance * this.#count * count) / all
    this.#mean += (distance * count) / all
    this.#count = all
  }

  get moments(): Moments {
    return [this.#count, this.#mean, this.#squares]
  }

  get deviation(): number {
    return this.#count > 1 ? Math.sqrt(this.#squares / (this.#count - 1)) : 0
  }
}
