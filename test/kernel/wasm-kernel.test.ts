import fc from 'fast-check'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { createWasmKernel } from '../../src/kernel/wasm-kernel.ts'
import { createJavaScriptKernel, HEADROOM } from '../../src/protocol/kernel.ts'
import { describeKernel } from '../support/kernel-suite.ts'

describeKernel('wasm', () => createWasmKernel(4096)!)

afterEach(() => {
  vi.unstubAllGlobals()
})

describe('createWasmKernel', () => {
  test.each([1, 1024, 65_536 - HEADROOM, 65_536 - HEADROOM + 1, 1024 * 1024])(
    'gives memory for reads of %d bytes, no more',
    (readSize) => {
      const kernel = createWasmKernel(readSize)!
      expect(kernel.readSize).toBe(readSize)
      expect(kernel.memory.length).toBe(HEADROOM + readSize)
      expect(kernel.memory.byteOffset).toBe(0)
    },
  )

  test('equals the JavaScript kernel on any bytes, at any place', () => {
    const size = 5000
    const wasm = createWasmKernel(size)!
    const javascript = createJavaScriptKernel(size)
    fc.assert(
      fc.property(
        fc.uint8Array({ maxLength: size }),
        fc.boolean(),
        fc.nat(size + HEADROOM),
        fc.nat(size + HEADROOM),
        fc.integer(),
        (bytes, isAscii, first, second, key) => {
          const start = Math.min(first, second)
          const end = Math.max(first, second)
          for (const { memory } of [wasm, javascript]) {
            memory.fill(0)
            memory.set(isAscii ? bytes.map((byte) => byte & 0x7f) : bytes, HEADROOM)
          }
          expect(wasm.isAscii(start, end)).toBe(javascript.isAscii(start, end))
          expect(wasm.unmask(start, end, key)).toBe(javascript.unmask(start, end, key))
          expect(Buffer.compare(wasm.memory, javascript.memory)).toBe(0)
          expect(wasm.isAscii(start, end)).toBe(javascript.isAscii(start, end))
        },
      ),
      { numRuns: 300 },
    )
  })

  test('gives nothing where WebAssembly is missing', () => {
    vi.stubGlobal('WebAssembly', undefined)
    expect(createWasmKernel(1024)).toBeUndefined()
  })

  test('gives nothing where SIMD is missing', () => {
    vi.stubGlobal('WebAssembly', {
      Memory: (globalThis as unknown as { WebAssembly: { Memory: unknown } }).WebAssembly.Memory,
      Module: class {
        constructor() {
          throw new Error('invalid opcode 0xfd')
        }
      },
    })
    expect(createWasmKernel(1024)).toBeUndefined()
  })

  test('gives nothing where there is no memory to be had', () => {
    vi.stubGlobal('WebAssembly', {
      Memory: class {
        constructor() {
          throw new RangeError('could not allocate memory')
        }
      },
    })
    expect(createWasmKernel(1024)).toBeUndefined()
  })
})
