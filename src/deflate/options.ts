// What permessage-deflate can be told: defaults, each with its reason, and checks.

import { checkDuration } from '../checks.ts'
import type { Role } from '../protocol/protocol.ts'

/** Set up permessage-deflate (RFC 7692). Window bits are the logarithm of a window's bytes: 9 to 15. */
export interface CompressionOptions {
  // --- what is agreed with the peer ---

  /**
   * The server begins each message with an empty window: less memory on the server, and larger messages.
   * @default false
   */
  readonly serverNoContextTakeover?: boolean
  /**
   * The client begins each message with an empty window, so that the server needs no memory between two messages.
   * @default false
   */
  readonly clientNoContextTakeover?: boolean
  /**
   * The window with which the server compresses.
   * @default 12 (4 KiB) on servers; clients ask for nothing less than 15
   */
  readonly serverMaxWindowBits?: number
  /**
   * The window with which the client compresses. A server can only ask for it where the client offers that.
   * @default 12 (4 KiB): messages seldom repeat what was further back, and each connection has its own window
   */
  readonly clientMaxWindowBits?: number

  // --- how we compress ---

  /**
   * Bytes from which messages are compressed.
   * @default 256: below, the headers of TCP and IP weigh more than what can be saved
   */
  readonly threshold?: number
  /**
   * Have zlib compress at this level: 1 is fastest, 9 is smallest, 0 does not compress. By default a compressor of our
   * own does it, which takes a tenth of zlib's time for small messages and makes them a little larger; messages of more
   * than 32 KiB, which zlib compresses on another thread, have level 3.
   */
  readonly level?: number
  /**
   * zlib's memory level, 1 to 9, for messages that zlib compresses.
   * @default 5: more makes only large messages smaller
   */
  readonly memLevel?: number
  /**
   * Measure what compression saves, and leave it alone for a while where that is next to nothing. A few messages are
   * tried again and again, so that a change is noticed.
   * @default true
   */
  readonly adaptive?: boolean
  /**
   * Time after which a window that was not used is given back, in ms; the next message begins with an empty one.
   * @default 30_000
   */
  readonly idleTimeout?: number | false
}

/** Hold the options with all defaults filled in. `Infinity` stands for a timeout that is off. */
export interface ResolvedCompressionOptions {
  readonly serverNoContextTakeover: boolean
  readonly clientNoContextTakeover: boolean
  readonly serverMaxWindowBits: number
  readonly clientMaxWindowBits: number
  readonly threshold: number
  /** Absent when our own compressor is wanted. */
  readonly level: number | undefined
  readonly memLevel: number
  readonly adaptive: boolean
  readonly idleTimeout: number
}

/** The largest window of the format: 32 KiB. */
export const MOST_WINDOW_BITS = 15
/** The smallest window that zlib compresses with; the format knows 8 too, which zlib only decompresses. */
export const LEAST_WINDOW_BITS = 9
const SMALL_WINDOW_BITS = 12
const THRESHOLD = 256
const MEM_LEVEL = 5
const IDLE_TIMEOUT = 30_000

/** Fill in defaults. Throw a TypeError or RangeError that names the option which is wrong. */
export function resolveCompressionOptions(
  options: CompressionOptions,
  role: Role,
): ResolvedCompressionOptions {
  const {
    serverMaxWindowBits = role === 'server' ? SMALL_WINDOW_BITS : MOST_WINDOW_BITS,
    clientMaxWindowBits = SMALL_WINDOW_BITS,
    idleTimeout = IDLE_TIMEOUT,
  } = options
  return {
    serverNoContextTakeover: checkFlag('serverNoContextTakeover', options.serverNoContextTakeover ?? false),
    clientNoContextTakeover: checkFlag('clientNoContextTakeover', options.clientNoContextTakeover ?? false),
    serverMaxWindowBits: checkRange(
      'serverMaxWindowBits',
      serverMaxWindowBits,
      LEAST_WINDOW_BITS,
      MOST_WINDOW_BITS,
    ),
    clientMaxWindowBits: checkRange(
      'clientMaxWindowBits',
      clientMaxWindowBits,
      LEAST_WINDOW_BITS,
      MOST_WINDOW_BITS,
    ),
    threshold: checkRange('threshold', options.threshold ?? THRESHOLD, 0, Number.MAX_SAFE_INTEGER),
    level: options.level === undefined ? undefined : checkRange('level', options.level, 0, 9),
    memLevel: checkRange('memLevel', options.memLevel ?? MEM_LEVEL, 1, 9),
    adaptive: checkFlag('adaptive', options.adaptive ?? true),
    idleTimeout: checkDuration('compression.idleTimeout', idleTimeout),
  }
}

function checkFlag(name: string, value: boolean): boolean {
  if (typeof value === 'boolean') return value
  throw new TypeError(`compression.${name} must be true or false, not ${typeof value}`)
}

function checkRange(name: string, value: number, least: number, most: number): number {
  if (Number.isSafeInteger(value) && value >= least && value <= most) return value
  throw new RangeError(
    `compression.${name} must be a whole number from ${least} to ${most}, not ${String(value)}`,
  )
}
