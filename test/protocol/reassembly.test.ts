import { describe, expect, test } from 'vitest'
import type { Compression } from '../../src/protocol/compression.ts'
import { type Extension, ExtensionPipeline } from '../../src/protocol/extension.ts'
import { portablePlatform } from '../../src/protocol/platform.ts'
import { Reassembly } from '../../src/protocol/reassembly.ts'
import { hex, utf8 } from '../support/bytes.ts'
import { compressed, FakeCompression } from '../support/fake-compression.ts'
import { limitsOf } from '../support/protocol-pair.ts'

const TEXT = 0x01
const BINARY = 0x02
const CONTINUATION = 0x00
const RSV1 = 0x40
const RSV2 = 0x20

const flipMessages: Extension = { name: 'x-flip', decode: (piece) => piece.payload.map((byte) => byte ^ 1) }
const flipFrames: Extension = {
  name: 'x-flip-frames',
  reservedBits: RSV2,
  decodeFrame: (frame) => ({
    ...frame,
    reservedBits: frame.reservedBits & ~RSV2,
    payload: frame.payload.map((byte) => byte ^ 1),
  }),
}

interface StationOptions {
  refused?: number
  compression?: Compression
  extensions?: readonly Extension[]
}

/** The stations, and what came out of them. */
class Bench {
  readonly stations: Reassembly
  readonly found: unknown[] = []

  constructor({ refused = -1, compression, extensions }: StationOptions = {}) {
    this.stations = new Reassembly({
      platform: portablePlatform,
      limits: limitsOf({ maxMessageSize: 100 }),
      refused,
      compression,
      extensions: extensions === undefined ? undefined : new ExtensionPipeline(extensions, 0),
      sink: {
        onMessage: (message) => this.found.push(message),
        onPiece: (piece) => this.found.push([piece]),
        onOversize: () => false,
        onViolation: ({ code }) => this.found.push(code),
        onBehind: () => {},
        onCaughtUp: () => {},
      },
    })
  }

  frame(opcode: number, fin: boolean, reservedBits: number, payload: Uint8Array): void {
    const { entry } = this.stations
    if (!entry.beginFrame(opcode, fin, reservedBits, payload.length)) return
    entry.payload(payload.slice(), 0, payload.length, false, true)
  }
}

describe('the stations', () => {
  test('join fragments, and tell what they do not take', () => {
    const bench = new Bench({ refused: BINARY })
    bench.frame(TEXT, false, 0, utf8('Hel'))
    expect(bench.stations.assembler.isCollecting).toBe(true)
    bench.frame(CONTINUATION, true, 0, utf8('lo'))
    bench.frame(BINARY, true, 0, hex('00'))
    expect(bench.found).toEqual(['Hello', 'WS_DATA_NOT_ACCEPTED'])
    expect(bench.stations.decoder).toBeUndefined()
  })

  test('give pieces to whoever asks the collector', () => {
    const bench = new Bench()
    bench.stations.collector.takePieces()
    bench.frame(TEXT, false, 0, utf8('Hel'))
    bench.frame(CONTINUATION, true, 0, utf8('lo'))
    expect(bench.found).toEqual([['Hel'], ['lo']])
  })

  test('decompress, and take whole messages that are not compressed past that', () => {
    const bench = new Bench({ compression: new FakeCompression() })
    expect(bench.stations.entry.takesWhole(TEXT, 100)).toBe(true)
    bench.frame(TEXT, true, RSV1, compressed(utf8('aaaaab')))
    bench.frame(TEXT, true, 0, utf8('plain'))
    expect(bench.found).toEqual(['aaaaab', 'plain'])
  })

  test('have extensions decode messages, which they all see', () => {
    const bench = new Bench({ extensions: [flipMessages] })
    expect(bench.stations.entry.takesWhole(TEXT, 1)).toBe(false)
    bench.frame(TEXT, true, 0, utf8('`bc'))
    expect(bench.found).toEqual(['acb'])
  })

  test('have extensions decode frames before they are joined', () => {
    const bench = new Bench({ extensions: [flipFrames] })
    expect(bench.stations.entry.takesWhole(TEXT, 1)).toBe(false)
    bench.frame(TEXT, false, RSV2, utf8('`'))
    bench.frame(CONTINUATION, true, RSV2, utf8('c'))
    bench.frame(BINARY, true, 0, new Uint8Array(1000))
    expect(bench.found).toEqual(['ab', 'WS_MESSAGE_TOO_BIG'])
  })

  test('take no whole message that is too large or refused', () => {
    const { entry } = new Bench({ refused: TEXT }).stations
    expect(entry.takesWhole(BINARY, 100)).toBe(true)
    expect(entry.takesWhole(BINARY, 101)).toBe(false)
    expect(entry.takesWhole(TEXT, 1)).toBe(false)
  })
})
