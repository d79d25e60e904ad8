// Owns the reading of the addresses that a client connects to, with the WHATWG URL parser beneath.
// Must not know sockets, DNS or redirects. Its messages never show a password or a query.

import { quoteForMessage } from '../errors.ts'

/** Hold the parts of an address that a client needs to connect. */
export interface WebSocketUrl {
  /** True when TLS is to be used. */
  readonly secure: boolean
  /** The name or address to connect to, without IPv6 brackets; `localhost` for a Unix socket. */
  readonly hostname: string
  /** The TCP port; 80 or 443 when the address names none. */
  readonly port: number
  /** The value of the Host header: the default port is left out. */
  readonly host: string
  /** Path and query for the request line, percent-encoded and never empty. */
  readonly target: string
  /** Percent-decoded; empty when absent. */
  readonly username: string
  /** Percent-decoded; empty when absent. */
  readonly password: string
  /** The path of a Unix socket, percent-decoded; `undefined` for TCP. */
  readonly socketPath: string | undefined
}

const EXAMPLE = 'an address looks like "wss://example.com/path"'
const SOCKET_EXAMPLE = 'an address of a Unix socket looks like "ws+unix:/run/app.sock:/path"'

/** Parse a `ws:`, `wss:`, `http:`, `https:`, `ws+unix:` or `wss+unix:` address. Throws TypeError for any other (RFC 6455 section 3). */
export function parseWebSocketUrl(url: string | URL): WebSocketUrl {
  const text = String(url)
  let parsed: URL
  try {
    parsed = new URL(text)
  } catch {
    throw invalid(text, `cannot be parsed: ${EXAMPLE}`)
  }
  // "Fragment identifiers are meaningless in the context of WebSocket URIs and MUST NOT be used on these URIs."
  // `hash` is empty for a lone "#" too; elsewhere in a parsed URL the sign is percent-encoded.
  if (parsed.href.includes('#')) {
    throw invalid(
      text,
      'has a fragment, which WebSocket addresses must not have (RFC 6455 section 3): remove "#"',
    )
  }
  switch (parsed.protocol) {
    // The WHATWG standard takes http and https for ws and wss, so that a page can derive the address from its own.
    case 'ws:':
    case 'http:':
      return readTcpUrl(parsed, text, false)
    case 'wss:':
    case 'https:':
      return readTcpUrl(parsed, text, true)
    case 'ws+unix:':
      return readSocketUrl(parsed, text, false)
    case 'wss+unix:':
      return readSocketUrl(parsed, text, true)
    default:
      throw invalid(text, `has the scheme ${quoteForMessage(parsed.protocol)}: ${EXAMPLE}`)
  }
}

function readTcpUrl(url: URL, text: string, secure: boolean): WebSocketUrl {
  return {
    secure,
    hostname: url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname,
    port: url.port === '' ? defaultPort(secure) : Number(url.port),
    host: url.host,
    target: url.pathname + url.search,
    username: decode(url.username, text, 'user name'),
    password: decode(url.password, text, 'password'),
    socketPath: undefined,
  }
}

function readSocketUrl(url: URL, text: string, secure: boolean): WebSocketUrl {
  if (url.host !== '') {
    throw invalid(text, `names a host: write one slash after the scheme; ${SOCKET_EXAMPLE}`)
  }
  const colon = url.pathname.indexOf(':')
  const socketPath = colon === -1 ? url.pathname : url.pathname.slice(0, colon)
  const path = colon === -1 ? '' : url.pathname.slice(colon + 1)
  if (socketPath === '') throw invalid(text, `names no socket: ${SOCKET_EXAMPLE}`)
  if (path !== '' && !path.startsWith('/')) {
    throw invalid(text, `has a request path that does not begin with "/": ${SOCKET_EXAMPLE}`)
  }
  return {
    secure,
    hostname: 'localhost',
    port: defaultPort(secure),
    host: 'localhost',
    // URL leaves spaces in the path when the socket's path is relative, and they would end the request target.
    target: (path || '/').replaceAll(' ', '%20') + url.search,
    username: '',
    password: '',
    socketPath: decode(socketPath, text, 'socket path'),
  }
}

function defaultPort(secure: boolean): number {
  return secure ? 443 : 80
}

function decode(encoded: string, text: string, part: string): string {
  try {
    return decodeURIComponent(encoded)
  } catch {
    throw invalid(text, `has a ${part} with broken percent-encoding: write "%25" for a percent sign`)
  }
}

function invalid(text: string, problem: string): TypeError {
  return new TypeError(`the WebSocket address ${quoteForMessage(withoutSecrets(text))} ${problem}`)
}

/** Hide user name, password and query, also in what URL cannot parse. */
function withoutSecrets(text: string): string {
  const scheme = text.indexOf(':') + 1
  const start = text.startsWith('//', scheme) ? scheme + 2 : scheme
  // The last "@", since a password that makes the address unparsable may itself hold "@", "/" or "?".
  const at = text.lastIndexOf('@')
  const shown = at < start ? text : `${text.slice(0, start)}***${text.slice(at)}`
  const query = shown.indexOf('?')
  return query === -1 ? shown : `${shown.slice(0, query)}?***`
}
