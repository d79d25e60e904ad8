// One end, or a client and a server, in memory: protocols over ByteOutput whose handler writes everything down.
// The assertions are named after what RFC 6455 calls the thing.

import { expect } from 'vitest'
import type { ProtocolError, ProtocolErrorCode } from '../../src/errors.ts'
import type { CloseFrame } from '../../src/protocol/close-code.ts'
import { createJavaScriptKernel } from '../../src/protocol/kernel.ts'
import type { Limits } from '../../src/protocol/limits.ts'
import type { Message } from '../../src/protocol/message.ts'
import { Opcode } from '../../src/protocol/opcode.ts'
import { ByteOutput, type Output } from '../../src/protocol/output.ts'
import { type Platform, portablePlatform } from '../../src/protocol/platform.ts'
import {
  Protocol,
  type ProtocolHandler,
  type ProtocolOptions,
  type Role,
} from '../../src/protocol/protocol.ts'
import { chunksOf, closePayload, RFC_KEY, readFrames, utf8 } from './bytes.ts'

/** One thing that a handler was told. */
export type Fact =
  | readonly ['message', Message]
  /** A piece of a message, and whether it is the last. */
  | readonly ['piece', Message, boolean]
  | readonly ['oversize']
  | readonly ['behind']
  | readonly ['caught up']
  | readonly ['ping', Uint8Array]
  | readonly ['pong', Uint8Array]
  | readonly ['close', CloseFrame]
  | readonly ['failure', ProtocolError]

export type TakeableOutput = Output & { takeOutput(): Uint8Array }

/** One end: a protocol, its output, and all that its handler was told. */
export class End implements ProtocolHandler {
  readonly role: Role
  readonly protocol: Protocol
  readonly output: TakeableOutput
  /** What the handler does besides writing down. */
  reaction: ((fact: Fact) => void) | undefined
  /** Set it to put off close frames and violations, as a handler does whose answers take a moment. */
  isAnswering?: () => boolean
  /** What `onOversize` answers. */
  holdsOversize = false
  #facts: Fact[] = []

  constructor(role: Role, options: EndOptions = {}) {
    this.role = role
    this.output = options.output ?? new ByteOutput()
    this.protocol = new Protocol({
      kernel: createJavaScriptKernel(4096),
      platform: portablePlatform,
      maskingKeys: () => RFC_KEY,
      ...options,
      limits: limitsOf(options.limits),
      role,
      output: this.output,
      handler: this,
    })
  }

  /** Receive these chunks, one after the other. */
  receive(...chunks: readonly Uint8Array[]): void {
    for (const chunk of chunks) this.protocol.receiveData(chunk)
  }

  /** Return what the handler was told since the last call. */
  takeFacts(): Fact[] {
    const facts = this.#facts
    this.#facts = []
    return facts
  }

  takeOutput(): Uint8Array {
    return this.output.takeOutput()
  }

  onMessage(message: Message): void {
    this.#tell(['message', message])
  }

  onPiece(piece: Message, isEnd: boolean): void {
    this.#tell(['piece', piece, isEnd])
  }

  onOversize(): boolean {
    this.#tell(['oversize'])
    return this.holdsOversize
  }

  onBehind(): void {
    this.#tell(['behind'])
  }

  onCaughtUp(): void {
    this.#tell(['caught up'])
  }

  onPing(payload: Uint8Array): void {
    this.#tell(['ping', payload])
  }

  onPong(payload: Uint8Array): void {
    this.#tell(['pong', payload])
  }

  onClose(frame: CloseFrame): void {
    this.#tell(['close', frame])
  }

  onFailure(error: ProtocolError): void {
    this.#tell(['failure', error])
  }

  #tell(fact: Fact): void {
    this.#facts.push(fact)
    this.reaction?.(fact)
  }
}

export type EndOptions = Partial<Omit<ProtocolOptions, 'role' | 'handler' | 'output' | 'limits'>> & {
  readonly output?: TakeableOutput
  readonly limits?: Partial<Limits> | undefined
}

/** Fill in limits: 1 MiB, in pieces no more than whole, and 1,024 fragments. */
export function limitsOf(limits: Partial<Limits> = {}): Limits {
  const { maxMessageSize = 1024 * 1024 } = limits
  return { maxMessageSize, maxStreamSize: maxMessageSize, maxFragments: 1024, ...limits }
}

/** Join a client and a server. Nothing moves until `exchange` is called. */
export class ProtocolPair {
  readonly client: End
  readonly server: End

  /** Extensions and what compresses hold the state of one end: give a function where there are any. */
  constructor(options: EndOptions | ((role: Role) => EndOptions) = {}) {
    const optionsFor = typeof options === 'function' ? options : () => options
    this.client = new End('client', optionsFor('client'))
    this.server = new End('server', optionsFor('server'))
  }

  /** Carry bytes both ways, in chunks of `size`, until neither end has more to say. */
  exchange(size = 1024): void {
    for (;;) {
      const fromClient = this.client.takeOutput()
      const fromServer = this.server.takeOutput()
      if (fromClient.length === 0 && fromServer.length === 0) return
      for (const chunk of chunksOf(fromClient, size)) this.server.receive(chunk)
      for (const chunk of chunksOf(fromServer, size)) this.client.receive(chunk)
    }
  }
}

/** Be an output whose peer reads nothing while `isBackedUp` is set. */
export class SlowOutput implements Output {
  isBackedUp = true
  readonly #output = new ByteOutput()

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
    this.#output.appendByReference(payload)
  }

  takeOutput(): Uint8Array {
    return this.#output.takeOutput()
  }
}

/** What memory that nobody wrote to is full of, in the two classes below. */
export const POISON = 0xaa

/** Be an output whose memory held something before. */
export class PoisonedOutput implements Output {
  readonly isBackedUp = false
  bytes: Uint8Array = new Uint8Array(64).fill(POISON)
  #length = 0

  reserve(size: number): number {
    if (this.#length + size > this.bytes.length) {
      const grown = new Uint8Array(this.#length + size + 64).fill(POISON)
      grown.set(this.bytes.subarray(0, this.#length))
      this.bytes = grown
    }
    return this.#length
  }

  commit(end: number): void {
    this.#length = end
  }

  appendByReference(payload: Uint8Array): void {
    const offset = this.reserve(payload.length)
    this.bytes.set(payload, offset)
    this.#length += payload.length
  }

  takeOutput(): Uint8Array {
    const taken = this.bytes.slice(0, this.#length)
    this.bytes.fill(POISON)
    this.#length = 0
    return taken
  }
}

/** A platform whose fresh memory holds something from before, as that of a pool does. */
export const poisonedPlatform: Platform = {
  ...portablePlatform,
  allocate: (size) => portablePlatform.allocate(size).fill(POISON),
}

/** A platform that counts what is allocated. */
export interface CountingPlatform extends Platform {
  /** All bytes that were ever allocated. */
  allocated: number
  /** The largest single allocation. */
  largest: number
}

export function countingPlatform(): CountingPlatform {
  return {
    ...portablePlatform,
    allocated: 0,
    largest: 0,
    allocate(size) {
      this.allocated += size
      this.largest = Math.max(this.largest, size)
      return portablePlatform.allocate(size)
    },
  }
}

/** Expect exactly these facts since the last look. */
export function expectFacts(end: End, ...facts: readonly Fact[]): void {
  expect(end.takeFacts()).toEqual(facts)
}

/** Expect exactly these bytes to have been written since the last look. */
export function expectOutput(end: End, bytes: Uint8Array): void {
  expect(end.takeOutput()).toEqual(bytes)
}

/** Expect the output to be one close frame with this payload, masked when the client sent it. */
export function expectCloseFrame(end: End, payload: Uint8Array): void {
  expect(readFrames(end.takeOutput())).toEqual([
    {
      fin: true,
      reservedBits: 0,
      opcode: Opcode.Close,
      maskingKey: end.role === 'client' ? RFC_KEY : undefined,
      payload,
    },
  ])
}

/**
 * Expect _Fail the WebSocket Connection_ (RFC 6455 section 7.1.7): the handler was told as the last thing, the peer
 * was sent the code, and whatever comes now is ignored. Returns the facts before the failure.
 */
export function expectFailing(end: End, closeCode: number, code?: ProtocolErrorCode): Fact[] {
  const facts = end.takeFacts()
  const [kind, error] = facts.pop() ?? []
  if (kind !== 'failure') throw new Error(`no failure was reported, but ${JSON.stringify([kind, error])}`)
  if (code !== undefined) expect(error.code).toBe(code)
  expect(error.closeCode).toBe(closeCode)
  expect(end.protocol.state).toBe('failed')
  expect(end.protocol.sent).toEqual({ code: closeCode, reason: error.reason })
  expectCloseFrame(end, closePayload(closeCode, error.reason))

  end.receive(end.role === 'server' ? ANY_FRAMES_MASKED : ANY_FRAMES)
  end.protocol.sendText('too late')
  end.protocol.sendPing()
  end.protocol.sendClose()
  // Whoever waits for the rest of a message may not have heard of the end.
  end.protocol.takePieces()
  end.protocol.dropPieces()
  end.protocol.refuseHeld()
  end.protocol.pause()
  end.protocol.resume()
  end.protocol.proceed()
  expectFacts(end)
  expectOutput(end, new Uint8Array(0))
  expect(end.protocol.hasBacklog).toBe(false)
  expect(end.protocol.isBehind).toBe(false)
  return facts
}

// TEXT 'x', PING, CLOSE
const ANY_FRAMES_MASKED = Uint8Array.of(
  ...[0x81, 0x81, 0, 0, 0, 0, 0x78],
  ...[0x89, 0x80, 0, 0, 0, 0],
  ...[0x88, 0x80, 0, 0, 0, 0],
)
const ANY_FRAMES = Uint8Array.of(0x81, 0x01, 0x78, 0x89, 0x00, 0x88, 0x00)

/** Expect _Start the WebSocket Closing Handshake_ (section 7.1.2): our close frame is out, theirs is awaited. */
export function expectClosing(end: End, code: number, reason = ''): void {
  expect(end.protocol.state).toBe('close-sent')
  expect(end.protocol.sent).toEqual({ code, reason })
  expect(end.protocol.received).toBeUndefined()
  expectCloseFrame(end, code === 1005 ? utf8('') : closePayload(code, reason))
}

/** Expect _The WebSocket Closing Handshake_ to be done on this end (section 7.1.4): frames went both ways. */
export function expectClosed(end: End, received: CloseFrame, sent: CloseFrame): void {
  expect(end.protocol.state).toBe('closed')
  expect(end.protocol.received).toEqual(received)
  expect(end.protocol.sent).toEqual(sent)
}

/** Expect the connection to go on: a message still comes through. */
export function expectOpen(end: End): void {
  expect(end.protocol.state).toBe('open')
  end.takeFacts()
  end.receive(end.role === 'server' ? ANY_FRAMES_MASKED.slice(0, 7) : ANY_FRAMES.slice(0, 3))
  expectFacts(end, ['message', 'x'])
}
