import { describe, expect, test } from 'vitest'
import { isControl, isKnownOpcode, Opcode } from '../../src/protocol/opcode.ts'

describe('Opcode', () => {
  // RFC 6455 section 11.8
  test('has the numbers of the registry', () => {
    expect(Opcode).toEqual({ Continuation: 0, Text: 1, Binary: 2, Close: 8, Ping: 9, Pong: 10 })
  })

  test('is a control opcode from 8 on, reserved ones too', () => {
    const all = Array.from({ length: 16 }, (_, opcode) => opcode)
    expect(all.filter(isControl)).toEqual([8, 9, 10, 11, 12, 13, 14, 15])
  })

  test('is known or reserved', () => {
    const all = Array.from({ length: 16 }, (_, opcode) => opcode)
    expect(all.filter(isKnownOpcode)).toEqual([0, 1, 2, 8, 9, 10])
  })
})
