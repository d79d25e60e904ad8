// How servers and listeners close their connections: the options, their defaults and limits.

import { checkDuration } from '../checks.ts'
import { CloseCode, isValidCloseCode } from '../protocol/close-code.ts'
import { MAX_CLOSE_REASON } from '../protocol/limits.ts'

/** Choose how connections are closed. */
export interface CloseOptions {
  /** @default 1001 (going away) */
  readonly code?: number
  /** @default '' */
  readonly reason?: string
  /**
   * Time for closing handshakes and handlers, in ms; then connections are dropped.
   * @default 10_000
   */
  readonly timeout?: number
}

const CLOSE_TIMEOUT = 10_000

/** Fill in defaults. Throw a TypeError or RangeError that names the option which is wrong. */
export function resolveCloseOptions(options: CloseOptions): Required<CloseOptions> {
  const { code = CloseCode.GoingAway, reason = '', timeout = CLOSE_TIMEOUT } = options
  if (!Number.isInteger(code) || !isValidCloseCode(code)) {
    throw new RangeError(`code must be 1000-1003, 1007-1014 or 3000-4999, not ${code}`)
  }
  if (typeof reason !== 'string') throw new TypeError(`reason must be a string, not ${typeof reason}`)
  const size = Buffer.byteLength(reason)
  if (size > MAX_CLOSE_REASON)
    throw new RangeError(`reason must take at most ${MAX_CLOSE_REASON} bytes, not ${size}`)
  return { code, reason, timeout: timeout === 0 ? 0 : checkDuration('timeout', timeout) }
}
