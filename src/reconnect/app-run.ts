// One run of an app: attempts and connections one after the other, and what is sent meanwhile.

import type { Connection } from '../connection/connection.ts'
import type { ConnectionHandler } from '../connection/handler.ts'
import type { Sendable, SendOptions } from '../connection/sendable.ts'
import { StateError } from '../errors.ts'
import { type CloseInfo, isOrdinaryClose } from '../protocol/close-code.ts'
import type { Message } from '../protocol/message-collector.ts'
import type { AppErrorContext, DataContext, ReconnectedContext } from './app-callbacks.ts'
import type { Outbox } from './outbox.ts'
import type { Reconnector } from './reconnector.ts'

/** Be told what happens in a run: the methods of an app. */
export interface AppHost {
  onOpen(): void | Promise<void>
  onReconnect(context: ReconnectedContext): void | Promise<void>
  onMessage(message: Message): void | Promise<void>
  onData(data: Message, context: DataContext): void | Promise<void>
  onFragment(piece: Message, context: DataContext): void | Promise<void>
  onPing(payload: Uint8Array): void | Promise<void>
  onPong(payload: Uint8Array): void | Promise<void>
  onError(error: unknown, context: AppErrorContext): void | Promise<void>
}

/** What a run is made of. */
export interface AppRunInit {
  readonly host: AppHost
  /** Make the engine, which dials with this handler until the signal ends it all. */
  makeReconnector(handler: ConnectionHandler, signal: AbortSignal): Reconnector<Connection>
  readonly outbox: Outbox | undefined
  /** True when a connection that is lost is followed by another. */
  readonly reconnects: boolean
  /** True when messages are told in pieces. */
  readonly takesFragments: boolean
}

/** What has to be overcome, if it can be. */
interface Failure {
  readonly error: unknown
  readonly phase: AppErrorContext['phase']
  /** Nothing is to follow from it. */
  readonly isFinal: boolean
  /** An ordinary end is no error, whatever follows from it. */
  readonly isError: boolean
}

/** The reason with which a run stops when it is told to close; nobody gets to see it. */
const CLOSED = Symbol('closed')

/** Run an app once. */
export class AppRun {
  readonly outbox: Outbox | undefined
  readonly #host: AppHost
  readonly #reconnects: boolean
  readonly #aborter = new AbortController()
  readonly #reconnector: Reconnector<Connection>
  #connection: Connection | undefined
  #errored = false
  #info: CloseInfo | undefined
  #isClosing = false
  /** Settles when the attempt or the waiting that is under way has come to its end. */
  #pending: Promise<unknown> | undefined
  /** Lets messages through once `onOpen` has come to its end. */
  #opening: { resolve(): void; reject(error: unknown): void } | undefined
  #isFlushing = false
  /** The message that is coming in pieces has begun. */
  #isWithinMessage = false

  constructor(init: AppRunInit) {
    this.outbox = init.outbox
    this.#host = init.host
    this.#reconnects = init.reconnects
    this.#reconnector = init.makeReconnector(this.#handler(init.takesFragments), this.#aborter.signal)
  }

  /** The open connection; `undefined` while there is none. */
  get connection(): Connection | undefined {
    return this.#connection
  }

  /** True when something went wrong that was not overcome, or a callback threw. */
  get errored(): boolean {
    return this.#errored
  }

  /** How the last connection ended; `undefined` when none was ever open. */
  get info(): CloseInfo | undefined {
    return this.#info
  }

  /** Connect and stay until it is over. Rejects only with what `onError` throws. */
  async stay(): Promise<void> {
    let final: unknown
    try {
      let failure = await this.#connectAndStay()
      while (failure !== undefined) {
        const { error, phase, isError, retryIn } = await this.#judge(failure)
        if (retryIn === undefined && isError) {
          final = error
          this.#errored = true
        }
        if (isError) await this.#host.onError(error, { phase, retryIn, pattern: this.#reconnector.pattern })
        if (retryIn === undefined) return
        failure = await this.#connectAndStay({ delay: retryIn, error })
      }
    } catch (error) {
      final = error
      throw error
    } finally {
      this.#connection = undefined
      // Nothing is taken any more, not even from within `onDrop`.
      this.#isClosing = true
      this.outbox?.close()
      this.#reconnector.finish(final)
    }
  }

  /** End with this error, which is told: as soon as there is no connection. */
  abort(reason: unknown): void {
    this.#aborter.abort(reason)
  }

  /** See `BaseApp.close`. */
  close(code?: number, reason?: string): Promise<unknown> {
    const connection = this.#connection
    if (connection === undefined) {
      this.#isClosing = true
      this.#aborter.abort(CLOSED)
      return this.#pending?.catch(ignore) ?? Promise.resolve()
    }
    // Throws for a code that must not be sent: then nothing ends.
    const closed = connection.close(code, reason)
    this.#isClosing = true
    return closed
  }

  /** See `BaseApp.send`. */
  send(message: Sendable, options: SendOptions | undefined): Promise<void> {
    const connection = this.#connection
    // Where another connection follows, there is no use in one that is closing.
    const isUsable = connection?.state === 'open' || (connection !== undefined && !this.#reconnects)
    if ((isUsable && !this.#isFlushing) || (connection !== undefined && this.#isClosing)) {
      return connection.send(message, options)
    }
    if (this.outbox === undefined || this.#isClosing) return refuseToSend()
    return this.outbox.add(message, options)
  }

  // --- one connection ---

  /** Make one connection, and stay until it ends; `undefined` when that is all that was wanted. */
  async #connectAndStay(after?: {
    readonly delay: number
    readonly error: unknown
  }): Promise<Failure | undefined> {
    let connection: Connection
    try {
      if (after !== undefined) {
        const waiting = this.#reconnector.wait(after.delay, after.error)
        this.#pending = waiting
        await waiting
      }
      const dialling = this.#reconnector.dial()
      this.#pending = dialling
      connection = await dialling
    } catch (error) {
      if (error === CLOSED) return undefined
      const isFinal = !this.#reconnects || this.#aborter.signal.aborted
      return { error, phase: 'connect', isFinal, isError: true }
    }
    void this.#opened(connection)
    const info = await connection.closed
    this.#connection = undefined
    this.#info = info
    const error = this.#reconnector.ended(info)
    const isFinal = !this.#reconnects || this.#isClosing || this.#reconnector.isWanted(info)
    return { error, phase: 'connection', isFinal, isError: !isOrdinaryClose(info.code) }
  }

  /** Have a failure judged. What `shouldRetry` or `backoff` throws takes its place, and is final. */
  async #judge(failure: Failure): Promise<Failure & { readonly retryIn: number | undefined }> {
    try {
      const retryIn = failure.isFinal ? undefined : await this.#reconnector.judge(failure.error)
      return { ...failure, retryIn }
    } catch (error) {
      return { error, phase: 'callback', isFinal: true, isError: true, retryIn: undefined }
    }
  }

  /** Tell that the connection is open, then send what waited. */
  async #opened(connection: Connection): Promise<void> {
    const { attempt, downtime } = this.#reconnector
    const opening = this.#opening
    try {
      await this.#guard(() =>
        downtime === undefined ? this.#host.onOpen() : this.#host.onReconnect({ attempt, downtime }),
      )
    } catch (error) {
      // `onError` threw too: the connection deals with it as with any handler that fails.
      opening?.reject(error)
      return
    }
    opening?.resolve()
    if (this.#connection !== connection || this.outbox === undefined || this.outbox.length === 0) return
    // What is sent meanwhile takes its place behind.
    this.#isFlushing = true
    await this.outbox.flush(
      () => connection.state === 'open',
      (message, options) => connection.send(message, options),
    )
    this.#isFlushing = false
  }

  #handler(takesFragments: boolean): ConnectionHandler {
    return {
      open: (connection) => {
        this.#connection = connection
        this.#isWithinMessage = false
        // Messages wait until `onOpen`, which is called when dialling has come to its end, is done.
        return new Promise<void>((resolve, reject) => {
          this.#opening = { resolve, reject }
        })
      },
      ...(takesFragments
        ? { fragment: (_connection, piece, isEnd) => this.#guard(() => this.#fragment(piece, isEnd)) }
        : { message: (_connection, message) => this.#guard(() => this.#message(message)) }),
      ping: (_connection, payload) => this.#guard(() => this.#host.onPing(payload)),
      pong: (_connection, payload) => this.#guard(() => this.#host.onPong(payload)),
    }
  }

  #message(message: Message): void | Promise<void> {
    const pending = this.#host.onData(message, { opcode: opcodeOf(message), fin: true })
    return pending === undefined
      ? this.#host.onMessage(message)
      : pending.then(() => this.#host.onMessage(message))
  }

  #fragment(piece: Message, isEnd: boolean): void | Promise<void> {
    const context: DataContext = { opcode: this.#isWithinMessage ? 0 : opcodeOf(piece), fin: isEnd }
    this.#isWithinMessage = !isEnd
    const pending = this.#host.onData(piece, context)
    return pending === undefined
      ? this.#host.onFragment(piece, context)
      : pending.then(() => this.#host.onFragment(piece, context))
  }

  /** Call a method of the app's. What it throws is told, and leaves the connection open. */
  async #guard(call: () => void | Promise<void>): Promise<void> {
    try {
      await call()
    } catch (error) {
      this.#errored = true
      await this.#host.onError(error, { phase: 'callback', retryIn: undefined, pattern: undefined })
    }
  }
}

/** Reject a message that nobody will send. As with a closed connection, nobody has to look at that. */
export function refuseToSend(): Promise<never> {
  const refusal = Promise.reject(new StateError('WS_APP_NOT_OPEN'))
  refusal.catch(ignore)
  return refusal
}

function opcodeOf(data: Message): 1 | 2 {
  return typeof data === 'string' ? 1 : 2
}

function ignore(): void {}
