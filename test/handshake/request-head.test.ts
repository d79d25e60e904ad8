import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { readHeaderLines, readRequestHead } from '../../src/handshake/request-head.ts'
import { expectLinear, HOSTILE_VALUES, spaces, tokens } from './support.ts'

const MAX_HEADERS = 100
const LINES = ['Host: example.com', 'Upgrade: websocket', 'Connection: Upgrade']
const HEADERS = { host: 'example.com', upgrade: 'websocket', connection: 'Upgrade' }

/** Write a head: the lines of a handshake and others. */
function head(others: readonly string[] = [], requestLine = 'GET /chat HTTP/1.1', lines = LINES): string {
  return [requestLine, ...lines, ...others, '', ''].join('\r\n')
}

function read(text: string): ReturnType<typeof readRequestHead> {
  return readRequestHead(text, MAX_HEADERS)
}

/** Read one header that a head has besides those of the handshake. */
function readOne(line: string, lowerName: string): string | undefined {
  return read(head([line]))?.headers[lowerName]
}

describe('readRequestHead reads', () => {
  test('what a client writes', () => {
    const text = head(['Sec-WebSocket-Version: 13', 'User-Agent: openline'], 'GET /chat?room=1 HTTP/1.1')
    expect(read(text)).toEqual({
      method: 'GET',
      httpVersion: '1.1',
      target: '/chat?room=1',
      headers: { ...HEADERS, 'sec-websocket-version': '13', 'user-agent': 'openline' },
      length: text.length,
    })
  })

  test.each(['/', '//', '/?', '/%E4%BD%A0', '/a#b', '/a|b{c}"d"\\^`<>', "/~!$&'()*+,;=:@[]", '/http://a/b'])(
    'the target %s',
    (target) => {
      expect(read(head([], `GET ${target} HTTP/1.1`))?.target).toBe(target)
    },
  )

  test.each([
    ['Upgrade: WebSocket', 'Connection: upgrade'],
    ['UPGRADE: WEBSOCKET', 'connection: UPGRADE'],
    ['Upgrade: h2c, websocket', 'Connection: keep-alive, Upgrade'],
    ['Upgrade:websocket', 'Connection: , upgrade ,'],
    ['Upgrade: websocket,', 'Connection: Upgrade, close'],
  ])('%s with %s', (...lines) => {
    expect(read(head(['Host: a', ...lines], 'GET / HTTP/1.1', []))?.headers.host).toBe('a')
  })

  test.each<[string, string]>([
    ['X-A:b', 'b'],
    ['X-A: b', 'b'],
    ['X-A: \t b \t ', 'b'],
    ['X-A: b \t c', 'b \t c'],
    ['X-A:', ''],
    ['X-A: \t ', ''],
    ['X-A: b:c', 'b:c'],
    ['x-a: "b, c"; d', '"b, c"; d'],
    ['X-a: \x80\xa0\xe9\xff', '\x80\xa0\xe9\xff'],
    // U+00A0 and its kind are no spaces here.
    ['X-A: \xa0b\xa0', '\xa0b\xa0'],
  ])('the line %j', (line, value) => {
    expect(readOne(line, 'x-a')).toBe(value)
  })

  test('names of all characters that tokens have, in lower case', () => {
    expect(readOne("!#$%&'*+-.^_`|~09AZaz: v", "!#$%&'*+-.^_`|~09azaz")).toBe('v')
  })

  test.each(['hasOwnProperty', 'toString', 'valueOf', '__defineGetter__'])(
    'a header called %s, since no object has it in lower case',
    (name) => {
      expect(readOne(`${name}: v`, name.toLowerCase())).toBe('v')
    },
  )

  test('an empty Host, which is for others to judge', () => {
    expect(
      read(head(['Upgrade: websocket', 'Connection: Upgrade'], 'GET / HTTP/1.1', ['Host:']))?.headers,
    ).toEqual({ ...HEADERS, host: '' })
  })

  test('as many lines as are allowed', () => {
    const others = Array.from({ length: MAX_HEADERS - LINES.length }, (_, index) => `X-${index}: ${index}`)
    expect(Object.keys(read(head(others))!.headers)).toHaveLength(MAX_HEADERS)
    expect(readRequestHead(head(others), MAX_HEADERS - 1)).toBeUndefined()
    expect(read(head([...others, 'X-More: 1']))).toBeUndefined()
    expect(readRequestHead(head([...others, 'X-More: 1']), Number.POSITIVE_INFINITY)).toBeDefined()
  })

  test.each(['x', '\r\n', '\r\n\r\n', 'X-A: b\r\n\r\n', '\x81\x85\0\0\0\0', head()])(
    'no further than the empty line, when %j follows',
    (rest) => {
      expect(read(head() + rest)).toEqual(read(head()))
      expect(read(head() + rest)?.length).toBe(head().length)
    },
  )
})

describe('readRequestHead leaves to others', () => {
  test.each([
    'POST / HTTP/1.1',
    'get / HTTP/1.1',
    'GETS / HTTP/1.1',
    ' GET / HTTP/1.1',
    '\r\nGET / HTTP/1.1',
    'GET / HTTP/1.0',
    'GET / HTTP/1.10',
    'GET / HTTP/2.0',
    'GET / http/1.1',
    'GET / HTTP/1.1 ',
    'GET /',
    'GET HTTP/1.1',
    'GET  HTTP/1.1',
    'GET  / HTTP/1.1',
    'GET /  HTTP/1.1',
    'GET\t/ HTTP/1.1',
    'GET /\tHTTP/1.1',
    'GET chat HTTP/1.1',
    'GET * HTTP/1.1',
    'GET http://localhost/ HTTP/1.1',
    'GET localhost:80 HTTP/1.1',
    'GET /a b HTTP/1.1',
    'GET /a\tb HTTP/1.1',
    'GET /a\0b HTTP/1.1',
    'GET /a\x1fb HTTP/1.1',
    'GET /a\x7fb HTTP/1.1',
    'GET /a\x80b HTTP/1.1',
    'GET /\xe9 HTTP/1.1',
    'GET /a\rb HTTP/1.1',
    'GET /a\nb HTTP/1.1',
    'GET / HTTP/1.1\r',
    'GET / HTTP/1.1\nX-A: b',
    'G',
    '',
  ])('the request line %j', (requestLine) => {
    expect(read(head([], requestLine))).toBeUndefined()
  })

  test.each([
    ['without a colon', 'X-A'],
    ['without a name', ': b'],
    ['with a space before the colon', 'X-A : b'],
    ['with a tab before the colon', 'X-A\t: b'],
    ['with a space in the name', 'X A: b'],
    ['that is folded', ' folded'],
    ['that is folded by a tab, and has a colon', '\tfolded: b'],
    ['that begins with a space', ' X-A: b'],
    ['with another separator in the name', 'X(A): b'],
    ['with a name beyond ASCII', 'X-\xe9: b'],
    ['with a NUL in the name', 'X-\0: b'],
    ['with a NUL in the value', 'X-A: b\0c'],
    ['with a control character in the value', 'X-A: b\x01c'],
    ['with a DEL in the value', 'X-A: b\x7fc'],
    ['that ends in a bare line feed', 'X-A: b\nX-B: c'],
    ['that ends in a bare carriage return', 'X-A: b\rX-B: c'],
    ['with a carriage return before its end', 'X-A: b\r'],
    ['that is a bare carriage return', '\r'],
    ['that is a bare line feed', '\n'],
    ['whose value begins with a line feed', 'X-A:\nb'],
    ['called constructor', 'constructor: b'],
    ['called __proto__', '__proto__: b'],
    ['called Constructor', 'Constructor: b'],
    ['with a length', 'Content-Length: 0'],
    ['with a length in lower case', 'content-length: 5'],
    ['with an encoding', 'Transfer-Encoding: chunked'],
    ['that expects something', 'EXPECT: 100-continue'],
    ['that Node gives as a list', 'Set-Cookie: a=b'],
    ['that stands twice', 'Host: example.com'],
    ['that stands twice in another case', 'uPGRADE: websocket'],
  ])('a line %s', (_what, line) => {
    expect(read(head([line]))).toBeUndefined()
    expect(read(head(['X-Last: 1'], undefined, [line, ...LINES]))).toBeUndefined()
  })

  test.each([
    ['no Host', ['Upgrade: websocket', 'Connection: Upgrade']],
    ['no Upgrade', ['Host: a', 'Connection: Upgrade']],
    ['another Upgrade', ['Host: a', 'Upgrade: h2c', 'Connection: Upgrade']],
    ['an empty Upgrade', ['Host: a', 'Upgrade:', 'Connection: Upgrade']],
    ['no Connection', ['Host: a', 'Upgrade: websocket']],
    ['another Connection', ['Host: a', 'Upgrade: websocket', 'Connection: keep-alive']],
    ['a Connection that only looks like it', ['Host: a', 'Upgrade: websocket', 'Connection: upgraded']],
    // llhttp of Node 20 takes the tab for a part of the token.
    ['a tab behind Connection', ['Host: a', 'Upgrade: websocket', 'Connection: Upgrade\t']],
    ['a tab in Connection', ['Host: a', 'Upgrade: websocket', 'Connection: upgrade\t,close']],
    ['no header at all', []],
  ])('%s', (_what, lines) => {
    expect(read(head([], undefined, lines))).toBeUndefined()
  })

  test('what is not all there', () => {
    const text = head()
    for (let length = 0; length < text.length; length++) expect(read(text.slice(0, length))).toBeUndefined()
    expect(read(text)).toBeDefined()
  })

  test('a line that ends behind a colon of the next', () => {
    expect(read('GET / HTTP/1.1\r\nHost\r\nUpgrade: websocket\r\n\r\n')).toBeUndefined()
  })
})

describe('readRequestHead takes linear time', () => {
  test.each(HOSTILE_VALUES)('for %s', (_what, make) => {
    expectLinear(make, (value) => read(head([`X-A: ${value}`])))
    expectLinear(make, (value) =>
      read(head([`Connection: ${value}`, 'Host: a', 'Upgrade: websocket'], undefined, [])),
    )
    expectLinear(make, (value) => read(`GET /${value}`))
    expectLinear(make, (value) => read(head([value])))
  })

  test.each([
    ['lines', 'X: y\r\n'],
    ['lines without a colon', 'X\r\n'],
    ['colons', ':'],
    ['carriage returns', '\r'],
  ])('for many %s', (_what, part) => {
    expectLinear(
      (length) => part.repeat(length / part.length),
      (value) => readRequestHead(`GET / HTTP/1.1\r\n${value}`, Number.POSITIVE_INFINITY),
    )
  })
})

describe('readHeaderLines', () => {
  test('gives names as they were written, and values without the spaces around them', () => {
    const text = head(['X-UPPER:\t a b ', 'x-lower:', 'x-Colon: a:b', 'X-Latin: \xe9'])
    expect(readHeaderLines(text)).toEqual([
      ['Host', 'example.com'],
      ['Upgrade', 'websocket'],
      ['Connection', 'Upgrade'],
      ['X-UPPER', 'a b'],
      ['x-lower', ''],
      ['x-Colon', 'a:b'],
      ['X-Latin', '\xe9'],
    ])
  })

  test('stops where the head ends', () => {
    expect(readHeaderLines(`${head()}X-A: b\r\n\r\n`)).toHaveLength(LINES.length)
  })

  test('agrees with readRequestHead', () => {
    const value = fc.string({
      unit: fc.constantFrom('a', 'B', ',', ' ', '\t', ':', '"', '\xff'),
      maxLength: 8,
    })
    const line = fc.tuple(tokens, spaces, value, spaces)
    fc.assert(
      fc.property(fc.array(line, { maxLength: 8 }), (lines) => {
        const text = head(lines.map(([name, before, middle, after]) => `${name}:${before}${middle}${after}`))
        const read = readRequestHead(text, MAX_HEADERS)
        fc.pre(read !== undefined)
        const pairs = readHeaderLines(text).map(([name, given]) => [name.toLowerCase(), given])
        expect(Object.entries(read!.headers)).toEqual(expect.arrayContaining(pairs))
        expect(pairs).toHaveLength(Object.keys(read!.headers).length)
      }),
    )
  })
})
