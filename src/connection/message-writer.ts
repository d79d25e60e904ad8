// The one way out for messages: most are written at once; what takes its time, a stream or a large message that is
// compressed elsewhere, makes the others wait in line. Tells senders when they may go on.

import type { ConnectionClosedError } from '../errors.ts'
import { ProtocolError } from '../errors.ts'
import type { DataOpcode, Fragment } from '../protocol/message-encoder.ts'
import { Opcode } from '../protocol/opcode.ts'
import type { Platform } from '../protocol/platform.ts'
import { PreparedMessage } from '../protocol/prepared-message.ts'
import type { Protocol } from '../protocol/protocol.ts'
import type { Clock } from '../timing/clock.ts'
import type { Transport } from '../transport/transport.ts'
import { FragmentEncoder } from './fragment-encoder.ts'
import {
  assertUtf8,
  discard,
  encodeText,
  isPiece,
  iterateSource,
  type MessageSource,
  type Piece,
  RESOLVED,
  type Sendable,
  type SendOptions,
  stopSource,
  toBytes,
} from './sendable.ts'

/** The connection that messages are written to. */
export interface WriterHost {
  readonly protocol: Protocol
  readonly transport: Transport
  readonly platform: Platform
  readonly clock: Clock
  readonly isOpen: boolean
  readonly options: { readonly sendHighWaterMark: number; readonly maxBufferedAmount: number }
  /** More waits to be sent than the mark allows. */
  aboveMark(): void
  closedError(): ConnectionClosedError
  /** The peer does not read. */
  dropSlowConsumer(error: ProtocolError): void
  /** A message that was begun cannot be finished. */
  breakOff(error: unknown): void
}

// What is compressed or masked takes our own time and memory: pieces of streams are cut for that, and others get their
// turn between two slices.
const SLICE = 32 * 1024

interface Sender {
  resolve(): void
  reject(error: unknown): void
}

interface Job extends Sender {
  readonly size: number
  /** True for what may go on for ever. */
  readonly isStream: boolean
  work(): void | Promise<void>
}

/** What waits its turn, the first job under way. */
interface Line {
  readonly jobs: Job[]
  bytes: number
  readonly whenIdle: (() => void)[]
  /** Ends the wait for the next piece of the stream that is under way. */
  endStream: (() => void) | undefined
}

const NOBODY: readonly Sender[] = []

/** Write messages. */
export class MessageWriter {
  readonly #host: WriterHost
  #senders: Sender[] | undefined
  #isAboveMark = false
  /** The transport was asked to say when it is drained. */
  #awaitsDrain = false
  /** Absent while messages are written at once. */
  #line: Line | undefined
  /** No new streams, and the one under way ends. */
  #isFinishing = false
  /** A message was begun that will never end: no other may follow it. */
  #isCutOff = false
  #isClosed = false

  constructor(host: WriterHost) {
    this.#host = host
  }

  /** True while messages wait their turn. */
  get isBusy(): boolean {
    return this.#line !== undefined
  }

  /** Bytes that were sent and that the system has not taken yet. */
  get bufferedAmount(): number {
    return this.#host.transport.bufferedAmount + this.queuedBytes
  }

  /** Bytes of messages that wait their turn. */
  get queuedBytes(): number {
    return this.#line?.bytes ?? 0
  }

  /** Send whatever can be sent. Throw a TypeError for anything else. */
  send(message: Sendable, options: SendOptions | undefined): Promise<void> {
    try {
      return this.#send(message, options)
    } catch (error) {
      this.#breakOffIfFailed(error)
      throw error
    }
  }

  #send(message: Sendable, options: SendOptions | undefined): Promise<void> {
    const host = this.#host
    if (!host.isOpen || this.#isCutOff || this.#isTooSlow()) {
      if (typeof message !== 'string') discard(message)
      return host.isOpen ? this.#refuseLater() : this.refuse()
    }
    if (message instanceof PreparedMessage) return this.#sendPrepared(message) ?? this.#afterSend()
    if (!isPiece(message)) return this.#sendSource(message, options)
    const isCompressible = options?.compress !== false
    if (typeof message === 'string' && options?.type !== 'binary') {
      if (this.#line === undefined && !(isCompressible && host.protocol.isLong(message.length))) {
        host.protocol.sendText(message, isCompressible)
        return this.#afterSend()
      }
      return this.#sendBytes(encodeText(message), Opcode.Text, isCompressible)
    }
    const bytes = typeof message === 'string' ? encodeText(message) : toBytes(message)
    if (options?.type === 'text') assertUtf8(bytes, host.platform)
    return this.#sendBytes(bytes, options?.type === 'text' ? Opcode.Text : Opcode.Binary, isCompressible)
  }

  /** Send a message that goes to others too; false when this connection takes none any more. */
  broadcast(message: PreparedMessage): boolean {
    if (!this.#host.isOpen || this.#isCutOff || this.#isTooSlow()) return false
    try {
      void this.#sendPrepared(message)
    } catch (error) {
      // What an extension of one connection throws is that one's affair: the message still goes to the others.
      this.#breakOffIfFailed(error)
      return false
    }
    if (this.#exceedsMark(this.queuedBytes)) this.#noteAboveMark()
    return true
  }

  /** Write a message now, or have it wait its turn and return a promise of that. */
  #sendPrepared(message: PreparedMessage): Promise<void> | undefined {
    const write = (): void => this.#host.protocol.sendPrepared(message)
    if (this.#line !== undefined) return this.#enqueue(message.payload.length, false, write)
    write()
    return undefined
  }

  #sendBytes(bytes: Uint8Array, opcode: DataOpcode, isCompressible: boolean): Promise<void> {
    const { protocol } = this.#host
    const isLong = isCompressible && protocol.isLong(bytes.length)
    if (this.#line === undefined && !isLong) {
      protocol.sendBytes(bytes, opcode, isCompressible)
      return this.#afterSend()
    }
    const write = (): void => protocol.sendBytes(bytes, opcode, isCompressible)
    const writeLater = (): Promise<void> =>
      new Promise((resolve, reject) => protocol.sendLater(bytes, opcode, resolve, reject))
    return this.#enqueue(bytes.length, false, isLong ? writeLater : write)
  }

  /** An extension that throws leaves its state in pieces: the protocol has failed then. */
  #breakOffIfFailed(error: unknown): void {
    if (this.#host.isOpen && this.#host.protocol.state === 'failed') this.#host.breakOff(error)
  }

  // --- in line ---

  #enqueue(size: number, isStream: boolean, work: () => void | Promise<void>): Promise<void> {
    const promise = new Promise<void>((resolve, reject) => {
      const isFirst = this.#line === undefined
      this.#line ??= { jobs: [], bytes: 0, whenIdle: [], endStream: undefined }
      const line = this.#line
      line.jobs.push({ size, isStream, work, resolve, reject })
      line.bytes += size
      if (this.#exceedsMark(line.bytes)) this.#noteAboveMark()
      if (isFirst) void this.#workOff(line)
    })
    // Callback style never looks at the promise; its rejection must not count as unhandled.
    promise.catch(ignore)
    return promise
  }

  async #workOff(line: Line): Promise<void> {
    const { jobs } = line
    for (let job = jobs[0]; job !== undefined; job = jobs[0]) {
      try {
        if (job.isStream || this.#canWrite) await job.work()
        if (!this.#canWrite) throw this.#host.closedError()
        void this.#afterSend().then(job.resolve, job.reject)
      } catch (error) {
        this.#breakOffIfFailed(error)
        job.reject(error)
      }
      jobs.shift()
      line.bytes -= job.size
      // What was drained before did not count while this waited.
      if (this.#isAboveMark) this.#noteAboveMark()
    }
    this.#line = undefined
    for (const callback of line.whenIdle) callback()
  }

  get #canWrite(): boolean {
    return !this.#isCutOff && !this.#isClosed && this.#host.protocol.state === 'open'
  }

  /** Break streams off, let what waits go out, and call; at once when nothing does. */
  finish(callback: () => void): void {
    const line = this.#line
    if (line === undefined) {
      callback()
      return
    }
    this.#isFinishing = true
    line.endStream?.()
    line.whenIdle.push(callback)
  }

  // --- streams ---

  #sendSource(source: MessageSource, options: SendOptions | undefined): Promise<void> {
    const iterator = iterateSource(source)
    if (this.#isFinishing) {
      void stopSource(iterator)
      return this.#refuseLater()
    }
    return this.#enqueue(0, true, () => this.#writeStream(iterator, options))
  }

  async #writeStream(
    iterator: AsyncIterator<Piece> | Iterator<Piece>,
    options: SendOptions | undefined,
  ): Promise<void> {
    const { protocol, platform } = this.#host
    const isCompressible = options?.compress !== false
    const isCut = protocol.role === 'client' || (isCompressible && protocol.isLong(Number.MAX_SAFE_INTEGER))
    const most = isCut ? SLICE : Number.POSITIVE_INFINITY
    const encoder = new FragmentEncoder(options?.type, platform)
    let isFirst = true
    const write = async (bytes: Uint8Array, isLast: boolean): Promise<void> => {
      if (this.#isOver) throw this.#host.closedError()
      await this.#writeFragment(bytes, { opcode: encoder.opcode, isFirst, isLast, isCompressible })
      isFirst = false
    }
    try {
      for (;;) {
        const step = await this.#orEnd(() => iterator.next())
        if (step.done === true) break
        const bytes = encoder.encode(step.value)
        for (let start = 0; start < bytes.length; start += most) {
          await write(bytes.subarray(start, Math.min(start + most, bytes.length)), false)
          await this.#orEnd(() => this.#afterSend())
        }
      }
      await write(encoder.end(), true)
    } catch (error) {
      void stopSource(iterator)
      // Half a message cannot be taken back.
      if (!isFirst && !this.#isOver) this.#host.breakOff(error)
      if (!isFirst) this.#isCutOff = true
      throw error
    }
  }

  get #isOver(): boolean {
    return this.#isFinishing || !this.#canWrite
  }

  /** Wait for the next piece, or for the peer, or for the end of the connection, which rejects. */
  #orEnd<Value>(wait: () => Value | PromiseLike<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      const end = (): void => reject(this.#host.closedError())
      this.#line!.endStream = end
      if (this.#isOver) end()
      else Promise.resolve(wait()).then(resolve, reject)
    })
  }

  #writeFragment(bytes: Uint8Array, fragment: Fragment): Promise<void> {
    return new Promise((resolve, reject) =>
      this.#host.protocol.sendFragment(bytes, fragment, resolve, reject),
    )
  }

  // --- backpressure ---

  /** Say after something was written whether its sender may go on: at once below the mark, else after drain. */
  #afterSend(): Promise<void> {
    const { transport } = this.#host
    if (this.#exceedsMark(0) || transport.holdsReference) return this.#afterDrain()
    // A loop that only sends, to a peer that takes all, would never let anything else happen in the process.
    return transport.takeEarlyFlush() ? this.#nextInput() : RESOLVED
  }

  /** Tell whether more waits than the mark allows, with what is queued, once the system was given all it takes. */
  #exceedsMark(queued: number): boolean {
    const { transport, options } = this.#host
    if (transport.bufferedAmount + queued <= options.sendHighWaterMark) return false
    transport.flush()
    return transport.bufferedAmount + queued > options.sendHighWaterMark
  }

  #noteAboveMark(): void {
    if (!this.#awaitsDrain) {
      this.#awaitsDrain = true
      this.#host.transport.notifyDrain()
    }
    if (this.#isAboveMark) return
    this.#isAboveMark = true
    this.#host.aboveMark()
  }

  #afterDrain(): Promise<void> {
    this.#noteAboveMark()
    const promise = new Promise<void>((resolve, reject) => {
      this.#senders ??= []
      this.#senders.push({ resolve, reject })
    })
    promise.catch(ignore)
    return promise
  }

  #nextInput(): Promise<void> {
    return new Promise((resolve) => {
      this.#host.clock.afterInput(resolve)
    })
  }

  #takeSenders(): readonly Sender[] {
    const senders = this.#senders ?? NOBODY
    this.#senders = undefined
    return senders
  }

  /** Drop the connection when so much waits to be sent that the peer cannot be reading; true when that was done. */
  #isTooSlow(): boolean {
    if (!this.#isAboveMark && this.#line === undefined) return false
    const { bufferedAmount } = this
    if (bufferedAmount <= this.#host.options.maxBufferedAmount) return false
    this.#host.dropSlowConsumer(new ProtocolError('WS_SLOW_CONSUMER', `${bufferedAmount} bytes`))
    return true
  }

  /** A promise that is rejected because the connection no longer takes data. */
  refuse(): Promise<never> {
    const promise = Promise.reject(this.#host.closedError())
    promise.catch(ignore)
    return promise
  }

  /** As `refuse`, but in another turn: a loop that sends again and again would keep the connection from ending. */
  #refuseLater(): Promise<void> {
    const promise = this.#nextInput().then(() => {
      throw this.#host.closedError()
    })
    promise.catch(ignore)
    return promise
  }

  /** The system has taken all; true when more was waiting than the mark allows, and that is over. */
  drained(): boolean {
    this.#awaitsDrain = false
    for (const sender of this.#takeSenders()) sender.resolve()
    if (!this.#isAboveMark) return false
    if (this.#exceedsMark(this.queuedBytes)) {
      // What is queued asks again when its turn comes; this is what was written meanwhile.
      if (this.#host.transport.bufferedAmount > 0) this.#noteAboveMark()
      return false
    }
    this.#isAboveMark = false
    return true
  }

  /** Nothing goes out any more. */
  closed(): void {
    this.#isClosed = true
    this.#isFinishing = true
    this.#line?.endStream?.()
    const senders = this.#takeSenders()
    if (senders.length === 0) return
    // An error takes its stack along: it is made for those who wait, and mostly nobody does.
    const error = this.#host.closedError()
    for (const sender of senders) sender.reject(error)
  }
}

function ignore(): void {}
