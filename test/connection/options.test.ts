import { describe, expect, test } from 'vitest'
import { type ConnectionOptions, resolveConnectionOptions } from '../../src/connection/options.ts'
import { resolveCompressionOptions } from '../../src/deflate/options.ts'
import { ROLES } from './support.ts'

const defaults = {
  pingInterval: 20_000,
  pingTimeout: 20_000,
  closeTimeout: 10_000,
  maxLifetime: Number.POSITIVE_INFINITY,
  accept: 'any',
  extensions: [],
  receiveHighWaterMark: 16,
  receiveLowWaterMark: 4,
  sendHighWaterMark: 65_536,
  maxBufferedAmount: 67_108_864,
  logger: console,
}

describe('client', () => {
  test('has its defaults', () => {
    expect(resolveConnectionOptions({}, 'client')).toEqual({
      ...defaults,
      messageTimeout: Number.POSITIVE_INFINITY,
      limits: {
        maxMessageSize: 16 * 1024 * 1024,
        maxStreamSize: 16 * 1024 * 1024,
        maxFragments: 131_072,
      },
      compression: resolveCompressionOptions({}, 'client'),
    })
  })
})

describe('server', () => {
  test('has its defaults', () => {
    expect(resolveConnectionOptions({}, 'server')).toEqual({
      ...defaults,
      messageTimeout: 60_000,
      limits: { maxMessageSize: 1024 * 1024, maxStreamSize: 1024 * 1024, maxFragments: 131_072 },
      compression: resolveCompressionOptions({}, 'server'),
    })
  })
})

describe.each(ROLES)('%s', (role) => {
  test('takes each option as it is given', () => {
    const logger = { error: () => {} }
    const given = {
      pingInterval: 1,
      pingTimeout: 2.5,
      closeTimeout: 3,
      messageTimeout: 4,
      maxLifetime: 6,
      maxMessageSize: 0,
      maxStreamSize: 5,
      maxFragments: 1,
      accept: 'text',
      compression: false,
      extensions: [{ name: 'x-mine' }],
      receiveHighWaterMark: 2,
      receiveLowWaterMark: 1,
      sendHighWaterMark: 0,
      maxBufferedAmount: 1,
      logger,
    } satisfies ConnectionOptions
    const { maxMessageSize, maxStreamSize, maxFragments, ...rest } = given
    expect(resolveConnectionOptions(given, role)).toEqual({
      ...rest,
      compression: undefined,
      limits: { maxMessageSize, maxStreamSize, maxFragments },
    })
  })

  test('turns timeouts off with false', () => {
    const options = resolveConnectionOptions(
      { pingInterval: false, pingTimeout: false, messageTimeout: false },
      role,
    )
    expect(options.pingInterval).toBe(Number.POSITIVE_INFINITY)
    expect(options.pingTimeout).toBe(Number.POSITIVE_INFINITY)
    expect(options.messageTimeout).toBe(Number.POSITIVE_INFINITY)
  })

  test('derives the low-water mark from the high one, however large', () => {
    const lowOf = (receiveHighWaterMark: number): number =>
      resolveConnectionOptions({ receiveHighWaterMark }, role).receiveLowWaterMark
    expect([1, 3, 4, 100].map(lowOf)).toEqual([0, 0, 1, 25])
    expect(lowOf(2 ** 31)).toBe(2 ** 29)
    expect(lowOf(Number.MAX_SAFE_INTEGER)).toBe(2 ** 51 - 1)
  })

  test('takes streams that are as large as messages, unless told otherwise', () => {
    const limitsOf = (options: ConnectionOptions): unknown => resolveConnectionOptions(options, role).limits
    expect(limitsOf({ maxMessageSize: 100 })).toMatchObject({ maxMessageSize: 100, maxStreamSize: 100 })
    expect(limitsOf({ maxMessageSize: 100, maxStreamSize: 100 })).toMatchObject({ maxStreamSize: 100 })
    const endless = { maxStreamSize: Number.POSITIVE_INFINITY }
    expect(limitsOf(endless)).toMatchObject(endless)
  })

  test('sets compression up by true, false and an object', () => {
    const compressionOf = (compression: ConnectionOptions['compression']): unknown =>
      resolveConnectionOptions(compression === undefined ? {} : { compression }, role).compression
    const usual = resolveCompressionOptions({}, role)
    expect(compressionOf(undefined)).toEqual(usual)
    expect(compressionOf(true)).toEqual(usual)
    expect(compressionOf({})).toEqual(usual)
    expect(compressionOf({ level: 9, idleTimeout: false })).toEqual({
      ...usual,
      level: 9,
      idleTimeout: Number.POSITIVE_INFINITY,
    })
    expect(compressionOf(false)).toBeUndefined()
  })

  test('names the option of compression that is wrong', () => {
    const resolve = (): unknown => resolveConnectionOptions({ compression: { level: 10 } }, role)
    expect(resolve).toThrow(new RangeError('compression.level must be a whole number from 0 to 9, not 10'))
  })

  test('says which extension is wrong', () => {
    const resolve = (...extensions: unknown[]): (() => unknown) => {
      return () => resolveConnectionOptions({ extensions: extensions as never }, role)
    }
    expect(resolve(undefined)).toThrow(TypeError)
    expect(resolve({ name: '' })).toThrow(TypeError)
    expect(resolve({ name: 'two words' })).toThrow(/must be a token, not "two words"/)
    expect(resolve({ name: 'x' }, { name: 'x' })).toThrow(/"x" is defined already/)
    expect(resolve({ name: 'permessage-deflate' })).toThrow(/"permessage-deflate" is defined already/)
  })

  const DURATIONS = ['pingInterval', 'pingTimeout', 'closeTimeout', 'messageTimeout', 'maxLifetime'] as const
  const COUNTS = [
    ['maxMessageSize', 0],
    ['maxFragments', 1],
    ['receiveHighWaterMark', 1],
    ['receiveLowWaterMark', 0],
    ['sendHighWaterMark', 0],
    ['maxBufferedAmount', 0],
  ] as const
  const wrong: [string, unknown, typeof TypeError | typeof RangeError][] = [
    ...DURATIONS.flatMap((name): [string, unknown, typeof TypeError | typeof RangeError][] => [
      [name, '1000', TypeError],
      [name, true, TypeError],
      [name, 10n, TypeError],
      [name, {}, TypeError],
      [name, 0, RangeError],
      [name, -1, RangeError],
      [name, Number.NaN, RangeError],
      [name, Number.POSITIVE_INFINITY, RangeError],
      [name, 2 ** 31, RangeError],
    ]),
    ...COUNTS.flatMap(([name, least]): [string, unknown, typeof TypeError | typeof RangeError][] => [
      [name, '16', TypeError],
      [name, false, TypeError],
      [name, 10n, TypeError],
      [name, least - 1, RangeError],
      [name, 1.5, RangeError],
      [name, Number.NaN, RangeError],
      [name, Number.POSITIVE_INFINITY, RangeError],
      [name, 2 ** 53, RangeError],
    ]),
    ['maxStreamSize', '16', TypeError],
    ['maxStreamSize', -1, RangeError],
    ['maxStreamSize', 1.5, RangeError],
    ['maxStreamSize', Number.NaN, RangeError],
    ['maxStreamSize', Number.NEGATIVE_INFINITY, RangeError],
    // Below what is taken whole.
    ['maxStreamSize', 1000, RangeError],
    ['compression', 'on', TypeError],
    ['compression', 1, TypeError],
    ['extensions', 'x', TypeError],
    ['extensions', {}, TypeError],
    ['receiveLowWaterMark', 16, RangeError],
    ['receiveLowWaterMark', 17, RangeError],
    ['accept', 'strings', TypeError],
    ['accept', 1, TypeError],
    ['accept', Symbol('text'), TypeError],
    ['logger', 'console', TypeError],
    ['logger', {}, TypeError],
    ['logger', { error: 'no method' }, TypeError],
  ]

  test.each(wrong)('refuses %s as %o', (name, value, kind) => {
    const resolve = (): unknown => resolveConnectionOptions({ [name]: value } as ConnectionOptions, role)
    expect(resolve).toThrow(kind)
    expect(resolve).toThrow(name)
  })
})
