// From a way to a stream that leads to the server: TCP or a Unix socket, a tunnel through a proxy, TLS.

import type { Duplex } from 'node:stream'
import type { ConnectionOptions as TlsConnectionOptions } from 'node:tls'
import { describePlace, dialTcp } from './dial-tcp.ts'
import { asFailure } from './failure.ts'
import type { Opening } from './opening.ts'
import { describeProxy, isSocks, type ProxyServer } from './proxy-options.ts'
import type { Route } from './route.ts'
import { startTls } from './start-tls.ts'
import type { ResolvedTcpOptions } from './tcp-options.ts'
import { openHttpTunnel } from './tunnel-http.ts'
import { loadSocks, openSocksTunnel, resolveForSocks } from './tunnel-socks.ts'

/** What a stream is opened with. */
export interface StreamOptions {
  readonly tcp: ResolvedTcpOptions
  /** Absent without TLS. */
  readonly tls: { readonly hostname: string; readonly options: TlsConnectionOptions } | undefined
  readonly userAgent: string | undefined
}

/**
 * Open a stream to the server. `phase` of the opening follows. Rejects with HandshakeError, or with what the opening
 * ended with.
 */
export async function openStream(opening: Opening, route: Route, options: StreamOptions): Promise<Duplex> {
  const { tls } = options
  const place = describeRoute(route)
  const stream = await openBareStream(opening, route, place, options)
  if (tls === undefined) return stream
  opening.phase = 'tls'
  return await translate(opening, place, startTls(opening, stream, tls.hostname, tls.options))
}

/** Name the end of a way in messages. */
export function describeRoute(route: Route): string {
  return route.kind === 'stream' ? 'the given stream' : describePlace(route)
}

async function openBareStream(
  opening: Opening,
  route: Route,
  place: string,
  { tcp, userAgent }: StreamOptions,
): Promise<Duplex> {
  if (route.kind === 'stream') return takeOver(opening, route.stream)
  if (route.kind === 'unix' || route.proxy === undefined) {
    return await translate(opening, place, dialTcp(opening, route, tcp, false))
  }
  const { proxy } = route
  return isSocks(proxy)
    ? await goThroughSocks(opening, proxy, route, tcp)
    : await goThroughHttp(opening, proxy, route, tcp, userAgent)
}

/** Go on with a stream of the user's, which may have failed since it was given. */
function takeOver(opening: Opening, stream: Duplex): Duplex {
  opening.own(stream)
  if (!stream.destroyed) return stream
  const closed = Object.assign(new Error('the stream was closed'), { code: 'ERR_STREAM_DESTROYED' })
  throw asFailure(stream.errored ?? closed, 'connect', 'the given stream')
}

async function goThroughHttp(
  opening: Opening,
  proxy: ProxyServer,
  to: { readonly host: string; readonly port: number },
  tcp: ResolvedTcpOptions,
  userAgent: string | undefined,
): Promise<Duplex> {
  opening.phase = 'proxy'
  const name = describeProxy(proxy)
  let stream: Duplex = await translate(opening, name, dialTcp(opening, proxy, tcp, true))
  if (proxy.protocol === 'https') {
    stream = await translate(opening, name, startTls(opening, stream, proxy.host, proxy.tls))
  }
  await translate(opening, name, openHttpTunnel(opening, stream, proxy, to, userAgent))
  return stream
}

async function goThroughSocks(
  opening: Opening,
  proxy: ProxyServer,
  to: { readonly host: string; readonly port: number },
  tcp: ResolvedTcpOptions,
): Promise<Duplex> {
  opening.phase = 'proxy'
  const socks = await opening.race(loadSocks())
  const host = await resolveForSocks(opening, proxy, to.host, tcp)
  opening.phase = 'proxy'
  const name = describeProxy(proxy)
  const socket = await translate(opening, name, dialTcp(opening, proxy, tcp, true))
  await translate(opening, name, openSocksTunnel(opening, socket, socks, proxy, { host, port: to.port }))
  return socket
}

/** Tell in words what a step fails with. */
async function translate<Value>(opening: Opening, where: string, step: Promise<Value>): Promise<Value> {
  try {
    return await step
  } catch (error) {
    throw opening.isOver ? error : asFailure(error, opening.phase, where)
  }
}
