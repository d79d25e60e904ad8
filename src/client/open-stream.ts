// From a way to a stream that leads to the server: TCP or a Unix socket, a tunnel through a proxy, TLS.

import type { Duplex } from 'node:stream'
import type { ConnectionOptions as TlsConnectionOptions } from 'node:tls'
import type { Attempt } from './attempt.ts'
import { describePlace, dialTcp } from './dial-tcp.ts'
import { asFailure } from './failure.ts'
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
 * Open a stream to the server. `phase` of the attempt follows. Rejects with HandshakeError, or with what the attempt
 * ended with.
 */
export async function openStream(attempt: Attempt, route: Route, options: StreamOptions): Promise<Duplex> {
  const { tls } = options
  const place = describeRoute(route)
  const stream = await openBareStream(attempt, route, place, options)
  if (tls === undefined) return stream
  attempt.phase = 'tls'
  return await translate(attempt, place, startTls(attempt, stream, tls.hostname, tls.options))
}

/** Name the end of a way in messages. */
export function describeRoute(route: Route): string {
  return route.kind === 'stream' ? 'the given stream' : describePlace(route)
}

async function openBareStream(
  attempt: Attempt,
  route: Route,
  place: string,
  { tcp, userAgent }: StreamOptions,
): Promise<Duplex> {
  if (route.kind === 'stream') return attempt.own(route.stream)
  if (route.kind === 'unix' || route.proxy === undefined) {
    return await translate(attempt, place, dialTcp(attempt, route, tcp, false))
  }
  const { proxy } = route
  return isSocks(proxy)
    ? await goThroughSocks(attempt, proxy, route, tcp)
    : await goThroughHttp(attempt, proxy, route, tcp, userAgent)
}

async function goThroughHttp(
  attempt: Attempt,
  proxy: ProxyServer,
  to: { readonly host: string; readonly port: number },
  tcp: ResolvedTcpOptions,
  userAgent: string | undefined,
): Promise<Duplex> {
  attempt.phase = 'proxy'
  const name = describeProxy(proxy)
  let stream: Duplex = await translate(attempt, name, dialTcp(attempt, proxy, tcp, true))
  if (proxy.protocol === 'https') {
    stream = await translate(attempt, name, startTls(attempt, stream, proxy.host, proxy.tls))
  }
  await translate(attempt, name, openHttpTunnel(attempt, stream, proxy, to, userAgent))
  return stream
}

async function goThroughSocks(
  attempt: Attempt,
  proxy: ProxyServer,
  to: { readonly host: string; readonly port: number },
  tcp: ResolvedTcpOptions,
): Promise<Duplex> {
  attempt.phase = 'proxy'
  const socks = await attempt.race(loadSocks())
  const host = await resolveForSocks(attempt, proxy, to.host, tcp)
  attempt.phase = 'proxy'
  const name = describeProxy(proxy)
  const socket = await translate(attempt, name, dialTcp(attempt, proxy, tcp, true))
  await translate(attempt, name, openSocksTunnel(attempt, socket, socks, proxy, { host, port: to.port }))
  return socket
}

/** Tell in words what a step fails with. */
async function translate<Value>(attempt: Attempt, where: string, step: Promise<Value>): Promise<Value> {
  try {
    return await step
  } catch (error) {
    throw attempt.isOver ? error : asFailure(error, attempt.phase, where)
  }
}
