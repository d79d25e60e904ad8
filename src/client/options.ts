// What a client can be told: whom it says it is, and how it dials.

import type { ConnectionOptions as TlsConnectionOptions } from 'node:tls'
import { checkDuration, checkSignal } from '../checks.ts'
import type { ConnectionHandler } from '../connection/handler.ts'
import {
  type ConnectionOptions,
  type ResolvedConnectionOptions,
  resolveConnectionOptions,
} from '../connection/options.ts'
import { assertSubprotocols } from '../handshake/subprotocol.ts'

/** Take headers as an object, or as anything that gives pairs of name and value: `Headers`, a `Map`, a list. */
export type HeaderSource = Readonly<Record<string, string>> | Iterable<readonly [string, string]>

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
  /** Certificates and all else that `tls.connect` takes, for `wss:`. */
  readonly tls?: TlsConnectionOptions

  // --- timeouts ---

  /**
   * Time for the name, TCP, TLS and the handshake together, in ms.
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
  readonly tls: TlsConnectionOptions
  readonly openTimeout: number
  readonly signal: AbortSignal | undefined
}

/** 10 s: more than a slow TLS handshake across the world takes. */
const OPEN_TIMEOUT = 10_000

/** Fill in defaults. Throw a TypeError or RangeError that names the option which is wrong. */
export function resolveConnectOptions<Data>(options: ConnectOptions<Data>): ResolvedConnectOptions {
  assertSubprotocols(options.subprotocols ?? [])
  const userAgent = options.userAgent ?? 'openline'
  const openTimeout = checkDuration('openTimeout', options.openTimeout ?? OPEN_TIMEOUT)
  if (openTimeout === Number.POSITIVE_INFINITY) throw new TypeError('openTimeout must be a number of ms')
  const { handler, headers = {}, tls = {} } = options
  if (handler !== undefined && (typeof handler !== 'object' || handler === null)) {
    throw new TypeError('handler must be an object with open, message, close …')
  }
  if (typeof tls !== 'object' || tls === null) {
    throw new TypeError('tls must be an object of options such as ca')
  }
  checkSignal(options.signal)
  return {
    connection: resolveConnectionOptions(options, 'client'),
    headers: listHeaders(headers),
    subprotocols: options.subprotocols ?? [],
    origin: options.origin,
    userAgent: userAgent === false ? undefined : userAgent,
    tls,
    openTimeout,
    signal: options.signal,
  }
}

// The names and values themselves are checked where the request is built.
function listHeaders(headers: unknown): [string, string][] {
  if (typeof headers === 'object' && headers !== null) {
    if (Symbol.iterator in headers) return Array.from(headers as Iterable<unknown>, toPair)
    // Anything but a plain object keeps its content elsewhere, and its entries would be none.
    const prototype: object | null = Object.getPrototypeOf(headers)
    if (prototype === null || Object.getPrototypeOf(prototype) === null) return Object.entries(headers)
  }
  throw new TypeError('headers must be an object of strings, Headers, a Map, or a list of [name, value]')
}

function toPair(entry: unknown): [string, string] {
  if (!Array.isArray(entry) || entry.length !== 2)
    throw new TypeError('headers must hold pairs [name, value]')
  return [entry[0], entry[1]]
}
