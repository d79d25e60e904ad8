// The way to a server: which stream leads there, through which proxy.

import type { Duplex } from 'node:stream'
import type { WebSocketUrl } from '../handshake/url.ts'
import { type Environment, proxyFromEnvironment } from './proxy-environment.ts'
import type { ProxyServer } from './proxy-options.ts'

/** Hold a way: a stream that is open already, a Unix socket, or a host with or without a proxy before it. */
export type Route =
  | { readonly kind: 'stream'; readonly stream: Duplex }
  | { readonly kind: 'unix'; readonly path: string }
  | {
      readonly kind: 'tcp'
      readonly host: string
      readonly port: number
      readonly proxy: ProxyServer | undefined
    }

/** The options that decide. */
export interface RouteOptions {
  readonly socket: Duplex | undefined
  readonly connectTo: { readonly host: string; readonly port: number | undefined } | undefined
  /** `undefined`: whatever the environment says; `false`: none. */
  readonly proxy: ProxyServer | false | undefined
}

/** Choose the way to an address. Throws TypeError for options that do not go together, and for a broken environment. */
export function chooseRoute(url: WebSocketUrl, options: RouteOptions, environment: Environment): Route {
  const { socket, connectTo, proxy } = options
  if (url.socketPath !== undefined) {
    const other = socket ? 'socket' : connectTo ? 'connectTo' : proxy ? 'proxy' : undefined
    if (other !== undefined) throw new TypeError(`${other} cannot be given with the address of a Unix socket`)
    return { kind: 'unix', path: url.socketPath }
  }
  if (socket !== undefined) return { kind: 'stream', stream: socket }
  const { host = url.hostname, port = url.port } = connectTo ?? {}
  return { kind: 'tcp', host, port, proxy: chooseProxy(url, options, environment) }
}

/** Tell why a redirect must not be followed from here; `undefined` when it may. */
export function explainFixedRoute(
  url: WebSocketUrl,
  { socket, connectTo }: RouteOptions,
): string | undefined {
  if (url.socketPath !== undefined) return 'a Unix socket leads to one server alone'
  if (socket !== undefined) return 'the stream of the option socket leads to one server alone'
  if (connectTo !== undefined) return 'the option connectTo leads to one server alone'
  return undefined
}

function chooseProxy(
  url: WebSocketUrl,
  { connectTo, proxy }: RouteOptions,
  environment: Environment,
): ProxyServer | undefined {
  if (proxy !== undefined) return proxy || undefined
  // Whoever names the place to dial wants to come there, as in Python's websockets.
  return connectTo === undefined ? proxyFromEnvironment(url, environment) : undefined
}
