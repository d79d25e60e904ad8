// The memory in which all bytes are parsed, and the two operations that touch every byte of it.
// This is the JavaScript version; the WebAssembly version passes the same tests.

/** Hold the one memory that everything is parsed in, and do to its bytes what must be fast. */
export interface Kernel {
  /** Says which version this is, for diagnostics and tests. */
  readonly name: 'wasm' | 'javascript'
  /** The memory: headroom, then the place where transports put what they read. */
  readonly memory: Uint8Array
  /** Where transports write; before it lies headroom for the rest of an incomplete frame. */
  readonly readStart: number
  /** How many bytes fit behind `readStart`. */
  readonly readSize: number
  /** True while a parser works in the memory: nobody may write into it then. */
  busy: boolean
  /** Parsers that got bytes while the memory was busy; they go on when it is free. */
  readonly waiting: { parseBacklog(): void }[]
  /**
   * XOR the bytes in place with the masking key, whose lowest byte belongs to the first byte
   * (RFC 6455 section 5.3), and tell whether all of the result is ASCII.
   */
  unmask(start: number, end: number, key: number): boolean
  /** Tell whether all bytes are ASCII. */
  isAscii(start: number, end: number): boolean
}

/** Room for the rest of an incomplete frame: 256 bytes, more than any header or whole control frame takes. */
export const HEADROOM = 256

/** Unmask a few bytes one by one; faster than any call that has to prepare something. */
export function unmaskShort(memory: Uint8Array, start: number, end: number, key: number): boolean {
  let seen = 0
  let shift = 0
  for (let index = start; index < end; index++) {
    const byte = memory[index]! ^ ((key >>> shift) & 0xff)
    memory[index] = byte
    seen |= byte
    shift = (shift + 8) & 31
  }
  return seen < 0x80
}

class JavaScriptKernel implements Kernel {
  readonly name = 'javascript'
  readonly memory: Uint8Array
  readonly readStart: number = HEADROOM
  readonly readSize: number
  busy = false
  readonly waiting: { parseBacklog(): void }[] = []
  readonly #words: Int32Array

  constructor(readSize: number) {
    this.readSize = readSize
    this.memory = new Uint8Array(HEADROOM + readSize)
    this.#words = new Int32Array(this.memory.buffer, 0, (HEADROOM + readSize) >> 2)
  }

  unmask(start: number, end: number, key: number): boolean {
    const memory = this.memory
    const aligned = (start + 3) & ~3
    if (end - aligned < 16) return unmaskShort(memory, start, end, key)

    let ascii = unmaskShort(memory, start, aligned, key)
    const wordKey = rotateKey(key, aligned - start)
    const words = this.#words
    const lastWord = end >> 2
    let seen = 0
    for (let index = aligned >> 2; index < lastWord; index++) {
      const word = words[index]! ^ wordKey
      words[index] = word
      seen |= word
    }
    ascii = unmaskShort(memory, lastWord << 2, end, wordKey) && ascii
    return ascii && (seen & NON_ASCII_BITS) === 0
  }

  isAscii(start: number, end: number): boolean {
    const memory = this.memory
    const words = this.#words
    let seen = 0
    let index = start
    for (; index < end && (index & 3) !== 0; index++) seen |= memory[index]!
    for (; index + 4 <= end; index += 4) seen |= words[index >> 2]!
    for (; index < end; index++) seen |= memory[index]!
    return (seen & NON_ASCII_BITS) === 0
  }
}

const NON_ASCII_BITS = 0x80808080 | 0

/** Read a masking key as it stands in a frame: its first byte, which is for the first payload byte, becomes the lowest. */
export function readKey(memory: Uint8Array, position: number): number {
  return (
    memory[position]! |
    (memory[position + 1]! << 8) |
    (memory[position + 2]! << 16) |
    (memory[position + 3]! << 24)
  )
}

/** Turn the masking key so that its lowest byte belongs to the byte `count` places later. */
export function rotateKey(key: number, count: number): number {
  const shift = (count & 3) << 3
  return shift === 0 ? key : (key >>> shift) | (key << (32 - shift))
}

/** Make a kernel in plain JavaScript; `readSize` is the most bytes that one read brings. */
export function createJavaScriptKernel(readSize: number): Kernel {
  return new JavaScriptKernel(readSize)
}
