import fc from 'fast-check'
import { describe, expect, test } from 'vitest'
import { isValidCloseCode } from '../../src/protocol/close-code.ts'
import type { Extension } from '../../src/protocol/extension.ts'
import { createJavaScriptKernel } from '../../src/protocol/kernel.ts'
import type { Message } from '../../src/protocol/message-assembler.ts'
import { ByteOutput } from '../../src/protocol/output.ts'
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

/** Own RSV1: write payloads backwards. A payload that ends in "?" cannot be read. */
const reversal: Extension = {
  name: 'x-reversal',
  reservedBits: 0x40,
  encode: (payload) =>
    payload.length < 2
      ? { payload, reservedBits: 0 }
      : { payload: payload.slice().reverse(), reservedBits: 0x40 },
  decode: (payload) => payload.slice().reverse(),
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
        [
          'failure',
          { message: 'a message is larger than maxMessageSize: 11 bytes, while maxMessageSize is 10' },
        ],
      ])
      expectOutput(end, outgoing(CLOSE, closePayload(1009, 'a message is larger than maxMessageSize')))
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
      end.protocol.sendText('A')
      end.protocol.proceed()
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
          const extensions = isExtended ? [reversal] : []
          const plain = create({ extensions })
          const poisoned = create({ extensions, platform: poisonedPlatform, output: new PoisonedOutput() })
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
      const end = create({ extensions: [reversal], platform: poisonedPlatform })
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
            ...reversal,
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
      const end = create({ extensions: [reversal] })
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
        const end = create({ extensions: [reversal] })
        end.receive(...frames)
        expectFailing(end, 1002, 'WS_RESERVED_BITS')
      }
    })

    test('receives RSV2 while an extension owns RSV1', () => {
      const end = create({ extensions: [reversal] })
      end.receive(incoming(0xa1, 'x'))
      expectFailing(end, 1002, 'WS_RESERVED_BITS')
    })

    test('receives more than maxMessageSize out of an extension', () => {
      const bomb: Extension = { ...reversal, decode: () => new Uint8Array(11) }
      const end = create({ extensions: [bomb], limits: { maxMessageSize: 10, maxFragments: 10 } })
      end.receive(incoming(0xc2, 'x'))
      expectFailing(end, 1009, 'WS_MESSAGE_TOO_BIG')
    })

    test('throws for extensions that claim the same bit', () => {
      expect(() => create({ extensions: [reversal, reversal] })).toThrow(TypeError)
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
          const extensions = isExtended ? [reversal] : []
          const whole = create({ extensions })
          const chunked = create({ extensions, kernel: createJavaScriptKernel(64) })
          const bytewise = create({ extensions })
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
          const end = create({ platform, limits, extensions: isExtended ? [reversal] : [] })
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
    const pair = new ProtocolPair({ extensions: [reversal] })
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
          const pair = new ProtocolPair({ kernel, extensions: isExtended ? [reversal] : [] })
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
