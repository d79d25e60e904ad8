// What is to be sent while there is no connection: messages wait here, bounded, and nothing is dropped without a word.

import { checkCount } from '../checks.ts'
import {
  discard,
  isPiece,
  type Piece,
  type Sendable,
  type SendOptions,
  toBytes,
} from '../connection/sendable.ts'
import { StateError } from '../errors.ts'
import { PreparedMessage } from '../protocol/prepared-message.ts'

/** Bound what may wait while there is no connection. */
export interface OutboxOptions {
  /**
   * Messages that may wait.
   * @default 1000
   */
  readonly maxMessages?: number
  /**
   * Bytes that may wait; a text counts as the bytes of its UTF-8, a source of pieces as none.
   * @default 1 MiB
   */
  readonly maxBytes?: number
  /**
   * What to drop when there is no room: the message that was to be added, or those that have waited longest.
   * @default 'drop-newest'
   */
  readonly overflow?: 'drop-newest' | 'drop-oldest'
}

/** Say why a message was dropped that waited for a connection. */
export type DropReason = 'overflow' | 'closed'

/** Tell of a message that was dropped. */
export type OnDrop = (message: Sendable, reason: DropReason) => void

interface Entry {
  readonly message: Sendable
  readonly options: SendOptions | undefined
  readonly size: number
  resolve(): void
  reject(error: unknown): void
}

const MAX_MESSAGES = 1000
const MAX_BYTES = 1024 * 1024

/** Keep messages in order until somebody sends them. */
export class Outbox {
  readonly #maxMessages: number
  readonly #maxBytes: number
  readonly #dropsOldest: boolean
  readonly #onDrop: OnDrop
  #entries: Entry[] = []
  #bytes = 0

  /** Throws a TypeError or RangeError that names a wrong option. `onDrop` must not throw. */
  constructor(options: OutboxOptions, onDrop: OnDrop) {
    const { overflow = 'drop-newest' } = options
    if (overflow !== 'drop-newest' && overflow !== 'drop-oldest') {
      throw new TypeError(`outbox.overflow must be 'drop-newest' or 'drop-oldest', not ${String(overflow)}`)
    }
    this.#maxMessages = checkCount('outbox.maxMessages', options.maxMessages ?? MAX_MESSAGES, 0)
    this.#maxBytes = checkCount('outbox.maxBytes', options.maxBytes ?? MAX_BYTES, 0)
    this.#dropsOldest = overflow === 'drop-oldest'
    this.#onDrop = onDrop
  }

  /** Messages that wait. */
  get length(): number {
    return this.#entries.length
  }

  /** Bytes that wait. */
  get bytes(): number {
    return this.#bytes
  }

  /**
   * Add a message. Resolves when a connection has taken it; rejects with StateError `WS_OUTBOX_FULL` or
   * `WS_OUTBOX_CLOSED` when it is dropped, and as `send` does. Throws a TypeError for what is no message.
   */
  add(message: Sendable, options: SendOptions | undefined): Promise<void> {
    const size = sizeOf(message)
    const promise = new Promise<void>((resolve, reject) => {
      const entry: Entry = { message, options, size, resolve, reject }
      if (this.#dropsOldest && this.#couldHold(size))
        while (!this.#hasRoom(size)) this.#drop(this.#shift()!, 'overflow')
      if (!this.#hasRoom(size)) {
        this.#drop(entry, 'overflow')
        return
      }
      this.#entries.push(entry)
      this.#bytes += size
    })
    // Nobody has to look at what becomes of a message.
    promise.catch(ignore)
    return promise
  }

  /**
   * Send what waits, in order, for as long as `isOpen` says so. A message leaves the outbox before it is sent, so that
   * none goes out twice: from then on the connection answers for it.
   */
  async flush(
    isOpen: () => boolean,
    send: (message: Sendable, options: SendOptions | undefined) => Promise<void>,
  ): Promise<void> {
    while (this.#entries.length > 0 && isOpen()) {
      const entry = this.#shift()!
      try {
        await send(entry.message, entry.options)
        entry.resolve()
      } catch (error) {
        entry.reject(error)
      }
    }
  }

  /** Drop all that waits: there will be no connection. */
  close(): void {
    for (const entry of this.#entries.splice(0)) this.#drop(entry, 'closed')
    this.#bytes = 0
  }

  #couldHold(size: number): boolean {
    return size <= this.#maxBytes && this.#maxMessages > 0
  }

  #hasRoom(size: number): boolean {
    return this.#entries.length < this.#maxMessages && this.#bytes + size <= this.#maxBytes
  }

  #shift(): Entry | undefined {
    const entry = this.#entries.shift()
    if (entry !== undefined) this.#bytes -= entry.size
    return entry
  }

  #drop({ message, reject }: Entry, reason: DropReason): void {
    reject(new StateError(reason === 'overflow' ? 'WS_OUTBOX_FULL' : 'WS_OUTBOX_CLOSED'))
    this.#onDrop(message, reason)
    try {
      discard(message)
    } catch {
      // A source that is in use elsewhere: its user lets go of it.
    }
  }
}

/** Count the bytes of a message. Throws a TypeError for what is none. */
function sizeOf(message: Sendable): number {
  if (typeof message === 'string') return utf8Length(message)
  if (isPiece(message)) return toBytes(message as Exclude<Piece, string>).length
  if (message instanceof PreparedMessage) return message.payload.length
  if (typeof message === 'object' && message !== null) {
    if (Symbol.iterator in message || Symbol.asyncIterator in message || 'stream' in message) return 0
    if ('getReader' in message) return 0
  }
  throw new TypeError('a message must be a string, bytes, or something that brings them piece by piece')
}

/** Count without encoding: two bytes for what is below U+0800, three above, four for a pair of surrogates. */
function utf8Length(text: string): number {
  let length = text.length
  for (let i = 0; i < text.length; i++) {
    const unit = text.charCodeAt(i)
    if (unit < 0x80) continue
    length += unit < 0x800 || (unit >= 0xd800 && unit <= 0xdfff) ? 1 : 2
  }
  return length
}

function ignore(): void {}
