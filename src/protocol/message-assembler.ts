// Frames become messages here: fragments are joined, text is validated while it arrives, limits are held.
// Knows nothing of control frames, masking or chunks; the parser sees to those.

import { ProtocolError, type ProtocolErrorCode } from '../errors.ts'
import type { ExtensionPipeline } from './extension.ts'
import { GrowableBytes } from './growable-bytes.ts'
import type { Limits } from './limits.ts'
import { Opcode } from './opcode.ts'
import type { Platform } from './platform.ts'
import { Utf8Validator } from './utf8.ts'

/** A whole message: text as a string, binary as bytes that belong to the receiver. */
export type Message = string | Uint8Array

/** Name the kinds of messages that an end takes. */
export type AcceptedMessages = 'any' | 'text' | 'binary'

/** Be told what the assembler finds. */
export interface MessageSink {
  onMessage(message: Message): void
  onViolation(error: ProtocolError): void
}

const NO_MESSAGE = -1

/** Join frames to messages. */
export class MessageAssembler {
  readonly #platform: Platform
  readonly #limits: Limits
  readonly #extensions: ExtensionPipeline
  readonly #refused: number
  readonly #sink: MessageSink

  /** The opcode of the message that is under way. */
  #opcode = NO_MESSAGE
  #reservedBits = 0
  #fin = false
  #fragments = 0
  /** Payload bytes of the message that its frames have announced so far. */
  #announced = 0
  /** False once a byte was not ASCII. */
  #ascii = true
  /** Parts that had to be kept, because the message did not lie in memory as a whole. */
  #parts: GrowableBytes | undefined
  #utf8: Utf8Validator | undefined

  constructor(options: {
    readonly platform: Platform
    readonly limits: Limits
    readonly extensions: ExtensionPipeline
    readonly accept: AcceptedMessages
    readonly sink: MessageSink
  }) {
    this.#platform = options.platform
    this.#limits = options.limits
    this.#extensions = options.extensions
    this.#refused =
      options.accept === 'text' ? Opcode.Binary : options.accept === 'binary' ? Opcode.Text : NO_MESSAGE
    this.#sink = options.sink
  }

  /** True while a text message is under way whose bytes are text on the wire too. */
  get isPlainText(): boolean {
    return this.#opcode === Opcode.Text && this.#reservedBits === 0
  }

  /** True while a message has begun and not ended. */
  get isIncomplete(): boolean {
    return this.#opcode !== NO_MESSAGE
  }

  /** Tell whether a message of one frame could come now, and may. If not, `beginFrame` says why. */
  takesWhole(opcode: number, length: number): boolean {
    return this.#opcode === NO_MESSAGE && opcode !== this.#refused && length <= this.#limits.maxMessageSize
  }

  /** Take a message of one unmasked frame without reserved bits, for which `takesWhole` was true. */
  whole(opcode: number, memory: Uint8Array, start: number, end: number, ascii: boolean): void {
    if (opcode === Opcode.Binary) {
      this.#sink.onMessage(this.#platform.copy(memory, start, end))
    } else if (ascii) {
      this.#sink.onMessage(this.#platform.decodeAscii(memory, start, end))
    } else {
      this.#deliverText(this.#platform.decodeUtf8(memory, start, end))
    }
  }

  /** Take the header of a data frame; false when it breaks a rule or a limit, which the sink was told. */
  beginFrame(opcode: number, fin: boolean, reservedBits: number, length: number): boolean {
    if (opcode === Opcode.Continuation) {
      if (this.#opcode === NO_MESSAGE) return this.#fail('WS_UNEXPECTED_CONTINUATION')
      // RFC 7692 section 6: extensions mark a message on its first frame only.
      if (reservedBits !== 0) return this.#fail('WS_RESERVED_BITS', 'on a continuation frame')
      if (++this.#fragments > this.#limits.maxFragments) {
        return this.#fail('WS_TOO_MANY_FRAGMENTS', `more than ${this.#limits.maxFragments}`)
      }
    } else {
      if (this.#opcode !== NO_MESSAGE) return this.#fail('WS_EXPECTED_CONTINUATION')
      if (opcode === this.#refused) {
        return this.#fail('WS_DATA_NOT_ACCEPTED', opcode === Opcode.Text ? 'text' : 'binary')
      }
      this.#opcode = opcode
      this.#reservedBits = reservedBits
      this.#fragments = 1
      this.#announced = 0
      this.#ascii = true
    }
    this.#fin = fin
    this.#announced += length
    if (this.#announced > this.#limits.maxMessageSize) {
      return this.#fail(
        'WS_MESSAGE_TOO_BIG',
        `${this.#announced} bytes, while maxMessageSize is ${this.#limits.maxMessageSize}`,
      )
    }
    return true
  }

  /**
   * Take unmasked payload of the frame that began last. `ascii` is only looked at for plain text; `isLast` says
   * that the frame ends here.
   */
  payload(memory: Uint8Array, start: number, end: number, ascii: boolean, isLast: boolean): void {
    const isWhole = isLast && this.#fin
    if (isWhole && this.#reservedBits === 0 && (this.#parts === undefined || this.#parts.length === 0)) {
      // Nothing was kept aside: the message lies in memory after all.
      const opcode = this.#opcode
      this.#opcode = NO_MESSAGE
      this.whole(opcode, memory, start, end, ascii)
      return
    }
    if (this.isPlainText && !this.#validate(memory, start, end, ascii)) return
    this.#parts ??= new GrowableBytes(this.#platform)
    this.#parts.append(memory, start, end, this.#announced)
    if (isWhole) this.#finish(this.#parts.take())
  }

  /** The message is complete in `bytes`, which now belong to nobody else. */
  #finish(bytes: Uint8Array): void {
    const opcode = this.#opcode
    const ascii = this.#ascii
    const reservedBits = this.#reservedBits
    this.#opcode = NO_MESSAGE
    if (reservedBits !== 0) {
      const decoded = this.#extensions.decode(bytes, reservedBits, this.#limits.maxMessageSize)
      if (decoded instanceof ProtocolError) this.#sink.onViolation(decoded)
      else if (opcode === Opcode.Binary) this.#sink.onMessage(decoded)
      else this.#deliverText(this.#platform.decodeUtf8(decoded, 0, decoded.length))
    } else if (opcode === Opcode.Binary) {
      this.#sink.onMessage(bytes)
    } else if (ascii) {
      this.#sink.onMessage(this.#platform.decodeAscii(bytes, 0, bytes.length))
    } else {
      const isComplete = this.#utf8!.isComplete
      this.#utf8!.reset()
      // Every byte was validated while it arrived; only the end of the last character can be missing.
      this.#deliverText(isComplete ? this.#platform.decodeUtf8(bytes, 0, bytes.length) : undefined)
    }
  }

  #deliverText(text: string | undefined): void {
    if (text === undefined) this.#fail('WS_BAD_UTF8')
    else this.#sink.onMessage(text)
  }

  // RFC 6455 section 8.1 lets an endpoint fail as soon as the bytes cannot be UTF-8 any more, and waiting for
  // the end of a message that may be large would only help an attacker.
  #validate(memory: Uint8Array, start: number, end: number, ascii: boolean): boolean {
    if (ascii && this.#ascii) return true
    this.#ascii = false
    this.#utf8 ??= new Utf8Validator(this.#platform)
    return this.#utf8.validate(memory, start, end) || this.#fail('WS_BAD_UTF8')
  }

  #fail(code: ProtocolErrorCode, detail?: string): false {
    this.#sink.onViolation(new ProtocolError(code, detail))
    return false
  }
}
