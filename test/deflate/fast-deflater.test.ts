// The compressor in WebAssembly against zlib: whatever it writes, zlib must read back.

import { constants, inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { canCompressFast, createFastDeflater, type FastDeflater } from '../../src/deflate/fast-deflater.ts'
import { createZlib } from '../../src/deflate/sync-zlib.ts'

// Whatever way the suite is run in: it is looked at once, at the first use.
beforeAll(() => {
  vi.stubEnv('OPENLINE_KERNEL', undefined)
  canCompressFast()
  vi.unstubAllEnvs()
})

const TAIL = Buffer.from('0000ffff', 'hex')

/** Decompresses messages one after the other with one window, as a peer does. */
function createReader(windowBits: number): { read(compressed: Uint8Array): Buffer; close(): void } {
  const stream = createZlib('inflate', { windowBits })
  const { _handle: handle, _writeState: state } = stream
  const output = Buffer.alloc(256 * 1024)
  return {
    read(compressed) {
      handle.writeSync(constants.Z_SYNC_FLUSH, compressed, 0, compressed.length, output, 0, output.length)
      return Buffer.from(output.subarray(0, output.length - state[0]!))
    },
    close: () => stream.close(),
  }
}

function makeDeflater(windowBits = 12): FastDeflater {
  const deflater = createFastDeflater(windowBits)
  if (deflater === undefined) throw new Error('there is no WebAssembly here')
  return deflater
}

/** Messages as they come: from few letters to all bytes, with runs and repetitions. */
const anyMessage = fc
  .tuple(
    fc.constantFrom(1, 2, 3, 16, 64, 256),
    fc.array(
      fc.record({ bytes: fc.uint8Array({ minLength: 1, maxLength: 40 }), times: fc.nat({ max: 60 }) }),
      {
        maxLength: 120,
      },
    ),
  )
  .map(([letters, parts]) =>
    Buffer.concat(
      parts.map(({ bytes, times }) =>
        Buffer.concat(Array(times).fill(Buffer.from(bytes.map((byte) => byte % letters)))),
      ),
    ),
  )
  .filter((message) => message.length > 0)

/** Each byte value about 1.6 times as often as the one before: the best codes would have more than 15 bits. */
function fibonacciMessage(): Buffer {
  const parts: Buffer[] = []
  let [count, next] = [1, 1]
  for (let value = 0; value < 20; value++) {
    parts.push(Buffer.alloc(count, value * 7))
    ;[count, next] = [next, count + next]
  }
  const bytes = Buffer.concat(parts)
  // In an order without matches, which would take the literals away.
  let seed = 1
  for (let index = bytes.length - 1; index > 0; index--) {
    seed = (seed * 1103515245 + 12345) & 0x7fffffff
    const other = seed % (index + 1)
    ;[bytes[index], bytes[other]] = [bytes[other]!, bytes[index]!]
  }
  return bytes
}

describe('FastDeflater', () => {
  test('compresses what zlib decompresses, with every window, message after message', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 9, max: 15 }),
        fc.array(fc.tuple(anyMessage, fc.nat({ max: 9 })), { minLength: 1, maxLength: 12 }),
        (windowBits, messages) => {
          const deflater = makeDeflater(windowBits)
          const reader = createReader(windowBits)
          for (const [message, chance] of messages) {
            if (chance === 0) deflater.reset()
            const compressed = deflater.deflate(message)
            expect(Buffer.from(compressed.subarray(-4))).toEqual(TAIL)
            expect(reader.read(compressed).equals(message)).toBe(true)
          }
          deflater.close()
          reader.close()
        },
      ),
      { numRuns: 150 },
    )
  })

  test('keeps its window between messages', () => {
    const deflater = makeDeflater()
    const message = Buffer.from('{"id":1,"name":"somebody","state":"waiting","since":"2026-11-25"}')
    const first = deflater.deflate(message).length
    expect(deflater.deflate(message).length).toBeLessThan(first / 3)
    deflater.reset()
    expect(deflater.deflate(message).length).toBe(first)
    deflater.close()
  })

  test('never reaches behind its window', () => {
    // What is farther away than the window must not be referred to: the reader has no larger one.
    for (const windowBits of [9, 10, 12, 15]) {
      const deflater = makeDeflater(windowBits)
      const reader = createReader(windowBits)
      const marker = Buffer.from('a text that stands only here and there, long enough to be found again')
      for (const gap of [0, 200, 400, 500, 1000, 3000, 5000, 20_000, 32_600, 32_700]) {
        const filler = Buffer.from(Array.from({ length: gap }, (_, index) => (index * 7919) >> (index % 5)))
        const message = Buffer.concat([marker, filler, marker])
        expect(reader.read(deflater.deflate(message)).equals(message)).toBe(true)
      }
      deflater.close()
      reader.close()
    }
  })

  test('counts on past 64 KiB, where its places begin anew', () => {
    const deflater = makeDeflater(15)
    const reader = createReader(15)
    for (let index = 0; index < 300; index++) {
      const message = Buffer.from(`{"number":${index},"text":"${'abcdefgh'.repeat(index % 40)}"}`)
      expect(reader.read(deflater.deflate(message)).equals(message)).toBe(true)
    }
    deflater.close()
    reader.close()
  })

  test('keeps codes to 15 bits where the best ones were longer', () => {
    const message = fibonacciMessage()
    const deflater = makeDeflater(9)
    const compressed = deflater.deflate(message)
    expect(inflateRawSync(compressed, { finishFlush: constants.Z_SYNC_FLUSH }).equals(message)).toBe(true)
    expect(compressed.length).toBeLessThan(message.length / 2)
    deflater.close()
  })

  test.each([
    ['one byte', Buffer.from([7])],
    ['three bytes', Buffer.from('abc')],
    ['one byte value only', Buffer.alloc(32_768, 0)],
    ['one byte value only, just above the codes of its own', Buffer.alloc(2049, 255)],
    ['all byte values in turn', Buffer.from(Array.from({ length: 4096 }, (_, index) => index & 255))],
    ['the longest message that is compressed in one piece', Buffer.alloc(32_768, 'abcdefghij')],
    ['a byte more', Buffer.alloc(32_769, 'abcdefghij')],
    ['several pieces', Buffer.alloc(200_000, 'a message of several pieces. ')],
  ])('compresses %s', (_, message) => {
    const deflater = makeDeflater()
    const compressed = deflater.deflate(message)
    expect(inflateRawSync(compressed, { finishFlush: constants.Z_SYNC_FLUSH }).equals(message)).toBe(true)
    deflater.close()
  })

  test('makes what cannot be compressed an eighth larger at most', () => {
    let seed = 42
    const noise = Buffer.from(
      Array.from({ length: 32_768 }, () => {
        seed = (Math.imul(seed, 1664525) + 1013904223) >>> 0
        return seed >>> 24
      }),
    )
    const deflater = makeDeflater()
    for (const size of [1, 100, 2047, 2048, 32_768]) {
      const message = noise.subarray(0, size)
      const compressed = deflater.deflate(message)
      expect(compressed.length).toBeLessThanOrEqual(Math.ceil((size * 9) / 8) + 300)
      deflater.reset()
      expect(inflateRawSync(compressed, { finishFlush: constants.Z_SYNC_FLUSH }).equals(message)).toBe(true)
    }
    deflater.close()
  })

  test('never shows one connection what another one sent', () => {
    const secret = 'the secret of the first connection, which is long enough to be found'
    const [first, second] = [makeDeflater(), makeDeflater()]
    first.deflate(Buffer.from(secret))
    const compressed = second.deflate(Buffer.from(secret))
    expect(inflateRawSync(Buffer.from(compressed), { finishFlush: constants.Z_SYNC_FLUSH }).toString()).toBe(
      secret,
    )
    first.close()
    // The third one gets the memory of the first.
    const third = makeDeflater()
    const again = third.deflate(Buffer.from(secret))
    expect(inflateRawSync(Buffer.from(again), { finishFlush: constants.Z_SYNC_FLUSH }).toString()).toBe(
      secret,
    )
    second.close()
    third.close()
  })

  test('has room for many windows, and uses what was given back', () => {
    const many = Array.from({ length: 400 }, () => makeDeflater())
    const readers = many.map(() => createReader(12))
    for (let turn = 0; turn < 2; turn++) {
      for (const [index, deflater] of many.entries()) {
        const message = Buffer.from(`message ${turn} of connection ${index}, of connection ${index}`)
        expect(readers[index]!.read(deflater.deflate(message)).equals(message)).toBe(true)
      }
    }
    for (const deflater of many) deflater.close()
    for (const reader of readers) reader.close()
    // Closing twice gives back once.
    const one = makeDeflater()
    one.close()
    one.close()
    const [next, other] = [makeDeflater(), makeDeflater()]
    next.deflate(Buffer.from('first of two'))
    other.deflate(Buffer.from('second of two'))
    const reader = createReader(12)
    expect(reader.read(next.deflate(Buffer.from('alone'))).toString()).toBe('alone')
    for (const each of [next, other, reader]) each.close()
  })
})

describe('without WebAssembly', () => {
  afterEach(() => {
    vi.unstubAllEnvs()
    vi.unstubAllGlobals()
    vi.resetModules()
  })

  test.each([
    ['when the kernel is JavaScript', () => vi.stubEnv('OPENLINE_KERNEL', 'javascript')],
    ['when the runtime has none', () => vi.stubGlobal('WebAssembly', undefined)],
  ])('there is no such compressor: %s', async (_, arrange) => {
    arrange()
    vi.resetModules()
    const module = await import('../../src/deflate/fast-deflater.ts')
    expect(module.canCompressFast()).toBe(false)
    expect(module.createFastDeflater(12)).toBeUndefined()
  })

  test('there is one here otherwise', () => {
    expect(canCompressFast()).toBe(true)
  })
})
