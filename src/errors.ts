// Every error that openline makes: one root, few classes, many stable codes.
// Messages are computed from fields, so the same failure always reads the same and can be tested as a table.
// A leaf: besides close codes it imports nothing.

import { type CloseInfo, explainCloseCode } from './protocol/close-code.ts'

const BRAND = Symbol.for('openline.error')

/** Be the root of all errors of this library; `instanceof` also matches those of a second copy of it. */
export abstract class WebSocketError extends Error {
  /** A stable name of what happened, such as `WS_BAD_UTF8`. Messages may change, codes do not. */
  abstract readonly code: string

  static override [Symbol.hasInstance](value: unknown): boolean {
    // Two copies of the package in one program must recognise each other's errors; subclasses need the real chain.
    // biome-ignore lint/complexity/noThisInStatic: `this` is the subclass that is asked about.
    if (this === (WebSocketError as unknown)) {
      return typeof value === 'object' && value !== null && BRAND in value
    }
    // biome-ignore lint/complexity/noThisInStatic: `this` is the subclass that is asked about.
    return Function.prototype[Symbol.hasInstance].call(this, value)
  }
}
Object.defineProperty(WebSocketError.prototype, BRAND, { value: true })

// ---------------------------------------------------------------------------------------------------------
// Opening handshake

/**
 * Name the steps of connecting, in their order: the server's name, TCP, all that has to do with a proxy, TLS, the
 * request and its answer.
 */
export type HandshakePhase = 'dns' | 'connect' | 'proxy' | 'tls' | 'handshake'

const HANDSHAKE_MESSAGES = {
  WS_BAD_METHOD: 'the handshake must be a GET request (RFC 6455 section 4.1), but its method is {}',
  WS_BAD_HTTP_VERSION:
    'the handshake needs HTTP/1.1 or later (RFC 6455 section 4.1), but its HTTP version is {}',
  WS_MISSING_HEADER: 'the handshake has no {} header',
  WS_DUPLICATE_HEADER: 'the handshake has more than one {} header',
  WS_BAD_HEADER: 'the handshake has a header that cannot be understood: {}',
  WS_BAD_UPGRADE: 'the Upgrade header must name "websocket", but it is {}',
  WS_BAD_CONNECTION: 'the Connection header must name "Upgrade", but it is {}',
  WS_BAD_KEY: 'Sec-WebSocket-Key must be 16 bytes in base64 (RFC 6455 section 4.1), but it is {}',
  WS_BAD_VERSION: 'Sec-WebSocket-Version must be 13 (RFC 6455 section 4.1), but it is {}',
  WS_BAD_ACCEPT:
    'Sec-WebSocket-Accept does not answer our key: {}. The peer is no WebSocket server, or a cache answered',
  WS_BAD_SUBPROTOCOL: 'the subprotocols do not agree: {}',
  WS_BAD_EXTENSION: 'the extensions do not agree: {}',
  WS_BODY_NOT_ALLOWED: 'a handshake must have no body, but it has {}',
  WS_TOO_MANY_HEADERS: 'the handshake has too many or too long headers: {}',
  WS_ORIGIN_REFUSED:
    'the origin {} is not allowed. Browsers of other sites are refused unless the option "origins" allows them',
  WS_HOST_REFUSED: 'the host {} is not one of the option "hosts"',
  WS_CONNECT_FAILED: 'could not connect: {}',
  WS_FAILED_IN_BROWSER: 'the browser could not open the connection, and it tells programs no reason: {}',
  WS_PROXY_FAILED: 'the proxy gave no way through: {}',
  WS_BAD_REDIRECT: 'the redirect was not followed: {}',
  WS_HANDSHAKE_INTERRUPTED: 'the connection ended during the opening handshake: {}',
  WS_SERVER_CLOSING: 'the server is closing{}',
  WS_HANDLER_FAILED: 'onHandshake threw: {}',
  WS_HANDLER_TIMEOUT: 'onHandshake did not decide within openTimeout ({} ms)',
} as const

/** Name each way in which an opening handshake can fail. */
export type HandshakeErrorCode = keyof typeof HANDSHAKE_MESSAGES | 'WS_REJECTED'

/** Hold what a HandshakeError is made of. */
export interface HandshakeErrorFields {
  readonly code: keyof typeof HANDSHAKE_MESSAGES
  /** The offending value in words, already bounded and printable. */
  readonly detail: string
  /** The HTTP status with which a server answers this failure; 400 by default. */
  readonly status?: number
  /** @default 'handshake' */
  readonly phase?: HandshakePhase
  readonly cause?: unknown
}

/** Say that an opening handshake failed. */
export class HandshakeError extends WebSocketError {
  override readonly name: string = 'HandshakeError'
  readonly code: HandshakeErrorCode
  /**
   * The HTTP status that a server answers with. On clients the status of the proxy or of the redirect that was in the
   * way, and 0 for all other faults.
   */
  readonly status: number
  /** How far it had come. */
  readonly phase: HandshakePhase

  constructor(fields: HandshakeErrorFields) {
    super(
      HANDSHAKE_MESSAGES[fields.code].replace('{}', () => fields.detail),
      fields.cause === undefined ? undefined : { cause: fields.cause },
    )
    this.code = fields.code
    this.status = fields.status ?? 400
    this.phase = fields.phase ?? 'handshake'
  }
}

/** Hold a server's refusal of a handshake. */
export interface RejectionFields {
  readonly status: number
  readonly statusText: string
  /** Names in lower case; several values of one name are joined by ", ". */
  readonly headers: Readonly<Record<string, string>>
  /** The beginning of the body, at most 64 KiB. */
  readonly body: string
}

/** Say that the server answered the opening handshake with another status than 101. */
export class HandshakeRejectedError extends WebSocketError {
  override readonly name: string = 'HandshakeRejectedError'
  readonly code = 'WS_REJECTED'
  /** The server was reached: what it refuses is the handshake. */
  readonly phase: HandshakePhase = 'handshake'
  readonly status: number
  readonly statusText: string
  readonly headers: Readonly<Record<string, string>>
  readonly body: string

  constructor(fields: RejectionFields) {
    const excerpt = printable(fields.body.trim().slice(0, 200))
    super(
      `the server refused the handshake with ${fields.status} ${printable(fields.statusText.slice(0, 200))}${excerpt && `: ${excerpt}`}`,
    )
    this.status = fields.status
    this.statusText = fields.statusText
    this.headers = fields.headers
    this.body = fields.body
  }
}

// ---------------------------------------------------------------------------------------------------------
// The protocol, once the connection is open

const PROTOCOL_VIOLATIONS = {
  WS_RESERVED_BITS: [1002, 'reserved bits are set without an extension that owns them'],
  WS_RESERVED_OPCODE: [1002, 'the opcode is reserved'],
  WS_MASK_REQUIRED: [1002, 'a client must mask its frames (RFC 6455 section 5.1)'],
  WS_MASK_FORBIDDEN: [1002, 'a server must not mask its frames (RFC 6455 section 5.1)'],
  WS_CONTROL_FRAGMENTED: [1002, 'a control frame must not be fragmented'],
  WS_CONTROL_TOO_LONG: [1002, 'a control frame must not carry more than 125 bytes'],
  WS_LENGTH_NOT_MINIMAL: [1002, 'the payload length is not written in the fewest bytes'],
  WS_LENGTH_OUT_OF_RANGE: [1002, 'the payload length has its most significant bit set'],
  WS_UNEXPECTED_CONTINUATION: [1002, 'a continuation frame came without a message to continue'],
  WS_EXPECTED_CONTINUATION: [1002, 'a new message began before the last one ended'],
  WS_BAD_CLOSE_PAYLOAD: [1002, 'a close frame has a payload of one byte'],
  WS_BAD_CLOSE_CODE: [1002, 'a close frame carries a code that must not be sent'],
  WS_DATA_NOT_ACCEPTED: [1003, 'this end does not accept this kind of message'],
  WS_BAD_UTF8: [1007, 'text is not valid UTF-8'],
  WS_BAD_COMPRESSION: [1007, 'a compressed message cannot be decompressed'],
  WS_EXTENSION_FAILED: [1007, 'an extension could not decode a message'],
  WS_MESSAGE_TOO_BIG: [1009, 'a message is larger than the limit'],
  WS_TOO_MANY_FRAGMENTS: [1009, 'a message has more fragments than maxFragments'],
  WS_SLOW_CONSUMER: [1008, 'more than maxBufferedAmount waits for a peer that does not read'],
  WS_INBOX_OVERFLOW: [1008, 'more than maxBufferedAmount came that nobody took'],
  WS_MESSAGE_TIMEOUT: [1008, 'a message was not complete within messageTimeout'],
} as const

/** Name each way in which a peer can break the protocol or meet a limit. */
export type ProtocolErrorCode = keyof typeof PROTOCOL_VIOLATIONS

/** Say that the peer broke the protocol or met a limit; the connection ends with `closeCode`. */
export class ProtocolError extends WebSocketError {
  override readonly name: string = 'ProtocolError'
  readonly code: ProtocolErrorCode
  /** The close code that the peer is sent: 1002, 1003, 1007, 1008 or 1009. */
  readonly closeCode: number
  /** The reason that the peer is sent: the rule it broke, without figures of ours. */
  readonly reason: string

  /** Give the code and, where a figure helps, a detail such as `opcode 3`. */
  constructor(code: ProtocolErrorCode, detail = '', options?: ErrorOptions) {
    const [closeCode, words] = PROTOCOL_VIOLATIONS[code]
    super(detail === '' ? words : `${words}: ${detail}`, options)
    this.code = code
    this.closeCode = closeCode
    this.reason = words
  }
}

// ---------------------------------------------------------------------------------------------------------
// The connection

/** Say that a connection is closed, and how that came about. */
export class ConnectionClosedError extends WebSocketError {
  override readonly name: string = 'ConnectionClosedError'
  readonly code = 'WS_CLOSED'
  /** How the connection ended; `undefined` while its closing handshake is still under way. */
  readonly info: CloseInfo | undefined

  constructor(info: CloseInfo | undefined) {
    super(
      info === undefined
        ? 'the connection is closing: nothing more can be sent'
        : `the connection is closed with ${explainCloseCode(info.code)}: ${info.diagnosis}`,
      info?.error === undefined ? undefined : { cause: info.error },
    )
    this.info = info
  }
}

const TIMEOUT_MESSAGES = {
  open: 'the connection was not open within openTimeout ({} ms)',
  close: 'the closing handshake was not done within closeTimeout ({} ms)',
  ping: 'no pong and no other byte came within pingTimeout ({} ms)',
  receive: 'no message came within {} ms',
} as const

const WAITED_FOR: Readonly<Record<HandshakePhase, string>> = {
  dns: 'the name to be resolved',
  connect: 'the TCP connection',
  proxy: 'the proxy',
  tls: 'the TLS handshake',
  handshake: 'the answer to the opening handshake',
}

/** Say that something took longer than it may. */
export class WebSocketTimeoutError extends WebSocketError {
  override readonly name: string = 'WebSocketTimeoutError'
  readonly code = 'WS_TIMEOUT'
  readonly phase: keyof typeof TIMEOUT_MESSAGES
  /** The time that was allowed, in ms. */
  readonly timeout: number
  /** What a client that was connecting waited for when the time was over; `undefined` in other phases. */
  readonly during: HandshakePhase | undefined

  constructor(phase: keyof typeof TIMEOUT_MESSAGES, timeout: number, during?: HandshakePhase) {
    const waited = during === undefined ? '' : `: it waited for ${WAITED_FOR[during]}`
    super(TIMEOUT_MESSAGES[phase].replace('{}', String(timeout)) + waited)
    this.phase = phase
    this.timeout = timeout
    this.during = during
  }
}

const STATE_MESSAGES = {
  WS_CONCURRENT_RECEIVE: 'a message is already being waited for: only one receive() or loop at a time',
  WS_CONCURRENT_NEXT: 'the next connection is already being waited for: only one loop at a time',
  WS_RECEIVE_WITH_HANDLER:
    'messages go to the handler object of this connection: receive() and loops get none',
  WS_DUPLICATE_PING: 'a ping with the same payload still waits for its pong: choose another payload',
  WS_LOOP_RUNNING: 'the event loop is already running',
  WS_LOOP_CLOSED: 'the event loop is closed',
  WS_LOOP_STOPPED: 'the event loop was stopped before the work was done',
  WS_APP_RUNNING: 'runForever() is already running',
  WS_APP_NOT_OPEN: 'the app has no open connection to send on, and keeps no messages for one',
  WS_OUTBOX_FULL: 'the message was dropped: the outbox had no room for it while there was no connection',
  WS_OUTBOX_CLOSED: 'the message was dropped: the run ended while it waited for a connection',
  WS_NOT_IN_BROWSER: 'a browser cannot do this: {}',
  WS_NO_WEBSOCKET:
    'there is no WebSocket here: this is the build of openline for browsers, and it needs theirs',
  WS_PACKAGE_MISSING: 'an optional package is missing: {}',
} as const

/** Say that a method was called in a state in which it cannot work: a mistake of the program, not of the peer. */
export class StateError extends WebSocketError {
  override readonly name: string = 'StateError'
  readonly code: keyof typeof STATE_MESSAGES

  constructor(code: keyof typeof STATE_MESSAGES, detail = '', options?: ErrorOptions) {
    super(
      STATE_MESSAGES[code].replace('{}', () => detail),
      options,
    )
    this.code = code
  }
}

/** Put a value of the peer's into an error message: quoted, printable, at most 80 characters. */
export function quoteForMessage(value: string): string {
  const excerpt = value.slice(0, 80).replace(/[^\x20-\x7e]/g, '?')
  return `"${excerpt}"${value.length > 80 ? '…' : ''}`
}

/**
 * Replace control characters, which could steer the terminal that a message is printed on, and those that reorder what
 * is read (the bidirectional ones); line ends become spaces.
 */
export function printable(text: string): string {
  return text.replace(/[\r\n\t\p{Zl}\p{Zp}]+/gu, ' ').replace(/[\p{Cc}\p{Bidi_Control}]/gu, '?')
}
