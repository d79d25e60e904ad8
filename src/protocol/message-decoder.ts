// Undoes what extensions did to messages, piece by piece: first the peer's own extensions, then its compression.
// Decompressing may take its time, or stop because nobody takes more: until that is over nothing more may come.

import { ProtocolError } from '../errors.ts'
import type { Compression, DecompressionSink } from './compression.ts'
import { type ExtensionPipeline, ReservedBit } from './extension.ts'
import { type Limits, longestEncoded } from './limits.ts'
import type { ViolationSink } from './message-assembler.ts'
import type { MessageCollector } from './message-collector.ts'
import type { Platform } from './platform.ts'

/** Be told of violations, and when decoding is behind. */
export interface DecoderSink extends ViolationSink {
  /** What was given is not decoded yet: nothing more may be given until `onCaughtUp`. */
  onBehind(): void
  onCaughtUp(): void
}

/** Decode messages. */
export class MessageDecoder implements DecompressionSink {
  readonly #platform: Platform
  readonly #compression: Compression | undefined
  readonly #extensions: ExtensionPipeline | undefined
  readonly #collector: MessageCollector
  readonly #limits: Limits
  readonly #sink: DecoderSink

  #isText = false
  #isFirst = false
  #reservedBits = 0
  #isCompressed = false
  /** Compressed bytes of the message that came so far. */
  #received = 0
  /** All of the message came. */
  #isComplete = false
  #isBehind = false
  #isPaused = false
  #isDiscarding = false

  constructor(options: {
    readonly platform: Platform
    readonly limits: Limits
    readonly compression: Compression | undefined
    /** Absent when no extension transforms messages. */
    readonly extensions: ExtensionPipeline | undefined
    readonly collector: MessageCollector
    readonly sink: DecoderSink
  }) {
    this.#platform = options.platform
    this.#compression = options.compression
    this.#extensions = options.extensions
    this.#collector = options.collector
    this.#limits = options.limits
    this.#sink = options.sink
  }

  /** True when messages without reserved bits have to be decoded too. */
  get takesAll(): boolean {
    return this.#extensions !== undefined
  }

  /** True while what was given is not decoded. */
  get isBehind(): boolean {
    return this.#isBehind
  }

  /** Begin a message; false when there is nothing to decode. */
  begin(isText: boolean, reservedBits: number): boolean {
    this.#isText = isText
    this.#isFirst = true
    this.#reservedBits = reservedBits
    this.#isCompressed = this.#compression !== undefined && (reservedBits & ReservedBit.Rsv1) !== 0
    this.#received = 0
    return this.#isCompressed || this.#extensions !== undefined
  }

  /** Decode the next part of a message that began with something to decode. */
  decode(memory: Uint8Array, start: number, end: number, isEnd: boolean): void {
    if (this.#extensions === undefined) {
      this.#decompress(memory, start, end, isEnd)
      return
    }
    const payload = this.#platform.copy(memory, start, end)
    const piece = { payload, isFirst: this.#isFirst, isLast: isEnd, isText: this.#isText }
    this.#isFirst = false
    const decoded = this.#extensions.decode(piece, this.#reservedBits)
    if (decoded instanceof ProtocolError) this.#sink.onViolation(decoded)
    else this.#decompress(decoded, 0, decoded.length, isEnd)
  }

  #decompress(memory: Uint8Array, start: number, end: number, isEnd: boolean): void {
    if (!this.#isCompressed) {
      this.#collector.takeDecoded(memory, start, end, isEnd)
      return
    }
    this.#received += end - start
    this.#isComplete = isEnd
    if (!this.#checkReceived(this.#limits.maxStreamSize)) return
    if (this.#compression!.decompress(memory, start, end, isEnd, this)) {
      this.#checkCollected()
    } else if (!this.#isDiscarding) {
      this.#isBehind = true
      this.#sink.onBehind()
    }
  }

  // A message of this length may wait for somebody who takes it in pieces. One that does not came to next to nothing.
  #checkCollected(): boolean {
    const { isCollecting, isHeld } = this.#collector
    return this.#isComplete || !isCollecting || isHeld || this.#checkReceived(this.#limits.maxMessageSize)
  }

  /** Hold what came against what a message of this size can need; false when it was refused. */
  #checkReceived(size: number): boolean {
    if (this.#received <= longestEncoded(size)) return true
    const detail = `${this.#received} compressed bytes, more than any message of the allowed size needs`
    if (!this.#isDiscarding) this.#sink.onViolation(new ProtocolError('WS_MESSAGE_TOO_BIG', detail))
    return false
  }

  onDecompressed(bytes: Uint8Array, start: number, end: number, isEnd: boolean): boolean {
    if (this.#isDiscarding || !this.#collector.takeDecoded(bytes, start, end, isEnd)) return false
    return this.#wantsMore
  }

  // A whole message is bounded, and may be finished whoever waits for it.
  get #wantsMore(): boolean {
    const { isCollecting, isHeld } = this.#collector
    return !this.#isDiscarding && !isHeld && (isCollecting || !this.#isPaused)
  }

  onDecompressionReady(): void {
    this.#isBehind = false
    if (!this.#isDiscarding && this.#checkCollected()) this.#sink.onCaughtUp()
  }

  onDecompressionFailed(error: ProtocolError): void {
    if (!this.#isDiscarding) this.#sink.onViolation(error)
  }

  /** Deliver no more pieces than what is under way. */
  pause(): void {
    this.#isPaused = true
  }

  /** Deliver pieces again; `proceed` goes on with them. */
  resume(): void {
    this.#isPaused = false
  }

  /** Go on with what was stopped, if more is wanted now. */
  proceed(): void {
    if (this.#isBehind && this.#wantsMore) this.#compression!.resume()
  }

  /** Deliver nothing from now on. */
  discard(): void {
    this.#isDiscarding = true
  }
}
