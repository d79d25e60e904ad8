import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import type { ProtocolError } from '../../src/errors.ts'
import type { Limits } from '../../src/protocol/limits.ts'
import type { Message } from '../../src/protocol/message.ts'
import { MessageCollector } from '../../src/protocol/message-collector.ts'
import { type Platform, portablePlatform } from '../../src/protocol/platform.ts'
import { anyText, concat, cutAt, hex, pattern, utf8 } from '../support/bytes.ts'
import { countingPlatform, limitsOf, POISON, poisonedPlatform } from '../support/protocol-pair.ts'

/** What a collector tells. */
type Fact =
  | readonly ['message', Message]
  | readonly ['piece', Message, boolean]
  | readonly ['oversize']
  | readonly ['violation', string, number]

/** A collector, and what it found. */
class Bench {
  readonly collector: MessageCollector
  /** What `onOversize` answers. */
  holdsOversize = true
  /** What is done in reaction. */
  reaction: ((fact: Fact) => void) | undefined
  #facts: Fact[] = []
  #announced = 0
  /** The error that was reported last. */
  error: ProtocolError | undefined

  constructor(options: { platform?: Platform; limits?: Partial<Limits> } = {}) {
    this.collector = new MessageCollector(
      options.platform ?? portablePlatform,
      limitsOf({ maxStreamSize: 4 * 1024 * 1024, ...options.limits }),
      {
        onMessage: (message) => this.#tell(['message', message]),
        onPiece: (piece, isEnd) => this.#tell(['piece', piece, isEnd]),
        onOversize: () => {
          this.#tell(['oversize'])
          return this.holdsOversize
        },
        onViolation: (error) => {
          this.error = error
          this.#tell(['violation', error.code, error.closeCode])
        },
      },
    )
  }

  /** Begin a message that comes as it is. */
  begin(kind: 'text' | 'binary'): this {
    this.collector.begin(kind === 'text', true)
    this.#announced = 0
    return this
  }

  /** Begin a message that extensions have changed. */
  beginEncoded(kind: 'text' | 'binary'): this {
    this.collector.begin(kind === 'text', false)
    return this
  }

  /** Hear of a frame of this size; false when it was refused. */
  announce(size: number): boolean {
    this.#announced += size
    return this.collector.announce(this.#announced)
  }

  /** Take bytes of the frame that was announced. */
  take(part: Uint8Array | string, isEnd = false): this {
    const bytes = toBytes(part)
    const memory = surrounded(bytes)
    const ascii = bytes.every((byte) => byte < 0x80)
    this.collector.take(memory, 3, 3 + bytes.length, ascii, isEnd)
    memory.fill(POISON)
    return this
  }

  /** Take a frame that comes in one part, unless a violation was reported. */
  frame(payload: Uint8Array | string, isEnd = false): this {
    const bytes = toBytes(payload)
    if (this.error === undefined && this.announce(bytes.length)) this.take(bytes, isEnd)
    return this
  }

  /** Take a message in frames of these payloads. */
  whole(kind: 'text' | 'binary', ...payloads: readonly (Uint8Array | string)[]): this {
    this.begin(kind)
    for (const [index, payload] of payloads.entries()) this.frame(payload, index === payloads.length - 1)
    return this
  }

  /** Take a part that came out of extensions; false when it was refused. */
  decoded(part: Uint8Array | string, isEnd = false): boolean {
    const bytes = toBytes(part)
    const memory = surrounded(bytes)
    const isTaken = this.collector.takeDecoded(memory, 3, 3 + bytes.length, isEnd)
    memory.fill(POISON)
    return isTaken
  }

  expectFacts(...facts: readonly Fact[]): void {
    const told = this.#facts
    this.#facts = []
    expect(told).toEqual(facts)
  }

  expectMessages(...messages: readonly Message[]): void {
    this.expectFacts(...messages.map((message) => ['message', message] as const))
  }

  expectViolation(code: string, closeCode: number, message?: string): void {
    this.expectFacts(['violation', code, closeCode])
    if (message !== undefined) expect(this.error!.message).toBe(message)
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

function toBytes(part: Uint8Array | string): Uint8Array {
  return typeof part === 'string' ? utf8(part) : part
}

/** Put bytes in the middle of others, as they lie in a kernel's memory. */
function surrounded(bytes: Uint8Array): Uint8Array {
  return concat(hex('ff ff ff'), bytes, hex('ff'))
}

describe('whole messages', () => {
  test('are joined from their frames', () => {
    const bench = new Bench({ platform: poisonedPlatform })
    bench.whole('text', 'Hello').whole('text', 'Hel', 'lo').whole('text', 'H', 'ä', '', 'ß')
    bench.whole('binary', hex('00 ff')).whole('binary', hex('00'), hex('ff'), hex(''))
    bench.expectMessages('Hello', 'Hello', 'Häß', hex('00 ff'), hex('00 ff'))
  })

  test('are joined from frames of which any are empty', () => {
    for (const first of ['', 'a']) {
      for (const middle of ['', 'b']) {
        for (const last of ['', 'c']) {
          const bench = new Bench({ platform: poisonedPlatform })
          bench.whole('text', first, middle, last).whole('binary', first, middle, last)
          bench.expectMessages(first + middle + last, utf8(first + middle + last))
        }
      }
    }
  })

  test('are joined from the parts of a frame', () => {
    const bench = new Bench()
    bench.begin('text').announce(5)
    bench.take('He').take('l').take('lo', true)
    bench.begin('binary').announce(1000)
    bench.take(pattern(1000).slice(0, 400)).take(pattern(1000).slice(400), true)
    bench.expectMessages('Hello', pattern(1000))
  })

  test('are joined from text of which only some parts are ASCII', () => {
    const bench = new Bench()
    const long = 'x'.repeat(50)
    for (const parts of [
      ['plain', 'ä', 'plain'],
      ['ä', 'plain', ''],
      ['plain', 'plain', 'ä'],
      [long, `${long}€`, long],
    ]) {
      bench.whole('text', ...parts)
      bench.expectMessages(parts.join(''))
    }
  })

  test('have memory that is theirs alone', () => {
    const bench = new Bench({ platform: poisonedPlatform })
    bench.whole('binary', hex('01 02')).whole('binary', hex('03'), hex('04'))
    const messages = bench.takeFacts().map(([, message]) => message as Uint8Array)
    for (const message of messages) {
      expect(message.byteOffset).toBe(0)
      expect(message.buffer.byteLength).toBe(2)
    }
    bench.whole('binary', hex('05'), hex('06'))
    expect(messages).toEqual([hex('01 02'), hex('03 04')])
    bench.expectMessages(hex('05 06'))
  })

  test('are collected: the collector says so while nobody takes pieces', () => {
    const { collector } = new Bench()
    expect(collector.isCollecting).toBe(true)
    expect(collector.isHeld).toBe(false)
    collector.takePieces()
    expect(collector.isCollecting).toBe(false)
    expect(collector.takesWhole(0)).toBe(false)
    collector.dropPieces()
    expect(collector.isCollecting).toBe(true)
    expect(collector.takesWhole(0)).toBe(true)
  })
})

describe('UTF-8', () => {
  test.each(['c3 28', 'ed a0 80', 'f4 90 80 80', 'c0 80', 'ff', 'e2 82'])(
    'refuses %s in a message in one part, in frames and out of extensions',
    (literal) => {
      const bytes = concat(utf8('abc'), hex(literal))
      const bench = new Bench()
      bench.whole('text', bytes)
      bench.expectViolation('WS_BAD_UTF8', 1007, 'text is not valid UTF-8')
      const framed = new Bench()
      framed.whole('text', utf8('abc'), hex(literal), '')
      framed.expectViolation('WS_BAD_UTF8', 1007)
      const decoded = new Bench()
      decoded.beginEncoded('text').decoded(bytes, true)
      decoded.expectViolation('WS_BAD_UTF8', 1007)
    },
  )

  test('refuses the first bad byte in the middle of a frame', () => {
    const bench = new Bench()
    bench.begin('text').announce(1000)
    bench.take(hex('41 c3'))
    bench.expectFacts()
    bench.take(hex('28'))
    bench.expectViolation('WS_BAD_UTF8', 1007)
  })

  test('refuses the first bad byte at the beginning of a frame', () => {
    const bench = new Bench()
    bench.begin('text').frame(hex('41 e1 80'))
    bench.expectFacts()
    bench.frame(hex('41'))
    bench.expectViolation('WS_BAD_UTF8', 1007)
  })

  test('refuses a last character that is cut by the end of the message', () => {
    for (const cut of ['c3', 'e2 82', 'f0 9d 84']) {
      const bench = new Bench()
      bench.begin('text').frame(hex(cut))
      bench.expectFacts()
      bench.frame('', true)
      bench.expectViolation('WS_BAD_UTF8', 1007)
    }
  })

  test('takes a character cut at every position, by parts and by frames', () => {
    for (const character of ['ä', '€', '𝄞', '\u{10ffff}', '\ufeff']) {
      const bytes = utf8(`${'x'.repeat(40)}${character}${'y'.repeat(40)}`)
      const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
      for (let place = 40; place <= bytes.length - 40; place++) {
        const bench = new Bench()
        bench.begin('text').announce(bytes.length)
        bench.take(bytes.slice(0, place)).take(bytes.slice(place), true)
        bench.whole('text', bytes.slice(0, place), bytes.slice(place))
        bench.expectMessages(text, text)
      }
    }
  })

  test('forgets the validation of one message before the next', () => {
    const bench = new Bench()
    for (let count = 0; count < 2; count++) {
      bench.whole('text', hex('e2 82'), hex('ac')).whole('text', 'a', 'b')
    }
    bench.expectMessages('€', 'ab', '€', 'ab')
  })

  test('does not look at binary messages', () => {
    const bench = new Bench()
    bench.whole('binary', hex('ff'), hex('c3'))
    bench.expectMessages(hex('ff c3'))
  })
})

describe('messages out of extensions', () => {
  test('are collected', () => {
    const bench = new Bench({ platform: poisonedPlatform })
    bench.beginEncoded('text')
    expect(bench.decoded('H')).toBe(true)
    expect(bench.decoded('')).toBe(true)
    bench.decoded('ä')
    bench.expectFacts()
    bench.decoded('', true)
    bench.beginEncoded('text').decoded('one', true)
    bench.beginEncoded('binary').decoded(hex('01'))
    bench.decoded(hex('02'), true)
    bench.beginEncoded('text').decoded('', true)
    bench.expectMessages('Hä', 'one', hex('01 02'), '')
  })

  test('may end within characters where their parts end', () => {
    for (const place of [1, 2, 3]) {
      const bench = new Bench()
      bench.beginEncoded('text').decoded(utf8('𝄞').slice(0, place))
      bench.decoded(utf8('𝄞').slice(place), true)
      bench.expectMessages('𝄞')
    }
  })

  test('are validated when they are whole', () => {
    const bench = new Bench()
    bench.beginEncoded('text').decoded(hex('ff'))
    bench.expectFacts()
    bench.decoded('', true)
    bench.expectViolation('WS_BAD_UTF8', 1007)
  })

  test('come between messages as they are', () => {
    const bench = new Bench()
    bench.whole('text', 'a', 'ä')
    bench.beginEncoded('text').decoded('b')
    bench.decoded('ä', true)
    bench.whole('text', 'c', 'd')
    bench.expectMessages('aä', 'bä', 'cd')
  })

  test('above maxMessageSize are refused as soon as they are', () => {
    const bench = new Bench({ limits: { maxMessageSize: 5, maxStreamSize: 5 } })
    bench.beginEncoded('text').decoded('Hello', true)
    bench.expectMessages('Hello')
    bench.beginEncoded('text').decoded('Hel')
    expect(bench.decoded('lo!')).toBe(false)
    bench.expectViolation(
      'WS_MESSAGE_TOO_BIG',
      1009,
      'a message is larger than the limit: 6 bytes, while maxMessageSize is 5',
    )
  })
})

describe('limits', () => {
  test('a message of maxMessageSize is taken, and one byte more is refused when it is announced', () => {
    const bench = new Bench({ limits: { maxMessageSize: 5, maxStreamSize: 5 } })
    expect(bench.collector.takesWhole(5)).toBe(true)
    expect(bench.collector.takesWhole(6)).toBe(false)
    bench.whole('text', 'Hello')
    bench.expectMessages('Hello')
    expect(bench.begin('text').announce(6)).toBe(false)
    bench.expectViolation(
      'WS_MESSAGE_TOO_BIG',
      1009,
      'a message is larger than the limit: 6 bytes, while maxMessageSize is 5',
    )
  })

  test('CVE-2026-9675: the size counts over all frames of a message, and anew for each message', () => {
    const bench = new Bench({ limits: { maxMessageSize: 5, maxStreamSize: 5 } })
    bench.whole('text', 'Hel', 'lo').whole('text', 'Hel', 'lo')
    bench.expectMessages('Hello', 'Hello')
    bench.begin('text').frame('Hel').frame('lo').frame('')
    bench.expectFacts()
    expect(bench.announce(1)).toBe(false)
    bench.expectViolation('WS_MESSAGE_TOO_BIG', 1009)
  })

  test('nobody is asked about a message above maxStreamSize', () => {
    const bench = new Bench({ limits: { maxMessageSize: 5, maxStreamSize: 8 } })
    expect(bench.begin('binary').announce(9)).toBe(false)
    bench.expectViolation(
      'WS_MESSAGE_TOO_BIG',
      1009,
      'a message is larger than the limit: 9 bytes, while maxMessageSize is 5',
    )
  })

  test('memory is proportional to what came, whatever was announced', () => {
    const platform = countingPlatform()
    const bench = new Bench({ platform, limits: { maxMessageSize: 1e9 } })
    bench.begin('binary').announce(1e9)
    expect(platform.allocated).toBe(0)
    bench.take(pattern(1000))
    expect(platform.largest).toBe(4000)
  })

  test('CVE-2026-48779: memory is proportional to the bytes in tiny frames', () => {
    const platform = countingPlatform()
    const bench = new Bench({ platform })
    bench.begin('binary')
    for (let count = 1; count < 10_000; count++) bench.frame(hex('01'))
    expect(platform.largest).toBeLessThanOrEqual(4 * 10_000)
    expect(platform.allocated).toBeLessThanOrEqual(8 * 10_000)
    bench.frame(hex('01'), true)
    bench.expectMessages(new Uint8Array(10_000).fill(1))
  })
})

describe('pieces', () => {
  test('are delivered of the next message when they were asked for before it', () => {
    const bench = new Bench()
    bench.collector.takePieces()
    bench.begin('binary').announce(3)
    bench.take(hex('01'))
    bench.expectFacts(['piece', hex('01'), false])
    bench.take(hex('02 03'))
    bench.frame(hex('04'), true)
    bench.expectFacts(['piece', hex('02 03'), false], ['piece', hex('04'), true])
  })

  test('are delivered of the message that is coming, what is there of it first', () => {
    const bench = new Bench()
    bench.begin('text').frame('He').frame('l')
    bench.collector.takePieces()
    bench.expectFacts(['piece', 'Hel', false])
    bench.frame('lo', true)
    bench.expectFacts(['piece', 'lo', true])
  })

  test('are delivered of a message of which nothing is there', () => {
    const bench = new Bench()
    bench.whole('text', 'a', 'b')
    bench.begin('text').announce(5)
    bench.collector.takePieces()
    bench.expectMessages('ab')
    bench.take('Hello', true)
    bench.expectFacts(['piece', 'Hello', true])
  })

  test('are delivered of one message: the next is whole again', () => {
    const bench = new Bench()
    bench.collector.takePieces()
    bench.whole('text', 'a', 'b').whole('text', 'c', 'd')
    bench.expectFacts(['piece', 'a', false], ['piece', 'b', true], ['message', 'cd'])
    bench.collector.takePieces()
    bench.whole('text', 'e')
    bench.expectFacts(['piece', 'e', true])
  })

  test('are delivered of all messages when that was asked for, also after one that was dropped', () => {
    const bench = new Bench()
    bench.collector.takeAllInPieces()
    bench.whole('text', 'a', 'b').whole('binary', hex('01'))
    bench.expectFacts(['piece', 'a', false], ['piece', 'b', true], ['piece', hex('01'), true])
    bench.begin('text').frame('c')
    bench.collector.dropPieces()
    bench.frame('d', true)
    bench.expectFacts(['piece', 'c', false])
    bench.whole('text', 'e')
    bench.expectFacts(['piece', 'e', true])
  })

  test('are asked for twice: that changes nothing', () => {
    const bench = new Bench()
    bench.collector.takePieces()
    bench.collector.takePieces()
    bench.begin('text').frame('a')
    bench.collector.takePieces()
    bench.frame('b', true)
    bench.whole('text', 'c')
    bench.expectFacts(['piece', 'a', false], ['piece', 'b', true], ['message', 'c'])
  })

  test('are never empty, but for the last one, which always comes', () => {
    const bench = new Bench()
    for (const kind of ['text', 'binary'] as const) {
      const [a, nothing] = kind === 'text' ? ['a', ''] : [hex('61'), hex('')]
      bench.collector.takePieces()
      bench.whole(kind, '', 'a', '', '')
      bench.expectFacts(['piece', a, false], ['piece', nothing, true])
      bench.collector.takePieces()
      bench.whole(kind, '')
      bench.expectFacts(['piece', nothing, true])
    }
  })

  test('of text end where characters do', () => {
    const bytes = utf8('aä€𝄞z')
    for (let place = 0; place <= bytes.length; place++) {
      for (const encoded of [false, true]) {
        const bench = new Bench()
        bench.collector.takePieces()
        for (const [index, part] of cutAt(bytes, [place]).entries()) {
          if (encoded) {
            if (index === 0) bench.beginEncoded('text')
            bench.decoded(part, index === 1)
          } else {
            if (index === 0) bench.begin('text')
            bench.frame(part, index === 1)
          }
        }
        const facts = bench.takeFacts()
        expect(facts.map(([, piece]) => piece).join('')).toBe('aä€𝄞z')
        expect(facts.at(-1)![2]).toBe(true)
      }
    }
  })

  test('of text that was validated in part are decoded from its beginning', () => {
    // What was collected ends within a character, and so does each piece after it.
    const bench = new Bench()
    bench.begin('text').frame('ä').frame(hex('f0 9d'))
    bench.collector.takePieces()
    bench.expectFacts(['piece', 'ä', false])
    bench.frame(hex('84')).frame(hex('9e c3'))
    bench.expectFacts(['piece', '𝄞', false])
    bench.frame(hex('9f'), true)
    bench.expectFacts(['piece', 'ß', true])
    bench.whole('text', hex('c3'), hex('9f'))
    bench.expectMessages('ß')
  })

  test('of text that is no UTF-8 are refused', () => {
    for (const [first, second] of [
      ['ff', '41'],
      ['41 ff 41', '41'],
      ['e2 82', '41'],
    ] as const) {
      const bench = new Bench()
      bench.collector.takePieces()
      bench.begin('text').frame(hex(first)).frame(hex(second))
      expect(bench.takeFacts().at(-1)).toEqual(['violation', 'WS_BAD_UTF8', 1007])
    }
  })

  test('of text that ends within a character are refused', () => {
    const bench = new Bench()
    bench.collector.takePieces()
    bench.whole('text', 'a', hex('e2 82'))
    bench.expectFacts(['piece', 'a', false], ['violation', 'WS_BAD_UTF8', 1007])
  })

  test('have memory of their own', () => {
    const bench = new Bench()
    bench.collector.takePieces()
    bench.begin('binary').frame(hex('01')).frame(hex('02'), true)
    bench.expectFacts(['piece', hex('01'), false], ['piece', hex('02'), true])
  })

  test('go on to maxStreamSize and no further', () => {
    const bench = new Bench({ limits: { maxMessageSize: 2, maxStreamSize: 5 } })
    bench.collector.takePieces()
    bench.begin('binary').frame(hex('01 02 03')).frame(hex('04 05'))
    bench.expectFacts(['piece', hex('01 02 03'), false], ['piece', hex('04 05'), false])
    expect(bench.announce(1)).toBe(false)
    bench.expectViolation(
      'WS_MESSAGE_TOO_BIG',
      1009,
      'a message is larger than the limit: 6 bytes, while maxStreamSize is 5',
    )
    const other = new Bench({ limits: { maxMessageSize: 2, maxStreamSize: 5 } })
    other.collector.takePieces()
    expect(other.beginEncoded('binary').decoded(hex('01 02 03 04 05'))).toBe(true)
    expect(other.decoded(hex('06'))).toBe(false)
    other.expectFacts(['piece', hex('01 02 03 04 05'), false], ['violation', 'WS_MESSAGE_TOO_BIG', 1009])
  })

  test('leave no memory in use', () => {
    const platform = countingPlatform()
    const bench = new Bench({ platform })
    bench.collector.takePieces()
    bench.begin('binary')
    for (let count = 0; count < 1000; count++) bench.frame(pattern(100))
    expect(platform.allocated).toBe(0)
  })
})

describe('dropping', () => {
  test('forgets the rest of the message, and collects the next', () => {
    const bench = new Bench()
    bench.collector.takePieces()
    bench.begin('text').frame('a')
    bench.collector.dropPieces()
    bench.frame('b').frame(hex('ff')).frame('c', true)
    bench.whole('text', 'd', 'e')
    bench.expectFacts(['piece', 'a', false], ['message', 'de'])
  })

  test('forgets a message of which nothing was delivered', () => {
    const bench = new Bench()
    bench.collector.takePieces()
    bench.begin('text')
    bench.collector.dropPieces()
    bench.frame('a', true)
    bench.whole('text', 'b')
    bench.expectMessages('b')
  })

  test('takes the wish for pieces back when no message is coming', () => {
    const bench = new Bench()
    bench.collector.takePieces()
    bench.collector.dropPieces()
    bench.whole('text', 'a')
    bench.expectMessages('a')
  })

  test('takes the wish for pieces back after messages of any kind', () => {
    const bench = new Bench()
    for (const before of [
      () => bench.whole('text', 'a'),
      () => bench.whole('text', 'a', 'b'),
      () => bench.beginEncoded('text').decoded('a', true),
    ]) {
      before()
      bench.takeFacts()
      bench.collector.takePieces()
      bench.collector.dropPieces()
      bench.whole('text', 'c')
      bench.expectMessages('c')
    }
  })

  test('changes nothing after the last piece', () => {
    const bench = new Bench()
    bench.collector.takePieces()
    bench.whole('text', 'a')
    bench.collector.dropPieces()
    bench.whole('text', 'b')
    bench.expectFacts(['piece', 'a', true], ['message', 'b'])
  })

  test('changes nothing about a message that nobody takes in pieces', () => {
    const bench = new Bench()
    bench.begin('text').frame('a')
    bench.collector.dropPieces()
    bench.frame('b', true)
    bench.whole('text', 'c', 'd')
    bench.expectMessages('ab', 'cd')
  })

  test('forgets the character that was cut', () => {
    const bench = new Bench()
    bench.collector.takePieces()
    bench.begin('text').frame(hex('61 e2 82'))
    bench.collector.dropPieces()
    bench.frame(hex('ac'), true)
    bench.collector.takePieces()
    bench.whole('text', 'b')
    bench.expectFacts(['piece', 'a', false], ['piece', 'b', true])
  })

  test('and taking again is about the next message, not the rest of the one that was dropped', () => {
    for (const times of [1, 2]) {
      const bench = new Bench()
      bench.collector.takePieces()
      bench.begin('text').frame(hex('61 e2 82'))
      bench.collector.dropPieces()
      for (let time = 0; time < times; time++) bench.collector.takePieces()
      expect(bench.collector.isCollecting).toBe(false)
      bench.frame(hex('ac')).frame('b', true)
      bench.whole('text', 'c', 'd').whole('text', 'e')
      bench.expectFacts(['piece', 'a', false], ['piece', 'c', false], ['piece', 'd', true], ['message', 'e'])
    }
  })

  test('and taking again can be taken back', () => {
    const bench = new Bench()
    bench.collector.takePieces()
    bench.begin('text').frame('a')
    bench.collector.dropPieces()
    bench.collector.takePieces()
    bench.collector.dropPieces()
    bench.frame('b', true)
    bench.whole('text', 'c')
    bench.expectFacts(['piece', 'a', false], ['message', 'c'])
  })

  test('holds maxStreamSize all the same', () => {
    const bench = new Bench({ limits: { maxMessageSize: 2, maxStreamSize: 5 } })
    bench.collector.takePieces()
    bench.begin('text').frame('abc')
    bench.collector.dropPieces()
    bench.frame('de')
    expect(bench.announce(1)).toBe(false)
    bench.expectFacts(['piece', 'abc', false], ['violation', 'WS_MESSAGE_TOO_BIG', 1009])
  })
})

describe('a message that is held', () => {
  const limits = { maxMessageSize: 5, maxStreamSize: 10 }

  /** A bench that holds a message of 8 bytes, of which this much came. */
  function holding(kind: 'text' | 'binary', came: string, isEnd = false): Bench {
    const bench = new Bench({ limits, platform: poisonedPlatform })
    expect(bench.begin(kind).announce(8)).toBe(true)
    bench.expectFacts(['oversize'])
    expect(bench.collector.isHeld).toBe(true)
    if (came !== '' || isEnd) bench.take(came, isEnd)
    bench.expectFacts()
    return bench
  }

  test('is refused when nobody wants to take it in pieces', () => {
    const bench = new Bench({ limits })
    bench.holdsOversize = false
    expect(bench.begin('text').announce(6)).toBe(false)
    bench.expectFacts(['oversize'], ['violation', 'WS_MESSAGE_TOO_BIG', 1009])
    expect(bench.error!.message).toBe(
      'a message is larger than the limit: 6 bytes, while maxMessageSize is 5',
    )
    expect(bench.collector.isHeld).toBe(false)
  })

  test('is asked about once', () => {
    const bench = new Bench({ limits })
    bench.begin('binary').frame(hex('01 02 03 04 05 06')).frame(hex('07'))
    bench.expectFacts(['oversize'])
    bench.beginEncoded('binary')
    bench.collector.takePieces()
    bench.collector.dropPieces()
    bench.decoded('', true)
    bench.takeFacts()
    bench.beginEncoded('binary').decoded(hex('01 02 03 04 05 06'))
    bench.decoded(hex('07'))
    bench.expectFacts(['oversize'])
  })

  test.each(['', 'abc', 'abcdefgh'])('is taken in pieces, of which "%s" came before', (came) => {
    for (const kind of ['text', 'binary'] as const) {
      const as = (text: string): Message => (kind === 'text' ? text : utf8(text))
      const bench = holding(kind, came)
      bench.collector.takePieces()
      expect(bench.collector.isHeld).toBe(false)
      if (came === '') bench.expectFacts()
      else bench.expectFacts(['piece', as(came), false])
      bench.take('abcdefgh'.slice(came.length), true)
      bench.expectFacts(['piece', as('abcdefgh'.slice(came.length)), true])
      bench.whole(kind, 'a', 'b')
      bench.expectMessages(as('ab'))
    }
  })

  test('is taken in one piece when it is whole', () => {
    const bench = holding('text', 'abcdefgh', true)
    bench.collector.takePieces()
    bench.expectFacts(['piece', 'abcdefgh', true])
    expect(bench.collector.isHeld).toBe(false)
    expect(bench.collector.isCollecting).toBe(true)
    bench.whole('text', 'b')
    bench.expectMessages('b')
  })

  test('is taken in pieces when it is whole but for the end of a character: refused', () => {
    const bench = new Bench({ limits })
    bench.whole('text', 'abcd', hex('61 62 e2 82'))
    bench.expectFacts(['oversize'])
    bench.collector.takePieces()
    bench.expectViolation('WS_BAD_UTF8', 1007)
  })

  test('is validated while it comes', () => {
    const bench = new Bench({ limits })
    bench.begin('text').frame(concat(utf8('abcdef'), hex('ff')))
    bench.expectFacts(['oversize'], ['violation', 'WS_BAD_UTF8', 1007])
  })

  test('is dropped', () => {
    for (const came of ['', 'abc']) {
      const bench = holding('text', came)
      bench.collector.dropPieces()
      expect(bench.collector.isHeld).toBe(false)
      bench.take('abcdefgh'.slice(came.length), true)
      bench.whole('text', 'c', 'ä')
      bench.expectMessages('cä')
    }
  })

  test('is dropped when it is whole', () => {
    const bench = holding('text', 'abcdefgh', true)
    bench.collector.dropPieces()
    expect(bench.collector.isHeld).toBe(false)
    bench.whole('text', 'c', 'd')
    bench.expectMessages('cd')
  })

  test('is dropped with a character that was cut', () => {
    const bench = new Bench({ limits })
    bench.begin('text').frame(concat(utf8('abcdef'), hex('e2 82')))
    bench.expectFacts(['oversize'])
    bench.collector.dropPieces()
    bench.frame('', true)
    bench.whole('text', 'a', 'ä')
    bench.expectMessages('aä')
  })

  test('is refused', () => {
    const bench = holding('binary', 'abc')
    bench.collector.refuseHeld()
    bench.expectViolation(
      'WS_MESSAGE_TOO_BIG',
      1009,
      'a message is larger than the limit: 8 bytes, while maxMessageSize is 5',
    )
  })

  test('is not refused when it is none', () => {
    const bench = new Bench({ limits })
    bench.collector.refuseHeld()
    bench.begin('text').frame('a')
    bench.collector.refuseHeld()
    bench.frame('b', true)
    bench.collector.takePieces()
    bench.begin('text').frame('abcdef')
    bench.collector.refuseHeld()
    bench.expectFacts(['message', 'ab'], ['piece', 'abcdef', false])
  })

  test('is refused above maxStreamSize, with more of it', () => {
    const bench = holding('binary', 'abcdefgh')
    expect(bench.announce(3)).toBe(false)
    bench.expectViolation('WS_MESSAGE_TOO_BIG', 1009)
  })

  test('is held because of what extensions make of it', () => {
    const bench = new Bench({ limits })
    bench.beginEncoded('text')
    expect(bench.decoded('abc')).toBe(true)
    expect(bench.decoded('def')).toBe(true)
    bench.expectFacts(['oversize'])
    expect(bench.collector.isHeld).toBe(true)
    bench.collector.takePieces()
    bench.expectFacts(['piece', 'abcdef', false])
    bench.decoded('gh', true)
    bench.expectFacts(['piece', 'gh', true])
  })

  test('is held because of the last bytes that extensions make of it', () => {
    const bench = new Bench({ limits })
    bench.beginEncoded('binary')
    expect(bench.decoded('abcdef', true)).toBe(true)
    bench.expectFacts(['oversize'])
    bench.collector.takePieces()
    bench.expectFacts(['piece', utf8('abcdef'), true])
    bench.whole('text', 'a')
    bench.expectMessages('a')
  })

  test('needs no more memory than what came of it', () => {
    const platform = countingPlatform()
    const bench = new Bench({ platform, limits: { maxMessageSize: 5, maxStreamSize: 1e9 } })
    bench.begin('binary').announce(1e9)
    bench.take(pattern(1000))
    expect(platform.largest).toBeLessThanOrEqual(4000)
  })
})

describe('from inside its own callbacks', () => {
  const limits = { maxMessageSize: 5, maxStreamSize: 10 }

  test('takes pieces of the message that is too large, while it is asked about it', () => {
    const bench = new Bench({ limits })
    bench.reaction = ([kind]) => {
      if (kind === 'oversize') bench.collector.takePieces()
    }
    bench.begin('text').frame('abc').frame('def')
    expect(bench.collector.isHeld).toBe(false)
    bench.expectFacts(['oversize'], ['piece', 'abc', false], ['piece', 'def', false])
    bench.frame('g', true)
    bench.expectFacts(['piece', 'g', true])
  })

  test('drops the message that is too large, while it is asked about it', () => {
    const bench = new Bench({ limits })
    bench.reaction = ([kind]) => {
      if (kind === 'oversize') bench.collector.dropPieces()
    }
    bench.begin('text').frame('abc').frame('def')
    expect(bench.collector.isHeld).toBe(false)
    bench.frame('g', true)
    bench.whole('text', 'h')
    bench.expectFacts(['oversize'], ['message', 'h'])
  })

  test('takes the next message in pieces, from inside the last one', () => {
    const bench = new Bench()
    bench.reaction = ([, , isEnd]) => {
      if (isEnd !== false) bench.collector.takePieces()
    }
    bench.whole('text', 'a').whole('text', 'b', 'c').whole('text', 'd')
    bench.reaction = undefined
    bench.whole('text', 'e').whole('text', 'f')
    bench.expectFacts(
      ['message', 'a'],
      ['piece', 'b', false],
      ['piece', 'c', true],
      ['piece', 'd', true],
      ['piece', 'e', true],
      ['message', 'f'],
    )
  })

  test('takes the next message in pieces, from inside one that was collected', () => {
    const bench = new Bench()
    bench.reaction = ([kind]) => {
      if (kind === 'message') bench.collector.takePieces()
    }
    bench.whole('text', 'a', 'b').whole('text', 'c', 'd')
    bench.beginEncoded('text').decoded('e')
    bench.decoded('f', true)
    bench.whole('text', 'g')
    bench.expectFacts(
      ['message', 'ab'],
      ['piece', 'c', false],
      ['piece', 'd', true],
      ['message', 'ef'],
      ['piece', 'g', true],
    )
  })

  test('drops the rest from inside a piece', () => {
    const bench = new Bench()
    bench.collector.takePieces()
    bench.reaction = ([kind]) => {
      if (kind === 'piece') bench.collector.dropPieces()
    }
    bench.whole('text', 'a', 'b', 'c').whole('text', 'd')
    bench.expectFacts(['piece', 'a', false], ['message', 'd'])
  })

  test('drops the rest from inside the piece that was there before', () => {
    const bench = new Bench({ limits })
    bench.reaction = ([kind]) => {
      if (kind === 'piece') bench.collector.dropPieces()
    }
    bench.begin('text').frame('abc').frame('def')
    bench.collector.takePieces()
    bench.frame('g', true)
    bench.whole('text', 'h')
    bench.expectFacts(['oversize'], ['piece', 'abcdef', false], ['message', 'h'])
  })

  test('drops the rest and takes the next, from inside a piece', () => {
    const bench = new Bench()
    bench.collector.takePieces()
    bench.reaction = ([kind, piece]) => {
      if (kind !== 'piece' || piece !== 'a') return
      bench.collector.dropPieces()
      bench.collector.takePieces()
    }
    bench.whole('text', 'a', 'b').whole('text', 'c').whole('text', 'd')
    bench.expectFacts(['piece', 'a', false], ['piece', 'c', true], ['message', 'd'])
  })
})

test('messages in any parts come whole or in pieces, each as it was sent, whatever is asked when', () => {
  // The model knows the bytes of a message that came, and what was asked for since it began.
  const limits = { maxMessageSize: 30, maxStreamSize: 200 }
  const message = fc.record({
    kind: fc.constantFrom('text' as const, 'binary' as const),
    isEncoded: fc.boolean(),
    text: anyText(25),
    places: fc.array(fc.nat(80), { maxLength: 5 }),
    verbs: fc.array(fc.constantFrom('take', 'drop', '', ''), { minLength: 7, maxLength: 7 }),
  })
  fc.assert(
    fc.property(fc.array(message, { maxLength: 6 }), (messages) => {
      const bench = new Bench({ limits, platform: poisonedPlatform })
      let next: 'collect' | 'pieces' = 'collect'
      for (const { kind, isEncoded, text, places, verbs } of messages) {
        const bytes = utf8(text)
        const parts = cutAt(
          bytes,
          places.map((place) => Math.min(place, bytes.length)),
        )
        let mode = next as 'collect' | 'pieces' | 'drop'
        next = 'collect'
        let size = 0
        const pieces: Message[] = []
        let whole: Message | undefined
        const collect = (): void => {
          for (const fact of bench.takeFacts()) {
            if (fact[0] === 'piece') {
              expect(mode).toBe('pieces')
              pieces.push(fact[1])
              if (fact[2]) mode = 'drop'
            } else if (fact[0] === 'message') {
              expect(mode).toBe('collect')
              whole = fact[1]
            } else {
              expect(fact).toEqual(['oversize'])
              expect(size).toBeGreaterThan(limits.maxMessageSize)
            }
          }
        }
        const ask = (verb: string): void => {
          const { isHeld } = bench.collector
          if (verb === 'take') {
            if (mode === 'drop') next = 'pieces'
            else mode = 'pieces'
            bench.collector.takePieces()
          } else if (verb === 'drop') {
            if (mode === 'drop') next = 'collect'
            else if (mode === 'pieces' || isHeld) mode = 'drop'
            bench.collector.dropPieces()
          }
          collect()
        }

        if (isEncoded) bench.beginEncoded(kind)
        else bench.begin(kind)
        let dropped = false
        for (const [index, part] of parts.entries()) {
          ask(verbs[index]!)
          // Nothing more may be given to a message that is held.
          if (bench.collector.isHeld) ask('take')
          dropped ||= mode === 'drop'
          size += part.length
          if (isEncoded) bench.decoded(part, index === parts.length - 1)
          else bench.frame(part, index === parts.length - 1)
          collect()
        }
        if (bench.collector.isHeld) ask('take')
        const joined =
          kind === 'text' ? pieces.join('') : concat(...pieces.map((piece) => piece as Uint8Array))
        const sent = kind === 'text' ? new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes) : bytes
        if (dropped) {
          expect(whole).toBeUndefined()
          expect(sent.slice(0, joined.length)).toEqual(joined)
        } else {
          expect(whole ?? joined).toEqual(sent)
        }
      }
    }),
    { numRuns: 300 },
  )
})
