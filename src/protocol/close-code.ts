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
  /** What happened, in one sentence for a person. */
  readonly diagnosis: string
  /** What broke the connection, when something did. */
  readonly error: Error | undefined
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
