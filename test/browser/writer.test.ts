import { Blob } from 'node:buffer'
import { ReadableStream } from 'node:stream/web'
import { describe, expect, test, vi } from 'vitest'
import { prepare } from '../../src/browser/broadcast.ts'
import { ConnectionClosedError, StateError } from '../../src/errors.ts'
import { FakeSource, settle, stateOf } from '../connection/support.ts'
import { hex, utf8 } from '../support/bytes.ts'
import { openInBrowser } from './support.ts'

describe('send in a browser gives the browser', () => {
  test.each([
    ['a string', 'héllo', undefined, 'héllo'],
    ['bytes', hex('01 02'), undefined, hex('01 02')],
    ['a view', new DataView(hex('01 02 03').buffer as ArrayBuffer, 1, 2), undefined, hex('02 03')],
    ['a buffer', hex('01 02').slice().buffer as ArrayBuffer, undefined, hex('01 02')],
    ['bytes as text', utf8('héllo'), 'text' as const, 'héllo'],
    ['a string as binary', 'é', 'binary' as const, utf8('é')],
    ['nothing', '', undefined, ''],
    ['a prepared text', prepare('héllo'), undefined, 'héllo'],
    ['prepared bytes', prepare(hex('01 02')), undefined, hex('01 02')],
  ])('%s at once', async (_, message, type, expected) => {
    const { connection, socket } = await openInBrowser()
    const sending = connection.send(message, type === undefined ? undefined : { type })
    expect(socket.sent).toEqual([expected])
    await sending
  })

  test('a copy of memory that is shared, which browsers do not take', async () => {
    const { connection, socket } = await openInBrowser()
    const shared = new Uint8Array(new SharedArrayBuffer(3), 1)
    shared.set([1, 2])
    const send = vi.spyOn(socket, 'send')
    await connection.send(shared)
    const [data] = send.mock.calls[0]!
    expect(data).toEqual(hex('01 02'))
    expect((data as Uint8Array).buffer).toBeInstanceOf(ArrayBuffer)
  })

  test('a Blob as it is, for the browser reads it', async () => {
    const { connection, socket } = await openInBrowser()
    const blob = new Blob(['abc'])
    await connection.send(blob)
    expect(socket.sent).toEqual([blob])
    expect(socket.sent[0]).toBe(blob)
  })

  test('a Blob as text', async () => {
    const { connection, socket } = await openInBrowser()
    await connection.send(new Blob(['hé', 'llo']), { type: 'text' })
    expect(socket.sent).toEqual(['héllo'])
  })

  test('pieces joined to one message', async () => {
    const { connection, socket } = await openInBrowser()
    await connection.send(['hé', 'l', 'lo'])
    await connection.send([hex('01'), hex('02 03')])
    await connection.send(['a', hex('c3'), hex('a9')], { type: 'text' })
    await connection.send([])
    await connection.send(ReadableStream.from([hex('04'), hex('05')]) as ReadableStream<Uint8Array>)
    expect(socket.sent).toEqual(['héllo', hex('01 02 03'), 'aé', new Uint8Array(0), hex('04 05')])
  })

  test('a character that lies across two pieces', async () => {
    const { connection, socket } = await openInBrowser()
    await connection.send(['\ud83d', '\ude00'])
    expect(socket.sent).toEqual(['😀'])
  })
})

describe('send in a browser refuses', () => {
  test('what is no message', async () => {
    const { connection, socket } = await openInBrowser()
    expect(() => connection.send(5 as never)).toThrow(TypeError)
    expect(() => connection.send({} as never)).toThrow(TypeError)
    expect(() => connection.send(hex('ff'), { type: 'text' })).toThrow('must be valid UTF-8')
    expect(socket.sent).toEqual([])
  })

  test('to break a secret: compression that was agreed cannot be left out', async () => {
    const { connection, socket } = await openInBrowser({}, { extensions: 'permessage-deflate' })
    expect(() => connection.send('secret', { compress: false })).toThrow(StateError)
    expect(() => connection.send('secret', { compress: false })).toThrow('Turn compression off on the server')
    expect(socket.sent).toEqual([])
    expect(() => connection.send(prepare('secret', { compress: false }))).toThrow(StateError)
    await connection.send('no secret', { compress: true })
    await connection.send(prepare('no secret'))
    const plain = await openInBrowser()
    await plain.connection.send('secret', { compress: false })
    expect(plain.socket.sent).toEqual(['secret'])
  })

  test('when the connection is closing or closed', async () => {
    const { connection, socket } = await openInBrowser()
    socket.receiveClose()
    await expect(connection.send('x')).rejects.toThrow(ConnectionClosedError)
    socket.endWith(1001)
    await expect(connection.send('x')).rejects.toMatchObject({ info: { code: 1001 } })
    const source = new FakeSource()
    await expect(connection.send(source)).rejects.toThrow(ConnectionClosedError)
    await settle()
    expect(source.wasStopped).toBe(true)
    expect(socket.sent).toEqual([])
  })
})

describe('a source of pieces', () => {
  test('makes later messages wait', async () => {
    const { connection, socket } = await openInBrowser()
    const source = new FakeSource()
    const first = connection.send(source)
    const second = connection.send('second')
    const third = connection.send(hex('03'))
    expect(connection.bufferedAmount).toBe(7)
    source.give('fir')
    await settle()
    expect(socket.sent).toEqual([])
    source.give('st')
    source.end()
    await Promise.all([first, second, third])
    expect(socket.sent).toEqual(['first', 'second', hex('03')])
    socket.flush()
    expect(connection.bufferedAmount).toBe(0)
    await connection.send('at once')
    expect(socket.sent).toHaveLength(4)
  })

  test('that fails spoils its own message and nothing else, for nothing of it was sent', async () => {
    const { connection, socket } = await openInBrowser()
    const source = new FakeSource()
    const sending = connection.send(source)
    const next = connection.send('next')
    source.give('half')
    source.fail(new Error('the disk is gone'))
    await expect(sending).rejects.toThrow('the disk is gone')
    await next
    expect(socket.sent).toEqual(['next'])
    expect(connection.state).toBe('open')
  })

  test('of mixed pieces is refused', async () => {
    const { connection, socket } = await openInBrowser()
    await expect(connection.send(['text', hex('01')] as never)).rejects.toThrow(TypeError)
    await expect(connection.send([5] as never)).rejects.toThrow(TypeError)
    expect(socket.sent).toEqual([])
  })

  test('without end is refused when it is larger than maxBufferedAmount', async () => {
    const { connection, socket } = await openInBrowser({ maxBufferedAmount: 1000 })
    let asked = 0
    const endless = (function* () {
      for (;;) {
        asked++
        yield new Uint8Array(100)
      }
    })()
    await expect(connection.send(endless)).rejects.toMatchObject({ code: 'WS_NOT_IN_BROWSER' })
    expect(asked).toBe(11)
    expect(socket.sent).toEqual([])
    expect(connection.state).toBe('open')
  })

  test('is broken off by close(), and what waits behind it still goes out', async () => {
    const { connection, socket } = await openInBrowser()
    const source = new FakeSource()
    const other = new FakeSource()
    const sending = connection.send(source)
    const whole = connection.send('whole')
    const brought = connection.send(other)
    source.give('half')
    await settle()
    const closing = connection.close(4000, 'bye')
    await expect(sending).rejects.toThrow(ConnectionClosedError)
    await expect(brought).rejects.toThrow(ConnectionClosedError)
    await whole
    expect(socket.sent).toEqual(['whole'])
    expect(socket.closes).toEqual([{ code: 4000, reason: 'bye' }])
    expect(source.wasStopped).toBe(true)
    expect(other.wasStopped).toBe(true)
    socket.answerClose()
    await closing
  })

  test('that comes to its end when the peer closes already is not sent, and says so', async () => {
    const { connection, socket } = await openInBrowser()
    const source = new FakeSource()
    const sending = connection.send(source)
    const behind = connection.send('behind')
    source.give('late')
    await settle()
    socket.receiveClose()
    source.end()
    await expect(sending).rejects.toThrow(ConnectionClosedError)
    await expect(behind).rejects.toThrow(ConnectionClosedError)
    expect(socket.sent).toEqual([])
  })

  test('is broken off by close() after the peer began, with all that waits behind it', async () => {
    const { connection, socket } = await openInBrowser()
    const sending = connection.send(new FakeSource())
    const behind = connection.send('behind')
    socket.receiveClose()
    void connection.close()
    await expect(sending).rejects.toThrow(ConnectionClosedError)
    await expect(behind).rejects.toThrow(ConnectionClosedError)
    expect(socket.sent).toEqual([])
  })

  test('is broken off by the end of the connection, with all that waits behind it', async () => {
    const { connection, socket } = await openInBrowser()
    const source = new FakeSource()
    const sending = connection.send(source)
    const behind = connection.send('behind')
    await settle()
    socket.fail()
    await expect(sending).rejects.toThrow(ConnectionClosedError)
    await expect(behind).rejects.toMatchObject({ info: { code: 1006 } })
    await settle()
    expect(source.wasStopped).toBe(true)
    expect(socket.sent).toEqual([])
  })
})

describe('backpressure', () => {
  test('send waits above the mark until the browser has sent enough', async () => {
    const { connection, socket, clock } = await openInBrowser({ sendHighWaterMark: 10 })
    expect(await stateOf(connection.send('0123456789'))).toBe('resolved')
    const sending = connection.send('x')
    expect(connection.bufferedAmount).toBe(11)
    await clock.advance(100)
    expect(await stateOf(sending)).toBe('pending')
    socket.flush(1)
    await clock.advance(64)
    expect(await stateOf(sending)).toBe('resolved')
  })

  test('send looks soon at first, and seldom while nothing moves', async () => {
    const { connection, socket, clock } = await openInBrowser({ sendHighWaterMark: 0 })
    const set = vi.spyOn(clock, 'setTimeout')
    void connection.send('0123456789')
    await clock.advance(1000)
    expect(set.mock.calls.map(([, delay]) => delay).slice(0, 7)).toEqual([4, 8, 16, 32, 64, 64, 64])
    set.mockClear()
    socket.flush(5)
    await clock.advance(64)
    expect(set.mock.calls[0]![1]).toBe(4)
    socket.flush()
    await clock.advance(64)
    set.mockClear()
    await clock.advance(1000)
    expect(set).not.toHaveBeenCalled()
  })

  test('send goes on when something comes, for browsers slow timers down where nobody looks', async () => {
    const { connection, socket } = await openInBrowser({ sendHighWaterMark: 0 })
    const sending = connection.send('x')
    socket.flush()
    socket.deliver('tick')
    await sending
  })

  test('a source that is above the mark waits as well', async () => {
    const { connection, socket, clock } = await openInBrowser({ sendHighWaterMark: 3 })
    const sending = connection.send(['01', '23'])
    await settle()
    expect(socket.sent).toEqual(['0123'])
    expect(await stateOf(sending)).toBe('pending')
    socket.flush()
    await clock.advance(4)
    expect(await stateOf(sending)).toBe('resolved')
  })

  test('who does not wait is dropped above maxBufferedAmount', async () => {
    const { connection, socket } = await openInBrowser({ sendHighWaterMark: 0, maxBufferedAmount: 100 })
    const first = connection.send('x'.repeat(100))
    const second = connection.send('y')
    const third = connection.send('z')
    expect(socket.sent).toHaveLength(2)
    const info = await connection.closed
    expect(info).toMatchObject({
      code: 1008,
      sent: { code: 4008, reason: 'more than maxBufferedAmount waits for a peer that does not read' },
      received: undefined,
      initiator: 'local',
      clean: false,
      error: { code: 'WS_SLOW_CONSUMER' },
    })
    for (const sending of [first, second, third]) await expect(sending).rejects.toThrow(ConnectionClosedError)
  })

  test('who waits is rejected when the connection ends', async () => {
    const { connection, socket, clock } = await openInBrowser({ sendHighWaterMark: 0 })
    const sending = connection.send('x')
    socket.fail()
    await expect(sending).rejects.toMatchObject({ info: { code: 1006 } })
    const set = vi.spyOn(clock, 'setTimeout')
    await clock.advance(1000)
    expect(set).not.toHaveBeenCalled()
  })

  test('who waits goes on while the connection closes, and when all was sent at its end', async () => {
    const { connection, socket, clock } = await openInBrowser({ sendHighWaterMark: 0 })
    const first = connection.send('x')
    void connection.close()
    socket.flush()
    await clock.advance(64)
    await first
    const other = await openInBrowser({ sendHighWaterMark: 0 })
    const second = other.connection.send('y')
    void other.connection.close()
    other.socket.flush()
    other.socket.answerClose()
    await second
  })

  test('a handler hears of the drain', async () => {
    const drain = vi.fn()
    const { connection, socket, clock } = await openInBrowser({ sendHighWaterMark: 0, handler: { drain } })
    void connection.send('x')
    await clock.advance(100)
    expect(drain).not.toHaveBeenCalled()
    socket.flush()
    await clock.advance(64)
    expect(drain).toHaveBeenCalledExactlyOnceWith(connection)
  })

  test('a handler hears of the drain when what waits its turn brought the amount above the mark', async () => {
    const amounts: number[] = []
    const { connection, socket, clock } = await openInBrowser({
      sendHighWaterMark: 10,
      handler: { drain: ({ bufferedAmount }) => void amounts.push(bufferedAmount) },
    })
    const source = new FakeSource()
    const first = connection.send('01234')
    void connection.send(source)
    void connection.send('012345')
    expect(connection.bufferedAmount).toBe(11)
    await clock.advance(100)
    expect(amounts).toEqual([])
    socket.flush()
    await clock.advance(64)
    expect(amounts).toEqual([6])
    await first
    source.end()
    await settle()
    socket.flush()
    await clock.advance(64)
    expect(amounts).toEqual([6])
  })

  test('what waits its turn does not hold up a source before it', async () => {
    const { connection, socket, clock } = await openInBrowser({ sendHighWaterMark: 3 })
    const sending = connection.send(['01', '23'])
    void connection.send(new FakeSource())
    void connection.send('012345')
    await settle()
    socket.flush()
    await clock.advance(64)
    expect(await stateOf(sending)).toBe('resolved')
  })
})
