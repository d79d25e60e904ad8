// What all connections of a process share: one memory to parse in, one platform, one source of masking keys.

import { createJavaScriptKernel, type Kernel } from '../protocol/kernel.ts'
import { LONGEST_HEADER, SERVER_MAX_MESSAGE_SIZE } from '../protocol/limits.ts'
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

// The most bytes that one read brings. It exists once per process, so that it can be large: the largest message that a
// server takes by default comes in one read with its header, and is copied once.
const READ_SIZE = SERVER_MAX_MESSAGE_SIZE + LONGEST_HEADER

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
