import { runInNewContext } from 'node:vm'
import { describe, expect, test } from 'vitest'
import { type HeaderSource, resolveConnectOptions } from '../../src/client/options.ts'

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

  test.each<[string, HeaderSource, [string, string][]]>([
    [
      'an object',
      { 'X-A': 'b', 'X-C': '' },
      [
        ['X-A', 'b'],
        ['X-C', ''],
      ],
    ],
    ['an object without a prototype', Object.assign(Object.create(null), { 'X-A': 'b' }), [['X-A', 'b']]],
    ['an object of another realm', runInNewContext('({ "X-A": "b" })'), [['X-A', 'b']]],
    ['Headers', new Headers({ 'X-A': 'b' }), [['x-a', 'b']]],
    ['a Map', new Map([['X-A', 'b']]), [['X-A', 'b']]],
    [
      'a list of pairs',
      [
        ['X-A', 'b'],
        ['X-A', 'c'],
      ],
      [
        ['X-A', 'b'],
        ['X-A', 'c'],
      ],
    ],
    ['what can be gone through once', new Map([['X-A', 'b']]).entries(), [['X-A', 'b']]],
    ['nothing in them', new Headers(), []],
  ])('takes headers as %s', (_what, headers, expected) => {
    expect(resolveConnectOptions({ headers }).headers).toEqual(expected)
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
