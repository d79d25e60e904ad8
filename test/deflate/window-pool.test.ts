import { beforeAll, describe, expect, test, vi } from 'vitest'
import type { DeflateSettings } from '../../src/deflate/deflater.ts'
import type { Inflater } from '../../src/deflate/inflater.ts'
import { concat, hex, toHex, utf8 } from '../support/bytes.ts'
import { load, type Modules, TAIL } from './support.ts'

const ZLIB: DeflateSettings = { windowBits: 10, level: 3, memLevel: 5 }

let modules: Modules
let pool: Modules['pool']

beforeAll(async () => {
  modules = await load('at once')
  ;({ pool } = modules)
})

/** Decompress a message of `f2 …`, and give it back as text. */
function inflate(inflater: Inflater, message: Uint8Array): string {
  let text = ''
  const input = concat(message, TAIL)
  const result = inflater.inflate(input, 0, input.length, true, {
    onOutput: (bytes, start, end) => {
      text += Buffer.from(bytes.subarray(start, end)).toString()
      return true
    },
  })
  return result === 'done' ? text : result
}

describe('nameSettings', () => {
  test('gives windows that can stand for one another the same name, and others another', () => {
    const { nameSettings } = pool
    expect(nameSettings({ ...ZLIB })).toBe(nameSettings(ZLIB))
    const names = [
      ZLIB,
      { ...ZLIB, windowBits: 9 },
      { ...ZLIB, level: 4 },
      { ...ZLIB, level: undefined },
      { ...ZLIB, memLevel: 6 },
    ].map(nameSettings)
    expect(new Set(names).size).toBe(names.length)
  })
})

describe.each([
  ['of zlib', ZLIB],
  ['of our own', { ...ZLIB, level: undefined }],
] as const)('windows %s to compress with', (_, settings) => {
  test('come back empty', () => {
    const windows = pool.deflaterPool(settings)
    const first = windows.take()
    const message = toHex(first.deflate(utf8('Hello, Hello')))
    expect(toHex(first.deflate(utf8('Hello, Hello')))).not.toBe(message)
    windows.give(first)
    const second = windows.take()
    expect(second).toBe(first)
    expect(toHex(second.deflate(utf8('Hello, Hello')))).toBe(message)
    windows.give(second)
  })

  test('go to one taker each', () => {
    const windows = pool.deflaterPool(settings)
    const taken = Array.from({ length: 6 }, () => windows.take())
    expect(new Set(taken).size).toBe(6)
    for (const deflater of taken) windows.give(deflater)
  })

  test('are kept apart by their settings', () => {
    const windows = pool.deflaterPool(settings)
    const other = { ...settings, windowBits: 9 }
    const deflater = windows.take()
    windows.give(deflater)
    const others = pool.deflaterPool(other)
    const another = others.take()
    expect(another).not.toBe(deflater)
    others.give(another)
  })

  test('are closed when four are free already', () => {
    // A class that no other test uses.
    const windows = pool.deflaterPool({ ...settings, memLevel: 9 })
    const taken = Array.from({ length: 6 }, () => windows.take())
    const closed = taken.map((deflater) => vi.spyOn(deflater, 'close'))
    for (const deflater of taken) windows.give(deflater)
    expect(closed.map(({ mock }) => mock.calls.length)).toEqual([0, 0, 0, 0, 1, 1])
    const again = Array.from({ length: 6 }, () => windows.take())
    expect(again.filter((deflater) => taken.includes(deflater))).toHaveLength(4)
  })
})

describe('canDeflateNow', () => {
  test('says yes where one of both can', () => {
    expect(pool.canDeflateNow(ZLIB)).toBe(true)
    expect(pool.canDeflateNow({ ...ZLIB, level: undefined })).toBe(true)
  })

  test('says no for zlib where it cannot be driven at once', async () => {
    const { pool } = await load('through streams')
    expect(pool.canDeflateNow(ZLIB)).toBe(false)
    expect(pool.canDeflateNow({ ...ZLIB, level: undefined })).toBe(true)
  })
})

describe('windows to decompress with', () => {
  test('come back empty', () => {
    const windows = pool.inflaterPool(12)
    const first = windows.take()
    expect(inflate(first, hex('f2 48 cd c9 c9 07 00'))).toBe('Hello')
    expect(inflate(first, hex('f2 00 11 00 00'))).toBe('Hello')
    windows.give(first)
    const second = windows.take()
    expect(second).toBe(first)
    // What looks back finds nothing.
    expect(inflate(second, hex('f2 00 11 00 00'))).toBe('failed')
    second.close()
  })

  test('are kept apart by their sizes', () => {
    const smallOnes = pool.inflaterPool(9)
    const largeOnes = pool.inflaterPool(15)
    const small = smallOnes.take()
    smallOnes.give(small)
    const large = largeOnes.take()
    expect(large).not.toBe(small)
    expect(smallOnes.take()).toBe(small)
    smallOnes.give(small)
    largeOnes.give(large)
  })

  test('are closed when four are free already', () => {
    const windows = pool.inflaterPool(11)
    const taken = Array.from({ length: 6 }, () => windows.take())
    const closed = taken.map((inflater) => vi.spyOn(inflater, 'close'))
    for (const inflater of taken) windows.give(inflater)
    expect(closed.filter(({ mock }) => mock.calls.length > 0)).toHaveLength(2)
  })
})
