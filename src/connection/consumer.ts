// Whoever takes the messages of a connection: an inbox for receive() and loops, or a handler object.

import type { CloseInfo } from '../protocol/close-code.ts'
import type { Message } from '../protocol/message.ts'

/** Take what a connection brings. Calls are made while bytes are parsed: they must not throw. */
export interface Consumer {
  /** True when messages are worked on after the call that brought them, in microtasks. */
  readonly isAsync: boolean
  message(message: Message): void
  /** A piece of a message came that is taken in pieces. */
  piece(piece: Message, isEnd: boolean): void
  /** A message is too large to be taken whole: true when somebody may yet take it in pieces. */
  takesOversize(): boolean
  ping(payload: Uint8Array): void
  pong(payload: Uint8Array): void
  /** Below the send high-water mark again, after having been above it. */
  drain(): void
  /** The user wants messages again after `pause()`. */
  resumed(): void
  /** Called once, last. */
  closed(info: CloseInfo): void
}
