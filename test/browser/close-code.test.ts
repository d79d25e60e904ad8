import { describe, expect, test } from 'vitest'
import { assertClose, sendableCode } from '../../src/browser/close-code.ts'
import { StateError } from '../../src/errors.ts'

describe('sendableCode', () => {
  test.each([
    [1000, 1000],
    [1001, 4001],
    [1009, 4009],
    [1011, 4011],
    [3000, 3000],
    [4999, 4999],
  ])('turns %i into %i', (code, expected) => {
    expect(sendableCode(code)).toBe(expected)
  })
})

describe('assertClose', () => {
  test.each([1000, 3000, 3999, 4000, 4999])('lets %i pass', (code) => {
    expect(() => assertClose(code, 'because')).not.toThrow()
  })

  test.each([1001, 1003, 1011, 1014])('says of %i that browsers do not send it, and what they do', (code) => {
    expect(() => assertClose(code, '')).toThrow(StateError)
    expect(() => assertClose(code, '')).toThrow(
      `close with ${code}. Use 1000, or a code of your own such as ${code + 3000}`,
    )
  })

  test.each([0, 999, 1004, 1005, 1006, 1015, 2999, 5000, 1000.5, Number.NaN])(
    'throws a RangeError for %d',
    (code) => {
      expect(() => assertClose(code, '')).toThrow(RangeError)
    },
  )

  test('counts the reason in bytes of UTF-8', () => {
    expect(() => assertClose(1000, 'é'.repeat(61))).not.toThrow()
    expect(() => assertClose(1000, 'é'.repeat(62))).toThrow('takes 124 bytes of UTF-8, and may take 123')
  })
})
