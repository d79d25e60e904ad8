// One attempt to connect, with what it may need anew: a URL, headers, a token that has to be fetched.

import { follow } from '../checks.ts'
import type { Credentials } from '../client/credentials.ts'
import type { HeaderSource } from '../client/headers.ts'
import type { ConnectOptions } from '../client/options.ts'
import type { Connection } from '../connection/connection.ts'
import type { ConnectionHandler } from '../connection/handler.ts'
import { resolveOpenTimeout } from '../connection/portable-options.ts'
import { WebSocketTimeoutError } from '../errors.ts'
import type { Clock } from '../timing/clock.ts'
import { untilAborted } from './until-aborted.ts'

/** Hold what is known when an attempt begins. */
export interface Attempt {
  /** 1 for the first, and for the first after a connection that was stable. */
  readonly number: number
  /** Why there is no connection any more: the last failure; `undefined` before the first. */
  readonly error: unknown
  /** Aborts when nobody waits for this attempt any more. */
  readonly signal: AbortSignal
}

/** Take a value, or a function, async or not, that gives one for each attempt. */
export type PerAttempt<Value> = Value | ((attempt: Attempt) => Value | Promise<Value>)

/** Set up the connections of a client that stays: what an attempt may need anew can be a function. */
export interface AttemptOptions<Data = unknown>
  extends Omit<ConnectOptions<Data>, 'credentials' | 'headers' | 'subprotocols' | 'handler' | 'socket'> {
  readonly credentials?: PerAttempt<Credentials | undefined>
  readonly headers?: PerAttempt<HeaderSource | undefined>
  readonly subprotocols?: PerAttempt<readonly string[] | undefined>
}

/** Open a connection, as `connect()` does. */
export type Connect = <Data>(url: string | URL, options: ConnectOptions<Data>) => Promise<Connection<Data>>

/** Ask what this attempt needs, and connect. Rejects as `connect()` does, and with what a function threw. */
export async function connectOnce<Data>(
  connect: Connect,
  clock: Clock,
  url: PerAttempt<string | URL>,
  options: AttemptOptions<Data>,
  attempt: Attempt,
  handler?: ConnectionHandler<Data>,
): Promise<Connection<Data>> {
  const { credentials, headers, subprotocols, ...others } = options
  // What the functions take is a part of opening too.
  const openTimeout = resolveOpenTimeout(options.openTimeout)
  const began = clock.now()
  const aborter = new AbortController()
  const unfollow = follow(attempt.signal, (reason) => aborter.abort(reason))
  const asked: Attempt = { ...attempt, signal: aborter.signal }
  // Async, so that what one throws at once does not leave the promises of the others behind.
  const ask = async <Value>(value: PerAttempt<Value>): Promise<Value> =>
    typeof value === 'function' ? (value as (attempt: Attempt) => Value | Promise<Value>)(asked) : value
  try {
    const [thisUrl, theseCredentials, theseHeaders, theseSubprotocols] = await within(
      Promise.all([ask(url), ask(credentials), ask(headers), ask(subprotocols)] as const),
      openTimeout,
      aborter.signal,
      clock,
    )
    return await connect<Data>(thisUrl, {
      ...others,
      openTimeout: Math.max(openTimeout - (clock.now() - began), 1),
      signal: aborter.signal,
      ...(theseCredentials !== undefined && { credentials: theseCredentials }),
      ...(theseHeaders !== undefined && { headers: theseHeaders }),
      ...(theseSubprotocols !== undefined && { subprotocols: theseSubprotocols }),
      ...(handler !== undefined && { handler }),
    })
  } catch (error) {
    // Such as the time that is over: functions that have not come to their end need not go on.
    aborter.abort(error)
    throw error
  } finally {
    unfollow()
  }
}

/** Wait for a promise, but not longer than `timeout` ms, and not after the signal was aborted. */
function within<Value>(
  promise: Promise<Value>,
  timeout: number,
  signal: AbortSignal,
  clock: Clock,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const timer = clock.setTimeout(() => reject(new WebSocketTimeoutError('open', timeout)), timeout, true)
    const settle = (): void => clock.clearTimeout(timer)
    untilAborted(promise, signal).then(resolve, reject).finally(settle)
  })
}
