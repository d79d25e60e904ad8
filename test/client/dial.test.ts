import { syncBuiltinESMExports } from 'node:module'
import { type LookupFunction, connect as tcpConnect } from 'node:net'
import { PassThrough } from 'node:stream'
import { CookieJar } from 'tough-cookie'
import { afterEach, beforeAll, describe, expect, test, vi } from 'vitest'
import { loadSocks } from '../../src/client/tunnel-socks.ts'
import {
  type ConnectOptions,
  connect,
  HandshakeError,
  HandshakeRejectedError,
  type HandshakeRequest,
} from '../../src/index.ts'
import { rejection, temporaryPath } from '../server/support.ts'
import { CLIENT_TLS, SERVER_TLS } from '../support/tls-fixture.ts'
import { fakeHttpProxy, fakeSocksProxy } from './fake-proxy.ts'
import { accepted, type FakeRequest, type FakeServer, fakeServer } from './fake-server.ts'

// The first import takes longer than the times that are measured here.
beforeAll(async () => void (await loadSocks()))
afterEach(() => void vi.unstubAllEnvs())

const lookup: LookupFunction = (_host, options, callback) => {
  if (options.all) callback(null, [{ address: '127.0.0.1', family: 4 }])
  else callback(null, '127.0.0.1', 4)
}

interface Remembering extends FakeServer {
  readonly heads: string[]
}

/** Answer by the path that is asked for; `accept` opens the WebSocket. */
async function site(
  answers: (path: string, request: FakeRequest, server: () => FakeServer) => string,
  tls?: typeof SERVER_TLS,
): Promise<Remembering> {
  const heads: string[] = []
  const server: FakeServer = await fakeServer((socket, request) => {
    heads.push(request.head)
    const path = request.head.split(' ')[1]!
    const answer = answers(path, request, () => server)
    socket.write(answer === 'accept' ? accepted(request) : answer)
  }, tls)
  return Object.assign(server, { heads })
}

function redirect(location: string, status = 302, ...lines: string[]): string {
  return [`HTTP/1.1 ${status} X`, `Location: ${location}`, ...lines, 'Content-Length: 0', '\r\n'].join('\r\n')
}

/** Connect, and close again. */
async function open(url: string, options?: ConnectOptions): Promise<HandshakeRequest> {
  const connection = await connect(url, options)
  connection.terminate()
  await connection.closed
  return connection.request
}

describe('redirects', () => {
  test.each([300, 301, 302, 303, 307, 308])('are followed: %i', async (status) => {
    const server = await site((path) => (path === '/a/b?c' ? redirect('../there?d', status) : 'accept'))
    expect((await open(`${server.url}a/b?c`)).target).toBe('/there?d')
    expect(server.heads).toHaveLength(2)
    await server.allClosed()
  })

  test('from http: and https: addresses too', async () => {
    const server = await site((path, _request, self) =>
      path === '/' ? redirect(self().url.replace('ws', 'http').concat('there#part')) : 'accept',
    )
    expect((await open(server.url)).target).toBe('/there')
  })

  test('send a new key each time, and the same headers to the same origin', async () => {
    const server = await site((path) => (path === '/' ? redirect('/there') : 'accept'))
    const url = server.url.replace('//', '//ann:secret@')
    await open(url, { headers: { Cookie: 'a=1', 'X-A': 'b' }, subprotocols: [] })
    const keys = server.heads.map((head) => /^Sec-WebSocket-Key: (.*)$/m.exec(head)![1])
    expect(new Set(keys).size).toBe(2)
    for (const head of server.heads) {
      expect(head).toContain('Authorization: Basic YW5uOnNlY3JldA==\r\n')
      expect(head).toContain('Cookie: a=1\r\n')
      expect(head).toContain('X-A: b\r\n')
    }
  })

  test('do not wait for a body', async () => {
    const server = await site((path) =>
      path === '/xxxxx'
        ? 'accept'
        : `HTTP/1.1 302 X\r\nLocation: ${path}x\r\nContent-Length: 1000000\r\n\r\nhalf`,
    )
    const begin = performance.now()
    await open(server.url)
    // A refusal waits for one second, and these are five.
    expect(performance.now() - begin).toBeLessThan(3000)
    await server.allClosed()
  })

  test('end by the limit when they go in a circle', async () => {
    const server = await site(() => redirect('/again'))
    const error = await rejection(connect(server.url))
    expect(error).toBeInstanceOf(HandshakeError)
    expect(error).toMatchObject({
      code: 'WS_BAD_REDIRECT',
      status: 302,
      phase: 'handshake',
      message: 'the redirect was not followed: there were more than 10 in a row (maxRedirects)',
      cause: { status: 302, headers: { location: '/again' } },
    })
    expect((error as Error).cause).toBeInstanceOf(HandshakeRejectedError)
    expect(server.heads).toHaveLength(11)
    await server.allClosed()
  })

  test('as many as maxRedirects says', async () => {
    const server = await site((path) => (path === '/xxx' ? 'accept' : redirect(`${path}x`)))
    await open(server.url, { maxRedirects: 3 })
    expect(await rejection(connect(server.url, { maxRedirects: 2 }))).toMatchObject({
      code: 'WS_BAD_REDIRECT',
    })
  })

  test('not at all with maxRedirects: 0', async () => {
    const server = await site(() => redirect('/there'))
    expect(await rejection(connect(server.url, { maxRedirects: 0 }))).toMatchObject({
      name: 'HandshakeRejectedError',
      status: 302,
      headers: { location: '/there' },
    })
  })

  test.each([
    ['without a Location', 'HTTP/1.1 302 X\r\nContent-Length: 0\r\n\r\n'],
    ['of a status that is none', redirect('/there', 304)],
  ])('are refusals %s', async (_what, answer) => {
    const server = await site(() => answer)
    expect(await rejection(connect(server.url))).toBeInstanceOf(HandshakeRejectedError)
  })

  test('never lead away from TLS', async () => {
    const plain = await site(() => 'accept')
    const secure = await site(() => redirect(plain.url), SERVER_TLS)
    expect(await rejection(connect(secure.url, { tls: CLIENT_TLS }))).toMatchObject({
      code: 'WS_BAD_REDIRECT',
      message: 'the redirect was not followed: it leads from wss: to ws:, away from TLS',
    })
    expect(plain.count).toBe(0)
  })

  test('may lead to TLS', async () => {
    const secure = await site(() => 'accept', SERVER_TLS)
    const plain = await site(() => redirect(secure.url))
    await open(plain.url, { tls: CLIENT_TLS })
    expect(secure.heads).toHaveLength(1)
  })

  test.each<[string, (server: FakeServer) => [string, ConnectOptions]]>([
    ['connectTo', ({ port }) => ['ws://a.example/', { connectTo: { host: '127.0.0.1', port } }]],
  ])('are not followed with %s', async (name, options) => {
    const server = await site(() => redirect('/there'))
    const error = await rejection(connect(...options(server)))
    expect(error).toMatchObject({ code: 'WS_BAD_REDIRECT', cause: { status: 302 } })
    expect((error as Error).message).toContain(name)
    await server.allClosed()
  })

  test('are not followed on a given stream, nor on a Unix socket', async () => {
    const { connect: tcpConnect, createServer } = await import('node:net')
    const server = await site(() => redirect('/there'))
    const socket = tcpConnect(server.port, '127.0.0.1')
    expect(await rejection(connect('ws://a.example/', { socket }))).toMatchObject({ code: 'WS_BAD_REDIRECT' })
    expect(socket.destroyed).toBe(true)

    const path = temporaryPath('a.sock')
    const unix = createServer((one) => void one.once('data', () => one.end(redirect('ws://127.0.0.1/'))))
    await new Promise<void>((resolve) => unix.listen(path, resolve))
    try {
      const error = await rejection(connect(`ws+unix:${path}`))
      expect((error as Error).message).toContain('a Unix socket leads to one server alone')
    } finally {
      unix.close()
    }
  })

  test('choose the proxy anew', async () => {
    const server = await site((path, _request, self) =>
      path === '/' ? redirect(`ws://direct.example:${self().port}/there`) : 'accept',
    )
    const proxy = await fakeHttpProxy(() => ({ forward: server.port }))
    vi.stubEnv('ws_proxy', `http://127.0.0.1:${proxy.port}`)
    vi.stubEnv('no_proxy', 'direct.example')
    await open(`ws://proxied.example:${server.port}/`, { tcp: { lookup } })
    expect(proxy.asked).toHaveLength(1)
    expect(server.heads).toHaveLength(2)
  })
})

describe('cookies', () => {
  test('as a string go along with those of the user, in one header', async () => {
    const server = await site(() => 'accept')
    await open(server.url, {
      cookies: 'b=2',
      headers: [
        ['Cookie', 'a=1'],
        ['cookie', 'c=3'],
      ],
    })
    expect(server.heads[0]!.match(/^cookie: .*$/gim)).toEqual(['Cookie: a=1; c=3; b=2\r'.trim()])
  })

  test('of a jar are sent, and those that servers set are kept', async () => {
    const jar = new CookieJar()
    const server = await site((path, request) => {
      if (path === '/login')
        return redirect('/room', 302, 'Set-Cookie: session=abc', 'Set-Cookie: b=2; Path=/room')
      if (path === '/no') return 'HTTP/1.1 403 No\r\nSet-Cookie: refused=1\r\nContent-Length: 0\r\n\r\n'
      return accepted(request, 'Set-Cookie: open=1')
    })
    await jar.setCookie('first=1', server.url.replace('ws', 'http'))
    await open(`${server.url}login`, { cookies: jar, headers: { Cookie: 'own=1' } })
    expect(server.heads[0]).toContain('\r\nCookie: own=1; first=1\r\n')
    expect(/^Cookie: (.*)\r$/m.exec(server.heads[1]!)![1]!.split('; ').sort()).toEqual([
      'b=2',
      'first=1',
      'own=1',
      'session=abc',
    ])
    await rejection(connect(`${server.url}no`, { cookies: jar }))
    expect(await jar.getCookieString(server.url.replace('ws', 'http'))).toBe(
      'first=1; session=abc; open=1; refused=1',
    )
  })

  test('in a jar of its own last for one connect alone', async () => {
    const server = await site((path) =>
      path === '/' ? redirect('/there', 302, 'Set-Cookie: a=1') : 'accept',
    )
    await open(server.url, { cookies: true })
    await open(server.url, { cookies: true })
    expect(server.heads.map((head) => /^Cookie: .*$/m.test(head))).toEqual([false, true, false, true])
  })

  test('of wss: are those of https:', async () => {
    const jar = new CookieJar()
    await jar.setCookie('a=1; Secure', 'https://127.0.0.1/')
    const [plain, secure] = [await site(() => 'accept'), await site(() => 'accept', SERVER_TLS)]
    await open(secure.url, { cookies: jar, tls: CLIENT_TLS })
    expect(secure.heads[0]).toContain('Cookie: a=1')
    await jar.setCookie('b=1; Secure', 'https://a.example/')
    await open(`ws://a.example:${plain.port}/`, { cookies: jar, tcp: { lookup } })
    expect(plain.heads[0]).not.toContain('Cookie')
  })

  test('of a jar that fails fail the attempt, before anything is dialled', async () => {
    const server = await site(() => 'accept')
    const error = new Error('the store is down')
    const jar = { getCookieString: () => Promise.reject(error), setCookie() {} }
    expect(await rejection(connect(server.url, { cookies: jar }))).toBe(error)
    const throwing = {
      getCookieString() {
        throw error
      },
      setCookie() {},
    }
    expect(await rejection(connect(server.url, { cookies: throwing }))).toBe(error)
    expect(server.count).toBe(0)
  })

  test('that take long to be kept do not let the body of a refusal grow', async () => {
    const size = 16 * 1024 * 1024
    const server = await fakeServer((socket) => {
      socket.write(`HTTP/1.1 403 X\r\nSet-Cookie: a=1\r\nContent-Length: ${size}\r\n\r\n`)
      socket.write(new Uint8Array(size))
    })
    const jar = {
      getCookieString: () => '',
      setCookie: () => new Promise((resolve) => setTimeout(resolve, 200)),
    }
    const socket = tcpConnect(server.port, '127.0.0.1')
    const error = await rejection(connect(server.url, { cookies: jar, socket }))
    expect(error).toMatchObject({ status: 403, body: '\0'.repeat(64 * 1024) })
    expect(socket.bytesRead).toBeLessThan(512 * 1024)
  })

  test('of a jar that hangs take no more than openTimeout', async () => {
    const server = await site(() => 'HTTP/1.1 101 X\r\nSet-Cookie: a=1\r\n\r\n')
    const jar = { getCookieString: () => new Promise<string>(() => {}), setCookie() {} }
    expect(await rejection(connect(server.url, { cookies: jar, openTimeout: 50 }))).toMatchObject({
      code: 'WS_TIMEOUT',
    })
  })

  test('that no header can carry are refused', async () => {
    const server = await site(() => 'accept')
    expect(await rejection(connect(server.url, { cookies: 'a=1\r\nX: y' }))).toBeInstanceOf(TypeError)
    const jar = { getCookieString: () => 'a=1\r\nX: y', setCookie() {} }
    expect(await rejection(connect(server.url, { cookies: jar }))).toBeInstanceOf(TypeError)
    expect(server.count).toBe(0)
  })
})

describe('credentials', () => {
  test.each<[string, ConnectOptions, string]>([
    ['Basic', { credentials: { username: 'ann', password: 's:cret' } }, 'Basic YW5uOnM6Y3JldA=='],
    ['Bearer', { credentials: { token: 'abc' } }, 'Bearer abc'],
    [
      'a header of the user before them',
      { credentials: { token: 'abc' }, headers: { authorization: 'Other x' } },
      'Other x',
    ],
  ])('%s', async (_what, options, expected) => {
    const server = await site(() => 'accept')
    await open(server.url.replace('//', '//bob:url@'), options)
    expect(/^authorization: (.*)\r$/im.exec(server.heads[0]!)![1]).toBe(expected)
    expect(server.heads[0]!.match(/^authorization/gim)).toHaveLength(1)
  })

  test('of the address with a colon in the user name are refused: Basic would split it elsewhere', async () => {
    const server = await site(() => 'accept')
    const error = await rejection(connect(server.url.replace('//', '//ann%3Ax:s3cret@')))
    expect(error).toBeInstanceOf(TypeError)
    expect(error).not.toMatchObject({ message: expect.stringContaining('s3cret') })
    expect(server.count).toBe(0)
  })

  test('Digest with a hash that this Node must not compute, as in FIPS mode, is an error and no crash', async () => {
    const server = await site(() => challenge())
    const crypto = await import('node:crypto')
    const error = new Error('unsupported')
    const { createHash } = crypto
    const spy = vi.spyOn(crypto.default, 'createHash').mockImplementation((name) => {
      if (name === 'sha256') throw error
      return createHash(name)
    })
    syncBuiltinESMExports()
    try {
      expect(await rejection(connect(server.url, { credentials: digest }))).toMatchObject({
        message: expect.stringContaining('unsupported'),
        cause: error,
      })
    } finally {
      spy.mockRestore()
      syncBuiltinESMExports()
    }
    await server.allClosed()
  })

  const digest = { username: 'ann', password: 'secret', scheme: 'digest' } as const
  const challenge = (more = ''): string =>
    `HTTP/1.1 401 X\r\nWWW-Authenticate: Basic realm="r"\r\nWWW-Authenticate: Digest realm="r", nonce="n", qop="auth", algorithm=SHA-256${more}\r\nContent-Length: 0\r\n\r\n`

  test('Digest answers a challenge, and never shows the password', async () => {
    const server = await site((_path, { head }) =>
      head.includes('Authorization: Digest') ? 'accept' : challenge(),
    )
    const request = await open(`${server.url}a?b`, { credentials: digest })
    expect(server.heads[0]).not.toMatch(/authorization/i)
    expect(server.heads[1]).toMatch(
      /^Authorization: Digest username="ann", realm="r", nonce="n", uri="\/a\?b", /m,
    )
    expect(server.heads.join('')).not.toContain('secret')
    expect(request.headers.authorization).toMatch(/^Digest /)
    await server.allClosed()
  })

  test('Digest answers once more when the nonce was too old, and then no more', async () => {
    const server = await site((_path, { head }) =>
      challenge(head.includes('Authorization') ? ', stale=true' : ''),
    )
    expect(await rejection(connect(server.url, { credentials: digest }))).toMatchObject({ status: 401 })
    expect(server.heads).toHaveLength(3)
  })

  test('Digest that the server does not believe is a refusal', async () => {
    const server = await site(() => challenge())
    expect(await rejection(connect(server.url, { credentials: digest }))).toMatchObject({
      name: 'HandshakeRejectedError',
      status: 401,
    })
    expect(server.heads).toHaveLength(2)
  })

  test('Digest answers again where a redirect leads', async () => {
    const server = await site((path, { head }) => {
      if (!head.includes('Authorization')) return challenge()
      return path === '/' ? redirect('/there') : 'accept'
    })
    await open(server.url, { credentials: digest })
    expect(server.heads.map((head) => head.split(' ')[1])).toEqual(['/', '/', '/there', '/there'])
    expect(server.heads[3]).toContain('uri="/there"')
  })
})

describe('openTimeout', () => {
  const SHORT = 400

  test('is one for all redirects together', async () => {
    const server = await fakeServer((socket) => {
      setTimeout(() => socket.write(redirect('/again')), 100)
    })
    expect(await rejection(connect(server.url, { openTimeout: 800, maxRedirects: 100 }))).toMatchObject({
      code: 'WS_TIMEOUT',
      during: 'handshake',
    })
    expect(server.count).toBeGreaterThan(1)
    expect(server.count).toBeLessThan(10)
    await server.allClosed()
  })

  test('says that it waited for the name', async () => {
    const options = { openTimeout: SHORT, tcp: { lookup: () => {} } }
    expect(await rejection(connect('ws://a.example/', options))).toMatchObject({
      during: 'dns',
      message: `the connection was not open within openTimeout (${SHORT} ms): it waited for the name to be resolved`,
    })
  })

  test('says that it waited for TCP', async () => {
    const { server, fill } = await fullServer()
    try {
      expect(await rejection(connect(`ws://127.0.0.1:${server}/`, { openTimeout: SHORT }))).toMatchObject({
        during: 'connect',
      })
    } finally {
      fill()
    }
  })

  test.each<[string, (port: number) => ConnectOptions['proxy']]>([
    ['an HTTP proxy', (port) => `http://127.0.0.1:${port}`],
    ['an HTTPS proxy', (port) => `https://127.0.0.1:${port}`],
    ['a SOCKS4 proxy', (port) => `socks4a://127.0.0.1:${port}`],
    ['a SOCKS5 proxy', (port) => `socks5h://127.0.0.1:${port}`],
  ])('says that it waited for %s, and leaves nothing open', async (_what, proxy) => {
    const server = await fakeServer(() => {})
    const options = { openTimeout: SHORT, proxy: proxy(server.port)! }
    expect(await rejection(connect('ws://a.example/', options))).toMatchObject({ during: 'proxy' })
    expect(server.count).toBe(1)
    await server.allClosed()
  })

  test('says that it waited for TLS, and leaves nothing open', async () => {
    const server = await fakeServer(() => {})
    const url = server.url.replace('ws', 'wss')
    expect(await rejection(connect(url, { openTimeout: SHORT }))).toMatchObject({ during: 'tls' })
    await server.allClosed()
  })

  test('says that it waited for TLS behind a proxy, and leaves nothing open', async () => {
    const server = await fakeServer(() => {})
    const proxy = await fakeSocksProxy()
    const options = { openTimeout: SHORT, proxy: `socks5h://127.0.0.1:${proxy.port}` }
    expect(await rejection(connect(`wss://a.example:${server.port}/`, options))).toMatchObject({
      during: 'tls',
    })
    await Promise.all([server.allClosed(), proxy.allClosed()])
  })

  test.each(['ws', 'wss'])(
    'says that it waited for the answer over %s, and leaves nothing open',
    async (scheme) => {
      const server = await fakeServer(() => {}, scheme === 'wss' ? SERVER_TLS : undefined)
      const options = { openTimeout: 1000, tls: CLIENT_TLS }
      expect(await rejection(connect(server.url, options))).toMatchObject({ during: 'handshake' })
      await server.allClosed()
    },
  )
})

describe('a signal', () => {
  test.each<[string, string, (port: number) => ConnectOptions]>([
    ['dns', 'ws://a.example/', () => ({ tcp: { lookup: () => {} } })],
    ['an HTTP proxy', 'ws://a.example/', (port) => ({ proxy: `http://127.0.0.1:${port}` })],
    ['a SOCKS proxy', 'ws://a.example/', (port) => ({ proxy: `socks5h://127.0.0.1:${port}` })],
    ['TLS', 'wss://localhost/', (port) => ({ connectTo: { host: '127.0.0.1', port } })],
    ['the answer', 'ws://localhost/', (port) => ({ connectTo: { host: '127.0.0.1', port } })],
  ])('ends the wait for %s', async (_what, url, options) => {
    const server = await fakeServer(() => {})
    const reason = new Error('changed my mind')
    const controller = new AbortController()
    const connecting = rejection(connect(url, { ...options(server.port), signal: controller.signal }))
    setTimeout(() => controller.abort(reason), 60)
    expect(await connecting).toBe(reason)
    await server.allClosed()
  })
})

describe('a given stream', () => {
  test('is destroyed when connecting fails', async () => {
    const socket = new PassThrough()
    expect(await rejection(connect('ws://a.example/', { socket, openTimeout: 100 }))).toBeInstanceOf(Error)
    expect(socket.destroyed).toBe(true)
  })

  test('is left alone when an option is wrong', async () => {
    const socket = new PassThrough()
    expect(await rejection(connect('ws://a.example/', { socket, openTimeout: -1 }))).toBeInstanceOf(
      RangeError,
    )
    expect(socket.destroyed).toBe(false)
  })

  test.each<[string, ConnectOptions]>([
    ['a signal that is aborted already', { signal: AbortSignal.abort(new Error('no')) }],
    [
      'a jar that fails',
      { cookies: { getCookieString: () => Promise.reject(new Error('no')), setCookie() {} } },
    ],
    ['a header that must not be sent', { headers: { Upgrade: 'x' } }],
  ])('is destroyed before anything is sent: %s', async (_what, options) => {
    const socket = new PassThrough()
    expect(await rejection(connect('ws://a.example/', { socket, ...options }))).toBeInstanceOf(Error)
    expect(socket.destroyed).toBe(true)
  })

  test('that fails before it is needed', async () => {
    const socket = new PassThrough()
    const error = Object.assign(new Error('no'), { code: 'ECONNREFUSED' })
    const jar = {
      getCookieString: async () => {
        socket.destroy(error)
        await new Promise((resolve) => setImmediate(resolve))
        return ''
      },
      setCookie() {},
    }
    expect(await rejection(connect('ws://a.example/', { socket, cookies: jar }))).toMatchObject({
      code: 'WS_CONNECT_FAILED',
      message: 'could not connect: the given stream: nothing listens there (ECONNREFUSED)',
      phase: 'connect',
      cause: error,
    })
  })

  test('that fails at once does no harm', async () => {
    const socket = new PassThrough()
    const connecting = rejection(connect('ws://a.example/', { socket }))
    socket.destroy(new Error('gone'))
    expect(await connecting).toMatchObject({
      code: 'WS_CONNECT_FAILED',
      message: expect.stringContaining('gone'),
    })
  })

  test('that ends before it is needed', async () => {
    const socket = new PassThrough()
    const connecting = rejection(connect('ws://a.example/', { socket }))
    socket.destroy()
    expect(await connecting).toMatchObject({ code: 'WS_CONNECT_FAILED', phase: 'connect' })
  })
})

test('noDelay is turned off when told so', async () => {
  const { Socket } = await import('node:net')
  const calls: unknown[] = []
  const spy = vi.spyOn(Socket.prototype, 'setNoDelay').mockImplementation(function (
    this: InstanceType<typeof Socket>,
    on,
  ) {
    calls.push(on)
    return this
  })
  try {
    const server = await site(() => 'accept')
    await open(server.url, { tcp: { noDelay: false } })
    expect(calls.at(-1)).toBe(false)
    await open(server.url)
    expect(calls.at(-1)).toBe(true)
  } finally {
    spy.mockRestore()
  }
})

/** Make a port that takes no more connections: what dials it waits, as for a host that drops what is sent to it. */
async function fullServer(): Promise<{ server: number; fill: () => void }> {
  const { connect: tcpConnect } = await import('node:net')
  const { spawn } = await import('node:child_process')
  // A process that listens and never accepts, because it is stopped.
  const code =
    "const s = require('net').createServer().listen({ port: 0, host: '127.0.0.1', backlog: 1 }, () => { console.log(s.address().port) })"
  const child = spawn(process.execPath, ['-e', code], { stdio: ['ignore', 'pipe', 'inherit'] })
  const port = Number(await new Promise((resolve) => child.stdout.once('data', resolve)))
  child.kill('SIGSTOP')
  // The queue of the system takes a few; what comes behind gets no answer.
  const waiting = Array.from({ length: 8 }, () => tcpConnect(port, '127.0.0.1').on('error', () => {}))
  await new Promise((resolve) => setTimeout(resolve, 50))
  return {
    server: port,
    fill: () => {
      for (const socket of waiting) socket.destroy()
      child.kill('SIGKILL')
    },
  }
}
