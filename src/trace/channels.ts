// The channels of node:diagnostics_channel on which the facts of a trace are published, and what they carry.

import { type Channel, channel } from 'node:diagnostics_channel'
import type { Connection } from '../connection/connection.ts'
import type { CloseInfo } from '../protocol/close-code.ts'
import type { Role } from '../protocol/protocol.ts'

/** Say which connection a fact is about. */
export interface ConnectionFact {
  /** The same for all facts of one connection, its handshake included; another for each connection of the process. */
  readonly number: number
  /** The end that we are. */
  readonly role: Role
}

/** Tell of the request of a handshake: one that was sent as a client, or came as a server. */
export interface HandshakeRequestFact extends ConnectionFact {
  readonly method: string
  /** Path and query. Parameters such as `access_token` are hidden. */
  readonly target: string
  /** Names in lower case. Credentials are hidden, as in the trace; `connection.request` has them. */
  readonly headers: Readonly<Record<string, string>>
}

/** Tell of the response to a handshake, whatever its status. */
export interface HandshakeResponseFact extends ConnectionFact {
  readonly status: number
  readonly statusText: string
  /** Names in lower case. Credentials are hidden, as in the trace. */
  readonly headers: Readonly<Record<string, string>>
}

/** Tell that a handshake failed. */
export interface HandshakeErrorFact extends ConnectionFact {
  readonly error: unknown
}

/** Tell that a connection is open. Nothing was read or sent on it yet. */
export interface ConnectionOpenFact extends ConnectionFact {
  readonly connection: Connection
}

/** Tell how a connection ended. */
export interface ConnectionCloseFact extends ConnectionFact {
  readonly connection: Connection
  readonly info: CloseInfo
}

/** Tell of a frame that was handed to the system, or came. */
export interface FrameFact extends ConnectionFact {
  readonly connection: Connection
  readonly opcode: number
  readonly fin: boolean
  /** The bits RSV1 (0x40), RSV2 (0x20) and RSV3 (0x10). */
  readonly reservedBits: number
  readonly masked: boolean
  /** Size of the payload on the line, in bytes. */
  readonly length: number
  /** The kind of the message that a data frame belongs to. */
  readonly type: 'text' | 'binary' | undefined
  /** What came out of a compressed payload, in bytes; `undefined` for other payloads. */
  readonly decompressedLength: number | undefined
  /** The beginning of the payload, without masking and compression: at most 75 bytes, or `maxBytes` of the trace. */
  readonly excerpt: Uint8Array
  /** The frame as the trace writes it, without its direction: `TEXT 'hello' [5 bytes]`. */
  readonly description: string
}

/** Name the channels, and what their subscribers are given. */
export interface DiagnosticsChannels {
  readonly 'openline:handshake:request': HandshakeRequestFact
  readonly 'openline:handshake:response': HandshakeResponseFact
  readonly 'openline:handshake:error': HandshakeErrorFact
  readonly 'openline:connection:open': ConnectionOpenFact
  readonly 'openline:connection:close': ConnectionCloseFact
  readonly 'openline:frame:sent': FrameFact
  readonly 'openline:frame:received': FrameFact
}

type ChannelName = keyof DiagnosticsChannels

// Held here for good: Node forgets channels that nobody holds, and those that subscribed to them.
const channels: Readonly<Record<ChannelName, Channel>> = {
  'openline:handshake:request': channel('openline:handshake:request'),
  'openline:handshake:response': channel('openline:handshake:response'),
  'openline:handshake:error': channel('openline:handshake:error'),
  'openline:connection:open': channel('openline:connection:open'),
  'openline:connection:close': channel('openline:connection:close'),
  'openline:frame:sent': channel('openline:frame:sent'),
  'openline:frame:received': channel('openline:frame:received'),
}

const all = Object.values(channels)

/** Tell whether somebody listens to any of the channels. */
export function isAnyoneListening(): boolean {
  for (const each of all) if (each.hasSubscribers) return true
  return false
}

/** Tell whether somebody listens to a channel: facts are only made then. */
export function isListening(name: ChannelName): boolean {
  return channels[name].hasSubscribers
}

/** Tell the subscribers of a channel. What they throw, Node reports as an uncaught exception in the next tick. */
export function publish<Name extends ChannelName>(name: Name, fact: DiagnosticsChannels[Name]): void {
  channels[name].publish(fact)
}
