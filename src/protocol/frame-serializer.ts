// Frames become bytes here, and nowhere else: headers are built in one place, for both roles.

import { LONGEST_HEADER } from './limits.ts'
import { applyMask, type MaskingKeySource } from './masking.ts'
import type { Output } from './output.ts'
import type { Platform } from './platform.ts'

/** The first bit of a frame: this is the last fragment. */
export const FIN = 0x80

// Up to this many characters, room for the longest UTF-8 is simply reserved; above, the bytes are counted first.
const COUNT_FROM = 16 * 1024
// Payloads from this size on are not copied next to their header (server role; masking needs a copy anyway).
const BY_REFERENCE_FROM = 64 * 1024

/** Write frames into an output. Give a source of masking keys for the client role. */
export class FrameSerializer {
  readonly #output: Output
  readonly #platform: Platform
  readonly #maskingKeys: MaskingKeySource | undefined

  constructor(output: Output, platform: Platform, maskingKeys: MaskingKeySource | undefined) {
    this.#output = output
    this.#platform = platform
    this.#maskingKeys = maskingKeys
  }

  /** Write a frame with text. `first` is the first byte: FIN, reserved bits and opcode. */
  writeText(first: number, text: string): void {
    const output = this.#output
    const platform = this.#platform
    const length = text.length
    if (length >= COUNT_FROM) {
      const size = platform.utf8Length(text)
      const start = output.reserve(LONGEST_HEADER + size)
      const payload = start + this.#headerSize(size)
      platform.encodeUtf8(text, output.bytes, payload)
      this.#finish(first, start, payload, size)
      return
    }
    // Most text is ASCII: place the payload as if it were, and move it in the rare case that the header grows.
    const start = output.reserve(LONGEST_HEADER + length * 3)
    const bytes = output.bytes
    let payload = start + this.#headerSize(length)
    const size = platform.encodeUtf8(text, bytes, payload)
    const actual = start + this.#headerSize(size)
    if (actual !== payload) {
      bytes.copyWithin(actual, payload, payload + size)
      payload = actual
    }
    this.#finish(first, start, payload, size)
  }

  /** Write a frame with bytes, which are copied unless they are large. */
  writeBytes(first: number, payload: Uint8Array): void {
    const output = this.#output
    const size = payload.length
    const headerSize = this.#headerSize(size)
    if (size >= BY_REFERENCE_FROM && this.#maskingKeys === undefined) {
      const start = output.reserve(headerSize)
      output.commit(writeHeader(output.bytes, start, first, 0, size))
      output.appendByReference(payload)
      return
    }
    const start = output.reserve(headerSize + size)
    output.bytes.set(payload, start + headerSize)
    this.#finish(first, start, start + headerSize, size)
  }

  #headerSize(length: number): number {
    const size = length < 126 ? 2 : length < 65536 ? 4 : 10
    return this.#maskingKeys === undefined ? size : size + 4
  }

  /** Write the header before the payload, mask the payload, and commit both. */
  #finish(first: number, start: number, payload: number, size: number): void {
    const output = this.#output
    const bytes = output.bytes
    writeHeader(bytes, start, first, this.#maskingKeys === undefined ? 0 : 0x80, size)
    if (this.#maskingKeys !== undefined) {
      const key = this.#maskingKeys()
      bytes[payload - 4] = key
      bytes[payload - 3] = key >>> 8
      bytes[payload - 2] = key >>> 16
      bytes[payload - 1] = key >>> 24
      applyMask(bytes, payload, payload + size, key)
    }
    output.commit(payload + size)
  }
}

/** Write the header of a frame, up to where a masking key would stand, and return where it ends. */
export function writeHeader(
  bytes: Uint8Array,
  start: number,
  first: number,
  maskBit: number,
  size: number,
): number {
  bytes[start] = first
  if (size < 126) {
    bytes[start + 1] = maskBit | size
    return start + 2
  }
  if (size < 65536) {
    bytes[start + 1] = maskBit | 126
    bytes[start + 2] = size >>> 8
    bytes[start + 3] = size
    return start + 4
  }
  bytes[start + 1] = maskBit | 127
  writeUint32(bytes, start + 2, Math.floor(size / 0x100000000))
  writeUint32(bytes, start + 6, size)
  return start + 10
}

function writeUint32(bytes: Uint8Array, offset: number, value: number): void {
  bytes[offset] = value >>> 24
  bytes[offset + 1] = value >>> 16
  bytes[offset + 2] = value >>> 8
  bytes[offset + 3] = value
}
