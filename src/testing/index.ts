// The entry of openline/testing: two ends of a connection in one process, without sockets or ports.

import { Connection } from '../connection/connection.ts'
import { acceptExtensions, confirmExtensions, offerExtensions } from '../connection/extensions.ts'
import type { ConnectionHandler } from '../connection/handler.ts'
import { Link } from '../connection/link.ts'
import { type ConnectionOptions, resolveConnectionOptions } from '../connection/options.ts'
import { parseExtensionHeader } from '../handshake/extension-header.ts'
import { engine } from '../kernel/engine.ts'
import type { Role } from '../protocol/protocol.ts'
import type { Clock } from '../timing/clock.ts'
import { systemWheel, TimerWheel } from '../timing/timer-wheel.ts'
import { observe } from '../trace/observer.ts'
import { MemoryTransport, type MemoryTransportOptions } from '../transport/memory-transport.ts'

export type { Clock } from '../timing/clock.ts'
export { FakeClock } from './fake-clock.ts'

/** Set up a pair of connections. */
export interface PairOptions extends MemoryTransportOptions {
  /** Time for both ends, such as a FakeClock; the system's by default. */
  readonly clock?: Clock
  /** Options and handler of the client's end. */
  readonly client?: ConnectionOptions & { readonly handler?: ConnectionHandler }
  /** Options and handler of the server's end. */
  readonly server?: ConnectionOptions & { readonly handler?: ConnectionHandler }
}

/** Hold both ends of a connection, and the line between them. */
export interface ConnectedPair {
  readonly client: Connection
  readonly server: Connection
  /** Deliver nothing any more, in either direction, as a line does that went silent. */
  hold(): void
  /** Deliver again. */
  release(): void
  /** Drop the line for both ends, as a reset does. */
  cut(error?: Error): void
}

/** Make a client and a server that are connected in memory, with real frames between them. */
export function connectedPair(options: PairOptions = {}): ConnectedPair {
  const wheel = options.clock === undefined ? systemWheel : new TimerWheel(options.clock)
  const [clientTransport, serverTransport] = MemoryTransport.pair(options)
  const resolved = {
    client: resolveConnectionOptions(options.client ?? {}, 'client'),
    server: resolveConnectionOptions(options.server ?? {}, 'server'),
  }
  // Both ends agree as they would in a handshake.
  const accepted = acceptExtensions(offerExtensions(resolved.client), resolved.server, wheel)
  const extensions = {
    server: accepted,
    client: confirmExtensions(parseExtensionHeader(accepted.header) ?? [], resolved.client, wheel),
  }
  const make = (role: Role, transport: MemoryTransport): Connection => {
    const observer = observe(role, resolved[role].trace)
    const link = new Link({
      role,
      engine,
      transport: observer?.tap(transport, accepted.header) ?? transport,
      wheel,
      options: resolved[role],
      extensions: extensions[role],
    })
    const connection = new Connection({
      link,
      request: { target: '/', headers: {} },
      response: { status: 101, headers: {} },
      subprotocol: undefined,
      extensions: accepted.header,
      data: undefined,
    })
    observer?.opened(connection)
    connection.start(options[role]?.handler)
    return connection
  }
  const client = make('client', clientTransport)
  const server = make('server', serverTransport)
  return {
    client,
    server,
    hold() {
      clientTransport.hold()
      serverTransport.hold()
    },
    release() {
      clientTransport.release()
      serverTransport.release()
    },
    cut(error = new Error('the line was cut')) {
      clientTransport.fail(error)
    },
  }
}
