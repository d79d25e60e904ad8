// Where a redirect leads, and what must not go there. Pure.

import { Buffer } from 'node:buffer'
import type { ConnectionOptions as TlsConnectionOptions } from 'node:tls'
import { quoteForMessage } from '../errors.ts'
import { parseWebSocketUrl, type WebSocketUrl } from '../handshake/url.ts'
import { isSecretName } from '../trace/redact.ts'

const STATUSES: ReadonlySet<number> = new Set([300, 301, 302, 303, 307, 308])

/** Tell whether an answer leads elsewhere; 300 does only with a Location. */
export function isRedirect(status: number, location: string | undefined): location is string {
  return location !== undefined && STATUSES.has(status)
}

/** Resolve a Location against the address that gave it (RFC 3986 section 5). Gives a sentence when it must not be followed. */
export function resolveRedirect(from: WebSocketUrl, location: string): WebSocketUrl | string {
  let url: URL
  try {
    url = new URL(readUtf8(location), `${from.secure ? 'wss' : 'ws'}://${from.host}${from.target}`)
  } catch {
    return `the Location ${quoteForMessage(location)} is no address`
  }
  // What a server says of users is none of ours, and fragments mean nothing here (RFC 6455 section 3).
  url.username = ''
  url.password = ''
  url.hash = ''
  const scheme = { 'http:': 'ws', 'ws:': 'ws', 'https:': 'wss', 'wss:': 'wss' }[url.protocol]
  if (scheme === undefined) {
    return `the Location has the scheme ${quoteForMessage(url.protocol)}, and not ws: or wss:`
  }
  if (from.secure && scheme === 'ws') return 'it leads from wss: to ws:, away from TLS'
  return parseWebSocketUrl(scheme + url.href.slice(url.protocol.length - 1))
}

/** Read a header's bytes, of which Node makes a character each, as UTF-8 where they are. */
function readUtf8(value: string): string {
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(Buffer.from(value, 'latin1'))
  } catch {
    return value
  }
}

/** Tell whether two addresses are of one origin: what was meant for one may go to the other. */
export function isSameOrigin(left: WebSocketUrl, right: WebSocketUrl): boolean {
  return left.secure === right.secure && left.hostname === right.hostname && left.port === right.port
}

/** Leave out the headers that another origin must not see, such as `Authorization` and `X-Api-Key`, and a Host that is not its own. */
export function withoutPrivateHeaders(
  headers: readonly (readonly [string, string])[],
): readonly (readonly [string, string])[] {
  return headers.filter(([name]) => !isSecretName(name) && name.toLowerCase() !== 'host')
}

/** Leave out of what TLS is set up with what says who we are, and the name of the server before. */
export function withoutPrivateTls(tls: TlsConnectionOptions): TlsConnectionOptions {
  const { cert, key, pfx, passphrase, secureContext, servername, session, pskCallback, ...others } = tls
  const { clientCertEngine, privateKeyEngine, privateKeyIdentifier, ...rest } = others
  return rest
}
