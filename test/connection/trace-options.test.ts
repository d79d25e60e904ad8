import { expect, test } from 'vitest'
import { checkTrace } from '../../src/connection/trace-options.ts'

test.each([
  undefined,
  true,
  false,
  {},
  { sink: () => {}, maxBytes: 0, redact: () => undefined, time: true },
  { maxBytes: 1024 * 1024 },
])('takes %o', (trace) => {
  expect(() => checkTrace(trace)).not.toThrow()
})

test.each([
  ['on', TypeError, 'trace must be true, false or an object of options such as sink'],
  [null, TypeError, 'trace must be'],
  [{ sink: console }, TypeError, 'trace.sink must be a function'],
  [{ redact: /x/ }, TypeError, 'trace.redact must be a function'],
  [{ time: 1 }, TypeError, 'trace.time must be true or false'],
  [{ maxBytes: '75' }, TypeError, 'trace.maxBytes must be a number, not string'],
  [{ maxBytes: -1 }, RangeError, 'trace.maxBytes must be a whole number from 0 to 1048576, not -1'],
  [{ maxBytes: 1.5 }, RangeError, 'not 1.5'],
  [{ maxBytes: 1024 * 1024 + 1 }, RangeError, 'not 1048577'],
  [{ maxBytes: Number.NaN }, RangeError, 'not NaN'],
])('refuses %o', (trace, kind, words) => {
  expect(() => checkTrace(trace as never)).toThrow(kind)
  expect(() => checkTrace(trace as never)).toThrow(words)
})
