import { describe, expect, test } from 'vitest'
import { type CloseInfo, type ConnectOptions, connect } from '../../src/index.ts'
import { defer, echo, rejection, start, stay, temporaryPath } from '../server/support.ts'
import { concat, frame } from '../support/bytes.ts'
import { CLIENT_TLS, SERVER_TLS } from '../support/tls-fixture.ts'
import { accepted, fakeServer } from './fake-server.ts'

async function expectEcho(url: string | URL, options?: ConnectOptions): Promise<void> {
  await using connection = await connect(url, options)
  await connection.send('你好')
  expect(await connection.receive()).toBe('你好')
}

describe('connect opens', () => {
  test('ws:, http: and URL objects', async () => {
    const server = await start(echo)
    await expectEcho(server.url)
    await expectEcho(server.url.replace('ws:', 'http:'))
    await expectEcho(new URL(server.url))
  })

  test('wss: and https: with a certificate authority of its own', async () => {
    const server = await start(echo, { tls: SERVER_TLS })
    await expectEcho(server.url, { tls: CLIENT_TLS })
    await expectEcho(server.url.replace('wss:', 'https:'), { tls: CLIENT_TLS })
    await expectEcho(`wss://localhost:${server.port}`, { tls: CLIENT_TLS })
  })

  test('wss: without checking the certificate, when told so', async () => {
    const server = await start(echo, { tls: SERVER_TLS })
    await expectEcho(server.url, { tls: { rejectUnauthorized: false } })
  })

  test('ws+unix: with a path behind it', async () => {
    const path = temporaryPath('a.sock')
    const targets: string[] = []
    await start(
      async (connection) => {
        targets.push(connection.request.target)
        await echo(connection)
      },
      { path },
    )
    await expectEcho(`ws+unix:${path}`)
    await expectEcho(`ws+unix:${path}:/chat?room=1`)
    expect(targets).toEqual(['/', '/chat?room=1'])
  })

  test('by a name', async () => {
    const server = await start(echo, { host: 'localhost' })
    await expectEcho(`ws://localhost:${server.port}`)
  })
})

describe('connect gives a connection', () => {
  test('that tells of its handshake', async () => {
    const server = await start(stay, { subprotocols: ['chat'], headers: { 'X-Server': 'test' } })
    await using connection = await connect(`${server.url}a?b`, {
      headers: { 'X-Token': 'abc' },
      subprotocols: ['chat'],
    })
    expect(connection.role).toBe('client')
    expect(connection.subprotocol).toBe('chat')
    expect(connection.request.target).toBe('/a?b')
    expect(connection.request.headers).toMatchObject({
      host: `127.0.0.1:${server.port}`,
      'x-token': 'abc',
      'sec-websocket-version': '13',
    })
    expect(connection.response.status).toBe(101)
    expect(connection.response.headers).toMatchObject({
      'x-server': 'test',
      'sec-websocket-protocol': 'chat',
      upgrade: 'websocket',
    })
    expect(connection.remoteAddress).toEqual({ host: '127.0.0.1', port: server.port })
  })

  test('with data', async () => {
    const server = await start(stay)
    await using connection = await connect<{ name: string }>(server.url, { data: { name: 'ann' } })
    expect(connection.data.name).toBe('ann')
  })

  test('that hears of its end', async () => {
    const server = await start(async (connection) => {
      await connection.close(4001, 'go')
    })
    const connection = await connect(server.url)
    expect(await connection.closed).toMatchObject({
      code: 4001,
      reason: 'go',
      clean: true,
      initiator: 'remote',
    })
    expect(await rejection(connection.receive())).toMatchObject({ code: 'WS_CLOSED' })
  })

  test('whose callbacks are told everything, in order', async () => {
    const events: unknown[] = []
    const closed = defer<CloseInfo>()
    const server = await start(async (connection) => {
      await connection.send('one')
      await connection.send(Uint8Array.of(2))
      await connection.ping('three')
    })
    const connection = await connect(server.url, {
      handler: {
        open: () => void events.push('open'),
        message: (_connection, message) => void events.push(message),
        ping: (_connection, payload) => void events.push(`ping ${new TextDecoder().decode(payload)}`),
        close: (_connection, info) => {
          events.push(`close ${info.code}`)
          closed.resolve(info)
        },
      },
    })
    await closed.promise
    expect(events).toEqual(['open', 'one', Uint8Array.of(2), 'ping three', 'close 1000'])
    expect(await rejection(connection.receive())).toMatchObject({ code: 'WS_RECEIVE_WITH_HANDLER' })
  })
})

describe('connect reads', () => {
  test('frames that came in the packet of the 101, in order with those after it', async () => {
    const server = await fakeServer((socket, request) => {
      socket.write(
        concat(Buffer.from(accepted(request)), frame(0x81, 'one'), frame(0x82, 'two'), frame(0x01, 'thr')),
      )
      socket.write(frame(0x80, 'ee'))
      socket.end(frame(0x88, Uint8Array.of(3, 232)))
    })
    const connection = await connect(server.url)
    expect(await connection.receive()).toBe('one')
    expect(await connection.receive()).toEqual(new TextEncoder().encode('two'))
    expect(await connection.receive()).toBe('three')
    expect((await connection.closed).code).toBe(1000)
  })

  test('a big message that came in part with the 101', async () => {
    const text = 'x'.repeat(200_000)
    const server = await fakeServer((socket, request) => {
      socket.write(concat(Buffer.from(accepted(request)), frame(0x81, text)))
    })
    const connection = await connect(server.url)
    expect(await connection.receive()).toBe(text)
    connection.terminate()
    await connection.closed
  })

  test('a masked frame as a violation: 1002', async () => {
    const seen = defer<Buffer>()
    const server = await fakeServer((socket, request) => {
      socket.once('data', seen.resolve)
      socket.write(accepted(request))
      socket.write(frame(0x81, 'Hello', 0x3d21fa37))
    })
    const connection = await connect(server.url, { closeTimeout: 200 })
    const answer = await seen.promise
    // A masked close frame: 88, mask bit and length, four bytes of key, then 1002 under them.
    expect(answer[0]).toBe(0x88)
    expect([(answer[6] ?? 0) ^ answer[2]!, (answer[7] ?? 0) ^ answer[3]!]).toEqual([1002 >> 8, 1002 & 0xff])
    expect(await connection.closed).toMatchObject({ code: 1002, error: { code: 'WS_MASK_FORBIDDEN' } })
  })

  test('an end without a close frame: 1006', async () => {
    const server = await fakeServer((socket, request) => void socket.end(accepted(request)))
    const connection = await connect(server.url)
    expect(await connection.closed).toMatchObject({ code: 1006, clean: false, initiator: 'remote' })
  })

  test('a reset right after the 101: 1006', async () => {
    const server = await fakeServer((socket, request) => {
      socket.write(accepted(request), () => socket.resetAndDestroy())
    })
    const connection = await connect(server.url)
    expect(await connection.closed).toMatchObject({ code: 1006, clean: false })
  })
})

describe('connect refuses at once', () => {
  test.each<[string, unknown]>([
    ['no URL', 'localhost:8765'],
    ['no URL', ''],
    ['another scheme', 'ftp://localhost/'],
    ['a fragment', 'ws://localhost/#top'],
    ['a line break in the path of a Unix socket', 'ws+unix:relative\r\npath'],
    ['nothing', undefined],
  ])('as address: %s', async (_what, url) => {
    const error = await rejection(connect(url as string, { openTimeout: 2000 }))
    if (url === 'ws+unix:relative\r\npath') expect(error).toMatchObject({ code: 'WS_CONNECT_FAILED' })
    else expect(error).toBeInstanceOf(TypeError)
  })

  test.each<[string, object]>([
    ['openTimeout', { openTimeout: -5 }],
    ['handler', { handler: 'echo' }],
    ['tls', { tls: 1 }],
    ['subprotocols', { subprotocols: ['a,b'] }],
    ['maxMessageSize', { maxMessageSize: 1.5 }],
    ['Origin', { origin: 'https://a\r\nX: y' }],
    ['User-Agent', { userAgent: 'a\nb' }],
    ['headers', { headers: ['X-A: b'] }],
    ['signal', { signal: {} }],
    ['X-A', { headers: [['X-A', 1]] }],
    [
      'User-Agent',
      {
        headers: [
          ['User-Agent', 'a'],
          ['user-agent', 'b'],
        ],
      },
    ],
    ['X-A', { headers: { 'X-A': 'b\r\nX-B: c' } }],
    ['X-A', { headers: { 'X-A': '\0' } }],
    ['X-A', { headers: { 'X-A': '你' } }],
    ['Upgrade', { headers: { Upgrade: 'h2c' } }],
    ['Sec-WebSocket-Key', { headers: { 'Sec-WebSocket-Key': 'x' } }],
  ])('as option: %s', async (name, options) => {
    let isDialled = false
    const server = await fakeServer(() => {
      isDialled = true
    })
    const error = await rejection(connect(server.url, options))
    expect(error instanceof TypeError || error instanceof RangeError).toBe(true)
    expect(String(error).toLowerCase()).toContain(name.toLowerCase())
    expect(isDialled).toBe(false)
  })
})
