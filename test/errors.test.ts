import { describe, expect, test } from 'vitest'
import {
  ConnectionClosedError,
  HandshakeError,
  type HandshakeErrorCode,
  HandshakeRejectedError,
  ProtocolError,
  type ProtocolErrorCode,
  printable,
  quoteForMessage,
  StateError,
  WebSocketError,
  WebSocketTimeoutError,
} from '../src/errors.ts'
import type { CloseInfo } from '../src/protocol/close-code.ts'

const INFO: CloseInfo = {
  code: 1011,
  reason: 'oops',
  received: { code: 1011, reason: 'oops' },
  sent: { code: 1011, reason: '' },
  initiator: 'remote',
  clean: true,
  diagnosis: 'the peer closed it',
  error: undefined,
}

describe('messages', () => {
  test.each<[Exclude<HandshakeErrorCode, 'WS_REJECTED'>, string, string]>([
    [
      'WS_BAD_METHOD',
      '"POST"',
      'the handshake must be a GET request (RFC 6455 section 4.1), but its method is "POST"',
    ],
    [
      'WS_BAD_HTTP_VERSION',
      '1.0',
      'the handshake needs HTTP/1.1 or later (RFC 6455 section 4.1), but its HTTP version is 1.0',
    ],
    ['WS_MISSING_HEADER', 'Host', 'the handshake has no Host header'],
    ['WS_DUPLICATE_HEADER', 'Host', 'the handshake has more than one Host header'],
    ['WS_BAD_HEADER', '"x"', 'the handshake has a header that cannot be understood: "x"'],
    ['WS_BAD_UPGRADE', '"h2c"', 'the Upgrade header must name "websocket", but it is "h2c"'],
    ['WS_BAD_CONNECTION', '"close"', 'the Connection header must name "Upgrade", but it is "close"'],
    [
      'WS_BAD_KEY',
      '"x"',
      'Sec-WebSocket-Key must be 16 bytes in base64 (RFC 6455 section 4.1), but it is "x"',
    ],
    ['WS_BAD_VERSION', '"8"', 'Sec-WebSocket-Version must be 13 (RFC 6455 section 4.1), but it is "8"'],
    [
      'WS_BAD_ACCEPT',
      '"x"',
      'Sec-WebSocket-Accept does not answer our key: "x". The peer is no WebSocket server, or a cache answered',
    ],
    ['WS_BAD_SUBPROTOCOL', 'none', 'the subprotocols do not agree: none'],
    ['WS_BAD_EXTENSION', 'none', 'the extensions do not agree: none'],
    ['WS_BODY_NOT_ALLOWED', '5 bytes', 'a handshake must have no body, but it has 5 bytes'],
    ['WS_TOO_MANY_HEADERS', '101', 'the handshake has too many or too long headers: 101'],
    [
      'WS_ORIGIN_REFUSED',
      '"http://evil"',
      'the origin "http://evil" is not allowed. Browsers of other sites are refused unless the option "origins" allows them',
    ],
    ['WS_HOST_REFUSED', '"evil"', 'the host "evil" is not one of the option "hosts"'],
    ['WS_CONNECT_FAILED', 'ECONNREFUSED', 'could not connect: ECONNREFUSED'],
    ['WS_PROXY_FAILED', 'it answered 407', 'the proxy gave no way through: it answered 407'],
    ['WS_BAD_REDIRECT', 'too many', 'the redirect was not followed: too many'],
    [
      'WS_HANDSHAKE_INTERRUPTED',
      'ECONNRESET',
      'the connection ended during the opening handshake: ECONNRESET',
    ],
    ['WS_SERVER_CLOSING', '', 'the server is closing'],
    ['WS_HANDLER_FAILED', 'Error: no', 'onHandshake threw: Error: no'],
    ['WS_HANDLER_TIMEOUT', '10000', 'onHandshake did not decide within openTimeout (10000 ms)'],
  ])('HandshakeError %s', (code, detail, message) => {
    const error = new HandshakeError({ code, detail })
    expect(error.message).toBe(message)
    expect(error.code).toBe(code)
    expect(error.name).toBe('HandshakeError')
    expect(error.status).toBe(400)
    expect(error.phase).toBe('handshake')
    expect(new HandshakeError({ code, detail, phase: 'tls' }).phase).toBe('tls')
  })

  test.each<[number, string, string, string]>([
    [403, 'Forbidden', '', 'the server refused the handshake with 403 Forbidden'],
    [
      404,
      'Not Found',
      ' no such room\n',
      'the server refused the handshake with 404 Not Found: no such room',
    ],
    [500, 'Error', 'x'.repeat(500), `the server refused the handshake with 500 Error: ${'x'.repeat(200)}`],
  ])('HandshakeRejectedError %i', (status, statusText, body, message) => {
    const headers = { 'x-a': '1' }
    const error = new HandshakeRejectedError({ status, statusText, headers, body })
    expect(error.message).toBe(message)
    expect(error.code).toBe('WS_REJECTED')
    expect(error.name).toBe('HandshakeRejectedError')
    expect(error).toMatchObject({ status, statusText, headers, body })
  })

  test.each<[ProtocolErrorCode, number, string]>([
    ['WS_RESERVED_BITS', 1002, 'reserved bits are set without an extension that owns them'],
    ['WS_RESERVED_OPCODE', 1002, 'the opcode is reserved'],
    ['WS_MASK_REQUIRED', 1002, 'a client must mask its frames (RFC 6455 section 5.1)'],
    ['WS_MASK_FORBIDDEN', 1002, 'a server must not mask its frames (RFC 6455 section 5.1)'],
    ['WS_CONTROL_FRAGMENTED', 1002, 'a control frame must not be fragmented'],
    ['WS_CONTROL_TOO_LONG', 1002, 'a control frame must not carry more than 125 bytes'],
    ['WS_LENGTH_NOT_MINIMAL', 1002, 'the payload length is not written in the fewest bytes'],
    ['WS_LENGTH_OUT_OF_RANGE', 1002, 'the payload length has its most significant bit set'],
    ['WS_UNEXPECTED_CONTINUATION', 1002, 'a continuation frame came without a message to continue'],
    ['WS_EXPECTED_CONTINUATION', 1002, 'a new message began before the last one ended'],
    ['WS_BAD_CLOSE_PAYLOAD', 1002, 'a close frame has a payload of one byte'],
    ['WS_BAD_CLOSE_CODE', 1002, 'a close frame carries a code that must not be sent'],
    ['WS_DATA_NOT_ACCEPTED', 1003, 'this end does not accept this kind of message'],
    ['WS_BAD_UTF8', 1007, 'text is not valid UTF-8'],
    ['WS_EXTENSION_FAILED', 1007, 'an extension could not decode a message'],
    ['WS_MESSAGE_TOO_BIG', 1009, 'a message is larger than the limit'],
    ['WS_TOO_MANY_FRAGMENTS', 1009, 'a message has more fragments than maxFragments'],
    ['WS_SLOW_CONSUMER', 1008, 'more than maxBufferedAmount waits for a peer that does not read'],
    ['WS_MESSAGE_TIMEOUT', 1008, 'a message was not complete within messageTimeout'],
  ])('ProtocolError %s', (code, closeCode, reason) => {
    const error = new ProtocolError(code)
    expect(error.message).toBe(reason)
    expect(error).toMatchObject({ name: 'ProtocolError', code, closeCode, reason })
    expect(new ProtocolError(code, 'detail 7').message).toBe(`${reason}: detail 7`)
    // What is sent never says more than the rule, and fits a close frame.
    expect(new ProtocolError(code, 'detail 7').reason).toBe(reason)
    expect(reason.length).toBeLessThanOrEqual(123)
    expect(reason).toMatch(/^[\x20-\x7e]*$/)
  })

  test.each<[CloseInfo | undefined, string]>([
    [undefined, 'the connection is closing: nothing more can be sent'],
    [INFO, 'the connection is closed with 1011 (internal error): the peer closed it'],
    [
      { ...INFO, code: 1006, diagnosis: 'no pong within 20 s' },
      'the connection is closed with 1006 (no close frame): no pong within 20 s',
    ],
  ])('ConnectionClosedError %#', (info, message) => {
    const error = new ConnectionClosedError(info)
    expect(error.message).toBe(message)
    expect(error).toMatchObject({ name: 'ConnectionClosedError', code: 'WS_CLOSED', info })
  })

  test.each([
    ['open', 'the connection was not open within openTimeout (5 ms)'],
    ['close', 'the closing handshake was not done within closeTimeout (5 ms)'],
    ['ping', 'no pong and no other byte came within pingTimeout (5 ms)'],
    ['receive', 'no message came within 5 ms'],
  ] as const)('WebSocketTimeoutError %s', (phase, message) => {
    const error = new WebSocketTimeoutError(phase, 5)
    expect(error.message).toBe(message)
    expect(error).toMatchObject({ name: 'WebSocketTimeoutError', code: 'WS_TIMEOUT', phase, timeout: 5 })
  })

  test.each<[StateError['code'], string]>([
    ['WS_CONCURRENT_RECEIVE', 'a message is already being waited for: only one receive() or loop at a time'],
    [
      'WS_RECEIVE_WITH_HANDLER',
      'messages go to the handler object of this connection: receive() and loops get none',
    ],
    ['WS_DUPLICATE_PING', 'a ping with the same payload still waits for its pong: choose another payload'],
    ['WS_CONCURRENT_NEXT', 'the next connection is already being waited for: only one loop at a time'],
    ['WS_LOOP_RUNNING', 'the event loop is already running'],
    ['WS_LOOP_CLOSED', 'the event loop is closed'],
    ['WS_LOOP_STOPPED', 'the event loop was stopped before the work was done'],
    ['WS_APP_RUNNING', 'runForever() is already running'],
    ['WS_APP_NOT_OPEN', 'the app has no open connection to send on, and keeps no messages for one'],
    [
      'WS_OUTBOX_FULL',
      'the message was dropped: the outbox had no room for it while there was no connection',
    ],
    ['WS_OUTBOX_CLOSED', 'the message was dropped: the run ended while it waited for a connection'],
  ])('StateError %s', (code, message) => {
    const error = new StateError(code)
    expect(error.message).toBe(message)
    expect(error).toMatchObject({ name: 'StateError', code })
  })

  test('StateError WS_PACKAGE_MISSING says which, and keeps its cause', () => {
    const cause = new Error('not found')
    const error = new StateError('WS_PACKAGE_MISSING', 'npm install $&', { cause })
    expect(error.message).toBe('an optional package is missing: npm install $&')
    expect(error.cause).toBe(cause)
  })

  test.each([
    ['dns', 'the name to be resolved'],
    ['connect', 'the TCP connection'],
    ['proxy', 'the proxy'],
    ['tls', 'the TLS handshake'],
    ['handshake', 'the answer to the opening handshake'],
  ] as const)('WebSocketTimeoutError while connecting: %s', (during, words) => {
    const error = new WebSocketTimeoutError('open', 5, during)
    expect(error.message).toBe(
      `the connection was not open within openTimeout (5 ms): it waited for ${words}`,
    )
    expect(error.during).toBe(during)
    expect(new WebSocketTimeoutError('open', 5).during).toBeUndefined()
  })
})

describe('HandshakeError', () => {
  test('takes a status, and a detail with characters that mean something to replace()', () => {
    const error = new HandshakeError({ code: 'WS_MISSING_HEADER', detail: '$& {}', status: 426 })
    expect(error.status).toBe(426)
    expect(error.message).toBe('the handshake has no $& {} header')
  })
})

describe('cause', () => {
  const cause = new Error('below')

  test('is kept where there is one', () => {
    expect(new HandshakeError({ code: 'WS_CONNECT_FAILED', detail: '', cause }).cause).toBe(cause)
    expect(new ProtocolError('WS_EXTENSION_FAILED', '', { cause }).cause).toBe(cause)
    expect(new ConnectionClosedError({ ...INFO, error: cause }).cause).toBe(cause)
  })

  test('is no property where there is none', () => {
    const errors = [
      new HandshakeError({ code: 'WS_CONNECT_FAILED', detail: '' }),
      new ProtocolError('WS_EXTENSION_FAILED'),
      new ConnectionClosedError(INFO),
      new ConnectionClosedError(undefined),
    ]
    for (const error of errors) expect(Object.hasOwn(error, 'cause')).toBe(false)
  })
})

describe('instanceof', () => {
  const errors = [
    new HandshakeError({ code: 'WS_CONNECT_FAILED', detail: '' }),
    new HandshakeRejectedError({ status: 403, statusText: 'Forbidden', headers: {}, body: '' }),
    new ProtocolError('WS_BAD_UTF8'),
    new ConnectionClosedError(undefined),
    new WebSocketTimeoutError('open', 1),
    new StateError('WS_LOOP_CLOSED'),
  ]
  const classes = [
    HandshakeError,
    HandshakeRejectedError,
    ProtocolError,
    ConnectionClosedError,
    WebSocketTimeoutError,
    StateError,
  ]

  test('matches the root for every error', () => {
    for (const error of errors) {
      expect(error instanceof WebSocketError).toBe(true)
      expect(error instanceof Error).toBe(true)
    }
  })

  test('matches one class for each error', () => {
    errors.forEach((error, index) => {
      expect(classes.map((type) => error instanceof type)).toEqual(classes.map((_, other) => other === index))
    })
  })

  test('matches the root for errors of a second copy of the library, but no class of ours', () => {
    class Copy extends Error {}
    Object.defineProperty(Copy.prototype, Symbol.for('openline.error'), { value: true })
    expect(new Copy() instanceof WebSocketError).toBe(true)
    expect(new Copy() instanceof ProtocolError).toBe(false)
  })

  test('does not match what is no error of ours', () => {
    const others: unknown[] = [undefined, null, 'text', 7, {}, new Error('other'), () => {}]
    for (const other of others) {
      expect(other instanceof (WebSocketError as unknown as new () => Error)).toBe(false)
      expect(other instanceof ProtocolError).toBe(false)
    }
  })
})

describe('printable', () => {
  test.each([
    ['plain é 你好 👩‍👧', 'plain é 你好 👩‍👧'],
    ['a\r\n\tb\u2028c', 'a b c'],
    ['\u001b[31m\u0000\u009b', '?[31m??'],
    // Shown as "closed by you", and read otherwise.
    ['closed by \u202euoy\u202c\u2066\u2069\u200f', 'closed by ?uoy????'],
  ])('%j', (text, expected) => {
    expect(printable(text)).toBe(expected)
  })

  test('of a refusal: no more than can be read', () => {
    const long = 'x'.repeat(16_000)
    const error = new HandshakeRejectedError({ status: 403, statusText: long, headers: {}, body: long })
    expect(error.message.length).toBeLessThan(500)
    expect(error.statusText).toBe(long)
  })
})

describe('quoteForMessage', () => {
  test.each([
    ['', '""'],
    ['plain', '"plain"'],
    ['a\r\nb\u001b[31m\u0000é', '"a??b?[31m??"'],
    ['x'.repeat(80), `"${'x'.repeat(80)}"`],
    ['x'.repeat(81), `"${'x'.repeat(80)}"…`],
  ])('quotes %j', (value, quoted) => {
    expect(quoteForMessage(value)).toBe(quoted)
  })
})
