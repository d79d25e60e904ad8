import { afterEach, expect, test, vi } from 'vitest'
import { decompressorBinary } from '../../src/deflate/decompressor-binary.ts'
import { loadModule, type ModuleExports, type WasmModule } from '../../src/deflate/wasm-module.ts'

const PAGE = 65_536
const PAGES = 3

afterEach(() => {
  vi.unstubAllEnvs()
  vi.unstubAllGlobals()
})

function make(): WasmModule<ModuleExports> {
  vi.stubEnv('OPENLINE_KERNEL', undefined)
  const module = loadModule(decompressorBinary, PAGES)
  if (module === undefined) throw new Error('there is no WebAssembly here')
  return module
}

test('there is no module where there is no WebAssembly', () => {
  vi.stubEnv('OPENLINE_KERNEL', 'javascript')
  expect(loadModule(decompressorBinary, PAGES)).toBeUndefined()
  vi.stubEnv('OPENLINE_KERNEL', undefined)
  vi.stubGlobal('WebAssembly', undefined)
  expect(loadModule(decompressorBinary, PAGES)).toBeUndefined()
})

test('there is none where the work space does not fit', () => {
  vi.stubEnv('OPENLINE_KERNEL', undefined)
  expect(loadModule(decompressorBinary, 0)).toBeUndefined()
})

test('slots lie behind the work space, and none lies in another', () => {
  const module = make()
  const sizes = [4096, 512, 32_768, 4096, 4096]
  const slots = sizes.map((size) => module.take(size)!)
  let end = module.exports.slots.value
  for (const [index, slot] of slots.entries()) {
    expect(slot).toBeGreaterThanOrEqual(end)
    end = slot + sizes[index]!
  }
})

test('what is given back serves the next that wants as much', () => {
  const module = make()
  const [first, second] = [module.take(512)!, module.take(1024)!]
  module.give(512, first)
  module.give(1024, second)
  expect(module.take(1024)).toBe(second)
  expect(module.take(2048)).not.toBe(first)
  expect(module.take(512)).toBe(first)
  expect(module.take(512)).not.toBe(first)
})

test('the memory grows with the slots, and keeps what is in it', () => {
  const module = make()
  const first = module.take(4096)!
  module.bytes.set([1, 2, 3], first)
  expect(module.bytes.length).toBe(PAGES * PAGE)
  for (let count = 0; count < 100; count++) {
    const slot = module.take(4096)!
    expect(module.bytes.length).toBeGreaterThanOrEqual(slot + 4096)
  }
  expect([...module.bytes.subarray(first, first + 4)]).toEqual([1, 2, 3, 0])
  // 101 slots take 404 KiB, and it grows by a quarter at a time.
  expect(module.bytes.length).toBeLessThan(12 * PAGE)
})

test('no slot is given when the memory cannot grow any more, and smaller ones are', () => {
  const module = make()
  expect(module.take(2 ** 33)).toBeUndefined()
  expect(module.take(4096)).toBe(module.exports.slots.value)
})
