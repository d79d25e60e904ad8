// Time as an argument. This is the only file that asks the system for it, so tests can put a clock of their own
// in its place.

/** Give time. All times are in ms. */
export interface Clock {
  /** Monotonic time. It may stand still while the machine sleeps. */
  now(): number
  /** The time of day, in ms since 1970. It goes on while the machine sleeps, and jumps when somebody sets it. */
  timeOfDay(): number
  /** Call once after `delay` ms. The timer keeps the process alive only when told so. */
  setTimeout(callback: () => void, delay: number, keepsAlive?: boolean): unknown
  clearTimeout(timer: unknown): void
  /** Call once after input that is already there was read. */
  afterInput(callback: () => void): void
}

/** The system's clock. */
export const systemClock: Clock = {
  now: () => performance.now(),
  timeOfDay: () => Date.now(),
  setTimeout: (callback, delay, keepsAlive = false) => {
    const timer = setTimeout(callback, delay)
    // In browsers a timer is a number, and there is no process that it could keep alive.
    return keepsAlive || typeof timer !== 'object' ? timer : timer.unref()
  },
  clearTimeout: (timer) => clearTimeout(timer as NodeJS.Timeout),
  afterInput: (callback) => {
    if (typeof setImmediate === 'function') setImmediate(callback)
    // Browsers have no such phase: what came has its events queued before this.
    else setTimeout(callback)
  },
}
