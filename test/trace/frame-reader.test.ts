import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { describeTracedFrame } from '../../src/trace/frame-line.ts'
import { type CompressionFacts, type FrameFacts, FrameReader } from '../../src/trace/frame-reader.ts'
import { deflate, noise, prose } from '../connection/support.ts'
import {
  chunksOf,
  closePayload,
  concat,
  cutAt,
  frame,
  header,
  hex,
  pattern,
  RFC_KEY,
  utf8,
} from '../support/bytes.ts'

const KEPT = { keepsWindow: true }

/** Read bytes in chunks, then the end of the stream, and keep the frames. */
function read(
  chunks: readonly Uint8Array[],
  compression: CompressionFacts = undefined,
  maxBytes = 75,
): FrameFacts[] {
  const frames: FrameFacts[] = []
  const reader = new FrameReader(maxBytes, compression, (each) => frames.push(each))
  for (const chunk of chunks) reader.feed(chunk)
  reader.close()
  return frames
}

function lines(chunks: readonly Uint8Array[], compression?: CompressionFacts, maxBytes = 75): string[] {
  return read(chunks, compression, maxBytes).map((each) => describeTracedFrame(each, maxBytes, false))
}

describe('FrameReader', () => {
  test('tells what a frame is', () => {
    const [facts] = read([frame(0x81, 'hello', RFC_KEY)])
    expect(facts).toEqual({
      opcode: 1,
      fin: true,
      reservedBits: 0,
      isMasked: true,
      length: 5,
      received: 5,
      type: 'text',
      isCompressed: false,
      isDecompressed: false,
      excerpt: { size: 5, head: utf8('hello'), tail: utf8('hello') },
    })
  })

  test.each([0, 1, 125, 126, 65_535, 65_536, 200_000])('reads %i bytes, masked or not', (size) => {
    for (const key of [undefined, RFC_KEY]) {
      const [facts, next] = read([frame(0x82, pattern(size), key), frame(0x89, 'p', key)])
      expect(facts).toMatchObject({ length: size, received: size, type: 'binary' })
      expect(facts!.excerpt.head).toEqual(pattern(size).slice(0, 75))
      expect(next).toMatchObject({ opcode: 9 })
    }
  })

  test('knows whose fragments they are, with control frames between them', () => {
    const frames = read([
      frame(0x01, 'a'),
      frame(0x89, 'p'),
      frame(0x00, 'b'),
      frame(0x80, 'c'),
      frame(0x82, 'd'),
      frame(0x80, 'alone'),
    ])
    expect(frames.map(({ type }) => type)).toEqual(['text', undefined, 'text', 'text', 'binary', undefined])
  })

  test('goes on behind what is forbidden', () => {
    const frames = read([
      frame(0x01, 'begun'),
      frame(0x82, 'another'),
      frame(0x0f, 'reserved'),
      frame(0x08, closePayload(1000)),
      frame(0xf1, 'bits'),
    ])
    expect(frames.map(({ opcode }) => opcode)).toEqual([1, 2, 15, 8, 1])
  })

  test('remembers of a frame as much as it is told to, whatever its size', () => {
    const [facts] = read(chunksOf(frame(0x82, pattern(1_000_000)), 10_000), undefined, 30)
    expect(facts!.excerpt.head.length).toBe(30)
    expect(facts!.excerpt.tail.length).toBe(10)
    // The code of a close frame at least.
    expect(read([frame(0x88, closePayload(1001, 'bye'))], undefined, 0)[0]!.excerpt.head.length).toBe(2)
  })

  test('waits for 2^53 bytes without keeping them', () => {
    const frames = read([hex('82 7f 00 20 00 00 00 00 00 00'), pattern(100_000)])
    expect(frames).toMatchObject([{ length: 2 ** 53, received: 100_000 }])
  })

  test('tells of a frame that the stream ended in, and not of half a header', () => {
    expect(read([header(0x82, 10), pattern(3)])).toMatchObject([{ length: 10, received: 3 }])
    expect(read([header(0x82, 10)])).toMatchObject([{ length: 10, received: 0 }])
    expect(read([hex('82 7e 00')])).toEqual([])
  })

  test('takes what comes while a frame is being reported after it', () => {
    const seen: string[] = []
    const again = frame(0x81, 'nested')
    const reader = new FrameReader(75, undefined, ({ excerpt }) => {
      seen.push(Buffer.from(excerpt.head).toString())
      if (seen.length > 1) return
      reader.feed(again)
      again.fill(0)
    })
    reader.feed(concat(frame(0x81, 'one'), frame(0x81, 'two')))
    expect(seen).toEqual(['one', 'two', 'nested'])
  })
})

describe('FrameReader decompresses', () => {
  const text = prose(500)

  test('messages in one frame and in several, with the window of those before', () => {
    const again = deflate(utf8(text), utf8(text))
    const [one, two] = [again.slice(0, 5), again.slice(5)]
    const frames = read(
      [frame(0xc1, deflate(text), RFC_KEY), frame(0x41, one, RFC_KEY), frame(0x80, two, RFC_KEY)],
      KEPT,
      1000,
    )
    expect(frames.map(({ isDecompressed }) => isDecompressed)).toEqual([true, true, true])
    expect(Buffer.from(frames[0]!.excerpt.head).toString()).toBe(text)
    const rest = frames.slice(1).map(({ excerpt }) => Buffer.from(excerpt.head).toString())
    expect(rest.join('')).toBe(text)
    expect(frames[0]!.length).toBe(deflate(text).length)
  })

  test('leaves alone what is not compressed', () => {
    const frames = read([frame(0x81, text), frame(0xc1, deflate(text)), frame(0x81, 'x')], KEPT)
    expect(frames.map(({ isCompressed }) => isCompressed)).toEqual([false, true, false])
    expect(read([frame(0xc1, deflate(text))])).toMatchObject([{ isCompressed: false, reservedBits: 0x40 }])
  })

  test('large messages, a piece at a time', () => {
    const bytes = noise(300_000)
    const frames = read(chunksOf(frame(0xc2, deflate(bytes), RFC_KEY), 65_536), KEPT)
    expect(frames).toMatchObject([{ isDecompressed: true, excerpt: { size: 300_000 } }])
    expect(frames[0]!.excerpt.head).toEqual(bytes.slice(0, 75))
    expect(frames[0]!.excerpt.tail).toEqual(bytes.slice(-25))
  })

  test('and shows as it came what is broken, and all behind it that needs the window', () => {
    const wire = [frame(0xc1, hex('ff ff')), frame(0xc1, deflate('a')), frame(0x81, 'b')]
    expect(lines(wire, KEPT)).toEqual([
      'TEXT ff ff [2 bytes compressed]',
      'TEXT 4a 04 00 [3 bytes compressed]',
      "TEXT 'b' [1 byte]",
    ])
    expect(lines(wire, { keepsWindow: false })[1]).toBe("TEXT 'a' [1 byte, 3 compressed]")
  })
})

// --- properties ---

const payload = fc.oneof(
  fc.uint8Array({ maxLength: 400 }),
  fc.string({ unit: 'grapheme', maxLength: 100 }).map(utf8),
  fc.nat(400).map((size) => deflate(prose(size))),
)

const wireFrame = fc
  .tuple(fc.nat(255), payload, fc.constantFrom(undefined, RFC_KEY))
  .map(([first, bytes, key]) => frame(first, bytes, key))

const compression = fc.constantFrom(undefined, KEPT, { keepsWindow: false })

test('any chunking of frames gives the same lines', () => {
  fc.assert(
    fc.property(
      fc.array(wireFrame, { maxLength: 6 }),
      fc.array(fc.nat(3000), { maxLength: 20 }),
      compression,
      fc.constantFrom(0, 3, 10, 75),
      (frames, places, agreed, maxBytes) => {
        const wire = concat(...frames)
        const whole = lines([wire], agreed, maxBytes)
        expect(whole).toHaveLength(frames.length)
        const cuts = places.map((place) => place % (wire.length + 1))
        expect(lines(cutAt(wire, cuts), agreed, maxBytes)).toEqual(whole)
        expect(lines(chunksOf(wire, 1), agreed, maxBytes)).toEqual(whole)
      },
    ),
    { numRuns: 200 },
  )
})

test('any bytes give lines that can be printed, and never throw', () => {
  fc.assert(
    fc.property(fc.uint8Array({ maxLength: 300 }), compression, (bytes, agreed) => {
      for (const line of lines([bytes], agreed)) expect(line).not.toMatch(/[\p{C}\p{Zl}\p{Zp}]/u)
    }),
    { numRuns: 500 },
  )
})

test('the bytes that pass by stay as they are', () => {
  const wire = concat(frame(0x81, 'hello', RFC_KEY), frame(0xc1, deflate('hello'), RFC_KEY))
  const before = wire.slice()
  read([wire], KEPT)
  expect(wire).toEqual(before)
})
