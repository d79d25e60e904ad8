import { describe, expect, test } from 'vitest'
import { type CompressionOptions, resolveCompressionOptions } from '../../src/deflate/options.ts'

const defaults = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  clientMaxWindowBits: 12,
  threshold: 256,
  level: undefined,
  memLevel: 5,
  adaptive: true,
  idleTimeout: 30_000,
}

describe('client', () => {
  test('has its defaults, and asks for no smaller window of the server', () => {
    expect(resolveCompressionOptions({}, 'client')).toEqual({ ...defaults, serverMaxWindowBits: 15 })
  })
})

describe('server', () => {
  test('has its defaults', () => {
    expect(resolveCompressionOptions({}, 'server')).toEqual({ ...defaults, serverMaxWindowBits: 12 })
  })
})

describe.each(['client', 'server'] as const)('%s', (role) => {
  test('takes each option as it is given', () => {
    const given = {
      serverNoContextTakeover: true,
      clientNoContextTakeover: true,
      serverMaxWindowBits: 9,
      clientMaxWindowBits: 15,
      threshold: 0,
      level: 0,
      memLevel: 1,
      adaptive: false,
      idleTimeout: 0.5,
    } satisfies Required<CompressionOptions>
    expect(resolveCompressionOptions(given, role)).toEqual(given)
  })

  test('takes the ends of each range', () => {
    const most = {
      serverMaxWindowBits: 15,
      clientMaxWindowBits: 9,
      threshold: Number.MAX_SAFE_INTEGER,
      level: 9,
      memLevel: 9,
      idleTimeout: 2 ** 31 - 1,
    }
    expect(resolveCompressionOptions(most, role)).toMatchObject(most)
  })

  test('keeps windows for ever with false', () => {
    const { idleTimeout } = resolveCompressionOptions({ idleTimeout: false }, role)
    expect(idleTimeout).toBe(Number.POSITIVE_INFINITY)
  })

  const FLAGS = ['serverNoContextTakeover', 'clientNoContextTakeover', 'adaptive'] as const
  const RANGES = [
    ['serverMaxWindowBits', 9, 15],
    ['clientMaxWindowBits', 9, 15],
    ['threshold', 0, Number.MAX_SAFE_INTEGER],
    ['level', 0, 9],
    ['memLevel', 1, 9],
  ] as const
  const wrong: [string, unknown][] = [
    ...FLAGS.flatMap((name): [string, unknown][] =>
      [0, 1, 'true', {}, null].map((value) => [name, value === null ? Symbol('null') : value]),
    ),
    ...RANGES.flatMap(([name, least, most]): [string, unknown][] =>
      [least - 1, most + 1, least + 0.5, Number.NaN, '10', 10n, true, {}, Symbol('ten')].map((value) => [
        name,
        value,
      ]),
    ),
    ...[0, -1, 2 ** 31, Number.NaN, Number.POSITIVE_INFINITY, '1000', true, 1000n, {}, Symbol('1')].map(
      (value): [string, unknown] => ['idleTimeout', value],
    ),
  ]

  test.each(wrong)('refuses %s as %o', (name, value) => {
    const resolve = (): unknown => resolveCompressionOptions({ [name]: value } as CompressionOptions, role)
    const error = thrownBy(resolve)
    expect(error instanceof TypeError || error instanceof RangeError).toBe(true)
    expect((error as Error).message).toContain(`compression.${name}`)
  })

  test('refuses 8 bits, which zlib does not compress with', () => {
    expect(() => resolveCompressionOptions({ serverMaxWindowBits: 8 }, role)).toThrow(
      new RangeError('compression.serverMaxWindowBits must be a whole number from 9 to 15, not 8'),
    )
  })
})

function thrownBy(action: () => unknown): unknown {
  try {
    action()
    return undefined
  } catch (error) {
    return error
  }
}
