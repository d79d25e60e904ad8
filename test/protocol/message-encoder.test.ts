// The station alone, over an output that shows what it does with lent memory. What it does for a connection is tested
// through the protocol.

import { describe, expect, test } from 'vitest'
import { type Extension, ExtensionPipeline } from '../../src/protocol/extension.ts'
import { FrameSerializer } from '../../src/protocol/frame-serializer.ts'
import { firstByte, MessageEncoder } from '../../src/protocol/message-encoder.ts'
import { Opcode } from '../../src/protocol/opcode.ts'
import { ByteOutput } from '../../src/protocol/output.ts'
import { portablePlatform } from '../../src/protocol/platform.ts'
import { PreparedMessage } from '../../src/protocol/prepared-message.ts'
import { concat, frame, hex, utf8 } from '../support/bytes.ts'
import { compressed, FakeCompression } from '../support/fake-compression.ts'

class Bench {
  readonly output = new ByteOutput()
  readonly encoder: MessageEncoder
  failures = 0

  constructor(
    options: { compression?: FakeCompression; extensions?: readonly Extension[] } = {
      compression: new FakeCompression(),
    },
  ) {
    this.encoder = new MessageEncoder({
      platform: portablePlatform,
      output: this.output,
      serializer: new FrameSerializer(this.output, portablePlatform, undefined),
      compression: options.compression,
      extensions: options.extensions === undefined ? undefined : new ExtensionPipeline(options.extensions),
      sink: {
        onEncodingFailed: () => {
          this.failures++
        },
      },
    })
  }

  expectOutput(...frames: readonly Uint8Array[]): void {
    expect(this.output.takeOutput()).toEqual(concat(...frames))
  }
}

const exclaiming: Extension = {
  name: 'x-exclaim',
  encode: ({ payload, isLast }) => (isLast ? concat(payload, utf8('!')) : payload),
}

describe('MessageEncoder', () => {
  test('compresses messages that are worth it, and marks them', () => {
    const bench = new Bench()
    bench.encoder.writeText('aaaa', true)
    bench.encoder.writeBytes(utf8('bbbb'), Opcode.Binary, true)
    bench.expectOutput(frame(0xc1, compressed('aaaa')), frame(0xc2, compressed('bbbb')))
  })

  test('writes the others as they are: too small, not to be compressed, or no smaller', () => {
    const bench = new Bench()
    bench.encoder.writeText('a', true)
    bench.encoder.writeText('aaaa', false)
    bench.encoder.writeBytes(utf8('abcd'), Opcode.Text, true)
    bench.expectOutput(frame(0x81, 'a'), frame(0x81, 'aaaa'), frame(0x81, 'abcd'))
  })

  test('runs extensions over what is compressed, and over what is not', () => {
    const bench = new Bench({ compression: new FakeCompression(), extensions: [exclaiming] })
    bench.encoder.writeText('aaaa', true)
    bench.encoder.writeText('a', true)
    bench.expectOutput(frame(0xc1, concat(compressed('aaaa'), utf8('!'))), frame(0x81, 'a!'))
    const plain = new Bench({ extensions: [exclaiming] })
    plain.encoder.writeText('aaaa', true)
    plain.expectOutput(frame(0x81, 'aaaa!'))
    expect(plain.encoder.isLong(1e9)).toBe(false)
  })

  test('tells its sink before it throws what an extension threw', () => {
    const error = new Error('no')
    const bench = new Bench({
      extensions: [
        {
          name: 'x-no',
          encode() {
            throw error
          },
        },
      ],
    })
    expect(() => bench.encoder.writeText('a', true)).toThrow(error)
    expect(bench.failures).toBe(1)
    bench.expectOutput()
  })

  test('gives what writes a fragment, and writes nothing by itself', () => {
    const bench = new Bench({ compression: new FakeCompression({ longFrom: 1 }) })
    const writes: (() => void)[] = []
    const common = { opcode: Opcode.Text, isCompressible: true } as const
    const ready = (write: () => void): void => {
      writes.push(write)
    }
    bench.encoder.prepareFragment(utf8('aaaa'), { ...common, isFirst: true, isLast: false }, ready)
    bench.expectOutput()
    writes.shift()!()
    const [first, second] = [bench.output.takeOutput(), bench.output]
    expect(first[0]).toBe(0x41)
    bench.encoder.prepareFragment(hex(''), { ...common, isFirst: false, isLast: true }, ready)
    writes.shift()!()
    expect(second.takeOutput()[0]).toBe(0x80)
  })

  test('shares the frames of prepared messages, unless an extension of its own changes them', () => {
    const message = new PreparedMessage(Opcode.Text, utf8('aaaa'), portablePlatform)
    expect(new Bench({ extensions: [exclaiming] }).encoder.shareFrame(message)).toBeUndefined()
    expect(new Bench().encoder.shareFrame(message)?.[0]).toBe(0xc1)
  })

  test('builds the first bytes of fragments', () => {
    const opcode = Opcode.Binary
    expect(firstByte({ opcode, isFirst: true, isLast: true })).toBe(0x82)
    expect(firstByte({ opcode, isFirst: true, isLast: false })).toBe(0x02)
    expect(firstByte({ opcode, isFirst: false, isLast: false })).toBe(0x00)
    expect(firstByte({ opcode, isFirst: false, isLast: true })).toBe(0x80)
  })
})
