// What a server can be told: who may come in, how they are greeted, and where it listens.

import type { IncomingHttpHeaders } from 'node:http'
import type { TlsOptions } from 'node:tls'
import type { Connection } from '../connection/connection.ts'
import type { ConnectionHandler } from '../connection/handler.ts'
import {
  type ConnectionOptions,
  type ResolvedConnectionOptions,
  resolveConnectionOptions,
} from '../connection/options.ts'
import { resolveOpenTimeout } from '../connection/portable-options.ts'
import { formatResponse } from '../handshake/http1.ts'
import { assertOriginPolicy, type OriginPolicy } from '../handshake/origin.ts'
import { assertSubprotocols } from '../handshake/subprotocol.ts'

/** Handle connections: a coroutine for each connection, or an object of callbacks for all of them. */
export type ServerHandler<Data = unknown> =
  | ((connection: Connection<Data>) => void | Promise<void>)
  | ConnectionHandler<Data>

/** Hold an opening handshake that waits for a decision. */
export interface IncomingHandshake {
  /** The path with the query, such as `/chat?room=1`. */
  readonly target: string
  /** The address as a URL, for `pathname` and `searchParams`. Its host is what the client claims. */
  readonly url: URL
  /** Names in lower case. */
  readonly headers: IncomingHttpHeaders
  /** The browser's origin; `undefined` when the client is no browser. */
  readonly origin: string | undefined
  /** The subprotocols that the client offers, in its order of preference. */
  readonly subprotocols: readonly string[]
  /** The client's IP address, as `connection.remoteAddress` has it; `undefined` on Unix sockets. */
  readonly remoteAddress: string | undefined
  /** Aborted when the client goes away or `openTimeout` is over. */
  readonly signal: AbortSignal
}

/** Decide about handshakes; shared by `serve` and `upgrade`. */
export interface UpgradeOptions<Data = unknown> extends ConnectionOptions {
  // --- the handshake ---

  /**
   * Decide about a handshake, async if need be: return a `Response` (300-599) to refuse it, or `false` to refuse it
   * with 403; anything else becomes `connection.data`. What it throws is logged and answered with 500.
   */
  readonly onHandshake?: (
    handshake: IncomingHandshake,
  ) => Response | Data | false | undefined | Promise<Response | Data | false | undefined>
  /**
   * The origins whose pages may connect, besides our own host: exact origins such as `https://example.com`,
   * regular expressions, a function that decides alone, or 'any'. Clients that are no browsers have no origin and
   * may always connect.
   * @default the same host only, against cross-site WebSocket hijacking
   */
  readonly origins?: OriginPolicy
  /**
   * The host names under which the server may be addressed, without port: a protection of local servers against
   * DNS rebinding.
   * @default all
   */
  readonly hosts?: readonly string[]
  /** The subprotocols that the server speaks, in its order of preference; the first that is offered is chosen. */
  readonly subprotocols?: readonly string[]
  /** Headers to add to the 101 response. */
  readonly headers?: Readonly<Record<string, string>>

  // --- timeouts ---

  /**
   * Time for TLS, the request's head and `onHandshake`, in ms.
   * @default 10_000
   */
  readonly openTimeout?: number
}

/** Set up a server. */
export interface ServeOptions<Data = unknown> extends UpgradeOptions<Data> {
  // --- where to listen ---

  /**
   * The port; 0 lets the system choose one, see `server.port`.
   * @default 0
   */
  readonly port?: number
  /** The address to listen on; by default all of this machine. */
  readonly host?: string
  /** The path of a Unix socket, or the name of a pipe on Windows, instead of host and port. */
  readonly path?: string
  /** Certificate and key, and all else that `tls.createServer` takes: serve `wss:`. */
  readonly tls?: TlsOptions

  // --- HTTP on the same port ---

  /**
   * Answer requests that are no handshakes. What it throws is logged and answered with 500.
   * @default 426, which tells that this is a WebSocket server
   */
  readonly onRequest?: (request: Request) => Response | Promise<Response>

  // --- stopping ---

  /** Close the server when aborted. */
  readonly signal?: AbortSignal
}

/** Hold the options of a handshake with all defaults filled in. */
export interface ResolvedUpgradeOptions<Data> {
  readonly connection: ResolvedConnectionOptions
  readonly onHandshake: UpgradeOptions<Data>['onHandshake']
  readonly origins: OriginPolicy | undefined
  readonly hosts: readonly string[] | undefined
  readonly subprotocols: readonly string[]
  readonly headers: readonly (readonly [string, string])[]
  /** `headers` as connections show them: with names in lower case. */
  readonly responseHeaders: Readonly<Record<string, string>>
  readonly openTimeout: number
}

// The key of RFC 6455 section 1.3: any will do to try out a response.
const TRIAL_KEY = 'dGhlIHNhbXBsZSBub25jZQ=='

/** Fill in defaults. Throw a TypeError or RangeError that names the option which is wrong. */
export function resolveUpgradeOptions<Data>(options: UpgradeOptions<Data>): ResolvedUpgradeOptions<Data> {
  if (options.origins !== undefined) assertOriginPolicy(options.origins)
  assertSubprotocols(options.subprotocols ?? [])
  if (options.hosts !== undefined && !Array.isArray(options.hosts)) {
    throw new TypeError('hosts must be a list of host names')
  }
  if (options.onHandshake !== undefined && typeof options.onHandshake !== 'function') {
    throw new TypeError('onHandshake must be a function')
  }
  const headers = Object.entries(options.headers ?? {})
  formatResponse({ key: TRIAL_KEY, subprotocol: undefined, extensions: '', headers })
  const openTimeout = resolveOpenTimeout(options.openTimeout)
  return {
    connection: resolveConnectionOptions(options, 'server'),
    onHandshake: options.onHandshake,
    origins: options.origins,
    hosts: options.hosts,
    subprotocols: options.subprotocols ?? [],
    headers,
    responseHeaders: Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value])),
    openTimeout,
  }
}

/** Check that a value can handle connections. Throw a TypeError that says what can. */
export function assertHandler(handler: unknown): void {
  if (typeof handler === 'function' || (typeof handler === 'object' && handler !== null)) return
  throw new TypeError(
    'the handler must be a function of a connection, or an object with open, message, close …',
  )
}
