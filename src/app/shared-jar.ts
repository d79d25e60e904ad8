// One jar for all connections of a client that stays: what a server set when it was first seen goes to it the next time.

import { type CookieJar, createCookieJar } from '../client/cookies.ts'
import type { ConnectOptions } from '../client/options.ts'
import type { Connect } from '../reconnect/attempt.ts'

/** Make a `connect` that has one jar for all calls with `cookies: true`. It is made by the first of them. */
export function withSharedJar(
  connect: Connect,
  makeJar: () => Promise<CookieJar> = createCookieJar,
): Connect {
  let jar: Promise<CookieJar> | undefined
  return async <Data>(url: string | URL, options: ConnectOptions<Data>) => {
    if (options.cookies !== true) return connect(url, options)
    jar ??= makeJar()
    return connect(url, { ...options, cookies: await jar })
  }
}
