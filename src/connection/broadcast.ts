// One message to many connections: encoded, compressed and framed once, and handed to each without a copy.

import { engine } from '../kernel/engine.ts'
import type { PreparedMessage } from '../protocol/prepared-message.ts'
import type { Connection } from './connection.ts'
import { prepareMessage, sendToAll } from './prepare-message.ts'
import type { Piece, SendOptions } from './sendable.ts'

/** Choose how a message is broadcast. */
export interface BroadcastOptions extends SendOptions {
  /** A connection that does not get it, such as the one it came from. */
  readonly except?: Connection
}

/**
 * Send a message to all connections that are open, and return how many these are.
 *
 * Does not wait, or the slowest reader would set the pace for all: what a peer does not take waits in memory, and
 * above `maxBufferedAmount` the connection is dropped with 1008. The bytes may be changed as soon as this returns.
 * Throws a TypeError for a value that is no message. Answers to `websockets.broadcast` of Python.
 *
 * @example
 * broadcast(server.connections, 'the doors open', { except: connection })
 */
export function broadcast(
  connections: Iterable<Connection>,
  message: Piece | PreparedMessage,
  options: BroadcastOptions = {},
): number {
  return sendToAll(connections, message, options, engine.platform)
}

/**
 * Prepare a message that is sent more than once: it is encoded here, and compressed and framed once for all peers that
 * agreed on the same. Takes what `broadcast` and `connection.send` take for messages as a whole, and throws as they do.
 *
 * @example
 * const greeting = prepare('welcome')
 * for (const connection of server.connections) void connection.send(greeting)
 */
export function prepare(message: Piece, options: SendOptions = {}): PreparedMessage {
  return prepareMessage(message, options, engine.platform)
}
