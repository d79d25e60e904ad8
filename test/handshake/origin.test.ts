import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  assertOriginPolicy,
  isHostAllowed,
  isOriginAllowed,
  type OriginPolicy,
} from '../../src/handshake/origin.ts'

/** Ask on behalf of a server without TLS of its own, named example.com. */
function allows(origin: string | undefined, policy?: OriginPolicy, host = 'example.com'): boolean {
  return isOriginAllowed({ origin, host, secure: false }, policy)
}

describe('isOriginAllowed without a policy', () => {
  test('allows a request without Origin, which no browser sends', () => {
    expect(allows(undefined)).toBe(true)
    expect(isOriginAllowed({ origin: undefined, host: undefined, secure: true }, undefined)).toBe(true)
  })

  test.each([
    ['http://example.com', 'example.com'],
    ['http://example.com', 'example.com:80'],
    ['http://example.com:80', 'example.com'],
    ['HTTP://EXAMPLE.com', 'Example.COM'],
    ['http://example.com:8080', 'example.com:8080'],
    ['http://localhost:3000', 'localhost:3000'],
    ['http://192.0.2.1:3000', '192.0.2.1:3000'],
    ['http://[::1]:3000', '[::1]:3000'],
    ['http://[::1]', '[::1]:80'],
    ['http://xn--bcher-kva.example', 'xn--bcher-kva.example'],
  ])('allows the origin %s at the host %s', (origin, host) => {
    expect(allows(origin, undefined, host)).toBe(true)
    expect(isOriginAllowed({ origin, host, secure: true }, undefined)).toBe(false)
  })

  test.each([
    ['https://example.com', 'example.com'],
    ['https://example.com', 'example.com:443'],
    ['https://example.com:443', 'example.com'],
    ['https://example.com:8443', 'example.com:8443'],
  ])('allows the origin %s at the host %s with TLS and behind a proxy that ended it', (origin, host) => {
    expect(isOriginAllowed({ origin, host, secure: true }, undefined)).toBe(true)
    expect(isOriginAllowed({ origin, host, secure: false }, undefined)).toBe(true)
  })

  test.each([
    ['another host', 'http://evil.example'],
    ['a subdomain', 'http://www.example.com'],
    ['a parent domain', 'http://com'],
    ['a host that begins alike', 'http://example.com.evil.example'],
    ['a host that ends alike', 'http://notexample.com'],
    ['another port', 'http://example.com:8080'],
    ['the port of another scheme', 'http://example.com:443'],
    ['null', 'null'],
    ['nothing', ''],
    ['no scheme', 'example.com'],
    ['a WebSocket scheme', 'ws://example.com'],
    ['a file', 'file://example.com'],
    ['a browser extension', 'chrome-extension://example.com'],
    ['a path', 'http://example.com/'],
    ['a query', 'http://example.com?'],
    ['a fragment', 'http://example.com#'],
    ['credentials', 'http://user@example.com'],
    ['a host disguised as credentials', 'http://example.com@evil.example'],
    ['missing slashes', 'http:example.com'],
    ['backslashes', 'http:\\\\example.com'],
    ['spaces around', ' http://example.com '],
    ['a tab inside', 'http://exam\tple.com'],
    ['a list', 'http://example.com http://evil.example'],
    ['a joined list', 'http://example.com, http://evil.example'],
    ['a port out of range', 'http://example.com:65536'],
  ])('CVE-2025-30360: refuses %s', (_what, origin) => {
    expect(allows(origin)).toBe(false)
  })

  test.each(['http://127.0.0.1', 'http://[::1]', 'http://192.168.0.1', 'http://localhost'])(
    'CVE-2025-30360: refuses %s, a local address, like any other',
    (origin) => {
      expect(allows(origin)).toBe(false)
    },
  )

  test.each([
    'user@example.com',
    'example.com/',
    'example.com, evil.example',
    ' example.com',
    'example.com:',
    'example.com:080',
    '',
  ])('refuses at the malformed host %j', (host) => {
    expect(allows('http://example.com', undefined, host)).toBe(false)
  })

  test('refuses when there is no Host to compare with', () => {
    expect(isOriginAllowed({ origin: 'http://example.com', host: undefined, secure: false }, undefined)).toBe(
      false,
    )
  })

  test('survives any text', () => {
    // Invariant: no Origin and no Host throws, and what is allowed names the host.
    const text = fc.oneof(fc.string({ unit: 'binary' }), fc.webUrl(), fc.domain())
    fc.assert(
      fc.property(text, text, fc.boolean(), (origin, host, secure) => {
        if (isOriginAllowed({ origin, host, secure }, undefined)) {
          expect(origin.toLowerCase()).toContain(host.toLowerCase().replace(/:(80|443)$/, ''))
        }
      }),
    )
  })
})

describe('isOriginAllowed with a policy', () => {
  test('allows every origin with "any"', () => {
    expect(allows('https://evil.example', 'any')).toBe(true)
    expect(allows('null', 'any')).toBe(true)
  })

  test.each([
    ['https://app.example', true],
    ['HTTPS://App.Example', true],
    ['http://app.example', false],
    ['https://app.example:8443', false],
    ['https://app.example.evil.example', false],
    ['https://www.app.example', false],
    ['null', false],
  ])('compares %s exactly with a string', (origin, expected) => {
    expect(allows(origin, ['https://other.example', 'https://APP.example'])).toBe(expected)
  })

  test('allows "null" when the list names it', () => {
    expect(allows('null', ['null'])).toBe(true)
  })

  test('allows the own origin beside a list, and only that with an empty one', () => {
    expect(allows('http://example.com', ['https://app.example'])).toBe(true)
    expect(allows('http://example.com', [])).toBe(true)
    expect(allows('https://app.example', [])).toBe(false)
  })

  test.each(['', 'g', 'y', 'gy'])('finds a pattern with the flags %j every time', (flags) => {
    const rule = new RegExp('^https://[a-z]+\\.app\\.example$', flags)
    rule.lastIndex = 5
    for (let i = 0; i < 4; i++) {
      expect(allows('https://one.app.example', [rule])).toBe(true)
      expect(allows('https://one.app.example.evil.example', [rule])).toBe(false)
    }
    expect(rule.lastIndex).toBe(5)
  })

  test('gives a pattern the header as it came', () => {
    expect(allows('https://App.Example', [/App\.Example$/])).toBe(true)
    expect(allows('https://App.Example', [/app\.example$/])).toBe(false)
  })

  test('lets a function decide alone', () => {
    const seen: string[][] = []
    const policy = (origin: string, host: string): boolean => {
      seen.push([origin, host])
      return origin === 'https://app.example'
    }
    expect(allows('https://app.example', policy)).toBe(true)
    expect(allows('http://example.com', policy)).toBe(false)
    expect(isOriginAllowed({ origin: 'https://app.example', host: undefined, secure: false }, policy)).toBe(
      true,
    )
    expect(seen).toEqual([
      ['https://app.example', 'example.com'],
      ['http://example.com', 'example.com'],
      ['https://app.example', ''],
    ])
  })

  test('refuses when the function gives a promise', () => {
    const policy = (async () => true) as unknown as OriginPolicy
    expect(allows('https://evil.example', policy)).toBe(false)
  })
})

describe('isHostAllowed', () => {
  test('allows every host without a list', () => {
    expect(isHostAllowed('evil.example', undefined)).toBe(true)
    expect(isHostAllowed(undefined, undefined)).toBe(true)
  })

  test.each([
    ['localhost', 'localhost'],
    ['LocalHost:3000', 'localhost'],
    ['localhost:', 'localhost'],
    ['localhost:1', 'LOCALHOST:2'],
    ['192.0.2.1:80', '192.0.2.1'],
    ['[::1]', '::1'],
    ['[::1]:3000', '[::1]'],
    ['[FE80::1]:80', 'fe80::1'],
  ])('allows the host %s when the list has %s', (host, allowed) => {
    expect(isHostAllowed(host, ['other.example', allowed])).toBe(true)
  })

  test.each([
    ['another host', 'evil.example'],
    ['a host that begins alike', 'localhost.evil.example'],
    ['nothing', ''],
    ['no header', undefined],
    ['a port alone', ':80'],
    ['a port that is no number', 'localhost:evil'],
    ['two ports', 'localhost:80:80'],
    ['an unclosed bracket', '[::1'],
    ['text after the bracket', '[::1]evil'],
    ['credentials', 'localhost@evil.example'],
  ])('refuses %s', (_what, host) => {
    expect(isHostAllowed(host, ['localhost', '::1', '[::1'])).toBe(false)
  })

  test('refuses every host with an empty list', () => {
    expect(isHostAllowed('localhost', [])).toBe(false)
  })

  test('survives any text', () => {
    // Invariant: no host throws.
    fc.assert(
      fc.property(fc.string({ unit: fc.constantFrom(...'a[]:1.') }), (host) => {
        expect(isHostAllowed(host, ['b'])).toBe(false)
      }),
    )
  })
})

describe('assertOriginPolicy', () => {
  test.each<[string, unknown]>([
    ['nothing', undefined],
    ['"any"', 'any'],
    ['a function', () => true],
    ['an empty list', []],
    [
      'origins',
      ['https://example.com', 'http://localhost:3000', 'chrome-extension://abc', 'null', 'file://'],
    ],
    ['patterns', [/^https:\/\/example\.com$/]],
  ])('accepts %s', (_what, policy) => {
    expect(() => assertOriginPolicy(policy)).not.toThrow()
  })

  test.each<[string, unknown]>([
    ['a string', 'https://example.com'],
    ['a boolean', true],
    ['a pattern outside a list', /x/],
    ['a number in the list', [1]],
    ['a host without scheme', ['example.com']],
    ['a missing scheme', ['://example.com']],
    ['a path', ['https://example.com/']],
    ['a wildcard', ['*']],
    ['a wildcard in the host', ['https://*.example.com']],
  ])('refuses %s', (_what, policy) => {
    expect(() => assertOriginPolicy(policy)).toThrow(TypeError)
    expect(() => assertOriginPolicy(policy)).toThrow('the option "origins"')
  })
})
