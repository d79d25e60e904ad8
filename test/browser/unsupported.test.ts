import { expect, test } from 'vitest'
import { notInBrowser } from '../../src/browser/unsupported.ts'
import { StateError } from '../../src/errors.ts'

test('says what a browser cannot do, and what to do instead', () => {
  const error = notInBrowser('ping()', 'Send a message')
  expect(error).toBeInstanceOf(StateError)
  expect(error.code).toBe('WS_NOT_IN_BROWSER')
  expect(error.message).toBe('a browser cannot do this: ping(). Send a message')
})
