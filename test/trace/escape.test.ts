import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  escapeUnprintable,
  firstCharacterStart,
  isUtf8,
  lastCharacterEnd,
  quote,
  showText,
} from '../../src/trace/escape.ts'
import { anyText, hex, utf8 } from '../support/bytes.ts'

describe('escapeUnprintable', () => {
  test.each([
    ['plain', 'plain'],
    ['中文 é 😀', '中文 é 😀'],
    ['\n\r\t', '\\n\\r\\t'],
    ['\x00\x1b[31m\x7f', '\\x00\\x1b[31m\\x7f'],
    // CSI as one character of C1.
    ['\x9b2J', '\\x9b2J'],
    // Bidirectional: marks, embeddings, overrides, isolates.
    ['\u200e\u200f\u061c\u202a\u202e\u2066\u2069', '\\u200e\\u200f\\u061c\\u202a\\u202e\\u2066\\u2069'],
    // Of no width, or not shown: soft hyphen, zero width, fillers, variation selectors, tags.
    ['\u00ad\u200b\u200d\u2060\ufeff\u3164\ufe0f', '\\xad\\u200b\\u200d\\u2060\\ufeff\\u3164\\ufe0f'],
    ['\u{e0041}', '\\u{e0041}'],
    ['\u2028\u2029', '\\u2028\\u2029'],
    ['\ud800', '\\ud800'],
    ['\ue000', '\\ue000'],
  ])('%j', (text, escaped) => {
    expect(escapeUnprintable(text)).toBe(escaped)
  })

  test('leaves alone what it has escaped', () => {
    fc.assert(
      fc.property(anyText(50), (text) => {
        const escaped = escapeUnprintable(text)
        expect(escapeUnprintable(escaped)).toBe(escaped)
        expect(escaped).not.toMatch(/\p{C}/u)
      }),
    )
  })
})

describe('showText', () => {
  test('doubles backslashes, so that an escape is one', () => {
    expect(showText(utf8('a\\n\n'))).toBe('a\\\\n\\n')
  })

  test('shows text around bytes that are no UTF-8', () => {
    expect(showText(hex('61 ff 62 c3 a9 e4 b8 63 ed a0 80'))).toBe('a\\xffbé\\xe4\\xb8c\\xed\\xa0\\x80')
    expect(showText(hex('f0 9f'))).toBe('\\xf0\\x9f')
  })

  test('keeps a byte order mark', () => {
    expect(showText(hex('ef bb bf 61'))).toBe('\\ufeffa')
  })

  test('shows any text as it is escaped', () => {
    fc.assert(
      fc.property(anyText(30), (text) => {
        const isWhole = !/\p{Cs}/u.test(text)
        fc.pre(isWhole)
        expect(showText(utf8(text))).toBe(escapeUnprintable(text.replaceAll('\\', '\\\\')))
      }),
    )
  })
})

test.each([
  ['hello', "'hello'"],
  ['', "''"],
  ["it's", '"it\'s"'],
  ['say "x"', '\'say "x"\''],
  [`it's "x"`, `'it\\'s "x"'`],
])('quote puts %j into quotes as Python does', (text, quoted) => {
  expect(quote(text)).toBe(quoted)
})

describe('characters', () => {
  test.each([
    ['61 62', 2],
    ['61 e4 b8', 1],
    ['61 e4', 1],
    ['61 e4 b8 ad', 4],
    ['f0 9f 98', 0],
    ['61 f0 9f 98 80', 5],
    // No UTF-8: nothing is to be lost.
    ['80 80 80', 3],
    ['80 80 80 80 80', 5],
    ['', 0],
  ])('the last whole one of %s ends at %i', (bytes, end) => {
    expect(lastCharacterEnd(hex(bytes), hex(bytes).length)).toBe(end)
  })

  test.each([
    ['61', 0],
    ['b8 ad 61', 2],
    ['98 80', 2],
    ['80 80 80 80', 3],
    ['', 0],
  ])('the first one of %s begins at %i', (bytes, start) => {
    expect(firstCharacterStart(hex(bytes))).toBe(start)
  })
})

test('isUtf8 tells text from other bytes', () => {
  expect(isUtf8(utf8('中'))).toBe(true)
  expect(isUtf8(hex('ff'))).toBe(false)
})
