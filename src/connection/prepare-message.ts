// What one message to many connections takes, on any platform.

import { Opcode } from '../protocol/opcode.ts'
import type { Platform } from '../protocol/platform.ts'
import { PreparedMessage } from '../protocol/prepared-message.ts'
import type { BroadcastOptions } from './broadcast.ts'
import type { Connection } from './connection.ts'
import { assertUtf8, encodeText, type Piece, type SendOptions, toBytes } from './sendable.ts'

/** Send to all connections but one, and return how many took it. Throw a TypeError for a value that is no message. */
export function sendToAll(
  connections: Iterable<Connection>,
  message: Piece | PreparedMessage,
  options: BroadcastOptions,
  platform: Platform,
): number {
  const prepared = message instanceof PreparedMessage ? message : prepareMessage(message, options, platform)
  let reached = 0
  for (const connection of connections) {
    if (connection !== options.except && connection.sendPrepared(prepared)) reached++
  }
  return reached
}

/** Encode a message. Throw a TypeError for a value that is none. */
export function prepareMessage(message: Piece, options: SendOptions, platform: Platform): PreparedMessage {
  const { type, compress = true } = options
  if (typeof message === 'string') {
    const opcode = type === 'binary' ? Opcode.Binary : Opcode.Text
    return new PreparedMessage(opcode, encodeText(message), platform, compress)
  }
  const bytes = toBytes(message)
  if (type === 'text') assertUtf8(bytes, platform)
  return new PreparedMessage(type === 'text' ? Opcode.Text : Opcode.Binary, bytes, platform, compress)
}
