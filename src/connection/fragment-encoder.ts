// The pieces of a message that somebody produces bit by bit, as the bytes of its fragments: strings as UTF-8, also
// where a character lies across two of them, and bytes as they are, checked when they are said to be text.

import type { DataOpcode } from '../protocol/message-encoder.ts'
import { Opcode } from '../protocol/opcode.ts'
import type { Platform } from '../protocol/platform.ts'
import { Utf8Validator } from '../protocol/utf8.ts'
import { encodeText, type Piece, type SendOptions, toBytes } from './sendable.ts'

const EMPTY = new Uint8Array(0)
const NOT_UTF8 = 'bytes that are sent as text must be valid UTF-8'

/** Encode the pieces of one message. */
export class FragmentEncoder {
  readonly #platform: Platform
  readonly #type: SendOptions['type']
  #isString: boolean | undefined
  /** The first half of a surrogate pair at the end of the last string. */
  #half = ''
  #utf8: Utf8Validator | undefined

  constructor(type: SendOptions['type'], platform: Platform) {
    this.#type = type
    this.#platform = platform
  }

  /** The kind of message: known once there was a piece. */
  get opcode(): DataOpcode {
    const isText = this.#type === 'text' || (this.#type === undefined && this.#isString === true)
    return isText ? Opcode.Text : Opcode.Binary
  }

  /** Encode the next piece. Throw a TypeError for what is none, or is of another kind than the first. */
  encode(piece: Piece): Uint8Array {
    const isString = typeof piece === 'string'
    if (this.#isString !== undefined && this.#isString !== isString && this.#type === undefined) {
      throw new TypeError('the pieces of a message must all be strings or all be bytes, or have a "type"')
    }
    this.#isString = isString
    if (isString) {
      if (this.#utf8?.isComplete === false) throw new TypeError(NOT_UTF8)
      return this.#encodeString(piece)
    }
    const bytes = toBytes(piece)
    if (this.#type === 'text') this.#validate(bytes)
    return this.#half === '' ? bytes : this.#behindHalf(bytes)
  }

  /** The other half of a surrogate pair did not come: bytes did. */
  #behindHalf(bytes: Uint8Array): Uint8Array {
    const half = encodeText(this.#half)
    const joined = new Uint8Array(half.length + bytes.length)
    joined.set(half)
    joined.set(bytes, half.length)
    this.#half = ''
    return joined
  }

  #encodeString(piece: string): Uint8Array {
    const text = this.#half + piece
    const last = text.charCodeAt(text.length - 1)
    const isHalf = last >= 0xd800 && last < 0xdc00
    this.#half = isHalf ? text.slice(-1) : ''
    return encodeText(isHalf ? text.slice(0, -1) : text)
  }

  #validate(bytes: Uint8Array): void {
    this.#utf8 ??= new Utf8Validator(this.#platform)
    if (!this.#utf8.validate(bytes, 0, bytes.length)) throw new TypeError(NOT_UTF8)
  }

  /** Give what is left at the end. Throw a TypeError when a character is not complete. */
  end(): Uint8Array {
    if (this.#utf8?.isComplete === false) throw new TypeError(NOT_UTF8)
    return this.#half === '' ? EMPTY : encodeText(this.#half)
  }
}
