import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isValidCloseCode } from '../../src/protocol/close-code.ts'
import type { Extension } from '../../src/protocol/extension.ts'
import { createJavaScriptKernel } from '../../src/protocol/kernel.ts'
import type { Message } from '../../src/protocol/message.ts'
import { ByteOutput, type Output } from '../../src/protocol/output.ts'
import { portablePlatform } from '../../src/protocol/platform.ts'
import { PreparedMessage } from '../../src/protocol/prepared-message.ts'
import { Protocol, type Role } from '../../src/protocol/protocol.ts'
import {
  anyText,
  chunksOf,
  closePayload,
  concat,
  cutAt,
  frame,
  frameTo,
  headerTo,
  hex,
  naiveMask,
  pattern,
  RFC_KEY,
  readFrames,
  utf8,
} from '../support/bytes.ts'
import {
  compressed,
  decompressed,
  FakeCompression,
  type FakeCompressionOptions,
} from '../support/fake-compression.ts'
import {
  countingPlatform,
  End,
  type EndOptions,
  expectClosed,
  expectCloseFrame,
  expectClosing,
  expectFacts,
  expectFailing,
  expectOpen,
  expectOutput,
  type Fact,
  POISON,
  PoisonedOutput,
  ProtocolPair,
  poisonedPlatform,
  SlowOutput,
} from '../support/protocol-pair.ts'

const TEXT = 0x81
const BINARY = 0x82
const CLOSE = 0x88
const PING = 0x89
const PONG = 0x8a
const NOTHING = new Uint8Array(0)

/** Own RSV1: write payloads backwards, as far as they come in one piece. Messages below 2 bytes stay as they are. */
function reversal(): Extension {
  let parts: Uint8Array[] = []
  return {
    name: 'x-reversal',
    reservedBits: 0x40,
    applies: ({ size }) => size === undefined || size >= 2,
    encode: ({ payload }) => payload.slice().reverse(),
    decode({ payload, isFirst, isLast }) {
      parts = isFirst ? [payload] : [...parts, payload]
      return isLast ? concat(...parts).reverse() : NOTHING
    },
  }
}

function extensionsIf(isExtended: boolean): Extension[] {
  return isExtended ? [reversal()] : []
}

describe('server', () => {
  test("receives and sends the examples of the RFC's section 5.7", () => {
    const server = new End('server')
    // FIN TEXT, masked, 5 bytes, key 37 fa 21 3d, Hello
    server.receive(hex('81 85 37 fa 21 3d 7f 9f 4d 51 58'))
    // FIN PING, masked, 5 bytes, key 37 fa 21 3d, Hello
    server.receive(hex('89 85 37 fa 21 3d 7f 9f 4d 51 58'))
    // FIN PONG, masked, 5 bytes, key 37 fa 21 3d, Hello
    server.receive(hex('8a 85 37 fa 21 3d 7f 9f 4d 51 58'))
    expectFacts(server, ['message', 'Hello'], ['ping', utf8('Hello')], ['pong', utf8('Hello')])
    expectOutput(server, hex('8a 05 48 65 6c 6c 6f')) // FIN PONG, 5 bytes, Hello

    server.protocol.sendText('Hello')
    expectOutput(server, hex('81 05 48 65 6c 6c 6f')) // FIN TEXT, 5 bytes, Hello
    server.protocol.sendPing(utf8('Hello'))
    expectOutput(server, hex('89 05 48 65 6c 6c 6f')) // FIN PING, 5 bytes, Hello
    server.protocol.sendBytes(pattern(256))
    expectOutput(server, concat(hex('82 7e 01 00'), pattern(256))) // FIN BINARY, 256 bytes in 16 bits
    server.protocol.sendBytes(pattern(65536))
    const wire = concat(hex('82 7f 00 00 00 00 00 01 00 00'), pattern(65536)) // FIN BINARY, 65,536 in 64 bits
    expect(Buffer.compare(server.takeOutput(), wire)).toBe(0)
  })

  test('receives an unmasked frame', () => {
    const server = new End('server')
    server.receive(hex('81 05 48 65 6c 6c 6f'))
    expectFailing(server, 1002, 'WS_MASK_REQUIRED')
  })

  test('sends close frames', () => {
    const server = new End('server')
    server.protocol.sendClose(1001, 'bye')
    expectOutput(server, hex('88 05 03 e9 62 79 65')) // FIN CLOSE, 5 bytes, 1001 bye
  })

  test('never asks for a masking key', () => {
    const server = new End('server', {
      maskingKeys: () => {
        throw new Error('no')
      },
    })
    server.protocol.sendText('x')
    expectOutput(server, hex('81 01 78'))
  })
})

describe('client', () => {
  test("receives and sends the examples of the RFC's section 5.7", () => {
    const client = new End('client')
    client.receive(hex('81 05 48 65 6c 6c 6f')) // FIN TEXT, 5 bytes, Hello
    client.receive(hex('01 03 48 65 6c'), hex('80 02 6c 6f')) // TEXT Hel; FIN CONTINUATION lo
    client.receive(hex('89 05 48 65 6c 6c 6f')) // FIN PING, 5 bytes, Hello
    expectFacts(client, ['message', 'Hello'], ['message', 'Hello'], ['ping', utf8('Hello')])
    // FIN PONG, masked, 5 bytes, key 37 fa 21 3d, Hello
    expectOutput(client, hex('8a 85 37 fa 21 3d 7f 9f 4d 51 58'))

    client.protocol.sendText('Hello')
    // FIN TEXT, masked, 5 bytes, key 37 fa 21 3d, Hello
    expectOutput(client, hex('81 85 37 fa 21 3d 7f 9f 4d 51 58'))
    client.protocol.sendBytes(pattern(256))
    expectOutput(client, concat(hex('82 fe 01 00 37 fa 21 3d'), naiveMask(pattern(256), RFC_KEY)))
  })

  test('receives a masked frame', () => {
    const client = new End('client')
    client.receive(hex('81 85 37 fa 21 3d 7f 9f 4d 51 58'))
    expectFailing(client, 1002, 'WS_MASK_FORBIDDEN')
  })

  test('sends close frames', () => {
    const client = new End('client')
    client.protocol.sendClose(1001, 'bye')
    // FIN CLOSE, masked, 5 bytes, key 37 fa 21 3d, 1001 bye
    expectOutput(client, hex('88 85 37 fa 21 3d 34 13 43 44 52'))
  })

  test('masks every frame with a key of its own', () => {
    let key = 0
    const client = new End('client', { maskingKeys: () => ++key })
    client.protocol.sendText('a')
    client.protocol.sendBytes(hex('00'))
    client.protocol.sendPing()
    client.receive(hex('89 00')) // FIN PING, 0 bytes
    client.protocol.sendClose()
    const keys = readFrames(client.takeOutput()).map((each) => each.maskingKey)
    expect(keys).toEqual([1, 2, 3, 4, 5])
  })
})

describe.each(['server', 'client'] as const)('%s', (role) => {
  const key = role === 'client' ? RFC_KEY : undefined
  const create = (options?: EndOptions): End => new End(role, options)
  /** A frame as our peer sends it. */
  const incoming = (first: number, payload?: Uint8Array | string): Uint8Array => frameTo(role, first, payload)
  /** A frame as we send it. */
  const outgoing = (first: number, payload?: Uint8Array | string): Uint8Array => frame(first, payload, key)

  describe('data', () => {
    test('sends text and bytes', () => {
      const end = create()
      end.protocol.sendText('Häß')
      end.protocol.sendBytes(hex('00 ff'))
      end.protocol.sendBytes(utf8('text'), 0x1)
      end.protocol.sendText('')
      end.protocol.sendBytes(NOTHING)
      expectOutput(
        end,
        concat(
          outgoing(TEXT, 'Häß'),
          outgoing(BINARY, hex('00 ff')),
          outgoing(TEXT, 'text'),
          outgoing(TEXT),
          outgoing(BINARY),
        ),
      )
      expect(end.protocol.role).toBe(role)
    })

    test('receives text and bytes', () => {
      const end = create()
      end.receive(incoming(TEXT, 'Häß'), incoming(BINARY, hex('00 ff')), incoming(TEXT), incoming(BINARY))
      expectFacts(end, ['message', 'Häß'], ['message', hex('00 ff')], ['message', ''], ['message', NOTHING])
      expectOutput(end, NOTHING)
    })

    test('receives a read in the memory of its kernel', () => {
      const kernel = createJavaScriptKernel(1024)
      const end = create({ kernel })
      const wire = incoming(TEXT, 'Hello')
      kernel.memory.set(wire, kernel.readStart)
      end.protocol.receiveRead(wire.length)
      expectFacts(end, ['message', 'Hello'])
    })

    test('is receiving a message between its first and its last byte', () => {
      const end = create()
      expect(end.protocol.isReceivingMessage).toBe(false)
      end.receive(incoming(0x01, 'a'))
      expect(end.protocol.isReceivingMessage).toBe(true)
      end.receive(incoming(PING))
      expect(end.protocol.isReceivingMessage).toBe(true)
      end.receive(incoming(0x80, 'b').slice(0, -1))
      expect(end.protocol.isReceivingMessage).toBe(true)
      end.receive(incoming(0x80, 'b').slice(-1))
      expect(end.protocol.isReceivingMessage).toBe(false)
    })

    test.each([
      ['text', TEXT, BINARY],
      ['binary', BINARY, TEXT],
    ] as const)('receives %s only when that is all it accepts', (accept, accepted, refused) => {
      const end = create({ accept })
      end.receive(incoming(accepted, 'x'))
      expect(end.takeFacts()).toHaveLength(1)
      end.receive(headerTo(role, refused, 1))
      expectFailing(end, 1003, 'WS_DATA_NOT_ACCEPTED')
    })

    test('sends nothing once a close frame was sent', () => {
      const end = create()
      end.protocol.sendClose()
      end.takeOutput()
      end.protocol.sendText('x')
      end.protocol.sendBytes(hex('01'))
      end.protocol.sendPing()
      end.protocol.sendPong()
      end.protocol.sendClose(1001)
      expectOutput(end, NOTHING)
    })

    test('receives messages after it sent a close frame', () => {
      const end = create()
      end.protocol.sendClose()
      end.takeOutput()
      end.receive(incoming(TEXT, 'late'), incoming(PING, 'late'))
      expectFacts(end, ['message', 'late'], ['ping', utf8('late')])
      expectOutput(end, NOTHING) // RFC 6455 section 5.5.1: no more frames after a close frame
    })

    test('speaks to a handler that answers at once', () => {
      const end = create()
      end.reaction = ([kind, message]) => {
        if (kind === 'message') end.protocol.sendText(`${message}!`)
      }
      end.receive(concat(incoming(TEXT, 'a'), incoming(TEXT, 'b')))
      expectOutput(end, concat(outgoing(TEXT, 'a!'), outgoing(TEXT, 'b!')))
    })
  })

  describe('ping and pong', () => {
    test('receives a ping and answers with the same payload', () => {
      const end = create()
      for (const payload of [NOTHING, utf8('Hello'), pattern(125)]) {
        end.receive(incoming(PING, payload))
        expectFacts(end, ['ping', payload])
        expectOutput(end, outgoing(PONG, payload))
      }
    })

    test('receives a pong, asked for or not, and answers nothing', () => {
      const end = create()
      end.receive(incoming(PONG), incoming(PONG, 'x'))
      expectFacts(end, ['pong', NOTHING], ['pong', utf8('x')])
      expectOutput(end, NOTHING)
    })

    test('sends pings and pongs of up to 125 bytes', () => {
      const end = create()
      end.protocol.sendPing()
      end.protocol.sendPing(pattern(125))
      end.protocol.sendPong()
      end.protocol.sendPong(pattern(125))
      expectOutput(
        end,
        concat(outgoing(PING), outgoing(PING, pattern(125)), outgoing(PONG), outgoing(PONG, pattern(125))),
      )
    })

    test('sends no ping and no pong of 126 bytes, in any state', () => {
      const end = create()
      const tooLong = new Uint8Array(126)
      for (const state of ['open', 'close-sent']) {
        expect(end.protocol.state).toBe(state)
        expect(() => end.protocol.sendPing(tooLong)).toThrow(
          new RangeError('a ping carries at most 125 bytes, and this one has 126'),
        )
        expect(() => end.protocol.sendPong(tooLong)).toThrow(
          new RangeError('a pong carries at most 125 bytes, and this one has 126'),
        )
        expectOutput(end, NOTHING)
        end.protocol.sendClose()
        end.takeOutput()
      }
    })

    test('receives a flood of pings while its output is backed up: answers only the last', () => {
      const output = new SlowOutput()
      const end = create({ output })
      for (let count = 0; count < 1000; count++) end.receive(incoming(PING, `ping ${count}`))
      expect(end.takeFacts()).toHaveLength(1000)
      expectOutput(end, NOTHING)
      output.isBackedUp = false
      end.protocol.outputDrained()
      expectOutput(end, outgoing(PONG, 'ping 999'))
      end.protocol.outputDrained()
      expectOutput(end, NOTHING)
    })

    test('answers no older ping after a newer one', () => {
      const output = new SlowOutput()
      const end = create({ output })
      end.receive(incoming(PING, 'old'))
      output.isBackedUp = false
      end.receive(incoming(PING, 'new'))
      end.protocol.outputDrained()
      const pongs = readFrames(end.takeOutput()).map((each) => new TextDecoder().decode(each.payload))
      expect(pongs.at(-1)).toBe('new')
    })

    test('answers no ping that it owes once it sent a close frame', () => {
      const output = new SlowOutput()
      const end = create({ output })
      end.receive(incoming(PING, 'x'))
      end.protocol.sendClose()
      expectClosing(end, 1000)
      end.protocol.outputDrained()
      expectOutput(end, NOTHING)
    })

    test('answers a ping from memory of its own', () => {
      const kernel = createJavaScriptKernel(1024)
      const output = new SlowOutput()
      const end = create({ kernel, output })
      end.receive(incoming(PING, 'Hello'))
      kernel.memory.fill(POISON)
      end.protocol.outputDrained()
      expectOutput(end, outgoing(PONG, 'Hello'))
    })
  })

  describe('closing handshake', () => {
    test('sends a close frame first', () => {
      const end = create()
      end.protocol.sendClose(1000, 'done')
      expect(end.protocol.beganBy).toBe('local')
      expectClosing(end, 1000, 'done')
      end.receive(incoming(CLOSE, closePayload(1000)))
      expectFacts(end, ['close', { code: 1000, reason: '' }])
      expectOutput(end, NOTHING)
      expectClosed(end, { code: 1000, reason: '' }, { code: 1000, reason: 'done' })
      expect(end.protocol.beganBy).toBe('local')
    })

    test('receives a close frame first, and echoes its code', () => {
      const end = create()
      end.receive(incoming(CLOSE, closePayload(3999, 'tschüß')))
      expectFacts(end, ['close', { code: 3999, reason: 'tschüß' }])
      expectCloseFrame(end, closePayload(3999))
      expectClosed(end, { code: 3999, reason: 'tschüß' }, { code: 3999, reason: '' })
      expect(end.protocol.beganBy).toBe('remote')
    })

    test('receives an empty close frame, and answers with one', () => {
      const end = create()
      end.receive(incoming(CLOSE))
      expectFacts(end, ['close', { code: 1005, reason: '' }])
      expectCloseFrame(end, NOTHING)
      expectClosed(end, { code: 1005, reason: '' }, { code: 1005, reason: '' })
    })

    test('has begun nothing and holds no close frame while it is open', () => {
      const { protocol } = create()
      expect(protocol.state).toBe('open')
      expect(protocol.beganBy).toBeUndefined()
      expect(protocol.sent).toBeUndefined()
      expect(protocol.received).toBeUndefined()
    })

    test('sends 1000 by default, and an empty frame for 1005', () => {
      const end = create()
      end.protocol.sendClose()
      expectClosing(end, 1000)
      const other = create()
      other.protocol.sendClose(1005)
      expectClosing(other, 1005)
    })

    test('is told of the close frame when its answer is written already', () => {
      const end = create()
      const states: string[] = []
      end.reaction = () => {
        states.push(end.protocol.state)
        expect(end.takeOutput()).toEqual(outgoing(CLOSE, closePayload(1001)))
      }
      end.receive(incoming(CLOSE, closePayload(1001)))
      expect(states).toEqual(['closed'])
    })

    test('receives nothing after a close frame', () => {
      const end = create()
      end.receive(concat(incoming(CLOSE), incoming(TEXT, 'x'), incoming(PING), incoming(0x83)))
      end.receive(incoming(CLOSE, closePayload(1001)), incoming(TEXT, 'x'))
      expectFacts(end, ['close', { code: 1005, reason: '' }])
      expectOutput(end, outgoing(CLOSE))
      expectClosed(end, { code: 1005, reason: '' }, { code: 1005, reason: '' })
    })

    test('receives a close frame in the middle of a message, which is then lost', () => {
      const end = create()
      end.receive(incoming(0x01, 'a'), incoming(CLOSE, closePayload(1000)), incoming(0x80, 'b'))
      expectFacts(end, ['close', { code: 1000, reason: '' }])
      expect(end.protocol.state).toBe('closed')
    })

    test('sends nothing twice', () => {
      const end = create()
      end.protocol.sendClose(1000, 'one')
      end.protocol.sendClose(1001, 'two')
      expectClosing(end, 1000, 'one')
      end.receive(incoming(CLOSE))
      end.protocol.sendClose(1002, 'three')
      end.protocol.fail(1011, 'four')
      expectOutput(end, NOTHING)
      expectClosed(end, { code: 1005, reason: '' }, { code: 1000, reason: 'one' })
    })

    test('closes from inside a handler: the messages behind are still reported', () => {
      const end = create()
      end.reaction = ([kind]) => {
        if (kind === 'message') end.protocol.sendClose()
      }
      end.receive(concat(incoming(TEXT, 'a'), incoming(TEXT, 'b'), incoming(CLOSE)))
      expectFacts(end, ['message', 'a'], ['message', 'b'], ['close', { code: 1005, reason: '' }])
      expectOutput(end, outgoing(CLOSE, closePayload(1000)))
      expect(end.protocol.state).toBe('closed')
    })

    test('receives each code from 0 to 5000, and fails for those that must not be sent', () => {
      for (let code = 0; code <= 5000; code++) {
        const end = create()
        end.receive(incoming(CLOSE, closePayload(code)))
        const [kind, what] = end.takeFacts()[0]!
        if (isValidCloseCode(code)) {
          if (kind !== 'close' || what.code !== code) expect.fail(`code ${code}`)
          expectClosed(end, { code, reason: '' }, { code, reason: '' })
        } else {
          if (kind !== 'failure' || what.code !== 'WS_BAD_CLOSE_CODE') expect.fail(`code ${code}`)
          expect(end.protocol.sent!.code).toBe(1002)
        }
      }
    })

    test.each([0, 999, 1004, 1005, 1006, 1015, 1016, 2000, 2999, 5000, 65535])(
      'receives a close frame with code %i',
      (code) => {
        const end = create()
        end.receive(incoming(CLOSE, closePayload(code, 'why')))
        expectFailing(end, 1002, 'WS_BAD_CLOSE_CODE')
        expect(end.protocol.received).toBeUndefined()
      },
    )

    test('sends each code from 0 to 5000, and throws for those that must not be sent', () => {
      const end = create()
      end.protocol.sendClose()
      // The state does not matter: a wrong code is a mistake of the program.
      for (let code = 0; code <= 5000; code++) {
        const send = (): void => end.protocol.sendClose(code)
        if (isValidCloseCode(code) || code === 1005) send()
        else {
          expect(send).toThrow(
            new RangeError(`close code ${code} must not be sent: use 1000-1003, 1007-1014 or 3000-4999`),
          )
        }
      }
      expectClosing(end, 1000)
    })

    test('sends no code that is no integer, and no reason without a code', () => {
      const end = create()
      for (const code of [1000.5, Number.NaN, -1, Number.POSITIVE_INFINITY]) {
        expect(() => end.protocol.sendClose(code)).toThrow(RangeError)
      }
      expect(() => end.protocol.sendClose(1005, 'why')).toThrow(RangeError)
      expectOpen(end)
      expectOutput(end, NOTHING)
    })

    test('tells beforehand which codes and reasons it would not send, and sends nothing', () => {
      const end = create()
      for (const [code, reason] of [
        [1006, ''],
        [1000.5, ''],
        [1005, 'why'],
        [1000, 'x'.repeat(124)],
      ] as const) {
        expect(() => end.protocol.assertClose(code, reason)).toThrow(RangeError)
      }
      end.protocol.assertClose(1005, '')
      end.protocol.assertClose(4999, 'x'.repeat(123))
      expectOutput(end, NOTHING)
      expectOpen(end)
    })

    test('receives a close payload of one byte', () => {
      const end = create()
      end.receive(incoming(CLOSE, hex('03')))
      expectFailing(end, 1002, 'WS_BAD_CLOSE_PAYLOAD')
    })

    test.each(['ff', 'c3', 'ed a0 80', 'c0 80', 'f4 90 80 80', '61 62 e2 82'])(
      'receives a close reason with the bytes %s',
      (literal) => {
        const end = create()
        end.receive(incoming(CLOSE, concat(closePayload(1000), hex(literal))))
        expectFailing(end, 1007, 'WS_BAD_UTF8')
        expect(end.protocol.received).toBeUndefined()
      },
    )

    test('receives and sends reasons of 123 bytes, and sends none of 124', () => {
      const reason = `${'ä'.repeat(61)}!`
      const end = create()
      end.receive(incoming(CLOSE, closePayload(1000, reason)))
      expectFacts(end, ['close', { code: 1000, reason }])
      const other = create()
      expect(() => other.protocol.sendClose(1000, `${reason}!`)).toThrow(
        new RangeError('the close reason takes 124 bytes of UTF-8, and may take 123'),
      )
      expectOpen(other)
      other.protocol.sendClose(1000, reason)
      expectClosing(other, 1000, reason)
    })

    test('receives a reason that begins with a byte order mark', () => {
      const end = create()
      end.receive(incoming(CLOSE, closePayload(1000, '\ufeffx')))
      expectFacts(end, ['close', { code: 1000, reason: '\ufeffx' }])
    })
  })

  describe('failing', () => {
    const tooLong = { maxMessageSize: 10, maxFragments: 3 }

    // First byte and payload of each frame.
    test.each<[string, number, readonly (readonly [number, (Uint8Array | string)?])[]]>([
      ['WS_RESERVED_BITS', 1002, [[0xc1, 'x']]],
      ['WS_RESERVED_BITS', 1002, [[0xa2, 'x']]],
      ['WS_RESERVED_BITS', 1002, [[0x99, 'x']]],
      ['WS_RESERVED_OPCODE', 1002, [[0x83, 'x']]],
      ['WS_RESERVED_OPCODE', 1002, [[0x8b, 'x']]],
      ['WS_CONTROL_FRAGMENTED', 1002, [[0x09, 'x']]],
      ['WS_CONTROL_TOO_LONG', 1002, [[0x89, pattern(126)]]],
      ['WS_UNEXPECTED_CONTINUATION', 1002, [[0x80, 'x']]],
      [
        'WS_EXPECTED_CONTINUATION',
        1002,
        [
          [0x01, 'x'],
          [0x81, 'x'],
        ],
      ],
      ['WS_BAD_CLOSE_PAYLOAD', 1002, [[0x88, 'x']]],
      ['WS_BAD_CLOSE_CODE', 1002, [[0x88, hex('03 ec')]]],
      ['WS_BAD_UTF8', 1007, [[0x81, hex('ff')]]],
      [
        'WS_BAD_UTF8',
        1007,
        [
          [0x01, hex('c3')],
          [0x80, hex('c3')],
        ],
      ],
      ['WS_BAD_UTF8', 1007, [[0x88, hex('03 e8 ff')]]],
      ['WS_MESSAGE_TOO_BIG', 1009, [[0x82, pattern(11)]]],
      [
        'WS_MESSAGE_TOO_BIG',
        1009,
        [
          [0x02, pattern(9)],
          [0x80, pattern(2)],
        ],
      ],
      ['WS_TOO_MANY_FRAGMENTS', 1009, [[0x02], [0x00], [0x00], [0x80]]],
    ])('receives a violation: %s, and sends %i', (code, closeCode, frames) => {
      const wire = concat(...frames.map(([first, payload]) => incoming(first, payload)))
      for (const chunks of [[wire], chunksOf(wire, 1), [concat(incoming(PONG), wire, incoming(TEXT, 'x'))]]) {
        const end = create({ limits: tooLong })
        end.receive(...chunks)
        const before = expectFailing(end, closeCode, code as never)
        expect(before).toEqual(chunks.length === 1 && chunks[0] !== wire ? [['pong', NOTHING]] : [])
        expect(end.protocol.beganBy).toBe('local')
      }
    })

    test('CVE-2026-9675: receives fragments that are too big together', () => {
      const end = create({ limits: { maxMessageSize: 1000, maxFragments: 1e6 } })
      end.receive(incoming(0x02, pattern(100)))
      for (let count = 0; count < 9; count++) end.receive(incoming(0x00, pattern(100)))
      expectFacts(end)
      end.receive(incoming(0x00, 'x'))
      expectFailing(end, 1009, 'WS_MESSAGE_TOO_BIG')
    })

    test('CVE-2026-12151: receives empty fragments without end', () => {
      const platform = countingPlatform()
      const end = create({ platform, limits: { maxMessageSize: 1000, maxFragments: 500 } })
      end.receive(incoming(0x01))
      for (let count = 1; count < 500; count++) end.receive(incoming(0x00))
      expectFacts(end)
      expect(platform.allocated).toBe(0)
      end.receive(incoming(0x00))
      expectFailing(end, 1009, 'WS_TOO_MANY_FRAGMENTS')
    })

    test('receives text that stops being UTF-8: fails at that byte', () => {
      // In the middle of a frame, and across fragments; 1,000 bytes are announced, and most of them never come.
      const bad = concat(utf8('κόσμε'), hex('ed a0'))
      const end = create()
      end.receive(headerTo(role, 0x81, 1000))
      const payload = role === 'server' ? naiveMask(bad, RFC_KEY) : bad
      for (const chunk of chunksOf(payload.slice(0, -1), 1)) end.receive(chunk)
      expectFacts(end)
      end.receive(payload.slice(-1))
      expectFailing(end, 1007, 'WS_BAD_UTF8')

      const other = create()
      other.receive(incoming(0x01, bad.slice(0, -1)), incoming(PING))
      expectFacts(other, ['ping', NOTHING])
      other.takeOutput()
      other.receive(incoming(0x00, bad.slice(-1)))
      expectFailing(other, 1007, 'WS_BAD_UTF8')
    })

    test('receives characters at the boundaries, cut at every position', () => {
      const text = '\u007f\u0080\u07ff\u0800\ud7ff\ue000\ufeff\uffff\u{10000}\u{10ffff}'
      const bytes = utf8(text)
      const wire = incoming(TEXT, bytes)
      for (let place = 0; place <= bytes.length; place++) {
        const end = create()
        end.receive(...cutAt(wire, [wire.length - place]))
        end.receive(incoming(0x01, bytes.slice(0, place)), incoming(0x80, bytes.slice(place)))
        expectFacts(end, ['message', text], ['message', text])
      }
    })

    test('says no figures of ours to the peer', () => {
      const end = create({ limits: tooLong })
      end.receive(incoming(BINARY, pattern(11)))
      expect(end.takeFacts()).toMatchObject([
        ['failure', { message: 'a message is larger than the limit: 11 bytes, while maxMessageSize is 10' }],
      ])
      expectOutput(end, outgoing(CLOSE, closePayload(1009, 'a message is larger than the limit')))
    })

    test('fails while it awaits the answer to its close frame: sends no second one', () => {
      const end = create()
      end.protocol.sendClose(1000, 'bye')
      end.takeOutput()
      end.receive(incoming(0x83), incoming(CLOSE))
      expect(end.takeFacts()).toMatchObject([['failure', { code: 'WS_RESERVED_OPCODE' }]])
      expect(end.protocol.state).toBe('failed')
      expect(end.protocol.sent).toEqual({ code: 1000, reason: 'bye' })
      expect(end.protocol.received).toBeUndefined()
      expectOutput(end, NOTHING)
    })

    test('fails when the program says so: says why, and reports nothing', () => {
      const end = create()
      end.receive(incoming(0x01, 'a'))
      end.protocol.fail(1008, 'too slow')
      expect(end.protocol.state).toBe('failed')
      expect(end.protocol.beganBy).toBe('local')
      expect(end.protocol.sent).toEqual({ code: 1008, reason: 'too slow' })
      expectCloseFrame(end, closePayload(1008, 'too slow'))
      end.receive(incoming(0x80, 'b'), incoming(CLOSE))
      end.protocol.fail(1011, 'again')
      expectFacts(end)
      expectOutput(end, NOTHING)
    })

    test('fails when the program says so after the closing handshake: nothing changes', () => {
      const end = create()
      end.receive(incoming(CLOSE))
      end.takeOutput()
      end.takeFacts()
      end.protocol.fail(1011, 'late')
      expectClosed(end, { code: 1005, reason: '' }, { code: 1005, reason: '' })
      expectOutput(end, NOTHING)
    })

    test('fails from inside a handler: reports nothing more', () => {
      for (const chunkSize of [1, 5, 1000]) {
        const end = create({ kernel: createJavaScriptKernel(16) })
        end.reaction = () => end.protocol.fail(1011, 'handler')
        const wire = concat(incoming(TEXT, 'a'), incoming(TEXT, 'b'), incoming(PING), incoming(CLOSE))
        end.receive(...chunksOf(wire, chunkSize))
        expectFacts(end, ['message', 'a'])
        expectCloseFrame(end, closePayload(1011, 'handler'))
        expect(end.protocol.hasBacklog).toBe(false)
      }
    })

    test('reports a failure when the state has changed already', () => {
      const end = create()
      const seen: unknown[] = []
      end.reaction = () => seen.push(end.protocol.state, end.protocol.sent?.code)
      end.receive(incoming(0x83))
      expect(seen).toEqual(['failed', 1002])
    })
  })

  describe('an ending that is put off', () => {
    function createAnswering(options?: EndOptions): End {
      const end = create(options)
      end.isAnswering = () => true
      return end
    }

    test('receives a close frame while it is answering: what it sends goes before the echo', () => {
      const end = createAnswering()
      end.receive(concat(incoming(TEXT, 'a'), incoming(CLOSE, closePayload(1001)), incoming(TEXT, 'b')))
      end.receive(incoming(TEXT, 'c'))
      expectFacts(end, ['message', 'a'])
      expect(end.protocol.state).toBe('open')
      expect(end.protocol.received).toBeUndefined()
      expect(end.protocol.isEnding).toBe(true)
      end.protocol.sendText('A')
      end.protocol.proceed()
      expect(end.protocol.isEnding).toBe(false)
      expectOutput(end, concat(outgoing(TEXT, 'A'), outgoing(CLOSE, closePayload(1001))))
      expectFacts(end, ['close', { code: 1001, reason: '' }])
      expectClosed(end, { code: 1001, reason: '' }, { code: 1001, reason: '' })
      expect(end.protocol.beganBy).toBe('remote')
    })

    test('receives a violation while it is answering: what it sends goes before the close frame', () => {
      const end = createAnswering()
      end.receive(concat(incoming(TEXT, 'a'), incoming(0x83), incoming(TEXT, 'b')))
      expectFacts(end, ['message', 'a'])
      expect(end.protocol.state).toBe('open')
      end.protocol.sendText('A')
      expectOutput(end, outgoing(TEXT, 'A'))
      end.protocol.proceed()
      expectFailing(end, 1002, 'WS_RESERVED_OPCODE')
    })

    test('receives bad UTF-8 and a bad close frame while it is answering', () => {
      for (const [wire, closeCode] of [
        [incoming(TEXT, hex('ff')), 1007],
        [incoming(CLOSE, hex('03')), 1002],
      ] as const) {
        const end = createAnswering()
        end.receive(wire)
        expectFacts(end)
        end.protocol.proceed()
        expectFailing(end, closeCode)
      }
    })

    test('proceeds once, and with nothing when nothing was put off', () => {
      const end = createAnswering()
      end.protocol.proceed()
      expectOpen(end)
      end.receive(incoming(CLOSE))
      end.protocol.proceed()
      end.protocol.proceed()
      expectFacts(end, ['close', { code: 1005, reason: '' }])
      expectOutput(end, outgoing(CLOSE))
    })

    test('proceeds at once when the handler is not answering', () => {
      const end = create()
      end.isAnswering = () => false
      end.receive(incoming(CLOSE))
      expectFacts(end, ['close', { code: 1005, reason: '' }])
      expect(end.protocol.state).toBe('closed')
    })

    test('is not asked whether it is answering for messages and pings', () => {
      const end = create()
      end.isAnswering = () => {
        throw new Error('asked')
      }
      end.receive(incoming(TEXT, 'a'), incoming(PING), incoming(PONG))
      expect(end.takeFacts()).toHaveLength(3)
    })

    test('sends a close frame of its own meanwhile, which is then the answer', () => {
      const end = createAnswering()
      end.receive(incoming(CLOSE, closePayload(1001)))
      end.protocol.sendClose(4000, 'mine')
      expectClosing(end, 4000, 'mine')
      end.protocol.proceed()
      expectFacts(end, ['close', { code: 1001, reason: '' }])
      expectOutput(end, NOTHING)
      expectClosed(end, { code: 1001, reason: '' }, { code: 4000, reason: 'mine' })
    })

    test('fails meanwhile because the program says so: reports nothing', () => {
      for (const wire of [incoming(CLOSE), incoming(0x83)]) {
        const end = createAnswering()
        end.receive(wire)
        end.protocol.fail(1011, 'handler')
        expectCloseFrame(end, closePayload(1011, 'handler'))
        end.protocol.proceed()
        expect(end.protocol.state).toBe('failed')
        expectOutput(end, NOTHING)
        expectFacts(end)
      }
    })

    test('keeps nothing that comes meanwhile', () => {
      const end = createAnswering()
      end.receive(incoming(CLOSE))
      end.protocol.pause()
      end.receive(incoming(TEXT, 'a'))
      expect(end.protocol.hasBacklog).toBe(false)
      end.protocol.resume()
      end.protocol.proceed()
      expectFacts(end, ['close', { code: 1005, reason: '' }])
    })
  })

  describe('memory', () => {
    test('CVE-2026-45736: takes no array for a close reason', () => {
      for (const reason of [new Uint8Array(64), new Float64Array(8), ['a', 'b']]) {
        const end = create({ platform: poisonedPlatform, output: new PoisonedOutput() })
        expect(() => end.protocol.sendClose(1000, reason as never)).toThrow(TypeError)
        expectOutput(end, NOTHING)
        expectOpen(end)
      }
    })

    test('CVE-2016-10518: shows no memory for a payload that is a number', () => {
      for (const verb of ['sendPing', 'sendPong', 'sendBytes'] as const) {
        const end = create({ platform: poisonedPlatform, output: new PoisonedOutput() })
        try {
          end.protocol[verb](100 as never)
        } catch (error) {
          expect(error).toBeInstanceOf(TypeError)
        }
        expect(end.takeOutput()).not.toContain(POISON)
      }
    })

    test('CVE-2016-10518, CVE-2026-45736: writes every byte that it sends', () => {
      const end = create({ platform: poisonedPlatform, output: new PoisonedOutput() })
      const { protocol } = end
      const lengths = [0, 1, 63, 125, 126, 300]
      for (const length of lengths) {
        protocol.sendText('t'.repeat(length))
        protocol.sendText('ä'.repeat(length))
        protocol.sendBytes(new Uint8Array(length))
        if (length <= 125) protocol.sendPing(new Uint8Array(length))
        if (length <= 125) end.receive(incoming(PING, new Uint8Array(length)))
      }
      protocol.sendClose(1000, 'r'.repeat(100))
      const payloads = readFrames(end.takeOutput()).map((each) => each.payload)
      expect(payloads).toHaveLength(3 * 6 + 2 * 4 + 1)
      for (const payload of payloads) expect(payload).not.toContain(POISON)
      for (const [, what] of end.takeFacts()) expect(what).not.toContain(POISON)
    })

    test('any conversation is the same, byte for byte, in memory that held something before', () => {
      const step = fc.oneof(
        fc.record({ verb: fc.constant('sendText' as const), text: anyText(10) }),
        fc.record({ verb: fc.constant('sendBytes' as const), bytes: fc.uint8Array({ maxLength: 300 }) }),
        fc.record({ verb: fc.constant('sendPing' as const), bytes: fc.uint8Array({ maxLength: 125 }) }),
        fc.record({
          verb: fc.constant('receive' as const),
          first: fc.constantFrom(0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0xc1, 0xc2),
          bytes: fc.uint8Array({ maxLength: 200 }),
          size: fc.integer({ min: 1, max: 50 }),
        }),
        fc.record({ verb: fc.constant('sendClose' as const), reason: fc.string({ maxLength: 30 }) }),
      )
      fc.assert(
        fc.property(fc.array(step, { maxLength: 12 }), fc.boolean(), (steps, isExtended) => {
          const plain = create({ extensions: extensionsIf(isExtended) })
          const poisoned = create({
            extensions: extensionsIf(isExtended),
            platform: poisonedPlatform,
            output: new PoisonedOutput(),
          })
          for (const end of [plain, poisoned]) {
            for (const each of steps) {
              if (each.verb === 'sendText') end.protocol.sendText(each.text)
              else if (each.verb === 'sendBytes') end.protocol.sendBytes(each.bytes)
              else if (each.verb === 'sendPing') end.protocol.sendPing(each.bytes)
              else if (each.verb === 'sendClose') end.protocol.sendClose(1000, each.reason)
              else end.receive(...chunksOf(incoming(each.first, each.bytes), each.size))
            }
          }
          expect(poisoned.takeOutput()).toEqual(plain.takeOutput())
          expect(poisoned.takeFacts()).toEqual(plain.takeFacts())
        }),
        { numRuns: 200 },
      )
    })

    test('receives a frame that only announces its size, and takes memory for what came', () => {
      const platform = countingPlatform()
      const end = create({ platform, limits: { maxMessageSize: 2 ** 30, maxFragments: 10 } })
      end.receive(headerTo(role, BINARY, 2 ** 30))
      expect(platform.allocated).toBe(0)
      end.receive(pattern(100))
      expect(platform.allocated).toBeLessThanOrEqual(400)
    })

    test('CVE-2026-48779: receives tiny fragments in tiny chunks, and takes memory for what came', () => {
      const platform = countingPlatform()
      const end = create({ platform, limits: { maxMessageSize: 1e6, maxFragments: 1e6 } })
      end.receive(incoming(0x01, 'a'))
      for (let count = 1; count < 4000; count++) end.receive(...chunksOf(incoming(0x00, 'a'), 2))
      expect(platform.allocated).toBeLessThanOrEqual(8 * 4000)
      end.receive(incoming(0x80))
      expectFacts(end, ['message', 'a'.repeat(4000)])
    })

    test('CVE-2026-48779: receives tiny fragments that are cut inside, and takes memory for what came', () => {
      const platform = countingPlatform()
      const end = create({ platform, limits: { maxMessageSize: 1e6, maxFragments: 1e6 } })
      end.receive(incoming(0x02, 'ab'))
      const fragment = incoming(0x00, 'ab')
      const chunks = cutAt(fragment, [fragment.length - 1])
      for (let count = 1; count < 2000; count++) end.receive(...chunks)
      expect(platform.largest).toBeLessThanOrEqual(4 * 4000)
      expect(platform.allocated).toBeLessThanOrEqual(8 * 4000)
    })

    test('CVE-2026-1528, CVE-2020-27813: receives 64-bit lengths beyond every limit', () => {
      for (const [literal, closeCode] of [
        ['00 20 00 00 00 00 00 00', 1009], // 2^53
        ['7f ff ff ff ff ff ff ff', 1009], // 2^63 - 1
        ['80 00 00 00 00 00 00 00', 1002], // 2^63
        ['ff ff ff ff ff ff ff ff', 1002], // 2^64 - 1
      ] as const) {
        const platform = countingPlatform()
        const end = create({ platform })
        const second = role === 'server' ? 0xff : 0x7f
        end.receive(concat(Uint8Array.of(BINARY, second), hex(literal), hex('37 fa 21 3d')))
        // The close frame's payload, and nothing else.
        expect(platform.allocated).toBeLessThanOrEqual(125)
        expectFailing(end, closeCode)
      }
    })
  })

  describe('pausing', () => {
    test('keeps what comes, and reports it in order when it is resumed', () => {
      const end = create()
      end.protocol.pause()
      end.receive(incoming(TEXT, 'a'), incoming(PING, 'b'), incoming(TEXT, 'c'), incoming(CLOSE))
      expectFacts(end)
      expectOutput(end, NOTHING)
      expect(end.protocol.hasBacklog).toBe(true)
      expect(end.protocol.state).toBe('open')
      end.protocol.resume()
      expect(end.protocol.hasBacklog).toBe(false)
      expectFacts(
        end,
        ['message', 'a'],
        ['ping', utf8('b')],
        ['message', 'c'],
        ['close', { code: 1005, reason: '' }],
      )
    })

    test('pauses from inside a handler, and gives one message for each resume', () => {
      const end = create()
      end.reaction = () => end.protocol.pause()
      end.receive(concat(...['a', 'b', 'c'].map((text) => incoming(TEXT, text))))
      end.receive(incoming(TEXT, 'd'))
      for (const text of ['a', 'b', 'c', 'd']) {
        expectFacts(end, ['message', text])
        end.protocol.resume()
      }
      expectFacts(end)
    })

    test('sends while it is paused', () => {
      const end = create()
      end.protocol.pause()
      end.protocol.sendText('x')
      expectOutput(end, outgoing(TEXT, 'x'))
    })

    test('fails while it is paused: forgets what it kept', () => {
      const end = create()
      end.protocol.pause()
      end.receive(incoming(TEXT, 'a'))
      end.protocol.fail(1008, '')
      expect(end.protocol.hasBacklog).toBe(false)
      end.protocol.resume()
      expectFacts(end)
    })

    test('fails while the backlog is parsed: reports what came before, and nothing after', () => {
      const end = create()
      end.protocol.pause()
      end.receive(incoming(TEXT, 'a'), incoming(0x83), incoming(TEXT, 'b'))
      end.protocol.resume()
      expect(expectFailing(end, 1002, 'WS_RESERVED_OPCODE')).toEqual([['message', 'a']])
    })

    test('receives bytes from inside its own handler, in order', () => {
      const end = create()
      end.reaction = ([kind, message]) => {
        if (kind === 'message' && message === 'a') end.receive(incoming(TEXT, 'c'))
      }
      end.receive(concat(incoming(TEXT, 'a'), incoming(TEXT, 'b')))
      expectFacts(end, ['message', 'a'], ['message', 'b'], ['message', 'c'])
    })

    test('receives bytes from inside the handler of another protocol on the same kernel', () => {
      const kernel = createJavaScriptKernel(64)
      const end = create({ kernel })
      const other = create({ kernel })
      other.reaction = ([, what]) => {
        if (typeof what === 'string') end.receive(incoming(TEXT, `${what}!`))
      }
      const texts = Array.from({ length: 30 }, (_, index) => String(index))
      other.receive(concat(...texts.map((text) => incoming(TEXT, text))))
      expectFacts(other, ...texts.map((text) => ['message', text] as const))
      expectFacts(end, ...texts.map((text) => ['message', `${text}!`] as const))
    })
  })

  describe('extensions', () => {
    test('sends messages through them, and control frames past them', () => {
      const end = create({ extensions: [reversal()], platform: poisonedPlatform })
      end.protocol.sendText('häb')
      end.protocol.sendBytes(hex('01 02'))
      end.protocol.sendBytes(utf8('ab'), 0x1)
      end.protocol.sendText('x') // which the extension leaves alone
      end.protocol.sendPing(utf8('ab'))
      end.protocol.sendClose(1000, 'ab')
      expectOutput(
        end,
        concat(
          outgoing(0xc1, utf8('häb').reverse()),
          outgoing(0xc2, hex('02 01')),
          outgoing(0xc1, 'ba'),
          outgoing(TEXT, 'x'),
          outgoing(PING, 'ab'),
          outgoing(CLOSE, closePayload(1000, 'ab')),
        ),
      )
    })

    test('sends nothing through them once it is closing', () => {
      const end = create({
        extensions: [
          {
            ...reversal(),
            encode: () => {
              throw new Error('no')
            },
          },
        ],
      })
      end.protocol.sendClose()
      end.protocol.sendText('x')
      end.protocol.sendBytes(hex('01'))
      expectClosing(end, 1000)
    })

    test('receives messages through them, marked on their first frame', () => {
      const end = create({ extensions: [reversal()] })
      end.receive(incoming(0xc1, 'ba'), incoming(0x41, 'cb'), incoming(PING), incoming(0x80, 'a'))
      end.receive(incoming(TEXT, 'ab'))
      expectFacts(end, ['message', 'ab'], ['ping', NOTHING], ['message', 'abc'], ['message', 'ab'])
    })

    test('CVE-2026-59881: receives RSV1 without negotiation', () => {
      const end = create()
      end.receive(incoming(0xc1, 'ba'))
      expectFailing(end, 1002, 'WS_RESERVED_BITS')
    })

    test('CVE-2026-59881: receives RSV1 where even the extension that owns it may not set it', () => {
      for (const frames of [
        [incoming(0xc9, 'x')],
        [incoming(0xca, 'x')],
        [incoming(0xc8)],
        [incoming(0x41, 'x'), incoming(0xc0, 'x')],
        [incoming(0x01, 'x'), incoming(0x40, 'x')],
      ]) {
        const end = create({ extensions: [reversal()] })
        end.receive(...frames)
        expectFailing(end, 1002, 'WS_RESERVED_BITS')
      }
    })

    test('receives RSV2 while an extension owns RSV1', () => {
      const end = create({ extensions: [reversal()] })
      end.receive(incoming(0xa1, 'x'))
      expectFailing(end, 1002, 'WS_RESERVED_BITS')
    })

    test('receives more than maxMessageSize out of an extension', () => {
      const bomb: Extension = { ...reversal(), decode: () => new Uint8Array(11) }
      const end = create({ extensions: [bomb], limits: { maxMessageSize: 10, maxFragments: 10 } })
      end.receive(incoming(0xc2, 'x'))
      expectFailing(end, 1009, 'WS_MESSAGE_TOO_BIG')
    })

    test('throws for extensions that claim the same bit', () => {
      expect(() => create({ extensions: [reversal(), reversal()] })).toThrow(TypeError)
    })
  })

  describe('properties', () => {
    /** Bytes that are frames, frames that are broken somewhere, and noise. */
    const anyWire = fc
      .array(
        fc.oneof(
          {
            weight: 6,
            arbitrary: fc
              .tuple(
                fc.constantFrom(0x81, 0x82, 0x01, 0x02, 0x00, 0x80, 0x89, 0x8a, 0xc1, 0xc2, 0x41),
                fc.oneof(anyText(40).map(utf8), fc.uint8Array({ maxLength: 40 })),
              )
              .map(([first, payload]) => incoming(first, payload)),
          },
          { weight: 1, arbitrary: fc.nat(5000).map((code) => incoming(CLOSE, closePayload(code, 'x'))) },
          {
            weight: 1,
            arbitrary: fc
              .tuple(fc.nat(255), fc.nat(2 ** 20))
              .map(([first, length]) => headerTo(role, first, length)),
          },
          { weight: 1, arbitrary: fc.uint8Array({ maxLength: 20 }) },
        ),
        { maxLength: 12 },
      )
      .map((parts) => concat(...parts))

    const anyPlaces = fc.array(fc.nat(500), { maxLength: 8 })

    function cut(wire: Uint8Array, places: readonly number[]): Uint8Array[] {
      return cutAt(
        wire,
        places.map((place) => Math.min(place, wire.length)),
      )
    }

    test('any chunking gives the same facts and the same output', () => {
      fc.assert(
        fc.property(anyWire, anyPlaces, fc.boolean(), (wire, places, isExtended) => {
          const whole = create({ extensions: extensionsIf(isExtended) })
          const chunked = create({
            extensions: extensionsIf(isExtended),
            kernel: createJavaScriptKernel(64),
          })
          const bytewise = create({ extensions: extensionsIf(isExtended) })
          whole.receive(wire)
          chunked.receive(...cut(wire, places))
          bytewise.receive(...chunksOf(wire, 1))
          const facts = whole.takeFacts()
          const output = whole.takeOutput()
          for (const end of [chunked, bytewise]) {
            expectFacts(end, ...facts)
            expectOutput(end, output)
            expect(end.protocol.state).toBe(whole.protocol.state)
          }
        }),
        { numRuns: 300 },
      )
    })

    test('no input makes receiveData throw, and memory stays bounded', () => {
      const limits = { maxMessageSize: 100, maxFragments: 5 }
      fc.assert(
        fc.property(anyWire, anyPlaces, fc.boolean(), (wire, places, isExtended) => {
          const platform = countingPlatform()
          const end = create({ platform, limits, extensions: extensionsIf(isExtended) })
          let hasFailed = false
          for (const chunk of cut(wire, places)) {
            end.receive(chunk)
            const facts = end.takeFacts()
            if (hasFailed) expect(facts).toEqual([])
            for (const [index, [kind, what]] of facts.entries()) {
              if (kind === 'message') expect(what.length).toBeLessThanOrEqual(100)
              if (kind !== 'failure') continue
              hasFailed = true
              expect(index).toBe(facts.length - 1)
              expect(end.protocol.state).toBe('failed')
            }
          }
          // Twice a message, or a close frame's payload.
          expect(platform.largest).toBeLessThanOrEqual(200)
          expect(platform.allocated).toBeLessThanOrEqual(8 * wire.length + 125)
          // Every pong answers a ping of its size; besides there is one close frame.
          expect(end.takeOutput().length).toBeLessThanOrEqual(3 * wire.length + 131)
          expect(end.protocol.hasBacklog).toBe(false)
        }),
        { numRuns: 300 },
      )
    })

    test('parse(serialize(message)) = message', () => {
      // A long message is told by its kind and length, so that a counterexample can be read.
      const long = fc.record({
        isText: fc.boolean(),
        length: fc.constantFrom(125, 126, 127, 65535, 65536),
      })
      const message = fc.oneof(
        { weight: 4, arbitrary: anyText(200) },
        { weight: 4, arbitrary: fc.uint8Array({ maxLength: 200 }) },
        { weight: 2, arbitrary: long },
      )
      fc.assert(
        fc.property(
          fc.array(message, { maxLength: 5 }),
          fc.integer({ min: 1, max: 5000 }),
          fc.integer(),
          (descriptions, size, maskingKey) => {
            const peer = new End(role === 'server' ? 'client' : 'server', { maskingKeys: () => maskingKey })
            const end = create()
            const messages = descriptions.map((each) => {
              if (typeof each === 'string' || each instanceof Uint8Array) return each
              return each.isText ? 'x'.repeat(each.length) : pattern(each.length)
            })
            for (const each of messages) {
              if (typeof each === 'string') peer.protocol.sendText(each)
              else peer.protocol.sendBytes(each)
            }
            const wire = peer.takeOutput()
            // At most a thousand chunks: long messages byte by byte would only take time.
            for (const chunk of chunksOf(wire, Math.max(size, wire.length >> 10))) end.receive(chunk)
            const facts = end.takeFacts()
            expect(facts).toHaveLength(messages.length)
            messages.forEach((each, index) => {
              const received = facts[index]![1]
              if (typeof each === 'string') expect(received === utf8ToText(utf8(each))).toBe(true)
              else expect(Buffer.compare(received as Uint8Array, each)).toBe(0)
            })
          },
        ),
        { numRuns: 100 },
      )
    })
  })
})

/** Lone surrogates become U+FFFD on their way. */
function utf8ToText(bytes: Uint8Array): string {
  return new TextDecoder('utf-8', { ignoreBOM: true }).decode(bytes)
}

describe('pair', () => {
  test.each(['client', 'server'] as const)('closes when the %s begins', (role) => {
    const pair = new ProtocolPair()
    pair[role].protocol.sendClose(1001, 'bye')
    pair.exchange()
    const other = role === 'client' ? pair.server : pair.client
    expectClosed(pair[role], { code: 1001, reason: '' }, { code: 1001, reason: 'bye' })
    expectClosed(other, { code: 1001, reason: 'bye' }, { code: 1001, reason: '' })
    expect(pair[role].protocol.beganBy).toBe('local')
    expect(other.protocol.beganBy).toBe('remote')
  })

  test('closes when both begin at once', () => {
    const pair = new ProtocolPair()
    pair.client.protocol.sendClose(1000, 'client')
    pair.server.protocol.sendClose(1001, 'server')
    pair.exchange()
    expectClosed(pair.client, { code: 1001, reason: 'server' }, { code: 1000, reason: 'client' })
    expectClosed(pair.server, { code: 1000, reason: 'client' }, { code: 1001, reason: 'server' })
    expect(pair.client.protocol.beganBy).toBe('local')
    expect(pair.server.protocol.beganBy).toBe('local')
  })

  test('carries messages through an extension both ways', () => {
    const pair = new ProtocolPair(() => ({ extensions: [reversal()] }))
    pair.client.protocol.sendText('Häß')
    pair.server.protocol.sendBytes(hex('01 02 03'))
    pair.exchange(1)
    expectFacts(pair.server, ['message', 'Häß'])
    expectFacts(pair.client, ['message', hex('01 02 03')])
  })

  test('ends when one fails: the other is told why and answers', () => {
    const pair = new ProtocolPair()
    pair.server.receive(hex('83 00'))
    pair.exchange()
    expect(pair.server.protocol.state).toBe('failed')
    expectClosed(pair.client, { code: 1002, reason: 'the opcode is reserved' }, { code: 1002, reason: '' })
  })

  test('client and server always reach closed and agree on the close, whatever they did before', () => {
    const closeCode = fc.oneof(
      fc.integer({ min: 1000, max: 1003 }),
      fc.integer({ min: 1007, max: 1014 }),
      fc.integer({ min: 3000, max: 4999 }),
    )
    const step = fc.record({
      role: fc.constantFrom('client' as const, 'server' as const),
      verb: fc.constantFrom('text', 'text', 'bytes', 'ping', 'pause', 'resume', 'exchange'),
      text: fc.string({ maxLength: 50 }),
      size: fc.integer({ min: 1, max: 80 }),
    })
    const closing = fc.record({
      role: fc.constantFrom('client' as const, 'server' as const),
      code: closeCode,
      reason: fc.string({ maxLength: 41 }),
      both: fc.boolean(),
    })
    fc.assert(
      fc.property(
        fc.array(step, { maxLength: 20 }),
        closing,
        fc.array(step, { maxLength: 8 }),
        fc.boolean(),
        (before, close, after, isExtended) => {
          const kernel = createJavaScriptKernel(64)
          const pair = new ProtocolPair(() => ({ kernel, extensions: extensionsIf(isExtended) }))
          const sent: Record<'client' | 'server', unknown[]> = { client: [], server: [] }
          const perform = ({ role, verb, text, size }: (typeof before)[number]): void => {
            const { protocol } = pair[role]
            const isOpen = protocol.state === 'open'
            if (verb === 'text') {
              protocol.sendText(text)
              if (isOpen) sent[role].push(text)
            } else if (verb === 'bytes') {
              protocol.sendBytes(utf8(text))
              if (isOpen) sent[role].push(utf8(text))
            } else if (verb === 'ping') protocol.sendPing(utf8(text.slice(0, 20)))
            else if (verb === 'pause') protocol.pause()
            else if (verb === 'resume') protocol.resume()
            else pair.exchange(size)
          }
          for (const each of before) perform(each)
          pair[close.role].protocol.sendClose(close.code, close.reason)
          const other = close.role === 'client' ? pair.server : pair.client
          if (close.both) other.protocol.sendClose(4000, 'me too')
          for (const each of after) perform(each)
          pair.client.protocol.resume()
          pair.server.protocol.resume()
          pair.exchange(7)

          const { client, server } = pair
          expect(client.protocol.state).toBe('closed')
          expect(server.protocol.state).toBe('closed')
          expect(client.protocol.received).toEqual(server.protocol.sent)
          expect(server.protocol.received).toEqual(client.protocol.sent)
          expect(pair[close.role].protocol.beganBy).toBe('local')
          expect(other.protocol.beganBy).toBe(close.both ? 'local' : 'remote')
          const messagesOf = (facts: readonly Fact[]): unknown[] =>
            facts.filter(([kind]) => kind === 'message').map(([, message]) => message)
          expect(messagesOf(server.takeFacts())).toEqual(sent.client)
          expect(messagesOf(client.takeFacts())).toEqual(sent.server)
          expect(kernel.waiting).toEqual([])
        },
      ),
      { numRuns: 300 },
    )
  })
})

describe('defaults', () => {
  function makeEnd(role: Role): {
    protocol: Protocol
    output: ByteOutput
    messages: Message[]
    failures: string[]
  } {
    const messages: Message[] = []
    const failures: string[] = []
    const output = new ByteOutput()
    const protocol = new Protocol({
      role,
      output,
      handler: {
        onMessage: (message) => messages.push(message),
        onClose: () => {},
        onFailure: (error) => failures.push(error.code),
      },
    })
    return { protocol, output, messages, failures }
  }

  test('two ends that were told nothing but role, output and handler talk, ping and close', () => {
    const client = makeEnd('client')
    const server = makeEnd('server')
    client.protocol.sendText('héllo')
    client.protocol.sendPing(Uint8Array.of(1))
    server.protocol.receiveData(client.output.takeOutput())
    expect(server.messages).toEqual(['héllo'])
    server.protocol.sendClose(1000)
    client.protocol.receiveData(server.output.takeOutput())
    server.protocol.receiveData(client.output.takeOutput())
    expect([client.protocol.state, server.protocol.state]).toEqual(['closed', 'closed'])
  })

  test('a client masks with keys that nobody can predict', () => {
    const { protocol, output } = makeEnd('client')
    protocol.sendText('same')
    const first = output.takeOutput()
    protocol.sendText('same')
    expect(output.takeOutput().subarray(2, 6)).not.toEqual(first.subarray(2, 6))
  })

  test.each([
    ['server', 1024 * 1024],
    ['client', 16 * 1024 * 1024],
  ] as const)('a %s takes messages of %d bytes and no more', (role, limit) => {
    const { protocol, failures } = makeEnd(role)
    const header = new Uint8Array(10)
    header[0] = 0x82
    header[1] = role === 'server' ? 0xff : 0x7f
    new DataView(header.buffer).setUint32(6, limit)
    protocol.receiveData(header)
    expect(failures).toEqual([])
    const other = makeEnd(role)
    new DataView(header.buffer).setUint32(6, limit + 1)
    other.protocol.receiveData(header)
    // A server reads the masking key before it judges.
    if (role === 'server') other.protocol.receiveData(new Uint8Array(4))
    expect(other.failures).toEqual(['WS_MESSAGE_TOO_BIG'])
  })
})

describe.each(['client', 'server'] as const)('%s, abandoned', (role) => {
  test('reports nothing more, sends nothing more, and nobody began a close', () => {
    const end = new End(role)
    end.reaction = ([kind]) => {
      if (kind === 'message') end.protocol.abandon()
    }
    const text = frameTo(role, 0x81, 'one')
    end.receive(concat(text, frameTo(role, 0x81, 'two'), frameTo(role, 0x88, closePayload(1000))))
    end.protocol.sendText('three')
    end.protocol.sendClose(1000)
    end.protocol.proceed()
    expect(end.takeFacts()).toEqual([['message', 'one']])
    expect(end.output.takeOutput()).toEqual(new Uint8Array(0))
    expect([end.protocol.state, end.protocol.received, end.protocol.sent]).toEqual([
      'failed',
      undefined,
      undefined,
    ])
  })
})

/** An output that flushes to make room, and others do something meanwhile. Room that was made stays until it is used. */
class FlushingOutput extends ByteOutput {
  #room = 0
  readonly #onFlush: () => void

  constructor(onFlush: () => void) {
    super()
    this.#onFlush = onFlush
  }

  override reserve(size: number): number {
    if (size > this.#room) this.#onFlush()
    this.#room = Math.max(this.#room, size)
    return super.reserve(size)
  }

  override commit(end: number): void {
    this.#room = 0
    super.commit(end)
  }
}

/** An output that copies large payloads no earlier than they are sent. */
class ReferringOutput implements Output {
  readonly isBackedUp = false
  #output = new ByteOutput()
  #parts: Uint8Array[] = []

  get bytes(): Uint8Array {
    return this.#output.bytes
  }

  reserve(size: number): number {
    return this.#output.reserve(size)
  }

  commit(end: number): void {
    this.#output.commit(end)
  }

  appendByReference(payload: Uint8Array): void {
    this.#parts.push(this.#output.takeOutput(), payload)
  }

  takeOutput(): Uint8Array {
    const taken = concat(...this.#parts, this.#output.takeOutput())
    this.#parts = []
    return taken
  }
}

describe.each(['server', 'client'] as const)('%s, with compression', (role) => {
  const key = role === 'client' ? RFC_KEY : undefined
  const incoming = (first: number, payload?: Uint8Array | string): Uint8Array => frameTo(role, first, payload)
  const outgoing = (first: number, payload?: Uint8Array | string): Uint8Array => frame(first, payload, key)

  /** An end whose messages are compressed, and what compresses them. */
  function create(
    options: FakeCompressionOptions = {},
    endOptions: EndOptions = {},
  ): { end: End; protocol: Protocol; compression: FakeCompression } {
    const compression = new FakeCompression(options)
    const end = new End(role, { ...endOptions, compression })
    return { end, protocol: end.protocol, compression }
  }

  describe('sending', () => {
    test('marks what is compressed, and nothing else', () => {
      const { end, protocol } = create()
      protocol.sendText('aaaa')
      protocol.sendBytes(utf8('aaaa'))
      protocol.sendBytes(utf8('aaaa'), 0x1)
      protocol.sendText('abcd') // which would be larger
      protocol.sendBytes(hex('01 02'))
      protocol.sendPing(utf8('aaaa'))
      protocol.sendPong(utf8('aaaa'))
      protocol.sendClose(1000, 'aaaa')
      expectOutput(
        end,
        concat(
          outgoing(0xc1, compressed('aaaa')),
          outgoing(0xc2, compressed('aaaa')),
          outgoing(0xc1, compressed('aaaa')),
          outgoing(TEXT, 'abcd'),
          outgoing(BINARY, hex('01 02')),
          outgoing(PING, 'aaaa'),
          outgoing(PONG, 'aaaa'),
          outgoing(CLOSE, closePayload(1000, 'aaaa')),
        ),
      )
    })

    test('compresses text of any characters and length', () => {
      for (const text of ['ä'.repeat(100), '€'.repeat(5000), '𝄞'.repeat(20_000), `${'\ud800'.repeat(9)}x`]) {
        const { end, protocol } = create()
        protocol.sendText(text)
        const [sent] = readFrames(end.takeOutput())
        // In runs of its bytes only what repeats a byte is smaller.
        const plain = sent!.reservedBits === 0 ? sent!.payload : decompressed(sent!.payload)
        expect(Buffer.compare(plain, utf8(text))).toBe(0)
      }
      const { end, protocol } = create()
      protocol.sendText('x'.repeat(100_000))
      expectOutput(end, outgoing(0xc1, compressed('x'.repeat(100_000))))
    })

    test('leaves alone what is not to be compressed', () => {
      const { end, protocol, compression } = create()
      protocol.sendText('aaaa', false)
      protocol.sendBytes(utf8('aaaa'), 0x2, false)
      expectOutput(end, concat(outgoing(TEXT, 'aaaa'), outgoing(BINARY, 'aaaa')))
      expect(compression.asked).toEqual([])
    })

    test('leaves alone what is not worthwhile, and asks once for each message', () => {
      const { end, protocol, compression } = create({ threshold: 10 })
      protocol.sendText('aaa') // at most 9 bytes
      protocol.sendText('aaaa') // at most 12 bytes
      protocol.sendBytes(utf8('aaaaaaaaa'))
      protocol.sendBytes(utf8('aaaaaaaaaa'))
      expect(compression.asked).toEqual([4, 9, 10])
      expectOutput(
        end,
        concat(
          outgoing(TEXT, 'aaa'),
          outgoing(TEXT, 'aaaa'),
          outgoing(BINARY, 'aaaaaaaaa'),
          outgoing(0xc2, compressed('aaaaaaaaaa')),
        ),
      )
    })

    test('compresses nothing once it is closing', () => {
      const { end, protocol, compression } = create()
      protocol.sendClose()
      end.takeOutput()
      protocol.sendText('aaaa')
      protocol.sendBytes(utf8('aaaa'))
      expectOutput(end, NOTHING)
      expect(compression.asked).toEqual([])
    })

    test('writes what it meant to when room is made by flushing, and others compress meanwhile', () => {
      // What is compressed lies in memory that all share until it is copied to the output.
      for (const size of [10, 1000, 40_000, 60_000, 300_000]) {
        const text = 'ab'.repeat(Math.max(size / 20, 1)).replace(/./g, (letter) => letter.repeat(10))
        for (const send of [
          (protocol: Protocol) => protocol.sendText(text),
          (protocol: Protocol) => protocol.sendBytes(utf8(text)),
          (protocol: Protocol) =>
            protocol.sendFragment(
              utf8(text),
              { opcode: 0x1, isFirst: true, isLast: true, isCompressible: true },
              () => {},
            ),
        ]) {
          const other = create()
          const output = new FlushingOutput(() => other.protocol.sendText('z'.repeat(size)))
          const { end, protocol } = create({ longFrom: 10_000_000 }, { output })
          send(protocol)
          const [sent] = readFrames(end.takeOutput())
          expect(sent!.reservedBits).toBe(0x40)
          expect(Buffer.compare(decompressed(sent!.payload), utf8(text))).toBe(0)
        }
      }
    })

    test('lends no memory to the output that the next message is compressed in', () => {
      const output = new ReferringOutput()
      const { end, protocol } = create({}, { output })
      const messages = ['aaabbb', 'cccddd', 'eeefff'].map((text) => utf8(text.repeat(20_000)))
      for (const message of messages) protocol.sendBytes(message)
      const sent = readFrames(end.takeOutput())
      expect(sent.map(({ reservedBits }) => reservedBits)).toEqual([0x40, 0x40, 0x40])
      expect(sent[0]!.payload.length).toBeGreaterThanOrEqual(64 * 1024)
      for (const [index, { payload }] of sent.entries()) {
        expect(Buffer.compare(decompressed(payload), messages[index]!)).toBe(0)
      }
    })

    test('tells what is long', () => {
      const { protocol } = create({ longFrom: 100 })
      expect([99, 100].map((size) => protocol.isLong(size))).toEqual([false, true])
      expect(new End(role).protocol.isLong(Number.MAX_SAFE_INTEGER)).toBe(false)
    })

    test('throws for an extension that claims the bit of compression', () => {
      expect(() => create({}, { extensions: [reversal()] })).toThrow(TypeError)
    })

    test('gives back what it holds', () => {
      const closed: string[] = []
      const extension: Extension = { name: 'x-a', close: () => closed.push('x-a') }
      const { end, protocol, compression } = create({}, { extensions: [extension] })
      protocol.release()
      expect(compression.isClosed).toBe(true)
      expect(closed).toEqual(['x-a'])
      expectFacts(end)
      new End(role).protocol.release()
    })
  })

  describe('sending later', () => {
    test('compresses elsewhere, and lets control frames go before', () => {
      const { end, protocol, compression } = create()
      const done: string[] = []
      protocol.sendLater(utf8('aaaa'), 0x1, () => done.push('a'))
      protocol.sendPing()
      expectOutput(end, outgoing(PING))
      expect(done).toEqual([])
      compression.compressNow()
      expect(done).toEqual(['a'])
      protocol.sendLater(utf8('abcd'), 0x2, () => done.push('b'))
      compression.compressNow()
      expect(done).toEqual(['a', 'b'])
      expectOutput(end, concat(outgoing(0xc1, compressed('aaaa')), outgoing(BINARY, 'abcd')))
    })

    test('writes nothing that was not ready when the closing began', () => {
      const { end, protocol, compression } = create()
      let isDone = false
      protocol.sendLater(utf8('aaaa'), 0x1, () => {
        isDone = true
      })
      protocol.sendClose()
      expectClosing(end, 1000)
      compression.compressNow()
      expect(isDone).toBe(true)
      expectOutput(end, NOTHING)
    })
  })

  describe('sending in fragments', () => {
    const first = { opcode: 0x1, isFirst: true, isLast: false, isCompressible: true } as const
    const middle = { ...first, isFirst: false }
    const last = { ...first, isFirst: false, isLast: true }
    const only = { ...first, isLast: true }

    test('writes each as it is where messages are not compressed', () => {
      for (const { end, protocol } of [
        { end: new End(role) },
        create({ longFrom: Number.POSITIVE_INFINITY }),
      ].map(({ end }) => ({ end, protocol: end.protocol }))) {
        const done: string[] = []
        protocol.sendFragment(utf8('aaaa'), first, () => done.push('1'))
        protocol.sendPing()
        protocol.sendFragment(NOTHING, middle, () => done.push('2'))
        protocol.sendFragment(utf8('b'), last, () => done.push('3'))
        protocol.sendFragment(utf8('c'), { ...only, opcode: 0x2 }, () => done.push('4'))
        expect(done).toEqual(['1', '2', '3', '4'])
        expectOutput(
          end,
          concat(
            outgoing(0x01, 'aaaa'),
            outgoing(PING),
            outgoing(0x00),
            outgoing(0x80, 'b'),
            outgoing(BINARY, 'c'),
          ),
        )
      }
    })

    test('compresses them, and marks the first', () => {
      const { end, protocol } = create({ longFrom: 1000 })
      const done: string[] = []
      protocol.sendFragment(utf8('aaaa'), first, () => done.push('1'))
      protocol.sendFragment(NOTHING, middle, () => done.push('2'))
      protocol.sendFragment(utf8('ab'), last, () => done.push('3'))
      expect(done).toEqual(['1', '2', '3'])
      expectOutput(
        end,
        concat(
          outgoing(0x41, compressed('aaaa')),
          outgoing(0x00),
          outgoing(0x80, compressed('ab')), // larger, and it cannot be helped
        ),
      )
      protocol.sendFragment(utf8('aaaa'), { ...only, isCompressible: false }, () => done.push('4'))
      protocol.sendFragment(utf8('aaaa'), { ...only, opcode: 0x2 }, () => done.push('5'))
      expectOutput(end, concat(outgoing(TEXT, 'aaaa'), outgoing(0xc2, compressed('aaaa'))))
    })

    test('looks at the first alone for whether to compress', () => {
      const { end, protocol } = create({ longFrom: 1000 })
      protocol.sendFragment(utf8('aaaa'), first, () => {})
      protocol.sendFragment(utf8('aaaa'), { ...last, isCompressible: false }, () => {})
      protocol.sendFragment(utf8('aaaa'), { ...first, isCompressible: false }, () => {})
      protocol.sendFragment(utf8('aaaa'), last, () => {})
      expectOutput(
        end,
        concat(
          outgoing(0x41, compressed('aaaa')),
          outgoing(0x80, compressed('aaaa')),
          outgoing(0x01, 'aaaa'),
          outgoing(0x80, 'aaaa'),
        ),
      )
    })

    test('waits for each where it is compressed elsewhere', () => {
      const { end, protocol, compression } = create({ longFrom: 1000, compressesPieces: 'later' })
      const done: string[] = []
      protocol.sendFragment(utf8('aaaa'), first, () => done.push('1'))
      expect(done).toEqual([])
      expectOutput(end, NOTHING)
      compression.compressNow()
      expect(done).toEqual(['1'])
      expectOutput(end, outgoing(0x41, compressed('aaaa')))
    })

    test('writes none once the closing has begun', () => {
      const { end, protocol, compression } = create({ longFrom: 1000, compressesPieces: 'later' })
      const done: string[] = []
      protocol.sendFragment(utf8('aaaa'), first, () => done.push('1'))
      protocol.sendClose()
      expectClosing(end, 1000)
      compression.compressNow()
      const plain = new End(role)
      plain.protocol.sendClose()
      plain.takeOutput()
      plain.protocol.sendFragment(utf8('aaaa'), first, () => done.push('2'))
      expect(done).toEqual(['1', '2'])
      expectOutput(end, NOTHING)
      expectOutput(plain, NOTHING)
    })

    test('carries messages in fragments from end to end', () => {
      for (const longFrom of [1, Number.POSITIVE_INFINITY]) {
        const pair = new ProtocolPair(() => ({ compression: new FakeCompression({ longFrom }) }))
        const { protocol } = pair[role]
        for (const text of ['Hello', '', 'aaaaaaä']) {
          const parts = chunksOf(utf8(text), 2)
          parts.forEach((part, index) => {
            protocol.sendFragment(part, { ...first, isFirst: index === 0 }, () => {})
          })
          protocol.sendFragment(NOTHING, { ...last, isFirst: parts.length === 0 }, () => {})
        }
        pair.exchange(3)
        const other = role === 'client' ? pair.server : pair.client
        expectFacts(other, ['message', 'Hello'], ['message', ''], ['message', 'aaaaaaä'])
      }
    })
  })

  describe('receiving', () => {
    test('decompresses messages that are marked on their first frame', () => {
      const { end } = create()
      const runs = compressed('Hello')
      end.receive(incoming(0xc1, runs), incoming(TEXT, 'plain'))
      end.receive(
        incoming(0x42, runs.slice(0, 3)),
        incoming(PING),
        incoming(0x00),
        incoming(0x80, runs.slice(3)),
      )
      end.receive(incoming(0xc1))
      expectFacts(
        end,
        ['message', 'Hello'],
        ['message', 'plain'],
        ['ping', NOTHING],
        ['message', utf8('Hello')],
        ['message', ''],
      )
    })

    test('is receiving a message between its first and its last byte', () => {
      const { end, protocol } = create()
      end.receive(incoming(0xc1, compressed('Hello')).slice(0, -1))
      expect(protocol.isReceivingMessage).toBe(true)
      end.receive(incoming(0xc1, compressed('Hello')).slice(-1))
      expect(protocol.isReceivingMessage).toBe(false)
    })

    test('CVE-2026-59881: receives RSV1 where compression may not set it', () => {
      for (const frames of [
        [incoming(0xc9, 'x')],
        [incoming(0xca, 'x')],
        [incoming(0xc8)],
        [incoming(0x41, compressed('x')), incoming(0xc0, compressed('x'))],
        [incoming(0x01, 'x'), incoming(0x40, 'x')],
        [incoming(0xa1, 'x')],
        [incoming(0x91, 'x')],
      ]) {
        const { end } = create()
        end.receive(...frames)
        expectFailing(end, 1002, 'WS_RESERVED_BITS')
      }
    })

    test.each(['now', 'later'] as const)('receives broken messages, decompressed %s', (when) => {
      for (const [payload, closeCode, code, limits] of [
        [hex('00 61'), 1007, 'WS_BAD_COMPRESSION', {}],
        [hex('03'), 1007, 'WS_BAD_COMPRESSION', {}],
        [compressed(hex('ff')), 1007, 'WS_BAD_UTF8', {}],
        [hex('ff 61'), 1009, 'WS_MESSAGE_TOO_BIG', { maxMessageSize: 10 }],
        [compressed(pattern(700)), 1009, 'WS_MESSAGE_TOO_BIG', { maxMessageSize: 10 }],
      ] as const) {
        for (const kind of [0xc1, 0xc2]) {
          if (kind === 0xc2 && code === 'WS_BAD_UTF8') continue
          const { end, compression } = create({ when, portion: 16 }, { limits })
          end.receive(concat(incoming(TEXT, 'a'), incoming(kind, payload), incoming(TEXT, 'b')))
          compression.step()
          const before = expectFailing(end, closeCode, code)
          expect(before.filter(([fact]) => fact !== 'behind')).toEqual([['message', 'a']])
          compression.step()
          compression.resume()
          expectFacts(end)
        }
      }
    })

    test('counts maxMessageSize after decompressing', () => {
      const { end } = create({}, { limits: { maxMessageSize: 10 } })
      end.receive(incoming(0xc2, compressed(pattern(10))))
      expectFacts(end, ['message', pattern(10)])
    })

    test('receives a message in order with others of its own extension', () => {
      const inverting: Extension = {
        name: 'x-invert',
        reservedBits: 0x20,
        encode: ({ payload }) => payload.map((byte) => byte ^ 0xff),
        decode: ({ payload }) => payload.map((byte) => byte ^ 0xff),
      }
      const pair = new ProtocolPair(() => ({
        compression: new FakeCompression({ threshold: 4 }),
        extensions: [inverting],
      }))
      const { protocol } = pair[role]
      protocol.sendText('aaaa')
      protocol.sendText('b')
      protocol.sendBytes(hex('01 02 03'))
      const wire = pair[role].takeOutput()
      expect(readFrames(wire).map(({ reservedBits }) => reservedBits)).toEqual([0x60, 0x20, 0x20])
      const other = role === 'client' ? pair.server : pair.client
      other.receive(...chunksOf(wire, 1))
      expectFacts(other, ['message', 'aaaa'], ['message', 'b'], ['message', hex('01 02 03')])
    })
  })

  describe('behind', () => {
    const message = (text: string): Uint8Array => incoming(0xc1, compressed(text))

    test('parses nothing before what it got is decompressed', () => {
      const { end, protocol, compression } = create({ when: 'later' })
      end.receive(concat(message('a'), incoming(PING), incoming(TEXT, 'b')), incoming(CLOSE))
      expectFacts(end, ['behind'])
      expectOutput(end, NOTHING)
      expect([protocol.isBehind, protocol.isDecoding, protocol.hasBacklog]).toEqual([true, true, true])
      compression.step()
      expectFacts(
        end,
        ['message', 'a'],
        ['ping', NOTHING],
        ['message', 'b'],
        ['close', { code: 1005, reason: '' }],
      )
    })

    test('has a backlog although no byte is left to parse', () => {
      const { end, protocol, compression } = create({ when: 'later' })
      end.receive(message('a'))
      expect(protocol.hasBacklog).toBe(true)
      compression.step()
      expect(protocol.hasBacklog).toBe(false)
      expectFacts(end, ['behind'], ['message', 'a'], ['caught up'])
    })

    test('is not said to have caught up when it is behind again', () => {
      const { end, protocol, compression } = create({ when: 'later' })
      end.receive(concat(message('a'), message('b')))
      compression.step()
      expectFacts(end, ['behind'], ['message', 'a'], ['behind'])
      expect(protocol.isBehind).toBe(true)
      compression.step()
      expectFacts(end, ['message', 'b'], ['caught up'])
    })

    test('is not said to have caught up after a failure', () => {
      const { end, compression } = create({ when: 'later' })
      end.receive(concat(message('a'), incoming(0x83)))
      compression.step()
      expect(expectFailing(end, 1002, 'WS_RESERVED_OPCODE')).toEqual([['behind'], ['message', 'a']])
    })

    test('goes on with the fragments of the message, and pings between them', () => {
      const { end, compression } = create({ when: 'later' })
      end.receive(
        concat(
          incoming(0x41, compressed('Hel')),
          incoming(PING, '1'),
          incoming(0x00),
          incoming(PING, '2'),
          incoming(0x80, compressed('lo')),
        ),
      )
      expectFacts(end, ['behind'])
      compression.step()
      expectFacts(end, ['ping', utf8('1')], ['behind'])
      compression.step()
      expectFacts(end, ['ping', utf8('2')], ['behind'])
      compression.step()
      expectFacts(end, ['message', 'Hello'], ['caught up'])
    })

    test('stops a payload in the middle, wherever reads cut it', () => {
      const wire = concat(message('Hello'), incoming(TEXT, 'b'))
      for (let place = 0; place <= wire.length; place++) {
        const { end, compression } = create({ when: 'later' })
        end.receive(...cutAt(wire, [place]))
        while (compression.hasWork) compression.step(1)
        expect(end.takeFacts().filter(([kind]) => kind === 'message')).toEqual([
          ['message', 'Hello'],
          ['message', 'b'],
        ])
        expect(end.protocol.hasBacklog).toBe(false)
      }
    })

    test('sends meanwhile, also from inside what it is told', () => {
      const { end, protocol, compression } = create({ when: 'later' })
      end.reaction = ([kind]) => protocol.sendText(kind)
      end.receive(message('x'))
      protocol.sendPing()
      compression.step()
      const sent = readFrames(end.takeOutput()).map(({ payload }) => new TextDecoder().decode(payload))
      expect(sent).toEqual(['behind', '', 'message', 'caught up'])
    })

    test('receives meanwhile, also from inside what it is told', () => {
      const { end, compression } = create({ when: 'later' })
      end.reaction = ([kind, text]) => {
        if (text === '1') end.receive(incoming(TEXT, '3'))
        else if (kind === 'behind') end.receive(incoming(TEXT, '2'))
        else if (kind === 'caught up') end.receive(incoming(TEXT, '4'))
      }
      end.receive(message('1'))
      end.reaction = ([kind, text]) => {
        if (kind === 'message' && text === '1') end.receive(incoming(TEXT, '3'))
        if (kind === 'caught up') end.receive(incoming(TEXT, '4'))
      }
      compression.step()
      expectFacts(
        end,
        ['behind'],
        ['message', '1'],
        ['message', '2'],
        ['message', '3'],
        ['caught up'],
        ['message', '4'],
      )
    })

    test('is behind beside another connection on the same kernel', () => {
      const kernel = createJavaScriptKernel(64)
      const { end, compression } = create({ when: 'later' }, { kernel })
      const other = create({}, { kernel })
      end.receive(concat(message('a'), incoming(TEXT, 'b')))
      other.end.receive(message('x'))
      expectFacts(other.end, ['message', 'x'])
      // It catches up while the other is being parsed, and goes on when the memory is free.
      other.end.reaction = () => {
        compression.step()
        expect(end.takeFacts()).toEqual([['behind'], ['message', 'a'], ['caught up']])
      }
      other.end.receive(concat(message('y')))
      expectFacts(other.end, ['message', 'y'])
      expectFacts(end, ['message', 'b'])
      expect(kernel.waiting).toEqual([])
    })

    test.each(['fail', 'abandon', 'release'] as const)('ends by %s: nothing is reported any more', (verb) => {
      const { end, protocol, compression } = create({ when: 'later', portion: 1 })
      end.receive(concat(message('abc'), incoming(TEXT, 'b')))
      compression.step(1)
      if (verb === 'fail') protocol.fail(1011, '')
      else protocol[verb]()
      expectFacts(end, ['behind'])
      expect([protocol.isBehind, protocol.hasBacklog]).toEqual([false, false])
      compression.step()
      protocol.takePieces()
      protocol.resume()
      compression.step()
      expectFacts(end)
    })

    test('fails from inside its own message', () => {
      for (const when of ['now', 'later'] as const) {
        const { end, protocol, compression } = create({ when, portion: 1 })
        protocol.takePieces()
        end.reaction = ([kind]) => {
          if (kind === 'piece') protocol.fail(1011, 'handler')
        }
        end.receive(concat(message('abc'), incoming(TEXT, 'b')))
        compression.step()
        compression.resume()
        compression.step()
        expect(end.takeFacts().filter(([kind]) => kind !== 'behind')).toEqual([['piece', 'a', false]])
        expectCloseFrame(end, closePayload(1011, 'handler'))
        expect([protocol.isBehind, protocol.hasBacklog]).toEqual([false, false])
      }
    })

    test('puts off a violation that shows when it is decompressed', () => {
      const { end, protocol, compression } = create({ when: 'later' })
      end.isAnswering = () => true
      end.receive(concat(incoming(0xc1, hex('00 61')), incoming(TEXT, 'b')))
      compression.step()
      expectFacts(end, ['behind'])
      expect([protocol.state, protocol.isBehind, protocol.hasBacklog]).toEqual(['open', false, false])
      protocol.takePieces()
      protocol.dropPieces()
      protocol.resume()
      expectFacts(end)
      protocol.proceed()
      expectFailing(end, 1007, 'WS_BAD_COMPRESSION')
    })
  })

  describe('paused', () => {
    const message = (text: string): Uint8Array => incoming(0xc1, compressed(text))

    test('finishes the message that is being decompressed, and reports nothing else', () => {
      const { end, protocol, compression } = create({ when: 'later' })
      end.receive(concat(message('a'), message('b')))
      protocol.pause()
      compression.step()
      expectFacts(end, ['behind'], ['message', 'a'], ['caught up'])
      expect(protocol.hasBacklog).toBe(true)
      protocol.resume()
      expectFacts(end, ['behind'])
      compression.step()
      expectFacts(end, ['message', 'b'], ['caught up'])
    })

    test.each(['now', 'later'] as const)('stops between pieces, decompressed %s', (when) => {
      const { end, protocol, compression } = create({ when, portion: 1 })
      end.reaction = ([kind]) => {
        if (kind === 'piece') protocol.pause()
      }
      protocol.takePieces()
      end.receive(concat(message('abc'), incoming(PING), message('d')))
      const pieces: unknown[] = []
      for (let round = 0; round < 6; round++) {
        compression.step()
        pieces.push(...end.takeFacts().filter(([kind]) => kind !== 'behind' && kind !== 'caught up'))
        protocol.resume()
      }
      expect(pieces).toEqual([
        ['piece', 'a', false],
        ['piece', 'b', false],
        ['piece', 'c', false],
        ['piece', '', true],
        ['ping', NOTHING],
        ['message', 'd'],
      ])
    })

    test('from inside what resuming brings: the pause holds', () => {
      const { end, protocol } = create({ portion: 2 })
      end.reaction = ([kind]) => {
        if (kind === 'piece' || kind === 'message') protocol.pause()
      }
      protocol.takePieces()
      end.receive(concat(message('abc'), incoming(TEXT, 'x'), incoming(TEXT, 'y')))
      expectFacts(end, ['piece', 'ab', false], ['behind'])
      protocol.resume()
      expectFacts(end, ['piece', 'c', true], ['caught up'])
      protocol.resume()
      expectFacts(end, ['message', 'x'])
      protocol.resume()
      expectFacts(end, ['message', 'y'])
    })

    test('from inside what resuming parses: the pause holds for what is decompressed', () => {
      const { end, protocol } = create({ portion: 2 })
      end.reaction = ([kind]) => {
        if (kind === 'ping') protocol.pause()
      }
      protocol.pause()
      end.receive(concat(incoming(PING), message('abc')))
      protocol.takePieces()
      protocol.resume()
      expectFacts(end, ['ping', NOTHING])
      protocol.resume()
      expectFacts(end, ['piece', 'ab', false], ['piece', 'c', true])
      end.reaction = ([kind]) => {
        if (kind === 'piece') protocol.pause()
      }
      protocol.pause()
      protocol.takePieces()
      end.receive(message('def'))
      protocol.resume()
      expectFacts(end, ['piece', 'de', false], ['behind'])
      protocol.resume()
      expectFacts(end, ['piece', 'f', true], ['caught up'])
    })

    test('and taken in pieces gives what is there at once', () => {
      const { end, protocol } = create()
      end.receive(incoming(0x01, 'ab'))
      protocol.pause()
      end.receive(incoming(0x80, 'cd'))
      protocol.takePieces()
      expectFacts(end, ['piece', 'ab', false])
      protocol.resume()
      expectFacts(end, ['piece', 'cd', true])
    })
  })
})

describe.each(['server', 'client'] as const)('%s, taking messages in pieces', (role) => {
  const incoming = (first: number, payload?: Uint8Array | string): Uint8Array => frameTo(role, first, payload)
  const limits = { maxMessageSize: 5, maxStreamSize: 20 }
  const create = (options?: EndOptions): End => new End(role, options)

  test('receives the next message in pieces, as its bytes come, and the one after it whole', () => {
    const end = create()
    end.protocol.takePieces()
    for (const chunk of chunksOf(incoming(TEXT, 'Hä!'), 1)) end.receive(chunk)
    end.receive(incoming(TEXT, 'next'))
    expectFacts(end, ['piece', 'H', false], ['piece', 'ä', false], ['piece', '!', true], ['message', 'next'])
  })

  test('receives an empty message as one piece', () => {
    const end = create()
    end.protocol.takePieces()
    end.receive(incoming(BINARY), incoming(TEXT))
    expectFacts(end, ['piece', NOTHING, true], ['message', ''])
  })

  test('receives control frames between fragments, and more fragments than maxFragments', () => {
    const end = create({ limits: { maxMessageSize: 5, maxStreamSize: 100, maxFragments: 3 } })
    end.protocol.takePieces()
    end.receive(incoming(0x01, '0'))
    for (let count = 1; count < 10; count++) end.receive(incoming(PING), incoming(0x00, String(count)))
    end.receive(incoming(PONG), incoming(0x80))
    const facts = end.takeFacts()
    expect(facts.filter(([kind]) => kind === 'ping')).toHaveLength(9)
    expect(facts.flatMap((fact) => (fact[0] === 'piece' ? [fact[1]] : [])).join('')).toBe('0123456789')
    expect(facts.slice(-2)).toEqual([
      ['pong', NOTHING],
      ['piece', '', true],
    ])
  })

  test('takes over a message in the middle, from inside a ping', () => {
    const end = create()
    end.reaction = ([kind]) => {
      if (kind === 'ping') end.protocol.takePieces()
    }
    end.receive(concat(incoming(0x01, 'ab'), incoming(PING), incoming(0x00, 'c'), incoming(0x80)))
    expectFacts(end, ['ping', NOTHING], ['piece', 'ab', false], ['piece', 'c', false], ['piece', '', true])
  })

  test('does not count a message in pieces as being received, which somebody waits for', () => {
    const end = create()
    end.protocol.takePieces()
    end.receive(incoming(0x01, 'ab'))
    expect(end.protocol.isReceivingMessage).toBe(false)
  })

  test('takes all in pieces when asked to', () => {
    const end = create()
    end.protocol.takeAllInPieces()
    end.receive(incoming(0x01, 'a'), incoming(0x80, 'b'), incoming(TEXT, 'c'))
    expectFacts(end, ['piece', 'a', false], ['piece', 'b', true], ['piece', 'c', true])
    expect(end.protocol.isReceivingMessage).toBe(false)
  })

  test('has not caught up when it was not behind', () => {
    const end = create()
    end.protocol.takePieces()
    end.protocol.dropPieces()
    end.protocol.refuseHeld()
    end.receive(incoming(TEXT, 'a'))
    expectFacts(end, ['message', 'a'])
  })

  test('forgets the rest, and takes the next in pieces: not the rest', () => {
    const end = create()
    end.protocol.takePieces()
    end.receive(incoming(0x01, hex('61 e2 82')))
    end.protocol.dropPieces()
    end.protocol.takePieces()
    end.receive(incoming(0x80, hex('ac')), incoming(PING), incoming(TEXT, 'b'), incoming(TEXT, 'c'))
    expectFacts(end, ['piece', 'a', false], ['ping', NOTHING], ['piece', 'b', true], ['message', 'c'])
  })

  test.each<[string, number, Uint8Array | string, string, number]>([
    ['reserved bits', 0xa0, 'x', 'WS_RESERVED_BITS', 1002],
    ['a new message', TEXT, 'x', 'WS_EXPECTED_CONTINUATION', 1002],
    ['bad UTF-8', 0x80, hex('ff'), 'WS_BAD_UTF8', 1007],
    ['the end of the text within a character', 0x80, hex('e2 82'), 'WS_BAD_UTF8', 1007],
    ['more than maxStreamSize', 0x00, pattern(19), 'WS_MESSAGE_TOO_BIG', 1009],
    ['a bad close frame', CLOSE, 'x', 'WS_BAD_CLOSE_PAYLOAD', 1002],
  ])('receives %s in the middle of it', (_name, first, payload, code, closeCode) => {
    const end = create({ limits })
    end.protocol.takePieces()
    end.receive(concat(incoming(0x01, 'ab'), incoming(first, payload), incoming(PING)))
    expect(expectFailing(end, closeCode, code as never)).toEqual([['piece', 'ab', false]])
  })

  test('receives a close frame in the middle of it', () => {
    const end = create()
    end.protocol.takePieces()
    end.receive(incoming(0x01, 'ab'), incoming(CLOSE), incoming(0x80, 'c'))
    end.protocol.dropPieces()
    end.protocol.takePieces()
    expectFacts(end, ['piece', 'ab', false], ['close', { code: 1005, reason: '' }])
  })

  test('speaks to a handler that takes no pieces and knows nothing of being behind', () => {
    const messages: Message[] = []
    const failures: string[] = []
    const compression = new FakeCompression({ when: 'later' })
    const protocol = new Protocol({
      role,
      output: new ByteOutput(),
      compression,
      limits: { maxMessageSize: 5, maxStreamSize: 20, maxFragments: 10 },
      handler: {
        onMessage: (message) => messages.push(message),
        onClose: () => {},
        onFailure: (error) => failures.push(error.code),
      },
    })
    protocol.takePieces()
    protocol.receiveData(concat(incoming(0xc1, compressed('ab')), incoming(0xc1, compressed('cd'))))
    compression.step()
    compression.step()
    expect(messages).toEqual(['cd'])
    protocol.receiveData(incoming(BINARY, pattern(6)))
    expect(failures).toEqual(['WS_MESSAGE_TOO_BIG'])
  })

  describe('that are too large to be collected', () => {
    /** An end that holds what is too large. */
    function holding(options: EndOptions = {}): End {
      const end = create({ ...options, limits })
      end.holdsOversize = true
      return end
    }

    test('asks when the header comes, and gets nothing more before somebody takes it', () => {
      const end = holding()
      end.receive(headerTo(role, 0x81, 6))
      expectFacts(end, ['oversize'], ['behind'])
      expect([end.protocol.isBehind, end.protocol.isDecoding]).toEqual([true, false])
      expect(end.protocol.hasBacklog).toBe(true)
      expect(end.protocol.isReceivingMessage).toBe(false)
      const payload = incoming(TEXT, 'abcdef').slice(-6)
      end.receive(payload.slice(0, 3), payload.slice(3), incoming(PING))
      expectFacts(end)
      expectOutput(end, NOTHING)
      end.protocol.takePieces()
      const facts = end.takeFacts()
      expect(facts.flatMap((fact) => (fact[0] === 'piece' ? [fact[1]] : [])).join('')).toBe('abcdef')
      expect(facts.at(-1)).toEqual(['caught up'])
      expect(facts.at(-2)).toEqual(['ping', NOTHING])
      expect(end.protocol.isBehind).toBe(false)
    })

    test('is refused when the handler does not want it', () => {
      const end = holding()
      end.holdsOversize = false
      end.receive(incoming(TEXT, 'abcdef'))
      expect(expectFailing(end, 1009, 'WS_MESSAGE_TOO_BIG')).toEqual([['oversize']])
    })

    test('is held when it came whole', () => {
      const end = holding()
      end.receive(concat(incoming(TEXT, 'abcdef'), incoming(TEXT, 'b')))
      expectFacts(end, ['oversize'], ['behind'])
      end.protocol.takePieces()
      expectFacts(end, ['piece', 'abcdef', true], ['message', 'b'], ['caught up'])
    })

    test('is held by a later fragment', () => {
      const end = holding()
      end.receive(concat(incoming(0x02, 'abc'), incoming(PING), incoming(0x80, 'def'), incoming(PING)))
      expectFacts(end, ['ping', NOTHING], ['oversize'], ['behind'])
      end.protocol.takePieces()
      expectFacts(
        end,
        ['piece', utf8('abc'), false],
        ['piece', utf8('def'), true],
        ['ping', NOTHING],
        ['caught up'],
      )
    })

    test('is held after every cut, and then taken, dropped or refused', () => {
      const wire = concat(
        incoming(0x01, 'abc'),
        incoming(0x00, 'd€f'),
        incoming(0x80, 'g'),
        incoming(TEXT, 'n'),
      )
      for (let place = 0; place <= wire.length; place++) {
        for (const verb of ['takePieces', 'dropPieces', 'refuseHeld'] as const) {
          const end = holding()
          end.receive(...cutAt(wire, [place]))
          expect(end.protocol.isBehind).toBe(true)
          end.takeFacts()
          end.protocol[verb]()
          if (verb === 'refuseHeld') {
            expectFailing(end, 1009, 'WS_MESSAGE_TOO_BIG')
            continue
          }
          const facts = end.takeFacts()
          expect(end.protocol.isBehind).toBe(false)
          expect(facts.slice(-2)).toEqual([['message', 'n'], ['caught up']])
          const text = facts.flatMap((fact) => (fact[0] === 'piece' ? [fact[1]] : [])).join('')
          expect(text).toBe(verb === 'takePieces' ? 'abcd€fg' : '')
        }
      }
    })

    test('is dropped when it came whole', () => {
      const end = holding()
      end.receive(concat(incoming(TEXT, 'abcdef'), incoming(TEXT, 'b')))
      end.protocol.dropPieces()
      expectFacts(end, ['oversize'], ['behind'], ['message', 'b'], ['caught up'])
    })

    test('is taken, and the pause of the program stays', () => {
      const end = holding()
      end.receive(headerTo(role, 0x81, 6))
      end.protocol.pause()
      end.receive(incoming(TEXT, 'abcdef').slice(-6))
      end.protocol.takePieces()
      expectFacts(end, ['oversize'], ['behind'], ['caught up'])
      end.protocol.resume()
      expectFacts(end, ['piece', 'abcdef', true])
    })

    test('is resumed, which does not change that it waits', () => {
      const end = holding()
      end.receive(incoming(TEXT, 'abcdef'), incoming(TEXT, 'b'))
      end.protocol.pause()
      end.protocol.resume()
      end.protocol.resume()
      expectFacts(end, ['oversize'], ['behind'])
    })

    test.each(['oversize', 'behind'] as const)('is taken, dropped or refused from inside "%s"', (when) => {
      const wire = concat(incoming(0x01, 'abc'), incoming(0x80, 'def'), incoming(TEXT, 'n'))
      for (const chunks of [[wire], chunksOf(wire, 1)]) {
        for (const verb of ['takePieces', 'dropPieces', 'refuseHeld'] as const) {
          const end = holding()
          end.reaction = ([kind]) => {
            if (kind === when) end.protocol[verb]()
          }
          end.receive(...chunks)
          expect(end.protocol.isBehind).toBe(false)
          if (verb === 'refuseHeld') {
            end.reaction = undefined
            expectFailing(end, 1009, 'WS_MESSAGE_TOO_BIG')
            continue
          }
          const facts = end.takeFacts()
          const text = facts.flatMap((fact) => (fact[0] === 'piece' ? [fact[1]] : [])).join('')
          expect(text).toBe(verb === 'takePieces' ? 'abcdef' : '')
          expect(facts.at(-1)).toEqual(['message', 'n'])
          expect(end.protocol.hasBacklog).toBe(false)
        }
      }
    })

    test('fails from inside "oversize", whatever is answered: nothing more is reported', () => {
      for (const isCompressed of [false, true]) {
        for (const holdsOversize of [false, true]) {
          for (const verb of ['fail', 'abandon'] as const) {
            const end = holding(isCompressed ? { compression: new FakeCompression() } : {})
            end.holdsOversize = holdsOversize
            end.reaction = () => {
              if (verb === 'fail') end.protocol.fail(1011, '')
              else end.protocol.abandon()
            }
            const payload = isCompressed ? compressed('abcdef') : 'abcdef'
            end.receive(incoming(isCompressed ? 0xc1 : TEXT, payload), incoming(PING))
            expectFacts(end, ['oversize'])
            expect([end.protocol.isBehind, end.protocol.hasBacklog]).toEqual([false, false])
            expect(end.protocol.state).toBe('failed')
          }
        }
      }
    })

    test('fails while it waits: it is forgotten', () => {
      const end = holding()
      end.receive(incoming(TEXT, 'abcdef'), incoming(TEXT, 'b'))
      end.takeFacts()
      end.protocol.fail(1011, 'why')
      expectCloseFrame(end, closePayload(1011, 'why'))
      expect([end.protocol.isBehind, end.protocol.hasBacklog]).toEqual([false, false])
      end.protocol.takePieces()
      end.protocol.dropPieces()
      end.protocol.refuseHeld()
      expectFacts(end)
    })

    test('is refused while the handler is answering: once, and when it proceeds', () => {
      const end = holding()
      end.isAnswering = () => true
      end.receive(incoming(TEXT, 'abcdef'), incoming(TEXT, 'b'))
      end.protocol.refuseHeld()
      end.protocol.refuseHeld()
      end.protocol.takePieces()
      expectFacts(end, ['oversize'], ['behind'])
      expect(end.protocol.isBehind).toBe(false)
      end.protocol.proceed()
      expectFailing(end, 1009, 'WS_MESSAGE_TOO_BIG')
    })

    test('receives bad UTF-8 in what was held, once it is taken', () => {
      const end = holding()
      end.receive(incoming(0x01, 'abc'), incoming(0x80, concat(utf8('def'), hex('ff'))))
      expectFacts(end, ['oversize'], ['behind'])
      end.protocol.takePieces()
      expect(expectFailing(end, 1007, 'WS_BAD_UTF8')).toEqual([['piece', 'abc', false]])
    })

    test.each(['now', 'later'] as const)('is held because of what it decompresses to, %s', (when) => {
      for (const verb of ['takePieces', 'dropPieces', 'refuseHeld'] as const) {
        const compression = new FakeCompression({ when, portion: 4 })
        const end = holding({ compression })
        end.receive(concat(incoming(0xc1, compressed('abcdefghijk')), incoming(TEXT, 'n')))
        compression.step()
        expect(end.takeFacts()).toContainEqual(['oversize'])
        expect(end.protocol.isBehind).toBe(true)
        end.protocol.resume()
        compression.step()
        expectFacts(end)
        end.protocol[verb]()
        compression.step()
        if (verb === 'refuseHeld') {
          expectFailing(end, 1009, 'WS_MESSAGE_TOO_BIG')
          continue
        }
        const pieces: Fact[] = [
          ['piece', 'abcdefgh', false],
          ['piece', 'ijk', true],
        ]
        expectFacts(end, ...(verb === 'takePieces' ? pieces : []), ['message', 'n'], ['caught up'])
      }
    })
  })
})

describe.each(['server', 'client'] as const)('%s, with extensions of its own', (role) => {
  const key = role === 'client' ? RFC_KEY : undefined
  const incoming = (first: number, payload?: Uint8Array | string): Uint8Array => frameTo(role, first, payload)
  const outgoing = (first: number, payload?: Uint8Array | string): Uint8Array => frame(first, payload, key)
  const first = { opcode: 0x1, isFirst: true, isLast: false, isCompressible: true } as const
  const last = { ...first, isFirst: false, isLast: true }

  /** Own RSV2: mark each frame, and put its opcode before its payload. */
  const labelling: Extension = {
    name: 'x-label',
    reservedBits: 0x20,
    encodeFrame: (each) => ({
      ...each,
      reservedBits: each.reservedBits | 0x20,
      payload: concat(Uint8Array.of(each.opcode), each.payload),
    }),
    decodeFrame(each) {
      if (each.payload[0] !== each.opcode) throw new Error('mislabelled')
      return { ...each, reservedBits: each.reservedBits & ~0x20, payload: each.payload.slice(1) }
    },
  }

  /** Own RSV3: put a letter before each piece of a message. */
  const lettering: Extension = {
    name: 'x-letter',
    reservedBits: 0x10,
    encode: ({ payload }) => concat(utf8('>'), payload),
    decode: ({ payload }) => payload.slice(1),
  }

  test('sends messages through them, then frames, compressed before', () => {
    const end = new End(role, {
      compression: new FakeCompression(),
      extensions: [labelling, lettering],
    })
    end.protocol.sendText('aaaa')
    end.protocol.sendText('ab')
    end.protocol.sendBytes(utf8('b'))
    end.protocol.sendPing(utf8('aaaa'))
    end.protocol.sendFragment(utf8('c'), first, () => {})
    end.protocol.sendFragment(NOTHING, last, () => {})
    expectOutput(
      end,
      concat(
        outgoing(0xf1, concat(hex('01'), utf8('>'), compressed('aaaa'))),
        outgoing(0xb1, concat(hex('01'), utf8('>ab'))),
        outgoing(0xb2, concat(hex('02'), utf8('>b'))),
        outgoing(PING, 'aaaa'),
        outgoing(0x31, concat(hex('01'), utf8('>c'))),
        outgoing(0xa0, concat(hex('00'), utf8('>'))),
      ),
    )
  })

  test('sends prepared messages through them', () => {
    const end = new End(role, { extensions: [lettering] })
    end.protocol.sendPrepared(new PreparedMessage(0x1, utf8('all'), portablePlatform))
    expectOutput(end, outgoing(0x91, '>all'))
  })

  test('may end a frame otherwise than it was begun', () => {
    const splitting: Extension = {
      name: 'x-split',
      encodeFrame: (each) => ({ ...each, fin: false, opcode: 0x2 }),
    }
    const end = new End(role, { extensions: [splitting] })
    end.protocol.sendText('a')
    expectOutput(end, outgoing(0x02, 'a'))
  })

  test('receives frames through them, then messages, whatever the chunks', () => {
    const wire = concat(
      incoming(0xf1, concat(hex('01'), utf8('>'), compressed('aaaa'))),
      incoming(PING, 'x'),
      incoming(0x32, concat(hex('02'), utf8('>b'))),
      incoming(PING, 'y'),
      incoming(0xa0, concat(hex('00'), utf8('>c'))),
      incoming(0xa1, concat(hex('01'), utf8('plain'))),
    )
    for (const size of [1, 2, 5, 1000]) {
      const end = new End(role, {
        compression: new FakeCompression(),
        extensions: [labelling, lettering],
        kernel: createJavaScriptKernel(64),
      })
      end.receive(...chunksOf(wire, size))
      expectFacts(
        end,
        ['message', 'aaaa'],
        ['ping', utf8('x')],
        ['ping', utf8('y')],
        ['message', utf8('bc')],
        ['message', 'plain'],
      )
    }
  })

  test('takes messages in pieces through them', () => {
    const end = new End(role, { extensions: [lettering] })
    end.protocol.takePieces()
    end.receive(incoming(0x11, '>ab'), incoming(0x00, '>'), incoming(0x80, '>c'))
    expectFacts(end, ['piece', 'ab', false], ['piece', 'c', true])
  })

  test('receives a frame that one of them cannot decode', () => {
    const end = new End(role, { extensions: [labelling] })
    end.receive(concat(incoming(0xa1, concat(hex('02'), utf8('a'))), incoming(TEXT, 'b')))
    expect(expectFailing(end, 1007, 'WS_EXTENSION_FAILED')).toEqual([])
  })

  test('receives frames out of order, and sees it when they are decoded', () => {
    for (const [frames, code] of [
      [[incoming(0xa0, hex('00'))], 'WS_UNEXPECTED_CONTINUATION'],
      [[incoming(0x21, hex('01')), incoming(0xa1, hex('01'))], 'WS_EXPECTED_CONTINUATION'],
      [[incoming(0x21, hex('01')), incoming(0xa0, hex('00')), incoming(0x90)], 'WS_RESERVED_BITS'],
    ] as const) {
      const end = new End(role, { extensions: [labelling] })
      end.receive(...frames)
      expectFailing(end, 1002, code)
    }
  })

  test('receives a frame longer than any of an allowed message: no extension gets to see it', () => {
    const end = new End(role, {
      extensions: [labelling],
      limits: { maxMessageSize: 5, maxStreamSize: 100 },
    })
    end.protocol.takePieces()
    end.receive(headerTo(role, 0xa2, 1031))
    expectFailing(end, 1009, 'WS_MESSAGE_TOO_BIG')
  })

  test('holds a message that grows too large in them', () => {
    const end = new End(role, { extensions: [labelling], limits: { maxMessageSize: 5, maxStreamSize: 100 } })
    end.holdsOversize = true
    end.receive(
      concat(
        incoming(0x21, concat(hex('01'), utf8('abc'))),
        incoming(0xa0, concat(hex('00'), utf8('def'))),
        incoming(0xa1, concat(hex('01'), utf8('n'))),
      ),
    )
    expectFacts(end, ['oversize'], ['behind'])
    end.protocol.takePieces()
    expectFacts(end, ['piece', 'abcdef', true], ['message', 'n'], ['caught up'])
  })

  test.each(['encode', 'encodeFrame'] as const)('fails when %s throws, and throws the same', (method) => {
    const error = new Error('no')
    const failing: Extension = {
      name: 'x-no',
      [method]: () => {
        throw error
      },
    }
    for (const send of [
      (protocol: Protocol) => protocol.sendText('a'),
      (protocol: Protocol) => protocol.sendBytes(utf8('a')),
      (protocol: Protocol) => protocol.sendFragment(utf8('a'), first, () => {}),
      (protocol: Protocol) => protocol.sendPrepared(new PreparedMessage(0x2, utf8('a'), portablePlatform)),
    ]) {
      const end = new End(role, { extensions: [failing] })
      expect(() => send(end.protocol)).toThrow(error)
      expect(end.protocol.state).toBe('failed')
      expectCloseFrame(end, closePayload(1011))
      send(end.protocol)
      end.receive(incoming(TEXT, 'a'))
      expectFacts(end)
      expectOutput(end, NOTHING)
    }
  })

  test('fails when one throws after a message was compressed elsewhere, and gives the same to its sender', () => {
    const error = new Error('no')
    const failing: Extension = {
      name: 'x-no',
      encode: () => {
        throw error
      },
    }
    const calls: unknown[] = []
    const done = (): unknown => calls.push('done')
    for (const send of [
      (protocol: Protocol) => protocol.sendLater(utf8('aaaa'), 0x1, done, (thrown) => calls.push(thrown)),
      (protocol: Protocol) =>
        protocol.sendFragment(utf8('aaaa'), first, done, (thrown) => calls.push(thrown)),
    ]) {
      const compression = new FakeCompression({ longFrom: 1, compressesPieces: 'later' })
      const end = new End(role, { compression, extensions: [failing] })
      send(end.protocol)
      expect(calls.splice(0)).toEqual([])
      compression.compressNow()
      expect(calls.splice(0)).toEqual([error])
      expect(end.protocol.state).toBe('failed')
      expectCloseFrame(end, closePayload(1011))
    }
    const compression = new FakeCompression()
    const end = new End(role, { compression, extensions: [failing] })
    end.protocol.sendLater(utf8('aaaa'), 0x1, done)
    expect(() => compression.compressNow()).toThrow(error)
    expect(calls).toEqual([])
  })
})

/** A message on its way to an end: its content, and the payloads of its frames with a ping after each but the last. */
interface Sent {
  readonly content: Message
  readonly isCompressed: boolean
  readonly payloads: readonly Uint8Array[]
}

/** What must come of what was sent, in its order. */
type Expected =
  /** So many bytes of the message under way have come. */
  | { readonly kind: 'bytes'; readonly arrived: number }
  | { readonly kind: 'ping'; readonly payload: string }
  | { readonly kind: 'end' }

/**
 * Holds what an end tells against what it was sent. The only freedom it has is which of the messages come whole, and how
 * the others are cut.
 */
class Witness {
  readonly #sent: readonly Sent[]
  readonly #expected: readonly Expected[]
  #position = 0
  #message = 0
  #arrived = 0
  #delivered = 0
  /** How the message under way is taken, as far as that has shown. */
  mode: 'unknown' | 'pieces' | 'dropped' = 'unknown'

  constructor(sent: readonly Sent[]) {
    this.#sent = sent
    this.#expected = sent.flatMap(({ content, isCompressed, payloads }, index) =>
      payloads.flatMap((_, count): Expected[] => {
        const payload = concat(...payloads.slice(0, count + 1))
        const isLast = count === payloads.length - 1
        const known = isCompressed ? decompressed(payload.slice(0, payload.length & ~1)) : payload
        const arrived = isLast ? bytesOf(content).length : known.length
        return [
          { kind: 'bytes', arrived },
          isLast ? { kind: 'end' } : { kind: 'ping', payload: `${index}.${count}` },
        ]
      }),
    )
  }

  get #content(): Message {
    return this.#sent[this.#message]!.content
  }

  see(fact: Fact): void {
    const [kind] = fact
    if (kind === 'ping') this.#seePing(new TextDecoder().decode(fact[1]))
    else if (kind === 'message') this.#seeMessage(fact[1])
    else if (kind === 'piece') this.#seePiece(fact[1], fact[2])
    else if (kind === 'oversize') this.#skipDropped()
    else expect(['behind', 'caught up']).toContain(kind)
  }

  /** Everything must have been told. */
  finish(): void {
    this.#skipDropped()
    expect(this.#position).toBe(this.#expected.length)
  }

  #seePing(payload: string): void {
    this.#skipDropped()
    this.#pass('bytes')
    expect(this.#expected[this.#position++]).toEqual({ kind: 'ping', payload })
    if (this.mode !== 'pieces') return
    // All that came before is delivered, but for a character that is cut.
    const kept = this.#arrived - this.#delivered
    expect(kept).toBeGreaterThanOrEqual(0)
    expect(kept).toBeLessThanOrEqual(typeof this.#content === 'string' ? 3 : 0)
  }

  #seeMessage(message: Message): void {
    this.#skipDropped()
    expect(this.mode).toBe('unknown')
    expect(message).toEqual(this.#content)
    this.#end()
  }

  #seePiece(piece: Message, isEnd: boolean): void {
    this.#skipDropped()
    this.mode = 'pieces'
    const content = bytesOf(this.#content)
    const bytes = bytesOf(piece)
    expect(typeof piece).toBe(typeof this.#content)
    expect(bytes.length > 0 || isEnd).toBe(true)
    expect(bytes).toEqual(content.slice(this.#delivered, this.#delivered + bytes.length))
    this.#delivered += bytes.length
    if (!isEnd) return
    expect(this.#delivered).toBe(content.length)
    this.#end()
  }

  /** The rest of a dropped message comes and goes in silence. */
  #skipDropped(): void {
    if (this.mode !== 'dropped') return
    this.#pass('bytes')
    if (this.#expected[this.#position]?.kind === 'end') this.#end()
  }

  #pass(kind: 'bytes'): void {
    for (;;) {
      const next = this.#expected[this.#position]
      if (next?.kind !== kind) return
      this.#arrived = next.arrived
      this.#position++
    }
  }

  #end(): void {
    this.#pass('bytes')
    expect(this.#expected[this.#position++]).toEqual({ kind: 'end' })
    this.#message++
    this.#arrived = 0
    this.#delivered = 0
    this.mode = 'unknown'
  }
}

function bytesOf(message: Message): Uint8Array {
  return typeof message === 'string' ? utf8(message) : message
}

describe.each(['server', 'client'] as const)('%s, whatever is done when', (role) => {
  const LIMITS = { maxMessageSize: 20, maxStreamSize: 1000, maxFragments: 1000 }
  const anySent = fc
    .array(
      fc.record({
        isText: fc.boolean(),
        isCompressed: fc.boolean(),
        text: anyText(15),
        places: fc.array(fc.nat(100), { maxLength: 3 }),
      }),
      { maxLength: 6 },
    )
    .map((messages) =>
      messages.map(({ isText, isCompressed, text, places }, index): Sent => {
        // No two are the same. Lone surrogates become U+FFFD on their way.
        const bytes = utf8(text === '' && index === 0 ? '' : `#${index}${text}`)
        const content = isText ? utf8ToText(bytes) : bytes
        const payload = isCompressed ? compressed(bytes) : bytes
        const cuts = places.map((place) => Math.min(place, payload.length))
        return { content, isCompressed, payloads: cutAt(payload, cuts) }
      }),
    )
  const anyAct = fc.record({
    verb: fc.constantFrom('pause', 'resume', 'take', 'take', 'drop', 'step', 'receive', 'receive', 'send'),
    size: fc.integer({ min: 1, max: 40 }),
  })

  function wireOf(sent: readonly Sent[]): Uint8Array {
    return concat(
      ...sent.flatMap(({ content, isCompressed, payloads }, index) =>
        payloads.flatMap((payload, count) => {
          const opcode = count > 0 ? 0 : typeof content === 'string' ? 0x1 : 0x2
          const isLast = count === payloads.length - 1
          const bits = (isLast ? 0x80 : 0) | (isCompressed && count === 0 ? 0x40 : 0)
          const data = frameTo(role, bits | opcode, payload)
          return isLast ? [data] : [data, frameTo(role, PING, `${index}.${count}`)]
        }),
      ),
    )
  }

  test('every message comes once, in order, whole or in pieces, and nothing while it must not', () => {
    fc.assert(
      fc.property(
        anySent,
        fc.array(anyAct, { maxLength: 50 }),
        fc.array(fc.array(anyAct, { maxLength: 2 }), { maxLength: 30 }),
        fc.array(fc.boolean(), { minLength: 1, maxLength: 6 }),
        fc.integer({ min: 1, max: 12 }),
        fc.constantFrom(32, 64, 4096),
        (sent, program, reactions, delays, portion, readSize) => {
          let call = 0
          const compression = new FakeCompression({
            portion,
            when: () => (delays[call++ % delays.length] ? 'later' : 'now'),
          })
          const kernel = createJavaScriptKernel(readSize)
          const end = new End(role, { compression, kernel, limits: LIMITS })
          const { protocol } = end
          const witness = new Witness(sent)
          const wire = wireOf(sent)
          const queue = reactions.slice()
          let received = 0
          let isPaused = false
          let isHeld = false
          /** Pieces were asked for, and no message has shown that it is the one. */
          let isAsked = false
          let taking = 0
          let depth = 0
          let sends = 0
          let isBehind = false
          /** A pause from inside a callback: what is at hand still comes. */
          let isPausedWithin = false
          end.holdsOversize = true

          const take = (): void => {
            if (witness.mode !== 'pieces') isAsked = true
            isHeld = false
            taking++
            protocol.takePieces()
            taking--
          }
          const perform = ({ verb, size }: { verb: string; size: number }): void => {
            if (verb === 'pause') {
              isPaused = true
              isPausedWithin = depth > 0
              protocol.pause()
            } else if (verb === 'resume') {
              isPaused = false
              protocol.resume()
            } else if (verb === 'take') {
              take()
            } else if (verb === 'drop') {
              // Whether the message that was asked for has begun cannot be seen from here.
              if (isAsked) return
              if (isHeld || witness.mode === 'pieces') witness.mode = 'dropped'
              isHeld = false
              protocol.dropPieces()
            } else if (verb === 'step') {
              // What was put off is done by others, and so never from inside a callback.
              if (depth === 0) compression.step(size % 4)
            } else if (verb === 'send') {
              sends++
              protocol.sendText(`sent ${sends}`, false)
            } else {
              const chunk = wire.slice(received, received + size)
              received += chunk.length
              end.receive(chunk)
            }
          }
          end.reaction = (fact) => {
            const [kind] = fact
            if (kind === 'ping') {
              expect(isPaused || protocol.isBehind).toBe(false)
            } else if (kind === 'message') {
              expect(isPaused && !protocol.isDecoding).toBe(false)
            } else if (kind === 'piece') {
              expect(isPaused && !isPausedWithin && !protocol.isDecoding && taking === 0).toBe(false)
              if (taking === 0) isPausedWithin = false
              isAsked = false
            } else if (kind === 'oversize') {
              isHeld = true
            } else {
              isBehind = kind === 'behind'
            }
            if (kind === 'caught up') expect(protocol.isBehind).toBe(false)
            witness.see(fact)
            depth++
            for (const act of queue.shift() ?? []) perform(act)
            depth--
          }

          for (const act of program) {
            isPausedWithin = false
            perform(act)
            expect(protocol.isBehind).toBe(isBehind)
          }
          queue.length = 0
          perform({ verb: 'receive', size: wire.length })
          perform({ verb: 'resume', size: 0 })
          for (let round = 0; protocol.hasBacklog; round++) {
            expect(round).toBeLessThan(1000)
            compression.step()
            if (isHeld) take()
          }
          witness.finish()
          expect(protocol.isBehind).toBe(false)
          expect(isBehind).toBe(false)
          expect(protocol.state).toBe('open')
          expect(kernel.busy).toBe(false)
          expect(kernel.waiting).toEqual([])

          // Every ping was answered, in order, and every message that was sent meanwhile went out.
          const output = readFrames(end.takeOutput()).map(({ opcode, payload }) => ({
            opcode,
            text: new TextDecoder().decode(payload),
          }))
          const pings = sent.flatMap(({ payloads }, index) =>
            payloads.slice(1).map((_, count) => `${index}.${count}`),
          )
          const textsOf = (wanted: number): string[] =>
            output.filter(({ opcode }) => opcode === wanted).map(({ text }) => text)
          expect(textsOf(0xa)).toEqual(pings)
          expect(textsOf(0x1)).toEqual(Array.from({ length: sends }, (_, index) => `sent ${index + 1}`))
        },
      ),
      { numRuns: 400 },
    )
  })
})
