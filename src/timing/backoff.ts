// How long to wait before the next attempt: series of delays in ms, without an end. Pure: randomness is an argument.

/** Give the delays before the second attempt, the third, and so on, in ms. */
export type Backoff = () => Iterable<number>

/** Shape a series of delays. */
export interface BackoffOptions {
  /**
   * The first delay, in ms.
   * @default 1000
   */
  readonly initial?: number
  /**
   * The longest delay, in ms.
   * @default 60_000
   */
  readonly max?: number
  /**
   * Where randomness comes from: a number from 0 up to 1.
   * @default Math.random
   */
  readonly random?: () => number
}

// Short enough that a restart of a server is hardly noticed, and long enough that many clients spread.
const INITIAL = 1000
// A minute: what a person waits for without reloading.
const MAX = 60_000
// The ratio of websockets' own series: slower than doubling, so that a short outage costs little.
const FACTOR = 1.618
const SPREAD = 3

/**
 * Make delays that grow by a factor (1.618 by default), each of them drawn anywhere between 0 and that: full jitter, which
 * spreads the clients of a server that comes back. Throws a RangeError for options that make no series.
 */
export function exponentialBackoff(options: BackoffOptions & { readonly factor?: number } = {}): Backoff {
  const { initial, max, random } = check(options)
  const { factor = FACTOR } = options
  if (!(factor >= 1)) throw new RangeError(`factor must be at least 1, not ${factor}`)
  return function* () {
    for (let delay = initial; ; delay = Math.min(delay * factor, max)) yield random() * Math.min(delay, max)
  }
}

/**
 * Make delays that are drawn between the first one and three times the last: decorrelated jitter, which never comes too
 * near to 0. Throws a RangeError for options that make no series.
 */
export function decorrelatedBackoff(options: BackoffOptions = {}): Backoff {
  const { initial, max, random } = check(options)
  return function* () {
    let delay = initial
    for (;;) {
      delay = Math.min(initial + random() * (delay * SPREAD - initial), max)
      yield delay
    }
  }
}

/** Make delays that grow like Fibonacci's numbers, without jitter. Throws a RangeError for options that make no series. */
export function fibonacciBackoff(options: Omit<BackoffOptions, 'random'> = {}): Backoff {
  const { initial, max } = check(options)
  return function* () {
    let [delay, next] = [initial, initial]
    for (;;) {
      yield Math.min(delay, max)
      ;[delay, next] = [next, Math.min(delay + next, max)]
    }
  }
}

/** Make delays that are all the same. Throws a RangeError for a delay below 0. */
export function fixedBackoff(delay: number): Backoff {
  if (!(delay >= 0)) throw new RangeError(`a delay must be at least 0 ms, not ${delay}`)
  return function* () {
    for (;;) yield delay
  }
}

function check({
  initial = INITIAL,
  max = MAX,
  random = Math.random,
}: BackoffOptions): Required<BackoffOptions> {
  if (!(initial > 0)) throw new RangeError(`initial must be above 0 ms, not ${initial}`)
  if (!(max >= initial)) throw new RangeError(`max (${max}) must be at least initial (${initial})`)
  return { initial, max, random }
}
