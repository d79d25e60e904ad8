import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { FragmentEncoder } from '../../src/connection/fragment-encoder.ts'
import type { Piece, SendOptions } from '../../src/connection/sendable.ts'
import { nodePlatform } from '../../src/kernel/node-platform.ts'
import { Opcode } from '../../src/protocol/opcode.ts'
import { anyText, concat, cutAt, hex, toHex, utf8 } from '../support/bytes.ts'

interface Encoded {
  readonly opcode: number
  readonly bytes: Uint8Array
}

/** Encode all pieces of a message; bytes are copied, as they are on their way out. */
function encodeAll(pieces: Iterable<Piece>, type?: SendOptions['type']): Encoded {
  const encoder = new FragmentEncoder(type, nodePlatform)
  const parts: Uint8Array[] = []
  for (const piece of pieces) parts.push(encoder.encode(piece).slice())
  parts.push(encoder.end())
  return { opcode: encoder.opcode, bytes: concat(...parts) }
}

function cutText(text: string, places: readonly number[]): string[] {
  const cuts = [...places.map((place) => place % (text.length + 1)), text.length].sort((a, b) => a - b)
  return cuts.map((end, index) => text.slice(index === 0 ? 0 : cuts[index - 1], end))
}

const places = fc.array(fc.nat(1000), { maxLength: 8 })

describe('strings', () => {
  test('are a text message', () => {
    expect(encodeAll(['grü', 'ße'])).toEqual({ opcode: Opcode.Text, bytes: utf8('grüße') })
  })

  test('are a text message also when they are empty', () => {
    expect(encodeAll(['', ''])).toEqual({ opcode: Opcode.Text, bytes: utf8('') })
  })

  test('are a binary message when that is asked for', () => {
    expect(encodeAll(['grü', 'ße'], 'binary')).toEqual({ opcode: Opcode.Binary, bytes: utf8('grüße') })
  })

  test('may be cut within a character', () => {
    const encoder = new FragmentEncoder(undefined, nodePlatform)
    expect(toHex(encoder.encode('a\ud83d'))).toBe('61')
    expect(toHex(encoder.encode('\ude00b'))).toBe('f0 9f 98 80 62')
    expect(encoder.end()).toHaveLength(0)
  })

  test('may be cut within a character with empty ones between', () => {
    expect(encodeAll(['\ud83d', '', '', '\ude00']).bytes).toEqual(utf8('😀'))
  })

  test.each([
    ['at the end', ['a\ud83d'], 'a\ufffd'],
    ['before something else', ['\ud83d', 'a'], '\ufffda'],
    ['before another first half', ['\ud83d', '\ud83d', '\ude00'], '\ufffd😀'],
    ['as second halves', ['\ude00', '\ude00'], '\ufffd\ufffd'],
  ])('have U+FFFD for half a character %s', (_where, pieces, expected) => {
    expect(encodeAll(pieces).bytes).toEqual(utf8(expected))
  })

  test('come out as they would in one piece, wherever they are cut', () => {
    // Invariant: the pieces of a text, encoded one by one, are the text encoded as a whole.
    fc.assert(
      fc.property(anyText(20), places, (text, cuts) => {
        expect(toHex(encodeAll(cutText(text, cuts)).bytes)).toBe(toHex(utf8(text)))
      }),
    )
  })
})

describe('bytes', () => {
  test('are a binary message, and go where they lie', () => {
    const encoder = new FragmentEncoder(undefined, nodePlatform)
    const bytes = hex('01 02 ff')
    expect(encoder.encode(bytes)).toBe(bytes)
    expect(encoder.encode(bytes.buffer as ArrayBuffer).buffer).toBe(bytes.buffer)
    expect(toHex(encoder.encode(new DataView(bytes.buffer, 1, 1)))).toBe('02')
    expect(encoder.opcode).toBe(Opcode.Binary)
    expect(encoder.end()).toHaveLength(0)
  })

  test('are a text message when that is asked for, wherever characters are cut', () => {
    // Invariant: bytes of valid UTF-8 are taken as text, and go out unchanged.
    fc.assert(
      fc.property(anyText(20), places, (text, cuts) => {
        const bytes = utf8(text)
        const pieces = cutAt(
          bytes,
          cuts.map((place) => place % (bytes.length + 1)),
        )
        expect(encodeAll(pieces, 'text')).toEqual({ opcode: Opcode.Text, bytes })
      }),
    )
  })

  test.each([
    ['that cannot be UTF-8', ['ff']],
    ['that go on wrongly', ['c3', '41']],
    ['that end within a character', ['e2 82']],
    ['that end within a character, after others', ['41', 'f0 9f', '98']],
  ])('are refused as text %s', (_what, pieces) => {
    expect(() => encodeAll(pieces.map(hex), 'text')).toThrow(
      new TypeError('bytes that are sent as text must be valid UTF-8'),
    )
  })

  test('need not be UTF-8 as binary', () => {
    expect(toHex(encodeAll([hex('ff'), hex('c3')], 'binary').bytes)).toBe('ff c3')
  })
})

describe('both kinds', () => {
  test.each<[string, Piece[]]>([
    ['bytes after a string', ['a', hex('01')]],
    ['bytes after an empty string', ['', hex('01')]],
    ['a string after bytes', [hex('01'), 'a']],
    ['a string after no bytes', [hex(''), 'a']],
  ])('are refused without a type: %s', (_what, pieces) => {
    expect(() => encodeAll(pieces)).toThrow(
      new TypeError('the pieces of a message must all be strings or all be bytes, or have a "type"'),
    )
  })

  test('make one message when it has a type', () => {
    const pieces = ['a', hex('c3 bc'), 'b']
    expect(encodeAll(pieces, 'text')).toEqual({ opcode: Opcode.Text, bytes: utf8('aüb') })
    expect(encodeAll(pieces, 'binary')).toEqual({ opcode: Opcode.Binary, bytes: utf8('aüb') })
  })

  test.each(['text', 'binary'] as const)(
    'keep their order when bytes come within a character, as %s',
    (type) => {
      expect(encodeAll(['\ud83d', utf8('x'), '\ude00'], type).bytes).toEqual(utf8('\ufffdx\ufffd'))
    },
  )

  test('are refused as text when a string comes within a character of bytes', () => {
    expect(() => encodeAll([hex('e2'), 'x', hex('82 ac')], 'text')).toThrow(TypeError)
  })
})

test('without a piece a message is binary, unless it is said to be text', () => {
  expect(encodeAll([])).toEqual({ opcode: Opcode.Binary, bytes: hex('') })
  expect(encodeAll([], 'text')).toEqual({ opcode: Opcode.Text, bytes: hex('') })
})

test.each([1, null, undefined, [1], {}])('a piece that is %s is refused', (piece) => {
  expect(() => encodeAll([piece as never])).toThrow(TypeError)
  expect(() => encodeAll(['a', piece as never], 'text')).toThrow(TypeError)
})
