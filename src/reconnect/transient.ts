// Which failures are worth another attempt, and which would only happen again.

import {
  ConnectionClosedError,
  HandshakeError,
  HandshakeRejectedError,
  StateError,
  WebSocketTimeoutError,
} from '../errors.ts'
import { CloseCode } from '../protocol/close-code.ts'

// RFC 9110: 408 Request Timeout; RFC 8470: 425 Too Early; RFC 6585: 429 Too Many Requests.
const TRANSIENT_STATUSES: ReadonlySet<number> = new Set([408, 425, 429])

/** Codes after which a server that lives on, or its successor, may take us again. 1000 and 1005: as in Python. */
const TRANSIENT_CODES: ReadonlySet<number> = new Set([
  CloseCode.Normal,
  CloseCode.GoingAway,
  CloseCode.NoCode,
  CloseCode.Abnormal,
  CloseCode.InternalError,
  CloseCode.ServiceRestart,
  CloseCode.TryAgainLater,
  CloseCode.BadGateway,
])

/** What networks do. */
const NETWORK_ERRORS: ReadonlySet<string> = new Set([
  'EADDRNOTAVAIL',
  'EAI_AGAIN',
  'EAI_FAIL',
  'ECONNABORTED',
  'ECONNREFUSED',
  'ECONNRESET',
  'EHOSTDOWN',
  'EHOSTUNREACH',
  'ENETDOWN',
  'ENETRESET',
  'ENETUNREACH',
  // Of sockets and memory there may be more in a while.
  'EMFILE',
  'ENFILE',
  'ENOBUFS',
  // No such Unix socket: its server is not back yet.
  'ENOENT',
  // Without a network no name is known.
  'ENOTFOUND',
  'EPIPE',
  'ETIMEDOUT',
])

/** Give the causes of an error, beginning with itself; a chain that bites its tail ends. */
function* causesOf(error: unknown): Generator<object> {
  const seen = new Set<unknown>()
  for (let cause = error; typeof cause === 'object' && cause !== null && !seen.has(cause); ) {
    seen.add(cause)
    yield cause
    cause = (cause as { cause?: unknown }).cause
  }
}

function isNetworkError(error: unknown): boolean {
  for (const cause of causesOf(error)) {
    const { code, name, errors } = cause as { code?: unknown; name?: unknown; errors?: unknown }
    if (typeof code === 'string' && (NETWORK_ERRORS.has(code) || code.startsWith('UND_ERR_'))) return true
    if (name === 'TimeoutError') return true
    // One error for each address of a name.
    if (Array.isArray(errors) && errors.some(isNetworkError)) return true
  }
  return false
}

/**
 * Tell whether a failure may pass by itself: what the network or a timeout did; the statuses 408, 425, 429 and 500 to
 * 599, also of a proxy; a connection that was closed with 1000, 1001, 1005, 1006, 1011, 1012, 1013 or 1014. Everything else would only
 * happen again: 401, 403 and 404, a server that is none, a certificate that is not trusted, a violation of the protocol,
 * an option that is wrong.
 *
 * The default of `shouldRetry`. Answers to `process_exception` of Python's websockets.
 */
export function isTransient(error: unknown): boolean {
  if (error instanceof ConnectionClosedError)
    return error.info !== undefined && TRANSIENT_CODES.has(error.info.code)
  if (error instanceof HandshakeRejectedError) return isTransientStatus(error.status)
  if (error instanceof WebSocketTimeoutError) return true
  if (error instanceof StateError) return false
  if (error instanceof HandshakeError && error.phase === 'proxy' && error.status > 0) {
    return isTransientStatus(error.status)
  }
  // Browsers tell no reason, and most of the time it is the network.
  if (error instanceof HandshakeError && error.code === 'WS_FAILED_IN_BROWSER') return true
  return isNetworkError(error)
}

function isTransientStatus(status: number): boolean {
  return (status >= 500 && status <= 599) || TRANSIENT_STATUSES.has(status)
}

/** A server does not get to silence its clients for ever: the longest wait that is obeyed, in ms. */
const LONGEST_RETRY_AFTER = 60 * 60 * 1000

/**
 * Read how long a server asked to be left alone, in ms (RFC 9110 section 10.2.3: seconds or a date); 0 if it did not.
 * At most an hour.
 */
export function retryAfterOf(error: unknown, wall: number): number {
  if (!(error instanceof HandshakeRejectedError)) return 0
  const value = error.headers['retry-after']?.trim() ?? ''
  const wait = /^\d+$/.test(value) ? Number(value) * 1000 : Date.parse(value) - wall
  return wait > 0 ? Math.min(wait, LONGEST_RETRY_AFTER) : 0
}
