// One message in pieces, as somebody takes them: what came waits here, and a peer that is faster has to wait too.

import { ConnectionClosedError, StateError } from '../errors.ts'
import type { CloseInfo } from '../protocol/close-code.ts'
import type { Message } from '../protocol/message.ts'

/** Where a stream gets its message from. */
export interface StreamSource {
  /** Begin: from now on pieces come, or the stream is closed. Throw a StateError when somebody else receives. */
  beginStream(stream: MessageStream): void
  /** More was taken, so that there may be room again. */
  streamTaken(): void
  /** All is taken, or nobody wants more: forget what still comes. */
  endStream(stream: MessageStream): void
}

// One read brings up to 1 MiB at once; more than this much left over is enough to go on with.
const HIGH_WATER_MARK = 64 * 1024

interface Waiter {
  resolve(result: IteratorResult<Message, undefined>): void
  reject(error: unknown): void
}

const DONE: IteratorReturnResult<undefined> = { value: undefined, done: true }

/** Iterate over the pieces of one message. */
export class MessageStream implements AsyncIterableIterator<Message, undefined> {
  readonly #source: StreamSource
  readonly #signal: AbortSignal | undefined
  #state: 'new' | 'under way' | 'done' = 'new'
  #pieces: Message[] = []
  /** Units of strings and bytes of the others. */
  #waiting = 0
  #isComplete = false
  #info: CloseInfo | undefined
  #waiter: Waiter | undefined
  #wasAborted = false

  constructor(source: StreamSource, signal: AbortSignal | undefined) {
    this.#source = source
    this.#signal = signal
  }

  /** True while so much waits that no more should come. */
  get isFull(): boolean {
    return this.#waiting >= HIGH_WATER_MARK
  }

  // --- what the source brings ---

  piece(piece: Message, isEnd: boolean): void {
    this.#isComplete = isEnd
    if (piece.length > 0) {
      this.#pieces.push(piece)
      this.#waiting += piece.length
    }
    this.#serve()
  }

  closed(info: CloseInfo): void {
    this.#info = info
    this.#serve()
  }

  // --- what the user asks ---

  [Symbol.asyncIterator](): this {
    return this
  }

  async next(): Promise<IteratorResult<Message, undefined>> {
    if (this.#state === 'done' && !this.#wasAborted) return DONE
    // An abort that came while nobody waited is told once: a message that was cut off must not look whole.
    this.#wasAborted = false
    this.#signal?.throwIfAborted()
    if (this.#waiter !== undefined) throw new StateError('WS_CONCURRENT_RECEIVE')
    if (this.#state === 'new') {
      this.#source.beginStream(this)
      this.#state = 'under way'
      this.#signal?.addEventListener('abort', this.#onAbort)
    }
    return new Promise((resolve, reject) => {
      this.#waiter = { resolve, reject }
      this.#serve()
    })
  }

  // Leaving a loop early comes here: the rest is discarded, and the connection lives on.
  async return(): Promise<IteratorReturnResult<undefined>> {
    const waiter = this.#waiter
    this.#end()
    waiter?.resolve(DONE)
    return DONE
  }

  readonly #onAbort = (): void => {
    const waiter = this.#waiter
    this.#wasAborted = waiter === undefined
    this.#end()
    waiter?.reject(this.#signal!.reason)
  }

  #serve(): void {
    const waiter = this.#waiter
    if (waiter === undefined) return
    const piece = this.#pieces.shift()
    if (piece !== undefined) {
      this.#waiter = undefined
      this.#waiting -= piece.length
      waiter.resolve({ value: piece, done: false })
      this.#source.streamTaken()
    } else if (this.#isComplete) {
      this.#end()
      waiter.resolve(DONE)
    } else if (this.#info !== undefined) {
      const error = new ConnectionClosedError(this.#info)
      this.#end()
      waiter.reject(error)
    }
  }

  #end(): void {
    const wasUnderWay = this.#state === 'under way'
    this.#state = 'done'
    this.#waiter = undefined
    this.#pieces = []
    this.#waiting = 0
    this.#signal?.removeEventListener('abort', this.#onAbort)
    if (wasUnderWay) this.#source.endStream(this)
  }

  /** True once all pieces came. */
  get isComplete(): boolean {
    return this.#isComplete
  }
}
