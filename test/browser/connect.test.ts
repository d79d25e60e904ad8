import { describe, expect, test, vi } from 'vitest'
import { WebSocket as WebSocketOfWs } from 'ws'
import { connect, connectIn } from '../../src/browser/connect.ts'
import type { BrowserEnvironment } from '../../src/browser/environment.ts'
import type { ConnectOptions } from '../../src/client/options.ts'
import { HandshakeError, StateError, WebSocketTimeoutError } from '../../src/errors.ts'
import type { CloseInfo } from '../../src/protocol/close-code.ts'
import { systemClock } from '../../src/timing/clock.ts'
import { receiveAll, receivePieces } from '../connection/support.ts'
import { defer, echo, start } from '../server/support.ts'
import { pattern } from '../support/bytes.ts'
import { type FakeBrowser, type FakeWebSocket, fakeBrowser, openInBrowser } from './support.ts'

/** Begin to connect, and give the socket that is connecting. */
async function begin(
  browser: FakeBrowser,
  url: string | URL,
  options?: ConnectOptions,
): Promise<{ promise: ReturnType<typeof connectIn>; socket: FakeWebSocket }> {
  const promise = connectIn(browser.environment, url, options)
  promise.catch(() => {})
  await vi.waitUntil(() => browser.sockets.length > 0)
  return { promise, socket: browser.sockets[0]! }
}

describe('connect in a browser opens', () => {
  test.each([
    ['ws://example.com/a?b', undefined, 'ws://example.com/a?b'],
    ['http://example.com:8080', undefined, 'ws://example.com:8080/'],
    ['https://example.com/', undefined, 'wss://example.com/'],
    ['HTTPS://example.com/', undefined, 'wss://example.com/'],
    ['/feed', 'https://example.com/page#top', 'wss://example.com/feed'],
    ['feed?x=1', 'http://example.com/app/page', 'ws://example.com/app/feed?x=1'],
    ['//other.example/x', 'https://example.com/', 'wss://other.example/x'],
    ['wss://user:secret@example.com/', undefined, 'wss://user:secret@example.com/'],
  ])('%s on %s', async (url, base, expected) => {
    const { socket } = await begin(fakeBrowser(base), url)
    expect(socket.url).toBe(expected)
  })

  test('URL objects, and offers subprotocols', async () => {
    const browser = fakeBrowser()
    const { promise, socket } = await begin(browser, new URL('wss://example.com/x'), {
      subprotocols: ['chat.v2', 'chat.v1'],
    })
    expect(socket.offered).toEqual(['chat.v2', 'chat.v1'])
    expect(socket.binaryType).toBe('arraybuffer')
    socket.accept('chat.v1', 'permessage-deflate')
    const connection = await promise
    expect(connection.subprotocol).toBe('chat.v1')
    expect(connection.extensions).toBe('permessage-deflate')
    expect(connection.role).toBe('client')
    expect(connection.state).toBe('open')
    expect(connection.request).toEqual({ target: '/x', headers: {} })
    expect(connection.response).toEqual({
      status: 101,
      headers: { 'sec-websocket-protocol': 'chat.v1', 'sec-websocket-extensions': 'permessage-deflate' },
    })
  })

  test('with data of the program', async () => {
    const { connection } = await openInBrowser({ data: { user: 'ada' } })
    expect(connection.data.user).toBe('ada')
    expect(connection.subprotocol).toBeUndefined()
    expect(connection.response.headers).toEqual({})
  })

  test('and keeps messages that come at once', async () => {
    const browser = fakeBrowser()
    const { promise, socket } = await begin(browser, 'ws://localhost/')
    socket.accept()
    socket.deliver('first')
    const connection = await promise
    expect(await connection.receive()).toBe('first')
  })
})

describe('connect in a browser fails', () => {
  test('with a hint where to look, since the browser hides why', async () => {
    const { promise, socket } = await begin(fakeBrowser(), 'ws://example.com:81/secret?token=1')
    socket.fail()
    const error = await promise.catch((error: unknown) => error)
    expect(error).toBeInstanceOf(HandshakeError)
    expect(error).toMatchObject({ code: 'WS_FAILED_IN_BROWSER', status: 0 })
    expect((error as Error).message).toBe(
      'the browser could not open the connection, and it tells programs no reason: example.com:81: see the network panel and the console of its developer tools',
    )
  })

  test('and says that the browser is offline', async () => {
    const browser = fakeBrowser()
    const { promise, socket } = await begin(browser, 'ws://example.com/')
    browser.isOnline = false
    socket.fail()
    await expect(promise).rejects.toThrow('example.com: it is offline')
  })

  test('with the cause that other runtimes tell', async () => {
    const { promise, socket } = await begin(fakeBrowser(), 'ws://example.com/')
    const cause = new Error('refused')
    socket.fail(cause)
    await expect(promise).rejects.toMatchObject({ cause })
  })

  test('when the constructor throws, as from a page over TLS to a line without', async () => {
    const cause = new DOMException('an insecure connection from a page over HTTPS', 'SecurityError')
    const environment = {
      ...fakeBrowser().environment(),
      WebSocket: class {
        constructor() {
          throw cause
        }
      } as never,
    }
    await expect(connectIn(() => environment, 'ws://example.com/')).rejects.toMatchObject({
      code: 'WS_CONNECT_FAILED',
      message: expect.stringContaining('an insecure connection'),
      cause,
    })
  })

  test('after openTimeout', async () => {
    const browser = fakeBrowser()
    const { promise, socket } = await begin(browser, 'ws://example.com/', { openTimeout: 300 })
    await browser.clock.advance(299)
    expect(socket.closes).toEqual([])
    await browser.clock.advance(1)
    const error = await promise.catch((error: unknown) => error)
    expect(error).toBeInstanceOf(WebSocketTimeoutError)
    expect(error).toMatchObject({ phase: 'open', timeout: 300 })
    expect(socket.closes).toHaveLength(1)
  })

  test('when aborted, before and meanwhile, and not after', async () => {
    const browser = fakeBrowser()
    const reason = new Error('enough')
    await expect(
      connectIn(browser.environment, 'ws://example.com/', { signal: AbortSignal.abort(reason) }),
    ).rejects.toBe(reason)
    expect(browser.sockets).toEqual([])

    const controller = new AbortController()
    const { promise, socket } = await begin(browser, 'ws://example.com/', { signal: controller.signal })
    controller.abort(reason)
    await expect(promise).rejects.toBe(reason)
    expect(socket.closes).toHaveLength(1)

    const later = new AbortController()
    const opened = await openInBrowser({ signal: later.signal })
    later.abort(reason)
    expect(opened.connection.state).toBe('open')
  })

  test('without a WebSocket', async () => {
    const environment = { ...fakeBrowser().environment(), WebSocket: undefined }
    const error = await connectIn(() => environment, 'ws://example.com/').catch((error: unknown) => error)
    expect(error).toBeInstanceOf(StateError)
    expect(error).toMatchObject({ code: 'WS_NO_WEBSOCKET' })
  })

  test.each([
    ['nowhere', undefined, 'cannot be parsed'],
    ['ftp://example.com/', undefined, 'has the scheme "ftp:"'],
    ['ws://example.com/#top', undefined, 'has a fragment'],
    ['ws://exa mple/', 'https://example.com/', 'cannot be parsed'],
  ])('for the address %s on %s', async (url, base, message) => {
    const browser = fakeBrowser(base)
    await expect(connectIn(browser.environment, url)).rejects.toThrow(TypeError)
    await expect(connectIn(browser.environment, url)).rejects.toThrow(message)
    expect(browser.sockets).toEqual([])
  })

  test('for Unix sockets', async () => {
    await expect(connectIn(fakeBrowser().environment, 'ws+unix:/run/app.sock')).rejects.toMatchObject({
      code: 'WS_NOT_IN_BROWSER',
    })
  })

  test('for what a browser cannot do, before anything is dialled', async () => {
    const browser = fakeBrowser()
    const connecting = connectIn(browser.environment, 'ws://example.com/', { headers: { 'X-Token': 'abc' } })
    await expect(connecting).rejects.toMatchObject({ code: 'WS_NOT_IN_BROWSER' })
    await expect(connecting).rejects.toThrow('the option "headers"')
    expect(browser.sockets).toEqual([])
  })
})

test('connect takes the WebSocket of the page', async () => {
  const sockets: string[] = []
  vi.stubGlobal(
    'WebSocket',
    class {
      constructor(url: string) {
        sockets.push(url)
        throw new Error('seen')
      }
    },
  )
  try {
    await expect(connect('ws://example.com/')).rejects.toThrow('seen')
    expect(sockets).toEqual(['ws://example.com/'])
  } finally {
    vi.unstubAllGlobals()
  }
})

// The global of Node 22 and later is undici's; that of ws has the same face, and is there on every Node.
const REAL: readonly (readonly [string, unknown])[] = [
  ['ws', WebSocketOfWs],
  ...(typeof globalThis.WebSocket === 'function' ? [['this runtime', globalThis.WebSocket] as const] : []),
]

describe.each(REAL)('over the real WebSocket of %s', (_, WebSocket) => {
  const environment = (): BrowserEnvironment => ({
    WebSocket: WebSocket as BrowserEnvironment['WebSocket'],
    clock: systemClock,
    base: undefined,
    isOnline: true,
  })

  test('sends and gets back all kinds of messages', async () => {
    const server = await start(echo, { subprotocols: ['chat'] })
    const connection = await connectIn(environment, server.url.replace('ws:', 'http:'), {
      subprotocols: ['chat'],
    })
    expect(connection.subprotocol).toBe('chat')
    const bytes = pattern(300_000)
    for (const message of ['', 'héllo', new Uint8Array(0), bytes, 'x'.repeat(300_000)]) {
      await connection.send(message)
      expect(await connection.receive()).toEqual(message)
    }
    await connection.send(['in ', 'pieces'])
    expect(await receivePieces(connection)).toEqual(['in pieces'])
    expect(await connection.close(4000, 'bye')).toMatchObject({
      received: { code: 4000 },
      sent: { code: 4000, reason: 'bye' },
      initiator: 'local',
      clean: true,
    })
  })

  test('hears how the server closes', async () => {
    const server = await start(async (connection) => {
      await connection.send('last')
      await connection.close(1012, 'back soon')
    })
    const connection = await connectIn(environment, server.url)
    expect(await receiveAll(connection)).toEqual(['last'])
    expect(await connection.closed).toMatchObject({
      code: 1012,
      reason: 'back soon',
      initiator: 'remote',
      clean: true,
    })
  })

  test('hears that the line was lost', async () => {
    const server = await start((connection) => connection.terminate())
    const connection = await connectIn(environment, server.url)
    expect(await connection.closed).toMatchObject({ code: 1006, received: undefined, clean: false })
  })

  test('closes with what stands for 1009', async () => {
    const closed = defer<CloseInfo>()
    const server = await start(async (connection) => {
      await connection.send('too large')
      closed.resolve(await connection.closed)
    })
    const connection = await connectIn(environment, server.url, { maxMessageSize: 5 })
    expect(await connection.closed).toMatchObject({ code: 1009, error: { code: 'WS_MESSAGE_TOO_BIG' } })
    expect(await closed.promise).toMatchObject({ received: { code: 4009 } })
  })

  test('waits for a server that does not read, and loses nothing', async () => {
    const counted = defer<number>()
    const server = await start(
      async (connection) => {
        let count = 0
        for await (const message of connection) count += (message as Uint8Array).length
        counted.resolve(count)
      },
      { compression: false },
    )
    const connection = await connectIn(environment, server.url)
    for (let round = 0; round < 100; round++) {
      await connection.send(new Uint8Array(100_000))
      expect(connection.bufferedAmount).toBeLessThanOrEqual(64 * 1024 + 100_100)
    }
    await connection.close()
    expect(await counted.promise).toBe(10_000_000)
  })

  test('fails where nobody listens', async () => {
    const server = await start(echo)
    await server.close()
    await expect(connectIn(environment, server.url)).rejects.toMatchObject({ code: 'WS_FAILED_IN_BROWSER' })
  })

  test('is given up', async () => {
    const asked = defer<void>()
    const server = await start(echo, {
      onHandshake: () => {
        asked.resolve()
        return new Promise<never>(() => {})
      },
    })
    const controller = new AbortController()
    const connecting = connectIn(environment, server.url, { signal: controller.signal })
    connecting.catch(() => {})
    await asked.promise
    const reason = new Error('enough')
    controller.abort(reason)
    await expect(connecting).rejects.toBe(reason)
  })
})
