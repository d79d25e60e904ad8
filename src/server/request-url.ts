// The address of a request as a URL, for its path and query. Both parts of it are what the client claims.

/**
 * Join Host and request target. The target is joined and not resolved, so that the path `//other/` does not become
 * the host, and a host that brings a path of its own is refused. Throws TypeError.
 */
export function requestUrl(scheme: string, host: string, target: string): URL {
  const base = new URL(`${scheme}://${host}`)
  if (base.href !== `${base.origin}/`) throw new TypeError('the Host header is more than a host and a port')
  return target.startsWith('/') ? new URL(base.origin + target) : new URL(target, base)
}
