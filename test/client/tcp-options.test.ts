import { lookup } from 'node:dns'
import { describe, expect, test } from 'vitest'
import { checkPort, resolveTcpOptions, type TcpOptions } from '../../src/client/tcp-options.ts'

describe('resolveTcpOptions', () => {
  test('fills in defaults', () => {
    expect(resolveTcpOptions({})).toEqual({
      family: 0,
      lookup: undefined,
      noDelay: true,
      keepAlive: 30_000,
    })
  })

  test('keeps what is given', () => {
    const given: TcpOptions = {
      localAddress: '::1',
      localPort: 4000,
      family: 6,
      autoSelectFamily: false,
      autoSelectFamilyAttemptTimeout: 50,
      lookup,
      noDelay: false,
      keepAlive: 5000,
    }
    expect(resolveTcpOptions(given)).toEqual(given)
    expect(resolveTcpOptions({ keepAlive: false }).keepAlive).toBeUndefined()
  })

  test.each<[string, unknown]>([
    ['tcp', null],
    ['tcp', 'fast'],
    ['localAddress', { localAddress: 'localhost' }],
    ['localAddress', { localAddress: 1 }],
    ['localPort', { localPort: -1 }],
    ['localPort', { localPort: '1' }],
    ['family', { family: 5 }],
    ['family', { family: '4' }],
    ['autoSelectFamily', { autoSelectFamily: 1 }],
    ['autoSelectFamilyAttemptTimeout', { autoSelectFamilyAttemptTimeout: 0 }],
    ['autoSelectFamilyAttemptTimeout', { autoSelectFamilyAttemptTimeout: true }],
    ['lookup', { lookup: 'dns' }],
    ['noDelay', { noDelay: 0 }],
    ['keepAlive', { keepAlive: true }],
    ['keepAlive', { keepAlive: -1 }],
    ['keepAlive', { keepAlive: Number.NaN }],
    ['keepAlive', { keepAlive: 2 ** 31 }],
  ])('refuses a wrong %s: %o', (name, options) => {
    expect(() => resolveTcpOptions(options as TcpOptions)).toThrow(name)
  })
})

test.each([-1, 65_536, 1.5, Number.NaN, '80'])('checkPort refuses %s', (port) => {
  expect(() => checkPort('port', port as number)).toThrow(RangeError)
})
