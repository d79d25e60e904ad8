import { type LookupFunction, connect as tcpConnect } from 'node:net'
import { type Duplex, duplexPair } from 'node:stream'
import { connect as tlsConnect } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { describeRoute } from '../../src/client/open-stream.ts'
import { type ConnectOptions, connect, serve } from '../../src/index.ts'
import { echo, rejection, start } from '../server/support.ts'
import { CLIENT_TLS, SERVER_TLS } from '../support/tls-fixture.ts'
import { fakeHttpProxy, fakeSocksProxy, forwardAll } from './fake-proxy.ts'
import { fakeServer } from './fake-server.ts'

/** Everything leads to the loopback. */
const lookup: LookupFunction = (_host, options, callback) => {
  if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }])
  else callback(null, '127.0.0.1', 4)
}

/** Echo something small and something large, so that each way of reading and writing is taken. */
async function expectEcho(url: string, options: ConnectOptions): Promise<void> {
  await using connection = await connect(url, options)
  const large = 'x'.repeat(300_000)
  await connection.send('你好')
  await connection.send(large)
  expect(await connection.receive()).toBe('你好')
  expect(await connection.receive()).toBe(large)
}

describe('a stream to the server', () => {
  test.each(['ws', 'wss'])('through an HTTP proxy: %s', async (scheme) => {
    const server = await start(echo, scheme === 'wss' ? { tls: SERVER_TLS } : {})
    const proxy = await fakeHttpProxy(forwardAll)
    const url = `${scheme}://localhost:${server.port}/`
    await expectEcho(url, { proxy: `http://127.0.0.1:${proxy.port}`, tls: CLIENT_TLS })
    expect(proxy.asked[0]).toMatch(new RegExp(`^CONNECT localhost:${server.port} `))
  })

  test.each(['ws', 'wss'])('through an HTTPS proxy: %s', async (scheme) => {
    const server = await start(echo, scheme === 'wss' ? { tls: SERVER_TLS } : {})
    const proxy = await fakeHttpProxy(forwardAll, SERVER_TLS)
    const url = `${scheme}://localhost:${server.port}/`
    await expectEcho(url, {
      proxy: { url: `https://localhost:${proxy.port}`, tls: CLIENT_TLS },
      tls: CLIENT_TLS,
    })
    expect(proxy.asked).toHaveLength(1)
  })

  test.each([
    ['ws', 'socks4', '4 127.0.0.1'],
    ['ws', 'socks4a', '4 localhost'],
    ['ws', 'socks5', '5 127.0.0.1'],
    ['wss', 'socks5h', '5 localhost'],
  ])('through a SOCKS proxy: %s by %s', async (scheme, protocol, asked) => {
    const server = await start(echo, scheme === 'wss' ? { tls: SERVER_TLS } : {})
    const proxy = await fakeSocksProxy()
    await expectEcho(`${scheme}://localhost:${server.port}/`, {
      proxy: `${protocol}://127.0.0.1:${proxy.port}`,
      tls: CLIENT_TLS,
      tcp: { lookup },
    })
    expect(proxy.asked).toEqual([`${asked}:${server.port}`])
  })

  test.each(['ws', 'wss'])('over a socket that is open already: %s', async (scheme) => {
    const server = await start(echo, scheme === 'wss' ? { tls: SERVER_TLS } : {})
    const socket = tcpConnect(server.port, '127.0.0.1')
    await expectEcho(`${scheme}://localhost/`, { socket, tls: CLIENT_TLS })
    expect(socket.destroyed).toBe(true)
  })

  test('over a TLS socket that is open already', async () => {
    const server = await start(echo, { tls: SERVER_TLS })
    const socket = tlsConnect({ port: server.port, host: 'localhost', ...CLIENT_TLS })
    await expectEcho('ws://localhost/', { socket })
  })

  test.each(['ws', 'wss'])('over a stream that is no socket: %s', async (scheme) => {
    const server = await start(echo, scheme === 'wss' ? { tls: SERVER_TLS } : {})
    const [socket, far] = duplexPair()
    const onward: Duplex = tcpConnect(server.port, '127.0.0.1')
    far.pipe(onward).pipe(far)
    onward.on('error', () => {})
    far.on('error', () => {})
    await expectEcho(`${scheme}://localhost/`, { socket, tls: CLIENT_TLS })
    onward.destroy()
  })

  test('at another place than the address says: Host and SNI stay', async () => {
    const names: string[] = []
    const hosts: unknown[] = []
    await using server = await serve(
      async (connection) => {
        hosts.push(connection.request.headers.host)
        await echo(connection)
      },
      {
        host: '127.0.0.1',
        port: 0,
        tls: {
          ...SERVER_TLS,
          SNICallback: (name, done) => {
            names.push(name)
            done(null)
          },
        },
        hosts: ['localhost'],
      },
    )
    const connectTo = { host: '127.0.0.1', port: server.port }
    await expectEcho('wss://localhost/', { connectTo, tls: CLIENT_TLS })
    expect(names).toEqual(['localhost'])
    expect(hosts).toEqual(['localhost'])
  })

  test('at another place, through a proxy', async () => {
    const server = await start(echo)
    const proxy = await fakeHttpProxy(forwardAll)
    const connectTo = { host: 'b.example', port: server.port }
    await expectEcho('ws://localhost/', { connectTo, proxy: `http://127.0.0.1:${proxy.port}` })
    expect(proxy.asked[0]).toMatch(/^CONNECT b\.example:/)
  })

  test('with a certificate of ours', async () => {
    await using server = await serve(echo, {
      host: '127.0.0.1',
      port: 0,
      tls: { ...SERVER_TLS, requestCert: true, rejectUnauthorized: true, ca: SERVER_TLS.cert },
    })
    const url = `wss://localhost:${server.port}/`
    await expectEcho(url, { tls: { ...CLIENT_TLS, cert: SERVER_TLS.cert, key: SERVER_TLS.key } })
    const error = await rejection(connect(url, { tls: CLIENT_TLS }))
    // With TLS 1.3 the server says so after the client believes that all is done.
    expect(error).toMatchObject({ name: 'HandshakeError' })
    expect(['tls', 'handshake']).toContain((error as { phase: string }).phase)
  })
})

describe('failures say in which phase, and why', () => {
  test('a proxy on which nobody listens', async () => {
    const gone = await closedPort()
    expect(await rejection(connect('ws://a.example/', { proxy: `http://127.0.0.1:${gone}` }))).toMatchObject({
      code: 'WS_PROXY_FAILED',
      phase: 'proxy',
      message: `the proxy gave no way through: http://127.0.0.1:${gone}: nothing listens there (ECONNREFUSED)`,
      cause: { code: 'ECONNREFUSED' },
    })
    expect(
      await rejection(connect('ws://a.example/', { proxy: `socks5h://127.0.0.1:${gone}` })),
    ).toMatchObject({
      code: 'WS_PROXY_FAILED',
      phase: 'proxy',
      cause: { code: 'ECONNREFUSED' },
    })
  })

  test('a proxy that does not know the user', async () => {
    const proxy = await fakeHttpProxy(
      () => 'HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\n\r\n',
    )
    const error = await rejection(connect('wss://a.example/', { proxy: `http://127.0.0.1:${proxy.port}` }))
    expect(error).toMatchObject({
      name: 'HandshakeError',
      code: 'WS_PROXY_FAILED',
      phase: 'proxy',
      status: 407,
    })
    await proxy.allClosed()
  })

  test('a proxy whose certificate is not trusted', async () => {
    const proxy = await fakeHttpProxy(forwardAll, SERVER_TLS)
    const error = await rejection(connect('ws://a.example/', { proxy: `https://localhost:${proxy.port}` }))
    expect(error).toMatchObject({
      code: 'WS_PROXY_FAILED',
      phase: 'proxy',
      cause: { code: 'DEPTH_ZERO_SELF_SIGNED_CERT' },
    })
    expect((error as Error).message).toContain('proxy.tls: { ca }')
    await proxy.allClosed()
  })

  test('a server behind a proxy whose certificate is not trusted', async () => {
    const server = await start(echo, { tls: SERVER_TLS })
    const proxy = await fakeHttpProxy(forwardAll)
    const url = `wss://localhost:${server.port}/`
    const error = await rejection(connect(url, { proxy: `http://127.0.0.1:${proxy.port}` }))
    expect(error).toMatchObject({ code: 'WS_CONNECT_FAILED', phase: 'tls' })
    expect((error as Error).message).toMatch(
      new RegExp(
        `^could not connect: localhost:${server.port}: the peer's certificate is signed by itself: .*tls: \\{ ca \\}`,
      ),
    )
    await proxy.allClosed()
  })

  test('a server that speaks no TLS', async () => {
    const server = await fakeServer(() => {})
    const socket = tcpConnect(server.port, '127.0.0.1')
    const hello = await fakeHttpProxy(() => ({
      forward: server.port,
      answer: 'HTTP/1.1 200 OK\r\n\r\nSSH-2.0-x\r\n',
    }))
    socket.destroy()
    const error = await rejection(connect('wss://localhost/', { proxy: `http://127.0.0.1:${hello.port}` }))
    expect(error).toMatchObject({ code: 'WS_CONNECT_FAILED', phase: 'tls' })
    expect((error as Error).message).toContain('what came is no TLS: is the address right')
  })

  test('options of TLS that are none', async () => {
    const server = await fakeServer(() => {}, SERVER_TLS)
    const error = await rejection(connect(server.url, { tls: { cert: 'no PEM', key: 'no PEM' } }))
    expect(error).toMatchObject({ name: 'HandshakeError', phase: 'tls' })
    await server.allClosed()
  })
})

test('describeRoute', () => {
  expect(describeRoute({ kind: 'unix', path: '/run/a.sock' })).toBe('/run/a.sock')
  expect(describeRoute({ kind: 'tcp', host: '::1', port: 1, proxy: undefined })).toBe('[::1]:1')
  expect(describeRoute({ kind: 'stream', stream: duplexPair()[0] })).toBe('the given stream')
})

/** Find a port on which nothing listens. */
async function closedPort(): Promise<number> {
  const server = await start(echo)
  const { port } = server
  await server.close()
  return port
}
