// Which proxy the environment names for an address. Pure: the variables are an argument.

import { BlockList, isIP } from 'node:net'
import { type ProxyServer, parseProxyUrl } from './proxy-options.ts'

/** The part of an address that decides. */
export interface ProxyTarget {
  readonly secure: boolean
  readonly hostname: string
  readonly port: number
}

export type Environment = Readonly<Record<string, string | undefined>>

// RFC 6455 section 4.1: "If the client is not configured to use a SOCKS5 proxy but is configured to use a proxy for
// HTTPS connections, it SHOULD use that [...]". What is about WebSockets alone comes first, as in Python's websockets.
const SECURE_VARIABLES = ['wss_proxy', 'socks_proxy', 'https_proxy', 'all_proxy']
const PLAIN_VARIABLES = ['ws_proxy', 'socks_proxy', 'https_proxy', 'http_proxy', 'all_proxy']

/** What goes direct where nothing is said, as in websocket-client: this machine. */
const LOOPBACK = 'localhost,127.0.0.0/8,::1'

/** Choose the proxy for an address; `undefined` for none. Throws TypeError for a variable that is no proxy. */
export function proxyFromEnvironment(target: ProxyTarget, environment: Environment): ProxyServer | undefined {
  for (const name of target.secure ? SECURE_VARIABLES : PLAIN_VARIABLES) {
    const found = readVariable(name, environment)
    if (found === undefined || found.value === '') continue
    if (isDirect(target, readVariable('no_proxy', environment)?.value ?? LOOPBACK)) return undefined
    return parseProxyUrl(
      withScheme(found.value, name === 'socks_proxy'),
      `the environment variable ${found.name}`,
    )
  }
  return undefined
}

/** Read a variable; small letters come before capitals, also to say with an empty value that there is none. */
function readVariable(
  name: string,
  environment: Environment,
): { readonly name: string; readonly value: string } | undefined {
  const small = environment[name]
  if (small !== undefined) return { name, value: small.trim() }
  const upperName = name.toUpperCase()
  const value = environment[upperName]
  // A web server hands a request's header "Proxy" to its CGI programs as HTTP_PROXY (CVE-2016-5385, "httpoxy").
  if (value === undefined || (upperName === 'HTTP_PROXY' && environment.REQUEST_METHOD !== undefined)) {
    return undefined
  }
  return { name: upperName, value: value.trim() }
}

function withScheme(value: string, isForSocks: boolean): string {
  if (!value.includes('://')) return `${isForSocks ? 'socks5h' : 'http'}://${value}`
  // What systems write into socks_proxy begins with "http:" or "socks:" and means SOCKS5 with names left to the proxy.
  if (isForSocks && value.startsWith('http://')) return `socks5h${value.slice('http'.length)}`
  return value.startsWith('socks://') ? `socks5h${value.slice('socks'.length)}` : value
}

/** Tell whether a list as in NO_PROXY names an address. */
function isDirect({ hostname, port }: ProxyTarget, list: string): boolean {
  const host = hostname.endsWith('.') ? hostname.slice(0, -1) : hostname
  return list.split(/[\s,]+/).some((entry) => entry !== '' && matches(entry.toLowerCase(), host, port))
}

function matches(entry: string, host: string, port: number): boolean {
  if (entry === '*') return true
  const version = isIP(host)
  const [pattern, onlyPort] = splitPort(entry)
  if (onlyPort !== undefined && onlyPort !== port) return false
  if (version !== 0) return matchesAddress(pattern, host, version === 4 ? 'ipv4' : 'ipv6')
  if (pattern.startsWith('*.')) return host.endsWith(pattern.slice(1))
  const name = pattern.startsWith('.') ? pattern.slice(1) : pattern
  return name !== '' && (host === name || host.endsWith(`.${name}`))
}

/** Take "name:port" and "[address]:port" apart; an address of IPv6 without brackets has no port. */
function splitPort(entry: string): [pattern: string, port: number | undefined] {
  const bracketed = /^\[([^\]]*)\](?::(\d+))?$/.exec(entry)
  if (bracketed !== null) return [bracketed[1]!, toPort(bracketed[2])]
  const colon = entry.indexOf(':')
  if (colon === -1 || entry.includes(':', colon + 1)) return [entry, undefined]
  return /^\d+$/.test(entry.slice(colon + 1))
    ? [entry.slice(0, colon), toPort(entry.slice(colon + 1))]
    : [entry, undefined]
}

function toPort(digits: string | undefined): number | undefined {
  return digits === undefined ? undefined : Number(digits)
}

function matchesAddress(pattern: string, host: string, family: 'ipv4' | 'ipv6'): boolean {
  const [network = '', bits] = pattern.split('/')
  const version = isIP(network)
  if (version === 0) return false
  const networkFamily = version === 4 ? 'ipv4' : 'ipv6'
  const list = new BlockList()
  if (bits === undefined) {
    list.addAddress(network, networkFamily)
  } else {
    // What is malformed names nothing, as everywhere where this variable is read.
    if (!/^\d{1,3}$/.test(bits) || Number(bits) > (version === 4 ? 32 : 128)) return false
    list.addSubnet(network, Number(bits), networkFamily)
  }
  return list.check(host, family)
}
