// Owns the rules of the opening handshake over HTTP/1.1: both ends build their head and check the other's.
// Must not know sockets or how HTTP is parsed: heads come in parsed and go out as text or as name and value.
// No header is trusted to exist, and nothing leaves that could end a line early.

import { HandshakeError, type HandshakeErrorFields, quoteForMessage } from '../errors.ts'
import { type ExtensionOffer, formatExtensionHeader, parseExtensionHeader } from './extension-header.ts'
import { isFieldValue, isToken, isVisibleAscii, listHasToken, trimSpaces } from './header-grammar.ts'
import { computeAccept, isValidKey } from './key.ts'
import { assertSubprotocols, parseSubprotocols } from './subprotocol.ts'

/** Map header names in lower case to values; several values are an array, or joined by ", " as Node does. */
export type HeaderMap = Readonly<Record<string, string | readonly string[] | undefined>>

/** Hold the parsed head of a request. */
export interface RequestHead {
  readonly method: string
  /** Such as `1.1`. */
  readonly httpVersion: string
  readonly target: string
  readonly headers: HeaderMap
}

/** Hold the parsed head of a response. */
export interface ResponseHead {
  readonly status: number
  readonly statusText: string
  readonly headers: HeaderMap
}

/** Hold what a client's request is built from. */
export interface HandshakeRequestFields {
  /** The value of Sec-WebSocket-Key; see `encodeKey`. */
  readonly key: string
  readonly host: string
  /** Path and query, percent-encoded. */
  readonly target: string
  readonly subprotocols: readonly string[]
  readonly extensions: readonly ExtensionOffer[]
  readonly origin: string | undefined
  readonly authorization: string | undefined
  readonly userAgent: string | undefined
  /** The user's own headers. Host, Origin, Authorization and User-Agent among them replace the fields above. */
  readonly headers: Iterable<readonly [string, string]>
}

/** Hold what a client's request said, once it was found right. */
export interface ClientHandshake {
  readonly key: string
  /** In the client's order of preference. */
  readonly subprotocols: readonly string[]
  /** In the client's order of preference. */
  readonly extensions: readonly ExtensionOffer[]
  readonly origin: string | undefined
  readonly host: string
}

/** Hold what a server's acceptance is built from. */
export interface AcceptFields {
  /** The client's Sec-WebSocket-Key. */
  readonly key: string
  /** The Sec-WebSocket-Accept for it, when something faster than `computeAccept` is at hand. */
  readonly accept?: string
  readonly subprotocol: string | undefined
  /** The value of Sec-WebSocket-Extensions, from `formatExtensionHeader`; empty without extensions. */
  readonly extensions: string
  /** The user's own headers. */
  readonly headers: Iterable<readonly [string, string]>
}

/** Hold what a server's refusal is built from. */
export interface RefusalFields {
  /** 300 to 599. */
  readonly status: number
  /** The user's own headers. Content-Type and Allow among them replace ours. */
  readonly headers?: Iterable<readonly [string, string]> | undefined
  /** @default '' */
  readonly body?: string | undefined
  /** @default 'text/plain; charset=utf-8' */
  readonly contentType?: string | undefined
}

/** Hold what a server's 101 response said, once it was found right. */
export interface ServerHandshake {
  readonly subprotocol: string | undefined
  /** Not yet compared with what was offered. */
  readonly extensions: readonly ExtensionOffer[]
}

// ---------------------------------------------------------------------------------------------------------
// The client's request

/** Build the headers of a client's request, in order (RFC 6455 section 4.1). Throws TypeError for a header that must not be sent. */
export function buildRequestHeaders(fields: HandshakeRequestFields): [string, string][] {
  assertTarget(fields.target)
  assertSubprotocols(fields.subprotocols)
  const replaced = new Map<string, string>()
  const others: [string, string][] = []
  for (const [name, value] of fields.headers) {
    assertUserHeader(name, value)
    const lowerName = name.toLowerCase()
    if (!REPLACEABLE.has(lowerName)) {
      others.push([name, value])
    } else if (replaced.has(lowerName)) {
      throw new TypeError(`the header ${quoteForMessage(name)} is given twice`)
    } else {
      replaced.set(lowerName, value)
    }
  }

  const headers: [string, string][] = []
  const add = (name: string, value: string | undefined): void => {
    if (value === undefined) return
    assertHeader(name, value)
    headers.push([name, value])
  }
  add('Host', replaced.get('host') ?? fields.host)
  add('Upgrade', 'websocket')
  add('Connection', 'Upgrade')
  add('Sec-WebSocket-Key', fields.key)
  add('Sec-WebSocket-Version', '13')
  if (fields.subprotocols.length > 0) add('Sec-WebSocket-Protocol', fields.subprotocols.join(', '))
  if (fields.extensions.length > 0) add('Sec-WebSocket-Extensions', formatExtensionHeader(fields.extensions))
  add('Origin', replaced.get('origin') ?? fields.origin)
  add('Authorization', replaced.get('authorization') ?? fields.authorization)
  add('User-Agent', replaced.get('user-agent') ?? fields.userAgent)
  return headers.concat(others)
}

/** Check a client's request (RFC 6455 section 4.2.1). Throws HandshakeError with the status to refuse it with. */
export function checkRequest(request: RequestHead): ClientHandshake {
  const { method, httpVersion, headers } = request
  // "The method of the request MUST be GET, and the HTTP version MUST be at least 1.1."
  if (method !== 'GET') fail('WS_BAD_METHOD', quoteForMessage(method), 405)
  if (!isHttp11(httpVersion)) fail('WS_BAD_HTTP_VERSION', quoteForMessage(httpVersion), 505)
  // "An |Upgrade| header field containing the value "websocket", treated as an ASCII case-insensitive value."
  requireListed(headers, 'upgrade', 'websocket', 'WS_BAD_UPGRADE', 426)
  // "A |Connection| header field that includes the token "Upgrade", treated as an ASCII case-insensitive value."
  requireListed(headers, 'connection', 'upgrade', 'WS_BAD_CONNECTION', 400)

  // "A |Host| header field containing the server's authority."
  const host = requireSingle(headers, 'Host')
  // "A |Sec-WebSocket-Version| header field, with a value of 13." Checked before the key, because a client of
  // another version may have other keys, and 426 tells it which version to come back with.
  const version = requireSingle(headers, 'Sec-WebSocket-Version')
  if (version !== '13') fail('WS_BAD_VERSION', quoteForMessage(version), 426)
  // "A |Sec-WebSocket-Key| header field with a base64-encoded value that, when decoded, is 16 bytes in length."
  const key = requireSingle(headers, 'Sec-WebSocket-Key')
  if (!isValidKey(key)) fail('WS_BAD_KEY', quoteForMessage(key), 400)
  assertNoBody(headers)

  const subprotocols = headerValue(headers, 'sec-websocket-protocol')
  const extensions = headerValue(headers, 'sec-websocket-extensions')
  return {
    key,
    subprotocols:
      subprotocols === undefined
        ? []
        : (parseSubprotocols(subprotocols) ??
          fail('WS_BAD_SUBPROTOCOL', `the client's list ${quoteForMessage(subprotocols)} is malformed`, 400)),
    extensions: extensions === undefined ? [] : readExtensions(extensions, "client's", 400),
    origin: readSingle(headers, 'Origin'),
    host,
  }
}

// ---------------------------------------------------------------------------------------------------------
// The server's answer

const ACCEPT_HEAD =
  'HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: '

/** Write the whole head of a 101 response, to be sent as Latin-1 (RFC 6455 section 4.2.2). Throws TypeError for a header that must not be sent. */
export function formatResponse(fields: AcceptFields): string {
  let head = `${ACCEPT_HEAD}${fields.accept ?? computeAccept(fields.key)}\r\n`
  if (fields.subprotocol !== undefined) {
    assertSubprotocols([fields.subprotocol])
    head += `Sec-WebSocket-Protocol: ${fields.subprotocol}\r\n`
  }
  if (fields.extensions !== '') {
    assertHeader('Sec-WebSocket-Extensions', fields.extensions)
    head += `Sec-WebSocket-Extensions: ${fields.extensions}\r\n`
  }
  for (const [name, value] of fields.headers) {
    assertUserHeader(name, value)
    head += `${name}: ${value}\r\n`
  }
  return `${head}\r\n`
}

/** Write a whole HTTP/1.1 response that refuses a handshake, to be sent as UTF-8. Throws RangeError for a status outside 300 to 599 and TypeError for a header that must not be sent. */
export function formatRefusal(fields: RefusalFields): string {
  const { status, headers = [], body = '', contentType = 'text/plain; charset=utf-8' } = fields
  // A 1xx answer would leave the client waiting for the real one, and a 2xx would say that all is well.
  if (!Number.isInteger(status) || status < 300 || status > 599) {
    throw new RangeError(`a handshake is refused with a status of 300 to 599, not ${status}`)
  }
  assertHeader('Content-Type', contentType)
  let lines = ''
  const names = new Set<string>()
  for (const [name, value] of headers) {
    assertUserHeader(name, value)
    names.add(name.toLowerCase())
    lines += `${name}: ${value}\r\n`
  }
  if (!names.has('content-type')) lines += `Content-Type: ${contentType}\r\n`
  // RFC 9110 section 15.5.6: "The origin server MUST generate an Allow header field in a 405 response".
  if (status === 405 && !names.has('allow')) lines += 'Allow: GET\r\n'
  // RFC 9110 section 15.5.22: "The server MUST send an Upgrade header field in a 426 response to indicate the
  // required protocol(s)". RFC 6455 section 4.4 adds the version.
  if (status === 426) lines += 'Upgrade: websocket\r\nSec-WebSocket-Version: 13\r\n'
  const length = new TextEncoder().encode(body).length
  const statusText = STATUS_TEXTS[status] ?? 'Refused'
  // RFC 9110 section 7.8: "A sender of Upgrade MUST also send an "Upgrade" connection option".
  const connection = status === 426 ? 'close, Upgrade' : 'close'
  return `HTTP/1.1 ${status} ${statusText}\r\nConnection: ${connection}\r\nContent-Length: ${length}\r\n${lines}\r\n${body}`
}

/** Check a server's 101 response (RFC 6455 section 4.1). Throws HandshakeError with status 0. */
export function checkResponse(
  response: ResponseHead,
  expected: { readonly key: string; readonly subprotocols: readonly string[] },
): ServerHandshake {
  const { status, headers } = response
  if (status !== 101) fail('WS_BAD_HEADER', `the status is ${status} instead of 101`, 0)
  // "If the response lacks an |Upgrade| header field or the |Upgrade| header field contains a value that is not
  // an ASCII case-insensitive match for the value "websocket", the client MUST _Fail the WebSocket Connection_."
  const upgrade = requireListed(headers, 'upgrade', 'websocket', 'WS_BAD_UPGRADE', 0)
  if (upgrade.includes(',')) fail('WS_BAD_UPGRADE', quoteForMessage(upgrade), 0)
  // "[...] or the |Connection| header field doesn't contain a token that is an ASCII case-insensitive match for
  // the value "Upgrade" [...]"
  requireListed(headers, 'connection', 'upgrade', 'WS_BAD_CONNECTION', 0)

  // "[...] but ignoring any leading and trailing whitespace". Two values never match, even two right ones.
  const accept = headerValue(headers, 'sec-websocket-accept')
  if (accept === undefined || trimSpaces(accept) !== computeAccept(expected.key)) {
    fail('WS_BAD_ACCEPT', describe(accept), 0)
  }

  // "If the response includes a |Sec-WebSocket-Protocol| header field and this header field indicates the use of
  // a subprotocol that was not present in the client's handshake [...], the client MUST _Fail the WebSocket
  // Connection_." A list of several is never one of the names.
  const subprotocol = headerValue(headers, 'sec-websocket-protocol')
  if (subprotocol !== undefined && !expected.subprotocols.includes(subprotocol)) {
    fail('WS_BAD_SUBPROTOCOL', `the server chose ${quoteForMessage(subprotocol)}, which was not offered`, 0)
  }
  const extensions = headerValue(headers, 'sec-websocket-extensions')
  return {
    subprotocol,
    extensions: extensions === undefined ? [] : readExtensions(extensions, "server's", 0),
  }
}

// ---------------------------------------------------------------------------------------------------------
// Reading

function fail(code: HandshakeErrorFields['code'], detail: string, status: number): never {
  throw new HandshakeError({ code, detail, status })
}

function describe(value: string | undefined): string {
  return value === undefined ? 'missing' : quoteForMessage(value)
}

/** Give each header as one string; several values become the list they stand for (RFC 9110 section 5.3). */
export function joinHeaders(headers: HeaderMap): Record<string, string> {
  return Object.fromEntries(Object.keys(headers).map((name) => [name, headerValue(headers, name) ?? '']))
}

/** Read a header as one value: an array becomes the list it stands for (RFC 9110 section 5.3). */
export function headerValue(headers: HeaderMap, lowerName: string): string | undefined {
  const value = headers[lowerName]
  return typeof value === 'object' ? value.join(', ') : value
}

/** Read a header that may stand only once; two of them show as a comma, which no such header has by right. */
function readSingle(headers: HeaderMap, name: string): string | undefined {
  const value = headerValue(headers, name.toLowerCase())
  if (value?.includes(',')) fail('WS_DUPLICATE_HEADER', name, 400)
  return value
}

function requireSingle(headers: HeaderMap, name: string): string {
  const value = readSingle(headers, name)
  // An empty value says no more than none at all.
  return value || fail('WS_MISSING_HEADER', name, 400)
}

function requireListed(
  headers: HeaderMap,
  lowerName: string,
  token: string,
  code: HandshakeErrorFields['code'],
  status: number,
): string {
  const value = headerValue(headers, lowerName)
  return value !== undefined && listHasToken(value, token) ? value : fail(code, describe(value), status)
}

function readExtensions(value: string, whose: string, status: number): readonly ExtensionOffer[] {
  const offers = parseExtensionHeader(value)
  return (
    offers ?? fail('WS_BAD_EXTENSION', `the ${whose} list ${quoteForMessage(value)} is malformed`, status)
  )
}

function isHttp11(version: string): boolean {
  return version.length === 3 && version >= '1.1' && version <= '1.9'
}

// Bytes of a body would be read as WebSocket frames here and as a body by a proxy in between: request smuggling
// (CVE-2026-69243). RFC 6455 gives the request no body, so an announced one is refused.
function assertNoBody(headers: HeaderMap): void {
  const transferEncoding = headerValue(headers, 'transfer-encoding')
  if (transferEncoding !== undefined) {
    fail('WS_BODY_NOT_ALLOWED', `Transfer-Encoding ${quoteForMessage(transferEncoding)}`, 400)
  }
  const length = headerValue(headers, 'content-length')
  if (length !== undefined && length !== '0') {
    fail('WS_BODY_NOT_ALLOWED', `Content-Length ${quoteForMessage(length)}`, 413)
  }
}

// ---------------------------------------------------------------------------------------------------------
// Writing

/** The headers of a request that a user's own replace. */
const REPLACEABLE: ReadonlySet<string> = new Set(['host', 'origin', 'authorization', 'user-agent'])

/** The headers that make the handshake, and where their content comes from. */
const OWNED: ReadonlyMap<string, string> = new Map([
  ['upgrade', 'the handshake sets it itself'],
  ['connection', 'the handshake sets it itself'],
  ['content-length', 'the handshake sets it itself'],
  ['transfer-encoding', 'a handshake has no body that could be encoded'],
  ['sec-websocket-protocol', 'use the option "subprotocols"'],
])

function assertUserHeader(name: string, value: string): void {
  assertHeader(name, value)
  const lowerName = name.toLowerCase()
  const owned = OWNED.get(lowerName)
  if (owned === undefined && !lowerName.startsWith('sec-websocket-')) return
  throw new TypeError(
    `the header ${quoteForMessage(name)} cannot be set: ${owned ?? 'the handshake sets it itself'}`,
  )
}

/**
 * Throw a TypeError for a header that must not be sent. A line break in a name or value would begin another header, or
 * another request (CVE-2026-1527). The value is not shown: it may be a secret.
 */
export function assertHeader(name: string, value: string): void {
  if (typeof name !== 'string' || !isToken(name)) {
    throw new TypeError(
      `the header name ${quoteForMessage(String(name))} is not a token (RFC 9110 section 5.1)`,
    )
  }
  if (typeof value !== 'string' || !isFieldValue(value)) {
    throw new TypeError(
      `the header ${quoteForMessage(name)} must be a string without line breaks, control characters and characters above U+00FF (RFC 9110 section 5.5)`,
    )
  }
}

function assertTarget(target: string): void {
  if (isVisibleAscii(target)) return
  throw new TypeError(
    `the request target ${quoteForMessage(target)} must be percent-encoded: it holds a space, a control character or one above U+007F`,
  )
}

const STATUS_TEXTS: Readonly<Record<number, string>> = {
  301: 'Moved Permanently',
  302: 'Found',
  307: 'Temporary Redirect',
  308: 'Permanent Redirect',
  400: 'Bad Request',
  401: 'Unauthorized',
  403: 'Forbidden',
  404: 'Not Found',
  405: 'Method Not Allowed',
  407: 'Proxy Authentication Required',
  408: 'Request Timeout',
  409: 'Conflict',
  410: 'Gone',
  413: 'Content Too Large',
  414: 'URI Too Long',
  422: 'Unprocessable Content',
  425: 'Too Early',
  426: 'Upgrade Required',
  428: 'Precondition Required',
  429: 'Too Many Requests',
  431: 'Request Header Fields Too Large',
  451: 'Unavailable For Legal Reasons',
  500: 'Internal Server Error',
  501: 'Not Implemented',
  502: 'Bad Gateway',
  503: 'Service Unavailable',
  504: 'Gateway Timeout',
  505: 'HTTP Version Not Supported',
}
