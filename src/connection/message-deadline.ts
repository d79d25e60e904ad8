// The time by which the message that is coming must be complete: a peer that begins messages and never ends them would
// hold memory for ever. A loop of ours that stood still is not the peer's fault.

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
  #isStopped = false
  /** When the timer should fire, on a clock that does not stand still while the machine sleeps. */
  #expected = 0
  readonly #wheel: TimerWheel
  readonly #timeout: number
  readonly #target: MessageDeadlineTarget

  constructor(wheel: TimerWheel, timeout: number, target: MessageDeadlineTarget) {
    this.#wheel = wheel
    this.#timeout = timeout
    this.#target = target
    this.#schedule(timeout)
  }

  onTimer(): void {
    // The rest of the message may lie in the system because our loop was busy.
    this.#wheel.clock.afterInput(() => this.#judge())
  }

  #judge(): void {
    if (this.#isStopped) return
    const late = this.#wheel.clock.now() + this.#wheel.timeAsleep - this.#expected
    if (this.#target.isReadingPaused) this.#schedule(this.#timeout)
    else if (late > this.#timeout / 4) this.#schedule(Math.min(late, this.#timeout))
    else this.#target.messageTimedOut()
  }

  #schedule(delay: number): void {
    this.#expected = this.#wheel.clock.now() + this.#wheel.timeAsleep + delay
    this.#wheel.schedule(this, delay)
  }

  stop(): void {
    this.#isStopped = true
    this.#wheel.cancel(this)
  }
}
