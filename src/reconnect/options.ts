// What a client that stays can be told about staying.

import { checkCount, checkDuration } from '../checks.ts'
import { type Backoff, exponentialBackoff, fixedBackoff } from '../timing/backoff.ts'
import { isTransient } from './transient.ts'

/** Choose when to try again, and when to give up. */
export interface RetryOptions {
  /**
   * The delays before the next attempts, in ms: a function that gives a fresh series, or one delay for all.
   * @default exponentialBackoff()
   */
  readonly backoff?: Backoff | number
  /**
   * Decide about a failure: true to try again, false to give up with this error. `error` is what `connect()` rejected
   * with, or a ConnectionClosedError with the `info` of a connection that was open; `failures` counts those in a row, this
   * one included.
   * @default isTransient
   */
  readonly shouldRetry?: (error: unknown, failures: number) => boolean | Promise<boolean>
  /**
   * Give up after so many failures in a row.
   * @default Infinity
   */
  readonly maxFailures?: number
  /**
   * Begin the series of delays anew once a connection was open for so long, in ms; one that ended sooner counts as a
   * failure, so that a server that accepts and drops is not hammered.
   * @default 5000
   */
  readonly stableAfter?: number
}

/** Hold the options with all defaults filled in. */
export interface ResolvedRetryOptions {
  readonly backoff: Backoff
  readonly shouldRetry: (error: unknown, failures: number) => boolean | Promise<boolean>
  readonly maxFailures: number
  readonly stableAfter: number
}

const STABLE_AFTER = 5000

/** Fill in defaults. Throw a TypeError or RangeError that names the option which is wrong. */
export function resolveRetryOptions(options: RetryOptions): ResolvedRetryOptions {
  const { shouldRetry = isTransient, maxFailures = Number.POSITIVE_INFINITY } = options
  if (typeof shouldRetry !== 'function') throw new TypeError('shouldRetry must be a function')
  return {
    backoff: resolveBackoff(options.backoff ?? exponentialBackoff()),
    shouldRetry,
    maxFailures:
      maxFailures === Number.POSITIVE_INFINITY ? maxFailures : checkCount('maxFailures', maxFailures, 1),
    stableAfter:
      options.stableAfter === 0 ? 0 : checkDuration('stableAfter', options.stableAfter ?? STABLE_AFTER),
  }
}

function resolveBackoff(backoff: Backoff | number): Backoff {
  if (typeof backoff === 'number') return fixedBackoff(backoff)
  if (typeof backoff !== 'function') {
    throw new TypeError('backoff must be a number of ms, or a function that gives a series of them')
  }
  return backoff
}
