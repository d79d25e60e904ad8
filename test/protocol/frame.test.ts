import { describe, expect, test } from 'vitest'
import { describeFrame, type Frame } from '../../src/protocol/frame.ts'
import { closePayload, concat, hex, RFC_KEY, utf8 } from '../support/bytes.ts'

function describeWith(fields: Partial<Frame>): string {
  return describeFrame({
    fin: true,
    reservedBits: 0,
    opcode: 0x1,
    maskingKey: undefined,
    payload: utf8(''),
    ...fields,
  })
}

describe('describeFrame', () => {
  test.each([
    ['a text', { payload: utf8('Hello') }, "TEXT 'Hello' [5 bytes]"],
    ['an empty text', {}, 'TEXT [0 bytes]'],
    ['one byte', { payload: utf8('x') }, "TEXT 'x' [1 byte]"],
    ['a first fragment', { fin: false, payload: utf8('Hel') }, "TEXT 'Hel' [3 bytes, continued]"],
    ['a continuation', { opcode: 0x0, payload: utf8('lo') }, "CONTINUATION 'lo' [2 bytes]"],
    ['bytes', { opcode: 0x2, payload: hex('00 0f ff') }, 'BINARY 00 0f ff [3 bytes]'],
    ['a ping', { opcode: 0x9 }, 'PING [0 bytes]'],
    ['a pong', { opcode: 0xa, payload: utf8('~ ') }, "PONG '~ ' [2 bytes]"],
    ['a masked frame', { maskingKey: RFC_KEY, payload: utf8('a') }, "TEXT 'a' [1 byte, masked]"],
    ['a masked frame whose key is zero', { maskingKey: 0 }, 'TEXT [0 bytes, masked]'],
    ['reserved bits', { reservedBits: 0x40 }, 'TEXT [0 bytes, RSV 0x40]'],
    ['a reserved opcode', { opcode: 0xb }, 'RESERVED 0xb [0 bytes]'],
    [
      'everything at once',
      { fin: false, reservedBits: 0x70, opcode: 0x3, maskingKey: 1, payload: hex('01') },
      'RESERVED 0x3 01 [1 byte, continued, RSV 0x70, masked]',
    ],
    ['a close', { opcode: 0x8, payload: closePayload(1000) }, 'CLOSE 1000 [2 bytes]'],
    [
      'a close with a reason',
      { opcode: 0x8, payload: closePayload(1001, 'bye') },
      "CLOSE 1001 'bye' [5 bytes]",
    ],
    ['an empty close', { opcode: 0x8 }, 'CLOSE [0 bytes]'],
    ['a close of one byte', { opcode: 0x8, payload: hex('03') }, 'CLOSE 03 [1 byte]'],
    [
      'a close whose reason is no text',
      { opcode: 0x8, payload: concat(closePayload(1000), hex('1b 5b')) },
      'CLOSE 1000 1b 5b [4 bytes]',
    ],
  ] as const)('describes %s', (_name, fields, description) => {
    expect(describeWith(fields)).toBe(description)
  })

  test('shows the first 32 bytes of a longer payload', () => {
    expect(describeWith({ payload: utf8('x'.repeat(32)) })).toBe(`TEXT '${'x'.repeat(32)}' [32 bytes]`)
    expect(describeWith({ payload: utf8('x'.repeat(33)) })).toBe(`TEXT '${'x'.repeat(32)}'… [33 bytes]`)
    expect(describeWith({ opcode: 0x2, payload: new Uint8Array(40) })).toBe(
      `BINARY ${'00 '.repeat(31)}00… [40 bytes]`,
    )
  })

  test('never lets a control character or a byte beyond ASCII through', () => {
    for (let byte = 0; byte < 256; byte++) {
      const description = describeWith({ payload: Uint8Array.of(byte) })
      expect(description).toMatch(/^TEXT ('[\x20-\x7e]'|[0-9a-f]{2}) \[1 byte\]$/)
    }
  })
})
