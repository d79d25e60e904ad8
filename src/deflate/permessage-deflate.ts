// permessage-deflate (RFC 7692) for one connection: which window a message is compressed with, which it is
// decompressed with, and when windows come and go. A sender may begin any message with an empty window, whatever was
// agreed: that is how windows are given back, and how one compressed message can go to many peers.

import { constants, deflateRaw, deflateRawSync, type ZlibOptions } from 'node:zlib'
import { ProtocolError } from '../errors.ts'
import type { Compression, DecompressionSink } from '../protocol/compression.ts'
import type { PreparedMessage } from '../protocol/prepared-message.ts'
import type { Role } from '../protocol/protocol.ts'
import type { TimerTask, TimerWheel } from '../timing/timer-wheel.ts'
import { type Deflater, type DeflateSettings, zlibSettings } from './deflater.ts'
import type { FastDeflater } from './fast-deflater.ts'
import { TAIL } from './fast-inflater.ts'
import type { Inflater } from './inflater.ts'
import type { InflaterSink } from './inflater-sink.ts'
import type { DeflateParameters } from './negotiation.ts'
import { LEAST_WINDOW_BITS, type ResolvedCompressionOptions } from './options.ts'
import { Savings } from './savings.ts'
import { canDeflateNow, deflaterPool, inflaterPool, type WindowPool } from './window-pool.ts'
import { enqueue } from './zlib-queue.ts'

// Compressing this much takes a good part of a millisecond.
const LONG = 32 * 1024
const CHUNK = 64 * 1024
// Larger pieces than this pay for memory of their own.
const SMALL = 64 * 1024
// What compressing nothing gives (RFC 7692 section 7.2.3.6).
const NOTHING = Uint8Array.of(0x00)
const EMPTY = new Uint8Array(0)

/** Compress and decompress as was agreed. */
export class PerMessageDeflate implements Compression, InflaterSink, TimerTask {
  readonly threshold: number
  readonly #settings: DeflateSettings
  readonly #deflaters: WindowPool<Deflater | FastDeflater>
  readonly #inflaters: WindowPool<Inflater>
  readonly #keepsDeflater: boolean
  readonly #keepsInflater: boolean
  readonly #idleTimeout: number
  readonly #wheel: TimerWheel
  readonly #savings: Savings | undefined
  /** zlib has no window as small as the peer wants: messages go as they are. */
  readonly #isUnable: boolean

  #deflater: Deflater | FastDeflater | undefined
  /** The peer's window is not ours: the next message begins with an empty one. */
  #isStale = false
  /** True when the deflater was used since the timer was set. */
  #wasUsed = false
  #isCompressing = false
  due: number | undefined = undefined

  #inflater: Inflater | undefined
  #sink: DecompressionSink | undefined
  /** What is left of a piece while nobody takes more. */
  #rest: Uint8Array | undefined
  #isLast = false
  #isInflatingLater = false
  #hasFailed = false
  #isClosed = false

  constructor(role: Role, agreed: DeflateParameters, options: ResolvedCompressionOptions, wheel: TimerWheel) {
    const isServer = role === 'server'
    const agreedBits = isServer ? agreed.serverMaxWindowBits : agreed.clientMaxWindowBits
    const ownBits = isServer ? options.serverMaxWindowBits : options.clientMaxWindowBits
    this.#isUnable = agreedBits < LEAST_WINDOW_BITS
    this.#settings = {
      windowBits: Math.max(Math.min(agreedBits, ownBits), LEAST_WINDOW_BITS),
      level: options.level,
      memLevel: options.memLevel,
    }
    this.#deflaters = deflaterPool(this.#settings)
    this.#keepsDeflater = !(isServer ? agreed.serverNoContextTakeover : agreed.clientNoContextTakeover)
    this.#keepsInflater = !(isServer ? agreed.clientNoContextTakeover : agreed.serverNoContextTakeover)
    const inflateBits = isServer ? agreed.clientMaxWindowBits : agreed.serverMaxWindowBits
    // zlib knows no smaller window, and a larger one decompresses the same.
    this.#inflaters = inflaterPool(Math.max(inflateBits, LEAST_WINDOW_BITS))
    this.threshold = Math.max(options.threshold, 1)
    this.#idleTimeout = options.idleTimeout
    this.#wheel = wheel
    this.#savings = options.adaptive ? new Savings() : undefined
  }

  // --- out ---

  isWorthwhile(size: number | undefined): boolean {
    if (this.#isUnable || (size !== undefined && size < this.threshold)) return false
    // Asked in any case: it counts.
    const shouldTry = this.#savings === undefined || this.#savings.shouldTry()
    // Fragments can be compressed later, too.
    return shouldTry && (size === undefined || canDeflateNow(this.#settings))
  }

  isLong(size: number): boolean {
    if (size < this.threshold || this.#isUnable || this.#savings?.isResting === true) return false
    return size > LONG || !canDeflateNow(this.#settings)
  }

  compress(bytes: Uint8Array): Uint8Array | undefined {
    const deflater = this.#takeDeflater()
    const compressed = withoutTail(deflater.deflate(bytes))
    this.#giveDeflater(deflater)
    return this.#judge(bytes.length, compressed)
  }

  // A message of this size has all the window it needs in itself: it begins with an empty one, so that the public
  // function for whole messages does it.
  compressLater(bytes: Uint8Array, done: (compressed: Uint8Array | undefined) => void): void {
    this.#deflateLater(bytes, (compressed) => {
      this.#isStale = true
      done(compressed === undefined ? undefined : this.#judge(bytes.length, withoutTail(compressed)))
    })
  }

  compressPiece(bytes: Uint8Array, isLast: boolean, done: (compressed: Uint8Array) => void): void {
    if (this.#isClosed) {
      done(EMPTY)
      return
    }
    if (bytes.length === 0) {
      // Flushing twice in a row gives nothing.
      if (isLast) this.#endPieces()
      done(isLast ? NOTHING : EMPTY)
      return
    }
    const finish = (compressed: Uint8Array): void => {
      this.#savings?.note(bytes.length, compressed.length)
      if (isLast) this.#endPieces()
      done(isLast ? withoutTail(compressed) : compressed)
    }
    if (canDeflateNow(this.#settings)) {
      if (!this.#isCompressing) this.#deflater = this.#takeDeflater()
      this.#isCompressing = true
      finish(this.#deflater!.deflate(bytes))
    } else {
      // Each piece begins with an empty window, which nobody can tell from the outside.
      this.#deflateLater(bytes, (compressed) => finish(compressed ?? EMPTY))
    }
  }

  #endPieces(): void {
    this.#isCompressing = false
    if (this.#deflater !== undefined) this.#giveDeflater(this.#deflater)
  }

  compressShared(message: PreparedMessage): Uint8Array | undefined {
    if (!message.isCompressible || this.#isUnable || message.payload.length < this.threshold) return undefined
    const frame = message.compressed(this.#deflaters.name, (payload) =>
      compressAlone(payload, this.#settings),
    )
    if (frame !== undefined) this.#isStale = true
    return frame
  }

  /** Decide what to send; what is no gain has spoilt the window, because the peer will not see it. */
  #judge(plain: number, compressed: Uint8Array): Uint8Array | undefined {
    this.#savings?.note(plain, compressed.length)
    if (compressed.length < plain) return compressed
    this.#isStale = true
    return undefined
  }

  #takeDeflater(): Deflater | FastDeflater {
    const kept = this.#deflater
    if (kept === undefined) {
      this.#isStale = false
      const deflater = this.#deflaters.take()
      if (this.#keepsDeflater) {
        this.#deflater = deflater
        if (this.#idleTimeout !== Number.POSITIVE_INFINITY) this.#wheel.schedule(this, this.#idleTimeout)
      }
      return deflater
    }
    if (this.#isStale) kept.reset()
    this.#isStale = false
    this.#wasUsed = true
    return kept
  }

  #giveDeflater(deflater: Deflater | FastDeflater): void {
    if (this.#keepsDeflater) return
    this.#deflater = undefined
    this.#deflaters.give(deflater)
  }

  /** Give the window back when it was not used for long. */
  onTimer(): void {
    if (this.#wasUsed || this.#isCompressing) {
      this.#wasUsed = false
      this.#wheel.schedule(this, this.#idleTimeout)
    } else if (this.#deflater !== undefined) {
      this.#deflaters.give(this.#deflater)
      this.#deflater = undefined
    }
  }

  /** Compress on the thread pool, with an empty window; `undefined` when the connection is over meanwhile. */
  #deflateLater(bytes: Uint8Array, done: (compressed: Uint8Array | undefined) => void): void {
    enqueue((leave) => {
      deflateRaw(bytes, wholeMessage(this.#settings), (error, compressed) => {
        leave()
        done(error === null && !this.#isClosed ? compressed : undefined)
      })
    })
  }

  // --- in ---

  decompress(
    bytes: Uint8Array,
    start: number,
    end: number,
    isLast: boolean,
    sink: DecompressionSink,
  ): boolean {
    const inflater = (this.#inflater ??= this.#inflaters.take())
    this.#sink = sink
    if (isLast && inflater.inflateSmall(bytes, start, end, this)) {
      this.#endMessage()
      return !this.#isClosed
    }
    if (!isLast) return this.#inflateAny(bytes, start, end, false)
    // RFC 7692 section 7.2.2: "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload".
    const size = end - start
    const input = takeRoom(size)
    input.set(bytes.subarray(start, end))
    input.set(TAIL, size)
    const isDone = this.#inflateAny(input, 0, size + TAIL.length, true)
    giveRoom(input)
    return isDone
  }

  #inflateAny(bytes: Uint8Array, start: number, end: number, isLast: boolean): boolean {
    if (this.#inflater!.isSync) return this.#inflate(bytes, start, end, isLast)
    this.#inflateLater(bytes.slice(start, end), isLast)
    return false
  }

  /** Decompress now as much as may be; true when all is done. */
  #inflate(bytes: Uint8Array, start: number, end: number, isLast: boolean): boolean {
    const inflater = this.#inflater!
    const result = inflater.inflate(bytes, start, end, isLast, this)
    // Whoever took the output closed it: the window is no longer ours.
    if (this.#isClosed) return false
    if (result === 'done') {
      if (isLast) this.#endMessage()
      return true
    }
    if (result === 'failed') {
      this.#fail()
      return true
    }
    const rest = bytes.slice(inflater.position, end)
    if (result === 'long') {
      this.#inflateLater(rest, isLast)
    } else {
      this.#rest = rest
      this.#isLast = isLast
    }
    return false
  }

  #inflateLater(bytes: Uint8Array, isLast: boolean): void {
    this.#isInflatingLater = true
    this.#inflater!.inflateLater(bytes, isLast, this, (hasFailed) => {
      this.#isInflatingLater = false
      if (this.#isClosed) return
      if (hasFailed) {
        this.#fail()
        return
      }
      if (isLast) this.#endMessage()
      this.#sink!.onDecompressionReady()
    })
  }

  onOutput(bytes: Uint8Array, start: number, end: number, isEnd: boolean): boolean {
    return this.#sink!.onDecompressed(bytes, start, end, isEnd) && !this.#isClosed
  }

  resume(): void {
    if (this.#isInflatingLater) {
      this.#inflater?.resume()
      return
    }
    const rest = this.#rest
    if (rest === undefined) return
    this.#rest = undefined
    if (this.#inflate(rest, 0, rest.length, this.#isLast) && !this.#hasFailed) {
      this.#sink!.onDecompressionReady()
    }
  }

  #fail(): void {
    this.#hasFailed = true
    this.#inflater!.close()
    this.#inflater = undefined
    this.#sink!.onDecompressionFailed(new ProtocolError('WS_BAD_COMPRESSION'))
  }

  #endMessage(): void {
    if (this.#keepsInflater || this.#inflater === undefined) return
    this.#inflaters.give(this.#inflater)
    this.#inflater = undefined
  }

  // --- the end ---

  close(): void {
    if (this.#isClosed) return
    this.#isClosed = true
    this.#wheel.cancel(this)
    if (this.#deflater !== undefined) this.#deflaters.give(this.#deflater)
    this.#deflater = undefined
    this.#rest = undefined
    if (this.#inflater === undefined) return
    if (this.#isInflatingLater) this.#inflater.close()
    else this.#inflaters.give(this.#inflater)
    this.#inflater = undefined
  }
}

/** Compress a message for many peers, or give `undefined` when that is no gain. */
function compressAlone(payload: Uint8Array, settings: DeflateSettings): Uint8Array | undefined {
  const compressed = withoutTail(
    canDeflateNow(settings)
      ? deflateWithSpare(payload, settings)
      : deflateRawSync(payload, wholeMessage(settings)),
  )
  return compressed.length < payload.length ? compressed : undefined
}

function deflateWithSpare(payload: Uint8Array, settings: DeflateSettings): Uint8Array {
  const pool = deflaterPool(settings)
  const deflater = pool.take()
  const compressed = deflater.deflate(payload)
  pool.give(deflater)
  return compressed
}

/** The options of Node's functions that compress a whole message. */
function wholeMessage(settings: DeflateSettings): ZlibOptions {
  return { ...zlibSettings(settings), finishFlush: constants.Z_SYNC_FLUSH, chunkSize: CHUNK }
}

// RFC 7692 section 7.2.1: "Remove 4 octets (that are 0x00 0x00 0xff 0xff) from the tail end".
function withoutTail(compressed: Uint8Array): Uint8Array {
  return compressed.subarray(0, compressed.length - TAIL.length)
}

/** Room for compressed bytes and the tail; absent while it is in use, because sinks may have others work. */
let spareRoom: Uint8Array | undefined

function takeRoom(size: number): Uint8Array {
  if (size > SMALL) return new Uint8Array(size + TAIL.length)
  const room = spareRoom ?? new Uint8Array(SMALL + TAIL.length)
  spareRoom = undefined
  return room
}

function giveRoom(room: Uint8Array): void {
  if (room.length === SMALL + TAIL.length) spareRoom = room
}
