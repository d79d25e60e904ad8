// Reads the frames of one direction as they pass by, for a trace: it judges nothing, keeps no payload, and goes on
// whatever comes. The protocol's own parser is not asked, so that a trace also shows what that one refuses.

import { readKey } from '../protocol/kernel.ts'
import { isControl, Opcode } from '../protocol/opcode.ts'
import { Excerpt, type PayloadExcerpt } from './excerpt.ts'
import { MessageInflater } from './message-inflater.ts'

/** Hold what a trace knows of a frame. */
export interface FrameFacts {
  readonly opcode: number
  readonly fin: boolean
  /** The bits RSV1 (0x40), RSV2 (0x20) and RSV3 (0x10). */
  readonly reservedBits: number
  readonly isMasked: boolean
  /** Size of the payload as it was announced, in bytes as they go over the line. */
  readonly length: number
  /** What came of the payload; less than `length` when the stream ended within it. */
  readonly received: number
  /** The kind of the message that a data frame belongs to; `undefined` for others. */
  readonly type: 'text' | 'binary' | undefined
  /** True for frames of messages that permessage-deflate compressed. */
  readonly isCompressed: boolean
  /** True when the excerpt is what the compressed payload stands for. */
  readonly isDecompressed: boolean
  readonly excerpt: PayloadExcerpt
}

/** What was agreed about compression in one direction; `undefined` when nothing is decompressed. */
export type CompressionFacts = { readonly keepsWindow: boolean } | undefined

const RSV1 = 0x40
const FIN = 0x80
const LONGEST_HEADER = 14
/** The code of a close frame is shown even where payloads are not. */
const CLOSE_CODE_SIZE = 2
const SCRATCH_SIZE = 16 * 1024
/** Where masked bytes of compressed messages are unmasked; nobody else works meanwhile. */
const scratch = new Uint8Array(SCRATCH_SIZE)

/** Read frames in any pieces. */
export class FrameReader {
  readonly #onFrame: (frame: FrameFacts) => void
  readonly #raw: Excerpt
  readonly #plain: Excerpt | undefined
  readonly #inflater: MessageInflater | undefined
  readonly #header = new Uint8Array(LONGEST_HEADER)
  #headerLength = 0
  /** Payload that is still to come; `undefined` within a header. */
  #left: number | undefined
  #length = 0
  #key = 0
  /** The message that was begun and has not ended. */
  #type: FrameFacts['type']
  #isMessageCompressed = false
  #isReading = false
  /** What came while a frame was being reported. */
  readonly #waiting: Uint8Array[] = []

  /** `maxBytes` is how much of a payload is remembered. */
  constructor(maxBytes: number, compression: CompressionFacts, onFrame: (frame: FrameFacts) => void) {
    const limit = Math.max(maxBytes, CLOSE_CODE_SIZE)
    this.#onFrame = onFrame
    this.#raw = new Excerpt(limit)
    if (compression === undefined) return
    this.#plain = new Excerpt(limit)
    this.#inflater = new MessageInflater(this.#plain, compression.keepsWindow)
  }

  /** Take bytes, which are not changed and not kept. */
  feed(bytes: Uint8Array): void {
    if (this.#isReading) {
      this.#waiting.push(Uint8Array.prototype.slice.call(bytes))
      return
    }
    this.#isReading = true
    try {
      this.#read(bytes)
      for (let next = this.#waiting.shift(); next !== undefined; next = this.#waiting.shift())
        this.#read(next)
    } finally {
      this.#isReading = false
    }
  }

  /** Report a frame that the stream ended in, and give back the memory. */
  close(): void {
    if (this.#left !== undefined) this.#report()
    this.#left = undefined
    this.#headerLength = 0
    this.#inflater?.close()
  }

  #read(bytes: Uint8Array): void {
    let position = 0
    while (position < bytes.length) {
      if (this.#left === undefined) this.#takeHeader(bytes[position++]!)
      else position = this.#takePayload(bytes, position)
    }
  }

  #takeHeader(byte: number): void {
    const header = this.#header
    header[this.#headerLength++] = byte
    if (this.#headerLength < 2) return
    const isMasked = (header[1]! & 0x80) !== 0
    const short = header[1]! & 0x7f
    const lengthEnd = short < 126 ? 2 : short === 126 ? 4 : 10
    if (this.#headerLength < lengthEnd + (isMasked ? 4 : 0)) return
    this.#length = short < 126 ? short : bigEndian(header, 2, lengthEnd)
    this.#key = isMasked ? readKey(header, lengthEnd) : 0
    this.#headerLength = 0
    this.#begin()
  }

  #begin(): void {
    const first = this.#header[0]!
    const opcode = first & 0x0f
    if (opcode === Opcode.Text || opcode === Opcode.Binary) {
      this.#type = opcode === Opcode.Text ? 'text' : 'binary'
      this.#isMessageCompressed = this.#inflater !== undefined && (first & RSV1) !== 0
      if (this.#isMessageCompressed) this.#inflater!.begin()
    }
    this.#left = this.#length
    if (this.#left === 0) this.#end()
  }

  #takePayload(bytes: Uint8Array, start: number): number {
    const size = Math.min(this.#left!, bytes.length - start)
    if (this.#isCompressed) this.#inflate(bytes, start, start + size)
    this.#raw.add(bytes, start, start + size, this.#key)
    this.#left! -= size
    if (this.#left === 0) this.#end()
    return start + size
  }

  #inflate(bytes: Uint8Array, start: number, end: number): void {
    const inflater = this.#inflater!
    if (this.#key === 0) {
      inflater.add(bytes, start, end)
      return
    }
    let place = this.#raw.size
    for (let position = start; position < end; ) {
      const size = Math.min(SCRATCH_SIZE, end - position)
      for (let index = 0; index < size; index++, place++) {
        scratch[index] = bytes[position + index]! ^ (this.#key >>> ((place & 3) << 3))
      }
      inflater.add(scratch, 0, size)
      position += size
    }
  }

  get #isCompressed(): boolean {
    return this.#isMessageCompressed && !isControl(this.#header[0]! & 0x0f)
  }

  #end(): void {
    const isLast = (this.#header[0]! & FIN) !== 0
    const isData = !isControl(this.#header[0]! & 0x0f)
    if (this.#isCompressed && isLast) this.#inflater!.finish()
    this.#left = undefined
    this.#report()
    if (!isLast || !isData) return
    this.#type = undefined
    this.#isMessageCompressed = false
  }

  #report(): void {
    const first = this.#header[0]!
    const opcode = first & 0x0f
    const isCompressed = this.#isCompressed
    const isDecompressed = isCompressed && !this.#inflater!.isLost
    const raw = this.#raw.take()
    const plain = this.#plain?.take()
    this.#onFrame({
      opcode,
      fin: (first & FIN) !== 0,
      reservedBits: first & 0x70,
      isMasked: (this.#header[1]! & 0x80) !== 0,
      length: this.#length,
      received: raw.size,
      type: isControl(opcode) ? undefined : this.#type,
      isCompressed,
      isDecompressed,
      excerpt: isDecompressed ? plain! : raw,
    })
  }
}

/** Above 2^53 the last digits are lost: such a frame never ends. */
function bigEndian(bytes: Uint8Array, start: number, end: number): number {
  let value = 0
  for (let index = start; index < end; index++) value = value * 256 + bytes[index]!
  return value
}
