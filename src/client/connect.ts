// connect(): from a URL to an open connection.

import { Socket } from 'node:net'
import { Connection } from '../connection/connection.ts'
import { Link } from '../connection/link.ts'
import { joinHeaders } from '../handshake/http1.ts'
import { parseWebSocketUrl, type WebSocketUrl } from '../handshake/url.ts'
import { engine } from '../kernel/engine.ts'
import { systemWheel } from '../timing/timer-wheel.ts'
import { type Observer, observe } from '../trace/observer.ts'
import { prepareSockets, SocketTransport } from '../transport/socket-transport.ts'
import { dial } from './dial.ts'
import { type ConnectOptions, type ResolvedConnectOptions, resolveConnectOptions } from './options.ts'

/**
 * Connect to a WebSocket server at a `ws:`, `wss:` or `ws+unix:` URL; credentials in it are sent as Basic
 * authorization. Goes through the proxy that the environment names, unless `proxy` says otherwise, and follows
 * redirects.
 *
 * Waits until the connection is open, at most `openTimeout` (10,000 ms by default) over all steps. Rejects with
 * HandshakeRejectedError when the server answers with another status than 101, with HandshakeError when it
 * cannot be reached or breaks the rules of the handshake, whose `phase` says how far it had come, with
 * WebSocketTimeoutError, with StateError when an optional package is missing, or with the signal's reason. Rejects
 * with a TypeError or RangeError that names a wrong option. Answers to `websockets.connect` and
 * `websocket.create_connection` of Python.
 *
 * @example
 * const connection = await connect('ws://localhost:8765/')
 * await connection.send('Hello, World')
 * console.log(await connection.receive())
 * await connection.close()
 */
export async function connect<Data = unknown>(
  url: string | URL,
  options: ConnectOptions<Data> = {},
): Promise<Connection<Data>> {
  const address = parseWebSocketUrl(url)
  const resolved = resolveConnectOptions(options)
  const { signal, socket } = resolved
  // It may fail before the step that tells of it.
  socket?.on('error', ignore)
  let observer: Observer | undefined
  try {
    if (signal?.aborted) throw signal.reason
    await prepareSockets()
    observer = observe('client', resolved.connection.trace)
    return await open(address, resolved, options, observer)
  } catch (error) {
    socket?.destroy()
    observer?.failed(error)
    throw error
  }
}

function ignore(): void {}

async function open<Data>(
  address: WebSocketUrl,
  resolved: ResolvedConnectOptions,
  options: ConnectOptions<Data>,
  observer: Observer | undefined,
): Promise<Connection<Data>> {
  const { signal } = resolved
  const { socket, early, target, requestHeaders, response, subprotocol, extensions } = await dial(
    address,
    resolved,
    observer,
  )
  // Aborted since the socket was handed over: nobody is left to close it.
  if (signal?.aborted) {
    socket.destroy()
    throw signal.reason
  }
  const transport = new SocketTransport(socket, early, engine.kernel)
  // The transport turns it on, for servers too.
  if (!resolved.tcp.noDelay && socket instanceof Socket) socket.setNoDelay(false)
  let link: Link
  try {
    link = new Link({
      role: 'client',
      engine,
      transport: observer?.tap(transport, extensions.header) ?? transport,
      wheel: systemWheel,
      options: resolved.connection,
      extensions,
    })
  } catch (error) {
    // Two extensions claim the same bit, which shows only now.
    socket.destroy()
    throw error
  }
  const connection = new Connection<Data>({
    link,
    request: { target, headers: requestHeaders },
    response: { status: 101, headers: joinHeaders(response.headers) },
    subprotocol,
    extensions: extensions.header,
    data: options.data as Data,
  })
  observer?.opened(connection)
  connection.start(options.handler)
  return connection
}
