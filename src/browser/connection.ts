// One open WebSocket in a browser, as users hold it: the same face as connection/connection.ts has.

import type { Duplex } from 'node:stream'
import type { Connection, HandshakeRequest, HandshakeResponse } from '../connection/connection.ts'
import { type ConnectionHandler, HandlerConsumer } from '../connection/handler.ts'
import { Inbox, type ReceiveOptions } from '../connection/inbox.ts'
import type { LinkState } from '../connection/link.ts'
import { type MessageStreams, messageStreams } from '../connection/message-streams.ts'
import type { Sendable, SendOptions } from '../connection/sendable.ts'
import { StateError } from '../errors.ts'
import { CloseCode, type CloseInfo } from '../protocol/close-code.ts'
import type { Message } from '../protocol/message.ts'
import { portablePlatform } from '../protocol/platform.ts'
import type { PreparedMessage } from '../protocol/prepared-message.ts'
import { assertClose } from './close-code.ts'
import type { BrowserLink } from './link.ts'
import { notInBrowser } from './unsupported.ts'

/** All that users see of a class. */
type Face<Class> = Pick<Class, keyof Class>

/** What a connection in a browser is made of. */
export interface BrowserConnectionInit<Data> {
  readonly link: BrowserLink
  readonly request: HandshakeRequest
  readonly data: Data
}

/** Talk to one server from a browser. */
export class BrowserConnection<Data = unknown> implements Face<Connection<Data>> {
  data: Data
  readonly request: HandshakeRequest
  readonly response: HandshakeResponse
  readonly subprotocol: string | undefined
  readonly extensions: string
  readonly role = 'client'
  /** Browsers tell no addresses. */
  readonly localAddress = undefined
  readonly remoteAddress = undefined
  /** Browsers tell nothing about pings. */
  readonly latency = undefined
  readonly smoothedLatency = undefined
  readonly #link: BrowserLink
  #inbox: Inbox | undefined
  #id: string | undefined

  constructor({ link, request, data }: BrowserConnectionInit<Data>) {
    const { protocol, extensions } = link.socket
    this.#link = link
    this.request = request
    this.subprotocol = protocol === '' ? undefined : protocol
    this.extensions = extensions
    this.response = {
      status: 101,
      headers: {
        ...(protocol === '' ? {} : { 'sec-websocket-protocol': protocol }),
        ...(extensions === '' ? {} : { 'sec-websocket-extensions': extensions }),
      },
    }
    this.data = data
  }

  start(handler?: ConnectionHandler<Data>): void {
    if (handler !== undefined) {
      new HandlerConsumer(handler, asConnection(this), this.#link).open()
      return
    }
    const { receiveHighWaterMark, receiveLowWaterMark } = this.#link.options
    this.#inbox = new Inbox(receiveHighWaterMark, receiveLowWaterMark, this.#link, this.#link.clock)
    this.#link.start(this.#inbox)
  }

  get id(): string {
    this.#id ??= randomUuid()
    return this.#id
  }

  get state(): LinkState {
    return this.#link.state
  }

  get bufferedAmount(): number {
    return this.#link.writer.bufferedAmount
  }

  get closed(): Promise<CloseInfo> {
    return this.#link.closed
  }

  send(message: Sendable, options?: SendOptions): Promise<void> {
    return this.#link.writer.send(message, options)
  }

  sendPrepared(message: PreparedMessage): boolean {
    return this.#link.writer.broadcast(message)
  }

  receive(options?: ReceiveOptions): Promise<Message> {
    return this.#inbox === undefined
      ? Promise.reject(new StateError('WS_RECEIVE_WITH_HANDLER'))
      : this.#inbox.receive(options)
  }

  receiveStream(options: { readonly signal?: AbortSignal } = {}): AsyncIterableIterator<Message, undefined> {
    return this.#requireInbox().receiveStream(options.signal)
  }

  stream(): MessageStreams {
    return messageStreams({
      [Symbol.asyncIterator]: () => this[Symbol.asyncIterator](),
      send: (message) => this.send(message),
      // Streams close with 1011 when they are aborted.
      close: (code = CloseCode.Normal, reason = '') => {
        this.#link.close(code, reason)
        return this.#link.closed
      },
    })
  }

  toDuplex(): Duplex {
    throw notInBrowser('toDuplex()', 'There are no Node streams: use stream()')
  }

  [Symbol.asyncIterator](): AsyncIterableIterator<Message> {
    return this.#requireInbox().iterate()
  }

  #requireInbox(): Inbox {
    if (this.#inbox === undefined) throw new StateError('WS_RECEIVE_WITH_HANDLER')
    return this.#inbox
  }

  ping(): Promise<number> {
    throw notInBrowser('ping()', 'Send a message that the server answers, or have the server ping')
  }

  pong(): void {
    throw notInBrowser('pong()', 'Browsers answer pings by themselves: send a message')
  }

  close(code: number = CloseCode.Normal, reason = ''): Promise<CloseInfo> {
    assertClose(code, reason)
    this.#link.close(code, reason)
    return this.#link.closed
  }

  terminate(): void {
    this.#link.terminate()
  }

  pause(): void {
    throw notInBrowser(
      'pause()',
      'It cannot have the peer wait: leave messages to receive(), or tell the peer',
    )
  }

  /** There was no pause. */
  resume(): void {}

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }
}

/** Show the face that programs know: the types of both builds are one. */
export function asConnection<Data>(connection: BrowserConnection<Data>): Connection<Data> {
  return connection as unknown as Connection<Data>
}

/** Make a random UUID (RFC 9562 section 5.4). Browsers have `crypto.randomUUID` only where the page came over TLS. */
function randomUuid(): string {
  const bytes = new Uint8Array(16)
  portablePlatform.randomFill(bytes)
  bytes[6] = (bytes[6]! & 0x0f) | 0x40
  bytes[8] = (bytes[8]! & 0x3f) | 0x80
  const digits = Array.from(bytes, (byte) => byte.toString(16).padStart(2, '0')).join('')
  return digits.replace(/^(.{8})(.{4})(.{4})(.{4})/, '$1-$2-$3-$4-')
}
