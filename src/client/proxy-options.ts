// What a proxy is: read from a URL, or from an object with one.

import { Buffer } from 'node:buffer'
import type { ConnectionOptions as TlsConnectionOptions } from 'node:tls'
import { quoteForMessage } from '../errors.ts'
import { type HeaderSource, listHeaders } from './headers.ts'

/** Set up a proxy. */
export interface ProxyOptions {
  /** Such as `http://proxy.example:3128`; `https:`, `socks4:`, `socks4a:`, `socks5:` and `socks5h:` work as well. */
  readonly url: string | URL
  /** Instead of the user in the URL. */
  readonly username?: string
  /** Instead of the password in the URL. */
  readonly password?: string
  /** Headers to add to the CONNECT request of `http:` and `https:` proxies. */
  readonly headers?: HeaderSource
  /** Certificates and all else that `tls.connect` takes, for `https:` proxies. */
  readonly tls?: TlsConnectionOptions
}

/** Name the protocols of proxies: CONNECT over TCP, CONNECT over TLS, and SOCKS; those with `a` and `h` resolve names at the proxy. */
export type ProxyProtocol = 'http' | 'https' | 'socks4' | 'socks4a' | 'socks5' | 'socks5h'

/** Hold a proxy, ready to be dialled. */
export interface ProxyServer {
  readonly protocol: ProxyProtocol
  readonly host: string
  readonly port: number
  /** Empty without one. */
  readonly username: string
  readonly password: string
  readonly headers: readonly (readonly [string, string])[]
  readonly tls: TlsConnectionOptions
}

const DEFAULT_PORTS: Readonly<Record<ProxyProtocol, number>> = {
  http: 80,
  https: 443,
  socks4: 1080,
  socks4a: 1080,
  socks5: 1080,
  socks5h: 1080,
}

const EXAMPLE = 'a proxy looks like "http://proxy.example:3128" or "socks5h://proxy.example:1080"'

/** Read the URL of a proxy; `source` names where it stands. Throws TypeError. */
export function parseProxyUrl(value: string | URL, source: string): ProxyServer {
  let url: URL
  try {
    url = new URL(String(value))
  } catch {
    throw new TypeError(`${source} is no URL: ${EXAMPLE}`)
  }
  const protocol = url.protocol.slice(0, -1)
  if (!Object.hasOwn(DEFAULT_PORTS, protocol)) {
    throw new TypeError(`${source} has the scheme ${quoteForMessage(url.protocol)}: ${EXAMPLE}`)
  }
  if (url.hostname === '') throw new TypeError(`${source} names no host: ${EXAMPLE}`)
  if ((url.pathname !== '' && url.pathname !== '/') || url.search !== '' || url.hash !== '') {
    throw new TypeError(`${source} has more than scheme, user, host and port: ${EXAMPLE}`)
  }
  const known = protocol as ProxyProtocol
  return {
    protocol: known,
    host: url.hostname.startsWith('[') ? url.hostname.slice(1, -1) : url.hostname,
    port: url.port === '' ? DEFAULT_PORTS[known] : Number(url.port),
    ...checkUser(decode(url.username, source), decode(url.password, source), known, source),
    headers: [],
    tls: {},
  }
}

/** Read the option `proxy`. Throws TypeError that names what is wrong. */
export function resolveProxyOptions(value: string | URL | ProxyOptions): ProxyServer {
  if (typeof value === 'string' || value instanceof URL) return parseProxyUrl(value, 'proxy')
  if (typeof value !== 'object' || value === null) {
    throw new TypeError('proxy must be a URL, false, or an object with url')
  }
  const { url, username, password, headers = {}, tls = {} } = value
  if (typeof url !== 'string' && !(url instanceof URL)) throw new TypeError(`proxy.url is no URL: ${EXAMPLE}`)
  const proxy = parseProxyUrl(url, 'proxy.url')
  for (const [name, text] of Object.entries({ username, password })) {
    if (text !== undefined && typeof text !== 'string') throw new TypeError(`proxy.${name} must be a string`)
  }
  if (typeof tls !== 'object' || tls === null) {
    throw new TypeError('proxy.tls must be an object of options such as ca')
  }
  return {
    ...proxy,
    ...checkUser(username ?? proxy.username, password ?? proxy.password, proxy.protocol, 'proxy'),
    headers: listHeaders(headers, 'proxy.headers'),
    tls,
  }
}

/** Tell whether a proxy speaks SOCKS. */
export function isSocks({ protocol }: ProxyServer): boolean {
  return protocol.startsWith('socks')
}

/** The name of a proxy in messages, without its user. */
export function describeProxy({ protocol, host, port }: ProxyServer): string {
  return `${protocol}://${host.includes(':') ? `[${host}]` : host}:${port}`
}

// Both go into places of a fixed shape, where what is too much would be read as something else.
function checkUser(
  username: string,
  password: string,
  protocol: ProxyProtocol,
  source: string,
): { username: string; password: string } {
  if (protocol.startsWith('http')) {
    // RFC 7617 section 2: "a user-id containing a colon character is invalid".
    if (username.includes(':')) throw new TypeError(`${source} has a user name with a colon in it`)
  } else if (protocol.startsWith('socks4')) {
    if (password !== '')
      throw new TypeError(`${source} has a password, which SOCKS4 does not know: use socks5`)
    if (username.includes('\0')) throw new TypeError(`${source} has a user name with a NUL in it`)
  } else {
    // RFC 1929: a user name and a password of 1 to 255 bytes each.
    const isTooLong = Buffer.byteLength(username) > 255 || Buffer.byteLength(password) > 255
    if (isTooLong) throw new TypeError(`${source} has a user name or a password above 255 bytes`)
    if ((username === '') !== (password === '')) {
      throw new TypeError(`${source} must have both a user name and a password, or none (RFC 1929)`)
    }
  }
  return { username, password }
}

function decode(encoded: string, source: string): string {
  try {
    return decodeURIComponent(encoded)
  } catch {
    throw new TypeError(
      `${source} has a user or password with broken percent-encoding: write "%25" for a percent sign`,
    )
  }
}
