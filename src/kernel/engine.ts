// What all connections of a process share: one memory to parse in, one platform, one source of masking keys.

import { createJavaScriptKernel, type Kernel } from '../protocol/kernel.ts'
import { createMaskingKeySource, type MaskingKeySource } from '../protocol/masking.ts'
import type { Platform } from '../protocol/platform.ts'
import { nodePlatform } from './node-platform.ts'
import { createWasmKernel } from './wasm-kernel.ts'

/** Hold what connections share. */
export interface Engine {
  readonly kernel: Kernel
  readonly platform: Platform
  readonly maskingKeys: MaskingKeySource
}

// The most bytes that one read brings: 1 MiB was measured to beat 256 KiB for large messages, and it exists
// once per process, not per connection.
const READ_SIZE = 1024 * 1024

function createEngine(): Engine {
  // OPENLINE_KERNEL=javascript turns WebAssembly off, for tests and for runtimes in which it misbehaves.
  const wasm = process.env.OPENLINE_KERNEL === 'javascript' ? undefined : createWasmKernel(READ_SIZE)
  return {
    kernel: wasm ?? createJavaScriptKernel(READ_SIZE),
    platform: nodePlatform,
    maskingKeys: createMaskingKeySource(nodePlatform),
  }
}

/** The engine of this process. */
export const engine: Engine = createEngine()
