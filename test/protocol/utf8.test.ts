import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { portablePlatform } from '../../src/protocol/platform.ts'
import { Utf8Validator } from '../../src/protocol/utf8.ts'
import { anyText, concat, cutAt, hex, toHex, utf8 } from '../support/bytes.ts'

/** Validate chunks in order; tell after how many bytes it failed (`undefined`: not), and whether it is complete. */
function validate(chunks: readonly Uint8Array[]): { failedBy: number | undefined; isComplete: boolean } {
  const validator = new Utf8Validator(portablePlatform)
  let seen = 0
  for (const chunk of chunks) {
    seen += chunk.length
    // In the middle of memory that is no UTF-8: the validator must stay within its bounds.
    const memory = concat(hex('ff'), chunk, hex('ff'))
    if (!validator.validate(memory, 1, 1 + chunk.length)) {
      return { failedBy: seen, isComplete: validator.isComplete }
    }
  }
  return { failedBy: undefined, isComplete: validator.isComplete }
}

function bytewise(bytes: Uint8Array): Uint8Array[] {
  return Array.from(bytes, (byte) => Uint8Array.of(byte))
}

/** Tell how many bytes a decoder needs to know that these cannot be UTF-8; `undefined` if it never does. */
function knownBadAfter(bytes: Uint8Array): number | undefined {
  const decoder = new TextDecoder('utf-8', { fatal: true })
  for (let index = 0; index < bytes.length; index++) {
    try {
      decoder.decode(bytes.subarray(index, index + 1), { stream: true })
    } catch {
      return index + 1
    }
  }
  return undefined
}

function isWholeUtf8(bytes: Uint8Array): boolean {
  try {
    new TextDecoder('utf-8', { fatal: true }).decode(bytes)
    return true
  } catch {
    return false
  }
}

// The first and last characters of each length, those beside the surrogates, and what is easily mistaken.
const CHARACTERS = [
  ['U+0000', '00'],
  ['U+007F', '7f'],
  ['U+0080', 'c2 80'],
  ['U+07FF', 'df bf'],
  ['U+0800', 'e0 a0 80'],
  ['U+0FFF', 'e0 bf bf'],
  ['U+1000', 'e1 80 80'],
  ['U+CFFF', 'ec bf bf'],
  ['U+D7FF', 'ed 9f bf'],
  ['U+E000', 'ee 80 80'],
  ['U+FEFF, a byte order mark', 'ef bb bf'],
  ['U+FFFD', 'ef bf bd'],
  ['U+FFFE, no character', 'ef bf be'],
  ['U+FFFF, no character', 'ef bf bf'],
  ['U+10000', 'f0 90 80 80'],
  ['U+3FFFF', 'f0 bf bf bf'],
  ['U+40000', 'f1 80 80 80'],
  ['U+FFFFF', 'f3 bf bf bf'],
  ['U+100000', 'f4 80 80 80'],
  ['U+10FFFF', 'f4 8f bf bf'],
] as const

// What is no UTF-8, and after how many of its bytes that is known.
const VIOLATIONS = [
  ['a continuation byte first', '80', 1],
  ['the last continuation byte first', 'bf', 1],
  ['C0, which only overlong forms need', 'c0 80', 1],
  ['C1, which only overlong forms need', 'c1 bf', 1],
  ['a lead of two bytes without continuation', 'c2 41', 2],
  ['a lead of two bytes before another', 'c2 c2', 2],
  ['an overlong form of three bytes', 'e0 9f bf', 2],
  ['a lead of three bytes cut after one', 'e1 41', 2],
  ['a lead of three bytes cut after two', 'e1 80 41', 3],
  ['the first surrogate', 'ed a0 80', 2],
  ['the last surrogate', 'ed bf bf', 2],
  ['a surrogate pair', 'ed a0 80 ed b0 80', 2],
  ['an overlong form of four bytes', 'f0 8f bf bf', 2],
  ['a lead of four bytes cut after one', 'f1 41', 2],
  ['a lead of four bytes cut after two', 'f1 80 c0', 3],
  ['a lead of four bytes cut after three', 'f1 80 80 ff', 4],
  ['U+110000', 'f4 90 80 80', 2],
  ['F5, beyond U+10FFFF', 'f5 80 80 80', 1],
  ['F8, a lead of five bytes', 'f8 88 80 80 80', 1],
  ['FE', 'fe', 1],
  ['FF', 'ff', 1],
] as const

// Around both ways of validating: byte by byte below 32 bytes, with the platform's function from there on.
const SURROUNDINGS = [0, 1, 28, 29, 30, 31, 32, 33, 64]

describe('Utf8Validator', () => {
  test.each(CHARACTERS)('accepts %s at every split position', (_name, literal) => {
    const character = hex(literal)
    for (const before of SURROUNDINGS) {
      for (const after of [0, 1, 31, 40]) {
        const bytes = concat(utf8('a'.repeat(before)), character, utf8('z'.repeat(after)))
        for (let place = before; place <= before + character.length; place++) {
          const { failedBy, isComplete } = validate(cutAt(bytes, [place]))
          if (failedBy !== undefined || !isComplete)
            expect.fail(`${before} before, ${after} after, cut at ${place}`)
        }
        expect(validate(bytewise(bytes))).toEqual({ failedBy: undefined, isComplete: true })
      }
    }
  })

  test.each(CHARACTERS)('is incomplete inside %s', (_name, literal) => {
    const character = hex(literal)
    for (const before of SURROUNDINGS) {
      for (let length = 1; length < character.length; length++) {
        const bytes = concat(utf8('a'.repeat(before)), character.slice(0, length))
        expect(validate([bytes])).toEqual({ failedBy: undefined, isComplete: false })
        expect(validate(bytewise(bytes))).toEqual({ failedBy: undefined, isComplete: false })
      }
    }
  })

  test.each(VIOLATIONS)('refuses %s at the first byte that tells', (_name, literal, known) => {
    const bad = hex(literal)
    for (const before of SURROUNDINGS) {
      const bytes = concat(utf8('a'.repeat(before)), bad)
      expect(validate(bytewise(bytes)).failedBy).toBe(before + known)
      // In one chunk that ends with the telling byte, and in any two.
      const telling = bytes.slice(0, before + known)
      expect(validate([telling]).failedBy).toBe(telling.length)
      for (let place = before; place <= telling.length; place++) {
        expect(validate(cutAt(telling, [place])).failedBy).toBe(telling.length)
      }
      for (const after of [1, 31, 40]) {
        const whole = concat(telling, utf8('z'.repeat(after)))
        expect(validate([whole]).failedBy).toBe(whole.length)
      }
    }
  })

  test('refuses a long chunk whose beginning does not end the character before it', () => {
    expect(validate([hex('e1'), utf8('a'.repeat(40))]).failedBy).toBe(41)
    expect(validate([hex('e1 80'), concat(hex('80'), utf8('a'.repeat(40)))]).failedBy).toBeUndefined()
  })

  test('is complete before anything came', () => {
    expect(new Utf8Validator(portablePlatform).isComplete).toBe(true)
    expect(validate([new Uint8Array(0)])).toEqual({ failedBy: undefined, isComplete: true })
  })

  test('forgets an incomplete character and its range when it is reset', () => {
    for (const lead of ['c2', 'e0', 'ed', 'f0', 'f4', 'f1 80']) {
      const validator = new Utf8Validator(portablePlatform)
      const bytes = hex(lead)
      expect(validator.validate(bytes, 0, bytes.length)).toBe(true)
      expect(validator.isComplete).toBe(false)
      validator.reset()
      expect(validator.isComplete).toBe(true)
      const next = hex('41 e1 80 bf') // A U+103F: its second byte is below E0's range
      expect(validator.validate(next, 0, next.length)).toBe(true)
      expect(validator.isComplete).toBe(true)
    }
  })

  test('agrees with TextDecoder on any bytes under any split, and fails no later than the decoder could know', () => {
    // Random bytes alone hardly ever get past their second byte: mix in whole characters and pieces of them.
    const piece = fc.oneof(
      { weight: 4, arbitrary: anyText(20).map((text) => utf8(text)) },
      { weight: 2, arbitrary: fc.constantFrom(...CHARACTERS.map(([, literal]) => hex(literal))) },
      { weight: 2, arbitrary: fc.constant(utf8('a'.repeat(33))) },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 3 }) },
      { weight: 1, arbitrary: fc.constantFrom(...VIOLATIONS.map(([, literal]) => hex(literal))) },
    )
    fc.assert(
      fc.property(
        fc.array(piece, { maxLength: 8 }).map((pieces) => concat(...pieces)),
        fc.array(fc.nat(200), { maxLength: 6 }),
        (bytes, places) => {
          const chunks = cutAt(
            bytes,
            places.map((place) => Math.min(place, bytes.length)),
          )
          const known = knownBadAfter(bytes)
          const { failedBy, isComplete } = validate(chunks)
          if (known === undefined) {
            expect(failedBy, toHex(bytes)).toBeUndefined()
            expect(isComplete).toBe(isWholeUtf8(bytes))
          } else {
            // At the end of the chunk that holds the telling byte, neither earlier nor later.
            let end = 0
            for (const chunk of chunks) if (end < known) end += chunk.length
            expect(failedBy, toHex(bytes)).toBe(end)
          }
          expect(validate(bytewise(bytes)).failedBy).toBe(known)
        },
      ),
      { numRuns: 500 },
    )
  })

  test('accepts any text under any split', () => {
    fc.assert(
      fc.property(anyText(120), fc.array(fc.nat(400), { maxLength: 5 }), (text, places) => {
        // The encoder makes U+FFFD of lone surrogates.
        const bytes = utf8(text)
        const chunks = cutAt(
          bytes,
          places.map((place) => Math.min(place, bytes.length)),
        )
        expect(validate(chunks)).toEqual({ failedBy: undefined, isComplete: true })
      }),
    )
  })
})
