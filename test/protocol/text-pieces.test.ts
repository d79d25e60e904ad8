import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { portablePlatform } from '../../src/protocol/platform.ts'
import { TextPieces } from '../../src/protocol/text-pieces.ts'
import { anyText, chunksOf, concat, cutAt, hex, utf8 } from '../support/bytes.ts'
import { POISON, poisonedPlatform } from '../support/protocol-pair.ts'

/** Decode parts, the last of which is the end; `undefined` stands where a part was refused. */
function decodeAll(parts: readonly Uint8Array[]): (string | undefined)[] {
  const pieces = new TextPieces(poisonedPlatform)
  return parts.map((part, index) => decode(pieces, part, index === parts.length - 1))
}

/** Decode a part that lies in the middle of other bytes, which change afterwards. */
function decode(pieces: TextPieces, part: Uint8Array, isEnd = false): string | undefined {
  const memory = concat(hex('c3 e2 82'), part, hex('ac 9f'))
  const text = pieces.decode(memory, 3, 3 + part.length, isEnd)
  memory.fill(POISON)
  return text
}

describe('TextPieces', () => {
  test('decodes parts that end where characters do', () => {
    expect(decodeAll([utf8('Hä'), utf8(''), utf8('€'), utf8('𝄞')])).toEqual(['Hä', '', '€', '𝄞'])
  })

  test('keeps the beginning of a character for the next piece', () => {
    // ä is c3 a4, € is e2 82 ac, 𝄞 is f0 9d 84 9e.
    expect(decodeAll([hex('61 c3'), hex('a4 62')])).toEqual(['a', 'äb'])
    expect(decodeAll([hex('e2'), hex('82'), hex(''), hex('ac')])).toEqual(['', '', '', '€'])
    expect(decodeAll([hex('f0'), hex('9d 84'), hex('9e e2'), hex('82 ac')])).toEqual(['', '', '𝄞', '€'])
  })

  test('keeps a byte order mark', () => {
    expect(decodeAll([hex('ef bb'), hex('bf 61'), hex('ef bb bf')])).toEqual(['', '\ufeffa', '\ufeff'])
  })

  test.each(['c3', 'e2', 'e2 82', 'f0', 'f0 9d', 'f0 9d 84'])('refuses an end after %s', (literal) => {
    expect(decodeAll([concat(utf8('a'), hex(literal))])).toEqual([undefined])
    expect(decodeAll([concat(utf8('a'), hex(literal)), hex('')])).toEqual(['a', undefined])
  })

  test('begins anew after an end', () => {
    const pieces = new TextPieces(portablePlatform)
    expect(decode(pieces, hex('61 e2 82'))).toBe('a')
    expect(decode(pieces, hex('ac'), true)).toBe('€')
    expect(decode(pieces, hex('62'))).toBe('b')
    expect(decode(pieces, hex('c3'))).toBe('')
    expect(decode(pieces, hex(''), true)).toBeUndefined()
    expect(decode(pieces, hex('63'), true)).toBe('c')
  })

  test.each(['80', 'c0 80', 'c3 28', 'e2 28 a1', 'ed a0 80', 'f4 90 80 80', 'f5 80 80 80', 'ff', 'fe fe'])(
    'refuses %s, at the latest three bytes behind the first that is wrong',
    (literal) => {
      const bytes = concat(utf8('ab'), hex(literal), utf8('cdef'))
      const facts = decodeAll(chunksOf(bytes, 1))
      const refused = facts.indexOf(undefined)
      expect(refused).toBeGreaterThanOrEqual(2)
      expect(refused).toBeLessThanOrEqual(2 + 4)
      expect(decodeAll([bytes])).toEqual([undefined])
    },
  )

  test('any parts give the whole text, and no part ends within a surrogate pair', () => {
    fc.assert(
      fc.property(anyText(40), fc.array(fc.nat(160), { maxLength: 10 }), (text, places) => {
        const bytes = utf8(text)
        const pieces = decodeAll(
          cutAt(
            bytes,
            places.map((place) => Math.min(place, bytes.length)),
          ),
        )
        expect(pieces.join('')).toBe(new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes))
        for (const piece of pieces) expect(piece).not.toMatch(/\p{Surrogate}/u)
      }),
    )
  })

  test('any bytes are refused in parts when they are refused whole, and only then', () => {
    const anyBytes = fc
      .array(
        fc.oneof(
          fc
            .constantFrom('c3', 'e2', '82', 'ac', 'f0', '9d', '84', '9e', 'ed', 'a0', 'f4', '90', 'ff')
            .map(hex),
          fc.constantFrom('a', 'ä', '€', '𝄞').map(utf8),
        ),
        { maxLength: 8 },
      )
      .map((parts) => concat(...parts))
    fc.assert(
      fc.property(anyBytes, fc.array(fc.nat(30), { maxLength: 5 }), (bytes, places) => {
        const parts = cutAt(
          bytes,
          places.map((place) => Math.min(place, bytes.length)),
        )
        const isValid = portablePlatform.isUtf8(bytes, 0, bytes.length)
        expect(decodeAll(parts).includes(undefined)).toBe(!isValid)
      }),
      { numRuns: 500 },
    )
  })
})
