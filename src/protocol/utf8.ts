// UTF-8 validation that can stop anywhere and go on: a message's text arrives in parts that end in the middle of
// characters, and the first byte that cannot be right must fail at once.

import type { Platform } from './platform.ts'

// Below this size walking the bytes is faster than the platform's function.
const NATIVE_PAYS_FROM = 32

/** Validate a text's bytes part by part. */
export class Utf8Validator {
  readonly #platform: Platform
  /** How many continuation bytes the current character still needs. */
  #needed = 0
  /** The range in which the next byte must lie. Only the byte after a lead byte has a narrower one. */
  #lower = 0x80
  #upper = 0xbf

  constructor(platform: Platform) {
    this.#platform = platform
  }

  /** True when the bytes so far do not end inside a character. */
  get isComplete(): boolean {
    return this.#needed === 0
  }

  /** Take the next bytes; false as soon as no continuation could make them valid. */
  validate(bytes: Uint8Array, start: number, end: number): boolean {
    if (end - start < NATIVE_PAYS_FROM) return this.#walk(bytes, start, end)
    let position = start
    while (this.#needed > 0) {
      if (!this.#step(bytes[position++]!)) return false
    }
    const tail = startOfIncompleteCharacter(bytes, position, end)
    return this.#platform.isUtf8(bytes, position, tail) && this.#walk(bytes, tail, end)
  }

  /** Forget everything, for the next message. */
  reset(): void {
    this.#needed = 0
    this.#lower = 0x80
    this.#upper = 0xbf
  }

  #walk(bytes: Uint8Array, start: number, end: number): boolean {
    for (let index = start; index < end; index++) {
      if (!this.#step(bytes[index]!)) return false
    }
    return true
  }

  #step(byte: number): boolean {
    if (this.#needed > 0) {
      if (byte < this.#lower || byte > this.#upper) return false
      this.#needed--
      this.#lower = 0x80
      this.#upper = 0xbf
      return true
    }
    if (byte < 0x80) return true
    // RFC 3629 section 4: C0, C1 and F5-FF never appear; E0, ED, F0 and F4 narrow the byte that follows, which
    // rules out overlong forms, surrogates and what lies beyond U+10FFFF.
    if (byte < 0xc2 || byte > 0xf4) return false
    if (byte < 0xe0) this.#needed = 1
    else if (byte < 0xf0) {
      this.#needed = 2
      if (byte === 0xe0) this.#lower = 0xa0
      else if (byte === 0xed) this.#upper = 0x9f
    } else {
      this.#needed = 3
      if (byte === 0xf0) this.#lower = 0x90
      else if (byte === 0xf4) this.#upper = 0x8f
    }
    return true
  }
}

/** Find where the last character begins if it is incomplete; `end` if it is not. */
export function startOfIncompleteCharacter(bytes: Uint8Array, start: number, end: number): number {
  const earliest = Math.max(start, end - 3)
  for (let index = end - 1; index >= earliest; index--) {
    const byte = bytes[index]!
    if (byte < 0x80) return end
    if (byte >= 0xc0) {
      const length = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
      return index + length > end ? index : end
    }
  }
  return end
}
