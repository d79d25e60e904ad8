import { expect, test, vi } from 'vitest'
import { reportError } from '../../src/connection/report-error.ts'

test('logs what failed, and the error', () => {
  const logger = { error: vi.fn() }
  const error = new Error('no')
  reportError(logger, 'a handler failed', error)
  expect(logger.error).toHaveBeenCalledExactlyOnceWith('openline: a handler failed', error)
})

test('survives a logger that throws', () => {
  const error = vi.fn(() => {
    throw new Error('the log is full')
  })
  reportError({ error }, 'a handler failed', new Error('no'))
  expect(error).toHaveBeenCalledOnce()
})
