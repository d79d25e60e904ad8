import { describe, expect, test, vi } from 'vitest'
import { isSecretName, Redactor } from '../../src/trace/redact.ts'

const JWT = 'eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0In0.dBjftJeZ4CVP-mB92K27uhbUJU1p1r'
const redactor = new Redactor()

test.each([
  'Authorization',
  'Proxy-Authorization',
  'Cookie',
  'Set-Cookie',
  'X-Api-Key',
  'apiKey',
  'api_key',
  'apikey',
  'X-Auth-Token',
  'token',
  'access_token',
  'accessToken',
  'id_token_hint',
  'key',
  'auth',
  'secret',
  'client_secret',
  'password',
  'passwd',
  'pass',
  'signature',
  'X-Amz-Signature',
  'X-Amz-Credential',
  'sig',
  'code',
  'sessionId',
  'PHPSESSID_session',
  'jwt',
])('%s is the name of a secret', (name) => {
  expect(isSecretName(name)).toBe(true)
})

test.each([
  'Host',
  'Origin',
  'room',
  'encoding',
  'monkey',
  'passenger'.slice(0, 3),
  'author',
  'User-Agent',
  'v',
  '',
])('%s is none', (name) => {
  expect(isSecretName(name)).toBe(false)
})

describe('headers', () => {
  test.each([
    ['Authorization', 'Basic dXNlcjpwYXNz', 'Basic ***'],
    ['authorization', `bearer ${JWT}`, 'bearer ***'],
    ['Authorization', 'Digest username="u", response="6629fae4"', 'Digest ***'],
    ['Authorization', 'sesame', '***'],
    ['Authorization', 'open sesame', '***'],
    ['Proxy-Authorization', 'Basic dXNlcjpwYXNz', 'Basic ***'],
    ['Cookie', 'sid=1; theme=dark', '***'],
    ['Set-Cookie', 'sid=1; HttpOnly', '***'],
    ['X-Api-Key', 'k-123', '***'],
    ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ==', 'dGhlIHNhbXBsZSBub25jZQ=='],
    ['Sec-WebSocket-Accept', 's3pPLMBiTxaQ9kYGzzhZRbK+xOo=', 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='],
    ['WWW-Authenticate', 'Digest realm="r", nonce="n"', 'Digest realm="r", nonce="n"'],
    ['Sec-WebSocket-Extensions', 'permessage-deflate; client_max_window_bits=15', undefined],
    [
      'Location',
      'wss://user:pass@example.com/x?token=abc&room=1',
      'wss://***@example.com/x?token=***&room=1',
    ],
    ['Location', 'https://a@b@example.com/#access_token=abc', 'https://***@example.com/#access_token=***'],
    ['Referer', 'https://example.com/?a=1;key=2', 'https://example.com/?a=1;key=***'],
    ['X-Anything', `seen ${JWT}`, 'seen ***'],
    ['Host', 'example.com:8765', undefined],
  ])('%s: %s', (name, value, shown = value) => {
    expect(redactor.header(name, value)).toBe(shown)
  })
})

test.each([
  ['graphql-transport-ws', 'graphql-transport-ws'],
  ['chat.v2,chat.v1', 'chat.v2, chat.v1'],
  ['ocpp1.6, ocpp2.0.1', 'ocpp1.6, ocpp2.0.1'],
  ['v4.channel.k8s.io', 'v4.channel.k8s.io'],
  [JWT, '***'],
  [`chat, ${JWT}`, 'chat, ***'],
  ['base64url.bearer.authorization.k8s.io.ZXlKaGJHY2lPaUpTVXpJMU5pSXNJbXRwWkNJNklpSjk', '***'],
  ['access_token, short', 'access_token, ***'],
  ['bearer, short, chat', 'bearer, ***, chat'],
  ['6ba7b810-9dad-11d1-80b4-00c04fd430c8', '***'],
  ['dGhpc0lzQVNlY3JldEtleQ==', '***'],
  ['a'.repeat(40), '***'],
])('the subprotocols %s are shown as %s', (value, shown) => {
  expect(redactor.header('Sec-WebSocket-Protocol', value)).toBe(shown)
})

test.each([
  ['/chat?room=1', '/chat?room=1'],
  ['/chat?token=abc', '/chat?token=***'],
  ['/chat?access_token=abc&room=1&sig=x', '/chat?access_token=***&room=1&sig=***'],
  // The name in other letters, as the server reads it all the same.
  ['/chat?%74oken=abc&TOKEN=abc', '/chat?%74oken=***&TOKEN=***'],
  ['/chat?%zz=1&token', '/chat?%zz=1&token'],
  [`/chat/${JWT}`, '/chat/***'],
  ['/?token=a=b', '/?token=***'],
])('the target %s is shown as %s', (target, shown) => {
  expect(redactor.target(target)).toBe(shown)
})

test('messages of errors do not quote tokens', () => {
  const token = '9f86d081884c7d659a2feaa0c55ad015'
  expect(redactor.message(`the client's list "bearer, ${token}," is malformed`)).toBe(
    'the client\'s list "***" is malformed',
  )
  expect(redactor.message('the host "a" with the target "/?token=b&room=1"')).toBe(
    'the host "a" with the target "/?token=***&room=1"',
  )
  expect(redactor.message('the host "127.0.0.1:8765" is not one of the option "hosts"')).toBe(
    'the host "127.0.0.1:8765" is not one of the option "hosts"',
  )
})

describe('with a function of the user', () => {
  test('hides more', () => {
    const own = new Redactor((name, value) =>
      name === 'X-Tenant' || name === 'room' ? value.length.toString() : undefined,
    )
    expect(own.header('X-Tenant', 'acme')).toBe('4')
    expect(own.header('X-Other', 'acme')).toBe('acme')
    expect(own.target('/?room=abc&v=1')).toBe('/?room=3&v=1')
  })

  test('is asked about the whole target, with what was hidden', () => {
    const redact = vi.fn((name: string) => (name === 'target' ? '/hidden' : undefined))
    expect(new Redactor(redact).target('/s3cr3t/path?token=x')).toBe('/hidden')
    expect(redact).toHaveBeenLastCalledWith('target', '/s3cr3t/path?token=***')
  })

  test('cannot show what is hidden by default', () => {
    const redact = vi.fn((_: string, value: string) => value)
    const own = new Redactor(redact)
    expect(own.header('Authorization', 'Basic abc')).toBe('Basic ***')
    expect(own.header('Cookie', 'abc')).toBe('***')
    expect(redact).not.toHaveBeenCalled()
  })

  test('hides where it throws', () => {
    const own = new Redactor(() => {
      throw new Error('no')
    })
    expect(own.header('X-Tenant', 'acme')).toBe('***')
    expect(own.target('/secret')).toBe('***')
  })
})

test('takes time in proportion to what it reads', () => {
  for (const pump of ['eyJaaaaaa-', '//', '?', '?a', '&a=', ';', '%', 'aA1', '?token=', 'eyJaaaaaa.']) {
    const value = pump.repeat(Math.ceil(200_000 / pump.length))
    const start = performance.now()
    redactor.message(value)
    redactor.header('Sec-WebSocket-Protocol', value)
    isSecretName(value)
    expect(performance.now() - start, pump).toBeLessThan(3000)
  }
})
