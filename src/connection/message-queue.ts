// Messages that came and wait for receive() or a loop. Tells when it is too full and when it has room again;
// what is done about that is the connection's business.

import type { Message } from '../protocol/message.ts'

/** Queue messages between high- and low-water mark. */
export class MessageQueue {
  readonly #high: number
  readonly #low: number
  #messages: Message[] = []
  /** Messages before this index were taken; shifting an array for each would be slow for long queues. */
  #next = 0
  #isFull = false

  constructor(high: number, low: number) {
    this.#high = high
    this.#low = low
  }

  get length(): number {
    return this.#messages.length - this.#next
  }

  /** True from reaching the high-water mark until falling to the low one. */
  get isFull(): boolean {
    return this.#isFull
  }

  push(message: Message): void {
    this.#messages.push(message)
    if (this.length >= this.#high) this.#isFull = true
  }

  /** Take the oldest message; `undefined` when there is none. */
  take(): Message | undefined {
    if (this.#next === this.#messages.length) return undefined
    const message = this.#messages[this.#next]!
    this.#messages[this.#next++] = ''
    if (this.#next === this.#messages.length) {
      this.#messages = []
      this.#next = 0
    }
    if (this.#isFull && this.length <= this.#low) this.#isFull = false
    return message
  }
}
