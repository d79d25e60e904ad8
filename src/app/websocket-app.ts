// The long connection as an object: what happens on it are methods to override, as in Python's websocket-client.

import { connect } from '../client/connect.ts'
import type { ConnectOptions } from '../client/options.ts'
import type { Connection, Sendable, SendOptions } from '../connection/connection.ts'
import type { ConnectionHandler } from '../connection/handler.ts'
import { ConnectionClosedError, StateError } from '../errors.ts'
import { type CloseInfo, isOrdinaryClose } from '../protocol/close-code.ts'
import type { Message } from '../protocol/message-assembler.ts'

/** Set up an app: all that a client can be told, but its handler. */
export type WebSocketAppOptions = Omit<ConnectOptions, 'handler' | 'data'>

/** Tell how a run ended. */
export interface RunResult {
  /** True when the run ended by an error, or by a close that is no ordinary one. */
  readonly errored: boolean
}

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
export class WebSocketApp {
  readonly url: string | URL
  readonly #options: WebSocketAppOptions
  #connection: Connection | undefined
  #isRunning = false

  constructor(url: string | URL, options: WebSocketAppOptions = {}) {
    this.url = url
    this.#options = options
  }

  /** The open connection; `undefined` while there is none. */
  get connection(): Connection | undefined {
    return this.#connection
  }

  /** The connection is open. */
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
   * with StateError when the app runs already, and with what `onError` and `onClose` throw.
   */
  async runForever(): Promise<RunResult> {
    if (this.#isRunning) throw new StateError('WS_APP_RUNNING')
    this.#isRunning = true
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
        const connection = await connect(this.url, { ...this.#options, handler: this.#handler(guard) })
        info = await connection.closed
        if (!isOrdinaryClose(info.code)) throw new ConnectionClosedError(info)
      })
    } finally {
      this.#connection = undefined
      this.#isRunning = false
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

  /** Close the connection, if there is one, and wait until it is closed. */
  async close(code?: number, reason?: string): Promise<void> {
    await this.#connection?.close(code, reason)
  }
}
