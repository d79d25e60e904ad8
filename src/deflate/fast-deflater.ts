// One window with which messages are compressed by the compressor in WebAssembly. It takes a tenth of zlib's time for
// small messages, and its windows a tenth of zlib's memory. Where WebAssembly is missing, zlib does it.

import { Buffer } from 'node:buffer'
import { compressorBinary } from './compressor-binary.ts'

interface CompressorExports {
  /** Where a message goes, where what it becomes begins, where slots can begin, and the longest message. */
  readonly message: { readonly value: number }
  readonly output: { readonly value: number }
  readonly slots: { readonly value: number }
  readonly longestMessage: { readonly value: number }
  readonly tableSize: { readonly value: number }
  prepare(): void
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

interface WasmMemory {
  readonly buffer: ArrayBuffer
  grow(pages: number): number
}

/** The part of the WebAssembly API that is used here; Node's own types do not have it. */
interface WebAssemblyApi {
  Memory: new (limits: { initial: number }) => WasmMemory
  Module: new (binary: Uint8Array) => object
  Instance: new (module: object, imports: { env: { memory: WasmMemory } }) => { readonly exports: unknown }
}

const PAGE = 65536
// Codes of a message's own make it smaller by a fifth and take four times as long to make as to use the fixed ones.
const OWN_CODES_FROM = 2048

/** The compressor, and the memory in which it works and keeps the windows of connections. */
class Compressor {
  readonly #memory: WasmMemory
  bytes: Uint8Array
  // Looked up once: the object of exports is slow to ask.
  readonly compress: CompressorExports['compress']
  readonly message: number
  readonly output: number
  readonly longestMessage: number
  readonly #tableSize: number
  /** Where the memory that was given to nobody begins. */
  #end: number
  readonly #free = new Map<number, number[]>()

  constructor(api: WebAssemblyApi) {
    // The work space takes four pages.
    this.#memory = new api.Memory({ initial: 5 })
    const module = new api.Module(Buffer.from(compressorBinary, 'base64'))
    const instance = new api.Instance(module, { env: { memory: this.#memory } })
    const exports = instance.exports as CompressorExports
    exports.prepare()
    this.bytes = new Uint8Array(this.#memory.buffer)
    this.compress = exports.compress
    this.message = exports.message.value
    this.output = exports.output.value
    this.longestMessage = exports.longestMessage.value
    this.#tableSize = exports.tableSize.value
    this.#end = exports.slots.value
  }

  /** Find room for a window; `undefined` when the memory cannot grow any more. */
  take(window: number): number | undefined {
    const free = this.#free.get(window)?.pop()
    if (free !== undefined) return free
    const slot = this.#end
    const end = slot + this.#tableSize + window
    if (end > this.bytes.length && !this.#grow(end)) return undefined
    this.#end = end
    return slot
  }

  give(window: number, slot: number): void {
    const free = this.#free.get(window)
    if (free === undefined) this.#free.set(window, [slot])
    else free.push(slot)
  }

  #grow(end: number): boolean {
    try {
      // By a quarter, so that it is seldom done.
      this.#memory.grow(Math.ceil((end * 1.25) / PAGE) - this.bytes.length / PAGE)
    } catch {
      return false
    }
    this.bytes = new Uint8Array(this.#memory.buffer)
    return true
  }
}

let compressor: Compressor | undefined
let isPrepared = false

function prepare(): Compressor | undefined {
  if (isPrepared) return compressor
  isPrepared = true
  // OPENLINE_KERNEL=javascript turns WebAssembly off, here as in the kernel.
  if (process.env.OPENLINE_KERNEL === 'javascript') return undefined
  try {
    compressor = new Compressor((globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly)
  } catch {
    // This runtime has no WebAssembly.
  }
  return compressor
}

/** Tell whether there is a compressor here. */
export function canCompressFast(): boolean {
  return prepare() !== undefined
}

/** Make a deflater with a window of so many bits; `undefined` where that is impossible. */
export function createFastDeflater(windowBits: number): FastDeflater | undefined {
  const compressor = prepare()
  const window = 1 << windowBits
  const slot = compressor?.take(window)
  return slot === undefined ? undefined : new FastDeflater(compressor!, window, slot)
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
    const { bytes: memory, compress, message, output } = this.#compressor
    const size = bytes.length
    memory.set(bytes, message)
    const end = compress(this.#slot, this.#window, this.#kept, this.#position, size, OWN_CODES_FROM)
    this.#kept = Math.min(this.#kept + size, this.#window)
    this.#position = (this.#position + size) & 0xffff
    return memory.subarray(output, end)
  }

  /** Begin with an empty window. */
  reset(): void {
    this.#kept = 0
  }

  /** Give back the memory. */
  close(): void {
    if (this.#slot === 0) return
    this.#compressor.give(this.#window, this.#slot)
    this.#slot = 0
  }
}
