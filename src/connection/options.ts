// The options that every connection has, in both roles: their defaults, each with its reason, and their checks.

import { constants } from 'node:buffer'
import { checkCount, checkDuration } from '../checks.ts'
import {
  type CompressionOptions,
  type ResolvedCompressionOptions,
  resolveCompressionOptions,
} from '../deflate/options.ts'
import { defaultLimits, type Limits } from '../protocol/limits.ts'
import type { AcceptedMessages } from '../protocol/message-assembler.ts'
import type { Role } from '../protocol/protocol.ts'
import { checkExtensions, type ExtensionDefinition } from './extensions.ts'
import { checkStreamSize, type PortableOptions, resolvePortableOptions } from './portable-options.ts'
import { checkTrace, type TraceOptions } from './trace-options.ts'

/**
 * Take log lines: `console`, or a logger of pino, bunyan or winston, or any object with these methods. Those of pino and
 * bunyan get `(error, message)`, all others `(message, error)`.
 */
export interface Logger {
  error(...values: unknown[]): void
}

/** Set up one connection. Durations are ms, sizes are bytes; `false` turns a timeout off. */
export interface ConnectionOptions {
  // --- timeouts ---

  /**
   * Time between two pings of ours, in ms.
   * @default 20_000: shorter than the idle limits of common proxies, which begin at 30 s
   */
  readonly pingInterval?: number | false
  /**
   * Time in which something must come after a ping, in ms; any byte counts as life. Then the connection fails
   * with 1011.
   * @default 20_000
   */
  readonly pingTimeout?: number | false
  /**
   * Time for the closing handshake and the end of TCP, in ms; then the transport is dropped.
   * @default 10_000
   */
  readonly closeTimeout?: number
  /**
   * Time in which a message must be complete once it has begun, in ms; then the connection fails with 1008.
   * @default 60_000 on servers, so that clients cannot hold memory with messages that never end; false on clients
   */
  readonly messageTimeout?: number | false
  /**
   * Longest life of the connection, in ms: then it is closed with 1001 and the reason "lifetime over". Each connection
   * lives for 90 to 100 % of it, by chance, so that those that were opened together do not end together.
   * @default false
   */
  readonly maxLifetime?: number | false

  // --- limits ---

  /**
   * Largest message that is taken, in bytes; a larger one fails the connection with 1009.
   * @default 1 MiB on servers, 16 MiB on clients
   */
  readonly maxMessageSize?: number
  /**
   * Largest message that `receiveStream()` takes, in bytes; `Infinity` for messages without end. What is above
   * `maxMessageSize` waits until somebody takes it so.
   * @default `maxMessageSize`
   */
  readonly maxStreamSize?: number
  /**
   * Most fragments of one message, empty ones included.
   * @default 131_072
   */
  readonly maxFragments?: number
  /**
   * Kinds of messages that are taken; another kind fails the connection with 1003.
   * @default 'any'
   */
  readonly accept?: AcceptedMessages

  // --- extensions ---

  /**
   * Agree on permessage-deflate (RFC 7692) with peers that know it, and compress what is worth it; an object sets it up,
   * `false` turns it off.
   * @default true
   */
  readonly compression?: boolean | CompressionOptions
  /** Extensions of one's own, in the order in which they apply; permessage-deflate comes before them. */
  readonly extensions?: readonly ExtensionDefinition[]

  // --- backpressure ---

  /**
   * Messages that may wait for `receive()` or a loop before the socket is paused.
   * @default 16: enough to keep a consumer busy, little enough to stop a fast peer early
   */
  readonly receiveHighWaterMark?: number
  /**
   * Messages left waiting at which the socket goes on.
   * @default a quarter of `receiveHighWaterMark`
   */
  readonly receiveLowWaterMark?: number
  /**
   * Bytes that may wait to be sent before `send()` waits.
   * @default 64 KiB
   */
  readonly sendHighWaterMark?: number

  /**
   * Bytes that may wait to be sent at all. When somebody who does not await `send()` goes on above it, the connection
   * fails with 1008 and is dropped, because the peer does not read.
   * @default 64 MiB: four of the largest messages that a client takes
   */
  readonly maxBufferedAmount?: number

  // --- escape hatches ---

  /**
   * Where errors of handlers are reported.
   * @default console
   */
  readonly logger?: Logger
  /**
   * Print the handshake and every frame of this connection, or of each connection of this server; `false` leaves it
   * out when `enableTrace()` is on.
   * @default what `enableTrace()` was told
   */
  readonly trace?: boolean | TraceOptions
}

/** Hold the options with all defaults filled in. `Infinity` stands for a timeout that is off. */
export interface ResolvedConnectionOptions extends PortableOptions {
  readonly pingInterval: number
  readonly pingTimeout: number
  readonly messageTimeout: number
  readonly maxLifetime: number
  readonly limits: Limits
  /** Absent when nothing is to be compressed. */
  readonly compression: ResolvedCompressionOptions | undefined
  readonly extensions: readonly ExtensionDefinition[]
  /** `undefined` leaves it to `enableTrace()`. */
  readonly trace: boolean | TraceOptions | undefined
}

const PING_INTERVAL = 20_000
const PING_TIMEOUT = 20_000
const SERVER_MESSAGE_TIMEOUT = 60_000

/** Fill in defaults. Throw a TypeError or RangeError that names the option which is wrong. */
export function resolveConnectionOptions(options: ConnectionOptions, role: Role): ResolvedConnectionOptions {
  const isServer = role === 'server'
  const limits = defaultLimits(role)
  const maxMessageSize = checkMessageSize(options.maxMessageSize ?? limits.maxMessageSize)
  const { extensions = [] } = options
  checkExtensions(extensions)
  checkTrace(options.trace)
  return {
    ...resolvePortableOptions(options),
    pingInterval: checkDuration('pingInterval', options.pingInterval ?? PING_INTERVAL),
    pingTimeout: checkDuration('pingTimeout', options.pingTimeout ?? PING_TIMEOUT),
    messageTimeout: checkDuration(
      'messageTimeout',
      options.messageTimeout ?? (isServer ? SERVER_MESSAGE_TIMEOUT : false),
    ),
    maxLifetime: checkDuration('maxLifetime', options.maxLifetime ?? false),
    limits: {
      maxMessageSize,
      maxStreamSize: checkStreamSize(options.maxStreamSize ?? maxMessageSize, maxMessageSize),
      maxFragments: checkCount('maxFragments', options.maxFragments ?? limits.maxFragments, 1),
    },
    compression: resolveCompression(options.compression ?? true, role),
    extensions,
    trace: options.trace,
  }
}

// A text must fit into a string, or a peer could make the decoder throw.
function checkMessageSize(value: number): number {
  const size = checkCount('maxMessageSize', value, 0)
  if (size > constants.MAX_STRING_LENGTH) {
    throw new RangeError(`maxMessageSize must be at most ${constants.MAX_STRING_LENGTH} bytes, not ${size}`)
  }
  return size
}

function resolveCompression(
  value: boolean | CompressionOptions,
  role: Role,
): ResolvedCompressionOptions | undefined {
  if (value === false) return undefined
  if (value === true) return resolveCompressionOptions({}, role)
  if (typeof value === 'object' && value !== null) return resolveCompressionOptions(value, role)
  throw new TypeError('compression must be true, false or an object of options such as level')
}
