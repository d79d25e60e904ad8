import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  HeaderScanner,
  isFieldValue,
  isToken,
  isVisibleAscii,
  listHasToken,
  parseTokenList,
  trimSpaces,
} from '../../src/handshake/header-grammar.ts'
import { expectLinear, HOSTILE_VALUES, spaces, tokens } from './support.ts'

describe('isToken', () => {
  test.each(['a', 'websocket', 'permessage-deflate', '13', "!#$%&'*+-.^_`|~", 'constructor', '__proto__'])(
    'accepts %s',
    (value) => {
      expect(isToken(value)).toBe(true)
    },
  )

  test.each([
    '',
    ' ',
    'a b',
    'a,b',
    'a/b',
    'a;b',
    'a=b',
    '"a"',
    '(a)',
    '{a}',
    'a\r\nb',
    'a\0',
    'é',
    'a\u0141',
  ])('refuses %j', (value) => {
    expect(isToken(value)).toBe(false)
  })
})

describe('isFieldValue', () => {
  test.each(['', ' ', 'a b', 'tab\there', '"quoted"', '\x20\x7e', '\x80\xff'])('accepts %j', (value) => {
    expect(isFieldValue(value)).toBe(true)
  })

  test.each(['a\r\nb', 'a\rb', 'a\nb', 'a\0b', '\x1f', '\x7f', '\u0100', '\u560a', '😀'])(
    'refuses %j',
    (value) => {
      expect(isFieldValue(value)).toBe(false)
    },
  )
})

describe('parseTokenList', () => {
  test.each([
    ['', []],
    [' \t ', []],
    [',', []],
    ['a', ['a']],
    ['a,b', ['a', 'b']],
    [' a \t,\tb ', ['a', 'b']],
    [',a,, ,b,', ['a', 'b']],
    ['a, A, a', ['a', 'A', 'a']],
    ['constructor, __proto__', ['constructor', '__proto__']],
  ])('splits %j', (value, expected) => {
    expect(parseTokenList(value)).toEqual(expected)
  })

  test.each(['a b', 'a;b', '"a"', 'a, "b', 'a/1', ', a b', 'é', 'a\r\n', 'a\0'])('refuses %j', (value) => {
    expect(parseTokenList(value)).toBeUndefined()
  })

  test('reads back what was joined', () => {
    // Invariant: splitting the joined tokens gives the tokens, whatever spaces and empty elements stand between.
    fc.assert(
      fc.property(fc.array(fc.tuple(spaces, tokens, spaces)), fc.nat(3), (parts, empties) => {
        const value = parts.map((part) => part.join('')).join(`,${' ,'.repeat(empties)}`)
        expect(parseTokenList(value)).toEqual(parts.map(([, token]) => token))
      }),
    )
  })

  test('survives any text', () => {
    // Invariant: no text throws, and what comes out is tokens.
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (value) => {
        expect(parseTokenList(value)?.every(isToken) ?? true).toBe(true)
      }),
    )
  })

  test.each(HOSTILE_VALUES)('CVE-2021-32640: splits %s in linear time', (_what, make) => {
    expectLinear(make, parseTokenList)
  })
})

describe('listHasToken', () => {
  test.each([
    ['websocket', 'websocket'],
    ['WebSocket', 'websocket'],
    ['upgrade', 'Upgrade'],
    ['keep-alive, Upgrade', 'upgrade'],
    [' \tupgrade\t ,', 'upgrade'],
    [',,upgrade', 'upgrade'],
    ['@@@, a b, upgrade', 'upgrade'],
  ])('finds in %j the token %s', (value, token) => {
    expect(listHasToken(value, token)).toBe(true)
  })

  test.each([
    ['', 'upgrade'],
    ['websocket/13', 'websocket'],
    ['websocket2', 'websocket'],
    ['websockets', 'websocket'],
    ['web socket', 'websocket'],
    ['"upgrade"', 'upgrade'],
    ['up, grade', 'upgrade'],
    ['websoc\u212aet', 'websocket'],
    ['upgrade\u00a0', 'upgrade'],
    ['@', '`'],
    ['[', '{'],
  ])('does not find in %j the token %s', (value, token) => {
    expect(listHasToken(value, token)).toBe(false)
  })

  test('finds each token that was joined', () => {
    // Invariant: a list names exactly its members, in any case.
    fc.assert(
      fc.property(fc.array(tokens, { minLength: 1 }), fc.nat(), tokens, (list, index, other) => {
        const value = list.join(' , ')
        const folded = list.map((token) => token.toLowerCase())
        expect(listHasToken(value, list[index % list.length]!.toUpperCase())).toBe(true)
        expect(listHasToken(value, other)).toBe(folded.includes(other.toLowerCase()))
      }),
    )
  })

  test.each(HOSTILE_VALUES)('CVE-2023-26103: searches %s in linear time', (_what, make) => {
    expectLinear(make, (value) => listHasToken(value, 'upgrade'))
  })
})

describe('trimSpaces', () => {
  test.each([
    ['', ''],
    [' \t ', ''],
    ['a', 'a'],
    ['\t a b \t', 'a b'],
    ['\u00a0a\u00a0', '\u00a0a\u00a0'],
    ['\r\na', '\r\na'],
  ])('cuts %j', (value, expected) => {
    expect(trimSpaces(value)).toBe(expected)
  })
})

describe('HeaderScanner', () => {
  test('takes parts in order and skips spaces between them', () => {
    const scanner = new HeaderScanner(' name \t= "a \\"b\\\\" , rest')
    expect(scanner.takeSeparator('=')).toBe(false)
    expect(scanner.takeQuotedString()).toBeUndefined()
    expect(scanner.takeToken()).toBe('name')
    expect(scanner.takeToken()).toBeUndefined()
    expect(scanner.takeSeparator('=')).toBe(true)
    expect(scanner.takeQuotedString()).toBe('a "b\\')
    expect(scanner.takeSeparator(',')).toBe(true)
    expect(scanner.done).toBe(false)
    expect(scanner.takeToken()).toBe('rest')
    expect(scanner.done).toBe(true)
    expect(scanner.takeToken()).toBeUndefined()
    expect(scanner.takeSeparator(',')).toBe(false)
    expect(scanner.takeQuotedString()).toBeUndefined()
  })

  test('skips to a separator, or to the end', () => {
    const scanner = new HeaderScanner('@@@, b')
    scanner.skipTo(',')
    expect(scanner.takeSeparator(',')).toBe(true)
    scanner.skipTo(',')
    expect(scanner.done).toBe(true)
  })

  test.each([
    ['""', ''],
    ['"a"', 'a'],
    ['"a, b; c=d"', 'a, b; c=d'],
    ['"\\a\\b"', 'ab'],
    ['"\\""', '"'],
  ])('takes the quoted string %s', (value, expected) => {
    expect(new HeaderScanner(value).takeQuotedString()).toBe(expected)
  })

  test.each(['"', '"a', '"a\\"', '"\\', 'a"'])('takes no quoted string from %s', (value) => {
    const scanner = new HeaderScanner(value)
    expect(scanner.takeQuotedString()).toBeUndefined()
    expect(scanner.done).toBe(false)
  })

  test('unquotes what was quoted', () => {
    // Invariant: quoting with every character escaped, or only those that need it, changes nothing.
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), fc.boolean(), (text, all) => {
        const quoted = text.replace(all ? /[\s\S]/g : /["\\]/g, (character) => `\\${character}`)
        const scanner = new HeaderScanner(`"${quoted}"`)
        expect(scanner.takeQuotedString()).toBe(text)
        expect(scanner.done).toBe(true)
      }),
    )
  })
})

test('isVisibleAscii takes what is visible, from ! to ~', () => {
  const all = Array.from({ length: 0x100 }, (_, code) => String.fromCharCode(code))
  expect(all.filter((character) => isVisibleAscii(`/${character}/`)).join('')).toBe(
    all.slice(0x21, 0x7f).join(''),
  )
})
