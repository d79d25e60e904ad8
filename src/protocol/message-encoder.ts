// What goes out, where messages do not travel as they are: it is compressed, goes through the extensions, and becomes
// frames. The counterpart of the decoder. Compressed messages lie in memory that is only lent, so that nobody else may
// get a turn before they are written.

import type { Compression } from './compression.ts'
import { type ExtensionFrame, type ExtensionPipeline, ReservedBit } from './extension.ts'
import { FIN, type FrameSerializer } from './frame-serializer.ts'
import { LONGEST_HEADER } from './limits.ts'
import { Opcode } from './opcode.ts'
import type { Output } from './output.ts'
import type { Platform } from './platform.ts'
import type { PreparedMessage } from './prepared-message.ts'

/** Name the opcodes of messages. */
export type DataOpcode = typeof Opcode.Text | typeof Opcode.Binary

/** Say what a fragment is of its message. */
export interface Fragment {
  /** The kind of the whole message. */
  readonly opcode: DataOpcode
  readonly isFirst: boolean
  readonly isLast: boolean
  /** The message may be compressed; only looked at for the first fragment. */
  readonly isCompressible: boolean
}

/** Be told that an extension threw while it encoded: what it keeps between messages is of no use any more. */
export interface EncoderSink {
  onEncodingFailed(): void
}

// Texts are encoded here before they are compressed. A little below the size from which payloads are not copied.
const SCRATCH_SIZE = 48 * 1024
// What a character takes in UTF-8 for each of its units in UTF-16, at most.
const MOST_BYTES_PER_UNIT = 3
let scratch: Uint8Array | undefined

/** Encode messages and write them. All methods throw what an extension throws, after they told the sink. */
export class MessageEncoder {
  readonly #platform: Platform
  readonly #output: Output
  readonly #serializer: FrameSerializer
  readonly #compression: Compression | undefined
  readonly #extensions: ExtensionPipeline | undefined
  readonly #sink: EncoderSink
  /** The message that goes out in fragments is compressed. */
  #isFragmentCompressed = false

  constructor(options: {
    readonly platform: Platform
    readonly output: Output
    readonly serializer: FrameSerializer
    readonly compression: Compression | undefined
    readonly extensions: ExtensionPipeline | undefined
    readonly sink: EncoderSink
  }) {
    this.#platform = options.platform
    this.#output = options.output
    this.#serializer = options.serializer
    this.#compression = options.compression
    this.#extensions = options.extensions
    this.#sink = options.sink
  }

  /** Tell whether a message of this size takes so long to compress that `prepareLater` is better. */
  isLong(size: number): boolean {
    return this.#compression?.isLong(size) === true
  }

  /** Write a text message. */
  writeText(text: string, isCompressible: boolean): void {
    if (this.#extensions === undefined && !this.#mayCompress(text, isCompressible)) {
      this.#serializer.writeText(FIN | Opcode.Text, text)
    } else {
      this.writeBytes(this.#encode(text), Opcode.Text, isCompressible)
    }
  }

  /** Write a message of bytes. */
  writeBytes(bytes: Uint8Array, opcode: DataOpcode, isCompressible: boolean): void {
    const size = bytes.length
    if (!isCompressible || this.#compression?.isWorthwhile(size) !== true) {
      this.#writeWhole(opcode, bytes, undefined)
      return
    }
    // Making room can flush, and flushing can bring others here: so it is made before anything is lent. For a large
    // message a copy costs less than the room that it may not need.
    if (size <= SCRATCH_SIZE) {
      this.#output.reserve(LONGEST_HEADER + size)
      this.#writeWhole(opcode, bytes, this.#compression.compress(bytes))
      return
    }
    const compressed = this.#compression.compress(bytes)
    this.#writeWhole(opcode, bytes, compressed === undefined ? undefined : this.#keep(compressed))
  }

  /** Compress a message elsewhere, and call `ready` with what writes it. */
  prepareLater(bytes: Uint8Array, opcode: DataOpcode, ready: (write: () => void) => void): void {
    this.#compression!.compressLater(bytes, (compressed) => {
      ready(() => this.#writeWhole(opcode, bytes, compressed))
    })
  }

  /** Encode a fragment, and call `ready`, now or later, with what writes it. */
  prepareFragment(bytes: Uint8Array, fragment: Fragment, ready: (write: () => void) => void): void {
    const { isFirst, isLast, isCompressible } = fragment
    const compression = this.#compression
    if (isFirst) this.#isFragmentCompressed = isCompressible && compression?.isWorthwhile(undefined) === true
    if (!this.#isFragmentCompressed) {
      ready(() => this.#writePiece(bytes, fragment, 0, undefined))
      return
    }
    const bits = isFirst ? ReservedBit.Rsv1 : 0
    compression!.compressPiece(bytes, isLast, (compressed) => {
      ready(() => this.#writePiece(this.#keep(compressed), fragment, bits, undefined))
    })
  }

  /** Give the frame of a message that goes to other peers too; `undefined` when this connection has to make its own. */
  shareFrame(message: PreparedMessage): Uint8Array | undefined {
    if (this.#extensions !== undefined) return undefined
    return this.#compression?.compressShared(message) ?? message.frame
  }

  /** Rule out that a text is compressed without counting its bytes. */
  #mayCompress(text: string, isCompressible: boolean): boolean {
    return isCompressible && text.length * MOST_BYTES_PER_UNIT >= this.#compression!.threshold
  }

  /** Encode a text where it is not kept. */
  #encode(text: string): Uint8Array {
    const platform = this.#platform
    if (text.length * MOST_BYTES_PER_UNIT > SCRATCH_SIZE) {
      const bytes = platform.allocate(platform.utf8Length(text))
      platform.encodeUtf8(text, bytes, 0)
      return bytes
    }
    scratch ??= new Uint8Array(SCRATCH_SIZE)
    this.#output.reserve(LONGEST_HEADER + text.length * MOST_BYTES_PER_UNIT)
    return scratch.subarray(0, platform.encodeUtf8(text, scratch, 0))
  }

  #keep(lent: Uint8Array): Uint8Array {
    return this.#platform.copy(lent, 0, lent.length)
  }

  #writeWhole(opcode: DataOpcode, bytes: Uint8Array, compressed: Uint8Array | undefined): void {
    const bits = compressed === undefined ? 0 : ReservedBit.Rsv1
    this.#writePiece(compressed ?? bytes, { opcode, isFirst: true, isLast: true }, bits, bytes.length)
  }

  /** Write a piece of a message through the extensions; `size` is that of the whole message where it is known. */
  #writePiece(
    bytes: Uint8Array,
    piece: Omit<Fragment, 'isCompressible'>,
    bits: number,
    size: number | undefined,
  ): void {
    const extensions = this.#extensions
    if (extensions === undefined) {
      this.#serializer.writeBytes(firstByte(piece) | bits, bytes)
      return
    }
    const { opcode, isFirst, isLast } = piece
    let frame: ExtensionFrame
    try {
      const isText = opcode === Opcode.Text
      const { payload, reservedBits } = extensions.encode({ payload: bytes, isFirst, isLast, isText }, size)
      const frameOpcode = isFirst ? opcode : Opcode.Continuation
      frame = { fin: isLast, reservedBits: bits | reservedBits, opcode: frameOpcode, payload }
      if (extensions.transformsFrames) frame = extensions.encodeFrame(frame)
    } catch (error) {
      this.#sink.onEncodingFailed()
      throw error
    }
    this.#serializer.writeBytes((frame.fin ? FIN : 0) | frame.reservedBits | frame.opcode, frame.payload)
  }
}

/** Build the first byte of a fragment's frame, without reserved bits. */
export function firstByte({ opcode, isFirst, isLast }: Omit<Fragment, 'isCompressible'>): number {
  return (isLast ? FIN : 0) | (isFirst ? opcode : Opcode.Continuation)
}
