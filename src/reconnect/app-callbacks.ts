// What a long connection tells: methods to override, or callbacks among the options.

import type { Sendable } from '../connection/sendable.ts'
import type { CloseInfo } from '../protocol/close-code.ts'
import type { Message } from '../protocol/message.ts'
import type { DropReason } from './outbox.ts'

/** Tell where an error came from, and what follows. */
export interface AppErrorContext {
  /** `connect`: there was no connection; `connection`: there was, and it ended; `callback`: a callback threw. */
  readonly phase: 'connect' | 'connection' | 'callback'
  /** ms until the next attempt; `undefined` when none follows from this error. */
  readonly retryIn: number | undefined
  /** What the last connections' ends have in common, in words; `undefined` when that is nothing. */
  readonly pattern: string | undefined
}

/** Tell how a connection came back. */
export interface ReconnectedContext {
  /** The number of the attempt that brought it: 1 when the first succeeded. */
  readonly attempt: number
  /** ms without a connection. */
  readonly downtime: number
}

/** Tell of what part of a message a piece is. */
export interface DataContext {
  /** 1 for text, 2 for binary, 0 for a further piece of the same message. */
  readonly opcode: 0 | 1 | 2
  /** True for the last piece, and for a message that comes as a whole. */
  readonly fin: boolean
}

/** Take what happens on an app, which comes first; all of them may be async. The methods of the same names say when. */
export interface AppCallbacks<App> {
  onOpen?(app: App): void | Promise<void>
  onReconnect?(app: App, context: ReconnectedContext): void | Promise<void>
  onMessage?(app: App, message: Message): void | Promise<void>
  onData?(app: App, data: Message, context: DataContext): void | Promise<void>
  onFragment?(app: App, piece: Message, context: DataContext): void | Promise<void>
  onPing?(app: App, payload: Uint8Array): void | Promise<void>
  onPong?(app: App, payload: Uint8Array): void | Promise<void>
  onError?(app: App, error: unknown, context: AppErrorContext): void | Promise<void>
  onClose?(app: App, info: CloseInfo | undefined): void | Promise<void>
  onDrop?(app: App, message: Sendable, reason: DropReason): void | Promise<void>
}
