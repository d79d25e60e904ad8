// The WebAssembly kernel: SIMD over the memory that sockets read into.

import { HEADROOM, type Kernel, unmaskShort } from '../protocol/kernel.ts'
import { kernelBinary } from './kernel-binary.ts'

interface KernelExports {
  unmask(start: number, end: number, key: number): number
  nonAscii(start: number, end: number): number
}

interface WasmMemory {
  readonly buffer: ArrayBuffer
}

/** The part of the WebAssembly API that is used here; Node's own types do not have it. */
interface WebAssemblyApi {
  Memory: new (limits: { initial: number; maximum: number }) => WasmMemory
  Module: new (binary: Uint8Array) => object
  Instance: new (module: object, imports: { env: { memory: WasmMemory } }) => { readonly exports: unknown }
}

// Calling into WebAssembly costs about as much as walking this many bytes.
const CALL_PAYS_FROM = 16
const PAGE = 65536

class WasmKernel implements Kernel {
  readonly name = 'wasm'
  readonly memory: Uint8Array
  readonly readStart: number = HEADROOM
  readonly readSize: number
  busy = false
  readonly waiting: { parseBacklog(): void }[] = []
  // Looked up once: the object of exports is slow to ask.
  readonly #unmask: KernelExports['unmask']
  readonly #nonAscii: KernelExports['nonAscii']

  constructor(memory: WasmMemory, readSize: number, kernel: KernelExports) {
    this.memory = new Uint8Array(memory.buffer, 0, HEADROOM + readSize)
    this.readSize = readSize
    this.#unmask = kernel.unmask
    this.#nonAscii = kernel.nonAscii
  }

  unmask(start: number, end: number, key: number): boolean {
    if (end - start < CALL_PAYS_FROM) return unmaskShort(this.memory, start, end, key)
    return this.#unmask(start, end, key) === 0
  }

  isAscii(start: number, end: number): boolean {
    if (end - start < CALL_PAYS_FROM) {
      const memory = this.memory
      let seen = 0
      for (let index = start; index < end; index++) seen |= memory[index]!
      return seen < 0x80
    }
    return this.#nonAscii(start, end) === 0
  }
}

/** Make a kernel in WebAssembly; `undefined` where WebAssembly or its SIMD is missing. */
export function createWasmKernel(readSize: number): Kernel | undefined {
  try {
    const wasm = (globalThis as unknown as { WebAssembly: WebAssemblyApi }).WebAssembly
    const pages = Math.ceil((HEADROOM + readSize) / PAGE)
    const memory = new wasm.Memory({ initial: pages, maximum: pages })
    const module = new wasm.Module(Buffer.from(kernelBinary, 'base64'))
    const instance = new wasm.Instance(module, { env: { memory } })
    return new WasmKernel(memory, readSize, instance.exports as KernelExports)
  } catch {
    return undefined
  }
}
