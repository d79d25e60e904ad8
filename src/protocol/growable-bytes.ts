// Bytes laid end to end in memory that grows as they really arrive.

import type { Platform } from './platform.ts'

// Memory that grows by an eighth each time is copied nine times at most.
const LEAST_GROWTH = 1.125

/** Collect bytes. Memory is proportional to what was appended, whatever was announced. */
export class GrowableBytes {
  readonly #platform: Platform
  #bytes: Uint8Array | undefined
  #length = 0

  constructor(platform: Platform) {
    this.#platform = platform
  }

  get length(): number {
    return this.#length
  }

  /** The memory that holds the bytes from 0 to `length`; what lies behind is undefined. */
  get bytes(): Uint8Array | undefined {
    return this.#bytes
  }

  /**
   * Append a part of `source`. `expected` is the length that the whole will have as far as one knows: it bounds
   * growth, so that the whole often fits exactly.
   */
  append(source: Uint8Array, start: number, end: number, expected: number): void {
    const length = this.#length + end - start
    if (this.#bytes === undefined || length > this.#bytes.length) this.#grow(length, expected)
    const bytes = this.#bytes!
    // A view costs more than a few bytes are worth.
    if (end - start < 32) {
      let target = this.#length
      for (let index = start; index < end; index++) bytes[target++] = source[index]!
    } else {
      bytes.set(source.subarray(start, end), this.#length)
    }
    this.#length = length
  }

  /** Hand over the bytes in memory of exactly their size, and start anew. */
  take(): Uint8Array {
    const bytes = this.#bytes
    const length = this.#length
    this.#bytes = undefined
    this.#length = 0
    if (bytes === undefined) return new Uint8Array(0)
    return bytes.length === length ? bytes : bytes.slice(0, length)
  }

  // Where the end is known memory grows to there and no further, so that large messages are copied seldom; to four
  // times what arrived at most, because an announcement alone must cost nothing; and always by a factor, because a
  // peer may announce little by little.
  #grow(length: number, expected: number): void {
    const size = this.#bytes?.length ?? 0
    const wanted = Math.min(expected, length * 4)
    const capacity = wanted >= length && wanted > size * LEAST_GROWTH ? wanted : length * 2
    const grown = this.#platform.allocate(capacity)
    if (this.#bytes !== undefined) grown.set(this.#bytes.subarray(0, this.#length))
    this.#bytes = grown
  }
}
