// The options of a connection that mean the same wherever it runs, with their defaults and checks. Browsers use this file
// too: it must not reach Node, not even by an import of an import.

import { checkCount, checkDuration } from '../checks.ts'
import type { AcceptedMessages } from '../protocol/message-assembler.ts'
import type { ConnectionOptions, Logger } from './options.ts'

/** Hold these options with all defaults filled in. `Infinity` stands for a timeout that is off. */
export interface PortableOptions {
  readonly closeTimeout: number
  readonly accept: AcceptedMessages
  readonly receiveHighWaterMark: number
  readonly receiveLowWaterMark: number
  readonly sendHighWaterMark: number
  readonly maxBufferedAmount: number
  readonly logger: Logger
}

/** More than a slow TLS handshake across the world takes, and short enough that clients which hang cannot pile up. */
const OPEN_TIMEOUT = 10_000
const CLOSE_TIMEOUT = 10_000
const RECEIVE_HIGH_WATER_MARK = 16
const SEND_HIGH_WATER_MARK = 64 * 1024
const MAX_BUFFERED_AMOUNT = 64 * 1024 * 1024

/** Fill in defaults. Throw a TypeError or RangeError that names the option which is wrong. */
export function resolvePortableOptions(options: ConnectionOptions): PortableOptions {
  const high = checkCount('receiveHighWaterMark', options.receiveHighWaterMark ?? RECEIVE_HIGH_WATER_MARK, 1)
  const low = checkCount('receiveLowWaterMark', options.receiveLowWaterMark ?? Math.floor(high / 4), 0)
  if (low >= high) {
    throw new RangeError(`receiveLowWaterMark (${low}) must be below receiveHighWaterMark (${high})`)
  }
  const accept = options.accept ?? 'any'
  if (accept !== 'any' && accept !== 'text' && accept !== 'binary') {
    throw new TypeError(`accept must be 'any', 'text' or 'binary', not ${String(accept)}`)
  }
  const logger = options.logger ?? console
  if (typeof logger?.error !== 'function') throw new TypeError('logger must have a method error()')
  return {
    closeTimeout: checkDuration('closeTimeout', options.closeTimeout ?? CLOSE_TIMEOUT),
    accept,
    receiveHighWaterMark: high,
    receiveLowWaterMark: low,
    sendHighWaterMark: checkCount('sendHighWaterMark', options.sendHighWaterMark ?? SEND_HIGH_WATER_MARK, 0),
    maxBufferedAmount: checkCount('maxBufferedAmount', options.maxBufferedAmount ?? MAX_BUFFERED_AMOUNT, 0),
    logger,
  }
}

/** Fill in the default of `openTimeout`. Throw a TypeError or RangeError that names it, for `false` too. */
export function resolveOpenTimeout(value: number | undefined): number {
  const openTimeout = checkDuration('openTimeout', value ?? OPEN_TIMEOUT)
  // Without an end, servers that never answer, and clients that never finish their handshake, would hold their sockets.
  if (openTimeout === Number.POSITIVE_INFINITY) throw new TypeError('openTimeout must be a number of ms')
  return openTimeout
}

/** Throw a TypeError unless this is a handler object, or none. */
export function checkHandler(handler: object | undefined): void {
  if (handler !== undefined && (typeof handler !== 'object' || handler === null)) {
    throw new TypeError('handler must be an object with open, message, close …')
  }
}

/** Check `maxStreamSize` and return it. Throw when it is below `maxMessageSize`. */
export function checkStreamSize(value: number, maxMessageSize: number): number {
  if (value === Number.POSITIVE_INFINITY) return value
  const size = checkCount('maxStreamSize', value, 0)
  if (size < maxMessageSize) {
    throw new RangeError(`maxStreamSize (${size}) must be at least maxMessageSize (${maxMessageSize})`)
  }
  return size
}
