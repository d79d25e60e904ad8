import { once } from 'node:events'
import { type AddressInfo, connect as connectPlain, createServer, type Socket } from 'node:net'
import { connect as connectTls, createServer as createTlsServer } from 'node:tls'
import { describe, expect, test, vi } from 'vitest'
import type { Connection } from '../../src/connection/connection.ts'
import { ConnectionClosedError, ProtocolError, WebSocketTimeoutError } from '../../src/errors.ts'
import { engine } from '../../src/kernel/engine.ts'
import type { Role } from '../../src/protocol/protocol.ts'
import { connectedPair, FakeClock } from '../../src/testing/index.ts'
import { trySharedRead } from '../../src/transport/shared-read.ts'
import { SocketTransport } from '../../src/transport/socket-transport.ts'
import { concat, frameTo, headerTo, hex, pattern, utf8 } from '../support/bytes.ts'
import { tlsCertificate, tlsKey } from '../support/tls.ts'
import {
  BINARY,
  CLOSE,
  connectRaw,
  deflate,
  expectCloseFrame,
  expectInfo,
  isSame,
  microtasks,
  PING,
  PONG,
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

const NORMAL = { code: 1000, reason: '' }

function numbered(role: Role, count: number): Uint8Array[] {
  return Array.from({ length: count }, (_, index) => frameTo(role, TEXT, `message ${index}`))
}

function expectedNumbers(count: number): string[] {
  return Array.from({ length: count }, (_, index) => `message ${index}`)
}

/** A peer that lets the server end the TCP connection, and ends it itself when it is the server. */
function answerClose(role: Role, peer: RawPeer, code: number): void {
  peer.close(code)
  if (role === 'client') peer.end()
}

describe.each(ROLES)('%s', (role) => {
  const other = role === 'client' ? 'server' : 'client'

  describe('end of the connection', () => {
    test('tells of a close that we began', async () => {
      const pair = connectedPair()
      await pair[role].close(4000, 'we are done')
      const frame = { code: 4000, reason: 'we are done' }
      const echo = { code: 4000, reason: '' }
      const info = await pair[role].closed
      expectInfo(info, { ...echo, received: echo, sent: frame, initiator: 'local', clean: true })
      expect(info.diagnosis).toBe('we closed with 4000 (private use) "we are done" and the peer answered')
      expect(info.error).toBeUndefined()
      const theirs = await pair[other].closed
      expectInfo(theirs, { ...frame, received: frame, sent: echo, initiator: 'remote', clean: true })
      expect(theirs.diagnosis).toBe('the peer closed with 4000 (private use) "we are done" and we answered')
      expect(theirs.error).toBeUndefined()
    })

    test('tells of a close without a code', async () => {
      const { connection, peer } = connectRaw(role)
      peer.send(CLOSE)
      await settle()
      expect(peer.takeFrames().map(({ opcode, payload }) => [opcode, payload.length])).toEqual([[8, 0]])
      peer.end()
      const empty = { code: 1005, reason: '' }
      expectInfo(await connection.closed, {
        ...empty,
        received: empty,
        sent: empty,
        initiator: 'remote',
        clean: true,
      })
    })

    test('tells of a close that both began at once', async () => {
      const pair = connectedPair()
      const ours = pair[role].close(4001, 'ours')
      const theirs = pair[other].close(4002, 'theirs')
      expectInfo(await ours, {
        code: 4002,
        reason: 'theirs',
        received: { code: 4002, reason: 'theirs' },
        sent: { code: 4001, reason: 'ours' },
        initiator: 'local',
        clean: true,
      })
      expect(await theirs).toMatchObject({ code: 4001, initiator: 'local', clean: true })
    })

    test('tells of terminate(), and of the same from the other side', async () => {
      const pair = connectedPair()
      pair[role].terminate()
      const info = await pair[role].closed
      expectInfo(info, {
        code: 1006,
        reason: '',
        received: undefined,
        sent: undefined,
        initiator: 'local',
        clean: false,
      })
      expect(info.diagnosis).toBe('terminate() was called; no byte ever came')
      const theirs = await pair[other].closed
      expect(theirs).toMatchObject({ code: 1006, initiator: 'remote', clean: false, error: undefined })
      expect(theirs.diagnosis).toMatch(/^the peer ended the TCP connection without a close frame/)
    })

    test('tells of terminate() while the answer to a close is awaited', async () => {
      const { connection } = connectRaw(role)
      void connection.close(4000)
      connection.terminate()
      connection.terminate()
      const info = await connection.closed
      expect(info).toMatchObject({ code: 4000, initiator: 'local', clean: false, received: undefined })
      expect(info.diagnosis).toMatch(/^terminate\(\) was called/)
    })

    test('does not put the blame on terminate() when all was said before', async () => {
      const { connection, peer } = connectRaw(role)
      peer.close(1000)
      await settle()
      connection.terminate()
      const info = await connection.closed
      expect(info).toMatchObject({ code: 1000, initiator: 'remote', clean: true })
      expect(info.diagnosis).toBe('the peer closed with 1000 (normal closure) and we answered')
    })

    test('tells of a line that was cut', async () => {
      const { connection, peer, clock } = connectRaw(role)
      peer.send(TEXT, 'x')
      await settle()
      await clock.advance(5000)
      const error = Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
      peer.cut(error)
      const info = await connection.closed
      expectInfo(info, {
        code: 1006,
        reason: '',
        received: undefined,
        sent: undefined,
        initiator: 'remote',
        clean: false,
      })
      expect(info.error).toBe(error)
      expect(info.diagnosis).toMatch(
        /^the peer or something between reset the TCP connection \(ECONNRESET\); no byte came or went for 5 s\. Probably the /,
      )
      expect(info.facts).toMatchObject({
        openFor: 5000,
        sinceReceived: 5000,
        sinceSent: undefined,
        unsent: 0,
        systemError: 'ECONNRESET',
        cause: 'peer-gone',
      })
    })

    test('tells of an end of the stream without a close frame', async () => {
      const { connection, peer } = connectRaw(role)
      peer.end()
      const info = await connection.closed
      expectInfo(info, {
        code: 1006,
        reason: '',
        received: undefined,
        sent: undefined,
        initiator: 'remote',
        clean: false,
      })
      expect(info.error).toBeUndefined()
      expect(info.diagnosis).toMatch(
        /^the peer ended the TCP connection without a close frame; no byte ever came\. Probably the /,
      )
      expect(peer.hasEnded).toBe(true)
      expect(peer.isClosed).toBe(true)
      expect(peer.takeFrames()).toEqual([])
    })

    test('tells of an end of the stream instead of an answer', async () => {
      const { connection, peer } = connectRaw(role)
      void connection.close(4000, 'bye')
      peer.end()
      const info = await connection.closed
      const frame = { code: 4000, reason: 'bye' }
      expectInfo(info, { ...frame, received: undefined, sent: frame, initiator: 'local', clean: false })
      expect(info.diagnosis).toMatch(/^we closed with 4000 .* and the peer ended the TCP connection without/)
    })

    test('tells of a violation of the peer', async () => {
      const { connection, peer } = connectRaw(role)
      peer.send(0x83) // FIN, opcode 3
      await settle()
      expectCloseFrame(peer, 1002, 'the opcode is reserved')
      expect(peer.hasEnded).toBe(true)
      peer.end()
      const info = await connection.closed
      const frame = { code: 1002, reason: 'the opcode is reserved' }
      expectInfo(info, { ...frame, received: undefined, sent: frame, initiator: 'local', clean: false })
      expect(info.error).toBeInstanceOf(ProtocolError)
      expect(info.diagnosis).toBe('the opcode is reserved: opcode 3')
      await expect(connection.receive()).rejects.toMatchObject({ cause: info.error })
    })

    test('tells of a violation of ours, as the peer saw it', async () => {
      const { connection, peer } = connectRaw(role)
      peer.close(1002, 'you did wrong')
      peer.end()
      const info = await connection.closed
      expectInfo(info, {
        code: 1002,
        reason: 'you did wrong',
        received: { code: 1002, reason: 'you did wrong' },
        sent: { code: 1002, reason: '' },
        initiator: 'remote',
        clean: true,
      })
    })

    test('tells of a violation while the answer to a close is awaited', async () => {
      const { connection, peer } = connectRaw(role)
      void connection.close()
      peer.send(0x83)
      peer.end()
      const info = await connection.closed
      expect(info).toMatchObject({ code: 1000, received: undefined, sent: NORMAL, initiator: 'local' })
      expect(info.error).toBeInstanceOf(ProtocolError)
    })

    test('tells of a peer that does not answer a close within closeTimeout', async () => {
      const { connection, clock, peer } = connectRaw(role, { closeTimeout: 3000 })
      void connection.close(4000)
      await clock.advance(2900)
      expect(connection.state).toBe('closing')
      await clock.advance(200)
      const info = await connection.closed
      expect(info).toMatchObject({ code: 4000, received: undefined, initiator: 'local', clean: false })
      expect(info.error).toEqual(new WebSocketTimeoutError('close', 3000))
      expect(info.diagnosis).toMatch(/^the closing handshake was not done within closeTimeout \(3000 ms\)/)
      expect(peer.isClosed).toBe(true)
    })

    test('drops a peer that answers but never ends the stream', async () => {
      const { connection, clock, peer } = connectRaw(role)
      peer.close(1000)
      await settle()
      await clock.advance(9000)
      expect(connection.state).toBe('closing')
      await clock.advance(1100)
      expect(await connection.closed).toMatchObject({ code: 1000, clean: true, initiator: 'remote' })
      expect(peer.isClosed).toBe(true)
    })

    test('drops a peer that goes on sending instead of answering', async () => {
      const { connection, clock, peer } = connectRaw(role)
      const messages = receiveAll(connection)
      void connection.close()
      for (let second = 0; second < 11; second++) {
        peer.send(TEXT, 'and another thing')
        await clock.advance(1000)
      }
      expect(connection.state).toBe('closed')
      expect(await messages).toEqual([])
    })

    test('holds no timer when all is over', async () => {
      const clock = new FakeClock()
      const set = vi.spyOn(clock, 'setTimeout')
      const pair = connectedPair({ clock })
      await pair[role].close()
      await pair[other].closed
      await clock.advance(100_000)
      const before = set.mock.calls.length
      await clock.advance(1_000_000)
      expect(set.mock.calls.length).toBe(before)
    })

    test('calls back once when it is closed, after the consumer', async () => {
      const log: string[] = []
      const { link, connection } = connectRaw(role, {
        handler: {
          close: () => {
            log.push('consumer')
          },
        },
      })
      expect(link.info).toBeUndefined()
      link.onceClosed((name) => log.push(name), 'callback')
      connection.terminate()
      await settle()
      expect(log).toEqual(['consumer', 'callback'])
      expect(link.info).toBe(await connection.closed)
      link.fail(1011, new Error('too late'), '')
      link.close(1000, '')
      await settle()
      expect(log).toHaveLength(2)
    })

    test('drops messages that come after close was called, up to the close frame behind them', async () => {
      const { connection, peer } = connectRaw(role)
      const closing = connection.close(4000)
      for (const bytes of numbered(role, 100)) peer.write(bytes)
      answerClose(role, peer, 4000)
      if (role === 'server') peer.end()
      expect(await closing).toMatchObject({ clean: true, received: { code: 4000, reason: '' } })
      await expect(connection.receive()).rejects.toThrow(ConnectionClosedError)
    })

    test('reaches the close frame behind an inbox that was full when close was called', async () => {
      const { connection, peer } = connectRaw(role)
      for (const bytes of numbered(role, 100)) peer.write(bytes)
      await settle()
      const closing = connection.close(4000)
      answerClose(role, peer, 4000)
      peer.end()
      expect(await closing).toMatchObject({ clean: true })
      // What was in the inbox before is still there.
      expect(await receiveMany(connection, 16)).toEqual(expectedNumbers(16))
    })

    test('ends at once when close is called behind a full inbox and the peer is gone', async () => {
      const { connection, peer } = connectRaw(role)
      peer.write(...numbered(role, 100))
      peer.end()
      await settle()
      expect(connection.state).toBe('open')
      const info = await connection.close(4000)
      expect(info).toMatchObject({ code: 4000, received: undefined, clean: false, error: undefined })
    })
  })

  describe('consumers that are coroutines', () => {
    for (const [ending, code] of [
      ['a close frame', 4000],
      ['a violation', 1002],
    ] as const) {
      const last = ending === 'a violation' ? hex('83 00') : frameTo(role, CLOSE, hex('0f a0'))

      test(`may answer messages that came in one read with ${ending}`, async () => {
        const { connection, peer } = connectRaw(role)
        const answering = (async () => {
          for await (const message of connection) await connection.send(`re: ${String(message)}`)
        })()
        await settle()
        peer.write(...numbered(role, 3), last)
        await settle()
        const frames = peer.takeFrames()
        expect(frames.map(({ opcode }) => opcode)).toEqual([1, 1, 1, 8])
        expect(frames.slice(0, 3).map(({ payload }) => payload)).toEqual(
          expectedNumbers(3).map((text) => utf8(`re: ${text}`)),
        )
        peer.end()
        await expect(answering).rejects.toMatchObject({ info: { code } })
      })

      test(`hear of ${ending} without delay when there is nothing to answer`, async () => {
        const { connection, peer } = connectRaw(role)
        peer.write(last)
        await settle()
        expect(peer.takeFrames().map(({ opcode }) => opcode)).toEqual([8])
        expect(connection.state).toBe('closing')
      })

      test(`hear of ${ending} also when the line is cut before they answered`, async () => {
        const { connection, peer } = connectRaw(role)
        peer.write(...numbered(role, 1), last)
        peer.cut(new Error('cut'))
        const info = await connection.closed
        expect(await connection.receive()).toBe('message 0')
        if (ending === 'a close frame') expect(info.received).toEqual({ code: 4000, reason: '' })
        else expect(info.error).toBeInstanceOf(ProtocolError)
      })
    }

    test('may close themselves while a close frame waits for them', async () => {
      const { connection, peer } = connectRaw(role)
      const closing = connection.receive().then(() => connection.close(4001))
      peer.write(...numbered(role, 1), frameTo(role, CLOSE, hex('0f a0')))
      await settle()
      expectCloseFrame(peer, 4001)
      peer.end()
      expect(await closing).toMatchObject({ code: 4000, sent: { code: 4001, reason: '' }, clean: true })
    })
  })

  describe('consumers that are handlers', () => {
    test('answer at once, and before the close frame', async () => {
      const { peer } = connectRaw(role, {
        handler: { message: (connection, message) => connection.send(message) },
      })
      peer.write(...numbered(role, 3), frameTo(role, CLOSE, hex('0f a0')))
      await settle()
      expect(peer.takeFrames().map(({ opcode }) => opcode)).toEqual([1, 1, 1, 8])
    })
  })

  describe('ping', () => {
    test('is answered, given up or lost', async () => {
      const { link, peer, clock } = connectRaw(role)
      const answered = link.ping(utf8('answered'), undefined)
      const controller = new AbortController()
      const aborted = link.ping(utf8('aborted'), controller.signal)
      const lost = link.ping(utf8('lost'), controller.signal)
      await clock.advance(7)
      controller.abort(new Error('enough'))
      await expect(aborted).rejects.toThrow('enough')
      await expect(lost).rejects.toThrow('enough')
      peer.send(PONG, 'answered')
      expect(await answered).toBe(7)
      expect(link.latency).toBe(7)
      const { signal } = new AbortController()
      const last = link.ping(utf8('last'), signal)
      await expect(link.ping(utf8('last'), signal)).rejects.toMatchObject({ code: 'WS_DUPLICATE_PING' })
      peer.cut(new Error('cut'))
      await expect(last).rejects.toThrow(ConnectionClosedError)
      await expect(link.ping(utf8('late'), signal)).rejects.toThrow(ConnectionClosedError)
    })

    test('resolves while a signal watches that never aborts', async () => {
      const { link, peer } = connectRaw(role)
      const ping = link.ping(utf8('x'), new AbortController().signal)
      peer.send(PONG, 'x')
      expect(await ping).toBe(0)
    })
  })

  test('takes bytes that a transport read into the memory of the kernel', async () => {
    const { connection, link } = connectRaw(role)
    const { memory, readStart } = engine.kernel
    const bytes = frameTo(role, TEXT, 'read in place')
    memory.set(bytes, readStart)
    link.onRead(bytes.length)
    expect(await connection.receive()).toBe('read in place')
  })

  describe('receive marks', () => {
    test('stop the bytes of a peer after 16 messages that nobody takes, and lose nothing', async () => {
      const pair = connectedPair()
      const sender = pair[other]
      const receiver = pair[role]
      await settle()
      for (let index = 0; index < 16; index++) void sender.send(`message ${index}`)
      await settle()
      expect(sender.bufferedAmount).toBe(0)
      for (let index = 16; index < 5000; index++) void sender.send(`message ${index}`)
      await settle()
      const behind = sender.bufferedAmount
      expect(behind).toBeGreaterThan(50_000)
      await settle()
      expect(sender.bufferedAmount).toBe(behind)
      expect(await receiveMany(receiver, 5000)).toEqual(expectedNumbers(5000))
      await settle()
      expect(sender.bufferedAmount).toBe(0)
    })

    test('hold back the rest of the read in which they were met', async () => {
      const { connection, peer } = connectRaw(role, { receiveHighWaterMark: 3, receiveLowWaterMark: 1 })
      peer.write(...numbered(role, 50), frameTo(role, CLOSE, hex('03 e8')))
      await settle()
      expect(connection.state).toBe('open')
      peer.end()
      expect(await receiveAll(connection)).toEqual(expectedNumbers(50))
      expect(await connection.closed).toMatchObject({ code: 1000, clean: true })
    })

    test('resume at the low mark, not before', async () => {
      const { connection, peer, link } = connectRaw(role, { receiveHighWaterMark: 8, receiveLowWaterMark: 2 })
      peer.write(...numbered(role, 8))
      await settle()
      expect(link.isReadingPaused).toBe(true)
      await receiveMany(connection, 5)
      expect(link.isReadingPaused).toBe(true)
      await connection.receive()
      expect(link.isReadingPaused).toBe(false)
    })

    test('cost no pause of the transport when the consumer catches up in the same turn', async () => {
      const { connection, peer, link } = connectRaw(role)
      const pause = vi.spyOn(link.transport, 'pause')
      const messages = receiveMany(connection, 100)
      await settle()
      peer.write(...numbered(role, 100))
      expect(await messages).toEqual(expectedNumbers(100))
      await settle()
      expect(pause).not.toHaveBeenCalled()
    })

    test('deliver what waited before the end of the stream', async () => {
      const { connection, peer } = connectRaw(role)
      peer.write(...numbered(role, 100))
      peer.end()
      await settle()
      expect(connection.state).toBe('open')
      expect(await receiveAll(connection)).toEqual(expectedNumbers(100))
      expect(await connection.closed).toMatchObject({ code: 1006, initiator: 'remote' })
    })

    test('end after what waited also when another connection resumes it from its handler', async () => {
      const seen: unknown[] = []
      const waiting = connectRaw(role, {
        handler: {
          message: (_, message) => {
            seen.push(message)
          },
        },
      })
      waiting.connection.pause()
      const bytes = numbered(role, 3)
      // Handed over by the transport before it was paused.
      waiting.link.onData(concat(...bytes))
      waiting.link.onEnd()
      const resuming = connectRaw(role, { handler: { message: () => waiting.connection.resume() } })
      resuming.peer.send(TEXT, 'go on')
      await settle()
      expect(seen).toEqual(expectedNumbers(3))
      expect(waiting.connection.state).not.toBe('open')
      expect(waiting.peer.hasEnded).toBe(true)
    })

    test('deliver what waited before the line was cut', async () => {
      const { connection, peer } = connectRaw(role)
      peer.write(...numbered(role, 100))
      await settle()
      peer.cut(new Error('cut'))
      await settle()
      expect(connection.state).toBe('closed')
      expect(await receiveAll(connection)).toEqual(expectedNumbers(100))
    })

    test('deliver what waited behind pause() before the line was cut', async () => {
      const seen: unknown[] = []
      const { connection, peer } = connectRaw(role, {
        handler: {
          message(connection, message) {
            seen.push(message)
            connection.pause()
          },
        },
      })
      peer.write(...numbered(role, 10), frameTo(role, CLOSE, hex('03 e8')))
      await settle()
      expect(seen).toEqual(['message 0'])
      peer.cut(new Error('cut'))
      expect(await connection.closed).toMatchObject({ received: NORMAL })
      expect(seen).toEqual(expectedNumbers(10))
    })

    test('keep a pause of the user', async () => {
      const { connection, peer, link } = connectRaw(role)
      peer.write(...numbered(role, 40))
      await settle()
      connection.pause()
      expect(await receiveMany(connection, 16)).toEqual(expectedNumbers(16))
      await settle()
      expect(link.isReadingPaused).toBe(true)
      const next = connection.receive()
      expect(await stateOf(next)).toBe('pending')
      connection.resume()
      expect(await next).toBe('message 16')
      expect(await receiveMany(connection, 23)).toEqual(expectedNumbers(40).slice(17))
    })

    test('keep the order of bytes that fill the memory more than once', async () => {
      const { connection, peer } = connectRaw(role, { maxMessageSize: 1024 * 1024 })
      const payloads = Array.from({ length: 40 }, (_, index) => pattern(100_000 + index))
      peer.write(...payloads.map((payload) => frameTo(role, BINARY, payload)))
      for (const payload of payloads) {
        expect(Buffer.compare((await connection.receive()) as Uint8Array, payload)).toBe(0)
      }
    })
  })

  describe('send mark', () => {
    test('lets send() resolve at once below', async () => {
      const { connection, peer } = connectRaw(role)
      peer.pause()
      for (let index = 0; index < 60; index++) {
        expect(await stateOf(connection.send(new Uint8Array(1000)))).toBe('resolved')
      }
    })

    test('lets send() wait above until all has left', async () => {
      const { connection, peer } = connectRaw(role, { sendHighWaterMark: 1000 })
      await settle()
      peer.pause()
      const first = connection.send(new Uint8Array(600))
      expect(await stateOf(first)).toBe('resolved')
      const second = connection.send(new Uint8Array(600))
      const third = connection.send(new Uint8Array(600))
      expect(await stateOf(second)).toBe('pending')
      peer.resume()
      expect(await stateOf(second)).toBe('resolved')
      expect(await stateOf(third)).toBe('resolved')
      // And again.
      peer.pause()
      expect(await stateOf(connection.send(new Uint8Array(2000)))).toBe('pending')
    })

    test('rejects those who wait when the connection ends', async () => {
      const { connection, peer } = connectRaw(role, { sendHighWaterMark: 1000 })
      await settle()
      peer.pause()
      const waiting = [connection.send(new Uint8Array(2000)), connection.send('')]
      expect(await stateOf(waiting[1]!)).toBe('pending')
      peer.cut(new Error('cut'))
      for (const send of waiting) {
        await expect(send).rejects.toMatchObject({ code: 'WS_CLOSED', info: { code: 1006 } })
      }
    })

    test('holds up a producer that awaits', async () => {
      const pair = connectedPair({ clock: new FakeClock(), [other]: { receiveHighWaterMark: 2 } })
      let sent = 0
      const producing = (async () => {
        for (; sent < 1000; sent++) {
          await pair[role].send('x'.repeat(1000), { compress: false })
          await new Promise((resolve) => setImmediate(resolve))
        }
        await pair[role].close()
      })()
      for (let turn = 0; turn < 100; turn++) await settle()
      expect(sent).toBeLessThan(100)
      expect(await receiveAll(pair[other])).toHaveLength(1000)
      await producing
      expect(sent).toBe(1000)
    })

    test('keeps a flood of pings from filling the memory of a peer that reads nothing', async () => {
      const { peer } = connectRaw(role, { line: { highWaterMark: 1000 } })
      await settle()
      peer.pause()
      for (let index = 0; index < 1000; index++) peer.send(PING, `${index}`.padStart(100))
      await settle()
      peer.resume()
      await settle()
      const pongs = peer.takeFrames()
      expect(pongs.length).toBeLessThan(20)
      expect(pongs.at(-1)!.payload).toEqual(utf8('999'.padStart(100)))
    })
  })

  describe('heartbeat', () => {
    test('pings at the interval, and measures the latency', async () => {
      const { connection, peer, clock } = connectRaw(role, { pingInterval: 5000, pingTimeout: 2000 })
      const payloads: string[] = []
      for (let round = 0; round < 3; round++) {
        await clock.advance(5000 * (round + 1) - clock.now())
        const [ping, ...rest] = peer.takeFrames()
        expect(rest).toEqual([])
        expect(ping!.opcode).toBe(9)
        payloads.push(Buffer.from(ping!.payload).toString())
        await clock.advance(10 * (round + 1))
        peer.send(PONG, ping!.payload)
        await settle()
        expect(connection.latency).toBe(10 * (round + 1))
      }
      expect(new Set(payloads).size).toBe(3)
      expect(payloads[0]).toMatch(/^openline:/)
    })

    test('takes any byte as life, even of half a frame', async () => {
      const { connection, peer, clock } = connectRaw(role, {
        pingInterval: 5000,
        pingTimeout: 2000,
        messageTimeout: false,
      })
      const bytes = frameTo(role, BINARY, new Uint8Array(20))
      for (const byte of bytes) {
        await clock.advance(5000)
        peer.write(Uint8Array.of(byte))
        await settle()
      }
      expect(connection.state).toBe('open')
      expect(await connection.receive()).toHaveLength(20)
    })

    test('takes bytes as life that come in the same ms as others before the ping', async () => {
      const clock = new FakeClock()
      // Set before the connection's own timer, so called before it.
      clock.setTimeout(() => peer.send(TEXT, 'just before'), 5000)
      const { connection, peer } = connectRaw(role, { clock, pingInterval: 5000, pingTimeout: 2000 })
      await clock.advance(5000)
      peer.send(TEXT, 'just after')
      await settle()
      await clock.advance(2500)
      expect(peer.takeFrames().map(({ opcode }) => opcode)).toEqual([9])
      expect(connection.state).toBe('open')
    })

    test('fails a peer that is dead with 1011, within interval and timeout', async () => {
      const { connection, peer, clock } = connectRaw(role, {
        pingInterval: 5000,
        pingTimeout: 2000,
        closeTimeout: 1000,
      })
      const failed = connection.receive()
      peer.send(TEXT, 'one sign of life')
      await failed
      const next = connection.receive()
      next.catch(() => {})
      await clock.advance(6900)
      expect(connection.state).toBe('open')
      await clock.advance(300)
      expect(connection.state).toBe('closing')
      await expect(connection.send('x')).rejects.toThrow(ConnectionClosedError)
      await clock.advance(1100)
      const info = await connection.closed
      const frame = { code: 1011, reason: 'heartbeat timeout' }
      expectInfo(info, { ...frame, received: undefined, sent: frame, initiator: 'local', clean: false })
      expect(info.error).toEqual(new WebSocketTimeoutError('ping', 2000))
      expect(info.diagnosis).toBe(
        'no pong and no other byte came within pingTimeout (2000 ms); the last byte came 8 s ago. Probably the network drops packets, or the peer hangs',
      )
      expect(info.facts).toMatchObject({
        limit: 'pingTimeout',
        cause: 'network',
        sincePing: 3000,
        sincePong: undefined,
      })
      await expect(next).rejects.toMatchObject({ info: { code: 1011 } })
      expect(peer.takeFrames().map(({ opcode }) => opcode)).toEqual([9, 8])
    })

    test('fails a peer behind a line that went silent', async () => {
      const clock = new FakeClock()
      const pair = connectedPair({ clock, [other]: { pingInterval: false } })
      pair.hold()
      await clock.advance(40_200)
      expect(pair[role].state).toBe('closing')
      expect(pair[other].state).toBe('open')
      await clock.advance(10_100)
      expect(pair[role].state).toBe('closed')
    })

    test('keeps two ends alive that have nothing to say', async () => {
      const clock = new FakeClock()
      const pair = connectedPair({ clock })
      await clock.advance(10 * 60_000)
      expect(pair.client.state).toBe('open')
      expect(pair.server.state).toBe('open')
      expect(pair[role].latency).toBe(0)
    })

    test('does not blame the peer while we do not read', async () => {
      const clock = new FakeClock()
      const pair = connectedPair({ clock, [other]: { pingInterval: false } })
      pair[role].pause()
      await clock.advance(10 * 60_000)
      expect(pair[role].state).toBe('open')
      pair[role].resume()
      await clock.advance(10 * 60_000)
      expect(pair[role].state).toBe('open')
    })

    test('does not charge a peer for a pause of ours', async () => {
      const { connection, clock } = connectRaw(role, { pingInterval: 5000, pingTimeout: 2000 })
      await clock.advance(5100)
      connection.pause()
      await clock.advance(1800)
      connection.resume()
      await clock.advance(1600)
      expect(connection.state).toBe('open')
      await clock.advance(500)
      expect(connection.state).toBe('closing')
    })

    test('fails a peer that takes nothing, also in callback style', async () => {
      const { connection, peer, clock } = connectRaw(role, {
        pingInterval: 5000,
        pingTimeout: 2000,
        compression: false,
        handler: {},
      })
      peer.pause()
      void connection.send(new Uint8Array(1_500_000))
      await clock.advance(7200)
      expect(connection.state).toBe('closing')
    })

    test('does not blame a peer that takes what waits', async () => {
      const { connection, peer, clock } = connectRaw(role, {
        pingInterval: 5000,
        pingTimeout: 2000,
        compression: false,
        line: { chunkSize: 100_000 },
      })
      // It takes a portion each second.
      const take = peer.onData.bind(peer)
      peer.onData = (bytes) => {
        take(bytes)
        peer.pause()
      }
      void connection.send(new Uint8Array(1_500_000))
      for (let round = 0; round < 12; round++) {
        await clock.advance(1000)
        peer.resume()
      }
      await settle()
      expect(peer.size).toBeGreaterThan(0)
      expect(connection.state).toBe('open')
    })

    test('does not blame the peer while our inbox is full', async () => {
      const { connection, peer, clock } = connectRaw(role)
      peer.write(...numbered(role, 40))
      await clock.advance(10 * 60_000)
      expect(connection.state).toBe('open')
    })

    test('does not blame the peer for a loop that stood still', async () => {
      const clock = new FakeClock()
      const pair = connectedPair({ clock })
      await clock.advance(30_000)
      await clock.jump(120_000)
      expect(pair.client.state).toBe('open')
      expect(pair.server.state).toBe('open')
      await clock.advance(60_000)
      expect(pair[role].state).toBe('open')
    })

    test('is turned off by false', async () => {
      const { connection, peer, clock } = connectRaw(role, { pingInterval: false })
      await clock.advance(60 * 60_000)
      expect(connection.state).toBe('open')
      expect(peer.takeFrames()).toEqual([])
    })

    test('only pings when its timeout is off', async () => {
      const { connection, peer, clock } = connectRaw(role, { pingInterval: 5000, pingTimeout: false })
      await clock.advance(50_000)
      expect(connection.state).toBe('open')
      expect(peer.takeFrames()).toHaveLength(10)
    })
  })

  describe('facts of an end', () => {
    test('tell when bytes and pings went both ways, and how fast', async () => {
      const { connection, peer, clock } = connectRaw(role, { pingInterval: 5000, pingTimeout: 2000 })
      for (let round = 0; round < 2; round++) {
        await clock.advance(5000 * (round + 1) - clock.now())
        const [ping] = peer.takeFrames()
        await clock.advance(80 + 80 * round)
        peer.send(PONG, ping!.payload)
        await settle()
      }
      expect([connection.latency, connection.smoothedLatency]).toEqual([160, 90])
      await clock.advance(840)
      peer.send(PING)
      await settle()
      await clock.advance(1000)
      void connection.send('x')
      await settle()
      await clock.advance(500)
      peer.end()
      expect((await connection.closed).facts).toEqual({
        openFor: 12_500,
        sinceReceived: 1500,
        sinceSent: 500,
        sincePing: 2500,
        sincePong: 2340,
        sincePeerPing: 1500,
        latency: 160,
        smoothedLatency: 90,
        unsent: 0,
        wasReadingPaused: false,
        stoodStill: undefined,
        limit: undefined,
        systemError: undefined,
        cause: 'peer-gone',
      })
    })

    test('tell what was still unsent', async () => {
      const { connection, peer } = connectRaw(role, { compression: false })
      peer.pause()
      void connection.send('x'.repeat(100_000))
      await settle()
      connection.terminate()
      const { facts, diagnosis } = await connection.closed
      expect(facts!.unsent).toBeGreaterThanOrEqual(100_000)
      expect(diagnosis).toMatch(/^terminate\(\) was called; no byte ever came, 98 KiB were still unsent$/)
    })

    test.each([
      ['while', 60_000, 0, true],
      ['long before', 60_000, 11_000, false],
      ['just before', 60_000, 9000, true],
      ['shortly', 4000, 0, false],
    ])('tell that we did not read %s', async (_, pause, then, expected) => {
      const { connection, peer, clock } = connectRaw(role, { pingInterval: false })
      await clock.advance(1000)
      connection.pause()
      await clock.advance(pause)
      if (then > 0) {
        connection.resume()
        await clock.advance(then)
      }
      peer.cut(new Error('cut'))
      expect((await connection.closed).facts!.wasReadingPaused).toBe(expected)
    })

    test('tell that we stood still, in the last minute and since we were open', async () => {
      const clock = new FakeClock()
      const standStill = async (before: number, after: number): Promise<number | undefined> => {
        const { connection, peer } = connectRaw(role, { clock })
        await clock.advance(before)
        await clock.jump(30_000)
        await clock.advance(after)
        peer.send(PONG)
        await settle()
        peer.end()
        return (await connection.closed).facts!.stoodStill
      }
      expect(await standStill(10_000, 1000)).toBeGreaterThan(10_000)
      const { connection, peer } = connectRaw(role, { clock })
      peer.end()
      expect((await connection.closed).facts!.stoodStill).toBeUndefined()
    })

    test('tell that the machine slept', async () => {
      const { connection, peer, clock } = connectRaw(role)
      await clock.advance(1000)
      clock.sleep(3_600_000)
      peer.cut(Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' }))
      const { facts, diagnosis } = await connection.closed
      expect(facts).toMatchObject({ stoodStill: 3_600_000, cause: 'standstill' })
      expect(diagnosis).toMatch(/had stood still for 60 min: a computer that slept/)
    })
  })

  describe('maxLifetime', () => {
    test('closes with 1001 when it is over, and says so', async () => {
      const { connection, peer, clock } = connectRaw(role, { maxLifetime: 60_000, pingInterval: false })
      await clock.advance(53_900)
      expect(connection.state).toBe('open')
      await clock.advance(6200)
      expect(connection.state).toBe('closing')
      expectCloseFrame(peer, 1001, 'lifetime over')
      peer.close(1001)
      peer.end()
      const info = await connection.closed
      expect(info).toMatchObject({ code: 1001, initiator: 'local', clean: true, error: undefined })
      expect(info.facts).toMatchObject({ limit: 'maxLifetime', cause: 'lifetime' })
      expect(info.diagnosis).toBe('we closed with 1001 (going away) "lifetime over" and the peer answered')
    })

    test('leaves closeTimeout to a peer that does not answer', async () => {
      const { connection, clock } = connectRaw(role, {
        maxLifetime: 60_000,
        closeTimeout: 2000,
        pingInterval: false,
      })
      await clock.advance(53_900)
      while (connection.state === 'open') await clock.advance(100)
      expect(connection.state).toBe('closing')
      await clock.advance(2200)
      expect(await connection.closed).toMatchObject({ code: 1001, clean: false, error: { phase: 'close' } })
    })

    test('ends loops quietly', async () => {
      const clock = new FakeClock()
      const pair = connectedPair({ clock, [role]: { maxLifetime: 60_000 } })
      const loop = (async () => {
        for await (const _ of pair[other]);
      })()
      await clock.advance(60_100)
      await loop
      expect(await pair[other].closed).toMatchObject({
        code: 1001,
        reason: 'lifetime over',
        initiator: 'remote',
      })
    })

    test('is nothing when the connection ended before', async () => {
      const { connection, peer, clock } = connectRaw(role, { maxLifetime: 60_000 })
      void connection.close()
      await settle()
      peer.close(1000)
      peer.end()
      const info = await connection.closed
      peer.takeFrames()
      await clock.advance(120_000)
      expect(peer.takeFrames()).toEqual([])
      expect(info.facts!.limit).toBeUndefined()
    })

    test('is off by default', async () => {
      const clock = new FakeClock()
      const pair = connectedPair({ clock })
      await clock.advance(60 * 60_000)
      expect(pair[role].state).toBe('open')
    })
  })

  describe('messageTimeout', () => {
    const half = frameTo(role, 0x01, 'half')

    test('fails a message that is not complete in time with 1008', async () => {
      const { connection, peer, clock } = connectRaw(role, { messageTimeout: 3000, pingInterval: false })
      peer.write(half)
      await settle()
      await clock.advance(2900)
      expect(connection.state).toBe('open')
      await clock.advance(200)
      expectCloseFrame(peer, 1008, 'a message was not complete within messageTimeout')
      peer.end()
      const info = await connection.closed
      expect(info).toMatchObject({ code: 1008, initiator: 'local', error: { code: 'WS_MESSAGE_TIMEOUT' } })
      expect(info.diagnosis).toMatch(/^a message was not complete within messageTimeout: 3000 ms/)
    })

    test('fails a message that only drips', async () => {
      const { connection, peer, clock } = connectRaw(role, { messageTimeout: 3000 })
      peer.write(headerTo(role, BINARY, 100))
      for (let second = 0; second < 4; second++) {
        peer.write(Uint8Array.of(1))
        await clock.advance(1000)
      }
      expect(connection.state).toBe('closing')
    })

    test('counts anew for each message', async () => {
      const { connection, peer, clock } = connectRaw(role, { messageTimeout: 3000 })
      for (let round = 0; round < 5; round++) {
        peer.write(half)
        await settle()
        await clock.advance(2000)
        peer.send(0x80, ' and half')
        await settle()
        expect(await connection.receive()).toBe('half and half')
      }
      // One ends and the next begins in one read.
      peer.write(half)
      await settle()
      await clock.advance(2000)
      peer.write(frameTo(role, 0x80), half)
      await settle()
      await clock.advance(2000)
      expect(connection.state).toBe('open')
      await clock.advance(1500)
      expect(connection.state).toBe('closing')
    })

    test('does not count while no message is under way', async () => {
      const { connection, peer, clock } = connectRaw(role, { messageTimeout: 3000, pingInterval: false })
      peer.send(TEXT, 'whole')
      peer.send(PING)
      await clock.advance(10_000)
      expect(connection.state).toBe('open')
    })

    test('does not blame the peer while we do not read', async () => {
      const { connection, peer, clock } = connectRaw(role, { messageTimeout: 3000, pingInterval: false })
      peer.write(half)
      await settle()
      connection.pause()
      peer.send(0x80, ' and half')
      await clock.advance(20_000)
      expect(connection.state).toBe('open')
      connection.resume()
      expect(await connection.receive()).toBe('half and half')
      peer.write(half)
      await settle()
      await clock.advance(3200)
      expect(connection.state).toBe('closing')
    })

    test('ends in one turn with a heartbeat that is due at the same time', async () => {
      const { connection, peer, clock } = connectRaw(role, {
        messageTimeout: 5000,
        pingInterval: 5000,
        closeTimeout: 1000,
      })
      peer.write(half)
      await settle()
      await clock.advance(10_000)
      expect(await connection.closed).toMatchObject({ error: { code: 'WS_MESSAGE_TIMEOUT' } })
    })

    test('is dropped when the connection closes', async () => {
      const { connection, peer, clock } = connectRaw(role, { messageTimeout: 3000, closeTimeout: 20_000 })
      peer.write(half)
      await settle()
      void connection.close()
      await clock.advance(10_000)
      expectCloseFrame(peer, 1000)
    })

    test('is turned off by false', async () => {
      const { connection, peer, clock } = connectRaw(role, { messageTimeout: false, pingInterval: false })
      peer.write(half)
      await settle()
      await clock.advance(10 * 60_000)
      expect(connection.state).toBe('open')
    })
  })

  describe('a message that takes long to decompress', () => {
    // More than comes out at once: the rest is made on the thread pool.
    const text = prose(500_000)
    const long = frameTo(role, TEXT | RSV1, deflate(text))
    const options = { agreed: 'permessage-deflate', maxMessageSize: 1024 * 1024 }
    type Ends = [how: string, code: number, error: boolean, end: (peer: RawPeer) => void][]
    const ends: Ends = [
      ['a close frame', 4000, false, (peer) => peer.close(4000)],
      [
        'a close frame and the end of the stream',
        4000,
        false,
        (peer) => {
          peer.close(4000)
          peer.end()
        },
      ],
      ['the end of the stream', 1006, false, (peer) => peer.end()],
      ['a line that is cut', 1006, true, (peer) => peer.cut(new Error('cut'))],
    ]

    test.each(ends)('is delivered before %s, to a coroutine', async (_how, code, hasError, end) => {
      const { connection, peer, link } = connectRaw(role, options)
      peer.write(long)
      await microtasks()
      expect(link.protocol.isDecoding).toBe(true)
      end(peer)
      expect(isSame(await connection.receive(), text)).toBe(true)
      await settle()
      peer.end()
      const closed = await connection.closed
      expect([closed.code, closed.error !== undefined]).toEqual([code, hasError])
      await expect(connection.receive()).rejects.toThrow(ConnectionClosedError)
    })

    test.each(ends)('is delivered before %s, to a handler object', async (_how, code, hasError, end) => {
      const log: unknown[] = []
      const { connection, peer, link } = connectRaw(role, {
        ...options,
        handler: {
          message: (_, message) => void log.push(isSame(message, text)),
          close: (_, { code, error }) => void log.push(code, error !== undefined),
        },
      })
      peer.write(long)
      await microtasks()
      expect(link.protocol.isDecoding).toBe(true)
      end(peer)
      await until(() => log.length > 0)
      await settle()
      peer.end()
      await connection.closed
      expect(log).toEqual([true, code, hasError])
    })

    test.each(ends)('is delivered with what came behind it before %s', async (_how, code, _error, end) => {
      const { connection, peer } = connectRaw(role, { ...options, receiveHighWaterMark: 2 })
      peer.write(frameTo(role, TEXT, 'before'), long, frameTo(role, TEXT, 'behind'), long, long)
      end(peer)
      const receiving = receiveAll(connection)
      await until(() => connection.state !== 'open')
      peer.end()
      const messages = await receiving
      const expected = ['before', text, 'behind', text, text]
      expect(messages.map((message, index) => isSame(message, expected[index]!))).toEqual([
        true,
        true,
        true,
        true,
        true,
      ])
      expect((await connection.closed).code).toBe(code)
    })

    test('keeps the order with control frames', async () => {
      const log: unknown[] = []
      const { connection, peer } = connectRaw(role, {
        ...options,
        handler: {
          message: (_, message) => void log.push(message.length),
          ping: (_, payload) => void log.push(Buffer.from(payload).toString()),
        },
      })
      peer.write(frameTo(role, PING, 'one'), long, frameTo(role, PING, 'two'), frameTo(role, TEXT, 'three'))
      await until(() => log.length === 4)
      expect(log).toEqual(['one', text.length, 'two', 5])
      expect(connection.state).toBe('open')
    })

    test('has the peer wait meanwhile, and blames it for nothing', async () => {
      const clock = new FakeClock()
      const { connection, peer, link } = connectRaw(role, { ...options, clock, messageTimeout: 1000 })
      const receiving = connection.receive()
      peer.write(long)
      peer.send(TEXT, 'behind')
      await microtasks()
      expect(link.isReadingPaused).toBe(true)
      await receiving
      await settle()
      expect(link.isReadingPaused).toBe(false)
      expect(await connection.receive()).toBe('behind')
    })

    test('is not delivered after pause() to a handler object, but after resume()', async () => {
      const log: unknown[] = []
      const { connection, peer, link } = connectRaw(role, {
        ...options,
        handler: { message: (_, message) => void log.push(message.length) },
      })
      peer.write(long, frameTo(role, TEXT, 'behind'))
      await microtasks()
      expect(link.protocol.isDecoding).toBe(true)
      connection.pause()
      await until(() => !link.protocol.isDecoding)
      await settle()
      expect(log).toEqual([])
      connection.resume()
      await settle()
      expect(log).toEqual([text.length, 6])
    })

    test('is dropped when close() was called, and the close frame behind it is reached', async () => {
      const { connection, peer } = connectRaw(role, options)
      peer.write(long)
      await microtasks()
      const closing = connection.close(4000)
      answerClose(role, peer, 4000)
      peer.end()
      expect(await closing).toMatchObject({ clean: true, received: { code: 4000 } })
      await expect(connection.receive()).rejects.toThrow(ConnectionClosedError)
    })

    test.each<[string, (connection: Connection) => unknown]>([
      ['terminate()', (connection) => connection.terminate()],
      ['close()', (connection) => connection.close()],
    ])('does not hold up %s when the line was cut before', async (_what, end) => {
      const { connection, peer, link } = connectRaw(role, options)
      peer.write(long)
      await microtasks()
      const error = new Error('cut')
      peer.cut(error)
      await microtasks()
      expect([connection.state, link.protocol.isDecoding]).toEqual(['open', true])
      void end(connection)
      expect(await connection.closed).toMatchObject({ initiator: 'local', clean: false, error })
      await expect(connection.receive()).rejects.toThrow(ConnectionClosedError)
    })

    test('tells of what is wrong with it, also when the line was cut before', async () => {
      // Half a character at the very end.
      const broken = deflate(concat(utf8(text), hex('c3')))
      const { connection, peer } = connectRaw(role, options)
      peer.write(frameTo(role, TEXT | RSV1, broken))
      await microtasks()
      peer.cut(new Error('cut'))
      const { error } = await connection.closed
      expect(error).toMatchObject({ code: 'WS_BAD_UTF8' })
      await expect(connection.receive()).rejects.toThrow(ConnectionClosedError)
    })

    test('cannot hold up who takes nothing of it any more', async () => {
      const { connection, peer } = connectRaw(role, {
        ...options,
        maxStreamSize: Number.POSITIVE_INFINITY,
      })
      const stream = connection.receiveStream()
      peer.write(frameTo(role, BINARY | RSV1, deflate(new Uint8Array(8 * 1024 * 1024))))
      await stream.next()
      peer.cut(new Error('cut'))
      await settle()
      // Somebody may still take the rest.
      expect(connection.state).toBe('open')
      connection.terminate()
      expect(await connection.closed).toMatchObject({ code: 1006 })
      const rest = (async () => {
        for await (const _ of stream);
      })()
      await expect(rest).rejects.toThrow(ConnectionClosedError)
    })

    test('comes to its end after the line was cut when somebody takes it in pieces', async () => {
      const { connection, peer } = connectRaw(role, {
        ...options,
        maxStreamSize: Number.POSITIVE_INFINITY,
      })
      const stream = connection.receiveStream()
      const size = 8 * 1024 * 1024
      peer.write(frameTo(role, BINARY | RSV1, deflate(new Uint8Array(size))))
      const first = await stream.next()
      peer.cut(new Error('cut'))
      let taken = first.value!.length
      for await (const piece of stream) taken += piece.length
      expect(taken).toBe(size)
      expect(await connection.closed).toMatchObject({ code: 1006 })
    })
  })

  describe('a message that cannot be decompressed', () => {
    test.each([
      ['nonsense', hex('ff ff ff ff ff')],
      ['what points before its beginning', deflate('again and again', utf8('again and again'))],
    ])('such as %s fails the connection with 1007', async (_what, payload) => {
      const { connection, peer } = connectRaw(role, { agreed: 'permessage-deflate' })
      peer.send(TEXT | RSV1, payload)
      await until(() => connection.state !== 'open')
      await settle()
      expectCloseFrame(peer, 1007, 'a compressed message cannot be decompressed')
      peer.end()
      expect(await connection.closed).toMatchObject({ error: { code: 'WS_BAD_COMPRESSION' } })
    })

    test('because compression was not agreed on fails the connection with 1002', async () => {
      const { connection, peer } = connectRaw(role)
      peer.send(TEXT | RSV1, deflate('x'))
      await settle()
      peer.end()
      expect(await connection.closed).toMatchObject({ code: 1002, error: { code: 'WS_RESERVED_BITS' } })
    })

    test('because it would be too large fails the connection with 1009', async () => {
      const { connection, peer } = connectRaw(role, { agreed: 'permessage-deflate', maxMessageSize: 100_000 })
      peer.send(TEXT | RSV1, deflate(new Uint8Array(50 * 1024 * 1024)))
      await until(() => connection.state !== 'open')
      peer.end()
      expect(await connection.closed).toMatchObject({ code: 1009 })
    })
  })

  test('delivers nothing that waited for open() once that closed behind what it sent', async () => {
    const seen: unknown[] = []
    let go!: () => void
    const gate = new Promise<void>((resolve) => {
      go = resolve
    })
    const { connection, peer } = connectRaw(role, {
      agreed: 'permessage-deflate',
      handler: {
        async open(connection) {
          await gate
          void connection.send(prose(100_000))
          void connection.close(4000)
        },
        message: (_, message) => void seen.push(message),
      },
    })
    peer.write(...numbered(role, 3))
    await settle()
    go()
    await settle()
    answerClose(role, peer, 4000)
    peer.end()
    await connection.closed
    expect(seen).toEqual([])
  })

  describe('limits', () => {
    test.each([
      [{ maxMessageSize: 10 }, frameTo(role, TEXT, 'x'.repeat(11)), 1009],
      [{ maxFragments: 1 }, concat(frameTo(role, 0x01, 'x'), frameTo(role, 0x80, 'x')), 1009],
      [{ accept: 'text' as const }, frameTo(role, BINARY, 'x'), 1003],
      [{ accept: 'binary' as const }, frameTo(role, TEXT, 'x'), 1003],
      [{}, frameTo(role, TEXT, hex('ff')), 1007],
    ])('%o are held', async (options, bytes, code) => {
      const { connection, peer } = connectRaw(role, options)
      peer.write(bytes)
      await settle()
      expect(connection.state).toBe('closing')
      peer.end()
      expect(await connection.closed).toMatchObject({ code, initiator: 'local' })
    })
  })
})

describe('client', () => {
  test.each(['tcp', 'tls'] as const)(
    'loses nothing over %s that came before a server ended the stream without a close frame',
    async (kind) => {
      await trySharedRead()
      // Sockets of HTTP clients end their own half with their peer's.
      const serve = (socket: Socket): void => {
        socket.end(concat(...numbered('client', 3000)))
      }
      const server =
        kind === 'tcp' ? createServer(serve) : createTlsServer({ key: tlsKey, cert: tlsCertificate }, serve)
      server.listen(0, '127.0.0.1')
      await once(server, 'listening')
      const { port } = server.address() as AddressInfo
      const socket =
        kind === 'tcp'
          ? connectPlain(port, '127.0.0.1')
          : connectTls({ port, host: '127.0.0.1', ca: tlsCertificate, servername: 'localhost' })
      try {
        await once(socket, kind === 'tcp' ? 'connect' : 'secureConnect')
        const { connection } = connectRaw('client', {
          transport: new SocketTransport(socket, new Uint8Array(0), engine.kernel),
        })
        // Time for all to come, and for nobody to take it.
        for (let turn = 0; turn < 20; turn++) await settle()
        expect(await receiveAll(connection)).toEqual(expectedNumbers(3000))
        expect(await connection.closed).toMatchObject({ code: 1006, initiator: 'remote' })
      } finally {
        socket.destroy()
        server.close()
        await once(server, 'close')
      }
    },
  )

  test('waits for the server to end the stream', async () => {
    const { peer } = connectRaw('client')
    peer.close(1000)
    await settle()
    expectCloseFrame(peer, 1000)
    expect(peer.hasEnded).toBe(false)
    peer.end()
    await settle()
    expect(peer.hasEnded).toBe(true)
  })

  test('sets no limit to the time of a message', async () => {
    const { connection, peer, clock } = connectRaw('client', { pingInterval: false })
    peer.write(frameTo('client', 0x01, 'half'))
    await settle()
    await clock.advance(60 * 60_000)
    expect(connection.state).toBe('open')
  })
})

describe('server', () => {
  test('ends the stream after the closing handshake', async () => {
    const { peer } = connectRaw('server')
    peer.close(1000)
    await settle()
    expectCloseFrame(peer, 1000)
    expect(peer.hasEnded).toBe(true)
  })

  test('fails a message that takes more than a minute', async () => {
    const { connection, peer, clock } = connectRaw('server', { pingInterval: false })
    peer.write(frameTo('server', 0x01, 'half'))
    await settle()
    await clock.advance(59_900)
    expect(connection.state).toBe('open')
    await clock.advance(200)
    expect(connection.state).toBe('closing')
  })
})
