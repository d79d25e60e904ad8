import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FIN, FrameSerializer } from '../../src/protocol/frame-serializer.ts'
import type { Output } from '../../src/protocol/output.ts'
import { portablePlatform } from '../../src/protocol/platform.ts'
import type { Role } from '../../src/protocol/protocol.ts'
import {
  anyText,
  concat,
  frame,
  hex,
  naiveMask,
  pattern,
  RFC_KEY,
  readFrames,
  toHex,
  utf8,
} from '../support/bytes.ts'
import { PoisonedOutput, poisonedPlatform } from '../support/protocol-pair.ts'

/** Serialize into memory that held something before, and return what was written. */
function serialize(role: Role, write: (serializer: FrameSerializer) => void): Uint8Array {
  const output = new PoisonedOutput()
  write(new FrameSerializer(output, poisonedPlatform, role === 'client' ? () => RFC_KEY : undefined))
  return output.takeOutput()
}

function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  // Comparing long arrays element by element takes seconds.
  if (Buffer.compare(actual, expected) === 0) return
  expect(toHex(actual.slice(0, 200))).toBe(toHex(expected.slice(0, 200)))
  expect.fail('the bytes differ after the first 200')
}

const TEXT = 0x81
const BINARY = 0x82
const LENGTHS = [0, 1, 124, 125, 126, 127, 128, 65534, 65535, 65536, 65537]

test('FIN is the first bit', () => {
  expect(FIN).toBe(0b1000_0000)
})

describe('server', () => {
  test("sends the examples of the RFC's section 5.7", () => {
    const hello = utf8('Hello')
    // FIN TEXT, 5 bytes, Hello
    expect(serialize('server', (to) => to.writeText(0x81, 'Hello'))).toEqual(hex('81 05 48 65 6c 6c 6f'))
    expect(serialize('server', (to) => to.writeBytes(0x81, hello))).toEqual(hex('81 05 48 65 6c 6c 6f'))
    // TEXT, 3 bytes, Hel; FIN CONTINUATION, 2 bytes, lo
    const fragments = serialize('server', (to) => {
      to.writeText(0x01, 'Hel')
      to.writeText(0x80, 'lo')
    })
    expect(fragments).toEqual(hex('01 03 48 65 6c  80 02 6c 6f'))
    // FIN PING, 5 bytes, Hello
    expect(serialize('server', (to) => to.writeBytes(0x89, hello))).toEqual(hex('89 05 48 65 6c 6c 6f'))
    // FIN BINARY, 256 bytes in 16 bits
    const bytes = pattern(256)
    expectSame(
      serialize('server', (to) => to.writeBytes(0x82, bytes)),
      concat(hex('82 7e 01 00'), bytes),
    )
    // FIN BINARY, 65,536 bytes in 64 bits
    const more = pattern(65536)
    expectSame(
      serialize('server', (to) => to.writeBytes(0x82, more)),
      concat(hex('82 7f 00 00 00 00 00 01 00 00'), more),
    )
  })

  test('sends an empty frame', () => {
    expect(serialize('server', (to) => to.writeText(TEXT, ''))).toEqual(hex('81 00'))
    expect(serialize('server', (to) => to.writeBytes(BINARY, hex('')))).toEqual(hex('82 00'))
  })

  test('sends the reserved bits that it is given', () => {
    expect(serialize('server', (to) => to.writeBytes(0xf2, hex('01')))).toEqual(hex('f2 01 01'))
  })

  test('commits of a frame by reference the header only, so that whoever watches sees nothing else', () => {
    const output = new PoisonedOutput()
    const commit = output.commit.bind(output)
    const ends: number[] = []
    output.commit = (end) => {
      ends.push(end)
      commit(end)
    }
    new FrameSerializer(output, portablePlatform, undefined).writeBytes(BINARY, pattern(65_536))
    expect(ends).toEqual([10])
  })

  test('sends a payload from 65,536 bytes on by reference, and a smaller one as a copy', () => {
    const output = new PoisonedOutput()
    const given: Uint8Array[] = []
    output.appendByReference = (payload) => {
      given.push(payload)
    }
    const serializer = new FrameSerializer(output, portablePlatform, undefined)
    const large = pattern(65536)
    serializer.writeBytes(BINARY, pattern(65535))
    expect(given).toEqual([])
    expectSame(output.takeOutput(), frame(BINARY, pattern(65535)))
    serializer.writeBytes(BINARY, large)
    expect(given).toHaveLength(1)
    expect(given[0]).toBe(large)
    // The header is committed before the payload is handed over.
    expect(output.takeOutput()).toEqual(hex('82 7f 00 00 00 00 00 01 00 00'))
  })

  test('sends lengths beyond 32 bits', () => {
    const output = new PoisonedOutput()
    output.appendByReference = () => {}
    const serializer = new FrameSerializer(output as Output, portablePlatform, undefined)
    // No such memory is at hand, and only its length is looked at.
    serializer.writeBytes(BINARY, { length: 0x1_2345_6789_ab } as Uint8Array)
    expect(output.takeOutput()).toEqual(hex('82 7f 00 00 01 23 45 67 89 ab'))
    serializer.writeBytes(BINARY, { length: 0xffff_ffff } as Uint8Array)
    expect(output.takeOutput()).toEqual(hex('82 7f 00 00 00 00 ff ff ff ff'))
  })
})

describe('client', () => {
  test("sends the example of the RFC's section 5.7", () => {
    // FIN TEXT, masked, 5 bytes, key 37 fa 21 3d, Hello
    const masked = hex('81 85 37 fa 21 3d 7f 9f 4d 51 58')
    expect(serialize('client', (to) => to.writeText(0x81, 'Hello'))).toEqual(masked)
    expect(serialize('client', (to) => to.writeBytes(0x81, utf8('Hello')))).toEqual(masked)
    // FIN PONG, masked, 5 bytes, key 37 fa 21 3d, Hello
    expect(serialize('client', (to) => to.writeBytes(0x8a, utf8('Hello')))).toEqual(
      hex('8a 85 37 fa 21 3d 7f 9f 4d 51 58'),
    )
  })

  test('sends an empty frame with a masking key', () => {
    expect(serialize('client', (to) => to.writeText(TEXT, ''))).toEqual(hex('81 80 37 fa 21 3d'))
    expect(serialize('client', (to) => to.writeBytes(BINARY, hex('')))).toEqual(hex('82 80 37 fa 21 3d'))
  })

  test('sends the reserved bits that it is given', () => {
    expect(serialize('client', (to) => to.writeBytes(0xf2, hex('01')))).toEqual(hex('f2 81 37 fa 21 3d 36'))
  })

  test('sends each frame with a fresh masking key', () => {
    const keys = [0x04030201, -1, 0]
    const output = new PoisonedOutput()
    const serializer = new FrameSerializer(output, portablePlatform, () => keys.shift()!)
    serializer.writeText(TEXT, '\0\0')
    serializer.writeBytes(BINARY, hex('00 00'))
    serializer.writeText(TEXT, 'a')
    expect(output.takeOutput()).toEqual(
      hex('81 82 01 02 03 04 01 02   82 82 ff ff ff ff ff ff   81 81 00 00 00 00 61'),
    )
  })

  test('sends a large payload as a masked copy, and leaves the original alone', () => {
    const large = pattern(65536 + 3)
    const wire = serialize('client', (to) => to.writeBytes(BINARY, large))
    expectSame(
      wire,
      concat(hex('82 ff 00 00 00 00 00 01 00 03  37 fa 21 3d'), naiveMask(pattern(65536 + 3), RFC_KEY)),
    )
    expectSame(large, pattern(65536 + 3))
  })
})

describe.each(['server', 'client'] as const)('%s', (role) => {
  const key = role === 'client' ? RFC_KEY : undefined

  test.each(LENGTHS)('sends a payload of %i bytes in the shortest header', (length) => {
    const bytes = pattern(length)
    expectSame(
      serialize(role, (to) => to.writeBytes(BINARY, bytes)),
      frame(BINARY, bytes, key),
    )
    const text = 'x'.repeat(length)
    expectSame(
      serialize(role, (to) => to.writeText(TEXT, text)),
      frame(TEXT, text, key),
    )
  })

  test.each([
    ['62 characters in 124 bytes', 'ä'.repeat(62)],
    ['63 characters in 126 bytes, whose header grows', 'ä'.repeat(63)],
    ['125 characters in 126 bytes, whose header grows', `${'x'.repeat(124)}ä`],
    ['126 characters in 127 bytes', `${'x'.repeat(125)}ä`],
    ['42 characters in 126 bytes, whose header grows', '€'.repeat(42)],
    ['16,383 characters in 49,149 bytes', '€'.repeat(16383)],
    ['16,384 characters in 16,385 bytes', `${'x'.repeat(16383)}ä`],
    ['21,845 characters in 65,535 bytes', '€'.repeat(21845)],
    ['21,846 characters in 65,538 bytes', '€'.repeat(21846)],
    ['40,000 characters in 80,000 bytes', '𝄞'.repeat(20000)],
    ['lone surrogates, as U+FFFD', '\ud834x\udd1e'],
    ['many lone surrogates', '\ud834'.repeat(20000)],
  ])('sends a text of %s', (_name, text) => {
    expectSame(
      serialize(role, (to) => to.writeText(TEXT, text)),
      frame(TEXT, text, key),
    )
  })

  test('sends frames one behind the other', () => {
    const wire = serialize(role, (to) => {
      to.writeText(TEXT, 'one')
      to.writeText(TEXT, 'ä'.repeat(63))
      to.writeBytes(BINARY, pattern(70_000))
      to.writeBytes(0x89, hex('01'))
    })
    expectSame(
      wire,
      concat(
        frame(TEXT, 'one', key),
        frame(TEXT, 'ä'.repeat(63), key),
        frame(BINARY, pattern(70_000), key),
        frame(0x89, hex('01'), key),
      ),
    )
  })

  test('sends any frames so that a naive reader reads the same', () => {
    const payload = fc.oneof(
      fc.uint8Array({ maxLength: 200 }),
      anyText(200),
      // Told by its length, so that a counterexample can be read.
      fc.constantFrom(...LENGTHS),
    )
    fc.assert(
      fc.property(
        fc.array(fc.record({ first: fc.nat(255), payload, key: fc.integer() }), { maxLength: 6 }),
        (frames) => {
          const keys = frames.map((each) => each.key)
          const output = new PoisonedOutput()
          const serializer = new FrameSerializer(
            output,
            poisonedPlatform,
            role === 'client' ? () => keys.shift()! : undefined,
          )
          for (const { first, payload } of frames) {
            if (typeof payload === 'number') serializer.writeBytes(first, pattern(payload))
            else if (typeof payload === 'string') serializer.writeText(first, payload)
            else serializer.writeBytes(first, payload)
          }
          const read = readFrames(output.takeOutput())
          expect(read).toHaveLength(frames.length)
          frames.forEach(({ first, payload, key }, index) => {
            const { payload: readPayload, ...rest } = read[index]!
            expect(rest).toEqual({
              fin: first >= 0x80,
              reservedBits: first & 0x70,
              opcode: first & 0x0f,
              maskingKey: role === 'client' ? key : undefined,
            })
            if (typeof payload === 'number') expectSame(readPayload, pattern(payload))
            else expectSame(readPayload, typeof payload === 'string' ? utf8(payload) : payload)
          })
        },
      ),
      { numRuns: 30 },
    )
  })
})
