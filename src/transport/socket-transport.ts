// TCP, TLS and Unix sockets as a transport. Plain sockets read straight into the kernel's memory; TLS sockets
// read into a landing place first, because a TLS write can deliver input while the memory is being parsed.

import { Buffer } from 'node:buffer'
import { Socket } from 'node:net'
import type { Duplex } from 'node:stream'
import { TLSSocket } from 'node:tls'
import type { Kernel } from '../protocol/kernel.ts'
import { BufferedTransport } from './buffered-transport.ts'
import {
  countTaken,
  type DirectWriter,
  NOT_WRITTEN,
  tryDirectWrite,
  writeAllDirectly,
  writeDirectly,
} from './direct-write.ts'
import { beginTurn, endTurn, flushAll } from './flush-queue.ts'
import { attachSharedRead, returnReads, trySharedRead } from './shared-read.ts'
import type { Address, Transport, TransportHandler } from './transport.ts'

const EMPTY = Buffer.alloc(0)
// A TLS record holds at most 16 KiB; several can be read at once.
const tlsLanding = new Uint8Array(64 * 1024)

const readMemories = new WeakMap<Kernel, Uint8Array>()

/** The transport of a socket is found through the socket, so that listeners need no closures of their own. */
const owner = Symbol('openline.transport')
type OwnedSocket = Duplex & { [owner]: SocketTransport }

/** Find out once per process what this runtime's sockets can do; before that they take the ordinary ways. */
export async function prepareSockets(): Promise<void> {
  await Promise.all([trySharedRead(), tryDirectWrite()])
}

/** Carry bytes over a socket, or over any other duplex stream. */
export class SocketTransport extends BufferedTransport implements Transport, DirectWriter {
  readonly #socket: Duplex
  readonly #kernel: Kernel
  /** Bytes that came with the handshake. */
  #head: Uint8Array | undefined
  /** True between `peek` and `start` or `rewind`. */
  #isPeeking = false
  #handler: TransportHandler | undefined
  #error: Error | undefined
  #isEnded = false
  #isPaused = false
  /** A TCP or Unix socket, which the system reads and writes without more ado. */
  readonly #isPlain: boolean
  /** True when the system has taken all of what was written; what the handshake wrote may wait in the stream. */
  #isSettled = false
  /** Bytes of a direct write that the system did not take at once. */
  #directRest = 0
  /** A payload was written by reference and not taken at once. */
  #hasReferenced = false
  /** What waited when the stream went, which forgets it. */
  #unsent = 0

  constructor(socket: Duplex, head: Uint8Array, kernel: Kernel) {
    super()
    this.#socket = socket
    this.#kernel = kernel
    this.#error = socket.errored ?? undefined
    this.#head = head.length > 0 ? head : undefined
    this.#isPlain = socket instanceof Socket && !(socket instanceof TLSSocket)
    // From here on an error of the socket has somebody who listens, whatever happens before `start`.
    const owned = socket as OwnedSocket
    owned[owner] = this
    socket.on('error', onSocketError)
    socket.on('close', onSocketClose)
    if (socket instanceof Socket) {
      socket.setTimeout(0)
      socket.setNoDelay(true)
    }
  }

  get localAddress(): Address | undefined {
    const socket = this.#socket
    if (!(socket instanceof Socket) || socket.localAddress === undefined) return undefined
    return { host: plainAddress(socket.localAddress), port: socket.localPort ?? 0 }
  }

  get remoteAddress(): Address | undefined {
    const socket = this.#socket
    if (!(socket instanceof Socket) || socket.remoteAddress === undefined) return undefined
    return { host: plainAddress(socket.remoteAddress), port: socket.remotePort ?? 0 }
  }

  get bufferedAmount(): number {
    return this.#isSettled ? this.unflushed : this.unflushed + this.#untaken
  }

  get taken(): number {
    return countTaken(this.#socket)
  }

  get unsent(): number {
    return this.#unsent
  }

  get holdsReference(): boolean {
    if (this.#hasReferenced && this.#untaken === 0) this.#hasReferenced = false
    return this.#hasReferenced
  }

  get isBackedUp(): boolean {
    return !this.#isSettled && (this.#socket.writableNeedDrain || this.#directRest > 0)
  }

  /** Bytes that were written and that the system has not taken. */
  get #untaken(): number {
    const untaken = this.#directRest + this.#socket.writableLength
    this.#isSettled = untaken === 0
    return untaken
  }

  /**
   * Have what comes first delivered before it is known who will use the socket: then `unread` and `start`, `rewind` or
   * `release` follow. False where only the socket's stream can read, or has begun to.
   */
  peek(handler: TransportHandler): boolean {
    const socket = this.#socket
    if (socket.destroyed || socket.readableLength > 0 || !this.#attachSharedRead()) return false
    this.#isPeeking = true
    this.#handler = handler
    socket.on('end', onSocketEnd)
    return true
  }

  /** Have bytes delivered that came in `peek` and were not for its handler. They must not change any more. */
  unread(bytes: Uint8Array): void {
    this.#head = bytes
  }

  /**
   * End `peek`: what comes is in the socket's stream, for whoever reads it. What is unread is kept for `start`, as in
   * the stream it would hide the end of a client that goes away.
   */
  rewind(): void {
    if (!this.#isPeeking) return
    this.#isPeeking = false
    this.#handler = undefined
    const socket = this.#socket as Socket
    socket.off('end', onSocketEnd)
    returnReads(socket)
  }

  /** Rewind, and leave the socket to others, with what is unread in its stream. */
  release(): void {
    this.rewind()
    const socket = this.#socket as OwnedSocket
    if (this.#head !== undefined) socket.push(this.#head)
    this.#head = undefined
    socket.off('error', onSocketError).off('close', onSocketClose)
    delete (socket as Partial<OwnedSocket>)[owner]
  }

  start(handler: TransportHandler): void {
    const socket = this.#socket
    const wasPeeking = this.#isPeeking
    this.#isPeeking = false
    this.#handler = handler
    if (socket.destroyed) {
      // 'close' may have been and gone.
      if (socket.closed) process.nextTick(onSocketClose.bind(socket as OwnedSocket))
      return
    }
    if (!wasPeeking) socket.on('end', onSocketEnd)
    socket.on('drain', onSocketDrain)
    if (this.#head !== undefined) {
      handler.onData(this.#head)
      this.#head = undefined
    }
    if (!wasPeeking) {
      for (let chunk = socket.read(); chunk !== null; chunk = socket.read()) handler.onData(chunk)
      if (!this.#attachSharedRead()) socket.on('data', onSocketData)
    }
    // Whoever opened the connection, or a message in the head, may have paused it already; read() has begun to read.
    if (this.#isPaused) socket.pause()
    else if (!wasPeeking) socket.resume()
    flushAll()
  }

  #attachSharedRead(): boolean {
    const socket = this.#socket
    if (socket instanceof TLSSocket) return attachSharedRead(socket, tlsLanding, onTlsRead)
    if (!(socket instanceof Socket)) return false
    return attachSharedRead(socket, readMemory(this.#kernel), onPlainRead)
  }

  pause(): void {
    this.#isPaused = true
    this.#socket.pause()
  }

  resume(): void {
    this.#isPaused = false
    // Before `start` nobody listens: what flowed would be lost.
    if (this.#handler !== undefined) this.#socket.resume()
  }

  /** Pause the stream again if it flows although it was paused. */
  stayPaused(): void {
    if (this.#isPaused) this.#socket.pause()
  }

  notifyDrain(): void {
    // Below its own mark the stream does not report; an empty write does when all before it is gone.
    if (this.#directRest === 0 && !this.#socket.writableNeedDrain && !this.#isEnded) {
      this.#socket.write(EMPTY, (error) => {
        if (error == null) this.#handler?.onDrain()
      })
    }
  }

  end(): void {
    if (this.#isEnded) return
    this.flush()
    this.#isEnded = true
    this.#socket.end()
  }

  destroy(): void {
    this.#noteUnsent()
    this.discardOutput()
    this.#isEnded = true
    this.#socket.destroy()
  }

  // What the system does not take at once stays referenced. A socket that is behind already, and TLS, which is
  // always behind, get a copy of exactly the size; otherwise the memory is given away if need be.
  protected write(bytes: Uint8Array): boolean {
    if (this.#isEnded) return true
    if (this.#isBehind()) {
      this.#writeByStream(bytes.slice())
      return true
    }
    return this.#writeAtOnce(bytes, undefined)
  }

  protected writePair(head: Uint8Array, payload: Uint8Array): boolean {
    if (this.#isEnded) return true
    const isBehind = this.#isBehind()
    if (isBehind) this.#writeByStream(head.slice(), payload)
    else if (this.#writeAtOnce(head, payload)) return true
    this.#hasReferenced = true
    return isBehind
  }

  protected override writeShared(frames: readonly Uint8Array[]): void {
    if (this.#isEnded) return
    if (!this.#isBehind()) {
      const rest = writeAllDirectly(this.#socket as Socket, frames, this)
      if (rest !== NOT_WRITTEN) {
        this.#expect(rest)
        return
      }
    }
    this.#writeByStream(...frames)
  }

  #noteUnsent(): void {
    this.#unsent = Math.max(this.#unsent, this.bufferedAmount)
  }

  #isBehind(): boolean {
    return !this.#isPlain || (!this.#isSettled && this.#untaken > 0)
  }

  /** Write to a plain socket that has nothing to write; true when the system took all. */
  #writeAtOnce(bytes: Uint8Array, more: Uint8Array | undefined): boolean {
    const rest = writeDirectly(this.#socket as Socket, bytes, more, this)
    if (rest === 0) return true
    if (rest === NOT_WRITTEN) {
      if (more === undefined) this.#writeByStream(bytes)
      else this.#writeByStream(bytes, more)
      return this.#untaken === 0
    }
    this.#expect(rest)
    return false
  }

  /** Note what a direct write left over. */
  #expect(rest: number): void {
    if (rest === 0) return
    this.#directRest = rest
    this.#isSettled = false
  }

  #writeByStream(...pieces: readonly Uint8Array[]): void {
    const socket = this.#socket
    if (socket.destroyed) return
    this.#isSettled = false
    if (pieces.length > 1) socket.cork()
    for (const piece of pieces) socket.write(piece)
    if (pieces.length > 1) socket.uncork()
  }

  // --- what the socket reports ---

  receiveRead(length: number): void {
    beginTurn()
    try {
      this.#handler!.onRead(length)
    } finally {
      endTurn()
    }
  }

  receiveData(bytes: Uint8Array): void {
    beginTurn()
    try {
      this.#handler!.onData(bytes)
    } finally {
      endTurn()
    }
  }

  receiveWritten(error: Error | undefined): void {
    if (error !== undefined) this.#noteUnsent()
    this.#directRest = 0
    if (error !== undefined) this.#socket.destroy(error)
    else if (this.#socket.writableLength > 0) this.notifyDrain()
    else this.#handler?.onDrain()
  }

  receiveEnd(): void {
    this.#handler!.onEnd()
  }

  receiveDrain(): void {
    this.#handler!.onDrain()
  }

  receiveError(error: Error): void {
    this.#error ??= error
    this.#noteUnsent()
  }

  receiveClose(): void {
    this.#isEnded = true
    this.discardOutput()
    const handler = this.#handler
    this.#handler = undefined
    handler?.onClosed(this.#error)
  }
}

/** The part of a kernel's memory that sockets read into: one view for all of them. */
function readMemory(kernel: Kernel): Uint8Array {
  let view = readMemories.get(kernel)
  if (view === undefined) {
    const { memory, readStart, readSize } = kernel
    view = memory.subarray(readStart, readStart + readSize)
    readMemories.set(kernel, view)
  }
  return view
}

/** An IPv4 client of a server that listens on IPv6 too shows as ::ffff:192.0.2.1; its address is what follows. */
function plainAddress(address: string): string {
  return address.startsWith('::ffff:') && address.includes('.') ? address.slice(7) : address
}

function onPlainRead(this: Socket, length: number): boolean {
  ;(this as unknown as OwnedSocket)[owner].receiveRead(length)
  return true
}

function onTlsRead(this: Socket, length: number): boolean {
  ;(this as unknown as OwnedSocket)[owner].receiveData(tlsLanding.subarray(0, length))
  return true
}

function onSocketData(this: Duplex, chunk: Uint8Array): void {
  const transport = (this as OwnedSocket)[owner]
  transport.receiveData(chunk)
  // Streams resume by themselves when a 'readable' listener of the handshake goes.
  transport.stayPaused()
}

function onSocketEnd(this: Duplex): void {
  ;(this as OwnedSocket)[owner].receiveEnd()
}

function onSocketDrain(this: Duplex): void {
  ;(this as OwnedSocket)[owner].receiveDrain()
}

function onSocketError(this: Duplex, error: Error): void {
  ;(this as OwnedSocket)[owner].receiveError(error)
}

function onSocketClose(this: Duplex): void {
  ;(this as OwnedSocket)[owner].receiveClose()
}
