import { describe, expect, test } from 'vitest'
import { checkCount, checkDuration, checkSignal } from '../src/checks.ts'

describe('checkDuration', () => {
  test('returns what is right, and Infinity for false', () => {
    expect(checkDuration('wait', 0.5)).toBe(0.5)
    expect(checkDuration('wait', 2 ** 31 - 1)).toBe(2 ** 31 - 1)
    expect(checkDuration('wait', false)).toBe(Number.POSITIVE_INFINITY)
  })

  test('says what was wrong', () => {
    expect(() => checkDuration('wait', -5)).toThrow(
      new RangeError('wait must be above 0 and at most 2147483647 ms, not -5'),
    )
    expect(() => checkDuration('wait', '5' as never)).toThrow(
      new TypeError('wait must be a number of ms or false, not string'),
    )
  })
})

describe('checkCount', () => {
  test('returns what is right', () => {
    expect(checkCount('size', 3, 3)).toBe(3)
  })

  test('says what was wrong', () => {
    expect(() => checkCount('size', 2, 3)).toThrow(
      new RangeError('size must be a whole number of at least 3, not 2'),
    )
    expect(() => checkCount('size', null as never, 3)).toThrow(
      new TypeError('size must be a number, not object'),
    )
  })
})

describe('checkSignal', () => {
  test.each([undefined, new AbortController().signal, AbortSignal.abort()])('takes %o', (signal) => {
    expect(() => checkSignal(signal)).not.toThrow()
  })

  test.each([null, {}, 'signal', { aborted: false }, new AbortController()])('refuses %o', (value) => {
    expect(() => checkSignal(value as never)).toThrow(new TypeError('signal must be an AbortSignal'))
  })
})
