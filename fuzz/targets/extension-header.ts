// Invariant: what is parsed from Sec-WebSocket-Extensions can be written and parsed again to the same, writing makes a
// legal header, and the time is linear in the value.
// Input: plan of the long value (2 bytes; even for none), then the value in Latin-1.

import {
  type ExtensionOffer,
  formatExtensionHeader,
  parseExtensionHeader,
} from '../../src/handshake/extension-header.ts'
import { isFieldValue, isToken } from '../../src/handshake/header-grammar.ts'
import { concat, fromLatin1, InputReader, toLatin1 } from '../bytes.ts'
import { HEAD_DICTIONARY, HOSTILE_VALUES } from '../head.ts'
import { checkLinear, pump } from '../linear.ts'
import { check, checkEqual, type Target, thrownBy } from '../target.ts'

export const extensionHeader: Target = {
  name: 'extension-header',
  dictionary: HEAD_DICTIONARY,

  generate(random) {
    const plan = random.oneIn(8) ? random.below(0x10000) : 0
    const space = (): string => random.pick(['', '', '', ' ', '\t '])
    const word = (): string =>
      random.pick(['permessage-deflate', 'x', 'a.b', '__proto__', 'constructor', '15', '!~'])
    let value = ''
    for (let count = random.between(1, 4); count > 0; count--) {
      value += `${space()}${random.oneIn(12) ? '' : word()}${space()}`
      for (let parameters = random.below(4); parameters > 0; parameters--) {
        value += `;${space()}${word()}${space()}`
        const form = random.below(4)
        if (form === 0) value += `=${space()}${word()}`
        if (form === 1) value += `=${space()}"${word().replace(/./g, random.oneIn(3) ? '\\$&' : '$&')}"`
        if (form === 2 && random.oneIn(6)) value += `=${random.pick(HOSTILE_VALUES)}`
      }
      value += count > 1 ? ',' : space()
    }
    return concat([[plan >> 8, plan & 0xff], fromLatin1(value)])
  },

  run(input) {
    const reader = new InputReader(input)
    const plan = reader.uint16()
    const value = toLatin1(reader.rest())
    const offers = parseExtensionHeader(value)

    let behaviour = 'malformed'
    if (offers !== undefined) {
      check(offers.length > 0, 'an empty list was accepted')
      const text = formatExtensionHeader(offers)
      check(isFieldValue(text), () => `${JSON.stringify(text)} is no header value`)
      checkEqual(flatten(parseExtensionHeader(text)), flatten(offers), 'offers after a round trip')
      check(formatExtensionHeader(parseExtensionHeader(text)!) === text, 'writing twice gives another text')
      behaviour = offers
        .slice(0, 4)
        .map(({ parameters }) =>
          parameters
            .slice(0, 4)
            .map(({ value }) => (value === undefined ? '-' : '='))
            .join(''),
        )
        .join(',')
    }
    // A value that is no token must not be written.
    const error = thrownBy(() => formatExtensionHeader([{ name: 'x', parameters: [{ name: 'y', value }] }]))
    check(isToken(value) ? error === undefined : error instanceof TypeError, 'a value was written wrongly')

    if ((plan & 1) === 1) {
      const long = pump(value, plan)
      checkLinear(() => {
        const offers = parseExtensionHeader(long)
        if (offers !== undefined) formatExtensionHeader(offers)
        parseExtensionHeader(`x; y="${long}`)
      }, 'Sec-WebSocket-Extensions')
    }
    return behaviour
  },
}

function flatten(offers: readonly ExtensionOffer[] | undefined): string[] {
  return (offers ?? []).map((offer) => JSON.stringify(offer))
}
