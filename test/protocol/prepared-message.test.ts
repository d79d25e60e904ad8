import { describe, expect, test } from 'vitest'
import { Opcode } from '../../src/protocol/opcode.ts'
import type { Output } from '../../src/protocol/output.ts'
import { ByteOutput } from '../../src/protocol/output.ts'
import { portablePlatform } from '../../src/protocol/platform.ts'
import { PreparedMessage } from '../../src/protocol/prepared-message.ts'
import { Protocol } from '../../src/protocol/protocol.ts'
import { concat, pattern, toHex, utf8 } from '../support/bytes.ts'

const handler = { onMessage() {}, onClose() {}, onFailure() {} }

/** An output that takes frames which others send too. */
class SharingOutput extends ByteOutput implements Output {
  readonly shared: Uint8Array[] = []

  appendShared(frame: Uint8Array): void {
    this.shared.push(frame)
  }
}

describe('PreparedMessage', () => {
  test.each([
    [0, '82 00'],
    [125, '82 7d'],
    [126, '82 7e 00 7e'],
    [65_535, '82 7e ff ff'],
    [65_536, '82 7f 00 00 00 00 00 01 00 00'],
  ])('frames %i bytes behind the shortest header', (size, header) => {
    const payload = pattern(size)
    const message = new PreparedMessage(Opcode.Binary, payload, portablePlatform)
    expect(toHex(message.frame.subarray(0, message.frame.length - size))).toBe(header)
    expect(message.frame.subarray(-size || Infinity)).toEqual(payload)
  })

  test('makes its frame once', () => {
    const message = new PreparedMessage(Opcode.Text, utf8('once'), portablePlatform)
    expect(message.frame).toBe(message.frame)
    expect(toHex(message.frame)).toBe(toHex(concat(Uint8Array.of(0x81, 4), utf8('once'))))
  })
})

describe('sendPrepared', () => {
  const message = new PreparedMessage(Opcode.Text, utf8('to all'), portablePlatform)

  test('hands the frame on uncopied as a server', () => {
    const output = new SharingOutput()
    new Protocol({ role: 'server', output, handler }).sendPrepared(message)
    expect(output.shared).toEqual([message.frame])
    expect(output.shared[0]).toBe(message.frame)
  })

  test('copies into an output that cannot share', () => {
    const output = new ByteOutput()
    new Protocol({ role: 'server', output, handler }).sendPrepared(message)
    expect(toHex(output.takeOutput())).toBe(toHex(message.frame))
  })

  test('masks as a client', () => {
    const output = new SharingOutput()
    new Protocol({ role: 'client', output, handler, maskingKeys: () => 0x01010101 }).sendPrepared(message)
    expect(output.shared).toEqual([])
    const masked = utf8('to all').map((byte) => byte ^ 1)
    expect(toHex(output.takeOutput())).toBe(toHex(concat(Uint8Array.of(0x81, 0x86, 1, 1, 1, 1), masked)))
  })

  test('lets extensions see the payload', () => {
    const output = new SharingOutput()
    const extension = {
      name: 'reverse',
      reservedBits: 0x40,
      encode: (payload: Uint8Array) => ({ payload: payload.slice().reverse(), reservedBits: 0x40 }),
      decode: (payload: Uint8Array) => payload,
    }
    new Protocol({ role: 'server', output, handler, extensions: [extension] }).sendPrepared(message)
    expect(output.shared).toEqual([])
    expect(toHex(output.takeOutput())).toBe(toHex(concat(Uint8Array.of(0xc1, 6), utf8('lla ot'))))
  })

  test('writes nothing once the closing has begun', () => {
    const output = new SharingOutput()
    const protocol = new Protocol({ role: 'server', output, handler })
    protocol.sendClose()
    protocol.sendPrepared(message)
    expect(output.shared).toEqual([])
  })
})
