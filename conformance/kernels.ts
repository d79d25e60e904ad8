// The kernels that the table is run with, each with the platform it is used with. A new one is added here and
// nowhere else.

import { nodePlatform } from '../src/kernel/node-platform.ts'
import { createWasmKernel } from '../src/kernel/wasm-kernel.ts'
import {
  createJavaScriptKernel,
  type Kernel,
  type Platform,
  portablePlatform,
} from '../src/protocol/index.ts'

export interface KernelChoice {
  readonly name: string
  readonly platform: Platform
  create(): Kernel
}

const READ_SIZE = 64 * 1024

export const kernelFactories: readonly KernelChoice[] = [
  {
    name: 'JavaScript kernel',
    platform: portablePlatform,
    create: () => createJavaScriptKernel(READ_SIZE),
  },
  {
    name: 'WebAssembly kernel',
    platform: nodePlatform,
    create() {
      const kernel = createWasmKernel(READ_SIZE)
      if (kernel === undefined) throw new Error('this runtime has no WebAssembly with SIMD')
      return kernel
    },
  },
]
