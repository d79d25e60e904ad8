import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ProtocolError } from '../../src/errors.ts'
import { FrameParser, type ParserSink, PauseReason } from '../../src/protocol/frame-parser.ts'
import { createJavaScriptKernel, type Kernel } from '../../src/protocol/kernel.ts'
import type { Limits } from '../../src/protocol/limits.ts'
import { decodeMessage, type Message } from '../../src/protocol/message.ts'
import { type FrameSink, MessageAssembler, refusedOpcode } from '../../src/protocol/message-assembler.ts'
import { MessageCollector } from '../../src/protocol/message-collector.ts'
import { Opcode } from '../../src/protocol/opcode.ts'
import { type Platform, portablePlatform } from '../../src/protocol/platform.ts'
import type { Role } from '../../src/protocol/protocol.ts'
import {
  anyText,
  chunksOf,
  concat,
  cutAt,
  frame,
  frameTo,
  header,
  headerTo,
  hex,
  pattern,
  RFC_KEY,
  utf8,
} from '../support/bytes.ts'
import { countingPlatform, limitsOf, poisonedPlatform } from '../support/protocol-pair.ts'

/** What a parser tells: messages, control frames with their opcode, and at last a violation. */
type Fact =
  | readonly ['message', Message]
  | readonly ['control', number, Uint8Array]
  | readonly ['violation', string, number]

interface BenchOptions {
  kernel?: Kernel
  platform?: Platform
  limits?: Partial<Limits>
  /** Bits that an extension owns; what it marks is taken as it is. */
  reservedBits?: number
}

/** A parser over an assembler, and what both told. */
class Bench {
  readonly parser: FrameParser
  readonly assembler: MessageAssembler
  readonly kernel: Kernel
  readonly role: Role
  /** What is done in reaction to a message or control frame. */
  reaction: ((fact: Fact) => void) | undefined
  #facts: Fact[] = []

  constructor(role: Role, options: BenchOptions = {}) {
    const platform = options.platform ?? portablePlatform
    const onViolation = (error: ProtocolError): void => {
      this.parser.discard()
      this.#tell(['violation', error.code, error.closeCode])
    }
    this.role = role
    this.kernel = options.kernel ?? createJavaScriptKernel(4096)
    const limits = limitsOf(options.limits)
    const sink = {
      onMessage: (message: Message) => this.#tell(['message', message]),
      onPiece: () => {},
      onOversize: () => false,
      onViolation,
    }
    const collector = new MessageCollector(platform, limits, sink)
    this.assembler = new MessageAssembler({ limits, refused: refusedOpcode('any'), collector, sink })
    this.parser = new FrameParser({
      kernel: this.kernel,
      platform,
      peerMasks: role === 'server',
      allowedReservedBits: options.reservedBits ?? 0,
      sink: {
        frames: this.assembler,
        takesWhole: (opcode, length) => this.assembler.takesWhole(opcode, length),
        onWhole: (opcode, memory, start, end, ascii) => {
          const message = decodeMessage(platform, opcode === Opcode.Text, memory, start, end, ascii)
          if (message === undefined) onViolation(new ProtocolError('WS_BAD_UTF8'))
          else this.#tell(['message', message])
        },
        onControl: (opcode, payload) => this.#tell(['control', opcode, payload]),
        onViolation,
      },
    })
  }

  receive(...chunks: readonly Uint8Array[]): void {
    for (const chunk of chunks) this.parser.parseBytes(chunk)
  }

  /** Receive bytes as a transport that reads to the kernel's memory. */
  read(bytes: Uint8Array): void {
    this.kernel.memory.set(bytes, this.kernel.readStart)
    this.parser.parseRead(bytes.length)
  }

  pause(reason: PauseReason = PauseReason.Asked): void {
    this.parser.pause(reason)
  }

  resume(reason: PauseReason = PauseReason.Asked): void {
    this.parser.resume(reason)
  }

  takeFacts(): Fact[] {
    const facts = this.#facts
    this.#facts = []
    return facts
  }

  expectFacts(...facts: readonly Fact[]): void {
    expect(this.takeFacts()).toEqual(facts)
  }

  expectMessages(...messages: readonly Message[]): void {
    this.expectFacts(...messages.map((message) => ['message', message] as const))
  }

  expectViolation(code: string, closeCode = 1002): void {
    this.expectFacts(['violation', code, closeCode])
    // There is no way back to data.
    this.receive(frameTo(this.role, 0x81, 'too late'))
    this.read(frameTo(this.role, 0x89, 'too late'))
    this.expectFacts()
    expect(this.parser.hasBacklog).toBe(false)
  }

  #tell(fact: Fact): void {
    this.#facts.push(fact)
    this.reaction?.(fact)
  }
}

describe('server', () => {
  test("receives the examples of the RFC's section 5.7 that clients send", () => {
    const bench = new Bench('server')
    // FIN TEXT, masked, 5 bytes, key 37 fa 21 3d, Hello
    bench.receive(hex('81 85 37 fa 21 3d 7f 9f 4d 51 58'))
    bench.expectMessages('Hello')
    // FIN PONG, masked, 5 bytes, key 37 fa 21 3d, Hello
    bench.receive(hex('8a 85 37 fa 21 3d 7f 9f 4d 51 58'))
    bench.expectFacts(['control', 0xa, utf8('Hello')])
  })

  test('receives an unmasked frame: fails after its second byte', () => {
    for (const first of [0x81, 0x82, 0x88, 0x89, 0x8a]) {
      const bench = new Bench('server')
      bench.receive(Uint8Array.of(first), hex('05'))
      bench.expectViolation('WS_MASK_REQUIRED')
    }
  })

  test('receives a frame whose masking key is zero', () => {
    const bench = new Bench('server')
    bench.receive(hex('81 82 00 00 00 00 68 69')) // FIN TEXT, masked, 2 bytes, key 0, hi
    bench.expectMessages('hi')
  })

  test('receives a masked payload cut at every byte, with the key turned', () => {
    for (const key of [RFC_KEY, -1, 0x80000000 | 0, 0x01020304]) {
      const wire = frame(0x82, pattern(40), key)
      for (let place = 0; place <= wire.length; place++) {
        const bench = new Bench('server')
        bench.receive(...cutAt(wire, [place]))
        bench.expectMessages(pattern(40))
      }
    }
  })
})

describe('client', () => {
  test("receives the examples of the RFC's section 5.7 that servers send", () => {
    const bench = new Bench('client')
    bench.receive(hex('81 05 48 65 6c 6c 6f')) // FIN TEXT, 5 bytes, Hello
    bench.expectMessages('Hello')
    bench.receive(hex('01 03 48 65 6c')) // TEXT, 3 bytes, Hel
    bench.expectFacts()
    bench.receive(hex('80 02 6c 6f')) // FIN CONTINUATION, 2 bytes, lo
    bench.expectMessages('Hello')
    bench.receive(hex('89 05 48 65 6c 6c 6f')) // FIN PING, 5 bytes, Hello
    bench.expectFacts(['control', 0x9, utf8('Hello')])
    bench.receive(hex('82 7e 01 00'), pattern(256)) // FIN BINARY, 256 bytes in 16 bits
    bench.expectMessages(pattern(256))
    bench.receive(hex('82 7f 00 00 00 00 00 01 00 00'), pattern(65536)) // FIN BINARY, 65,536 bytes in 64 bits
    const [fact] = bench.takeFacts()
    expect(Buffer.compare(fact![1] as Uint8Array, pattern(65536))).toBe(0)
  })

  test('receives a masked frame: fails after its second byte', () => {
    for (const first of [0x81, 0x82, 0x88, 0x89, 0x8a]) {
      const bench = new Bench('client')
      bench.receive(Uint8Array.of(first), hex('85'))
      bench.expectViolation('WS_MASK_FORBIDDEN')
    }
  })

  test('receives a message whose bytes stay as they were when the memory is used again', () => {
    const bench = new Bench('client')
    bench.read(hex('82 02 01 02 89 02 03 04')) // FIN BINARY, 2 bytes; FIN PING, 2 bytes
    bench.read(hex('82 02 ff ff 89 02 ff ff'))
    bench.expectFacts(
      ['message', hex('01 02')],
      ['control', 0x9, hex('03 04')],
      ['message', hex('ff ff')],
      ['control', 0x9, hex('ff ff')],
    )
  })
})

/** Say what RFC 6455 section 5.2 wants for a lone frame that begins with this byte. */
function expectedFor(first: number, ownedBits: number): string {
  const opcode = first & 0x0f
  const reserved = first & 0x70
  if ((reserved & ~ownedBits) !== 0) return 'WS_RESERVED_BITS'
  if ((opcode > 2 && opcode < 8) || opcode > 10) return 'WS_RESERVED_OPCODE'
  if (opcode >= 8 && first < 0x80) return 'WS_CONTROL_FRAGMENTED'
  if (opcode >= 8) return reserved === 0 ? 'control' : 'WS_RESERVED_BITS'
  if (opcode === 0) return 'WS_UNEXPECTED_CONTINUATION'
  return first < 0x80 ? 'nothing yet' : 'message'
}

const LENGTHS = [0, 1, 2, 15, 124, 125, 126, 127, 128, 255, 256, 65534, 65535, 65536, 65537]

describe.each(['server', 'client'] as const)('%s', (role) => {
  const key = role === 'server' ? RFC_KEY : undefined

  test.each([0, 0x40, 0x20, 0x10, 0x60, 0x70])(
    'receives every first byte while extensions own the bits %i',
    (reservedBits) => {
      for (let first = 0; first < 256; first++) {
        const bench = new Bench(role, { reservedBits })
        bench.receive(frameTo(role, first, 'x'))
        const [fact, ...more] = bench.takeFacts()
        const kind = fact === undefined ? 'nothing yet' : fact[0] === 'violation' ? fact[1] : fact[0]
        expect(kind, `first byte ${first.toString(16)}`).toBe(expectedFor(first, reservedBits))
        expect(more).toEqual([])
      }
    },
  )

  test('CVE-2026-59881: receives RSV1 without negotiation, on any frame', () => {
    for (const first of [0xc1, 0xc2, 0x41, 0xc0, 0xc8, 0xc9, 0xca]) {
      const bench = new Bench(role)
      bench.receive(headerTo(role, first, 5).slice(0, 2))
      bench.expectViolation('WS_RESERVED_BITS')
    }
  })

  test('receives RSV1 on a control frame although an extension owns it', () => {
    for (const first of [0xc8, 0xc9, 0xca]) {
      const bench = new Bench(role, { reservedBits: 0x40 })
      bench.receive(headerTo(role, first, 5).slice(0, 2))
      bench.expectViolation('WS_RESERVED_BITS')
    }
  })

  test('receives RSV1 on a continuation although an extension owns it', () => {
    const bench = new Bench(role, { reservedBits: 0x40 })
    bench.receive(frameTo(role, 0x41, 'a'), frameTo(role, 0x40, 'b'))
    bench.expectViolation('WS_RESERVED_BITS')
  })

  test('receives RSV1 on a first frame with an extension that owns it', () => {
    const bench = new Bench(role, { reservedBits: 0x40 })
    bench.receive(frameTo(role, 0xc1, 'a'), frameTo(role, 0x41, 'b'), frameTo(role, 0x80, 'c'))
    bench.receive(frameTo(role, 0x81, 'd'))
    bench.expectMessages('a', 'bc', 'd')
  })

  test.each(LENGTHS)('receives payloads of %i bytes, however they arrive', (length) => {
    const bytes = pattern(length)
    const text = 'x'.repeat(length)
    const wire = concat(frameTo(role, 0x82, bytes), frameTo(role, 0x81, text))
    const headerSize = headerTo(role, 0x82, length).length
    const bench = new Bench(role)
    const ways = [
      [wire],
      cutAt(wire, [1]),
      cutAt(wire, [headerSize - 1]),
      cutAt(wire, [headerSize]),
      cutAt(wire, [headerSize + 1]),
      cutAt(wire, [1, 2, 3, headerSize, headerSize + length - 1, headerSize + length]),
      chunksOf(wire, 4096),
      chunksOf(wire, length > 1000 ? 999 : 1),
    ]
    for (const chunks of ways) {
      bench.receive(...chunks)
      const [binary, textual, ...more] = bench.takeFacts()
      expect(binary![0]).toBe('message')
      expect(Buffer.compare(binary![1] as Uint8Array, bytes)).toBe(0)
      expect(textual![1] === text).toBe(true)
      expect(more).toEqual([])
    }
  })

  test('receives control payloads of 0 to 125 bytes, whole and byte by byte', () => {
    const bench = new Bench(role)
    for (let length = 0; length <= 125; length++) {
      const bytes = pattern(length)
      bench.receive(frameTo(role, 0x89, bytes))
      bench.receive(...chunksOf(frameTo(role, 0x8a, bytes), 1))
      bench.expectFacts(['control', 0x9, bytes], ['control', 0xa, bytes])
    }
  })

  test('receives a control frame that announces more than 125 bytes: fails after its second byte', () => {
    for (const first of [0x88, 0x89, 0x8a]) {
      for (const length of [126, 65536]) {
        const bench = new Bench(role)
        const wire = headerTo(role, first, length)
        bench.receive(wire.slice(0, 1))
        bench.expectFacts()
        bench.receive(wire.slice(1, 2))
        bench.expectViolation('WS_CONTROL_TOO_LONG')
      }
    }
  })

  test('receives a fragmented control frame: fails after its second byte', () => {
    for (const first of [0x08, 0x09, 0x0a]) {
      const bench = new Bench(role)
      bench.receive(headerTo(role, first, 0).slice(0, 2))
      bench.expectViolation('WS_CONTROL_FRAGMENTED')
    }
  })

  test('receives a length below 126 in 16 bits', () => {
    for (let length = 0; length < 126; length++) {
      const bench = new Bench(role)
      bench.receive(header(0x82, length, key, '16 bits'))
      bench.expectViolation('WS_LENGTH_NOT_MINIMAL')
    }
  })

  test('receives a length below 65,536 in 64 bits', () => {
    for (const length of [0, 1, 125, 126, 127, 128, 32768, 65534, 65535]) {
      const bench = new Bench(role)
      bench.receive(header(0x82, length, key, '64 bits'))
      bench.expectViolation('WS_LENGTH_NOT_MINIMAL')
    }
  })

  test('receives the shortest lengths of each form', () => {
    const bench = new Bench(role)
    bench.receive(header(0x82, 126, key, '16 bits'))
    bench.receive(new Uint8Array(126))
    expect(bench.takeFacts()[0]![0]).toBe('message')
    bench.receive(header(0x82, 65536, key, '64 bits'))
    bench.receive(new Uint8Array(65536))
    expect(bench.takeFacts()[0]![0]).toBe('message')
  })

  // FIN BINARY, 64 bits of length, key
  test.each([
    ['2^32', '00 00 00 01 00 00 00 00', 'WS_MESSAGE_TOO_BIG', 1009],
    ['2^32 + 5', '00 00 00 01 00 00 00 05', 'WS_MESSAGE_TOO_BIG', 1009],
    ['2^53 - 1', '00 1f ff ff ff ff ff ff', 'WS_MESSAGE_TOO_BIG', 1009],
    ['2^53', '00 20 00 00 00 00 00 00', 'WS_MESSAGE_TOO_BIG', 1009],
    ['2^53 + 1', '00 20 00 00 00 00 00 01', 'WS_MESSAGE_TOO_BIG', 1009],
    ['2^63 - 1', '7f ff ff ff ff ff ff ff', 'WS_MESSAGE_TOO_BIG', 1009],
    ['2^63', '80 00 00 00 00 00 00 00', 'WS_LENGTH_OUT_OF_RANGE', 1002],
    ['2^63 + 5', '80 00 00 00 00 00 00 05', 'WS_LENGTH_OUT_OF_RANGE', 1002],
    ['2^64 - 1', 'ff ff ff ff ff ff ff ff', 'WS_LENGTH_OUT_OF_RANGE', 1002],
  ])(
    'CVE-2026-1528, CVE-2020-27813: receives a length of %s, without taking memory for it',
    (_name, literal, code, closeCode) => {
      const wire = concat(
        Uint8Array.of(0x82, role === 'server' ? 0xff : 0x7f),
        hex(literal),
        role === 'server' ? hex('37 fa 21 3d') : hex(''),
      )
      for (const limits of [{}, { maxMessageSize: Number.MAX_SAFE_INTEGER - 1 }, { maxMessageSize: 0 }]) {
        if (limits.maxMessageSize === Number.MAX_SAFE_INTEGER - 1 && literal.startsWith('00 00')) continue
        for (const chunks of [[wire], chunksOf(wire, 1)]) {
          const platform = countingPlatform()
          const bench = new Bench(role, { platform, limits })
          bench.receive(...chunks, pattern(100))
          bench.expectViolation(code, closeCode)
          expect(platform.allocated).toBe(0)
        }
      }
    },
  )

  test('CVE-2020-27813: receives lengths whose sum over the fragments is beyond 2^53', () => {
    const limits = { maxMessageSize: 2 ** 53 - 1 }
    const bench = new Bench(role, { limits })
    bench.receive(frameTo(role, 0x02, 'x'), headerTo(role, 0x00, 2 ** 53 - 1))
    bench.expectViolation('WS_MESSAGE_TOO_BIG', 1009)
  })

  test('receives a frame that only announces its size, and takes memory for what came', () => {
    const platform = countingPlatform()
    const bench = new Bench(role, { platform, limits: { maxMessageSize: 2 ** 40 } })
    bench.receive(headerTo(role, 0x82, 2 ** 40))
    expect(platform.allocated).toBe(0)
    bench.receive(pattern(10))
    expect(platform.allocated).toBeLessThanOrEqual(40)
    bench.receive(pattern(990))
    expect(platform.largest).toBeLessThanOrEqual(4000)
    expect(platform.allocated).toBeLessThanOrEqual(8000)
    bench.expectFacts()
  })

  test('CVE-2026-48779: receives tiny chunks, and takes memory for what came', () => {
    const platform = countingPlatform()
    const bench = new Bench(role, { platform, limits: { maxFragments: 3000 } })
    const length = 5000
    bench.receive(...chunksOf(frameTo(role, 0x82, pattern(length)), 1))
    expect(platform.largest).toBeLessThanOrEqual(4 * length)
    expect(platform.allocated).toBeLessThanOrEqual(8 * length)
    bench.expectMessages(pattern(length))

    platform.allocated = 0
    const count = 2000
    const fragment = frameTo(role, 0x00, 'x')
    bench.receive(frameTo(role, 0x01, 'x'))
    for (let index = 0; index < count; index++) bench.receive(...chunksOf(fragment, 1))
    expect(platform.allocated).toBeLessThanOrEqual(8 * count)
    bench.receive(frameTo(role, 0x80))
    bench.expectMessages('x'.repeat(count + 1))
  })

  test('CVE-2026-45736: receives in memory that held something before, and shows none of it', () => {
    const bench = new Bench(role, { platform: poisonedPlatform })
    bench.kernel.memory.fill(0xaa)
    const wire = concat(
      frameTo(role, 0x01, 'x'.repeat(40)),
      frameTo(role, 0x89, 'ping'),
      frameTo(role, 0x80, 'y'.repeat(60)),
      frameTo(role, 0x82, pattern(150)),
      frameTo(role, 0x02),
      frameTo(role, 0x80),
    )
    const facts: Fact[] = [
      ['control', 0x9, utf8('ping')],
      ['message', 'x'.repeat(40) + 'y'.repeat(60)],
      ['message', pattern(150)],
      ['message', hex('')],
    ]
    for (const size of [1, 3, 50, 1000]) {
      bench.receive(...chunksOf(wire, size))
      bench.expectFacts(...facts)
    }
  })

  test('receives control frames between fragments', () => {
    const bench = new Bench(role)
    bench.receive(
      frameTo(role, 0x01, 'Hel'),
      frameTo(role, 0x89, 'ping'),
      frameTo(role, 0x00, 'lo, '),
      frameTo(role, 0x8a, ''),
      frameTo(role, 0x88, hex('03 e8')),
      frameTo(role, 0x80, 'world'),
    )
    // What a close frame means is not the parser's business.
    bench.expectFacts(
      ['control', 0x9, utf8('ping')],
      ['control', 0xa, hex('')],
      ['control', 0x8, hex('03 e8')],
      ['message', 'Hello, world'],
    )
  })

  test('receives fragments out of order', () => {
    const bench = new Bench(role)
    bench.receive(frameTo(role, 0x80, 'x'))
    bench.expectViolation('WS_UNEXPECTED_CONTINUATION')
    const other = new Bench(role)
    other.receive(frameTo(role, 0x01, 'x'), frameTo(role, 0x81, 'y'))
    other.expectViolation('WS_EXPECTED_CONTINUATION')
  })

  test('receives text that stops being UTF-8 in the middle of a frame', () => {
    const bench = new Bench(role)
    const wire = frameTo(role, 0x81, concat(utf8('Hello'), hex('ff'), pattern(5000)))
    const bad = wire.length - 5000
    bench.receive(wire.slice(0, bad - 1))
    bench.expectFacts()
    bench.receive(wire.slice(bad - 1, bad))
    bench.expectViolation('WS_BAD_UTF8', 1007)
  })

  test('receives nothing from an empty chunk', () => {
    const bench = new Bench(role)
    bench.receive(hex(''))
    bench.read(hex(''))
    bench.receive(frameTo(role, 0x81, 'Hello').slice(0, 1), hex(''), frameTo(role, 0x81, 'Hello').slice(1))
    bench.expectMessages('Hello')
  })

  test('receives reads to the kernel, with a header before them that was cut', () => {
    const wire = concat(
      frameTo(role, 0x81, 'one'),
      frameTo(role, 0x82, pattern(300)),
      frameTo(role, 0x89, 'two'),
    )
    for (let place = 0; place <= wire.length; place++) {
      const bench = new Bench(role)
      for (const chunk of cutAt(wire, [place])) bench.read(chunk)
      bench.expectFacts(['message', 'one'], ['message', pattern(300)], ['control', 0x9, utf8('two')])
    }
  })

  test('receives more at once than the kernel takes', () => {
    const bench = new Bench(role, { kernel: createJavaScriptKernel(16) })
    bench.receive(concat(frameTo(role, 0x81, 'x'.repeat(100)), frameTo(role, 0x89, pattern(125))))
    bench.expectFacts(['message', 'x'.repeat(100)], ['control', 0x9, pattern(125)])
  })

  test('discards', () => {
    const bench = new Bench(role)
    bench.receive(frameTo(role, 0x81, 'a').slice(0, 2))
    bench.parser.discard()
    bench.receive(frameTo(role, 0x81, 'a').slice(2))
    bench.read(frameTo(role, 0x81, 'b'))
    bench.pause()
    bench.receive(frameTo(role, 0x81, 'c'))
    expect(bench.parser.hasBacklog).toBe(false)
    bench.resume()
    bench.expectFacts()
  })

  test('discards from inside a handler: nothing more is reported', () => {
    const bench = new Bench(role, { kernel: createJavaScriptKernel(16) })
    bench.reaction = () => bench.parser.discard()
    bench.receive(concat(...['a', 'b', 'c', 'd', 'e'].map((text) => frameTo(role, 0x81, text))))
    bench.expectMessages('a')
    const other = new Bench(role)
    other.reaction = () => other.parser.discard()
    other.receive(concat(frameTo(role, 0x89), frameTo(role, 0x81, 'a')))
    other.expectFacts(['control', 0x9, hex('')])
  })

  test('any chunking gives the same facts', () => {
    const anyFrame = fc
      .record({
        first: fc.oneof(
          { weight: 20, arbitrary: fc.constantFrom(0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a, 0x88) },
          { weight: 1, arbitrary: fc.nat(255) },
        ),
        payload: fc.oneof(
          fc.string({ maxLength: 30 }).map(utf8),
          anyText(60).map(utf8),
          fc.uint8Array({ maxLength: 10 }),
          fc.constantFrom(pattern(126), utf8('z'.repeat(125)), utf8('€'.repeat(100))),
        ),
        maskingKey: fc.integer(),
      })
      .map(({ first, payload, maskingKey }) => frame(first, payload, key === undefined ? key : maskingKey))
    // Most random sequences break the order of fragments at once; whole messages keep them going.
    const wholeMessage = fc
      .tuple(
        fc.constantFrom(0x1, 0x2),
        fc.array(fc.string({ maxLength: 40 }), { minLength: 1, maxLength: 4 }),
      )
      .map(([opcode, parts]) =>
        concat(
          ...parts.map((part, index) =>
            frame(
              (index === 0 ? opcode : 0) | (index === parts.length - 1 ? 0x80 : 0),
              part,
              key === undefined ? key : index * 0x12345678,
            ),
          ),
        ),
      )
    const kernel = createJavaScriptKernel(100)
    fc.assert(
      fc.property(
        fc.array(fc.oneof({ weight: 1, arbitrary: anyFrame }, { weight: 2, arbitrary: wholeMessage }), {
          maxLength: 8,
        }),
        fc.uint8Array({ maxLength: 8 }),
        fc.array(fc.nat(600), { maxLength: 10 }),
        fc.boolean(),
        (frames, tail, places, usesReads) => {
          const wire = concat(...frames, tail)
          const whole = new Bench(role, { kernel: createJavaScriptKernel(4096) })
          whole.receive(wire)
          const facts = whole.takeFacts()

          const cut = new Bench(role, { kernel })
          const chunks = cutAt(
            wire,
            places.map((place) => Math.min(place, wire.length)),
          )
          for (const chunk of chunks) {
            if (usesReads && chunk.length <= kernel.readSize) cut.read(chunk)
            else cut.receive(chunk)
          }
          cut.expectFacts(...facts)

          const bytewise = new Bench(role, { kernel })
          bytewise.receive(...chunksOf(wire, 1))
          bytewise.expectFacts(...facts)
        },
      ),
      { numRuns: 150 },
    )
  })
})

describe.each(['server', 'client'] as const)('%s, paused', (role) => {
  const message = (text: string): Uint8Array => frameTo(role, 0x81, text)
  const messages = (...texts: readonly string[]): Uint8Array => concat(...texts.map(message))

  test('keeps what comes, and reports it in order when it is resumed', () => {
    const bench = new Bench(role)
    bench.pause()
    bench.receive(message('a'), message('b'))
    bench.read(message('c'))
    bench.receive(message('d'))
    bench.expectFacts()
    expect(bench.parser.hasBacklog).toBe(true)
    bench.resume()
    expect(bench.parser.hasBacklog).toBe(false)
    bench.receive(message('e'))
    bench.expectMessages('a', 'b', 'c', 'd', 'e')
  })

  test('keeps bytes that end inside headers and payloads', () => {
    const wire = messages('a', 'x'.repeat(200), 'c')
    for (let place = 0; place <= wire.length; place++) {
      const bench = new Bench(role)
      const [before, after] = cutAt(wire, [place])
      bench.receive(before!)
      bench.pause()
      const early = bench.takeFacts()
      bench.receive(after!)
      bench.expectFacts()
      bench.resume()
      expect([...early, ...bench.takeFacts()]).toEqual(
        ['a', 'x'.repeat(200), 'c'].map((text) => ['message', text]),
      )
    }
  })

  test('has no backlog when nothing came, and resumes all the same', () => {
    const bench = new Bench(role)
    bench.pause()
    expect(bench.parser.hasBacklog).toBe(false)
    bench.resume()
    bench.resume()
    bench.receive(message('a'))
    bench.expectMessages('a')
  })

  test('pauses from inside a handler, after the current frame', () => {
    const bench = new Bench(role)
    bench.reaction = () => bench.pause()
    bench.receive(messages('a', 'b', 'c'))
    bench.expectMessages('a')
    bench.receive(message('d'))
    bench.expectFacts()
    for (const text of ['b', 'c', 'd']) {
      bench.resume()
      bench.expectMessages(text)
    }
    expect(bench.parser.hasBacklog).toBe(false)
  })

  test('pauses from inside a handler while a read is parsed', () => {
    const bench = new Bench(role)
    bench.reaction = () => bench.pause()
    bench.read(messages('a', 'b', 'c'))
    bench.read(messages('d'))
    bench.expectMessages('a')
    bench.reaction = undefined
    bench.resume()
    bench.expectMessages('b', 'c', 'd')
  })

  test('pauses from inside a handler at the last byte of a chunk', () => {
    const bench = new Bench(role)
    bench.reaction = () => bench.pause()
    bench.receive(message('a'))
    bench.expectMessages('a')
    expect(bench.parser.hasBacklog).toBe(false)
    bench.resume()
    bench.receive(message('b'))
    bench.expectMessages('b')
  })

  test('pauses from inside the handler of a control frame', () => {
    const bench = new Bench(role)
    bench.reaction = ([kind]) => {
      if (kind === 'control') bench.pause()
    }
    bench.receive(concat(frameTo(role, 0x89, '1'), message('a'), frameTo(role, 0x89, '2')))
    bench.expectFacts(['control', 0x9, utf8('1')])
    bench.resume()
    bench.expectFacts(['message', 'a'], ['control', 0x9, utf8('2')])
  })

  test('pauses from inside a handler in a chunk larger than the kernel takes', () => {
    const texts = Array.from({ length: 20 }, (_, index) => String(index))
    const bench = new Bench(role, { kernel: createJavaScriptKernel(16) })
    bench.reaction = () => bench.pause()
    bench.receive(messages(...texts))
    for (const text of texts) {
      bench.expectMessages(text)
      bench.resume()
    }
    expect(bench.parser.hasBacklog).toBe(false)
  })

  test('resumes from inside the handler that paused', () => {
    const bench = new Bench(role)
    bench.reaction = () => {
      bench.pause()
      bench.resume()
    }
    bench.receive(messages('a', 'b'), message('c'))
    bench.expectMessages('a', 'b', 'c')
  })

  test('resumes from inside the handler that paused, after more came', () => {
    for (const size of [16, 4096]) {
      const bench = new Bench(role, { kernel: createJavaScriptKernel(size) })
      bench.reaction = ([, text]) => {
        if (text !== 'a') return
        bench.pause()
        bench.receive(message('y'), message('z'))
        bench.resume()
      }
      bench.receive(messages('a', 'b', 'c', 'd', 'e', 'f'))
      bench.expectMessages('a', 'b', 'c', 'd', 'e', 'f', 'y', 'z')
      expect(bench.kernel.waiting).toEqual([])
      expect(bench.parser.hasBacklog).toBe(false)
    }
  })

  test('stays paused when a handler pauses, resumes and pauses', () => {
    const bench = new Bench(role)
    bench.reaction = ([, text]) => {
      if (text !== 'a') return
      bench.pause()
      bench.receive(message('z'))
      bench.resume()
      bench.pause()
    }
    bench.receive(messages('a', 'b'))
    bench.expectMessages('a')
    bench.resume()
    bench.expectMessages('b', 'z')
  })

  test('is resumed from the handler of another connection', () => {
    const kernel = createJavaScriptKernel(4096)
    const bench = new Bench(role, { kernel })
    const other = new Bench('client', { kernel })
    bench.pause()
    bench.receive(messages('a', 'b'))
    other.reaction = () => bench.resume()
    other.receive(hex('81 01 31 81 01 32')) // TEXT 1, TEXT 2
    other.expectMessages('1', '2')
    bench.expectMessages('a', 'b')
  })

  test('discards what it kept', () => {
    const bench = new Bench(role)
    bench.pause()
    bench.receive(message('a'))
    bench.parser.discard()
    expect(bench.parser.hasBacklog).toBe(false)
    bench.resume()
    bench.expectFacts()
  })

  test('keeps nothing once a handler has paused and discarded', () => {
    for (const size of [16, 4096]) {
      const bench = new Bench(role, { kernel: createJavaScriptKernel(size) })
      bench.reaction = () => {
        bench.pause()
        bench.parser.discard()
      }
      bench.receive(messages('a', 'b', 'c', 'd', 'e', 'f'))
      bench.expectMessages('a')
      expect(bench.parser.hasBacklog).toBe(false)
    }
  })

  test('keeps memory proportional to what came', () => {
    const platform = countingPlatform()
    const bench = new Bench(role, { platform })
    bench.pause()
    bench.receive(...chunksOf(messages(...'abcdefghij'.repeat(100)), 1))
    const came = message('x').length * 1000
    expect(platform.largest).toBeLessThanOrEqual(4 * came)
    expect(platform.allocated).toBeLessThanOrEqual(8 * came)
    bench.resume()
    bench.expectMessages(...'abcdefghij'.repeat(100))
  })
})

describe.each(['server', 'client'] as const)('%s, paused for more than one reason', (role) => {
  const message = (text: string): Uint8Array => frameTo(role, 0x81, text)
  const { Asked, Behind } = PauseReason

  test.each([
    [Asked, Behind],
    [Behind, Asked],
  ])('goes on when the last reason is gone (%i before %i)', (first, second) => {
    const bench = new Bench(role)
    bench.pause(Asked)
    bench.pause(Behind)
    bench.receive(message('a'))
    bench.resume(first)
    bench.receive(message('b'))
    bench.expectFacts()
    bench.resume(second)
    bench.expectMessages('a', 'b')
    expect(bench.parser.hasBacklog).toBe(false)
  })

  test('is not paused twice for one reason', () => {
    const bench = new Bench(role)
    bench.pause(Behind)
    bench.pause(Behind)
    bench.receive(message('a'))
    expect(bench.parser.resume(Behind)).toBe(true)
    bench.expectMessages('a')
  })

  test('says whether the reason was in force', () => {
    const { parser } = new Bench(role)
    expect(parser.resume(Asked)).toBe(false)
    parser.pause(Asked)
    expect(parser.resume(Behind)).toBe(false)
    parser.pause(Behind)
    expect(parser.resume(Asked)).toBe(true)
    expect(parser.resume(Asked)).toBe(false)
    expect(parser.resume(Behind)).toBe(true)
  })

  test('goes on with what the handler of the last reason asks for', () => {
    const bench = new Bench(role)
    bench.reaction = () => bench.pause(Behind)
    bench.receive(message('a'), message('b'), message('c'))
    bench.pause(Asked)
    bench.resume(Behind)
    bench.expectMessages('a')
    bench.resume(Asked)
    bench.expectMessages('b')
    bench.resume(Behind)
    bench.expectMessages('c')
  })
})

describe.each(['server', 'client'] as const)('%s, paused by the station that takes its frames', (role) => {
  /** A station that writes down what it gets, and does something with each. */
  class Station implements ParserSink, FrameSink {
    readonly frames = this
    readonly isPlainText = true
    readonly told: unknown[] = []
    readonly parser: FrameParser
    reaction: ((what: 'header' | 'payload') => void) | undefined

    constructor() {
      this.parser = new FrameParser({
        kernel: createJavaScriptKernel(4096),
        platform: portablePlatform,
        peerMasks: role === 'server',
        allowedReservedBits: 0,
        sink: this,
      })
    }

    takesWhole(): boolean {
      return false
    }

    onWhole(): void {}

    onControl(opcode: number): void {
      this.told.push(opcode)
    }

    onViolation(): void {}

    beginFrame(opcode: number, _fin: boolean, _reservedBits: number, length: number): boolean {
      this.told.push([opcode, length])
      this.reaction?.('header')
      return true
    }

    payload(memory: Uint8Array, start: number, end: number, _ascii: boolean, isLast: boolean): void {
      this.told.push([new TextDecoder().decode(memory.slice(start, end)), isLast])
      this.reaction?.('payload')
    }
  }

  const wire = concat(frameTo(role, 0x01, 'Hello'), frameTo(role, 0x89), frameTo(role, 0x80, ''))

  test('at a header gives nothing more, but for the end of an empty frame', () => {
    const station = new Station()
    station.reaction = (what) => {
      if (what === 'header') station.parser.pause(PauseReason.Behind)
    }
    station.parser.parseBytes(wire)
    expect(station.told).toEqual([[1, 5]])
    station.parser.resume(PauseReason.Behind)
    expect(station.told.slice(1)).toEqual([['Hello', true], 9, [0, 0], ['', true]])
  })

  test('at a header gives its payload when it goes on, wherever reads cut it', () => {
    for (let place = frameTo(role, 0x01).length; place <= wire.length; place++) {
      const station = new Station()
      station.reaction = (what) => {
        if (what === 'header') station.parser.pause(PauseReason.Behind)
      }
      const [before, after] = cutAt(wire, [place])
      station.parser.parseBytes(before!)
      const early = station.told.splice(0)
      station.parser.parseBytes(after!)
      expect(station.told).toEqual([])
      station.parser.resume(PauseReason.Behind)
      const text = [...early, ...station.told].filter(
        (each): each is [string, boolean] => Array.isArray(each) && typeof each[0] === 'string',
      )
      expect(text.map(([part]) => part).join('')).toBe('Hello')
      expect(station.told.slice(-3)).toEqual([9, [0, 0], ['', true]])
    }
  })

  test('at a payload gives nothing more', () => {
    const station = new Station()
    station.reaction = (what) => {
      if (what === 'payload') station.parser.pause(PauseReason.Behind)
    }
    station.parser.parseBytes(wire)
    expect(station.told).toHaveLength(2)
    expect(station.parser.hasBacklog).toBe(true)
    station.parser.resume(PauseReason.Behind)
    expect(station.told).toHaveLength(5)
    expect(station.parser.hasBacklog).toBe(false)
  })
})

describe.each(['server', 'client'] as const)('%s, resumed often', (role) => {
  test('reports message by message, and does not copy all that is left each time', () => {
    const platform = countingPlatform()
    const bench = new Bench(role, { platform })
    bench.reaction = () => bench.pause()
    const count = 1000
    const wire = concat(...Array.from({ length: count }, () => frameTo(role, 0x81, 'x')))
    bench.receive(wire)
    for (let reported = 1; reported < count; reported++) bench.resume()
    expect(bench.takeFacts()).toHaveLength(count)
    expect(bench.parser.hasBacklog).toBe(false)
    expect(platform.allocated).toBeLessThanOrEqual(16 * wire.length)
  })
})

describe.each(['server', 'client'] as const)('%s, entered again', (role) => {
  const message = (text: string): Uint8Array => frameTo(role, 0x81, text)

  test('receives bytes from inside its own handler after those that it has', () => {
    for (const size of [16, 4096]) {
      const bench = new Bench(role, { kernel: createJavaScriptKernel(size) })
      bench.reaction = ([, text]) => {
        if (text === 'a') bench.receive(message('x'), message('y'))
        if (text === 'x') bench.receive(message('z'))
      }
      bench.receive(concat(...['a', 'b', 'c', 'd'].map(message)))
      bench.expectMessages('a', 'b', 'c', 'd', 'x', 'y', 'z')
      expect(bench.kernel.busy).toBe(false)
      expect(bench.kernel.waiting).toEqual([])
    }
  })

  test('receives bytes from inside its own handler while a read is parsed', () => {
    const bench = new Bench(role)
    bench.reaction = ([, text]) => {
      if (text === 'a') bench.receive(message('x'), message('y'))
      if (text === 'x') bench.receive(message('z'))
    }
    bench.read(concat(message('a'), message('b')))
    bench.expectMessages('a', 'b', 'x', 'y', 'z')
  })

  test('receives bytes from inside the handler of another connection', () => {
    const kernel = createJavaScriptKernel(64)
    const bench = new Bench(role, { kernel })
    const other = new Bench('client', { kernel })
    other.reaction = ([, text]) => {
      bench.receive(...chunksOf(message(`${text}!`), 3))
      // Not now: the memory is in use.
      bench.expectFacts()
    }
    other.receive(hex('81 01 31 81 01 32')) // TEXT 1, TEXT 2
    other.expectMessages('1', '2')
    bench.expectMessages('1!', '2!')
    expect(kernel.waiting).toEqual([])
  })

  test('carries a conversation of two connections that answer each other', () => {
    const kernel = createJavaScriptKernel(64)
    const one = new Bench(role, { kernel })
    const other = new Bench('client', { kernel })
    one.reaction = ([, text]) => {
      if (Number(text) < 100) other.receive(frameTo('client', 0x81, String(Number(text) + 1)))
    }
    other.reaction = ([, text]) => one.receive(message(String(Number(text) + 1)))
    one.receive(message('0'))
    one.expectMessages(...Array.from({ length: 51 }, (_, index) => String(index * 2)))
    other.expectMessages(...Array.from({ length: 50 }, (_, index) => String(index * 2 + 1)))
  })

  test('fails in one connection and goes on in the other', () => {
    const kernel = createJavaScriptKernel(64)
    const bench = new Bench(role, { kernel })
    const other = new Bench('client', { kernel })
    other.reaction = () => bench.receive(frameTo(role, 0x83, 'reserved'))
    other.receive(hex('81 01 31'), hex('81 01 32')) // TEXT 1, TEXT 2
    other.expectMessages('1', '2')
    bench.expectViolation('WS_RESERVED_OPCODE')
  })

  test('leaves the memory free for others when a handler throws, although it must not', () => {
    const kernel = createJavaScriptKernel(64)
    const bench = new Bench(role, { kernel })
    const other = new Bench('client', { kernel })
    bench.reaction = () => {
      throw new Error('handler')
    }
    expect(() => bench.receive(message('a'))).toThrow('handler')
    expect(kernel.busy).toBe(false)
    other.receive(hex('81 01 31')) // TEXT 1
    other.expectMessages('1')
  })

  test('reports every message once, in order and never while paused, whatever is done when', () => {
    // Two connections share a small kernel. What they are sent are numbers that count up; handlers and the program
    // pause, resume and bring bytes, to themselves and to each other.
    const act = fc.record({
      target: fc.nat(1),
      verb: fc.constantFrom('pause', 'resume', 'receive', 'receive', 'read'),
      size: fc.integer({ min: 1, max: 60 }),
    })
    fc.assert(
      fc.property(
        fc.array(act, { maxLength: 40 }),
        fc.array(fc.array(act, { maxLength: 3 }), { maxLength: 20 }),
        fc.constantFrom(16, 32, 64),
        (program, reactions, readSize) => {
          const kernel = createJavaScriptKernel(readSize)
          const count = 60
          const ends = ([role, 'client'] as const).map((each) => ({
            bench: new Bench(each, { kernel }),
            wire: concat(...Array.from({ length: count }, (_, index) => frameTo(each, 0x81, String(index)))),
            sent: 0,
            isPaused: false,
            reported: [] as string[],
          }))
          const queue = reactions.slice()

          const perform = ({ target, verb, size }: (typeof program)[number]): void => {
            const end = ends[target]!
            if (verb === 'pause') {
              end.isPaused = true
              end.bench.pause()
            } else if (verb === 'resume') {
              end.isPaused = false
              end.bench.resume()
            } else {
              const chunk = end.wire.slice(end.sent, end.sent + size)
              end.sent += chunk.length
              // Transports read only while nobody parses.
              if (verb === 'read' && !kernel.busy && chunk.length <= readSize) end.bench.read(chunk)
              else end.bench.receive(chunk)
            }
          }
          for (const end of ends) {
            end.bench.reaction = ([kind, text]) => {
              expect(kind).toBe('message')
              expect(end.isPaused).toBe(false)
              end.reported.push(String(text))
              for (const each of queue.shift() ?? []) perform(each)
            }
          }

          for (const each of program) perform(each)
          queue.length = 0
          for (const target of [0, 1]) {
            perform({ target, verb: 'resume', size: 0 })
            perform({ target, verb: 'receive', size: 10_000 })
          }
          const numbers = Array.from({ length: count }, (_, index) => String(index))
          for (const { bench, reported } of ends) {
            expect(reported).toEqual(numbers)
            expect(bench.parser.hasBacklog).toBe(false)
          }
          expect(kernel.busy).toBe(false)
          expect(kernel.waiting).toEqual([])
        },
      ),
      { numRuns: 300 },
    )
  })
})
