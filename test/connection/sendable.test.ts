import { Blob } from 'node:buffer'
import { Readable } from 'node:stream'
import { ReadableStream } from 'node:stream/web'
import { describe, expect, test, vi } from 'vitest'
import { prepare } from '../../src/connection/broadcast.ts'
import {
  assertUtf8,
  discard,
  encodeText,
  isPiece,
  iterateSource,
  type MessageSource,
  type Piece,
  stopSource,
  toBytes,
  toControlPayload,
} from '../../src/connection/sendable.ts'
import { nodePlatform } from '../../src/kernel/node-platform.ts'
import { hex, toHex, utf8 } from '../support/bytes.ts'

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

test('a piece is a string or bytes; everything else is a source or no message', () => {
  const bytes = hex('01')
  for (const piece of [
    '',
    'a',
    bytes,
    Buffer.from('a'),
    bytes.buffer as ArrayBuffer,
    new DataView(bytes.buffer),
  ]) {
    expect(isPiece(piece)).toBe(true)
  }
  for (const other of [['a'], new Blob([]), new ReadableStream(), prepare('a'), null, undefined, 1, {}]) {
    expect(isPiece(other as never)).toBe(false)
  }
})

describe('discard', () => {
  test('lets go of a source, whatever it says about that', async () => {
    const stop = vi.fn(() => {
      throw new Error('no')
    })
    discard({ [Symbol.asyncIterator]: () => ({ next: () => new Promise(() => {}), return: stop }) })
    await stopSource({ next: () => ({ value: undefined, done: true }) })
    expect(stop).toHaveBeenCalledOnce()
  })

  test('leaves other messages alone, and throws a TypeError for what is none', () => {
    for (const message of ['a', hex('01'), prepare('a')]) discard(message)
    expect(() => discard(1 as never)).toThrow(TypeError)
  })
})

describe('iterateSource', () => {
  async function take(source: MessageSource): Promise<Piece[]> {
    const iterator = iterateSource(source)
    const pieces: Piece[] = []
    for (;;) {
      const { value, done } = await iterator.next()
      if (done === true) return pieces
      pieces.push(value)
    }
  }

  test.each<[string, () => MessageSource]>([
    ['an iterable', () => ['a', 'b']],
    [
      'an async iterable',
      async function* () {
        yield 'a'
        yield 'b'
      },
    ],
    ['a stream of Node', () => Readable.from(['a', 'b'])],
    ['a ReadableStream', () => ReadableStream.from(['a', 'b']) as ReadableStream<string>],
    [
      'something that is both, as async iterable',
      () =>
        Object.assign(['no'], {
          async *[Symbol.asyncIterator]() {
            yield* ['a', 'b']
          },
        }),
    ],
  ])('gives the pieces of %s', async (_what, make) => {
    expect(await take(make())).toEqual(['a', 'b'])
  })

  test('gives the bytes of a Blob', async () => {
    const [bytes, ...rest] = await take(new Blob(['grüße']))
    expect([toHex(bytes as Uint8Array), rest]).toEqual([toHex(utf8('grüße')), []])
    expect(await take(new Blob([]))).toEqual([])
  })

  test('can stop a ReadableStream that has nothing to give', async () => {
    const cancel = vi.fn()
    const iterator = iterateSource(new ReadableStream<Piece>({ cancel }))
    const waiting = iterator.next()
    expect(await iterator.return!()).toEqual({ value: undefined, done: true })
    expect(await waiting).toEqual({ value: undefined, done: true })
    expect(cancel).toHaveBeenCalledOnce()
  })

  test('can let go of a stream of Node that was asked for nothing', async () => {
    const stream = Readable.from(['a', 'b'])
    const iterator = iterateSource(stream)
    expect(await iterator.return!()).toEqual({ value: undefined, done: true })
    expect(stream.destroyed).toBe(true)
  })

  test('throws for a stream that somebody else reads', () => {
    const stream = new ReadableStream<Piece>()
    stream.getReader()
    expect(() => iterateSource(stream)).toThrow(TypeError)
  })

  test.each<[string, unknown]>([
    ['null', null],
    ['undefined', undefined],
    ['number', 1],
    ['function', () => {}],
    ['Object', {}],
    ['Object', { stream: 1 }],
    ['Date', new Date(0)],
    ['Promise', Promise.resolve(['a'])],
  ])('throws a TypeError that names a value of type %s', (name, value) => {
    expect(() => iterateSource(value as never)).toThrow(
      new TypeError(
        `a message must be a string, bytes, or something that brings them piece by piece, not ${name}`,
      ),
    )
  })
})
