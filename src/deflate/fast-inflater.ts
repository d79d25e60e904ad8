// One window with which small messages are decompressed by the decompressor in WebAssembly, in little more than half of
// zlib's time. What it does not do, or where WebAssembly is missing, zlib does.

import { decompressorBinary } from './decompressor-binary.ts'
import type { InflaterSink } from './inflater-sink.ts'
import { loadModule, type ModuleExports, type WasmModule } from './wasm-module.ts'

interface DecompressorExports extends ModuleExports {
  /** Where a message goes, how long it can be, and where the output begins. */
  readonly message: { readonly value: number }
  readonly longestMessage: { readonly value: number }
  readonly output: { readonly value: number }
  /** Decompress the message, which comes without its tail, and return how much came out; -1 for what zlib has to look at. */
  decompress(slot: number, window: number, kept: number, size: number): number
}

const PAGES = 3
/** RFC 7692 section 7.2.2: "Append 4 octets of 0x00 0x00 0xff 0xff to the tail end of the payload of the message." */
export const TAIL: Uint8Array = Uint8Array.of(0x00, 0x00, 0xff, 0xff)

/** The decompressor. What it exports is looked up once: the object of exports is slow to ask. */
class Decompressor {
  readonly module: WasmModule<DecompressorExports>
  readonly decompress: DecompressorExports['decompress']
  readonly message: number
  readonly longestMessage: number
  readonly output: number
  /** True while somebody looks at the output: then it must not be written over, and the memory must not grow. */
  isLent = false

  constructor(module: WasmModule<DecompressorExports>) {
    const { decompress, message, longestMessage, output } = module.exports
    this.module = module
    this.decompress = decompress
    this.message = message.value
    this.longestMessage = longestMessage.value
    this.output = output.value
  }
}

let decompressor: Decompressor | undefined
let isPrepared = false

function prepare(): Decompressor | undefined {
  if (isPrepared) return decompressor
  isPrepared = true
  const module = loadModule<DecompressorExports>(decompressorBinary, PAGES)
  if (module !== undefined) decompressor = new Decompressor(module)
  return decompressor
}

/** Make an inflater with a window of so many bits; `undefined` where that is impossible, or impossible now. */
export function createFastInflater(windowBits: number): FastInflater | undefined {
  const decompressor = prepare()
  if (decompressor === undefined || decompressor.isLent) return undefined
  const window = 1 << windowBits
  const slot = decompressor.module.take(window)
  return slot === undefined ? undefined : new FastInflater(decompressor, window, slot)
}

/** Decompress with one window. */
export class FastInflater {
  readonly #decompressor: Decompressor
  readonly #window: number
  #slot: number
  /** Bytes of the window that are in use. */
  #kept = 0

  /** Only for `createFastInflater`. */
  constructor(decompressor: Decompressor, window: number, slot: number) {
    this.#decompressor = decompressor
    this.#window = window
    this.#slot = slot
  }

  /** The longest message that it takes, without its tail. */
  get longestMessage(): number {
    return this.#decompressor.longestMessage
  }

  /**
   * Decompress a whole message, which comes without its tail, and hand on what it becomes. Return false when zlib has
   * to do it: then nothing has happened.
   */
  inflate(bytes: Uint8Array, start: number, end: number, sink: InflaterSink): boolean {
    const decompressor = this.#decompressor
    const size = end - start
    if (size > decompressor.longestMessage || decompressor.isLent) return false
    const memory = decompressor.module.bytes
    const length = this.#decompress(bytes.subarray(start, end))
    if (length < 0) return false
    const { output } = decompressor
    decompressor.isLent = true
    try {
      sink.onOutput(memory, output, output + length, true)
    } finally {
      decompressor.isLent = false
    }
    return true
  }

  /**
   * Take note of a whole message, with its tail, that zlib decompressed with the same window. Return false when that is
   * impossible, or zlib does not stand where a message can begin.
   */
  follow(bytes: Uint8Array): boolean {
    const { longestMessage, isLent } = this.#decompressor
    const size = bytes.length - TAIL.length
    if (size < 0 || size > longestMessage || isLent) return false
    const hasTail = TAIL.every((byte, index) => bytes[size + index] === byte)
    return hasTail && this.#decompress(bytes.subarray(0, size)) >= 0
  }

  #decompress(bytes: Uint8Array): number {
    const { module, message, decompress } = this.#decompressor
    module.bytes.set(bytes, message)
    const length = decompress(this.#slot, this.#window, this.#kept, bytes.length)
    if (length >= 0) this.#kept = Math.min(this.#kept + length, this.#window)
    return length
  }

  /** Copy what is in the window. */
  copyWindow(): Uint8Array {
    return this.#decompressor.module.bytes.slice(this.#slot, this.#slot + this.#kept)
  }

  /** Begin with an empty window. */
  reset(): void {
    this.#kept = 0
  }

  /** Give back the memory. */
  close(): void {
    if (this.#slot === 0) return
    this.#decompressor.module.give(this.#window, this.#slot)
    this.#slot = 0
  }
}
