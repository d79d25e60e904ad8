import { describe, expect, test } from 'vitest'
import { importOptional } from '../../src/client/optional-package.ts'
import { StateError } from '../../src/index.ts'
import { rejection } from '../server/support.ts'

describe('importOptional', () => {
  test('gives the module', async () => {
    expect(await importOptional(async () => ({ a: 1 }), 'a', 'this')).toEqual({ a: 1 })
  })

  test('says what to install when it is not there', async () => {
    // A name in a variable, which no compiler looks up.
    const name = 'a-package-that-nobody-has-installed'
    const error = await rejection(importOptional(() => import(name), name, 'cookies: true'))
    expect(error).toBeInstanceOf(StateError)
    expect(error).toMatchObject({
      code: 'WS_PACKAGE_MISSING',
      message: `an optional package is missing: cookies: true needs "${name}": npm install ${name}`,
      cause: { code: 'ERR_MODULE_NOT_FOUND' },
    })
  })

  test('passes on what a broken package throws', async () => {
    const broken = new SyntaxError('oops')
    expect(await rejection(importOptional(() => Promise.reject(broken), 'a', 'this'))).toBe(broken)
  })
})
