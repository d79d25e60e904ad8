import { Buffer } from 'node:buffer'
import { runInNewContext } from 'node:vm'
import { afterEach, describe, expect, test, vi } from 'vitest'
import { pattern } from '../support/bytes.ts'

type Module = typeof import('../../src/kernel/message-memory.ts')

const MIB = 1024 * 1024
/** How many MiB of messages lie between two collections. */
const PORTION = 12
/** For how many MiB a program is left in peace to which collections are dear. */
const PEACE = 512
const LONG = 2.1
const SHORT = 1.9

afterEach(() => {
  vi.unstubAllEnvs()
  vi.restoreAllMocks()
  vi.doUnmock('node:v8')
  vi.doUnmock('node:vm')
  vi.resetModules()
})

/** Load the module anew, as a process with this environment would. */
async function load(environment?: string): Promise<Module> {
  vi.resetModules()
  vi.stubEnv('OPENLINE_MESSAGE_MEMORY', environment)
  return import('../../src/kernel/message-memory.ts')
}

/** A V8 that only counts. */
class CountingV8 {
  /** What every collection was asked to be. */
  readonly collections: unknown[] = []
  readonly flags: string[] = []
  /** How long a collection takes, in ms. */
  duration = 0
  isFlagRefused = false
  isFunctionMissing = false
  #time = 0

  /** Load the module on top of it. */
  async load(environment?: string): Promise<Module> {
    vi.spyOn(performance, 'now').mockImplementation(() => this.#time)
    const collect = (options: unknown): void => {
      this.collections.push(options)
      this.#time += this.duration
    }
    vi.doMock('node:v8', () => ({
      setFlagsFromString: (flag: string) => {
        this.flags.push(flag)
        if (this.isFlagRefused) throw new Error('unknown flag')
      },
    }))
    vi.doMock('node:vm', () => ({
      runInNewContext: (code: string) => {
        expect(code).toBe('gc')
        if (this.isFunctionMissing) throw new ReferenceError('gc is not defined')
        return collect
      },
    }))
    return load(environment)
  }

  /** How many collections there were since this was asked last. */
  takeCount(): number {
    return this.collections.splice(0).length
  }
}

/** Get this many MiB of messages, in pieces of one. */
function receive({ allocateMessage }: Module, mebibytes: number): void {
  for (let count = 0; count < mebibytes; count++) allocateMessage(MIB)
}

describe.each([undefined, 'plain'])('messages with OPENLINE_MESSAGE_MEMORY=%s', (environment) => {
  test.each([0, 1, 1023, 1024, 4096, 100_000])(
    'have %d bytes of memory that nobody else has',
    async (size) => {
      const { allocateMessage } = await load(environment)
      const one = allocateMessage(size)
      const other = allocateMessage(size)
      for (const message of [one, other]) {
        expect(Object.getPrototypeOf(message)).toBe(Uint8Array.prototype)
        expect(message.length).toBe(size)
        expect(message.byteOffset).toBe(0)
        expect(message.buffer.byteLength).toBe(size)
      }
      expect(one.buffer).not.toBe(other.buffer)
      one.fill(1)
      other.fill(2)
      expect(one.every((byte) => byte === 1)).toBe(true)
    },
  )

  test.each([0, 1, 1023, 1024, 4096, 100_000])(
    'are copies of %d bytes, in memory of their own',
    async (size) => {
      const { copyMessage } = await load(environment)
      const source = pattern(size + 10)
      const copy = copyMessage(source, 3, 3 + size)
      expect(Object.getPrototypeOf(copy)).toBe(Uint8Array.prototype)
      expect(copy.length).toBe(size)
      expect(copy.byteOffset).toBe(0)
      expect(copy.buffer.byteLength).toBe(size)
      expect(copy.buffer).not.toBe(source.buffer)
      source.fill(0)
      expect(Buffer.compare(copy, pattern(size + 3).subarray(3))).toBe(0)
    },
  )
})

describe('pacing of young collections', () => {
  test('asks for a minor one after every 12 MiB of large messages', async () => {
    const v8 = new CountingV8()
    const module = await v8.load()
    receive(module, PORTION - 1)
    expect(v8.collections).toEqual([])
    expect(v8.flags).toEqual([])
    receive(module, 1)
    expect(v8.takeCount()).toBeGreaterThan(0)
    for (let round = 0; round < 3; round++) {
      receive(module, PORTION - 1)
      expect(v8.collections).toEqual([])
      receive(module, 1)
      expect(v8.collections).toEqual([{ type: 'minor' }])
      expect(v8.takeCount()).toBe(1)
    }
    expect(v8.flags).toEqual(['--expose-gc', '--no-expose-gc'])
  })

  test('counts copies as it counts what is allocated', async () => {
    const v8 = new CountingV8()
    const { allocateMessage, copyMessage } = await v8.load()
    const source = new Uint8Array(2 * MIB)
    for (let count = 0; count < PORTION / 2 - 1; count++) {
      copyMessage(source, MIB, 2 * MIB)
      allocateMessage(MIB)
    }
    copyMessage(source, 1, 2 * MIB)
    expect(v8.takeCount()).toBe(0)
    allocateMessage(1024)
    expect(v8.takeCount()).toBeGreaterThan(0)
  })

  test('counts a single message that is larger than the portion', async () => {
    const v8 = new CountingV8()
    const { allocateMessage } = await v8.load()
    allocateMessage(PORTION * MIB)
    expect(v8.takeCount()).toBeGreaterThan(0)
    allocateMessage(5 * PORTION * MIB)
    expect(v8.takeCount()).toBe(1)
  })

  test('does not count messages below 1 KiB', async () => {
    const v8 = new CountingV8()
    const { allocateMessage, copyMessage } = await v8.load()
    const source = new Uint8Array(1023)
    for (let size = 0; size < 2 * PORTION * MIB; size += 2 * 1023) {
      allocateMessage(1023)
      copyMessage(source, 0, 1023)
    }
    expect(v8.takeCount()).toBe(0)
  })

  test('is turned off by the environment', async () => {
    const v8 = new CountingV8()
    receive(await v8.load('plain'), 3 * PORTION)
    expect(v8.takeCount()).toBe(0)
    expect(v8.flags).toEqual([])
  })

  test('is not turned off by other values', async () => {
    const v8 = new CountingV8()
    receive(await v8.load('paced'), PORTION)
    expect(v8.takeCount()).toBeGreaterThan(0)
  })

  test('is given up where the flag is refused', async () => {
    const v8 = new CountingV8()
    v8.isFlagRefused = true
    const module = await v8.load()
    receive(module, 3 * PORTION)
    expect(v8.flags).toEqual(['--expose-gc'])
    v8.isFlagRefused = false
    receive(module, 3 * PORTION)
    expect(v8.flags).toEqual(['--expose-gc'])
    expect(v8.takeCount()).toBe(0)
  })

  test('is given up where the function is missing', async () => {
    const v8 = new CountingV8()
    v8.isFunctionMissing = true
    const module = await v8.load()
    receive(module, PORTION)
    v8.isFunctionMissing = false
    receive(module, 3 * PORTION)
    expect(v8.flags.filter((flag) => flag === '--expose-gc')).toHaveLength(1)
    expect(v8.takeCount()).toBe(0)
  })

  test('leaves a program in peace for a while to which four in a row were long, and then tries again', async () => {
    const v8 = new CountingV8()
    const module = await v8.load()
    v8.duration = LONG
    receive(module, PORTION)
    v8.takeCount()
    receive(module, 3 * PORTION)
    expect(v8.takeCount()).toBe(3)
    receive(module, PEACE - 1)
    expect(v8.takeCount()).toBe(0)
    receive(module, 1)
    expect(v8.takeCount()).toBe(1)
    // That one was long too.
    v8.duration = SHORT
    receive(module, PEACE - 1)
    expect(v8.takeCount()).toBe(0)
    receive(module, 1)
    expect(v8.takeCount()).toBe(1)
    // And that one was not.
    receive(module, 5 * PORTION)
    expect(v8.takeCount()).toBe(5)
  })

  test('is not moved by long ones with a short one among them', async () => {
    const v8 = new CountingV8()
    const module = await v8.load()
    receive(module, PORTION)
    v8.takeCount()
    for (let round = 0; round < 4; round++) {
      for (const duration of [LONG, LONG, LONG, SHORT]) {
        v8.duration = duration
        receive(module, PORTION)
        expect(v8.takeCount()).toBe(1)
      }
    }
  })

  test('leaves no function of V8 behind in the program', async () => {
    const before = (globalThis as { gc?: unknown }).gc
    receive(await load(), 3 * PORTION)
    expect((globalThis as { gc?: unknown }).gc).toBe(before)
    expect(runInNewContext('typeof gc')).toBe(typeof before)
  })
})

describe('the lesson for the allocator', () => {
  test.each([
    ['linux', 1],
    ['darwin', 0],
    ['win32', 0],
  ])('is given on %s %d times', async (platform, times) => {
    const v8 = new CountingV8()
    const module = await v8.load()
    const lessons: { size: number; collections: number }[] = []
    vi.stubGlobal(
      'ArrayBuffer',
      class extends ArrayBuffer {
        constructor(size: number) {
          super(size)
          lessons.push({ size, collections: v8.collections.length })
        }
      },
    )
    const original = Object.getOwnPropertyDescriptor(process, 'platform')!
    try {
      Object.defineProperty(process, 'platform', { ...original, value: platform })
      receive(module, 3 * PORTION)
    } finally {
      Object.defineProperty(process, 'platform', original)
      vi.unstubAllGlobals()
    }
    // Just below 32 MiB, beyond which glibc learns nothing; and after what was young is gone.
    const lesson = { size: 32 * MIB - 64 * 1024, collections: 1 }
    expect(lessons).toEqual(Array.from({ length: times }, () => lesson))
    expect(v8.takeCount()).toBe(4)
  })
})
