import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { applyMask, createMaskingKeySource } from '../../src/protocol/masking.ts'
import { portablePlatform } from '../../src/protocol/platform.ts'
import { hex, naiveMask, pattern, RFC_KEY } from '../support/bytes.ts'

describe('applyMask', () => {
  test("masks the example of the RFC's section 5.7", () => {
    const bytes = hex('48 65 6c 6c 6f') // Hello
    applyMask(bytes, 0, 5, RFC_KEY)
    expect(bytes).toEqual(hex('7f 9f 4d 51 58'))
  })

  test('masks from start to end and nothing else', () => {
    for (const length of [0, 1, 5, 63, 64, 65, 66, 67, 68, 200]) {
      for (let start = 0; start < 8; start++) {
        const bytes = pattern(start + length + 8)
        const expected = bytes.slice()
        expected.set(naiveMask(bytes.slice(start, start + length), RFC_KEY), start)
        applyMask(bytes, start, start + length, RFC_KEY)
        expect(bytes).toEqual(expected)
      }
    }
  })

  test('masks a view that begins anywhere in its memory', () => {
    for (let offset = 0; offset < 8; offset++) {
      const memory = pattern(120)
      const view = new Uint8Array(memory.buffer, offset, 101)
      applyMask(view, 1, 101, 0x80000001)
      expect(view.slice(1)).toEqual(naiveMask(pattern(120).slice(offset + 1, offset + 101), 0x80000001))
    }
  })

  test('masking twice is identity', () => {
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: 300 }),
        fc.integer(),
        fc.nat(300),
        fc.nat(300),
        (bytes, key, one, other) => {
          const start = Math.min(one, other, bytes.length)
          const end = Math.min(Math.max(one, other), bytes.length)
          const masked = bytes.slice()
          applyMask(masked, start, end, key)
          expect(masked.slice(start, end)).toEqual(naiveMask(bytes.slice(start, end), key))
          applyMask(masked, start, end, key)
          expect(masked).toEqual(bytes)
        },
      ),
    )
  })
})

describe('createMaskingKeySource', () => {
  test('gives a fresh key each time', () => {
    const next = createMaskingKeySource(portablePlatform)
    const keys = new Set(Array.from({ length: 3000 }, next))
    // With 3,000 random keys the chance of even one collision is 1 in 1,000; of five it is none.
    expect(keys.size).toBeGreaterThan(2995)
    for (const key of keys) expect(key).toBe(key | 0)
  })

  test('asks for randomness once for 1,024 keys', () => {
    const randomFill = vi.fn((bytes: Uint8Array) => {
      bytes.fill(7)
    })
    const next = createMaskingKeySource({ ...portablePlatform, randomFill })
    expect(randomFill).not.toHaveBeenCalled()
    for (let count = 0; count < 1024; count++) expect(next()).toBe(0x07070707)
    expect(randomFill).toHaveBeenCalledTimes(1)
    next()
    expect(randomFill).toHaveBeenCalledTimes(2)
  })

  test('forgets a key that was used', () => {
    let pool: Uint8Array = new Uint8Array(0)
    const next = createMaskingKeySource({
      ...portablePlatform,
      randomFill: (bytes) => {
        pool = bytes
        bytes.fill(7)
      },
    })
    next()
    expect(pool.slice(0, 5)).toEqual(hex('00 00 00 00 07'))
  })
})
