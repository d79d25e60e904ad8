// The first step: a TCP connection, with happy eyeballs, or a Unix socket.

import { isIP, type LookupFunction, Socket, type TcpNetConnectOpts } from 'node:net'
import type { Opening } from './opening.ts'
import type { ResolvedTcpOptions } from './tcp-options.ts'

/** Where a stream leads. */
export type Place = { readonly host: string; readonly port: number } | { readonly path: string }

/** Name a place in a message. */
export function describePlace(place: Place): string {
  if ('path' in place) return place.path
  return `${place.host.includes(':') ? `[${place.host}]` : place.host}:${place.port}`
}

/**
 * Open a connection; `phase` of the opening follows from dns to connect, unless it leads to a proxy. Rejects with the
 * system's error.
 */
export function dialTcp(
  opening: Opening,
  place: Place,
  tcp: ResolvedTcpOptions,
  isProxy: boolean,
): Promise<Socket> {
  const enter = (phase: 'dns' | 'connect'): void => {
    if (!isProxy) opening.phase = phase
  }
  enter('host' in place && isIP(place.host) === 0 ? 'dns' : 'connect')
  return opening.wait((resolve, reject) => {
    const target = 'path' in place ? { path: place.path } : tcpTarget(place, tcp)
    const socket = opening.own(new Socket('path' in target ? {} : target))
    const onLookup = (error: Error | null): void => {
      if (error == null) enter('connect')
    }
    const onConnect = (): void => {
      stop()
      resolve(socket)
    }
    const onError = (error: Error): void => {
      stop()
      reject(error)
    }
    const stop = (): void => {
      socket.off('lookup', onLookup)
      socket.off('connect', onConnect)
      socket.off('error', onError)
    }
    socket.on('lookup', onLookup)
    socket.on('connect', onConnect)
    socket.on('error', onError)
    // Not before: a function that resolves names may know one at once.
    socket.connect(target)
  })
}

function tcpTarget(
  { host, port }: { readonly host: string; readonly port: number },
  tcp: ResolvedTcpOptions,
): TcpNetConnectOpts {
  const { keepAlive, lookup, ...rest } = tcp
  return {
    ...rest,
    host,
    port,
    ...(keepAlive === undefined ? {} : { keepAlive: true, keepAliveInitialDelay: keepAlive }),
    ...(lookup === undefined ? {} : { lookup: withList(lookup) }),
  }
}

/** Let a function that gives one address serve where Node asks for all of them, as it does for happy eyeballs. */
function withList(lookup: LookupFunction): LookupFunction {
  return (host, options, callback) => {
    lookup(host, options, (error, address, family) => {
      const isOne = error == null && options.all === true && typeof address === 'string'
      if (!isOne) callback(error, address, family)
      else callback(null, [{ address, family: family ?? isIP(address) }])
    })
  }
}
