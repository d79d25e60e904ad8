// The decompressor in WebAssembly against zlib: what it does must be what zlib does. It may leave to zlib whatever it
// likes, but not what is usual.

import { constants, inflateRawSync } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { createFastDeflater } from '../../src/deflate/fast-deflater.ts'
import { createFastInflater, type FastInflater } from '../../src/deflate/fast-inflater.ts'
import type { InflaterSink } from '../../src/deflate/inflater-sink.ts'
import { createZlib } from '../../src/deflate/sync-zlib.ts'
import { concat, hex, utf8 } from '../support/bytes.ts'
import { deflate, deflateFinally, expectSame, noise, packBits, prose, TAIL } from './support.ts'

const HELLO = hex('f2 48 cd c9 c9 07 00')
const HELLO_AGAIN = hex('f2 00 11 00 00')
const MOST_OUTPUT = 64 * 1024

// Whatever way the suite is run in: it is looked at once, at the first use.
beforeAll(() => {
  vi.stubEnv('OPENLINE_KERNEL', undefined)
  createFastInflater(9)?.close()
  createFastDeflater(9)?.close()
  vi.unstubAllEnvs()
})

function make(windowBits = 15): FastInflater {
  const inflater = createFastInflater(windowBits)
  if (inflater === undefined) throw new Error('there is no WebAssembly here')
  return inflater
}

/** Decompress a message that comes without its tail; `undefined` when it is left to zlib. */
function inflateWith(inflater: FastInflater, message: Uint8Array): Uint8Array | undefined {
  let output: Uint8Array | undefined
  const isDone = inflater.inflate(message, 0, message.length, {
    onOutput(bytes, start, end, isEnd) {
      expect(isEnd).toBe(true)
      output = bytes.slice(start, end)
      return true
    },
  })
  expect(isDone).toBe(output !== undefined)
  return output
}

function inflateOnce(message: Uint8Array): Uint8Array | undefined {
  const inflater = make()
  const output = inflateWith(inflater, message)
  inflater.close()
  return output
}

/** What zlib makes of it; `undefined` when it fails. */
function inflateByZlib(message: Uint8Array): Uint8Array | undefined {
  try {
    return inflateRawSync(concat(message, TAIL), { finishFlush: constants.Z_SYNC_FLUSH })
  } catch {
    return undefined
  }
}

/** zlib, driven at once with a window that is kept. */
class Zlib {
  readonly #stream: ReturnType<typeof createZlib>
  hasFailed = false

  constructor(windowBits: number) {
    this.#stream = createZlib('inflate', { windowBits })
    this.#stream._handle.onerror = () => {
      this.hasFailed = true
    }
  }

  inflate(message: Uint8Array): Uint8Array {
    const { _handle: handle, _writeState: state } = this.#stream
    const input = concat(message, TAIL)
    const output = new Uint8Array(MOST_OUTPUT + 1)
    handle.writeSync(constants.Z_SYNC_FLUSH, input, 0, input.length, output, 0, output.length)
    return output.subarray(0, output.length - state[0]!)
  }

  close(): void {
    this.#stream.close()
  }
}

/** A block with codes of its own, and nothing behind them: lengths of the codes for lengths, and the lengths. */
function ownCodes(
  literals: number,
  distances: number,
  runLengths: readonly number[],
  ...rest: readonly (readonly [number, number])[]
): Uint8Array {
  const shown = runLengths.map((length) => [length, 3] as const)
  const counts = [
    [literals - 257, 5],
    [distances - 1, 5],
    [runLengths.length - 4, 4],
  ] as const
  return packBits([0b100, 3], ...counts, ...shown, ...rest)
}

/** A code as it is written: its first bit is the lowest. */
function code(value: number, size: number): readonly [number, number] {
  let reversed = 0
  for (let bit = 0; bit < size; bit++) reversed |= ((value >> bit) & 1) << (size - 1 - bit)
  return [reversed, size]
}

/** The tail is in the block: 16 times the code of one bit, the end of the block with 15, and one bit. */
function oneBitTooMany(): Uint8Array {
  // The lengths 1 to 15 and 18 have four bits each: the codes are 0 to 15.
  const lengths = Array.from({ length: 15 }, (_, index) => code(index, 4))
  return ownCodes(
    257,
    1,
    [0, 0, 4, 0, ...Array(15).fill(4)],
    ...lengths,
    code(15, 4),
    [127, 7],
    code(15, 4),
    [92, 7],
    code(14, 4),
    code(0, 4),
  )
}

describe('what is usual', () => {
  const bytes = prose(3000)

  test.each<[string, Uint8Array, Uint8Array]>([
    ['fixed codes', HELLO, utf8('Hello')],
    [
      'fixed codes, with a match',
      deflate(utf8('Hello, Hello, Hello'), { strategy: 4 }),
      utf8('Hello, Hello, Hello'),
    ],
    ['codes of its own', deflate(bytes), bytes],
    ['no compression', hex('00 05 00 fa ff 48 65 6c 6c 6f 00'), utf8('Hello')],
    ['no compression, with zlib', deflate(noise(5000), { level: 0 }), noise(5000)],
    ['nothing', hex('00'), new Uint8Array(0)],
    [
      'nothing, in many blocks',
      concat(...Array(50).fill(hex('00 00 00 ff ff')), hex('00')),
      new Uint8Array(0),
    ],
    ['several blocks', hex('f2 48 05 00 00 00 ff ff ca c9 c9 07 00'), utf8('Hello')],
    ['fixed codes again and again', concat(HELLO, TAIL, HELLO, TAIL, HELLO), utf8('HelloHelloHello')],
    [
      'other codes in turn',
      concat(HELLO, TAIL, deflate(bytes), TAIL, HELLO),
      concat(utf8('Hello'), bytes, utf8('Hello')),
    ],
    ['codes without matches', deflate(prose(500), { strategy: constants.Z_HUFFMAN_ONLY }), prose(500)],
    ['the largest message', new Uint8Array(deflate(noise(16_300), { level: 0 })), noise(16_300)],
    ['the most output', deflate(new Uint8Array(MOST_OUTPUT)), new Uint8Array(MOST_OUTPUT)],
  ])('is done: %s', (_, message, expected) => {
    const output = inflateOnce(message)
    expect(output).toBeDefined()
    expectSame(output!, expected)
  })

  test('is done with codes of any length', () => {
    // Each byte is 1.6 times as frequent as the one before: the codes have up to 15 bits.
    const parts: Uint8Array[] = []
    for (
      let [count, next, value] = [1, 1, 0];
      count < 12_000;
      [count, next, value] = [next, count + next, value + 1]
    ) {
      parts.push(new Uint8Array(count).fill(value * 9))
    }
    const mixed = concat(...parts)
    const order = noise(mixed.length * 2, 5)
    for (let index = mixed.length - 1; index > 0; index--) {
      const other = ((order[index * 2]! << 8) | order[index * 2 + 1]!) % (index + 1)
      ;[mixed[index], mixed[other]] = [mixed[other]!, mixed[index]!]
    }
    const message = deflate(mixed, { strategy: constants.Z_HUFFMAN_ONLY, memLevel: 9 })
    expect(message.length).toBeLessThan(16_000)
    expectSame(inflateOnce(message)!, mixed)
  })

  test('is done with matches from any distance, however long', () => {
    for (let distance = 1; distance <= 40; distance++) {
      for (const length of [3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 48, 49, 64, 258, 600]) {
        const period = noise(distance, distance)
        const bytes = Uint8Array.from({ length: distance + length }, (_, index) => period[index % distance]!)
        // Whatever was written too far is written over.
        const whole = concat(bytes, noise(20, 3))
        expectSame(inflateOnce(deflate(whole))!, whole)
      }
    }
  })

  test('is done with one code for distances, and with none', () => {
    // 18: 138 zeros, 18: 118 zeros, 256 and 257 have one bit each, and the one distance too.
    const runs = [0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]
    const lengths = [
      [1, 1],
      [127, 7],
      [1, 1],
      [107, 7],
    ] as const
    const ones = [
      [0, 1],
      [0, 1],
      [0, 1],
    ] as const
    // A match of three at the distance of one, and the end.
    const body = [
      [1, 1],
      [0, 1],
      [0, 1],
    ] as const
    const message = concat(
      hex('00 01 00 fe ff 41'),
      ownCodes(258, 1, runs, ...lengths, ...ones, ...body, [0, 3]),
    )
    expect(inflateByZlib(message)).toEqual(Buffer.from('AAAA'))
    expect(inflateOnce(message)).toEqual(utf8('AAAA'))
    // The distance's code has no bits, and nobody uses it.
    const none = concat(
      hex('00 01 00 fe ff 41'),
      ownCodes(
        258,
        1,
        [0, 0, 2, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 2],
        [3, 2],
        [127, 7],
        [3, 2],
        [107, 7],
        [1, 2],
        [1, 2],
        [0, 1],
        [0, 1],
        [0, 3],
      ),
    )
    expect(inflateByZlib(none)).toEqual(Buffer.from('A'))
    expect(inflateOnce(none)).toEqual(utf8('A'))
  })
})

describe('what is left to zlib', () => {
  test.each<[string, Uint8Array]>([
    ['a last block', hex('f3 48 cd c9 c9 07 00 00')],
    ['a last block of the tail', hex('01')],
    ['a reserved kind of block', hex('06')],
    ['more output than there is room for', deflate(new Uint8Array(MOST_OUTPUT + 1))],
    ['much more', deflate(new Uint8Array(1_000_000))],
    [
      'more, without compression',
      concat(deflate(new Uint8Array(60_000)), TAIL, deflate(noise(6000), { level: 0 })),
    ],
    ['a message that is too long', deflate(noise(17_000), { level: 0 })],
    ['a match from before the beginning', HELLO_AGAIN],
    ['a distance that stands for nothing', packBits([0b010, 3], code(0x71, 8), code(1, 7), code(30, 5))],
    ['a length that stands for nothing', packBits([0b010, 3], [0b01100011, 8], [0, 5])],
    ['no compression, with a wrong length', hex('00 05 00 fb ff 48 65 6c 6c 6f 00')],
    ['no compression, and too few bytes', hex('00 50 00 af ff 48 65 6c 6c 6f 00')],
    ['a bit that is left over', oneBitTooMany()],
    ['too many codes for literals', ownCodes(287, 1, [0, 0, 1, 1])],
    ['too many codes for distances', ownCodes(257, 31, [0, 0, 1, 1])],
    ['no code for lengths', concat(ownCodes(257, 1, [0, 0, 0, 0]), new Uint8Array(40))],
    ['a code for lengths that is not complete', ownCodes(257, 1, [0, 0, 2, 2])],
    ['a code for lengths that is too much', ownCodes(257, 1, [1, 1, 1, 0])],
    [
      'a code for literals that is not complete',
      // 2 has the code 0, and 18 the code 1.
      ownCodes(
        257,
        1,
        [0, 0, 1, ...Array(12).fill(0), 1],
        [1, 1],
        [127, 7],
        [1, 1],
        [107, 7],
        [0, 1],
        [0, 1],
      ),
    ],
    [
      'a code for literals that is too much',
      // 1 has the code 0, and 18 the code 1.
      ownCodes(257, 1, [0, 0, 1, ...Array(14).fill(0), 1], [1, 1], [127, 7], [1, 1], [105, 7], [0, 4]),
    ],
    [
      'a code for distances that is not complete',
      // 18 has the code 0, 1 the code 10, and 2 the code 11.
      ownCodes(
        257,
        2,
        [0, 0, 1, ...Array(12).fill(0), 2, 0, 2],
        [0, 1],
        [127, 7],
        [0, 1],
        [106, 7],
        [0b11110101, 8],
      ),
    ],
    // 16 has the code 0, and 18 the code 1.
    ['a length again that never was', ownCodes(257, 1, [1, 0, 1, 0], [0, 1], [0, 2])],
    ['more lengths than there are', ownCodes(257, 1, [0, 0, 1, 1], [1, 1], [127, 7], [1, 1], [127, 7])],
    // 0 has the code 0, and 18 the code 1.
    ['no code for the end', ownCodes(257, 1, [0, 0, 1, 1], [1, 1], [127, 7], [1, 1], [109, 7])],
  ])('is %s', (_, message) => {
    const inflater = make()
    expect(inflateWith(inflater, HELLO)).toEqual(utf8('Hello'))
    inflater.reset()
    expect(inflateWith(inflater, message)).toBeUndefined()
    // Nothing was done: it can go on.
    expect(inflateWith(inflater, HELLO)).toEqual(utf8('Hello'))
    expect(inflateWith(inflater, HELLO_AGAIN)).toEqual(utf8('Hello'))
    inflater.close()
  })

  test('is a message that is cut off, unless zlib has the same', () => {
    for (const bytes of [prose(400), noise(60), new Uint8Array(3000)]) {
      for (const message of [deflate(bytes), deflate(bytes, { strategy: 4 }), deflate(bytes, { level: 0 })]) {
        for (let end = 0; end < message.length; end++) {
          const output = inflateOnce(message.subarray(0, end))
          if (output !== undefined) expectSame(output, inflateByZlib(message.subarray(0, end))!)
        }
      }
    }
  })

  test('is what is broken, unless zlib has the same, now and for the next message', () => {
    fc.assert(
      fc.property(
        fc.integer({ min: 0, max: 20 }),
        fc.constantFrom(0, 1, 6, 9),
        fc.constantFrom(0, 1, 2, 3, 4),
        fc.array(fc.tuple(fc.nat(), fc.nat({ max: 255 })), { minLength: 1, maxLength: 3 }),
        (seed, level, strategy, changes) => {
          const message = deflate(prose(300, seed), { level, strategy })
          for (const [place, value] of changes) message[place % message.length] = value
          const inflater = make(9)
          const zlib = new Zlib(9)
          const output = inflateWith(inflater, message)
          if (output !== undefined) {
            expectSame(output, zlib.inflate(message))
            const next = deflate(prose(300, seed + 1), { dictionary: output.subarray(-512) })
            expectSame(inflateWith(inflater, next)!, zlib.inflate(next))
            expect(zlib.hasFailed).toBe(false)
          }
          zlib.close()
          inflater.close()
        },
      ),
      { numRuns: 3000 },
    )
  })

  test('is anything while somebody looks at the output, which lies there until then', () => {
    const [first, second] = [make(), make()]
    const seen: (Uint8Array | boolean | undefined)[] = []
    const sink: InflaterSink = {
      onOutput(bytes, start, end) {
        seen.push(inflateWith(second, HELLO), createFastInflater(9) !== undefined)
        seen.push(bytes.slice(start, end))
        return true
      },
    }
    expect(first.inflate(HELLO, 0, HELLO.length, sink)).toBe(true)
    expect(seen).toEqual([undefined, false, utf8('Hello')])
    expect(inflateWith(second, HELLO)).toEqual(utf8('Hello'))
    // Not longer than that, even when it ends with an error.
    const failing: InflaterSink = {
      onOutput() {
        throw new Error('on purpose')
      },
    }
    expect(() => first.inflate(HELLO, 0, HELLO.length, failing)).toThrow('on purpose')
    expect(inflateWith(second, HELLO_AGAIN)).toEqual(utf8('Hello'))
    first.close()
    second.close()
  })
})

describe('the window', () => {
  test('is kept between messages, and begins empty after a reset', () => {
    const inflater = make(9)
    expect(inflateWith(inflater, HELLO)).toEqual(utf8('Hello'))
    expect(inflateWith(inflater, HELLO_AGAIN)).toEqual(utf8('Hello'))
    expect(inflater.copyWindow()).toEqual(utf8('HelloHello'))
    inflater.reset()
    expect(inflater.copyWindow()).toEqual(new Uint8Array(0))
    expect(inflateWith(inflater, HELLO_AGAIN)).toBeUndefined()
    inflater.close()
  })

  test('holds as much as was agreed', () => {
    for (let windowBits = 9; windowBits <= 15; windowBits++) {
      const inflater = make(windowBits)
      const bytes = concat(...Array.from({ length: 40 }, (_, index) => prose(1 + index * 97, index)))
      for (let start = 0; start < bytes.length; start += 1500) {
        const part = bytes.subarray(start, start + 1500)
        expectSame(inflateWith(inflater, deflate(part))!, part)
      }
      expectSame(inflater.copyWindow(), bytes.subarray(-(1 << windowBits)))
      inflater.close()
    }
  })

  test('is only the own one, wherever the memory lies', () => {
    const many = Array.from({ length: 300 }, (_, index) => make(9 + (index % 7)))
    for (const [index, inflater] of many.entries()) {
      expect(inflateWith(inflater, deflate(utf8(`connection ${index}`)))).toEqual(utf8(`connection ${index}`))
    }
    for (const [index, inflater] of many.entries()) {
      expect(inflater.copyWindow()).toEqual(utf8(`connection ${index}`))
      inflater.close()
    }
    // Closing twice gives back once, and what another left there is not seen.
    const one = make()
    one.close()
    one.close()
    const [next, other] = [make(), make()]
    expect(inflateWith(next, HELLO_AGAIN)).toBeUndefined()
    inflateWith(next, HELLO)
    inflateWith(other, deflate(utf8('another')))
    expect(next.copyWindow()).toEqual(utf8('Hello'))
    next.close()
    other.close()
  })

  test('gives what zlib gives, whoever sends', () => {
    const anyPart = fc.tuple(fc.nat({ max: 1500 }), fc.nat({ max: 9 }), fc.constantFrom(0, 1, 2, 3, 5))
    fc.assert(
      fc.property(
        fc.record({
          windowBits: fc.integer({ min: 9, max: 15 }),
          level: fc.integer({ min: 0, max: 9 }),
          memLevel: fc.integer({ min: 1, max: 9 }),
          strategy: fc.integer({ min: 0, max: 4 }),
        }),
        fc.array(fc.array(anyPart, { minLength: 1, maxLength: 3 }), { minLength: 1, maxLength: 8 }),
        (settings, messages) => {
          const sender = createZlib('deflate', settings)
          const inflater = make(settings.windowBits)
          for (const [count, parts] of messages.entries()) {
            const plain: Uint8Array[] = []
            const pieces: Uint8Array[] = []
            for (const [index, [size, seed, flush]] of parts.entries()) {
              const isLast = index === parts.length - 1
              const bytes = seed < 3 ? noise(size + 1, seed) : prose(size + 1, seed)
              const output = new Uint8Array(64 * 1024)
              const { _handle: handle, _writeState: state } = sender
              const how = isLast ? constants.Z_SYNC_FLUSH : flush
              handle.writeSync(how, bytes, 0, bytes.length, output, 0, output.length)
              pieces.push(output.subarray(0, output.length - state[0]!))
              plain.push(bytes)
            }
            const output = inflateWith(inflater, concat(...pieces).slice(0, -4))
            expect(output, `message ${count}`).toBeDefined()
            expectSame(output!, concat(...plain))
          }
          inflater.close()
          sender.close()
        },
      ),
      { numRuns: 300 },
    )
  })

  test('gives what our own compressor was given', () => {
    const deflater = createFastDeflater(12)!
    const inflater = make(12)
    for (let count = 0; count < 60; count++) {
      const bytes = prose(100 + count * 60, count % 7)
      expectSame(inflateWith(inflater, deflater.deflate(bytes).slice(0, -4))!, bytes)
    }
    deflater.close()
    inflater.close()
  })
})

test('a bit that is left over is none of what is broken', () => {
  expect(inflateByZlib(oneBitTooMany())?.length).toBeGreaterThanOrEqual(16)
})

test('a last block is left to zlib wherever it stands', () => {
  for (const rest of [hex('00'), concat(HELLO), deflate(prose(100))]) {
    expect(inflateOnce(concat(deflateFinally(prose(100)), rest))).toBeUndefined()
  }
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
  ])('there is no such decompressor: %s', async (_, arrange) => {
    arrange()
    vi.resetModules()
    const module = await import('../../src/deflate/fast-inflater.ts')
    expect(module.createFastInflater(12)).toBeUndefined()
    expect(module.createFastInflater(12)).toBeUndefined()
  })
})
