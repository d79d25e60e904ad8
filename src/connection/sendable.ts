// What users may send, and how it becomes bytes.

import { TextEncoder } from 'node:util'
import type { Platform } from '../protocol/platform.ts'

/** What can be sent. */
export type Sendable = string | Uint8Array | ArrayBuffer | DataView

/** Choose how a message is sent. */
export interface SendOptions {
  /**
   * The kind of message, when it is not what the value says: `text` sends bytes that are UTF-8 as text, `binary`
   * sends a string as bytes.
   */
  readonly type?: 'text' | 'binary'
}

const encoder = new TextEncoder()

/** Encode a string as UTF-8. */
export function encodeText(text: string): Uint8Array {
  return encoder.encode(text)
}

/** View what can be sent as bytes. Throw a TypeError for anything else. */
export function toBytes(message: Uint8Array | ArrayBuffer | DataView): Uint8Array {
  if (message instanceof Uint8Array) return message
  if (ArrayBuffer.isView(message))
    return new Uint8Array(message.buffer, message.byteOffset, message.byteLength)
  if (message instanceof ArrayBuffer) return new Uint8Array(message)
  throw new TypeError(`a message must be a string or bytes, not ${describeType(message)}`)
}

/** Turn what goes into a ping or pong to bytes. */
export function toControlPayload(payload: string | Uint8Array): Uint8Array {
  return typeof payload === 'string' ? encodeText(payload) : toBytes(payload)
}

/** Throw a TypeError when bytes cannot be sent as text. */
export function assertUtf8(bytes: Uint8Array, platform: Platform): void {
  if (!platform.isUtf8(bytes, 0, bytes.length)) {
    throw new TypeError('bytes that are sent as text must be valid UTF-8')
  }
}

function describeType(value: unknown): string {
  if (value === null) return 'null'
  return typeof value === 'object' ? (value.constructor?.name ?? 'object') : typeof value
}
