// reconnect() in a browser: connections to one place, one after the other.

import type { PerAttempt } from '../reconnect/attempt.ts'
import { makeReconnection, type ReconnectOptions } from '../reconnect/make-reconnection.ts'
import type { Reconnection } from '../reconnect/reconnection.ts'
import { connect } from './connect.ts'
import { browserSurroundings } from './surroundings.ts'

/** Keep connecting to a URL as `reconnect` of the build for Node does, and at once when the page wakes up. */
export function reconnect<Data = unknown>(
  url: PerAttempt<string | URL>,
  options: ReconnectOptions<Data> = {},
): Reconnection<Data> {
  return makeReconnection(connect, browserSurroundings, url, options)
}
