import { describe, expect, test } from 'vitest'
import { ProtocolError } from '../../src/errors.ts'
import {
  type Extension,
  type ExtensionFrame,
  ExtensionPipeline,
  type MessagePiece,
  ReservedBit,
} from '../../src/protocol/extension.ts'
import { concat, hex, utf8 } from '../support/bytes.ts'

/** An extension that puts a letter before each payload and takes it off again. */
function prefixing(letter: string, reservedBits: number, log: string[] = []): Extension {
  return {
    name: `x-${letter}`,
    reservedBits,
    encode({ payload }) {
      log.push(`encode ${letter}`)
      return concat(utf8(letter), payload)
    },
    decode({ payload }) {
      log.push(`decode ${letter}`)
      if (payload[0] !== letter.charCodeAt(0)) throw new Error(letter)
      return payload.slice(1)
    },
  }
}

/** The same for frames. It marks those that it changed. */
function framing(letter: string, reservedBits: number, log: string[] = []): Extension {
  return {
    name: `x-${letter}`,
    reservedBits,
    encodeFrame(frame) {
      log.push(`encode ${letter}`)
      return {
        ...frame,
        reservedBits: frame.reservedBits | reservedBits,
        payload: concat(utf8(letter), frame.payload),
      }
    },
    decodeFrame(frame) {
      log.push(`decode ${letter}`)
      if (frame.payload[0] !== letter.charCodeAt(0)) throw new Error(letter)
      return {
        ...frame,
        reservedBits: frame.reservedBits & ~reservedBits,
        payload: frame.payload.slice(1),
      }
    },
  }
}

function piece(text: string, options: Partial<MessagePiece> = {}): MessagePiece {
  return { payload: utf8(text), isFirst: true, isLast: true, isText: true, ...options }
}

function frame(text: string, reservedBits = 0): ExtensionFrame {
  return { fin: true, reservedBits, opcode: 0x1, payload: utf8(text) }
}

describe('ReservedBit', () => {
  test('names the bits behind FIN', () => {
    expect(ReservedBit).toEqual({ Rsv1: 0b0100_0000, Rsv2: 0b0010_0000, Rsv3: 0b0001_0000 })
  })
})

describe('ExtensionPipeline', () => {
  test('owns no bit and transforms nothing without extensions', () => {
    const pipeline = new ExtensionPipeline([])
    expect(pipeline.reservedBits).toBe(0)
    expect(pipeline.transformsMessages).toBe(false)
    expect(pipeline.transformsFrames).toBe(false)
    expect(pipeline.encode(piece('x'), 1)).toEqual({ payload: utf8('x'), reservedBits: 0 })
    expect(pipeline.decode(piece('x'), 0)).toEqual(utf8('x'))
    expect(pipeline.encodeFrame(frame('x'))).toEqual(frame('x'))
    expect(pipeline.decodeFrame(frame('x'))).toEqual(frame('x'))
    pipeline.close()
  })

  test('owns the bits of all its extensions, and not those that were taken', () => {
    expect(new ExtensionPipeline([prefixing('a', 0x40), prefixing('b', 0x30)]).reservedBits).toBe(0x70)
    expect(new ExtensionPipeline([prefixing('a', 0x20)], 0x40).reservedBits).toBe(0x20)
  })

  test('accepts extensions without bits', () => {
    const nameless: Extension = { name: 'x-nameless' }
    const pipeline = new ExtensionPipeline([prefixing('a', 0x40), prefixing('b', 0), nameless])
    expect(pipeline.reservedBits).toBe(0x40)
  })

  test('throws when two extensions claim the same bit, or one that is taken', () => {
    const error = new TypeError('the extension "x-b" claims a reserved bit that another extension owns')
    expect(() => new ExtensionPipeline([prefixing('a', 0x40), prefixing('b', 0x60)])).toThrow(error)
    expect(() => new ExtensionPipeline([prefixing('b', 0x40)], 0x40)).toThrow(error)
  })

  test('tells whether it transforms messages, frames or both', () => {
    const transforms = (...extensions: readonly Extension[]): [boolean, boolean] => {
      const { transformsMessages, transformsFrames } = new ExtensionPipeline(extensions)
      return [transformsMessages, transformsFrames]
    }
    const { encode, decode } = prefixing('a', 0)
    const { encodeFrame, decodeFrame } = framing('a', 0)
    const name = 'x-half'
    expect(transforms({ name })).toEqual([false, false])
    expect(transforms({ name, encode: encode! })).toEqual([true, false])
    expect(transforms({ name, decode: decode! })).toEqual([true, false])
    expect(transforms({ name, encodeFrame: encodeFrame! })).toEqual([false, true])
    expect(transforms({ name, decodeFrame: decodeFrame! })).toEqual([false, true])
    expect(transforms(prefixing('a', 0), framing('b', 0))).toEqual([true, true])
  })

  test('closes all its extensions', () => {
    const closed: string[] = []
    const closing = (name: string): Extension => ({ name, close: () => closed.push(name) })
    new ExtensionPipeline([closing('a'), { name: 'x-open' }, closing('b')]).close()
    expect(closed).toEqual(['a', 'b'])
  })

  test('closes the others when one throws: the connection is over, and nothing is left to end', () => {
    let isClosed = false
    const throwing: Extension = {
      name: 'x-throw',
      close() {
        throw new Error('no')
      },
    }
    const closing: Extension = {
      name: 'x-close',
      close() {
        isClosed = true
      },
    }
    new ExtensionPipeline([throwing, closing]).close()
    expect(isClosed).toBe(true)
  })
})

describe('messages', () => {
  test('are encoded from first to last and decoded back', () => {
    const log: string[] = []
    const pipeline = new ExtensionPipeline([prefixing('a', 0x40, log), prefixing('b', 0x20, log)])
    const encoded = pipeline.encode(piece('x'), 1)
    expect(encoded).toEqual({ payload: utf8('bax'), reservedBits: 0x60 })
    expect(pipeline.decode({ ...piece('x'), payload: encoded.payload }, encoded.reservedBits)).toEqual(
      utf8('x'),
    )
    expect(log).toEqual(['encode a', 'encode b', 'decode b', 'decode a'])
  })

  test('are decoded with those extensions only whose bit was set, and those without bits', () => {
    const pipeline = new ExtensionPipeline([
      prefixing('a', 0x40),
      prefixing('b', 0x20),
      prefixing('c', 0),
      { name: 'x-bit', reservedBits: 0x10 },
    ])
    expect(pipeline.decode(piece('cax'), 0x40)).toEqual(utf8('x'))
    expect(pipeline.decode(piece('cbx'), 0x20)).toEqual(utf8('x'))
    expect(pipeline.decode(piece('cx'), 0x10)).toEqual(utf8('x'))
  })

  test('are decoded by an extension with two bits when both are set', () => {
    const pipeline = new ExtensionPipeline([prefixing('a', 0x60)])
    expect(pipeline.decode(piece('ax'), 0x60)).toEqual(utf8('x'))
    expect(pipeline.decode(piece('ax'), 0x40)).toEqual(utf8('ax'))
  })

  test('are marked on their first piece, and encoded to their last', () => {
    const pipeline = new ExtensionPipeline([prefixing('a', 0x40)])
    const pieces = [
      piece('1', { isLast: false }),
      piece('2', { isFirst: false, isLast: false }),
      piece('3', { isFirst: false }),
    ]
    expect(pieces.map((each) => pipeline.encode(each, undefined))).toEqual([
      { payload: utf8('a1'), reservedBits: 0x40 },
      { payload: utf8('a2'), reservedBits: 0 },
      { payload: utf8('a3'), reservedBits: 0 },
    ])
  })

  test('are left alone, all their pieces, by an extension that does not apply', () => {
    const asked: unknown[] = []
    const pipeline = new ExtensionPipeline([
      {
        ...prefixing('a', 0x40),
        applies(message) {
          asked.push(message)
          return message.isText
        },
      },
      prefixing('b', 0x20),
    ])
    const first = { isText: false, isLast: false }
    const last = { isText: false, isFirst: false }
    expect(pipeline.encode(piece('1', first), undefined)).toEqual({
      payload: utf8('b1'),
      reservedBits: 0x20,
    })
    expect(pipeline.encode(piece('2', last), undefined)).toEqual({ payload: utf8('b2'), reservedBits: 0 })
    expect(pipeline.encode(piece('3'), 7)).toEqual({ payload: utf8('ba3'), reservedBits: 0x60 })
    expect(asked).toEqual([
      { isText: false, size: undefined },
      { isText: true, size: 7 },
    ])
  })

  test('are always encoded by an extension without bits, which is not asked', () => {
    const asked: unknown[] = []
    const applies = (message: unknown): boolean => {
      asked.push(message)
      return false
    }
    const pipeline = new ExtensionPipeline([{ ...prefixing('a', 0), applies }])
    expect(pipeline.encode(piece('x'), 1)).toEqual({ payload: utf8('ax'), reservedBits: 0 })
    const { encode, ...nameless } = prefixing('b', 0)
    expect(
      new ExtensionPipeline([{ name: nameless.name, encode: encode!, applies }]).encode(piece('x'), 1),
    ).toEqual({
      payload: utf8('bx'),
      reservedBits: 0,
    })
    expect(asked).toEqual([])
  })

  test('are not marked by an extension that only decodes', () => {
    const { name, decode } = prefixing('a', 0)
    const pipeline = new ExtensionPipeline([{ name, reservedBits: 0x40, decode: decode! }])
    expect(pipeline.encode(piece('x'), 1)).toEqual({ payload: utf8('x'), reservedBits: 0 })
  })

  test('stop at the first extension that fails', () => {
    const log: string[] = []
    const pipeline = new ExtensionPipeline([prefixing('a', 0x40, log), prefixing('b', 0x20, log)])
    const error = pipeline.decode(piece('x'), 0x60)
    expect(error).toMatchObject({
      code: 'WS_EXTENSION_FAILED',
      closeCode: 1007,
      message: 'an extension could not decode a message: "x-b": b',
      cause: new Error('b'),
    })
    expect(log).toEqual(['decode b'])
  })

  test('fail with the ProtocolError that an extension throws, or with what else it throws', () => {
    const own = new ProtocolError('WS_MESSAGE_TOO_BIG')
    for (const [thrown, expected] of [
      [own, own],
      ['a string', { code: 'WS_EXTENSION_FAILED', cause: 'a string' }],
      [undefined, { message: 'an extension could not decode a message: "x-a": undefined' }],
    ] as const) {
      const pipeline = new ExtensionPipeline([
        {
          name: 'x-a',
          decode: () => {
            throw thrown
          },
        },
      ])
      const error = pipeline.decode(piece('x'), 0)
      expect(error).toBeInstanceOf(ProtocolError)
      expect(error).toMatchObject(expected)
    }
  })

  test('throw what an extension throws that encodes them', () => {
    const pipeline = new ExtensionPipeline([
      {
        name: 'x-a',
        encode: () => {
          throw new Error('no')
        },
      },
    ])
    expect(() => pipeline.encode(piece('x'), 1)).toThrow('no')
  })
})

describe('frames', () => {
  test('are encoded from first to last and decoded back', () => {
    const log: string[] = []
    const pipeline = new ExtensionPipeline([
      framing('a', 0x40, log),
      prefixing('m', 0x10, log),
      framing('b', 0x20, log),
    ])
    const encoded = pipeline.encodeFrame(frame('x'))
    expect(encoded).toEqual(frame('bax', 0x60))
    expect(pipeline.decodeFrame(encoded)).toEqual(frame('x'))
    expect(log).toEqual(['encode a', 'encode b', 'decode b', 'decode a'])
  })

  test('stop at the first extension that fails', () => {
    const log: string[] = []
    const pipeline = new ExtensionPipeline([framing('a', 0x40, log), framing('b', 0x20, log)])
    expect(pipeline.decodeFrame(frame('x'))).toMatchObject({
      code: 'WS_EXTENSION_FAILED',
      message: 'an extension could not decode a message: "x-b": b',
    })
    expect(log).toEqual(['decode b'])
  })

  test('pass on what they carry besides', () => {
    const pipeline = new ExtensionPipeline([{ name: 'x-a', decodeFrame: (each) => each }])
    const each = { fin: false, reservedBits: 0x70, opcode: 0x0, payload: hex('00') }
    expect(pipeline.decodeFrame(each)).toBe(each)
  })
})
