// Invariant: the scanners equal naive regular expressions, what is parsed can be written and parsed again to the same,
// and the time is linear in the value.
// Input: plan of the long value (2 bytes; even for none), then the value in Latin-1.

import {
  HeaderScanner,
  isFieldValue,
  isToken,
  listHasToken,
  parseTokenList,
  trimSpaces,
} from '../../src/handshake/header-grammar.ts'
import { parseSubprotocols, selectSubprotocol } from '../../src/handshake/subprotocol.ts'
import { concat, fromLatin1, InputReader, toLatin1 } from '../bytes.ts'
import { HEAD_DICTIONARY, HOSTILE_VALUES } from '../head.ts'
import { checkLinear, pump } from '../linear.ts'
import { check, checkEqual, type Target } from '../target.ts'

const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const FIELD_VALUE = /^[\t\x20-\x7e\x80-\xff]*$/

export const headerGrammar: Target = {
  name: 'header-grammar',
  dictionary: HEAD_DICTIONARY,

  generate(random) {
    const plan = random.oneIn(8) ? random.below(0x10000) : 0
    let value = ''
    for (let count = random.between(0, 5); count > 0; count--) {
      value += random.pick([',', ', ', ' ,\t', ' ', '"', '\\', ''])
      value += random.oneIn(3) ? random.pick(HOSTILE_VALUES) : random.pick(['a', 'Upgrade', 'x-y.z', '!#$'])
    }
    return concat([[plan >> 8, plan & 0xff], fromLatin1(value)])
  },

  run(input) {
    const reader = new InputReader(input)
    const plan = reader.uint16()
    const value = toLatin1(reader.rest())

    check(isToken(value) === TOKEN.test(value), 'isToken is wrong')
    check(isFieldValue(value) === FIELD_VALUE.test(value), 'isFieldValue is wrong')
    check(trimSpaces(value) === naiveTrim(value), 'trimSpaces is wrong')
    const elements = value.split(',').map(naiveTrim)
    for (const token of ['upgrade', 'websocket', ...elements.slice(0, 3)]) {
      const expected = elements.some((element) => element.toLowerCase() === token.toLowerCase())
      // Beyond ASCII `toLowerCase` knows more letters than HTTP does.
      if (/^[\0-\x7f]*$/.test(value)) check(listHasToken(value, token) === expected, 'listHasToken is wrong')
    }

    const tokens = parseTokenList(value)
    const expectedTokens = elements.filter((element) => element !== '')
    const isList = expectedTokens.every((element) => TOKEN.test(element))
    check((tokens !== undefined) === isList, 'parseTokenList accepts wrongly')
    if (tokens !== undefined) {
      checkEqual(tokens, expectedTokens, 'tokens')
      checkEqual(parseTokenList(tokens.join(', ')) ?? ['nothing'], tokens, 'tokens after a round trip')
    }
    const subprotocols = parseSubprotocols(value)
    const areSubprotocols = isList && tokens!.length > 0 && new Set(tokens).size === tokens!.length
    check((subprotocols !== undefined) === areSubprotocols, 'parseSubprotocols accepts wrongly')
    if (subprotocols !== undefined) {
      check(
        selectSubprotocol(['none', subprotocols.at(-1)!], subprotocols) === subprotocols.at(-1),
        'selects wrongly',
      )
    }

    const quoted = new HeaderScanner(value).takeQuotedString()
    const again = `"${value.replace(/["\\]/g, '\\$&')}"`
    const scanner = new HeaderScanner(again)
    check(scanner.takeQuotedString() === value && scanner.done, 'a quoted string is lost in a round trip')

    if ((plan & 1) === 1) {
      const long = pump(value, plan)
      checkLinear(() => {
        isToken(long)
        isFieldValue(long)
        trimSpaces(long)
        listHasToken(long, 'upgrade')
        parseTokenList(long)
        parseSubprotocols(long)
        new HeaderScanner(long).takeQuotedString()
        new HeaderScanner(`"${long}`).takeQuotedString()
      }, 'the header grammar')
    }
    return `${isToken(value)} ${isFieldValue(value)} ${Math.min(tokens?.length ?? -1, 9)} ${subprotocols !== undefined} ${quoted !== undefined}`
  },
}

function naiveTrim(value: string): string {
  return value.replace(/^[ \t]+/, '').replace(/[ \t]+$/, '')
}
