import { connect as tcpConnect } from 'node:net'
import { describe, expect, onTestFinished, test } from 'vitest'
import { Opening } from '../../src/client/opening.ts'
import { resolveProxyOptions } from '../../src/client/proxy-options.ts'
import { buildConnectHeaders, openHttpTunnel } from '../../src/client/tunnel-http.ts'
import { HandshakeError } from '../../src/index.ts'
import { rejection } from '../server/support.ts'
import { type FakeProxy, fakeHttpProxy } from './fake-proxy.ts'
import { fakeServer } from './fake-server.ts'

async function tunnel(proxy: FakeProxy, to = { host: 'a.example', port: 443 }) {
  const opening = new Opening(2000, undefined)
  onTestFinished(() => opening.fail(new Error('the test is over')))
  const stream = opening.own(tcpConnect(proxy.port, '127.0.0.1'))
  const options = resolveProxyOptions({
    url: `http://ann:secret@127.0.0.1:${proxy.port}`,
    headers: { 'X-A': 'b' },
  })
  await openHttpTunnel(opening, stream, options, to, 'test')
  return stream
}

describe('openHttpTunnel', () => {
  test('asks as it should', async () => {
    const proxy = await fakeHttpProxy(() => 'HTTP/1.1 200 OK\r\n\r\n')
    await tunnel(proxy)
    expect(proxy.asked[0]!.split('\r\n')).toEqual([
      'CONNECT a.example:443 HTTP/1.1',
      'Host: a.example:443',
      'User-Agent: test',
      'Proxy-Authorization: Basic YW5uOnNlY3JldA==',
      'X-A: b',
      'Connection: keep-alive',
      '',
      '',
    ])
  })

  test('puts an address of IPv6 into brackets', async () => {
    const proxy = await fakeHttpProxy(() => 'HTTP/1.1 200 OK\r\n\r\n')
    await tunnel(proxy, { host: '::1', port: 80 })
    expect(proxy.asked[0]).toMatch(/^CONNECT \[::1\]:80 HTTP\/1.1\r\nHost: \[::1\]:80\r\n/)
  })

  test.each([
    ['200 without a text', 'HTTP/1.1 200\r\n\r\n'],
    ['HTTP/1.0', 'HTTP/1.0 200 Connection established\r\n\r\n'],
    ['another 2xx', 'HTTP/1.1 299 Whatever\r\n\r\n'],
    // RFC 9110 section 9.3.6: "A client MUST ignore any Content-Length or Transfer-Encoding header fields".
    ['a length that means nothing', 'HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\n'],
    ['an encoding that means nothing', 'HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n'],
  ])('takes %s', async (_what, answer) => {
    const server = await fakeServer((socket) => void socket.write('pong'))
    const proxy = await fakeHttpProxy(() => ({ forward: server.port, answer }))
    const stream = await tunnel(proxy)
    stream.write('ping\r\n\r\n')
    expect(String(await new Promise((resolve) => stream.once('data', resolve)))).toBe('pong')
  })

  test('keeps what came behind the answer', async () => {
    const proxy = await fakeHttpProxy(() => 'HTTP/1.1 200 OK\r\n\r\nearly bytes')
    const stream = await tunnel(proxy)
    expect(String(await new Promise((resolve) => stream.once('data', resolve)))).toBe('early bytes')
  })

  test.each([
    [407, 'Proxy Authentication Required', /user and password/],
    [403, 'Forbidden', /does not allow/],
    [502, 'Bad Gateway', /cannot reach/],
    [302, 'Found', /answered 302 Found$/],
    [100, 'Continue', /answered 100 Continue$/],
  ])('is refused with %i', async (status, text, words) => {
    const proxy = await fakeHttpProxy(
      () => `HTTP/1.1 ${status} ${text}\r\nProxy-Authenticate: Basic\r\nContent-Length: 4\r\n\r\nbody`,
    )
    const error = await rejection(tunnel(proxy))
    expect(error).toBeInstanceOf(HandshakeError)
    expect(error).toMatchObject({ code: 'WS_PROXY_FAILED', status, phase: 'proxy' })
    expect((error as Error).message).toContain(`http://127.0.0.1:${proxy.port} answered ${status} ${text}`)
    expect((error as Error).message).toMatch(words)
    expect(String(error)).not.toContain('secret')
  })

  test.each([
    ['no HTTP', 'SSH-2.0-OpenSSH_9.6\r\n\r\n', /^HPE_/],
    ['endless headers', `HTTP/1.1 200 OK\r\n${'X: y\r\n'.repeat(10_000)}`, /^HPE_HEADER_OVERFLOW$/],
  ])('fails for %s', async (_what, answer, code) => {
    const error = await rejection(tunnel(await fakeHttpProxy(() => answer)))
    expect((error as NodeJS.ErrnoException).code).toMatch(code)
  })
})

describe('buildConnectHeaders', () => {
  test('lets headers of the user replace ours', () => {
    const headers = { 'user-agent': 'mine', 'PROXY-AUTHORIZATION': 'Bearer x' }
    const proxy = resolveProxyOptions({ url: 'http://ann:secret@proxy', headers })
    expect(buildConnectHeaders(proxy, 'a:1', 'test')).toEqual([
      ['Host', 'a:1'],
      ['user-agent', 'mine'],
      ['PROXY-AUTHORIZATION', 'Bearer x'],
      ['Connection', 'keep-alive'],
    ])
    expect(buildConnectHeaders(resolveProxyOptions('http://proxy'), 'a:1', undefined)).toEqual([
      ['Host', 'a:1'],
      ['Connection', 'keep-alive'],
    ])
  })

  test.each([
    ['X-A', 'b\r\nX-B: c'],
    ['X-A', '\0'],
    ['X A', 'b'],
    ['', 'b'],
    ['Host', 'b'],
    ['content-length', '5'],
    ['Transfer-Encoding', 'chunked'],
  ])('refuses the header %j: %j', (name, value) => {
    const proxy = resolveProxyOptions({ url: 'http://proxy', headers: [[name, value]] })
    expect(() => buildConnectHeaders(proxy, 'a:1', undefined)).toThrow(TypeError)
  })
})
