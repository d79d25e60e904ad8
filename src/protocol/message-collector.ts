// The last station of what comes in: pieces of a message are collected until it is whole, or delivered one by one as
// they come. Text is validated and limits are held here. Knows nothing of frames and extensions.

import { ProtocolError, type ProtocolErrorCode } from '../errors.ts'
import { GrowableBytes } from './growable-bytes.ts'
import type { Limits } from './limits.ts'
import { decodeMessage, type Message } from './message.ts'
import type { Platform } from './platform.ts'
import { TextPieces } from './text-pieces.ts'
import { Utf8Validator } from './utf8.ts'

/** Be told what the collector finds. */
export interface MessageSink {
  onMessage(message: Message): void
  /** A piece of a message came that is taken in pieces; the last one may be empty. */
  onPiece(piece: Message, isEnd: boolean): void
  /**
   * A message is too large to be collected, but not to be taken in pieces. Return true to have it wait for
   * `takePieces` or `refuseHeld`, false to refuse it now.
   */
  onOversize(): boolean
  onViolation(error: ProtocolError): void
}

/** What happens to a message. */
const Delivery = { Collect: 0, Pieces: 1, Drop: 2 } as const
type Delivery = (typeof Delivery)[keyof typeof Delivery]

/** Collect messages. */
export class MessageCollector {
  readonly #platform: Platform
  readonly #limits: Limits
  readonly #sink: MessageSink

  /** True from the beginning of a message to its end. */
  #isUnderWay = false
  #isText = false
  /** True when the bytes came as they are, so that text is validated while it arrives. */
  #isPlain = true
  /** How large the message is as far as that is known: announced, or what came out of extensions. */
  #size = 0
  /** False once a byte was not ASCII. */
  #ascii = true
  /** Parts that had to be kept, because the message did not lie in memory as a whole. */
  #parts: GrowableBytes | undefined
  #utf8: Utf8Validator | undefined

  #delivery: Delivery = Delivery.Collect
  /** Who dropped a message asked for the next one in pieces. */
  #isNextInPieces = false
  #areAllInPieces = false
  #text: TextPieces | undefined
  /** The message is too large to be collected, and waits for somebody who takes it in pieces. */
  #isHeld = false
  /** The message that waits is complete. */
  #isHeldWhole = false

  constructor(platform: Platform, limits: Limits, sink: MessageSink) {
    this.#platform = platform
    this.#limits = limits
    this.#sink = sink
  }

  /** True unless the message under way, or else the next, is taken in pieces or dropped. */
  get isCollecting(): boolean {
    return this.#delivery === Delivery.Collect
  }

  /** True while a message waits that is too large: nothing more may be given to it. */
  get isHeld(): boolean {
    return this.#isHeld
  }

  /** Tell whether a message of this size can be delivered at once, without a beginning. */
  takesWhole(size: number): boolean {
    return size <= this.#limits.maxMessageSize && this.#delivery === Delivery.Collect
  }

  /** Begin a message. `isPlain` says that its bytes come as they are, and are announced. */
  begin(isText: boolean, isPlain: boolean): void {
    this.#isUnderWay = true
    this.#isText = isText
    this.#isPlain = isPlain
    this.#size = 0
    this.#ascii = true
  }

  /** Hear how large a plain message is at least; false when it was refused. */
  announce(size: number): boolean {
    this.#size = size
    return this.#checkSize()
  }

  /** Take a part of a plain message. `ascii` is true when all its bytes are known to be. */
  take(memory: Uint8Array, start: number, end: number, ascii: boolean, isEnd: boolean): void {
    if (this.#delivery !== Delivery.Collect) {
      this.#deliverPiece(memory, start, end, isEnd)
      return
    }
    if (isEnd && !this.#isHeld && (this.#parts === undefined || this.#parts.length === 0)) {
      // Nothing was kept aside: the message lies in memory after all.
      this.#isUnderWay = false
      this.#deliver(decodeMessage(this.#platform, this.#isText, memory, start, end, ascii))
      return
    }
    if (this.#isPlain && this.#isText && !this.#validate(memory, start, end, ascii)) return
    this.#parts ??= new GrowableBytes(this.#platform)
    this.#parts.append(memory, start, end, this.#isPlain ? this.#size : 0)
    if (!isEnd) return
    if (this.#isHeld) this.#isHeldWhole = true
    else this.#finish(this.#parts.take())
  }

  /** Take a part of a message that came out of extensions; false when it was refused. */
  takeDecoded(memory: Uint8Array, start: number, end: number, isEnd: boolean): boolean {
    this.#size += end - start
    if (!this.#checkSize()) return false
    this.take(memory, start, end, false, isEnd)
    return true
  }

  // --- pieces ---

  /** Deliver in pieces: what there is of the message under way, and the rest as it comes; else the next message. */
  takePieces(): void {
    if (this.#delivery === Delivery.Drop) {
      this.#isNextInPieces = true
      return
    }
    this.#delivery = Delivery.Pieces
    if (!this.#isUnderWay) return
    const isEnd = this.#isHeldWhole
    const parts = this.#takeParts()
    if (parts !== undefined && parts.length > 0) this.#deliverPiece(parts, 0, parts.length, isEnd)
  }

  /** Deliver all messages in pieces, beginning with the next. */
  takeAllInPieces(): void {
    this.#areAllInPieces = true
    this.#delivery = Delivery.Pieces
  }

  /** Forget the rest of the message that is taken in pieces, or is held, and collect the next. */
  dropPieces(): void {
    this.#isNextInPieces = false
    if (this.#delivery === Delivery.Collect && !this.#isHeld) return
    if (this.#isHeldWhole) this.#isUnderWay = false
    this.#takeParts()
    this.#text = undefined
    this.#delivery = this.#isUnderWay ? Delivery.Drop : Delivery.Collect
  }

  /** Take what was kept of the message under way, which waits no longer. */
  #takeParts(): Uint8Array | undefined {
    this.#isHeld = false
    this.#isHeldWhole = false
    this.#utf8?.reset()
    return this.#parts?.take()
  }

  /** Refuse the message that waits, if one does: nobody takes it in pieces. */
  refuseHeld(): void {
    if (this.#isHeld) this.#refuseSize()
  }

  #deliverPiece(memory: Uint8Array, start: number, end: number, isEnd: boolean): void {
    const isDropped = this.#delivery === Delivery.Drop
    if (isEnd) {
      this.#isUnderWay = false
      this.#delivery = this.#areAllInPieces || this.#isNextInPieces ? Delivery.Pieces : Delivery.Collect
      this.#isNextInPieces = false
    }
    if (isDropped) return
    const piece = this.#isText
      ? this.#decodeText(memory, start, end, isEnd)
      : this.#platform.copy(memory, start, end)
    if (piece === undefined) this.#fail('WS_BAD_UTF8')
    else if (piece.length > 0 || isEnd) this.#sink.onPiece(piece, isEnd)
  }

  #decodeText(memory: Uint8Array, start: number, end: number, isEnd: boolean): string | undefined {
    this.#text ??= new TextPieces(this.#platform)
    return this.#text.decode(memory, start, end, isEnd)
  }

  // --- whole messages ---

  /** The message is complete in `bytes`, which now belong to nobody else. */
  #finish(bytes: Uint8Array): void {
    this.#isUnderWay = false
    if (!this.#isText) {
      this.#sink.onMessage(bytes)
    } else if (!this.#isPlain) {
      this.#deliver(this.#platform.decodeUtf8(bytes, 0, bytes.length))
    } else if (this.#ascii) {
      this.#sink.onMessage(this.#platform.decodeAscii(bytes, 0, bytes.length))
    } else {
      const isComplete = this.#utf8!.isComplete
      this.#utf8!.reset()
      // Every byte was validated while it arrived; only the end of the last character can be missing.
      this.#deliver(isComplete ? this.#platform.decodeUtf8(bytes, 0, bytes.length) : undefined)
    }
  }

  #deliver(message: Message | undefined): void {
    if (message === undefined) this.#fail('WS_BAD_UTF8')
    else this.#sink.onMessage(message)
  }

  // RFC 6455 section 8.1 lets an endpoint fail as soon as the bytes cannot be UTF-8 any more, and waiting for
  // the end of a message that may be large would only help an attacker.
  #validate(memory: Uint8Array, start: number, end: number, ascii: boolean): boolean {
    if (ascii && this.#ascii) return true
    this.#ascii = false
    this.#utf8 ??= new Utf8Validator(this.#platform)
    return this.#utf8.validate(memory, start, end) || this.#fail('WS_BAD_UTF8')
  }

  // --- limits ---

  /** Hold the size of the message under way against the limits; false when it was refused. */
  #checkSize(): boolean {
    const { maxMessageSize, maxStreamSize } = this.#limits
    const isCollecting = this.#delivery === Delivery.Collect
    if (this.#size <= (isCollecting ? maxMessageSize : maxStreamSize)) return true
    if (isCollecting && this.#size <= maxStreamSize) {
      if (this.#isHeld) return true
      // Whoever is asked may take it in pieces, or drop it, before answering.
      this.#isHeld = true
      if (this.#sink.onOversize()) return true
      this.#isHeld = false
    }
    return this.#refuseSize()
  }

  #refuseSize(): false {
    const { maxMessageSize, maxStreamSize } = this.#limits
    const limit =
      this.#delivery === Delivery.Collect
        ? `maxMessageSize is ${maxMessageSize}`
        : `maxStreamSize is ${maxStreamSize}`
    return this.#fail('WS_MESSAGE_TOO_BIG', `${this.#size} bytes, while ${limit}`)
  }

  #fail(code: ProtocolErrorCode, detail?: string): false {
    this.#sink.onViolation(new ProtocolError(code, detail))
    return false
  }
}
