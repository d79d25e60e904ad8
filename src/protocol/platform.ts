// What the protocol core needs from where it runs: text, memory and randomness. This file holds the interface
// and the portable version, which needs nothing but what browsers have too.

/** Give the core text coding, memory and randomness. */
export interface Platform {
  /** Decode bytes that are known to be ASCII. */
  decodeAscii(bytes: Uint8Array, start: number, end: number): string
  /** Decode UTF-8; `undefined` when the bytes are not valid UTF-8. */
  decodeUtf8(bytes: Uint8Array, start: number, end: number): string | undefined
  /** Tell whether the bytes are valid and complete UTF-8. */
  isUtf8(bytes: Uint8Array, start: number, end: number): boolean
  /** Count the bytes of a text in UTF-8. */
  utf8Length(text: string): number
  /** Write a text as UTF-8 and return how many bytes it took; lone surrogates become U+FFFD. */
  encodeUtf8(text: string, target: Uint8Array, offset: number): number
  /** Get memory of exactly this size whose content is undefined: every byte must be written before it is shown. */
  allocate(size: number): Uint8Array
  /** Copy a part into memory of its own. */
  copy(bytes: Uint8Array, start: number, end: number): Uint8Array
  /** Fill with unpredictable bytes. */
  randomFill(bytes: Uint8Array): void
}

const decoder = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true })
const encoder = new TextEncoder()

/** The platform of any JavaScript runtime. */
export const portablePlatform: Platform = {
  decodeAscii(bytes, start, end) {
    return decoder.decode(bytes.subarray(start, end))
  },
  decodeUtf8(bytes, start, end) {
    try {
      return decoder.decode(bytes.subarray(start, end))
    } catch {
      return undefined
    }
  },
  isUtf8(bytes, start, end) {
    return this.decodeUtf8(bytes, start, end) !== undefined
  },
  utf8Length(text) {
    let length = text.length
    for (let index = 0; index < text.length; index++) {
      const unit = text.charCodeAt(index)
      if (unit < 0x80) continue
      if (unit < 0x800) length += 1
      // Each half of a surrogate pair counts 2 (4 bytes in two units); a lone half becomes U+FFFD: 3 bytes.
      else length += isPairedSurrogate(text, index, unit) ? 1 : 2
    }
    return length
  },
  encodeUtf8(text, target, offset) {
    return encoder.encodeInto(text, target.subarray(offset)).written
  },
  allocate(size) {
    return new Uint8Array(size)
  },
  copy(bytes, start, end) {
    return bytes.slice(start, end)
  },
  randomFill(bytes) {
    crypto.getRandomValues(bytes)
  },
}

function isPairedSurrogate(text: string, index: number, unit: number): boolean {
  if (unit >= 0xd800 && unit < 0xdc00) {
    const next = text.charCodeAt(index + 1)
    return next >= 0xdc00 && next < 0xe000
  }
  if (unit >= 0xdc00 && unit < 0xe000) {
    const previous = text.charCodeAt(index - 1)
    return previous >= 0xd800 && previous < 0xdc00
  }
  return false
}
