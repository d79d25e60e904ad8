// Takes the sockets of a server of our own, reads what comes first, and opens those connections whose handshake is
// plain. All else, and all that does not come in one piece, goes to node:http as if nobody had looked at it.

import { Buffer } from 'node:buffer'
import type { Server as HttpServer } from 'node:http'
import type { Socket } from 'node:net'
import { formatRefusal } from '../handshake/http1.ts'
import { readRequestHead } from '../handshake/request-head.ts'
import { engine } from '../kernel/engine.ts'
import { systemWheel, type TimerTask } from '../timing/timer-wheel.ts'
import { canReadShared } from '../transport/shared-read.ts'
import { SocketTransport } from '../transport/socket-transport.ts'
import type { TransportHandler } from '../transport/transport.ts'
import type { Acceptor } from './acceptor.ts'
import { MAX_HEADERS, PlainRequest } from './received-request.ts'

/** 16 KiB of headers: what Node takes by default, and twice what proxies let through. */
export const MAX_HEADER_SIZE: number = 16 * 1024

/** What node:http does with a socket that it accepted. */
type ParseSocket = (this: HttpServer, socket: Socket) => void

/** Read the first heads of a server's sockets. */
export class HeadReader<Data> implements TimerTask {
  readonly #http: HttpServer
  readonly #acceptor: Acceptor<Data>
  readonly #openTimeout: number
  readonly #parse: ParseSocket
  /** Sockets that have said nothing yet, the oldest first: one timer serves them all. */
  readonly #arrivals = new Set<Arrival<Data>>()
  due: number | undefined = undefined

  /** Take the sockets of `http`, after `prepareSockets`; `undefined` where this runtime does not let us. */
  static install<Data>(
    http: HttpServer,
    acceptor: Acceptor<Data>,
    openTimeout: number,
  ): HeadReader<Data> | undefined {
    if (process.env.OPENLINE_FAST_HANDSHAKE === 'off' || !canReadShared()) return undefined
    const event = 'setSecureContext' in http ? 'secureConnection' : 'connection'
    const [parse, ...others] = http.listeners(event) as ParseSocket[]
    if (parse === undefined || others.length > 0) return undefined
    const reader = new HeadReader(http, acceptor, openTimeout, parse)
    http.removeAllListeners(event)
    http.on(event, (socket) => reader.take(socket))
    return reader
  }

  private constructor(http: HttpServer, acceptor: Acceptor<Data>, openTimeout: number, parse: ParseSocket) {
    this.#http = http
    this.#acceptor = acceptor
    this.#openTimeout = openTimeout
    this.#parse = parse
  }

  /** Take a socket that was just accepted. */
  take(socket: Socket): void {
    const transport = new SocketTransport(socket, EMPTY, engine.kernel)
    const arrival = new Arrival(this, socket, transport, systemWheel.clock.now() + this.#openTimeout)
    if (!transport.peek(arrival)) {
      this.#leaveToNode(socket, transport)
      return
    }
    this.#arrivals.add(arrival)
    if (this.due === undefined) systemWheel.schedule(this, this.#openTimeout)
  }

  onTimer(): void {
    const now = systemWheel.clock.now()
    for (const arrival of this.#arrivals) {
      if (arrival.deadline > now) {
        systemWheel.schedule(this, arrival.deadline - now)
        return
      }
      this.#arrivals.delete(arrival)
      arrival.refuse()
    }
  }

  /** Answer what an arrival has said: the first `length` bytes. */
  answer(arrival: Arrival<Data>, said: Buffer, length: number): void {
    this.forget(arrival)
    const { socket, transport } = arrival
    const text = said.toString('latin1', 0, Math.min(length, MAX_HEADER_SIZE))
    const head = readRequestHead(text, MAX_HEADERS)
    const end = head?.length ?? 0
    // What was read into will be read into again.
    if (end < length) transport.unread(Buffer.from(said.subarray(end, length)))
    if (head === undefined) {
      this.#leaveToNode(socket, transport)
      return
    }
    const own = end === text.length ? text : said.toString('latin1', 0, end)
    this.#acceptor.acceptFrom(new PlainRequest(head, own), socket, transport)
  }

  #leaveToNode(socket: Socket, transport: SocketTransport): void {
    transport.release()
    this.#parse.call(this.#http, socket)
  }

  forget(arrival: Arrival<Data>): void {
    this.#arrivals.delete(arrival)
  }

  /** Drop the sockets that have said nothing. */
  close(): void {
    systemWheel.cancel(this)
    for (const { socket } of this.#arrivals) socket.destroy()
  }
}

const EMPTY = Buffer.alloc(0)
/** Where plain sockets read to, for Buffer's methods. */
let readArea: Buffer | undefined

function asBuffer({ buffer, byteOffset, length }: Uint8Array): Buffer {
  return Buffer.from(buffer, byteOffset, length)
}

/** Wait for a socket's first bytes. */
class Arrival<Data> implements TransportHandler {
  readonly socket: Socket
  readonly transport: SocketTransport
  /** When it must have spoken. */
  readonly deadline: number
  readonly #reader: HeadReader<Data>

  constructor(reader: HeadReader<Data>, socket: Socket, transport: SocketTransport, deadline: number) {
    this.#reader = reader
    this.socket = socket
    this.transport = transport
    this.deadline = deadline
  }

  onRead(length: number): void {
    readArea ??= asBuffer(engine.kernel.memory).subarray(engine.kernel.readStart)
    this.#reader.answer(this, readArea, length)
  }

  onData(bytes: Uint8Array): void {
    this.#reader.answer(this, asBuffer(bytes), bytes.length)
  }

  /** The client ends before it began: there is nothing to answer. */
  onEnd(): void {
    this.socket.destroy()
  }

  onDrain(): void {}

  onClosed(): void {
    this.#reader.forget(this)
  }

  /** Answer a client that has said nothing all the time that it had. */
  refuse(): void {
    this.transport.rewind()
    this.socket.end(formatRefusal({ status: 408, body: 'no request came\n' }))
    this.socket.destroySoon()
  }
}
