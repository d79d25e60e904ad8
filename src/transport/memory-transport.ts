// Two transports that are each other's peer, in memory. They deliver in microtasks, never from inside a write,
// and can be told to cut what they carry into pieces, to hold it back or to drop the line.

import { Buffer } from 'node:buffer'
import { type Clock, systemClock } from '../timing/clock.ts'
import { BufferedTransport } from './buffered-transport.ts'
import { flushAll } from './flush-queue.ts'
import type { Address, Transport, TransportHandler } from './transport.ts'

/** Control how a pair carries bytes. */
export interface MemoryTransportOptions {
  /** The largest piece in which bytes are delivered; by default as they were written. */
  readonly chunkSize?: number
  /** How many bytes may be under way before a writer counts as backed up: 64 KiB by default. */
  readonly highWaterMark?: number
  /** Time for when bytes were sent; the system's by default. */
  readonly clock?: Clock
}

const ADDRESS: Address = { host: 'memory', port: 0 }
const HIGH_WATER_MARK = 64 * 1024

/** Carry bytes to a peer in the same process. */
export class MemoryTransport extends BufferedTransport implements Transport {
  readonly localAddress: Address = ADDRESS
  readonly remoteAddress: Address = ADDRESS
  /** Payloads are copied. */
  readonly holdsReference = false
  readonly #chunkSize: number
  readonly #highWaterMark: number
  readonly #clock: Clock
  #peer!: MemoryTransport
  #handler: TransportHandler | undefined
  /** What the peer wrote and we did not deliver. */
  #inbox: Uint8Array[] = []
  #inboxSize = 0
  #isPaused = false
  #isHeld = false
  #isDelivering = false
  #peerEnded = false
  #hasSeenEnd = false
  #isEnded = false
  #isDestroyed = false
  #error: Error | undefined
  #wantsDrain = false
  #sent = 0
  #unsent = 0

  private constructor(options: MemoryTransportOptions) {
    super()
    this.#chunkSize = options.chunkSize ?? Number.POSITIVE_INFINITY
    this.#highWaterMark = options.highWaterMark ?? HIGH_WATER_MARK
    this.#clock = options.clock ?? systemClock
  }

  /** Make two transports, each the other's peer. */
  static pair(options: MemoryTransportOptions = {}): [MemoryTransport, MemoryTransport] {
    const first = new MemoryTransport(options)
    const second = new MemoryTransport(options)
    first.#peer = second
    second.#peer = first
    return [first, second]
  }

  get bufferedAmount(): number {
    return this.unflushed + this.#peer.#inboxSize
  }

  get taken(): number {
    return this.#sent - this.#peer.#inboxSize
  }

  get unsent(): number {
    return this.#unsent
  }

  protected override readTime(): number {
    return Math.trunc(this.#clock.now())
  }

  get isBackedUp(): boolean {
    const isBackedUp = this.#peer.#inboxSize >= this.#highWaterMark
    if (isBackedUp) this.#wantsDrain = true
    return isBackedUp
  }

  start(handler: TransportHandler): void {
    this.#handler = handler
    if (this.#isDestroyed) this.#reportClosed()
    else this.#deliverLater()
  }

  pause(): void {
    this.#isPaused = true
  }

  resume(): void {
    this.#isPaused = false
    this.#deliverLater()
  }

  /** Deliver nothing until `release`, as a line does that went silent. */
  hold(): void {
    this.#isHeld = true
  }

  /** Deliver again. */
  release(): void {
    this.#isHeld = false
    this.#deliverLater()
  }

  notifyDrain(): void {
    this.#wantsDrain = true
    if (this.bufferedAmount === 0) queueMicrotask(() => this.#drained())
  }

  end(): void {
    if (this.#isEnded) return
    this.flush()
    this.#isEnded = true
    const peer = this.#peer
    peer.#peerEnded = true
    peer.#deliverLater()
    if (this.#hasSeenEnd) this.#close(undefined)
  }

  destroy(): void {
    this.#close(undefined)
    this.#peer.#close(undefined)
  }

  /** Drop the line for both ends, as a reset does. */
  fail(error: Error): void {
    this.#close(error)
    this.#peer.#close(error)
  }

  protected write(bytes: Uint8Array): boolean {
    this.#send(bytes)
    return true
  }

  protected writePair(head: Uint8Array, payload: Uint8Array): boolean {
    this.#send(Buffer.concat([head, payload]))
    return true
  }

  #send(bytes: Uint8Array): void {
    const peer = this.#peer
    if (this.#isEnded || peer.#isDestroyed) return
    for (let position = 0; position < bytes.length; position += this.#chunkSize) {
      peer.#inbox.push(Uint8Array.prototype.slice.call(bytes, position, position + this.#chunkSize))
    }
    peer.#inboxSize += bytes.length
    this.#sent += bytes.length
    peer.#deliverLater()
  }

  #deliverLater(): void {
    if (this.#isDelivering) return
    this.#isDelivering = true
    queueMicrotask(() => this.#deliver())
  }

  #deliver(): void {
    while (this.#handler !== undefined && !this.#isPaused && !this.#isHeld) {
      const chunk = this.#inbox.shift()
      if (chunk === undefined) break
      this.#inboxSize -= chunk.length
      this.#handler.onData(chunk)
      flushAll()
    }
    this.#isDelivering = false
    if (this.#inbox.length > 0) return
    this.#peer.#drained()
    if (this.#peerEnded && this.#handler !== undefined && !this.#isPaused && !this.#isHeld) {
      this.#peerEnded = false
      this.#hasSeenEnd = true
      this.#handler.onEnd()
      if (this.#isEnded) this.#close(undefined)
    }
  }

  #drained(): void {
    if (!this.#wantsDrain) return
    this.#wantsDrain = false
    this.#handler?.onDrain()
  }

  #close(error: Error | undefined): void {
    if (this.#isDestroyed) return
    this.#isDestroyed = true
    this.#isEnded = true
    this.#error = error
    this.#unsent = this.bufferedAmount
    this.discardOutput()
    this.#reportClosed()
  }

  #reportClosed(): void {
    queueMicrotask(() => {
      const handler = this.#handler
      this.#handler = undefined
      handler?.onClosed(this.#error)
    })
  }
}
