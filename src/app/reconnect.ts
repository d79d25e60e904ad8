// reconnect(): connections to one place, one after the other, on Node.

import { connect } from '../client/connect.ts'
import type { PerAttempt } from '../reconnect/attempt.ts'
import { makeReconnection, type ReconnectOptions } from '../reconnect/make-reconnection.ts'
import type { Reconnection } from '../reconnect/reconnection.ts'
import { withSharedJar } from './shared-jar.ts'
import { nodeSurroundings } from './surroundings.ts'

/**
 * Keep connecting to a URL: iterate over connections, each of which comes when the one before has ended.
 *
 * A body that ends is followed by the next connection; leaving the loop closes the connection and ends it all. What
 * fails is tried again as `backoff` says, as long as `shouldRetry` thinks that it may pass (`isTransient` by default),
 * and a `Retry-After` is obeyed; else the loop throws it: what `connect()` rejects with, or ConnectionClosedError. `url`,
 * `headers`, `subprotocols` and `credentials` may be functions that are called anew for each attempt. When `signal`
 * aborts, the connection is closed and the loop throws the signal's reason. Throws a TypeError or RangeError that names
 * a wrong option. Answers to `async for websocket in connect(…)` of Python's websockets.
 *
 * @example
 * for await (const connection of reconnect('ws://localhost:8765/')) {
 *   await connection.send('Hello again')
 *   for await (const message of connection) console.log(message)
 * }
 */
export function reconnect<Data = unknown>(
  url: PerAttempt<string | URL>,
  options: ReconnectOptions<Data> = {},
): Reconnection<Data> {
  return makeReconnection(withSharedJar(connect), nodeSurroundings, url, options)
}
