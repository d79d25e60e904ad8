// A transport with an ear: what passes through it in both directions is read once more, by readers of their own. It
// changes, delays and throws nothing. It is only there for connections that somebody watches.

import type { Kernel } from '../protocol/kernel.ts'
import type { Address, Transport, TransportHandler } from '../transport/transport.ts'
import type { FrameReader } from './frame-reader.ts'

/** Be told what passes by. */
export interface TapListener {
  /** Reads what we send. */
  readonly sent: FrameReader
  /** Reads what the peer sends. */
  readonly received: FrameReader
  /** The peer will send nothing more. */
  onPeerEnd(): void
  /** We shall send nothing more. */
  onEnd(): void
  /** We drop the stream. */
  onDestroy(): void
}

/** Carry bytes over another transport, and let a listener see them. */
export class TapTransport implements Transport, TransportHandler {
  readonly #inner: Transport
  readonly #kernel: Kernel
  readonly #listener: TapListener
  #handler: TransportHandler | undefined
  /** Where in `bytes` that begins which is committed next. */
  #start = 0
  /** How many calls of the listener are under way: each may run code of users. */
  #depth = 0
  /** What the transport reported meanwhile, to be passed on in the next tick. */
  readonly #postponed: (() => void)[] = []
  #isEnded = false
  #isClosed = false
  /** The listener failed, which is a mistake of ours: better no trace than a broken connection. */
  #isBlind = false

  constructor(inner: Transport, kernel: Kernel, listener: TapListener) {
    this.#inner = inner
    this.#kernel = kernel
    this.#listener = listener
  }

  // --- output: first it is written, and then it is seen ---

  get bytes(): Uint8Array {
    return this.#inner.bytes
  }

  reserve(size: number): number {
    this.#start = this.#inner.reserve(size)
    return this.#start
  }

  commit(end: number): void {
    const written = this.#inner.bytes.subarray(this.#start, end)
    this.#start = end
    this.#inner.commit(end)
    this.#see(this.#listener.sent, written)
  }

  // The memory is given back with the write, but the payload belongs to the sender.
  appendByReference(payload: Uint8Array): void {
    this.#inner.appendByReference(payload)
    this.#see(this.#listener.sent, payload)
  }

  appendShared(frame: Uint8Array): void {
    const inner = this.#inner
    if (inner.appendShared === undefined) inner.appendByReference(frame)
    else inner.appendShared(frame)
    this.#see(this.#listener.sent, frame)
  }

  get isBackedUp(): boolean {
    return this.#inner.isBackedUp
  }

  get taken(): number {
    return this.#inner.taken
  }

  get flushedAt(): number | undefined {
    return this.#inner.flushedAt
  }

  get unsent(): number {
    return this.#inner.unsent
  }

  get localAddress(): Address | undefined {
    return this.#inner.localAddress
  }

  get remoteAddress(): Address | undefined {
    return this.#inner.remoteAddress
  }

  get bufferedAmount(): number {
    return this.#inner.bufferedAmount
  }

  get holdsReference(): boolean {
    return this.#inner.holdsReference
  }

  takeEarlyFlush(): boolean {
    return this.#inner.takeEarlyFlush()
  }

  start(handler: TransportHandler): void {
    this.#handler = handler
    this.#inner.start(this)
  }

  pause(): void {
    this.#inner.pause()
  }

  resume(): void {
    this.#inner.resume()
  }

  flush(): void {
    this.#inner.flush()
  }

  notifyDrain(): void {
    this.#inner.notifyDrain()
  }

  end(): void {
    this.#inner.end()
    if (this.#isEnded || this.#isClosed) return
    this.#isEnded = true
    this.#tell(() => this.#listener.onEnd())
  }

  destroy(): void {
    this.#inner.destroy()
    if (this.#isClosed) return
    this.#isClosed = true
    this.#tell(() => this.#listener.onDestroy())
  }

  // --- input: first it is seen, so that answers come behind it ---

  // What a listener does may have other connections work in the memory: the bytes are safe in a copy only.
  onRead(length: number): void {
    const { memory, readStart } = this.#kernel
    this.#receive(memory.slice(readStart, readStart + length))
  }

  onData(bytes: Uint8Array): void {
    // The slice() of a Buffer would share its memory.
    this.#receive(Uint8Array.prototype.slice.call(bytes))
  }

  #receive(bytes: Uint8Array): void {
    this.#inOrder(() => {
      this.#see(this.#listener.received, bytes)
      this.#handler!.onData(bytes)
    })
  }

  onEnd(): void {
    this.#inOrder(() => {
      this.#tell(() => this.#listener.onPeerEnd())
      this.#handler!.onEnd()
    })
  }

  onDrain(): void {
    this.#handler!.onDrain()
  }

  onClosed(error: Error | undefined): void {
    this.#inOrder(() => {
      this.#isClosed = true
      this.#tell(() => {
        this.#listener.received.close()
        this.#listener.sent.close()
      })
      this.#handler!.onClosed(error)
    })
  }

  // A listener that sends can have a TLS socket deliver input from inside its write. That must come neither before
  // the input that is being listened to, nor in the midst of what the connection is sending.
  #inOrder(deliver: () => void): void {
    if (this.#depth === 0 && this.#postponed.length === 0) {
      deliver()
      return
    }
    this.#postponed.push(deliver)
    if (this.#postponed.length === 1) process.nextTick(() => this.#deliverPostponed())
  }

  #deliverPostponed(): void {
    while (this.#postponed.length > 0) {
      try {
        // It stays in the list while it runs, so that nothing overtakes it.
        this.#postponed[0]!()
      } finally {
        this.#postponed.shift()
      }
    }
  }

  #see(reader: FrameReader, bytes: Uint8Array): void {
    this.#tell(() => reader.feed(bytes))
  }

  #tell(call: () => void): void {
    if (this.#isBlind) return
    this.#depth++
    try {
      call()
    } catch {
      this.#isBlind = true
    } finally {
      this.#depth--
    }
  }
}
