// The time by which the message that is coming must be complete: a peer that begins messages and never ends them would
// hold memory for ever.

import type { TimerTask, TimerWheel } from '../timing/timer-wheel.ts'

/** Be told when a message takes too long. */
export interface MessageDeadlineTarget {
  /** True while we do not read: the rest of the message may lie before our door. */
  readonly isReadingPaused: boolean
  messageTimedOut(): void
}

/** Watch one message. */
export class MessageDeadline implements TimerTask {
  due: number | undefined = undefined
  readonly #wheel: TimerWheel
  readonly #timeout: number
  readonly #target: MessageDeadlineTarget

  constructor(wheel: TimerWheel, timeout: number, target: MessageDeadlineTarget) {
    this.#wheel = wheel
    this.#timeout = timeout
    this.#target = target
    wheel.schedule(this, timeout)
  }

  onTimer(): void {
    if (this.#target.isReadingPaused) this.#wheel.schedule(this, this.#timeout)
    else this.#target.messageTimedOut()
  }

  stop(): void {
    this.#wheel.cancel(this)
  }
}
