import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type Backoff,
  decorrelatedBackoff,
  exponentialBackoff,
  fibonacciBackoff,
  fixedBackoff,
} from '../../src/timing/backoff.ts'

function take(backoff: Backoff, count: number): number[] {
  const delays = backoff()[Symbol.iterator]()
  return Array.from({ length: count }, () => delays.next().value as number)
}

const always = (value: number) => () => value

describe('exponentialBackoff', () => {
  test('grows to its limit and stays there', () => {
    const backoff = exponentialBackoff({ initial: 100, factor: 2, max: 1000, random: always(1) })
    expect(take(backoff, 6)).toEqual([100, 200, 400, 800, 1000, 1000])
  })

  test('draws each delay anywhere below that: full jitter', () => {
    expect(take(exponentialBackoff({ initial: 100, factor: 2, random: always(0) }), 3)).toEqual([0, 0, 0])
    expect(take(exponentialBackoff({ initial: 100, factor: 2, random: always(0.25) }), 3)).toEqual([
      25, 50, 100,
    ])
  })

  test('begins with up to a second and ends with up to a minute by default', () => {
    const delays = take(exponentialBackoff({ random: always(1) }), 20)
    expect(delays.slice(0, 3).map(Math.round)).toEqual([1000, 1618, 2618])
    expect(delays.at(-1)).toBe(60_000)
  })

  test('really is random by default', () => {
    expect(new Set(take(exponentialBackoff(), 50)).size).toBeGreaterThan(40)
  })

  test('begins anew each time', () => {
    const backoff = exponentialBackoff({ initial: 100, random: always(1) })
    take(backoff, 5)
    expect(take(backoff, 1)).toEqual([100])
  })
})

describe('decorrelatedBackoff', () => {
  test('draws from the first delay up to three times the last', () => {
    expect(take(decorrelatedBackoff({ initial: 100, random: always(0) }), 3)).toEqual([100, 100, 100])
    const highest = take(decorrelatedBackoff({ initial: 100, max: 5000, random: always(1) }), 5)
    expect(highest).toEqual([300, 900, 2700, 5000, 5000])
  })
})

describe('fibonacciBackoff', () => {
  test('adds the last two', () => {
    expect(take(fibonacciBackoff({ initial: 100, max: 1000 }), 9)).toEqual([
      100, 100, 200, 300, 500, 800, 1000, 1000, 1000,
    ])
  })
})

describe('fixedBackoff', () => {
  test('is always the same', () => {
    expect(take(fixedBackoff(250), 3)).toEqual([250, 250, 250])
    expect(take(fixedBackoff(0), 2)).toEqual([0, 0])
  })
})

test('every series stays within its bounds, for ever', () => {
  const shape = fc
    .record({
      initial: fc.integer({ min: 1, max: 10_000 }),
      extra: fc.nat(1_000_000),
      seed: fc.infiniteStream(fc.double({ min: 0, max: 0.999999, noNaN: true })),
    })
    .map(({ initial, extra, seed }) => ({
      initial,
      max: initial + extra,
      random: () => seed.next().value as number,
    }))
  fc.assert(
    fc.property(
      shape,
      fc.constantFrom(exponentialBackoff, decorrelatedBackoff, fibonacciBackoff),
      (options, make) => {
        for (const delay of take(make(options), 200)) {
          expect(delay).toBeGreaterThanOrEqual(make === exponentialBackoff ? 0 : options.initial)
          expect(delay).toBeLessThanOrEqual(options.max)
        }
      },
    ),
    { numRuns: 50 },
  )
})

test.each([
  ['initial', { initial: 0 }],
  ['initial', { initial: Number.NaN }],
  ['initial', { initial: -1 }],
  ['max', { initial: 10, max: 9 }],
  ['max', { max: Number.NaN }],
])('refuses a wrong %s', (name, options) => {
  for (const make of [exponentialBackoff, decorrelatedBackoff, fibonacciBackoff]) {
    expect(() => make(options)).toThrow(RangeError)
    expect(() => make(options)).toThrow(name)
  }
})

test('refuses a factor that makes no series, and a fixed delay below 0', () => {
  expect(() => exponentialBackoff({ factor: 0.9 })).toThrow(RangeError)
  expect(() => exponentialBackoff({ factor: Number.NaN })).toThrow(RangeError)
  expect(() => fixedBackoff(-1)).toThrow(RangeError)
  expect(() => fixedBackoff(Number.NaN)).toThrow(RangeError)
})
