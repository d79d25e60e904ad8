// Has the machine slept? While it does, timers stand still and connections die without a word; the time of day shows it.

import { type Clock, systemClock } from './clock.ts'

/** Tell of moments after which nothing can be taken for granted. */
export interface WakeUps {
  /** Call each time; give a function that stops it. */
  subscribe(callback: () => void): () => void
}

/** How often the time of day is looked at: after waking up it takes this long until it is noticed, in ms. */
const INTERVAL = 1000
/** What is missing must be more than a loop is blocked for, or a clock is corrected by, in ms. */
const LEAST_SLEEP = 4000

/** Notice that the time of day ran on without us. One timer serves all who asked, and none runs while nobody does. */
export class SleepWatch implements WakeUps {
  readonly #clock: Clock
  readonly #callbacks = new Set<() => void>()
  #timer: unknown
  #lastLook = 0

  constructor(clock: Clock) {
    this.#clock = clock
  }

  subscribe(callback: () => void): () => void {
    // The same function twice is two subscriptions.
    const call = (): void => callback()
    this.#callbacks.add(call)
    if (this.#timer === undefined) this.#look()
    return () => {
      this.#callbacks.delete(call)
      if (this.#callbacks.size > 0) return
      this.#clock.clearTimeout(this.#timer)
      this.#timer = undefined
    }
  }

  #look(): void {
    this.#lastLook = this.#clock.timeOfDay()
    this.#timer = this.#clock.setTimeout(() => this.#compare(), INTERVAL)
  }

  #compare(): void {
    const isAwakened = this.#clock.timeOfDay() - this.#lastLook >= INTERVAL + LEAST_SLEEP
    this.#look()
    if (isAwakened) for (const call of [...this.#callbacks]) call()
  }
}

/** The watch of this process. */
export const systemSleepWatch: SleepWatch = new SleepWatch(systemClock)
