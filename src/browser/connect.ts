// connect() in a browser: from a URL to an open connection.

import type { ConnectOptions } from '../client/options.ts'
import type { Connection } from '../connection/connection.ts'
import { HandshakeError, StateError, WebSocketTimeoutError } from '../errors.ts'
import { parseWebSocketUrl } from '../handshake/url.ts'
import { asConnection, BrowserConnection } from './connection.ts'
import { type BrowserEnvironment, pageEnvironment } from './environment.ts'
import { BrowserLink } from './link.ts'
import { resolveBrowserOptions } from './options.ts'
import { type BrowserSocket, detach } from './socket.ts'
import { notInBrowser } from './unsupported.ts'

/** Connect as `connect` of the build for Node does, with the browser's own WebSocket. */
export function connect<Data = unknown>(
  url: string | URL,
  options: ConnectOptions<Data> = {},
): Promise<Connection<Data>> {
  return connectIn(pageEnvironment, url, options)
}

/** Connect in an environment, which is looked at anew at the end of the connection. */
export async function connectIn<Data = unknown>(
  environment: () => BrowserEnvironment,
  url: string | URL,
  options: ConnectOptions<Data> = {},
): Promise<Connection<Data>> {
  const resolved = resolveBrowserOptions(options)
  const { WebSocket, clock, base } = environment()
  const { href, host, target } = resolveAddress(url, base)
  const { openTimeout, signal, subprotocols } = resolved
  if (signal?.aborted) throw signal.reason
  if (WebSocket === undefined) throw new StateError('WS_NO_WEBSOCKET')
  const socket = open(WebSocket, href, host, subprotocols)
  socket.binaryType = 'arraybuffer'
  return new Promise((resolve, reject) => {
    const timer = clock.setTimeout(() => giveUp(new WebSocketTimeoutError('open', openTimeout)), openTimeout)
    const onAbort = (): void => giveUp(signal!.reason)
    signal?.addEventListener('abort', onAbort)

    function cleanUp(): void {
      detach(socket)
      clock.clearTimeout(timer)
      signal?.removeEventListener('abort', onAbort)
    }
    function giveUp(reason: unknown): void {
      cleanUp()
      socket.close()
      reject(reason)
    }
    function fail(cause: unknown): void {
      cleanUp()
      reject(failure(host, environment().isOnline, cause))
    }
    // A close event follows, which says no more, and which some runtimes forget.
    socket.onerror = ({ error }) => fail(error)
    socket.onclose = () => fail(undefined)
    socket.onopen = () => {
      cleanUp()
      const link = new BrowserLink({ socket, clock, options: resolved, environment })
      const connection = new BrowserConnection<Data>({
        link,
        request: { target, headers: {} },
        data: options.data as Data,
      })
      connection.start(options.handler)
      resolve(asConnection(connection))
    }
  })
}

function open(
  WebSocket: NonNullable<BrowserEnvironment['WebSocket']>,
  href: string,
  host: string,
  subprotocols: readonly string[],
): BrowserSocket {
  try {
    return new WebSocket(href, [...subprotocols])
  } catch (error) {
    // Such as a page that came over TLS and wants to connect without.
    const why = error instanceof Error ? error.message : String(error)
    throw new HandshakeError({
      code: 'WS_CONNECT_FAILED',
      detail: `${host}: ${why}`,
      status: 0,
      cause: error,
    })
  }
}

function failure(host: string, isOnline: boolean, cause: unknown): HandshakeError {
  const hint = isOnline ? 'see the network panel and the console of its developer tools' : 'it is offline'
  return new HandshakeError({
    code: 'WS_FAILED_IN_BROWSER',
    detail: `${host}: ${hint}`,
    status: 0,
    cause,
  })
}

/** Read an address as browsers do: it may be relative to that of the page, and `http:` stands for `ws:`. */
function resolveAddress(
  url: string | URL,
  base: string | undefined,
): { readonly href: string; readonly host: string; readonly target: string } {
  const absolute = makeAbsolute(String(url), base)
  const { host, target, socketPath } = parseWebSocketUrl(absolute)
  if (socketPath !== undefined) throw notInBrowser('connect to a Unix socket', 'Use the address of a host')
  return { href: new URL(absolute).href.replace(/^http/, 'ws'), host, target }
}

function makeAbsolute(url: string, base: string | undefined): string {
  if (base === undefined) return url
  try {
    return new URL(url, base).href
  } catch {
    // The parser of addresses says what is wrong.
    return url
  }
}
