import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { parseWebSocketUrl, type WebSocketUrl } from '../../src/handshake/url.ts'

const PLAIN: WebSocketUrl = {
  secure: false,
  hostname: 'example.com',
  port: 80,
  host: 'example.com',
  target: '/',
  username: '',
  password: '',
  socketPath: undefined,
}
const SOCKET: WebSocketUrl = {
  ...PLAIN,
  hostname: 'localhost',
  host: 'localhost',
  socketPath: '/run/app.sock',
}

describe('parseWebSocketUrl', () => {
  test.each<[string, Partial<WebSocketUrl>]>([
    ['ws://example.com', {}],
    ['ws://example.com:80/', {}],
    ['WS://EXAMPLE.com/', {}],
    ['http://example.com', {}],
    ['wss://example.com', { secure: true, port: 443 }],
    ['wss://example.com:443', { secure: true, port: 443 }],
    ['https://example.com', { secure: true, port: 443 }],
    ['wss://example.com:80', { secure: true, host: 'example.com:80' }],
    ['ws://example.com:8080/chat', { port: 8080, host: 'example.com:8080', target: '/chat' }],
    ['ws://example.com?a=b', { target: '/?a=b' }],
    ['ws://example.com/a b?c d', { target: '/a%20b?c%20d' }],
    ['ws://example.com/ü?ä', { target: '/%C3%BC?%C3%A4' }],
    ['ws://[::1]', { hostname: '::1', host: '[::1]' }],
    ['ws://[::1]:8080', { hostname: '::1', host: '[::1]:8080', port: 8080 }],
    ['ws://bücher.example', { hostname: 'xn--bcher-kva.example', host: 'xn--bcher-kva.example' }],
    ['ws://user@example.com', { username: 'user' }],
    ['ws://us%20er:p%40s%3As%25@example.com', { username: 'us er', password: 'p@s:s%' }],
  ])('reads %s', (url, expected) => {
    expect(parseWebSocketUrl(url)).toEqual({ ...PLAIN, ...expected })
    expect(parseWebSocketUrl(new URL(url))).toEqual({ ...PLAIN, ...expected })
  })

  test.each<[string, Partial<WebSocketUrl>]>([
    ['ws+unix:/run/app.sock', {}],
    ['ws+unix:///run/app.sock', {}],
    ['ws+unix:/run/app.sock:', {}],
    ['ws+unix:/run/app.sock:/path?query', { target: '/path?query' }],
    ['ws+unix:/run/app.sock?query', { target: '/?query' }],
    ['ws+unix:/run/app.sock:/a:b', { target: '/a:b' }],
    ['wss+unix:/run/app.sock:/path', { secure: true, port: 443, target: '/path' }],
    ['ws+unix:/run/my app%3A1.sock:/a b', { socketPath: '/run/my app:1.sock', target: '/a%20b' }],
    ['ws+unix:./app.sock:/a b c', { socketPath: './app.sock', target: '/a%20b%20c' }],
  ])('reads %s', (url, expected) => {
    expect(parseWebSocketUrl(url)).toEqual({ ...SOCKET, ...expected })
  })

  test('leaves a given URL as it is', () => {
    const url = new URL('https://user:secret@example.com/?a')
    parseWebSocketUrl(url)
    expect(url.href).toBe('https://user:secret@example.com/?a')
  })

  test.each([
    ['', 'the WebSocket address "" cannot be parsed: an address looks like "wss://example.com/path"'],
    ['/chat', '"/chat" cannot be parsed'],
    ['ws://', '"ws://" cannot be parsed'],
    ['ws://exa mple.com', 'cannot be parsed'],
    ['ws://example.com:65536', 'cannot be parsed'],
    ['ftp://example.com', 'has the scheme "ftp:": an address looks like'],
    ['example.com:8080', 'has the scheme "example.com:"'],
    ['ws://example.com/#top', 'has a fragment, which WebSocket addresses must not have (RFC 6455 section 3)'],
    ['ws://example.com/#', 'has a fragment'],
    ['ws+unix:/run/app.sock#', 'has a fragment'],
    ['ws+unix:', 'names no socket: an address of a Unix socket looks like "ws+unix:/run/app.sock:/path"'],
    ['ws+unix::/path', 'names no socket'],
    ['ws+unix://run/app.sock', 'names a host: write one slash after the scheme'],
    ['ws+unix:/run/app.sock:path', 'has a request path that does not begin with "/"'],
    ['ws+unix:/run/%E4.sock', 'has a socket path with broken percent-encoding'],
    ['ws://us%er@example.com', 'has a user name with broken percent-encoding'],
    ['ws://user:100%@example.com', 'has a password with broken percent-encoding: write "%25"'],
  ])('refuses %j', (url, message) => {
    expect(() => parseWebSocketUrl(url)).toThrow(TypeError)
    expect(() => parseWebSocketUrl(url)).toThrow(message)
  })

  test.each([
    ['ws://user:secret@example.com/#', '"ws://***@example.com/#"'],
    ['ws://user:secret@exa mple.com', '"ws://***@exa mple.com"'],
    ['ws://user:secret/secret@example.com', '"ws://***@example.com"'],
    ['ws://user:secret?secret@example.com', '"ws://***@example.com"'],
    ['ws://user:secret@secret@exa mple.com', '"ws://***@exa mple.com"'],
    ['user:secret@example.com', '"user:***@example.com"'],
    ['secret@example.com', '"***@example.com"'],
    ['ftp://example.com/?token=secret', '"ftp://example.com/?***"'],
    ['ws://exa mple.com/?token=secret#secret', '"ws://exa mple.com/?***"'],
  ])('hides the secrets of %s', (url, shown) => {
    expect(() => parseWebSocketUrl(url)).toThrow(shown)
    expect(() => parseWebSocketUrl(url)).not.toThrow(/secret/)
  })

  test('CVE-2026-1527: makes line breaks part of no target, host or name', () => {
    const url = parseWebSocketUrl('ws://exa\r\nmple.com/\r\n\tchat?\r\nX: y')
    expect(url).toEqual({ ...PLAIN, target: '/chat?X:%20y' })
    expect(parseWebSocketUrl('ws+unix:./a:/b%0D%0A\0c').target).toBe('/b%0D%0A%00c')
  })

  test('survives any text', () => {
    // Invariant: any text gives an address with a printable target that begins with "/", or a TypeError.
    const text = fc.oneof(
      fc.webUrl({ withQueryParameters: true }),
      fc.string({ unit: 'binary' }).map((rest) => `ws://${rest}`),
      fc.string({ unit: 'binary' }).map((rest) => `ws+unix:${rest}`),
      fc.string({ unit: 'binary' }),
    )
    fc.assert(
      fc.property(text, (url) => {
        try {
          expect(parseWebSocketUrl(url).target).toMatch(/^\/[!-~]*$/)
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError)
        }
      }),
      { numRuns: 1000 },
    )
  })
})
