// Time that passes when a test says so.

import type { Clock } from '../timing/clock.ts'

interface FakeTimer {
  readonly due: number
  readonly callback: () => void
}

/** More than a chain of promises that leads to a timer has. */
const MICROTASKS = 50

/** Be a clock that only `advance` moves. */
export class FakeClock implements Clock {
  #now = 0
  #asleep = 0
  readonly #timers = new Set<FakeTimer>()

  now(): number {
    return this.#now
  }

  timeOfDay(): number {
    return this.#now + this.#asleep
  }

  setTimeout(callback: () => void, delay: number): unknown {
    const timer = { due: this.#now + delay, callback }
    this.#timers.add(timer)
    return timer
  }

  clearTimeout(timer: unknown): void {
    this.#timers.delete(timer as FakeTimer)
  }

  afterInput(callback: () => void): void {
    setImmediate(callback)
  }

  /** Let `ms` pass, timer by timer, and give promises and input time to settle after each. */
  async advance(ms: number): Promise<void> {
    const end = this.#now + ms
    // Promises that are under way may set timers first; what is on other threads has no part in that.
    for (let round = 0; round < MICROTASKS; round++) await undefined
    for (let next = this.#next(end); next !== undefined; next = this.#next(end)) {
      this.#timers.delete(next)
      this.#now = next.due
      next.callback()
      await settle()
    }
    this.#now = end
    await settle()
  }

  /** Let `ms` pass at once, as when the process was stopped: timers fire late. */
  async jump(ms: number): Promise<void> {
    this.#now += ms
    for (let next = this.#next(this.#now); next !== undefined; next = this.#next(this.#now)) {
      this.#timers.delete(next)
      next.callback()
    }
    await settle()
  }

  /** Let the machine sleep for `ms`: only the time of day goes on. */
  sleep(ms: number): void {
    this.#asleep += ms
  }

  #next(until: number): FakeTimer | undefined {
    let earliest: FakeTimer | undefined
    for (const timer of this.#timers) {
      if (timer.due <= until && (earliest === undefined || timer.due < earliest.due)) earliest = timer
    }
    return earliest
  }
}

async function settle(): Promise<void> {
  for (let turn = 0; turn < 4; turn++) await new Promise((resolve) => setImmediate(resolve))
}
