import { describe, expect, test } from 'vitest'
import { type CloseOptions, resolveCloseOptions } from '../../src/server/close-options.ts'

describe('resolveCloseOptions', () => {
  test('fills in defaults', () => {
    expect(resolveCloseOptions({})).toEqual({ code: 1001, reason: '', timeout: 10_000 })
  })

  test.each<[CloseOptions]>([
    [{ code: 4999, reason: 'x'.repeat(123), timeout: 1 }],
    [{ code: 1000, reason: '你好', timeout: 0 }],
    [{ code: 1012, reason: '', timeout: 3_600_000 }],
  ])('takes %o', (options) => {
    expect(resolveCloseOptions(options)).toEqual(options)
  })

  test.each<[string, object]>([
    ['code', { code: 1005 }],
    ['code', { code: 1006 }],
    ['code', { code: 999 }],
    ['code', { code: 1000.5 }],
    ['reason', { reason: 'x'.repeat(124) }],
    ['reason', { reason: '哟'.repeat(42) }],
    ['reason', { reason: 5 }],
    ['timeout', { timeout: -1 }],
    ['timeout', { timeout: 'long' }],
  ])('names a wrong %s: %o', (name, options) => {
    expect(() => resolveCloseOptions(options)).toThrow(name)
  })
})
