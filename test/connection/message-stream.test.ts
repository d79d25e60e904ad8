import fc from 'fast-check'
import { describe, expect, test, vi } from 'vitest'
import { MessageStream, type StreamSource } from '../../src/connection/message-stream.ts'
import { ConnectionClosedError, StateError } from '../../src/errors.ts'
import type { CloseInfo } from '../../src/protocol/close-code.ts'
import type { Message } from '../../src/protocol/message.ts'
import { connectedPair, FakeClock } from '../../src/testing/index.ts'
import { concat, frameTo, headerTo, hex, pattern, utf8 } from '../support/bytes.ts'
import {
  BINARY,
  connectRaw,
  deflate,
  expectCloseFrame,
  FakeSource,
  isSame,
  noise,
  PING,
  prose,
  ROLES,
  RSV1,
  receiveAll,
  receivePieces,
  settle,
  stateOf,
  TEXT,
  until,
} from './support.ts'

const DEFLATE = 'permessage-deflate'
const DONE = { value: undefined, done: true }

/** Where a stream gets its message from, as far as a test brings it. */
class Source implements StreamSource {
  readonly calls: string[] = []

  beginStream(): void {
    this.calls.push('begin')
  }

  streamTaken(): void {
    this.calls.push('taken')
  }

  endStream(stream: MessageStream): void {
    this.calls.push(stream.isComplete ? 'end' : 'end early')
  }
}

function makeStream(signal?: AbortSignal): { stream: MessageStream; source: Source } {
  const source = new Source()
  return { stream: new MessageStream(source, signal), source }
}

function info(code: number): CloseInfo {
  return {
    code,
    reason: '',
    received: { code, reason: '' },
    sent: { code, reason: '' },
    initiator: 'remote',
    clean: true,
    diagnosis: 'the peer closed',
    error: undefined,
  }
}

function joined(pieces: readonly Message[]): Message {
  if (pieces.every((piece) => typeof piece === 'string')) return pieces.join('')
  return concat(...(pieces as Uint8Array[]))
}

describe('iteration', () => {
  test('asks for nothing before somebody wants a piece', async () => {
    const { stream, source } = makeStream()
    expect(source.calls).toEqual([])
    void stream.next()
    await settle()
    expect(source.calls).toEqual(['begin'])
  })

  test('gives pieces that wait and pieces that come, in order, and then ends', async () => {
    const { stream, source } = makeStream()
    const first = stream.next()
    await settle()
    stream.piece('one', false)
    stream.piece('two', false)
    expect(await first).toEqual({ value: 'one', done: false })
    expect(await stream.next()).toEqual({ value: 'two', done: false })
    const third = stream.next()
    await settle()
    stream.piece('three', true)
    expect(await third).toEqual({ value: 'three', done: false })
    expect(await stream.next()).toEqual(DONE)
    expect(await stream.next()).toEqual(DONE)
    expect(source.calls).toEqual(['begin', 'taken', 'taken', 'taken', 'end'])
  })

  test('gives no empty pieces', async () => {
    const { stream } = makeStream()
    const first = stream.next()
    await settle()
    stream.piece('', false)
    expect(await stateOf(first)).toBe('pending')
    stream.piece('one', false)
    stream.piece('', true)
    expect(await first).toEqual({ value: 'one', done: false })
    expect(await stream.next()).toEqual(DONE)
  })

  test('ends without a piece for an empty message', async () => {
    const { stream } = makeStream()
    const first = stream.next()
    await settle()
    stream.piece(new Uint8Array(0), true)
    expect(await first).toEqual(DONE)
  })

  test('throws when the connection ends before the message, whatever the code', async () => {
    for (const code of [1000, 1006]) {
      const { stream, source } = makeStream()
      const first = stream.next()
      await settle()
      stream.piece('one', false)
      stream.closed(info(code))
      expect(await first).toEqual({ value: 'one', done: false })
      await expect(stream.next()).rejects.toMatchObject({ name: 'ConnectionClosedError', info: { code } })
      expect(await stream.next()).toEqual(DONE)
      expect(source.calls.at(-1)).toBe('end early')
    }
  })

  test('ends when the connection ends after the message', async () => {
    const { stream } = makeStream()
    const first = stream.next()
    await settle()
    stream.piece('one', true)
    stream.closed(info(1006))
    expect(await first).toEqual({ value: 'one', done: false })
    expect(await stream.next()).toEqual(DONE)
  })

  test('rejects a second wait with StateError, and leaves the first alone', async () => {
    const { stream } = makeStream()
    const first = stream.next()
    await expect(stream.next()).rejects.toThrow(new StateError('WS_CONCURRENT_RECEIVE'))
    stream.piece('one', true)
    expect(await first).toEqual({ value: 'one', done: false })
  })

  test('passes on that somebody else receives, and can be tried again', async () => {
    const { stream, source } = makeStream()
    const begin = vi.spyOn(source, 'beginStream').mockImplementationOnce(() => {
      throw new StateError('WS_CONCURRENT_RECEIVE')
    })
    await expect(stream.next()).rejects.toThrow(StateError)
    const first = stream.next()
    await settle()
    stream.piece('one', true)
    expect(await first).toEqual({ value: 'one', done: false })
    expect(begin).toHaveBeenCalledTimes(2)
  })

  test('is its own iterator', () => {
    const { stream } = makeStream()
    expect(stream[Symbol.asyncIterator]()).toBe(stream)
  })
})

describe('isFull', () => {
  test('is so from 64 KiB that wait, strings counted in units', async () => {
    const { stream } = makeStream()
    const first = stream.next()
    await settle()
    stream.piece('taken at once', false)
    await first
    expect(stream.isFull).toBe(false)
    stream.piece(new Uint8Array(65_535), false)
    expect(stream.isFull).toBe(false)
    stream.piece('ü', false)
    expect(stream.isFull).toBe(true)
    await stream.next()
    expect(stream.isFull).toBe(false)
  })
})

describe('return', () => {
  test('ends a stream that has not begun without a word', async () => {
    const { stream, source } = makeStream()
    expect(await stream.return()).toEqual(DONE)
    expect(await stream.next()).toEqual(DONE)
    expect(source.calls).toEqual([])
  })

  test('ends a stream early, and lets go of what waits', async () => {
    const { stream, source } = makeStream()
    const first = stream.next()
    await settle()
    stream.piece('one', false)
    stream.piece(new Uint8Array(100_000), false)
    await first
    expect(await stream.return()).toEqual(DONE)
    expect(await stream.return()).toEqual(DONE)
    expect(stream.isFull).toBe(false)
    expect(await stream.next()).toEqual(DONE)
    expect(source.calls).toEqual(['begin', 'taken', 'end early'])
  })

  test('resolves who waits', async () => {
    const { stream } = makeStream()
    const waiting = stream.next()
    await settle()
    await stream.return()
    expect(await waiting).toEqual(DONE)
  })
})

describe('a signal', () => {
  const reason = new Error('enough')

  test('that is aborted already begins nothing', async () => {
    const { stream, source } = makeStream(AbortSignal.abort(reason))
    await expect(stream.next()).rejects.toBe(reason)
    expect(source.calls).toEqual([])
  })

  test('rejects who waits', async () => {
    const controller = new AbortController()
    const { stream, source } = makeStream(controller.signal)
    const waiting = stream.next()
    await settle()
    controller.abort(reason)
    await expect(waiting).rejects.toBe(reason)
    expect(source.calls).toEqual(['begin', 'end early'])
    expect(await stream.next()).toEqual(DONE)
  })

  test('rejects who comes back for more: a message that was cut off must not look whole', async () => {
    const controller = new AbortController()
    const { stream, source } = makeStream(controller.signal)
    const first = stream.next()
    await settle()
    stream.piece('one', false)
    stream.piece('two', false)
    await first
    controller.abort(reason)
    expect(source.calls.at(-1)).toBe('end early')
    await expect(stream.next()).rejects.toBe(reason)
    expect(await stream.next()).toEqual(DONE)
  })

  test('keeps nothing once the stream ended', async () => {
    const controller = new AbortController()
    const add = vi.spyOn(controller.signal, 'addEventListener')
    const remove = vi.spyOn(controller.signal, 'removeEventListener')
    const { stream } = makeStream(controller.signal)
    const first = stream.next()
    await settle()
    stream.piece('one', true)
    await first
    expect(await stream.next()).toEqual(DONE)
    expect([add.mock.calls.length, remove.mock.calls.length]).toEqual([1, 1])
    controller.abort(reason)
    expect(await stream.next()).toEqual(DONE)
  })
})

describe.each(ROLES)('receiveStream of a %s', (role) => {
  const other = role === 'client' ? 'server' : 'client'

  describe('a message', () => {
    test('comes in pieces while it arrives', async () => {
      const { connection, peer } = connectRaw(role)
      const stream = connection.receiveStream()
      const first = stream.next()
      peer.send(0x02, hex('01'))
      expect(await first).toEqual({ value: hex('01'), done: false })
      const second = stream.next()
      const last = frameTo(role, 0x80, hex('02 03'))
      peer.write(last.subarray(0, -2))
      expect(await stateOf(second)).toBe('pending')
      peer.write(last.subarray(-2, -1))
      expect(await second).toEqual({ value: hex('02'), done: false })
      const third = stream.next()
      expect(await stateOf(third)).toBe('pending')
      peer.write(last.subarray(-1))
      expect(await third).toEqual({ value: hex('03'), done: false })
      expect(await stream.next()).toEqual(DONE)
    })

    test('comes from its beginning when a part of it is here already', async () => {
      const { connection, peer } = connectRaw(role)
      peer.send(0x02, hex('01'))
      peer.send(0x00, hex('02'))
      await settle()
      const stream = connection.receiveStream()
      expect(await stream.next()).toEqual({ value: hex('01 02'), done: false })
      peer.send(0x80, hex('03'))
      expect(await stream.next()).toEqual({ value: hex('03'), done: false })
      expect(await stream.next()).toEqual(DONE)
    })

    test('that waits already comes as one piece', async () => {
      const { connection, peer } = connectRaw(role)
      peer.send(TEXT, 'whole')
      peer.send(TEXT, '')
      peer.send(BINARY, hex('01'))
      await settle()
      expect(await receivePieces(connection)).toEqual(['whole'])
      expect(await receivePieces(connection)).toEqual([])
      expect(await connection.receive()).toEqual(hex('01'))
    })

    test('of text never has half a character', async () => {
      const { connection, peer } = connectRaw(role)
      const pieces = receivePieces(connection)
      const bytes = utf8('a😀b')
      for (const [index, byte] of bytes.entries()) {
        peer.send(index === 0 ? 0x01 : index === bytes.length - 1 ? 0x80 : 0x00, Uint8Array.of(byte))
        await settle()
      }
      expect(await pieces).toEqual(['a', '😀', 'b'])
    })

    test('of text that is no UTF-8 fails the connection', async () => {
      const { connection, peer } = connectRaw(role)
      const pieces = receivePieces(connection)
      peer.send(0x01, 'good')
      peer.send(0x80, hex('ff'))
      await settle()
      peer.end()
      await expect(pieces).rejects.toMatchObject({ info: { code: 1007 } })
    })

    test('of text that ends within a character fails the connection', async () => {
      const { connection, peer } = connectRaw(role)
      const pieces = receivePieces(connection)
      peer.send(0x01, hex('c3'))
      peer.send(0x80)
      await settle()
      peer.end()
      await expect(pieces).rejects.toMatchObject({ info: { code: 1007 } })
    })

    test.each([true, false])('comes back as it was sent, compressed: %s', async (compress) => {
      const pair = connectedPair({ chunkSize: 1000 })
      const text = prose(200_000)
      void pair[role === 'client' ? 'server' : 'client'].send(text, { compress })
      void pair[other].send(utf8(text), { compress })
      const first = await receivePieces(pair[role])
      expect(isSame(joined(first), text)).toBe(true)
      expect(first.length).toBeGreaterThan(1)
      expect(isSame(joined(await receivePieces(pair[role])), utf8(text))).toBe(true)
    })

    test('lets pings through', async () => {
      const { connection, peer } = connectRaw(role)
      const pieces = receivePieces(connection)
      peer.send(0x01, 'one')
      peer.send(PING, 'between')
      peer.send(0x80, 'two')
      expect(await pieces).toEqual(['one', 'two'])
      expect(peer.takeFrames().map(({ opcode }) => opcode)).toEqual([10])
    })

    test('may have more fragments than maxFragments: nothing of it stays', async () => {
      const { connection, peer } = connectRaw(role, { maxFragments: 2 })
      const pieces = receivePieces(connection)
      for (const first of [0x01, 0x00, 0x00, 0x00, 0x80]) peer.send(first, 'x')
      expect((await pieces).join('')).toBe('xxxxx')
    })

    test('that does not end in messageTimeout may take its time', async () => {
      const { connection, peer, clock } = connectRaw(role, { messageTimeout: 1000, pingInterval: false })
      const stream = connection.receiveStream()
      peer.send(0x01, 'one')
      expect(await stream.next()).toEqual({ value: 'one', done: false })
      const next = stream.next()
      await clock.advance(60_000)
      peer.send(0x80, 'two')
      expect(await next).toEqual({ value: 'two', done: false })
      expect(await stream.next()).toEqual(DONE)
      expect(connection.state).toBe('open')
    })

    test('that began before somebody took it may take its time from then on', async () => {
      const { connection, peer, clock } = connectRaw(role, { messageTimeout: 1000, pingInterval: false })
      peer.send(0x01, 'one')
      await clock.advance(900)
      const stream = connection.receiveStream()
      expect(await stream.next()).toEqual({ value: 'one', done: false })
      await clock.advance(60_000)
      expect(connection.state).toBe('open')
      // And the next one has its deadline again.
      await stream.return!()
      peer.send(0x80)
      peer.send(0x01, 'another')
      await settle()
      await clock.advance(1200)
      expect(connection.state).toBe('closing')
    })
  })

  describe('who leaves early', () => {
    test.each([true, false])('gets the next message whole, with compression: %s', async (compression) => {
      const pair = connectedPair({ chunkSize: 500, [role]: { compression } })
      const text = prose(100_000)
      void pair[other].send(text.slice(0, 300))
      void pair[other].send(text)
      void pair[other].send(text.slice(300))
      void pair[other].send(utf8(text))
      expect(await pair[role].receive()).toBe(text.slice(0, 300))
      for await (const piece of pair[role].receiveStream()) {
        expect(text.startsWith(piece as string)).toBe(true)
        break
      }
      expect(isSame(await pair[role].receive(), text.slice(300))).toBe(true)
      expect(isSame(await pair[role].receive(), utf8(text))).toBe(true)
    })

    test('by an error of its own, too', async () => {
      const { connection, peer } = connectRaw(role)
      peer.send(0x01, 'one')
      const error = new Error('no room')
      const taking = (async () => {
        for await (const _ of connection.receiveStream()) throw error
      })()
      await expect(taking).rejects.toBe(error)
      peer.send(0x80, 'two')
      peer.send(TEXT, 'next')
      expect(await connection.receive()).toBe('next')
    })

    test('discards what still comes, without holding up the peer', async () => {
      const { connection, peer, link } = connectRaw(role, { maxStreamSize: Number.POSITIVE_INFINITY })
      const stream = connection.receiveStream()
      const size = 4 * 1024 * 1024
      peer.write(headerTo(role, BINARY, size))
      peer.write(new Uint8Array(100_000))
      peer.write(new Uint8Array(100_000))
      await stream.next()
      await settle()
      expect(link.isReadingPaused).toBe(true)
      await stream.return!()
      peer.write(new Uint8Array(size - 200_000))
      peer.send(TEXT, 'next')
      expect(await connection.receive()).toBe('next')
      expect(peer.bufferedAmount).toBe(0)
    })

    test('within a message of text that is no UTF-8 does not hear of it', async () => {
      const { connection, peer } = connectRaw(role)
      peer.send(0x01, 'one')
      for await (const _ of connection.receiveStream()) break
      peer.send(0x80, hex('ff'))
      peer.send(TEXT, 'grüße')
      expect(await connection.receive()).toBe('grüße')
    })

    test('before the message began leaves it to the next who asks', async () => {
      const { connection, peer } = connectRaw(role)
      const stream = connection.receiveStream()
      const waiting = stream.next()
      await settle()
      await stream.return!()
      expect(await waiting).toEqual(DONE)
      peer.send(0x01, 'one ')
      peer.send(0x80, 'message')
      expect(await connection.receive()).toBe('one message')
    })

    test('can be aborted by a signal, while it waits and while it does not', async () => {
      const { connection, peer } = connectRaw(role)
      for (const isWaiting of [true, false]) {
        const controller = new AbortController()
        const stream = connection.receiveStream({ signal: controller.signal })
        peer.send(0x01, 'one')
        await stream.next()
        const reason = new Error('enough')
        const next = isWaiting ? stream.next() : undefined
        await settle()
        controller.abort(reason)
        await expect(next ?? stream.next()).rejects.toBe(reason)
        peer.send(0x80, 'two')
        peer.send(TEXT, 'next')
        expect(await connection.receive()).toBe('next')
      }
    })
  })

  describe('somebody else', () => {
    test('is refused with StateError while a stream is taken', async () => {
      const { connection, peer } = connectRaw(role)
      const stream = connection.receiveStream()
      peer.send(0x01, 'one')
      await stream.next()
      const code = { code: 'WS_CONCURRENT_RECEIVE' }
      await expect(connection.receive()).rejects.toMatchObject(code)
      await expect(connection[Symbol.asyncIterator]().next()).rejects.toMatchObject(code)
      await expect(connection.receiveStream().next()).rejects.toMatchObject(code)
      peer.send(0x80, 'two')
      peer.send(TEXT, 'next')
      expect(await stream.next()).toEqual({ value: 'two', done: false })
      await settle()
      // The stream has not been asked for its end yet.
      await expect(connection.receive()).rejects.toMatchObject(code)
      expect(await stream.next()).toEqual(DONE)
      expect(await connection.receive()).toBe('next')
    })

    test('refuses a stream with StateError while it receives', async () => {
      const { connection, peer } = connectRaw(role)
      const waiting = connection.receive()
      await expect(connection.receiveStream().next()).rejects.toThrow(StateError)
      peer.send(TEXT, 'one')
      expect(await waiting).toBe('one')
      const looping = connection[Symbol.asyncIterator]().next()
      await expect(connection.receiveStream().next()).rejects.toThrow(StateError)
      peer.send(TEXT, 'two')
      expect(await looping).toEqual({ value: 'two', done: false })
    })

    test('is not disturbed by a stream that nobody asked for a piece', async () => {
      const { connection, peer } = connectRaw(role)
      connection.receiveStream()
      peer.send(TEXT, 'one')
      expect(await connection.receive()).toBe('one')
    })

    test('owns the messages when it is a handler object', () => {
      const { connection } = connectRaw(role, { handler: {} })
      expect(() => connection.receiveStream()).toThrow(new StateError('WS_RECEIVE_WITH_HANDLER'))
    })
  })

  describe('the end of the connection', () => {
    test('within a message is thrown after the pieces that came, also after an ordinary close', async () => {
      const { connection, peer } = connectRaw(role)
      const taken: Message[] = []
      const taking = (async () => {
        for await (const piece of connection.receiveStream()) taken.push(piece)
      })()
      peer.write(frameTo(role, 0x01, 'one'), frameTo(role, 0x00, 'two'))
      peer.close(1000)
      await settle()
      peer.end()
      await expect(taking).rejects.toMatchObject({ name: 'ConnectionClosedError', info: { code: 1000 } })
      expect(taken.join('')).toBe('onetwo')
    })

    test('before a message is thrown', async () => {
      const { connection, peer } = connectRaw(role)
      const waiting = receivePieces(connection)
      peer.close(1000)
      peer.end()
      await expect(waiting).rejects.toMatchObject({ info: { code: 1000 } })
      await expect(receivePieces(connection)).rejects.toThrow(ConnectionClosedError)
    })

    test('right behind a message does not take it away', async () => {
      for (const cut of [true, false]) {
        const { connection, peer } = connectRaw(role)
        const bytes = pattern(300_000)
        peer.write(frameTo(role, BINARY, bytes), frameTo(role, TEXT, 'last'))
        peer.close(1000)
        await settle()
        if (cut) peer.cut(new Error('cut'))
        else peer.end()
        expect(isSame(joined(await receivePieces(connection)), bytes)).toBe(true)
        expect(await connection.receive()).toBe('last')
        await expect(connection.receive()).rejects.toMatchObject({ info: { code: 1000 } })
      }
    })

    test('ends a stream of ours that nobody ends, when terminate() is called', async () => {
      const { connection, peer } = connectRaw(role)
      const stream = connection.receiveStream()
      peer.send(0x01, 'one')
      await stream.next()
      const next = stream.next()
      await settle()
      connection.terminate()
      await expect(next).rejects.toMatchObject({ info: { code: 1006 } })
    })

    test('throws on what was taken after close() was called', async () => {
      const pair = connectedPair()
      const source = new FakeSource()
      void pair[other].send(source)
      source.give('one')
      const stream = pair[role].receiveStream()
      await stream.next()
      void pair[role].close()
      await expect(stream.next()).rejects.toThrow(ConnectionClosedError)
    })
  })

  describe('a message above maxMessageSize', () => {
    const large = pattern(1000)
    const kinds: [string, Uint8Array[]][] = [
      ['in one frame', [frameTo(role, BINARY, large)]],
      ['in fragments', [frameTo(role, 0x02, large.subarray(0, 60)), frameTo(role, 0x80, large.subarray(60))]],
      ['compressed', [frameTo(role, BINARY | RSV1, deflate(large))]],
      [
        'compressed and in fragments',
        [
          frameTo(role, 0x02 | RSV1, deflate(large).subarray(0, 20)),
          frameTo(role, 0x80, deflate(large).subarray(20)),
        ],
      ],
    ]
    const options = { maxMessageSize: 100, maxStreamSize: 2000, agreed: DEFLATE }

    test.each(kinds)('waits for a stream, %s', async (_how, frames) => {
      const { connection, peer, link } = connectRaw(role, options)
      peer.send(TEXT, 'before')
      peer.write(...frames)
      peer.send(TEXT, 'behind')
      await settle()
      expect(link.isReadingPaused).toBe(true)
      expect(await connection.receive()).toBe('before')
      expect(joined(await receivePieces(connection))).toEqual(large)
      expect(await connection.receive()).toBe('behind')
      expect(link.isReadingPaused).toBe(false)
    })

    test.each(kinds)('is taken by a stream that waits already, %s', async (_how, frames) => {
      const { connection, peer } = connectRaw(role, options)
      const pieces = receivePieces(connection)
      await settle()
      for (const frame of frames) {
        peer.write(frame)
        await settle()
      }
      peer.send(TEXT, 'behind')
      expect(joined(await pieces)).toEqual(large)
      expect(await connection.receive()).toBe('behind')
    })

    test.each(kinds)('is refused when receive() asks for it, %s', async (_how, frames) => {
      const { connection, peer } = connectRaw(role, options)
      peer.send(TEXT, 'before')
      peer.write(...frames)
      await settle()
      expect(await connection.receive()).toBe('before')
      expect(connection.state).toBe('open')
      const waiting = connection.receive()
      await until(() => connection.state !== 'open')
      await settle()
      expectCloseFrame(peer, 1009, 'a message is larger than the limit')
      peer.end()
      await expect(waiting).rejects.toMatchObject({ info: { code: 1009 } })
      expect((await connection.closed).error?.message).toContain('maxMessageSize is 100')
    })

    test.each(kinds)('is refused when a loop asks for it, %s', async (_how, frames) => {
      const { connection, peer } = connectRaw(role, options)
      peer.write(...frames)
      await settle()
      const looping = receiveAll(connection)
      await until(() => connection.state !== 'open')
      peer.end()
      expect(await looping).toEqual([])
      expect(await connection.closed).toMatchObject({ code: 1009 })
    })

    test.each(kinds)('is refused at once while somebody waits for it, %s', async (_how, frames) => {
      const { connection, peer } = connectRaw(role, options)
      const waiting = connection.receive()
      peer.write(...frames)
      await until(() => connection.state !== 'open')
      await settle()
      expectCloseFrame(peer, 1009, 'a message is larger than the limit')
      peer.end()
      await expect(waiting).rejects.toMatchObject({ info: { code: 1009 } })
    })

    test.each(kinds)('is refused at once where there is a handler object, %s', async (_how, frames) => {
      const { connection, peer } = connectRaw(role, { ...options, handler: {} })
      peer.write(...frames)
      await until(() => connection.state !== 'open')
      peer.end()
      expect(await connection.closed).toMatchObject({ code: 1009 })
    })

    test.each(kinds)('is refused at once without maxStreamSize, %s', async (_how, frames) => {
      const { connection, peer } = connectRaw(role, { maxMessageSize: 100, agreed: DEFLATE })
      peer.write(...frames)
      await until(() => connection.state !== 'open')
      peer.end()
      expect(await connection.closed).toMatchObject({ code: 1009 })
      expect((await connection.closed).error?.message).toContain('maxMessageSize is 100')
    })

    test.each(kinds)('and above maxStreamSize is refused at once, %s', async (_how, frames) => {
      for (const isTaken of [true, false]) {
        const { connection, peer } = connectRaw(role, { ...options, maxStreamSize: 999 })
        const pieces = isTaken ? receivePieces(connection) : undefined
        pieces?.catch(() => {})
        await settle()
        peer.write(...frames)
        await until(() => connection.state !== 'open')
        peer.end()
        expect(await connection.closed).toMatchObject({ code: 1009 })
        if (pieces !== undefined) await expect(pieces).rejects.toMatchObject({ info: { code: 1009 } })
      }
    })

    test('waits for a stream also when its compressed bytes alone are more than that', async () => {
      const { connection, peer } = connectRaw(role, { ...options, maxStreamSize: 100_000 })
      const receiving = connection.receive()
      const bytes = noise(50_000)
      // In one read, so that nobody can ask for a stream before it is here.
      peer.write(frameTo(role, TEXT, 'before'), frameTo(role, BINARY | RSV1, deflate(bytes)))
      expect(await receiving).toBe('before')
      expect(isSame(joined(await receivePieces(connection)), bytes)).toBe(true)
      expect(connection.state).toBe('open')
    })

    test('may take its time until somebody takes it', async () => {
      const { connection, peer, clock } = connectRaw(role, { ...options, messageTimeout: 1000 })
      peer.send(0x02, large.subarray(0, 60))
      await settle()
      peer.send(0x80, large.subarray(60))
      await settle()
      await clock.advance(60_000)
      expect(connection.state).toBe('open')
      expect(joined(await receivePieces(connection))).toEqual(large)
    })

    test('still comes after the peer ended the stream', async () => {
      const { connection, peer } = connectRaw(role, options)
      peer.write(frameTo(role, BINARY, large), frameTo(role, TEXT, 'last'))
      peer.close(1000)
      peer.end()
      await settle()
      expect(connection.state).toBe('open')
      expect(joined(await receivePieces(connection))).toEqual(large)
      expect(await connection.receive()).toBe('last')
      expect(await connection.closed).toMatchObject({ code: 1000, clean: true })
    })

    test.each(kinds)('does not hold up close(), %s', async (_how, frames) => {
      const { connection, peer } = connectRaw(role, options)
      peer.write(...frames)
      await settle()
      const closed = connection.close()
      peer.send(TEXT, 'dropped')
      peer.close(1000)
      peer.end()
      expect(await closed).toMatchObject({ code: 1000, clean: true })
    })
  })

  describe('a consumer that is slower than its peer', () => {
    test.each([true, false])('makes it wait, and holds little, compressed: %s', async (compress) => {
      const pair = connectedPair({ [role]: { maxStreamSize: Number.POSITIVE_INFINITY } })
      const piece = utf8(prose(50_000))
      let given = 0
      function* pieces(): Generator<Uint8Array> {
        for (let count = 0; count < 200; count++) {
          given += piece.length
          yield piece
        }
      }
      const sending = pair[other].send(pieces(), { compress })
      let taken = 0
      let most = 0
      for await (const part of pair[role].receiveStream()) {
        expect(part.length).toBeLessThan(200_000)
        taken += part.length
        await settle()
        most = Math.max(most, given - taken)
      }
      await sending
      expect(taken).toBe(200 * piece.length)
      // What was given and not taken lies in the stream, with the zlib of both ends and on the line.
      expect(most).toBeLessThan(compress ? 1_500_000 : 600_000)
    })

    test('makes it wait for ever when nobody takes more', async () => {
      const pair = connectedPair({
        clock: new FakeClock(),
        [role]: { maxStreamSize: Number.POSITIVE_INFINITY },
      })
      let given = 0
      function* endless(): Generator<Uint8Array> {
        for (;;) yield new Uint8Array((given += 1000) && 1000)
      }
      const sending = pair[other].send(endless(), { compress: false })
      const stream = pair[role].receiveStream()
      await stream.next()
      await settle()
      const before = given
      for (let turn = 0; turn < 20; turn++) await settle()
      expect(given).toBe(before)
      expect(given).toBeLessThan(500_000)
      pair[role].terminate()
      await expect(sending).rejects.toThrow(ConnectionClosedError)
    })

    test('never has more than a little of what decompresses to much', async () => {
      // 64 MiB of zeros in 64 KiB.
      const { connection, peer, link } = connectRaw(role, {
        agreed: DEFLATE,
        maxStreamSize: Number.POSITIVE_INFINITY,
      })
      const size = 64 * 1024 * 1024
      const stream = connection.receiveStream()
      peer.write(frameTo(role, BINARY | RSV1, deflate(new Uint8Array(size))))
      peer.send(TEXT, 'next')
      let taken = 0
      let largest = 0
      for await (const piece of stream) {
        taken += piece.length
        largest = Math.max(largest, piece.length)
        if (taken > 1024 * 1024 && taken < 2 * 1024 * 1024) expect(link.isReadingPaused).toBe(true)
      }
      expect([taken, largest <= 128 * 1024]).toEqual([size, true])
      expect(await connection.receive()).toBe('next')
    })
  })
})

test('a stream may be left within a message that takes long to decompress', async () => {
  const { connection, peer } = connectRaw('server', {
    agreed: DEFLATE,
    maxStreamSize: Number.POSITIVE_INFINITY,
  })
  const stream = connection.receiveStream()
  peer.write(frameTo('server', BINARY | RSV1, deflate(new Uint8Array(20 * 1024 * 1024))))
  peer.send(TEXT, 'next')
  await stream.next()
  await stream.return!()
  expect(await connection.receive()).toBe('next')
  await until(() => peer.bufferedAmount === 0)
})

test('each message is what was sent, however the ones before it were sent and taken', async () => {
  // Invariant: messages come in order, whole or from their beginning, whatever became of those before them.
  const message = fc.record({
    size: fc.oneof(fc.nat(300), fc.nat(5000), fc.integer({ min: 20_000, max: 90_000 }), fc.constant(150_000)),
    seed: fc.integer({ min: 1, max: 1000 }),
    isText: fc.boolean(),
    compress: fc.boolean(),
    source: fc.constantFrom('whole', 'whole', 'pieces', 'slow pieces'),
    taken: fc.constantFrom('receive', 'loop', 'stream', 'start of the stream', 'aborted stream'),
    pause: fc.boolean(),
  })
  const line = fc.record({
    role: fc.constantFrom(...ROLES),
    chunkSize: fc.constantFrom(300, 4096, 1_000_000),
    compression: fc.boolean(),
    receiveHighWaterMark: fc.integer({ min: 1, max: 5 }),
  })
  await fc.assert(
    fc.asyncProperty(line, fc.array(message, { minLength: 1, maxLength: 8 }), async (options, messages) => {
      const { role, chunkSize, compression, receiveHighWaterMark } = options
      const limits = { maxMessageSize: 100_000, maxStreamSize: 1_000_000 }
      const receiving = { ...limits, receiveHighWaterMark, receiveLowWaterMark: 0 }
      const pair = connectedPair({
        chunkSize,
        client: { ...receiving, compression },
        server: receiving,
      })
      const [from, to] = [pair[role], pair[role === 'client' ? 'server' : 'client']]
      const contents = messages.map(({ size, seed, isText }): Message => {
        return isText ? prose(size, seed) : utf8(prose(size, seed))
      })
      const sends = messages.map(({ source, compress, isText }, index) => {
        const content = contents[index]!
        const type = isText ? 'text' : 'binary'
        if (source === 'whole') return from.send(content, { compress })
        async function* pieces(): AsyncGenerator<Message> {
          for (let start = 0; start < content.length; start += 9000) {
            if (source === 'slow pieces') await settle()
            yield content.slice(start, start + 9000)
          }
        }
        return from.send(pieces(), { compress, type })
      })
      for (const [index, { taken, pause }] of messages.entries()) {
        const content = contents[index]!
        if (pause) {
          to.pause()
          await settle()
          to.resume()
        }
        if (content.length > limits.maxMessageSize || taken === 'stream') {
          const pieces = await receivePieces(to)
          expect(isSame(pieces.length === 0 ? content.slice(0, 0) : joined(pieces), content)).toBe(true)
        } else if (taken === 'receive') {
          expect(isSame(await to.receive(), content)).toBe(true)
        } else if (taken === 'loop') {
          for await (const received of to) {
            expect(isSame(received, content)).toBe(true)
            break
          }
        } else {
          const controller = new AbortController()
          const stream = to.receiveStream({ signal: controller.signal })
          const { value = content.slice(0, 0) } = await stream.next()
          expect(isSame(value, content.slice(0, value.length))).toBe(true)
          if (taken === 'aborted stream') controller.abort()
          else await stream.return!()
        }
      }
      await Promise.all(sends)
      expect(await from.close()).toMatchObject({ code: 1000, clean: true })
    }),
    { numRuns: 40 },
  )
})
