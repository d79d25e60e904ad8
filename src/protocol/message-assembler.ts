// Frames become pieces of messages here: the rules of fragmentation are held. Pieces go to the collector, by way of
// the decoder when extensions have changed them. Knows nothing of control frames, masking or chunks.

import { ProtocolError, type ProtocolErrorCode } from '../errors.ts'
import type { Limits } from './limits.ts'
import type { MessageCollector } from './message-collector.ts'
import type { MessageDecoder } from './message-decoder.ts'
import { Opcode } from './opcode.ts'

/** Name the kinds of messages that an end takes. */
export type AcceptedMessages = 'any' | 'text' | 'binary'

/** Take data frames, of any kind and in any portions. */
export interface FrameSink {
  /** True while a text message is under way whose bytes are text on the wire too. */
  readonly isPlainText: boolean
  /**
   * Tell whether a message of one frame without reserved bits could come now, may, and needs nothing of what is done
   * here. If not, `beginFrame` says why.
   */
  takesWhole(opcode: number, length: number): boolean
  /** Take the header of a data frame; false when it breaks a rule or a limit, which was reported. */
  beginFrame(opcode: number, fin: boolean, reservedBits: number, length: number): boolean
  /**
   * Take unmasked payload of the frame that began last. `ascii` is only looked at for plain text; `isLast` says
   * that the frame ends here.
   */
  payload(memory: Uint8Array, start: number, end: number, ascii: boolean, isLast: boolean): void
}

/** Be told of broken rules. */
export interface ViolationSink {
  onViolation(error: ProtocolError): void
}

const NO_MESSAGE = -1
const NONE_REFUSED = -1

/** Find the opcode of the messages that are refused, or a number that is none. */
export function refusedOpcode(accept: AcceptedMessages): number {
  if (accept === 'any') return NONE_REFUSED
  return accept === 'text' ? Opcode.Binary : Opcode.Text
}

/** Join frames to messages. */
export class MessageAssembler implements FrameSink {
  readonly #limits: Limits
  readonly #refused: number
  readonly #collector: MessageCollector
  readonly #decoder: MessageDecoder | undefined
  readonly #sink: ViolationSink

  /** The opcode of the message that is under way. */
  #opcode = NO_MESSAGE
  /** True when the payload on the wire is not the message. */
  #isEncoded = false
  #fin = false
  #fragments = 0
  /** Payload bytes of the message that its frames have announced so far. */
  #announced = 0

  constructor(options: {
    readonly limits: Limits
    /** The opcode of messages that are not taken. */
    readonly refused: number
    readonly collector: MessageCollector
    /** Absent when nothing changes messages. */
    readonly decoder?: MessageDecoder | undefined
    readonly sink: ViolationSink
  }) {
    this.#limits = options.limits
    this.#refused = options.refused
    this.#collector = options.collector
    this.#decoder = options.decoder
    this.#sink = options.sink
  }

  get isPlainText(): boolean {
    return this.#opcode === Opcode.Text && !this.#isEncoded && this.#collector.isCollecting
  }

  /** True while a message has begun, has not ended, and is kept as far as it came. */
  get isCollecting(): boolean {
    return this.#opcode !== NO_MESSAGE && this.#collector.isCollecting && !this.#collector.isHeld
  }

  takesWhole(opcode: number, length: number): boolean {
    return (
      this.#opcode === NO_MESSAGE &&
      opcode !== this.#refused &&
      this.#collector.takesWhole(length) &&
      (this.#decoder === undefined || !this.#decoder.takesAll)
    )
  }

  beginFrame(opcode: number, fin: boolean, reservedBits: number, length: number): boolean {
    if (opcode === Opcode.Continuation) {
      if (this.#opcode === NO_MESSAGE) return this.#fail('WS_UNEXPECTED_CONTINUATION')
      // RFC 7692 section 6: extensions mark a message on its first frame only.
      if (reservedBits !== 0) return this.#fail('WS_RESERVED_BITS', 'on a continuation frame')
      // A message that is delivered in pieces may go on for ever: nothing of it stays.
      if (++this.#fragments > this.#limits.maxFragments && this.#collector.isCollecting) {
        return this.#fail('WS_TOO_MANY_FRAGMENTS', `more than ${this.#limits.maxFragments}`)
      }
    } else {
      if (this.#opcode !== NO_MESSAGE) return this.#fail('WS_EXPECTED_CONTINUATION')
      if (opcode === this.#refused) {
        return this.#fail('WS_DATA_NOT_ACCEPTED', opcode === Opcode.Text ? 'text' : 'binary')
      }
      const isText = opcode === Opcode.Text
      this.#opcode = opcode
      this.#fragments = 1
      this.#announced = 0
      this.#isEncoded = this.#decoder?.begin(isText, reservedBits) ?? false
      this.#collector.begin(isText, !this.#isEncoded)
    }
    this.#fin = fin
    this.#announced += length
    // The size of an encoded message shows when it is decoded.
    return this.#isEncoded || this.#collector.announce(this.#announced)
  }

  payload(memory: Uint8Array, start: number, end: number, ascii: boolean, isLast: boolean): void {
    const isEnd = isLast && this.#fin
    if (isEnd) this.#opcode = NO_MESSAGE
    if (this.#isEncoded) this.#decoder!.decode(memory, start, end, isEnd)
    else this.#collector.take(memory, start, end, ascii, isEnd)
  }

  #fail(code: ProtocolErrorCode, detail?: string): false {
    this.#sink.onViolation(new ProtocolError(code, detail))
    return false
  }
}
