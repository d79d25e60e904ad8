import { constants, createDeflateRaw, type DeflateRaw, inflateRawSync, type ZlibOptions } from 'node:zlib'
import fc from 'fast-check'
import { afterEach, beforeAll, describe, expect, test } from 'vitest'
import type { DeflateParameters } from '../../src/deflate/negotiation.ts'
import type { CompressionOptions } from '../../src/deflate/options.ts'
import type { PerMessageDeflate } from '../../src/deflate/permessage-deflate.ts'
import { Opcode } from '../../src/protocol/opcode.ts'
import { portablePlatform } from '../../src/protocol/platform.ts'
import { PreparedMessage } from '../../src/protocol/prepared-message.ts'
import type { Role } from '../../src/protocol/protocol.ts'
import type { FakeClock } from '../../src/testing/fake-clock.ts'
import { chunksOf, concat, cutAt, hex, readFrames, toHex, utf8 } from '../support/bytes.ts'
import {
  deflate,
  deflateFinally,
  expectSame,
  FORGETTING,
  inflate,
  inflateAll,
  KEEPING,
  load,
  type Modules,
  makeEnd,
  noise,
  prose,
  Receiver,
  TAIL,
  WAYS,
} from './support.ts'

const MIB = 1024 * 1024
const NOTHING = new Uint8Array(0)
/** It becomes very small with the window of the first, and hardly smaller without. */
const REPEATED = concat(noise(400), new Uint8Array(100))
const VERY_SMALL = 100

/** RFC 7692 section 7.2.3.1 */
const HELLO = hex('f2 48 cd c9 c9 07 00')
/** RFC 7692 section 7.2.3.2: the same with the window of the first. */
const HELLO_AGAIN = hex('f2 00 11 00 00')

/** Compress a whole message elsewhere. */
function compressLater(end: PerMessageDeflate, message: Uint8Array): Promise<Uint8Array | undefined> {
  return new Promise((resolve) => end.compressLater(message, resolve))
}

/** Compress a message in pieces, the one after the other, and give what goes out for each. */
async function compressPieces(end: PerMessageDeflate, pieces: readonly Uint8Array[]): Promise<Uint8Array[]> {
  const compressed: Uint8Array[] = []
  for (const [index, piece] of pieces.entries()) {
    await new Promise<void>((resolve) => {
      end.compressPiece(piece, index === pieces.length - 1, (bytes) => {
        compressed.push(bytes.slice())
        resolve()
      })
    })
  }
  return compressed
}

function prepare(message: Uint8Array, isCompressible = true): PreparedMessage {
  return new PreparedMessage(Opcode.Binary, message, portablePlatform, isCompressible)
}

/** Take the compressed payload out of a frame that goes to many. */
function payloadOf(frame: Uint8Array): Uint8Array {
  const [only, ...more] = readFrames(frame)
  expect(more).toEqual([])
  expect(only).toMatchObject({ fin: true, reservedBits: 0x40, opcode: 2, maskingKey: undefined })
  return only!.payload
}

/** Decompress messages of one sender with zlib itself, as the agreement says. */
function inflateByZlib(messages: readonly Uint8Array[], keepsWindow: boolean, bits: number): Uint8Array {
  const options = { windowBits: Math.max(bits, 9), finishFlush: constants.Z_SYNC_FLUSH }
  const withTails = messages.map((message) => concat(message, TAIL))
  if (!keepsWindow) return concat(...withTails.map((message) => inflateRawSync(message, options)))
  return new Uint8Array(inflateRawSync(concat(...withTails), options))
}

/** zlib itself as the sender. */
class ZlibSender {
  readonly #stream: DeflateRaw
  readonly #chunks: Uint8Array[] = []
  readonly #keepsWindow: boolean

  constructor(options: ZlibOptions, keepsWindow: boolean) {
    this.#stream = createDeflateRaw(options)
    this.#stream.on('data', (chunk) => this.#chunks.push(chunk))
    this.#keepsWindow = keepsWindow
  }

  async send(message: Uint8Array): Promise<Uint8Array> {
    if (message.length === 0) return hex('00')
    this.#stream.write(message)
    await new Promise<void>((resolve) => this.#stream.flush(constants.Z_SYNC_FLUSH, resolve))
    if (!this.#keepsWindow) this.#stream.reset()
    const compressed = concat(...this.#chunks.splice(0))
    expectSame(compressed.slice(-4), TAIL)
    return compressed.slice(0, -4)
  }

  close(): void {
    this.#stream.close()
  }
}

const COMPRESSORS: readonly { readonly name: string; readonly level: { readonly level?: number } }[] = [
  { name: 'our own compressor', level: {} },
  { name: 'zlib', level: { level: 3 } },
]

const ends: PerMessageDeflate[] = []

afterEach(() => {
  for (const end of ends.splice(0)) end.close()
})

describe.each(WAYS)('with zlib driven $way', ({ way }) => {
  let modules: Modules

  beforeAll(async () => {
    modules = await load(way)
  })

  function make(
    role: Role,
    agreed?: DeflateParameters,
    options?: CompressionOptions,
  ): { deflate: PerMessageDeflate; clock: FakeClock } {
    const end = makeEnd(modules, role, agreed, options)
    ends.push(end.deflate)
    return end
  }

  function receive(agreed?: DeflateParameters, role: Role = 'server'): Receiver {
    return new Receiver(make(role, agreed).deflate)
  }

  describe('RFC 7692 section 7.2.3', () => {
    test('7.2.3.1: a message in one block, whole and in two fragments', async () => {
      const receiver = receive()
      await receiver.take(HELLO)
      await receiver.take(hex('f2 48 cd'), hex('c9 c9 07 00'))
      expect(receiver.messages).toEqual([utf8('Hello'), utf8('Hello')])
      expect(receiver.broken).toEqual([])
    })

    test('7.2.3.2: a message that looks back into the one before', async () => {
      const receiver = receive()
      await receiver.take(HELLO)
      await receiver.take(HELLO_AGAIN)
      expect(receiver.messages).toEqual([utf8('Hello'), utf8('Hello')])
      await receiver.take(HELLO_AGAIN)
      expect(receiver.messages).toHaveLength(3)
    })

    test('7.2.3.2: without context takeover, each message stands alone', async () => {
      const receiver = receive(FORGETTING)
      await receiver.take(HELLO)
      await receiver.take(HELLO)
      expect(receiver.messages).toEqual([utf8('Hello'), utf8('Hello')])
      await receiver.take(HELLO_AGAIN)
      expect(receiver.error).toMatchObject({ code: 'WS_BAD_COMPRESSION', closeCode: 1007 })
    })

    test('7.2.3.3: a block without compression', async () => {
      const receiver = receive()
      await receiver.take(hex('00 05 00 fa ff 48 65 6c 6c 6f 00'))
      expect(receiver.messages).toEqual([utf8('Hello')])
    })

    test('7.2.3.4: a block with BFINAL set', async () => {
      const receiver = receive()
      await receiver.take(hex('f3 48 cd c9 c9 07 00 00'))
      expect(receiver.messages).toEqual([utf8('Hello')])
    })

    test('7.2.3.5: two blocks', async () => {
      const receiver = receive()
      await receiver.take(hex('f2 48 05 00 00 00 ff ff ca c9 c9 07 00'))
      expect(receiver.messages).toEqual([utf8('Hello')])
    })

    test('7.2.3.6: an empty message, and an empty last fragment', async () => {
      const receiver = receive()
      await receiver.take(hex('00'))
      await receiver.take(concat(HELLO, TAIL), hex('00'))
      await receiver.take(hex('02 00'))
      expect(receiver.messages).toEqual([NOTHING, utf8('Hello'), NOTHING])
    })

    test('all of them byte by byte, on one connection', async () => {
      const receiver = receive()
      const examples = [
        'f2 48 cd c9 c9 07 00',
        'f2 00 11 00 00',
        '00 05 00 fa ff 48 65 6c 6c 6f 00',
        'f2 48 05 00 00 00 ff ff ca c9 c9 07 00',
        'f3 48 cd c9 c9 07 00 00',
      ]
      for (const example of examples) await receiver.take(...chunksOf(hex(example), 1))
      expect(receiver.messages).toEqual(Array(5).fill(utf8('Hello')))
      expect(receiver.broken).toEqual([])
    })

    test('is what we send, too', async () => {
      const zlib = make('client', KEEPING, { level: 6 }).deflate
      expect((await compressPieces(zlib, [utf8('Hello')])).map(toHex)).toEqual([toHex(HELLO)])
      expect((await compressPieces(zlib, [NOTHING])).map(toHex)).toEqual(['00'])
      const own = make('client').deflate
      expect(inflate((await compressPieces(own, [utf8('Hello')]))[0]!)).toEqual(utf8('Hello'))
      expect((await compressPieces(own, [NOTHING])).map(toHex)).toEqual(['00'])
    })
  })

  describe('last blocks', () => {
    const LAST_HELLO = deflateFinally(utf8('Hello'))

    test('are understood in each message of a connection that keeps its windows', async () => {
      const receiver = receive()
      for (let count = 0; count < 20; count++) await receiver.take(concat(LAST_HELLO, hex('00')))
      await receiver.take(HELLO)
      await receiver.take(HELLO_AGAIN)
      expect(receiver.messages).toEqual(Array(22).fill(utf8('Hello')))
      expect(receiver.broken).toEqual([])
    })

    test('are understood several in a row, cut anywhere', async () => {
      const message = concat(LAST_HELLO, LAST_HELLO, HELLO, TAIL, LAST_HELLO, hex('00'))
      for (let place = 0; place <= message.length; place++) {
        const receiver = receive()
        await receiver.take(message.slice(0, place), message.slice(place))
        await receiver.take(HELLO)
        expect(receiver.messages.map((bytes) => Buffer.from(bytes).toString())).toEqual([
          'Hello'.repeat(4),
          'Hello',
        ])
        expect(receiver.broken).toEqual([])
        receiver.close()
      }
    })

    test('are understood with much behind them', async () => {
      const receiver = receive()
      const bytes = prose(500_000)
      await receiver.take(concat(deflateFinally(bytes), deflateFinally(bytes), deflate(bytes)))
      expectSame(receiver.messages[0]!, concat(bytes, bytes, bytes))
      expect(receiver.broken).toEqual([])
    })

    test.each([
      ['empty ones', hex('03 00')],
      ['ones with content', LAST_HELLO],
    ])('are refused by the thousand: %s', async (_, block) => {
      const message = concat(...Array.from({ length: 100_000 }, () => block))
      for (const chunks of [[message], chunksOf(message, 64 * 1024), chunksOf(message.slice(0, 5000), 1)]) {
        const receiver = receive()
        await receiver.take(...chunks, hex('00'))
        expect(receiver.facts.filter((fact) => fact === 'failed' || fact === 'end')).toEqual(['failed'])
        expect(receiver.error).toMatchObject({ code: 'WS_BAD_COMPRESSION', closeCode: 1007 })
        expect(receiver.broken).toEqual([])
      }
    })

    test('are refused by the thousand behind much output too', async () => {
      const receiver = receive()
      const blocks = Array.from({ length: 10_000 }, () => hex('03 00'))
      await receiver.take(concat(deflate(prose(300_000)), TAIL, ...blocks, hex('00')))
      expect(receiver.facts.at(-1)).toBe('failed')
      expect(receiver.messages).toEqual([])
      expect(receiver.broken).toEqual([])
    })
  })

  describe('what is no compressed message', () => {
    /** Take what fails, and let everything that is under way come to its end. */
    async function expectFailure(receiver: Receiver, ...pieces: readonly Uint8Array[]): Promise<void> {
      await receiver.take(...pieces)
      await idle()
      expect(receiver.facts.filter((fact) => fact === 'failed')).toHaveLength(1)
      expect(receiver.facts.at(-1)).toBe('failed')
      expect(receiver.error).toMatchObject({
        name: 'ProtocolError',
        code: 'WS_BAD_COMPRESSION',
        closeCode: 1007,
      })
      expect(receiver.broken).toEqual([])
    }

    test.each([
      ['a reserved kind of block', '06'],
      ['a reserved kind of block, behind a message', 'f2 48 cd c9 c9 07 06'],
      ['a stored block whose length is not repeated', '00 05 00 05 00 48 65 6c 6c 6f 00'],
      ['a distance beyond the beginning', 'f2 00 11 00 00'],
      ['codes that are too many', 'ff ff ff ff ff ff'],
      ['gzip', '1f 8b 08 00 00 00 00 00 00 03'],
    ])('fails once: %s', async (_, message) => {
      await expectFailure(receive(), hex(message))
      await expectFailure(receive(), ...chunksOf(hex(message), 1))
      await expectFailure(receive(FORGETTING), hex(message))
    })

    test('fails once behind messages that were right', async () => {
      const receiver = receive()
      for (let count = 0; count < 5; count++) await receiver.take(HELLO)
      await expectFailure(receiver, hex('06'))
      expect(receiver.messages).toHaveLength(5)
    })

    test('fails once behind output that nobody wanted yet', async () => {
      const receiver = receive()
      receiver.wants = () => false
      await expectFailure(receiver, concat(deflate(prose(200_000)), TAIL, hex('06 ff ff')))
      expect(receiver.received).toBeLessThanOrEqual(200_000)
    })

    test('fails once behind much output', async () => {
      await expectFailure(receive(), concat(deflate(prose(MIB)), TAIL, hex('06 ff ff')))
    })

    test('leaves nothing behind for others', async () => {
      for (let count = 0; count < 10; count++) await expectFailure(receive(), hex('06'))
      const receiver = receive()
      await receiver.take(HELLO)
      expect(receiver.messages).toEqual([utf8('Hello')])
    })

    test('can be closed afterwards', async () => {
      const { deflate } = make('server')
      const receiver = new Receiver(deflate)
      await expectFailure(receiver, hex('06'))
      deflate.resume()
      deflate.close()
      deflate.close()
    })

    test('is what zlib says that it is, when it is cut off anywhere', async () => {
      const message = deflate(concat(prose(300), noise(100), prose(300)))
      for (let end = 0; end < message.length; end += 3) await expectAsZlib(message.slice(0, end), [])
    })

    test('is what zlib says that it is, when it is changed anyhow, in any chunks', async () => {
      // Invariant: either a failure, and that once, or the same bytes as from zlib.
      const change = fc.record({ place: fc.nat(), value: fc.nat(255) })
      await fc.assert(
        fc.asyncProperty(
          fc.constantFrom(deflate, deflateFinally),
          fc.nat(9),
          fc.array(change, { minLength: 1, maxLength: 4 }),
          fc.array(fc.nat(), { maxLength: 4 }),
          async (compress, level, changes, places) => {
            const message = compress(concat(prose(300, level), noise(60, level)), { level }).slice()
            for (const { place, value } of changes) message[place % message.length] = value
            await expectAsZlib(message, places)
          },
        ),
        { numRuns: 150 },
      )
    })

    async function expectAsZlib(message: Uint8Array, places: readonly number[]): Promise<void> {
      const expected = outcomeOfZlib(concat(message, TAIL))
      const receiver = receive()
      await receiver.take(
        ...cutAt(
          message,
          places.map((place) => place % (message.length + 1)),
        ),
      )
      expect(receiver.broken).toEqual([])
      if (expected === undefined) {
        expect(receiver.error?.code).toBe('WS_BAD_COMPRESSION')
        expect(receiver.messages).toEqual([])
      } else {
        expect(receiver.error).toBeUndefined()
        expectSame(receiver.messages[0]!, expected)
      }
      receiver.close()
    }
  })

  describe('bombs', () => {
    /** A mebibyte of zeros, and what follows it needs nothing of it. */
    const ZEROS = concat(deflate(new Uint8Array(MIB), { level: 9 }), TAIL)
    /** 1 GiB in about as many bytes as a message may have. */
    const BOMB = concat(...Array.from({ length: 1024 }, () => ZEROS))

    test('make no more than is taken: 1 GiB in 1 MB', async () => {
      expect(BOMB.length).toBeLessThan(1.2 * MIB)
      const receiver = receive()
      receiver.wants = (received) => received < MIB
      const before = process.memoryUsage().arrayBuffers
      const refused = refusal(receiver)
      const taken = receiver.take(BOMB)
      await refused
      expect(receiver.received).toBeGreaterThanOrEqual(MIB)
      expect(receiver.received).toBeLessThanOrEqual(MIB + 64 * 1024)
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(32 * MIB)
      // Nothing is made while nobody wants it, however long that takes.
      const { received } = receiver
      await idle()
      expect(receiver.received).toBe(received)
      receiver.close()
      await taken
      expect(receiver.broken).toEqual([])
    })

    test('do not hold up this thread: little is made at once', async () => {
      const receiver = receive()
      receiver.wants = (received) => {
        if (received > 8 * MIB) receiver.close()
        return true
      }
      await receiver.take(BOMB)
      expect(receiver.received).toBeGreaterThan(8 * MIB)
      expect(receiver.most).toBeLessThanOrEqual(128 * 1024)
      expect(receiver.broken).toEqual([])
    })

    test('come out whole for whoever wants all of it, with memory that stays the same', async () => {
      const receiver = new (class extends Receiver {
        override onDecompressed(_: Uint8Array, start: number, end: number, isEnd: boolean): boolean {
          this.received += end - start
          return super.onDecompressed(NOTHING, 0, 0, isEnd)
        }
      })(make('server').deflate)
      let most = 0
      receiver.wants = () => {
        most = Math.max(most, process.memoryUsage().arrayBuffers)
        return receiver.received % (5 * MIB) !== 0
      }
      const before = process.memoryUsage().arrayBuffers
      await receiver.take(BOMB.slice(0, ZEROS.length * 384))
      expect(receiver.received).toBe(384 * MIB)
      expect(most - before).toBeLessThan(192 * MIB)
      expect(receiver.broken).toEqual([])
    })

    test.each([
      ['stored', hex('00 00 00 ff ff')],
      // Four of them end where a byte does.
      ['of fixed codes', hex('02 08 20 80 00')],
    ])('that are empty blocks for ever, %s, make nothing and cost little', async (_, block) => {
      const receiver = receive()
      const blocks = concat(...Array.from({ length: 13_000 }, () => block))
      const start = performance.now()
      for (let count = 0; count < 50; count++) await receiver.takePiece(blocks, false)
      await receiver.takePiece(HELLO, true)
      expect(performance.now() - start).toBeLessThan(5000)
      expect(receiver.received).toBe(5)
      expect(receiver.messages).toEqual([utf8('Hello')])
      expect(receiver.broken).toEqual([])
    })

    test('that come byte by byte are bounded in the same way', async () => {
      const receiver = receive()
      receiver.wants = (received) => {
        if (received > 3 * MIB) receiver.close()
        return true
      }
      await receiver.take(...chunksOf(concat(ZEROS, ZEROS, ZEROS, ZEROS).slice(0, 6000), 1))
      expect(receiver.received).toBeGreaterThan(3 * MIB)
      expect(receiver.most).toBeLessThanOrEqual(128 * 1024)
      expect(receiver.broken).toEqual([])
    })
  })

  describe('suspending', () => {
    test('gives the rest of a message after resume, and is ready once', async () => {
      const receiver = receive()
      receiver.wants = () => false
      const bytes = prose(400_000)
      await receiver.take(deflate(bytes))
      expectSame(receiver.messages[0]!, bytes)
      expect(receiver.facts.filter((fact) => fact === 'ready')).toHaveLength(1)
      expect(receiver.facts.slice(-2)).toEqual(['end', 'ready'])
      expect(receiver.broken).toEqual([])
    })

    test('is told to go on when it does: nothing changes', async () => {
      const { deflate: end } = make('server')
      const receiver = new Receiver(end)
      end.resume()
      receiver.onOutput = () => end.resume()
      const bytes = prose(400_000)
      await receiver.take(deflate(bytes))
      end.resume()
      await receiver.take(deflate(bytes))
      expectSame(receiver.messages[1]!, bytes)
      expect(receiver.broken).toEqual([])
    })

    test('keeps the order when it goes on in pieces that are small and large', async () => {
      const receiver = receive()
      let turn = 0
      receiver.wants = () => ++turn % 3 === 0
      const messages = [prose(200_000, 1), noise(70_000), prose(10, 2), new Uint8Array(500_000)]
      for (const message of messages) await receiver.take(...chunksOf(deflate(message), 20_000))
      for (const [index, message] of messages.entries()) expectSame(receiver.messages[index]!, message)
      expect(receiver.broken).toEqual([])
    })
  })

  describe('re-entrance', () => {
    test('another connection may decompress within onDecompressed, and nothing mixes', async () => {
      const outer = receive()
      const inner: Receiver[] = []
      const done: Promise<void>[] = []
      const bytes = prose(150_000)
      outer.onOutput = () => {
        inner.push(receive())
        done.push(inner.at(-1)!.take(deflate(noise(60_000, 7))))
      }
      for (let count = 0; count < 3; count++) await outer.take(deflate(bytes))
      await Promise.all(done)
      for (const message of outer.messages) expectSame(message, bytes)
      expect(inner.length).toBeGreaterThan(6)
      for (const { messages, broken } of inner) {
        expectSame(messages[0]!, noise(60_000, 7))
        expect(broken).toEqual([])
      }
      expect(outer.broken).toEqual([])
    })

    test('another connection may compress within onDecompressed', async () => {
      const outer = receive()
      const { deflate: other } = make('client')
      const message = prose(1000, 5)
      const compressed: Uint8Array[] = []
      outer.onOutput = () => {
        if (other.isWorthwhile(message.length)) compressed.push(other.compress(message)!.slice())
      }
      const bytes = prose(150_000)
      await outer.take(deflate(bytes))
      expectSame(outer.messages[0]!, bytes)
      expect(compressed.length).toBeGreaterThan(0)
      for (const each of inflateAll(compressed)) expectSame(each, message)
    })

    test('the same connection may compress within onDecompressed', async () => {
      const { deflate: end } = make('server')
      const receiver = new Receiver(end)
      const message = prose(1000, 5)
      const compressed: Uint8Array[] = []
      receiver.onOutput = () => {
        compressed.push(end.compress(message)!.slice())
      }
      const bytes = prose(150_000)
      await receiver.take(deflate(bytes))
      expectSame(receiver.messages[0]!, bytes)
      for (const each of inflateAll(compressed)) expectSame(each, message)
    })

    test('a third connection may do so within the second', async () => {
      const receivers = Array.from({ length: 4 }, () => receive())
      const messages = receivers.map((_, index) => prose(70_000 + index, index))
      const done: Promise<void>[] = []
      for (const [index, receiver] of receivers.entries()) {
        let isFirst = true
        receiver.onOutput = () => {
          if (isFirst && index < 3) done.push(receivers[index + 1]!.take(deflate(messages[index + 1]!)))
          isFirst = false
        }
      }
      await receivers[0]!.take(deflate(messages[0]!))
      for (let index = 0; index < 4; index++) await Promise.all(done)
      for (const [index, receiver] of receivers.entries()) {
        expectSame(receiver.messages[0]!, messages[index]!)
        expect(receiver.broken).toEqual([])
      }
    })
  })

  describe('closing', () => {
    test.each([
      ['while all is wanted', true],
      ['while it goes on after each portion', false],
    ])('gives nothing more, wherever it happens: %s', async (_, isWanted) => {
      for (const portion of [1, 2, 3, 4, 5, 6]) {
        const { deflate: end } = make('server')
        const receiver = new Receiver(end)
        receiver.wants = () => isWanted
        let portions = 0
        receiver.onOutput = () => {
          if (++portions === portion) receiver.close()
        }
        await receiver.take(deflate(prose(350_000)))
        end.resume()
        await idle()
        expect(portions).toBe(portion)
        expect(receiver.broken).toEqual([])
      }
    })

    test('within onDecompressed leaves the window to nobody who is still using it', async () => {
      const bytes = prose(200_000)
      const receiver = receive()
      const next = receive()
      let taken: Promise<void> | undefined
      receiver.onOutput = () => {
        if (taken !== undefined) return
        receiver.close()
        // It gets the window that has just been given back.
        taken = next.take(deflate(noise(100)))
      }
      await receiver.take(deflate(bytes))
      await taken
      await next.take(deflate(noise(100)))
      for (const message of next.messages) expectSame(message, noise(100))
      expect(next.messages).toHaveLength(2)
      expect([...receiver.broken, ...next.broken]).toEqual([])
    })

    test('while nobody wants more, and going on afterwards, does nothing', async () => {
      const { deflate: end } = make('server')
      const receiver = new Receiver(end)
      receiver.wants = () => false
      const refused = refusal(receiver)
      const taken = receiver.take(deflate(prose(200_000)))
      await refused
      expect(receiver.facts).toEqual(['output'])
      receiver.close()
      end.resume()
      await taken
      await idle()
      expect(receiver.facts).toEqual(['output'])
      expect(receiver.broken).toEqual([])
    })

    test('while a message is compressed elsewhere gives nothing for it', async () => {
      const { deflate: end } = make('client')
      const compressed = compressLater(end, prose(100_000))
      end.close()
      expect(await compressed).toBeUndefined()
    })

    test('while a message is compressed in pieces is no fault', async () => {
      for (const options of [{}, { level: 1 }]) {
        const { deflate: end } = make('client', KEEPING, options)
        const first = compressPieces(end, [prose(100), prose(100), NOTHING])
        end.close()
        expect((await first).length).toBe(3)
      }
    })

    test('twice is no fault', () => {
      const { deflate: end } = make('client')
      end.compressPiece(prose(100), false, () => {})
      end.close()
      end.close()
    })

    test('gives no timer a reason to call', async () => {
      const { deflate: end, clock } = make('client', KEEPING, { idleTimeout: 1000 })
      await compressPieces(end, [prose(1000)])
      end.close()
      await clock.advance(10_000)
    })
  })

  describe('two connections at once', () => {
    test('never mix, byte by byte in turns', async () => {
      const one = receive()
      const other = receive()
      for (let round = 0; round < 3; round++) {
        const first = chunksOf(deflate(prose(900, round)), 3)
        const second = chunksOf(deflate(noise(600, round)), 5)
        for (let index = 0; index < Math.max(first.length, second.length); index++) {
          const isLast = (chunks: Uint8Array[]): boolean => index === chunks.length - 1
          await Promise.all([
            index < first.length && one.takePiece(first[index]!, isLast(first)),
            index < second.length && other.takePiece(second[index]!, isLast(second)),
          ])
        }
        expectSame(one.messages[round]!, prose(900, round))
        expectSame(other.messages[round]!, noise(600, round))
      }
      expect([...one.broken, ...other.broken]).toEqual([])
    })

    test('never mix while dozens wait for their turn', async () => {
      const receivers = Array.from({ length: 40 }, (_, index) => receive(index % 2 ? KEEPING : FORGETTING))
      const messages = receivers.map((_, index) => prose(150_000 + index, index))
      await Promise.all(receivers.map((receiver, index) => receiver.take(deflate(messages[index]!))))
      await Promise.all(receivers.map((receiver, index) => receiver.take(deflate(noise(500, index)))))
      for (const [index, receiver] of receivers.entries()) {
        expectSame(receiver.messages[0]!, messages[index]!)
        expectSame(receiver.messages[1]!, noise(500, index))
        expect(receiver.broken).toEqual([])
      }
    })
  })

  describe('what is compressed', () => {
    test.each(COMPRESSORS)('is decided by size: $name', ({ level }) => {
      const { deflate: end } = make('client', KEEPING, { threshold: 100, ...level })
      expect(end.threshold).toBe(100)
      const isNow = level.level === undefined || way === 'at once'
      expect([99, 100, 32_768].map((size) => end.isWorthwhile(size))).toEqual([false, isNow, isNow])
      expect([99, 100, 32_768, 32_769].map((size) => end.isLong(size))).toEqual([false, !isNow, !isNow, true])
    })

    test('is never an empty message, even with a threshold of 0', () => {
      const { deflate: end } = make('client', KEEPING, { threshold: 0 })
      expect(end.threshold).toBe(1)
      expect(end.isWorthwhile(0)).toBe(false)
      expect(end.isLong(0)).toBe(false)
    })

    test('is nothing where the peer wants a window of 8 bits, which zlib has not', async () => {
      const { deflate: end } = make('client', { ...KEEPING, clientMaxWindowBits: 8 })
      expect(end.isWorthwhile(1000)).toBe(false)
      expect(end.isLong(1_000_000)).toBe(false)
      expect(end.compressShared(prepare(prose(1000)))).toBeUndefined()
      // What comes is compressed all the same.
      const receiver = new Receiver(end)
      await receiver.take(HELLO)
      expect(receiver.messages).toEqual([utf8('Hello')])
    })

    test('is understood from a peer with a window of 8 bits', async () => {
      const { deflate: end } = make('client', { ...KEEPING, serverMaxWindowBits: 8 })
      const receiver = new Receiver(end)
      // Distances of up to 256.
      const message = concat(noise(250), noise(250), noise(250))
      await receiver.take(deflate(message))
      expectSame(receiver.messages[0]!, message)
    })

    test.each(COMPRESSORS)(
      'is not what would be larger, and the window is spoilt then: $name',
      async ({ level }) => {
        const { deflate: end } = make('client', KEEPING, { adaptive: false, ...level })
        const messages = [prose(500), noise(500), prose(500), noise(500, 2), prose(500)]
        const compressed: Uint8Array[] = []
        for (const message of messages) {
          const result = end.isLong(500) ? await compressLater(end, message) : end.compress(message)?.slice()
          if (result === undefined) expect(message).not.toEqual(prose(500))
          else compressed.push(result)
        }
        // The peer never saw the noise.
        expect(inflateAll(compressed)).toEqual([prose(500), prose(500), prose(500)])
      },
    )

    test('is what goes out in pieces, larger or not', async () => {
      const { deflate: end } = make('client')
      const message = noise(1000)
      const pieces = await compressPieces(end, chunksOf(message, 100))
      expectSame(inflate(concat(...pieces)), message)
    })

    test('does not use a larger window than was agreed, nor than is wanted', async () => {
      for (const [agreedBits, ownBits] of [
        [9, 15],
        [15, 9],
      ] as const) {
        for (const { level } of COMPRESSORS) {
          const agreed = { ...KEEPING, clientMaxWindowBits: agreedBits }
          const { deflate: end } = make('client', agreed, { clientMaxWindowBits: ownBits, ...level })
          const compressed: Uint8Array[] = []
          // What repeats lies two messages back, beyond the window.
          for (const seed of [1, 2, 3, 1, 2, 3]) {
            compressed.push(concat(...(await compressPieces(end, [noise(400, seed)]))))
          }
          expect(Math.min(...compressed.map(({ length }) => length))).toBeGreaterThan(350)
        }
      }
    })

    test('keeps its window only where that was agreed', async () => {
      for (const { level } of COMPRESSORS) {
        for (const [agreed, isSmaller] of [
          [KEEPING, true],
          [FORGETTING, false],
          [{ ...FORGETTING, clientNoContextTakeover: false }, true],
          [{ ...KEEPING, clientNoContextTakeover: true }, false],
        ] as const) {
          const { deflate: end } = make('client', agreed, level)
          if (end.isLong(500)) continue
          end.compress(REPEATED)
          expect(end.compress(REPEATED)!.length < VERY_SMALL).toBe(isSmaller)
        }
      }
    })

    test('is the business of the role: a server obeys what was agreed for servers', () => {
      const agreed = { ...KEEPING, serverNoContextTakeover: true }
      const { deflate: server } = make('server', agreed)
      const sizes = [1, 2].map(() => server.compress(prose(1000))!.length)
      expect(sizes[1]).toBe(sizes[0])
    })
  })

  describe('a message for many', () => {
    test('is compressed once for all who agreed on the same', () => {
      const one = make('server').deflate
      const other = make('server').deflate
      const message = prepare(prose(1000))
      const frame = one.compressShared(message)
      expect(other.compressShared(message)).toBe(frame)
      expectSame(inflate(payloadOf(frame!)), prose(1000))
    })

    test('is compressed again for other windows and levels', () => {
      const message = prepare(prose(1000))
      const frames = [
        make('server', KEEPING, { serverMaxWindowBits: 9 }),
        make('server', KEEPING, { serverMaxWindowBits: 10 }),
        make('server', KEEPING, { level: 1 }),
        make('server', KEEPING, { level: 9, memLevel: 9 }),
      ].map(({ deflate: end }) => end.compressShared(message)!)
      expect(new Set(frames).size).toBe(4)
      for (const frame of frames) expectSame(inflate(payloadOf(frame)), prose(1000))
    })

    test('is left as it is when it is small, incompressible, or not to be compressed', () => {
      const { deflate: end } = make('server', KEEPING, { threshold: 100 })
      expect(end.compressShared(prepare(prose(99)))).toBeUndefined()
      expect(end.compressShared(prepare(NOTHING))).toBeUndefined()
      expect(end.compressShared(prepare(noise(1000)))).toBeUndefined()
      expect(end.compressShared(prepare(prose(1000), false))).toBeUndefined()
    })

    test('lies in the window of the peer, so that the next begins anew', () => {
      for (const { level } of COMPRESSORS) {
        const { deflate: end } = make('server', KEEPING, { ...level, adaptive: false })
        if (end.isLong(1000)) continue
        const shared = prepare(prose(600, 9))
        const messages = [
          end.compress(prose(600))!.slice(),
          payloadOf(end.compressShared(shared)!),
          end.compress(prose(600))!.slice(),
          end.compress(prose(600))!.slice(),
          payloadOf(end.compressShared(shared)!),
          payloadOf(end.compressShared(shared)!),
          end.compress(prose(600))!.slice(),
        ]
        const expected = [0, 9, 0, 0, 9, 9, 0].map((seed) => prose(600, seed || 1))
        expect(inflateAll(messages)).toEqual(expected)
      }
    })
  })

  describe('idle windows', () => {
    const IDLE = { idleTimeout: 10_000, adaptive: false }

    /** Whether the next message can look back into the ones before. */
    function remembers(end: PerMessageDeflate): boolean {
      return end.compress(REPEATED)!.length < VERY_SMALL
    }

    test('are given back when they were not used for the time', async () => {
      const { deflate: end, clock } = make('client', KEEPING, IDLE)
      end.compress(REPEATED)
      await clock.advance(10_100)
      expect(remembers(end)).toBe(false)
    })

    test('are kept until then', async () => {
      const { deflate: end, clock } = make('client', KEEPING, IDLE)
      end.compress(REPEATED)
      await clock.advance(9900)
      expect(remembers(end)).toBe(true)
    })

    test('are kept while they are used now and then', async () => {
      const { deflate: end, clock } = make('client', KEEPING, IDLE)
      end.compress(REPEATED)
      for (let count = 0; count < 20; count++) {
        await clock.advance(9000)
        expect(remembers(end)).toBe(true)
      }
    })

    test('are given back at the latest after twice the time', async () => {
      const { deflate: end, clock } = make('client', KEEPING, IDLE)
      end.compress(REPEATED)
      end.compress(REPEATED)
      await clock.advance(20_200)
      expect(remembers(end)).toBe(false)
    })

    test('are given back again and again', async () => {
      const { deflate: end, clock } = make('client', KEEPING, IDLE)
      for (let count = 0; count < 5; count++) {
        expect(remembers(end)).toBe(false)
        expect(remembers(end)).toBe(true)
        await clock.advance(20_200)
      }
    })

    test('go to the next who needs one, and empty', async () => {
      // A class of its own, so that it is the next of all.
      const options = { ...IDLE, ...(way === 'at once' ? { level: 7 } : { memLevel: 7 }) }
      const { deflate: end, clock } = make('client', KEEPING, options)
      const { deflate: next } = make('client', KEEPING, options)
      end.compress(REPEATED)
      await clock.advance(10_100)
      const compressed = next.compress(REPEATED)!
      expectSame(inflate(compressed), REPEATED)
      expectSame(inflate(end.compress(REPEATED)!), REPEATED)
    })

    test('are kept within a message that goes out in pieces, however slowly', async () => {
      const { deflate: end, clock } = make('client', KEEPING, IDLE)
      const pieces: Uint8Array[] = []
      const add = (bytes: Uint8Array, isLast: boolean): void => {
        end.compressPiece(bytes, isLast, (compressed) => pieces.push(compressed.slice()))
      }
      add(REPEATED, false)
      await clock.advance(100_000)
      add(REPEATED, false)
      await clock.advance(100_000)
      add(REPEATED, true)
      expect(pieces[1]!.length).toBeLessThan(VERY_SMALL)
      expectSame(inflate(concat(...pieces)), concat(REPEATED, REPEATED, REPEATED))
    })

    test('are kept for ever where the timeout is off', async () => {
      const { deflate: end, clock } = make('client', KEEPING, { ...IDLE, idleTimeout: false })
      end.compress(REPEATED)
      await clock.advance(1_000_000)
      expect(remembers(end)).toBe(true)
    })

    test('are not missed by the peer', async () => {
      const { deflate: end, clock } = make('client', KEEPING, IDLE)
      const compressed: Uint8Array[] = []
      for (let count = 0; count < 6; count++) {
        compressed.push(end.compress(REPEATED)!.slice())
        if (count % 2 === 1) await clock.advance(30_000)
      }
      for (const message of inflateAll(compressed)) expectSame(message, REPEATED)
    })
  })

  describe('savings', () => {
    /** Send messages as the protocol does, and tell which were compressed or tried. */
    async function tried(
      end: PerMessageDeflate,
      count: number,
      message: (index: number) => Uint8Array,
    ): Promise<boolean[]> {
      const results: boolean[] = []
      for (let index = 0; index < count; index++) {
        const bytes = message(index)
        if (end.isLong(bytes.length)) {
          await compressLater(end, bytes)
          results.push(true)
        } else if (end.isWorthwhile(bytes.length)) {
          end.compress(bytes)
          results.push(true)
        } else {
          results.push(false)
        }
      }
      return results
    }

    test.each([
      ['our own compressor', {}, 500],
      ['zlib', { level: 3 }, 500],
      ['long messages', {}, 40_000],
    ] as const)('end the compression of noise after a few messages: %s', async (_, options, size) => {
      const { deflate: end } = make('client', KEEPING, options)
      const results = await tried(end, 300, (index) => noise(size, index % 8))
      expect(results.slice(0, 4)).not.toContain(false)
      expect(results.filter(Boolean).length).toBeLessThan(40)
      // And again and again it is tried.
      expect(results.slice(20).filter(Boolean).length).toBeGreaterThanOrEqual(8)
    })

    test.each([
      ['our own compressor', {}, 500],
      ['zlib', { level: 3 }, 500],
      ['long messages', {}, 40_000],
    ] as const)('begin it again when the traffic changes: %s', async (_, options, size) => {
      const { deflate: end } = make('client', KEEPING, options)
      await tried(end, 30, (index) => noise(size, index % 8))
      const results = await tried(end, 100, (index) => prose(size, index % 8))
      expect(results.slice(-60)).not.toContain(false)
    })

    test('do not end the compression of what shrinks', async () => {
      const { deflate: end } = make('client')
      expect(await tried(end, 300, (index) => prose(500, index))).not.toContain(false)
    })

    test('are not looked at when that is switched off', async () => {
      const { deflate: end } = make('client', KEEPING, { adaptive: false })
      expect(await tried(end, 300, (index) => noise(500, index))).not.toContain(false)
    })

    test('say of messages that are made bit by bit that they go as they are', async () => {
      const { deflate: end } = make('client')
      expect(end.isLong(Number.MAX_SAFE_INTEGER)).toBe(true)
      await tried(end, 4, (index) => noise(500, index))
      expect(end.isLong(Number.MAX_SAFE_INTEGER)).toBe(false)
    })
  })

  describe('any conversation', () => {
    const bits = fc.integer({ min: 8, max: 15 })
    const ownBits = fc.integer({ min: 9, max: 15 })

    const anyAgreement: fc.Arbitrary<DeflateParameters> = fc.record({
      serverNoContextTakeover: fc.boolean(),
      clientNoContextTakeover: fc.boolean(),
      serverMaxWindowBits: bits,
      clientMaxWindowBits: bits,
    })

    const anyOptions: fc.Arbitrary<CompressionOptions> = fc.record(
      {
        serverMaxWindowBits: ownBits,
        clientMaxWindowBits: ownBits,
        threshold: fc.constantFrom(0, 1, 100, 1000),
        level: fc.nat(9),
        memLevel: fc.integer({ min: 1, max: 9 }),
        adaptive: fc.boolean(),
        idleTimeout: fc.constantFrom<number | false>(50, 500, false),
      },
      { requiredKeys: [] },
    )

    const anyMessage: fc.Arbitrary<Uint8Array> = fc.oneof(
      {
        weight: 8,
        arbitrary: fc
          .tuple(fc.constantFrom(prose, noise), fc.nat(2000), fc.nat(3))
          .map(([kind, size, seed]) => kind(size, seed)),
      },
      { weight: 1, arbitrary: fc.uint8Array({ maxLength: 50 }) },
      { weight: 1, arbitrary: fc.constantFrom(NOTHING, Uint8Array.of(0), new Uint8Array(5000)) },
      {
        weight: 1,
        arbitrary: fc
          .tuple(fc.constantFrom(prose, noise), fc.constantFrom(32_768, 32_769, 65_536, 150_000))
          .map(([kind, size]) => kind(size)),
      },
    )

    interface Step {
      readonly how: 'whole' | 'later' | 'pieces' | 'for many'
      readonly message: Uint8Array
      /** Where it is cut into fragments, and what arrives into chunks. */
      readonly cuts: readonly number[]
      readonly wait: number
    }

    const anyStep: fc.Arbitrary<Step> = fc.record({
      how: fc.constantFrom('whole', 'whole', 'later', 'pieces', 'for many'),
      message: anyMessage,
      cuts: fc.array(fc.nat(), { maxLength: 4 }),
      wait: fc.constantFrom(0, 0, 0, 40, 200, 2000),
    })

    function cut(bytes: Uint8Array, cuts: readonly number[]): Uint8Array[] {
      return cutAt(
        bytes,
        cuts.map((place) => place % (bytes.length + 1)),
      )
    }

    /** Compress as the step says; `undefined` when the message goes as it is. */
    async function compress(
      end: PerMessageDeflate,
      { how, message, cuts }: Step,
      prepared: PreparedMessage,
    ): Promise<Uint8Array | undefined> {
      const { length } = message
      if (how === 'pieces') {
        // Whoever could not compress was not asked to.
        if (!end.isLong(Number.MAX_SAFE_INTEGER)) return undefined
        return concat(...(await compressPieces(end, cut(message, cuts))))
      }
      if (how === 'for many') {
        const frame = end.compressShared(prepared)
        return frame === undefined ? undefined : payloadOf(frame)
      }
      if (length < end.threshold) return undefined
      if (end.isLong(length) || (how === 'later' && end.isLong(Number.MAX_SAFE_INTEGER))) {
        return compressLater(end, message)
      }
      if (!end.isWorthwhile(length)) return undefined
      return end.compress(message)?.slice()
    }

    /** Send all, one after the other, while the receiver takes its time. */
    async function converse(
      sender: { deflate: PerMessageDeflate; clock: FakeClock },
      receiver: Receiver,
      steps: readonly Step[],
      prepared: readonly PreparedMessage[],
    ): Promise<{ sent: Uint8Array[]; wire: Uint8Array[] }> {
      const sent: Uint8Array[] = []
      const wire: Uint8Array[] = []
      let taken = Promise.resolve()
      for (const [index, step] of steps.entries()) {
        if (step.wait > 0) await sender.clock.advance(step.wait)
        const compressed = await compress(sender.deflate, step, prepared[index]!)
        if (compressed === undefined) continue
        sent.push(step.message)
        wire.push(compressed)
        taken = taken.then(() => receiver.take(...cut(compressed, step.cuts)))
      }
      await taken
      return { sent, wire }
    }

    function expectReceived(receiver: Receiver, sent: readonly Uint8Array[]): void {
      expect(receiver.broken).toEqual([])
      expect(receiver.error).toBeUndefined()
      expect(receiver.messages.length).toBe(sent.length)
      for (const [index, message] of sent.entries()) expectSame(receiver.messages[index]!, message)
    }

    /** A sink that refuses now and then. */
    function refusing(receiver: Receiver, pattern: readonly boolean[]): Receiver {
      let turn = 0
      if (pattern.length > 0) receiver.wants = () => pattern[turn++ % pattern.length]!
      return receiver
    }

    const anyPattern = fc.array(fc.boolean(), { maxLength: 5 })

    test('between two of ours gives every message, on each of two connections at once', async () => {
      // Invariant: inflate(deflate(m)) = m, for ours and for zlib, whatever was agreed and however it is done.
      await fc.assert(
        fc.asyncProperty(
          anyAgreement,
          anyOptions,
          anyOptions,
          fc.array(anyStep, { maxLength: 8 }),
          fc.array(anyStep, { maxLength: 8 }),
          anyPattern,
          async (agreed, clientOptions, serverOptions, up, down, pattern) => {
            const connections = [0, 1].map(() => ({
              client: make('client', agreed, clientOptions),
              server: make('server', agreed, serverOptions),
            }))
            // One message for all, compressed once.
            const preparedUp = up.map(({ message }) => prepare(message))
            const preparedDown = down.map(({ message }) => prepare(message))
            await Promise.all(
              connections.flatMap(({ client, server }) => {
                const atServer = refusing(new Receiver(server.deflate), pattern)
                const atClient = refusing(new Receiver(client.deflate), pattern)
                return [
                  converse(client, atServer, up, preparedUp).then(({ sent, wire }) => {
                    expectReceived(atServer, sent)
                    const { clientNoContextTakeover, clientMaxWindowBits } = agreed
                    expectSame(
                      inflateByZlib(wire, !clientNoContextTakeover, clientMaxWindowBits),
                      concat(...sent),
                    )
                  }),
                  converse(server, atClient, down, preparedDown).then(({ sent, wire }) => {
                    expectReceived(atClient, sent)
                    const { serverNoContextTakeover, serverMaxWindowBits } = agreed
                    expectSame(
                      inflateByZlib(wire, !serverNoContextTakeover, serverMaxWindowBits),
                      concat(...sent),
                    )
                  }),
                ]
              }),
            )
            for (const end of ends.splice(0)) end.close()
          },
        ),
        { numRuns: 100 },
      )
    })

    test('from zlib to ours gives every message', async () => {
      // Invariant: whatever zlib makes of messages with any settings, in any chunks, becomes the messages again.
      const { Z_DEFAULT_STRATEGY, Z_FILTERED, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE } = constants
      await fc.assert(
        fc.asyncProperty(
          fc.record({
            windowBits: ownBits,
            level: fc.nat(9),
            memLevel: fc.integer({ min: 1, max: 9 }),
            strategy: fc.constantFrom(Z_DEFAULT_STRATEGY, Z_FILTERED, Z_FIXED, Z_HUFFMAN_ONLY, Z_RLE),
          }),
          fc.boolean(),
          fc.array(fc.record({ message: anyMessage, cuts: fc.array(fc.nat(), { maxLength: 4 }) }), {
            maxLength: 8,
          }),
          anyPattern,
          async (options, keepsWindow, steps, pattern) => {
            const agreed = {
              ...KEEPING,
              clientNoContextTakeover: !keepsWindow,
              clientMaxWindowBits: options.windowBits,
            }
            const receiver = refusing(receive(agreed), pattern)
            const sender = new ZlibSender(options, keepsWindow)
            for (const { message, cuts } of steps) {
              await receiver.take(...cut(await sender.send(message), cuts))
            }
            sender.close()
            expectReceived(
              receiver,
              steps.map(({ message }) => message),
            )
            receiver.close()
          },
        ),
        { numRuns: 100 },
      )
    })

    test('may be closed at any time, at either end, and others do not notice', async () => {
      // Invariant: after close nothing is reported and nothing throws; what another connection gets stays right.
      await fc.assert(
        fc.asyncProperty(
          anyAgreement,
          anyOptions,
          fc.array(anyStep, { minLength: 1, maxLength: 6 }),
          anyPattern,
          fc.constantFrom('sender', 'receiver', 'both'),
          fc.nat(12),
          fc.constantFrom('within', 'after'),
          async (agreed, options, steps, pattern, who, when, where) => {
            const client = make('client', agreed, options)
            const server = make('server', agreed, options)
            const receiver = refusing(new Receiver(server.deflate), pattern)
            const bystander = make('client', agreed, options)
            const atBystander = refusing(new Receiver(make('server', agreed, options).deflate), pattern)

            let moments = 0
            const close = (): void => {
              if (moments++ !== when) return
              if (who !== 'receiver') client.deflate.close()
              if (who !== 'sender') receiver.close()
            }
            if (where === 'within') receiver.onOutput = close
            const prepared = steps.map(({ message }) => prepare(message))
            const conversation = (async () => {
              for (const [index, step] of steps.entries()) {
                if (who !== 'receiver' && moments > when) return
                const compressing = compress(client.deflate, step, prepared[index]!)
                if (where === 'after') close()
                const compressed = await compressing
                const isOver = who !== 'receiver' && moments > when
                if (isOver || compressed === undefined) continue
                const taking = receiver.take(...cut(compressed, step.cuts))
                if (where === 'after') close()
                await taking
              }
            })()
            const { sent } = await converse(bystander, atBystander, steps, prepared)
            await conversation
            expectReceived(atBystander, sent)
            expect(receiver.broken).toEqual([])
            expect(receiver.error).toBeUndefined()
            for (const end of ends.splice(0)) end.close()
          },
        ),
        { numRuns: 100 },
      )
    })
  })
})

describe.each(WAYS)('without WebAssembly, with zlib driven $way', ({ way }) => {
  test('zlib compresses where nothing else was wished', async () => {
    const modules = await load(way, 'javascript')
    const { deflate: end } = makeEnd(modules, 'server', KEEPING, { threshold: 1 })
    ends.push(end)
    const message = utf8('Hello')
    expect(end.isWorthwhile(5)).toBe(way === 'at once')
    expect(end.isLong(5)).toBe(way !== 'at once')
    const compressed = [
      concat(...(await compressPieces(end, [prose(900), prose(900), NOTHING]))),
      (await compressLater(end, prose(900)))!,
      payloadOf(end.compressShared(prepare(prose(900)))!),
      concat(...(await compressPieces(end, [message]))),
    ]
    expect(inflateAll(compressed)).toEqual([concat(prose(900), prose(900)), prose(900), prose(900), message])
  })
})

/** Wait until the receiver refuses more, and leave it so. */
function refusal(receiver: Receiver): Promise<void> {
  return new Promise((resolve) => {
    receiver.onRefused = resolve
  })
}

/** Let what would be wrong happen, on the thread pool too. */
async function idle(): Promise<void> {
  for (let turn = 0; turn < 20; turn++) await new Promise((resolve) => setTimeout(resolve, 1))
}

/** What zlib makes of a stream with last blocks anywhere; `undefined` when that fails. */
function outcomeOfZlib(bytes: Uint8Array): Uint8Array | undefined {
  const parts: Uint8Array[] = []
  let rest = bytes
  try {
    for (;;) {
      const options = { finishFlush: constants.Z_SYNC_FLUSH, info: true }
      const { buffer, engine } = inflateRawSync(rest, options) as unknown as {
        buffer: Uint8Array
        engine: { bytesWritten: number }
      }
      parts.push(buffer)
      if (engine.bytesWritten >= rest.length) return concat(...parts)
      rest = rest.subarray(engine.bytesWritten)
    }
  } catch {
    return undefined
  }
}
