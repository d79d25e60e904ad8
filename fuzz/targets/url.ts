// Invariant: parseWebSocketUrl throws TypeError only, its messages never show the password or the query, what it returns
// can be sent in a request, and the time is linear in the address.
// Input: encoding and parts (1 byte), plan of the long address (2; even for none), then four parts separated by line
// feeds: what stands before the user, the user, what surrounds the password, and what follows the "@".

import { buildRequestHeaders } from '../../src/handshake/http1.ts'
import { parseWebSocketUrl, type WebSocketUrl } from '../../src/handshake/url.ts'
import { concat, InputReader } from '../bytes.ts'
import { checkLinear, pump } from '../linear.ts'
import { check, type Target, thrownBy } from '../target.ts'

const PASSWORD = 'S3cr3t'
const QUERY = 't0k3n'

const WORDS = [
  ...[
    'ws://',
    'wss://',
    'http://',
    'https://',
    'ws+unix:',
    'wss+unix:',
    'ftp://',
    'ws:',
    '//',
    ':',
    '',
    'ws:\\\\',
  ],
  ...[
    'user',
    'u%40x',
    '%',
    '%zz',
    '%ff',
    '@',
    '/',
    '?',
    '#',
    '[',
    ']',
    '[::1]',
    '[::ffff:1.2.3.4]',
    '%5b',
    '\\',
  ],
  ...[
    'example.com',
    'EXAMPLE.com',
    'bücher.example',
    '127.1',
    '0x7f.1',
    '1.2.3.4.5',
    'xn--',
    'a..b',
    ' ',
    '\t',
  ],
  ...[
    ':80',
    ':443',
    ':0',
    ':65535',
    ':65536',
    ':99999999999',
    ':-1',
    ':x',
    '/path',
    '/%',
    '/ä',
    '/a b',
    '?q=1',
    '?',
  ],
  ...['\u0000', '\u007f', '\ud800', '😀', '\u202e', '/run/app.sock', ':/x', '..', '/../..', '\r', '%0d%0a'],
]

export const url: Target = {
  name: 'url',
  dictionary: WORDS.filter((word) => word !== '').map((word) => new TextEncoder().encode(word)),

  generate(random) {
    const plan = random.oneIn(12) ? random.below(0x10000) : 0
    const form = random.below(8)
    const words = (most: number): string => {
      let text = ''
      for (let count = random.below(most + 1); count > 0; count--) text += random.pick(WORDS)
      return text.replaceAll('\n', '')
    }
    const parts = random.oneIn(2)
      ? [words(2), words(2), words(2), words(4)]
      : [random.pick(['ws://', 'wss://', 'https://']), 'user', words(1), `example.com${words(2)}`]
    return concat([[form, plan >> 8, plan & 0xff], encode(parts.join('\n'), form)])
  },

  run(input) {
    const reader = new InputReader(input)
    const form = reader.byte()
    const plan = reader.uint16()
    const [before = '', user = '', around = '', after = ''] = decode(reader.rest(), form).split('\n')
    const middle = around.length >> 1
    const password = around.slice(0, middle) + PASSWORD + around.slice(middle)
    const credentials = (form & 2) === 0 ? `${user}:${password}@` : ''
    const query = (form & 4) === 0 ? '' : `?${QUERY}=${QUERY}`
    const text = `${before}${credentials}${after}${query}`

    let behaviour: string
    try {
      const parsed = parseWebSocketUrl(text)
      checkParsed(parsed)
      behaviour = `${parsed.secure} ${parsed.socketPath !== undefined} ${parsed.username !== ''} ${parsed.password !== ''} ${parsed.host.startsWith('[')} ${parsed.target === '/'}`
    } catch (error) {
      if (!(error instanceof TypeError)) throw error
      const { message } = error
      check(message.startsWith('the WebSocket address "'), () => `another message: ${message}`)
      check(!message.includes(PASSWORD), () => `the message shows the password: ${message}`)
      check(!message.includes(QUERY), () => `the message shows the query: ${message}`)
      check(/^[\x20-\x7e…]{1,400}$/.test(message), () => `the message is not fit to show: ${message}`)
      behaviour = message.slice(message.lastIndexOf('" ') + 2, message.lastIndexOf('" ') + 30)
    }
    if ((plan & 1) === 1) {
      const long = pump(text, plan)
      checkLinear(() => thrownBy(() => parseWebSocketUrl(long)), 'parseWebSocketUrl')
    }
    return behaviour
  },
}

/** A client makes a request of it. */
function checkParsed(parsed: WebSocketUrl): void {
  const { port, host, hostname, target } = parsed
  check(Number.isInteger(port) && port >= 0 && port <= 65_535, () => `the port is ${port}`)
  check(host !== '' && hostname !== '', 'there is no host')
  check(target.startsWith('/'), () => `the target is ${target}`)
  const headers = buildRequestHeaders({
    key: 'dGhlIHNhbXBsZSBub25jZQ==',
    host,
    target,
    subprotocols: [],
    extensions: [],
    origin: undefined,
    authorization: undefined,
    userAgent: undefined,
    headers: [],
  })
  check(headers[0]![1] === host, 'the Host header is another')
}

function encode(text: string, form: number): Uint8Array {
  return Buffer.from(text, (form & 1) === 0 ? 'utf8' : 'utf16le')
}

// UTF-16 makes lone surrogates possible.
function decode(bytes: Uint8Array, form: number): string {
  return Buffer.from(bytes).toString((form & 1) === 0 ? 'utf8' : 'utf16le')
}
