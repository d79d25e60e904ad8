// How much of a peer's data one connection takes, and why the defaults are what they are.

/** Bound what one connection takes from its peer. */
export interface Limits {
  /** Largest message in bytes, counted as payload after extensions decoded it. */
  readonly maxMessageSize: number
  /** Largest message in bytes that is taken in pieces, counted in the same way. */
  readonly maxStreamSize: number
  /** Most frames in one message, empty ones included. */
  readonly maxFragments: number
}

/**
 * The largest message a server takes: 1 MiB. It is more than nearly every application sends, and little enough
 * that a thousand hostile clients cannot fill a machine.
 */
export const SERVER_MAX_MESSAGE_SIZE: number = 1024 * 1024

/** The largest message a client takes: 16 MiB, because it chose the server that it talks to. */
export const CLIENT_MAX_MESSAGE_SIZE: number = 16 * 1024 * 1024

/**
 * The most fragments of a message: 131,072. A fragment costs no memory of its own, because payloads are
 * laid end to end; the limit only ends messages that go on for ever with empty fragments. Conformance suites
 * send 65,536 fragments of 64 bytes.
 */
export const MAX_FRAGMENTS = 131_072

/** Get the limits that apply unless others are given. */
export function defaultLimits(role: 'client' | 'server'): Limits {
  const maxMessageSize = role === 'server' ? SERVER_MAX_MESSAGE_SIZE : CLIENT_MAX_MESSAGE_SIZE
  return { maxMessageSize, maxStreamSize: maxMessageSize, maxFragments: MAX_FRAGMENTS }
}

/** The size of a control frame's payload: at most 125 bytes (RFC 6455 section 5.5). */
export const MAX_CONTROL_PAYLOAD = 125

/** The size of a close reason in UTF-8: what a control frame carries, less the two bytes of the code. */
export const MAX_CLOSE_REASON: number = MAX_CONTROL_PAYLOAD - 2

/** The longest header of a frame: two bytes, up to eight for the length, up to four for the masking key. */
export const LONGEST_HEADER = 14

/**
 * Get the most bytes that a message takes on the wire, however extensions encode it: they make what they cannot shrink
 * larger, by headers and sums, and no encoder worth its name adds a quarter. Without such a bound a peer could send
 * compressed nothing for ever.
 */
export function longestEncoded(size: number): number {
  return size * 1.25 + 1024
}
