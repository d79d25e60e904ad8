// Bytes as literals, and frames built and read one byte at a time: slow, plain, and independent of src/.

import fc from 'fast-check'
import type { Frame } from '../../src/protocol/frame.ts'
import type { Role } from '../../src/protocol/protocol.ts'

/** The masking key of RFC 6455 section 5.7's examples, 37 fa 21 3d, as the library holds it: lowest byte first. */
export const RFC_KEY = 0x3d21fa37

/** Read bytes written as hexadecimal pairs; spaces and line breaks are free. */
export function hex(literal: string): Uint8Array {
  const digits = literal.replace(/\s/g, '')
  return Uint8Array.from({ length: digits.length / 2 }, (_, index) =>
    Number.parseInt(digits.slice(index * 2, index * 2 + 2), 16),
  )
}

/** Write bytes as hexadecimal pairs, for failures that can be read. */
export function toHex(bytes: Uint8Array): string {
  return Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join(' ')
}

export function utf8(text: string): Uint8Array {
  return new TextEncoder().encode(text)
}

export function concat(...parts: readonly Uint8Array[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

/** Make `length` bytes that differ from their neighbours: 0, 1, 2 … 250, 0, 1 … */
export function pattern(length: number): Uint8Array {
  return Uint8Array.from({ length }, (_, index) => index % 251)
}

/** Cut bytes into pieces of `size`. */
export function chunksOf(bytes: Uint8Array, size: number): Uint8Array[] {
  const chunks: Uint8Array[] = []
  for (let start = 0; start < bytes.length; start += size) chunks.push(bytes.slice(start, start + size))
  return chunks
}

/** Cut bytes at the given places, which may repeat and need no order: repeated ones make empty chunks. */
export function cutAt(bytes: Uint8Array, places: readonly number[]): Uint8Array[] {
  const cuts = [...places, bytes.length].sort((one, other) => one - other)
  let start = 0
  return cuts.map((end) => {
    const chunk = bytes.slice(start, end)
    start = end
    return chunk
  })
}

/** XOR byte by byte, as RFC 6455 section 5.3 writes it: octet i with octet i modulo 4 of the key. */
export function naiveMask(bytes: Uint8Array, key: number): Uint8Array {
  return bytes.map((byte, index) => byte ^ ((key >>> ((index % 4) * 8)) & 0xff))
}

/** Write the two to fourteen bytes before a payload. */
export function header(
  first: number,
  length: number,
  maskingKey?: number,
  form: 'short' | '16 bits' | '64 bits' = length < 126 ? 'short' : length < 65536 ? '16 bits' : '64 bits',
): Uint8Array {
  const mask = maskingKey === undefined ? 0 : 0x80
  const bytes = [first]
  if (form === 'short') bytes.push(mask | length)
  else if (form === '16 bits') bytes.push(mask | 126, length >> 8, length & 0xff)
  else {
    bytes.push(mask | 127)
    for (let shift = 56n; shift >= 0n; shift -= 8n) bytes.push(Number((BigInt(length) >> shift) & 0xffn))
  }
  if (maskingKey !== undefined) {
    for (let shift = 0; shift < 32; shift += 8) bytes.push((maskingKey >>> shift) & 0xff)
  }
  return Uint8Array.from(bytes)
}

/** Write a frame. `first` is its first byte: FIN, reserved bits, opcode. */
export function frame(
  first: number,
  payload: Uint8Array | string = new Uint8Array(0),
  maskingKey?: number,
): Uint8Array {
  const bytes = typeof payload === 'string' ? utf8(payload) : payload
  return concat(
    header(first, bytes.length, maskingKey),
    maskingKey === undefined ? bytes : naiveMask(bytes, maskingKey),
  )
}

/** Write a frame as the peer of `role` does: masked when we are the server. */
export function frameTo(role: Role, first: number, payload?: Uint8Array | string): Uint8Array {
  return frame(first, payload, role === 'server' ? RFC_KEY : undefined)
}

/** Write a header as the peer of `role` does. */
export function headerTo(role: Role, first: number, length: number): Uint8Array {
  return header(first, length, role === 'server' ? RFC_KEY : undefined)
}

/** Write the payload of a close frame. */
export function closePayload(code: number, reason = ''): Uint8Array {
  return concat(Uint8Array.of(code >> 8, code & 0xff), utf8(reason))
}

/** Read frames back; what follows the last whole frame must be nothing. */
export function readFrames(bytes: Uint8Array): Frame[] {
  const frames: Frame[] = []
  let position = 0
  const next = (count: number): number => {
    let value = 0
    for (let index = 0; index < count; index++) value = value * 256 + bytes[position++]!
    return value
  }
  while (position < bytes.length) {
    const first = next(1)
    const second = next(1)
    const short = second & 0x7f
    const length = short === 126 ? next(2) : short === 127 ? next(8) : short
    let maskingKey: number | undefined
    if (second & 0x80) {
      maskingKey =
        bytes[position]! |
        (bytes[position + 1]! << 8) |
        (bytes[position + 2]! << 16) |
        (bytes[position + 3]! << 24)
      position += 4
    }
    if (position + length > bytes.length) throw new Error('the last frame is not whole')
    const raw = bytes.slice(position, position + length)
    position += length
    frames.push({
      fin: (first & 0x80) !== 0,
      reservedBits: first & 0x70,
      opcode: first & 0x0f,
      maskingKey,
      payload: maskingKey === undefined ? raw : naiveMask(raw, maskingKey),
    })
  }
  return frames
}

/**
 * Make any text: characters of each length in UTF-8, and lone surrogates. fast-check's own unit for this takes a
 * second to set up in each file.
 */
export function anyText(maxLength: number): fc.Arbitrary<string> {
  const character = fc.oneof(fc.nat(0x7f), fc.nat(0x7ff), fc.nat(0xffff), fc.nat(0x10ffff))
  return fc.array(character, { maxLength }).map((points) => String.fromCodePoint(...points))
}
