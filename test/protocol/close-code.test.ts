import { describe, expect, test } from 'vitest'
import {
  CloseCode,
  explainCloseCode,
  isOrdinaryClose,
  isValidCloseCode,
} from '../../src/protocol/close-code.ts'

const ALL = Array.from({ length: 5001 }, (_, code) => code)

describe('CloseCode', () => {
  // RFC 6455 section 7.4.1, and the registry of section 11.7 for 1012-1014.
  test('has the numbers of the registry', () => {
    expect(CloseCode).toEqual({
      Normal: 1000,
      GoingAway: 1001,
      ProtocolError: 1002,
      UnsupportedData: 1003,
      NoCode: 1005,
      Abnormal: 1006,
      InvalidPayload: 1007,
      PolicyViolation: 1008,
      MessageTooBig: 1009,
      MandatoryExtension: 1010,
      InternalError: 1011,
      ServiceRestart: 1012,
      TryAgainLater: 1013,
      BadGateway: 1014,
      TlsFailure: 1015,
    })
  })
})

describe('isValidCloseCode', () => {
  test('allows 1000-1003, 1007-1014 and 3000-4999 of all codes up to 5000', () => {
    const valid = ALL.filter(isValidCloseCode)
    expect(valid.slice(0, 12)).toEqual([
      1000, 1001, 1002, 1003, 1007, 1008, 1009, 1010, 1011, 1012, 1013, 1014,
    ])
    expect(valid.slice(12)).toEqual(Array.from({ length: 2000 }, (_, index) => 3000 + index))
  })

  test('refuses what is no code at all', () => {
    for (const code of [-1000, 65535, 65536, Number.NaN, Number.POSITIVE_INFINITY]) {
      expect(isValidCloseCode(code)).toBe(false)
    }
  })
})

describe('isOrdinaryClose', () => {
  test('is true for 1000, 1001 and no code, and nothing else', () => {
    expect(ALL.filter(isOrdinaryClose)).toEqual([1000, 1001, 1005])
  })
})

describe('explainCloseCode', () => {
  test.each([
    [999, '999 (unknown)'],
    [1000, '1000 (normal closure)'],
    [1001, '1001 (going away)'],
    [1002, '1002 (protocol error)'],
    [1003, '1003 (unsupported data)'],
    [1004, '1004 (unknown)'],
    [1005, '1005 (no close code)'],
    [1006, '1006 (no close frame)'],
    [1007, '1007 (invalid payload)'],
    [1008, '1008 (policy violation)'],
    [1009, '1009 (message too big)'],
    [1010, '1010 (missing extension)'],
    [1011, '1011 (internal error)'],
    [1012, '1012 (service restart)'],
    [1013, '1013 (try again later)'],
    [1014, '1014 (bad gateway)'],
    [1015, '1015 (TLS failure)'],
    [1016, '1016 (unknown)'],
    [2999, '2999 (unknown)'],
    [3000, '3000 (registered)'],
    [3999, '3999 (registered)'],
    [4000, '4000 (private use)'],
    [4999, '4999 (private use)'],
    [5000, '5000 (unknown)'],
  ])('puts %i into words', (code, words) => {
    expect(explainCloseCode(code)).toBe(words)
  })

  test('has words for every code that has a name', () => {
    for (const code of Object.values(CloseCode)) expect(explainCloseCode(code)).not.toMatch(/unknown/)
  })
})
