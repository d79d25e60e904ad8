// From options to an iterable of connections: for Node and browsers alike.

import type { Connection } from '../connection/connection.ts'
import { type AttemptOptions, type Connect, connectOnce, type PerAttempt } from './attempt.ts'
import { type RetryOptions, resolveRetryOptions } from './options.ts'
import { Reconnection } from './reconnection.ts'
import { Reconnector, type Surroundings } from './reconnector.ts'

/** Set up `reconnect()`: all that a client can be told, but its handler, and when to try again. */
export interface ReconnectOptions<Data = unknown> extends AttemptOptions<Data>, RetryOptions {}

/** What surrounds a client that stays. */
export type ClientSurroundings = Omit<Surroundings<Connection>, 'dial'>

/** Make an iterable of connections. Throws a TypeError or RangeError that names a wrong option. */
export function makeReconnection<Data>(
  connect: Connect,
  surroundings: ClientSurroundings,
  url: PerAttempt<string | URL>,
  options: ReconnectOptions<Data>,
): Reconnection<Data> {
  const { backoff, shouldRetry, maxFailures, stableAfter, signal, ...others } = options
  const retry = resolveRetryOptions(options)
  const aborter = new AbortController()
  const reconnector = new Reconnector<Connection<Data>>(
    {
      ...surroundings,
      dial: (attempt) => connectOnce(connect, surroundings.clock, url, others, attempt),
    },
    retry,
    aborter.signal,
  )
  return new Reconnection(reconnector, aborter, signal)
}
