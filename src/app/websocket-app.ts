// The long connection as an object: what happens on it are methods to override, as in Python's websocket-client.

import { connect } from '../client/connect.ts'
import { type ConnectOptions, checkSignal } from '../client/options.ts'
import type { Connection } from '../connection/connection.ts'
import type { ConnectionHandler } from '../connection/handler.ts'
import type { Sendable, SendOptions } from '../connection/sendable.ts'
import { ConnectionClosedError, StateError } from '../errors.ts'
import { type CloseInfo, isOrdinaryClose } from '../protocol/close-code.ts'
import type { Message } from '../protocol/message-collector.ts'

/** Set up an app: all that a client can be told, but its handler. */
export type WebSocketAppOptions = Omit<ConnectOptions, 'handler' | 'data'>

/** Tell how a run ended. */
export interface RunResult {
  /** True when the run ended by an error, or by a close that is no ordinary one. */
  readonly errored: boolean
}

/** The reason with which a run stops connecting when it is told to close; nobody gets to see it. */
const CLOSED = Symbol('closed')

/**
 * Be a long connection: extend this class and override what you need. Answers to `websocket.WebSocketApp` of
 * Python.
 *
 * @example
 * class Echo extends WebSocketApp {
 *   override async onOpen() { await this.send('Hello') }
 *   override onMessage(message: Message) { console.log(message); void this.close() }
 * }
 * await new Echo('ws://localhost:8765/').runForever()
 */
export class WebSocketApp implements AsyncDisposable {
  readonly url: string | URL
  readonly #options: WebSocketAppOptions
  #connection: Connection | undefined
  /** Stops the connecting of the run that is under way. */
  #aborter: AbortController | undefined
  /** Settles when connecting has come to an end. */
  #connecting: Promise<unknown> | undefined

  constructor(url: string | URL, options: WebSocketAppOptions = {}) {
    this.url = url
    this.#options = options
  }

  /** The open connection; `undefined` while there is none. */
  get connection(): Connection | undefined {
    return this.#connection
  }

  /**
   * The connection is open. While a promise that this returns is pending, messages wait: it may wait for `send()`,
   * but never for a message.
   */
  onOpen(): void | Promise<void> {}

  /** A message came. */
  onMessage(_message: Message): void | Promise<void> {}

  /** A ping came; it was answered already. */
  onPing(_payload: Uint8Array): void | Promise<void> {}

  /** A pong came. */
  onPong(_payload: Uint8Array): void | Promise<void> {}

  /**
   * Connecting failed, the connection ended otherwise than it should, or one of these methods threw, which leaves
   * the connection open. Logged unless overridden.
   */
  onError(error: unknown): void | Promise<void> {
    ;(this.#options.logger ?? console).error('openline: WebSocketApp failed', error)
  }

  /** The run is over; `undefined` when no connection was ever open. Called once for each run, last. */
  onClose(_info: CloseInfo | undefined): void | Promise<void> {}

  /**
   * Connect and stay until the connection is closed. All that fails goes to `onError`, so that this rejects only
   * with StateError when the app runs already, and with what `onError` and `onClose` throw. `signal` does what
   * `close()` does: it ends the run, and is no error.
   */
  async runForever(options: { readonly signal?: AbortSignal } = {}): Promise<RunResult> {
    if (this.#aborter !== undefined) throw new StateError('WS_APP_RUNNING')
    const aborter = new AbortController()
    this.#aborter = aborter
    const followed: (() => void)[] = []
    let errored = false
    let info: CloseInfo | undefined
    const guard = async (call: () => void | Promise<void>): Promise<void> => {
      try {
        await call()
      } catch (error) {
        errored = true
        await this.onError(error)
      }
    }
    try {
      await guard(async () => {
        followed.push(follow(this.#options.signal, (reason) => aborter.abort(reason)))
        followed.push(follow(options.signal, () => void this.#close()))
        const connecting = connect(this.url, {
          ...this.#options,
          signal: aborter.signal,
          handler: this.#handler(guard),
        })
        this.#connecting = connecting
        const connection = await connecting.catch((error: unknown) => {
          if (error !== CLOSED) throw error
        })
        if (connection === undefined) return
        info = await connection.closed
        if (!isOrdinaryClose(info.code)) throw new ConnectionClosedError(info)
      })
    } finally {
      for (const unfollow of followed) unfollow()
      this.#connection = undefined
      this.#connecting = undefined
      this.#aborter = undefined
      await this.onClose(info)
    }
    return { errored }
  }

  #handler(guard: (call: () => void | Promise<void>) => Promise<void>): ConnectionHandler {
    return {
      open: (connection) => {
        this.#connection = connection
        return guard(() => this.onOpen())
      },
      message: (_connection, message) => guard(() => this.onMessage(message)),
      ping: (_connection, payload) => guard(() => this.onPing(payload)),
      pong: (_connection, payload) => guard(() => this.onPong(payload)),
    }
  }

  /** Send a message; see `Connection.send`. Throws StateError while there is no open connection. */
  send(message: Sendable, options?: SendOptions): Promise<void> {
    if (this.#connection === undefined) throw new StateError('WS_APP_NOT_OPEN')
    return this.#connection.send(message, options)
  }

  /**
   * Close the connection and wait until it is closed. While the app is still connecting it gives up, and the run
   * ends without an error; without a run there is nothing to do.
   */
  async close(code?: number, reason?: string): Promise<void> {
    await this.#close(code, reason)
  }

  async #close(code?: number, reason?: string): Promise<void> {
    if (this.#connection !== undefined) {
      await this.#connection.close(code, reason)
      return
    }
    this.#aborter?.abort(CLOSED)
    await this.#connecting?.catch(() => {})
  }

  /** Close with 1000: for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** Call when the signal aborts, or now if it has; give a function that stops it. */
function follow(signal: AbortSignal | undefined, call: (reason: unknown) => void): () => void {
  checkSignal(signal)
  if (signal === undefined) return () => {}
  const onAbort = (): void => call(signal.reason)
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort)
  return () => signal.removeEventListener('abort', onAbort)
}
