import { describe, expect, test } from 'vitest'
import { resolveBrowserOptions } from '../../src/browser/options.ts'
import { StateError } from '../../src/errors.ts'

const resolve = (options: object): unknown => resolveBrowserOptions(options)

describe('a browser refuses', () => {
  test.each([
    ['headers', { 'X-Token': 'abc' }],
    ['headers', [['X-Token', 'abc']]],
    ['headers', new Map([['X-Token', 'abc']])],
    ['headers', 'X-Token: abc'],
    ['origin', 'https://example.com'],
    ['userAgent', 'me/1.0'],
    ['userAgent', false],
    ['tls', { ca: 'pem' }],
    ['credentials', { username: 'ada', password: 'secret' }],
    ['cookies', 'session=abc'],
    ['cookies', {}],
    ['proxy', 'http://proxy.example'],
    ['connectTo', { host: '127.0.0.1' }],
    ['socket', {}],
    ['tcp', { noDelay: true }],
    ['maxRedirects', 5],
    ['extensions', [{ name: 'x-mine' }]],
    ['trace', true],
  ])('%s: %j', (name, value) => {
    expect(() => resolve({ [name]: value })).toThrow(StateError)
    expect(() => resolve({ [name]: value })).toThrow(`a browser cannot do this: the option "${name}". `)
  })
})

describe('a browser takes', () => {
  test.each([
    ['headers', {}],
    ['headers', new Map()],
    ['headers', undefined],
    ['tls', {}],
    ['cookies', true],
    ['proxy', false],
    ['tcp', {}],
    ['maxRedirects', 0],
    ['extensions', []],
    ['trace', false],
    ['trace', undefined],
    // Hints, and what only the other end can do.
    ['pingInterval', 1000],
    ['pingInterval', false],
    ['pingTimeout', false],
    ['messageTimeout', 5000],
    ['maxFragments', 5],
    ['compression', false],
    ['compression', { level: 3 }],
  ])('%s: %j, which asks for nothing that it would not do', (name, value) => {
    expect(() => resolve({ [name]: value })).not.toThrow()
  })
})

test('the defaults are those of clients on Node', () => {
  expect(resolve({})).toEqual({
    closeTimeout: 10_000,
    accept: 'any',
    receiveHighWaterMark: 16,
    receiveLowWaterMark: 4,
    sendHighWaterMark: 64 * 1024,
    maxBufferedAmount: 64 * 1024 * 1024,
    logger: console,
    maxMessageSize: 16 * 1024 * 1024,
    maxStreamSize: 16 * 1024 * 1024,
    maxLifetime: Number.POSITIVE_INFINITY,
    subprotocols: [],
    openTimeout: 10_000,
    signal: undefined,
  })
})

test.each([
  ['subprotocols', ['not a token'], TypeError],
  ['openTimeout', 0, RangeError],
  ['openTimeout', false, TypeError],
  ['handler', 'message', TypeError],
  ['handler', null, TypeError],
  ['signal', {}, TypeError],
  ['maxMessageSize', -1, RangeError],
  ['maxStreamSize', 5, RangeError],
  ['closeTimeout', 0, RangeError],
  ['maxLifetime', 0, RangeError],
])('a wrong %s: %j throws naming it', (name, value, type) => {
  expect(() => resolve({ [name]: value })).toThrow(type)
  expect(() => resolve({ [name]: value })).toThrow(name)
})
