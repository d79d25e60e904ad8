// One attempt to connect, with what it may need anew: a URL, headers, a token that has to be fetched.

import type { Credentials } from '../client/credentials.ts'
import type { HeaderSource } from '../client/headers.ts'
import type { ConnectOptions } from '../client/options.ts'
import type { Connection } from '../connection/connection.ts'
import type { ConnectionHandler } from '../connection/handler.ts'
import { WebSocketTimeoutError } from '../errors.ts'
import type { Clock } from '../timing/clock.ts'

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

// As that of connect(): what the functions take is a part of opening too.
const OPEN_TIMEOUT = 10_000

/** Ask what this attempt needs, and connect. Rejects as `connect()` does, and with what a function threw. */
export async function connectOnce<Data>(
  connect: Connect,
  clock: Clock,
  url: PerAttempt<string | URL>,
  options: AttemptOptions<Data>,
  attempt: Attempt,
  handler?: ConnectionHandler<Data>,
): Promise<Connection<Data>> {
  const { credentials, headers, subprotocols, openTimeout = OPEN_TIMEOUT, ...others } = options
  const began = clock.now()
  const ask = <Value>(value: PerAttempt<Value>): Value | Promise<Value> =>
    typeof value === 'function' ? (value as (attempt: Attempt) => Value | Promise<Value>)(attempt) : value
  // Even what throws at once rejects here.
  const asking = async () =>
    Promise.all([ask(url), ask(credentials), ask(headers), ask(subprotocols)] as const)
  const hasFunction = [url, credentials, headers, subprotocols].some(isFunction)
  const [thisUrl, theseCredentials, theseHeaders, theseSubprotocols] = await (hasFunction
    ? within(asking(), openTimeout, attempt.signal, clock)
    : asking())
  // What is no number of ms is told by `connect`.
  const timeLeft = hasFunction ? Math.max(openTimeout - (clock.now() - began), 1) : openTimeout
  return connect<Data>(thisUrl, {
    ...others,
    openTimeout: timeLeft,
    signal: attempt.signal,
    ...(theseCredentials !== undefined && { credentials: theseCredentials }),
    ...(theseHeaders !== undefined && { headers: theseHeaders }),
    ...(theseSubprotocols !== undefined && { subprotocols: theseSubprotocols }),
    ...(handler !== undefined && { handler }),
  })
}

function isFunction(value: unknown): boolean {
  return typeof value === 'function'
}

/** Wait for a promise, but not longer than `timeout` ms, and not after the signal was aborted. */
function within<Value>(
  promise: Promise<Value>,
  timeout: number,
  signal: AbortSignal,
  clock: Clock,
): Promise<Value> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(signal.reason)
    const timer = clock.setTimeout(() => reject(new WebSocketTimeoutError('open', timeout)), timeout, true)
    signal.addEventListener('abort', onAbort)
    promise.then(resolve, reject).finally(() => {
      clock.clearTimeout(timer)
      signal.removeEventListener('abort', onAbort)
    })
    if (signal.aborted) onAbort()
  })
}
