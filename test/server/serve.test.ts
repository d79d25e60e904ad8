import { existsSync } from 'node:fs'
import { connect as connectTcp } from 'node:net'
import { networkInterfaces } from 'node:os'
import { describe, expect, onTestFinished, test } from 'vitest'
import { type Connection, connect, type ServeOptions, serve } from '../../src/index.ts'
import { handshake, masked, maskedClose, RawClient } from '../support/raw-client.ts'
import { CLIENT_TLS, SERVER_TLS } from '../support/tls-fixture.ts'
import { at, defer, echo, MemoryLog, rawTo, rejection, start, stay, temporaryPath } from './support.ts'

// Containers often have no IPv6.
const hasIpv6 = Object.values(networkInterfaces()).some((list) =>
  list?.some(({ address }) => address === '::1'),
)

async function expectEcho(url: string, options?: Parameters<typeof connect>[1]): Promise<void> {
  await using connection = await connect(url, options)
  await connection.send('Hello')
  expect(await connection.receive()).toBe('Hello')
  await connection.send(Uint8Array.of(1, 2, 3))
  expect(await connection.receive()).toEqual(Uint8Array.of(1, 2, 3))
}

describe('serve listens', () => {
  test('on a free port of all addresses by default', async () => {
    const server = await serve(echo)
    onTestFinished(() => server.close())
    expect(server.port).toBeGreaterThan(0)
    expect(server.url).toBe(`ws://localhost:${server.port}/`)
    await expectEcho(server.url)
    await expectEcho(`ws://127.0.0.1:${server.port}`)
  })

  test('on an IPv4 address', async () => {
    const server = await start(echo, { host: '127.0.0.1' })
    expect([server.host, server.url]).toEqual(['127.0.0.1', `ws://127.0.0.1:${server.port}/`])
    await expectEcho(server.url)
  })

  test.skipIf(!hasIpv6)('on an IPv6 address', async () => {
    const server = await start(echo, { host: '::1' })
    expect([server.host, server.url]).toEqual(['::1', `ws://[::1]:${server.port}/`])
    await expectEcho(server.url)
  })

  test('on all IPv4 addresses', async () => {
    const server = await start(echo, { host: '0.0.0.0' })
    expect([server.host, server.url]).toEqual(['0.0.0.0', `ws://localhost:${server.port}/`])
    await expectEcho(server.url)
  })

  test('on a Unix socket, which is gone afterwards', async () => {
    const path = temporaryPath('a.sock')
    const server = await start(
      async (connection) => {
        expect(connection.remoteAddress).toBeUndefined()
        await echo(connection)
      },
      { path },
    )
    expect([server.port, server.host, server.url]).toEqual([0, 'localhost', `ws+unix:${path}`])
    await expectEcho(server.url)
    await expectEcho(`${server.url}:/path?query`)
    await server.close()
    expect(existsSync(path)).toBe(false)
  })

  test('on a Unix socket whose name is no URL', async () => {
    const server = await start(echo, { path: temporaryPath('a b%20?#:é.sock') })
    await expectEcho(server.url)
  })

  test('with TLS', async () => {
    const server = await start(echo, { tls: SERVER_TLS, host: '127.0.0.1' })
    expect(server.url).toBe(`wss://127.0.0.1:${server.port}/`)
    await expectEcho(server.url, { tls: CLIENT_TLS })
  })

  test('with TLS on a Unix socket', async () => {
    const server = await start(echo, { tls: SERVER_TLS, path: temporaryPath('tls.sock') })
    expect(server.url).toMatch(/^wss\+unix:\//)
    await expectEcho(server.url, { tls: CLIENT_TLS })
  })

  test("and rejects with the system's error when the port is taken", async () => {
    const { port } = await start(echo)
    const error = await rejection(serve(echo, { port, host: '127.0.0.1' }))
    expect(error).toMatchObject({ code: 'EADDRINUSE', port })
  })

  test("and rejects with the system's error when the Unix socket is taken", async () => {
    const path = temporaryPath('a.sock')
    await start(echo, { path })
    expect(await rejection(serve(echo, { path }))).toMatchObject({ code: 'EADDRINUSE' })
  })

  test('and rejects when the address is not of this machine', async () => {
    const error = await rejection(serve(echo, { host: '192.0.2.1' }))
    expect(error).toMatchObject({ code: 'EADDRNOTAVAIL' })
  })
})

describe('serve takes a signal', () => {
  test('that is aborted already: nothing listens', async () => {
    const reason = new Error('too late')
    expect(await rejection(serve(echo, { signal: AbortSignal.abort(reason) }))).toBe(reason)
  })

  test('that is aborted while it begins to listen', async () => {
    const controller = new AbortController()
    const reason = new Error('changed my mind')
    const starting = serve(echo, { signal: controller.signal, host: '127.0.0.1' })
    controller.abort(reason)
    expect(await rejection(starting)).toBe(reason)
  })

  test('that closes the server with 1001 when it is aborted', async () => {
    const controller = new AbortController()
    const server = await start(stay, { signal: controller.signal })
    const client = await RawClient.open(at(server))
    controller.abort()
    expect((await client.readClose()).code).toBe(1001)
    client.write(maskedClose(1001))
    await server.closed
    expect(server.listening).toBe(false)
  })

  test('that means nothing once the server is closed', async () => {
    const controller = new AbortController()
    const server = await start(stay, { signal: controller.signal })
    await server.close()
    controller.abort()
    await server.close()
  })
})

test('serve runs many connections at once, each with its own order', { timeout: 30_000 }, async () => {
  const server = await start(echo)
  const connections: Connection[] = []
  // As many as the system lets wait for a server that is busy: what is above is reset.
  while (connections.length < 1000) {
    const some = Array.from({ length: 250 }, () => connect(server.url, { openTimeout: 25_000 }))
    connections.push(...(await Promise.all(some)))
  }
  const work = connections.map(async (connection, index) => {
    for (let turn = 0; turn < 5; turn++) void connection.send(`${index} ${turn}`)
    for (let turn = 0; turn < 5; turn++) expect(await connection.receive()).toBe(`${index} ${turn}`)
  })
  await Promise.all(work)
  expect(server.connections.size).toBe(1000)
  const infos = await Promise.all(connections.map((connection) => connection.close()))
  expect(infos.every((info) => info.clean && info.code === 1000)).toBe(true)
  await server.close()
  expect(server.connections.size).toBe(0)
})

test('serve takes a message of maxMessageSize, and answers a larger one with 1009 for that connection alone', async () => {
  const server = await start(echo)
  const other = await RawClient.open(at(server))
  const exact = await RawClient.open(at(server))
  exact.write(masked(0x82, new Uint8Array(1024 * 1024)))
  expect((await exact.readFrame()).payload).toHaveLength(1024 * 1024)
  const large = await RawClient.open(at(server))
  large.write(masked(0x82, new Uint8Array(1024 * 1024 + 1)))
  expect(await large.readClose()).toEqual({ code: 1009, reason: 'a message is larger than the limit' })
  await large.ended
  other.write(masked(0x81, 'still here'))
  expect(await other.readText()).toBe('still here')
})

describe('serve ends by openTimeout', () => {
  test.each([
    ['a client that says nothing', ''],
    ['a request line that does not end', 'GET / HT'],
    ['a head that does not end', handshake().slice(0, -2)],
  ])('%s', async (_what, start_) => {
    const server = await start(echo, { openTimeout: 100 })
    const client = await rawTo(server)
    client.write(start_)
    const { status } = await client.readHead()
    expect(status).toBe(408)
    await client.ended
  })

  test('a head that comes drop by drop', async () => {
    const server = await start(echo, { openTimeout: 200 })
    const client = await rawTo(server)
    client.write('GET / HTTP/1.1\r\n')
    const dripping = setInterval(() => client.write('X-A: b\r\n'), 20)
    onTestFinished(() => clearInterval(dripping))
    await client.ended
    expect((await client.readToEnd()).toString()).toMatch(/^HTTP\/1.1 408 /)
  })

  test('a client that does not begin with TLS', async () => {
    const server = await start(echo, { openTimeout: 100, tls: SERVER_TLS })
    const client = await rawTo(server)
    await client.ended
  })

  test('and leaves open connections alone', async () => {
    const server = await start(echo, { openTimeout: 500 })
    const connection = await RawClient.open(at(server))
    const silent = await rawTo(server)
    await silent.ended
    connection.write(masked(0x81, 'Hello'))
    expect(await connection.readText()).toBe('Hello')
  })
})

describe('serve answers what is no handshake', () => {
  test('and no HTTP with 400', async () => {
    const log = new MemoryLog()
    const server = await start(echo, { logger: log })
    for (const garbage of [
      '\x16\x03\x01\x02\x00\x01\x00\x01\xfc',
      'hello\r\n\r\n',
      '\0'.repeat(100),
      '\xff\xfe',
    ]) {
      const client = await rawTo(server)
      client.write(garbage)
      expect((await client.readHead()).status).toBe(400)
      await client.ended
    }
    expect(log.lines).toEqual([])
    await RawClient.open(at(server))
  })

  test('with 431 where the head is too long', async () => {
    const server = await start(echo)
    for (const changes of [
      { 'X-Long': 'x'.repeat(17 * 1024) },
      { Cookie: ['y'.repeat(9000), 'z'.repeat(9000)] },
    ]) {
      const client = await rawTo(server)
      client.write(handshake(changes))
      expect((await client.readHead()).status).toBe(431)
      await client.ended
    }
    await RawClient.open(at(server), { 'X-Long': 'x'.repeat(15 * 1024) })
  })

  test('with 426 to a GET', async () => {
    const server = await start(echo)
    const response = await fetch(server.url.replace('ws', 'http'))
    expect(response.status).toBe(426)
    expect(response.headers.get('upgrade')).toBe('websocket')
    expect(response.headers.get('sec-websocket-version')).toBe('13')
    expect(await response.text()).toContain('WebSocket')
  })

  test('with 426 in HTTP/1.0 without Host, and ends', async () => {
    const server = await start(echo)
    const client = await rawTo(server)
    client.write('GET / HTTP/1.0\r\n\r\n')
    expect((await client.readHead()).status).toBe(426)
    await client.ended
  })

  test('with 426 to a request whose body does not come, and ends', async () => {
    const server = await start(echo)
    const client = await rawTo(server)
    client.write('POST / HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1000\r\n\r\nx')
    const { status, headers } = await client.readHead()
    expect([status, headers.connection]).toEqual([426, 'close, Upgrade'])
    await client.ended
  })

  test('on a TLS port that speaks no TLS, by ending it', async () => {
    const log = new MemoryLog()
    const server = await start(echo, { tls: SERVER_TLS, logger: log })
    const client = await rawTo(server)
    client.write(handshake())
    await client.ended
    expect(log.lines).toEqual([])
    await RawClient.open({ ...at(server), tls: CLIENT_TLS })
  })
})

describe('serve refuses wrong options at once', () => {
  test.each<[string, object]>([
    ['port', { port: 70_000 }],
    ['port', { port: -1 }],
    ['openTimeout', { openTimeout: 0 }],
    ['openTimeout', { openTimeout: false }],
    ['openTimeout', { openTimeout: '10' }],
    ['onRequest', { onRequest: 'hello' }],
    ['onHandshake', { onHandshake: {} }],
    ['tls', { tls: true }],
    ['origins', { origins: 'https://example.com' }],
    ['hosts', { hosts: 'localhost' }],
    ['subprotocols', { subprotocols: ['a b'] }],
    ['X-A', { headers: { 'X-A': 'a\r\nX-B: c' } }],
    ['Upgrade', { headers: { Upgrade: 'x' } }],
    ['maxMessageSize', { maxMessageSize: -1 }],
    ['pingInterval', { pingInterval: 0 }],
    ['logger', { logger: {} }],
  ])('%s', async (name, options) => {
    const error = await rejection(serve(echo, options as ServeOptions))
    expect(error instanceof TypeError || error instanceof RangeError).toBe(true)
    expect(String(error)).toContain(name)
  })

  test.each([undefined, null, 'echo', 5])('%s as handler', async (handler) => {
    await expect(serve(handler as never)).rejects.toThrow(/^the handler must be a function/)
  })
})

test('serve takes an openTimeout above the time that it gives to requests', async () => {
  const server = await start(echo, { openTimeout: 3_600_000 })
  await RawClient.open(at(server))
})

test('serve takes openTimeout in fractions of a ms', async () => {
  await start(echo, { openTimeout: 1500.5 })
})

test('serve lets a half-open client finish: its end is answered with ours', async () => {
  const closed = defer<number>()
  const server = await start({ close: (_connection, info) => closed.resolve(info.code) })
  const client = await RawClient.open(at(server))
  client.socket.end()
  await client.ended
  expect(await closed.promise).toBe(1006)
})

test('serve answers nobody after close', async () => {
  const server = await start(echo)
  await server.close()
  const error = await new Promise((resolve) => connectTcp(at(server)).once('error', resolve))
  expect(error).toMatchObject({ code: 'ECONNREFUSED' })
})
