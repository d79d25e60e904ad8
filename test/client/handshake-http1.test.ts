import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  type ConnectOptions,
  connect,
  HandshakeError,
  HandshakeRejectedError,
  WebSocketTimeoutError,
} from '../../src/index.ts'
import { defer, rejection, temporaryPath } from '../server/support.ts'
import { CLIENT_TLS, SERVER_TLS } from '../support/tls-fixture.ts'
import { accepted, type FakeRequest, fakeServer } from './fake-server.ts'

/** Connect to a server that answers with `answer`, and give what connect rejects with. */
async function refusedBy(
  answer: (request: FakeRequest) => string | Uint8Array,
  options?: ConnectOptions,
): Promise<unknown> {
  const server = await fakeServer((socket, request) => {
    const bytes = answer(request)
    socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  })
  return await rejection(connect(server.url, options))
}

describe('client sends', () => {
  test('a request that a server can take, and nothing more', async () => {
    let seen = ''
    const server = await fakeServer((socket, { head }) => {
      seen = head
      socket.destroy()
    })
    await rejection(connect(`${server.url}chat?room=1`, { userAgent: 'test', origin: 'https://a.example' }))
    expect(seen.split('\r\n')).toEqual([
      'GET /chat?room=1 HTTP/1.1',
      `Host: 127.0.0.1:${server.port}`,
      'Upgrade: websocket',
      'Connection: Upgrade',
      expect.stringMatching(/^Sec-WebSocket-Key: [\w+/]{22}==$/),
      'Sec-WebSocket-Version: 13',
      'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
      'Origin: https://a.example',
      'User-Agent: test',
      '',
      '',
    ])
  })

  test('a new key each time', async () => {
    const keys = new Set<string>()
    const server = await fakeServer((socket, { accept }) => {
      keys.add(accept)
      socket.destroy()
    })
    for (let turn = 0; turn < 5; turn++) await rejection(connect(server.url))
    expect(keys.size).toBe(5)
  })

  test.each<[string, string, object, RegExp | undefined, RegExp | undefined]>([
    ['headers', '', { headers: { 'X-Token': 'abc' } }, /^X-Token: abc\r$/m, undefined],
    ['Headers', '', { headers: new Headers({ 'X-Token': 'abc' }) }, /^x-token: abc\r$/m, undefined],
    ['a Map', '', { headers: new Map([['X-Token', 'abc']]) }, /^X-Token: abc\r$/m, undefined],
    [
      'pairs',
      '',
      {
        headers: [
          ['X-T', 'a'],
          ['X-T', 'b'],
        ],
      },
      /^X-T: a\r\nX-T: b\r$/m,
      undefined,
    ],
    [
      'permessage-deflate as it is set up, with a plain offer behind',
      '',
      { compression: { serverMaxWindowBits: 10, clientNoContextTakeover: true } },
      /^Sec-WebSocket-Extensions: permessage-deflate; client_no_context_takeover; server_max_window_bits=10; client_max_window_bits, permessage-deflate; client_max_window_bits\r$/m,
      undefined,
    ],
    [
      'extensions of one’s own behind permessage-deflate',
      '',
      { extensions: [{ name: 'x-a', offer: () => [{ name: 'b', value: '1' }], confirm: () => ({}) }] },
      /^Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits, x-a; b=1\r$/m,
      undefined,
    ],
    ['no extensions when told so', '', { compression: false }, undefined, /extensions/i],
    ['its name by default', '', {}, /^User-Agent: openline\r$/m, undefined],
    ['no name when told so', '', { userAgent: false }, undefined, /user-agent/i],
    ['no Origin by default', '', {}, undefined, /origin/i],
    ['no Authorization by default', '', {}, undefined, /authorization/i],
    [
      'subprotocols in order',
      '',
      { subprotocols: ['b', 'a'] },
      /^Sec-WebSocket-Protocol: b, a\r$/m,
      undefined,
    ],
    [
      'the user and password of the URL',
      'ann:s%3Acret@',
      {},
      /^Authorization: Basic YW5uOnM6Y3JldA==\r$/m,
      undefined,
    ],
    ['them in UTF-8', '%E4%BD%A0:%E5%A5%BD@', {}, /^Authorization: Basic 5L2gOuWlvQ==\r$/m, undefined],
    ['a user alone', 'ann@', {}, /^Authorization: Basic YW5uOg==\r$/m, undefined],
    ['a Host of its own', '', { headers: { Host: 'a.example' } }, /^Host: a.example\r$/m, /127.0.0.1/],
    [
      'an Authorization of its own',
      'a:b@',
      { headers: { Authorization: 'Bearer x' } },
      /^Authorization: Bearer x\r$/m,
      /Basic/,
    ],
  ])('%s', async (_what, credentials, options, expected, unexpected) => {
    let seen = ''
    const server = await fakeServer((socket, { head }) => {
      seen = head
      socket.destroy()
    })
    await rejection(connect(server.url.replace('//', `//${credentials}`), options))
    if (expected !== undefined) expect(seen).toMatch(expected)
    if (unexpected !== undefined) expect(seen).not.toMatch(unexpected)
  })
})

describe('client agrees on extensions', () => {
  test.each<[string, object, string | undefined]>([
    ['without extensions', {}, undefined],
    ['with permessage-deflate', {}, 'permessage-deflate'],
    ['with permessage-deflate and parameters', {}, 'permessage-deflate; server_max_window_bits=9'],
    [
      'with permessage-deflate that does less than was asked for',
      { compression: { serverMaxWindowBits: 10 } },
      'permessage-deflate',
    ],
  ])('%s', async (_what, options, extensions) => {
    const server = await fakeServer((socket, request) => {
      const lines = extensions === undefined ? [] : [`Sec-WebSocket-Extensions: ${extensions}`]
      socket.write(accepted(request, ...lines))
    })
    const connection = await connect(server.url, options)
    onTestFinished(() => connection.terminate())
    expect(connection.extensions).toBe(extensions ?? '')
    expect(connection.response.headers['sec-websocket-extensions']).toBe(extensions)
  })
})

describe('client refuses a 101', () => {
  test.each<[string, string, (request: FakeRequest) => string]>([
    [
      'with another Accept',
      'WS_BAD_ACCEPT',
      (r) => accepted({ ...r, accept: 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=' }),
    ],
    ['with Accept in other case', 'WS_BAD_ACCEPT', (r) => accepted({ ...r, accept: r.accept.toLowerCase() })],
    ['without Accept', 'WS_BAD_ACCEPT', (r) => accepted(r).replace(/^Sec-WebSocket-Accept.*\r\n/m, '')],
    ['with Accept twice', 'WS_BAD_ACCEPT', (r) => accepted(r, `Sec-WebSocket-Accept: ${r.accept}`)],
    ['without Upgrade', 'WS_BAD_UPGRADE', (r) => accepted(r).replace('Upgrade: websocket\r\n', '')],
    ['to another protocol', 'WS_BAD_UPGRADE', (r) => accepted(r).replace('websocket', 'h2c')],
    ['to several protocols', 'WS_BAD_UPGRADE', (r) => accepted(r).replace('websocket', 'websocket, h2c')],
    ['without Connection', 'WS_BAD_CONNECTION', (r) => accepted(r).replace('Connection: Upgrade\r\n', '')],
    [
      'with another Connection',
      'WS_BAD_CONNECTION',
      (r) => accepted(r).replace('Connection: Upgrade', 'Connection: close'),
    ],
    ['with a subprotocol', 'WS_BAD_SUBPROTOCOL', (r) => accepted(r, 'Sec-WebSocket-Protocol: chat')],
    [
      'with an extension',
      'WS_BAD_EXTENSION',
      (r) => accepted(r, 'Sec-WebSocket-Extensions: permessage-deflate, bbf-usp-protocol'),
    ],
    [
      'with permessage-deflate twice',
      'WS_BAD_EXTENSION',
      (r) => accepted(r, 'Sec-WebSocket-Extensions: permessage-deflate, permessage-deflate'),
    ],
    [
      'with parameters of permessage-deflate that do not exist',
      'WS_BAD_EXTENSION',
      (r) => accepted(r, 'Sec-WebSocket-Extensions: permessage-deflate; x'),
    ],
    ['with a malformed extension', 'WS_BAD_EXTENSION', (r) => accepted(r, 'Sec-WebSocket-Extensions: a; "b')],
  ])('%s', async (_what, code, answer) => {
    const error = await refusedBy(answer)
    expect(error).toBeInstanceOf(HandshakeError)
    expect(error).toMatchObject({ code, status: 0 })
    expect((error as Error).message).not.toContain('{}')
  })

  test('with permessage-deflate when that was not offered', async () => {
    const server = await fakeServer((socket, request) => {
      socket.write(accepted(request, 'Sec-WebSocket-Extensions: permessage-deflate'))
    })
    expect(await rejection(connect(server.url, { compression: false }))).toMatchObject({
      code: 'WS_BAD_EXTENSION',
    })
  })

  test('with a subprotocol that was not among those offered', async () => {
    const server = await fakeServer((socket, request) => {
      socket.write(accepted(request, 'Sec-WebSocket-Protocol: superchat'))
    })
    const error = await rejection(connect(server.url, { subprotocols: ['chat'] }))
    expect(error).toMatchObject({ code: 'WS_BAD_SUBPROTOCOL' })
    expect(String(error)).toContain('"superchat"')
  })

  test('and drops its connection', async () => {
    let ended: Promise<void> | undefined
    const server = await fakeServer((socket, request) => {
      ended = new Promise((resolve) => socket.once('close', resolve))
      socket.write(accepted({ ...request, accept: 'x' }))
    })
    await rejection(connect(server.url))
    await ended
  })
})

describe('client takes a 101', () => {
  test.each<[string, (request: FakeRequest) => string]>([
    [
      'in other cases',
      (r) => accepted(r).replace('websocket', 'WebSocket').replace('n: Upgrade', 'n: keep-alive, upgrade'),
    ],
    ['with another text', (r) => accepted(r).replace('Switching Protocols', 'Web Socket Protocol Handshake')],
    ['without a text', (r) => accepted(r).replace(' Switching Protocols', '')],
    ['after a 103', (r) => `HTTP/1.1 103 Early Hints\r\nLink: </a>\r\n\r\n${accepted(r)}`],
    ['with spaces around Accept', (r) => accepted({ ...r, accept: `  ${r.accept} ` })],
  ])('%s', async (_what, answer) => {
    const server = await fakeServer((socket, request) => void socket.write(answer(request)))
    const connection = await connect(server.url)
    expect(connection.state).toBe('open')
    connection.terminate()
    await connection.closed
  })

  test('that comes byte by byte', async () => {
    const server = await fakeServer((socket, request) => {
      socket.setNoDelay(true)
      const bytes = Buffer.from(accepted(request))
      const next = (index: number): void => {
        if (index < bytes.length) socket.write(bytes.subarray(index, index + 1), () => next(index + 1))
      }
      next(0)
    })
    const connection = await connect(server.url)
    connection.terminate()
    await connection.closed
  })
})

describe('client is refused', () => {
  test('with 401: the error has all that the server said', async () => {
    const error = await refusedBy(
      () =>
        'HTTP/1.1 401 Who Are You\r\nWWW-Authenticate: Basic\r\nSet-Cookie: a=1\r\nSet-Cookie: b=2\r\nContent-Length: 13\r\n\r\nnot for you \n',
    )
    expect(error).toBeInstanceOf(HandshakeRejectedError)
    expect(error).toMatchObject({
      code: 'WS_REJECTED',
      status: 401,
      statusText: 'Who Are You',
      headers: { 'www-authenticate': 'Basic', 'set-cookie': 'a=1, b=2', 'content-length': '13' },
      body: 'not for you \n',
      message: 'the server refused the handshake with 401 Who Are You: not for you',
    })
  })

  test('with a body that is cut at 64 KiB', async () => {
    const error = await refusedBy(
      () => `HTTP/1.1 500 No\r\nConnection: close\r\nContent-Length: 1000000\r\n\r\n${'x'.repeat(1_000_000)}`,
    )
    expect((error as HandshakeRejectedError).body).toBe('x'.repeat(64 * 1024))
  })

  test('with a body that never ends', async () => {
    const server = await fakeServer((socket) => {
      socket.write('HTTP/1.1 400 Bad Request\r\nTransfer-Encoding: chunked\r\n\r\n')
      const more = (): void => {
        if (!socket.destroyed) socket.write(`4000\r\n${'y'.repeat(0x4000)}\r\n`, more)
      }
      more()
    })
    const error = await rejection(connect(server.url))
    expect((error as HandshakeRejectedError).body).toBe('y'.repeat(64 * 1024))
  })

  test.each<[string, object]>([
    ['openTimeout', { openTimeout: 100 }],
    ['one second', {}],
  ])('with a body that stops half-way: after %s', async (_what, options) => {
    const ended = defer()
    const server = await fakeServer((socket) => {
      socket.once('close', () => ended.resolve())
      socket.write('HTTP/1.1 404 Not Found\r\nContent-Type: text/event-stream\r\n\r\nhello')
    })
    expect(await rejection(connect(server.url, options))).toMatchObject({
      name: 'HandshakeRejectedError',
      status: 404,
      body: 'hello',
    })
    await ended.promise
  })

  test('with a body that breaks HTTP half-way', async () => {
    const error = await refusedBy(
      () => 'HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n4\r\nhalf\r\nnonsense\r\n',
    )
    expect(error).toBeInstanceOf(HandshakeRejectedError)
    expect(error).toMatchObject({ status: 404 })
  })

  test('with a body that is cut short', async () => {
    const server = await fakeServer((socket) => {
      socket.end('HTTP/1.1 404 Not Found\r\nContent-Length: 100\r\n\r\nhalf')
    })
    expect(await rejection(connect(server.url))).toMatchObject({ status: 404, body: 'half' })
  })

  test.each([200, 204, 301, 302, 307, 308, 400, 404, 426, 503])('with %i', async (status) => {
    const error = await refusedBy(
      () => `HTTP/1.1 ${status} X\r\nLocation: ws://localhost/\r\nContent-Length: 0\r\n\r\n`,
      { maxRedirects: 0 },
    )
    expect(error).toBeInstanceOf(HandshakeRejectedError)
    expect(error).toMatchObject({ status, body: '' })
  })
})

describe('client meets a server that breaks HTTP', () => {
  test.each([
    ['no HTTP at all', 'SSH-2.0-OpenSSH_9.6\r\n\r\n'],
    ['another HTTP version', 'HTTP/9.9 101 Switching Protocols\r\n\r\n'],
    ['a broken status', 'HTTP/1.1 ABC\r\n\r\n'],
    ['a header without a colon', 'HTTP/1.1 101 Switching Protocols\r\nUpgrade websocket\r\n\r\n'],
    ['a NUL in a header', 'HTTP/1.1 200 OK\r\nX: a\0b\r\n\r\n'],
    ['headers above 16 KiB', `HTTP/1.1 101 Switching Protocols\r\nX: ${'x'.repeat(17_000)}\r\n\r\n`],
    ['headers that never end', 'X: y\r\n'.repeat(10_000)],
    ['a frame instead of a head', '\x81\x05Hello'],
  ])('by %s', async (_what, text) => {
    const error = await refusedBy(() => text)
    expect(error).toBeInstanceOf(HandshakeError)
    expect(error).toMatchObject({ code: 'WS_HANDSHAKE_INTERRUPTED', status: 0 })
    expect((error as Error).cause).toBeInstanceOf(Error)
  })

  test.each(['end', 'reset', 'half of a head'] as const)('by %s', async (how) => {
    const server = await fakeServer((socket, request) => {
      if (how === 'end') socket.end()
      else if (how === 'reset') socket.resetAndDestroy()
      else socket.end(accepted(request).slice(0, 40))
    })
    const error = await rejection(connect(server.url))
    expect(error).toMatchObject({ code: 'WS_HANDSHAKE_INTERRUPTED' })
  })
})

describe('client bounds the lines of headers', () => {
  const lines = (count: number): string[] => Array.from({ length: count }, (_, index) => `X-${index}: y`)

  test('of a 101', async () => {
    const server = await fakeServer((socket, request) => {
      socket.write(accepted(request, ...lines(request.head.startsWith('GET /more') ? 98 : 97)))
    })
    const connection = await connect(server.url)
    expect(Object.keys(connection.response.headers)).toHaveLength(100)
    connection.terminate()
    await connection.closed
    const error = await rejection(connect(`${server.url}more`))
    expect(error).toBeInstanceOf(HandshakeError)
    expect(error).toMatchObject({ code: 'WS_TOO_MANY_HEADERS', status: 0 })
  })

  test('before it looks for those that it needs', async () => {
    // Node hands over the first 101 lines alone.
    const error = await refusedBy((request) => {
      const [status, ...needed] = accepted(request).trimEnd().split('\r\n')
      return [status, ...lines(500), ...needed, '\r\n'].join('\r\n')
    })
    expect(error).toMatchObject({ code: 'WS_TOO_MANY_HEADERS' })
  })

  test('of a refusal', async () => {
    const error = await refusedBy(() => `HTTP/1.1 404 Not Found\r\n${lines(101).join('\r\n')}\r\n\r\n`)
    expect(error).toMatchObject({ code: 'WS_TOO_MANY_HEADERS', status: 0 })
  })
})

describe('client cannot reach', () => {
  test('a port on which nothing listens', async () => {
    const { port } = await closedPort()
    const error = await rejection(connect(`ws://127.0.0.1:${port}/`))
    expect(error).toMatchObject({
      code: 'WS_CONNECT_FAILED',
      message: `could not connect: 127.0.0.1:${port}: nothing listens there (ECONNREFUSED)`,
    })
  })

  test('a name of several addresses on which nothing listens', async () => {
    const { port } = await closedPort()
    const error = await rejection(connect(`ws://localhost:${port}/`))
    expect((error as Error).message).toMatch(
      /^could not connect: localhost:\d+: nothing listens there \(ECONNREFUSED\)/,
    )
  })

  test('a host that does not exist', async () => {
    const error = await rejection(connect('ws://nobody.invalid/'))
    expect(error).toMatchObject({ code: 'WS_CONNECT_FAILED' })
    // Where no name server answers the system says EAI_AGAIN.
    expect((error as Error).message).toMatch(/nobody\.invalid:80: .*(ENOTFOUND|EAI_AGAIN)/)
  })

  test('a Unix socket that does not exist', async () => {
    const path = temporaryPath('none.sock')
    const error = await rejection(connect(`ws+unix:${path}`))
    expect((error as Error).message).toBe(`could not connect: ${path}: there is no such Unix socket (ENOENT)`)
  })

  test('a server with a certificate that it does not trust', async () => {
    const server = await fakeServer(() => {}, SERVER_TLS)
    const error = await rejection(connect(server.url))
    expect(error).toMatchObject({ code: 'WS_CONNECT_FAILED' })
    expect((error as Error).cause).toMatchObject({ code: 'DEPTH_ZERO_SELF_SIGNED_CERT' })
  })

  test('a server whose certificate is for another name', async () => {
    const server = await fakeServer(() => {}, SERVER_TLS)
    const error = await rejection(
      connect(server.url, { tls: { ...CLIENT_TLS, servername: 'other.example' } }),
    )
    expect((error as Error).cause).toMatchObject({ code: 'ERR_TLS_CERT_ALTNAME_INVALID' })
  })

  test('a server that speaks no TLS', async () => {
    const server = await fakeServer(() => {})
    const error = await rejection(connect(server.url.replace('ws:', 'wss:'), { openTimeout: 1000 }))
    // What such a server does with a TLS greeting is its own affair: this one waits for a line that never ends.
    expect(error).toBeInstanceOf(WebSocketTimeoutError)
  })
})

describe('client gives up after openTimeout', () => {
  test.each<[string, (request: FakeRequest) => string]>([
    ['without an answer', () => ''],
    ['in the middle of the head', (request) => accepted(request).slice(0, 60)],
    ['after a 103', () => 'HTTP/1.1 103 Early Hints\r\n\r\n'],
  ])('%s', async (_what, answer) => {
    let ended: Promise<void> | undefined
    const server = await fakeServer((socket, request) => {
      ended = new Promise((resolve) => socket.once('close', resolve))
      socket.write(answer(request))
    })
    const error = await rejection(connect(server.url, { openTimeout: 100 }))
    expect(error).toMatchObject({
      name: 'WebSocketTimeoutError',
      code: 'WS_TIMEOUT',
      phase: 'open',
      timeout: 100,
    })
    await ended
  })

  test('in the middle of TLS', async () => {
    const server = await fakeServer(() => {})
    const error = await rejection(
      connect(`wss://127.0.0.1:${server.port}/`, { openTimeout: 100, tls: CLIENT_TLS }),
    )
    expect(error).toBeInstanceOf(WebSocketTimeoutError)
  })
})

describe('client takes a signal', () => {
  test('that is aborted already: it does not dial', async () => {
    let isDialled = false
    const server = await fakeServer(() => {
      isDialled = true
    })
    const reason = new Error('too late')
    expect(await rejection(connect(server.url, { signal: AbortSignal.abort(reason) }))).toBe(reason)
    expect(isDialled).toBe(false)
  })

  test('that is aborted during the handshake', async () => {
    const controller = new AbortController()
    const reason = new Error('changed my mind')
    let ended: Promise<void> | undefined
    const server = await fakeServer((socket) => {
      ended = new Promise((resolve) => socket.once('close', resolve))
      controller.abort(reason)
    })
    expect(await rejection(connect(server.url, { signal: controller.signal }))).toBe(reason)
    await ended
  })

  test('that is aborted in the middle of a refusal', async () => {
    const controller = new AbortController()
    const reason = new Error('changed my mind')
    // Node tells of the answer's head before it hands it over.
    const onHead = (): void => queueMicrotask(() => controller.abort(reason))
    subscribe('http.client.response.finish', onHead)
    onTestFinished(() => void unsubscribe('http.client.response.finish', onHead))
    const server = await fakeServer((socket) => {
      socket.write('HTTP/1.1 404 Not Found\r\nContent-Length: 10\r\n\r\nhalf')
    })
    expect(await rejection(connect(server.url, { signal: controller.signal }))).toBe(reason)
  })

  test('that is aborted when the handshake has just ended', async () => {
    const ended = defer()
    const server = await fakeServer((socket, request) => {
      socket.once('close', () => ended.resolve())
      socket.write(accepted(request))
    })
    const controller = new AbortController()
    const { signal } = controller
    const reason = new Error('changed my mind')
    // Nobody listens any more, and connect() has not gone on yet.
    signal.removeEventListener = () => controller.abort(reason)
    expect(await rejection(connect(server.url, { signal }))).toBe(reason)
    await ended.promise
  })

  test('that is aborted while it begins', async () => {
    const controller = new AbortController()
    const server = await fakeServer(() => {})
    const connecting = connect(server.url, { signal: controller.signal })
    controller.abort()
    expect(await rejection(connecting)).toMatchObject({ name: 'AbortError' })
  })

  test('that means nothing once the connection is open', async () => {
    const controller = new AbortController()
    const server = await fakeServer((socket, request) => void socket.write(accepted(request)))
    const connection = await connect(server.url, { signal: controller.signal })
    controller.abort()
    await new Promise(setImmediate)
    expect(connection.state).toBe('open')
    connection.terminate()
    await connection.closed
  })

  test('that runs out', async () => {
    const server = await fakeServer(() => {})
    const error = await rejection(connect(server.url, { signal: AbortSignal.timeout(50) }))
    expect(error).toMatchObject({ name: 'TimeoutError' })
  })
})

/** Find a port on which nothing listens. */
async function closedPort(): Promise<{ port: number }> {
  const { createServer } = await import('node:net')
  const server = createServer()
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  await new Promise((resolve) => server.close(resolve))
  return { port }
}
