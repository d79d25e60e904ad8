// Invariant: readRequestHead never throws and takes linear time. It takes just those heads that a parser of few lines
// finds plain, and reads them as that one does: the same length, target, headers and header lines, so that checkRequest
// says the same of both.
// Input: how many header lines are allowed (1 byte; 0 for 100), plan of the long head (2; even for none), then the bytes
// of a line.

import { HandshakeError } from '../../src/errors.ts'
import { checkRequest, type HeaderMap } from '../../src/handshake/http1.ts'
import { readHeaderLines, readRequestHead } from '../../src/handshake/request-head.ts'
import { concat, fromLatin1, InputReader, toLatin1 } from '../bytes.ts'
import { anyHead, HEAD_DICTIONARY, type Head, HOSTILE_VALUES, toHeaderMap } from '../head.ts'
import { checkLinear, pump } from '../linear.ts'
import { check, checkEqual, type Target } from '../target.ts'

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/
const VALUE = /^[\t\x20-\x7e\x80-\xff]*$/
const START = /^GET (\/[\x21-\x7e]*) HTTP\/1\.1$/
/** What is left to node:http, whatever its value. */
const LEFT_OUT = ['content-length', 'transfer-encoding', 'expect', 'set-cookie', 'constructor', '__proto__']

export const requestHead: Target = {
  name: 'request-head',
  dictionary: [
    ...HEAD_DICTIONARY,
    ...[
      '\r\n',
      '\r\n\r\n',
      '\r\n ',
      ' HTTP/1.1\r\n',
      'GET /',
      ': ',
      'Set-Cookie: a\r\n',
      'Expect: a\r\n',
    ].map(fromLatin1),
  ],

  generate(random) {
    const plan = random.oneIn(12) ? random.below(0x10000) : 0
    const limit = random.oneIn(4) ? random.between(1, 6) : 0
    const start = random.oneIn(12)
      ? random.pick([
          'POST / HTTP/1.1',
          'GET / HTTP/1.0',
          'GET  / HTTP/1.1',
          'GET http://a/ HTTP/1.1',
          'GET',
          '',
        ])
      : `GET ${random.pick(['/', '/chat?x=1', '/a#b', '//', '/"\\'])} HTTP/1.1`
    const fields: [string, string][] = [
      ['Host', random.pick(['example.com', 'example.com:8080', '[::1]'])],
      ['Upgrade', random.pick(['websocket', 'WebSocket', 'h2c, websocket'])],
      ['Connection', random.pick(['Upgrade', 'keep-alive, upgrade', ', Upgrade ,'])],
      ['Sec-WebSocket-Version', '13'],
      ['Sec-WebSocket-Key', 'dGhlIHNhbXBsZSBub25jZQ=='],
    ]
    if (random.oneIn(2)) fields.push(['Sec-WebSocket-Protocol', random.pick(['chat', 'a,,b'])])
    if (random.oneIn(2)) fields.push(['Origin', 'http://example.com'])
    const lines = anyHead(random, start, fields, HOSTILE_VALUES).replaceAll('\n', '\r\n')
    const rest = random.pick(['', 'x', '\r\n', '\x81\x80\0\0\0\0', 'GET / HTTP/1.1\r\n\r\n'])
    return concat([[limit, plan >> 8, plan & 0xff], fromLatin1(`${lines}\r\n\r\n${rest}`)])
  },

  run(input) {
    const reader = new InputReader(input)
    const limit = reader.byte() || 100
    const plan = reader.uint16()
    const text = toLatin1(reader.rest())

    const expected = parsePlain(text, limit)
    const head = readRequestHead(text, limit)
    let behaviour: string
    if (typeof expected === 'string') {
      check(head === undefined, () => `it was taken, although: ${expected}`)
      behaviour = expected
    } else {
      check(head !== undefined, 'it is plain, and was not taken')
      behaviour = checkTaken(text, head, expected)
    }

    if ((plan & 1) === 1) {
      const long = pump(text, plan)
      checkLinear(() => readRequestHead(long, Number.POSITIVE_INFINITY), 'readRequestHead')
      if (head !== undefined) checkLinear(() => readHeaderLines(long), 'readHeaderLines')
    }
    return behaviour
  },
}

/** What the parser of few lines finds. */
interface PlainHead {
  readonly target: string
  readonly fields: Head['fields']
  readonly length: number
}

/** Parse a head, or say why it is not plain. */
function parsePlain(text: string, limit: number): PlainHead | string {
  const end = text.indexOf('\r\n\r\n')
  if (end === -1) return 'incomplete'
  const [start = '', ...lines] = text.slice(0, end).split('\r\n')
  const target = START.exec(start)?.[1]
  if (target === undefined) return 'another start'
  const fields: [string, string][] = []
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, Math.max(0, colon))
    const value = line.slice(colon + 1)
    if (!NAME.test(name)) return 'a bad name'
    if (!VALUE.test(value)) return 'a bad value'
    if (name.toLowerCase() === 'connection' && value.includes('\t')) return 'a tab in Connection'
    fields.push([name, trim(value)])
  }
  const names = fields.map(([name]) => name.toLowerCase())
  if (names.length > limit) return 'many lines'
  if (new Set(names).size < names.length) return 'a name twice'
  if (names.some((name) => LEFT_OUT.includes(name))) return 'a header for others'
  const value = (name: string): string => fields[names.indexOf(name)]?.[1] ?? ''
  if (!names.includes('host')) return 'no host'
  if (!listed(value('upgrade')).includes('websocket')) return 'no upgrade'
  if (!listed(value('connection')).includes('upgrade')) return 'no connection'
  return { target, fields, length: end + 4 }
}

function listed(list: string): string[] {
  return list.split(',').map((name) => trim(name).toLowerCase())
}

/** Cut spaces and tabs. A regular expression for the end would be quadratic. */
function trim(value: string): string {
  let end = value.length
  while (end > 0 && ' \t'.includes(value[end - 1]!)) end--
  return value.slice(0, end).replace(/^[ \t]+/, '')
}

function checkTaken(
  text: string,
  head: NonNullable<ReturnType<typeof readRequestHead>>,
  { target, fields, length }: PlainHead,
): string {
  check(head.length === length, () => `the length is ${head.length}, not ${length}`)
  check(head.target === target, () => `the target is ${JSON.stringify(head.target)}`)
  check(head.method === 'GET' && head.httpVersion === '1.1', 'another method or version')
  const headers = toHeaderMap(fields, 'joined', true)
  checkEqual(showAll(Object.entries(head.headers)), showAll(Object.entries(headers)), 'the headers')

  const own = text.slice(0, length)
  checkEqual(showAll(readHeaderLines(own)), showAll(fields), 'the header lines')
  checkEqual(showAll(readHeaderLines(text)), showAll(fields), 'the header lines, with what follows')
  const again = readRequestHead(own, Number.POSITIVE_INFINITY)
  check(JSON.stringify(again) === JSON.stringify(head), 'what follows changes what is read')
  check(readRequestHead(own.slice(0, -1), 100) === undefined, 'an incomplete head was taken')

  const verdict = judge(head.target, head.headers)
  check(
    verdict === judge(target, headers),
    () => `checkRequest says ${verdict}, and something else of the same`,
  )
  return `taken ${verdict.split(':')[0]}`
}

/** Tell what checkRequest says. */
function judge(target: string, headers: HeaderMap): string {
  try {
    return `good: ${JSON.stringify(checkRequest({ method: 'GET', httpVersion: '1.1', target, headers }))}`
  } catch (error) {
    if (!(error instanceof HandshakeError)) throw error
    return `${error.code} ${error.status}: ${error.message}`
  }
}

function showAll(pairs: readonly (readonly [string, unknown])[]): string[] {
  return pairs.map((pair) => JSON.stringify(pair))
}
