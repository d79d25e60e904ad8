// Owns what the tests of this folder share: generators of header parts, and the check for linear time.
// Must not know any source file, so that each is tested by its own test alone.

import fc from 'fast-check'
import { expect } from 'vitest'

const TOKEN_CHARACTERS = "!#$%&'*+-.^_`|~0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ"

/** Generate tokens, among them the names that every object inherits. */
export const tokens: fc.Arbitrary<string> = fc.oneof(
  { weight: 9, arbitrary: fc.string({ unit: fc.constantFrom(...TOKEN_CHARACTERS), minLength: 1 }) },
  { weight: 1, arbitrary: fc.constantFrom('constructor', '__proto__', 'toString', 'hasOwnProperty') },
)

/** Generate HTTP's optional whitespace. */
export const spaces: fc.Arbitrary<string> = fc.string({ unit: fc.constantFrom(' ', '\t'), maxLength: 3 })

/** Values that made other parsers backtrack, for a given length. */
export const HOSTILE_VALUES: readonly (readonly [string, (length: number) => string])[] = [
  ['spaces', (length) => ' '.repeat(length)],
  ['spaces between two tokens', (length) => `a${' '.repeat(length)}b`],
  ['spaces before a comma', (length) => `a${' '.repeat(length)},`],
  ['tabs and commas', (length) => '\t,'.repeat(length / 2)],
  ['commas', (length) => ','.repeat(length)],
  ['one long token', (length) => 'a'.repeat(length)],
  ['many tokens', (length) => 'a,'.repeat(length / 2)],
  ['many parameters', (length) => `a${';b=c'.repeat(length / 4)}`],
  ['semicolons', (length) => `a${';'.repeat(length)}`],
  ['an unclosed quote', (length) => `a; b="${'c'.repeat(length)}`],
  ['an unclosed quote full of backslashes', (length) => `a; b="${'\\'.repeat(length + 1)}`],
  ['an unclosed quote after many closed ones', (length) => `${'a; b="c", '.repeat(length / 10)}a; b="`],
  ['escaped characters', (length) => `a; b="${'\\c'.repeat(length / 2)}"`],
  ['quotes', (length) => '"'.repeat(length)],
  ['control characters', (length) => '\0'.repeat(length)],
]

/** Check that 1 MiB takes under 1 s: linear scanners need some ms, and quadratic ones minutes. */
export function expectLinear(make: (length: number) => string, scan: (value: string) => unknown): void {
  const value = make(1024 * 1024)
  const start = performance.now()
  scan(value)
  expect(performance.now() - start).toBeLessThan(1000)
}
