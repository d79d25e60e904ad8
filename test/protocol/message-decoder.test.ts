import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { ProtocolError } from '../../src/errors.ts'
import { type Extension, ExtensionPipeline, type MessagePiece } from '../../src/protocol/extension.ts'
import type { Limits } from '../../src/protocol/limits.ts'
import type { Message } from '../../src/protocol/message.ts'
import { MessageCollector } from '../../src/protocol/message-collector.ts'
import { MessageDecoder } from '../../src/protocol/message-decoder.ts'
import { portablePlatform } from '../../src/protocol/platform.ts'
import { anyText, concat, cutAt, hex, pattern, utf8 } from '../support/bytes.ts'
import { compressed, FakeCompression, type FakeCompressionOptions } from '../support/fake-compression.ts'
import { limitsOf, POISON } from '../support/protocol-pair.ts'

const RSV1 = 0x40
const RSV2 = 0x20

/** What a decoder and its collector tell. */
type Fact =
  | readonly ['message', Message]
  | readonly ['piece', Message, boolean]
  | readonly ['oversize']
  | readonly ['violation', string, number]
  | readonly ['behind']
  | readonly ['caught up']

interface BenchOptions {
  compression?: FakeCompressionOptions | undefined
  extensions?: readonly Extension[]
  limits?: Partial<Limits>
}

/** A decoder over a collector, and what both told. After a violation it discards, as the protocol does. */
class Bench {
  readonly decoder: MessageDecoder
  readonly collector: MessageCollector
  readonly compression: FakeCompression
  /** What is done in reaction. */
  reaction: ((fact: Fact) => void) | undefined
  #facts: Fact[] = []
  error: ProtocolError | undefined

  constructor(options: BenchOptions = {}) {
    const limits = limitsOf({ maxStreamSize: 4 * 1024 * 1024, ...options.limits })
    const onViolation = (error: ProtocolError): void => {
      this.error = error
      this.decoder.discard()
      this.#tell(['violation', error.code, error.closeCode])
    }
    this.collector = new MessageCollector(portablePlatform, limits, {
      onMessage: (message) => this.#tell(['message', message]),
      onPiece: (piece, isEnd) => this.#tell(['piece', piece, isEnd]),
      onOversize: () => {
        this.#tell(['oversize'])
        return true
      },
      onViolation,
    })
    this.compression = new FakeCompression(options.compression)
    this.decoder = new MessageDecoder({
      platform: portablePlatform,
      limits,
      compression:
        'compression' in options && options.compression === undefined ? undefined : this.compression,
      extensions: options.extensions === undefined ? undefined : new ExtensionPipeline(options.extensions),
      collector: this.collector,
      sink: {
        onViolation,
        onBehind: () => this.#tell(['behind']),
        onCaughtUp: () => this.#tell(['caught up']),
      },
    })
  }

  begin(kind: 'text' | 'binary', reservedBits: number = RSV1): boolean {
    const isText = kind === 'text'
    const isEncoded = this.decoder.begin(isText, reservedBits)
    this.collector.begin(isText, !isEncoded)
    return isEncoded
  }

  /** Decode bytes as they came. */
  decode(bytes: Uint8Array, isEnd = false): void {
    const memory = concat(hex('ff ff ff'), bytes, hex('ff'))
    this.decoder.decode(memory, 3, 3 + bytes.length, isEnd)
    memory.fill(POISON)
  }

  /** Decode a compressed message that comes whole. */
  whole(text: string): void {
    this.begin('text')
    this.decode(compressed(text), true)
  }

  expectFacts(...facts: readonly Fact[]): void {
    const told = this.#facts
    this.#facts = []
    expect(told).toEqual(facts)
  }

  takeFacts(): Fact[] {
    const facts = this.#facts
    this.#facts = []
    return facts
  }

  #tell(fact: Fact): void {
    this.#facts.push(fact)
    this.reaction?.(fact)
  }
}

/** Put a letter before each piece, and take it off again. */
function lettered(letter: string, reservedBits: number): Extension {
  return {
    name: `x-${letter}`,
    reservedBits,
    encode: ({ payload }) => concat(utf8(letter), payload),
    decode({ payload }) {
      if (payload[0] !== letter.charCodeAt(0)) throw new Error(`no "${letter}"`)
      return payload.slice(1)
    },
  }
}

describe('what is decoded', () => {
  test('are messages with RSV1 where they can be compressed', () => {
    const bench = new Bench()
    expect(bench.begin('text', RSV1)).toBe(true)
    bench.decode(compressed('a'), true)
    expect(bench.begin('text', 0)).toBe(false)
    expect(bench.decoder.takesAll).toBe(false)
  })

  test('are all messages where an extension transforms them', () => {
    const bench = new Bench({ extensions: [lettered('a', RSV2)] })
    expect(bench.decoder.takesAll).toBe(true)
    for (const reservedBits of [0, RSV1, RSV2]) expect(bench.begin('text', reservedBits)).toBe(true)
  })

  test('is nothing compressed where RSV1 belongs to an extension', () => {
    const bench = new Bench({ compression: undefined, extensions: [lettered('a', RSV1)] })
    expect(bench.begin('text', RSV1)).toBe(true)
    bench.decode(utf8('aHello'), true)
    bench.expectFacts(['message', 'Hello'])
  })

  test('is nothing where there is nothing to undo', () => {
    const bench = new Bench({ compression: undefined })
    expect(bench.begin('text', 0)).toBe(false)
    expect(bench.decoder.takesAll).toBe(false)
  })
})

describe('compressed messages', () => {
  test('are decompressed, wherever they are cut', () => {
    for (const text of ['', 'a', 'Hello', 'ä€𝄞', 'x'.repeat(1000)]) {
      const bytes = compressed(text)
      for (let place = 0; place <= bytes.length; place++) {
        const bench = new Bench({ compression: { portion: 7 } })
        for (const kind of ['text', 'binary'] as const) {
          bench.begin(kind)
          const [first, second] = cutAt(bytes, [place])
          bench.decode(first!)
          bench.decode(hex(''))
          bench.decode(second!, true)
        }
        bench.expectFacts(['message', text], ['message', utf8(text)])
      }
    }
  })

  test('fill a portion to the byte', () => {
    const bench = new Bench({ compression: { portion: 5 } })
    bench.whole('Hello')
    bench.whole('')
    bench.whole('Hello Hell')
    bench.expectFacts(['message', 'Hello'], ['message', ''], ['message', 'Hello Hell'])
  })

  test('come between messages as they are', () => {
    const bench = new Bench()
    bench.whole('aaa')
    expect(bench.begin('text', 0)).toBe(false)
    bench.collector.take(utf8('bbb'), 0, 3, true, true)
    bench.whole('ccc')
    bench.expectFacts(['message', 'aaa'], ['message', 'bbb'], ['message', 'ccc'])
  })

  test('come in pieces', () => {
    const bench = new Bench({ compression: { portion: 2 } })
    bench.collector.takePieces()
    bench.begin('text')
    bench.decode(compressed('Hel'))
    bench.expectFacts(['piece', 'He', false], ['piece', 'l', false])
    bench.decode(compressed('lo'))
    bench.decode(hex(''), true)
    bench.expectFacts(['piece', 'lo', false], ['piece', '', true])
    bench.whole('b')
    bench.expectFacts(['message', 'b'])
  })

  test('come in pieces, which are cut between characters', () => {
    for (const portion of [1, 2, 3, 4, 5]) {
      const bench = new Bench({ compression: { portion } })
      bench.collector.takePieces()
      bench.whole('aä€𝄞z')
      const facts = bench.takeFacts()
      expect(facts.map(([, piece]) => piece).join('')).toBe('aä€𝄞z')
    }
  })

  test('that are broken are refused', () => {
    const bench = new Bench()
    bench.begin('text')
    bench.decode(hex('00 61'), true)
    bench.expectFacts(['violation', 'WS_BAD_COMPRESSION', 1007])
    expect(bench.decoder.isBehind).toBe(false)
  })

  test('that become more than maxMessageSize are refused before all is decompressed', () => {
    const bench = new Bench({
      compression: { portion: 4 },
      limits: { maxMessageSize: 10, maxStreamSize: 10 },
    })
    bench.begin('binary')
    bench.decode(hex('ff 61'), true)
    bench.expectFacts(['violation', 'WS_MESSAGE_TOO_BIG', 1009])
    expect(bench.error!.message).toBe(
      'a message is larger than the limit: 12 bytes, while maxMessageSize is 10',
    )
    expect(bench.decoder.isBehind).toBe(false)
  })

  test('whose text is no UTF-8 are refused', () => {
    const bench = new Bench()
    bench.begin('text')
    bench.decode(compressed(hex('61 ff')), true)
    bench.expectFacts(['violation', 'WS_BAD_UTF8', 1007])
  })

  test('that are longer than any compression of an allowed message are refused', () => {
    // A peer could go on for ever with what decompresses to nothing.
    for (const [limits, most] of [
      [{ maxMessageSize: 1000, maxStreamSize: 1000 }, 2274],
      [{ maxMessageSize: 1000, maxStreamSize: 2000 }, 3524],
      [{ maxMessageSize: 0, maxStreamSize: 0 }, 1024],
    ] as const) {
      const bench = new Bench({ compression: { when: 'later' }, limits })
      bench.begin('binary')
      bench.decode(new Uint8Array(most))
      bench.expectFacts(['behind'])
      const other = new Bench({ compression: { when: 'later' }, limits })
      other.begin('binary')
      other.decode(new Uint8Array(most + 1))
      other.expectFacts(['violation', 'WS_MESSAGE_TOO_BIG', 1009])
      expect(other.error!.message).toBe(
        `a message is larger than the limit: ${most + 1} compressed bytes, ` +
          'more than any message of the allowed size needs',
      )
    }
  })

  describe('that come to next to nothing', () => {
    const limits = { maxMessageSize: 1000, maxStreamSize: 2000 }

    test('are refused, although one that is taken in pieces could be longer', () => {
      const bench = new Bench({ limits })
      bench.compression.decompress = () => true
      bench.begin('binary')
      bench.decode(new Uint8Array(2274))
      bench.expectFacts()
      bench.decode(new Uint8Array(1))
      bench.expectFacts(['violation', 'WS_MESSAGE_TOO_BIG', 1009])
    })

    test('are refused when it shows later', () => {
      const bench = new Bench({ limits })
      bench.compression.decompress = () => false
      bench.begin('binary')
      bench.decode(new Uint8Array(2275))
      bench.expectFacts(['behind'])
      bench.decoder.onDecompressionReady()
      bench.expectFacts(['violation', 'WS_MESSAGE_TOO_BIG', 1009])
    })

    test('are taken when they are over, and when somebody takes them in pieces', () => {
      const bench = new Bench({ limits })
      bench.compression.decompress = () => true
      bench.begin('binary')
      bench.decode(new Uint8Array(2275), true)
      bench.expectFacts()
      bench.collector.takePieces()
      bench.begin('binary')
      bench.decode(new Uint8Array(2275))
      bench.expectFacts()
    })

    test('report nothing after the end', () => {
      const bench = new Bench({ limits })
      bench.compression.decompress = () => {
        bench.decoder.discard()
        return true
      }
      bench.begin('binary')
      bench.decode(new Uint8Array(2275))
      bench.expectFacts()
    })
  })

  test('are counted over their parts, and anew for each message', () => {
    // No byte is like its neighbour, so that each takes two: 3,524 bytes are allowed for messages of 2,000.
    const runs = compressed(pattern(2000))
    const bench = new Bench({ limits: { maxMessageSize: 2000, maxStreamSize: 2000 } })
    for (let count = 0; count < 3; count++) {
      bench.begin('binary')
      for (const place of [0, 1000, 2000]) bench.decode(runs.subarray(place, place + 1000), place === 2000)
    }
    bench.expectFacts(...Array(3).fill(['message', pattern(1500)]))
    bench.begin('binary')
    bench.decode(runs.subarray(0, 3524))
    bench.expectFacts()
    bench.decode(runs.subarray(3524, 3525))
    bench.expectFacts(['violation', 'WS_MESSAGE_TOO_BIG', 1009])
  })
})

describe('extensions', () => {
  test('are undone before compression', () => {
    const bench = new Bench({ extensions: [lettered('a', RSV2)] })
    bench.begin('text', RSV1 | RSV2)
    bench.decode(concat(utf8('a'), compressed('Hel')))
    bench.decode(concat(utf8('a'), compressed('lo')), true)
    bench.begin('text', RSV2)
    bench.decode(utf8('aplain'), true)
    bench.begin('text', RSV1)
    bench.decode(compressed('compressed'), true)
    bench.begin('text', 0)
    bench.decode(utf8('as it is'), true)
    bench.expectFacts(
      ['message', 'Hello'],
      ['message', 'plain'],
      ['message', 'compressed'],
      ['message', 'as it is'],
    )
  })

  test('are told where a message begins and ends, and get memory of their own', () => {
    const pieces: MessagePiece[] = []
    const curious: Extension = {
      name: 'x-curious',
      decode(piece) {
        pieces.push(piece)
        return piece.payload
      },
    }
    const bench = new Bench({ extensions: [curious] })
    bench.begin('text', 0)
    bench.decode(hex(''))
    bench.decode(utf8('a'))
    bench.decode(utf8('b'), true)
    bench.begin('binary', 0)
    bench.decode(utf8('c'), true)
    expect(pieces).toEqual([
      { payload: hex(''), isFirst: true, isLast: false, isText: true },
      { payload: utf8('a'), isFirst: false, isLast: false, isText: true },
      { payload: utf8('b'), isFirst: false, isLast: true, isText: true },
      { payload: utf8('c'), isFirst: true, isLast: true, isText: false },
    ])
    bench.expectFacts(['message', 'ab'], ['message', utf8('c')])
  })

  test('that fail are a violation', () => {
    const bench = new Bench({ extensions: [lettered('a', RSV2)] })
    bench.begin('text', RSV2)
    bench.decode(utf8('b'))
    bench.expectFacts(['violation', 'WS_EXTENSION_FAILED', 1007])
    expect(bench.error!.message).toBe('an extension could not decode a message: "x-a": no "a"')
  })

  test('that fail with a ProtocolError choose the close code', () => {
    const strict: Extension = {
      name: 'x-strict',
      decode: () => {
        throw new ProtocolError('WS_MESSAGE_TOO_BIG', 'for me')
      },
    }
    const bench = new Bench({ extensions: [strict] })
    bench.begin('text', 0)
    bench.decode(utf8('b'), true)
    bench.expectFacts(['violation', 'WS_MESSAGE_TOO_BIG', 1009])
  })

  test('that make more than maxMessageSize are refused', () => {
    const bomb: Extension = { name: 'x-bomb', decode: () => new Uint8Array(11) }
    const bench = new Bench({ extensions: [bomb], limits: { maxMessageSize: 10, maxStreamSize: 10 } })
    bench.begin('binary', 0)
    bench.decode(utf8('b'), true)
    bench.expectFacts(['violation', 'WS_MESSAGE_TOO_BIG', 1009])
  })
})

describe('decompressing that takes its time', () => {
  test('is behind until it is done', () => {
    const bench = new Bench({ compression: { when: 'later', portion: 2 } })
    bench.begin('text')
    bench.decode(compressed('Hel'))
    expect(bench.decoder.isBehind).toBe(true)
    bench.expectFacts(['behind'])
    bench.compression.step(1)
    bench.expectFacts()
    bench.compression.step()
    expect(bench.decoder.isBehind).toBe(false)
    bench.expectFacts(['caught up'])
    bench.decode(compressed('lo'), true)
    bench.expectFacts(['behind'])
    bench.compression.step()
    bench.expectFacts(['message', 'Hello'], ['caught up'])
  })

  test('delivers pieces as they come out', () => {
    const bench = new Bench({ compression: { when: 'later', portion: 2 } })
    bench.collector.takePieces()
    bench.whole('Hello')
    bench.compression.step(1)
    bench.expectFacts(['behind'], ['piece', 'He', false])
    bench.compression.step(1)
    bench.expectFacts(['piece', 'll', false])
    bench.compression.step()
    bench.expectFacts(['piece', 'o', true], ['caught up'])
  })

  test('delivers what is there when pieces are asked for meanwhile', () => {
    const bench = new Bench({ compression: { when: 'later', portion: 2 } })
    bench.whole('Hello')
    bench.compression.step(1)
    bench.collector.takePieces()
    bench.decoder.proceed()
    bench.expectFacts(['behind'], ['piece', 'He', false])
    bench.compression.step()
    bench.expectFacts(['piece', 'll', false], ['piece', 'o', true], ['caught up'])
  })

  test('reports a broken message', () => {
    const bench = new Bench({ compression: { when: 'later' } })
    bench.begin('text')
    bench.decode(hex('00 61'), true)
    bench.compression.step()
    bench.expectFacts(['behind'], ['violation', 'WS_BAD_COMPRESSION', 1007])
  })

  test('stops at the first portion that is too much', () => {
    const bench = new Bench({
      compression: { when: 'later', portion: 4 },
      limits: { maxMessageSize: 10, maxStreamSize: 10 },
    })
    bench.begin('binary')
    bench.decode(hex('ff 61'), true)
    bench.compression.step()
    bench.expectFacts(['behind'], ['violation', 'WS_MESSAGE_TOO_BIG', 1009])
    expect(bench.compression.hasWork).toBe(false)
  })

  test('reports nothing once it discards', () => {
    for (const [payload, steps] of [
      [compressed('Hello'), 1],
      [compressed('Hello'), 10],
      [compressed('Hi'), 10],
      [hex('00 61'), 10],
    ] as const) {
      const bench = new Bench({ compression: { when: 'later', portion: 5 } })
      bench.collector.takePieces()
      bench.begin('text')
      bench.decode(payload, true)
      bench.decoder.discard()
      bench.compression.step(steps)
      bench.decoder.proceed()
      bench.compression.step()
      bench.expectFacts(['behind'])
    }
  })

  test('is not resumed once it discards', () => {
    const bench = new Bench({ compression: { portion: 2 } })
    bench.collector.takePieces()
    bench.decoder.pause()
    bench.whole('Hello')
    bench.decoder.discard()
    bench.decoder.resume()
    bench.decoder.proceed()
    bench.expectFacts(['piece', 'He', false], ['behind'])
    expect(bench.compression.resumes).toBe(0)
  })
})

describe.each(['now', 'later'] as const)('a pause of what is decompressed %s', (when) => {
  test('lets a whole message be finished: it is bounded', () => {
    const bench = new Bench({ compression: { when, portion: 2 } })
    bench.decoder.pause()
    bench.whole('Hello')
    bench.compression.step()
    expect(bench.takeFacts()).toContainEqual(['message', 'Hello'])
    expect(bench.decoder.isBehind).toBe(false)
  })

  test('lets no piece come after the one that is under way', () => {
    const bench = new Bench({ compression: { when, portion: 2 } })
    bench.collector.takePieces()
    bench.decoder.pause()
    bench.whole('Hello')
    bench.compression.step()
    expect(bench.takeFacts().filter(([kind]) => kind === 'piece')).toEqual([['piece', 'He', false]])
    expect(bench.decoder.isBehind).toBe(true)
    bench.decoder.proceed()
    bench.compression.step()
    bench.expectFacts()
    bench.decoder.resume()
    bench.expectFacts()
    bench.decoder.proceed()
    bench.compression.step()
    bench.expectFacts(['piece', 'll', false], ['piece', 'o', true], ['caught up'])
    expect(bench.decoder.isBehind).toBe(false)
  })

  test('from inside each piece lets them come one by one', () => {
    const bench = new Bench({ compression: { when, portion: 2 } })
    bench.collector.takePieces()
    bench.reaction = ([kind]) => {
      if (kind === 'piece') bench.decoder.pause()
    }
    bench.whole('abcdef')
    const pieces: Message[] = []
    for (let round = 0; round < 5; round++) {
      bench.compression.step()
      for (const fact of bench.takeFacts()) if (fact[0] === 'piece') pieces.push(fact[1])
      expect(pieces.length).toBe(Math.min(round + 1, 4))
      bench.decoder.resume()
      bench.decoder.proceed()
    }
    expect(pieces).toEqual(['ab', 'cd', 'ef', ''])
    expect(bench.decoder.isBehind).toBe(false)
  })

  test('and a resume from inside a piece changes nothing', () => {
    const bench = new Bench({ compression: { when, portion: 2 } })
    bench.collector.takePieces()
    bench.reaction = ([kind]) => {
      if (kind !== 'piece') return
      bench.decoder.pause()
      bench.decoder.resume()
      bench.decoder.proceed()
    }
    bench.whole('Hello')
    bench.compression.step()
    expect(bench.takeFacts().filter(([kind]) => kind === 'piece')).toEqual([
      ['piece', 'He', false],
      ['piece', 'll', false],
      ['piece', 'o', true],
    ])
    expect(bench.decoder.isBehind).toBe(false)
  })

  test('holds up a message that is dropped too', () => {
    const bench = new Bench({ compression: { when, portion: 2 } })
    bench.collector.takePieces()
    bench.reaction = ([kind]) => {
      if (kind !== 'piece') return
      bench.collector.dropPieces()
      bench.decoder.pause()
    }
    bench.whole('Hello')
    bench.compression.step()
    expect(bench.decoder.isBehind).toBe(true)
    bench.decoder.resume()
    bench.decoder.proceed()
    bench.compression.step()
    expect(bench.decoder.isBehind).toBe(false)
    expect(bench.takeFacts().filter(([kind]) => kind === 'piece')).toEqual([['piece', 'He', false]])
  })

  test('ends a wait when pieces are no longer what is taken: the message is dropped', () => {
    const bench = new Bench({ compression: { when, portion: 2 } })
    bench.collector.takePieces()
    bench.decoder.pause()
    bench.whole('Hello')
    bench.compression.step()
    bench.decoder.resume()
    bench.collector.dropPieces()
    bench.decoder.proceed()
    bench.compression.step()
    expect(bench.takeFacts().at(-1)).toEqual(['caught up'])
    bench.whole('next')
    bench.compression.step()
    expect(bench.takeFacts()).toContainEqual(['message', 'next'])
  })
})

describe.each(['now', 'later'] as const)('a message that is held, decompressed %s', (when) => {
  const limits = { maxMessageSize: 5, maxStreamSize: 100 }

  /** A bench that holds a message, of which more is to come out. */
  function holding(): Bench {
    const bench = new Bench({ compression: { when, portion: 4 }, limits })
    bench.whole('abcdefghijklmn')
    bench.compression.step()
    expect(bench.collector.isHeld).toBe(true)
    expect(bench.decoder.isBehind).toBe(true)
    expect(bench.takeFacts()).toContainEqual(['oversize'])
    // Nothing of it is made that nobody takes.
    bench.decoder.proceed()
    bench.compression.step()
    bench.expectFacts()
    expect(bench.compression.resumes).toBe(0)
    return bench
  }

  test('goes on when it is taken in pieces', () => {
    const bench = holding()
    bench.collector.takePieces()
    bench.decoder.proceed()
    bench.compression.step()
    bench.expectFacts(
      ['piece', 'abcdefgh', false],
      ['piece', 'ijkl', false],
      ['piece', 'mn', true],
      ['caught up'],
    )
  })

  test('goes on when it is dropped', () => {
    const bench = holding()
    bench.collector.dropPieces()
    bench.decoder.proceed()
    bench.compression.step()
    bench.expectFacts(['caught up'])
  })

  test('ends all when it is refused', () => {
    const bench = holding()
    bench.collector.refuseHeld()
    bench.decoder.proceed()
    bench.compression.step()
    bench.expectFacts(['violation', 'WS_MESSAGE_TOO_BIG', 1009])
  })

  test('is behind no longer when its last byte made it too large', () => {
    const bench = new Bench({ compression: { when, portion: 10 }, limits })
    bench.whole('abcdef')
    bench.compression.step()
    expect(bench.takeFacts()).toContainEqual(['oversize'])
    expect(bench.decoder.isBehind).toBe(false)
    expect(bench.collector.isHeld).toBe(true)
    bench.collector.takePieces()
    bench.expectFacts(['piece', 'abcdef', true])
  })

  test('goes on at once when it is taken while it is asked about', () => {
    const bench = new Bench({ compression: { when, portion: 4 }, limits })
    bench.reaction = ([kind]) => {
      if (kind === 'oversize') bench.collector.takePieces()
    }
    bench.whole('abcdefghi')
    bench.compression.step()
    const facts = bench.takeFacts().filter(([kind]) => kind !== 'behind' && kind !== 'caught up')
    expect(facts).toEqual([
      ['oversize'],
      ['piece', 'abcd', false],
      ['piece', 'efgh', false],
      ['piece', 'i', true],
    ])
    expect(bench.decoder.isBehind).toBe(false)
  })
})

test('from inside a message discards: nothing more is reported', () => {
  for (const when of ['now', 'later'] as const) {
    const bench = new Bench({ compression: { when, portion: 2 } })
    bench.collector.takePieces()
    bench.reaction = ([kind]) => {
      if (kind === 'piece') bench.decoder.discard()
    }
    bench.whole('Hello')
    bench.compression.step()
    bench.decoder.resume()
    bench.decoder.proceed()
    bench.compression.step()
    expect(bench.takeFacts().filter(([kind]) => kind !== 'behind')).toEqual([['piece', 'He', false]])
  }
})

test('decoding gives what was encoded, whatever the parts, the portions and the delays', () => {
  const message = fc.record({
    text: anyText(40),
    isCompressed: fc.boolean(),
    places: fc.array(fc.nat(150), { maxLength: 5 }),
    inPieces: fc.boolean(),
  })
  fc.assert(
    fc.property(
      fc.array(message, { maxLength: 5 }),
      fc.integer({ min: 1, max: 20 }),
      fc.array(fc.boolean(), { minLength: 1, maxLength: 10 }),
      fc.boolean(),
      (messages, portion, delays, isExtended) => {
        let call = 0
        const when = (): 'now' | 'later' => (delays[call++ % delays.length] ? 'later' : 'now')
        const bench = new Bench({
          compression: { portion, when },
          ...(isExtended ? { extensions: [lettered('a', RSV2)] } : {}),
        })
        for (const { text, isCompressed, places, inPieces } of messages) {
          const payload = isCompressed ? compressed(text) : utf8(text)
          if (inPieces) bench.collector.takePieces()
          const bits = (isCompressed ? RSV1 : 0) | (isExtended ? RSV2 : 0)
          const isEncoded = bench.begin('text', bits)
          const parts = cutAt(
            payload,
            places.map((place) => Math.min(place, payload.length)),
          )
          for (const [index, part] of parts.entries()) {
            const isEnd = index === parts.length - 1
            if (isEncoded) bench.decode(isExtended ? concat(utf8('a'), part) : part, isEnd)
            else bench.collector.take(part, 0, part.length, false, isEnd)
            while (bench.decoder.isBehind) bench.compression.step(1)
          }
          const told = bench
            .takeFacts()
            .filter(([kind]) => kind !== 'behind' && kind !== 'caught up')
            .map(([kind, piece]) => ({ kind, piece }))
          expect(told.every(({ kind }) => kind === (inPieces ? 'piece' : 'message'))).toBe(true)
          expect(told.map(({ piece }) => piece).join('')).toBe(
            new TextDecoder('utf-8', { ignoreBOM: true }).decode(utf8(text)),
          )
        }
      },
    ),
    { numRuns: 300 },
  )
})
