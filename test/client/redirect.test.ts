import { describe, expect, test } from 'vitest'
import {
  isRedirect,
  isSameOrigin,
  resolveRedirect,
  withoutPrivateHeaders,
  withoutPrivateTls,
} from '../../src/client/redirect.ts'
import { parseWebSocketUrl } from '../../src/handshake/url.ts'

describe('isRedirect', () => {
  test.each([
    [300, '/a', true],
    [301, '/a', true],
    [302, '/a', true],
    [303, '/a', true],
    [307, '/a', true],
    [308, '/a', true],
    [302, '', true],
    [300, undefined, false],
    [302, undefined, false],
    [200, '/a', false],
    [304, '/a', false],
    [305, '/a', false],
    [306, '/a', false],
    [401, '/a', false],
  ])('%i with Location %j: %s', (status, location, expected) => {
    expect(isRedirect(status, location)).toBe(expected)
  })
})

/** Write an address so that one sees all of it. */
function resolve(from: string, location: string): string {
  const url = resolveRedirect(parseWebSocketUrl(from), location)
  if (typeof url === 'string') return url
  const user = url.username || url.password ? `${url.username}:${url.password}@` : ''
  return `${url.secure ? 'wss' : 'ws'}://${user}${url.host}${url.target}`
}

describe('resolveRedirect', () => {
  test.each([
    // relative (RFC 3986 section 5.4)
    ['ws://a/b/c/d?q', 'g', 'ws://a/b/c/g'],
    ['ws://a/b/c/d?q', './g', 'ws://a/b/c/g'],
    ['ws://a/b/c/d?q', '/g', 'ws://a/g'],
    ['ws://a/b/c/d?q', '//g', 'ws://g/'],
    ['ws://a/b/c/d?q', '?y', 'ws://a/b/c/d?y'],
    ['ws://a/b/c/d?q', '../g', 'ws://a/b/g'],
    ['ws://a/b/c/d?q', '../../../../g', 'ws://a/g'],
    ['ws://a/b/c/d?q', '', 'ws://a/b/c/d?q'],
    ['ws://a/b/c/d?q', '#s', 'ws://a/b/c/d?q'],
    ['ws://a:81/b', '/g', 'ws://a:81/g'],
    ['wss://[::1]:81/b', '/g', 'wss://[::1]:81/g'],
    // absolute
    ['ws://a/', 'ws://b/c', 'ws://b/c'],
    ['ws://a/', 'http://b/c', 'ws://b/c'],
    ['ws://a/', 'https://b/c', 'wss://b/c'],
    ['ws://a/', 'wss://b/c', 'wss://b/c'],
    ['ws://a/', 'HTTP://B:80/c', 'ws://b/c'],
    ['ws://a/', 'https://b:443/c', 'wss://b/c'],
    ['ws://a/', 'https://b:80/c', 'wss://b:80/c'],
    ['wss://a/', 'https://b/', 'wss://b/'],
    // what is left out
    ['ws://a/', 'ws://b/c#d', 'ws://b/c'],
    ['ws://a/', 'ws://ann:secret@b/c', 'ws://b/c'],
    ['ws://a/', '//ann@b/c', 'ws://b/c'],
    ['ws://a/', 'ws://%@b/', 'ws://b/'],
    // what could end a line
    ['ws://a/', '/b c', 'ws://a/b%20c'],
    ['ws://a/', '/b\r\nX: y', 'ws://a/bX:%20y'],
    ['ws://a/', '/\u00e9', 'ws://a/%C3%A9'],
    // Node gives each byte as a character, and servers write UTF-8.
    ['ws://a/', '/caf\u00c3\u00a9', 'ws://a/caf%C3%A9'],
    ['ws://a/', '//b\u00c3\u00bccher/', 'ws://xn--bcher-kva/'],
  ])('%s to %j', (from, location, expected) => {
    expect(resolve(from, location)).toBe(expected)
  })

  test.each([
    ['wss://a/', 'ws://a/', /away from TLS/],
    ['wss://a/', 'http://a/', /away from TLS/],
    ['wss://a/', 'http://b:443/', /away from TLS/],
    ['ws://a/', 'ftp://b/', /the scheme "ftp:"/],
    ['ws://a/', 'ws+unix:/run/app.sock', /the scheme "ws\+unix:"/],
    ['ws://a/', 'file:///etc/passwd', /the scheme "file:"/],
    ['ws://a/', 'javascript:alert(1)', /the scheme "javascript:"/],
    ['ws://a/', 'ws://', /no address/],
    ['ws://a/', 'ws://a:99999/', /no address/],
    ['ws://a/', '//[', /no address/],
  ])('refuses %s to %j', (from, location, words) => {
    expect(resolve(from, location)).toMatch(words)
  })
})

describe('isSameOrigin', () => {
  test.each([
    ['ws://a/', 'ws://a:80/b?c', true],
    ['ws://A/', 'ws://a/', true],
    ['wss://a/', 'wss://a:443/', true],
    ['ws://a/', 'wss://a/', false],
    ['ws://a:443/', 'wss://a:443/', false],
    ['ws://a/', 'ws://a:81/', false],
    ['ws://a/', 'ws://b/', false],
    ['ws://a/', 'ws://b.a/', false],
    ['ws://a/', 'ws://a./', false],
  ])('%s and %s: %s', (left, right, expected) => {
    expect(isSameOrigin(parseWebSocketUrl(left), parseWebSocketUrl(right))).toBe(expected)
  })
})

test('headers for one origin alone are left out, in any case', () => {
  const headers = [
    ['AUTHORIZATION', 'a'],
    ['X-A', 'b'],
    ['cookie', 'c'],
    ['Proxy-Authorization', 'd'],
    ['Host', 'e'],
    ['Origin', 'f'],
    ['X-Api-Key', 'g'],
    ['X-Auth-Token', 'h'],
    ['Session', 'i'],
  ] as const
  expect(withoutPrivateHeaders(headers)).toEqual([
    ['X-A', 'b'],
    ['Origin', 'f'],
  ])
})

test('certificates of ours and the name of the server before are left out', () => {
  const tls = {
    ca: 'ca',
    cert: 'c',
    key: 'k',
    pfx: 'p',
    passphrase: 'w',
    servername: 's',
    clientCertEngine: 'e',
    privateKeyEngine: 'e',
    privateKeyIdentifier: 'i',
    minVersion: 'TLSv1.3',
  } as const
  expect(withoutPrivateTls(tls)).toEqual({ ca: 'ca', minVersion: 'TLSv1.3' })
})
