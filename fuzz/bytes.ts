// Bytes as the targets need them: joined, in hexadecimal, and read one value after the other.

/** Join bytes. */
export function concat(parts: readonly (Uint8Array | readonly number[])[]): Uint8Array {
  const whole = new Uint8Array(parts.reduce((sum, part) => sum + part.length, 0))
  let offset = 0
  for (const part of parts) {
    whole.set(part, offset)
    offset += part.length
  }
  return whole
}

export function toHex(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('hex')
}

/** One byte for each character, up to U+00FF: header values as they come from the wire. */
export function fromLatin1(text: string): Uint8Array {
  return Uint8Array.from(text, (character) => character.charCodeAt(0))
}

export function toLatin1(bytes: Uint8Array): string {
  return Buffer.from(bytes.buffer, bytes.byteOffset, bytes.length).toString('latin1')
}

/** Read an input from its beginning; where it ends, zeros follow. */
export class InputReader {
  readonly #bytes: Uint8Array
  #position = 0

  constructor(bytes: Uint8Array) {
    this.#bytes = bytes
  }

  get isDone(): boolean {
    return this.#position >= this.#bytes.length
  }

  byte(): number {
    return this.#bytes[this.#position++] ?? 0
  }

  uint16(): number {
    return (this.byte() << 8) | this.byte()
  }

  take(length: number): Uint8Array {
    const part = this.#bytes.subarray(this.#position, this.#position + length)
    this.#position += length
    return part
  }

  rest(): Uint8Array {
    return this.take(this.#bytes.length)
  }
}
