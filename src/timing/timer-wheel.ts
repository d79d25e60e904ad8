// One timer for all connections. Thousands of heartbeats and deadlines are sorted into slots of time, and only
// the next slot has a timer of the runtime.

import { LONGEST_DELAY } from '../checks.ts'
import { type Clock, systemClock } from './clock.ts'

/** Be called when the time has come. */
export interface TimerTask {
  /** The wheel's note of when it will call, in a place that costs less than a map of all tasks. */
  due?: number | undefined
  onTimer(): void
}

/** Tell of a time in which this process did nothing: stopped, asleep with its machine, or busy in one turn. */
export interface Standstill {
  /** How long, in ms, at least. */
  readonly duration: number
  /** When it was over, on the wheel's clock. */
  readonly endedAt: number
}

/** A standstill of less than this is an ordinary delay, in ms. */
const STANDSTILL = 1000

// Long delays are gathered more coarsely: nobody minds 100 ms in 20 s, and it makes a tenth of the wake-ups.
const COARSE_FROM = 1000
const COARSE_SLOT = 100
const FINE_SLOT = 10

/** Call tasks after a delay, at most one slot late. A task is scheduled at most once. */
export class TimerWheel {
  readonly #clock: Clock
  /** Tasks by the time of their slot. */
  readonly #slots = new Map<number, Set<TimerTask>>()
  #timer: unknown
  #timerDue = Number.POSITIVE_INFINITY
  /** The time of day less the monotonic time, when both were looked at last: it grows while the machine sleeps. */
  #dayOffset: number | undefined
  #timeAsleep = 0
  #standstill: Standstill | undefined

  constructor(clock: Clock) {
    this.#clock = clock
  }

  get clock(): Clock {
    return this.#clock
  }

  /**
   * ms for which the machine slept since the wheel began, where monotonic time stands still meanwhile; where it goes
   * on, timers come late instead. A clock that was set forward looks the same.
   */
  get timeAsleep(): number {
    this.#compareClocks()
    return this.#timeAsleep
  }

  /** The last standstill of a second or more that was noticed. */
  get lastStandstill(): Standstill | undefined {
    this.#compareClocks()
    return this.#standstill
  }

  #compareClocks(): void {
    const clock = this.#clock
    const now = clock.now()
    const offset = clock.timeOfDay() - now
    const asleep = offset - (this.#dayOffset ?? offset)
    this.#dayOffset = offset
    if (asleep < STANDSTILL) return
    this.#timeAsleep += asleep
    this.#standstill = { duration: asleep, endedAt: now }
  }

  /** Call the task once after `delay` ms; an earlier schedule of the same task is replaced. */
  schedule(task: TimerTask, delay: number): void {
    this.cancel(task)
    const width = delay >= COARSE_FROM ? COARSE_SLOT : FINE_SLOT
    const due = Math.ceil((this.#clock.now() + delay) / width) * width
    task.due = due
    const slot = this.#slots.get(due)
    if (slot !== undefined) slot.add(task)
    else this.#slots.set(due, new Set([task]))
    if (due < this.#timerDue) this.#arm(due)
  }

  /** Forget the task. */
  cancel(task: TimerTask): void {
    const { due } = task
    if (due === undefined) return
    task.due = undefined
    const slot = this.#slots.get(due)
    // A slot whose tasks are being called is no longer among the slots.
    if (slot?.delete(task) && slot.size === 0) this.#slots.delete(due)
  }

  #arm(due: number): void {
    if (this.#timer !== undefined) this.#clock.clearTimeout(this.#timer)
    this.#timerDue = due
    this.#compareClocks()
    // A slot may lie behind the longest delay: then the timer comes early, and is set again.
    const delay = Math.min(Math.max(0, due - this.#clock.now()), LONGEST_DELAY)
    this.#timer = this.#clock.setTimeout(() => this.#fire(), delay)
  }

  #fire(): void {
    const now = this.#clock.now()
    const late = now - this.#timerDue
    this.#timer = undefined
    this.#timerDue = Number.POSITIVE_INFINITY
    this.#compareClocks()
    if (late >= STANDSTILL) this.#standstill = { duration: late, endedAt: now }
    const ripe = [...this.#slots].filter(([due]) => due <= now).sort(([one], [other]) => one - other)
    for (const [due, tasks] of ripe) {
      this.#slots.delete(due)
      for (const task of tasks) {
        // A task that ran before may have cancelled or moved this one.
        if (task.due !== due) continue
        task.due = undefined
        task.onTimer()
      }
    }
    let next = Number.POSITIVE_INFINITY
    for (const due of this.#slots.keys()) if (due < next) next = due
    if (next < this.#timerDue) this.#arm(next)
  }
}

/** The wheel of this process. */
export const systemWheel: TimerWheel = new TimerWheel(systemClock)
