import { describe, expect, test } from 'vitest'
import {
  ConnectionClosedError,
  HandshakeError,
  HandshakeRejectedError,
  ProtocolError,
  StateError,
  WebSocketTimeoutError,
} from '../../src/errors.ts'
import { isTransient, retryAfterOf } from '../../src/reconnect/transient.ts'
import { closeInfo } from './support.ts'

function rejected(status: number, headers: Record<string, string> = {}): HandshakeRejectedError {
  return new HandshakeRejectedError({ status, statusText: '', headers, body: '' })
}

function failed(code: string, cause: Error = new Error('cause')): HandshakeError {
  return new HandshakeError({
    code: 'WS_CONNECT_FAILED',
    detail: '',
    status: 0,
    cause: Object.assign(cause, { code }),
  })
}

describe('isTransient', () => {
  test.each([408, 425, 429, 500, 502, 503, 504, 599])('tries again after status %i', (status) => {
    expect(isTransient(rejected(status))).toBe(true)
  })

  test.each([300, 301, 400, 401, 403, 404, 407, 426, 451, 499, 600])('gives up after status %i', (status) => {
    expect(isTransient(rejected(status))).toBe(false)
  })

  test.each([1000, 1001, 1005, 1006, 1011, 1012, 1013, 1014])('tries again after close code %i', (code) => {
    expect(isTransient(new ConnectionClosedError(closeInfo({ code })))).toBe(true)
  })

  test.each([1002, 1003, 1007, 1008, 1009, 1010, 3000, 4000, 4999])(
    'gives up after close code %i',
    (code) => {
      expect(isTransient(new ConnectionClosedError(closeInfo({ code })))).toBe(false)
    },
  )

  test.each([
    'ECONNREFUSED',
    'ECONNRESET',
    'ENOTFOUND',
    'EAI_AGAIN',
    'ETIMEDOUT',
    'EHOSTUNREACH',
    'ENOENT',
    'EMFILE',
    'ENOBUFS',
  ])('tries again after %s', (code) => {
    expect(isTransient(failed(code))).toBe(true)
  })

  test.each(['CERT_HAS_EXPIRED', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'HPE_INVALID_CONSTANT', 'EACCES'])(
    'gives up after %s',
    (code) => {
      expect(isTransient(failed(code))).toBe(false)
    },
  )

  test.each([
    [503, true],
    [502, true],
    [407, false],
    [403, false],
  ])('takes the status %i of a proxy as that of a server: %s', (status, isWorthIt) => {
    const error = new HandshakeError({ code: 'WS_PROXY_FAILED', detail: '', status, phase: 'proxy' })
    expect(isTransient(error)).toBe(isWorthIt)
  })

  test('looks at what is within: several addresses of a name, a token that could not be fetched', () => {
    const cause = new AggregateError([Object.assign(new Error(''), { code: 'ECONNREFUSED' })])
    expect(isTransient(failed('', cause))).toBe(true)
    const fetched = new TypeError('fetch failed', {
      cause: Object.assign(new Error(), { code: 'UND_ERR_SOCKET' }),
    })
    expect(isTransient(fetched)).toBe(true)
    expect(isTransient(new DOMException('late', 'TimeoutError'))).toBe(true)
  })

  test('tries again after a timeout of ours', () => {
    expect(isTransient(new WebSocketTimeoutError('open', 1000))).toBe(true)
  })

  test.each([
    new TypeError('headers must be an object'),
    new RangeError('openTimeout'),
    new StateError('WS_APP_NOT_OPEN'),
    new ProtocolError('WS_BAD_UTF8'),
    new HandshakeError({ code: 'WS_BAD_ACCEPT', detail: 'missing', status: 0 }),
    new DOMException('aborted', 'AbortError'),
    new ConnectionClosedError(undefined),
    'a string',
    undefined,
    null,
    42,
  ])('gives up after %s', (error) => {
    expect(isTransient(error)).toBe(false)
  })

  test('survives causes that go round in a circle', () => {
    const one = new Error('one')
    const other = new Error('other', { cause: one })
    Object.assign(one, { cause: other })
    expect(isTransient(one)).toBe(false)
  })
})

describe('retryAfterOf', () => {
  const wall = Date.UTC(2026, 0, 1)
  test.each([
    ['5', 5000],
    [' 120 ', 120_000],
    ['0', 0],
    ['Thu, 01 Jan 2026 00:00:30 GMT', 30_000],
    ['Wed, 31 Dec 2025 23:59:59 GMT', 0],
    ['-5', 0],
    ['soon', 0],
    ['', 0],
    ['1.5', 0],
    ['99999999999999999999999', 3_600_000],
    ['Thu, 01 Jan 2099 00:00:00 GMT', 3_600_000],
  ])('reads %o as %i ms', (value, wait) => {
    expect(retryAfterOf(rejected(503, { 'retry-after': value }), wall)).toBe(wait)
  })

  test('is 0 without the header and for other errors', () => {
    expect(retryAfterOf(rejected(503), wall)).toBe(0)
    expect(retryAfterOf(new Error('other'), wall)).toBe(0)
    expect(retryAfterOf(undefined, wall)).toBe(0)
  })
})

test('isTransient tries again after a failure that a browser does not explain', () => {
  const error = new HandshakeError({ code: 'WS_FAILED_IN_BROWSER', detail: '', status: 0 })
  expect(isTransient(error)).toBe(true)
})
