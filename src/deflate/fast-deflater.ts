// One window with which messages are compressed by the compressor in WebAssembly. It takes a tenth of zlib's time for
// small messages, and its windows a tenth of zlib's memory. Where WebAssembly is missing, zlib does it.

import { Buffer } from 'node:buffer'
import { compressorBinary } from './compressor-binary.ts'
import { loadModule, type ModuleExports, type WasmModule } from './wasm-module.ts'

interface CompressorExports extends ModuleExports {
  /** Where a message goes, where what it becomes begins, and the longest message. */
  readonly message: { readonly value: number }
  readonly output: { readonly value: number }
  readonly longestMessage: { readonly value: number }
  readonly tableSize: { readonly value: number }
  /** Compress the message, and return where the output ends. */
  compress(
    slot: number,
    window: number,
    kept: number,
    position: number,
    size: number,
    ownCodesFrom: number,
  ): number
}

const PAGES = 5
// Codes of a message's own make it smaller by a fifth and take four times as long to make as to use the fixed ones.
const OWN_CODES_FROM = 2048

/** The compressor. What it exports is looked up once: the object of exports is slow to ask. */
class Compressor {
  readonly module: WasmModule<CompressorExports>
  readonly compress: CompressorExports['compress']
  readonly message: number
  readonly output: number
  readonly longestMessage: number
  readonly tableSize: number

  constructor(module: WasmModule<CompressorExports>) {
    const { compress, message, output, longestMessage, tableSize } = module.exports
    this.module = module
    this.compress = compress
    this.message = message.value
    this.output = output.value
    this.longestMessage = longestMessage.value
    this.tableSize = tableSize.value
  }
}

let compressor: Compressor | undefined
let isPrepared = false

function prepare(): Compressor | undefined {
  if (isPrepared) return compressor
  isPrepared = true
  const module = loadModule<CompressorExports>(compressorBinary, PAGES)
  if (module !== undefined) compressor = new Compressor(module)
  return compressor
}

/** Tell whether there is a compressor here. */
export function canCompressFast(): boolean {
  return prepare() !== undefined
}

/** Make a deflater with a window of so many bits; `undefined` where that is impossible. */
export function createFastDeflater(windowBits: number): FastDeflater | undefined {
  const compressor = prepare()
  if (compressor === undefined) return undefined
  const window = 1 << windowBits
  const slot = compressor.module.take(compressor.tableSize + window)
  return slot === undefined ? undefined : new FastDeflater(compressor, window, slot)
}

/** Compress with one window. */
export class FastDeflater {
  readonly #compressor: Compressor
  readonly #window: number
  #slot: number
  /** Bytes of the window that are in use. */
  #kept = 0
  /** All bytes so far, in 16 bits: what the table of places counts by. */
  #position = 0

  /** Only for `createFastDeflater`. */
  constructor(compressor: Compressor, window: number, slot: number) {
    this.#compressor = compressor
    this.#window = window
    this.#slot = slot
  }

  /**
   * Compress the next bytes and flush: all of them can be decompressed from what comes out. It is valid until the next
   * call of any deflater, unless it is large.
   */
  deflate(bytes: Uint8Array): Uint8Array {
    const most = this.#compressor.longestMessage
    if (bytes.length <= most) return this.#deflate(bytes)
    const parts: Uint8Array[] = []
    for (let start = 0; start < bytes.length; start += most) {
      parts.push(this.#deflate(bytes.subarray(start, start + most)).slice())
    }
    return Buffer.concat(parts)
  }

  #deflate(bytes: Uint8Array): Uint8Array {
    const { module, compress, message, output } = this.#compressor
    const size = bytes.length
    module.bytes.set(bytes, message)
    const end = compress(this.#slot, this.#window, this.#kept, this.#position, size, OWN_CODES_FROM)
    this.#kept = Math.min(this.#kept + size, this.#window)
    this.#position = (this.#position + size) & 0xffff
    return module.bytes.subarray(output, end)
  }

  /** Begin with an empty window. */
  reset(): void {
    this.#kept = 0
  }

  /** Give back the memory. */
  close(): void {
    if (this.#slot === 0) return
    const { module, tableSize } = this.#compressor
    module.give(tableSize + this.#window, this.#slot)
    this.#slot = 0
  }
}
