// Cookies: what a jar has for an address goes into the request, and what the server sets goes into the jar. A jar
// belongs to whoever made it; there is none for the whole process.

import type { WebSocketUrl } from '../handshake/url.ts'
import { importOptional } from './optional-package.ts'

/** Keep cookies: a `CookieJar` of tough-cookie, or any object with these two methods. Addresses are `http:` or `https:`. */
export interface CookieJar {
  /** Give the cookies for an address as the value of a Cookie header; empty without any. */
  getCookieString(url: string): string | Promise<string>
  /** Take the value of one Set-Cookie header. What this throws or rejects with is no error: the cookie is not kept. */
  setCookie(cookie: string, url: string): unknown
}

/** Check the option. Throw a TypeError. */
export function checkCookies(cookies: boolean | string | CookieJar): void {
  if (typeof cookies === 'boolean' || typeof cookies === 'string') return
  const isJar =
    typeof cookies === 'object' &&
    cookies !== null &&
    typeof cookies.getCookieString === 'function' &&
    typeof cookies.setCookie === 'function'
  if (!isJar)
    throw new TypeError('cookies must be true, a string, or a jar with getCookieString and setCookie')
}

/**
 * Make a jar that keeps cookies in memory. Rejects with StateError WS_PACKAGE_MISSING when the optional package
 * tough-cookie is not installed.
 */
export async function createCookieJar(): Promise<CookieJar> {
  const { CookieJar } = await importOptional(() => import('tough-cookie'), 'tough-cookie', 'cookies: true')
  return new CookieJar()
}

/** Join the user's own cookies and the jar's to one header; `undefined` without any (RFC 6265 section 5.4). */
export function joinCookies(values: readonly (string | undefined)[]): string | undefined {
  const given = values.filter((value) => value !== undefined && value.trim() !== '')
  return given.length === 0 ? undefined : given.join('; ')
}

/** The address as jars know it: a cookie of a page at https: goes to wss: too, and the other way round. */
export function cookieUrl({ secure, host, target }: WebSocketUrl): string {
  return `${secure ? 'https' : 'http'}://${host}${target}`
}

/** Put what a response sets into the jar. Never rejects. */
export async function keepCookies(
  jar: CookieJar,
  cookies: readonly string[],
  url: WebSocketUrl,
): Promise<void> {
  const address = cookieUrl(url)
  for (const cookie of cookies) {
    try {
      await jar.setCookie(cookie, address)
    } catch {
      // A cookie for another domain, or none at all: browsers drop those as well.
    }
  }
}
