// Owns what the tests of this folder share: both ways to drive zlib, messages to compress, and one end of a connection
// that gives what comes to its decompression as the protocol core does.

import { constants, deflateRawSync, inflateRawSync, type ZlibOptions } from 'node:zlib'
import { expect, vi } from 'vitest'
import type { DeflateParameters } from '../../src/deflate/negotiation.ts'
import type { CompressionOptions } from '../../src/deflate/options.ts'
import type { PerMessageDeflate } from '../../src/deflate/permessage-deflate.ts'
import type { ProtocolError } from '../../src/errors.ts'
import type { DecompressionSink } from '../../src/protocol/compression.ts'
import type { Role } from '../../src/protocol/protocol.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { TimerWheel } from '../../src/timing/timer-wheel.ts'
import { concat, toHex } from '../support/bytes.ts'

/** The ways to drive zlib, with the value of OPENLINE_SYNC_ZLIB for each. */
export const WAYS = [
  { way: 'at once', environment: undefined },
  { way: 'through streams', environment: 'off' },
] as const

export type Way = (typeof WAYS)[number]['way']

/** RFC 7692 section 7.2.1: what a sender removes, and a receiver appends. */
export const TAIL: Uint8Array = Uint8Array.of(0x00, 0x00, 0xff, 0xff)

/** The modules of src/deflate, as a process has them that drives zlib in one of the ways. */
export interface Modules {
  readonly way: Way
  readonly PerMessageDeflate: typeof PerMessageDeflate
  readonly Deflater: typeof import('../../src/deflate/deflater.ts').Deflater
  readonly Inflater: typeof import('../../src/deflate/inflater.ts').Inflater
  readonly resolve: typeof import('../../src/deflate/options.ts').resolveCompressionOptions
  readonly pool: typeof import('../../src/deflate/window-pool.ts')
}

/** Load the modules anew, as a process with this environment would; with `kernel` as OPENLINE_KERNEL. */
export async function load(way: Way, kernel?: 'javascript'): Promise<Modules> {
  vi.resetModules()
  vi.stubEnv('OPENLINE_SYNC_ZLIB', WAYS.find((each) => each.way === way)!.environment)
  vi.stubEnv('OPENLINE_KERNEL', kernel)
  try {
    const { canRunSync } = await import('../../src/deflate/sync-zlib.ts')
    // It is found out when it is first asked.
    if (canRunSync() !== (way === 'at once')) throw new Error(`zlib cannot be driven ${way} here`)
    const { canCompressFast } = await import('../../src/deflate/fast-deflater.ts')
    const { createFastInflater } = await import('../../src/deflate/fast-inflater.ts')
    // This, too.
    createFastInflater(9)?.close()
    if (canCompressFast() !== (kernel === undefined)) throw new Error('there is no WebAssembly here')
    const { PerMessageDeflate } = await import('../../src/deflate/permessage-deflate.ts')
    const { Deflater } = await import('../../src/deflate/deflater.ts')
    const { Inflater } = await import('../../src/deflate/inflater.ts')
    const { resolveCompressionOptions } = await import('../../src/deflate/options.ts')
    const pool = await import('../../src/deflate/window-pool.ts')
    return { way, PerMessageDeflate, Deflater, Inflater, resolve: resolveCompressionOptions, pool }
  } finally {
    vi.unstubAllEnvs()
  }
}

/** Both ends keep their windows, which are as large as can be. */
export const KEEPING: DeflateParameters = {
  serverNoContextTakeover: false,
  clientNoContextTakeover: false,
  serverMaxWindowBits: 15,
  clientMaxWindowBits: 15,
}

/** Both ends begin each message with an empty window. */
export const FORGETTING: DeflateParameters = {
  ...KEEPING,
  serverNoContextTakeover: true,
  clientNoContextTakeover: true,
}

// --- messages ---

/** Make bytes that zlib cannot shrink, the same for the same seed. */
export function noise(size: number, seed = 1): Uint8Array {
  const bytes = new Uint8Array(size)
  let state = (seed + 1) * 0x9e3779b1
  for (let index = 0; index < size; index++) {
    state = Math.imul(state ^ (state >>> 15), 0x2c1b3c6d) + 0x9e3779b9
    bytes[index] = state >>> 24
  }
  return bytes
}

/** Make text that zlib shrinks well, but not to nothing; the same for the same seed. */
export function prose(size: number, seed = 1): Uint8Array {
  const words = ['the ', 'door ', 'opens, ', 'price: ', '"id":', '中文 ', 'and ', 'so ', 'on. ', '0123 ']
  const choice = noise(size, seed)
  let text = ''
  for (let index = 0; text.length < size; index++) text += words[choice[index]! % words.length]
  return new TextEncoder().encode(text).slice(0, size)
}

/** Compare bytes, and tell of a difference in few words: there may be many. */
export function expectSame(actual: Uint8Array, expected: Uint8Array): void {
  if (Buffer.compare(actual, expected) === 0) return
  let place = 0
  while (actual[place] === expected[place]) place++
  expect.fail(
    `${actual.length} bytes are not the ${expected.length} that were expected, from ${place} on: ` +
      `${toHex(actual.slice(place, place + 8))} instead of ${toHex(expected.slice(place, place + 8))}`,
  )
}

// --- zlib itself, as the peer ---

/** Compress a message as RFC 7692 section 7.2.1 says, with an empty window. */
export function deflate(bytes: Uint8Array, options: ZlibOptions = {}): Uint8Array {
  const compressed = deflateRawSync(bytes, { ...options, finishFlush: constants.Z_SYNC_FLUSH })
  return new Uint8Array(compressed.subarray(0, -TAIL.length))
}

/** Compress with a last block, without anything after it. */
export function deflateFinally(bytes: Uint8Array, options: ZlibOptions = {}): Uint8Array {
  return new Uint8Array(deflateRawSync(bytes, options))
}

/** Decompress messages that one sender compressed, the one after the other with the window kept. */
export function inflateAll(messages: readonly Uint8Array[], options: ZlibOptions = {}): Uint8Array[] {
  let before = 0
  return messages.map((_, index) => {
    // From the beginning each time: slow, and nothing that can be wrong.
    const stream = concat(...messages.slice(0, index + 1).flatMap((message) => [message, TAIL]))
    const whole = inflateRawSync(stream, { ...options, finishFlush: constants.Z_SYNC_FLUSH })
    const message = new Uint8Array(whole.subarray(before))
    before = whole.length
    return message
  })
}

/** Decompress one message with an empty window. */
export function inflate(message: Uint8Array, options: ZlibOptions = {}): Uint8Array {
  return inflateAll([message], options)[0]!
}

/** Put values of so many bits together, the lowest bit first, as DEFLATE does with all but the bits of codes. */
export function packBits(...fields: readonly (readonly [value: number, size: number])[]): Uint8Array {
  const bits = fields.flatMap(([value, size]) => Array.from({ length: size }, (_, bit) => (value >> bit) & 1))
  const bytes = new Uint8Array(Math.ceil(bits.length / 8))
  for (const [index, bit] of bits.entries()) bytes[index >> 3]! |= bit << (index & 7)
  return bytes
}

// --- ends of a connection ---

/** Make permessage-deflate for one end, with a clock of its own. */
export function makeEnd(
  { PerMessageDeflate, resolve }: Modules,
  role: Role,
  agreed: DeflateParameters = KEEPING,
  options: CompressionOptions = {},
): { deflate: PerMessageDeflate; clock: FakeClock; wheel: TimerWheel } {
  const clock = new FakeClock()
  const wheel = new TimerWheel(clock)
  return { deflate: new PerMessageDeflate(role, agreed, resolve(options, role), wheel), clock, wheel }
}

/** What came out of a message, in words. */
export type Fact = 'output' | 'end' | 'ready' | 'failed'

/** Give compressed messages to a decompression piece by piece, and check that it keeps to its promises. */
export class Receiver implements DecompressionSink {
  readonly #deflate: PerMessageDeflate
  /** Called for each output; false suspends. */
  wants: (received: number) => boolean = () => true
  /** Called before output is copied. */
  onOutput: ((isEnd: boolean) => void) | undefined
  /** Called when no more is wanted; by default it goes on in another turn. */
  onRefused: () => void = () => setImmediate(() => this.resume())

  readonly messages: Uint8Array[] = []
  readonly facts: Fact[] = []
  error: ProtocolError | undefined
  /** All bytes that came out. */
  received = 0
  /** The most that came out in one go. */
  most = 0
  readonly broken: string[] = []
  #parts: Uint8Array[] = []
  #isRefusing = false
  #isBehind = false
  #isOver = false
  #settle: (() => void) | undefined

  constructor(deflate: PerMessageDeflate) {
    this.#deflate = deflate
  }

  /** Take a whole message that came in these pieces. Resolve when it is done, failed, or never will be. */
  async take(...pieces: readonly Uint8Array[]): Promise<void> {
    for (const [index, piece] of pieces.entries()) {
      if (this.#isOver) return
      await this.takePiece(piece, index === pieces.length - 1)
    }
  }

  async takePiece(piece: Uint8Array, isLast: boolean): Promise<void> {
    // Not at the memory's beginning, and with bytes around that would be wrong.
    const memory = concat(Uint8Array.of(0xff, 0xff), piece, Uint8Array.of(0xff, 0xff))
    const settled = new Promise<void>((resolve) => {
      this.#settle = resolve
    })
    const before = this.received
    const isDone = this.#deflate.decompress(memory, 2, 2 + piece.length, isLast, this)
    this.most = Math.max(this.most, this.received - before)
    // The memory is used for something else as soon as the call is over.
    memory.fill(0xee)
    if (isDone) {
      this.#isRefusing = false
      return
    }
    if (this.#isOver) return
    this.#isBehind = true
    await settled
  }

  /** Want more again. */
  resume(): void {
    if (this.#isOver || !this.#isBehind) return
    this.#isRefusing = false
    const before = this.received
    this.#deflate.resume()
    this.most = Math.max(this.most, this.received - before)
  }

  close(): void {
    this.#isOver = true
    this.#deflate.close()
    this.#settle?.()
  }

  onDecompressed(bytes: Uint8Array, start: number, end: number, isEnd: boolean): boolean {
    if (this.#isOver) this.broken.push('output came after the end')
    if (this.#isRefusing) this.broken.push('output came while nobody wanted more')
    this.onOutput?.(isEnd)
    this.facts.push(isEnd ? 'end' : 'output')
    this.#parts.push(bytes.slice(start, end))
    this.received += end - start
    if (isEnd) {
      this.messages.push(concat(...this.#parts))
      this.#parts = []
    }
    if (this.#isOver) return true
    this.#isRefusing = !this.wants(this.received)
    if (this.#isRefusing) this.onRefused()
    return !this.#isRefusing
  }

  onDecompressionReady(): void {
    if (this.#isOver) this.broken.push('it was ready after the end')
    if (!this.#isBehind) this.broken.push('it was ready, and had not been behind')
    this.facts.push('ready')
    this.#isBehind = false
    this.#isRefusing = false
    this.#settle?.()
  }

  onDecompressionFailed(error: ProtocolError): void {
    if (this.#isOver) this.broken.push('it failed after the end')
    this.facts.push('failed')
    this.error = error
    this.#isOver = true
    this.#settle?.()
  }
}
