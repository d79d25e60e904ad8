// Bytes become frames here, whatever chunks they come in. Works in the kernel's memory, where the bytes of one
// read lie end to end; what is left of an incomplete header is kept aside and laid before the next read.
// After a violation it discards everything: there is no way back to data.

import { ProtocolError, type ProtocolErrorCode } from '../errors.ts'
import { GrowableBytes } from './growable-bytes.ts'
import { type Kernel, readKey, rotateKey } from './kernel.ts'
import { MAX_CONTROL_PAYLOAD } from './limits.ts'
import type { FrameSink } from './message-assembler.ts'
import { isControl, isKnownOpcode, Opcode } from './opcode.ts'
import type { Platform } from './platform.ts'

/** Be told of what needs nothing that comes after it, and of violations. */
export interface ParserSink {
  /** Takes all other data frames, each of which begins or goes on with a message. */
  readonly frames: FrameSink
  /** Tell whether a message of one frame may be given to `onWhole`; else it goes to `frames`. */
  takesWhole(opcode: number, length: number): boolean
  /** A message of one frame without reserved bits came; `ascii` says that all its bytes are known to be. */
  onWhole(opcode: number, memory: Uint8Array, start: number, end: number, ascii: boolean): void
  /** A control frame came; its payload is a copy. */
  onControl(opcode: number, payload: Uint8Array): void
  onViolation(error: ProtocolError): void
}

const EMPTY = new Uint8Array(0)
// First bytes of a frame that is a message of its own, without reserved bits.
const WHOLE_TEXT = 0x80 | Opcode.Text
const WHOLE_BINARY = 0x80 | Opcode.Binary
// A consumer that takes messages one by one resumes for each: what is copied each time must be small.
const BACKLOG_PORTION = 16 * 1024

/** Why parsing is paused: somebody asked for it, or what was parsed is not decoded yet. */
export const PauseReason = { Asked: 1, Behind: 2 } as const
export type PauseReason = (typeof PauseReason)[keyof typeof PauseReason]

/** Parse frames. */
export class FrameParser {
  readonly #kernel: Kernel
  readonly #platform: Platform
  /** 0x80 when the peer must mask (it is a client), else 0. */
  readonly #maskBit: number
  /** Bits of the first byte that must be zero. */
  readonly #forbiddenBits: number
  readonly #sink: ParserSink

  /** The first bytes of a header or control frame that is not complete. */
  #held: Uint8Array | undefined
  /** Payload bytes that the current data frame still lacks. */
  #remaining = 0
  /** The masking key, turned so that its lowest byte belongs to the next payload byte. */
  #key = 0
  /** Bytes whose parsing was stopped by a pause. */
  #rest: Uint8Array | undefined
  /** Bytes that came after those, or while the memory was in use. */
  #backlog: GrowableBytes | undefined
  /** The reasons to pause that are in force. */
  #paused = 0
  #isDiscarding = false

  constructor(options: {
    readonly kernel: Kernel
    readonly platform: Platform
    readonly peerMasks: boolean
    readonly allowedReservedBits: number
    readonly sink: ParserSink
  }) {
    this.#kernel = options.kernel
    this.#platform = options.platform
    this.#maskBit = options.peerMasks ? 0x80 : 0
    this.#forbiddenBits = 0x70 & ~options.allowedReservedBits
    this.#sink = options.sink
  }

  /** True while bytes wait that were received but not parsed. */
  get hasBacklog(): boolean {
    return this.#rest !== undefined || (this.#backlog !== undefined && this.#backlog.length > 0)
  }

  /** Parse `length` bytes that a transport has read to the kernel's `readStart`. */
  parseRead(length: number): void {
    const kernel = this.#kernel
    if (this.#isDiscarding) return
    const end = kernel.readStart + length
    if (this.#paused !== 0 || this.hasBacklog) {
      this.#keep(kernel.memory, kernel.readStart, end)
      return
    }
    kernel.busy = true
    try {
      const stop = this.#parse(length)
      if (stop < end) this.#rest = this.#platform.copy(kernel.memory, stop, end)
      if (kernel.waiting.length > 0) parseWaiting(kernel)
    } finally {
      kernel.busy = false
    }
  }

  /** Parse bytes that lie elsewhere. Safe at any time, also while another parser is at work. */
  parseBytes(bytes: Uint8Array): void {
    if (this.#isDiscarding) return
    const kernel = this.#kernel
    if (this.#paused !== 0 || kernel.busy || this.hasBacklog) {
      if (this.#paused === 0 && !this.hasBacklog) kernel.waiting.push(this)
      this.#keep(bytes, 0, bytes.length)
      return
    }
    kernel.busy = true
    try {
      const stop = this.#feed(bytes, kernel.readSize)
      if (stop < bytes.length) this.#rest = this.#platform.copy(bytes, stop, bytes.length)
      parseWaiting(kernel)
    } finally {
      kernel.busy = false
    }
  }

  /** Stop as soon as possible, be it within a frame; bytes that come are kept. */
  pause(reason: PauseReason): void {
    this.#paused |= reason
  }

  /** Go on unless another reason is left, first with the bytes that were kept. False when the reason was not in force. */
  resume(reason: PauseReason): boolean {
    if ((this.#paused & reason) === 0) return false
    this.#paused &= ~reason
    if (this.#paused === 0 && this.hasBacklog) this.#parseKept()
    return true
  }

  #parseKept(): void {
    const kernel = this.#kernel
    // While the memory is in use, whoever uses it goes on with this parser afterwards.
    kernel.waiting.push(this)
    if (kernel.busy) return
    kernel.busy = true
    try {
      parseWaiting(kernel)
    } finally {
      kernel.busy = false
    }
  }

  /** Parse what was kept, until there is no more or a pause. Only for whoever uses the memory. */
  parseBacklog(): void {
    while (this.#paused === 0 && this.hasBacklog) {
      const bytes = this.#rest ?? this.#backlog!.take()
      this.#rest = undefined
      const stop = this.#feed(bytes, Math.min(BACKLOG_PORTION, this.#kernel.readSize))
      if (stop < bytes.length) this.#rest = bytes.subarray(stop)
    }
  }

  /** Ignore everything from now on. */
  discard(): void {
    this.#isDiscarding = true
    this.#held = undefined
    this.#rest = undefined
    this.#backlog = undefined
  }

  #keep(bytes: Uint8Array, start: number, end: number): void {
    this.#backlog ??= new GrowableBytes(this.#platform)
    this.#backlog.append(bytes, start, end, 0)
  }

  /** Copy bytes into the memory, a portion at a time, and parse them; return where a pause stopped that. */
  #feed(bytes: Uint8Array, portion: number): number {
    const kernel = this.#kernel
    let position = 0
    while (position < bytes.length && this.#paused === 0) {
      const length = Math.min(bytes.length - position, portion)
      kernel.memory.set(bytes.subarray(position, position + length), kernel.readStart)
      position += this.#parse(length) - kernel.readStart
      if (this.#isDiscarding) return bytes.length
    }
    return position
  }

  /** Parse what lies at the kernel's `readStart`; return where it stopped. */
  #parse(length: number): number {
    const kernel = this.#kernel
    let start = kernel.readStart
    if (this.#held !== undefined) {
      start -= this.#held.length
      kernel.memory.set(this.#held, start)
      this.#held = undefined
    }
    return this.#parseFrames(start, kernel.readStart + length)
  }

  /** Parse frames until the bytes end or a pause comes; return where. */
  #parseFrames(start: number, end: number): number {
    const memory = this.#kernel.memory
    let position = start
    while (!this.#isDiscarding) {
      if (this.#paused !== 0) return position
      if (this.#remaining > 0) {
        if (position === end) return end
        position = this.#parsePayload(position, end, this.#remaining)
        continue
      }
      const available = end - position
      if (available < 2) {
        this.#hold(position, end)
        return end
      }

      const first = memory[position]!
      const second = memory[position + 1]!
      const stop = this.#parseWholeMessage(position, end, first, second)
      if (stop !== 0) {
        position = stop
        continue
      }
      const opcode = first & 0x0f
      if (!this.#checkStart(first, second, opcode)) return end
      const size = isControl(opcode)
        ? this.#parseControl(position, available, first, second)
        : this.#parseHeader(position, available, first, second)
      if (size === 0) {
        this.#hold(position, end)
        return end
      }
      position += size
      // An empty frame has a payload too: whoever joins frames must hear that it ended.
      if (!isControl(opcode) && !this.#isDiscarding && (this.#paused === 0 || this.#remaining === 0)) {
        position = this.#parsePayload(position, end, this.#remaining)
      }
    }
    return end
  }

  /**
   * Deliver a message of one frame that lies here as a whole, as most do: nothing has to be remembered for it. Return
   * where it ends, or 0 when the frame has to go the long way, be it wrong or only incomplete, large or a fragment.
   */
  #parseWholeMessage(position: number, end: number, first: number, second: number): number {
    if ((first !== WHOLE_TEXT && first !== WHOLE_BINARY) || (second & 0x80) !== this.#maskBit) return 0
    const memory = this.#kernel.memory
    let start = position + 2
    let length = second & 0x7f
    if (length >= 126) {
      if (length === 127 || end - start < 2) return 0
      length = (memory[start]! << 8) | memory[start + 1]!
      if (length < 126) return 0
      start += 2
    }
    if (this.#maskBit !== 0) start += 4
    const stop = start + length
    const opcode = first & 0x0f
    if (stop > end || !this.#sink.takesWhole(opcode, length)) return 0
    let ascii = true
    if (this.#maskBit !== 0) ascii = this.#kernel.unmask(start, stop, readKey(memory, start - 4))
    else if (opcode === Opcode.Text) ascii = this.#kernel.isAscii(start, stop)
    this.#sink.onWhole(opcode, memory, start, stop, ascii)
    return stop
  }

  /** Judge the first two bytes, before anything else of the frame is there. */
  #checkStart(first: number, second: number, opcode: number): boolean {
    // RFC 6455 section 5.2: RSV "MUST be 0 unless an extension is negotiated that defines meanings".
    if ((first & this.#forbiddenBits) !== 0) return this.#fail('WS_RESERVED_BITS')
    if (!isKnownOpcode(opcode)) return this.#fail('WS_RESERVED_OPCODE', `opcode ${opcode}`)
    // RFC 6455 section 5.1: "The server MUST close the connection upon receiving a frame that is not masked",
    // and "A client MUST close a connection if it detects a masked frame".
    if ((second & 0x80) !== this.#maskBit) {
      return this.#fail(this.#maskBit === 0 ? 'WS_MASK_FORBIDDEN' : 'WS_MASK_REQUIRED')
    }
    return true
  }

  /** Parse a whole control frame and return its size; 0 when it is not complete. */
  #parseControl(position: number, available: number, first: number, second: number): number {
    const memory = this.#kernel.memory
    const length = second & 0x7f
    // RFC 6455 section 5.5: "All control frames MUST have a payload length of 125 bytes or less and MUST NOT
    // be fragmented." No extension marks them.
    if ((first & 0x80) === 0) return this.#failControl('WS_CONTROL_FRAGMENTED')
    if (length > MAX_CONTROL_PAYLOAD) return this.#failControl('WS_CONTROL_TOO_LONG')
    if ((first & 0x70) !== 0) return this.#failControl('WS_RESERVED_BITS')
    const payloadStart = position + (this.#maskBit === 0 ? 2 : 6)
    const size = payloadStart - position + length
    if (available < size) return 0
    if (length === 0) {
      this.#sink.onControl(first & 0x0f, EMPTY)
      return size
    }
    if (this.#maskBit !== 0) {
      this.#kernel.unmask(payloadStart, position + size, readKey(memory, payloadStart - 4))
    }
    this.#sink.onControl(first & 0x0f, memory.slice(payloadStart, position + size))
    return size
  }

  /** Parse a data frame's header and return its size; 0 when it is not complete. */
  #parseHeader(position: number, available: number, first: number, second: number): number {
    const memory = this.#kernel.memory
    let length = second & 0x7f
    let size = 2
    if (length === 126) {
      if (available < 4) return 0
      size = 4
      length = (memory[position + 2]! << 8) | memory[position + 3]!
      if (length < 126) return this.#failHeader('WS_LENGTH_NOT_MINIMAL', size, `${length} in 16 bits`)
    } else if (length === 127) {
      if (available < 10) return 0
      size = 10
      const high = readUint32(memory, position + 2)
      // RFC 6455 section 5.2: "the most significant bit MUST be 0".
      if (high >= 0x80000000) return this.#failHeader('WS_LENGTH_OUT_OF_RANGE', size)
      // Above 2^53 this rounds, and is far beyond every limit all the same.
      length = high * 0x100000000 + readUint32(memory, position + 6)
      if (length < 65536) return this.#failHeader('WS_LENGTH_NOT_MINIMAL', size, `${length} in 64 bits`)
    }
    if (this.#maskBit !== 0) {
      size += 4
      if (available < size) return 0
      this.#key = readKey(memory, position + size - 4)
    }
    if (this.#sink.frames.beginFrame(first & 0x0f, (first & 0x80) !== 0, first & 0x70, length)) {
      this.#remaining = length
    }
    return size
  }

  /** Pass on as much of the current frame's payload as is there, and return where it ends. */
  #parsePayload(position: number, end: number, remaining: number): number {
    const isLast = end - position >= remaining
    const stop = isLast ? position + remaining : end
    const memory = this.#kernel.memory
    const { frames } = this.#sink
    let ascii = true
    if (this.#maskBit !== 0) {
      ascii = this.#kernel.unmask(position, stop, this.#key)
    } else if (frames.isPlainText) {
      ascii = this.#kernel.isAscii(position, stop)
    }
    if (isLast) {
      this.#remaining = 0
    } else {
      this.#remaining = remaining - (stop - position)
      this.#key = rotateKey(this.#key, stop - position)
      if (stop === position) return stop
    }
    frames.payload(memory, position, stop, ascii, isLast)
    return stop
  }

  #hold(position: number, end: number): void {
    if (position < end) this.#held = this.#kernel.memory.slice(position, end)
  }

  #fail(code: ProtocolErrorCode, detail?: string): false {
    this.discard()
    this.#sink.onViolation(new ProtocolError(code, detail))
    return false
  }

  // After these the parser discards, so what they return only has to be no "incomplete".
  #failControl(code: ProtocolErrorCode): number {
    this.#fail(code)
    return 2
  }

  #failHeader(code: ProtocolErrorCode, size: number, detail?: string): number {
    this.#fail(code, detail)
    return size
  }
}

/** Let the parsers go on that got bytes while the memory was in use. */
function parseWaiting(kernel: Kernel): void {
  while (kernel.waiting.length > 0) kernel.waiting.shift()!.parseBacklog()
}

function readUint32(memory: Uint8Array, position: number): number {
  return (
    ((memory[position]! << 24) |
      (memory[position + 1]! << 16) |
      (memory[position + 2]! << 8) |
      memory[position + 3]!) >>>
    0
  )
}
