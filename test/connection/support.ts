// One end of a connection whose peer is a test that writes and reads bytes as it likes.

import { expect } from 'vitest'
import { Connection } from '../../src/connection/connection.ts'
import type { ConnectionHandler } from '../../src/connection/handler.ts'
import { Link } from '../../src/connection/link.ts'
import { type ConnectionOptions, resolveConnectionOptions } from '../../src/connection/options.ts'
import { engine } from '../../src/kernel/engine.ts'
import type { CloseInfo } from '../../src/protocol/close-code.ts'
import type { Frame } from '../../src/protocol/frame.ts'
import type { Message } from '../../src/protocol/message-assembler.ts'
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

/** Let promises, ticks and input settle. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve))
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
  const { handler, line, clock = new FakeClock(), transport, ...connectionOptions } = options
  const [ours, theirs] = MemoryTransport.pair(line)
  const link = new Link({
    role,
    engine,
    transport: transport ?? ours,
    wheel: new TimerWheel(clock),
    options: resolveConnectionOptions(connectionOptions, role),
  })
  const connection = new Connection({
    link,
    request: { target: '/', headers: {} },
    response: { status: 101, headers: {} },
    subprotocol: undefined,
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
  expected: Omit<CloseInfo, 'diagnosis' | 'error'>,
): void {
  const { diagnosis: _, error: __, ...facts } = info!
  expect(facts).toEqual(expected)
}
