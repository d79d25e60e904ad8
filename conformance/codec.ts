// A frame codec that is as plain as possible: it writes any frame, right or wrong, and reads an endpoint's
// frames critically. It shares nothing with the library, so that errors of one do not hide errors of the other.

import { type Reply, type Role, sameBytes } from './case.ts'
import { firstInvalidByte } from './utf8.ts'

export const TEXT = 0x1
export const BINARY = 0x2
export const CONTINUATION = 0x0
export const CLOSE = 0x8
export const PING = 0x9
export const PONG = 0xa

const EMPTY = new Uint8Array(0)

/** Say how a frame differs from the ordinary one. */
export interface FrameOptions {
  /** @default true */
  readonly fin?: boolean
  /** The three reserved bits as a number: RSV1 is 4, RSV2 is 2, RSV3 is 1. @default 0 */
  readonly reserved?: number
  /** Mask as a server, or leave unmasked as a client. @default false */
  readonly wronglyMasked?: boolean
  /** @default another key for each frame */
  readonly key?: readonly [number, number, number, number]
  /** Bytes of extended length: 0, 2 or 8. @default as few as possible */
  readonly lengthBytes?: 0 | 2 | 8
  /** The length to announce. @default the payload's */
  readonly announced?: bigint
}

/** Write frames as one end of a connection does. */
export class Peer {
  readonly role: Role
  #seed = 0x2545f491

  constructor(role: Role) {
    this.role = role
  }

  frame(opcode: number, payload: Uint8Array, options: FrameOptions = {}): Uint8Array {
    const { fin = true, reserved = 0, wronglyMasked = false } = options
    const masked = (this.role === 'client') !== wronglyMasked
    const length = options.announced ?? BigInt(payload.length)
    const lengthBytes = options.lengthBytes ?? (length < 126n ? 0 : length < 65536n ? 2 : 8)
    const headerSize = 2 + lengthBytes + (masked ? 4 : 0)
    const frame = new Uint8Array(headerSize + payload.length)
    const view = new DataView(frame.buffer)
    frame[0] = (fin ? 0x80 : 0) | (reserved << 4) | opcode
    frame[1] = (masked ? 0x80 : 0) | (lengthBytes === 0 ? Number(length) : lengthBytes === 2 ? 126 : 127)
    if (lengthBytes === 2) view.setUint16(2, Number(length))
    if (lengthBytes === 8) view.setBigUint64(2, length)
    frame.set(payload, headerSize)
    if (masked) {
      const key = options.key ?? this.#nextKey()
      frame.set(key, headerSize - 4)
      mask(frame, headerSize, key)
    }
    return frame
  }

  text(payload: string | Uint8Array, options?: FrameOptions): Uint8Array {
    return this.frame(TEXT, bytesOf(payload), options)
  }

  binary(payload: Uint8Array, options?: FrameOptions): Uint8Array {
    return this.frame(BINARY, payload, options)
  }

  continuation(payload: string | Uint8Array, options?: FrameOptions): Uint8Array {
    return this.frame(CONTINUATION, bytesOf(payload), options)
  }

  ping(payload: string | Uint8Array = EMPTY, options?: FrameOptions): Uint8Array {
    return this.frame(PING, bytesOf(payload), options)
  }

  pong(payload: string | Uint8Array = EMPTY, options?: FrameOptions): Uint8Array {
    return this.frame(PONG, bytesOf(payload), options)
  }

  close(code?: number, reason: string | Uint8Array = EMPTY, options?: FrameOptions): Uint8Array {
    if (code === undefined) return this.frame(CLOSE, EMPTY, options)
    return this.frame(CLOSE, join([Uint8Array.of(code >> 8, code & 0xff), bytesOf(reason)]), options)
  }

  /** Write one message as frames of `size` bytes, the last one with what is left. */
  fragments(opcode: number, payload: Uint8Array, size: number): Uint8Array[] {
    const frames: Uint8Array[] = []
    let offset = 0
    do {
      const end = Math.min(offset + size, payload.length)
      const fin = end === payload.length
      frames.push(this.frame(offset === 0 ? opcode : CONTINUATION, payload.subarray(offset, end), { fin }))
      offset = end
    } while (offset < payload.length)
    return frames
  }

  // Keys need not be secret here: the same ones in each run make every deviation repeatable.
  #nextKey(): readonly [number, number, number, number] {
    this.#seed = (Math.imul(this.#seed, 1664525) + 1013904223) >>> 0
    const seed = this.#seed
    return [seed >>> 24, (seed >>> 16) & 0xff, (seed >>> 8) & 0xff, seed & 0xff]
  }
}

function mask(bytes: Uint8Array, start: number, key: ArrayLike<number>): void {
  const four = Uint8Array.of(key[0]!, key[1]!, key[2]!, key[3]!)
  for (let index = start; index < bytes.length; index++) {
    bytes[index] = bytes[index]! ^ four[(index - start) & 3]!
  }
}

export function bytesOf(payload: string | Uint8Array): Uint8Array {
  return typeof payload === 'string' ? new TextEncoder().encode(payload) : payload
}

export function join(parts: readonly Uint8Array[]): Uint8Array {
  if (parts.length === 1) return parts[0]!
  const joined = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    joined.set(part, offset)
    offset += part.length
  }
  return joined
}

/** Tell whether a code may stand in a close frame: RFC 6455 section 7.4 and the IANA registry. */
export function isLegalCode(code: number): boolean {
  if (code >= 3000 && code <= 4999) return true
  return code >= 1000 && code <= 1014 && code !== 1004 && code !== 1005 && code !== 1006
}

/** Read what an endpoint sends, and note each rule that it breaks. */
export class FrameReader {
  readonly replies: Reply[] = []
  /** The payloads of pings that the endpoint sent. */
  readonly pings: Uint8Array[] = []
  /** The endpoint's close frame; an empty one is code 1005. */
  close: { code: number; reason: Uint8Array } | undefined
  readonly faults: string[] = []
  readonly #sender: Role
  #bytes: Uint8Array = new Uint8Array(1024)
  #start = 0
  #end = 0
  #message: { opcode: number; parts: Uint8Array[] } | undefined
  #lastKey: Uint8Array | undefined
  #framesWithTheLastKey = 0

  constructor(sender: Role) {
    this.#sender = sender
  }

  push(chunk: Uint8Array): void {
    if (chunk.length === 0) return
    if (this.#end + chunk.length > this.#bytes.length) {
      const size = this.#end - this.#start + chunk.length
      // Doubling is for small ones; 4 MiB at a time are enough for the largest message.
      const grown = new Uint8Array(Math.min(size * 2, size + (4 << 20)))
      grown.set(this.#bytes.subarray(this.#start, this.#end))
      this.#end -= this.#start
      this.#start = 0
      this.#bytes = grown
    }
    this.#bytes.set(chunk, this.#end)
    this.#end += chunk.length
    while (this.#readFrame());
  }

  /** Note what must not be left when the endpoint has ended. */
  finish(): void {
    if (this.#end > this.#start) this.faults.push('endpoint: last frame is incomplete')
  }

  #readFrame(): boolean {
    const bytes = this.#bytes
    const available = this.#end - this.#start
    if (available < 2) return false
    const first = bytes[this.#start]!
    const second = bytes[this.#start + 1]!
    const short = second & 0x7f
    const lengthBytes = short === 126 ? 2 : short === 127 ? 8 : 0
    const masked = second >= 0x80
    const headerSize = 2 + lengthBytes + (masked ? 4 : 0)
    if (available < headerSize) return false
    const view = new DataView(bytes.buffer, this.#start)
    const length = short === 126 ? view.getUint16(2) : short === 127 ? Number(view.getBigUint64(2)) : short
    if (available < headerSize + length) return false

    if (length < (lengthBytes === 8 ? 65536 : lengthBytes === 2 ? 126 : 0))
      this.#fault('length is not minimal')
    if (masked !== (this.#sender === 'client'))
      this.#fault(masked ? 'frame is masked' : 'frame is not masked')
    if ((first & 0x70) !== 0) this.#fault('reserved bit is set')
    const start = this.#start + headerSize
    const payload = bytes.slice(start, start + length)
    if (masked) this.#unmask(payload, bytes.slice(start - 4, start))
    this.#start = start + length
    this.#take(first & 0x0f, first >= 0x80, payload)
    return true
  }

  // RFC 6455 section 5.3: "a fresh masking key". Three frames with one key are no accident.
  #unmask(payload: Uint8Array, key: Uint8Array): void {
    mask(payload, 0, key)
    const repeated = this.#lastKey !== undefined && sameBytes(this.#lastKey, key)
    this.#framesWithTheLastKey = repeated ? this.#framesWithTheLastKey + 1 : 1
    this.#lastKey = key
    if (this.#framesWithTheLastKey === 3) this.#fault('three frames have the same masking key')
  }

  #take(opcode: number, fin: boolean, payload: Uint8Array): void {
    if (this.close !== undefined) this.#fault('a frame follows the close frame')
    if (opcode >= CLOSE) this.#takeControl(opcode, fin, payload)
    else this.#takeData(opcode, fin, payload)
  }

  #takeControl(opcode: number, fin: boolean, payload: Uint8Array): void {
    if (!fin) this.#fault('control frame is fragmented')
    if (payload.length > 125) this.#fault('control frame is longer than 125 bytes')
    if (opcode === PONG) this.replies.push({ kind: 'pong', payload })
    else if (opcode === PING) this.pings.push(payload)
    else if (opcode === CLOSE) this.#takeClose(payload)
    else this.#fault(`opcode ${opcode} is unknown`)
  }

  #takeClose(payload: Uint8Array): void {
    const code = payload.length === 0 ? 1005 : (payload[0]! << 8) | (payload[1] ?? 0)
    const reason = payload.subarray(2)
    this.close ??= { code, reason }
    if (payload.length === 1) this.#fault('close frame has a payload of one byte')
    if (payload.length >= 2 && !isLegalCode(code)) this.#fault(`close frame has the code ${code}`)
    if (firstInvalidByte(reason) !== undefined) this.#fault('close reason is not UTF-8')
  }

  #takeData(opcode: number, fin: boolean, payload: Uint8Array): void {
    if (opcode > BINARY) {
      this.#fault(`opcode ${opcode} is unknown`)
      return
    }
    if (opcode === CONTINUATION && this.#message === undefined) {
      this.#fault('continuation continues nothing')
      return
    }
    if (opcode !== CONTINUATION) {
      if (this.#message !== undefined) this.#fault('message begins inside another one')
      this.#message = { opcode, parts: [] }
    }
    const message = this.#message!
    message.parts.push(payload)
    if (!fin) return
    this.#message = undefined
    const whole = join(message.parts)
    const kind = message.opcode === TEXT ? 'text' : 'binary'
    if (kind === 'text' && firstInvalidByte(whole) !== undefined) this.#fault('text is not UTF-8')
    this.replies.push({ kind, payload: whole })
  }

  #fault(text: string): void {
    this.faults.push(`endpoint: ${text}`)
  }
}
