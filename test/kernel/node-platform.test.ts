import { Buffer, isUtf8 } from 'node:buffer'
import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { nodePlatform } from '../../src/kernel/node-platform.ts'
import { type Platform, portablePlatform } from '../../src/protocol/platform.ts'
import { concat, hex, pattern, utf8 } from '../support/bytes.ts'

afterEach(() => {
  vi.doUnmock('node:buffer')
  vi.resetModules()
})

/** Load the platform as a runtime would whose Buffer lacks the undocumented methods. */
async function loadWithoutSlices(): Promise<Platform> {
  vi.resetModules()
  vi.doMock('node:buffer', () => ({
    isUtf8,
    Buffer: {
      prototype: {},
      byteLength: Buffer.byteLength,
      allocUnsafeSlow: Buffer.allocUnsafeSlow,
    },
  }))
  return (await import('../../src/kernel/node-platform.ts')).nodePlatform
}

const anyText = fc.oneof(
  fc.string({ unit: 'binary', maxLength: 300 }),
  fc.string({ unit: 'grapheme', maxLength: 300 }),
  // Halves of surrogate pairs, alone and in the wrong order.
  fc
    .array(fc.integer({ min: 0, max: 0xffff }), { maxLength: 50 })
    .map((units) => String.fromCharCode(...units)),
)
const anyBytes = fc.oneof(fc.uint8Array({ maxLength: 300 }), anyText.map(utf8))

/** Cut a part out of bytes. */
const part = fc
  .tuple(anyBytes, fc.nat(300), fc.nat(300))
  .map(([bytes, first, second]): [Uint8Array, number, number] => {
    const [start, end] = [first, second].map((place) => Math.min(place, bytes.length)).sort((a, b) => a - b)
    return [bytes, start!, end!]
  })

describe.each<[string, () => Promise<Platform>]>([
  ['with the methods of Buffer', async () => nodePlatform],
  ['without the undocumented methods of Buffer', loadWithoutSlices],
])('nodePlatform %s', (_, load) => {
  test('decodes and judges any bytes as the portable platform does', async () => {
    const platform = await load()
    fc.assert(
      fc.property(part, ([bytes, start, end]) => {
        expect(platform.decodeUtf8(bytes, start, end)).toBe(portablePlatform.decodeUtf8(bytes, start, end))
        expect(platform.isUtf8(bytes, start, end)).toBe(portablePlatform.isUtf8(bytes, start, end))
      }),
      { numRuns: 500 },
    )
  })

  test('decodes ASCII as the portable platform does', async () => {
    const platform = await load()
    fc.assert(
      fc.property(part, ([bytes, start, end]) => {
        const ascii = bytes.map((byte) => byte & 0x7f)
        expect(platform.decodeAscii(ascii, start, end)).toBe(portablePlatform.decodeAscii(ascii, start, end))
      }),
    )
  })

  test('encodes and counts any text as the portable platform does, lone surrogates included', async () => {
    const platform = await load()
    fc.assert(
      fc.property(anyText, fc.nat(20), (text, offset) => {
        const length = portablePlatform.utf8Length(text)
        expect(platform.utf8Length(text)).toBe(length)
        const ours = new Uint8Array(offset + length + 3).fill(0x55)
        const theirs = ours.slice()
        expect(platform.encodeUtf8(text, ours, offset)).toBe(length)
        expect(portablePlatform.encodeUtf8(text, theirs, offset)).toBe(length)
        expect(ours).toEqual(theirs)
      }),
      { numRuns: 500 },
    )
  })

  test('copies any part into memory of its own', async () => {
    const platform = await load()
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 3000 }), fc.nat(3000), fc.nat(3000), (bytes, first, second) => {
        const [start, end] = [first, second]
          .map((place) => Math.min(place, bytes.length))
          .sort((a, b) => a - b)
        const copy = platform.copy(bytes, start!, end!)
        expect(copy).toEqual(bytes.slice(start, end))
        expect(copy.buffer).not.toBe(bytes.buffer)
        expect(Object.getPrototypeOf(copy)).toBe(Uint8Array.prototype)
      }),
    )
  })

  test('tells a replacement character that was sent from one that decoding made', async () => {
    const platform = await load()
    expect(platform.decodeUtf8(hex('ef bf bd'), 0, 3)).toBe('\ufffd')
    expect(platform.decodeUtf8(hex('41 ff'), 0, 2)).toBeUndefined()
    expect(platform.decodeUtf8(hex('ef bf bd ff'), 0, 4)).toBeUndefined()
    expect(platform.decodeUtf8(hex('ff ef bf bd ff'), 1, 4)).toBe('\ufffd')
  })

  test('keeps a byte order mark', async () => {
    const platform = await load()
    expect(platform.decodeUtf8(hex('ef bb bf 41'), 0, 4)).toBe('\ufeffA')
  })

  test.each([1000, 1023, 1024, 1025, 5000, 100_000])(
    'decodes or refuses %i bytes of UTF-8 as well as a few',
    async (size) => {
      const platform = await load()
      const unit = utf8('长连接 line 😀 ')
      const text = new TextDecoder().decode(unit).repeat(Math.ceil(size / unit.length))
      const bytes = concat(hex('ff ff'), utf8(text), hex('ff'))
      const end = bytes.length - 1
      expect(platform.decodeUtf8(bytes, 2, end)).toBe(text)
      expect(platform.decodeUtf8(concat(hex('ef bb bf'), utf8(text)), 0, end + 1)).toBe(`\ufeff${text}`)
      expect(platform.decodeUtf8(concat(utf8(text), hex('ef bf bd')), 0, end + 1)).toBe(`${text}\ufffd`)
      // Something that cannot be, a surrogate, an overlong form, and a character that is cut off.
      for (const bad of ['ff', 'ed a0 80', 'c0 80', 'e9 95']) {
        const invalid = concat(utf8(text), hex(bad))
        expect(platform.decodeUtf8(invalid, 0, invalid.length)).toBeUndefined()
      }
    },
  )
})

describe('nodePlatform', () => {
  test.each([0, 1, 1023, 1024, 100_000])('gives %d bytes of memory that nobody else has', (size) => {
    const one = nodePlatform.allocate(size)
    const other = nodePlatform.allocate(size)
    expect(Object.getPrototypeOf(one)).toBe(Uint8Array.prototype)
    expect(one.length).toBe(size)
    expect(one.buffer.byteLength).toBe(size)
    expect(one.buffer).not.toBe(other.buffer)
  })

  test.each([0, 1, 1023, 1024, 100_000])('copies %d bytes into memory of their own', (size) => {
    const bytes = pattern(size + 10)
    const copy = nodePlatform.copy(bytes, 3, 3 + size)
    expect(Buffer.compare(copy, pattern(size + 3).subarray(3))).toBe(0)
    expect(Object.getPrototypeOf(copy)).toBe(Uint8Array.prototype)
    expect(copy.buffer.byteLength).toBe(size)
    expect(copy.buffer).not.toBe(bytes.buffer)
  })

  test('fills with bytes that are not foreseen', () => {
    const bytes = new Uint8Array(1000)
    nodePlatform.randomFill(bytes)
    expect(new Set(bytes).size).toBeGreaterThan(200)
    const others = new Uint8Array(1000)
    nodePlatform.randomFill(others)
    expect(others).not.toEqual(bytes)
  })
})
