// From an HTTP request to an open connection: judge the handshake, answer it, run the handler, and keep count
// of who is connected. Used by servers of our own and by servers that exist already.

import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { Connection, type HandshakeResponse } from '../connection/connection.ts'
import { acceptExtensions } from '../connection/extensions.ts'
import { handlerFailed } from '../connection/handler.ts'
import { Link } from '../connection/link.ts'
import { reportError } from '../connection/report-error.ts'
import { ConnectionClosedError, HandshakeError, quoteForMessage } from '../errors.ts'
import { type ClientHandshake, checkRequest, formatResponse } from '../handshake/http1.ts'
import { isHostAllowed, isOriginAllowed } from '../handshake/origin.ts'
import { selectSubprotocol } from '../handshake/subprotocol.ts'
import { engine } from '../kernel/engine.ts'
import { CloseCode } from '../protocol/close-code.ts'
import { systemWheel } from '../timing/timer-wheel.ts'
import { observeRequest } from '../trace/handshakes.ts'
import type { Observer } from '../trace/observer.ts'
import { beginTurn, endTurn } from '../transport/flush-queue.ts'
import { SocketTransport } from '../transport/socket-transport.ts'
import { acceptValue } from './accept-value.ts'
import type { CloseOptions } from './close-options.ts'
import type { IncomingHandshake, ResolvedUpgradeOptions, ServerHandler } from './options.ts'
import { parsedRequest, type ReceivedRequest } from './received-request.ts'
import { refuse, refuseWithResponse } from './rejection.ts'
import { requestUrl } from './request-url.ts'

/** Accept handshakes. */
export class Acceptor<Data> {
  readonly #handler: ServerHandler<Data>
  readonly #options: ResolvedUpgradeOptions<Data>
  readonly #connections = new Set<Connection<Data>>()
  /** Coroutine handlers that have not returned. */
  readonly #running = new Set<Promise<void>>()
  /** Handshakes that wait for onHandshake: each is refused by its function. */
  readonly #deciding = new Set<(error: HandshakeError) => void>()
  /** What all connections of this acceptor were answered, but for the key. */
  readonly #response: HandshakeResponse
  #isClosing = false

  readonly #forget = (connection: Connection<Data>): void => {
    this.#connections.delete(connection)
  }

  constructor(handler: ServerHandler<Data>, options: ResolvedUpgradeOptions<Data>) {
    this.#handler = handler
    this.#options = options
    this.#response = { status: 101, headers: options.responseHeaders }
  }

  get connections(): ReadonlySet<Connection<Data>> {
    return this.#connections
  }

  /** Answer a handshake that node:http has parsed; never throws, whatever the request is like. */
  accept(request: IncomingMessage, socket: Duplex, head: Uint8Array): void {
    if (awaitsResponse(request)) {
      // Its bytes would come in between our frames. Only an attacker sends a handshake before the answer is there.
      socket.destroy()
      return
    }
    beginTurn()
    try {
      this.acceptFrom(parsedRequest(request), socket, new SocketTransport(socket, head, engine.kernel))
    } finally {
      endTurn()
    }
  }

  /** Answer a handshake on a transport that was not started; what is flushed at the end of the turn. Never throws. */
  acceptFrom(request: ReceivedRequest, socket: Duplex, transport: SocketTransport): void {
    const observer = observeRequest(request, socket, this.#options.connection.trace)
    try {
      const handshake = this.#judge(request, socket)
      const { onHandshake } = this.#options
      if (onHandshake === undefined) {
        this.#open(request, transport, handshake, undefined as Data, observer)
      } else {
        transport.rewind()
        void this.#decide(request, socket, transport, handshake, observer)
      }
    } catch (error) {
      transport.rewind()
      if (isVerdict(error)) refuse(socket, error)
      else this.#fail(socket, error, 'a handshake failed')
    }
  }

  /** Answer a fault of our side with 500: the rest is the log's business. */
  #fail(socket: Duplex, error: unknown, what: string): void {
    reportError(this.#options.connection.logger, what, error)
    const detail = 'see the log'
    refuse(socket, new HandshakeError({ code: 'WS_HANDLER_FAILED', detail, status: 500, cause: error }))
  }

  /** Throw a HandshakeError when the request must be refused. */
  #judge(request: ReceivedRequest, socket: Duplex): ClientHandshake {
    if (this.#isClosing) throw serverIsClosing()
    request.checkLines()
    const handshake = checkRequest(request)
    const { host, origin } = handshake
    if (!isHostAllowed(host, this.#options.hosts)) {
      throw new HandshakeError({ code: 'WS_HOST_REFUSED', detail: quoteForMessage(host), status: 403 })
    }
    const secure = 'encrypted' in socket && socket.encrypted === true
    if (!this.#isOriginAllowed({ origin, host, secure })) {
      throw new HandshakeError({
        code: 'WS_ORIGIN_REFUSED',
        detail: quoteForMessage(origin ?? ''),
        status: 403,
      })
    }
    return handshake
  }

  #isOriginAllowed(request: Parameters<typeof isOriginAllowed>[0]): boolean {
    try {
      return isOriginAllowed(request, this.#options.origins)
    } catch (error) {
      // What the user's function throws is never a verdict of ours, whatever its class.
      throw isVerdict(error) ? new Error('the option "origins" failed', { cause: error }) : error
    }
  }

  /** Ask onHandshake, which may take its time. */
  async #decide(
    request: ReceivedRequest,
    socket: Duplex,
    transport: SocketTransport,
    handshake: ClientHandshake,
    observer: Observer | undefined,
  ): Promise<void> {
    const { openTimeout, onHandshake } = this.#options
    const controller = new AbortController()
    // Each stops waiting at once: a decision that never comes must not keep the request and its socket.
    const onClose = (): void => {
      stopWaiting()
      const error = new Error('the client went away')
      observer?.failed(error)
      controller.abort(error)
    }
    const onStop = (error: HandshakeError): void => {
      stopWaiting()
      controller.abort(error)
      refuse(socket, error)
    }
    const timer = setTimeout(() => {
      onStop(new HandshakeError({ code: 'WS_HANDLER_TIMEOUT', detail: String(openTimeout), status: 503 }))
    }, openTimeout)
    // A stream tells its end only to who reads. What the client sent ahead stays in the stream.
    const onReadable = (): void => {
      if (socket.readableLength === 0) socket.read()
    }
    const onEnd = (): void => void socket.destroy()
    socket.once('close', onClose).once('end', onEnd).on('readable', onReadable)
    this.#deciding.add(onStop)
    const stopWaiting = (): void => {
      clearTimeout(timer)
      socket.off('close', onClose).off('end', onEnd).off('readable', onReadable)
      this.#deciding.delete(onStop)
    }
    try {
      const decision = await onHandshake!(
        describeHandshake(request, transport.remoteAddress?.host, handshake, controller.signal),
      )
      if (controller.signal.aborted) return
      if (decision === false) {
        await refuseWithResponse(socket, new Response('onHandshake refused\n', { status: 403 }), stopWaiting)
      } else if (isResponse(decision)) {
        await refuseWithResponse(socket, decision, stopWaiting)
      } else {
        stopWaiting()
        this.#open(request, transport, handshake, decision as Data, observer)
      }
    } catch (error) {
      if (controller.signal.aborted) return
      stopWaiting()
      if (badUrls.has(error as object)) refuse(socket, error as HandshakeError)
      else this.#fail(socket, error, 'onHandshake failed')
    }
  }

  #open(
    request: ReceivedRequest,
    transport: SocketTransport,
    handshake: ClientHandshake,
    data: Data,
    observer: Observer | undefined,
  ): void {
    const subprotocol = selectSubprotocol(this.#options.subprotocols, handshake.subprotocols)
    const { connection: options } = this.#options
    const extensions = acceptExtensions(handshake.extensions, options, systemWheel)
    const response = formatResponse({
      key: handshake.key,
      accept: acceptValue(handshake.key),
      subprotocol,
      extensions: extensions.header,
      headers: this.#options.headers,
    })
    transport.writeLatin1(response)
    observer?.responseText(response)
    const link = new Link({
      role: 'server',
      engine,
      transport: observer?.tap(transport, extensions.header) ?? transport,
      wheel: systemWheel,
      options,
      extensions,
    })
    const connection = new Connection<Data>({
      link,
      request: request.keep(),
      response: this.#response,
      subprotocol,
      extensions: extensions.header,
      data,
    })
    this.#connections.add(connection)
    link.onceClosed(this.#forget, connection)
    observer?.opened(connection)
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

  /** Refuse new handshakes from now on, and those that wait for a decision. */
  beginClosing(): void {
    this.#isClosing = true
    for (const stop of this.#deciding) stop(serverIsClosing())
  }

  /** Close all connections and wait for them and for the handlers, at most `timeout` ms; then drop what is left. */
  async closeAll({ code, reason, timeout }: Required<CloseOptions>): Promise<void> {
    const closing = [...this.#connections].map((connection) => connection.close(code, reason))
    let timer: NodeJS.Timeout | undefined
    const deadline = new Promise<void>((resolve) => {
      if (timeout !== Number.POSITIVE_INFINITY) timer = setTimeout(resolve, timeout)
    })
    await Promise.race([Promise.all([...closing, ...this.#running]), deadline])
    clearTimeout(timer)
    for (const connection of this.#connections) connection.terminate()
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
    const hasEnded = link.state !== 'open' || link.protocol.isEnding
    if (hasEnded && error instanceof ConnectionClosedError) return
    handlerFailed(link, error)
  }
}

/** The errors of `IncomingHandshake.url`: the client's fault, though they pass through the user's code. */
const badUrls = new WeakSet<object>()

function describeHandshake(
  { target, headers }: ReceivedRequest,
  remoteAddress: string | undefined,
  handshake: ClientHandshake,
  signal: AbortSignal,
): IncomingHandshake {
  return {
    target,
    get url() {
      try {
        return requestUrl('ws', handshake.host, target)
      } catch {
        const detail = `the host ${quoteForMessage(handshake.host)} with the target ${quoteForMessage(target)}`
        const error = new HandshakeError({ code: 'WS_BAD_HEADER', detail })
        badUrls.add(error)
        throw error
      }
    },
    headers,
    origin: handshake.origin,
    subprotocols: handshake.subprotocols,
    remoteAddress,
    signal,
  }
}

/** Tell whether an error is an answer to the client; those of clients, such as of `connect`, have the status 0. */
function isVerdict(error: unknown): error is HandshakeError {
  return error instanceof HandshakeError && error.status >= 300 && error.status <= 599
}

/** Recognise a Response, also one of another realm or of the package undici: taken for data it would let in. */
function isResponse(value: unknown): value is Response {
  return value instanceof Response || Object.prototype.toString.call(value) === '[object Response]'
}

/** Tell whether an earlier request on the same socket has no complete answer yet. */
function awaitsResponse(request: IncomingMessage): boolean {
  // Undocumented, but the one place that also tells about a server that is not ours. Where a runtime has no such
  // field nothing is awaited.
  const { _httpMessage: response } = request.socket as { _httpMessage?: { readonly req?: unknown } | null }
  return response != null && response.req !== request
}

function serverIsClosing(): HandshakeError {
  return new HandshakeError({ code: 'WS_SERVER_CLOSING', detail: ': try again later', status: 503 })
}
