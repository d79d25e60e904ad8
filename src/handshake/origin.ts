// Owns the policy for browsers' cross-origin handshakes, and the Host check against DNS rebinding.
// Must not know the request beyond these two headers, nor how a refusal is answered.

/** Allow one origin exactly (`https://example.com`, or `null`), or all whose whole header value a pattern finds. Anchor patterns with `^` and `$`. */
export type OriginRule = string | RegExp

/** Say which browsers' origins may open connections: a list beside the server's own, a function that decides alone, or all. */
export type OriginPolicy = readonly OriginRule[] | ((origin: string, host: string) => boolean) | 'any'

/** Tell whether a handshake's Origin is allowed (RFC 6455 section 10.2). Without a policy only the server's own origin is. */
export function isOriginAllowed(
  request: {
    readonly origin: string | undefined
    readonly host: string | undefined
    /** True when the server itself ended TLS. */
    readonly secure: boolean
  },
  policy: OriginPolicy | undefined,
): boolean {
  const { origin, host, secure } = request
  // Browsers always send Origin, and only they carry a user's cookies to a server unasked. Other programs can
  // write any Origin they like, so refusing those without one would protect nothing.
  if (origin === undefined || policy === 'any') return true
  // `=== true`: an async function by mistake gives a promise, which is truthy and would allow everybody.
  if (typeof policy === 'function') return policy(origin, host ?? '') === true
  if (policy?.some((rule) => matchesRule(origin, rule))) return true
  // A list adds to the server's own origin and does not replace it: the page a server hands out would
  // otherwise stop working when its owner allows a second site, and the server's own pages are no threat to it.
  return host !== undefined && isSameOrigin(origin, host, secure)
}

/** Tell whether the Host header names one of the hosts; ports and case do not count. An `undefined` list allows all. */
export function isHostAllowed(host: string | undefined, hosts: readonly string[] | undefined): boolean {
  if (hosts === undefined) return true
  const name = host === undefined ? undefined : hostName(host)
  return name !== undefined && hosts.some((allowed) => hostName(allowed) === name)
}

/** Check the option `origins`. Throws TypeError for what is no policy and for strings that no origin can equal. */
export function assertOriginPolicy(policy: unknown): void {
  if (policy === undefined || policy === 'any' || typeof policy === 'function') return
  if (!Array.isArray(policy)) {
    throw new TypeError(
      'the option "origins" must be an array such as ["https://example.com"], a function, or "any"',
    )
  }
  for (const rule of policy) {
    if (rule instanceof RegExp) continue
    if (typeof rule !== 'string') {
      throw new TypeError(
        `the option "origins" must hold strings and regular expressions, not a ${typeof rule}`,
      )
    }
    if (!canEqualOrigin(rule)) {
      throw new TypeError(
        `the option "origins" holds ${JSON.stringify(rule)}, which no origin equals: write scheme and host without a path, such as "https://example.com"; the option "any" allows all`,
      )
    }
  }
}

function matchesRule(origin: string, rule: OriginRule): boolean {
  if (typeof rule === 'string') return rule.toLowerCase() === origin.toLowerCase()
  // `search` begins at 0 and leaves `lastIndex` alone; `test` with a `g` or `y` flag would alternate.
  return origin.search(rule) !== -1
}

function isSameOrigin(origin: string, host: string, secure: boolean): boolean {
  const url = parseWebOrigin(origin)
  if (url === undefined) return false
  // Without TLS of our own both schemes pass: a proxy in front may have ended TLS, and then an honest page
  // says https while the request reaches us in the clear.
  if (secure && url.protocol !== 'https:') return false
  const authority = host.toLowerCase()
  return authority === url.host || authority === withDefaultPort(url)
}

/** Parse a serialised http or https origin (RFC 6454 section 6.2); `undefined` for all else, such as `null`. */
function parseWebOrigin(origin: string): URL | undefined {
  let url: URL
  try {
    url = new URL(origin)
  } catch {
    return undefined
  }
  if (url.protocol !== 'https:' && url.protocol !== 'http:') return undefined
  // URL forgives a great deal (paths, credentials, missing slashes, spaces around, 127.1). Browsers send none of
  // it, so what does not come out as it went in is no origin.
  const text = origin.toLowerCase()
  return text === url.origin || text === `${url.protocol}//${withDefaultPort(url)}` ? url : undefined
}

function withDefaultPort(url: URL): string {
  if (url.port !== '') return url.host
  return `${url.host}:${url.protocol === 'https:' ? 443 : 80}`
}

function canEqualOrigin(rule: string): boolean {
  if (rule.toLowerCase() === 'null') return true
  const hostStart = rule.indexOf('://') + 3
  return hostStart > 3 && !rule.includes('/', hostStart) && !rule.includes('*')
}

/** Take the host name out of `host`, `host:port` or `[address]:port`, in lower case; `undefined` when malformed. */
function hostName(authority: string): string | undefined {
  const text = authority.toLowerCase()
  if (text.startsWith('[')) {
    const end = text.indexOf(']')
    return end !== -1 && isPort(text.slice(end + 1)) ? text.slice(1, end) : undefined
  }
  const colon = text.indexOf(':')
  // Two colons outside brackets: an IPv6 address as people write it in the option.
  if (colon === -1 || text.includes(':', colon + 1)) return text
  return isPort(text.slice(colon)) ? text.slice(0, colon) : undefined
}

/** Tell whether what follows a host name is nothing or a port. */
function isPort(rest: string): boolean {
  return /^(?::\d*)?$/.test(rest)
}
