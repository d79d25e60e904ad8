import { describe, expect, test } from 'vitest'
import { resolveRetryOptions } from '../../src/reconnect/options.ts'
import { isTransient } from '../../src/reconnect/transient.ts'
import { fixedBackoff } from '../../src/timing/backoff.ts'

function firstDelays(backoff: () => Iterable<number>): number[] {
  const delays = backoff()[Symbol.iterator]()
  return [delays.next().value as number, delays.next().value as number]
}

describe('resolveRetryOptions', () => {
  test('fills in defaults', () => {
    const { backoff, ...others } = resolveRetryOptions({})
    expect(others).toEqual({
      shouldRetry: isTransient,
      maxFailures: Number.POSITIVE_INFINITY,
      stableAfter: 5000,
    })
    expect(firstDelays(backoff)[0]).toBeLessThanOrEqual(1000)
  })

  test('takes a number as the delay of all attempts', () => {
    expect(firstDelays(resolveRetryOptions({ backoff: 3000 }).backoff)).toEqual([3000, 3000])
    expect(firstDelays(resolveRetryOptions({ backoff: 0 }).backoff)).toEqual([0, 0])
  })

  test('keeps what is given', () => {
    const options = { backoff: fixedBackoff(1), shouldRetry: () => true, maxFailures: 3, stableAfter: 0 }
    expect(resolveRetryOptions(options)).toEqual(options)
  })

  test.each([
    ['backoff', 'fast'],
    ['backoff', {}],
    ['shouldRetry', true],
    ['maxFailures', 0],
    ['maxFailures', 1.5],
    ['stableAfter', -1],
    ['stableAfter', '5'],
  ])('refuses %s as %o', (name, value) => {
    expect(() => resolveRetryOptions({ [name]: value } as never)).toThrow(name)
  })

  test('refuses a delay below 0', () => {
    expect(() => resolveRetryOptions({ backoff: -1 })).toThrow(RangeError)
  })
})
