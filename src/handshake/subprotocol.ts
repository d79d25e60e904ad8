// Owns Sec-WebSocket-Protocol: the syntax of its list, and the server's choice from it.
// Must not know what a subprotocol means. Names are compared with their case, as RFC 6455 section 4.1 does.

import { isToken, parseTokenList } from './header-grammar.ts'

/** Parse a Sec-WebSocket-Protocol value of a request; `undefined` when it is malformed, empty or names one twice. */
export function parseSubprotocols(value: string): string[] | undefined {
  const names = parseTokenList(value)
  if (names === undefined || names.length === 0) return undefined
  // "The elements that comprise this value [...] MUST all be unique strings."
  return new Set(names).size === names.length ? names : undefined
}

/** Check the option `subprotocols`. Throws TypeError for a name that is no token, or one given twice (RFC 6455 section 4.1). */
export function assertSubprotocols(names: readonly string[]): void {
  if (!Array.isArray(names)) {
    throw new TypeError('the option "subprotocols" must be an array of names, such as ["chat.v2", "chat.v1"]')
  }
  const seen = new Set<unknown>()
  for (const name of names as readonly unknown[]) {
    if (typeof name !== 'string' || !isToken(name)) {
      throw new TypeError(
        `the option "subprotocols" must hold tokens (letters, digits and !#$%&'*+-.^_\`|~), not ${describe(name)}`,
      )
    }
    if (seen.has(name)) throw new TypeError(`the option "subprotocols" names ${describe(name)} twice`)
    seen.add(name)
  }
}

/** Choose the first subprotocol of the server's list that the client offered; `undefined` when there is none. */
export function selectSubprotocol(
  supported: readonly string[],
  offered: readonly string[],
): string | undefined {
  if (supported.length === 0 || offered.length === 0) return undefined
  // A set, because the offered list is the peer's and may be long.
  const names = new Set(offered)
  return supported.find((name) => names.has(name))
}

function describe(value: unknown): string {
  return typeof value === 'string' ? JSON.stringify(value) : `a ${typeof value}`
}
