// Checks of what users give, each of which names what is wrong. A leaf: it imports nothing.

/** The longest delay of Node's timers, in ms: they turn longer ones into 1 ms. */
export const LONGEST_DELAY: number = 2 ** 31 - 1

/** Check a duration in ms and return it, `Infinity` for `false`. Throw naming the option. */
export function checkDuration(name: string, value: number | false): number {
  if (value === false) return Number.POSITIVE_INFINITY
  if (typeof value !== 'number')
    throw new TypeError(`${name} must be a number of ms or false, not ${typeof value}`)
  if (!(value > 0) || value > LONGEST_DELAY) {
    throw new RangeError(`${name} must be above 0 and at most ${LONGEST_DELAY} ms, not ${value}`)
  }
  return value
}

/** Check a whole number and return it. Throw naming the option. */
export function checkCount(name: string, value: number, least: number): number {
  if (typeof value !== 'number') throw new TypeError(`${name} must be a number, not ${typeof value}`)
  if (!Number.isSafeInteger(value) || value < least) {
    throw new RangeError(`${name} must be a whole number of at least ${least}, not ${value}`)
  }
  return value
}

/** Throw a TypeError unless this is an AbortSignal, of this realm or another, or none. */
export function checkSignal(signal: AbortSignal | undefined): void {
  if (signal === undefined) return
  if (typeof signal?.aborted !== 'boolean' || typeof signal.addEventListener !== 'function') {
    throw new TypeError('signal must be an AbortSignal')
  }
}

/** Call when the signal aborts, or now if it has; give a function that stops it. Throw a TypeError for what is no signal. */
export function follow(signal: AbortSignal | undefined, call: (reason: unknown) => void): () => void {
  checkSignal(signal)
  if (signal === undefined) return () => {}
  const onAbort = (): void => call(signal.reason)
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort)
  return () => signal.removeEventListener('abort', onAbort)
}
