// One open WebSocket, as users hold it. What happens inside is the link's business; here is its public face.

import { randomFillSync, randomUUID } from 'node:crypto'
import type { Duplex } from 'node:stream'
import { StateError } from '../errors.ts'
import { CloseCode, type CloseInfo } from '../protocol/close-code.ts'
import type { Message } from '../protocol/message.ts'
import type { PreparedMessage } from '../protocol/prepared-message.ts'
import type { Role } from '../protocol/protocol.ts'
import type { Address } from '../transport/transport.ts'
import { connectionDuplex } from './duplex.ts'
import { type ConnectionHandler, HandlerConsumer } from './handler.ts'
import { Inbox, type ReceiveOptions } from './inbox.ts'
import type { Link, LinkState } from './link.ts'
import { type MessageStreams, messageStreams } from './message-streams.ts'
import { type Sendable, type SendOptions, toControlPayload } from './sendable.ts'

/** Hold the HTTP request with which a connection was opened. */
export interface HandshakeRequest {
  /** The path with the query, such as `/chat?room=1`. */
  readonly target: string
  /** Names in lower case; several values of one name are joined by ", ". */
  readonly headers: Readonly<Record<string, string | undefined>>
}

/** Hold the HTTP response with which a connection was opened. */
export interface HandshakeResponse {
  readonly status: number
  /** Names in lower case; several values of one name are joined by ", ". */
  readonly headers: Readonly<Record<string, string | undefined>>
}

/** What a connection is made of; made by `serve`, `upgrade` and `connect`. */
export interface ConnectionInit<Data> {
  readonly link: Link
  readonly request: HandshakeRequest
  readonly response: HandshakeResponse
  readonly subprotocol: string | undefined
  /** The value of Sec-WebSocket-Extensions in the response. */
  readonly extensions: string
  readonly data: Data
}

/** Talk to one peer: an open WebSocket of either role. */
export class Connection<Data = unknown> implements AsyncIterable<Message>, AsyncDisposable {
  /** Whatever belongs to this connection: what `onHandshake` returned, and yours to change. */
  data: Data
  /** The request of the opening handshake. */
  readonly request: HandshakeRequest
  /** The response of the opening handshake. */
  readonly response: HandshakeResponse
  /** The subprotocol that both ends agreed on. */
  readonly subprotocol: string | undefined
  /** The extensions that both ends agreed on, as the response named them: `permessage-deflate; …`, or empty. */
  readonly extensions: string
  readonly #link: Link
  #inbox: Inbox | undefined
  #id: string | undefined

  /** @internal */
  constructor(init: ConnectionInit<Data>) {
    this.#link = init.link
    this.request = init.request
    this.response = init.response
    this.subprotocol = init.subprotocol
    this.extensions = init.extensions
    this.data = init.data
  }

  /** Begin to read: into a handler object if one is given, else for `receive()` and loops. @internal */
  start(handler?: ConnectionHandler<Data>): void {
    if (handler !== undefined) {
      new HandlerConsumer(handler, this, this.#link).open()
      return
    }
    const { receiveHighWaterMark, receiveLowWaterMark } = this.#link.options
    this.#inbox = new Inbox(receiveHighWaterMark, receiveLowWaterMark, this.#link, this.#link.clock)
    this.#link.start(this.#inbox)
  }

  /** A unique name of this connection (a random UUID), for logs and maps. */
  get id(): string {
    this.#id ??= randomUUID()
    return this.#id
  }

  /** The end that we are. */
  get role(): Role {
    return this.#link.protocol.role
  }

  /** How far the connection's end has come: data can be sent while it is `open`. */
  get state(): LinkState {
    return this.#link.state
  }

  /** Our own address; `undefined` on Unix sockets. */
  get localAddress(): Address | undefined {
    return this.#link.transport.localAddress
  }

  /** The peer's address; `undefined` on Unix sockets. */
  get remoteAddress(): Address | undefined {
    return this.#link.transport.remoteAddress
  }

  /** Bytes that were sent here and that the system has not taken yet. */
  get bufferedAmount(): number {
    return this.#link.writer.bufferedAmount
  }

  /** Time from the last answered ping to its pong, in ms; `undefined` before the first. */
  get latency(): number | undefined {
    return this.#link.latency
  }

  /**
   * The latency of all pings that were answered, heartbeats too, in ms: a mean in which each new one has a weight of
   * 1/8 (RFC 6298); `undefined` before the first.
   */
  get smoothedLatency(): number | undefined {
    return this.#link.smoothedLatency
  }

  /** How the connection ended. Never rejects. Answers to `wait_closed()` of Python's websockets. */
  get closed(): Promise<CloseInfo> {
    return this.#link.closed
  }

  /**
   * Send a message: a string as text, bytes as binary; or one message whose pieces an iterable, a ReadableStream or a
   * Blob brings, each of which goes out at once as a fragment.
   *
   * Resolves at once below `sendHighWaterMark`, and above it when all has left. Await it in a loop that produces
   * data. Do not change the bytes before it resolved. Messages that are sent while another one takes its time, a
   * stream or a large one that is compressed, wait their turn. Rejects with ConnectionClosedError; a rejection that
   * nobody looks at does no harm. When more than `maxBufferedAmount` waits already, the peer does not read, and the
   * connection is dropped. When a source fails within a message, the connection fails with 1011. Throws a TypeError
   * for a value that is no message. Answers to `send` of Python's websockets.
   */
  send(message: Sendable, options?: SendOptions): Promise<void> {
    return this.#link.writer.send(message, options)
  }

  /** Send a message that goes to others too; false when this connection takes none any more. @internal */
  sendPrepared(message: PreparedMessage): boolean {
    return this.#link.writer.broadcast(message)
  }

  /**
   * Wait for the next message. Rejects with ConnectionClosedError when there will be none, with the signal's
   * reason when aborted, with WebSocketTimeoutError after `timeout` ms, and with StateError when somebody else
   * waits already. A message is never lost to a wait that was given up.
   */
  receive(options?: ReceiveOptions): Promise<Message> {
    return this.#inbox === undefined ? rejectedReceive() : this.#inbox.receive(options)
  }

  /**
   * Take the next message in pieces while they arrive: strings of a text message, bytes of a binary one. It may be as
   * large as `maxStreamSize`, and the peer waits while nobody takes more.
   *
   * Leaving the loop early discards the rest of the message and keeps the connection. Iteration throws
   * ConnectionClosedError when the message does not end or there is none, the signal's reason when aborted, and
   * StateError while somebody else receives. Answers to `recv_streaming` of Python's websockets.
   *
   * @example
   * for await (const piece of connection.receiveStream()) file.write(piece)
   */
  receiveStream(options: { readonly signal?: AbortSignal } = {}): AsyncIterableIterator<Message, undefined> {
    if (this.#inbox === undefined) throw new StateError('WS_RECEIVE_WITH_HANDLER')
    return this.#inbox.receiveStream(options.signal)
  }

  /**
   * Have messages as WHATWG streams, `readable` and `writable`, which both wait for their other end. Throws StateError
   * when the connection has a handler object.
   */
  stream(): MessageStreams {
    return messageStreams(this)
  }

  /**
   * Have the connection as a Node stream of bytes: each write becomes a binary message, and the bytes of messages that
   * come are joined. Ending it closes with 1000. Throws StateError when the connection has a handler object.
   */
  toDuplex(): Duplex {
    if (this.#inbox === undefined) throw new StateError('WS_RECEIVE_WITH_HANDLER')
    return connectionDuplex(this)
  }

  /** Iterate over messages: ends after 1000, 1001 or no code, and throws ConnectionClosedError otherwise. */
  [Symbol.asyncIterator](): AsyncIterableIterator<Message> {
    if (this.#inbox === undefined) throw new StateError('WS_RECEIVE_WITH_HANDLER')
    return this.#inbox.iterate()
  }

  /**
   * Send a ping (at most 125 bytes, four random ones by default) and resolve to its latency in ms. Rejects with
   * ConnectionClosedError, or with StateError while a ping with the same payload is under way.
   */
  ping(payload?: string | Uint8Array, options?: { readonly signal?: AbortSignal }): Promise<number> {
    const bytes = payload === undefined ? randomFillSync(new Uint8Array(4)) : toControlPayload(payload)
    return this.#link.ping(bytes, options?.signal)
  }

  /** Send a pong that nobody asked for (RFC 6455 section 5.5.3): a one-sided heartbeat. */
  pong(payload: string | Uint8Array = ''): void {
    this.#link.protocol.sendPong(toControlPayload(payload))
  }

  /**
   * Close with a code (1000 by default; 1000-1003, 1007-1014 or 3000-4999) and a reason of at most 123 bytes.
   * Waits for the closing handshake and the end of TCP, at most `closeTimeout`. Calling it again only waits.
   * Throws a RangeError for a code or reason that must not be sent. Messages that still come are dropped.
   */
  close(code: number = CloseCode.Normal, reason = ''): Promise<CloseInfo> {
    this.#link.close(code, reason)
    return this.#link.closed
  }

  /** Drop the connection at once, without a closing handshake. */
  terminate(): void {
    this.#link.terminate()
  }

  /** Stop taking messages; the socket is paused, so that the peer has to wait. */
  pause(): void {
    this.#link.pauseByUser()
  }

  /** Take messages again. */
  resume(): void {
    this.#link.resumeByUser()
  }

  /** Close with 1000 and wait until all is over: for `await using`. */
  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

// What `console.log` shows: the headers of the handshake hold credentials, which do not belong into logs.
Object.defineProperty(Connection.prototype, Symbol.for('nodejs.util.inspect.custom'), {
  value(
    this: Connection,
    _depth: unknown,
    options: object,
    inspect: (value: unknown, options: object) => string,
  ) {
    const { role, state, subprotocol, extensions, localAddress, remoteAddress } = this
    const shown = { role, state, subprotocol, extensions, localAddress, remoteAddress }
    return `Connection ${inspect(shown, options)}`
  },
})

function rejectedReceive(): Promise<never> {
  return Promise.reject(new StateError('WS_RECEIVE_WITH_HANDLER'))
}
