import zlib from 'node:zlib'
import fc from 'fast-check'
import { beforeAll, describe, expect, test, vi } from 'vitest'
import type { InflateResult, Inflater } from '../../src/deflate/inflater.ts'
import { chunksOf, concat, hex, toHex, utf8 } from '../support/bytes.ts'
import {
  deflate,
  deflateFinally,
  expectSame,
  inflateAll,
  load,
  type Modules,
  noise,
  prose,
  TAIL,
  WAYS,
} from './support.ts'

const HELLO = hex('f2 48 cd c9 c9 07 00')
/** Decompresses to nothing without the "Hello" before it. */
const HELLO_AGAIN = hex('f2 00 11 00 00')
/** RFC 7692 section 7.2.3.4, without the 0x00 behind it. */
const LAST_HELLO = hex('f3 48 cd c9 c9 07 00')
const NONSENSE = hex('ff ff ff ff')

/** Write down what comes out; refuse more whenever `wants` says so. */
class Sink {
  bytes: Uint8Array = new Uint8Array(0)
  ends = 0
  portions: number[] = []
  wants: () => boolean = () => true

  onOutput(bytes: Uint8Array, start: number, end: number, isEnd: boolean): boolean {
    this.bytes = concat(this.bytes, bytes.subarray(start, end))
    this.portions.push(end - start)
    if (isEnd) this.ends++
    return this.wants()
  }

  get text(): string {
    return Buffer.from(this.bytes).toString()
  }
}

/** A message with its tail. */
function whole(...parts: readonly Uint8Array[]): Uint8Array {
  return concat(...parts, TAIL)
}

function inflateNow(inflater: Inflater, input: Uint8Array, sink: Sink, isEnd = true): InflateResult {
  return inflater.inflate(input, 0, input.length, isEnd, sink)
}

/** Decompress on the thread pool; tell whether it failed. */
function inflateLater(inflater: Inflater, input: Uint8Array, sink: Sink, isEnd = true): Promise<boolean> {
  return new Promise((resolve, reject) => {
    let isDone = false
    inflater.inflateLater(input.slice(), isEnd, sink, (hasFailed) => {
      if (isDone) reject(new Error('it was done twice'))
      isDone = true
      // Whatever comes afterwards comes soon.
      setImmediate(() => setImmediate(() => resolve(hasFailed)))
    })
  })
}

describe('inflate', () => {
  let modules: Modules
  let inflater: Inflater

  beforeAll(async () => {
    modules = await load('at once')
  })

  function make(windowBits = 15): { inflater: Inflater; sink: Sink } {
    inflater = new modules.Inflater(windowBits)
    return { inflater, sink: new Sink() }
  }

  test('is there', () => {
    expect(make().inflater.isSync).toBe(true)
  })

  test('gives what was compressed, and says with the last portion that it is the end', () => {
    const { inflater, sink } = make()
    expect(inflateNow(inflater, whole(HELLO), sink)).toBe('done')
    expect(sink).toMatchObject({ text: 'Hello', ends: 1, portions: [5] })
  })

  test('does not say so when more of the message is to come', () => {
    const { inflater, sink } = make()
    expect(inflateNow(inflater, HELLO.subarray(0, 3), sink, false)).toBe('done')
    expect(inflateNow(inflater, HELLO.subarray(3), sink, false)).toBe('done')
    expect(sink.ends).toBe(0)
    expect(inflateNow(inflater, TAIL, sink)).toBe('done')
    expect(sink).toMatchObject({ text: 'Hello', ends: 1 })
  })

  test('looks at nothing but the part that it was given', () => {
    const { inflater, sink } = make()
    const memory = concat(NONSENSE, whole(HELLO), NONSENSE)
    expect(inflater.inflate(memory, 4, memory.length - 4, true, sink)).toBe('done')
    expect(sink.text).toBe('Hello')
  })

  test('keeps its window until it is reset', () => {
    const { inflater, sink } = make()
    inflateNow(inflater, whole(HELLO), sink)
    inflateNow(inflater, whole(HELLO_AGAIN), sink)
    expect(sink.text).toBe('HelloHello')
    inflater.reset()
    expect(inflateNow(inflater, whole(HELLO_AGAIN), sink)).toBe('failed')
  })

  test('hands on 64 KiB at most, and says after 128 KiB that it takes long', () => {
    const { inflater, sink } = make()
    const bytes = prose(1_000_000)
    const input = whole(deflate(bytes))
    let position = 0
    let longs = 0
    for (;;) {
      const before = sink.bytes.length
      const result = inflater.inflate(input, position, input.length, true, sink)
      expect(sink.bytes.length - before).toBeLessThanOrEqual(128 * 1024)
      if (result === 'done') break
      expect(result).toBe('long')
      expect(inflater.position).toBeGreaterThan(position)
      position = inflater.position
      longs++
    }
    expectSame(sink.bytes, bytes)
    expect(longs).toBe(7)
    expect(Math.max(...sink.portions)).toBe(65_536)
    expect(sink.ends).toBe(1)
  })

  test('stops where no more is wanted, and goes on there', () => {
    const { inflater, sink } = make()
    sink.wants = () => false
    const bytes = prose(300_000)
    const input = whole(deflate(bytes))
    let position = 0
    for (let portions = 1; portions <= 4; portions++) {
      expect(inflater.inflate(input, position, input.length, true, sink)).toBe('suspended')
      expect(sink.portions).toHaveLength(portions)
      position = inflater.position
    }
    expect(inflater.inflate(input, position, input.length, true, sink)).toBe('done')
    expectSame(sink.bytes, bytes)
  })

  test('is done even when no more is wanted, where there is no more', () => {
    const { inflater, sink } = make()
    sink.wants = () => false
    expect(inflateNow(inflater, whole(HELLO), sink)).toBe('done')
  })

  test.each([65_535, 65_536, 65_537, 131_071, 131_072, 131_073])('gives %d bytes and the end', (size) => {
    for (const bytes of [prose(size), noise(size), new Uint8Array(size)]) {
      for (const compressed of [deflate(bytes), concat(deflateFinally(bytes), hex('00'))]) {
        const { inflater, sink } = make()
        const input = whole(compressed)
        let position = 0
        while (inflater.inflate(input, position, input.length, true, sink) === 'long') {
          position = inflater.position
        }
        expectSame(sink.bytes, bytes)
        expect(sink.ends).toBe(1)
        inflater.close()
      }
    }
  })

  test('fails for nonsense, and gives nothing', () => {
    const { inflater, sink } = make()
    expect(inflateNow(inflater, whole(NONSENSE), sink)).toBe('failed')
    expect(sink.portions).toEqual([])
  })

  test('has failed with what it was doing, and nothing of it goes to another', () => {
    const { inflater: broken } = make()
    expect(inflateNow(broken, whole(NONSENSE), new Sink())).toBe('failed')
    const { inflater, sink } = make()
    expect(inflateNow(inflater, whole(HELLO), sink)).toBe('done')
    expect(sink.text).toBe('Hello')
    broken.close()
  })

  test('lends its output to one sink at a time: another may work within the call', () => {
    const { inflater, sink } = make()
    const { inflater: other } = make()
    const seen: string[] = []
    const bytes = prose(100_000)
    sink.wants = () => true
    const original = sink.onOutput.bind(sink)
    sink.onOutput = (...values) => {
      const within = new Sink()
      inflateNow(other, whole(deflate(noise(1000, 3))), within)
      seen.push(toHex(within.bytes.slice(0, 4)))
      return original(...values)
    }
    expect(inflateNow(inflater, whole(deflate(bytes)), sink)).toBe('done')
    expectSame(sink.bytes, bytes)
    expect(new Set(seen).size).toBe(1)
  })

  test('can be closed twice', () => {
    const { inflater } = make()
    inflater.close()
    inflater.close()
  })
})

describe('inflateSmall', () => {
  let modules: Modules

  beforeAll(async () => {
    modules = await load('at once')
  })

  function make(windowBits = 15): { inflater: Inflater; sink: Sink } {
    return { inflater: new modules.Inflater(windowBits), sink: new Sink() }
  }

  function inflateSmall(inflater: Inflater, message: Uint8Array, sink: Sink): boolean {
    return inflater.inflateSmall(message, 0, message.length, sink)
  }

  test('gives what was compressed, and the end', () => {
    const { inflater, sink } = make()
    expect(inflateSmall(inflater, HELLO, sink)).toBe(true)
    expect(inflateSmall(inflater, HELLO_AGAIN, sink)).toBe(true)
    expect(sink).toMatchObject({ text: 'HelloHello', ends: 2, portions: [5, 5] })
    inflater.close()
  })

  test('looks at nothing but the part that it was given', () => {
    const { inflater, sink } = make()
    expect(inflater.inflateSmall(concat(NONSENSE, HELLO, NONSENSE), 4, 11, sink)).toBe(true)
    expect(sink.text).toBe('Hello')
    inflater.close()
  })

  test('is done even when no more is wanted', () => {
    const { inflater, sink } = make()
    sink.wants = () => false
    expect(inflateSmall(inflater, HELLO, sink)).toBe(true)
    inflater.close()
  })

  test('makes nothing of zlib, until that is needed', async () => {
    let streams = 0
    vi.doMock('node:zlib', () => ({
      ...zlib,
      createInflateRaw: (options: zlib.ZlibOptions) => {
        streams++
        return zlib.createInflateRaw(options)
      },
    }))
    try {
      const { Inflater } = await load('at once')
      streams = 0
      const inflater = new Inflater(15)
      const sink = new Sink()
      for (let count = 0; count < 10; count++) expect(inflateSmall(inflater, HELLO, sink)).toBe(true)
      inflater.reset()
      expect(inflateSmall(inflater, HELLO, sink)).toBe(true)
      expect(streams).toBe(0)
      expect(inflateNow(inflater, whole(HELLO), sink)).toBe('done')
      expect(streams).toBe(1)
      inflater.close()
    } finally {
      vi.doUnmock('node:zlib')
    }
  })

  test.each<[string, Uint8Array]>([
    ['much output', deflate(prose(100_000))],
    ['a long message', deflate(noise(20_000))],
    ['a last block', concat(LAST_HELLO, hex('00'))],
  ])('leaves %s to zlib, which has the window then, until it is reset', (_, message) => {
    const { inflater, sink } = make()
    expect(inflateSmall(inflater, HELLO, sink)).toBe(true)
    expect(inflateSmall(inflater, message, sink)).toBe(false)
    expect(sink.text).toBe('Hello')
    expect(inflateNow(inflater, whole(HELLO_AGAIN), sink)).toBe('done')
    expect(sink.text).toBe('HelloHello')
    expect(inflateSmall(inflater, HELLO, sink)).toBe(false)
    expect(inflateNow(inflater, whole(message), sink)).toBe('done')
    inflater.reset()
    expect(inflateSmall(inflater, HELLO_AGAIN, sink)).toBe(false)
    inflater.reset()
    expect(inflateSmall(inflater, HELLO, sink)).toBe(true)
    inflater.close()
  })

  describe('after a message in pieces', () => {
    /** Give a message in so many pieces. */
    function inflatePieces(inflater: Inflater, message: Uint8Array, sink: Sink, count = 2): void {
      const pieces = [...chunksOf(message, Math.ceil(message.length / count)), TAIL]
      for (const [index, piece] of pieces.entries()) {
        expect(inflateNow(inflater, piece, sink, index === pieces.length - 1)).toBe('done')
      }
    }

    test('goes on with the same window', () => {
      for (let windowBits = 9; windowBits <= 15; windowBits++) {
        const { inflater, sink } = make(windowBits)
        const deflater = new modules.Deflater({ windowBits, level: 6, memLevel: 8 })
        const parts = Array.from({ length: 12 }, (_, index) => prose(200 + 300 * index, index % 3))
        for (const [index, part] of parts.entries()) {
          const message = deflater.deflate(part).slice(0, -TAIL.length)
          if (index % 4 === 1) inflatePieces(inflater, message, sink)
          else expect(inflateSmall(inflater, message, sink), `message ${index}`).toBe(true)
        }
        expectSame(sink.bytes, concat(...parts))
        inflater.close()
        deflater.close()
      }
    })

    test('goes on when that was the first message', () => {
      const { inflater, sink } = make()
      inflatePieces(inflater, HELLO, sink)
      expect(inflateSmall(inflater, HELLO_AGAIN, sink)).toBe(true)
      expect(sink).toMatchObject({ text: 'HelloHello', ends: 2 })
      inflater.close()
    })

    test('goes on some times, and again after many whole messages', () => {
      const { inflater, sink } = make()
      for (let count = 0; count < 4; count++) {
        inflatePieces(inflater, HELLO, sink)
        expect(inflateSmall(inflater, HELLO_AGAIN, sink)).toBe(true)
      }
      // What those that came whole earned since is not enough for a fifth time.
      for (let count = 0; count < 27; count++) expect(inflateSmall(inflater, HELLO, sink)).toBe(true)
      inflatePieces(inflater, HELLO, sink)
      expect(inflateSmall(inflater, HELLO_AGAIN, sink)).toBe(false)
      inflater.reset()
      for (let count = 0; count < 10; count++) expect(inflateSmall(inflater, HELLO, sink)).toBe(true)
      inflatePieces(inflater, HELLO, sink)
      expect(inflateSmall(inflater, HELLO_AGAIN, sink)).toBe(true)
      inflater.close()
    })

    test.each<[string, Uint8Array, number]>([
      ['it was long', deflate(noise(20_000)), 2],
      ['it became much', deflate(prose(100_000)), 2],
      ['there were many pieces', deflate(prose(1000)), 20],
      ['there was a last block in it', concat(LAST_HELLO, hex('00')), 2],
    ])('leaves all to zlib when %s', (_, message, count) => {
      const { inflater, sink } = make()
      expect(inflateSmall(inflater, HELLO, sink)).toBe(true)
      inflatePieces(inflater, message, sink, count)
      expect(inflateSmall(inflater, HELLO, sink)).toBe(false)
      expect(inflateNow(inflater, whole(HELLO), sink)).toBe('done')
      expect(sink.ends).toBe(3)
      inflater.close()
    })

    test('leaves all to zlib where it does not stand between two blocks', () => {
      const { inflater, sink } = make()
      // Five bytes without compression, of which the tail is the last but one.
      const cutOff = hex('00 05 00 fa ff')
      expect(inflateNow(inflater, cutOff, sink, false)).toBe('done')
      expect(inflateNow(inflater, TAIL, sink)).toBe('done')
      expect(inflateSmall(inflater, HELLO, sink)).toBe(false)
      expect(inflateNow(inflater, hex('41'), sink, false)).toBe('done')
      expect(inflateNow(inflater, whole(HELLO), sink)).toBe('done')
      expect(toHex(sink.bytes)).toBe(toHex(concat(TAIL, utf8('AHello'))))
      inflater.close()
    })

    test('can be closed and reset by who takes the end of it', () => {
      const { inflater, sink } = make()
      sink.wants = () => {
        if (sink.ends === 1) inflater.reset()
        return true
      }
      inflatePieces(inflater, HELLO, sink)
      expect(inflateSmall(inflater, HELLO_AGAIN, sink)).toBe(false)
      sink.wants = () => {
        if (sink.ends === 2) inflater.close()
        return true
      }
      inflatePieces(inflater, HELLO, sink)
      expect(sink.text).toBe('HelloHello')
    })
  })

  test.each(['inflate', 'inflateLater'] as const)('%s goes on with a window of any size', async (name) => {
    for (let windowBits = 9; windowBits <= 15; windowBits++) {
      for (const size of [1, 511, 512, 513, 5000, 32_767, 32_768, 40_000]) {
        const { inflater, sink } = make(windowBits)
        const before = prose(size)
        expect(inflateSmall(inflater, deflate(before), sink)).toBe(true)
        const after = concat(before.subarray(-(1 << windowBits)), noise(10))
        const window = before.subarray(-(1 << windowBits))
        // A window of its size is known as a whole to a sender that has no more.
        const message = deflate(after, { windowBits, dictionary: window })
        if (name === 'inflate') expect(inflateNow(inflater, whole(message), sink)).toBe('done')
        else expect(await inflateLater(inflater, whole(message), sink)).toBe(false)
        expectSame(sink.bytes, concat(before, after))
        inflater.close()
      }
    }
  })

  test('a last block empties the window that zlib was given', () => {
    const { inflater, sink } = make()
    expect(inflateSmall(inflater, HELLO, sink)).toBe(true)
    expect(inflateNow(inflater, whole(LAST_HELLO, HELLO_AGAIN), sink)).toBe('failed')
    inflater.close()
  })

  test('leaves what is broken to zlib, which says so', () => {
    const { inflater, sink } = make()
    expect(inflateSmall(inflater, NONSENSE, sink)).toBe(false)
    expect(inflateNow(inflater, whole(NONSENSE), sink)).toBe('failed')
    expect(sink.portions).toEqual([])
    inflater.close()
  })

  test('does nothing within the output of another, and can go on', () => {
    const { inflater, sink } = make()
    const { inflater: other, sink: within } = make()
    expect(inflateSmall(other, HELLO, within)).toBe(true)
    const original = sink.onOutput.bind(sink)
    sink.onOutput = (...values) => {
      expect(inflateSmall(other, HELLO_AGAIN, within)).toBe(false)
      expect(inflateNow(other, whole(HELLO_AGAIN), within)).toBe('done')
      return original(...values)
    }
    expect(inflateSmall(inflater, deflate(prose(1000)), sink)).toBe(true)
    expectSame(sink.bytes, prose(1000))
    expect(within.text).toBe('HelloHello')
    inflater.close()
    other.close()
  })

  test('gives with all the other ways in any order what zlib gives', async () => {
    await fc.assert(
      fc.asyncProperty(
        fc.integer({ min: 9, max: 15 }),
        fc.array(fc.tuple(fc.nat({ max: 9 }), fc.constantFrom(10, 400, 3000, 70_000)), {
          minLength: 1,
          maxLength: 10,
        }),
        async (windowBits, messages) => {
          const { Deflater } = modules
          const deflater = new Deflater({ windowBits, level: 6, memLevel: 8 })
          const { inflater, sink } = make(windowBits)
          const expected: Uint8Array[] = []
          for (const [way, size] of messages) {
            const bytes = prose(size, way)
            expected.push(bytes)
            const message = deflater.deflate(bytes).slice(0, -TAIL.length)
            if (way < 7 && inflateSmall(inflater, message, sink)) continue
            const input = whole(message)
            const middle = input.length >> 1
            if (way === 9) {
              expect(await inflateLater(inflater, input, sink)).toBe(false)
            } else if (way === 8) {
              expect(inflateNow(inflater, input.subarray(0, middle), sink, false)).toBe('done')
              expect(inflateNow(inflater, input.subarray(middle), sink)).toBe('done')
            } else {
              expect(inflateNow(inflater, input, sink)).toBe('done')
            }
          }
          expectSame(sink.bytes, concat(...expected))
          expect(sink.ends).toBe(messages.length)
          inflater.close()
          deflater.close()
        },
      ),
      { numRuns: 60 },
    )
  })

  test.each([
    ['zlib cannot be driven at once', 'through streams', undefined],
    ['there is no WebAssembly', 'at once', 'javascript'],
  ] as const)('does nothing where %s', async (_, way, kernel) => {
    const { Inflater } = await load(way, kernel)
    const inflater = new Inflater(15)
    const sink = new Sink()
    expect(inflateSmall(inflater, HELLO, sink)).toBe(false)
    expect(await inflateLater(inflater, whole(HELLO), sink)).toBe(false)
    expect(sink.text).toBe('Hello')
    inflater.close()
  })
})

describe.each(WAYS)('inflateLater, with zlib driven $way', ({ way }) => {
  let modules: Modules

  beforeAll(async () => {
    modules = await load(way)
  })

  function make(): { inflater: Inflater; sink: Sink } {
    return { inflater: new modules.Inflater(15), sink: new Sink() }
  }

  test('gives what was compressed, and the end', async () => {
    const { inflater, sink } = make()
    expect(await inflateLater(inflater, whole(HELLO), sink)).toBe(false)
    expect(sink).toMatchObject({ text: 'Hello', ends: 1 })
  })

  test('does not say that it is the end when more of the message is to come', async () => {
    const { inflater, sink } = make()
    for (const byte of chunksOf(HELLO, 1)) {
      expect(await inflateLater(inflater, byte, sink, false)).toBe(false)
    }
    expect(sink).toMatchObject({ text: 'Hello', ends: 0 })
    expect(await inflateLater(inflater, TAIL, sink)).toBe(false)
    expect(sink.ends).toBe(1)
  })

  test('takes an empty piece', async () => {
    const { inflater, sink } = make()
    expect(await inflateLater(inflater, new Uint8Array(0), sink, false)).toBe(false)
    expect(await inflateLater(inflater, whole(HELLO), sink)).toBe(false)
    expect(sink.text).toBe('Hello')
  })

  test('keeps its window until it is reset', async () => {
    const { inflater, sink } = make()
    await inflateLater(inflater, whole(HELLO), sink)
    await inflateLater(inflater, whole(HELLO_AGAIN), sink)
    expect(sink.text).toBe('HelloHello')
    inflater.reset()
    expect(await inflateLater(inflater, whole(HELLO_AGAIN), sink)).toBe(true)
    inflater.close()
  })

  test('gives much in portions', async () => {
    const { inflater, sink } = make()
    const bytes = prose(1_000_000)
    expect(await inflateLater(inflater, whole(deflate(bytes)), sink)).toBe(false)
    expectSame(sink.bytes, bytes)
    expect(Math.max(...sink.portions)).toBeLessThanOrEqual(65_536)
    expect(sink.ends).toBe(1)
  })

  // The last portion comes while the stream flows, or was waiting in it: that is not the same to zlib's streams.
  test.each([
    ['each portion is refused', 1],
    ['the last is', 300_000],
    ['some are', 150_000],
  ])('gives nothing while nobody wants more, the end neither: %s', async (_, refusedFrom) => {
    const { inflater, sink } = make()
    const bytes = prose(300_000)
    const broken: string[] = []
    let isWanted = true
    let refusals = 0
    sink.wants = () => {
      if (!isWanted) broken.push(`a portion of ${sink.portions.at(-1)} bytes came unwanted`)
      if (sink.bytes.length < refusedFrom || sink.ends > 0) return true
      isWanted = false
      refusals++
      // Much later than anything that is under way.
      setTimeout(() => {
        isWanted = true
        inflater.resume()
      }, 5)
      return false
    }
    expect(await inflateLater(inflater, whole(deflate(bytes)), sink)).toBe(false)
    expect(broken).toEqual([])
    expectSame(sink.bytes, bytes)
    expect(refusals).toBeGreaterThan(0)
    expect(sink.ends).toBe(1)
  })

  test('leaves its place in the queue to others while nobody wants more', async () => {
    const held = Array.from({ length: 20 }, make)
    const bytes = prose(100_000)
    for (const { sink } of held) sink.wants = () => false
    const all = held.map(({ inflater, sink }) => inflateLater(inflater, whole(deflate(bytes)), sink))
    const { inflater, sink } = make()
    expect(await inflateLater(inflater, whole(HELLO), sink)).toBe(false)
    for (const { inflater, sink } of held) {
      sink.wants = () => true
      inflater.resume()
    }
    expect(await Promise.all(all)).toEqual(Array(20).fill(false))
    for (const { inflater, sink } of held) {
      expectSame(sink.bytes, bytes)
      inflater.close()
    }
  })

  test('is not disturbed by being asked to go on when it does', async () => {
    const { inflater, sink } = make()
    inflater.resume()
    sink.wants = () => {
      inflater.resume()
      return true
    }
    const done = inflateLater(inflater, whole(deflate(prose(200_000))), sink)
    inflater.resume()
    expect(await done).toBe(false)
    expectSame(sink.bytes, prose(200_000))
    expect(sink.ends).toBe(1)
  })

  test('fails once for nonsense, and says nothing after it', async () => {
    const { inflater, sink } = make()
    expect(await inflateLater(inflater, whole(NONSENSE), sink)).toBe(true)
    expect(sink.ends).toBe(0)
    inflater.close()
  })

  test('ends soon when it is closed, and gives nothing more', async () => {
    const { inflater, sink } = make()
    const done = inflateLater(inflater, whole(deflate(prose(1_000_000))), sink)
    inflater.close()
    expect(await done).toBe(false)
    expect(sink.portions).toEqual([])
  })

  // Another thread does not notice that it is closed, and once it wrote where others had their memory by then.
  test('leaves the memory alone in which zlib works while it is closed', async () => {
    const streams: { _outBuffer: Uint8Array }[] = []
    vi.doMock('node:zlib', () => ({
      ...zlib,
      createInflateRaw: (options: zlib.ZlibOptions) => {
        const stream = zlib.createInflateRaw(options)
        streams.push(stream as unknown as { _outBuffer: Uint8Array })
        return stream
      },
    }))
    try {
      const { Inflater } = await load(way)
      const inflater = new Inflater(15)
      const done = inflateLater(inflater, whole(deflate(prose(1_000_000))), new Sink())
      const { _outBuffer: memory } = streams.at(-1)!
      inflater.close()
      await done
      expect(streams.at(-1)!._outBuffer).toBe(memory)
    } finally {
      vi.doUnmock('node:zlib')
    }
  })

  test('ends soon when it is closed while nobody wants more', async () => {
    const { inflater, sink } = make()
    let refused: () => void
    const hasRefused = new Promise<void>((resolve) => {
      refused = resolve
    })
    sink.wants = () => {
      refused()
      return false
    }
    const done = inflateLater(inflater, whole(deflate(prose(1_000_000))), sink)
    await hasRefused
    inflater.close()
    expect(await done).toBe(false)
    expect(sink.portions).toHaveLength(1)
    inflater.resume()
  })

  test('ends at once when it was closed before its turn came', async () => {
    const all = Array.from({ length: 50 }, make).map(({ inflater, sink }) => {
      const done = inflateLater(inflater, whole(deflate(prose(10_000))), sink)
      inflater.close()
      return done
    })
    expect(await Promise.all(all)).toEqual(Array(50).fill(false))
    const { inflater, sink } = make()
    expect(await inflateLater(inflater, whole(HELLO), sink)).toBe(false)
    expect(sink.text).toBe('Hello')
  })
})

// RFC 7692 section 7.2.1: an endpoint may use blocks with BFINAL set, and the next block follows the padding.
describe.each([
  { way: 'at once', name: 'inflate' },
  { way: 'at once', name: 'inflateLater' },
  { way: 'through streams', name: 'inflateLater' },
] as const)('last blocks, through $name with zlib driven $way', ({ way, name }) => {
  let modules: Modules

  beforeAll(async () => {
    modules = await load(way)
  })

  async function take(inflater: Inflater, input: Uint8Array, sink: Sink, isEnd = true): Promise<boolean> {
    if (name === 'inflateLater') return inflateLater(inflater, input, sink, isEnd)
    return inflateNow(inflater, input, sink, isEnd) === 'failed'
  }

  /** Give a message cut after each of these numbers of bytes, and tell what comes out. */
  async function outcome(message: Uint8Array, chunks: readonly Uint8Array[] = [message]): Promise<string> {
    const inflater = new modules.Inflater(15)
    const sink = new Sink()
    for (const [index, chunk] of chunks.entries()) {
      const isEnd = index === chunks.length - 1
      if (await take(inflater, isEnd ? whole(chunk) : chunk, sink, isEnd)) return 'failed'
    }
    expect(sink.ends).toBe(1)
    // And the next message is understood.
    if (await take(inflater, whole(HELLO), sink)) return 'failed later'
    inflater.close()
    return sink.text
  }

  test.each<[string, Uint8Array]>([
    ['as in RFC 7692 section 7.2.3.4', concat(LAST_HELLO, hex('00'))],
    ['before blocks that are none', concat(LAST_HELLO, HELLO)],
    ['behind blocks that are none', concat(HELLO, hex('00 00 ff ff'), LAST_HELLO, hex('00'))],
    ['several in a row', concat(LAST_HELLO, LAST_HELLO, LAST_HELLO, hex('00'))],
    ['stored', concat(hex('01 05 00 fa ff'), utf8('Hello'), hex('00'))],
    ['empty', concat(hex('03 00'), LAST_HELLO, hex('03 00'), hex('00'))],
    ['that the tail completes', concat(HELLO, hex('00 00 ff ff'), hex('01'))],
  ])('are understood %s, however they are cut', async (_, message) => {
    const expected = await outcome(message)
    expect(expected).toMatch(/^(Hello)+$/)
    for (let place = 0; place <= message.length; place++) {
      expect(await outcome(message, [message.slice(0, place), message.slice(place)])).toBe(expected)
    }
    expect(await outcome(message, chunksOf(message, 1))).toBe(expected)
  })

  test('may be as many as anybody needs', async () => {
    const message = concat(...Array.from({ length: 200 }, () => LAST_HELLO), hex('00'))
    expect(await outcome(message)).toBe('Hello'.repeat(201))
  })

  test('may not be thousands, in one piece or in many: they only cost time', async () => {
    const message = concat(...Array.from({ length: 2000 }, () => hex('03 00')), hex('00'))
    expect(await outcome(message)).toBe('failed')
    expect(await outcome(message, chunksOf(message, 7))).toBe('failed')
    expect(await outcome(message, chunksOf(message, 2))).toBe('failed')
  })

  test('are counted anew for each message', async () => {
    const inflater = new modules.Inflater(15)
    const sink = new Sink()
    const message = whole(...Array.from({ length: 100 }, () => hex('03 00')), LAST_HELLO, hex('00'))
    for (let count = 0; count < 5; count++) expect(await take(inflater, message, sink)).toBe(false)
    expect(sink).toMatchObject({ text: 'Hello'.repeat(5), ends: 5 })
    inflater.close()
  })

  test('can be followed by what fails', async () => {
    expect(await outcome(concat(LAST_HELLO, NONSENSE))).toBe('failed')
    expect(await outcome(concat(LAST_HELLO, NONSENSE), [LAST_HELLO, NONSENSE])).toBe('failed')
  })

  test('may stand before the end of everything', async () => {
    if (name === 'inflate') return
    const inflater = new modules.Inflater(15)
    const sink = new Sink()
    sink.wants = () => {
      inflater.close()
      return true
    }
    expect(await take(inflater, whole(LAST_HELLO, LAST_HELLO, hex('00')), sink)).toBe(false)
    expect(sink).toMatchObject({ text: 'Hello', ends: 0 })
  })

  test('do not end messages that are larger than the memory for output', async () => {
    const bytes = prose(100_000)
    const one = deflateFinally(bytes)
    const inflater = new modules.Inflater(15)
    const sink = new Sink()
    expect(await take(inflater, whole(one, one, hex('00')), sink)).toBe(false)
    const sofar = sink.bytes
    // What takes long goes on by itself only one layer above.
    if (name === 'inflateLater') expectSame(sofar, concat(bytes, bytes))
    inflater.close()
  })
})

describe('the two ways', () => {
  test('can follow each other within a message and between messages, with one window', async () => {
    const { Inflater } = await load('at once')
    const inflater = new Inflater(15)
    const sink = new Sink()
    const parts = [utf8('Hello, '), prose(5000), utf8('Hello, '), noise(100), prose(5000)]
    const expected = concat(...parts)
    // One sender with one window.
    const { Deflater } = await load('at once')
    const deflater = new Deflater({ windowBits: 15, level: 6, memLevel: 8 })
    for (const [index, part] of parts.entries()) {
      const input = deflater.deflate(part).slice()
      const [first, second] = [input.slice(0, input.length >> 1), input.slice(input.length >> 1)]
      if (index % 2 === 0) {
        expect(inflateNow(inflater, first, sink, false)).toBe('done')
        expect(await inflateLater(inflater, second, sink)).toBe(false)
      } else {
        expect(await inflateLater(inflater, first, sink, false)).toBe(false)
        expect(inflateNow(inflater, second, sink)).toBe('done')
      }
    }
    expectSame(sink.bytes, expected)
    expect(sink.ends).toBe(parts.length)
    deflater.close()
    inflater.close()
  })

  test('give the same as zlib for a message that is cut off anywhere', async () => {
    const message = deflate(prose(400))
    const { Inflater } = await load('at once')
    const { Inflater: Streaming } = await load('through streams')
    for (let end = 0; end < message.length; end++) {
      const cutOff = message.slice(0, end)
      const outcomes: string[] = []
      try {
        outcomes.push(toHex(inflateAll([cutOff])[0]!))
      } catch {
        outcomes.push('failed')
      }
      const now = new Inflater(15)
      const nowSink = new Sink()
      outcomes.push(inflateNow(now, whole(cutOff), nowSink) === 'failed' ? 'failed' : toHex(nowSink.bytes))
      const later = new Streaming(15)
      const laterSink = new Sink()
      outcomes.push((await inflateLater(later, whole(cutOff), laterSink)) ? 'failed' : toHex(laterSink.bytes))
      expect(outcomes, `${end} bytes`).toEqual(Array(3).fill(outcomes[0]))
      now.close()
      later.close()
    }
  })
})
