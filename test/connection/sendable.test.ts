import { describe, expect, test } from 'vitest'
import { assertUtf8, encodeText, toBytes, toControlPayload } from '../../src/connection/sendable.ts'
import { nodePlatform } from '../../src/kernel/node-platform.ts'
import { hex, utf8 } from '../support/bytes.ts'

describe('toBytes', () => {
  test('views bytes where they lie', () => {
    const { buffer } = hex('00 01 02 03')
    const bytes = new Uint8Array(buffer, 1, 2)
    expect(toBytes(bytes)).toBe(bytes)
    expect(toBytes(new DataView(buffer, 1, 2))).toEqual(hex('01 02'))
    expect(toBytes(new DataView(buffer, 1, 2)).buffer).toBe(buffer)
    expect(toBytes(buffer as ArrayBuffer).buffer).toBe(buffer)
  })

  test.each<[string, unknown]>([
    ['null', null],
    ['undefined', undefined],
    ['number', 1],
    ['Array', [1]],
    ['object', Object.create(null)],
  ])('throws a TypeError that names a value of type %s', (name, value) => {
    expect(() => toBytes(value as never)).toThrow(
      new TypeError(`a message must be a string or bytes, not ${name}`),
    )
  })
})

test('a control payload is bytes, or a string as UTF-8', () => {
  expect(toControlPayload('ü')).toEqual(hex('c3 bc'))
  expect(toControlPayload(hex('ff'))).toEqual(hex('ff'))
})

test('a text is encoded as UTF-8, with U+FFFD for what is no character', () => {
  expect(encodeText('a\ud800')).toEqual(hex('61 ef bf bd'))
})

test('bytes that are no UTF-8 are refused as text', () => {
  assertUtf8(utf8('grüße'), nodePlatform)
  expect(() => assertUtf8(hex('ff'), nodePlatform)).toThrow(TypeError)
})
