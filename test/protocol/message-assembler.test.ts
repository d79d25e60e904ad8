import { describe, expect, test } from 'vitest'
import { ProtocolError } from '../../src/errors.ts'
import { type Extension, ExtensionPipeline } from '../../src/protocol/extension.ts'
import type { Limits } from '../../src/protocol/limits.ts'
import {
  type AcceptedMessages,
  type Message,
  MessageAssembler,
} from '../../src/protocol/message-assembler.ts'
import { type Platform, portablePlatform } from '../../src/protocol/platform.ts'
import { concat, cutAt, hex, pattern, utf8 } from '../support/bytes.ts'
import { countingPlatform, poisonedPlatform } from '../support/protocol-pair.ts'

// The first byte of a frame.
const TEXT = 0x01
const BINARY = 0x02
const CONTINUATION = 0x00
const FIN = 0x80
const RSV1 = 0x40

/** An assembler, and what it found: messages as they are, violations as `code closeCode`. */
class Bench {
  readonly assembler: MessageAssembler
  readonly found: (Message | ProtocolError)[] = []

  constructor(
    options: {
      platform?: Platform
      limits?: Partial<Limits>
      extensions?: readonly Extension[]
      accept?: AcceptedMessages
    } = {},
  ) {
    this.assembler = new MessageAssembler({
      platform: options.platform ?? portablePlatform,
      limits: { maxMessageSize: 1024 * 1024, maxFragments: 1024, ...options.limits },
      extensions: new ExtensionPipeline(options.extensions),
      accept: options.accept ?? 'any',
      sink: {
        onMessage: (message) => {
          this.found.push(message)
        },
        onViolation: (error) => {
          this.found.push(error)
        },
      },
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

  test('is incomplete from the first frame to the end of the last', () => {
    const { assembler } = new Bench()
    expect(assembler.isIncomplete).toBe(false)
    assembler.beginFrame(TEXT, false, 0, 1)
    expect(assembler.isIncomplete).toBe(true)
    assembler.payload(utf8('a'), 0, 1, true, true)
    expect(assembler.isIncomplete).toBe(true)
    assembler.beginFrame(CONTINUATION, true, 0, 2)
    assembler.payload(utf8('b'), 0, 1, true, false)
    expect(assembler.isIncomplete).toBe(true)
    assembler.payload(utf8('c'), 0, 1, true, true)
    expect(assembler.isIncomplete).toBe(false)
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
    assembler.beginFrame(TEXT, false, RSV1, 0)
    expect(assembler.isPlainText).toBe(false)
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

describe('UTF-8', () => {
  test.each(['c3 28', 'ed a0 80', 'f4 90 80 80', 'c0 80', 'ff', 'e2 82'])(
    'refuses %s in one frame',
    (literal) => {
      const bench = new Bench()
      bench.take(FIN | TEXT, concat(utf8('abc'), hex(literal)))
      bench.expectViolation('WS_BAD_UTF8', 1007, 'text is not valid UTF-8')
    },
  )

  test('refuses the first bad byte in the middle of a frame', () => {
    const { assembler, found } = new Bench()
    assembler.beginFrame(TEXT, true, 0, 1000)
    assembler.payload(hex('41 c3'), 0, 2, false, false)
    expect(found).toEqual([])
    assembler.payload(hex('28'), 0, 1, true, false)
    expect(found).toMatchObject([{ code: 'WS_BAD_UTF8' }])
  })

  test('refuses the first bad byte at the beginning of a fragment', () => {
    const bench = new Bench()
    bench.take(TEXT, hex('41 e1 80'))
    expect(bench.found).toEqual([])
    bench.take(CONTINUATION, hex('41'))
    bench.expectViolation('WS_BAD_UTF8', 1007)
  })

  test('refuses a last character that is cut by the end of the message', () => {
    for (const cut of ['c3', 'e2 82', 'f0 9d 84']) {
      const bench = new Bench()
      bench.take(TEXT, hex(cut))
      expect(bench.found).toEqual([])
      bench.take(FIN | CONTINUATION, '')
      bench.expectViolation('WS_BAD_UTF8', 1007)
    }
  })

  test('takes a character cut at every position, by chunks and by fragments', () => {
    for (const character of ['ä', '€', '𝄞', '\u{10ffff}', '\ufeff']) {
      const bytes = utf8(`${'x'.repeat(40)}${character}${'y'.repeat(40)}`)
      const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
      for (let place = 40; place <= bytes.length - 40; place++) {
        const bench = new Bench()
        bench.take(FIN | TEXT, bytes, [place])
        bench.take(TEXT, bytes.slice(0, place))
        bench.take(FIN | CONTINUATION, bytes.slice(place))
        bench.expectFound(text, text)
      }
    }
  })

  test('forgets the validation of one message before the next', () => {
    const bench = new Bench()
    for (let count = 0; count < 2; count++) {
      bench.take(TEXT, hex('e2 82'))
      bench.take(FIN | CONTINUATION, hex('ac'))
      bench.take(TEXT, 'a')
      bench.take(FIN | CONTINUATION, 'b')
    }
    bench.expectFound('€', 'ab', '€', 'ab')
  })

  test('does not look at binary messages', () => {
    const bench = new Bench()
    bench.take(BINARY, hex('ff'), [1])
    bench.take(FIN | CONTINUATION, hex('c3'))
    bench.expectFound(hex('ff c3'))
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
      'a message is larger than maxMessageSize: 6 bytes, while maxMessageSize is 5',
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

  test('CVE-2026-48779: keeps memory proportional to the bytes in tiny fragments', () => {
    const platform = countingPlatform()
    const bench = new Bench({ platform, limits: { maxFragments: 20_000 } })
    bench.take(BINARY, hex('01'))
    for (let count = 2; count < 10_000; count++) bench.take(CONTINUATION, hex('01'))
    expect(platform.largest).toBeLessThanOrEqual(4 * 10_000)
    expect(platform.allocated).toBeLessThanOrEqual(8 * 10_000)
    bench.take(FIN | CONTINUATION, hex('01'))
    bench.expectFound(new Uint8Array(10_000).fill(1))
  })

  test('keeps memory proportional to what came, whatever was announced', () => {
    const platform = countingPlatform()
    const { assembler } = new Bench({ platform, limits: { maxMessageSize: 1e9 } })
    assembler.beginFrame(BINARY, true, 0, 1e9)
    expect(platform.allocated).toBe(0)
    assembler.payload(pattern(1000), 0, 1000, false, false)
    expect(platform.largest).toBe(4000)
  })
})

describe('extensions', () => {
  /** Own RSV1; take one letter off each payload, and refuse what does not begin with it. */
  const prefix: Extension = {
    name: 'x-prefix',
    reservedBits: RSV1,
    encode: (payload) => ({ payload, reservedBits: 0 }),
    decode: (payload) =>
      payload[0] === 0x21 ? payload.slice(1) : new ProtocolError('WS_EXTENSION_FAILED', 'no "!"'),
  }

  test('decodes a message whose first frame is marked', () => {
    const bench = new Bench({ extensions: [prefix], platform: poisonedPlatform })
    bench.take(FIN | RSV1 | TEXT, '!Hello')
    bench.take(FIN | RSV1 | BINARY, utf8('!ab'))
    bench.take(RSV1 | TEXT, '!Hä', [1, 2])
    bench.take(CONTINUATION, '')
    bench.take(FIN | CONTINUATION, 'ß')
    bench.expectFound('Hello', utf8('ab'), 'Häß')
  })

  test('leaves a message alone whose first frame is not marked', () => {
    const bench = new Bench({ extensions: [prefix] })
    bench.take(FIN | TEXT, '!Hello')
    bench.expectFound('!Hello')
  })

  test('refuses what the extension cannot decode', () => {
    const bench = new Bench({ extensions: [prefix] })
    bench.take(FIN | RSV1 | TEXT, 'Hello')
    bench.expectViolation('WS_EXTENSION_FAILED', 1007, 'an extension could not decode a message: no "!"')
    bench.take(FIN | RSV1 | BINARY, '')
    bench.expectViolation('WS_EXTENSION_FAILED', 1007)
  })

  test('refuses text that is no UTF-8 once decoded, and not before', () => {
    const bench = new Bench({ extensions: [prefix] })
    bench.take(RSV1 | TEXT, hex('21 ff'))
    expect(bench.found).toEqual([])
    bench.take(FIN | CONTINUATION, '')
    bench.expectViolation('WS_BAD_UTF8', 1007)
  })

  test('counts the size before and after decoding', () => {
    const bomb: Extension = { ...prefix, decode: () => new Uint8Array(11) }
    const bench = new Bench({ extensions: [bomb], limits: { maxMessageSize: 10 } })
    bench.take(FIN | RSV1 | BINARY, 'x')
    bench.expectViolation('WS_MESSAGE_TOO_BIG', 1009, 'a message is larger than maxMessageSize: 11 bytes')
    expect(bench.take(FIN | RSV1 | BINARY, new Uint8Array(11))).toBe(false)
    bench.expectViolation('WS_MESSAGE_TOO_BIG', 1009)
  })

  test('holds the limit out to the extension', () => {
    const limits: number[] = []
    const curious: Extension = {
      ...prefix,
      decode: (payload, limit) => {
        limits.push(limit)
        return payload
      },
    }
    new Bench({ extensions: [curious], limits: { maxMessageSize: 99 } }).take(FIN | RSV1 | BINARY, 'x')
    expect(limits).toEqual([99])
  })
})
