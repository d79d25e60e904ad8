// What a client can be told: whom it says it is, and how it dials.

import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import type { ConnectionOptions as TlsConnectionOptions } from 'node:tls'
import { checkCount, checkSignal } from '../checks.ts'
import type { ConnectionHandler } from '../connection/handler.ts'
import {
  type ConnectionOptions,
  type ResolvedConnectionOptions,
  resolveConnectionOptions,
} from '../connection/options.ts'
import { checkHandler, resolveOpenTimeout } from '../connection/portable-options.ts'
import { assertSubprotocols } from '../handshake/subprotocol.ts'
import { type CookieJar, checkCookies } from './cookies.ts'
import { type Credentials, checkCredentials } from './credentials.ts'
import { type HeaderSource, listHeaders } from './headers.ts'
import { type ProxyOptions, type ProxyServer, resolveProxyOptions } from './proxy-options.ts'
import { checkPort, type ResolvedTcpOptions, resolveTcpOptions, type TcpOptions } from './tcp-options.ts'

/** Set up a client's connection. */
export interface ConnectOptions<Data = unknown> extends ConnectionOptions {
  // --- the handshake ---

  /** Headers to add to the request: an object, `Headers`, a `Map`, or a list of pairs. */
  readonly headers?: HeaderSource
  /** The subprotocols to offer, in the order of preference; see `connection.subprotocol`. */
  readonly subprotocols?: readonly string[]
  /** The Origin header; without it none is sent, as by programs that are no browsers. */
  readonly origin?: string
  /**
   * The User-Agent header; `false` leaves it out.
   * @default 'openline'
   */
  readonly userAgent?: string | false
  /**
   * Who the client is, in the Authorization header: a user with Basic or Digest, or a token with Bearer. They come
   * before a user in the URL, and are not sent to another origin by a redirect.
   */
  readonly credentials?: Credentials
  /**
   * Cookies to send: a string is the value of the Cookie header. A jar, such as a `CookieJar` of tough-cookie, is asked
   * for cookies and keeps those that servers set; `true` makes one for this connection, for which the optional package
   * tough-cookie must be installed.
   */
  readonly cookies?: boolean | string | CookieJar
  /**
   * Redirects to follow in a row; 0 follows none, and rejects with HandshakeRejectedError.
   * @default 10
   */
  readonly maxRedirects?: number

  // --- the way to the server ---

  /** Certificates and all else that `tls.connect` takes, for `wss:`. */
  readonly tls?: TlsConnectionOptions
  /** Set up TCP: from which address, how names are resolved, keep-alive. */
  readonly tcp?: TcpOptions
  /**
   * The proxy to go through: a URL with `http:`, `https:`, `socks4:`, `socks4a:`, `socks5:` or `socks5h:`, or an
   * object with one; `false` for none. SOCKS needs the optional package socks.
   * @default what the environment says: `wss_proxy`, `https_proxy`, `no_proxy` …
   */
  readonly proxy?: string | URL | ProxyOptions | false
  /** Dial this host instead of the URL's, which stays in the Host header and is the name that TLS checks. */
  readonly connectTo?: { readonly host: string; readonly port?: number }
  /**
   * A stream that leads to the server already: nothing is dialled. It belongs to the connection from then on, and is
   * destroyed when connecting fails.
   */
  readonly socket?: Duplex

  // --- timeouts ---

  /**
   * Time for the name, TCP, the proxy, TLS, the handshake and all redirects together, in ms.
   * @default 10_000
   */
  readonly openTimeout?: number
  /** Give up when aborted. Once the connection is open the signal means nothing any more. */
  readonly signal?: AbortSignal

  // --- messages ---

  /** Take messages by callbacks instead of `receive()` and loops: the fastest way. */
  readonly handler?: ConnectionHandler<Data>
  /** The first value of `connection.data`. */
  readonly data?: Data
}

/** Hold the options of a client with all defaults filled in. */
export interface ResolvedConnectOptions {
  readonly connection: ResolvedConnectionOptions
  readonly headers: readonly (readonly [string, string])[]
  readonly subprotocols: readonly string[]
  readonly origin: string | undefined
  readonly userAgent: string | undefined
  readonly credentials: Credentials | undefined
  readonly cookies: true | string | CookieJar | undefined
  readonly maxRedirects: number
  readonly tls: TlsConnectionOptions
  readonly tcp: ResolvedTcpOptions
  /** `undefined`: whatever the environment says. */
  readonly proxy: ProxyServer | false | undefined
  readonly connectTo: { readonly host: string; readonly port: number | undefined } | undefined
  readonly socket: Duplex | undefined
  readonly openTimeout: number
  readonly signal: AbortSignal | undefined
}

/** As in Python's websockets: more than any chain that leads somewhere. */
const MAX_REDIRECTS = 10

/** Fill in defaults. Throw a TypeError or RangeError that names the option which is wrong. */
export function resolveConnectOptions<Data>(options: ConnectOptions<Data>): ResolvedConnectOptions {
  assertSubprotocols(options.subprotocols ?? [])
  const userAgent = options.userAgent ?? 'openline'
  const openTimeout = resolveOpenTimeout(options.openTimeout)
  const { handler, headers = {}, tls = {}, credentials, cookies = false, proxy, socket } = options
  checkHandler(handler)
  if (typeof tls !== 'object' || tls === null) {
    throw new TypeError('tls must be an object of options such as ca')
  }
  checkSignal(options.signal)
  if (credentials !== undefined) checkCredentials(credentials)
  checkCookies(cookies)
  if (socket !== undefined) checkSocket(socket, options)
  return {
    connection: resolveConnectionOptions(options, 'client'),
    headers: listHeaders(headers),
    subprotocols: options.subprotocols ?? [],
    origin: options.origin,
    userAgent: userAgent === false ? undefined : userAgent,
    credentials,
    cookies: cookies === false ? undefined : cookies,
    maxRedirects: checkCount('maxRedirects', options.maxRedirects ?? MAX_REDIRECTS, 0),
    tls,
    tcp: resolveTcpOptions(options.tcp ?? {}),
    proxy: proxy === undefined || proxy === false ? proxy : resolveProxyOptions(proxy),
    connectTo: options.connectTo === undefined ? undefined : resolveConnectTo(options.connectTo),
    socket,
    openTimeout,
    signal: options.signal,
  }
}

function checkSocket(socket: Duplex, options: ConnectOptions): void {
  const isDuplex = [socket?.read, socket?.write, socket?.destroy].every(
    (method) => typeof method === 'function',
  )
  if (!isDuplex) throw new TypeError('socket must be a Duplex stream')
  if (socket.destroyed || !socket.readable || !socket.writable) {
    throw new TypeError('socket must be open: it cannot be read and written any more')
  }
  const { connectTo, proxy, tcp, credentials } = options
  const other = connectTo ? 'connectTo' : proxy ? 'proxy' : tcp ? 'tcp' : undefined
  if (other !== undefined) throw new TypeError(`${other} cannot be given with socket: nothing is dialled`)
  if (credentials !== undefined && 'scheme' in credentials && credentials.scheme === 'digest') {
    throw new TypeError(
      'credentials with the scheme digest cannot be given with socket: they need a second one',
    )
  }
}

function resolveConnectTo(place: { readonly host: string; readonly port?: number }): {
  readonly host: string
  readonly port: number | undefined
} {
  if (typeof place !== 'object' || place === null) {
    throw new TypeError('connectTo must be an object with host and port')
  }
  const { host, port } = place
  return {
    host: checkHost(host),
    port: port === undefined ? undefined : checkPort('connectTo.port', port),
  }
}

/** Check a host and return it as URLs have it; it goes into the request to a proxy too. */
function checkHost(host: unknown): string {
  if (typeof host === 'string' && isIP(host) !== 0) return host
  if (typeof host === 'string' && !/[\s/?#@:\\[\]]/.test(host)) {
    try {
      const { hostname } = new URL(`ws://${host}/`)
      if (hostname !== '') return hostname
    } catch {
      // Told below.
    }
  }
  throw new TypeError('connectTo.host must be a host name or an IP address')
}
