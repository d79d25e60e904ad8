// One run of an app: attempts and connections one after the other, and what is sent meanwhile.

import type { Connection } from '../connection/connection.ts'
import type { ConnectionHandler } from '../connection/handler.ts'
import type { Sendable, SendOptions } from '../connection/sendable.ts'
import { StateError } from '../errors.ts'
import { type CloseInfo, isOrdinaryClose } from '../protocol/close-code.ts'
import type { Message } from '../protocol/message.ts'
import type { Clock } from '../timing/clock.ts'
import type { AppErrorContext, DataContext, ReconnectedContext } from './app-callbacks.ts'
import type { Outbox } from './outbox.ts'
import type { Reconnector } from './reconnector.ts'
import { untilAborted } from './until-aborted.ts'

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
  readonly clock: Clock
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
  readonly phase: 'connect' | 'connection'
  /** Nothing is to follow from it. */
  readonly isFinal: boolean
  /** An ordinary end is no error, whatever follows from it. */
  readonly isError: boolean
}

/** How long `onOpen` may still take when the peer has ended the connection, in ms. */
const LONGEST_OPENING = 10_000

/** The reason with which a run stops when it is told to close; nobody gets to see it. */
const CLOSED = Symbol('closed')

/** Run an app once. */
export class AppRun {
  readonly outbox: Outbox | undefined
  readonly #host: AppHost
  readonly #clock: Clock
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
  /** Resolves when all that came over the connection was told. */
  #told: Promise<void> | undefined
  /** The connection whose `onOpen` is under way. */
  #openingConnection: Connection | undefined
  /** The connection that is given what waited. */
  #flushing: Connection | undefined
  /** The message that is coming in pieces has begun. */
  #isWithinMessage = false

  constructor(init: AppRunInit) {
    this.outbox = init.outbox
    this.#host = init.host
    this.#clock = init.clock
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
      final = await this.#stay()
    } catch (error) {
      final = error
      throw error
    } finally {
      this.#connection = undefined
      // Nothing more is taken, not even from onDrop.
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
    this.#aborter.abort(CLOSED)
    return closed
  }

  /** See `BaseApp.send`. */
  send(message: Sendable, options: SendOptions | undefined): Promise<void> {
    const connection = this.#connection
    const { outbox } = this
    const canWait = outbox !== undefined && !this.#isClosing
    // `onOpen` of a connection that has ended must not wait for the next one, which waits for it.
    const opening = this.#openingConnection
    if (opening !== undefined && opening.state !== 'open') return opening.send(message, options)
    if (connection !== undefined && this.#flushing !== connection) {
      // A connection that is ending takes nothing more; without another to come it says so itself.
      if (connection.state === 'open' || !canWait || !this.#reconnects) {
        return connection.send(message, options)
      }
    }
    if (!canWait) return refuseToSend()
    return outbox.add(message, options)
  }

  /** Connect again and again until it is over. Gives what could not be overcome. */
  async #stay(): Promise<unknown> {
    for (;;) {
      const failure = await this.#connectAndStay()
      if (failure === undefined) return undefined
      const { error, phase, isFinal, isError } = failure
      let retryIn: number | undefined
      let stopped: { readonly reason: unknown } | undefined
      try {
        if (!isFinal) retryIn = await this.#reconnector.judge(error)
      } catch (reason) {
        stopped = { reason }
      }
      if (isError) {
        if (retryIn === undefined && stopped === undefined) this.#errored = true
        await this.#host.onError(error, { phase, retryIn, pattern: this.#reconnector.pattern })
      }
      if (stopped !== undefined) return this.#stopped(stopped.reason)
      if (retryIn === undefined) return isError ? error : undefined
      const waiting = this.#reconnector.wait(retryIn, error)
      this.#pending = waiting
      try {
        await waiting
      } catch (reason) {
        return this.#stopped(reason)
      }
    }
  }

  /** There is no further attempt: tell why, unless that is `close()`. */
  async #stopped(reason: unknown): Promise<unknown> {
    if (reason === CLOSED) return undefined
    this.#errored = true
    // Else it is what shouldRetry or backoff threw.
    const phase = this.#aborter.signal.aborted ? 'connect' : 'callback'
    await this.#host.onError(reason, { phase, retryIn: undefined, pattern: undefined })
    return reason
  }

  // --- one connection ---

  /** Make one connection, and stay until it ends; `undefined` when that is all that was wanted. */
  async #connectAndStay(): Promise<Failure | undefined> {
    let connection: Connection
    try {
      const dialling = this.#reconnector.dial()
      this.#pending = dialling
      connection = await dialling
    } catch (error) {
      this.#opening?.resolve()
      if (error === CLOSED) return undefined
      const isFinal = !this.#reconnects || this.#aborter.signal.aborted
      return { error, phase: 'connect', isFinal, isError: true }
    }
    const told = this.#told
    const opening = this.#opening
    this.#connection = connection
    this.#isWithinMessage = false
    // Told to close in the moment since it was open.
    if (this.#isClosing) void connection.close()
    void this.#opened(connection)
    const info = await connection.closed
    this.#connection = undefined
    this.#info = info
    const isFinal = !this.#reconnects || this.#isClosing || this.#reconnector.isWanted(info)
    const error = this.#reconnector.ended(info)
    // What came before the peer's end waits for onOpen, and is told before what follows; after our own it is dropped.
    if (info.initiator === 'remote') {
      const timer = this.#clock.setTimeout(() => opening?.resolve(), LONGEST_OPENING, true)
      await untilAborted(told, this.#aborter.signal).catch(ignore)
      this.#clock.clearTimeout(timer)
    }
    return { error, phase: 'connection', isFinal, isError: !isOrdinaryClose(info.code) }
  }

  /** Tell that the connection is open, then send what waited. */
  async #opened(connection: Connection): Promise<void> {
    const { attempt, downtime } = this.#reconnector
    const opening = this.#opening
    this.#openingConnection = connection
    try {
      const pending = this.#guard(() =>
        downtime === undefined ? this.#host.onOpen() : this.#host.onReconnect({ attempt, downtime }),
      )
      // What is sent in a moment in between would overtake what waits.
      if (pending !== undefined) await pending
    } catch (error) {
      // `onError` threw too: the connection deals with it as with any handler that fails.
      opening?.reject(error)
      return
    } finally {
      if (this.#openingConnection === connection) this.#openingConnection = undefined
    }
    opening?.resolve()
    const { outbox } = this
    if (this.#connection !== connection || outbox === undefined) return
    // What is sent meanwhile takes its place behind.
    this.#flushing = connection
    const isOpen = (): boolean => connection.state === 'open'
    // Whoever waited for the last message may have added another since.
    while (outbox.length > 0 && isOpen()) {
      await outbox.flush(isOpen, (message, options) => connection.send(message, options))
    }
    // A message of pieces may take longer than its connection.
    if (this.#flushing === connection) this.#flushing = undefined
  }

  #handler(takesFragments: boolean): ConnectionHandler {
    let allTold = (): void => {}
    return {
      open: () => {
        this.#told = new Promise((resolve) => {
          allTold = resolve
        })
        // Messages wait until `onOpen`, which is called when dialling has come to its end, is done.
        return new Promise<void>((resolve, reject) => {
          this.#opening = { resolve, reject }
        })
      },
      close: () => allTold(),
      ...(takesFragments
        ? { fragment: (_connection, piece, isEnd) => this.#fragment(piece, isEnd) }
        : { message: (_connection, message) => this.#message(message) }),
      ping: (_connection, payload) => this.#guard(() => this.#host.onPing(payload)),
      pong: (_connection, payload) => this.#guard(() => this.#host.onPong(payload)),
    }
  }

  #message(message: Message): void | Promise<void> {
    return both(
      this.#guard(() => this.#host.onData(message, { opcode: opcodeOf(message), fin: true })),
      this.#guard(() => this.#host.onMessage(message)),
    )
  }

  #fragment(piece: Message, isEnd: boolean): void | Promise<void> {
    const context: DataContext = { opcode: this.#isWithinMessage ? 0 : opcodeOf(piece), fin: isEnd }
    this.#isWithinMessage = !isEnd
    return both(
      this.#guard(() => this.#host.onData(piece, context)),
      this.#guard(() => this.#host.onFragment(piece, context)),
    )
  }

  /** Call a method of the app's. What it throws is told, and leaves the connection open. */
  #guard(call: () => void | Promise<void>): void | Promise<void> {
    const failed = (error: unknown): void | Promise<void> => {
      this.#errored = true
      return this.#host.onError(error, { phase: 'callback', retryIn: undefined, pattern: undefined })
    }
    try {
      const pending = call()
      // An arrow function returns whatever its expression gives.
      if (typeof pending?.then === 'function') return Promise.resolve(pending).catch(failed)
    } catch (error) {
      return failed(error)
    }
  }
}

/** Reject a message that nobody will send. As with a closed connection, nobody has to look at that. */
export function refuseToSend(): Promise<never> {
  const refusal = Promise.reject(new StateError('WS_APP_NOT_OPEN'))
  refusal.catch(ignore)
  return refusal
}

/** Wait for two methods that were called one after the other: waiting in between could change the order of messages. */
function both(one: void | Promise<void>, other: void | Promise<void>): void | Promise<void> {
  if (one === undefined) return other
  if (other === undefined) return one
  return Promise.all([one, other]).then(() => {})
}

function opcodeOf(data: Message): 1 | 2 {
  return typeof data === 'string' ? 1 : 2
}

function ignore(): void {}
