import { constants, inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, describe, expect, test } from 'vitest'
import { Deflater, type DeflateSettings, zlibSettings } from '../../src/deflate/deflater.ts'
import { concat, hex, toHex, utf8 } from '../support/bytes.ts'
import { expectSame, noise, prose, TAIL } from './support.ts'

const SETTINGS: DeflateSettings = { windowBits: 15, level: 6, memLevel: 8 }
const deflaters: Deflater[] = []

afterEach(() => {
  for (const deflater of deflaters.splice(0)) deflater.close()
})

function make(settings: Partial<DeflateSettings> = {}): Deflater {
  const deflater = new Deflater({ ...SETTINGS, ...settings })
  deflaters.push(deflater)
  return deflater
}

/** Decompress what one deflater made since it began with an empty window. */
function inflateParts(parts: readonly Uint8Array[], windowBits = 15): Uint8Array {
  const options = { windowBits, finishFlush: constants.Z_SYNC_FLUSH }
  return new Uint8Array(inflateRawSync(concat(...parts), options))
}

describe('Deflater', () => {
  test('makes what RFC 7692 section 7.2.3.1 shows, with the tail', () => {
    expect(toHex(make().deflate(utf8('Hello')))).toBe('f2 48 cd c9 c9 07 00 00 00 ff ff')
  })

  test('remembers what it compressed, as in section 7.2.3.2', () => {
    const deflater = make()
    deflater.deflate(utf8('Hello'))
    expect(toHex(deflater.deflate(utf8('Hello')))).toBe('f2 00 11 00 00 00 00 ff ff')
  })

  test('begins with an empty window after reset', () => {
    const deflater = make()
    const first = toHex(deflater.deflate(utf8('Hello')))
    deflater.reset()
    expect(toHex(deflater.deflate(utf8('Hello')))).toBe(first)
  })

  test('ends with the tail always, whatever comes before', () => {
    const deflater = make()
    for (let size = 1; size < 3000; size = Math.ceil(size * 1.3)) {
      for (const bytes of [prose(size), noise(size), new Uint8Array(size)]) {
        expectSame(deflater.deflate(bytes).slice(-4), TAIL)
      }
    }
  })

  test('lends what comes out until the next call of any deflater', () => {
    const one = make()
    const other = make()
    const lent = one.deflate(utf8('Hello'))
    expect(other.deflate(utf8('Other')).buffer).toBe(lent.buffer)
  })

  test('keeps what it made of another deflater apart', () => {
    const one = make()
    const other = make()
    const kept: Uint8Array[] = []
    for (const [deflater, text] of [
      [one, 'one'],
      [other, 'other'],
      [one, 'one again'],
      [other, 'other again'],
    ] as const) {
      kept.push(deflater.deflate(utf8(text.repeat(20))).slice())
    }
    expect(inflateParts([kept[0]!, kept[2]!])).toEqual(utf8('one'.repeat(20) + 'one again'.repeat(20)))
    expect(inflateParts([kept[1]!, kept[3]!])).toEqual(utf8('other'.repeat(20) + 'other again'.repeat(20)))
  })

  // The memory for output is 64 KiB. A flush that ends just there, or within it, is zlib's most delicate case.
  test('gives what fills its memory for output to the last byte, and more', () => {
    const bytes = noise(65_600)
    for (let size = 65_480; size <= 65_560; size++) {
      const deflater = make({ level: 1 })
      const first = deflater.deflate(bytes.subarray(0, size)).slice()
      const second = deflater.deflate(utf8('Hello')).slice()
      expectSame(first.slice(-4), TAIL)
      expectSame(inflateParts([first, second]), concat(bytes.subarray(0, size), utf8('Hello')))
      deflaters.pop()!.close()
    }
  })

  test('gives more than its memory for output in memory of its own', () => {
    const deflater = make()
    const bytes = noise(300_000)
    const compressed = deflater.deflate(bytes)
    expect(compressed.length).toBeGreaterThan(300_000)
    deflater.deflate(utf8('something else'))
    expectSame(inflateParts([compressed]), bytes)
  })

  test('does not look further back than its window', () => {
    // What repeats lies just out of reach of a window of 512 bytes.
    const part = noise(300)
    const bytes = concat(part, noise(600, 2), part)
    for (const windowBits of [9, 11, 15]) {
      const deflater = make({ windowBits })
      const parts: Uint8Array[] = []
      for (let start = 0; start < bytes.length; start += 100) {
        parts.push(deflater.deflate(bytes.subarray(start, start + 100)).slice())
      }
      // In small pieces the receiver has nothing but its window.
      const size = concat(...parts).length
      if (windowBits === 9) expect(size).toBeGreaterThan(1200)
      else expect(size).toBeLessThan(1200)
      expectSame(inflateParts(parts, windowBits), bytes)
    }
  })

  test('decompresses to what it was given, with any settings', () => {
    // Invariant: inflate(deflate(m)) = m for the messages of one deflater, some of them after a reset.
    const message = fc
      .tuple(fc.constantFrom(noise, prose), fc.integer({ min: 1, max: 3000 }), fc.nat(3), fc.boolean())
      .map(([kind, size, seed, isFresh]) => ({ bytes: kind(size, seed), isFresh }))
    fc.assert(
      fc.property(
        fc.record({
          windowBits: fc.integer({ min: 9, max: 15 }),
          level: fc.integer({ min: 0, max: 9 }),
          memLevel: fc.integer({ min: 1, max: 9 }),
        }),
        fc.array(message, { minLength: 1, maxLength: 6 }),
        (settings, messages) => {
          const deflater = make(settings)
          const parts = messages.map(({ bytes, isFresh }) => {
            if (isFresh) deflater.reset()
            return deflater.deflate(bytes).slice()
          })
          deflaters.pop()!.close()
          expectSame(inflateParts(parts, settings.windowBits), concat(...messages.map(({ bytes }) => bytes)))
        },
      ),
      { numRuns: 100 },
    )
  })

  test('works with bytes of any kind, wherever they lie', () => {
    const memory = concat(hex('ff ff ff'), utf8('Hello'), hex('ff'))
    expect(toHex(make().deflate(memory.subarray(3, 8)))).toBe('f2 48 cd c9 c9 07 00 00 00 ff ff')
    expect(toHex(make().deflate(Buffer.from('Hello')))).toBe('f2 48 cd c9 c9 07 00 00 00 ff ff')
  })
})

describe('zlibSettings', () => {
  test('has a level where none was given', () => {
    expect(zlibSettings({ windowBits: 9, level: undefined, memLevel: 1 })).toEqual({
      windowBits: 9,
      level: 3,
      memLevel: 1,
    })
    expect(zlibSettings({ windowBits: 9, level: 0, memLevel: 1 }).level).toBe(0)
  })
})
