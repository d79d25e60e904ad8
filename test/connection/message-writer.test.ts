import { Blob } from 'node:buffer'
import { Readable } from 'node:stream'
import { ReadableStream } from 'node:stream/web'
import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { broadcast, prepare } from '../../src/connection/broadcast.ts'
import type { Connection } from '../../src/connection/connection.ts'
import type { MessageSource, Piece, Sendable, SendOptions } from '../../src/connection/sendable.ts'
import { ConnectionClosedError } from '../../src/errors.ts'
import { connect, type Server, serve } from '../../src/index.ts'
import type { Message } from '../../src/protocol/message.ts'
import { connectedPair, FakeClock } from '../../src/testing/index.ts'
import { anyText, concat, frameTo, hex, pattern, toHex, utf8 } from '../support/bytes.ts'
import { CLIENT_TLS, SERVER_TLS } from '../support/tls-fixture.ts'
import {
  CLOSE,
  connectRaw,
  deflate,
  FakeSource,
  inflate,
  isSame,
  microtasks,
  noise,
  PING,
  prose,
  type RawPeer,
  ROLES,
  RSV1,
  receiveAll,
  receiveMany,
  settle,
  stateOf,
  TEXT,
  until,
} from './support.ts'

/** From this many bytes on a message is compressed on the thread pool. */
const LONG = 32 * 1024 + 1
const DEFLATE = 'permessage-deflate'

async function* slowly(...pieces: readonly Piece[]): AsyncGenerator<Piece> {
  for (const piece of pieces) {
    await null
    yield piece
  }
}

function streamOf(...pieces: readonly Piece[]): ReadableStream<Piece> {
  return new ReadableStream({
    start(controller) {
      for (const piece of pieces) controller.enqueue(piece)
      controller.close()
    },
  })
}

/** The kinds of sources, over the same pieces. */
const SOURCES: [string, (...pieces: string[]) => MessageSource][] = [
  ['an array', (...pieces) => pieces],
  ['a set', (...pieces) => new Set(pieces)],
  [
    'a generator',
    function* (...pieces) {
      yield* pieces
    },
  ],
  ['an async generator', slowly],
  ['a ReadableStream', streamOf],
]

/** Say what frames a peer got, in short. */
function describeFrames(peer: RawPeer): [fin: boolean, opcode: number, payload: string][] {
  return peer
    .takeFrames()
    .map(({ fin, opcode, payload }) => [fin, opcode, Buffer.from(payload).toString('latin1')])
}

describe.each(ROLES)('%s', (role) => {
  const other = role === 'client' ? 'server' : 'client'

  describe('a source', () => {
    test.each(SOURCES)('sends the pieces of %s as one message in fragments', async (_kind, make) => {
      const { connection, peer } = connectRaw(role)
      await connection.send(make('one', 'two', 'three'))
      await settle()
      expect(describeFrames(peer)).toEqual([
        [false, 1, 'one'],
        [false, 0, 'two'],
        [false, 0, 'three'],
        [true, 0, ''],
      ])
    })

    test.each(SOURCES)('sends the one piece of %s', async (_kind, make) => {
      const { connection, peer } = connectRaw(role)
      await connection.send(make('one'))
      await settle()
      expect(describeFrames(peer)).toEqual([
        [false, 1, 'one'],
        [true, 0, ''],
      ])
    })

    test.each(SOURCES)('sends %s without pieces as an empty message', async (_kind, make) => {
      const { connection, peer } = connectRaw(role)
      await connection.send(make())
      await connection.send(make(), { type: 'text' })
      await settle()
      expect(describeFrames(peer)).toEqual([
        [true, 2, ''],
        [true, 1, ''],
      ])
    })

    test('sends the bytes of a Blob, also of an empty one', async () => {
      const pair = connectedPair()
      const bytes = pattern(200_000)
      await pair[role].send(new Blob([bytes.subarray(0, 70_000), bytes.subarray(70_000)]))
      await pair[role].send(new Blob([]))
      await pair[role].send(new Blob(['grüße']), { type: 'text' })
      const [large, empty, text] = await receiveMany(pair[other], 3)
      expect(isSame(large!, bytes)).toBe(true)
      expect(empty).toEqual(new Uint8Array(0))
      expect(text).toBe('grüße')
    })

    test('sends bytes of all kinds as binary', async () => {
      const { connection, peer } = connectRaw(role)
      const bytes = hex('01 02 03')
      await connection.send([bytes, bytes.buffer as ArrayBuffer, new DataView(bytes.buffer, 1, 1)])
      await settle()
      expect(describeFrames(peer)).toEqual([
        [false, 2, '\x01\x02\x03'],
        [false, 0, '\x01\x02\x03'],
        [false, 0, '\x02'],
        [true, 0, ''],
      ])
    })

    test('sends nothing for an empty piece, but takes it for the kind of the message', async () => {
      const { connection, peer } = connectRaw(role)
      await connection.send(['', 'a', '', 'b'])
      await connection.send([''])
      await settle()
      expect(describeFrames(peer)).toEqual([
        [false, 1, 'a'],
        [false, 0, 'b'],
        [true, 0, ''],
        [true, 1, ''],
      ])
    })

    test('sends as the type that is asked for', async () => {
      const pair = connectedPair()
      void pair[role].send(['grü', 'ße'], { type: 'binary' })
      const bytes = utf8('grüße')
      // Within the ü.
      void pair[role].send([bytes.subarray(0, 3), bytes.subarray(3)], { type: 'text' })
      expect(await receiveMany(pair[other], 2)).toEqual([bytes, 'grüße'])
    })

    test('sends a text whole that is cut within a character', async () => {
      const pair = connectedPair()
      void pair[role].send(slowly('one \ud83d', '\ude00 two \ud83d'))
      expect(await pair[other].receive()).toBe('one 😀 two \ufffd')
    })

    test('puts a text together as it was, wherever it was cut', async () => {
      // Invariant: what a source brings in pieces arrives as one message.
      const pair = connectedPair({ chunkSize: 7 })
      await fc.assert(
        fc.asyncProperty(fc.array(anyText(12), { maxLength: 6 }), fc.boolean(), async (pieces, compress) => {
          const arrived = pair[other].receive()
          await pair[role].send(pieces, { type: 'text', compress })
          expect(await arrived).toBe(new TextDecoder().decode(utf8(pieces.join(''))))
        }),
      )
    })

    test('asks for the next piece only when the last one was written', async () => {
      const { connection, peer } = connectRaw(role)
      const source = new FakeSource()
      const sending = connection.send(source)
      await settle()
      expect([source.asked, peer.size]).toEqual([1, 0])
      source.give('one')
      await settle()
      expect(source.asked).toBe(2)
      expect(describeFrames(peer)).toEqual([[false, 1, 'one']])
      expect(await stateOf(sending)).toBe('pending')
      source.end()
      await sending
      expect(source.asked).toBe(2)
      expect(source.wasStopped).toBe(false)
    })

    test('sends large pieces whole', async () => {
      const pair = connectedPair({ chunkSize: 50_000 })
      const bytes = pattern(300_000)
      void pair[role].send([bytes, bytes.subarray(0, 10), bytes], { compress: false })
      const message = await pair[other].receive()
      expect(isSame(message, concat(bytes, bytes.subarray(0, 10), bytes))).toBe(true)
    })

    test('compresses the message as a whole, and a large piece bit by bit', async () => {
      const { connection, peer } = connectRaw(role, { agreed: DEFLATE })
      const text = prose(100_000)
      await connection.send([text.slice(0, 90_000), '', text.slice(90_000)])
      await settle()
      const frames = peer.takeFrames()
      expect(frames.map(({ fin, opcode, reservedBits }) => [fin, opcode, reservedBits])).toEqual([
        [false, 1, RSV1],
        [false, 0, 0],
        [false, 0, 0],
        [false, 0, 0],
        [true, 0, 0],
      ])
      const message = inflate(...frames.map(({ payload }) => payload))
      expect(isSame(message, utf8(text))).toBe(true)
      expect(frames.reduce((sum, { payload }) => sum + payload.length, 0)).toBeLessThan(50_000)
    })

    test('is not compressed when that is asked for', async () => {
      const { connection, peer } = connectRaw(role, { agreed: DEFLATE })
      const bytes = utf8(prose(50_000))
      await connection.send([bytes], { compress: false })
      await settle()
      const frames = peer.takeFrames()
      expect(new Set(frames.map(({ reservedBits }) => reservedBits))).toEqual(new Set([0]))
      expect(isSame(concat(...frames.map(({ payload }) => payload)), bytes)).toBe(true)
    })

    test('throws TypeError at once for what is none, and sends nothing', async () => {
      const { connection, peer } = connectRaw(role)
      for (const value of [{ stream: () => 1 }, { stream: 1 }, new Map().entries, Promise.resolve('x')]) {
        expect(() => connection.send(value as never)).toThrow(TypeError)
      }
      await settle()
      expect(peer.size).toBe(0)
      expect(connection.state).toBe('open')
    })

    test('is asked for nothing and let go when the connection takes nothing any more', async () => {
      const { connection } = connectRaw(role)
      connection.terminate()
      const source = new FakeSource()
      await expect(connection.send(source)).rejects.toThrow(ConnectionClosedError)
      expect([source.asked, source.wasStopped]).toEqual([0, true])
    })

    test('is let go when the peer has closed, and answers are still on their way', async () => {
      const { connection, peer } = connectRaw(role, { agreed: DEFLATE })
      const answer = connection.send(prose(LONG))
      peer.close(4000)
      await microtasks()
      await new Promise((resolve) => process.nextTick(resolve))
      await microtasks()
      expect(connection.state).toBe('open')
      const source = new FakeSource()
      await expect(connection.send(source)).rejects.toThrow(ConnectionClosedError)
      expect([source.asked, source.wasStopped]).toEqual([0, true])
      await answer
      await until(() => connection.state !== 'open')
      await settle()
      expect(peer.takeFrames().map(({ opcode }) => opcode)).toEqual([1, 8])
    })

    test('cannot keep a connection from ending by being sent again and again', async () => {
      const { connection, peer } = connectRaw(role, { agreed: DEFLATE })
      void connection.send(prose(LONG))
      peer.close(4000)
      const sending = (async () => {
        while (connection.state === 'open') await connection.send(['x']).catch(() => {})
      })()
      await sending
      peer.end()
      expect(await connection.closed).toMatchObject({ code: 4000, clean: true })
    })
  })

  describe('messages that are sent meanwhile', () => {
    test('wait for a source, in order', async () => {
      const pair = connectedPair()
      const source = new FakeSource()
      const done: string[] = []
      const send = (name: string, message: Sendable, options?: SendOptions): void => {
        void pair[role].send(message, options).then(() => done.push(name))
      }
      send('source', source)
      send('text', 'text')
      send('bytes', hex('01'))
      send('as bytes', 'as bytes', { type: 'binary' })
      send('prepared', prepare('prepared'))
      expect(broadcast([pair[role]], 'broadcast')).toBe(1)
      send('second source', ['second ', 'source'])
      send('last', 'last')
      await settle()
      expect(done).toEqual([])
      source.give('first ')
      source.give('source')
      source.end()
      expect(await receiveMany(pair[other], 8)).toEqual([
        'first source',
        'text',
        hex('01'),
        utf8('as bytes'),
        'prepared',
        'broadcast',
        'second source',
        'last',
      ])
      await settle()
      expect(done).toEqual(['source', 'text', 'bytes', 'as bytes', 'prepared', 'second source', 'last'])
    })

    test('do not make a source of theirs begin before its turn', async () => {
      const { connection } = connectRaw(role)
      const [first, second] = [new FakeSource(), new FakeSource()]
      void connection.send(first)
      void connection.send(second)
      await settle()
      expect([first.asked, second.asked]).toEqual([1, 0])
      first.end()
      await settle()
      expect([first.asked, second.asked]).toEqual([1, 1])
    })

    test('are refused at once when they are none', async () => {
      const { connection } = connectRaw(role)
      void connection.send(new FakeSource())
      expect(() => connection.send(1 as never)).toThrow(TypeError)
      expect(() => connection.send(hex('ff'), { type: 'text' })).toThrow(/valid UTF-8/)
    })

    test('do not hold up pings and pongs', async () => {
      const { connection, peer } = connectRaw(role)
      const source = new FakeSource()
      const sending = connection.send(source)
      source.give('one')
      await settle()
      const latency = connection.ping('between')
      connection.pong('unasked')
      peer.send(PING, 'theirs')
      await settle()
      source.give('two')
      source.end()
      await sending
      await settle()
      expect(describeFrames(peer)).toEqual([
        [false, 1, 'one'],
        [true, 9, 'between'],
        [true, 10, 'unasked'],
        [true, 10, 'theirs'],
        [false, 0, 'two'],
        [true, 0, ''],
      ])
      peer.send(0x8a, 'between')
      expect(await latency).toBe(0)
    })

    test('do not hold up heartbeats', async () => {
      const clock = new FakeClock()
      // The thread pool, where it compresses, has another clock.
      const pair = connectedPair({ clock, server: { compression: false } })
      const source = new FakeSource()
      void pair[role].send(source)
      source.give('a slow message')
      await clock.advance(10 * 60_000)
      source.end()
      expect(pair[role].latency).toBe(0)
      expect(await pair[other].receive().catch((error) => error.info.code)).toBe(
        // Servers give a message a minute.
        other === 'server' ? 1008 : 'a slow message',
      )
    })

    test('arrive in the order in which they were sent, whatever they are', async () => {
      // Invariant: messages arrive as they were sent, in that order.
      const kind = fc.constantFrom('short', 'long', 'source', 'prepared', 'prepared and long', 'bytes')
      const item = fc.record({ kind, compress: fc.boolean(), seed: fc.integer({ min: 1, max: 1e6 }) })
      const pair = connectedPair()
      await fc.assert(
        fc.asyncProperty(fc.array(item, { minLength: 1, maxLength: 10 }), async (items) => {
          const expected: Message[] = []
          const sends: Promise<void>[] = []
          for (const { kind, compress, seed } of items) {
            const text = prose(kind.includes('long') ? LONG + (seed % 10_000) : seed % 1000, seed)
            const message =
              kind === 'source'
                ? slowly(text.slice(0, 300), text.slice(300))
                : kind === 'bytes'
                  ? utf8(text)
                  : kind.startsWith('prepared')
                    ? prepare(text, { compress })
                    : text
            expected.push(kind === 'bytes' ? utf8(text) : text)
            sends.push(pair[role].send(message, { compress, ...(kind === 'source' ? { type: 'text' } : {}) }))
          }
          expect(await receiveMany(pair[other], items.length)).toEqual(expected)
          await Promise.all(sends)
          expect(pair[role].bufferedAmount).toBe(0)
        }),
        { numRuns: 30 },
      )
    })
  })

  describe('a source that fails', () => {
    const failures: [string, (error: unknown) => MessageSource][] = [
      [
        'a generator',
        // biome-ignore lint/correctness/useYield: it never comes to that.
        function* (error) {
          throw error
        },
      ],
      [
        'an async generator',
        // biome-ignore lint/correctness/useYield: it never comes to that.
        async function* (error) {
          throw error
        },
      ],
      [
        'a ReadableStream',
        (error) =>
          new ReadableStream({
            start: (controller) => controller.error(error),
          }),
      ],
      [
        'next() that throws',
        (error) => ({
          [Symbol.asyncIterator]: () => ({
            next: () => {
              throw error
            },
          }),
        }),
      ],
    ]

    test.each(failures)('before its first piece harms nobody: %s', async (_kind, make) => {
      const pair = connectedPair()
      const error = new Error('no luck')
      const sending = pair[role].send(make(error))
      void pair[role].send('after it')
      await expect(sending).rejects.toBe(error)
      expect(await pair[other].receive()).toBe('after it')
      expect(pair[role].state).toBe('open')
    })

    test('after its first piece fails the connection with 1011', async () => {
      const { connection, peer } = connectRaw(role)
      const error = new Error('no luck')
      const source = new FakeSource()
      const sending = connection.send(source)
      const behind = connection.send('behind')
      source.give('half')
      source.fail(error)
      await expect(sending).rejects.toBe(error)
      await expect(behind).rejects.toThrow(ConnectionClosedError)
      await settle()
      expect(peer.takeFrames().map(({ opcode, payload }) => [opcode, toHex(payload)])).toEqual([
        [1, toHex(utf8('half'))],
        // 1011 without a reason: what went wrong is nobody else's business.
        [8, '03 f3'],
      ])
      peer.end()
      const info = await connection.closed
      expect(info).toMatchObject({ sent: { code: 1011, reason: '' }, initiator: 'local', clean: false })
      expect(info.error).toBe(error)
    })

    test('with what is no Error is told as it is to the sender, and as an Error elsewhere', async () => {
      const { connection, peer } = connectRaw(role)
      const source = new FakeSource()
      const sending = connection.send(source)
      source.give('half')
      source.fail('just words')
      await expect(sending).rejects.toBe('just words')
      peer.end()
      expect((await connection.closed).error).toEqual(new Error('just words'))
    })

    test.each<[string, Piece[], SendOptions | undefined]>([
      ['of another kind', ['text', hex('01')], undefined],
      ['that is none', ['text', 1 as never], undefined],
      ['that is no UTF-8 in a text', [hex('41'), hex('ff')], { type: 'text' }],
      ['that leaves a text incomplete', [hex('41 c3')], { type: 'text' }],
    ])('with a piece %s is stopped, and fails the connection', async (_what, pieces, options) => {
      const { connection, peer } = connectRaw(role)
      const source = new FakeSource()
      const sending = connection.send(source, options)
      source.give(...pieces)
      source.end()
      await expect(sending).rejects.toThrow(TypeError)
      expect(source.wasStopped).toBe(true)
      await settle()
      expect(peer.takeFrames().map(({ opcode }) => opcode)).toEqual([1, 8])
      peer.end()
      expect(await connection.closed).toMatchObject({ sent: { code: 1011 }, error: expect.any(TypeError) })
    })

    test('with a first piece that is none is stopped, and the connection lives', async () => {
      const { connection, peer } = connectRaw(role)
      const source = new FakeSource()
      const sending = connection.send(source)
      source.give(1 as never)
      await expect(sending).rejects.toThrow(TypeError)
      expect(source.wasStopped).toBe(true)
      await connection.send('still open')
      await settle()
      expect(describeFrames(peer)).toEqual([[true, 1, 'still open']])
    })

    test.each([
      [
        'throws',
        () => {
          throw new Error('return')
        },
      ],
      ['rejects', () => Promise.reject(new Error('return'))],
    ])('and then in its return(), which %s, is told by its first error', async (_how, stop) => {
      const { connection, peer } = connectRaw(role)
      const steps: IteratorResult<Piece>[] = [
        { value: 'half', done: false },
        { value: 1 as never, done: false },
      ]
      const iterator = { next: () => Promise.resolve(steps.shift()!), return: stop }
      const sending = connection.send({ [Symbol.asyncIterator]: () => iterator })
      await expect(sending).rejects.toThrow(TypeError)
      await settle()
      expect(peer.takeFrames().map(({ opcode }) => opcode)).toEqual([1, 8])
      expect(connection.state).toBe('closing')
    })
  })

  describe('the end while a source goes on', () => {
    interface Ending {
      readonly begin: (connection: Connection, peer: RawPeer) => void
      /** Frames that go out because of it. */
      readonly frames: readonly number[]
    }
    const endings: [string, Ending][] = [
      ['close()', { begin: (connection) => void connection.close(4000), frames: [8] }],
      ['terminate()', { begin: (connection) => connection.terminate(), frames: [] }],
      ['the close of the peer', { begin: (_, peer) => peer.close(4000), frames: [8] }],
      ['the end of the stream', { begin: (_, peer) => peer.end(), frames: [] }],
      ['a line that is cut', { begin: (_, peer) => peer.cut(new Error('cut')), frames: [] }],
      ['a violation of the peer', { begin: (_, peer) => peer.send(0x83), frames: [8] }],
    ]

    test.each(endings)('comes by %s, within a message', async (_what, { begin, frames }) => {
      const { connection, peer } = connectRaw(role)
      const source = new FakeSource()
      const sending = connection.send(source)
      const behind = connection.send('behind')
      source.give('half')
      await settle()
      begin(connection, peer)
      await expect(sending).rejects.toThrow(ConnectionClosedError)
      await expect(behind).rejects.toThrow(ConnectionClosedError)
      expect(source.wasStopped).toBe(true)
      await settle()
      expect(peer.takeFrames().map(({ opcode }) => opcode)).toEqual([1, ...frames])
      await expect(connection.send('late')).rejects.toThrow(ConnectionClosedError)
      expect(broadcast([connection], 'late')).toBe(0)
      peer.end()
      await connection.closed
    })

    test('is reached by a program that goes on sending sources until it comes', async () => {
      const { connection, peer } = connectRaw(role)
      const source = new FakeSource()
      void connection.send(source)
      source.give('half')
      await settle()
      peer.close(4000)
      let refused = 0
      // Without a turn of the event loop in between the end would never come.
      while (connection.state === 'open' && refused < 1000) {
        try {
          await connection.send(['whole'])
        } catch {
          refused++
        }
      }
      expect(refused).toBeLessThan(10)
      peer.end()
      expect((await connection.closed).code).toBe(4000)
    })

    test('lets go of sources that come too late', async () => {
      const { connection } = connectRaw(role)
      connection.terminate()
      await connection.closed
      const file = Readable.from(['a', 'b'])
      await expect(connection.send(file)).rejects.toThrow(ConnectionClosedError)
      expect(file.destroyed).toBe(true)
      const stream = streamOf('a', 'b')
      await expect(connection.send(stream)).rejects.toThrow(ConnectionClosedError)
      expect(await stream.getReader().closed.catch(String)).toBeUndefined()
    })

    test.each(endings)('comes by %s, before a message that waits', async (_what, { begin }) => {
      const { connection, peer } = connectRaw(role)
      const [first, second] = [new FakeSource(), new FakeSource()]
      const sends = [connection.send(first), connection.send(second)]
      await settle()
      begin(connection, peer)
      for (const sending of sends) await expect(sending).rejects.toThrow(ConnectionClosedError)
      expect([first.wasStopped, second.wasStopped, second.asked]).toEqual([true, true, 0])
      peer.end()
      await connection.closed
    })

    test.each(endings)('comes by %s, while the peer does not read', async (_what, { begin }) => {
      const { connection, peer } = connectRaw(role, { sendHighWaterMark: 1000 })
      await settle()
      peer.pause()
      const source = new FakeSource()
      const sending = connection.send(source)
      source.give(pattern(2000), pattern(2000))
      await settle()
      expect(source.asked).toBe(1)
      begin(connection, peer)
      await expect(sending).rejects.toThrow(ConnectionClosedError)
      expect(source.wasStopped).toBe(true)
      await settle()
      expect(connection.state).not.toBe('open')
    })

    test('lets messages go out that wait behind a source of which nothing was sent', async () => {
      const pair = connectedPair()
      const messages = receiveAll(pair[other])
      const source = new FakeSource()
      const sending = pair[role].send(source)
      void pair[role].send('behind')
      const closed = pair[role].close()
      await expect(sending).rejects.toThrow(ConnectionClosedError)
      expect(await messages).toEqual(['behind'])
      expect(await closed).toMatchObject({ code: 1000, clean: true })
    })

    test('refuses a code that must not be sent at once, and goes on', async () => {
      const pair = connectedPair()
      const source = new FakeSource()
      void pair[role].send(source)
      source.give('one ')
      await settle()
      expect(() => pair[role].close(1006)).toThrow(RangeError)
      expect(() => pair[role].close(1000, 'x'.repeat(124))).toThrow(RangeError)
      expect(pair[role].state).toBe('open')
      source.give('message')
      source.end()
      expect(await pair[other].receive()).toBe('one message')
    })

    test('cancels a ReadableStream', async () => {
      const pair = connectedPair()
      const cancel = vi.fn()
      const sending = pair[role].send(
        new ReadableStream<Piece>({ start: (controller) => controller.enqueue('half'), cancel }),
      )
      await settle()
      await pair[other].close()
      await expect(sending).rejects.toThrow(ConnectionClosedError)
      expect(cancel).toHaveBeenCalledOnce()
    })

    test('runs the finally of a generator', async () => {
      const pair = connectedPair()
      const stopped = vi.fn()
      async function* ticker(): AsyncGenerator<string> {
        try {
          for (;;) {
            yield 'tick '
            await settle()
          }
        } finally {
          stopped()
        }
      }
      const sending = pair[role].send(ticker())
      await settle()
      await pair[role].close()
      await expect(sending).rejects.toThrow(ConnectionClosedError)
      await settle()
      expect(stopped).toHaveBeenCalledOnce()
    })
  })

  describe('backpressure', () => {
    test('asks a source for no more while the peer does not read', async () => {
      const { connection, peer } = connectRaw(role)
      await settle()
      peer.pause()
      let given = 0
      function* endless(): Generator<Uint8Array> {
        for (;;) yield pattern((given += 10_000) && 10_000)
      }
      const sending = connection.send(endless())
      await settle()
      const before = given
      expect(before).toBeLessThan(100_000)
      await settle()
      expect(given).toBe(before)
      peer.resume()
      await until(() => given > 1_000_000)
      peer.pause()
      await settle()
      expect(given - peer.size).toBeLessThan(200_000)
      connection.terminate()
      await expect(sending).rejects.toThrow(ConnectionClosedError)
    })

    test('lets a source go on each time, however much waits behind it', async () => {
      const { connection, peer } = connectRaw(role, { sendHighWaterMark: 1000 })
      const source = new FakeSource()
      const sending = connection.send(source)
      const behind = connection.send(pattern(5000))
      for (let count = 0; count < 5; count++) source.give(pattern(2000))
      source.end()
      await Promise.all([sending, behind])
      await settle()
      expect(peer.takeFrames().map(({ payload }) => payload.length)).toEqual([
        2000, 2000, 2000, 2000, 2000, 0, 5000,
      ])
      expect(connection.bufferedAmount).toBe(0)
    })

    test('stops a source when the peer is a connection whose messages nobody takes', async () => {
      const pair = connectedPair({ [other]: { receiveHighWaterMark: 2 } })
      let given = 0
      function* endless(): Generator<string> {
        for (;;) yield 'x'.repeat((given += 1000) && 1000)
      }
      const sending = pair[role].send(endless(), { compress: false })
      const stream = pair[other].receiveStream()
      await stream.next()
      for (let turn = 0; turn < 20; turn++) await settle()
      expect(given).toBeLessThan(400_000)
      await stream.return!()
      pair[role].terminate()
      await expect(sending).rejects.toThrow(ConnectionClosedError)
    })

    test('counts what waits its turn as buffered', async () => {
      const { connection, peer } = connectRaw(role)
      const source = new FakeSource()
      void connection.send(source)
      void connection.send(pattern(1000))
      void connection.send('ü'.repeat(1000))
      broadcast([connection], pattern(500))
      expect(connection.bufferedAmount).toBe(3500)
      source.end()
      await settle()
      expect(connection.bufferedAmount).toBe(0)
      expect(peer.takeFrames()).toHaveLength(4)
    })

    test('tells of the drain whenever the amount was above the mark, by what is written and what is queued', async () => {
      const amounts: number[] = []
      const { connection, peer } = connectRaw(role, {
        sendHighWaterMark: 1000,
        line: { highWaterMark: 1 },
        handler: { drain: ({ bufferedAmount }) => void amounts.push(bufferedAmount) },
      })
      await settle()
      peer.pause()
      const source = new FakeSource()
      void connection.send('the peer takes this')
      void connection.send('x'.repeat(100))
      void connection.send(source)
      void connection.send(pattern(970))
      await settle()
      expect(connection.bufferedAmount).toBeGreaterThan(1000)
      expect(amounts).toEqual([])
      peer.resume()
      await settle()
      expect(amounts).toEqual([970])
      source.end()
      await settle()
      expect(connection.bufferedAmount).toBe(0)
      expect(amounts).toEqual([970])
    })

    test('drops the connection when more than maxBufferedAmount waits its turn', async () => {
      const { connection } = connectRaw(role, { maxBufferedAmount: 2500 })
      const source = new FakeSource()
      const sends = [connection.send(source)]
      for (let count = 0; count < 3; count++) sends.push(connection.send(pattern(1000)))
      expect(connection.state).toBe('open')
      expect(connection.bufferedAmount).toBe(3000)
      sends.push(connection.send('one too many'))
      for (const sending of sends) await expect(sending).rejects.toThrow(ConnectionClosedError)
      const { sent, error } = await connection.closed
      expect(sent?.code).toBe(1008)
      expect(error).toMatchObject({ code: 'WS_SLOW_CONSUMER' })
      expect(source.wasStopped).toBe(true)
    })

    test('leaves who is above maxBufferedAmount out of a broadcast', async () => {
      const { connection } = connectRaw(role, { maxBufferedAmount: 100 })
      void connection.send(new FakeSource())
      expect(broadcast([connection], pattern(101))).toBe(1)
      expect(broadcast([connection], 'x')).toBe(0)
      expect(await connection.closed).toMatchObject({ sent: { code: 1008 } })
    })
  })

  describe('large compressed messages', () => {
    test('are compressed, and keep their order with small ones', async () => {
      const { connection, peer } = connectRaw(role, { agreed: DEFLATE })
      const texts = ['small', prose(LONG), 'between', prose(3 * LONG, 2), 'after', prose(1000, 3)]
      await Promise.all(texts.map((text) => connection.send(text)))
      await settle()
      const frames = peer.takeFrames()
      expect(frames.map(({ reservedBits }) => reservedBits)).toEqual([0, RSV1, 0, RSV1, 0, RSV1])
      const payloads = frames.map(({ payload, reservedBits }) =>
        Buffer.from(reservedBits === 0 ? payload : inflate(payload)).toString(),
      )
      expect(payloads).toEqual(texts)
      expect(frames[1]!.payload.length).toBeLessThan(LONG / 2)
    })

    test('go out at once and as they are with compress: false', async () => {
      const { connection, peer } = connectRaw(role, { agreed: DEFLATE })
      const text = prose(LONG)
      void connection.send(text, { compress: false })
      void connection.send(utf8(text), { compress: false })
      void connection.send('small')
      await settle()
      const frames = peer.takeFrames()
      expect(frames.map(({ opcode, reservedBits }) => [opcode, reservedBits])).toEqual([
        [1, 0],
        [2, 0],
        [1, 0],
      ])
      expect(isSame(frames[0]!.payload, utf8(text))).toBe(true)
    })

    test('that are texts of bytes, or bytes of texts, are what they were said to be', async () => {
      const pair = connectedPair()
      const text = prose(LONG)
      void pair[role].send(text, { type: 'binary' })
      void pair[role].send(utf8(text), { type: 'text' })
      expect(isSame(await pair[other].receive(), utf8(text))).toBe(true)
      expect(isSame(await pair[other].receive(), text)).toBe(true)
    })

    test('go as they are when compression is no gain, and the next ones are right', async () => {
      const pair = connectedPair()
      for (let count = 0; count < 40; count++) {
        void pair[role].send(noise(3 * LONG, count + 1))
        void pair[role].send(prose(2000, count + 1))
      }
      for (let count = 0; count < 40; count++) {
        expect(isSame(await pair[other].receive(), noise(3 * LONG, count + 1))).toBe(true)
        expect(await pair[other].receive()).toBe(prose(2000, count + 1))
      }
    })

    test('count as buffered until they are written', async () => {
      const { connection } = connectRaw(role, { agreed: DEFLATE })
      const first = connection.send(pattern(LONG))
      const second = connection.send(pattern(2 * LONG))
      expect(connection.bufferedAmount).toBe(3 * LONG)
      await first
      expect(connection.bufferedAmount).toBeGreaterThanOrEqual(2 * LONG)
      await second
      await settle()
      expect(connection.bufferedAmount).toBe(0)
    })

    test('all arrive before a close that was called right behind them', async () => {
      const pair = connectedPair()
      const messages = receiveAll(pair[other])
      void pair[role].send(prose(LONG))
      void pair[role].send('small')
      void pair[role].send(prose(LONG, 2))
      const closed = pair[role].close(4000, 'done')
      expect(pair[role].state).toBe('closing')
      await expect(pair[role].send('late')).rejects.toThrow(ConnectionClosedError)
      expect(await messages).toEqual([prose(LONG), 'small', prose(LONG, 2)])
      expect(await closed).toMatchObject({
        sent: { code: 4000, reason: 'done' },
        initiator: 'local',
        clean: true,
      })
    })

    test('all go out when the peer ended the stream behind its request', async () => {
      const { connection, peer } = connectRaw(role, { agreed: DEFLATE })
      const sends = [connection.send(prose(LONG)), connection.send('small'), connection.send(prose(LONG, 2))]
      peer.end()
      await Promise.all(sends)
      await connection.closed
      expect(peer.takeFrames().map(({ reservedBits }) => reservedBits)).toEqual([RSV1, 0, RSV1])
      expect(peer.hasEnded).toBe(true)
    })

    test('let whoever closes twice, or while the peer closes too, end once', async () => {
      // No time passes, so that no timeout can end it.
      const pair = connectedPair({ clock: new FakeClock() })
      const messages = receiveAll(pair[other])
      void pair[role].send(prose(LONG))
      void pair[role].close(4001)
      void pair[role].close(4002)
      void pair[other].close(4003)
      expect(await pair[role].closed).toMatchObject({
        sent: { code: 4001 },
        received: { code: 4003 },
        clean: true,
      })
      expect(await messages).toEqual([])
    })

    test('are given up when the line is cut, or terminate() is called', async () => {
      for (const cut of [true, false]) {
        const pair = connectedPair()
        const sends = [
          pair[role].send(prose(10 * LONG)),
          pair[role].send('behind'),
          pair[role].send(['source']),
        ]
        if (cut) pair.cut()
        else pair[role].terminate()
        await pair[role].closed
        for (const sending of sends) await expect(sending).rejects.toMatchObject({ info: { code: 1006 } })
        await settle()
        expect(pair[role].bufferedAmount).toBe(0)
      }
    })

    test('are given up when closeTimeout has passed', async () => {
      const clock = new FakeClock()
      const pair = connectedPair({ clock, [role]: { closeTimeout: 1000 } })
      const sending = pair[role].send(prose(20 * LONG))
      void pair[role].close()
      // At once, so that no other thread can be done with it before.
      const passing = clock.jump(1100)
      await Promise.all([passing, expect(sending).rejects.toThrow(ConnectionClosedError)])
      expect(await pair[role].closed).toMatchObject({ code: 1006, clean: false, error: { phase: 'close' } })
    })

    describe('sent as answers to messages with a close frame right behind', () => {
      const answer = prose(LONG)

      /** Write messages and a close frame in one piece; return the frames that come back. */
      async function answersOf(
        peer: RawPeer,
        connection: Connection,
        count: number,
      ): Promise<(string | number)[]> {
        const messages = Array.from({ length: count }, (_, index) => frameTo(role, TEXT, `${index}`))
        peer.write(...messages, frameTo(role, CLOSE, hex('0f a0')))
        await until(() => connection.state !== 'open')
        await settle()
        peer.end()
        expect(await connection.closed).toMatchObject({ code: 4000, sent: { code: 4000 }, clean: true })
        return peer
          .takeFrames()
          .map(({ opcode, payload, reservedBits }) =>
            opcode === 8 ? 8 : Buffer.from(reservedBits === 0 ? payload : inflate(payload)).toString(),
          )
      }

      test('go out from a handler object', async () => {
        const { connection, peer } = connectRaw(role, {
          agreed: DEFLATE,
          handler: { message: (connection, message) => void connection.send(answer + String(message)) },
        })
        expect(await answersOf(peer, connection, 3)).toEqual([`${answer}0`, `${answer}1`, `${answer}2`, 8])
      })

      test('go out from an async handler that sends one after the other', async () => {
        const { connection, peer } = connectRaw(role, {
          agreed: DEFLATE,
          handler: {
            async message(connection, message) {
              await connection.send(`${answer}first`)
              await connection.send(`${String(message)} second`)
              await connection.send(`${answer}third`)
            },
          },
        })
        expect(await answersOf(peer, connection, 1)).toEqual([
          `${answer}first`,
          '0 second',
          `${answer}third`,
          8,
        ])
      })

      test('go out from a coroutine that answers one after the other', async () => {
        const { connection, peer } = connectRaw(role, { agreed: DEFLATE })
        const answering = (async () => {
          for await (const message of connection) await connection.send(answer + String(message))
        })()
        await settle()
        expect(await answersOf(peer, connection, 16)).toEqual([
          ...Array.from({ length: 16 }, (_, index) => answer + String(index)),
          8,
        ])
        await expect(answering).rejects.toMatchObject({ info: { code: 4000 } })
      })

      test('do not let a coroutine hold up the close that goes on sending', async () => {
        const { connection, peer } = connectRaw(role, { agreed: DEFLATE })
        let sent = 0
        const sending = (async () => {
          for (;;) {
            await connection.send(answer)
            sent++
          }
        })()
        peer.close(4000)
        await expect(sending).rejects.toThrow(ConnectionClosedError)
        expect(sent).toBeLessThan(100)
        await settle()
        expect(peer.takeFrames().at(-1)!.opcode).toBe(8)
      })
    })
  })
})

describe('client', () => {
  test('masks large pieces bit by bit', async () => {
    const { connection, peer } = connectRaw('client')
    await connection.send([pattern(70_000)])
    await settle()
    const sizes = peer.takeFrames().map(({ payload }) => payload.length)
    expect(sizes).toEqual([32_768, 32_768, 4464, 0])
  })
})

describe('server', () => {
  test('makes one fragment of a large piece', async () => {
    const { connection, peer } = connectRaw('server')
    await connection.send([pattern(70_000), pattern(10)])
    await settle()
    expect(peer.takeFrames().map(({ payload }) => payload.length)).toEqual([70_000, 10, 0])
  })

  test('takes no more from a client while callbacks have long answers to compress', async () => {
    // The client reads all that comes, so it is no slow consumer.
    const text = prose(200_000)
    const count = 60
    let most = 0
    const { connection, peer } = connectRaw('server', {
      agreed: DEFLATE,
      maxBufferedAmount: 2 * 1024 * 1024,
      handler: {
        message(connection, message) {
          void connection.send(message)
          most = Math.max(most, connection.bufferedAmount)
        },
      },
    })
    const frame = frameTo('server', TEXT | RSV1, deflate(text))
    for (let index = 0; index < count; index++) peer.write(frame)
    let received = 0
    await until(() => {
      for (const { payload, opcode } of peer.takeFrames()) {
        expect([opcode, inflate(payload).length]).toEqual([1, text.length])
        received++
      }
      return received === count || connection.state !== 'open'
    })
    expect([received, connection.state]).toEqual([count, 'open'])
    expect(most).toBeLessThan(1024 * 1024)
  })

  test('tells a handler when long messages have gone out', async () => {
    const drain = vi.fn()
    const { connection } = connectRaw('server', { agreed: DEFLATE, handler: { drain } })
    await Promise.all([connection.send(prose(3 * LONG)), connection.send(prose(3 * LONG, 2))])
    await until(() => drain.mock.calls.length > 0)
    await settle()
    expect(drain).toHaveBeenCalledOnce()
    expect(connection.bufferedAmount).toBe(0)
  })
})

describe('over TCP', () => {
  const servers: Server[] = []

  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close({ timeout: 1 })
  })

  async function serveQuietly(
    options: Parameters<typeof serve>[1] = {},
  ): Promise<[Server, Connection, Connection]> {
    const wait = async (connection: Connection): Promise<void> => void (await connection.closed)
    const server = await serve(wait, { ...options, host: '127.0.0.1' })
    servers.push(server)
    const client = await connect(server.url)
    const [connection] = server.connections
    return [server, client, connection as Connection]
  }

  test('a source that never ends does not hold up server.close()', async () => {
    const [server, client, connection] = await serveQuietly()
    const source = new FakeSource()
    const sending = connection.send(source)
    source.give('half')
    await server.close()
    await expect(sending).rejects.toThrow(ConnectionClosedError)
    expect(source.wasStopped).toBe(true)
    expect(await client.closed).toMatchObject({ code: 1001, clean: true })
  })

  test.each([true, false])(
    'a source may be as large as it likes, with compression: %s',
    async (compression) => {
      const [, client, connection] = await serveQuietly({ compression, sendHighWaterMark: 64 * 1024 })
      const piece = pattern(100_000)
      let most = 0
      function* pieces(): Generator<Uint8Array> {
        for (let count = 0; count < 150; count++) {
          most = Math.max(most, connection.bufferedAmount)
          yield piece
        }
      }
      const sending = connection.send(pieces())
      const message = (await client.receive()) as Uint8Array
      await sending
      expect(message).toHaveLength(15_000_000)
      for (let start = 0; start < message.length; start += piece.length) {
        expect(isSame(message.subarray(start, start + piece.length), piece)).toBe(true)
      }
      expect(most).toBeLessThan(1024 * 1024)
      await client.close()
    },
  )

  test.each(['tcp', 'tls'])(
    'a large message comes before the close right behind it, over %s',
    async (kind) => {
      const text = prose(3_000_000)
      const tls = kind === 'tls'
      const server = await serve(
        async (connection) => {
          void connection.send(text)
          void connection.send('last')
        },
        { host: '127.0.0.1', ...(tls ? { tls: SERVER_TLS } : {}) },
      )
      servers.push(server)
      const client = await connect(server.url, tls ? { tls: CLIENT_TLS } : {})
      const messages = await receiveAll(client)
      expect(messages.map((message) => message.length)).toEqual([text.length, 4])
      expect(isSame(messages[0]!, text)).toBe(true)
      expect(await client.closed).toMatchObject({ code: 1000, clean: true })
    },
  )

  test('large messages both ways at once keep their order', async () => {
    const [, client, connection] = await serveQuietly()
    const texts = Array.from({ length: 20 }, (_, index) => prose(index % 3 === 0 ? 200_000 : 500, index + 1))
    for (const text of texts) {
      void client.send(text)
      void connection.send(text)
    }
    const closing = client.send('last')
    const [there, back] = await Promise.all([receiveMany(connection, 21), receiveMany(client, 20)])
    await closing
    expect(there).toEqual([...texts, 'last'])
    expect(back).toEqual(texts)
    await client.close()
  })
})
