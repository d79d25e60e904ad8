import { describe, expect, test } from 'vitest'
import { ProtocolError } from '../../src/errors.ts'
import { type Extension, ExtensionPipeline, ReservedBit } from '../../src/protocol/extension.ts'
import { concat, hex, utf8 } from '../support/bytes.ts'

/** An extension that puts a letter before each payload and takes it off again. */
function prefixing(letter: string, reservedBits: number, log: string[] = []): Extension {
  return {
    name: `x-${letter}`,
    reservedBits,
    encode(payload) {
      log.push(`encode ${letter}`)
      return { payload: concat(utf8(letter), payload), reservedBits }
    },
    decode(payload) {
      log.push(`decode ${letter}`)
      if (payload[0] !== letter.charCodeAt(0)) return new ProtocolError('WS_EXTENSION_FAILED', letter)
      return payload.slice(1)
    },
  }
}

describe('ReservedBit', () => {
  test('names the bits behind FIN', () => {
    expect(ReservedBit).toEqual({ Rsv1: 0b0100_0000, Rsv2: 0b0010_0000, Rsv3: 0b0001_0000 })
  })
})

describe('ExtensionPipeline', () => {
  test('is empty and owns no bit without extensions', () => {
    for (const pipeline of [new ExtensionPipeline(), new ExtensionPipeline([])]) {
      expect(pipeline.isEmpty).toBe(true)
      expect(pipeline.reservedBits).toBe(0)
      expect(pipeline.encode(utf8('x'))).toEqual({ payload: utf8('x'), reservedBits: 0 })
      expect(pipeline.decode(utf8('x'), 0, 10)).toEqual(utf8('x'))
    }
  })

  test('owns the bits of all its extensions', () => {
    const pipeline = new ExtensionPipeline([prefixing('a', 0x40), prefixing('b', 0x30)])
    expect(pipeline.isEmpty).toBe(false)
    expect(pipeline.reservedBits).toBe(0x70)
  })

  test('accepts an extension without bits', () => {
    expect(new ExtensionPipeline([prefixing('a', 0x40), prefixing('b', 0)]).reservedBits).toBe(0x40)
  })

  test('throws when two extensions claim the same bit', () => {
    expect(() => new ExtensionPipeline([prefixing('a', 0x40), prefixing('b', 0x60)])).toThrow(
      new TypeError('the extension "x-b" claims a reserved bit that another extension owns'),
    )
  })

  test('encodes from first to last and decodes back', () => {
    const log: string[] = []
    const pipeline = new ExtensionPipeline([prefixing('a', 0x40, log), prefixing('b', 0x20, log)])
    const encoded = pipeline.encode(utf8('x'))
    expect(encoded).toEqual({ payload: utf8('bax'), reservedBits: 0x60 })
    expect(pipeline.decode(encoded.payload, encoded.reservedBits, 10)).toEqual(utf8('x'))
    expect(log).toEqual(['encode a', 'encode b', 'decode b', 'decode a'])
  })

  test('decodes with those extensions only whose bit was set', () => {
    const pipeline = new ExtensionPipeline([prefixing('a', 0x40), prefixing('b', 0x20)])
    expect(pipeline.decode(utf8('ax'), 0x40, 10)).toEqual(utf8('x'))
    expect(pipeline.decode(utf8('bx'), 0x20, 10)).toEqual(utf8('x'))
    expect(pipeline.decode(utf8('x'), 0, 10)).toEqual(utf8('x'))
  })

  test('stops at the first extension that fails', () => {
    const log: string[] = []
    const pipeline = new ExtensionPipeline([prefixing('a', 0x40, log), prefixing('b', 0x20, log)])
    const error = pipeline.decode(utf8('x'), 0x60, 10)
    expect(error).toMatchObject({ code: 'WS_EXTENSION_FAILED', message: expect.stringMatching(/: b$/) })
    expect(log).toEqual(['decode b'])
  })

  test('passes the limit on, and refuses what exceeds it all the same', () => {
    const limits: number[] = []
    const pipeline = new ExtensionPipeline([
      {
        ...prefixing('a', 0x40),
        decode(_payload, limit) {
          limits.push(limit)
          return hex('00 00 00')
        },
      },
    ])
    expect(pipeline.decode(hex('61'), 0x40, 3)).toEqual(hex('00 00 00'))
    expect(pipeline.decode(hex('61'), 0x40, 2)).toMatchObject({
      code: 'WS_MESSAGE_TOO_BIG',
      closeCode: 1009,
      message: 'a message is larger than maxMessageSize: 3 bytes',
    })
    expect(limits).toEqual([3, 2])
  })
})
