import { describe, expect, test, vi } from 'vitest'
import { NOTHING_MEASURED } from '../../src/connection/diagnosis.ts'
import { ConnectionClosedError, ProtocolError, WebSocketTimeoutError } from '../../src/errors.ts'
import { receiveAll, receivePieces, settle, stateOf } from '../connection/support.ts'
import { hex } from '../support/bytes.ts'
import { openInBrowser } from './support.ts'

describe('messages', () => {
  test('come in order, as strings and bytes', async () => {
    const { connection, socket } = await openInBrowser()
    socket.deliver('héllo')
    socket.deliver(hex('01 02'))
    socket.deliver('')
    expect(await connection.receive()).toBe('héllo')
    expect(await connection.receive()).toEqual(hex('01 02'))
    expect(await connection.receive()).toBe('')
  })

  test('that came before the end are still there after it', async () => {
    const { connection, socket } = await openInBrowser({ receiveHighWaterMark: 2, receiveLowWaterMark: 0 })
    for (let index = 0; index < 50; index++) socket.deliver(String(index))
    socket.endWith(1000)
    expect(await receiveAll(connection)).toEqual(Array.from({ length: 50 }, (_, index) => String(index)))
  })

  test('of another kind than accepted fail the connection', async () => {
    const { connection, socket } = await openInBrowser({ accept: 'text' })
    socket.deliver('text')
    socket.deliver(hex('01'))
    socket.deliver('late')
    expect(socket.closes).toEqual([{ code: 4003, reason: 'this end does not accept this kind of message' }])
    socket.answerClose()
    const info = await connection.closed
    expect(info).toMatchObject({ code: 1003, sent: { code: 4003 }, initiator: 'local', clean: true })
    expect(info.error).toBeInstanceOf(ProtocolError)
    expect(info.diagnosis).toBe('this end does not accept this kind of message: binary')
    expect(await receiveAll(connection)).toEqual(['text'])
  })

  test('above maxMessageSize fail it, counted in bytes of UTF-8', async () => {
    for (const [fine, large] of [
      ['éé', 'ééa'],
      ['abcde', 'abcdef'],
      ['abc', '漢字'],
    ] as const) {
      const { connection, socket } = await openInBrowser({ maxMessageSize: fine === 'éé' ? 4 : 5 })
      socket.deliver(fine)
      expect(await connection.receive()).toBe(fine)
      const receiving = connection.receive()
      socket.deliver(large)
      expect(socket.closes).toEqual([{ code: 4009, reason: 'a message is larger than the limit' }])
      socket.answerClose()
      await expect(receiving).rejects.toThrow(ConnectionClosedError)
      expect(await connection.closed).toMatchObject({ code: 1009, error: { code: 'WS_MESSAGE_TOO_BIG' } })
    }
  })
})

describe('what waits', () => {
  test('is bounded in bytes, for a browser cannot have the peer wait', async () => {
    const { connection, socket } = await openInBrowser({
      receiveHighWaterMark: 2,
      receiveLowWaterMark: 0,
      maxBufferedAmount: 1000,
    })
    // Two wait in the inbox, the others weigh 64 bytes more than what is in them.
    for (let index = 0; index < 2 + 6; index++) socket.deliver('x'.repeat(100))
    expect(connection.state).toBe('open')
    socket.deliver('x'.repeat(100))
    expect(socket.closes).toEqual([
      { code: 4008, reason: 'more than maxBufferedAmount came that nobody took' },
    ])
    socket.answerClose()
    const info = await connection.closed
    expect(info).toMatchObject({ code: 1008, initiator: 'local', error: { code: 'WS_INBOX_OVERFLOW' } })
    expect(await receiveAll(connection)).toHaveLength(2)
  })

  test('may be many empty messages, but not any number of them', async () => {
    const { connection, socket } = await openInBrowser({ maxBufferedAmount: 64 * 1000 })
    for (let index = 0; index < 16 + 1000; index++) socket.deliver('')
    expect(connection.state).toBe('open')
    socket.deliver('')
    expect(connection.state).toBe('closing')
  })

  test('goes on when somebody takes it', async () => {
    const { connection, socket } = await openInBrowser({ receiveHighWaterMark: 2, maxBufferedAmount: 1000 })
    for (let round = 0; round < 20; round++) {
      for (let index = 0; index < 5; index++) socket.deliver(`${round}.${index}`)
      for (let index = 0; index < 5; index++) expect(await connection.receive()).toBe(`${round}.${index}`)
    }
    expect(connection.state).toBe('open')
  })
})

describe('messages in pieces', () => {
  test('have one piece', async () => {
    const { connection, socket } = await openInBrowser()
    const pieces = receivePieces(connection)
    await settle()
    socket.deliver('whole')
    expect(await pieces).toEqual(['whole'])
    socket.deliver(hex('01 02'))
    socket.deliver('next')
    expect(await receivePieces(connection)).toEqual([hex('01 02')])
    expect(await connection.receive()).toBe('next')
  })

  test('may be as large as maxStreamSize, and wait for somebody who takes them so', async () => {
    const { connection, socket } = await openInBrowser({ maxMessageSize: 3, maxStreamSize: 10 })
    socket.deliver('abc')
    socket.deliver('large')
    socket.deliver('xyz')
    expect(await connection.receive()).toBe('abc')
    expect(await receivePieces(connection)).toEqual(['large'])
    expect(await connection.receive()).toBe('xyz')
  })

  test('are refused when somebody takes them whole, or when they are larger still', async () => {
    const whole = await openInBrowser({ maxMessageSize: 3, maxStreamSize: 10 })
    whole.socket.deliver('large')
    expect(whole.connection.state).toBe('open')
    whole.connection.receive().catch(() => {})
    expect(whole.socket.closes).toMatchObject([{ code: 4009 }])

    const larger = await openInBrowser({ maxMessageSize: 3, maxStreamSize: 10 })
    const pieces = receivePieces(larger.connection)
    await settle()
    larger.socket.deliver('0123456789a')
    larger.socket.answerClose()
    await expect(pieces).rejects.toMatchObject({
      info: {
        code: 1009,
        error: { message: expect.stringContaining('11 bytes, while maxStreamSize is 10') },
      },
    })
  })

  test('that wait outlive the end of the line', async () => {
    const { connection, socket } = await openInBrowser({ maxMessageSize: 3, maxStreamSize: 10 })
    socket.deliver('large')
    socket.deliver('abc')
    socket.endWith(1000)
    expect(connection.state).toBe('closing')
    expect(await receivePieces(connection)).toEqual(['large'])
    expect(await receiveAll(connection)).toEqual(['abc'])
    expect(await connection.closed).toMatchObject({ code: 1000, initiator: 'remote' })
  })

  test('that wait when the program closes are dropped', async () => {
    const { connection, socket } = await openInBrowser({ maxMessageSize: 3, maxStreamSize: 10 })
    socket.deliver('large')
    socket.endWith(1000)
    await connection.close()
    expect(await receiveAll(connection)).toEqual([])
  })

  test('can be left: the message is dropped, and the connection lives on', async () => {
    const { connection, socket } = await openInBrowser()
    const stream = connection.receiveStream()
    const first = stream.next()
    await stream.return!()
    expect(await first).toEqual({ value: undefined, done: true })
    socket.deliver('next')
    expect(await connection.receive()).toBe('next')
  })
})

describe('closing', () => {
  test('by us', async () => {
    const { connection, socket } = await openInBrowser()
    const closing = connection.close(4000, 'bye')
    expect(connection.state).toBe('closing')
    expect(await stateOf(closing)).toBe('pending')
    socket.deliver('late')
    socket.answerClose()
    expect(await closing).toEqual({
      code: 4000,
      reason: 'bye',
      received: { code: 4000, reason: 'bye' },
      sent: { code: 4000, reason: 'bye' },
      initiator: 'local',
      clean: true,
      diagnosis: 'we closed with 4000 (private use) "bye" and the peer answered',
      facts: { ...NOTHING_MEASURED, openFor: 0, limit: undefined, systemError: undefined, cause: undefined },
      error: undefined,
    })
    expect(connection.state).toBe('closed')
    expect(await connection.close(4001)).toBe(await closing)
    expect(socket.closes).toHaveLength(1)
  })

  test('by the peer', async () => {
    const { connection, socket } = await openInBrowser()
    socket.deliver('last')
    socket.receiveClose()
    expect(connection.state).toBe('closing')
    expect(await stateOf(connection.closed)).toBe('pending')
    socket.endWith(1001, 'restart')
    expect(await connection.closed).toEqual({
      code: 1001,
      reason: 'restart',
      received: { code: 1001, reason: 'restart' },
      sent: { code: 1001, reason: '' },
      initiator: 'remote',
      clean: true,
      diagnosis: 'the peer closed with 1001 (going away) "restart"',
      facts: { ...NOTHING_MEASURED, openFor: 0, limit: undefined, systemError: undefined, cause: undefined },
      error: undefined,
    })
    expect(await receiveAll(connection)).toEqual(['last'])
  })

  test('by the peer without a code', async () => {
    const { connection, socket } = await openInBrowser()
    socket.endWith(1005)
    expect(await connection.closed).toMatchObject({
      code: 1005,
      received: { code: 1005, reason: '' },
      sent: { code: 1005, reason: '' },
      clean: true,
    })
  })

  test('by nobody: the line was lost', async () => {
    const { connection, socket, clock, browser } = await openInBrowser()
    socket.deliver('x')
    await clock.advance(5000)
    browser.isOnline = false
    socket.fail()
    const info = await connection.closed
    expect(info).toMatchObject({
      code: 1006,
      received: undefined,
      sent: undefined,
      initiator: 'remote',
      clean: false,
    })
    expect(info.diagnosis).toBe(
      'the connection ended without a close frame (the browser says that it is offline); the last message came 5 s ago',
    )
    expect(await connection.receive()).toBe('x')
    await expect(connection.receive()).rejects.toThrow(info.diagnosis)
  })

  test('by both: the peer began', async () => {
    const { connection, socket } = await openInBrowser()
    socket.receiveClose()
    const closing = connection.close(4000)
    expect(socket.closes).toEqual([])
    socket.endWith(1000)
    expect(await closing).toMatchObject({ code: 1000, initiator: 'remote' })
  })

  test('takes closeTimeout at most', async () => {
    const { connection, socket, clock } = await openInBrowser({ closeTimeout: 500 })
    const closing = connection.close()
    await clock.advance(499)
    expect(await stateOf(closing)).toBe('pending')
    await clock.advance(1)
    const info = await closing
    expect(info).toMatchObject({ code: 1000, received: undefined, sent: { code: 1000 }, clean: false })
    expect(info.error).toBeInstanceOf(WebSocketTimeoutError)
    socket.answerClose()
    expect(await connection.closed).toBe(info)
  })

  test('after maxLifetime, or a little before', async () => {
    const options: object = { maxLifetime: 10_000 }
    const { connection, socket, clock } = await openInBrowser(options)
    await clock.advance(8999)
    expect(connection.state).toBe('open')
    await clock.advance(1001)
    expect(socket.closes).toEqual([{ code: 4001, reason: 'lifetime over' }])
    socket.endWith(4001)
    expect(await connection.closed).toMatchObject({
      code: 1001,
      initiator: 'local',
      clean: true,
      facts: { limit: 'maxLifetime', cause: 'lifetime' },
    })
    const set = vi.spyOn(clock, 'setTimeout')
    await clock.advance(20_000)
    expect(set).not.toHaveBeenCalled()
  })

  test('at once by terminate(), which waits for nobody', async () => {
    const { connection, socket } = await openInBrowser()
    socket.deliver('x')
    connection.terminate()
    connection.terminate()
    expect(connection.state).toBe('closing')
    const info = await connection.closed
    expect(info).toMatchObject({ code: 1006, initiator: 'local', clean: false, sent: undefined })
    expect(info.diagnosis).toBe('terminate() was called')
    expect(socket.closes).toEqual([{ code: undefined, reason: undefined }])
    socket.deliver('late')
    socket.answerClose()
    expect(await receiveAll(connection)).toEqual(['x'])
    expect(await connection.closed).toBe(info)
  })

  test('is ended by terminate()', async () => {
    const { connection } = await openInBrowser()
    void connection.close()
    connection.terminate()
    expect(await connection.closed).toMatchObject({ initiator: 'local', clean: false })
  })
})

describe('a handler object', () => {
  test('hears of everything that a browser tells, in order', async () => {
    const log: unknown[] = []
    const { connection, socket } = await openInBrowser({
      handler: {
        open: () => void log.push('open'),
        message: (_, message) => void log.push(message),
        close: (_, { code }) => void log.push(code),
      },
    })
    expect(log).toEqual(['open'])
    socket.deliver('one')
    socket.deliver(hex('02'))
    socket.endWith(1000)
    expect(log).toEqual(['open', 'one', hex('02'), 1000])
    await connection.closed
    await expect(connection.receive()).rejects.toMatchObject({ code: 'WS_RECEIVE_WITH_HANDLER' })
  })

  test('with fragment() gets each message as one piece, up to maxStreamSize', async () => {
    const log: unknown[] = []
    const { connection, socket } = await openInBrowser({
      maxMessageSize: 3,
      maxStreamSize: 10,
      handler: { fragment: (_, piece, isEnd) => void log.push([piece, isEnd]) },
    })
    socket.deliver('larger')
    socket.deliver(hex('01'))
    expect(log).toEqual([
      ['larger', true],
      [hex('01'), true],
    ])
    socket.deliver('0123456789a')
    expect(socket.closes).toMatchObject([{ code: 4009 }])
    socket.answerClose()
    expect((await connection.closed).diagnosis).toContain('11 bytes, while maxStreamSize is 10')
  })

  test('has messages wait while open() is pending', async () => {
    const log: unknown[] = []
    let go = (): void => {}
    const { socket } = await openInBrowser({
      receiveHighWaterMark: 2,
      handler: {
        open: () =>
          new Promise<void>((resolve) => {
            go = resolve
          }),
        message: (_, message) => void log.push(message),
      },
    })
    for (let index = 0; index < 5; index++) socket.deliver(String(index))
    await settle()
    expect(log).toEqual([])
    go()
    await settle()
    expect(log).toEqual(['0', '1', '2', '3', '4'])
  })

  test('has no more than receiveHighWaterMark promises pending', async () => {
    const pending: (() => void)[] = []
    const { socket } = await openInBrowser({
      receiveHighWaterMark: 3,
      receiveLowWaterMark: 1,
      handler: { message: () => new Promise<void>((resolve) => void pending.push(resolve)) },
    })
    for (let index = 0; index < 10; index++) socket.deliver(String(index))
    expect(pending).toHaveLength(3)
    pending.shift()!()
    await settle()
    expect(pending).toHaveLength(2)
    pending.shift()!()
    await settle()
    expect(pending).toHaveLength(3)
  })

  test('that throws ends its connection with what stands for 1011', async () => {
    const error = vi.fn()
    const { connection, socket } = await openInBrowser({
      logger: { error },
      handler: {
        message: () => {
          throw new Error('the secret cause')
        },
      },
    })
    socket.deliver('x')
    socket.deliver('y')
    expect(error).toHaveBeenCalledOnce()
    expect(socket.closes).toEqual([{ code: 4011, reason: '' }])
    socket.answerClose()
    expect(await connection.closed).toMatchObject({ code: 1011, received: { code: 4011 } })
  })

  test('can close from within open()', async () => {
    const close = vi.fn()
    const { connection, socket } = await openInBrowser({
      handler: { open: (connection) => void connection.close(4000), close },
    })
    expect(connection.state).toBe('closing')
    socket.answerClose()
    await connection.closed
    expect(close).toHaveBeenCalledOnce()
  })
})
