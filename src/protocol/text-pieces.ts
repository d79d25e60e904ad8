// The pieces of a text that arrives bit by bit: each is decoded as far as its characters are complete, and the bytes of
// one that is not go to the next piece.

import type { Platform } from './platform.ts'
import { startOfIncompleteCharacter } from './utf8.ts'

/** Decode a text piece by piece. */
export class TextPieces {
  readonly #platform: Platform
  /** The first bytes of a character whose others have not come: three at most. */
  #rest: Uint8Array | undefined

  constructor(platform: Platform) {
    this.#platform = platform
  }

  /** Decode the next bytes; `undefined` when they are not valid UTF-8, or when the text ends within a character. */
  decode(memory: Uint8Array, start: number, end: number, isEnd: boolean): string | undefined {
    const rest = this.#rest
    if (rest !== undefined) {
      const joined = this.#platform.allocate(rest.length + end - start)
      joined.set(rest)
      joined.set(memory.subarray(start, end), rest.length)
      this.#rest = undefined
      return this.decode(joined, 0, joined.length, isEnd)
    }
    const stop = isEnd ? end : startOfIncompleteCharacter(memory, start, end)
    if (stop < end) this.#rest = this.#platform.copy(memory, stop, end)
    return this.#platform.decodeUtf8(memory, start, stop)
  }
}
