// The way out for messages in a browser. Whole ones go to the browser at once; what comes bit by bit is joined first, since
// browsers send no fragments, and makes the others wait in line. Tells senders when they may go on.

import { FragmentEncoder } from '../connection/fragment-encoder.ts'
import {
  assertUtf8,
  discard,
  encodeText,
  isPiece,
  iterateSource,
  type Piece,
  RESOLVED,
  type Sendable,
  type SendOptions,
  stopSource,
  toBytes,
} from '../connection/sendable.ts'
import { type ConnectionClosedError, ProtocolError } from '../errors.ts'
import { GrowableBytes } from '../protocol/growable-bytes.ts'
import { Opcode } from '../protocol/opcode.ts'
import { portablePlatform } from '../protocol/platform.ts'
import { PreparedMessage } from '../protocol/prepared-message.ts'
import type { Clock } from '../timing/clock.ts'
import { type BrowserSocket, OPEN, type Outgoing } from './socket.ts'
import { notInBrowser } from './unsupported.ts'

/** The connection that messages are written to. */
export interface BrowserWriterHost {
  readonly socket: BrowserSocket
  readonly clock: Clock
  readonly isOpen: boolean
  readonly options: { readonly sendHighWaterMark: number; readonly maxBufferedAmount: number }
  closedError(): ConnectionClosedError
  /** The peer does not read. */
  dropSlowConsumer(error: ProtocolError): void
  /** Below the mark again, after having been above it. */
  drained(): void
}

interface Sender {
  resolve(): void
  reject(error: unknown): void
}

interface Job extends Sender {
  readonly size: number
  /** A whole message, or what brings its pieces. */
  readonly message:
    | { readonly data: Outgoing }
    | { readonly source: Source; readonly type: SendOptions['type'] }
}

type Source = AsyncIterator<Piece> | Iterator<Piece>

// No event tells that a browser has sent something: one has to look. First after 4 ms, which is the least that browsers
// give timers in a row, then more and more seldom while nothing moves.
const SHORTEST_LOOK = 4
const LONGEST_LOOK = 64

/** Write messages. */
export class BrowserWriter {
  readonly #host: BrowserWriterHost
  #senders: Sender[] = []
  #isAboveMark = false
  #timer: unknown
  #delay = SHORTEST_LOOK
  #lastAmount = 0
  /** What waits its turn, the first one under way; `undefined` while messages are sent at once. */
  #jobs: Job[] | undefined
  #queuedBytes = 0
  #isFinished = false
  /** Ends the wait for the next piece. */
  #endSource: (() => void) | undefined

  constructor(host: BrowserWriterHost) {
    this.#host = host
  }

  /** Bytes that were sent and that the browser has not given to the network yet. */
  get bufferedAmount(): number {
    return this.#host.socket.bufferedAmount + this.#queuedBytes
  }

  /** Send whatever can be sent. Throw a TypeError for anything else. */
  send(message: Sendable, options: SendOptions | undefined): Promise<void> {
    if (!this.#host.isOpen || this.#isTooSlow()) {
      if (typeof message !== 'string') discard(message)
      return this.#refuse()
    }
    const isPlain = message instanceof PreparedMessage ? !message.isCompressible : options?.compress === false
    if (isPlain) this.#assertPlain()
    const data = toOutgoing(message, options?.type)
    if (data === undefined) {
      const source = iterateSource(message as Exclude<Sendable, Piece | PreparedMessage>)
      return this.#enqueue(0, { source, type: options?.type })
    }
    if (this.#jobs !== undefined) return this.#enqueue(sizeOf(data), { data })
    this.#host.socket.send(data)
    return this.#afterSend()
  }

  /** Send a message that goes to others too; false when this connection takes none any more. */
  broadcast(message: PreparedMessage): boolean {
    if (!this.#host.isOpen || this.#isTooSlow()) return false
    void this.send(message, undefined)
    return true
  }

  /** What must not be compressed together with what others choose is not sent where the browser would do just that. */
  #assertPlain(): void {
    if (this.#host.socket.extensions.includes('permessage-deflate')) {
      throw notInBrowser('send without compression', 'Turn compression off on the server')
    }
  }

  // --- in line ---

  #enqueue(size: number, message: Job['message']): Promise<void> {
    const promise = new Promise<void>((resolve, reject) => {
      const job = { size, message, resolve, reject }
      this.#queuedBytes += size
      if (this.#exceedsMark(this.#queuedBytes)) this.#look()
      if (this.#jobs !== undefined) {
        this.#jobs.push(job)
        return
      }
      this.#jobs = [job]
      void this.#workOff(this.#jobs)
    })
    // Callback style never looks at the promise; its rejection must not count as unhandled.
    promise.catch(ignore)
    return promise
  }

  async #workOff(jobs: Job[]): Promise<void> {
    for (let job = jobs[0]; job !== undefined; job = jobs[0]) {
      try {
        const data = 'data' in job.message ? job.message.data : await this.#join(job.message)
        // A browser drops without a word what comes too late.
        if (!this.#host.isOpen) throw this.#host.closedError()
        this.#host.socket.send(data)
        void this.#afterSend().then(job.resolve, job.reject)
      } catch (error) {
        job.reject(error)
      }
      jobs.shift()
      this.#queuedBytes -= job.size
    }
    this.#jobs = undefined
  }

  /** Gather the pieces of a message. Nothing of it was sent when this fails, so that the connection lives on. */
  async #join({ source, type }: { source: Source; type: SendOptions['type'] }): Promise<Outgoing> {
    const { maxBufferedAmount } = this.#host.options
    const encoder = new FragmentEncoder(type, portablePlatform)
    const parts = new GrowableBytes(portablePlatform)
    const append = (bytes: Uint8Array): void => {
      parts.append(bytes, 0, bytes.length, 0)
      if (parts.length <= maxBufferedAmount) return
      throw notInBrowser(
        `send a message of more than maxBufferedAmount (${maxBufferedAmount} bytes) in pieces`,
        'It joins them first: send several messages',
      )
    }
    try {
      for (;;) {
        const step = await this.#orEnd(() => source.next())
        if (step.done === true) break
        append(encoder.encode(step.value))
      }
      append(encoder.end())
    } catch (error) {
      void stopSource(source)
      throw error
    }
    const bytes = parts.take()
    return encoder.opcode === Opcode.Text ? decode(bytes) : bytes
  }

  /** Wait for the next piece, or for the end of the connection, which rejects. */
  #orEnd<Value>(wait: () => Value | PromiseLike<Value>): Promise<Value> {
    return new Promise((resolve, reject) => {
      this.#endSource = () => reject(this.#host.closedError())
      if (this.#isFinished) this.#endSource()
      else Promise.resolve(wait()).then(resolve, reject)
    })
  }

  /** Break sources off, and send what waits behind them while that can be done: the connection is about to close. */
  finish(): void {
    this.#isFinished = true
    const canSend = this.#host.socket.readyState === OPEN
    const jobs = this.#jobs ?? []
    // A job is only under way while a source is waited for; it ends by itself.
    for (const job of jobs.splice(1)) {
      this.#queuedBytes -= job.size
      if (canSend && 'data' in job.message) {
        this.#host.socket.send(job.message.data)
        job.resolve()
      } else {
        this.#giveUp(job)
      }
    }
    this.#endSource?.()
  }

  #giveUp({ message, reject }: Job): void {
    if ('source' in message) void stopSource(message.source)
    reject(this.#host.closedError())
  }

  /** Nothing goes out any more. */
  closed(): void {
    this.#isFinished = true
    // What the browser has sent was not in vain.
    this.check()
    this.#isAboveMark = false
    this.#host.clock.clearTimeout(this.#timer)
    this.#endSource?.()
    for (const job of this.#jobs?.splice(1) ?? []) this.#giveUp(job)
    this.#queuedBytes = 0
    const senders = this.#senders
    this.#senders = []
    for (const sender of senders) sender.reject(this.#host.closedError())
  }

  // --- backpressure ---

  #afterSend(): Promise<void> {
    if (!this.#exceedsMark(0)) return RESOLVED
    this.#look()
    const promise = new Promise<void>((resolve, reject) => {
      this.#senders.push({ resolve, reject })
    })
    promise.catch(ignore)
    return promise
  }

  #exceedsMark(queued: number): boolean {
    return this.#host.socket.bufferedAmount + queued > this.#host.options.sendHighWaterMark
  }

  /** Begin to look whether the browser has sent enough. */
  #look(): void {
    if (this.#isAboveMark) return
    this.#isAboveMark = true
    this.#delay = SHORTEST_LOOK
    this.#lastAmount = this.#host.socket.bufferedAmount
    this.#lookLater()
  }

  #lookLater(): void {
    this.#timer = this.#host.clock.setTimeout(() => {
      const amount = this.#host.socket.bufferedAmount
      this.#delay = amount < this.#lastAmount ? SHORTEST_LOOK : Math.min(this.#delay * 2, LONGEST_LOOK)
      this.#lastAmount = amount
      this.check()
      if (this.#isAboveMark) this.#lookLater()
    }, this.#delay)
  }

  /** Let senders go on if they may. Also called when something comes: browsers slow timers down where nobody looks. */
  check(): void {
    if (!this.#isAboveMark || this.#exceedsMark(0)) return
    const senders = this.#senders
    this.#senders = []
    for (const sender of senders) sender.resolve()
    if (this.#exceedsMark(this.#queuedBytes)) return
    this.#isAboveMark = false
    this.#host.clock.clearTimeout(this.#timer)
    this.#host.drained()
  }

  /** Drop the connection when so much waits to be sent that the peer cannot be reading; true when that was done. */
  #isTooSlow(): boolean {
    if (!this.#isAboveMark && this.#jobs === undefined) return false
    const { bufferedAmount } = this
    if (bufferedAmount <= this.#host.options.maxBufferedAmount) return false
    this.#host.dropSlowConsumer(new ProtocolError('WS_SLOW_CONSUMER', `${bufferedAmount} bytes`))
    return true
  }

  #refuse(): Promise<never> {
    const promise = Promise.reject(this.#host.closedError())
    promise.catch(ignore)
    return promise
  }
}

/** Make of a whole message what a browser takes; `undefined` for what has to be joined first. */
function toOutgoing(message: Sendable, type: SendOptions['type']): Outgoing | undefined {
  if (typeof message === 'string') return type === 'binary' ? encodeText(message) : message
  if (message instanceof PreparedMessage) {
    return message.opcode === Opcode.Text ? decode(message.payload) : message.payload
  }
  if (isPiece(message)) {
    const bytes = toBytes(message as Exclude<Piece, string>)
    // Browsers send nothing out of memory that is shared.
    if (type !== 'text') return bytes.buffer instanceof ArrayBuffer ? bytes : bytes.slice()
    assertUtf8(bytes, portablePlatform)
    return decode(bytes)
  }
  // The browser reads it by itself, and need not have it in memory.
  if (type !== 'text' && typeof Blob === 'function' && message instanceof Blob) return message as Outgoing
  return undefined
}

/** Decode what is known to be UTF-8. */
function decode(bytes: Uint8Array): string {
  return portablePlatform.decodeUtf8(bytes, 0, bytes.length) ?? ''
}

function sizeOf(data: Outgoing): number {
  if (typeof data === 'string') return portablePlatform.utf8Length(data)
  return data instanceof Uint8Array ? data.length : data.size
}

function ignore(): void {}
