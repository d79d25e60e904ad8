// From an HTTP request to an open connection: judge the handshake, answer it, run the handler, and keep count
// of who is connected. Used by servers of our own and by servers that exist already.

import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { Connection } from '../connection/connection.ts'
import { handlerFailed } from '../connection/handler.ts'
import { Link } from '../connection/link.ts'
import { ConnectionClosedError, HandshakeError, quoteForMessage, WebSocketTimeoutError } from '../errors.ts'
import { type ClientHandshake, checkRequest, formatResponse } from '../handshake/http1.ts'
import { isHostAllowed, isOriginAllowed } from '../handshake/origin.ts'
import { selectSubprotocol } from '../handshake/subprotocol.ts'
import { engine } from '../kernel/engine.ts'
import { CloseCode } from '../protocol/close-code.ts'
import { systemWheel } from '../timing/timer-wheel.ts'
import { SocketTransport } from '../transport/socket-transport.ts'
import type { IncomingHandshake, ResolvedUpgradeOptions, ServerHandler } from './options.ts'
import { refuse, refuseWithResponse } from './rejection.ts'

/** The most header lines of a request: 100. Browsers send about 15; a parser's time grows with each. */
export const MAX_HEADERS = 100

/** Choose how connections are closed. */
export interface CloseOptions {
  /** @default 1001 (going away) */
  readonly code?: number
  /** @default '' */
  readonly reason?: string
  /**
   * Time for closing handshakes and handlers, in ms; then connections are dropped.
   * @default 10_000
   */
  readonly timeout?: number
}

const CLOSE_TIMEOUT = 10_000

/** Accept handshakes. */
export class Acceptor<Data> {
  readonly #handler: ServerHandler<Data>
  readonly #options: ResolvedUpgradeOptions<Data>
  readonly #connections = new Set<Connection<Data>>()
  /** Coroutine handlers that have not returned. */
  readonly #running = new Set<Promise<void>>()
  #isClosing = false

  constructor(handler: ServerHandler<Data>, options: ResolvedUpgradeOptions<Data>) {
    this.#handler = handler
    this.#options = options
  }

  get connections(): ReadonlySet<Connection<Data>> {
    return this.#connections
  }

  /** Answer a handshake; never throws, whatever the request is like. */
  accept(request: IncomingMessage, socket: Duplex, head: Uint8Array): void {
    const transport = new SocketTransport(socket, head, engine.kernel)
    try {
      const handshake = this.#judge(request, socket)
      const { onHandshake } = this.#options
      if (onHandshake === undefined) this.#open(request, transport, handshake, undefined as Data)
      else void this.#decide(request, socket, transport, handshake)
    } catch (error) {
      refuse(socket, asHandshakeError(error))
    }
  }

  /** Throw a HandshakeError when the request must be refused. */
  #judge(request: IncomingMessage, socket: Duplex): ClientHandshake {
    if (this.#isClosing) {
      throw new HandshakeError({ code: 'WS_SERVER_CLOSING', detail: ': try again later', status: 503 })
    }
    const count = request.rawHeaders.length >> 1
    if (count > MAX_HEADERS) {
      throw new HandshakeError({ code: 'WS_TOO_MANY_HEADERS', detail: `${count} headers`, status: 431 })
    }
    const handshake = checkRequest({
      method: request.method ?? '',
      httpVersion: request.httpVersion,
      target: request.url ?? '/',
      headers: request.headers,
    })
    const { host, origin } = handshake
    if (!isHostAllowed(host, this.#options.hosts)) {
      throw new HandshakeError({ code: 'WS_HOST_REFUSED', detail: quoteForMessage(host), status: 403 })
    }
    const secure = 'encrypted' in socket && socket.encrypted === true
    if (!isOriginAllowed({ origin, host, secure }, this.#options.origins)) {
      throw new HandshakeError({
        code: 'WS_ORIGIN_REFUSED',
        detail: quoteForMessage(origin ?? ''),
        status: 403,
      })
    }
    return handshake
  }

  /** Ask onHandshake, which may take its time. */
  async #decide(
    request: IncomingMessage,
    socket: Duplex,
    transport: SocketTransport,
    handshake: ClientHandshake,
  ): Promise<void> {
    const { openTimeout, onHandshake } = this.#options
    const controller = new AbortController()
    const onClose = (): void => controller.abort(new Error('the client went away'))
    const timer = setTimeout(() => {
      const error = new WebSocketTimeoutError('open', openTimeout)
      controller.abort(error)
      refuse(socket, new HandshakeError({ code: 'WS_HANDLER_FAILED', detail: error.message, status: 503 }))
    }, openTimeout)
    socket.once('close', onClose)
    try {
      const decision = await onHandshake!(describeHandshake(request, handshake, controller.signal))
      if (controller.signal.aborted) return
      if (decision instanceof Response) await refuseWithResponse(socket, decision)
      else if (this.#isClosing) this.#judge(request, socket)
      else this.#open(request, transport, handshake, decision as Data)
    } catch (error) {
      if (controller.signal.aborted) return
      if (!(error instanceof HandshakeError)) {
        this.#options.connection.logger.error('openline: onHandshake failed', error)
      }
      refuse(socket, asHandshakeError(error))
    } finally {
      clearTimeout(timer)
      socket.off('close', onClose)
    }
  }

  #open(request: IncomingMessage, transport: SocketTransport, handshake: ClientHandshake, data: Data): void {
    const subprotocol = selectSubprotocol(this.#options.subprotocols, handshake.subprotocols)
    const response = formatResponse({
      key: handshake.key,
      subprotocol,
      extensions: [],
      headers: this.#options.headers,
    })
    const offset = transport.reserve(response.length)
    transport.commit(offset + transport.bytes.write(response, offset, 'latin1'))
    const link = new Link({
      role: 'server',
      engine,
      transport,
      wheel: systemWheel,
      options: this.#options.connection,
    })
    const connection = new Connection<Data>({
      link,
      request: {
        target: request.url ?? '/',
        headers: request.headers as Readonly<Record<string, string | undefined>>,
      },
      response: { status: 101, headers: Object.fromEntries(this.#options.headers) },
      subprotocol,
      data,
    })
    this.#connections.add(connection)
    link.onceClosed(() => this.#connections.delete(connection))
    if (typeof this.#handler === 'function') {
      connection.start()
      this.#run(this.#handler, connection, link)
    } else {
      connection.start(this.#handler)
    }
  }

  /** Run a coroutine: when it returns the connection is closed with 1000, when it throws with 1011. */
  #run(
    handler: (connection: Connection<Data>) => void | Promise<void>,
    connection: Connection<Data>,
    link: Link,
  ): void {
    const running = runHandler(handler, connection, link).finally(() => this.#running.delete(running))
    this.#running.add(running)
  }

  /** Refuse new handshakes from now on. */
  beginClosing(): void {
    this.#isClosing = true
  }

  /** Close all connections and wait for them and for the handlers, at most `timeout` ms. */
  async closeAll(options: CloseOptions): Promise<void> {
    const { code = CloseCode.GoingAway, reason = '', timeout = CLOSE_TIMEOUT } = options
    const deadline = setTimeout(() => {
      for (const connection of this.#connections) connection.terminate()
    }, timeout)
    const closing = [...this.#connections].map((connection) => connection.close(code, reason))
    await Promise.all(closing)
    clearTimeout(deadline)
    await Promise.race([Promise.all(this.#running), delay(timeout)])
  }
}

async function runHandler<Data>(
  handler: (connection: Connection<Data>) => void | Promise<void>,
  connection: Connection<Data>,
  link: Link,
): Promise<void> {
  try {
    await handler(connection)
    link.close(CloseCode.Normal, '')
  } catch (error) {
    // A handler that let the end of its own connection pass through has done nothing wrong.
    if (error instanceof ConnectionClosedError && link.state !== 'open') return
    handlerFailed(link, error)
  }
}

function describeHandshake(
  request: IncomingMessage,
  handshake: ClientHandshake,
  signal: AbortSignal,
): IncomingHandshake {
  const target = request.url ?? '/'
  return {
    target,
    get url() {
      return new URL(target, `ws://${handshake.host}`)
    },
    headers: request.headers,
    origin: handshake.origin,
    subprotocols: handshake.subprotocols,
    remoteAddress: request.socket.remoteAddress,
    signal,
  }
}

function asHandshakeError(error: unknown): HandshakeError {
  if (error instanceof HandshakeError) return error
  return new HandshakeError({ code: 'WS_HANDLER_FAILED', detail: 'see the log', status: 500, cause: error })
}

function delay(ms: number): Promise<void> {
  return new Promise((resolve) => {
    setTimeout(resolve, ms).unref()
  })
}
