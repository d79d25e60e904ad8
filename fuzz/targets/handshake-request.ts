// Invariant: checkRequest throws nothing but HandshakeError, whatever the headers, in linear time; what it accepts can be
// answered, and what buildRequestHeaders builds from the same headers holds no line break.
// Input: how headers are given (1 byte), plan of the long value (2; even for none), then "METHOD TARGET VERSION" and
// header lines.

import { HandshakeError } from '../../src/errors.ts'
import { formatExtensionHeader } from '../../src/handshake/extension-header.ts'
import {
  buildRequestHeaders,
  type ClientHandshake,
  checkRequest,
  checkResponse,
  formatRefusal,
  formatResponse,
} from '../../src/handshake/http1.ts'
import { isHostAllowed, isOriginAllowed } from '../../src/handshake/origin.ts'
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
import { check, checkEqual, type Target, thrownBy } from '../target.ts'

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
const REPEATS: readonly Repeats[] = ['joined', 'array', 'first', 'array']

export const handshakeRequest: Target = {
  name: 'handshake-request',
  dictionary: HEAD_DICTIONARY,

  generate(random) {
    const plan = random.oneIn(12) ? random.below(0x10000) : 0
    const start = random.oneIn(20)
      ? random.pick(['POST / 1.1', 'GET / 1.0', 'GET / 2.0', 'get / 1.1', 'GET', '', 'GET / 1.10'])
      : 'GET /chat?x=1 1.1'
    const fields: [string, string][] = [
      ['Host', random.pick(['example.com', 'example.com:8080', '[::1]'])],
      ['Upgrade', random.pick(['websocket', 'WebSocket', 'h2c, websocket'])],
      ['Connection', random.pick(['Upgrade', 'keep-alive, upgrade', ', Upgrade ,'])],
      ['Sec-WebSocket-Version', '13'],
      ['Sec-WebSocket-Key', KEY],
    ]
    if (random.oneIn(2))
      fields.push(['Sec-WebSocket-Protocol', random.pick(['chat', 'chat, superchat', 'a,,b'])])
    if (random.oneIn(2))
      fields.push(['Sec-WebSocket-Extensions', 'permessage-deflate; client_max_window_bits'])
    if (random.oneIn(2)) fields.push(['Origin', 'http://example.com'])
    const head = anyHead(random, start, fields, HOSTILE_VALUES)
    return concat([[random.below(8), plan >> 8, plan & 0xff], fromLatin1(head)])
  },

  run(input) {
    const reader = new InputReader(input)
    const form = reader.byte()
    const plan = reader.uint16()
    const head = parseHead(toLatin1(reader.rest()))
    const judge = (fields: Head['fields']): ClientHandshake => {
      const [method = '', target = '', httpVersion = ''] = head.start.split(' ')
      const headers = toHeaderMap(fields, REPEATS[form & 3]!, (form & 4) === 0)
      return checkRequest({ method, target, httpVersion, headers })
    }

    let behaviour: string
    try {
      const handshake = judge(head.fields)
      checkAccepted(handshake, form)
      behaviour = `accepted ${handshake.subprotocols.length > 0} ${handshake.extensions.length > 0} ${handshake.origin !== undefined}`
    } catch (error) {
      checkRefusal(error)
      behaviour = `${error.code} ${error.status}`
    }

    const isBuilt = checkBuilder(head)
    if ((plan & 1) === 1 && head.fields.length > 0) {
      const longest = plan % head.fields.length
      const fields = head.fields.map(
        ([name, value], index) => [name, index === longest ? pump(value, plan) : value] as const,
      )
      checkLinear(() => thrownBy(() => judge(fields)), 'checkRequest')
    }
    return `${behaviour} ${isBuilt}`
  },
}

function checkRefusal(error: unknown): asserts error is HandshakeError {
  if (!(error instanceof HandshakeError)) throw error
  check(error.status >= 400 && error.status <= 505, () => `the status is ${error.status}`)
  check(/^[\x20-\x7e…]{1,400}$/.test(error.message), () => `the message is not fit to show: ${error.message}`)
  const refusal = formatRefusal({ status: error.status, body: error.message })
  check(refusal.startsWith(`HTTP/1.1 ${error.status} `), 'the refusal has another status')
}

/** A server goes on with what it accepted: the answer must come out well, and please the client. */
function checkAccepted(handshake: ClientHandshake, form: number): void {
  const { key, subprotocols, extensions, origin, host } = handshake
  check(!`${host}${origin}`.includes(','), 'a header that stands twice was accepted')
  const response = formatResponse({
    key,
    subprotocol: subprotocols[0],
    extensions: formatExtensionHeader(extensions),
    headers: [],
  })
  const { start, fields } = parseHead(response.replaceAll('\r\n', '\n'))
  check(start === 'HTTP/1.1 101 Switching Protocols', () => `the response begins with ${start}`)
  check(
    fields.length === 3 + Number(subprotocols.length > 0) + Number(extensions.length > 0),
    'another header came in',
  )
  const answer = checkResponse(
    { status: 101, statusText: '', headers: toHeaderMap(fields, 'joined', true) },
    { key, subprotocols },
  )
  check(answer.subprotocol === subprotocols[0], 'the ends disagree on the subprotocol')
  checkEqual(answer.extensions.map(show), extensions.map(show), 'the extensions')
  for (const secure of [false, true]) isOriginAllowed({ origin, host, secure }, form < 4 ? undefined : [/x$/])
  check(isHostAllowed(host, undefined), 'no list of hosts refuses a host')
  isHostAllowed(host, ['example.com', '[::1]'])
}

/** A client whose user gives these headers: a TypeError, or headers that nothing else can be read from. */
function checkBuilder({ start, fields }: Head): boolean {
  const target = start.split(' ')[1] ?? ''
  let built: [string, string][]
  try {
    built = buildRequestHeaders({
      key: KEY,
      host: 'example.com',
      target,
      subprotocols: [],
      extensions: [],
      origin: undefined,
      authorization: undefined,
      userAgent: undefined,
      headers: fields.filter(([name]) => !/^(?:upgrade|connection|sec-websocket-.*)$/i.test(name)),
    })
  } catch (error) {
    if (!(error instanceof TypeError)) throw error
    check(!/[\r\n]/.test(error.message), 'the message of a TypeError has a line break')
    return false
  }
  for (const [name, value] of built) {
    check(/^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/.test(name), () => `the name ${JSON.stringify(name)} would be sent`)
    check(!/[\0\r\n]/.test(value), () => `the value ${JSON.stringify(value)} would be sent`)
  }
  return true
}

function show(value: unknown): string {
  return JSON.stringify(value)
}
