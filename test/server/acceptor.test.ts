import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import type { Duplex } from 'node:stream'
import { describe, expect, onTestFinished, test } from 'vitest'
import {
  ConnectionClosedError,
  connect,
  HandshakeError,
  type IncomingHandshake,
  type ServeOptions,
  upgrade,
} from '../../src/index.ts'
import { concat, toHex } from '../support/bytes.ts'
import { ACCEPT, handshake, KEY, masked, maskedClose, RawClient } from '../support/raw-client.ts'
import { CLIENT_TLS, SERVER_TLS } from '../support/tls-fixture.ts'
import { at, defer, echo, MemoryLog, rawTo, start, stay } from './support.ts'

type Changes = Parameters<typeof handshake>[0]

describe('server answers a handshake', () => {
  test('with 101 and the value that belongs to the key', async () => {
    const server = await start(echo)
    const client = await rawTo(server)
    client.write(handshake())
    expect(await client.readHead()).toEqual({
      status: 101,
      statusText: 'Switching Protocols',
      headers: { upgrade: 'websocket', connection: 'Upgrade', 'sec-websocket-accept': ACCEPT },
    })
  })

  test('with fFBooB7FAkLlXgRSz0BT3v4hq5s= for the key sN9cRrP/n9NdMgdcy2VJFQ==', async () => {
    const server = await start(echo)
    const client = await rawTo(server)
    client.write(handshake({ 'Sec-WebSocket-Key': 'sN9cRrP/n9NdMgdcy2VJFQ==' }))
    const { headers } = await client.readHead()
    expect(headers['sec-websocket-accept']).toBe('fFBooB7FAkLlXgRSz0BT3v4hq5s=')
  })

  test.each<[string, Changes, string?]>([
    ['other cases', { Upgrade: 'WebSocket', Connection: 'keep-alive, UPGRADE' }],
    ['lists among which is ours', { Upgrade: 'h2c, websocket', Connection: 'keep-alive,Upgrade' }],
    ['an empty Content-Length', { 'Content-Length': '0' }],
    ['a path and a query', {}, 'GET /chat/room?name=%E4%BD%A0 HTTP/1.1'],
    ['an absolute target', {}, 'GET http://localhost/chat HTTP/1.1'],
  ])('that has %s', async (_what, changes, requestLine) => {
    const server = await start(echo)
    await RawClient.open(at(server), changes, requestLine)
  })

  test('that comes byte by byte', async () => {
    const server = await start(echo)
    const client = await rawTo(server)
    client.socket.setNoDelay(true)
    for (const byte of concat(Buffer.from(handshake()), masked(0x81, 'Hello'))) {
      await client.writeAndDrain(Uint8Array.of(byte))
    }
    expect((await client.readHead()).status).toBe(101)
    expect(await client.readText()).toBe('Hello')
  })

  test('and the frames that came in one packet with it, in order', async () => {
    const server = await start(echo)
    const client = await rawTo(server)
    client.write(
      concat(Buffer.from(handshake()), masked(0x81, 'one'), masked(0x82, 'two'), maskedClose(1000)),
    )
    expect((await client.readHead()).status).toBe(101)
    expect(await client.readText()).toBe('one')
    expect(await client.readText()).toBe('two')
    expect(await client.readClose()).toEqual({ code: 1000, reason: '' })
    await client.ended
  })

  test('with its own headers, and shows request and response on the connection', async () => {
    const seen = defer<unknown>()
    const server = await start(
      async ({ request, response }) => {
        seen.resolve({ target: request.target, token: request.headers['x-token'], response })
      },
      { headers: { 'X-Powered-By': 'openline', Server: 'test' } },
    )
    const client = await rawTo(server)
    client.write(handshake({ 'X-Token': 'abc' }, 'GET /a?b=c HTTP/1.1'))
    const { headers } = await client.readHead()
    expect(headers).toMatchObject({ 'x-powered-by': 'openline', server: 'test' })
    expect(await seen.promise).toEqual({
      target: '/a?b=c',
      token: 'abc',
      response: { status: 101, headers: { 'x-powered-by': 'openline', server: 'test' } },
    })
  })

  test('and shows each header of the request as one string', async () => {
    const seen = defer<unknown>()
    const server = await start(async ({ request }) => seen.resolve(request.headers))
    await RawClient.open(at(server), { 'Set-Cookie': ['a=1', 'b=2'], 'X-A': ['1', '2'] })
    expect(await seen.promise).toMatchObject({ host: 'localhost', 'set-cookie': 'a=1, b=2', 'x-a': '1, 2' })
  })
})

describe('server gets a handshake behind a request that is not answered yet', () => {
  const pipelined = `GET / HTTP/1.1\r\nHost: localhost\r\n\r\n${handshake()}`

  test('and drops the socket, so that no HTTP comes between frames', async () => {
    const answer = defer<string>()
    const opened: unknown[] = []
    const log = new MemoryLog()
    const server = await start(
      { open: (connection) => void opened.push(connection) },
      { onRequest: async () => new Response(await answer.promise), logger: log },
    )
    const client = await rawTo(server)
    client.write(pipelined)
    expect(await client.readToEnd()).toHaveLength(0)
    answer.resolve('late')
    expect(opened).toEqual([])
    // Who waits for the answer may go on with a handshake on the same socket.
    const patient = await rawTo(server)
    patient.write('GET / HTTP/1.1\r\nHost: localhost\r\n\r\n')
    expect((await patient.readHead()).headers['transfer-encoding']).toBe('chunked')
    expect((await patient.read(14)).toString()).toBe('4\r\nlate\r\n0\r\n\r\n')
    patient.write(handshake())
    expect((await patient.readHead()).status).toBe(101)
    expect(log.lines).toEqual([])
  })

  test('also on a server that is not its own', async () => {
    const http = createServer(() => {})
    onTestFinished(() => void http.close())
    const opened: unknown[] = []
    http.on('upgrade', upgrade({ open: (connection) => void opened.push(connection) }))
    await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
    const client = await RawClient.connect({ port: (http.address() as AddressInfo).port, host: '127.0.0.1' })
    client.write(pipelined)
    expect(await client.readToEnd()).toHaveLength(0)
    expect(opened).toEqual([])
  })
})

describe('server refuses a handshake', () => {
  const KEY_OF_15_BYTES = 'AAECAwQFBgcICQoLDA0O'
  const KEY_OF_17_BYTES = 'AAECAwQFBgcICQoLDA0ODxA='

  test.each<[number, string, Changes, string?]>([
    [400, 'without Host', { Host: undefined }],
    [400, 'with an empty Host', { Host: '' }],
    [400, 'without Sec-WebSocket-Key', { 'Sec-WebSocket-Key': undefined }],
    [400, 'with an empty key', { 'Sec-WebSocket-Key': '' }],
    [400, 'with two hosts', { Host: ['localhost', 'localhost'] }],
    [400, 'with two keys', { 'Sec-WebSocket-Key': [KEY, KEY] }],
    [400, 'with a key of 15 bytes', { 'Sec-WebSocket-Key': KEY_OF_15_BYTES }],
    [400, 'with a key of 17 bytes', { 'Sec-WebSocket-Key': KEY_OF_17_BYTES }],
    [400, 'with a key that is no base64', { 'Sec-WebSocket-Key': 'dGhlIHNhbXBsZSBub25jZ!==' }],
    [400, 'without Sec-WebSocket-Version', { 'Sec-WebSocket-Version': undefined }],
    [400, 'with two versions', { 'Sec-WebSocket-Version': ['13', '13'] }],
    [400, 'with a malformed subprotocol list', { 'Sec-WebSocket-Protocol': 'chat room' }],
    [400, 'with an empty subprotocol list', { 'Sec-WebSocket-Protocol': '' }],
    [400, 'with a subprotocol named twice', { 'Sec-WebSocket-Protocol': 'chat, chat' }],
    [400, 'with a malformed extension list', { 'Sec-WebSocket-Extensions': 'a; =b' }],
    [400, 'with an unclosed quote', { 'Sec-WebSocket-Extensions': 'a; b="c' }],
    [400, 'with two origins', { Origin: ['http://localhost', 'http://localhost'] }],
    [403, 'from another origin', { Origin: 'https://evil.example' }],
    [403, 'from a page without an origin of its own', { Origin: 'null' }],
    [405, 'by POST', { 'Content-Length': '0' }, 'POST / HTTP/1.1'],
    [405, 'by CONNECT', {}, 'CONNECT localhost:80 HTTP/1.1'],
    [413, 'with a body', { 'Content-Length': '5' }],
    [426, 'for another protocol', { Upgrade: 'h2c' }],
    [426, 'of version 8', { 'Sec-WebSocket-Version': '8' }],
    [426, 'of version 14', { 'Sec-WebSocket-Version': '14' }],
    [505, 'in HTTP/1.0', {}, 'GET / HTTP/1.0'],
  ])('with %i: %s', async (status, _what, changes, requestLine) => {
    const log = new MemoryLog()
    const server = await start(echo, { logger: log })
    const client = await rawTo(server)
    client.write(handshake(changes, requestLine))
    const response = await client.readResponse()
    expect(response.status).toBe(status)
    expect(response.headers.connection).toMatch(/^close/)
    expect(response.body.length).toBeGreaterThan(10)
    expect(await client.readToEnd()).toHaveLength(0)
    if (status === 405) expect(response.headers.allow).toBe('GET')
    if (status === 426) {
      expect(response.headers).toMatchObject({
        upgrade: 'websocket',
        'sec-websocket-version': '13',
        connection: 'close, Upgrade',
      })
    }
    // What a peer does wrong is not the log's business, and others are served as before.
    expect(log.lines).toEqual([])
    expect(server.connections.size).toBe(0)
    await RawClient.open(at(server))
  })

  test('with 431: 101 header lines, while 100 are taken', async () => {
    const server = await start(echo)
    const extra = (count: number): Changes =>
      Object.fromEntries(Array.from({ length: count }, (_, index) => [`X-${index}`, '']))
    const client = await rawTo(server)
    client.write(handshake(extra(96)))
    expect((await client.readResponse()).status).toBe(431)
    await client.ended
    await RawClient.open(at(server), extra(95))
  })

  test('and says why in words, with what it was sent quoted and cut', async () => {
    const server = await start(echo)
    const client = await rawTo(server)
    client.write(handshake({ 'Sec-WebSocket-Key': `\x80${'x'.repeat(200)}` }))
    const { body, headers } = await client.readResponse()
    expect(headers['content-type']).toBe('text/plain; charset=utf-8')
    expect(body).toBe(
      `Sec-WebSocket-Key must be 16 bytes in base64 (RFC 6455 section 4.1), but it is "?${'x'.repeat(79)}"…\n`,
    )
  })
})

describe('server checks the origin', () => {
  test.each<[string, boolean, ServeOptions['origins'], Changes]>([
    ['no browser, by default', true, undefined, {}],
    ['the same host, by default', true, undefined, { Host: 'example.com', Origin: 'http://example.com' }],
    ['the same host and port', true, undefined, { Host: 'a.example:81', Origin: 'http://a.example:81' }],
    ['https in front of a proxy', true, undefined, { Host: 'example.com', Origin: 'https://example.com' }],
    ['another port', false, undefined, { Host: 'example.com', Origin: 'http://example.com:81' }],
    ['a subdomain', false, undefined, { Host: 'example.com', Origin: 'http://www.example.com' }],
    ['an IP address that is not ours', false, undefined, { Origin: 'http://192.168.0.1' }],
    ['an origin of the list', true, ['https://a.example'], { Origin: 'https://a.example' }],
    ['one that is not in the list', false, ['https://a.example'], { Origin: 'https://b.example' }],
    ['the other scheme of the list', false, ['https://a.example'], { Origin: 'http://a.example' }],
    ['the own host beside a list', true, ['https://a.example'], { Origin: 'http://localhost' }],
    ['no browser beside an empty list', true, [], {}],
    ['null in the list', true, ['null'], { Origin: 'null' }],
    ['a pattern that fits', true, [/^https:\/\/\w+\.example$/g], { Origin: 'https://x.example' }],
    ['a pattern that does not', false, [/^https:\/\/\w+\.example$/], { Origin: 'https://x.example.org' }],
    ['a function that agrees', true, (origin) => origin === 'https://f', { Origin: 'https://f' }],
    ['a function that does not', false, () => false, { Origin: 'http://localhost' }],
    ['anybody', true, 'any', { Origin: 'https://evil.example' }],
  ])('%s: %s', async (_what, isAllowed, origins, changes) => {
    const server = await start(echo, origins === undefined ? {} : { origins })
    const client = await rawTo(server)
    // Twice, because a pattern with the flag g remembers where it was.
    client.write(handshake(changes))
    expect((await client.readHead()).status).toBe(isAllowed ? 101 : 403)
    const second = await rawTo(server)
    second.write(handshake(changes))
    expect((await second.readHead()).status).toBe(isAllowed ? 101 : 403)
  })

  test('and refuses http where it speaks TLS itself', async () => {
    const server = await start(echo, { tls: SERVER_TLS })
    const target = { ...at(server), tls: CLIENT_TLS }
    await RawClient.open(target, { Origin: 'https://localhost' })
    const client = await RawClient.connect(target)
    client.write(handshake({ Origin: 'http://localhost' }))
    expect((await client.readHead()).status).toBe(403)
  })

  test('with a function that throws: 500, which is logged', async () => {
    const log = new MemoryLog()
    const failure = new Error('no list')
    const server = await start(echo, {
      logger: log,
      origins: () => {
        throw failure
      },
    })
    const client = await rawTo(server)
    client.write(handshake({ Origin: 'http://a' }))
    const { status, body } = await client.readResponse()
    expect([status, body]).toEqual([500, 'the server failed\n'])
    expect(log.lines).toEqual([['openline: a handshake failed', failure]])
  })

  test('with a function that throws an error of handshakes: 500, which is logged', async () => {
    const log = new MemoryLog()
    const failure = new HandshakeError({ code: 'WS_BAD_KEY', detail: 'x', status: 400 })
    const server = await start(echo, {
      logger: log,
      origins: () => {
        throw failure
      },
    })
    const client = await rawTo(server)
    client.write(handshake({ Origin: 'http://a' }))
    expect((await client.readResponse()).status).toBe(500)
    expect(log.lines).toMatchObject([['openline: a handshake failed', { cause: failure }]])
  })
})

test.each<[string, number, readonly string[]]>([
  ['localhost', 101, ['localhost', '127.0.0.1']],
  ['LOCALHOST:8765', 101, ['localhost']],
  ['127.0.0.1:1', 101, ['localhost', '127.0.0.1']],
  ['[::1]:8765', 101, ['::1']],
  ['evil.example', 403, ['localhost']],
  ['localhost.evil.example', 403, ['localhost']],
])('server checks the host against DNS rebinding: %s gets %i', async (host, status, hosts) => {
  const server = await start(echo, { hosts })
  const client = await rawTo(server)
  client.write(handshake({ Host: host }))
  expect((await client.readHead()).status).toBe(status)
})

describe('server chooses a subprotocol', () => {
  test.each<[string, string[], string[], string | undefined]>([
    ['the first of its own order', ['v2', 'v1'], ['v1', 'v2'], 'v2'],
    ['none in common', ['v3'], ['v1', 'v2'], undefined],
    ['none offered', ['v1'], [], undefined],
    ['none spoken', [], ['v1'], undefined],
    ['with its case', ['V1'], ['v1'], undefined],
  ])('%s', async (_what, spoken, offered, chosen) => {
    const atServer = defer<string | undefined>()
    const server = await start(
      async (connection) => {
        atServer.resolve(connection.subprotocol)
        await connection.closed
      },
      { subprotocols: spoken },
    )
    await using connection = await connect(server.url, { subprotocols: offered })
    expect(connection.subprotocol).toBe(chosen)
    expect(await atServer.promise).toBe(chosen)
  })
})

describe('server agrees on extensions', () => {
  const deflate = 'permessage-deflate; server_max_window_bits=12'
  test.each<[string, string | undefined, ServeOptions, string | undefined]>([
    ['none when none is offered', undefined, {}, undefined],
    ['permessage-deflate by default', 'permessage-deflate', {}, deflate],
    [
      'permessage-deflate with what the client can do',
      'permessage-deflate; client_max_window_bits; server_no_context_takeover',
      {},
      'permessage-deflate; server_no_context_takeover; server_max_window_bits=12; client_max_window_bits=12',
    ],
    [
      'permessage-deflate as it is set up',
      'permessage-deflate',
      { compression: { serverMaxWindowBits: 15, clientNoContextTakeover: true } },
      'permessage-deflate; client_no_context_takeover',
    ],
    ['the second offer when the first will not do', 'permessage-deflate; x, permessage-deflate', {}, deflate],
    ['nothing when no offer will do', 'permessage-deflate; server_max_window_bits=8', {}, undefined],
    ['nothing when compression is off', 'permessage-deflate', { compression: false }, undefined],
    ['nothing that it does not know', 'bbf-usp-protocol; a="b", x-webkit-deflate-frame', {}, undefined],
  ])('%s', async (_what, offer, options, answer) => {
    const seen = defer<string>()
    const server = await start(async ({ extensions }) => seen.resolve(extensions), options)
    const client = await rawTo(server)
    client.write(handshake(offer === undefined ? {} : { 'Sec-WebSocket-Extensions': offer }))
    const { status, headers } = await client.readHead()
    expect([status, headers['sec-websocket-extensions']]).toEqual([101, answer])
    expect(await seen.promise).toBe(answer ?? '')
  })

  test('also when their offers come in several lines', async () => {
    const server = await start(echo)
    const client = await rawTo(server)
    client.write(handshake({ 'Sec-WebSocket-Extensions': ['x-unknown', 'permessage-deflate'] }))
    expect((await client.readHead()).headers['sec-websocket-extensions']).toBe(deflate)
  })
})

describe('onHandshake', () => {
  test('sees the request', async () => {
    const seen = defer<IncomingHandshake>()
    const server = await start(stay, { onHandshake: (incoming) => seen.resolve(incoming) })
    await RawClient.open(
      at(server),
      { 'X-Token': 'abc', 'Sec-WebSocket-Protocol': 'b, a', Origin: 'http://localhost' },
      'GET /chat/%2F?room=1 HTTP/1.1',
    )
    const incoming = await seen.promise
    expect(incoming.target).toBe('/chat/%2F?room=1')
    expect(incoming.url.href).toBe('ws://localhost/chat/%2F?room=1')
    expect(incoming.url.searchParams.get('room')).toBe('1')
    expect(incoming.headers['x-token']).toBe('abc')
    expect(incoming.origin).toBe('http://localhost')
    expect(incoming.subprotocols).toEqual(['b', 'a'])
    expect(incoming.remoteAddress).toBe('127.0.0.1')
    expect(incoming.signal.aborted).toBe(false)
  })

  test('cannot be given a path as the host, nor a host that is none', async () => {
    const paths: string[] = []
    const log = new MemoryLog()
    const server = await start(stay, {
      logger: log,
      onHandshake: ({ url }) => {
        paths.push(`${url.host} ${url.pathname}`)
      },
    })
    await RawClient.open(at(server), {}, 'GET //evil.example/admin HTTP/1.1')
    expect(paths).toEqual(['localhost //evil.example/admin'])
    for (const host of ['a b', 'localhost/admin', 'user@localhost', 'localhost?x']) {
      const client = await rawTo(server)
      client.write(handshake({ Host: host }))
      expect((await client.readHead()).status, host).toBe(400)
    }
    expect(paths).toHaveLength(1)
    expect(log.lines).toEqual([])
  })

  test.each([
    ['sync', { user: 'ann' }],
    ['async', Promise.resolve({ user: 'ann' })],
  ])('gives connection.data, %s', async (_what, data) => {
    const seen = defer<{ user: string }>()
    const server = await start<{ user: string }>(async (connection) => seen.resolve(connection.data), {
      onHandshake: () => data,
    })
    await RawClient.open(at(server))
    expect(await seen.promise).toEqual({ user: 'ann' })
  })

  test('refuses with a Response: status, headers and body arrive', async () => {
    const server = await start(echo, {
      onHandshake: async () => {
        const headers = new Headers({ 'WWW-Authenticate': 'Basic realm="chat"', 'Content-Type': 'text/html' })
        headers.append('Set-Cookie', 'a=1')
        headers.append('Set-Cookie', 'b=2')
        return new Response('<p>谁？</p>', { status: 401, headers })
      },
    })
    const client = await rawTo(server)
    client.write(handshake())
    expect(await client.readResponse()).toEqual({
      status: 401,
      statusText: 'Unauthorized',
      headers: {
        connection: 'close',
        'content-length': '13',
        'content-type': 'text/html',
        'set-cookie': 'a=1, b=2',
        'www-authenticate': 'Basic realm="chat"',
      },
      body: '<p>谁？</p>',
    })
    await client.ended
    expect(server.connections.size).toBe(0)
  })

  test.each<[string, () => Response]>([
    ['a status that says that all is well', () => new Response('welcome', { status: 200 })],
    ['a header of the handshake', () => new Response('', { status: 400, headers: { Upgrade: 'x' } })],
    ['a body that fails', () => new Response(failingStream(), { status: 400 })],
    [
      'nothing but an error',
      () => {
        throw new Error('secret')
      },
    ],
    [
      'an error of a handshake of its own, to another server',
      () => {
        throw new HandshakeError({ code: 'WS_CONNECT_FAILED', detail: 'secret', status: 0 })
      },
    ],
    [
      "an error that is none of this handshake's",
      () => {
        throw new HandshakeError({ code: 'WS_BAD_KEY', detail: 'secret', status: 400 })
      },
    ],
    ['an imitation of a Response', () => ({ [Symbol.toStringTag]: 'Response' }) as unknown as Response],
  ])('gets 500 and a line in the log for %s', async (_what, onHandshake) => {
    const log = new MemoryLog()
    const server = await start(echo, { onHandshake, logger: log })
    const client = await rawTo(server)
    client.write(handshake())
    const { status, body } = await client.readResponse()
    expect([status, body]).toEqual([500, 'the server failed\n'])
    expect(log.sentences).toEqual(['openline: onHandshake failed'])
    await client.ended
  })

  test('that fails is answered even where the logger fails too', async () => {
    const logger = {
      error(): void {
        throw new Error('the disk is full')
      },
    }
    const server = await start(echo, {
      logger,
      onHandshake: () => {
        throw new Error('secret')
      },
    })
    const client = await rawTo(server)
    client.write(handshake())
    expect((await client.readResponse()).status).toBe(500)
  })

  test.each([
    ['sync', () => false as const],
    ['async', async () => false as const],
  ])('refuses with false: 403, %s', async (_what, onHandshake) => {
    const log = new MemoryLog()
    const server = await start(echo, { onHandshake, logger: log })
    const client = await rawTo(server)
    client.write(handshake())
    const { status, body } = await client.readResponse()
    expect([status, body]).toEqual([403, 'onHandshake refused\n'])
    await client.ended
    expect(log.lines).toEqual([])
  })

  test('refuses with the Response of another realm', async () => {
    const foreign = {
      [Symbol.toStringTag]: 'Response',
      status: 401,
      headers: new Headers({ 'X-A': 'b' }),
      text: async () => 'no',
    }
    const server = await start(echo, { onHandshake: () => foreign as unknown as Response })
    const client = await rawTo(server)
    client.write(handshake())
    expect(await client.readResponse()).toMatchObject({ status: 401, headers: { 'x-a': 'b' }, body: 'no' })
  })

  test.each<[string, () => unknown]>([
    ['says false', () => false],
    ['gives a Response', () => new Response('no', { status: 401 })],
    ['fails', () => Promise.reject(new Error('no verdict'))],
    ['gives a Response that fails', () => new Response(failingStream(), { status: 401 })],
  ])(
    'that %s has what came meanwhile read, to its end: a reset might overtake the answer',
    async (_what, verdict) => {
      const http = createServer()
      onTestFinished(() => void http.close())
      const asked = defer()
      const decision = defer<unknown>()
      const listener = upgrade(echo, {
        logger: new MemoryLog(),
        onHandshake: () => {
          asked.resolve()
          return decision.promise as Promise<undefined>
        },
      })
      const upgraded = defer<Duplex>()
      http.on('upgrade', (request, socket, head) => {
        listener(request, socket, head)
        upgraded.resolve(socket)
      })
      await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
      const client = await RawClient.connect({
        port: (http.address() as AddressInfo).port,
        host: '127.0.0.1',
      })
      client.write(handshake())
      const socket = await upgraded.promise
      await asked.promise
      const readable = once(socket, 'readable')
      client.write(new Uint8Array(300_000))
      await readable
      const closed = once(socket, 'close')
      decision.resolve(verdict())
      expect((await client.readResponse()).status).toBeGreaterThanOrEqual(401)
      await closed
      expect(socket.readableEnded).toBe(true)
    },
  )

  test.each(['openTimeout', 'the client', 'close'] as const)(
    'that never decides keeps nothing of a handshake ended by %s',
    async (how) => {
      const http = createServer()
      onTestFinished(() => void http.close())
      const asked = defer()
      const listener = upgrade(echo, {
        openTimeout: how === 'openTimeout' ? 50 : 10_000,
        onHandshake: () => {
          asked.resolve()
          return new Promise<never>(() => {})
        },
      })
      const upgraded = defer<Duplex>()
      http.on('upgrade', (request, socket, head) => {
        listener(request, socket, head)
        upgraded.resolve(socket)
      })
      await new Promise<void>((resolve) => http.listen(0, '127.0.0.1', resolve))
      const { port } = http.address() as AddressInfo
      const client = await RawClient.connect({ port, host: '127.0.0.1' })
      client.write(handshake())
      const socket = await upgraded.promise
      await asked.promise
      expect(socket.listenerCount('readable')).toBe(1)
      const closed = new Promise((resolve) => socket.once('close', resolve))
      if (how === 'the client') client.socket.end()
      if (how === 'close') await listener.close()
      if (how !== 'the client') expect((await client.readResponse()).status).toBe(503)
      await closed
      expect(socket.listenerCount('readable')).toBe(0)
    },
  )

  test('may take its time: frames sent before the 101 are delivered after it, in order', async () => {
    const asked = defer()
    const decision = defer<undefined>()
    const server = await start(echo, {
      onHandshake: () => {
        asked.resolve()
        return decision.promise
      },
    })
    const client = await rawTo(server)
    client.write(concat(Buffer.from(handshake()), masked(0x81, 'with the head')))
    await asked.promise
    const big = 'x'.repeat(300_000)
    client.write(concat(masked(0x81, 'later'), masked(0x81, big)))
    // More than the socket's buffers hold must not be needed for the decision.
    decision.resolve(undefined)
    expect((await client.readHead()).status).toBe(101)
    expect(await client.readText()).toBe('with the head')
    expect(await client.readText()).toBe('later')
    expect(await client.readText()).toBe(big)
  })

  test.each(['end', 'reset'] as const)('learns that the client left, by %s', async (how) => {
    const asked = defer<AbortSignal>()
    const log = new MemoryLog()
    const decision = defer<undefined>()
    const server = await start(echo, {
      logger: log,
      onHandshake: ({ signal }) => {
        asked.resolve(signal)
        return decision.promise
      },
    })
    const client = await rawTo(server)
    client.write(handshake())
    const signal = await asked.promise
    const aborted = new Promise((resolve) => signal.addEventListener('abort', resolve))
    if (how === 'end') client.socket.end()
    else client.reset()
    await aborted
    expect(String(signal.reason)).toContain('the client went away')
    decision.resolve(undefined)
    await client.ended
    expect(server.connections.size).toBe(0)
    expect(log.lines).toEqual([])
  })

  test('that takes longer than openTimeout is answered for: 503, and the signal is aborted', async () => {
    const asked = defer<AbortSignal>()
    const server = await start(echo, {
      openTimeout: 50,
      onHandshake: ({ signal }) => {
        asked.resolve(signal)
        return new Promise<never>(() => {})
      },
    })
    const client = await rawTo(server)
    client.write(handshake())
    const { status, headers } = await client.readResponse()
    expect([status, headers['retry-after']]).toEqual([503, '1'])
    expect((await asked.promise).aborted).toBe(true)
    await client.ended
  })
})

function failingStream(): ReadableStream {
  return new ReadableStream({
    start: (controller) => controller.error(new Error('no body')),
  })
}

describe('a coroutine handler', () => {
  test('that returns closes with 1000', async () => {
    const server = await start(async (connection) => {
      await connection.send('bye')
    })
    const client = await RawClient.open(at(server))
    expect(await client.readText()).toBe('bye')
    expect(await client.readClose()).toEqual({ code: 1000, reason: '' })
    client.write(maskedClose(1000))
    await client.ended
  })

  test('that returns nothing at once closes with 1000', async () => {
    const server = await start(() => {})
    const client = await RawClient.open(at(server))
    expect((await client.readClose()).code).toBe(1000)
  })

  test.each([
    ['throws', () => Promise.reject(new Error('the secret is 42'))],
    [
      'throws at once',
      () => {
        throw new Error('the secret is 42')
      },
    ],
  ])('that %s is logged and closes with 1011 without details', async (_what, handler) => {
    const log = new MemoryLog()
    const server = await start(handler, { logger: log })
    const client = await RawClient.open(at(server))
    expect(await client.readClose()).toEqual({ code: 1011, reason: '' })
    expect(log.lines).toEqual([['openline: a connection handler failed', new Error('the secret is 42')]])
    // The process lives, and so do others.
    await RawClient.open(at(server))
  })

  test('through which the end of its own connection passes is not logged', async () => {
    const log = new MemoryLog()
    const ended = defer<unknown>()
    const server = await start(
      async (connection) => {
        try {
          for (;;) await connection.receive()
        } catch (error) {
          ended.resolve(error)
          throw error
        }
      },
      { logger: log },
    )
    const client = await RawClient.open(at(server))
    client.reset()
    expect(await ended.promise).toBeInstanceOf(ConnectionClosedError)
    await server.close()
    expect(log.lines).toEqual([])
  })

  test('through which it passes while the close frame still waits for answers is not logged, nor blamed', async () => {
    const log = new MemoryLog()
    const server = await start(
      async (connection) => {
        for (;;) await connection.send(connection.receiveStream())
      },
      { logger: log },
    )
    const client = await RawClient.open(at(server))
    client.write(masked(0x81, 'Hello'))
    expect(await client.readText()).toBe('Hello')
    client.write(maskedClose(1000))
    expect((await client.readClose()).code).toBe(1000)
    await client.ended
    expect(log.lines).toEqual([])
  })

  test('through which the end of another connection passes is logged', async () => {
    const log = new MemoryLog()
    const other = new ConnectionClosedError(undefined)
    const server = await start(() => Promise.reject(other), { logger: log })
    const client = await RawClient.open(at(server))
    expect((await client.readClose()).code).toBe(1011)
    expect(log.lines).toEqual([['openline: a connection handler failed', other]])
  })

  test('keeps the connection listed until it is closed', async () => {
    const opened = defer()
    const server = await start(async (connection) => {
      expect(server.connections.has(connection)).toBe(true)
      opened.resolve()
      await connection.closed
    })
    const client = await RawClient.open(at(server))
    await opened.promise
    const [connection] = server.connections
    client.write(maskedClose(1000))
    await connection!.closed
    expect(server.connections.size).toBe(0)
  })
})

describe('a handler object', () => {
  test('is told everything, in order', async () => {
    const events: string[] = []
    const closed = defer()
    const server = await start({
      open: () => void events.push('open'),
      message: (connection, message) => {
        events.push(typeof message === 'string' ? message : toHex(message))
        return connection.send(message)
      },
      ping: (_connection, payload) => void events.push(`ping ${toHex(payload)}`),
      pong: (_connection, payload) => void events.push(`pong ${toHex(payload)}`),
      close: (_connection, info) => {
        events.push(`close ${info.code}`)
        closed.resolve()
      },
    })
    const client = await RawClient.open(at(server))
    client.write(
      concat(
        masked(0x81, 'text'),
        masked(0x82, Uint8Array.of(1, 2)),
        masked(0x89, Uint8Array.of(3)),
        masked(0x8a, Uint8Array.of(4)),
        maskedClose(4000),
      ),
    )
    expect(await client.readText()).toBe('text')
    expect((await client.readFrame()).payload).toEqual(Uint8Array.of(1, 2))
    expect((await client.readFrame()).opcode).toBe(0xa)
    expect(await client.readClose()).toEqual({ code: 4000, reason: '' })
    await closed.promise
    expect(events).toEqual(['open', 'text', '01 02', 'ping 03', 'pong 04', 'close 4000'])
  })

  test('whose open is async gets its messages afterwards', async () => {
    const events: string[] = []
    const gate = defer()
    const server = await start({
      open: async () => {
        await gate.promise
        events.push('open')
      },
      message: (connection, message) => {
        events.push(String(message))
        return connection.send(message)
      },
    })
    const client = await RawClient.open(at(server))
    client.write(concat(masked(0x81, 'one'), masked(0x81, 'two')))
    gate.resolve()
    await client.readText()
    await client.readText()
    expect(events).toEqual(['open', 'one', 'two'])
  })

  test('may close and wait for it in open', { timeout: 5000 }, async () => {
    const done = defer<number>()
    const server = await start({
      open: async (connection) => done.resolve((await connection.close(4001)).code),
    })
    await using connection = await connect(server.url)
    expect((await connection.closed).code).toBe(4001)
    expect(await done.promise).toBe(4001)
  })

  test.each(['open', 'message'] as const)(
    'whose %s throws is logged and closed with 1011',
    async (method) => {
      const log = new MemoryLog()
      const fail = (): never => {
        throw new Error('mine')
      }
      const server = await start({ [method]: fail }, { logger: log })
      const client = await RawClient.open(at(server))
      client.write(masked(0x81, 'x'))
      expect(await client.readClose()).toEqual({ code: 1011, reason: '' })
      expect(log.lines).toEqual([['openline: a connection handler failed', new Error('mine')]])
    },
  )
})

test('a peer that resets right after its handshake does no harm', async () => {
  const log = new MemoryLog()
  const closed = defer()
  const server = await start({ close: () => closed.resolve() }, { logger: log })
  const client = await rawTo(server)
  await client.writeAndDrain(handshake())
  client.reset()
  await Promise.race([closed.promise, server.close()])
  expect(log.lines).toEqual([])
})
