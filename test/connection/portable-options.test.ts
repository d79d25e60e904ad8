import { describe, expect, test } from 'vitest'
import {
  checkHandler,
  checkStreamSize,
  resolveOpenTimeout,
  resolvePortableOptions,
} from '../../src/connection/portable-options.ts'

test('has a default for each option', () => {
  expect(resolvePortableOptions({})).toEqual({
    closeTimeout: 10_000,
    accept: 'any',
    receiveHighWaterMark: 16,
    receiveLowWaterMark: 4,
    sendHighWaterMark: 64 * 1024,
    maxBufferedAmount: 64 * 1024 * 1024,
    logger: console,
  })
})

test('takes what it is given, and nothing else', () => {
  const logger = { error: () => {} }
  const options = {
    closeTimeout: 1,
    accept: 'text' as const,
    receiveHighWaterMark: 100,
    sendHighWaterMark: 0,
    maxBufferedAmount: 5,
    logger,
  }
  expect(resolvePortableOptions({ ...options, pingInterval: 5 })).toEqual({
    ...options,
    receiveLowWaterMark: 25,
  })
})

test.each([
  ['accept', 'frames', 'must be'],
  ['receiveHighWaterMark', 0, 'at least 1'],
  ['receiveLowWaterMark', 16, 'must be below receiveHighWaterMark (16)'],
  ['sendHighWaterMark', -1, 'at least 0'],
  ['maxBufferedAmount', 0.5, 'whole number'],
  ['closeTimeout', -1, 'above 0'],
  ['logger', {}, 'method error()'],
])('a wrong %s: %j throws naming it', (name, value, message) => {
  expect(() => resolvePortableOptions({ [name]: value })).toThrow(name)
  expect(() => resolvePortableOptions({ [name]: value })).toThrow(message)
})

describe('checkStreamSize', () => {
  test('takes what is at least maxMessageSize, and Infinity', () => {
    expect(checkStreamSize(10, 10)).toBe(10)
    expect(checkStreamSize(Number.POSITIVE_INFINITY, 10)).toBe(Number.POSITIVE_INFINITY)
    expect(() => checkStreamSize(9, 10)).toThrow('maxStreamSize (9) must be at least maxMessageSize (10)')
    expect(() => checkStreamSize(10.5, 10)).toThrow('maxStreamSize must be a whole number')
  })
})

describe('resolveOpenTimeout', () => {
  test('fills in 10 s, and takes no time without an end', () => {
    expect(resolveOpenTimeout(undefined)).toBe(10_000)
    expect(resolveOpenTimeout(5)).toBe(5)
    expect(() => resolveOpenTimeout(false as never)).toThrow(
      new TypeError('openTimeout must be a number of ms'),
    )
    expect(() => resolveOpenTimeout(0)).toThrow('openTimeout must be above 0')
  })
})

describe('checkHandler', () => {
  test('takes an object, or none', () => {
    expect(() => checkHandler(undefined)).not.toThrow()
    expect(() => checkHandler({})).not.toThrow()
    for (const wrong of [null, () => {}, 'open']) {
      expect(() => checkHandler(wrong as never)).toThrow('handler must be an object')
    }
  })
})
