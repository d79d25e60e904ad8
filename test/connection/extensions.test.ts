import { afterEach, describe, expect, onTestFinished, test, vi } from 'vitest'
import { broadcast, prepare } from '../../src/connection/broadcast.ts'
import {
  acceptExtensions,
  checkExtensions,
  confirmExtensions,
  type ExtensionDefinition,
  offerExtensions,
} from '../../src/connection/extensions.ts'
import { type ConnectionOptions, resolveConnectionOptions } from '../../src/connection/options.ts'
import { HandshakeError, ProtocolError } from '../../src/errors.ts'
import { formatExtensionHeader, parseExtensionHeader } from '../../src/handshake/extension-header.ts'
import { connect, HandshakeRejectedError, type Server, serve } from '../../src/index.ts'
import { type Extension, type MessagePiece, ReservedBit } from '../../src/protocol/extension.ts'
import { connectedPair, FakeClock, type PairOptions } from '../../src/testing/index.ts'
import { TimerWheel } from '../../src/timing/timer-wheel.ts'
import { hex, pattern, toHex, utf8 } from '../support/bytes.ts'
import {
  connectRaw,
  deflate,
  expectCloseFrame,
  inflate,
  isSame,
  PING,
  prose,
  ROLES,
  RSV1,
  receiveMany,
  receivePieces,
  settle,
  TEXT,
  until,
} from './support.ts'

const wheel = new TimerWheel(new FakeClock())
const NONE = { compression: undefined, extensions: [], header: '' }

function optionsOf(
  extensions: readonly ExtensionDefinition[],
  compression: ConnectionOptions['compression'] = false,
): Parameters<typeof offerExtensions>[0] {
  return { ...resolveConnectionOptions({ compression }, 'server'), extensions }
}

function offered(
  extensions: readonly ExtensionDefinition[],
  compression?: ConnectionOptions['compression'],
): string {
  return formatExtensionHeader(offerExtensions(optionsOf(extensions, compression)))
}

function accept(offers: string, ...rest: Parameters<typeof optionsOf>): ReturnType<typeof acceptExtensions> {
  return acceptExtensions(parseExtensionHeader(offers) ?? [], optionsOf(...rest), wheel)
}

function confirm(
  answer: string,
  ...rest: Parameters<typeof optionsOf>
): ReturnType<typeof confirmExtensions> {
  return confirmExtensions(parseExtensionHeader(answer) ?? [], optionsOf(...rest), wheel)
}

/** Define an extension that both ends take without parameters. */
function define(extension: Omit<Extension, 'name'>, name = 'x-test'): ExtensionDefinition {
  return {
    name,
    offer: () => [],
    confirm: () => ({ name, ...extension }),
    accept: () => ({ parameters: [], extension: { name, ...extension } }),
  }
}

function flip(bytes: Uint8Array): Uint8Array {
  return bytes.map((byte) => byte ^ 0xff)
}

/** Turn all bits of messages around. */
const flipping: Omit<Extension, 'name'> = {
  encode: ({ payload }) => flip(payload),
  decode: ({ payload }) => flip(payload),
}

/** Number the frames: the first byte of each is its number. */
function numbering(): Omit<Extension, 'name'> {
  let sent = 0
  let received = 0
  return {
    reservedBits: ReservedBit.Rsv3,
    encodeFrame: (frame) => ({
      ...frame,
      reservedBits: frame.reservedBits | ReservedBit.Rsv3,
      payload: Uint8Array.of(sent++, ...frame.payload),
    }),
    decodeFrame(frame) {
      if (frame.payload[0] !== received++) throw new Error(`frame ${frame.payload[0]} is out of turn`)
      return {
        ...frame,
        reservedBits: frame.reservedBits & ~ReservedBit.Rsv3,
        payload: frame.payload.subarray(1),
      }
    },
  }
}

function pairWith(
  define: () => readonly ExtensionDefinition[],
  options: PairOptions = {},
): ReturnType<typeof connectedPair> {
  return connectedPair({
    ...options,
    client: { ...options.client, extensions: define() },
    server: { ...options.server, extensions: define() },
  })
}

describe('offerExtensions', () => {
  test('offers nothing without extensions', () => {
    expect(offerExtensions(optionsOf([]))).toEqual([])
  })

  test('offers permessage-deflate first, then the others in order', () => {
    const parameters = [
      { name: 'a', value: '1' },
      { name: 'b', value: undefined },
    ]
    const first: ExtensionDefinition = { name: 'x-first', offer: () => parameters }
    const second: ExtensionDefinition = { name: 'x-second', offer: () => [] }
    expect(offered([first, second])).toBe('x-first; a=1; b, x-second')
    expect(offered([first], {})).toMatch(/^permessage-deflate.*, x-first; a=1; b$/)
  })

  test('leaves out what only a server knows', () => {
    expect(offered([{ name: 'x-server', accept: () => undefined }])).toBe('')
  })

  test('asks a definition that is an object of a class', () => {
    class Definition implements ExtensionDefinition {
      readonly name = 'x-class'
      readonly #size = 7
      offer(): ReturnType<NonNullable<ExtensionDefinition['offer']>> {
        return [{ name: 'size', value: String(this.#size) }]
      }
    }
    expect(offered([new Definition()])).toBe('x-class; size=7')
  })
})

describe('acceptExtensions', () => {
  const taking = (name: string): ExtensionDefinition => ({
    name,
    accept: (parameters) => ({ parameters, extension: { name } }),
  })

  test('accepts nothing where nothing is offered, known or taken', () => {
    const declining: ExtensionDefinition = { name: 'x-a', accept: () => undefined }
    expect(accept('', [taking('x-a')], {})).toEqual(NONE)
    expect(accept('x-b, x-c; d=1', [taking('x-a')], {})).toEqual(NONE)
    expect(accept('x-a', [declining])).toEqual(NONE)
    expect(accept('x-a', [{ name: 'x-a', offer: () => [] }])).toEqual(NONE)
    expect(accept('permessage-deflate', [taking('x-a')])).toEqual(NONE)
  })

  test('accepts permessage-deflate first, wherever it stands, and the others in our order', () => {
    const { compression, extensions, header } = accept(
      'x-b, x-unknown, x-a; p=1, permessage-deflate',
      [taking('x-a'), taking('x-b')],
      { serverMaxWindowBits: 15 },
    )
    expect(header).toBe('permessage-deflate, x-a; p=1, x-b')
    expect(extensions.map(({ name }) => name)).toEqual(['x-a', 'x-b'])
    expect(compression).toBeDefined()
  })

  test('takes the first offer of a name that will do', () => {
    const careful: ExtensionDefinition = {
      name: 'x-a',
      accept: (parameters) =>
        parameters[0]?.value === '2' ? { parameters, extension: { name: 'x-a' } } : undefined,
    }
    expect(accept('x-a; v=1, x-a; v=2, x-a; v=2; w', [careful]).header).toBe('x-a; v=2')
    const { header } = accept(
      'permessage-deflate; nonsense, permessage-deflate; server_no_context_takeover',
      [],
      { serverMaxWindowBits: 15 },
    )
    expect(header).toBe('permessage-deflate; server_no_context_takeover')
  })

  test('asks a definition that is an object of a class', () => {
    class Definition implements ExtensionDefinition {
      readonly name = 'x-class'
      accept(): ReturnType<NonNullable<ExtensionDefinition['accept']>> {
        return { parameters: [], extension: { name: this.name } }
      }
    }
    expect(accept('x-class', [new Definition()]).extensions).toEqual([{ name: 'x-class' }])
  })
})

describe('confirmExtensions', () => {
  const known = define({}, 'x-known')

  test('confirms nothing where nothing was accepted', () => {
    expect(confirm('', [known], {})).toEqual(NONE)
  })

  test('takes what was accepted, in the order of the answer', () => {
    const other = define({}, 'x-other')
    const { compression, extensions, header } = confirm(
      'permessage-deflate, x-other, x-known',
      [known, other],
      {},
    )
    expect(extensions.map(({ name }) => name)).toEqual(['x-other', 'x-known'])
    expect(compression).toBeDefined()
    expect(header).toBe('permessage-deflate, x-other, x-known')
    expect(confirm('x-other', [known, other], {})).toMatchObject({
      compression: undefined,
      header: 'x-other',
    })
  })

  test('hands over the parameters of the answer', () => {
    const take = vi.fn(() => ({ name: 'x-known' }))
    confirm('x-known; a=1; b', [{ ...known, confirm: take }])
    expect(take).toHaveBeenCalledWith([
      { name: 'a', value: '1' },
      { name: 'b', value: undefined },
    ])
  })

  test.each<[string, string, readonly ExtensionDefinition[], ConnectionOptions['compression'], string]>([
    ['what was not offered', 'x-foreign', [known], {}, '"x-foreign", which was not offered'],
    ['what only a server knows', 'x-s', [{ name: 'x-s', accept: () => undefined }], {}, 'not offered'],
    ['permessage-deflate without an offer', 'permessage-deflate', [known], false, 'not offered'],
    ['a name twice', 'x-known, x-known', [known], {}, '"x-known" twice'],
    ['permessage-deflate twice', 'permessage-deflate, permessage-deflate', [], {}, 'twice'],
    [
      'permessage-deflate behind another',
      'x-known, permessage-deflate',
      [known],
      {},
      'permessage-deflate behind another extension',
    ],
    [
      'parameters of permessage-deflate that are wrong',
      'permessage-deflate; x',
      [],
      {},
      'permessage-deflate is wrong',
    ],
  ])('refuses %s', (_what, answer, extensions, compression, message) => {
    const act = (): unknown => confirm(answer, extensions, compression)
    expect(act).toThrow(HandshakeError)
    expect(act).toThrow(message)
    expect(act).toThrow(expect.objectContaining({ code: 'WS_BAD_EXTENSION', status: 0 }))
  })

  test.each([new Error('version 2 only'), 'version 2 only'])('refuses what confirm() does: %s', (thrown) => {
    const refusing: ExtensionDefinition = {
      ...known,
      confirm() {
        throw thrown
      },
    }
    expect(() => confirm('x-known', [refusing])).toThrow(
      expect.objectContaining({
        code: 'WS_BAD_EXTENSION',
        cause: thrown,
        message: expect.stringContaining('"x-known" does not take the server\'s answer: version 2 only'),
      }),
    )
  })

  test('asks a definition that is an object of a class', () => {
    class Definition implements ExtensionDefinition {
      readonly name = 'x-class'
      offer(): [] {
        return []
      }
      confirm(): Extension {
        return { name: this.name }
      }
    }
    expect(confirm('x-class', [new Definition()]).extensions).toEqual([{ name: 'x-class' }])
  })
})

describe('checkExtensions', () => {
  test('takes definitions for one end and for both', () => {
    checkExtensions([])
    checkExtensions([define({}), { name: 'x-server', accept: () => undefined }, { name: 'x-none' }])
  })

  test.each<[string, unknown, string]>([
    ['no list', {}, 'a list of definitions'],
    ['nothing', [undefined], 'must be a token, not undefined'],
    ['no name', [{}], 'must be a token, not undefined'],
    ['a name that is no token', [{ name: 'a b' }], 'must be a token, not "a b"'],
    ['an empty name', [{ name: '' }], 'must be a token, not ""'],
    ['a name that is taken', [{ name: 'permessage-deflate' }], 'is defined already'],
    ['a name twice', [{ name: 'x' }, { name: 'x' }], '"x" is defined already'],
    ['an offer alone', [{ name: 'x', offer: () => [] }], 'needs both offer() and confirm()'],
    ['a confirmation alone', [{ name: 'x', confirm: () => ({}) }], 'needs both offer() and confirm()'],
  ])('refuses %s', (_what, definitions, message) => {
    const act = (): void => checkExtensions(definitions as never)
    expect(act).toThrow(TypeError)
    expect(act).toThrow(message)
  })
})

describe.each(ROLES)('an extension of a %s', (role) => {
  const other = role === 'client' ? 'server' : 'client'

  describe('of messages', () => {
    test('transforms all of them, and says nothing on the wire', async () => {
      const { connection, peer } = connectRaw(role, { agreed: 'x-test', extensions: [define(flipping)] })
      await connection.send('one')
      await connection.send(hex('00 ff'))
      await connection.send(['in ', 'pieces'])
      await settle()
      expect(
        peer
          .takeFrames()
          .map(({ opcode, reservedBits, payload }) => [opcode, reservedBits, toHex(flip(payload))]),
      ).toEqual([
        [1, 0, toHex(utf8('one'))],
        [2, 0, '00 ff'],
        [1, 0, toHex(utf8('in '))],
        [0, 0, toHex(utf8('pieces'))],
        [0, 0, ''],
      ])
      peer.send(TEXT, flip(utf8('grüße')))
      expect(await connection.receive()).toBe('grüße')
    })

    test('leaves control frames alone', async () => {
      const { connection, peer } = connectRaw(role, { agreed: 'x-test', extensions: [define(flipping)] })
      void connection.ping('ping')
      peer.send(PING, 'pong')
      await settle()
      void connection.close(4000, 'bye')
      await settle()
      expect(peer.takeFrames().map(({ payload }) => Buffer.from(payload).toString('latin1'))).toEqual([
        'ping',
        'pong',
        '\x0f\xa0bye',
      ])
    })

    test('marks those that it transforms with its bits, and is asked which', async () => {
      const applies = vi.fn(({ isText, size = 0 }: { isText: boolean; size: number | undefined }) => {
        return isText && size > 2
      })
      const decode = vi.fn(flipping.decode!)
      const extension = { ...flipping, decode, reservedBits: ReservedBit.Rsv2, applies }
      const { connection, peer } = connectRaw(role, { agreed: 'x-test', extensions: [define(extension)] })
      await connection.send('one')
      await connection.send('on')
      await connection.send(hex('01 02 03'))
      await connection.send(['a', 'b'])
      await settle()
      expect(applies.mock.calls.map(([message]) => message)).toEqual([
        { isText: true, size: 3 },
        { isText: true, size: 2 },
        { isText: false, size: 3 },
        { isText: true, size: undefined },
      ])
      expect(peer.takeFrames().map(({ reservedBits }) => reservedBits)).toEqual([0x20, 0, 0, 0, 0, 0])
      peer.send(TEXT, 'as it is')
      peer.send(TEXT | ReservedBit.Rsv2, flip(utf8('flipped')))
      expect(await receiveMany(connection, 2)).toEqual(['as it is', 'flipped'])
      expect(decode).toHaveBeenCalledOnce()
    })

    test('comes behind permessage-deflate', async () => {
      const extension = { ...flipping, reservedBits: ReservedBit.Rsv2 }
      const { connection, peer } = connectRaw(role, {
        agreed: 'permessage-deflate, x-test',
        extensions: [define(extension)],
      })
      const text = prose(1000)
      await connection.send(text)
      await connection.send('short')
      await connection.send(text, { compress: false })
      await settle()
      const [compressed, short, plain] = peer.takeFrames()
      expect([compressed!.reservedBits, short!.reservedBits, plain!.reservedBits]).toEqual([0x60, 0x20, 0x20])
      expect(isSame(inflate(flip(compressed!.payload)), utf8(text))).toBe(true)
      expect(isSame(flip(plain!.payload), utf8(text))).toBe(true)
      peer.send(TEXT | RSV1 | ReservedBit.Rsv2, flip(deflate(text)))
      peer.send(TEXT | ReservedBit.Rsv2, flip(utf8('short')))
      peer.send(TEXT | RSV1, deflate('only compressed'))
      expect(await receiveMany(connection, 3)).toEqual([text, 'short', 'only compressed'])
    })

    test('says of each piece what it is', async () => {
      const pieces: Omit<MessagePiece, 'payload'>[] = []
      const note = ({ payload, ...piece }: MessagePiece): Uint8Array => {
        pieces.push(piece)
        return payload
      }
      const extension = { encode: note, decode: note }
      const { connection, peer } = connectRaw(role, { agreed: 'x-test', extensions: [define(extension)] })
      await connection.send(hex('01'))
      await connection.send(['a', 'b'])
      expect(pieces.splice(0)).toEqual([
        { isFirst: true, isLast: true, isText: false },
        { isFirst: true, isLast: false, isText: true },
        { isFirst: false, isLast: false, isText: true },
        { isFirst: false, isLast: true, isText: true },
      ])
      peer.send(0x01, 'a')
      peer.send(0x80, 'b')
      expect(await connection.receive()).toBe('ab')
      expect(pieces).toEqual([
        { isFirst: true, isLast: false, isText: true },
        { isFirst: false, isLast: true, isText: true },
      ])
    })

    test.each([true, false])('works for messages of all kinds, compressed: %s', async (compression) => {
      const pair = pairWith(() => [define(flipping), define(numbering(), 'x-number')], {
        chunkSize: 777,
        [role]: { compression },
      })
      const text = prose(2000)
      const bytes = pattern(100_000)
      void pair[role].send(text)
      void pair[role].send(bytes)
      void pair[role].send([text.slice(0, 500), text.slice(500)])
      void pair[role].send(prepare(text))
      broadcast([pair[role]], bytes)
      void pair[role].send('')
      const received = await receiveMany(pair[other], 6)
      const expected = [text, bytes, text, text, bytes, '']
      expect(received.map((message, index) => isSame(message, expected[index]!))).toEqual(
        expected.map(() => true),
      )
    })

    test('works for streams that are taken', async () => {
      const pair = pairWith(() => [define(flipping)], { [other]: { maxStreamSize: 1e9 } })
      const text = prose(300_000)
      void pair[role].send([text.slice(0, 1000), text.slice(1000)])
      void pair[role].send('next')
      expect(isSame((await receivePieces(pair[other])).join(''), text)).toBe(true)
      expect(await pair[other].receive()).toBe('next')
    })

    test('runs before those behind it on the way out, and after them on the way in', async () => {
      const log: string[] = []
      const logging = (name: string): ExtensionDefinition => {
        const note = ({ payload }: MessagePiece): Uint8Array => {
          log.push(name)
          return payload
        }
        return define({ encode: note, decode: note }, name)
      }
      const { connection, peer } = connectRaw(role, {
        agreed: 'x-a, x-b',
        extensions: [logging('x-a'), logging('x-b')],
      })
      await connection.send('out')
      peer.send(TEXT, 'in')
      await connection.receive()
      expect(log).toEqual(['x-a', 'x-b', 'x-b', 'x-a'])
    })
  })

  describe('of frames', () => {
    test('transforms each, with its bits', async () => {
      const { connection, peer } = connectRaw(role, { agreed: 'x-test', extensions: [define(numbering())] })
      await connection.send('one')
      await connection.send(['a', 'b'])
      await settle()
      expect(peer.takeFrames().map(({ reservedBits, payload }) => [reservedBits, payload[0]])).toEqual([
        [0x10, 0],
        [0x10, 1],
        [0x10, 2],
        [0x10, 3],
      ])
      peer.send(0x01 | ReservedBit.Rsv3, Uint8Array.of(0, 0x61))
      peer.send(0x80 | ReservedBit.Rsv3, Uint8Array.of(1, 0x62))
      expect(await connection.receive()).toBe('ab')
    })

    test('takes no frame above maxMessageSize', async () => {
      const { connection, peer } = connectRaw(role, {
        agreed: 'x-test',
        extensions: [define(numbering())],
        maxMessageSize: 10,
      })
      peer.send(TEXT | ReservedBit.Rsv3, new Uint8Array(12))
      await settle()
      peer.end()
      expect(await connection.closed).toMatchObject({ code: 1009 })
    })
  })

  describe('that fails', () => {
    const error = new Error('out of paper')
    const fail = (): never => {
      throw error
    }

    test.each<[string, Omit<Extension, 'name'>]>([
      ['decode()', { decode: fail }],
      ['decodeFrame()', { decodeFrame: fail }],
    ])('in %s ends the connection with 1007', async (_where, extension) => {
      const { connection, peer } = connectRaw(role, { agreed: 'x-test', extensions: [define(extension)] })
      peer.send(TEXT, 'one')
      await settle()
      expectCloseFrame(peer, 1007, 'an extension could not decode a message')
      peer.end()
      const info = await connection.closed
      expect(info.error).toMatchObject({ code: 'WS_EXTENSION_FAILED', cause: error })
      expect(info.error?.message).toContain('"x-test": out of paper')
    })

    test('in decode() with a ProtocolError chooses the code', async () => {
      const tooBig = new ProtocolError('WS_MESSAGE_TOO_BIG', 'ten pages')
      const decode = (): never => {
        throw tooBig
      }
      const { connection, peer } = connectRaw(role, { agreed: 'x-test', extensions: [define({ decode })] })
      peer.send(TEXT, 'one')
      await settle()
      peer.end()
      expect(await connection.closed).toMatchObject({ code: 1009, error: tooBig })
    })

    test.each<[string, Omit<Extension, 'name'>]>([
      ['encode()', { encode: fail }],
      ['encodeFrame()', { encodeFrame: fail }],
    ])('in %s is told to the sender, and closes with 1011', async (_where, extension) => {
      for (const message of ['text', hex('01'), prepare('prepared')]) {
        const { connection, peer } = connectRaw(role, { agreed: 'x-test', extensions: [define(extension)] })
        expect(() => connection.send(message)).toThrow(error)
        expect(connection.state).toBe('closing')
        await settle()
        expectCloseFrame(peer, 1011)
        peer.end()
        expect(await connection.closed).toMatchObject({ sent: { code: 1011 }, initiator: 'local', error })
      }
    })

    test('in encode() of a source rejects its send(), and closes with 1011', async () => {
      let pieces = 0
      const encode = ({ payload }: MessagePiece): Uint8Array => (++pieces === 2 ? fail() : payload)
      const { connection, peer } = connectRaw(role, { agreed: 'x-test', extensions: [define({ encode })] })
      const sending = connection.send(['one', 'two', 'three'])
      const behind = connection.send('behind')
      await expect(sending).rejects.toBe(error)
      await expect(behind).rejects.toMatchObject({ code: 'WS_CLOSED' })
      await settle()
      expect(peer.takeFrames().map(({ opcode }) => opcode)).toEqual([1, 8])
      peer.end()
      expect(await connection.closed).toMatchObject({ sent: { code: 1011 }, error })
    })

    test('in encode() of what waited its turn rejects its send(), and closes with 1011', async () => {
      const encode = ({ payload }: MessagePiece): Uint8Array => (payload.length === 6 ? fail() : payload)
      const { connection, peer } = connectRaw(role, { agreed: 'x-test', extensions: [define({ encode })] })
      const sends = [connection.send(['one']), connection.send('behind'), connection.send('last')]
      await sends[0]
      await expect(sends[1]).rejects.toBe(error)
      await expect(sends[2]).rejects.toMatchObject({ code: 'WS_CLOSED' })
      peer.end()
      expect(await connection.closed).toMatchObject({ sent: { code: 1011 }, error })
    })

    test('in encode() of a message that was compressed elsewhere rejects its send()', async () => {
      const { connection, peer } = connectRaw(role, {
        agreed: 'permessage-deflate, x-test',
        extensions: [define({ encode: fail })],
      })
      const sends = [connection.send(prose(100_000)), connection.send('behind')]
      await expect(sends[0]).rejects.toBe(error)
      await expect(sends[1]).rejects.toMatchObject({ code: 'WS_CLOSED' })
      await settle()
      expectCloseFrame(peer, 1011)
      peer.end()
      expect(await connection.closed).toMatchObject({ sent: { code: 1011 }, error })
    })

    test('in encode() while a close waits its turn ends the connection at once', async () => {
      const encode = ({ payload }: MessagePiece): Uint8Array => (payload.length === 6 ? fail() : payload)
      const { connection, peer } = connectRaw(role, { agreed: 'x-test', extensions: [define({ encode })] })
      void connection.send(['one'])
      const behind = connection.send('behind')
      void connection.close()
      await expect(behind).rejects.toBeInstanceOf(Error)
      await settle()
      expect(peer.hasEnded).toBe(true)
      peer.end()
      await connection.closed
    })

    test('in a broadcast ends its own connection, and no other', async () => {
      const bad = connectRaw(role, { agreed: 'x-test', extensions: [define({ encode: fail })] })
      const good = connectRaw(role)
      expect(broadcast([bad.connection, good.connection], 'news')).toBe(1)
      await settle()
      expect(good.peer.takeFrames()).toHaveLength(1)
      expectCloseFrame(bad.peer, 1011)
      bad.peer.end()
      expect(await bad.connection.closed).toMatchObject({ sent: { code: 1011 }, error })
      expect(good.connection.state).toBe('open')
    })
  })

  test('is let go once when the connection is over', async () => {
    const close = vi.fn()
    const pair = pairWith(() => [define({ close })])
    await pair[role].close()
    await pair[other].closed
    expect(close).toHaveBeenCalledTimes(2)
  })

  test('is not there when the other end does not know it', async () => {
    const encode = vi.fn(({ payload }: MessagePiece) => payload)
    const pair = connectedPair({ [role]: { extensions: [define({ encode })], compression: false } })
    await pair[role].send('one')
    expect(await pair[other].receive()).toBe('one')
    expect([pair.client.extensions, pair.server.extensions]).toEqual(['', ''])
    expect(encode).not.toHaveBeenCalled()
  })

  test('cannot have a bit that another one owns', () => {
    const one = (): ExtensionDefinition => define({ reservedBits: ReservedBit.Rsv2 }, 'x-one')
    const two = (): ExtensionDefinition => define({ reservedBits: ReservedBit.Rsv2 }, 'x-two')
    expect(() => pairWith(() => [one(), two()])).toThrow(TypeError)
    const deflating = (): ExtensionDefinition => define({ reservedBits: ReservedBit.Rsv1 })
    expect(() => pairWith(() => [deflating()])).toThrow(/claims a reserved bit/)
    expect(pairWith(() => [deflating()], { client: { compression: false } }).client.extensions).toBe('x-test')
  })
})

describe('over TCP', () => {
  const servers: Server[] = []

  afterEach(async () => {
    for (const server of servers.splice(0)) await server.close({ timeout: 1 })
  })

  async function serveWith(
    extensions: readonly ExtensionDefinition[],
    options: Parameters<typeof serve>[1] = {},
  ): Promise<Server> {
    const server = await serve(
      async (connection) => {
        for await (const message of connection) await connection.send(message)
      },
      { host: '127.0.0.1', ...options, extensions },
    )
    servers.push(server)
    return server
  }

  /** Shift each byte by what the ends agreed on. */
  function shifting(by: number, most = 10): ExtensionDefinition {
    const name = 'x-shift'
    const make = (shift: number): Extension => ({
      name,
      reservedBits: ReservedBit.Rsv2,
      encode: ({ payload }) => payload.map((byte) => byte + shift),
      decode: ({ payload }) => payload.map((byte) => byte - shift),
    })
    const parameter = (shift: number): { name: string; value: string } => ({
      name: 'by',
      value: String(shift),
    })
    return {
      name,
      offer: () => [parameter(by)],
      confirm([given]) {
        if (Number(given?.value) > by) throw new Error(`asked for ${by}, and got ${given?.value}`)
        return make(Number(given?.value))
      },
      accept([wanted]) {
        const shift = Math.min(Number(wanted?.value), most)
        return shift > 0 ? { parameters: [parameter(shift)], extension: make(shift) } : undefined
      },
    }
  }

  test('both ends agree on parameters, beside permessage-deflate', async () => {
    const server = await serveWith([shifting(1, 5)])
    const client = await connect(server.url, { extensions: [shifting(7)] })
    const [connection] = server.connections
    expect(client.extensions).toMatch(/^permessage-deflate.*, x-shift; by=5$/)
    expect(connection!.extensions).toBe(client.extensions)
    expect(client.response.headers['sec-websocket-extensions']).toBe(client.extensions)
    for (const text of ['short', prose(1000), prose(100_000)]) {
      await client.send(text)
      expect(isSame(await client.receive(), text)).toBe(true)
    }
    await client.close()
  })

  test('go on without an extension that the server declines', async () => {
    const server = await serveWith([shifting(1)], { compression: false })
    const client = await connect(server.url, { extensions: [shifting(0)] })
    expect(client.extensions).toBe('')
    await client.send('as it is')
    expect(await client.receive()).toBe('as it is')
    await client.close()
  })

  test('a client that cannot confirm rejects with HandshakeError, and goes away', async () => {
    const greedy: ExtensionDefinition = {
      name: 'x-shift',
      accept: () => ({ parameters: [{ name: 'by', value: '9' }], extension: { name: 'x-shift' } }),
    }
    const server = await serveWith([greedy])
    const connecting = connect(server.url, { extensions: [shifting(3)] })
    await expect(connecting).rejects.toMatchObject({
      name: 'HandshakeError',
      code: 'WS_BAD_EXTENSION',
      message: expect.stringContaining('asked for 3, and got 9'),
    })
    await until(() => server.connections.size === 0)
  })

  test('a client whose extensions claim the same bit rejects, and goes away', async () => {
    const rsv1 = define({ reservedBits: ReservedBit.Rsv1 })
    const server = await serveWith([define({})])
    await expect(connect(server.url, { extensions: [rsv1] })).rejects.toThrow(/claims a reserved bit/)
    await until(() => server.connections.size === 0)
  })

  test.each<[string, ExtensionDefinition]>([
    [
      'cannot accept',
      {
        name: 'x-test',
        accept: () => {
          throw new Error('no')
        },
      },
    ],
    ['claims a bit twice', define({ reservedBits: ReservedBit.Rsv1 })],
    [
      'answers with what is no token',
      {
        name: 'x-test',
        accept: () => ({ parameters: [{ name: 'a b', value: undefined }], extension: { name: 'x-test' } }),
      },
    ],
  ])('a server that %s answers with 500, logs why and lives on', async (_what, definition) => {
    const logger = { error: vi.fn() }
    const server = await serveWith([definition], { logger })
    const error = await connect(server.url, { extensions: [define({})] }).catch((error) => error)
    expect(error).toBeInstanceOf(HandshakeRejectedError)
    expect(error).toMatchObject({ status: 500 })
    expect(error.body.toString()).not.toContain('no')
    expect(logger.error).toHaveBeenCalledOnce()
    expect(server.connections.size).toBe(0)
    const client = await connect(server.url)
    onTestFinished(() => client.terminate())
    expect(client.extensions).toMatch(/^permessage-deflate/)
  })
})
