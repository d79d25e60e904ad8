// One window with which messages are decompressed. Small ones that come whole go to the decompressor in WebAssembly.
// The others go to zlib, which is given the window: it works at once where it can be driven so, on the thread pool
// otherwise, and where much comes out. Output is handed on in portions, and nothing is made that nobody takes.

import { constants } from 'node:zlib'
import { createFastInflater, type FastInflater } from './fast-inflater.ts'
import type { InflaterSink } from './inflater-sink.ts'
import { canRunSync, createZlib, type ZlibStream } from './sync-zlib.ts'
import { enqueue } from './zlib-queue.ts'

/** Tell how far an inflater came. */
export type InflateResult = 'done' | 'suspended' | 'long' | 'failed'

const OUTPUT_SIZE = 64 * 1024
// What comes out of this much takes a fraction of a millisecond; the rest is better done by another thread.
const MOST_AT_ONCE = 128 * 1024
const LEAST_CHUNK = 64
const STORED_HEADER = 5
// A message that comes in two reads is no reason to stay with zlib. Giving it the window and taking that back takes some
// 50 microseconds, which is what this many messages save that come whole: they have to earn it.
const RETURN_COST = 32
const MOST_CREDIT = 4 * RETURN_COST
// More of them, each an object, would take much more memory than what they hold.
const MOST_PIECES = 8
// A message has one last block at most, if its sender takes its zlib for what it is; thousands only cost us time.
const MOST_RESTARTS = 256
const EMPTY = new Uint8Array(0)
/** What inflaters write to; absent while one does, whose sink may have others work. */
let spare: Uint8Array | undefined

/** Decompress with one window. */
export class Inflater {
  readonly #windowBits: number
  readonly #isSync: boolean
  /** Absent before the first message, and while zlib has the window and keeps it. */
  #fast: FastInflater | undefined
  /** True while zlib has the window. */
  #isWithZlib = false
  /** All that zlib was given of a message, if the window can be taken back after it. */
  #pieces: Uint8Array[] | undefined
  /** How much they may still grow. */
  #room = 0
  #credit = MOST_CREDIT
  /** zlib's, from when it was first needed. */
  #stream: ZlibStream | undefined
  #hasFailed = false
  #isClosed = false
  /** Where the last `inflate` stopped in its input. */
  #position = 0
  /** Last blocks in the message so far that something followed. */
  #restarts = 0
  /** Tells the work on the thread pool that its output is wanted again. */
  #resume: (() => void) | undefined

  constructor(windowBits: number) {
    this.#windowBits = windowBits
    this.#isSync = canRunSync()
  }

  #open(): ZlibStream {
    const windowBits = this.#windowBits
    const stream = createZlib('inflate', {
      windowBits,
      ...(this.#isSync ? { chunkSize: LEAST_CHUNK } : {}),
    })
    // It is reported where the work was asked for; here it must only have a listener.
    stream.on('error', ignore)
    if (this.#isSync) {
      const handle = stream._handle
      const { onerror } = handle
      handle.onerror = (...details) => {
        this.#hasFailed = true
        onerror.apply(handle, details)
      }
    }
    return stream
  }

  /** Have zlib go on with the window as it is. */
  #takeStream(): ZlibStream {
    const stream = (this.#stream ??= this.#open())
    if (this.#isWithZlib) return stream
    this.#isWithZlib = true
    const window = this.#fast?.copyWindow()
    if (window !== undefined && window.length > 0) fillWindow(stream, window)
    return stream
  }

  /** Note a piece that zlib gets; the first one when it has just been given the window. */
  #notePiece(bytes: Uint8Array, start: number, end: number, isFirst: boolean): void {
    if (isFirst && this.#credit >= RETURN_COST) {
      this.#fast ??= createFastInflater(this.#windowBits)
      this.#pieces = []
      this.#room = this.#fast?.longestMessage ?? 0
    }
    this.#room -= end - start
    if (this.#room < 0 || this.#pieces?.length === MOST_PIECES) this.#leaveWindow()
    this.#pieces?.push(bytes.slice(start, end))
  }

  /** Let zlib keep the window. */
  #leaveWindow(): void {
    this.#pieces = undefined
    this.#fast?.close()
    this.#fast = undefined
  }

  /** Take the window back after a message, if all of it is known. */
  #takeWindow(): void {
    if (this.#pieces === undefined || this.#fast?.follow(Buffer.concat(this.#pieces)) !== true) {
      this.#leaveWindow()
      return
    }
    this.#pieces = undefined
    this.#isWithZlib = false
    this.#credit -= RETURN_COST
    this.#stream!.close()
    this.#stream = undefined
  }

  /** True when `inflate` can be called; otherwise only `inflateLater`. */
  get isSync(): boolean {
    return this.#isSync
  }

  /** Where the last `inflate` stopped in its input, when it is not done. */
  get position(): number {
    return this.#position
  }

  /**
   * Decompress a whole message now, which comes without its tail, if it is small. Return false for others, of which
   * nothing was done.
   */
  inflateSmall(input: Uint8Array, start: number, end: number, sink: InflaterSink): boolean {
    if (this.#isWithZlib || !this.#isSync) return false
    const fast = (this.#fast ??= createFastInflater(this.#windowBits))
    if (fast?.inflate(input, start, end, sink) !== true) return false
    if (this.#credit < MOST_CREDIT) this.#credit++
    return true
  }

  /**
   * Decompress now, as far as the sink takes it and as long as it is not too much; `isEnd` is passed on with the last
   * portion. What is left begins at `position`.
   */
  inflate(input: Uint8Array, start: number, end: number, isEnd: boolean, sink: InflaterSink): InflateResult {
    const output = spare ?? new Uint8Array(OUTPUT_SIZE)
    spare = undefined
    const result = this.#inflateInto(output, input, start, end, isEnd, sink)
    spare = output
    return result
  }

  #inflateInto(
    output: Uint8Array,
    input: Uint8Array,
    start: number,
    end: number,
    isEnd: boolean,
    sink: InflaterSink,
  ): InflateResult {
    const isFirst = !this.#isWithZlib && !isEnd
    const { _handle: handle, _writeState: state } = this.#takeStream()
    this.#notePiece(input, start, end, isFirst)
    let position = start
    let filled = 0
    let total = 0
    for (;;) {
      handle.writeSync(
        constants.Z_SYNC_FLUSH,
        input,
        position,
        end - position,
        output,
        filled,
        OUTPUT_SIZE - filled,
      )
      if (this.#hasFailed) return 'failed'
      position = end - state[1]!
      filled = OUTPUT_SIZE - state[0]!
      if (filled === OUTPUT_SIZE) {
        this.#position = position
        total += filled
        // It does not go on with a piece.
        this.#leaveWindow()
        if (!sink.onOutput(output, 0, filled, false)) return 'suspended'
        if (total >= MOST_AT_ONCE) return 'long'
        filled = 0
      } else if (position < end) {
        // RFC 7692 section 7.2.3.4 allows a last block within a message: what follows is a stream of its own.
        if (++this.#restarts > MOST_RESTARTS) return 'failed'
        handle.reset()
      } else {
        if (isEnd) this.#endMessage()
        sink.onOutput(output, 0, filled, isEnd)
        return 'done'
      }
    }
  }

  // Before the last output is handed on: whoever takes it may close this, or give it to others.
  #endMessage(): void {
    this.#restarts = 0
    this.#takeWindow()
  }

  /**
   * Decompress on the thread pool and call `done`. The input must not change until then. When the sink wants no more,
   * it goes on with `resume()`.
   */
  inflateLater(
    input: Uint8Array,
    isEnd: boolean,
    sink: InflaterSink,
    done: (hasFailed: boolean) => void,
  ): void {
    enqueue((leave) => {
      const finish = (hasFailed: boolean): void => {
        leave()
        this.#resume = undefined
        if (isEnd) this.#restarts = 0
        if (!hasFailed && !this.#isClosed) sink.onOutput(EMPTY, 0, 0, isEnd)
        done(hasFailed)
      }
      this.#inflateByStream(input, sink, leave, finish)
    })
  }

  /** Whoever has to wait for `resume()` leaves the queue to others. */
  #inflateByStream(
    input: Uint8Array,
    sink: InflaterSink,
    leave: () => void,
    finish: (hasFailed: boolean) => void,
  ): void {
    if (this.#isClosed) {
      finish(false)
      return
    }
    const stream = this.#takeStream()
    this.#leaveWindow()
    if (this.#isSync) prepareOutput(stream, OUTPUT_SIZE)
    const startedAt = bytesRead(stream)
    let isWritten = false
    let isOver = false
    const stop = (): void => {
      isOver = true
      stream.off('data', onData).off('end', onEnd).off('error', onError).off('close', onClose)
      // Where it was closed, another thread may still be writing to the memory, which must live as long as the stream.
      if (this.#isSync && !this.#isClosed) prepareOutput(stream, LEAST_CHUNK)
    }
    const settle = (): void => {
      if (isOver || !isWritten || this.#resume !== undefined || length(stream) > 0) return
      // A last block leaves unread what follows: the stream comes to its end then.
      if (bytesRead(stream) - startedAt < input.length) return
      stop()
      finish(false)
    }
    const onData = (chunk: Uint8Array): void => {
      if (!this.#isClosed && !sink.onOutput(chunk, 0, chunk.length, false)) {
        stream.pause()
        leave()
        this.#resume = () => {
          stream.resume()
          settle()
        }
        return
      }
      settle()
    }
    // A last block within the message: what follows is a stream of its own, and this one is over.
    const onEnd = (): void => {
      stop()
      const rest = input.subarray(bytesRead(stream) - startedAt)
      stream.close()
      if (this.#isClosed) {
        finish(false)
      } else if (rest.length > 0 && ++this.#restarts > MOST_RESTARTS) {
        finish(true)
      } else {
        this.#stream = this.#open()
        this.#inflateByStream(rest, sink, leave, finish)
      }
    }
    const onError = (): void => {
      stop()
      finish(true)
    }
    const onClose = (): void => {
      stop()
      finish(false)
    }
    stream.on('data', onData).on('end', onEnd).on('error', onError).on('close', onClose)
    stream.write(input, () => {
      isWritten = true
      settle()
    })
    stream.resume()
  }

  /** Go on with the output of `inflateLater`. */
  resume(): void {
    const resume = this.#resume
    this.#resume = undefined
    resume?.()
  }

  /** Begin with an empty window. */
  reset(): void {
    this.#restarts = 0
    this.#pieces = undefined
    this.#fast?.reset()
    if (this.#isWithZlib) this.#stream!.reset()
    this.#isWithZlib = false
  }

  /** Give back the memory. What is under way ends soon. */
  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#fast?.close()
    this.#stream?.close()
  }
}

/** Give zlib what is in the window, as a block without compression (RFC 1951 section 3.2.4). */
function fillWindow({ _handle: handle }: ZlibStream, window: Uint8Array): void {
  const size = window.length
  const block = new Uint8Array(STORED_HEADER + size)
  block.set([0, size & 0xff, size >> 8, ~size & 0xff, (~size >> 8) & 0xff])
  block.set(window, STORED_HEADER)
  // With room to spare, so that zlib comes to the end of the block.
  const output = new Uint8Array(size + 1)
  handle.writeSync(constants.Z_SYNC_FLUSH, block, 0, block.length, output, 0, output.length)
}

/** Give a stream memory for what it makes on the thread pool, or take it away. */
function prepareOutput(stream: ZlibStream, size: number): void {
  stream._chunkSize = size
  stream._outBuffer = Buffer.allocUnsafeSlow(size)
  stream._outOffset = 0
}

function bytesRead(stream: ZlibStream): number {
  return (stream as unknown as { bytesWritten: number }).bytesWritten
}

function length(stream: ZlibStream): number {
  return (stream as unknown as { readableLength: number }).readableLength
}

function ignore(): void {}
