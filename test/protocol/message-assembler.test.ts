import { describe, expect, test } from 'vitest'
import { ProtocolError } from '../../src/errors.ts'
import { type Extension, ExtensionPipeline } from '../../src/protocol/extension.ts'
import type { Limits } from '../../src/protocol/limits.ts'
import type { Message } from '../../src/protocol/message.ts'
import {
  type AcceptedMessages,
  MessageAssembler,
  refusedOpcode,
} from '../../src/protocol/message-assembler.ts'
import { MessageCollector } from '../../src/protocol/message-collector.ts'
import { MessageDecoder } from '../../src/protocol/message-decoder.ts'
import { type Platform, portablePlatform } from '../../src/protocol/platform.ts'
import { concat, cutAt, hex, pattern, utf8 } from '../support/bytes.ts'
import { compressed, FakeCompression } from '../support/fake-compression.ts'
import { limitsOf, poisonedPlatform } from '../support/protocol-pair.ts'

// The first byte of a frame.
const TEXT = 0x01
const BINARY = 0x02
const CONTINUATION = 0x00
const FIN = 0x80
const RSV1 = 0x40

interface BenchOptions {
  platform?: Platform
  limits?: Partial<Limits>
  accept?: AcceptedMessages
  /** Messages may be compressed, in runs. */
  isCompressed?: boolean
  extensions?: readonly Extension[]
}

/** An assembler over a collector, and what they found: messages and pieces as they are, and violations. */
class Bench {
  readonly assembler: MessageAssembler
  readonly collector: MessageCollector
  readonly found: (Message | ProtocolError)[] = []

  constructor(options: BenchOptions = {}) {
    const { platform = portablePlatform, extensions } = options
    const limits = limitsOf(options.limits)
    const sink = {
      onMessage: (message: Message) => {
        this.found.push(message)
      },
      onPiece: (piece: Message) => {
        this.found.push(piece)
      },
      onOversize: () => true,
      onViolation: (error: ProtocolError) => {
        this.found.push(error)
      },
      onBehind: () => {},
      onCaughtUp: () => {},
    }
    const collector = new MessageCollector(platform, limits, sink)
    const decoder =
      extensions === undefined && options.isCompressed !== true
        ? undefined
        : new MessageDecoder({
            platform,
            limits,
            compression: options.isCompressed === true ? new FakeCompression() : undefined,
            extensions: extensions === undefined ? undefined : new ExtensionPipeline(extensions),
            collector,
            sink,
          })
    this.collector = collector
    this.assembler = new MessageAssembler({
      limits,
      refused: refusedOpcode(options.accept ?? 'any'),
      collector,
      decoder,
      sink,
    })
  }

  /** Take a frame whose payload arrives cut at these places; false once it was refused. */
  take(first: number, payload: Uint8Array | string, places: readonly number[] = []): boolean {
    const bytes = typeof payload === 'string' ? utf8(payload) : payload
    if (!this.assembler.beginFrame(first & 0x0f, first >= FIN, first & 0x70, bytes.length)) return false
    const chunks = cutAt(bytes, places)
    const before = this.found.length
    chunks.forEach((chunk, index) => {
      if (this.found.slice(before).some((each) => each instanceof ProtocolError)) return
      // In the middle of other bytes, as they lie in a kernel's memory.
      const memory = concat(hex('ff ff ff'), chunk, hex('ff'))
      const ascii = chunk.every((byte) => byte < 0x80)
      this.assembler.payload(memory, 3, 3 + chunk.length, ascii, index === chunks.length - 1)
    })
    return true
  }

  expectViolation(code: string, closeCode: number, message?: string): void {
    const error = this.found.pop()
    expect(error).toBeInstanceOf(ProtocolError)
    expect(error).toMatchObject({ code, closeCode })
    if (message !== undefined) expect((error as ProtocolError).message).toBe(message)
    expect(this.found).toEqual([])
  }

  expectFound(...messages: readonly Message[]): void {
    expect(this.found).toEqual(messages)
    this.found.length = 0
  }
}

/** Own RSV1; take one letter off each piece, and refuse what does not begin with it. */
const prefix: Extension = {
  name: 'x-prefix',
  reservedBits: RSV1,
  decode({ payload }) {
    if (payload[0] !== 0x21) throw new Error('no "!"')
    return payload.slice(1)
  },
}

describe('MessageAssembler', () => {
  test('joins nothing to a message in one frame', () => {
    const bench = new Bench()
    bench.take(FIN | TEXT, 'Hello')
    bench.take(FIN | TEXT, 'Häß𝄞')
    bench.take(FIN | BINARY, hex('00 ff'))
    bench.expectFound('Hello', 'Häß𝄞', hex('00 ff'))
  })

  test('takes empty messages', () => {
    const bench = new Bench()
    bench.take(FIN | TEXT, '')
    bench.take(FIN | BINARY, '')
    bench.expectFound('', hex(''))
  })

  test('joins fragments', () => {
    const bench = new Bench()
    bench.take(TEXT, 'Hel')
    expect(bench.found).toEqual([])
    bench.take(FIN | CONTINUATION, 'lo')
    bench.take(BINARY, hex('01'))
    bench.take(CONTINUATION, hex('02 03'))
    bench.take(CONTINUATION, hex('04'))
    bench.take(FIN | CONTINUATION, hex('05'))
    bench.expectFound('Hello', hex('01 02 03 04 05'))
  })

  test('joins fragments of which any are empty', () => {
    for (const first of ['', 'a']) {
      for (const middle of ['', 'b']) {
        for (const last of ['', 'c']) {
          const bench = new Bench({ platform: poisonedPlatform })
          for (const kind of [TEXT, BINARY]) {
            bench.take(kind, first)
            bench.take(CONTINUATION, middle)
            bench.take(FIN | CONTINUATION, last)
          }
          bench.expectFound(first + middle + last, utf8(first + middle + last))
        }
      }
    }
  })

  test('joins a payload that arrives in parts', () => {
    const bench = new Bench()
    bench.take(FIN | TEXT, 'Hello', [0, 2, 2, 5])
    bench.take(FIN | TEXT, 'ä€𝄞', [1, 4])
    bench.take(FIN | BINARY, pattern(1000), [1, 500])
    bench.expectFound('Hello', 'ä€𝄞', pattern(1000))
  })

  test('joins text of which only some parts are ASCII', () => {
    const bench = new Bench()
    const long = 'x'.repeat(50)
    for (const parts of [
      ['plain', 'ä', 'plain'],
      ['ä', 'plain', ''],
      ['plain', 'plain', 'ä'],
      [long, `${long}€`, long],
    ]) {
      bench.take(TEXT, parts[0]!)
      bench.take(CONTINUATION, parts[1]!)
      bench.take(FIN | CONTINUATION, parts[2]!)
      bench.expectFound(parts.join(''))
    }
  })

  test('gives messages whose memory is theirs alone', () => {
    const bench = new Bench({ platform: poisonedPlatform })
    bench.take(FIN | BINARY, hex('01 02'))
    bench.take(BINARY, hex('03'))
    bench.take(FIN | CONTINUATION, hex('04'))
    const [whole, joined] = bench.found as Uint8Array[]
    for (const message of [whole!, joined!]) {
      expect(message.byteOffset).toBe(0)
      expect(message.buffer.byteLength).toBe(2)
    }
    bench.take(BINARY, hex('05'))
    bench.take(FIN | CONTINUATION, hex('06'))
    bench.expectFound(hex('01 02'), hex('03 04'), hex('05 06'))
  })

  test('is collecting from the first frame to the end of the last', () => {
    const { assembler } = new Bench()
    expect(assembler.isCollecting).toBe(false)
    assembler.beginFrame(TEXT, false, 0, 1)
    expect(assembler.isCollecting).toBe(true)
    assembler.payload(utf8('a'), 0, 1, true, true)
    expect(assembler.isCollecting).toBe(true)
    assembler.beginFrame(CONTINUATION, true, 0, 2)
    assembler.payload(utf8('b'), 0, 1, true, false)
    expect(assembler.isCollecting).toBe(true)
    assembler.payload(utf8('c'), 0, 1, true, true)
    expect(assembler.isCollecting).toBe(false)
  })

  test('is not collecting what is taken in pieces, dropped or held', () => {
    const { assembler, collector } = new Bench({ limits: { maxMessageSize: 5, maxStreamSize: 9 } })
    collector.takePieces()
    assembler.beginFrame(BINARY, false, 0, 1)
    expect(assembler.isCollecting).toBe(false)
    collector.dropPieces()
    assembler.payload(hex('01'), 0, 1, true, true)
    expect(assembler.isCollecting).toBe(false)
    assembler.beginFrame(CONTINUATION, true, 0, 0)
    assembler.payload(hex(''), 0, 0, true, true)
    assembler.beginFrame(BINARY, true, 0, 6)
    expect(collector.isHeld).toBe(true)
    expect(assembler.isCollecting).toBe(false)
  })

  test('is plain text while a text without reserved bits is under way', () => {
    const { assembler } = new Bench()
    expect(assembler.isPlainText).toBe(false)
    assembler.beginFrame(TEXT, true, 0, 0)
    expect(assembler.isPlainText).toBe(true)
    assembler.payload(hex(''), 0, 0, true, true)
    expect(assembler.isPlainText).toBe(false)
    assembler.beginFrame(BINARY, true, 0, 0)
    expect(assembler.isPlainText).toBe(false)
    assembler.payload(hex(''), 0, 0, true, true)
    const compressing = new Bench({ isCompressed: true }).assembler
    compressing.beginFrame(TEXT, false, RSV1, 0)
    expect(compressing.isPlainText).toBe(false)
    const streaming = new Bench()
    streaming.assembler.beginFrame(TEXT, false, 0, 0)
    streaming.collector.takePieces()
    expect(streaming.assembler.isPlainText).toBe(false)
  })

  test('takes a message whole when nothing is to be done but to deliver it', () => {
    expect(new Bench({ limits: { maxMessageSize: 5 } }).assembler.takesWhole(TEXT, 5)).toBe(true)
    expect(new Bench({ isCompressed: true }).assembler.takesWhole(TEXT, 5)).toBe(true)
  })

  test('takes no message whole that is too large, is refused, is decoded, or is taken in pieces', () => {
    expect(new Bench({ limits: { maxMessageSize: 5 } }).assembler.takesWhole(TEXT, 6)).toBe(false)
    expect(new Bench({ accept: 'binary' }).assembler.takesWhole(TEXT, 5)).toBe(false)
    expect(new Bench({ accept: 'binary' }).assembler.takesWhole(BINARY, 5)).toBe(true)
    expect(new Bench({ extensions: [prefix] }).assembler.takesWhole(TEXT, 5)).toBe(false)
    const streaming = new Bench()
    streaming.collector.takePieces()
    expect(streaming.assembler.takesWhole(TEXT, 5)).toBe(false)
    const { assembler } = new Bench()
    assembler.beginFrame(TEXT, false, 0, 1)
    expect(assembler.takesWhole(TEXT, 5)).toBe(false)
  })
})

describe('order of frames', () => {
  test('refuses a continuation without a message', () => {
    const bench = new Bench()
    expect(bench.take(FIN | CONTINUATION, 'x')).toBe(false)
    bench.expectViolation('WS_UNEXPECTED_CONTINUATION', 1002)
  })

  test('refuses a continuation after a message ended', () => {
    const bench = new Bench()
    bench.take(TEXT, 'a')
    bench.take(FIN | CONTINUATION, 'b')
    bench.expectFound('ab')
    expect(bench.take(CONTINUATION, '')).toBe(false)
    bench.expectViolation('WS_UNEXPECTED_CONTINUATION', 1002)
  })

  test.each([TEXT, BINARY, FIN | TEXT, FIN | BINARY])('refuses %i within a message', (first) => {
    const bench = new Bench()
    bench.take(TEXT, '')
    expect(bench.take(first, 'x')).toBe(false)
    bench.expectViolation('WS_EXPECTED_CONTINUATION', 1002)
  })

  test('refuses reserved bits on a continuation', () => {
    for (const bits of [0x40, 0x20, 0x10]) {
      const bench = new Bench()
      bench.take(TEXT, 'a')
      expect(bench.take(bits | CONTINUATION, 'b')).toBe(false)
      bench.expectViolation(
        'WS_RESERVED_BITS',
        1002,
        'reserved bits are set without an extension that owns them: on a continuation frame',
      )
    }
  })
})

describe('accepted messages', () => {
  test('takes text only', () => {
    const bench = new Bench({ accept: 'text' })
    bench.take(FIN | TEXT, 'a')
    bench.expectFound('a')
    expect(bench.take(BINARY, 'b')).toBe(false)
    bench.expectViolation(
      'WS_DATA_NOT_ACCEPTED',
      1003,
      'this end does not accept this kind of message: binary',
    )
  })

  test('takes binary only', () => {
    const bench = new Bench({ accept: 'binary' })
    bench.take(FIN | BINARY, hex('01'))
    bench.take(BINARY, hex('02'))
    bench.take(FIN | CONTINUATION, hex('03'))
    bench.expectFound(hex('01'), hex('02 03'))
    expect(bench.take(FIN | TEXT, 'b')).toBe(false)
    bench.expectViolation('WS_DATA_NOT_ACCEPTED', 1003, 'this end does not accept this kind of message: text')
  })
})

describe('limits', () => {
  test('takes a message of maxMessageSize, and refuses one byte more at its header', () => {
    const bench = new Bench({ limits: { maxMessageSize: 5 } })
    bench.take(FIN | TEXT, 'Hello')
    bench.expectFound('Hello')
    expect(bench.assembler.beginFrame(TEXT, true, 0, 6)).toBe(false)
    bench.expectViolation(
      'WS_MESSAGE_TOO_BIG',
      1009,
      'a message is larger than the limit: 6 bytes, while maxMessageSize is 5',
    )
  })

  test('CVE-2026-9675: counts the size over all fragments of a message', () => {
    const bench = new Bench({ limits: { maxMessageSize: 5 } })
    bench.take(TEXT, 'Hel')
    bench.take(CONTINUATION, 'lo')
    bench.take(CONTINUATION, '')
    expect(bench.found).toEqual([])
    expect(bench.assembler.beginFrame(CONTINUATION, false, 0, 1)).toBe(false)
    bench.expectViolation('WS_MESSAGE_TOO_BIG', 1009)
  })

  test('counts the size anew for each message', () => {
    const bench = new Bench({ limits: { maxMessageSize: 5, maxFragments: 2 } })
    for (let count = 0; count < 3; count++) {
      bench.take(TEXT, 'Hel')
      bench.take(FIN | CONTINUATION, 'lo')
    }
    bench.expectFound('Hello', 'Hello', 'Hello')
  })

  test('takes as many fragments as maxFragments, and refuses one more', () => {
    const bench = new Bench({ limits: { maxFragments: 3 } })
    bench.take(TEXT, 'a')
    bench.take(CONTINUATION, 'b')
    bench.take(FIN | CONTINUATION, 'c')
    bench.expectFound('abc')
    bench.take(TEXT, 'a')
    bench.take(CONTINUATION, 'b')
    bench.take(CONTINUATION, 'c')
    expect(bench.take(FIN | CONTINUATION, 'd')).toBe(false)
    bench.expectViolation(
      'WS_TOO_MANY_FRAGMENTS',
      1009,
      'a message has more fragments than maxFragments: more than 3',
    )
  })

  test('CVE-2026-12151: counts empty fragments', () => {
    const bench = new Bench({ limits: { maxFragments: 100 } })
    bench.take(BINARY, '')
    let taken = 1
    while (bench.take(CONTINUATION, '')) taken++
    expect(taken).toBe(100)
    bench.expectViolation('WS_TOO_MANY_FRAGMENTS', 1009)
  })

  test('takes any number of fragments of a message in pieces: nothing of it stays', () => {
    const bench = new Bench({ limits: { maxFragments: 3 } })
    bench.take(TEXT, 'a')
    bench.take(CONTINUATION, 'b')
    bench.collector.takePieces()
    for (let count = 0; count < 10; count++) expect(bench.take(CONTINUATION, 'c')).toBe(true)
    bench.collector.dropPieces()
    expect(bench.take(FIN | CONTINUATION, 'd')).toBe(true)
    bench.expectFound('ab', ...Array<string>(10).fill('c'))
    bench.take(TEXT, 'a')
    bench.take(CONTINUATION, '')
    bench.take(CONTINUATION, '')
    expect(bench.take(CONTINUATION, '')).toBe(false)
    bench.expectViolation('WS_TOO_MANY_FRAGMENTS', 1009)
  })

  test('holds a message that the header of a fragment makes too large', () => {
    const bench = new Bench({ limits: { maxMessageSize: 5, maxStreamSize: 9 } })
    bench.take(TEXT, 'abc')
    expect(bench.assembler.beginFrame(CONTINUATION, true, 0, 6)).toBe(true)
    expect(bench.collector.isHeld).toBe(true)
    expect(bench.assembler.beginFrame(CONTINUATION, true, 0, 1)).toBe(false)
    bench.expectViolation('WS_MESSAGE_TOO_BIG', 1009)
  })
})

describe('messages that extensions have changed', () => {
  test('are decoded when their first frame is marked', () => {
    const bench = new Bench({ extensions: [prefix], platform: poisonedPlatform })
    bench.take(FIN | RSV1 | TEXT, '!Hello')
    bench.take(FIN | RSV1 | BINARY, utf8('!ab'))
    bench.take(RSV1 | TEXT, '!H')
    bench.take(CONTINUATION, hex('21 c3'))
    bench.take(FIN | CONTINUATION, hex('21 a4'))
    bench.expectFound('Hello', utf8('ab'), 'Hä')
  })

  test('are left alone when their first frame is not marked', () => {
    const bench = new Bench({ extensions: [prefix] })
    bench.take(FIN | TEXT, '!Hello', [1, 2])
    bench.expectFound('!Hello')
  })

  test('are decompressed, between others that are not', () => {
    const bench = new Bench({ isCompressed: true, platform: poisonedPlatform })
    bench.take(FIN | RSV1 | TEXT, compressed('Hello'))
    bench.take(FIN | TEXT, 'plain', [2])
    bench.take(RSV1 | BINARY, compressed(pattern(100)).slice(0, 99), [50])
    bench.take(CONTINUATION, '')
    bench.take(FIN | CONTINUATION, compressed(pattern(100)).slice(99))
    bench.take(TEXT, 'a')
    bench.take(FIN | CONTINUATION, 'b')
    bench.take(FIN | RSV1 | TEXT, '')
    bench.expectFound('Hello', 'plain', pattern(100), 'ab', '')
  })

  test('are refused when the extension cannot decode them', () => {
    const bench = new Bench({ extensions: [prefix] })
    bench.take(FIN | RSV1 | TEXT, 'Hello')
    bench.expectViolation(
      'WS_EXTENSION_FAILED',
      1007,
      'an extension could not decode a message: "x-prefix": no "!"',
    )
    bench.take(FIN | RSV1 | BINARY, '')
    bench.expectViolation('WS_EXTENSION_FAILED', 1007)
  })

  test('are refused when their text is no UTF-8 once decoded, and not before', () => {
    const bench = new Bench({ extensions: [prefix] })
    bench.take(RSV1 | TEXT, hex('21 ff'))
    expect(bench.found).toEqual([])
    bench.take(FIN | CONTINUATION, '!')
    bench.expectViolation('WS_BAD_UTF8', 1007)
  })

  test('are judged by their size once decoded, whatever their frames announce', () => {
    const bomb: Extension = { ...prefix, decode: () => new Uint8Array(11) }
    const bench = new Bench({ extensions: [bomb], limits: { maxMessageSize: 10 } })
    bench.take(FIN | RSV1 | BINARY, 'x')
    bench.expectViolation(
      'WS_MESSAGE_TOO_BIG',
      1009,
      'a message is larger than the limit: 11 bytes, while maxMessageSize is 10',
    )
    const other = new Bench({ isCompressed: true, limits: { maxMessageSize: 10 } })
    other.take(FIN | RSV1 | BINARY, compressed(pattern(10)))
    other.expectFound(pattern(10))
    expect(other.assembler.beginFrame(BINARY, true, 0, 11)).toBe(false)
    other.expectViolation('WS_MESSAGE_TOO_BIG', 1009)
  })

  test('are held to the order and number of fragments', () => {
    const bench = new Bench({ extensions: [prefix], limits: { maxFragments: 2 } })
    bench.take(RSV1 | TEXT, '!a')
    expect(bench.take(RSV1 | CONTINUATION, '!b')).toBe(false)
    bench.expectViolation('WS_RESERVED_BITS', 1002)
    const other = new Bench({ extensions: [prefix], limits: { maxFragments: 2 } })
    other.take(RSV1 | TEXT, '!a')
    other.take(CONTINUATION, '!b')
    expect(other.take(CONTINUATION, '!c')).toBe(false)
    other.expectViolation('WS_TOO_MANY_FRAGMENTS', 1009)
  })
})
