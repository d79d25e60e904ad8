import { expect, test } from 'vitest'
import { decompressorBinary } from '../../src/deflate/decompressor-binary.ts'

// That it is what its source compiles to is seen to by test/kernel/kernel-binary.test.ts, for all modules.

test('the binary is a WebAssembly module that is small', () => {
  const binary = Buffer.from(decompressorBinary, 'base64')
  expect(binary.subarray(0, 8).toString('hex')).toBe('0061736d01000000')
  expect(binary.length).toBeLessThan(6 * 1024)
})
