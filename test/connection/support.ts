// One end of a connection whose peer is a test that writes and reads bytes as it likes.

import { constants, deflateRawSync, inflateRawSync } from 'node:zlib'
import { expect } from 'vitest'
import { Connection } from '../../src/connection/connection.ts'
import { acceptExtensions, confirmExtensions } from '../../src/connection/extensions.ts'
import type { ConnectionHandler } from '../../src/connection/handler.ts'
import { Link } from '../../src/connection/link.ts'
import { type ConnectionOptions, resolveConnectionOptions } from '../../src/connection/options.ts'
import type { Piece } from '../../src/connection/sendable.ts'
import { parseExtensionHeader } from '../../src/handshake/extension-header.ts'
import { engine } from '../../src/kernel/engine.ts'
import type { CloseInfo } from '../../src/protocol/close-code.ts'
import type { Frame } from '../../src/protocol/frame.ts'
import type { Message } from '../../src/protocol/message.ts'
import type { Role } from '../../src/protocol/protocol.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'
import { TimerWheel } from '../../src/timing/timer-wheel.ts'
import { MemoryTransport, type MemoryTransportOptions } from '../../src/transport/memory-transport.ts'
import type { Transport, TransportHandler } from '../../src/transport/transport.ts'
import { closePayload, concat, frameTo, readFrames, toHex } from '../support/bytes.ts'

export const ROLES: readonly Role[] = ['client', 'server']

export const TEXT = 0x81
export const BINARY = 0x82
export const CLOSE = 0x88
export const PING = 0x89
export const PONG = 0x8a
/** The bit of a compressed message. */
export const RSV1 = 0x40

/** Let promises, ticks and input settle. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve))
}

/** Let promises settle, and nothing else: what is on the thread pool does not come back meanwhile. */
export async function microtasks(): Promise<void> {
  for (let turn = 0; turn < 50; turn++) await null
}

/** Tell how far a promise is. */
export async function stateOf(promise: Promise<unknown>): Promise<'pending' | 'resolved' | 'rejected'> {
  await settle()
  return Promise.race([
    promise.then(
      () => 'resolved' as const,
      () => 'rejected' as const,
    ),
    new Promise<'pending'>((resolve) => setImmediate(() => resolve('pending'))),
  ])
}

/** Wait until something is so, however many turns of the loop that takes: work may be on the thread pool. */
export async function until(condition: () => boolean): Promise<void> {
  while (!condition()) await new Promise((resolve) => setImmediate(resolve))
}

/** Take `count` messages. */
export async function receiveMany(connection: Connection, count: number): Promise<Message[]> {
  const messages: Message[] = []
  for (let index = 0; index < count; index++) messages.push(await connection.receive())
  return messages
}

/** Take messages until the connection ends, however it ends. */
export async function receiveAll(connection: Connection): Promise<Message[]> {
  const messages: Message[] = []
  try {
    for await (const message of connection) messages.push(message)
  } catch {
    // How it ended is asked elsewhere.
  }
  return messages
}

/** Make ASCII text that compresses to about a third, the same each time. */
export function prose(length: number, seed = 1): string {
  let text = ''
  for (let state = seed; text.length < length; ) {
    state = (Math.imul(state, 1_103_515_245) + 12_345) & 0x7fff_ffff
    text += `{"id":${state},"name":"user ${state % 1000}"},`
  }
  return text.slice(0, length)
}

/** Make bytes that do not compress, the same each time. */
export function noise(length: number, seed = 1): Uint8Array {
  let state = seed
  return Uint8Array.from({ length }, () => {
    state ^= state << 13
    state ^= state >>> 17
    state ^= state << 5
    return state & 0xff
  })
}

// RFC 7692 section 7.2.1: what is taken from the end of a compressed message, and put back.
const TAIL = Uint8Array.of(0x00, 0x00, 0xff, 0xff)
const FLUSH = { finishFlush: constants.Z_SYNC_FLUSH }

/** Compress a message as one that begins with an empty window, or with what `before` left there. */
export function deflate(message: Uint8Array | string, before?: Uint8Array): Uint8Array {
  const flushed = deflateRawSync(message, before === undefined ? FLUSH : { ...FLUSH, dictionary: before })
  return new Uint8Array(flushed.subarray(0, flushed.length - TAIL.length))
}

/** Decompress a message that began with an empty window. */
export function inflate(...payloads: readonly Uint8Array[]): Uint8Array {
  return new Uint8Array(inflateRawSync(concat(...payloads, TAIL), FLUSH))
}

/** Compare messages that are too large for a comparison element by element, and for a report of it. */
export function isSame(message: Message, expected: Message): boolean {
  if (typeof message === 'string' || typeof expected === 'string') return message === expected
  return Buffer.compare(message, expected) === 0
}

/** Take the next message in pieces. */
export async function receivePieces(connection: Connection): Promise<Message[]> {
  const pieces: Message[] = []
  for await (const piece of connection.receiveStream()) pieces.push(piece)
  return pieces
}

/** A source that tests feed piece by piece, and that notes what is asked of it. */
export class FakeSource implements AsyncIterableIterator<Piece, undefined> {
  /** How often more was asked for. */
  asked = 0
  wasStopped = false
  readonly #ready: (() => IteratorResult<Piece, undefined>)[] = []
  #waiting:
    | { resolve(step: IteratorResult<Piece, undefined>): void; reject(error: unknown): void }
    | undefined

  next(): Promise<IteratorResult<Piece, undefined>> {
    this.asked++
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject }
      this.#serve()
    })
  }

  return(): Promise<IteratorResult<Piece, undefined>> {
    this.wasStopped = true
    return Promise.resolve({ value: undefined, done: true })
  }

  [Symbol.asyncIterator](): this {
    return this
  }

  give(...pieces: readonly Piece[]): void {
    for (const value of pieces) this.#ready.push(() => ({ value, done: false }))
    this.#serve()
  }

  end(): void {
    this.#ready.push(() => ({ value: undefined, done: true }))
    this.#serve()
  }

  fail(error: unknown): void {
    this.#ready.push(() => {
      throw error
    })
    this.#serve()
  }

  #serve(): void {
    const waiting = this.#waiting
    const step = waiting === undefined ? undefined : this.#ready.shift()
    if (step === undefined) return
    this.#waiting = undefined
    try {
      waiting!.resolve(step())
    } catch (error) {
      waiting!.reject(error)
    }
  }
}

/** The other end of the line. */
export class RawPeer implements TransportHandler {
  readonly #role: Role
  readonly #transport: MemoryTransport
  #received = new Uint8Array(0)
  hasEnded = false
  isClosed = false

  /** `role` is that of the connection under test. */
  constructor(role: Role, transport: MemoryTransport) {
    this.#role = role
    this.#transport = transport
    transport.start(this)
  }

  /** Write bytes in one piece. */
  write(...parts: readonly Uint8Array[]): void {
    const bytes = concat(...parts)
    const transport = this.#transport
    const start = transport.reserve(bytes.length)
    transport.bytes.set(bytes, start)
    transport.commit(start + bytes.length)
    transport.flush()
  }

  /** Write one frame, masked as the peer of our role does. */
  send(first: number, payload?: Uint8Array | string): void {
    this.write(frameTo(this.#role, first, payload))
  }

  close(code: number, reason?: string): void {
    this.send(CLOSE, closePayload(code, reason))
  }

  /** Return the frames that came since the last call. */
  takeFrames(): Frame[] {
    const frames = readFrames(this.#received)
    this.#received = new Uint8Array(0)
    return frames
  }

  /** Bytes that came since the last call of `takeFrames`. */
  get size(): number {
    return this.#received.length
  }

  /** Bytes that we wrote and the connection did not take. */
  get bufferedAmount(): number {
    return this.#transport.bufferedAmount
  }

  /** End our half of the stream. */
  end(): void {
    this.#transport.end()
  }

  cut(error: Error): void {
    this.#transport.fail(error)
  }

  pause(): void {
    this.#transport.pause()
  }

  resume(): void {
    this.#transport.resume()
  }

  onRead(): void {
    throw new Error('memory delivers as data')
  }

  onData(bytes: Uint8Array): void {
    this.#received = new Uint8Array(concat(this.#received, bytes))
  }

  onEnd(): void {
    this.hasEnded = true
  }

  onDrain(): void {}

  onClosed(): void {
    this.isClosed = true
  }
}

export interface RawOptions extends ConnectionOptions {
  readonly handler?: ConnectionHandler
  readonly line?: MemoryTransportOptions
  readonly clock?: FakeClock
  /** What the peer offers, or as a server accepts, of extensions. */
  readonly agreed?: string
  /** What carries the connection, in place of memory; `peer` then hears nothing. */
  readonly transport?: Transport
}

export interface RawConnection {
  readonly connection: Connection
  readonly link: Link
  readonly peer: RawPeer
  readonly clock: FakeClock
}

/** Make a connection of one role; the peer is bare. */
export function connectRaw(role: Role, options: RawOptions = {}): RawConnection {
  const { handler, line, clock = new FakeClock(), transport, agreed, ...connectionOptions } = options
  const [ours, theirs] = MemoryTransport.pair({ ...line, clock })
  const wheel = new TimerWheel(clock)
  const resolved = resolveConnectionOptions(connectionOptions, role)
  const agree = role === 'client' ? confirmExtensions : acceptExtensions
  const extensions = agree(parseExtensionHeader(agreed ?? '') ?? [], resolved, wheel)
  const link = new Link({
    role,
    engine,
    transport: transport ?? ours,
    wheel,
    options: resolved,
    extensions,
  })
  const connection = new Connection({
    link,
    request: { target: '/', headers: {} },
    response: { status: 101, headers: {} },
    subprotocol: undefined,
    extensions: extensions.header,
    data: undefined,
  })
  const peer = new RawPeer(role, theirs)
  connection.start(handler)
  return { connection, link, peer, clock }
}

/** Expect exactly one frame since the last look: a close frame with this code and reason. */
export function expectCloseFrame(peer: RawPeer, code: number, reason = ''): void {
  const frames = peer.takeFrames()
  expect(frames.map((frame) => [frame.opcode, toHex(frame.payload)])).toEqual([
    [0x08, toHex(closePayload(code, reason))],
  ])
}

/** Expect how a connection ended; the diagnosis and the error are asked separately. */
export function expectInfo(
  info: CloseInfo | undefined,
  expected: Omit<CloseInfo, 'diagnosis' | 'error' | 'facts'>,
): void {
  const { diagnosis: _, error: __, facts: ___, ...rest } = info!
  expect(rest).toEqual(expected)
}
