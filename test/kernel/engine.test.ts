import { afterEach, describe, expect, test, vi } from 'vitest'
import type { Engine } from '../../src/kernel/engine.ts'
import { LONGEST_HEADER, SERVER_MAX_MESSAGE_SIZE } from '../../src/protocol/limits.ts'

afterEach(() => {
  vi.unstubAllEnvs()
  vi.unstubAllGlobals()
  vi.resetModules()
})

/** Load the engine anew, as a process with this environment would. */
async function load(environment?: string): Promise<Engine> {
  vi.resetModules()
  vi.stubEnv('OPENLINE_KERNEL', environment)
  return (await import('../../src/kernel/engine.ts')).engine
}

describe('engine', () => {
  test('runs on WebAssembly, and reads the largest message of a server with its header at once', async () => {
    const { kernel } = await load()
    expect(kernel.name).toBe('wasm')
    expect(kernel.readSize).toBe(LONGEST_HEADER + SERVER_MAX_MESSAGE_SIZE)
  })

  test('runs on JavaScript when the environment says so', async () => {
    const { kernel } = await load('javascript')
    expect(kernel.name).toBe('javascript')
    expect(kernel.readSize).toBe(LONGEST_HEADER + SERVER_MAX_MESSAGE_SIZE)
  })

  test('is not moved by other values', async () => {
    expect((await load('wasm')).kernel.name).toBe('wasm')
    expect((await load('')).kernel.name).toBe('wasm')
  })

  test('runs on JavaScript where WebAssembly is missing', async () => {
    vi.stubGlobal('WebAssembly', undefined)
    expect((await load()).kernel.name).toBe('javascript')
  })

  test('gives masking keys that are not foreseen', async () => {
    const { maskingKeys } = await load()
    const keys = Array.from({ length: 1000 }, () => maskingKeys())
    expect(new Set(keys).size).toBeGreaterThan(990)
  })

  test('is one for the process', async () => {
    const engine = await load()
    expect((await import('../../src/kernel/engine.ts')).engine).toBe(engine)
  })
})
