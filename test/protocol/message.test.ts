import { describe, expect, test } from 'vitest'
import { decodeMessage } from '../../src/protocol/message.ts'
import { portablePlatform } from '../../src/protocol/platform.ts'
import { concat, hex, utf8 } from '../support/bytes.ts'

/** Decode bytes that lie in the middle of others, as in a kernel's memory, which is used for others then. */
function decode(isText: boolean, bytes: Uint8Array, ascii: boolean): unknown {
  const memory = concat(hex('ff ff ff'), bytes, hex('ff'))
  const message = decodeMessage(portablePlatform, isText, memory, 3, 3 + bytes.length, ascii)
  memory.fill(0xaa)
  return message
}

describe('decodeMessage', () => {
  test('makes strings of texts', () => {
    expect(decode(true, utf8('Hello'), true)).toBe('Hello')
    expect(decode(true, utf8('Häß'), false)).toBe('Häß')
    expect(decode(true, utf8('Hello'), false)).toBe('Hello')
    expect(decode(true, hex(''), true)).toBe('')
  })

  test('makes bytes of their own of binary messages, whatever they are', () => {
    expect(decode(false, hex('c3 28'), false)).toEqual(hex('c3 28'))
    expect(decode(false, utf8('Hello'), true)).toEqual(utf8('Hello'))
    expect(decode(false, hex(''), true)).toEqual(hex(''))
  })

  test('makes nothing of a text that is not UTF-8', () => {
    expect(decode(true, hex('c3 28'), false)).toBeUndefined()
  })
})
