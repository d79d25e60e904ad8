// Servers and proxies that mean harm to a client: by a redirect, a cookie, a challenge, or an answer without end.

import { afterEach, describe, expect, test, vi } from 'vitest'
import { type ConnectOptions, connect, HandshakeRejectedError } from '../../src/index.ts'
import { fakeHttpProxy, forwardAll } from '../client/fake-proxy.ts'
import { accepted, type FakeServer, fakeServer } from '../client/fake-server.ts'
import { rejection } from '../server/support.ts'
import { CLIENT_TLS, SERVER_TLS } from '../support/tls-fixture.ts'

afterEach(() => void vi.unstubAllEnvs())

interface Listening extends FakeServer {
  readonly heads: string[]
}

/** Open every WebSocket, and keep the heads of the requests. */
async function victim(tls?: typeof SERVER_TLS): Promise<Listening> {
  const heads: string[] = []
  const server = await fakeServer((socket, request) => {
    heads.push(request.head)
    socket.write(accepted(request))
  }, tls)
  return Object.assign(server, { heads })
}

/** Answer every request with these bytes, and keep the heads. */
async function answering(answer: string | ((head: string) => string)): Promise<Listening> {
  const heads: string[] = []
  const server = await fakeServer((socket, { head }) => {
    heads.push(head)
    socket.write(Buffer.from(typeof answer === 'string' ? answer : answer(head), 'latin1'))
  })
  return Object.assign(server, { heads })
}

function redirect(location: string, ...lines: string[]): string {
  return ['HTTP/1.1 302 X', `Location: ${location}`, ...lines, 'Content-Length: 0', '\r\n'].join('\r\n')
}

async function open(url: string, options: ConnectOptions = {}): Promise<void> {
  const connection = await connect(url, options)
  connection.terminate()
  await connection.closed
}

describe('credentials never go to another origin', () => {
  const secrets: [string, ConnectOptions, string][] = [
    ['a user in the address', {}, 'ann:secret@'],
    ['Basic', { credentials: { username: 'ann', password: 'secret' } }, ''],
    ['a token', { credentials: { token: 'secret' } }, ''],
    ['Digest', { credentials: { username: 'ann', password: 'secret', scheme: 'digest' } }, ''],
    ['the header Authorization', { headers: { AUTHORIZATION: 'secret' } }, ''],
    ['the header Cookie', { headers: new Headers({ Cookie: 'a=secret' }) }, ''],
    ['the header Proxy-Authorization', { headers: [['proxy-authorization', 'secret']] }, ''],
    ['cookies as a string', { cookies: 'a=secret' }, ''],
    ['a Host of its own', { headers: { Host: 'secret.example' } }, ''],
  ]
  const FORBIDDEN = /secret|^(authorization|cookie|proxy-authorization):|YW5uOnNlY3JldA/im

  test.each(secrets)('%s: to another port', async (_what, options, user) => {
    const there = await victim()
    const here = await answering(redirect(there.url))
    await open(here.url.replace('//', `//${user}`), options)
    expect(there.heads[0]).not.toMatch(FORBIDDEN)
    expect(there.heads[0]).toContain(`\r\nHost: 127.0.0.1:${there.port}\r\n`)
  })

  test.each(secrets)('%s: nor back to the first', async (_what, options, user) => {
    const first: Listening = await answering((head) =>
      head.startsWith('GET /back') ? 'HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n' : redirect(second.url),
    )
    const second: Listening = await answering(() => redirect(`${first.url}back`))
    await rejection(connect(first.url.replace('//', `//${user}`), options))
    expect(first.heads).toHaveLength(2)
    expect(second.heads[0]).not.toMatch(FORBIDDEN)
    expect(first.heads[1]).not.toMatch(FORBIDDEN)
  })

  test('to another name of the same server', async () => {
    const server: Listening = await answering((head) =>
      head.includes('Host: localhost')
        ? 'HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n'
        : redirect(`ws://localhost:${server.port}/`),
    )
    await rejection(connect(server.url, { credentials: { token: 'secret' } }))
    expect(server.heads[1]).not.toMatch(FORBIDDEN)
  })

  test('to TLS on the same host', async () => {
    const there = await victim(SERVER_TLS)
    const here = await answering(redirect(there.url))
    await open(here.url, { credentials: { token: 'secret' }, tls: CLIENT_TLS })
    expect(there.heads[0]).not.toMatch(FORBIDDEN)
  })

  test('a certificate of ours', async () => {
    let peer: unknown
    const { createServer } = await import('node:tls')
    const asking = createServer({ ...SERVER_TLS, requestCert: true, rejectUnauthorized: false }, (socket) => {
      peer = socket.getPeerCertificate()
      socket.destroy()
    })
    await new Promise<void>((resolve) => asking.listen(0, '127.0.0.1', resolve))
    try {
      const { port } = asking.address() as { port: number }
      const here = await answering(redirect(`wss://127.0.0.1:${port}/`))
      const tls = { ...CLIENT_TLS, cert: SERVER_TLS.cert, key: SERVER_TLS.key }
      await rejection(connect(here.url, { tls }))
      expect(peer).toEqual({})
      await rejection(connect(`wss://127.0.0.1:${port}/`, { tls }))
      expect(peer).toMatchObject({ subject: { CN: 'localhost' } })
    } finally {
      asking.close()
    }
  })

  test('users that a Location names', async () => {
    const there = await victim()
    const here = await answering(redirect(there.url.replace('//', '//mallory:planted@')))
    await open(here.url)
    expect(there.heads[0]).not.toMatch(/authorization/i)
  })

  test('the user of a proxy: it goes to the proxy alone', async () => {
    const there = await victim()
    const here = await answering(redirect(there.url))
    const proxy = await fakeHttpProxy(forwardAll)
    await open(here.url, { proxy: `http://ann:secret@127.0.0.1:${proxy.port}` })
    expect(proxy.asked).toHaveLength(2)
    for (const head of proxy.asked) expect(head).toContain('Proxy-Authorization: Basic YW5uOnNlY3JldA==')
    for (const head of [...here.heads, ...there.heads]) expect(head).not.toMatch(FORBIDDEN)
  })

  test('credentials for the server: they do not go to the proxy', async () => {
    const proxy = await fakeHttpProxy(() => 'HTTP/1.1 407 X\r\nContent-Length: 0\r\n\r\n')
    const options = { proxy: `http://127.0.0.1:${proxy.port}`, headers: { Cookie: 'a=secret' } }
    await rejection(connect('ws://ann:secret@a.example/', options))
    expect(proxy.asked[0]).not.toMatch(FORBIDDEN)
  })
})

describe('nothing ends a line early', () => {
  test.each([
    '/a\tb',
    '/a%0d%0aX-Injected:%20y',
    '/a b HTTP/1.1',
    '/?a b',
    '/a\x80\xff',
    '\\\\evil\\a',
    '///evil',
  ])('by the Location %j', async (location) => {
    const server = await answering((head) =>
      head.startsWith('GET / ') ? redirect(location) : 'HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n',
    )
    await rejection(
      connect(server.url, {
        openTimeout: 1000,
        tcp: { lookup: (_host, _options, done) => done(new Error('no'), '') },
      }),
    )
    for (const head of server.heads) {
      expect(head).toMatch(/^GET [\x21-\x7e]+ HTTP\/1\.1\r\n/)
      expect(head).not.toMatch(/^X-Injected/im)
    }
  })

  test('by a cookie of the server', async () => {
    const server = await answering((head) =>
      head.startsWith('GET /there')
        ? 'HTTP/1.1 404 X\r\nContent-Length: 0\r\n\r\n'
        : redirect(
            '/there',
            'Set-Cookie: a=b%0d%0aX-Injected: y',
            'Set-Cookie: c=\x80\xe9',
            'Set-Cookie: =x',
          ),
    )
    await rejection(connect(server.url, { cookies: true }))
    expect(server.heads).toHaveLength(2)
    expect(server.heads[1]).not.toMatch(/^X-Injected/im)
    expect(server.heads[1]).toContain('Cookie: a=b%0d%0aX-Injected: y')
  })

  test.each([
    ['realm', 'Digest realm="a\\\r", nonce="n"'],
    ['nonce', 'Digest realm="r", nonce="n\\"\\\\"'],
    ['opaque', 'Digest realm="r", nonce="n", opaque="\xff\x80"'],
    ['algorithm', 'Digest realm="r", nonce="n", algorithm="MD5, X"'],
  ])('by a challenge: %s', async (_what, challenge) => {
    const server = await answering(
      `HTTP/1.1 401 X\r\nWWW-Authenticate: ${challenge}\r\nContent-Length: 0\r\n\r\n`,
    )
    const credentials = { username: 'ann"\\', password: 'secret', scheme: 'digest' } as const
    await rejection(connect(server.url, { credentials }))
    for (const head of server.heads)
      expect(head.split('\r\n').every((line) => !line.includes('\n'))).toBe(true)
    expect(server.heads.length).toBeLessThanOrEqual(2)
  })

  test.each([
    ['user', 'http://a%0d%0aX-Injected:b@'],
    ['password', 'http://a:b%0d%0aX-Injected@'],
  ])('by the %s of a proxy', async (_what, url) => {
    const proxy = await fakeHttpProxy(() => 'HTTP/1.1 407 X\r\n\r\n')
    await rejection(connect('ws://a.example/', { proxy: `${url}127.0.0.1:${proxy.port}` }))
    for (const head of proxy.asked) expect(head).not.toMatch(/^X-Injected/im)
  })

  test.each([
    ['a\r\nX: y', TypeError],
    ['a b', TypeError],
    ['a/b', TypeError],
  ])('by the host of connectTo: %j', async (host, kind) => {
    const proxy = await fakeHttpProxy(() => 'HTTP/1.1 407 X\r\n\r\n')
    const options = { connectTo: { host }, proxy: `http://127.0.0.1:${proxy.port}` }
    expect(await rejection(connect('ws://a.example/', options))).toBeInstanceOf(kind)
    expect(proxy.asked).toEqual([])
  })
})

describe('nothing has no end', () => {
  test('a redirect with a body without end', async () => {
    const server = await fakeServer((socket, request) => {
      if (request.head.startsWith('GET /there')) {
        socket.write(accepted(request))
        return
      }
      socket.write('HTTP/1.1 302 X\r\nLocation: /there\r\nTransfer-Encoding: chunked\r\n\r\n')
      const more = (): void => {
        if (!socket.destroyed) socket.write(`4000\r\n${'y'.repeat(0x4000)}\r\n`, more)
      }
      more()
    })
    await open(server.url)
    await server.allClosed()
  })

  test('a redirect that is not followed, with a body without end', async () => {
    const server = await fakeServer((socket) => {
      socket.write('HTTP/1.1 302 X\r\nLocation: ftp://a/\r\nTransfer-Encoding: chunked\r\n\r\n')
      const more = (): void => {
        if (!socket.destroyed) socket.write(`4000\r\n${'y'.repeat(0x4000)}\r\n`, more)
      }
      more()
    })
    const error = await rejection(connect(server.url))
    expect(error).toMatchObject({ code: 'WS_BAD_REDIRECT' })
    expect(((error as Error).cause as HandshakeRejectedError).body).toHaveLength(64 * 1024)
    await server.allClosed()
  })

  test('redirects to and fro between two servers', async () => {
    const left: Listening = await answering(() => redirect(right.url))
    const right: Listening = await answering(() => redirect(left.url))
    expect(await rejection(connect(left.url))).toMatchObject({ code: 'WS_BAD_REDIRECT' })
    expect(left.heads.length + right.heads.length).toBe(11)
  })

  test('challenges without end', async () => {
    const server = await answering(
      'HTTP/1.1 401 X\r\nWWW-Authenticate: Digest realm="r", nonce="n", stale=true\r\nContent-Length: 0\r\n\r\n',
    )
    const credentials = { username: 'ann', password: 'secret', scheme: 'digest' } as const
    expect(await rejection(connect(server.url, { credentials }))).toBeInstanceOf(HandshakeRejectedError)
    expect(server.heads).toHaveLength(3)
  })

  test('an answer of a proxy', async () => {
    const proxy = await fakeHttpProxy(() => `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(20_000)}`)
    const error = await rejection(connect('ws://a.example/', { proxy: `http://127.0.0.1:${proxy.port}` }))
    expect(error).toMatchObject({ code: 'WS_PROXY_FAILED', phase: 'proxy' })
    await proxy.allClosed()
  })
})

test('what a proxy says cannot steer a terminal', async () => {
  const proxy = await fakeHttpProxy(() => 'HTTP/1.1 403 \x1b[2J\x9b1m\r\n\r\n')
  const error = await rejection(connect('ws://a.example/', { proxy: `http://127.0.0.1:${proxy.port}` }))
  // biome-ignore lint/suspicious/noControlCharactersInRegex: control characters are what must not be there.
  expect((error as Error).message).not.toMatch(/[\x00-\x1f\x7f-\x9f]/)
})
