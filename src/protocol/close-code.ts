// Close codes: their names, which of them may stand in a close frame, and what each means in words.
// A leaf: it imports nothing, so errors and every layer may use it.

/** Name the close codes of RFC 6455 section 7.4.1 and of the IANA registry that grew from it. */
export const CloseCode = {
  /** The purpose of the connection was fulfilled. */
  Normal: 1000,
  /** An endpoint goes away: a server stops, a browser leaves the page. */
  GoingAway: 1001,
  /** The peer broke the protocol. */
  ProtocolError: 1002,
  /** The peer sent a kind of data (text or binary) that is not accepted. */
  UnsupportedData: 1003,
  /** The close frame had no code. Never sent: it reports the absence. */
  NoCode: 1005,
  /** The connection ended without a close frame. Never sent: it reports the absence. */
  Abnormal: 1006,
  /** A message's bytes do not fit its type, such as text that is no UTF-8. */
  InvalidPayload: 1007,
  /** A message breaks a rule of the application. */
  PolicyViolation: 1008,
  /** A message is larger than the receiver takes. */
  MessageTooBig: 1009,
  /** A client misses an extension in the server's handshake. */
  MandatoryExtension: 1010,
  /** A server met a condition that it did not expect. */
  InternalError: 1011,
  /** The service restarts: reconnect after a while. */
  ServiceRestart: 1012,
  /** The service is overloaded: reconnect later, or elsewhere. */
  TryAgainLater: 1013,
  /** A gateway got an invalid answer from the server behind it. */
  BadGateway: 1014,
  /** TLS failed. Never sent: it reports the failure. */
  TlsFailure: 1015,
} as const

export type CloseCode = (typeof CloseCode)[keyof typeof CloseCode]

/** Hold what one close frame says. An empty frame is code 1005 with an empty reason. */
export interface CloseFrame {
  readonly code: number
  readonly reason: string
}

/** Name the option whose limit ended a connection. */
export type CloseLimit =
  | 'closeTimeout'
  | 'maxBufferedAmount'
  | 'maxFragments'
  | 'maxLifetime'
  | 'maxMessageSize'
  | 'messageTimeout'
  | 'pingTimeout'

/**
 * Name why a connection probably ended, where the facts allow a guess:
 *
 * - `idle-limit`: something between the ends drops connections that are silent for a certain time
 * - `peer-gone`: the peer's process was killed, crashed or ended, or what lies between was restarted
 * - `restart`: the peer said that it stops or restarts
 * - `overload`: the peer said that it has too much to do
 * - `network`: packets do not arrive, or the peer's process or machine hangs
 * - `slow-reader`: the peer does not read what it is sent
 * - `standstill`: we stood still: a computer that slept, a process that was stopped, an event loop that was blocked
 * - `paused`: we did not read, and the peer may have taken us for dead
 * - `limit`: a limit was met, ours or the peer's
 * - `lifetime`: `maxLifetime` was over
 * - `tls`: TLS failed
 */
export type CloseCause =
  | 'idle-limit'
  | 'limit'
  | 'lifetime'
  | 'network'
  | 'overload'
  | 'paused'
  | 'peer-gone'
  | 'restart'
  | 'slow-reader'
  | 'standstill'
  | 'tls'

/** Hold what is known about the end of a connection. Durations are ms; `undefined` stands for never, and for not known. */
export interface CloseFacts {
  /** How long the connection was open. */
  readonly openFor: number | undefined
  /** Time from the last byte that came to the end. */
  readonly sinceReceived: number | undefined
  /** Time from the last byte that was handed to the system to the end. */
  readonly sinceSent: number | undefined
  /** Time from our last ping to the end. */
  readonly sincePing: number | undefined
  /** Time from the last pong that answered a ping of ours to the end. */
  readonly sincePong: number | undefined
  /** Time from the peer's last ping to the end. */
  readonly sincePeerPing: number | undefined
  /** Time from the last ping that was answered to its pong. */
  readonly latency: number | undefined
  /** The same, averaged over all pings with more weight on late ones. */
  readonly smoothedLatency: number | undefined
  /** Bytes that were sent here and never taken by the system; after an error of the socket at least so many. */
  readonly unsent: number | undefined
  /** True when we had stopped reading. */
  readonly wasReadingPaused: boolean
  /** How long this process had stood still within the last minute, when that was a second or more. */
  readonly stoodStill: number | undefined
  /** The option whose limit was met. */
  readonly limit: CloseLimit | undefined
  /** The code of the error of TCP or TLS, such as `ECONNRESET`. */
  readonly systemError: string | undefined
  /** Why the connection probably ended. */
  readonly cause: CloseCause | undefined
}

/** Tell how a connection ended, from both sides. */
export interface CloseInfo {
  /** The code that counts: the peer's when it sent one, else ours, else 1006. */
  readonly code: number
  /** The reason that belongs to `code`; empty when there was none. */
  readonly reason: string
  /** The peer's close frame; `undefined` when none came. */
  readonly received: CloseFrame | undefined
  /** Our close frame; `undefined` when none was sent. */
  readonly sent: CloseFrame | undefined
  /** The end that began: `local` when our close frame, failure or `terminate()` came first. */
  readonly initiator: 'local' | 'remote'
  /** True when close frames went both ways (RFC 6455 section 7.1.4: "closed cleanly"). */
  readonly clean: boolean
  /** What happened and why, as far as that can be told, in one or two sentences for a person. */
  readonly diagnosis: string
  /** What broke the connection, when something did. */
  readonly error: Error | undefined
  /** What is known, for programs. */
  readonly facts?: CloseFacts | undefined
}

// RFC 6455 section 7.4.2: 0-999 are not used; 1004-1006 and 1015 "MUST NOT be set as a status code in a
// Close control frame"; 1016-2999 are reserved for the protocol and its extensions.
/** Tell whether a close frame may carry this code. */
export function isValidCloseCode(code: number): boolean {
  return (
    (code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006) ||
    (code >= 3000 && code <= 4999)
  )
}

/** Tell whether a close with this code is an ordinary end: 1000, 1001 or no code at all. */
export function isOrdinaryClose(code: number): boolean {
  return code === CloseCode.Normal || code === CloseCode.GoingAway || code === CloseCode.NoCode
}

const EXPLANATIONS: Readonly<Record<number, string>> = {
  1000: 'normal closure',
  1001: 'going away',
  1002: 'protocol error',
  1003: 'unsupported data',
  1005: 'no close code',
  1006: 'no close frame',
  1007: 'invalid payload',
  1008: 'policy violation',
  1009: 'message too big',
  1010: 'missing extension',
  1011: 'internal error',
  1012: 'service restart',
  1013: 'try again later',
  1014: 'bad gateway',
  1015: 'TLS failure',
}

/** Put a close code into words, such as `1001 (going away)`. */
export function explainCloseCode(code: number): string {
  const words =
    EXPLANATIONS[code] ??
    (code >= 3000 && code < 4000 ? 'registered' : code >= 4000 && code < 5000 ? 'private use' : 'unknown')
  return `${code} (${words})`
}
