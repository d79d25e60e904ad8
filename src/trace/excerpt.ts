// The beginning and the end of a payload, however it comes in pieces: all that a trace remembers of it.

/** Hold what is remembered of a payload. */
export interface PayloadExcerpt {
  /** Its size, in bytes. */
  readonly size: number
  /** Its first bytes; all of them where it is no longer than the limit. */
  readonly head: Uint8Array
  /** Its last bytes, which may be in `head` too. */
  readonly tail: Uint8Array
}

/** Remember the first `limit` bytes of a payload, and about a third as many of its last ones. */
export class Excerpt {
  readonly #head: Uint8Array
  /** The last bytes, each where its place modulo the length says. */
  readonly #tail: Uint8Array
  #size = 0

  constructor(limit: number) {
    this.#head = new Uint8Array(limit)
    this.#tail = new Uint8Array(Math.floor(limit / 3))
  }

  /** Bytes that were added. */
  get size(): number {
    return this.#size
  }

  /** Add bytes of the payload; `key` is the masking key of the whole, lowest byte first, and 0 changes nothing. */
  add(bytes: Uint8Array, start: number, end: number, key = 0): void {
    const head = this.#head
    const tail = this.#tail
    // The place in the payload of the byte at 0.
    const offset = this.#size - start
    const headEnd = Math.min(end, start + Math.max(0, head.length - this.#size))
    for (let index = start; index < headEnd; index++) {
      head[offset + index] = bytes[index]! ^ maskByte(key, offset + index)
    }
    for (let index = Math.max(start, end - tail.length); index < end; index++) {
      tail[(offset + index) % tail.length] = bytes[index]! ^ maskByte(key, offset + index)
    }
    this.#size += end - start
  }

  /** Return what was added since the last call, and forget it. */
  take(): PayloadExcerpt {
    const size = this.#size
    this.#size = 0
    const tail = this.#tail
    const tailSize = Math.min(size, tail.length)
    const last = new Uint8Array(tailSize)
    for (let index = 0; index < tailSize; index++)
      last[index] = tail[(size - tailSize + index) % tail.length]!
    return { size, head: this.#head.slice(0, Math.min(size, this.#head.length)), tail: last }
  }
}

function maskByte(key: number, place: number): number {
  return (key >>> ((place & 3) << 3)) & 0xff
}
