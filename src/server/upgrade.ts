// upgrade(): WebSocket on an HTTP server that exists already.

import type { IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import type { Connection } from '../connection/connection.ts'
import { prepareSockets } from '../transport/socket-transport.ts'
import { Acceptor } from './acceptor.ts'
import { type CloseOptions, resolveCloseOptions } from './close-options.ts'
import { assertHandler, resolveUpgradeOptions, type ServerHandler, type UpgradeOptions } from './options.ts'

/** Answer 'upgrade' events of an HTTP server. */
export interface UpgradeListener<Data = unknown> {
  /** Answer one handshake, by opening a connection or by refusing it. Never throws. */
  (request: IncomingMessage, socket: Duplex, head: Uint8Array): void
  /** The connections that are not closed. */
  readonly connections: ReadonlySet<Connection<Data>>
  /** Refuse new handshakes with 503, and close all connections as `server.close()` does. */
  close(options?: CloseOptions): Promise<void>
}

/**
 * Make a listener for the 'upgrade' event of a `node:http` or `node:https` server.
 *
 * Takes the same handlers and options as `serve`, and throws as it does for wrong ones. Close the listener
 * before the server: Node's `server.close()` waits for open connections.
 *
 * @example
 * const listener = upgrade({ message: (connection, data) => connection.send(data) })
 * httpServer.on('upgrade', listener)
 */
export function upgrade<Data = unknown>(
  handler: ServerHandler<Data>,
  options: UpgradeOptions<Data> = {},
): UpgradeListener<Data> {
  assertHandler(handler)
  const acceptor = new Acceptor(handler, resolveUpgradeOptions(options))
  void prepareSockets()
  const listener = (request: IncomingMessage, socket: Duplex, head: Uint8Array): void =>
    acceptor.accept(request, socket, head)
  return Object.defineProperties(listener, {
    connections: { get: () => acceptor.connections },
    close: {
      value: (closeOptions: CloseOptions = {}) => {
        const resolved = resolveCloseOptions(closeOptions)
        acceptor.beginClosing()
        return acceptor.closeAll(resolved)
      },
    },
  }) as UpgradeListener<Data>
}
