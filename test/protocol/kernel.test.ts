import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import {
  createJavaScriptKernel,
  HEADROOM,
  readKey,
  rotateKey,
  unmaskShort,
} from '../../src/protocol/kernel.ts'
import { hex, naiveMask, RFC_KEY } from '../support/bytes.ts'
import { describeKernel } from '../support/kernel-suite.ts'

describeKernel('javascript', () => createJavaScriptKernel(4096))

describe('createJavaScriptKernel', () => {
  test('takes a size that is no multiple of four', () => {
    const kernel = createJavaScriptKernel(1027)
    expect(kernel.readSize).toBe(1027)
    expect(kernel.memory.length).toBe(HEADROOM + 1027)
    expect(kernel.unmask(kernel.readStart, kernel.readStart + 1027, 0x80)).toBe(false)
    expect(kernel.memory.slice(-4)).toEqual(hex('00 80 00 00'))
    expect(kernel.isAscii(kernel.readStart, kernel.readStart + 1025)).toBe(false)
    expect(kernel.isAscii(kernel.readStart + 1025, kernel.readStart + 1027)).toBe(true)
  })
})

describe('readKey', () => {
  test('takes the first byte for the lowest, wherever the key stands', () => {
    expect(readKey(hex('37 fa 21 3d'), 0)).toBe(0x3d21fa37)
    expect(readKey(hex('81 85 37 fa 21 bd 7f'), 2)).toBe(0xbd21fa37 | 0)
  })
})

describe('rotateKey', () => {
  test('leaves a key alone at multiples of four', () => {
    for (const count of [0, 4, 8, 65536]) expect(rotateKey(0x3d21fa37, count)).toBe(0x3d21fa37)
  })

  test('turns a key by the bytes that are left over', () => {
    expect(rotateKey(0x3d21fa37, 1)).toBe(0x373d21fa)
    expect(rotateKey(0x3d21fa37, 6)).toBe(0xfa373d21 | 0)
    expect(rotateKey(0x3d21fa37, 7)).toBe(0x21fa373d)
  })

  test('gives the key with which masking goes on after any number of bytes', () => {
    fc.assert(
      fc.property(fc.uint8Array({ maxLength: 40 }), fc.integer(), fc.nat(40), (bytes, key, at) => {
        const place = Math.min(at, bytes.length)
        const masked = bytes.slice()
        unmaskShort(masked, 0, place, key)
        unmaskShort(masked, place, masked.length, rotateKey(key, place))
        expect(masked).toEqual(naiveMask(bytes, key))
      }),
    )
  })
})

describe('unmaskShort', () => {
  test('unmasks in place and says whether the result is ASCII', () => {
    const bytes = hex('7f 9f 4d 51 58')
    expect(unmaskShort(bytes, 0, 5, RFC_KEY)).toBe(true)
    expect(bytes).toEqual(hex('48 65 6c 6c 6f')) // Hello
    expect(unmaskShort(bytes, 4, 5, 0x80)).toBe(false)
    expect(bytes).toEqual(hex('48 65 6c 6c ef'))
  })
})
