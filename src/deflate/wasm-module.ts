// A module of ours in WebAssembly, and its memory: work space, and behind it slots in which connections keep their
// windows. The memory grows with their number and stays; what is given back serves the next that wants as much.

import { Buffer } from 'node:buffer'

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

/** What a module always exports. */
export interface ModuleExports {
  /** Where slots can begin. */
  readonly slots: { readonly value: number }
  /** Fill the tables that never change. */
  prepare(): void
}

const PAGE = 65536

/** Load a module whose work space takes less than so many pages; `undefined` where there is no WebAssembly. */
export function loadModule<Exports extends ModuleExports>(
  binary: string,
  pages: number,
): WasmModule<Exports> | undefined {
  // OPENLINE_KERNEL=javascript turns WebAssembly off, here as in the kernel.
  if (process.env.OPENLINE_KERNEL === 'javascript') return undefined
  try {
    const api = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly
    return new WasmModule(api, binary, pages)
  } catch {
    // This runtime has no WebAssembly.
    return undefined
  }
}

/** What a module exports, and its memory. */
export class WasmModule<Exports extends ModuleExports> {
  readonly exports: Exports
  /** The memory; another object when it has grown. */
  bytes: Uint8Array
  readonly #memory: WasmMemory
  /** Where the memory that was given to nobody begins. */
  #end: number
  readonly #free = new Map<number, number[]>()

  /** Only for `loadModule`. */
  constructor(api: WebAssemblyApi, binary: string, pages: number) {
    this.#memory = new api.Memory({ initial: pages })
    const module = new api.Module(Buffer.from(binary, 'base64'))
    this.exports = new api.Instance(module, { env: { memory: this.#memory } }).exports as Exports
    this.exports.prepare()
    this.bytes = new Uint8Array(this.#memory.buffer)
    this.#end = this.exports.slots.value
  }

  /** Find a slot of this size; `undefined` when the memory cannot grow any more. */
  take(size: number): number | undefined {
    const free = this.#free.get(size)?.pop()
    if (free !== undefined) return free
    const slot = this.#end
    const end = slot + size
    if (end > this.bytes.length && !this.#grow(end)) return undefined
    this.#end = end
    return slot
  }

  /** Give a slot of this size back. */
  give(size: number, slot: number): void {
    const free = this.#free.get(size)
    if (free === undefined) this.#free.set(size, [slot])
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
