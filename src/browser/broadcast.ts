// One message to many connections, in a browser: to several servers, or several tabs' worth of lines to one.

import type { BroadcastOptions } from '../connection/broadcast.ts'
import type { Connection } from '../connection/connection.ts'
import { prepareMessage, sendToAll } from '../connection/prepare-message.ts'
import type { Piece, SendOptions } from '../connection/sendable.ts'
import { portablePlatform } from '../protocol/platform.ts'
import type { PreparedMessage } from '../protocol/prepared-message.ts'

/** Send a message to all connections that are open, as `broadcast` of the build for Node does. */
export function broadcast(
  connections: Iterable<Connection>,
  message: Piece | PreparedMessage,
  options: BroadcastOptions = {},
): number {
  return sendToAll(connections, message, options, portablePlatform)
}

/** Prepare a message that is sent more than once, as `prepare` of the build for Node does. */
export function prepare(message: Piece, options: SendOptions = {}): PreparedMessage {
  return prepareMessage(message, options, portablePlatform)
}
