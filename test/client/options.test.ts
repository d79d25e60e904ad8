import { PassThrough } from 'node:stream'
import { describe, expect, test } from 'vitest'
import { resolveConnectOptions } from '../../src/client/options.ts'

describe('resolveConnectOptions', () => {
  test('fills in defaults', () => {
    expect(resolveConnectOptions({})).toMatchObject({
      headers: [],
      subprotocols: [],
      origin: undefined,
      userAgent: 'openline',
      credentials: undefined,
      cookies: undefined,
      maxRedirects: 10,
      tls: {},
      tcp: { family: 0, noDelay: true, keepAlive: 30_000 },
      proxy: undefined,
      connectTo: undefined,
      socket: undefined,
      openTimeout: 10_000,
      signal: undefined,
      connection: { limits: { maxMessageSize: 16 * 1024 * 1024 } },
    })
  })

  test('keeps what is given', () => {
    const { signal } = new AbortController()
    const given = {
      headers: { 'X-A': 'b' },
      subprotocols: ['chat'],
      origin: 'https://a.example',
      userAgent: 'me',
      tls: { ca: 'x' },
      openTimeout: 0.5,
      signal,
      maxMessageSize: 1,
    }
    expect(resolveConnectOptions(given)).toMatchObject({
      headers: [['X-A', 'b']],
      subprotocols: ['chat'],
      origin: 'https://a.example',
      userAgent: 'me',
      tls: { ca: 'x' },
      openTimeout: 0.5,
      signal,
      connection: { limits: { maxMessageSize: 1 } },
    })
  })

  test('keeps what leads to the server', () => {
    const socket = new PassThrough()
    expect(resolveConnectOptions({ proxy: false, socket, cookies: 'a=1' })).toMatchObject({
      proxy: false,
      socket,
      cookies: 'a=1',
    })
    const credentials = { token: 'abc' }
    const given = { proxy: 'http://proxy:3128', credentials, connectTo: { host: 'A.example', port: 1 } }
    expect(resolveConnectOptions(given)).toMatchObject({
      proxy: { protocol: 'http', host: 'proxy', port: 3128 },
      credentials,
      connectTo: { host: 'a.example', port: 1 },
    })
    expect(resolveConnectOptions({ cookies: false }).cookies).toBeUndefined()
    expect(resolveConnectOptions({ connectTo: { host: '::1' } }).connectTo).toEqual({ host: '::1' })
  })

  test('leaves the User-Agent out when told so', () => {
    expect(resolveConnectOptions({ userAgent: false }).userAgent).toBeUndefined()
  })

  test.each<[string, object]>([
    ['headers', { headers: 'X-A: b' }],
    ['headers', { headers: null }],
    ['headers', { headers: 1 }],
    ['headers', { headers: ['X-A', 'b'] }],
    ['headers', { headers: [['X-A']] }],
    ['headers', { headers: [['X-A', 'b', 'c']] }],
    ['headers', { headers: new Set(['X-A']) }],
    ['headers', { headers: new URL('ws://localhost/') }],
    ['headers', { headers: Promise.resolve({}) }],
    ['signal', { signal: {} }],
    ['signal', { signal: null }],
    ['signal', { signal: new AbortController() }],
    ['signal', { signal: { aborted: false } }],
    ['subprotocols', { subprotocols: 'chat' }],
    ['subprotocols', { subprotocols: ['a', 'a'] }],
    ['openTimeout', { openTimeout: 0 }],
    ['openTimeout', { openTimeout: '1' }],
    ['openTimeout', { openTimeout: false }],
    ['openTimeout', { openTimeout: Number.POSITIVE_INFINITY }],
    ['handler', { handler: () => {} }],
    ['handler', { handler: null }],
    ['tls', { tls: true }],
    ['credentials', { credentials: 'ann:secret' }],
    ['credentials', { credentials: null }],
    ['cookies', { cookies: 1 }],
    ['cookies', { cookies: { getCookieString() {} } }],
    ['maxRedirects', { maxRedirects: -1 }],
    ['maxRedirects', { maxRedirects: false }],
    ['tcp', { tcp: 1 }],
    ['tcp.keepAlive', { tcp: { keepAlive: 0 } }],
    ['proxy', { proxy: true }],
    ['proxy', { proxy: 'proxy:3128' }],
    ['proxy.url', { proxy: {} }],
    ['connectTo', { connectTo: 'localhost' }],
    ['connectTo', { connectTo: null }],
    ['connectTo.host', { connectTo: { port: 1 } }],
    ['connectTo.host', { connectTo: { host: '' } }],
    ['connectTo.host', { connectTo: { host: 'a b' } }],
    ['connectTo.host', { connectTo: { host: 'a\r\nX: y' } }],
    ['connectTo.host', { connectTo: { host: 'ann@b' } }],
    ['connectTo.host', { connectTo: { host: 'a:80' } }],
    ['connectTo.host', { connectTo: { host: '[::1]' } }],
    ['connectTo.host', { connectTo: { host: 'a%' } }],
    ['connectTo.port', { connectTo: { host: 'a', port: 65_536 } }],
    ['socket', { socket: 1 }],
    ['socket', { socket: null }],
    ['socket', { socket: new PassThrough().destroy() }],
    ['connectTo', { socket: new PassThrough(), connectTo: { host: 'a' } }],
    ['proxy', { socket: new PassThrough(), proxy: 'http://proxy' }],
    ['tcp', { socket: new PassThrough(), tcp: {} }],
    [
      'digest',
      { socket: new PassThrough(), credentials: { username: 'a', password: 'b', scheme: 'digest' } },
    ],
    ['accept', { accept: 'json' }],
    ['receiveHighWaterMark', { receiveHighWaterMark: 0 }],
  ])('refuses a wrong %s: %o', (name, options) => {
    let error: unknown
    try {
      resolveConnectOptions(options)
    } catch (thrown) {
      error = thrown
    }
    expect(error instanceof TypeError || error instanceof RangeError).toBe(true)
    expect(String(error)).toContain(name)
  })
})
