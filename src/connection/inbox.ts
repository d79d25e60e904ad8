// The consumer behind receive() and `for await`: messages wait here, bounded, until somebody asks for them.

import { LONGEST_DELAY } from '../checks.ts'
import { ConnectionClosedError, StateError, WebSocketTimeoutError } from '../errors.ts'
import { type CloseInfo, isOrdinaryClose } from '../protocol/close-code.ts'
import type { Message } from '../protocol/message.ts'
import { type Clock, systemClock } from '../timing/clock.ts'
import type { Consumer } from './consumer.ts'
import { MessageQueue } from './message-queue.ts'
import { MessageStream, type StreamSource } from './message-stream.ts'

/** What an inbox asks of its connection. */
export interface Flow {
  /** Let no more come for now. */
  pauseParsing(): void
  resumeParsing(): void
  /** Bring the message that is coming in pieces, from its beginning; or the next, if none is. */
  takePieces(): void
  /** Forget the rest of the message that comes in pieces. */
  dropPieces(): void
  /** Refuse the message that is too large to be received whole, if one waits. */
  refuseHeld(): void
}

/** Wait for a message. */
export interface ReceiveOptions {
  /** Stop waiting when aborted; the message then goes to the next who asks. */
  readonly signal?: AbortSignal
  /** Longest time to wait, in ms; without it there is no limit. */
  readonly timeout?: number
}

interface Waiter {
  deliver(message: Message): void
  end(info: CloseInfo): void
}

/** Keep messages for receive() and loops. */
export class Inbox implements Consumer, StreamSource {
  readonly isAsync = true
  readonly #queue: MessageQueue
  readonly #flow: Flow
  readonly #clock: Clock
  #waiter: Waiter | undefined
  #stream: MessageStream | undefined
  #isPaused = false
  #info: CloseInfo | undefined

  constructor(high: number, low: number, flow: Flow, clock: Clock = systemClock) {
    this.#queue = new MessageQueue(high, low)
    this.#flow = flow
    this.#clock = clock
  }

  message(message: Message): void {
    const waiter = this.#waiter
    if (waiter !== undefined) {
      this.#waiter = undefined
      waiter.deliver(message)
      return
    }
    this.#queue.push(message)
    this.#settle()
  }

  piece(piece: Message, isEnd: boolean): void {
    this.#stream?.piece(piece, isEnd)
    this.#settle()
  }

  // Somebody may come and take it in pieces, unless somebody waits for it as a whole.
  takesOversize(): boolean {
    return this.#waiter === undefined
  }

  ping(): void {}
  pong(): void {}
  drain(): void {}
  resumed(): void {}

  closed(info: CloseInfo): void {
    this.#info = info
    this.#stream?.closed(info)
    const waiter = this.#waiter
    this.#waiter = undefined
    waiter?.end(info)
  }

  /** Resolve to the next message; reject with ConnectionClosedError when there will be none. */
  receive(options: ReceiveOptions = {}): Promise<Message> {
    const { signal, timeout } = options
    if (timeout !== undefined && !(timeout > 0)) {
      throw new RangeError(`timeout must be above 0 ms, not ${timeout}`)
    }
    if (signal?.aborted) return Promise.reject(signal.reason)
    if (this.#isReceiving) return Promise.reject(new StateError('WS_CONCURRENT_RECEIVE'))
    const message = this.#take()
    if (message !== undefined) return Promise.resolve(message)
    if (this.#info !== undefined) return Promise.reject(new ConnectionClosedError(this.#info))
    return new Promise((resolve, reject) => {
      const waiter: Waiter = {
        deliver: (message) => {
          cleanUp()
          resolve(message)
        },
        end: (info) => {
          cleanUp()
          reject(new ConnectionClosedError(info))
        },
      }
      const giveUp = (reason: unknown): void => {
        cleanUp()
        this.#waiter = undefined
        reject(reason)
      }
      const onAbort = (): void => giveUp(signal!.reason)
      const timer =
        timeout === undefined || timeout > LONGEST_DELAY
          ? undefined
          : this.#clock.setTimeout(() => giveUp(new WebSocketTimeoutError('receive', timeout)), timeout)
      const cleanUp = (): void => {
        this.#clock.clearTimeout(timer)
        signal?.removeEventListener('abort', onAbort)
      }
      signal?.addEventListener('abort', onAbort)
      this.#waiter = waiter
      this.#flow.refuseHeld()
    })
  }

  /** Iterate over messages: ends after an ordinary close (1000, 1001 or no code) and throws otherwise. */
  iterate(): AsyncIterableIterator<Message> {
    let isDone = false
    let waiter: Waiter | undefined
    let giveUp: (() => void) | undefined
    const iterator: AsyncIterableIterator<Message> = {
      next: () => {
        if (isDone) return Promise.resolve({ value: undefined, done: true })
        if (this.#isReceiving) return Promise.reject(new StateError('WS_CONCURRENT_RECEIVE'))
        const message = this.#take()
        if (message !== undefined) return Promise.resolve({ value: message, done: false })
        if (this.#info !== undefined) {
          isDone = true
          return endOfIteration(this.#info)
        }
        return new Promise((resolve) => {
          giveUp = () => resolve({ value: undefined, done: true })
          waiter = {
            deliver: (message) => resolve({ value: message, done: false }),
            end: (info) => {
              isDone = true
              resolve(endOfIteration(info))
            },
          }
          this.#waiter = waiter
          this.#flow.refuseHeld()
        })
      },
      return: () => {
        isDone = true
        // What was still waited for goes to the next who asks.
        if (waiter !== undefined && this.#waiter === waiter) {
          this.#waiter = undefined
          giveUp?.()
        }
        return Promise.resolve({ value: undefined, done: true })
      },
      [Symbol.asyncIterator]: () => iterator,
    }
    return iterator
  }

  #take(): Message | undefined {
    const message = this.#queue.take()
    this.#settle()
    return message
  }

  /** True while somebody waits, or takes a message in pieces. */
  get #isReceiving(): boolean {
    return this.#waiter !== undefined || this.#stream !== undefined
  }

  // --- messages in pieces ---

  /** Take the next message in pieces. */
  receiveStream(signal?: AbortSignal): MessageStream {
    return new MessageStream(this, signal)
  }

  beginStream(stream: MessageStream): void {
    if (this.#isReceiving) throw new StateError('WS_CONCURRENT_RECEIVE')
    const message = this.#take()
    this.#stream = stream
    if (message !== undefined) stream.piece(message, true)
    else if (this.#info !== undefined) stream.closed(this.#info)
    else this.#flow.takePieces()
  }

  streamTaken(): void {
    this.#settle()
  }

  endStream(stream: MessageStream): void {
    this.#stream = undefined
    if (!stream.isComplete && this.#info === undefined) this.#flow.dropPieces()
    this.#settle()
  }

  /** Have the peer wait while too much is here. */
  #settle(): void {
    const shouldPause = this.#queue.isFull || this.#stream?.isFull === true
    if (shouldPause === this.#isPaused) return
    this.#isPaused = shouldPause
    if (shouldPause) this.#flow.pauseParsing()
    else this.#flow.resumeParsing()
  }
}

function endOfIteration(info: CloseInfo): Promise<IteratorReturnResult<undefined>> {
  return isOrdinaryClose(info.code)
    ? Promise.resolve({ value: undefined, done: true })
    : Promise.reject(new ConnectionClosedError(info))
}
