// Where frames are written to. The serializer writes header and payload into memory that the output lends it,
// so that many frames can leave in one write.

/** Take frames on their way out. */
export interface Output {
  /** The memory to write into; read it anew after each `reserve`. */
  readonly bytes: Uint8Array
  /** Make room for `size` bytes and return the offset at which they go. */
  reserve(size: number): number
  /** Say that the bytes before `end` are written. */
  commit(end: number): void
  /** Put a payload behind what is committed without copying it. It must not change until it was sent. */
  appendByReference(payload: Uint8Array): void
  /** Put a frame that others send too behind all that came before, without copying it. It never changes. */
  appendShared?(frame: Uint8Array): void
  /** True while more waits to be sent than the peer takes: automatic answers are held back then. */
  readonly isBackedUp: boolean
}

/** Collect output in memory, for programs that do their own I/O. */
export class ByteOutput implements Output {
  readonly isBackedUp = false
  #bytes: Uint8Array = new Uint8Array(256)
  #length = 0

  get bytes(): Uint8Array {
    return this.#bytes
  }

  reserve(size: number): number {
    const needed = this.#length + size
    if (needed > this.#bytes.length) {
      const grown = new Uint8Array(Math.max(needed, this.#bytes.length * 2))
      grown.set(this.#bytes.subarray(0, this.#length))
      this.#bytes = grown
    }
    return this.#length
  }

  commit(end: number): void {
    this.#length = end
  }

  appendByReference(payload: Uint8Array): void {
    const offset = this.reserve(payload.length)
    this.#bytes.set(payload, offset)
    this.#length += payload.length
  }

  /** Return what was written since the last call, and forget it. */
  takeOutput(): Uint8Array {
    const taken = this.#bytes.slice(0, this.#length)
    this.#length = 0
    return taken
  }
}
