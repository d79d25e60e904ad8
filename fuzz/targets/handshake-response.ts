// Invariant: checkResponse throws nothing but HandshakeError with status 0, whatever the headers, in linear time; it
// accepts only 101 with the right Accept value, and a subprotocol only if it was offered.
// Input: how headers are given and what was offered (1 byte), plan of the long value (2; even for none), then
// "STATUS TEXT" and header lines, in which $ACCEPT stands for the right Accept value.

import { HandshakeError } from '../../src/errors.ts'
import { checkResponse, type ServerHandshake } from '../../src/handshake/http1.ts'
import { computeAccept } from '../../src/handshake/key.ts'
import { concat, fromLatin1, InputReader, toLatin1 } from '../bytes.ts'
import {
  anyHead,
  HEAD_DICTIONARY,
  type Head,
  HOSTILE_VALUES,
  parseHead,
  type Repeats,
  toHeaderMap,
} from '../head.ts'
import { checkLinear, pump } from '../linear.ts'
import { check, type Target, thrownBy } from '../target.ts'

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
const REPEATS: readonly Repeats[] = ['joined', 'array', 'first', 'array']
const OFFERED = [[], ['chat'], ['chat', 'superchat'], ['constructor']] as const

export const handshakeResponse: Target = {
  name: 'handshake-response',
  dictionary: [...HEAD_DICTIONARY, fromLatin1('$ACCEPT')],

  generate(random) {
    const plan = random.oneIn(12) ? random.below(0x10000) : 0
    const start = random.oneIn(20)
      ? random.pick(['200 OK', '100', '0', '', '426 Upgrade Required'])
      : '101 Switching Protocols'
    const fields: [string, string][] = [
      ['Upgrade', random.pick(['websocket', 'WebSocket'])],
      ['Connection', random.pick(['Upgrade', 'keep-alive, upgrade'])],
      ['Sec-WebSocket-Accept', random.oneIn(8) ? ' $ACCEPT\t' : '$ACCEPT'],
    ]
    if (random.oneIn(2)) fields.push(['Sec-WebSocket-Protocol', random.pick(['chat', 'superchat'])])
    if (random.oneIn(2))
      fields.push(['Sec-WebSocket-Extensions', 'permessage-deflate; server_max_window_bits=10'])
    const head = anyHead(random, start, fields, [...HOSTILE_VALUES, '$ACCEPT', '$ACCEPT, $ACCEPT'])
    return concat([[random.below(32), plan >> 8, plan & 0xff], fromLatin1(head)])
  },

  run(input) {
    const reader = new InputReader(input)
    const form = reader.byte()
    const plan = reader.uint16()
    const accept = computeAccept(KEY)
    const head = parseHead(toLatin1(reader.rest()).replaceAll('$ACCEPT', accept))
    const status = Number.parseInt(head.start, 10)
    const subprotocols: readonly string[] = OFFERED[(form >> 3) & 3]!
    const judge = (fields: Head['fields']): ServerHandshake => {
      const headers = toHeaderMap(fields, REPEATS[form & 3]!, (form & 4) === 0)
      return checkResponse({ status, statusText: '', headers }, { key: KEY, subprotocols })
    }

    let behaviour: string
    try {
      const { subprotocol, extensions } = judge(head.fields)
      const values = (name: string): string[] =>
        head.fields.filter(([each]) => each.toLowerCase() === name).map(([, value]) => value)
      check(status === 101, () => `the status ${status} was accepted`)
      check(values('sec-websocket-accept').includes(accept), 'a wrong Accept value was accepted')
      check(
        values('upgrade').some((value) => value.toLowerCase() === 'websocket'),
        'no Upgrade header',
      )
      check(
        values('connection').some((value) => /upgrade/i.test(value)),
        'no Connection header',
      )
      check(
        subprotocol === undefined || subprotocols.includes(subprotocol),
        'a subprotocol that was not offered',
      )
      behaviour = `accepted ${subprotocol} ${extensions.length > 0}`
    } catch (error) {
      if (!(error instanceof HandshakeError)) throw error
      check(error.status === 0, () => `the status is ${error.status}`)
      check(
        /^[\x20-\x7e…]{1,400}$/.test(error.message),
        () => `the message is not fit to show: ${error.message}`,
      )
      behaviour = error.code
    }
    if ((plan & 1) === 1 && head.fields.length > 0) {
      const longest = plan % head.fields.length
      const fields = head.fields.map(
        ([name, value], index) => [name, index === longest ? pump(value, plan) : value] as const,
      )
      checkLinear(() => thrownBy(() => judge(fields)), 'checkResponse')
    }
    return behaviour
  },
}
