// Time as an argument. This is the only file that asks the system for it, so tests can put a clock of their own
// in its place.

/** Give time. All times are in ms. */
export interface Clock {
  /** Monotonic time. On some systems it stands still while the machine sleeps. */
  now(): number
  /** The time of day, which goes on while the machine sleeps; without it, sleep is not noticed on some systems. */
  timeOfDay?(): number
  /** Call once after `delay` ms; the timer does not keep the process alive. */
  setTimeout(callback: () => void, delay: number): unknown
  clearTimeout(timer: unknown): void
  /** Call once after input that is already there was read. */
  afterInput(callback: () => void): void
}

/** The longest delay of Node's timers, in ms: they turn longer ones into 1 ms. */
export const LONGEST_DELAY: number = 2 ** 31 - 1

/** The system's clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  timeOfDay: () => Date.now(),
  setTimeout: (callback, delay) => setTimeout(callback, delay).unref(),
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
  afterInput: (callback) => {
    setImmediate(callback)
  },
}
