// The writing half that all transports share: frames are gathered in memory and leave in one write.

import { allocateMessage } from '../kernel/message-memory.ts'
import type { Output } from '../protocol/output.ts'
import { flushAll, flushLater, readFlushTime } from './flush-queue.ts'

// A frame seldom is larger, and a write of 64 KiB costs the system no more per byte than a larger one.
const SLOT_SIZE = 64 * 1024
// A turn that writes to many connections takes a slot for each; beyond this number they are flushed early, so
// that a broadcast does not hold memory for every subscriber at once.
const MOST_SLOTS = 16
// A write to many connections gathers frames by reference; more than this in one turn is no gain.
const MOST_SHARED = 64
const EMPTY = new Uint8Array(0)

const freeSlots: Uint8Array[] = []
let slotsInUse = 0

function takeSlot(): Uint8Array {
  slotsInUse++
  return freeSlots.pop() ?? new Uint8Array(SLOT_SIZE)
}

/** Gather output and write it in one piece. */
export abstract class BufferedTransport implements Output {
  bytes: Uint8Array = EMPTY
  #length = 0
  /** Frames that others send too, behind what lies in `bytes`. */
  #shared: Uint8Array[] | undefined
  #sharedLength = 0
  #isNoted = false
  #flushedAt: number | undefined
  #hasFlushedEarly = false

  abstract get isBackedUp(): boolean

  /** Write bytes; true when they may be overwritten as soon as this returns. */
  protected abstract write(bytes: Uint8Array): boolean

  /** Write frames that never change. */
  protected writeShared(frames: readonly Uint8Array[]): void {
    for (const frame of frames) this.write(frame)
  }

  /** Write bytes and then others, which stay unchanged until they were sent; true when `head` may be overwritten. */
  protected abstract writePair(head: Uint8Array, payload: Uint8Array): boolean

  get flushedAt(): number | undefined {
    return this.#flushedAt
  }

  /** Give the time in whole ms. */
  protected readTime(): number {
    return readFlushTime()
  }

  /** Bytes that wait for the end of the turn. */
  protected get unflushed(): number {
    return this.#length + this.#sharedLength
  }

  reserve(size: number): number {
    if (this.#sharedLength > 0) this.flush()
    while (this.bytes.length - this.#length < size) this.#makeRoom(size)
    return this.#length
  }

  commit(end: number): void {
    this.#length = end
    this.#note()
  }

  appendShared(frame: Uint8Array): void {
    const length = this.#length
    if (this.#sharedLength === 0 && length > 0 && length + frame.length <= this.bytes.length) {
      // Something is on its way already: one piece is written faster than two.
      this.bytes.set(frame, length)
      this.commit(length + frame.length)
      return
    }
    this.#shared ??= []
    this.#shared.push(frame)
    this.#sharedLength += frame.length
    if (this.#shared.length >= MOST_SHARED || this.#sharedLength >= SLOT_SIZE) this.flush()
    else this.#note()
  }

  #note(): void {
    if (this.#isNoted) return
    this.#isNoted = true
    flushLater(this)
  }

  appendByReference(payload: Uint8Array): void {
    this.#hasFlushedEarly = true
    if (this.#sharedLength > 0) this.flush()
    const { bytes } = this
    const head = bytes.subarray(0, this.#length)
    this.#forget()
    this.#flushedAt = this.readTime()
    recycle(bytes, this.writePair(head, payload))
  }

  /** Write what stands before the frames: the head of an HTTP message. */
  writeLatin1(text: string): void {
    const offset = this.reserve(text.length)
    for (let index = 0; index < text.length; index++) this.bytes[offset + index] = text.charCodeAt(index)
    this.commit(offset + text.length)
  }

  flush(): void {
    this.#isNoted = false
    if (this.#length === 0 && this.#sharedLength === 0) return
    this.#flushedAt = this.readTime()
    if (this.#length > 0) {
      const { bytes } = this
      const written = bytes.subarray(0, this.#length)
      this.#forget()
      recycle(bytes, this.write(written))
    }
    if (this.#sharedLength > 0) {
      const shared = this.#shared!
      this.#shared = undefined
      this.#sharedLength = 0
      this.writeShared(shared)
    }
  }

  takeEarlyFlush(): boolean {
    const hasFlushedEarly = this.#hasFlushedEarly
    this.#hasFlushedEarly = false
    return hasFlushedEarly
  }

  /** Give back the memory and forget what it holds; nothing will be written any more. */
  protected discardOutput(): void {
    const { bytes } = this
    this.#forget()
    this.#shared = undefined
    this.#sharedLength = 0
    recycle(bytes, true)
  }

  #forget(): void {
    this.bytes = EMPTY
    this.#length = 0
  }

  #makeRoom(size: number): void {
    if (this.#length > 0) this.#hasFlushedEarly = true
    this.flush()
    if (slotsInUse >= MOST_SLOTS) flushAll()
    // A write can deliver input, whose handlers write here in turn: then look again.
    if (this.#length > 0) return
    // flush() leaves nothing behind but a reservation that was never committed.
    recycle(this.bytes, true)
    this.bytes = size <= SLOT_SIZE ? takeSlot() : allocateMessage(size)
  }
}

function recycle(bytes: Uint8Array, isFree: boolean): void {
  if (bytes.length !== SLOT_SIZE) return
  slotsInUse--
  if (isFree) freeSlots.push(bytes)
}
