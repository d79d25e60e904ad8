import { describe, expect, test } from 'vitest'
import { resolveConnectOptions } from '../../src/client/options.ts'

describe('resolveConnectOptions', () => {
  test('fills in defaults', () => {
    expect(resolveConnectOptions({})).toMatchObject({
      headers: [],
      subprotocols: [],
      origin: undefined,
      userAgent: 'openline',
      tls: {},
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

  test('leaves the User-Agent out when told so', () => {
    expect(resolveConnectOptions({ userAgent: false }).userAgent).toBeUndefined()
  })

  test.each<[string, object]>([
    ['subprotocols', { subprotocols: 'chat' }],
    ['subprotocols', { subprotocols: ['a', 'a'] }],
    ['openTimeout', { openTimeout: 0 }],
    ['openTimeout', { openTimeout: '1' }],
    ['openTimeout', { openTimeout: false }],
    ['openTimeout', { openTimeout: Number.POSITIVE_INFINITY }],
    ['handler', { handler: () => {} }],
    ['handler', { handler: null }],
    ['tls', { tls: true }],
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
