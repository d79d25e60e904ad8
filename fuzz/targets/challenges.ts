// Invariant: whatever a server writes into WWW-Authenticate, what is read of it can be answered, the answer is a legal
// header value that does not hold the password and can be read again, and the time is linear in the value.
// Input: plan of the long value (2 bytes; even for none), then the value in Latin-1.

import { answerDigest, chooseDigest, parseChallenges } from '../../src/client/digest.ts'
import { isFieldValue } from '../../src/handshake/header-grammar.ts'
import { concat, fromLatin1, InputReader, toLatin1 } from '../bytes.ts'
import { HEAD_DICTIONARY, HOSTILE_VALUES } from '../head.ts'
import { checkLinear, pump } from '../linear.ts'
import { check, type Target } from '../target.ts'

const PASSWORD = 'the password that nobody may see'

export const challenges: Target = {
  name: 'challenges',
  dictionary: HEAD_DICTIONARY,

  generate(random) {
    const plan = random.oneIn(8) ? random.below(0x10000) : 0
    const space = (): string => random.pick(['', '', '', ' ', '\t '])
    let value = ''
    for (let count = random.between(1, 4); count > 0; count--) {
      value += random.pick(['Digest ', 'Digest ', 'digest ', 'Basic ', 'Negotiate YWJj/ZGVm==', 'NTLM', ''])
      for (let parameters = random.below(7); parameters > 0; parameters--) {
        const name = random.pick([
          'realm',
          'nonce',
          'qop',
          'algorithm',
          'opaque',
          'stale',
          'userhash',
          '__proto__',
        ])
        const text = random.pick([
          'auth',
          'auth,auth-int',
          'MD5',
          'SHA-256',
          'md5-sess',
          'true',
          'r',
          '\xe9',
          '',
        ])
        const form = random.below(4)
        const written = form === 0 ? text : `"${text.replace(/./g, random.oneIn(3) ? '\\$&' : '$&')}"`
        value += `${name}${space()}=${space()}${form === 3 && random.oneIn(4) ? random.pick(HOSTILE_VALUES) : written}`
        value += `${space()},${space()}`
      }
    }
    return concat([[plan >> 8, plan & 0xff], fromLatin1(value)])
  },

  run(input) {
    const reader = new InputReader(input)
    const plan = reader.uint16()
    // What node:http lets through; other bytes never come this far.
    const value = toLatin1(reader.rest()).replace(/[^\t\x20-\x7e\x80-\xff]/g, '')
    const found = parseChallenges(value)
    const chosen = chooseDigest(found)

    let behaviour = found
      .slice(0, 3)
      .map(({ parameters }) => Math.min(parameters.size, 4))
      .join(',')
    if (chosen !== undefined) {
      const answer = answerDigest(chosen, {
        username: 'ann',
        password: PASSWORD,
        method: 'GET',
        uri: '/',
        cnonce: 'c',
      })
      check(isFieldValue(answer), () => `${JSON.stringify(answer)} is no header value`)
      check(!answer.includes(PASSWORD), 'the answer holds the password')
      const fields = parseChallenges(answer)[0]?.parameters
      for (const name of ['realm', 'nonce']) {
        check(fields?.get(name) === chosen.parameters.get(name), `the answer has another ${name}`)
      }
      behaviour += ` answered with ${[...fields!.keys()].length}`
    }
    if ((plan & 1) === 1) {
      const long = pump(value, plan)
      checkLinear(() => {
        parseChallenges(long)
        parseChallenges(`Digest realm="${long}`)
      }, 'WWW-Authenticate')
    }
    return behaviour
  },
}
