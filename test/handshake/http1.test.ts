import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HandshakeError } from '../../src/errors.ts'
import { formatExtensionHeader } from '../../src/handshake/extension-header.ts'
import {
  type AcceptFields,
  buildRequestHeaders,
  checkRequest,
  checkResponse,
  formatRefusal,
  formatResponse,
  type HandshakeRequestFields,
  type HeaderMap,
  joinHeaders,
  type RequestHead,
  type ServerHandshake,
} from '../../src/handshake/http1.ts'
import { expectLinear, HOSTILE_VALUES, tokens } from './support.ts'

const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='
const DEFLATE = {
  name: 'permessage-deflate',
  parameters: [{ name: 'client_max_window_bits', value: undefined }],
}

const FIELDS: HandshakeRequestFields = {
  key: KEY,
  host: 'example.com',
  target: '/chat',
  subprotocols: [],
  extensions: [],
  origin: undefined,
  authorization: undefined,
  userAgent: undefined,
  headers: [],
}

const REQUEST: RequestHead = {
  method: 'GET',
  httpVersion: '1.1',
  target: '/chat',
  headers: {
    host: 'example.com',
    upgrade: 'websocket',
    connection: 'Upgrade',
    'sec-websocket-key': KEY,
    'sec-websocket-version': '13',
  },
}

const RESPONSE_HEADERS: HeaderMap = {
  upgrade: 'websocket',
  connection: 'Upgrade',
  'sec-websocket-accept': ACCEPT,
}

function requestWith(headers: HeaderMap): RequestHead {
  return { ...REQUEST, headers: { ...REQUEST.headers, ...headers } }
}

function check(headers: HeaderMap, subprotocols: readonly string[] = []): ServerHandshake {
  const response = {
    status: 101,
    statusText: 'Switching Protocols',
    headers: { ...RESPONSE_HEADERS, ...headers },
  }
  return checkResponse(response, { key: KEY, subprotocols })
}

/** Check that a call throws the HandshakeError with this code and status. */
function expectFailing(call: () => unknown, code: string, status: number, words = ''): void {
  let error: unknown
  try {
    call()
  } catch (thrown) {
    error = thrown
  }
  expect(error).toBeInstanceOf(HandshakeError)
  expect(error).toMatchObject({ code, status, message: expect.stringContaining(words) })
}

/** Turn headers that one end wrote into the map in which the other end's parser gives them. */
function parsed(headers: Iterable<readonly [string, string]>): HeaderMap {
  const map = new Map<string, string>()
  for (const [name, value] of headers) {
    const lowerName = name.toLowerCase()
    const before = map.get(lowerName)
    map.set(lowerName, before === undefined ? value : `${before}, ${value}`)
  }
  return Object.fromEntries(map)
}

function parsedHead(text: string): HeaderMap {
  const lines = text.slice(0, text.indexOf('\r\n\r\n')).split('\r\n').slice(1)
  return parsed(lines.map((line) => line.split(': ', 2) as [string, string]))
}

// Each is refused wherever a user may give a header.
const INJECTIONS: readonly (readonly [string, string, string])[] = [
  ['a line break in the value', 'X-A', 'b\r\nX-C: d'],
  ['a carriage return in the value', 'X-A', 'b\rc'],
  ['a line feed in the value', 'X-A', 'b\nc'],
  ['a NUL in the value', 'X-A', 'b\0c'],
  ['a character above U+00FF, which might be cut to a line feed', 'X-A', 'b\u560ac'],
  ['a line break in the name', 'X-A: b\r\nX-C', 'd'],
  ['a colon in the name', 'X-A:', 'b'],
  ['a space in the name', 'X A', 'b'],
  ['an empty name', '', 'b'],
]

const OWNED_NAMES = [
  'Upgrade',
  'CONNECTION',
  'Sec-WebSocket-Key',
  'sec-websocket-accept',
  'Sec-WebSocket-Version',
  'Sec-WebSocket-Protocol',
  'Sec-WebSocket-Extensions',
  'Content-Length',
  'Transfer-Encoding',
]

describe('client: buildRequestHeaders', () => {
  test('builds the headers of RFC 6455 in canonical order', () => {
    expect(buildRequestHeaders(FIELDS)).toEqual([
      ['Host', 'example.com'],
      ['Upgrade', 'websocket'],
      ['Connection', 'Upgrade'],
      ['Sec-WebSocket-Key', KEY],
      ['Sec-WebSocket-Version', '13'],
    ])
  })

  test('adds what the options ask for, and the user’s headers last', () => {
    const headers = buildRequestHeaders({
      ...FIELDS,
      subprotocols: ['chat', 'superchat'],
      extensions: [DEFLATE],
      origin: 'https://example.com',
      authorization: 'Basic dTpw',
      userAgent: 'openline',
      headers: new Map([
        ['Cookie', 'a=b'],
        ['X-Latin', '\xe9'],
      ]),
    })
    expect(headers.slice(5)).toEqual([
      ['Sec-WebSocket-Protocol', 'chat, superchat'],
      ['Sec-WebSocket-Extensions', 'permessage-deflate; client_max_window_bits'],
      ['Origin', 'https://example.com'],
      ['Authorization', 'Basic dTpw'],
      ['User-Agent', 'openline'],
      ['Cookie', 'a=b'],
      ['X-Latin', '\xe9'],
    ])
  })

  test('lets the user’s Host, Origin, Authorization and User-Agent replace its own', () => {
    const headers = buildRequestHeaders({
      ...FIELDS,
      origin: 'https://example.com',
      authorization: 'Basic dTpw',
      headers: [
        ['user-agent', 'mine'],
        ['authorization', 'Bearer t'],
        ['origin', 'null'],
        ['host', 'other.example'],
      ],
    })
    expect(headers[0]).toEqual(['Host', 'other.example'])
    expect(headers.slice(5)).toEqual([
      ['Origin', 'null'],
      ['Authorization', 'Bearer t'],
      ['User-Agent', 'mine'],
    ])
  })

  test('refuses a second Host', () => {
    const headers: [string, string][] = [
      ['Host', 'a'],
      ['host', 'b'],
    ]
    expect(() => buildRequestHeaders({ ...FIELDS, headers })).toThrow(
      new TypeError('the header "host" is given twice'),
    )
  })

  test('keeps other headers that repeat', () => {
    const headers: [string, string][] = [
      ['X-A', '1'],
      ['X-A', '2'],
    ]
    expect(buildRequestHeaders({ ...FIELDS, headers }).slice(5)).toEqual(headers)
  })

  test.each(OWNED_NAMES)('refuses the user’s %s', (name) => {
    const build = (): unknown => buildRequestHeaders({ ...FIELDS, headers: [[name, 'x']] })
    expect(build).toThrow(TypeError)
    expect(build).toThrow(`the header "${name}" cannot be set: `)
  })

  test.each([
    ['Sec-WebSocket-Protocol', 'use the option "subprotocols"'],
    ['Sec-WebSocket-Extensions', 'the handshake sets it itself'],
    ['Sec-WebSocket-Key', 'the handshake sets it itself'],
  ])('says what to do instead of setting %s', (name, advice) => {
    expect(() => buildRequestHeaders({ ...FIELDS, headers: [[name, 'x']] })).toThrow(advice)
  })

  test.each(INJECTIONS)('CVE-2026-1527: refuses %s', (_what, name, value) => {
    expect(() => buildRequestHeaders({ ...FIELDS, headers: [[name, value]] })).toThrow(TypeError)
  })

  test.each([
    ['host', { host: 'a\r\nX: y' }],
    ['key', { key: 'a\r\nX: y' }],
    ['target with a line break', { target: '/\r\nX: y' }],
    ['target with a space', { target: '/ HTTP/1.1' }],
    ['target beyond ASCII', { target: '/\u560a' }],
    ['subprotocol', { subprotocols: ['a\r\nX: y'] }],
    ['extension', { extensions: [{ name: 'a\r\nX: y', parameters: [] }] }],
    ['origin', { origin: 'a\r\nX: y' }],
    ['authorization', { authorization: 'a\r\nX: y' }],
    ['user agent', { userAgent: 'a\r\nX: y' }],
  ] satisfies [string, Partial<HandshakeRequestFields>][])(
    'CVE-2026-1527: refuses a line break in the %s',
    (_what, fields) => {
      expect(() => buildRequestHeaders({ ...FIELDS, ...fields })).toThrow(TypeError)
    },
  )

  test('refuses names and values that are no strings, and shows no value', () => {
    const build = (name: unknown, value: unknown) => (): unknown =>
      buildRequestHeaders({ ...FIELDS, headers: [[name, value]] as [string, string][] })
    expect(build(undefined, 'x')).toThrow('the header name "undefined" is not a token')
    expect(build('X-A', 5)).toThrow('the header "X-A" must be a string')
    expect(build('X-A', 'secret\n')).not.toThrow(/secret/)
  })
})

describe('server: checkRequest', () => {
  test('accepts the request of RFC 6455 section 1.2', () => {
    const request = requestWith({
      origin: 'http://example.com',
      'sec-websocket-protocol': 'chat, superchat',
      'sec-websocket-extensions': 'permessage-deflate; client_max_window_bits',
    })
    expect(checkRequest(request)).toEqual({
      key: KEY,
      subprotocols: ['chat', 'superchat'],
      extensions: [DEFLATE],
      origin: 'http://example.com',
      host: 'example.com',
    })
  })

  test.each<[string, HeaderMap]>([
    ['nothing optional', {}],
    ['other cases', { upgrade: 'WebSocket', connection: 'keep-alive, UPGRADE' }],
    [
      'headers as arrays',
      { upgrade: ['h2c', 'websocket'], connection: ['keep-alive', 'upgrade'], host: ['a'] },
    ],
    ['an announced body of 0 bytes', { 'content-length': '0' }],
  ])('accepts a request with %s', (_what, headers) => {
    expect(checkRequest(requestWith(headers))).toMatchObject({
      key: KEY,
      subprotocols: [],
      extensions: [],
      origin: undefined,
    })
  })

  test('joins subprotocols and extensions that come in several headers', () => {
    const request = requestWith({
      'sec-websocket-protocol': ['a', 'b, c'],
      'sec-websocket-extensions': ['x', 'y; z'],
    })
    const { subprotocols, extensions } = checkRequest(request)
    expect(subprotocols).toEqual(['a', 'b', 'c'])
    expect(extensions.map((extension) => extension.name)).toEqual(['x', 'y'])
  })

  test.each(['POST', 'get', 'CONNECT', ''])('refuses the method %j', (method) => {
    expectFailing(() => checkRequest({ ...REQUEST, method }), 'WS_BAD_METHOD', 405, `"${method}"`)
  })

  test.each(['0.9', '1.0', '2.0', '3.0', '1', '1.10', '11.1', '', '1.:'])(
    'refuses HTTP/%s',
    (httpVersion) => {
      expectFailing(() => checkRequest({ ...REQUEST, httpVersion }), 'WS_BAD_HTTP_VERSION', 505)
    },
  )

  test('accepts a later HTTP/1', () => {
    expect(checkRequest({ ...REQUEST, httpVersion: '1.2' }).key).toBe(KEY)
  })

  test.each<[string, HeaderMap, string, number, string]>([
    ['no Upgrade', { upgrade: undefined }, 'WS_BAD_UPGRADE', 426, 'missing'],
    ['an empty Upgrade', { upgrade: [] }, 'WS_BAD_UPGRADE', 426, '""'],
    ['another Upgrade', { upgrade: 'h2c' }, 'WS_BAD_UPGRADE', 426, '"h2c"'],
    ['an Upgrade with a version', { upgrade: 'websocket/13' }, 'WS_BAD_UPGRADE', 426, '"websocket/13"'],
    ['no Connection', { connection: undefined }, 'WS_BAD_CONNECTION', 400, 'missing'],
    ['another Connection', { connection: 'keep-alive' }, 'WS_BAD_CONNECTION', 400, '"keep-alive"'],
    ['no Host', { host: undefined }, 'WS_MISSING_HEADER', 400, 'Host'],
    ['an empty Host', { host: '' }, 'WS_MISSING_HEADER', 400, 'Host'],
    ['two Hosts', { host: ['a', 'b'] }, 'WS_DUPLICATE_HEADER', 400, 'Host'],
    ['two joined Hosts', { host: 'a, b' }, 'WS_DUPLICATE_HEADER', 400, 'Host'],
    ['no version', { 'sec-websocket-version': undefined }, 'WS_MISSING_HEADER', 400, 'Sec-WebSocket-Version'],
    ['version 8', { 'sec-websocket-version': '8' }, 'WS_BAD_VERSION', 426, '"8"'],
    ['version 013', { 'sec-websocket-version': '013' }, 'WS_BAD_VERSION', 426, '"013"'],
    ['two versions', { 'sec-websocket-version': '13, 8' }, 'WS_DUPLICATE_HEADER', 400, 'Version'],
    ['no key', { 'sec-websocket-key': undefined }, 'WS_MISSING_HEADER', 400, 'Sec-WebSocket-Key'],
    ['a short key', { 'sec-websocket-key': 'c2hvcnQ=' }, 'WS_BAD_KEY', 400, '"c2hvcnQ="'],
    ['two keys', { 'sec-websocket-key': [KEY, KEY] }, 'WS_DUPLICATE_HEADER', 400, 'Sec-WebSocket-Key'],
    ['two Origins', { origin: ['http://a', 'http://b'] }, 'WS_DUPLICATE_HEADER', 400, 'Origin'],
    ['malformed subprotocols', { 'sec-websocket-protocol': 'a b' }, 'WS_BAD_SUBPROTOCOL', 400, '"a b"'],
    ['a subprotocol twice', { 'sec-websocket-protocol': 'a, a' }, 'WS_BAD_SUBPROTOCOL', 400, '"a, a"'],
    ['empty subprotocols', { 'sec-websocket-protocol': '' }, 'WS_BAD_SUBPROTOCOL', 400, '""'],
    ['malformed extensions', { 'sec-websocket-extensions': 'a;' }, 'WS_BAD_EXTENSION', 400, '"a;"'],
  ])('refuses a request with %s', (_what, headers, code, status, words) => {
    expectFailing(() => checkRequest(requestWith(headers)), code, status, words)
  })

  test.each<[string, HeaderMap, number]>([
    ['Content-Length 1', { 'content-length': '1' }, 413],
    ['two Content-Lengths', { 'content-length': '0, 5' }, 413],
    ['a malformed Content-Length', { 'content-length': '+0' }, 413],
    ['a chunked body', { 'transfer-encoding': 'chunked' }, 400],
    ['both', { 'transfer-encoding': 'chunked', 'content-length': '5' }, 400],
    ['an empty Transfer-Encoding', { 'transfer-encoding': '' }, 400],
  ])('CVE-2026-69243: refuses a request that announces a body with %s', (_what, headers, status) => {
    expectFailing(() => checkRequest(requestWith(headers)), 'WS_BODY_NOT_ALLOWED', status)
  })

  test('CVE-2024-37890: refuses a request from which any header, or all, were dropped', () => {
    for (const name of Object.keys(REQUEST.headers)) {
      expect(() => checkRequest(requestWith({ [name]: undefined }))).toThrow(HandshakeError)
    }
    expectFailing(() => checkRequest({ ...REQUEST, headers: {} }), 'WS_BAD_UPGRADE', 426)
  })

  test('GHSA-5v72-xg48-5rpm: accepts names that every object inherits', () => {
    const request = requestWith({
      'sec-websocket-protocol': 'constructor, __proto__',
      'sec-websocket-extensions': 'constructor; __proto__=1',
    })
    expect(checkRequest(request)).toMatchObject({
      subprotocols: ['constructor', '__proto__'],
      extensions: [{ name: 'constructor', parameters: [{ name: '__proto__', value: '1' }] }],
    })
  })

  test('shows of a long or unprintable value only a bounded, printable part', () => {
    const key = `\x1b[31m\xff${'k'.repeat(16_384)}`
    expectFailing(
      () => checkRequest(requestWith({ 'sec-websocket-key': key })),
      'WS_BAD_KEY',
      400,
      `"?[31m?${'k'.repeat(74)}"…`,
    )
  })

  test('survives any headers', () => {
    // Invariant: whatever the headers hold, the request is accepted or refused with a HandshakeError.
    const names = fc.constantFrom(
      ...Object.keys(REQUEST.headers),
      'origin',
      'content-length',
      'transfer-encoding',
      'sec-websocket-protocol',
      'sec-websocket-extensions',
    )
    const text = fc.string({ unit: 'binary' })
    const value = fc.oneof(text, fc.array(text), fc.constant(undefined))
    fc.assert(
      fc.property(fc.dictionary(names, value, { maxKeys: 2 }), (headers) => {
        try {
          expect(checkRequest(requestWith(headers)).key).toBe(KEY)
        } catch (error) {
          expect(error).toBeInstanceOf(HandshakeError)
        }
      }),
    )
  })

  test.each(HOSTILE_VALUES)('CVE-2023-26103: judges %s in linear time in every header', (_what, make) => {
    for (const name of [
      ...Object.keys(REQUEST.headers),
      'sec-websocket-protocol',
      'sec-websocket-extensions',
    ]) {
      expectLinear(make, (value) => {
        try {
          checkRequest(requestWith({ [name]: value }))
        } catch (error) {
          expect(error).toBeInstanceOf(HandshakeError)
        }
      })
    }
  })
})

describe('server: formatResponse', () => {
  const fields: AcceptFields = { key: KEY, subprotocol: undefined, extensions: '', headers: [] }

  test('writes the response of RFC 6455 section 1.2', () => {
    expect(formatResponse(fields)).toBe(
      'HTTP/1.1 101 Switching Protocols\r\n' +
        'Upgrade: websocket\r\n' +
        'Connection: Upgrade\r\n' +
        `Sec-WebSocket-Accept: ${ACCEPT}\r\n\r\n`,
    )
  })

  test('adds the subprotocol, the extensions and the user’s headers', () => {
    const text = formatResponse({
      ...fields,
      subprotocol: 'chat',
      extensions: formatExtensionHeader([DEFLATE]),
      headers: [
        ['Set-Cookie', 'a=b'],
        ['Set-Cookie', 'c=d'],
      ],
    })
    expect(text.split('\r\n').slice(4)).toEqual([
      'Sec-WebSocket-Protocol: chat',
      'Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits',
      'Set-Cookie: a=b',
      'Set-Cookie: c=d',
      '',
      '',
    ])
  })

  test.each(OWNED_NAMES)('refuses the user’s %s', (name) => {
    expect(() => formatResponse({ ...fields, headers: [[name, 'x']] })).toThrow(TypeError)
  })

  test.each(INJECTIONS)('CVE-2026-1527: refuses %s', (_what, name, value) => {
    expect(() => formatResponse({ ...fields, headers: [[name, value]] })).toThrow(TypeError)
  })

  test('CVE-2026-1527: refuses a line break in the subprotocol and the extensions', () => {
    expect(() => formatResponse({ ...fields, subprotocol: 'a\r\nX: y' })).toThrow(TypeError)
    expect(() => formatResponse({ ...fields, extensions: 'a\r\nX: y' })).toThrow(TypeError)
    expect(() => formatExtensionHeader([{ name: 'a\r\n', parameters: [] }])).toThrow(TypeError)
  })
})

describe('server: formatRefusal', () => {
  test('writes a whole response', () => {
    expect(formatRefusal({ status: 403, body: 'no entry' })).toBe(
      'HTTP/1.1 403 Forbidden\r\n' +
        'Connection: close\r\n' +
        'Content-Length: 8\r\n' +
        'Content-Type: text/plain; charset=utf-8\r\n\r\n' +
        'no entry',
    )
  })

  test('counts the body in bytes of UTF-8', () => {
    expect(formatRefusal({ status: 400, body: 'é€😀' })).toContain('\r\nContent-Length: 9\r\n')
    expect(formatRefusal({ status: 400 })).toContain('\r\nContent-Length: 0\r\n')
  })

  test('adds the user’s headers and type', () => {
    const text = formatRefusal({
      status: 503,
      headers: [['Retry-After', '5']],
      body: '{}',
      contentType: 'application/json',
    })
    expect(parsedHead(text)).toEqual({
      connection: 'close',
      'content-length': '2',
      'content-type': 'application/json',
      'retry-after': '5',
    })
  })

  test('lets the user’s Content-Type and Allow replace its own', () => {
    const headers: [string, string][] = [
      ['content-type', 'text/html'],
      ['allow', 'GET, POST'],
    ]
    expect(parsedHead(formatRefusal({ status: 405, headers }))).toMatchObject({
      'content-type': 'text/html',
      allow: 'GET, POST',
    })
  })

  test('names the method that a 405 asks for', () => {
    expect(parsedHead(formatRefusal({ status: 405 }))).toMatchObject({ allow: 'GET' })
  })

  test('names the protocol and version that a 426 asks for', () => {
    expect(parsedHead(formatRefusal({ status: 426 }))).toMatchObject({
      connection: 'close, Upgrade',
      upgrade: 'websocket',
      'sec-websocket-version': '13',
    })
  })

  test.each([
    [307, 'Temporary Redirect'],
    [400, 'Bad Request'],
    [401, 'Unauthorized'],
    [405, 'Method Not Allowed'],
    [413, 'Content Too Large'],
    [426, 'Upgrade Required'],
    [431, 'Request Header Fields Too Large'],
    [500, 'Internal Server Error'],
    [503, 'Service Unavailable'],
    [505, 'HTTP Version Not Supported'],
    [499, 'Refused'],
  ])('writes the status %i as %s', (status, text) => {
    expect(formatRefusal({ status })).toMatch(new RegExp(`^HTTP/1\\.1 ${status} ${text}\r\n`))
  })

  test.each([101, 200, 299, 600, 400.5, Number.NaN])('refuses the status %d', (status) => {
    expect(() => formatRefusal({ status })).toThrow(RangeError)
  })

  test.each(OWNED_NAMES)('refuses the user’s %s', (name) => {
    expect(() => formatRefusal({ status: 400, headers: [[name, 'x']] })).toThrow(TypeError)
  })

  test.each(INJECTIONS)('CVE-2026-1527: refuses %s', (_what, name, value) => {
    expect(() => formatRefusal({ status: 400, headers: [[name, value]] })).toThrow(TypeError)
  })

  test('CVE-2026-1527: refuses a line break in the content type', () => {
    expect(() => formatRefusal({ status: 400, contentType: 'a\r\nX: y' })).toThrow(TypeError)
  })
})

describe('client: checkResponse', () => {
  test('accepts the response of RFC 6455 section 1.2', () => {
    expect(check({ 'sec-websocket-protocol': 'chat' }, ['superchat', 'chat'])).toEqual({
      subprotocol: 'chat',
      extensions: [],
    })
  })

  test.each<[string, HeaderMap]>([
    ['nothing optional', {}],
    ['other cases', { upgrade: 'WebSocket', connection: 'keep-alive, UPGRADE' }],
    ['headers as arrays', { upgrade: ['websocket'], connection: ['keep-alive', 'upgrade'] }],
    ['spaces around the Accept value', { 'sec-websocket-accept': `\t ${ACCEPT} ` }],
  ])('accepts a response with %s', (_what, headers) => {
    expect(check(headers, ['chat'])).toEqual({ subprotocol: undefined, extensions: [] })
  })

  test('gives extensions for the extension layer to compare with its offers', () => {
    expect(check({ 'sec-websocket-extensions': 'permessage-deflate; client_max_window_bits' })).toEqual({
      subprotocol: undefined,
      extensions: [DEFLATE],
    })
  })

  test('refuses another status than 101', () => {
    const response = { status: 200, statusText: 'OK', headers: RESPONSE_HEADERS }
    const call = (): unknown => checkResponse(response, { key: KEY, subprotocols: [] })
    expectFailing(call, 'WS_BAD_HEADER', 0, 'the status is 200 instead of 101')
  })

  test.each<[string, HeaderMap, string, string]>([
    ['no Upgrade', { upgrade: undefined }, 'WS_BAD_UPGRADE', 'missing'],
    ['another Upgrade', { upgrade: 'h2c' }, 'WS_BAD_UPGRADE', '"h2c"'],
    ['two Upgrades', { upgrade: 'websocket, h2c' }, 'WS_BAD_UPGRADE', '"websocket, h2c"'],
    ['no Connection', { connection: undefined }, 'WS_BAD_CONNECTION', 'missing'],
    ['another Connection', { connection: 'close' }, 'WS_BAD_CONNECTION', '"close"'],
    ['no Accept', { 'sec-websocket-accept': undefined }, 'WS_BAD_ACCEPT', 'missing'],
    ['an empty Accept', { 'sec-websocket-accept': '' }, 'WS_BAD_ACCEPT', '""'],
    ['the key as Accept', { 'sec-websocket-accept': KEY }, 'WS_BAD_ACCEPT', KEY],
    ['an Accept in another case', { 'sec-websocket-accept': ACCEPT.toLowerCase() }, 'WS_BAD_ACCEPT', '"s3p'],
    ['two Accepts', { 'sec-websocket-accept': [ACCEPT, ACCEPT] }, 'WS_BAD_ACCEPT', `${ACCEPT}, `],
    ['a subprotocol that was not offered', { 'sec-websocket-protocol': 'x' }, 'WS_BAD_SUBPROTOCOL', '"x"'],
    ['a subprotocol in another case', { 'sec-websocket-protocol': 'Chat' }, 'WS_BAD_SUBPROTOCOL', '"Chat"'],
    ['two subprotocols', { 'sec-websocket-protocol': ['chat', 'b'] }, 'WS_BAD_SUBPROTOCOL', '"chat, b"'],
    ['an empty subprotocol', { 'sec-websocket-protocol': '' }, 'WS_BAD_SUBPROTOCOL', '""'],
    ['malformed extensions', { 'sec-websocket-extensions': 'a; b="' }, 'WS_BAD_EXTENSION', 'the server'],
  ])('refuses a response with %s', (_what, headers, code, words) => {
    expectFailing(() => check(headers, ['chat', 'b']), code, 0, words)
  })

  test('CVE-2024-37890: refuses a response from which any header, or all, were dropped', () => {
    for (const name of Object.keys(RESPONSE_HEADERS)) {
      expect(() => check({ [name]: undefined })).toThrow(HandshakeError)
    }
    const response = { status: 101, statusText: '', headers: {} }
    expectFailing(() => checkResponse(response, { key: KEY, subprotocols: [] }), 'WS_BAD_UPGRADE', 0)
  })

  test('survives any headers', () => {
    // Invariant: whatever the headers hold, the response is accepted or refused with a HandshakeError of status 0.
    const names = fc.constantFrom(
      ...Object.keys(RESPONSE_HEADERS),
      'sec-websocket-protocol',
      'sec-websocket-extensions',
    )
    const text = fc.string({ unit: 'binary' })
    const value = fc.oneof(text, fc.array(text), fc.constant(undefined))
    fc.assert(
      fc.property(fc.dictionary(names, value, { maxKeys: 2 }), (headers) => {
        try {
          expect(check(headers).subprotocol).toBeUndefined()
        } catch (error) {
          expect(error).toBeInstanceOf(HandshakeError)
          expect(error).toMatchObject({ status: 0 })
        }
      }),
    )
  })
})

describe('client and server', () => {
  test('understand each other', () => {
    // Invariant: what one end builds the other accepts, and both then know the same.
    const extensions = fc.array(
      fc.record({
        name: tokens,
        parameters: fc.array(fc.record({ name: tokens, value: fc.option(tokens, { nil: undefined }) })),
      }),
    )
    fc.assert(
      fc.property(fc.uniqueArray(tokens), extensions, (subprotocols, offers) => {
        const headers = parsed(buildRequestHeaders({ ...FIELDS, subprotocols, extensions: offers }))
        const heard = checkRequest({ ...REQUEST, headers })
        expect(heard).toEqual({
          key: KEY,
          subprotocols,
          extensions: offers,
          origin: undefined,
          host: 'example.com',
        })

        const subprotocol = subprotocols.at(-1)
        const accepted = formatExtensionHeader(offers)
        const text = formatResponse({ key: heard.key, subprotocol, extensions: accepted, headers: [] })
        const response = { status: 101, statusText: 'Switching Protocols', headers: parsedHead(text) }
        expect(checkResponse(response, { key: KEY, subprotocols })).toEqual({
          subprotocol,
          extensions: offers,
        })
      }),
    )
  })
})

test('joinHeaders gives each header as one string', () => {
  expect(joinHeaders({ host: 'a', 'set-cookie': ['a=1', 'b=2'], via: undefined })).toEqual({
    host: 'a',
    'set-cookie': 'a=1, b=2',
    via: '',
  })
})
