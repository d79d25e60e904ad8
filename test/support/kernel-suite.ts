// What every kernel must do, whatever it is written in. Run it over each version.

import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { HEADROOM, type Kernel } from '../../src/protocol/kernel.ts'
import { chunksOf, concat, frame, hex, naiveMask, pattern, RFC_KEY, toHex } from './bytes.ts'
import { End } from './protocol-pair.ts'

// Four bytes on each side of what a kernel works on: they must stay as they are.
const GUARD = 4
const LONGEST = 700

/** Run the suite over the kernels that `create` makes; each must take reads of at least 1,024 bytes. */
export function describeKernel(name: Kernel['name'], create: () => Kernel): void {
  describe(`${name} kernel`, () => {
    const kernel = create()

    /** Lay bytes at an offset behind `readStart`, between guards, and return where they begin. */
    function lay(bytes: Uint8Array, offset: number): number {
      const start = kernel.readStart + GUARD + offset
      kernel.memory.fill(0x55, start - GUARD, start + bytes.length + GUARD)
      kernel.memory.set(bytes, start)
      return start
    }

    function expectMemory(start: number, bytes: Uint8Array): void {
      const { memory } = kernel
      expect(memory.slice(start, start + bytes.length)).toEqual(bytes)
      const around = [
        ...memory.subarray(start - GUARD, start),
        ...memory.subarray(start + bytes.length, start + bytes.length + GUARD),
      ]
      expect(around.every((byte) => byte === 0x55)).toBe(true)
    }

    function isNaivelyAscii(bytes: Uint8Array): boolean {
      return bytes.every((byte) => byte < 0x80)
    }

    test('says its name', () => {
      expect(kernel.name).toBe(name)
    })

    test('has headroom before the place for reads, and all of the place', () => {
      expect(kernel.readStart).toBeGreaterThanOrEqual(HEADROOM)
      expect(kernel.readSize).toBeGreaterThanOrEqual(1024)
      expect(kernel.memory.length).toBeGreaterThanOrEqual(kernel.readStart + kernel.readSize)
    })

    test('is free at first, and nobody waits', () => {
      const fresh = create()
      expect(fresh.busy).toBe(false)
      expect(fresh.waiting).toEqual([])
    })

    test('gives each its own memory', () => {
      const one = create()
      const other = create()
      one.memory[one.readStart] = 1
      other.memory[other.readStart] = 2
      expect(one.memory[one.readStart]).toBe(1)
    })

    test("unmasks the example of the RFC's section 5.7", () => {
      const start = lay(hex('7f 9f 4d 51 58'), 0)
      expect(kernel.unmask(start, start + 5, RFC_KEY)).toBe(true)
      expectMemory(start, hex('48 65 6c 6c 6f')) // Hello
    })

    test('unmasks nothing, which is ASCII', () => {
      const start = lay(new Uint8Array(0), 1)
      expect(kernel.unmask(start, start, RFC_KEY)).toBe(true)
      expect(kernel.isAscii(start, start)).toBe(true)
      expectMemory(start, new Uint8Array(0))
    })

    test('unmasks with a key whose sign bit is set, given signed or unsigned', () => {
      for (const key of [0x80000000, 0x80000000 | 0, 0xffffffff, -1, 0xdeadbeef, 0xdeadbeef | 0]) {
        const bytes = Uint8Array.from({ length: 101 }, (_, index) => index)
        const start = lay(bytes, 3)
        kernel.unmask(start, start + bytes.length, key)
        expectMemory(start, naiveMask(bytes, key))
      }
    })

    test('unmasks every length up to 80 at every alignment, and says what is ASCII', () => {
      for (let length = 0; length <= 80; length++) {
        const plain = Uint8Array.from({ length }, (_, index) => (index * 7 + length) & 0x7f)
        const masked = naiveMask(plain, RFC_KEY)
        for (let offset = 0; offset < 16; offset++) {
          const start = lay(masked, offset)
          const ascii = kernel.unmask(start, start + length, RFC_KEY)
          if (!ascii) expect.fail(`length ${length} at ${offset} is ASCII`)
          expectMemory(start, plain)
        }
      }
    })

    test('finds the one byte that is not ASCII at every place, at every alignment', () => {
      for (const length of [1, 3, 16, 37, 75]) {
        for (let place = 0; place < length; place++) {
          const plain = new Uint8Array(length).fill(0x7f)
          plain[place] = 0x80
          const masked = naiveMask(plain, 0x01020304)
          for (let offset = 0; offset < 16; offset++) {
            const start = lay(plain, offset)
            if (kernel.isAscii(start, start + length)) expect.fail(`${place} of ${length} at ${offset}`)
            lay(masked, offset)
            if (kernel.unmask(start, start + length, 0x01020304)) {
              expect.fail(`masked: ${place} of ${length} at ${offset}`)
            }
          }
        }
      }
    })

    test('does not look at the bytes around', () => {
      for (let length = 0; length <= 40; length++) {
        for (let offset = 0; offset < 16; offset++) {
          const start = lay(new Uint8Array(length), offset)
          kernel.memory.fill(0xff, start - GUARD, start)
          kernel.memory.fill(0xff, start + length, start + length + GUARD)
          if (!kernel.isAscii(start, start + length)) expect.fail(`isAscii: ${length} at ${offset}`)
          if (!kernel.unmask(start, start + length, 0)) expect.fail(`unmask: ${length} at ${offset}`)
        }
      }
    })

    test('judges what the bytes are after unmasking, not before', () => {
      const start = lay(new Uint8Array(64), 0)
      expect(kernel.unmask(start, start + 64, 0x80808080)).toBe(false)
      expect(kernel.unmask(start, start + 64, 0x80808080)).toBe(true)
    })

    test('unmasks the headroom and the very last byte', () => {
      const end = kernel.readStart + kernel.readSize
      const start = kernel.readStart - 130
      const plain = pattern(end - start).map((byte) => byte & 0x7f)
      kernel.memory.set(naiveMask(plain, RFC_KEY), start)
      expect(kernel.unmask(start, end, RFC_KEY)).toBe(true)
      expect(toHex(kernel.memory.slice(start, end))).toBe(toHex(plain))
      kernel.memory[end - 1] = 0x80
      expect(kernel.isAscii(start, end)).toBe(false)
      expect(kernel.isAscii(start, end - 1)).toBe(true)
    })

    test('equals a naive loop over the bytes at any alignment and length', () => {
      fc.assert(
        fc.property(
          fc.oneof(
            fc.uint8Array({ maxLength: LONGEST }),
            fc.uint8Array({ maxLength: LONGEST, max: 0x7f }),
            fc.uint8Array({ maxLength: 40, max: 0x7f }),
          ),
          fc.nat(15),
          fc.integer(),
          (bytes, offset, key) => {
            const start = lay(bytes, offset)
            const end = start + bytes.length
            expect(kernel.isAscii(start, end)).toBe(isNaivelyAscii(bytes))
            const expected = naiveMask(bytes, key)
            expect(kernel.unmask(start, end, key)).toBe(isNaivelyAscii(expected))
            expectMemory(start, expected)
            // Twice gives back what was.
            expect(kernel.unmask(start, end, key)).toBe(isNaivelyAscii(bytes))
            expectMemory(start, bytes)
          },
        ),
        { numRuns: 300 },
      )
    })

    for (const role of ['server', 'client'] as const) {
      test(`carries the messages that a ${role} receives, in any chunks`, () => {
        const key = role === 'server' ? RFC_KEY : undefined
        const texts = ['', 'a', 'x'.repeat(125), 'y'.repeat(700), 'ä'.repeat(300), '𝄞', '-'.repeat(3000)]
        const wire = concat(...texts.map((text) => frame(0x81, text, key)))
        for (const size of [1, 7, 64, 1000, kernel.readSize]) {
          const end = new End(role, { kernel })
          end.receive(...chunksOf(wire, size))
          expect(end.takeFacts()).toEqual(texts.map((text) => ['message', text]))
        }
        expect(kernel.busy).toBe(false)
        expect(kernel.waiting).toEqual([])
      })
    }
  })
}
