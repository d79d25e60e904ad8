import { describe, expect, test } from 'vitest'
import { Opcode } from '../../src/protocol/opcode.ts'
import type { Output } from '../../src/protocol/output.ts'
import { ByteOutput } from '../../src/protocol/output.ts'
import { portablePlatform } from '../../src/protocol/platform.ts'
import { PreparedMessage } from '../../src/protocol/prepared-message.ts'
import { Protocol } from '../../src/protocol/protocol.ts'
import { concat, pattern, toHex, utf8 } from '../support/bytes.ts'
import { FakeCompression } from '../support/fake-compression.ts'

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

describe('compressed', () => {
  test('is made once for each class of peers', () => {
    const message = new PreparedMessage(Opcode.Binary, utf8('aaaa'), portablePlatform)
    const asked: string[] = []
    const frameFor = (peers: string): Uint8Array | undefined =>
      message.compressed(peers, (payload) => {
        asked.push(peers)
        return payload.slice(0, peers.length)
      })
    const frame = frameFor('x')!
    expect(toHex(frame)).toBe('c2 01 61')
    expect(frameFor('x')).toBe(frame)
    expect(toHex(frameFor('yz')!)).toBe('c2 02 61 61')
    expect(asked).toEqual(['x', 'yz'])
  })

  test('is remembered to be no gain', () => {
    const message = new PreparedMessage(Opcode.Text, utf8('a'), portablePlatform)
    let asked = 0
    const compress = (): undefined => {
      asked++
    }
    expect(message.compressed('x', compress)).toBeUndefined()
    expect(message.compressed('x', compress)).toBeUndefined()
    expect(asked).toBe(1)
  })

  test('is a copy: what was lent for it may change', () => {
    const message = new PreparedMessage(Opcode.Text, utf8('aaaa'), portablePlatform)
    const lent = utf8('b')
    const frame = message.compressed('x', () => lent)!
    lent.fill(0)
    expect(toHex(frame)).toBe('c1 01 62')
  })

  test('stands behind the shortest header', () => {
    for (const [size, header] of [
      [125, 'c2 7d'],
      [126, 'c2 7e 00 7e'],
      [65_536, 'c2 7f 00 00 00 00 00 01 00 00'],
    ] as const) {
      const message = new PreparedMessage(Opcode.Binary, utf8(''), portablePlatform)
      const frame = message.compressed('x', () => pattern(size))!
      expect(toHex(frame.subarray(0, frame.length - size))).toBe(header)
    }
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

  test('hands the compressed frame on uncopied as a server', () => {
    const output = new SharingOutput()
    const long = new PreparedMessage(Opcode.Text, utf8('aaaa'), portablePlatform)
    for (let count = 0; count < 2; count++) {
      const protocol = new Protocol({ role: 'server', output, handler, compression: new FakeCompression() })
      protocol.sendPrepared(long)
    }
    expect(output.shared.map(toHex)).toEqual(['c1 02 04 61', 'c1 02 04 61'])
    expect(output.shared[1]).toBe(output.shared[0])
  })

  test('hands the plain frame on where compression is no gain, or is not wanted', () => {
    const output = new SharingOutput()
    const protocol = new Protocol({ role: 'server', output, handler, compression: new FakeCompression() })
    const plain = new PreparedMessage(Opcode.Text, utf8('aaaa'), portablePlatform, false)
    protocol.sendPrepared(message)
    protocol.sendPrepared(plain)
    expect(output.shared[0]).toBe(message.frame)
    expect(output.shared[1]).toBe(plain.frame)
  })

  test('compresses as a client, and into an output that cannot share, for each peer', () => {
    const output = new ByteOutput()
    const long = new PreparedMessage(Opcode.Binary, utf8('aaaa'), portablePlatform)
    const plain = new PreparedMessage(Opcode.Binary, utf8('aaaa'), portablePlatform, false)
    for (const role of ['server', 'client'] as const) {
      const maskingKeys = (): number => 0
      const compression = new FakeCompression()
      const protocol = new Protocol({ role, output, handler, maskingKeys, compression })
      protocol.sendPrepared(long)
      protocol.sendPrepared(plain)
    }
    expect(toHex(output.takeOutput())).toBe(
      'c2 02 04 61 82 04 61 61 61 61 c2 82 00 00 00 00 04 61 82 84 00 00 00 00 61 61 61 61',
    )
  })

  test('lets extensions see the payload', () => {
    const output = new SharingOutput()
    const extension = {
      name: 'reverse',
      reservedBits: 0x40,
      encode: ({ payload }: { payload: Uint8Array }) => payload.slice().reverse(),
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
