// The long connection as an object: what happens on it are methods to override, as in Python's websocket-client. Node
// and browsers each give it a way to connect.

import { checkSignal, follow } from '../checks.ts'
import type { Connection } from '../connection/connection.ts'
import { reportError } from '../connection/report-error.ts'
import type { Sendable, SendOptions } from '../connection/sendable.ts'
import { StateError } from '../errors.ts'
import type { CloseInfo } from '../protocol/close-code.ts'
import type { Message } from '../protocol/message.ts'
import type { AppCallbacks, AppErrorContext, DataContext, ReconnectedContext } from './app-callbacks.ts'
import { AppRun, refuseToSend } from './app-run.ts'
import { type AttemptOptions, type Connect, connectOnce, type PerAttempt } from './attempt.ts'
import type { ClientSurroundings } from './make-reconnection.ts'
import { type RetryOptions, resolveRetryOptions } from './options.ts'
import { type DropReason, type OnDrop, Outbox, type OutboxOptions } from './outbox.ts'
import { Reconnector } from './reconnector.ts'
import { type ReconnectStatus, StatusFeed } from './status.ts'

/** Set up an app: all that a client can be told, callbacks, and what may wait while there is no connection. */
export interface WebSocketAppOptions<App = BaseApp> extends Omit<AttemptOptions, 'data'>, AppCallbacks<App> {
  /**
   * Keep what is sent during a run while there is no connection; it goes out after `onOpen`. `false`: such a `send()`
   * throws.
   * @default true
   */
  readonly outbox?: boolean | OutboxOptions
}

/** Choose how an app runs. */
export interface RunOptions {
  /** Does what `close()` does: ends the run, and is no error. */
  readonly signal?: AbortSignal
  /**
   * Connect again when the connection is lost or could not be made: `true`, a fixed delay in ms, or how and when. `false`
   * and 0, as in Python: do not.
   * @default false
   */
  readonly reconnect?: boolean | number | RetryOptions
  /** As in the options of the app, for this run. */
  readonly pingInterval?: number | false
  /** As in the options of the app, for this run. */
  readonly pingTimeout?: number | false
}

/** Tell how a run ended. */
export interface RunResult {
  /** True when the run ended by an error or by a close that is no ordinary one, or when a callback threw. */
  readonly errored: boolean
}

/** Be a long connection; see `WebSocketApp`. */
export class BaseApp implements AsyncDisposable {
  readonly url: PerAttempt<string | URL>
  readonly #options: WebSocketAppOptions<never>
  readonly #connect: Connect
  readonly #surroundings: ClientSurroundings
  readonly #status = new StatusFeed<Connection>()
  #run: AppRun | undefined

  /** @internal */
  constructor(
    url: PerAttempt<string | URL>,
    options: WebSocketAppOptions<never>,
    connect: Connect,
    surroundings: ClientSurroundings,
  ) {
    this.url = url
    this.#options = options
    this.#connect = connect
    this.#surroundings = surroundings
  }

  // --- where it is ---

  /** The open connection; `undefined` while there is none. */
  get connection(): Connection | undefined {
    return this.#run?.connection
  }

  /** True while there is an open connection. Answers to `ready()`. */
  get isReady(): boolean {
    return this.connection?.state === 'open'
  }

  /** What waits for a connection: how many messages, and how many bytes. */
  get waiting(): { readonly messages: number; readonly bytes: number } {
    const outbox = this.#run?.outbox
    return { messages: outbox?.length ?? 0, bytes: outbox?.bytes ?? 0 }
  }

  /** Iterate over what happens in the run that is under way, or else in the next: the last fact, and those that come, until `closed`. */
  status(): AsyncIterableIterator<ReconnectStatus<Connection>, undefined> {
    return this.#status.read(this.#run === undefined)
  }

  // --- what is told ---

  /**
   * The connection is open. While a promise that this returns is pending, messages wait, and so do the outbox and, for 10 s,
   * what follows when the peer ends the connection: it may wait for `send()`, whose messages go out before those of the
   * outbox, but never for a message.
   */
  onOpen(): void | Promise<void> {
    return this.#callbacks.onOpen?.(this)
  }

  /** The connection is open again. Calls `onOpen` unless overridden or given. */
  onReconnect(context: ReconnectedContext): void | Promise<void> {
    const { onReconnect } = this.#callbacks
    return onReconnect === undefined ? this.onOpen() : onReconnect.call(this.#options, this, context)
  }

  /** A message came. */
  onMessage(message: Message): void | Promise<void> {
    return this.#callbacks.onMessage?.(this, message)
  }

  /** A message or a piece of one came; called before `onMessage` and `onFragment`. Answers to `on_data`. */
  onData(data: Message, context: DataContext): void | Promise<void> {
    return this.#callbacks.onData?.(this, data, context)
  }

  /**
   * A piece of a message came. When this is overridden or given, all messages are told in pieces as they arrive, and
   * `onMessage` is not called. Answers to `on_cont_message`.
   */
  onFragment(piece: Message, context: DataContext): void | Promise<void> {
    return this.#callbacks.onFragment?.(this, piece, context)
  }

  /** A ping came; it was answered already. */
  onPing(payload: Uint8Array): void | Promise<void> {
    return this.#callbacks.onPing?.(this, payload)
  }

  /** A pong came. */
  onPong(payload: Uint8Array): void | Promise<void> {
    return this.#callbacks.onPong?.(this, payload)
  }

  /**
   * Connecting failed, the connection ended otherwise than it should, one of these methods threw, which leaves the
   * connection open, or `shouldRetry` or `backoff` did, which ends the run. Logged unless overridden or given.
   */
  onError(error: unknown, context: AppErrorContext): void | Promise<void> {
    const { onError } = this.#callbacks
    if (onError !== undefined) return onError.call(this.#options, this, error, context)
    reportError(this.#options.logger ?? console, 'WebSocketApp failed', error)
  }

  /** The run is over; `undefined` when no connection was ever open. Called once for each run, last. */
  onClose(info: CloseInfo | undefined): void | Promise<void> {
    return this.#callbacks.onClose?.(this, info)
  }

  /** A message was dropped that waited for a connection. Logged unless overridden or given; what it throws is logged. */
  onDrop(message: Sendable, reason: DropReason): void | Promise<void> {
    const { onDrop } = this.#callbacks
    if (onDrop !== undefined) return onDrop.call(this.#options, this, message, reason)
    reportError(this.#options.logger ?? console, 'WebSocketApp dropped a message', reason)
  }

  get #callbacks(): AppCallbacks<BaseApp> {
    return this.#options as AppCallbacks<BaseApp>
  }

  // --- what can be done ---

  /**
   * Connect and stay until the connection is closed, or with `reconnect` until `close()` is called or a failure is not
   * worth another attempt. All that fails goes to `onError`, so that this rejects only with StateError when the app runs
   * already, with a TypeError or RangeError for a wrong option, and with what `onError` and `onClose` throw. Answers to
   * `run_forever` of Python's websocket-client.
   */
  async runForever(options: RunOptions = {}): Promise<RunResult> {
    if (this.#run !== undefined) throw new StateError('WS_APP_RUNNING')
    const run = this.#makeRun(options)
    checkSignal(options.signal)
    checkSignal(this.#options.signal)
    this.#run = run
    const unfollow = [
      follow(this.#options.signal, (reason) => run.abort(reason)),
      follow(options.signal, () => void run.close()),
    ]
    try {
      await run.stay()
    } finally {
      for (const stop of unfollow) stop()
      this.#run = undefined
      await this.onClose(run.info)
    }
    return { errored: run.errored }
  }

  /**
   * Send a message; see `Connection.send`. While there is no connection it waits in the outbox, and the promise resolves
   * when a connection has taken it, or rejects with StateError when it is dropped: it never goes out twice. Rejects with
   * StateError `WS_APP_NOT_OPEN` when the app does not run, or has no outbox. What is sent while `onOpen` is pending goes
   * before what waits. Throws a TypeError for a value that is no message.
   */
  send(message: Sendable, options?: SendOptions): Promise<void> {
    return this.#run?.send(message, options) ?? refuseToSend()
  }

  /** Send as text: a string, or bytes that are UTF-8. See `send`. */
  sendText(message: Sendable, options?: SendOptions): Promise<void> {
    return this.send(message, { ...options, type: 'text' })
  }

  /** Send as binary: bytes, or a string as its UTF-8. See `send`. */
  sendBytes(message: Sendable, options?: SendOptions): Promise<void> {
    return this.send(message, { ...options, type: 'binary' })
  }

  /**
   * End the run: close the connection and wait until it is closed. While the app is connecting or waiting it gives up,
   * and the run ends without an error; without a run there is nothing to do. What still waits in the outbox is dropped.
   */
  async close(code?: number, reason?: string): Promise<void> {
    await this.#run?.close(code, reason)
  }

  /** Close with 1000: for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  #makeRun(options: RunOptions): AppRun {
    const { reconnect = false, pingInterval, pingTimeout } = options
    const reconnects = reconnect !== false && reconnect !== 0
    const retry = resolveRetryOptions(toRetryOptions(reconnect))
    const { outbox = true, signal, ...others } = this.#options
    const attemptOptions: AttemptOptions = {
      ...others,
      ...(pingInterval !== undefined && { pingInterval }),
      ...(pingTimeout !== undefined && { pingTimeout }),
    }
    const { clock } = this.#surroundings
    const onDrop: OnDrop = (message, reason) => this.#drop(message, reason)
    return new AppRun({
      host: this,
      clock,
      outbox: outbox === false ? undefined : new Outbox(outbox === true ? {} : outbox, onDrop),
      reconnects,
      takesFragments:
        this.onFragment !== BaseApp.prototype.onFragment || this.#callbacks.onFragment !== undefined,
      makeReconnector: (handler, signal) =>
        new Reconnector(
          {
            ...this.#surroundings,
            dial: (attempt) => connectOnce(this.#connect, clock, this.url, attemptOptions, attempt, handler),
          },
          retry,
          signal,
          this.#status,
        ),
    })
  }

  #drop(message: Sendable, reason: DropReason): void {
    const failed = (error: unknown): void =>
      reportError(this.#options.logger ?? console, 'onDrop of a WebSocketApp failed', error)
    try {
      void Promise.resolve(this.onDrop(message, reason)).catch(failed)
    } catch (error) {
      failed(error)
    }
  }
}

function toRetryOptions(reconnect: boolean | number | RetryOptions): RetryOptions {
  if (typeof reconnect === 'number') return { backoff: reconnect }
  if (typeof reconnect === 'boolean') return {}
  if (typeof reconnect === 'object' && reconnect !== null) return reconnect
  throw new TypeError('reconnect must be true, false, a number of ms or an object of options such as backoff')
}
