import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { GrowableBytes } from '../../src/protocol/growable-bytes.ts'
import { portablePlatform } from '../../src/protocol/platform.ts'
import { concat, hex, pattern } from '../support/bytes.ts'
import { countingPlatform, poisonedPlatform } from '../support/protocol-pair.ts'

describe('GrowableBytes', () => {
  test('is empty at first', () => {
    const bytes = new GrowableBytes(portablePlatform)
    expect(bytes.length).toBe(0)
    expect(bytes.bytes).toBeUndefined()
    expect(bytes.take()).toEqual(new Uint8Array(0))
  })

  test('lays parts end to end', () => {
    const bytes = new GrowableBytes(portablePlatform)
    bytes.append(hex('00 01 02 03'), 1, 3, 0)
    bytes.append(pattern(100), 10, 60, 0)
    bytes.append(hex('ff'), 0, 0, 0)
    expect(bytes.length).toBe(52)
    expect(bytes.bytes!.slice(0, 3)).toEqual(hex('01 02 0a'))
    expect(bytes.take()).toEqual(concat(hex('01 02'), pattern(100).slice(10, 60)))
  })

  test('starts anew after take', () => {
    const bytes = new GrowableBytes(portablePlatform)
    bytes.append(hex('01'), 0, 1, 1)
    const first = bytes.take()
    expect(bytes.length).toBe(0)
    bytes.append(hex('02'), 0, 1, 1)
    expect(bytes.take()).toEqual(hex('02'))
    expect(first).toEqual(hex('01'))
  })

  test('hands over memory of exactly the size', () => {
    const bytes = new GrowableBytes(poisonedPlatform)
    bytes.append(hex('01 02 03'), 0, 3, 0)
    bytes.append(hex('04'), 0, 1, 0)
    expect(bytes.bytes!.length).toBeGreaterThan(4)
    const taken = bytes.take()
    expect(taken).toEqual(hex('01 02 03 04'))
    expect(taken.buffer.byteLength).toBe(4)
  })

  test('copies nothing when the expected size came true', () => {
    const bytes = new GrowableBytes(portablePlatform)
    bytes.append(pattern(30), 0, 30, 100)
    bytes.append(pattern(70), 0, 70, 100)
    const memory = bytes.bytes
    expect(memory!.length).toBe(100)
    expect(bytes.take()).toBe(memory)
  })

  test('allocates four times what came at most, whatever is expected', () => {
    const platform = countingPlatform()
    const bytes = new GrowableBytes(platform)
    bytes.append(hex('01'), 0, 1, 2 ** 53)
    expect(platform.largest).toBe(4)
    bytes.append(pattern(99), 0, 99, 2 ** 53)
    expect(platform.largest).toBe(400)
  })

  test('CVE-2026-48779: grows by a factor while the expected size is always a little ahead', () => {
    const platform = countingPlatform()
    const bytes = new GrowableBytes(platform)
    const length = 5000
    for (let count = 1; count <= length; count++) bytes.append(hex('01'), 0, 1, count + 1)
    expect(platform.largest).toBeLessThanOrEqual(4 * length)
    expect(platform.allocated).toBeLessThanOrEqual(8 * length)
  })

  test('keeps memory proportional to the bytes, and shows every byte as it came', () => {
    fc.assert(
      fc.property(
        fc.array(fc.uint8Array({ maxLength: 80 }), { maxLength: 40 }),
        fc.nat(10_000),
        fc.boolean(),
        (parts, expected, isAhead) => {
          const platform = countingPlatform()
          const bytes = new GrowableBytes(platform)
          for (const part of parts) {
            bytes.append(
              part,
              0,
              part.length,
              isAhead ? bytes.length + part.length + (expected % 99) : expected,
            )
          }
          const whole = concat(...parts)
          expect(platform.largest).toBeLessThanOrEqual(whole.length * 4)
          // Each growth at least doubles, so all of them together are less than twice the last.
          expect(platform.allocated).toBeLessThanOrEqual(whole.length * 8)
          expect(bytes.take()).toEqual(whole)
        },
      ),
    )
  })
})
