import { describe, expect, test } from 'vitest'
import { ProtocolError } from '../../src/errors.ts'
import { type Extension, type ExtensionFrame, ExtensionPipeline } from '../../src/protocol/extension.ts'
import { FrameDecoder } from '../../src/protocol/frame-decoder.ts'
import type { FrameSink } from '../../src/protocol/message-assembler.ts'
import { concat, hex, pattern, utf8 } from '../support/bytes.ts'
import { countingPlatform, POISON } from '../support/protocol-pair.ts'

const TEXT = 0x1
const BINARY = 0x2
const CONTINUATION = 0x0
const RSV3 = 0x10

/** What comes out: frames as the next station gets them, and violations. */
type Fact =
  | readonly ['frame', number, boolean, number, Uint8Array]
  | readonly ['refused', number]
  | readonly ['violation', string, string]

/** A frame decoder before a station that writes down what it gets. */
class Bench implements FrameSink {
  readonly isPlainText = true
  readonly decoder: FrameDecoder
  readonly facts: Fact[] = []
  readonly platform = countingPlatform()
  /** The next station refuses frames with this opcode. */
  refused: number | undefined
  #header: readonly [number, boolean, number, number] | undefined

  constructor(extensions: readonly Extension[], maxFrameSize = 1000) {
    this.decoder = new FrameDecoder({
      platform: { ...this.platform, allocate: (size) => this.platform.allocate(size).fill(POISON) },
      extensions: new ExtensionPipeline(extensions),
      maxFrameSize,
      next: this,
      sink: {
        onViolation: (error) => {
          this.facts.push(['violation', error.code, error.message])
        },
      },
    })
  }

  /** Send a frame, whose payload comes in these parts. */
  frame(opcode: number, fin: boolean, reservedBits: number, ...parts: readonly Uint8Array[]): boolean {
    const length = concat(...parts).length
    if (!this.decoder.beginFrame(opcode, fin, reservedBits, length)) return false
    parts.forEach((part, index) => {
      const memory = concat(hex('ff ff ff'), part, hex('ff'))
      this.decoder.payload(memory, 3, 3 + part.length, true, index === parts.length - 1)
      memory.fill(POISON)
    })
    return true
  }

  // --- the next station ---

  takesWhole(): boolean {
    return true
  }

  whole(): void {
    throw new Error('no frame may go past the extensions')
  }

  beginFrame(opcode: number, fin: boolean, reservedBits: number, length: number): boolean {
    if (opcode === this.refused) {
      this.facts.push(['refused', opcode])
      return false
    }
    this.#header = [opcode, fin, reservedBits, length]
    return true
  }

  payload(memory: Uint8Array, start: number, end: number, ascii: boolean, isLast: boolean): void {
    const [opcode, fin, reservedBits, length] = this.#header!
    expect(isLast).toBe(true)
    // Nobody has looked at what came out of the extension.
    expect(ascii).toBe(false)
    expect(end - start).toBe(length)
    this.facts.push(['frame', opcode, fin, reservedBits, memory.slice(start, end)])
  }
}

/** Own RSV3: with it a payload is backwards. */
const backwards: Extension = {
  name: 'x-backwards',
  reservedBits: RSV3,
  decodeFrame: (frame) =>
    (frame.reservedBits & RSV3) === 0
      ? frame
      : { ...frame, reservedBits: frame.reservedBits & ~RSV3, payload: frame.payload.slice().reverse() },
}

describe('FrameDecoder', () => {
  test('decodes frames when they are whole', () => {
    const bench = new Bench([backwards])
    bench.decoder.beginFrame(TEXT, false, RSV3, 5)
    bench.decoder.payload(utf8('oll'), 0, 3, true, false)
    expect(bench.facts).toEqual([])
    bench.decoder.payload(utf8('eH'), 0, 2, true, true)
    bench.frame(CONTINUATION, true, RSV3, hex('02'), hex(''), hex('01'))
    bench.frame(BINARY, true, 0x60, hex('01 02'))
    expect(bench.facts).toEqual([
      ['frame', TEXT, false, 0, utf8('Hello')],
      ['frame', CONTINUATION, true, 0, hex('01 02')],
      ['frame', BINARY, true, 0x60, hex('01 02')],
    ])
  })

  test('decodes empty frames', () => {
    const bench = new Bench([backwards])
    bench.frame(TEXT, false, RSV3, hex(''))
    bench.frame(CONTINUATION, true, 0, hex(''))
    expect(bench.facts).toEqual([
      ['frame', TEXT, false, 0, hex('')],
      ['frame', CONTINUATION, true, 0, hex('')],
    ])
  })

  test('takes no frame past the extensions, and is no plain text', () => {
    const { decoder } = new Bench([backwards])
    expect(decoder.takesWhole()).toBe(false)
    expect(decoder.isPlainText).toBe(false)
  })

  test('gives extensions frames with memory of their own', () => {
    const frames: ExtensionFrame[] = []
    const keeping: Extension = {
      name: 'x-keeping',
      decodeFrame(frame) {
        frames.push(frame)
        return frame
      },
    }
    const bench = new Bench([keeping])
    bench.frame(BINARY, true, 0, hex('01'), hex('02'))
    bench.frame(BINARY, true, 0, hex('03'))
    expect(frames).toEqual([
      { fin: true, reservedBits: 0, opcode: BINARY, payload: hex('01 02') },
      { fin: true, reservedBits: 0, opcode: BINARY, payload: hex('03') },
    ])
  })

  test('lets extensions change all of a frame', () => {
    const changing: Extension = {
      name: 'x-changing',
      decodeFrame: () => ({ fin: false, reservedBits: 0x20, opcode: TEXT, payload: utf8('longer') }),
    }
    const bench = new Bench([changing])
    bench.frame(BINARY, true, 0, hex('01'))
    expect(bench.facts).toEqual([['frame', TEXT, false, 0x20, utf8('longer')]])
  })

  test('runs extensions from last to first', () => {
    const adding = (letter: string): Extension => ({
      name: `x-${letter}`,
      decodeFrame: (frame) => ({ ...frame, payload: concat(frame.payload, utf8(letter)) }),
    })
    const bench = new Bench([adding('a'), adding('b')])
    bench.frame(TEXT, true, 0, utf8('x'))
    expect(bench.facts).toEqual([['frame', TEXT, true, 0, utf8('xba')]])
  })

  test('reports what an extension throws', () => {
    for (const [thrown, code, message] of [
      [new Error('no'), 'WS_EXTENSION_FAILED', 'an extension could not decode a message: "x-no": no'],
      [new ProtocolError('WS_BAD_UTF8'), 'WS_BAD_UTF8', 'text is not valid UTF-8'],
    ] as const) {
      const failing: Extension = {
        name: 'x-no',
        decodeFrame: () => {
          throw thrown
        },
      }
      const bench = new Bench([failing])
      bench.frame(TEXT, true, 0, utf8('x'))
      expect(bench.facts).toEqual([['violation', code, message]])
    }
  })

  test('gives no payload to a station that refused the frame', () => {
    const bench = new Bench([backwards])
    bench.refused = CONTINUATION
    bench.frame(CONTINUATION, true, 0, hex('01'))
    expect(bench.facts).toEqual([['refused', CONTINUATION]])
  })

  test('takes frames of the longest size, and refuses one byte more at the header', () => {
    const bench = new Bench([backwards], 5)
    expect(bench.frame(TEXT, true, 0, utf8('Hello'))).toBe(true)
    expect(bench.decoder.beginFrame(TEXT, true, 0, 6)).toBe(false)
    expect(bench.facts).toEqual([
      ['frame', TEXT, true, 0, utf8('Hello')],
      [
        'violation',
        'WS_MESSAGE_TOO_BIG',
        'a message is larger than the limit: a frame of 6 bytes, while an extension takes 5',
      ],
    ])
  })

  test('keeps memory proportional to what came, whatever was announced', () => {
    const bench = new Bench([backwards], 1e9)
    bench.decoder.beginFrame(BINARY, true, 0, 1e9)
    expect(bench.platform.allocated).toBe(0)
    bench.decoder.payload(pattern(1000), 0, 1000, false, false)
    expect(bench.platform.largest).toBe(4000)
  })
})
