// Undoes what extensions did to single frames, before their payload counts as part of a message. Such a frame has to
// be whole first. Only connections with an extension of this kind have this station.

import { ProtocolError } from '../errors.ts'
import type { ExtensionPipeline } from './extension.ts'
import { GrowableBytes } from './growable-bytes.ts'
import type { FrameSink, ViolationSink } from './message-assembler.ts'
import type { Platform } from './platform.ts'

/** Decode frames. */
export class FrameDecoder implements FrameSink {
  readonly isPlainText = false
  readonly #extensions: ExtensionPipeline
  readonly #longest: number
  readonly #next: FrameSink
  readonly #sink: ViolationSink
  readonly #payload: GrowableBytes
  #opcode = 0
  #fin = false
  #reservedBits = 0
  #length = 0

  constructor(options: {
    readonly platform: Platform
    readonly extensions: ExtensionPipeline
    /** The longest payload of a frame that is taken, in bytes. */
    readonly maxFrameSize: number
    readonly next: FrameSink
    readonly sink: ViolationSink
  }) {
    this.#extensions = options.extensions
    this.#longest = options.maxFrameSize
    this.#next = options.next
    this.#sink = options.sink
    this.#payload = new GrowableBytes(options.platform)
  }

  takesWhole(): boolean {
    return false
  }

  beginFrame(opcode: number, fin: boolean, reservedBits: number, length: number): boolean {
    if (length > this.#longest) {
      const detail = `a frame of ${length} bytes, while an extension takes ${this.#longest}`
      this.#sink.onViolation(new ProtocolError('WS_MESSAGE_TOO_BIG', detail))
      return false
    }
    this.#opcode = opcode
    this.#fin = fin
    this.#reservedBits = reservedBits
    this.#length = length
    return true
  }

  payload(memory: Uint8Array, start: number, end: number, _ascii: boolean, isLast: boolean): void {
    this.#payload.append(memory, start, end, this.#length)
    if (!isLast) return
    const frame = this.#extensions.decodeFrame({
      fin: this.#fin,
      reservedBits: this.#reservedBits,
      opcode: this.#opcode,
      payload: this.#payload.take(),
    })
    if (frame instanceof ProtocolError) {
      this.#sink.onViolation(frame)
      return
    }
    const { opcode, fin, reservedBits, payload } = frame
    if (this.#next.beginFrame(opcode, fin, reservedBits, payload.length)) {
      this.#next.payload(payload, 0, payload.length, false, true)
    }
  }
}
