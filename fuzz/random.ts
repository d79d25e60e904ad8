// Randomness that can be had again: the same seed gives the same run on every machine.

/** Give pseudo-random numbers from a seed (sfc32). */
export class Random {
  #a: number
  #b: number
  #c = 0x9e3779b9
  #counter = 1

  constructor(seed: number) {
    this.#a = seed | 0
    this.#b = Math.floor(seed / 0x100000000) | 0
    for (let round = 0; round < 12; round++) this.next()
  }

  /** Return an integer from 0 to 2^32 - 1. */
  next(): number {
    const sum = (this.#a + this.#b + this.#counter++) | 0
    this.#a = this.#b ^ (this.#b >>> 9)
    this.#b = (this.#c + (this.#c << 3)) | 0
    this.#c = (((this.#c << 21) | (this.#c >>> 11)) + sum) | 0
    return sum >>> 0
  }

  /** Return an integer from 0 to `bound` - 1. */
  below(bound: number): number {
    return Math.floor((this.next() / 0x100000000) * bound)
  }

  /** Return an integer from `low` to `high`, both included. */
  between(low: number, high: number): number {
    return low + this.below(high - low + 1)
  }

  /** Be true once in `count` times. */
  oneIn(count: number): boolean {
    return this.below(count) === 0
  }

  pick<T>(from: readonly T[]): T {
    return from[this.below(from.length)]!
  }

  bytes(length: number): Uint8Array {
    return Uint8Array.from({ length }, () => this.below(256))
  }

  /** Return a length that is mostly small and now and then near `longest`. */
  length(longest: number): number {
    return this.below(1 + this.below(1 + this.below(longest + 1)))
  }
}
