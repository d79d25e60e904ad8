// The callback style: a handler object whose methods are called as things happen, with nothing in between.
// What a handler throws, or rejects with, is logged and ends its own connection with 1011.

import { CloseCode, type CloseInfo } from '../protocol/close-code.ts'
import type { Message } from '../protocol/message.ts'
import type { Connection } from './connection.ts'
import type { Consumer } from './consumer.ts'
import type { ResolvedConnectionOptions } from './options.ts'
import { reportError } from './report-error.ts'
import { RESOLVED } from './sendable.ts'

/** Handle connections by callbacks. All methods are optional; they may be async. */
export interface ConnectionHandler<Data = unknown> {
  /** The connection is open. While a promise that this returns is pending, messages wait. */
  open?(connection: Connection<Data>): void | Promise<void>
  /**
   * A message came. Async methods run side by side; while `receiveHighWaterMark` of them are pending, no more messages
   * are taken.
   */
  message?(connection: Connection<Data>, message: Message): void | Promise<void>
  /**
   * A piece of a message came, the last one when `isEnd`. With this method all messages are delivered in pieces while they
   * arrive, up to `maxStreamSize`, and `message` is not called.
   */
  fragment?(connection: Connection<Data>, piece: Message, isEnd: boolean): void | Promise<void>
  /** A ping came; it was answered already. */
  ping?(connection: Connection<Data>, payload: Uint8Array): void | Promise<void>
  /** A pong came, asked for or not. */
  pong?(connection: Connection<Data>, payload: Uint8Array): void | Promise<void>
  /** All that was above the send high-water mark has left. */
  drain?(connection: Connection<Data>): void | Promise<void>
  /** The connection is closed. Called exactly once for each connection that was opened. */
  close?(connection: Connection<Data>, info: CloseInfo): void | Promise<void>
}

/** The inside of a connection, as far as a handler object needs it. */
export interface HandledLink {
  readonly options: Pick<ResolvedConnectionOptions, 'receiveHighWaterMark' | 'receiveLowWaterMark' | 'logger'>
  readonly isPausedByUser: boolean
  /** True when our own close, failure or `terminate()` came before the peer's. */
  readonly wasClosedByUs: boolean
  /** Deliver all messages in pieces. */
  takeAllInPieces(): void
  start(consumer: Consumer): void
  close(code: number, reason: string): void
  pauseParsing(): void
  resumeParsing(): void
}

/** Deliver to a handler object. */
export class HandlerConsumer<Data> implements Consumer {
  readonly #handler: ConnectionHandler<Data>
  readonly #connection: Connection<Data>
  readonly #link: HandledLink
  /** What came while `open` was pending, in order, and the end if that came too. */
  #waiting: (() => void)[] | undefined
  #info: CloseInfo | undefined
  #isOpened = false
  /** Promises of methods that are not settled. */
  #pending = 0

  constructor(handler: ConnectionHandler<Data>, connection: Connection<Data>, link: HandledLink) {
    this.#handler = handler
    this.#connection = connection
    this.#link = link
  }

  get isAsync(): boolean {
    return false
  }

  /** Call `open` and begin to read; messages wait while what it returned is pending. */
  open(): void {
    const pending = this.#callOpen()
    if (pending !== undefined) {
      this.#waiting = []
      void this.#opened(pending)
    }
    if (this.#handler.fragment !== undefined) this.#link.takeAllInPieces()
    // Reading begins at once: `open` may wait for a pong, or for `close()`, whose end only a reader hears.
    this.#link.start(this)
    if (pending === undefined) this.#isOpened = true
  }

  #callOpen(): void | Promise<void> {
    try {
      return this.#handler.open?.(this.#connection)
    } catch (error) {
      this.#failed(error)
    }
  }

  async #opened(pending: Promise<void>): Promise<void> {
    try {
      await pending
    } catch (error) {
      this.#failed(error)
    }
    this.#isOpened = true
    this.#deliverWaiting()
  }

  /** Deliver what waited, as far as the user has not paused or closed meanwhile. */
  #deliverWaiting(): void {
    const link = this.#link
    const waiting = this.#waiting
    if (waiting === undefined) return
    this.#waiting = undefined
    for (let index = 0; index < waiting.length && !link.wasClosedByUs; index++) {
      // Nothing is left to pause once the connection has ended.
      if (link.isPausedByUser && this.#info === undefined) {
        this.#waiting = waiting.slice(index)
        return
      }
      waiting[index]!()
    }
    if (this.#info !== undefined) this.closed(this.#info)
    // Else the first of those that are pending to settle will.
    else if (this.#pending < link.options.receiveHighWaterMark) link.resumeParsing()
  }

  #wait(deliver: () => void): void {
    this.#waiting ??= []
    this.#waiting.push(deliver)
    if (this.#waiting.length >= this.#link.options.receiveHighWaterMark) this.#link.pauseParsing()
  }

  resumed(): void {
    if (this.#isOpened) this.#deliverWaiting()
  }

  message(message: Message): void {
    // One that took long to decompress can come after the user has paused.
    if (this.#waiting !== undefined || this.#link.isPausedByUser) {
      this.#wait(() => this.message(message))
      return
    }
    try {
      const pending = this.#handler.message?.(this.#connection, message)
      if (pending !== undefined) this.#watch(pending)
    } catch (error) {
      this.#failed(error)
    }
  }

  piece(piece: Message, isEnd: boolean): void {
    if (this.#link.isPausedByUser) this.#wait(() => this.piece(piece, isEnd))
    else this.#call(() => this.#handler.fragment?.(this.#connection, piece, isEnd))
  }

  // What is too large for `message` stays so.
  takesOversize(): boolean {
    return false
  }

  ping(payload: Uint8Array): void {
    this.#call(() => this.#handler.ping?.(this.#connection, payload))
  }

  pong(payload: Uint8Array): void {
    this.#call(() => this.#handler.pong?.(this.#connection, payload))
  }

  drain(): void {
    this.#call(() => this.#handler.drain?.(this.#connection))
  }

  closed(info: CloseInfo): void {
    if (this.#waiting !== undefined) {
      this.#info = info
      if (this.#isOpened) this.#deliverWaiting()
      return
    }
    this.#call(() => this.#handler.close?.(this.#connection, info))
  }

  #call(callback: () => void | Promise<void>): void {
    if (this.#waiting !== undefined) {
      this.#wait(() => this.#call(callback))
      return
    }
    try {
      const pending = callback()
      if (pending !== undefined) this.#watch(pending)
    } catch (error) {
      this.#failed(error)
    }
  }

  /** See to a promise that a method returned: its failure, and that not too many are pending at once. */
  #watch(pending: Promise<void>): void {
    // An arrow function as handler returns whatever its expression gives, such as the promise of send().
    if (pending === RESOLVED || typeof pending?.then !== 'function') return
    const { receiveHighWaterMark, receiveLowWaterMark } = this.#link.options
    if (++this.#pending === receiveHighWaterMark) this.#link.pauseParsing()
    const settled = (): void => {
      if (--this.#pending === receiveLowWaterMark) this.#link.resumeParsing()
    }
    pending.then(settled, (error) => {
      this.#failed(error)
      settled()
    })
  }

  #failed(error: unknown): void {
    handlerFailed(this.#link, error)
  }
}

/** Report what a handler threw, and close with 1011. The peer hears no details: they can be sensitive. */
export function handlerFailed(link: HandledLink, error: unknown): void {
  link.close(CloseCode.InternalError, '')
  reportError(link.options.logger, 'a connection handler failed', error)
}
