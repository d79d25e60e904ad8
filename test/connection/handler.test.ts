import { describe, expect, test, vi } from 'vitest'
import type { Connection } from '../../src/connection/connection.ts'
import type { ConnectionHandler } from '../../src/connection/handler.ts'
import { utf8 } from '../support/bytes.ts'
import { BINARY, connectRaw, expectCloseFrame, PING, PONG, ROLES, settle, TEXT } from './support.ts'

const METHODS = ['open', 'message', 'ping', 'pong', 'drain', 'close'] as const

/** Write down every call. */
function recorder(): { log: unknown[][]; handler: Required<Omit<ConnectionHandler, 'fragment'>> } {
  const log: unknown[][] = []
  const record =
    (name: string) =>
    (_: Connection, ...values: unknown[]): void => {
      log.push([name, ...values])
    }
  return {
    log,
    handler: {
      open: record('open'),
      message: record('message'),
      ping: record('ping'),
      pong: record('pong'),
      drain: record('drain'),
      close: record('close'),
    },
  }
}

describe.each(ROLES)('%s', (role) => {
  test('tells its handler what happens, each with the connection, and of the close once', async () => {
    const { log, handler } = recorder()
    const open = vi.spyOn(handler, 'open')
    const { connection, peer } = connectRaw(role, { handler })
    expect(open).toHaveBeenCalledExactlyOnceWith(connection)
    peer.send(TEXT, 'hello')
    peer.send(PING, 'ping')
    peer.send(PONG, 'pong')
    await settle()
    peer.close(1001, 'bye')
    peer.end()
    const info = await connection.closed
    connection.terminate()
    await settle()
    expect(log).toEqual([
      ['open'],
      ['message', 'hello'],
      ['ping', utf8('ping')],
      ['pong', utf8('pong')],
      ['close', info],
    ])
  })

  test('needs no method at all', async () => {
    const { connection, peer } = connectRaw(role, { handler: {}, sendHighWaterMark: 0 })
    peer.send(TEXT, 'hello')
    peer.send(PING)
    peer.send(PONG)
    void connection.send('x')
    await settle()
    peer.close(1000)
    peer.end()
    expect(await connection.closed).toMatchObject({ code: 1000, clean: true })
  })

  test('keeps messages while an async open is pending, and then delivers them in order', async () => {
    const { log, handler } = recorder()
    let finish!: () => void
    handler.open = () => {
      log.push(['open'])
      return new Promise<void>((resolve) => {
        finish = resolve
      })
    }
    const { peer } = connectRaw(role, { handler })
    for (const text of ['one', 'two', 'three']) peer.send(TEXT, text)
    await settle()
    expect(log).toEqual([['open']])
    finish()
    await settle()
    expect(log).toEqual([['open'], ['message', 'one'], ['message', 'two'], ['message', 'three']])
  })

  test('takes no more messages after an async open than may be pending', async () => {
    let open!: () => void
    const finish: (() => void)[] = []
    const { peer } = connectRaw(role, {
      receiveHighWaterMark: 4,
      handler: {
        open: () =>
          new Promise<void>((resolve) => {
            open = resolve
          }),
        message: () => new Promise<void>((resolve) => finish.push(resolve)),
      },
    })
    for (let number = 0; number < 20; number++) peer.send(TEXT, String(number))
    await settle()
    open()
    await settle()
    for (let number = 0; number < 20; number++) peer.send(TEXT, String(number))
    await settle()
    expect(finish.length).toBeLessThanOrEqual(5)
    for (let turn = 0; turn < 40; turn++) {
      for (const resolve of finish) resolve()
      await settle()
    }
    expect(finish).toHaveLength(40)
  })

  test('tells of the close when the line was cut while an async open was pending', async () => {
    const { log, handler } = recorder()
    let finish!: () => void
    handler.open = () =>
      new Promise<void>((resolve) => {
        finish = resolve
      })
    const { connection, peer } = connectRaw(role, { handler })
    peer.cut(new Error('cut'))
    await settle()
    expect(log).toEqual([])
    finish()
    expect(await connection.closed).toMatchObject({ code: 1006, error: new Error('cut') })
    expect(log).toEqual([['close', await connection.closed]])
  })

  test('lets an async open wait for a pong and for the close, while messages wait', async () => {
    const log: unknown[] = []
    const { peer } = connectRaw(role, {
      handler: {
        open: async (connection) => {
          log.push(typeof (await connection.ping('are you there')))
          log.push((await connection.close()).code)
        },
        message: (_connection, message) => void log.push(message),
        close: () => void log.push('close'),
      },
    })
    await settle()
    peer.send(TEXT, 'early')
    peer.send(PONG, 'are you there')
    await settle()
    peer.close(1000)
    peer.end()
    await settle()
    expect(log).toEqual(['number', 1000, 'close'])
  })

  test('stays paused when open paused it, until it resumes', async () => {
    const { log, handler } = recorder()
    handler.open = (connection) => connection.pause()
    const { connection, peer } = connectRaw(role, { handler })
    for (let index = 0; index < 100; index++) peer.send(TEXT, 'x'.repeat(100))
    await settle()
    expect(log).toEqual([])
    expect(peer.bufferedAmount).toBeGreaterThan(10_000)
    connection.resume()
    await settle()
    expect(log).toHaveLength(100)
  })

  test('loses nothing when open pauses, waits and resumes', async () => {
    const { log, handler } = recorder()
    handler.open = async (connection) => {
      connection.pause()
      await settle()
      connection.resume()
      await settle()
    }
    const { peer } = connectRaw(role, { handler })
    peer.send(TEXT, 'early')
    await settle()
    await settle()
    await settle()
    expect(log).toEqual([['message', 'early']])
  })

  test('sends what open sends, before it waits for anything', async () => {
    const { peer } = connectRaw(role, {
      handler: {
        open: (connection) => {
          void connection.send('welcome')
        },
      },
    })
    await settle()
    expect(peer.takeFrames().map(({ payload }) => payload)).toEqual([utf8('welcome')])
  })

  test('closes when open closes, without a heartbeat', async () => {
    const { log, handler } = recorder()
    handler.open = (connection) => {
      void connection.close(4000)
    }
    const { connection, peer, clock } = connectRaw(role, {
      handler,
      pingInterval: 100,
      pingTimeout: 100,
      closeTimeout: 5000,
    })
    await clock.advance(2000)
    expectCloseFrame(peer, 4000)
    peer.close(4000)
    peer.end()
    expect(await connection.closed).toMatchObject({ clean: true, error: undefined })
    expect(log).toEqual([['close', await connection.closed]])
  })

  test.each(METHODS)('logs what %s throws, and closes with 1011 without telling why', async (method) => {
    await expectFailure(method, () => {
      throw new Error('a secret')
    })
  })

  test.each(METHODS)(
    'logs what %s rejects with, and closes with 1011 without telling why',
    async (method) => {
      await expectFailure(method, () => Promise.reject(new Error('a secret')))
    },
  )

  async function expectFailure(method: keyof ConnectionHandler, fail: () => Promise<void>): Promise<void> {
    const error = vi.fn()
    let closes = 0
    const { connection, peer, link } = connectRaw(role, {
      logger: { error },
      sendHighWaterMark: 0,
      handler: {
        close: () => {
          closes++
        },
        [method]: fail,
      },
    })
    await settle()
    if (method === 'message') peer.send(TEXT, 'x')
    if (method === 'ping') peer.send(PING)
    if (method === 'pong') peer.send(PONG)
    if (method === 'drain') void connection.send('x')
    if (method === 'close') connection.terminate()
    await settle()
    expect(error).toHaveBeenCalledExactlyOnceWith(
      'openline: a connection handler failed',
      new Error('a secret'),
    )
    if (method === 'close') {
      expect(connection.state).toBe('closed')
      return
    }
    expect(link.protocol.sent).toEqual({ code: 1011, reason: '' })
    peer.close(1011)
    peer.end()
    expect(await connection.closed).toMatchObject({ code: 1011, clean: true })
    expect(closes).toBe(1)
  }

  test('goes on after an async handler that succeeds, and takes any value from one that is not', async () => {
    const { connection, peer } = connectRaw(role, {
      handler: {
        open: async () => {},
        message: (connection, message) => connection.send(message),
        ping: (() => 5) as never,
        pong: async () => {},
      },
    })
    await settle()
    peer.send(TEXT, 'echo')
    peer.send(PING)
    peer.send(PONG)
    await settle()
    expect(connection.state).toBe('open')
    expect(peer.takeFrames().map(({ opcode }) => opcode)).toEqual([1, 10])
  })

  test('delivers no message after close was called', async () => {
    const seen: unknown[] = []
    const { peer } = connectRaw(role, {
      handler: {
        message(connection, message) {
          seen.push(message)
          void connection.close()
        },
      },
    })
    peer.send(TEXT, 'one')
    peer.send(TEXT, 'two')
    peer.send(PING)
    peer.send(PONG)
    await settle()
    expect(seen).toEqual(['one'])
  })

  test('delivers no message that waited for an open that failed', async () => {
    const { log, handler } = recorder()
    handler.open = async () => {
      await settle()
      throw new Error('not today')
    }
    const { connection, peer } = connectRaw(role, { handler, logger: { error: () => {} } })
    peer.send(TEXT, 'early')
    await settle()
    await settle()
    peer.close(1011)
    peer.end()
    const info = await connection.closed
    await settle()
    expect(log).toEqual([['close', info]])
  })

  test('delivers no message after pause was called, also of those that waited for open', async () => {
    const { log, handler } = recorder()
    handler.open = settle
    handler.message = (connection, message) => {
      log.push(['message', message])
      if (log.length === 1) connection.pause()
    }
    const { connection, peer } = connectRaw(role, { handler })
    for (const text of ['one', 'two', 'three']) peer.send(TEXT, text)
    await settle()
    await settle()
    expect(log).toEqual([['message', 'one']])
    connection.resume()
    await settle()
    expect(log).toEqual([
      ['message', 'one'],
      ['message', 'two'],
      ['message', 'three'],
    ])
  })

  test('calls drain when all above the mark has left, and not below', async () => {
    const { log, handler } = recorder()
    const { connection, peer } = connectRaw(role, { handler, sendHighWaterMark: 100 })
    await settle()
    await connection.send('x'.repeat(50))
    await settle()
    expect(log).toEqual([['open']])
    peer.pause()
    void connection.send('x'.repeat(200))
    void connection.send('x'.repeat(200))
    await settle()
    expect(log).toEqual([['open']])
    peer.resume()
    await settle()
    expect(log).toEqual([['open'], ['drain']])
  })

  test('tells messages in pieces where it has a method for them, up to maxStreamSize', async () => {
    const pieces: [unknown, boolean][] = []
    const message = vi.fn()
    const { connection, peer } = connectRaw(role, {
      handler: {
        message,
        fragment: (_connection, piece, isEnd) => {
          pieces.push([piece, isEnd])
        },
      },
      maxMessageSize: 4,
      maxStreamSize: 10,
    })
    peer.send(0x01, 'abc')
    peer.send(0x80, 'def')
    peer.send(BINARY, Uint8Array.of(1))
    await settle()
    expect(pieces).toEqual([
      ['abc', false],
      ['def', true],
      [Uint8Array.of(1), true],
    ])
    expect(message).not.toHaveBeenCalled()
    peer.send(BINARY, new Uint8Array(11))
    await settle()
    connection.terminate()
    expect(await connection.closed).toMatchObject({ sent: { code: 1009 } })
  })

  test('tells pieces only after open, and not while the user has paused', async () => {
    const pieces: unknown[] = []
    let open!: () => void
    const { connection, peer } = connectRaw(role, {
      handler: {
        open: () =>
          new Promise((resolve) => {
            open = resolve
          }),
        fragment: (_connection, piece) => {
          pieces.push(piece)
        },
      },
    })
    peer.send(TEXT, 'one')
    await settle()
    expect(pieces).toEqual([])
    open()
    await settle()
    expect(pieces).toEqual(['one'])
    connection.pause()
    peer.send(TEXT, 'two')
    await settle()
    expect(pieces).toEqual(['one'])
    connection.resume()
    await settle()
    expect(pieces).toEqual(['one', 'two'])
  })
})
