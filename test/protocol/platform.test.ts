import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { portablePlatform as platform } from '../../src/protocol/platform.ts'
import { concat, hex, utf8 } from '../support/bytes.ts'

describe('portablePlatform', () => {
  test('decodes ASCII between start and end', () => {
    expect(platform.decodeAscii(utf8('(Hello)'), 1, 6)).toBe('Hello')
    expect(platform.decodeAscii(utf8('x'), 1, 1)).toBe('')
  })

  test('decodes UTF-8 between start and end', () => {
    expect(platform.decodeUtf8(concat(hex('ff'), utf8('ä𝄞'), hex('ff')), 1, 7)).toBe('ä𝄞')
  })

  test('keeps a byte order mark, which belongs to the text', () => {
    expect(platform.decodeUtf8(hex('ef bb bf 41'), 0, 4)).toBe('\ufeffA')
  })

  test('answers undefined for what is no UTF-8', () => {
    expect(platform.decodeUtf8(hex('ff'), 0, 1)).toBeUndefined()
    expect(platform.decodeUtf8(hex('ed a0 80'), 0, 3)).toBeUndefined()
  })

  test('answers undefined for a character that is cut, and is not disturbed by it', () => {
    expect(platform.decodeUtf8(hex('e2 82'), 0, 2)).toBeUndefined()
    expect(platform.decodeUtf8(hex('41'), 0, 1)).toBe('A')
  })

  test('tells whether bytes are UTF-8', () => {
    expect(platform.isUtf8(hex('ff e2 82 ac ff'), 1, 4)).toBe(true)
    expect(platform.isUtf8(hex('ff e2 82 ac ff'), 1, 3)).toBe(false)
    expect(platform.isUtf8(hex('ff'), 0, 0)).toBe(true)
  })

  test.each([
    ['', 0],
    ['a', 1],
    ['\u007f\u0080', 3],
    ['\u07ff\u0800', 5],
    ['\uffff', 3],
    ['𝄞', 4],
    ['\u{10ffff}', 4],
    ['\ud834', 3], // a high surrogate alone becomes U+FFFD
    ['\udd1e', 3],
    ['\udd1e\ud834', 6], // the wrong way round
    ['\ud834\ud834\udd1e', 7],
    ['\ud834\udd1e\udd1e', 7],
    ['\ud834a', 4],
    ['a\udd1e', 4],
    ['\ud834\ue000', 6],
    ['\ue000\udd1e', 6],
  ])('counts the bytes of %j as %i', (text, size) => {
    expect(platform.utf8Length(text)).toBe(size)
    expect(utf8(text).length).toBe(size)
  })

  test('counts what it encodes, for any text', () => {
    const unit = fc.oneof(
      fc.nat(0xffff),
      fc.integer({ min: 0xd7f0, max: 0xe010 }),
      fc.constantFrom(0x7f, 0x80, 0x7ff, 0x800, 0xd800, 0xdbff, 0xdc00, 0xdfff),
    )
    fc.assert(
      fc.property(
        fc.array(unit, { maxLength: 30 }).map((units) => String.fromCharCode(...units)),
        (text) => {
          const expected = utf8(text)
          expect(platform.utf8Length(text)).toBe(expected.length)
          const target = new Uint8Array(expected.length + 2).fill(0x55)
          expect(platform.encodeUtf8(text, target, 1)).toBe(expected.length)
          expect(target).toEqual(concat(hex('55'), expected, hex('55')))
        },
      ),
      { numRuns: 300 },
    )
  })

  test('allocates exactly the size', () => {
    expect(platform.allocate(5).length).toBe(5)
    expect(platform.allocate(0).length).toBe(0)
  })

  test('copies a part into memory of its own', () => {
    const bytes = hex('01 02 03 04')
    const copy = platform.copy(bytes, 1, 3)
    bytes.fill(0)
    expect(copy).toEqual(hex('02 03'))
    expect(copy.buffer.byteLength).toBe(2)
    expect(platform.copy(bytes, 2, 2)).toEqual(hex(''))
  })

  test('fills with random bytes', () => {
    const bytes = new Uint8Array(64)
    platform.randomFill(bytes)
    expect(bytes.some((byte) => byte !== 0)).toBe(true)
  })
})
