import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  type ExtensionOffer,
  formatExtensionHeader,
  parseExtensionHeader,
} from '../../src/handshake/extension-header.ts'
import { expectLinear, HOSTILE_VALUES, tokens } from './support.ts'

const offers: fc.Arbitrary<ExtensionOffer[]> = fc.array(
  fc.record({
    name: tokens,
    parameters: fc.array(fc.record({ name: tokens, value: fc.option(tokens, { nil: undefined }) })),
  }),
  { minLength: 1 },
)

describe('parseExtensionHeader', () => {
  test.each<[string, ExtensionOffer[]]>([
    ['foo', [{ name: 'foo', parameters: [] }]],
    ['foo; bar', [{ name: 'foo', parameters: [{ name: 'bar', value: undefined }] }]],
    ['foo;bar=1', [{ name: 'foo', parameters: [{ name: 'bar', value: '1' }] }]],
    ['foo; bar="1"', [{ name: 'foo', parameters: [{ name: 'bar', value: '1' }] }]],
    ['foo; bar="\\1\\0"', [{ name: 'foo', parameters: [{ name: 'bar', value: '10' }] }]],
    [' foo\t;\tbar = 1 ', [{ name: 'foo', parameters: [{ name: 'bar', value: '1' }] }]],
    [
      ',foo,, bar ,',
      [
        { name: 'foo', parameters: [] },
        { name: 'bar', parameters: [] },
      ],
    ],
    [
      'permessage-deflate; client_max_window_bits; server_max_window_bits=10, permessage-deflate',
      [
        {
          name: 'permessage-deflate',
          parameters: [
            { name: 'client_max_window_bits', value: undefined },
            { name: 'server_max_window_bits', value: '10' },
          ],
        },
        { name: 'permessage-deflate', parameters: [] },
      ],
    ],
  ])('reads %j', (value, expected) => {
    expect(parseExtensionHeader(value)).toEqual(expected)
  })

  test('keeps parameters that repeat, for the extension to judge', () => {
    expect(parseExtensionHeader('foo; a=1; a=2; a')?.[0]?.parameters).toEqual([
      { name: 'a', value: '1' },
      { name: 'a', value: '2' },
      { name: 'a', value: undefined },
    ])
  })

  test.each([
    '',
    ' ',
    ',',
    ', ,',
    'foo bar',
    'foo;',
    'foo; ;',
    'foo; =1',
    'foo; bar=',
    'foo; bar=,',
    'foo; bar=1 2',
    'foo; bar==1',
    'foo; bar=""',
    'foo; bar="a b"',
    'foo; bar="a, b"',
    'foo; bar="\\""',
    'foo; bar="1',
    'foo; bar="1\\"',
    'foo; bar="1"2',
    'foo; "bar"',
    '"foo"',
    'foo=1',
    '; foo',
    'foo, "',
    'foo\r\n',
    'foo; bar=é',
    'foo; bar="\r\n"',
  ])('refuses %j', (value) => {
    expect(parseExtensionHeader(value)).toBeUndefined()
  })

  test('reads back what was written', () => {
    // Invariant: parse(format(offers)) = offers.
    fc.assert(
      fc.property(offers, (list) => {
        expect(parseExtensionHeader(formatExtensionHeader(list))).toEqual(list)
      }),
    )
  })

  test('survives any text', () => {
    // Invariant: no text throws, and what was understood can be written and read again.
    const text = fc.string({ unit: fc.constantFrom(...'ab,;="\\ \t\0é'), maxLength: 40 })
    fc.assert(
      fc.property(fc.oneof(text, fc.string({ unit: 'binary' })), (value) => {
        const parsed = parseExtensionHeader(value)
        if (parsed === undefined) return
        expect(parseExtensionHeader(formatExtensionHeader(parsed))).toEqual(parsed)
      }),
      { numRuns: 1000 },
    )
  })

  test.each(['constructor', '__proto__', 'toString; hasOwnProperty=1; __proto__=2'])(
    'GHSA-5v72-xg48-5rpm: reads %s as names like any other',
    (value) => {
      const parsed = parseExtensionHeader(value)!
      expect(formatExtensionHeader(parsed)).toBe(value)
      expect(Object.getPrototypeOf(parsed[0])).toBe(Object.prototype)
    },
  )

  test('CVE-2020-7662: an unclosed quoted parameter is refused at once', () => {
    expect(parseExtensionHeader(`a; b="${'\\c'.repeat(8192)}`)).toBeUndefined()
  })

  test.each(HOSTILE_VALUES)('CVE-2020-7662: reads %s in linear time', (_what, make) => {
    expectLinear(make, parseExtensionHeader)
  })
})

describe('formatExtensionHeader', () => {
  test('writes nothing for no offers', () => {
    expect(formatExtensionHeader([])).toBe('')
  })

  test.each<[string, ExtensionOffer]>([
    ['name', { name: 'a\r\nX: y', parameters: [] }],
    ['parameter name', { name: 'a', parameters: [{ name: '', value: undefined }] }],
    ['parameter value', { name: 'a', parameters: [{ name: 'b', value: 'c d' }] }],
  ])('CVE-2026-1527: refuses a %s that is no token', (_what, offer) => {
    expect(() => formatExtensionHeader([offer])).toThrow(TypeError)
  })
})
