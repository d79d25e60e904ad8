import { inspect } from 'node:util'
import { describe, expect, test, vi } from 'vitest'
import { Connection } from '../../src/connection/connection.ts'
import { ConnectionClosedError, StateError } from '../../src/errors.ts'
import type { CloseInfo } from '../../src/protocol/close-code.ts'
import { connectedPair, FakeClock } from '../../src/testing/index.ts'
import { closePayload, hex, naiveMask, pattern, toHex, utf8 } from '../support/bytes.ts'
import {
  BINARY,
  CLOSE,
  connectRaw,
  expectCloseFrame,
  PING,
  PONG,
  ROLES,
  receiveAll,
  receiveMany,
  settle,
  stateOf,
  TEXT,
} from './support.ts'

describe.each(ROLES)('%s', (role) => {
  const other = role === 'client' ? 'server' : 'client'

  describe('send', () => {
    test('sends text as text and bytes as binary', async () => {
      const { connection, peer } = connectRaw(role)
      const buffer = hex('00 01 02 03 04 05').buffer as ArrayBuffer
      await connection.send('grüße')
      await connection.send(hex('01 02 ff'))
      await connection.send(buffer)
      await connection.send(new DataView(buffer, 1, 3))
      await connection.send(new Uint8Array(buffer, 2, 2))
      await connection.send('')
      await connection.send(new Uint8Array(0))
      await settle()
      expect(peer.takeFrames().map(({ fin, opcode, payload }) => [fin, opcode, toHex(payload)])).toEqual([
        [true, 1, toHex(utf8('grüße'))],
        [true, 2, '01 02 ff'],
        [true, 2, '00 01 02 03 04 05'],
        [true, 2, '01 02 03'],
        [true, 2, '02 03'],
        [true, 1, ''],
        [true, 2, ''],
      ])
    })

    test('sends as the type that is asked for', async () => {
      const { connection, peer } = connectRaw(role)
      await connection.send('grüße', { type: 'binary' })
      await connection.send(utf8('grüße'), { type: 'text' })
      await connection.send('same', { type: 'text' })
      await connection.send(hex('ff'), { type: 'binary' })
      await settle()
      expect(peer.takeFrames().map(({ opcode, payload }) => [opcode, toHex(payload)])).toEqual([
        [2, toHex(utf8('grüße'))],
        [1, toHex(utf8('grüße'))],
        [1, toHex(utf8('same'))],
        [2, 'ff'],
      ])
    })

    test('refuses bytes as text that are no UTF-8', async () => {
      const { connection, peer } = connectRaw(role)
      expect(() => connection.send(hex('c3'), { type: 'text' })).toThrow(TypeError)
      expect(() => connection.send(hex('41 ff').buffer as ArrayBuffer, { type: 'text' })).toThrow('UTF-8')
      await settle()
      expect(peer.takeFrames()).toEqual([])
    })

    test.each([
      [undefined, 'undefined'],
      [null, 'null'],
      [1, 'number'],
      [true, 'boolean'],
      [{}, 'Object'],
      [Object.create(null), 'object'],
      [new Date(0), 'Date'],
      [() => {}, 'function'],
    ])('throws TypeError at once for %s', async (value, name) => {
      const { connection } = connectRaw(role)
      const send = (): unknown => connection.send(value as never)
      const what = 'a string, bytes, or something that brings them piece by piece'
      expect(send).toThrow(new TypeError(`a message must be ${what}, not ${name}`))
      connection.terminate()
      await connection.closed
      expect(send).toThrow(TypeError)
    })

    test('rejects with TypeError for a list of what are no pieces, and stays open', async () => {
      const { connection, peer } = connectRaw(role)
      const sending = connection.send([1, 2] as never)
      await expect(sending).rejects.toThrow(new TypeError('a message must be a string or bytes, not number'))
      await connection.send('still open')
      await settle()
      expect(peer.takeFrames().map(({ payload }) => payload)).toEqual([utf8('still open')])
    })

    test('takes what the caller changes after send resolved', async () => {
      const { connection, peer } = connectRaw(role)
      const bytes = hex('01 02 03')
      await connection.send(bytes)
      bytes.fill(0)
      await settle()
      expect(toHex(peer.takeFrames()[0]!.payload)).toBe('01 02 03')
    })

    test('rejects when closing and when closed', async () => {
      const { connection, peer } = connectRaw(role)
      void connection.close(4000, 'enough')
      await expect(connection.send('late')).rejects.toThrow(ConnectionClosedError)
      await expect(connection.send(hex('01'))).rejects.toMatchObject({ info: undefined })
      await expect(connection.send('late', { type: 'binary' })).rejects.toThrow('closing')
      connection.terminate()
      await connection.closed
      await expect(connection.send('late')).rejects.toMatchObject({ code: 'WS_CLOSED', info: { code: 4000 } })
      expectCloseFrame(peer, 4000, 'enough')
    })

    test('harms nobody when a rejection is not looked at', async () => {
      const unhandled: unknown[] = []
      const listener = (reason: unknown): void => {
        unhandled.push(reason)
      }
      process.on('unhandledRejection', listener)
      try {
        const { connection } = connectRaw(role, { sendHighWaterMark: 0, line: { highWaterMark: 1 } })
        void connection.send('waits for a peer that goes away')
        void connection.ping()
        connection.terminate()
        await connection.closed
        void connection.send('too late')
        void connection.send(hex('01'))
        void connection.ping()
        await settle()
        expect(unhandled).toEqual([])
      } finally {
        process.off('unhandledRejection', listener)
      }
    })

    test('carries messages of all sizes to the other end', async () => {
      const pair = connectedPair({ chunkSize: 40_000 })
      const sizes = [0, 1, 125, 126, 127, 65_535, 65_536, 65_537, 300_000]
      for (const size of sizes) void pair[role].send(pattern(size))
      for (const size of sizes) void pair[role].send('ä'.repeat(size))
      const all = receiveMany(pair[other], sizes.length * 2)
      const messages = await all
      for (const [index, size] of sizes.entries()) {
        expect(Buffer.compare(messages[index] as Uint8Array, pattern(size))).toBe(0)
        expect(messages[sizes.length + index] === 'ä'.repeat(size)).toBe(true)
      }
    })
  })

  describe('receive', () => {
    test('gives text as strings and binary as bytes of its own, in order', async () => {
      const { connection, peer } = connectRaw(role)
      peer.send(TEXT, 'one')
      peer.send(BINARY, hex('01 02'))
      peer.send(0x01, 'in ')
      peer.send(PING, 'between')
      peer.send(0x80, 'parts')
      expect(await connection.receive()).toBe('one')
      const bytes = await connection.receive()
      expect(bytes).toEqual(hex('01 02'))
      expect(await connection.receive()).toBe('in parts')
      peer.send(BINARY, hex('ff ff'))
      await connection.receive()
      expect(bytes).toEqual(hex('01 02'))
    })

    test('waits with signal and timeout, and loses no message', async () => {
      const { connection, peer, clock } = connectRaw(role)
      const late = connection.receive({ timeout: 500 })
      await clock.advance(499)
      expect(await stateOf(late)).toBe('pending')
      await Promise.all([
        expect(late).rejects.toMatchObject({ phase: 'receive', timeout: 500 }),
        clock.advance(1),
      ])
      await expect(connection.receive({ signal: AbortSignal.abort('no') })).rejects.toBe('no')
      const controller = new AbortController()
      const waiting = connection.receive({ signal: controller.signal })
      controller.abort('never mind')
      peer.send(TEXT, 'kept')
      await expect(waiting).rejects.toBe('never mind')
      expect(await connection.receive()).toBe('kept')
    })

    test('rejects a second wait', async () => {
      const { connection, peer } = connectRaw(role)
      const first = connection.receive()
      await expect(connection.receive()).rejects.toMatchObject({ code: 'WS_CONCURRENT_RECEIVE' })
      peer.send(TEXT, 'x')
      expect(await first).toBe('x')
    })

    test('gives what came before the end, then rejects', async () => {
      const { connection, peer } = connectRaw(role)
      peer.send(TEXT, 'last')
      peer.close(1000)
      await settle()
      expect(await connection.receive()).toBe('last')
      const waiting = connection.receive()
      peer.end()
      await expect(waiting).rejects.toMatchObject({ name: 'ConnectionClosedError', info: { code: 1000 } })
    })

    test('belongs to the handler when there is one', async () => {
      const { connection } = connectRaw(role, { handler: {} })
      await expect(connection.receive()).rejects.toThrow(StateError)
      expect(() => connection[Symbol.asyncIterator]()).toThrow(new StateError('WS_RECEIVE_WITH_HANDLER'))
    })
  })

  describe('iteration', () => {
    test.each([
      ['1000', 1000],
      ['1001', 1001],
      ['no code', 1005],
    ])('ends quietly after %s', async (_, code) => {
      const { connection, peer } = connectRaw(role)
      peer.send(TEXT, 'one')
      peer.send(TEXT, 'two')
      if (code === 1005) peer.send(CLOSE)
      else peer.close(code)
      peer.end()
      const messages: unknown[] = []
      for await (const message of connection) messages.push(message)
      expect(messages).toEqual(['one', 'two'])
      expect((await connection.closed).code).toBe(code)
    })

    test.each([1002, 1011, 3000, 4999])('throws after %d', async (code) => {
      const { connection, peer } = connectRaw(role)
      peer.send(TEXT, 'one')
      peer.close(code, 'because')
      peer.end()
      const messages: unknown[] = []
      const loop = (async () => {
        for await (const message of connection) messages.push(message)
      })()
      await expect(loop).rejects.toMatchObject({ info: { code, reason: 'because' } })
      expect(messages).toEqual(['one'])
    })

    test('throws when the line is cut, with the cause', async () => {
      const { connection, peer } = connectRaw(role)
      const error = new Error('cut')
      const loop = connection[Symbol.asyncIterator]().next()
      peer.cut(error)
      await expect(loop).rejects.toMatchObject({ info: { code: 1006 }, cause: error })
    })

    test('leaves the connection usable after an early break', async () => {
      const { connection, peer } = connectRaw(role)
      for (const text of ['one', 'two', 'three']) peer.send(TEXT, text)
      for await (const message of connection) {
        expect(message).toBe('one')
        break
      }
      expect(connection.state).toBe('open')
      expect(await connection.receive()).toBe('two')
      for await (const message of connection) {
        expect(message).toBe('three')
        break
      }
      await connection.send('still here')
      await settle()
      expect(peer.takeFrames()).toHaveLength(1)
    })
  })

  describe('ping', () => {
    test('resolves to the latency', async () => {
      const { connection, peer, clock } = connectRaw(role)
      expect(connection.latency).toBeUndefined()
      const latency = connection.ping('are you there?')
      await clock.advance(35)
      const [ping] = peer.takeFrames()
      expect(ping!.opcode).toBe(9)
      expect(ping!.payload).toEqual(utf8('are you there?'))
      peer.send(PONG, ping!.payload)
      expect(await latency).toBe(35)
      expect(connection.latency).toBe(35)
    })

    test('carries four random bytes by default', async () => {
      const { connection, peer } = connectRaw(role)
      void connection.ping()
      void connection.ping()
      await settle()
      const [one, other] = peer.takeFrames()
      expect(one!.payload).toHaveLength(4)
      expect(other!.payload).toHaveLength(4)
      expect(one!.payload).not.toEqual(other!.payload)
    })

    test('rejects a payload that is under way, until its pong came', async () => {
      const { connection, peer } = connectRaw(role)
      const first = connection.ping('same')
      await expect(connection.ping('same')).rejects.toThrow(new StateError('WS_DUPLICATE_PING'))
      await settle()
      expect(peer.takeFrames()).toHaveLength(1)
      peer.send(PONG, 'same')
      await first
      const second = connection.ping('same')
      peer.send(PONG, 'same')
      expect(await second).toBe(0)
    })

    test('is settled by the pong of a later ping', async () => {
      const { connection, peer, clock } = connectRaw(role)
      const first = connection.ping('1')
      await clock.advance(10)
      const second = connection.ping('2')
      const third = connection.ping('3')
      await clock.advance(5)
      peer.send(PONG, '2')
      expect(await first).toBe(15)
      expect(await second).toBe(5)
      expect(connection.latency).toBe(5)
      expect(await stateOf(third)).toBe('pending')
    })

    test('takes 125 bytes and throws RangeError for more, at once', async () => {
      const { connection, peer } = connectRaw(role)
      void connection.ping(new Uint8Array(125))
      expect(() => connection.ping(new Uint8Array(126))).toThrow(RangeError)
      expect(() => connection.ping('ä'.repeat(63))).toThrow('at most 125 bytes')
      expect(() => connection.ping(new Uint8Array(1024 * 1024))).toThrow('at most 125 bytes')
      await settle()
      expect(peer.takeFrames().map(({ payload }) => payload.length)).toEqual([125])
    })

    test('throws TypeError for a payload that is neither text nor bytes', () => {
      const { connection } = connectRaw(role)
      expect(() => connection.ping(5 as never)).toThrow(TypeError)
    })

    test('rejects when aborted, before or after it was sent', async () => {
      const { connection, peer } = connectRaw(role)
      const reason = new Error('enough')
      await expect(connection.ping('a', { signal: AbortSignal.abort(reason) })).rejects.toBe(reason)
      await settle()
      expect(peer.takeFrames()).toEqual([])
      const controller = new AbortController()
      const ping = connection.ping('b', { signal: controller.signal })
      controller.abort(reason)
      await expect(ping).rejects.toBe(reason)
      // The payload is free again, and the late pong answers the new ping.
      const again = connection.ping('b')
      peer.send(PONG, 'b')
      expect(await again).toBe(0)
    })

    test('leaves nothing on a signal that outlives it', async () => {
      const { connection, peer } = connectRaw(role)
      const { signal } = new AbortController()
      const remove = vi.spyOn(signal, 'removeEventListener')
      const answered = connection.ping('a', { signal })
      peer.send(PONG, 'a')
      await answered
      expect(remove).toHaveBeenCalledTimes(1)
      const lost = connection.ping('b', { signal })
      connection.terminate()
      await expect(lost).rejects.toThrow(ConnectionClosedError)
      expect(remove).toHaveBeenCalledTimes(2)
    })

    test('rejects when the connection ends, and afterwards', async () => {
      const { connection } = connectRaw(role)
      const waiting = connection.ping('a')
      connection.terminate()
      await expect(waiting).rejects.toMatchObject({ code: 'WS_CLOSED', info: { code: 1006 } })
      await expect(connection.ping('b')).rejects.toThrow(ConnectionClosedError)
    })

    test('ignores a pong that nobody asked for', async () => {
      const { connection, peer } = connectRaw(role)
      const waiting = connection.ping('a')
      peer.send(PONG, 'b')
      peer.send(PONG)
      expect(await stateOf(waiting)).toBe('pending')
      expect(connection.latency).toBeUndefined()
      peer.send(TEXT, 'still open')
      expect(await connection.receive()).toBe('still open')
    })
  })

  describe('pong', () => {
    test('is sent without being asked for', async () => {
      const { connection, peer } = connectRaw(role)
      connection.pong()
      connection.pong('text')
      connection.pong(hex('01'))
      await settle()
      expect(peer.takeFrames().map(({ opcode, payload }) => [opcode, toHex(payload)])).toEqual([
        [10, ''],
        [10, toHex(utf8('text'))],
        [10, '01'],
      ])
    })

    test('throws RangeError above 125 bytes, and does nothing when closed', async () => {
      const { connection, peer } = connectRaw(role)
      expect(() => connection.pong(new Uint8Array(126))).toThrow(RangeError)
      connection.terminate()
      connection.pong()
      await connection.closed
      expect(peer.takeFrames()).toEqual([])
    })

    test('answers each ping of the peer', async () => {
      const { peer } = connectRaw(role)
      peer.send(PING, 'one')
      peer.send(PING, 'two')
      await settle()
      expect(peer.takeFrames().map(({ opcode, payload }) => [opcode, toHex(payload)])).toEqual([
        [10, toHex(utf8('one'))],
        [10, toHex(utf8('two'))],
      ])
    })
  })

  describe('close', () => {
    test('closes with 1000 by default, and resolves to how it ended', async () => {
      const pair = connectedPair()
      const info = await pair[role].close()
      expect(info).toMatchObject({ code: 1000, reason: '', clean: true, initiator: 'local' })
      expect(await pair[other].closed).toMatchObject({ code: 1000, clean: true, initiator: 'remote' })
    })

    test.each([0, 999, 1004, 1006, 1015, 1016, 2999, 5000, 65_536, 1000.5, Number.NaN, -1])(
      'throws RangeError at once for the code %d, and stays open',
      async (code) => {
        const { connection, peer } = connectRaw(role)
        expect(() => connection.close(code)).toThrow(RangeError)
        expect(connection.state).toBe('open')
        await settle()
        expect(peer.takeFrames()).toEqual([])
      },
    )

    test('throws RangeError at once for a reason above 123 bytes', async () => {
      const { connection, peer } = connectRaw(role)
      expect(() => connection.close(1000, 'x'.repeat(124))).toThrow(RangeError)
      expect(() => connection.close(1000, 'ä'.repeat(62))).toThrow('124 bytes')
      expect(() => connection.close(1005, 'no code, no reason')).toThrow(RangeError)
      void connection.close(1000, `${'ä'.repeat(61)}x`)
      await settle()
      expectCloseFrame(peer, 1000, `${'ä'.repeat(61)}x`)
    })

    test('sends an empty close frame for 1005', async () => {
      const { connection, peer } = connectRaw(role)
      void connection.close(1005)
      await settle()
      expect(peer.takeFrames().map(({ opcode, payload }) => [opcode, payload.length])).toEqual([[8, 0]])
    })

    test('only waits when it is called again', async () => {
      const { connection, peer } = connectRaw(role)
      const first = connection.close(4001, 'first')
      const second = connection.close(4002, 'second')
      await settle()
      expectCloseFrame(peer, 4001, 'first')
      peer.close(4001)
      peer.end()
      expect(await first).toBe(await second)
      expect(await connection.close()).toBe(await first)
      expect((await first).sent).toEqual({ code: 4001, reason: 'first' })
    })

    test('comes after what was sent before', async () => {
      const pair = connectedPair()
      const messages = receiveAll(pair[other])
      void pair[role].send('one')
      void pair[role].send('two')
      void pair[role].close()
      expect(await messages).toEqual(['one', 'two'])
    })

    test('is called at the end of an await using block', async () => {
      const pair = connectedPair()
      {
        await using connection = pair[role]
        await connection.send('inside')
      }
      expect(pair[role].state).toBe('closed')
      expect(await pair[other].closed).toMatchObject({ code: 1000, clean: true })
    })
  })

  describe('pause', () => {
    test('stops the transport and loses nothing', async () => {
      const { connection, peer } = connectRaw(role)
      connection.pause()
      for (let index = 0; index < 10; index++) peer.send(TEXT, `${index}`)
      const waiting = connection.receive()
      expect(await stateOf(waiting)).toBe('pending')
      expect(peer.bufferedAmount).toBeGreaterThan(0)
      connection.resume()
      expect(await waiting).toBe('0')
      expect(await receiveMany(connection, 9)).toEqual(['1', '2', '3', '4', '5', '6', '7', '8', '9'])
      expect(peer.bufferedAmount).toBe(0)
    })

    test('stops what came in the same read', async () => {
      const seen: unknown[] = []
      const { connection, peer } = connectRaw(role, {
        handler: {
          message(connection, message) {
            seen.push(message)
            if (seen.length === 2) connection.pause()
          },
        },
      })
      const one = (text: string): Uint8Array => {
        const payload = utf8(text)
        const head = [0x81, (role === 'server' ? 0x80 : 0) | payload.length]
        return role === 'server'
          ? Uint8Array.of(...head, 1, 2, 3, 4, ...naiveMask(payload, 0x04030201))
          : Uint8Array.of(...head, ...payload)
      }
      peer.write(one('one'), one('two'), one('three'), one('four'))
      await settle()
      expect(seen).toEqual(['one', 'two'])
      connection.resume()
      await settle()
      expect(seen).toEqual(['one', 'two', 'three', 'four'])
    })

    test('can be called in any number and order', async () => {
      const { connection, peer } = connectRaw(role)
      connection.resume()
      connection.pause()
      connection.pause()
      connection.resume()
      peer.send(TEXT, 'x')
      expect(await connection.receive()).toBe('x')
    })

    test('does not hold up a closing that has begun', async () => {
      const pair = connectedPair({ clock: new FakeClock() })
      pair[role].pause()
      const closed = pair[role].close()
      pair[role].pause()
      expect(await closed).toMatchObject({ code: 1000, clean: true })
    })
  })

  test('shows what it is made of', () => {
    const { connection, link } = connectRaw(role)
    expect(connection.role).toBe(role)
    expect(connection.state).toBe('open')
    expect(connection.subprotocol).toBeUndefined()
    expect(connection.extensions).toBe('')
    expect(connection.data).toBeUndefined()
    expect(connection.localAddress).toEqual({ host: 'memory', port: 0 })
    expect(connection.remoteAddress).toEqual({ host: 'memory', port: 0 })
    expect(connection.bufferedAmount).toBe(0)
    const request = { target: '/chat', headers: { host: 'example.org' } }
    const response = { status: 101, headers: {} }
    const data = { user: 'ada' }
    const extensions = 'permessage-deflate'
    const another = new Connection({ link, request, response, subprotocol: 'chat', extensions, data })
    expect(another.request).toBe(request)
    expect(another.response).toBe(response)
    expect(another.subprotocol).toBe('chat')
    expect(another.extensions).toBe('permessage-deflate')
    another.data = { user: 'grace' }
    expect(another.data.user).toBe('grace')
  })

  test('shows no headers to console.log: they hold credentials', () => {
    const { connection } = connectRaw(role)
    const shown = inspect(connection)
    expect(shown).toContain(`role: '${role}'`)
    expect(shown).toContain("state: 'open'")
    expect(shown).not.toMatch(/header|request|response/)
  })

  test('has an id of its own that stays', () => {
    const connections = Array.from({ length: 100 }, () => connectRaw(role).connection)
    const ids = connections.map((connection) => connection.id)
    expect(new Set(ids).size).toBe(100)
    expect(connections.map((connection) => connection.id)).toEqual(ids)
    expect(ids[0]).toMatch(/^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$/)
  })

  test('shows what waits to be sent', async () => {
    const { connection, peer } = connectRaw(role)
    peer.pause()
    await settle()
    void connection.send(new Uint8Array(1000))
    expect(connection.bufferedAmount).toBeGreaterThanOrEqual(1000)
    await settle()
    expect(connection.bufferedAmount).toBeGreaterThanOrEqual(1000)
    peer.resume()
    await settle()
    expect(connection.bufferedAmount).toBe(0)
  })

  test('resolves closed to one info for all, before and after, and never rejects', async () => {
    const { connection, peer } = connectRaw(role)
    const before: Promise<CloseInfo> = connection.closed
    peer.cut(new Error('cut'))
    const info = await before
    expect(info.error).toEqual(new Error('cut'))
    expect(await connection.closed).toBe(info)
    const { connection: late } = connectRaw(role)
    late.terminate()
    await settle()
    expect(await late.closed).toMatchObject({ code: 1006, initiator: 'local' })
    expect(late.state).toBe('closed')
  })

  test('refuses a close frame with a payload that is none', async () => {
    const { connection, peer } = connectRaw(role)
    peer.send(CLOSE, closePayload(1006))
    await settle()
    expectCloseFrame(peer, 1002, 'a close frame carries a code that must not be sent')
    expect(connection.state).not.toBe('open')
  })
})
