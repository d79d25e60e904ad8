// The step through a SOCKS proxy, on a TCP connection that leads to it. The optional package "socks" speaks.

import { lookup as systemLookup } from 'node:dns'
import { isIP, type LookupFunction, type Socket } from 'node:net'
import { HandshakeError } from '../errors.ts'
import { asFailure } from './failure.ts'
import type { Opening } from './opening.ts'
import { importOptional } from './optional-package.ts'
import { describeProxy, type ProxyServer } from './proxy-options.ts'

type Socks = typeof import('socks')

/** Load the package before anything is dialled. Rejects with StateError when it is not installed. */
export function loadSocks(): Promise<Socks> {
  return importOptional(() => import('socks'), 'socks', 'a SOCKS proxy')
}

/**
 * Give the host that a proxy is to be told: socks4 and socks5 take an address, and so resolve the name here; socks4a
 * and socks5h leave the name to the proxy. Rejects with HandshakeError.
 */
export async function resolveForSocks(
  opening: Opening,
  proxy: ProxyServer,
  hostname: string,
  { lookup, family }: { readonly lookup: LookupFunction | undefined; readonly family: 0 | 4 | 6 },
): Promise<string> {
  const isVersion4 = proxy.protocol.startsWith('socks4')
  if (isVersion4 && isIP(hostname) === 6) {
    throw new HandshakeError({
      code: 'WS_PROXY_FAILED',
      detail: `SOCKS4 knows no addresses of IPv6 such as ${hostname}: use socks5`,
      status: 0,
      phase: 'proxy',
    })
  }
  if (isIP(hostname) !== 0 || proxy.protocol === 'socks4a' || proxy.protocol === 'socks5h') return hostname
  opening.phase = 'dns'
  const options = { family: isVersion4 ? 4 : family, all: false } as const
  try {
    return await opening.wait((resolve, reject) => {
      ;(lookup ?? (systemLookup as LookupFunction))(hostname, options, (error, address) => {
        if (error != null) reject(error)
        else resolve(typeof address === 'string' ? address : (address[0]?.address ?? hostname))
      })
    })
  } catch (error) {
    throw opening.isOver ? error : asFailure(error, 'dns', hostname)
  }
}

/**
 * Ask the proxy for a way to a server. When it is there the socket leads to the server. Rejects with HandshakeError
 * when the proxy refuses, and with the system's error.
 */
export async function openSocksTunnel(
  opening: Opening,
  socket: Socket,
  { SocksClient }: Pick<Socks, 'SocksClient'>,
  proxy: ProxyServer,
  destination: { readonly host: string; readonly port: number },
): Promise<void> {
  let systemError: Error | undefined
  const onError = (error: Error): void => {
    systemError = error
  }
  socket.on('error', onError)
  try {
    await opening.race(
      SocksClient.createConnection({
        command: 'connect',
        destination: { ...destination },
        proxy: {
          host: proxy.host,
          port: proxy.port,
          type: proxy.protocol.startsWith('socks4') ? 4 : 5,
          ...(proxy.username === '' ? {} : { userId: proxy.username, password: proxy.password }),
        },
        existing_socket: socket,
        // The opening's own time is over before. The package keeps its timer, and with it the socket, until then.
        timeout: opening.openTimeout,
      }),
    )
    await keepEarlyBytes(socket)
  } catch (error) {
    throw asSocksFailure(systemError ?? error, proxy)
  } finally {
    socket.off('error', onError)
  }
}

/** The package hands over in the next turn what came behind the proxy's answer: keep it for the next step. */
async function keepEarlyBytes(socket: Socket): Promise<void> {
  const early: Uint8Array[] = []
  const onData = (bytes: Uint8Array): void => {
    early.push(bytes)
  }
  socket.on('data', onData)
  await new Promise((resolve) => setImmediate(resolve))
  socket.off('data', onData)
  socket.pause()
  for (const bytes of early.reverse()) socket.unshift(bytes)
}

/** The package's errors carry its options, and so the password: only the message goes on. */
function asSocksFailure(error: unknown, proxy: ProxyServer): unknown {
  if (!(error instanceof Error) || !('options' in error)) return error
  const { message } = error
  const advice = /auth/i.test(message)
    ? ': give it a user and password, in its URL or as proxy: { username, password }'
    : ''
  return new HandshakeError({
    code: 'WS_PROXY_FAILED',
    detail: `${describeProxy(proxy)}: ${message}${advice}`,
    status: 0,
    phase: 'proxy',
    cause: new Error(message),
  })
}
