import { describe, expect, test } from 'vitest'
import { assertHandler, resolveUpgradeOptions, type UpgradeOptions } from '../../src/server/options.ts'

describe('resolveUpgradeOptions', () => {
  test('fills in defaults', () => {
    expect(resolveUpgradeOptions({})).toMatchObject({
      onHandshake: undefined,
      origins: undefined,
      hosts: undefined,
      subprotocols: [],
      headers: [],
      responseHeaders: {},
      openTimeout: 10_000,
      connection: { limits: { maxMessageSize: 1024 * 1024 } },
    })
  })

  test('keeps what is given', () => {
    const onHandshake = (): undefined => undefined
    const given: UpgradeOptions = {
      onHandshake,
      origins: ['https://a.example'],
      hosts: ['a.example'],
      subprotocols: ['chat'],
      headers: { 'X-A': 'b' },
      openTimeout: 5,
      maxMessageSize: 7,
    }
    expect(resolveUpgradeOptions(given)).toMatchObject({
      onHandshake,
      origins: ['https://a.example'],
      hosts: ['a.example'],
      subprotocols: ['chat'],
      headers: [['X-A', 'b']],
      responseHeaders: { 'x-a': 'b' },
      openTimeout: 5,
      connection: { limits: { maxMessageSize: 7 } },
    })
  })

  test.each<[string, object]>([
    ['onHandshake', { onHandshake: 1 }],
    ['origins', { origins: '*' }],
    ['origins', { origins: ['*'] }],
    ['origins', { origins: [1] }],
    ['hosts', { hosts: 'localhost' }],
    ['subprotocols', { subprotocols: 'chat' }],
    ['subprotocols', { subprotocols: ['chat', 'chat'] }],
    ['X A', { headers: { 'X A': 'b' } }],
    ['X-A', { headers: { 'X-A': 'b\nc' } }],
    ['X-A', { headers: { 'X-A': 5 } }],
    ['Sec-WebSocket-Accept', { headers: { 'Sec-WebSocket-Accept': 'x' } }],
    ['openTimeout', { openTimeout: -1 }],
    ['openTimeout', { openTimeout: Number.NaN }],
    ['openTimeout', { openTimeout: 2 ** 31 }],
    ['openTimeout', { openTimeout: false }],
    ['pingTimeout', { pingTimeout: 'never' }],
  ])('refuses a wrong %s: %o', (name, options) => {
    let error: unknown
    try {
      resolveUpgradeOptions(options)
    } catch (thrown) {
      error = thrown
    }
    expect(error instanceof TypeError || error instanceof RangeError).toBe(true)
    expect(String(error)).toContain(name)
  })
})

describe('assertHandler', () => {
  test.each([[() => {}], [{}], [{ message: () => {} }]])('takes %o', (handler) => {
    expect(() => assertHandler(handler)).not.toThrow()
  })

  test.each([undefined, null, 'echo', 1, true])('refuses %o', (handler) => {
    expect(() => assertHandler(handler)).toThrow(TypeError)
  })
})
