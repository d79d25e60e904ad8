// What a message is to whoever receives it, and how it is made of bytes that lie in memory as a whole.

import type { Platform } from './platform.ts'

/** A whole message: text as a string, binary as bytes that belong to the receiver. */
export type Message = string | Uint8Array

/** Make a message of bytes, of which `ascii` says that all are known to be; `undefined` for a text that is not UTF-8. */
export function decodeMessage(
  platform: Platform,
  isText: boolean,
  memory: Uint8Array,
  start: number,
  end: number,
  ascii: boolean,
): Message | undefined {
  if (!isText) return platform.copy(memory, start, end)
  return ascii ? platform.decodeAscii(memory, start, end) : platform.decodeUtf8(memory, start, end)
}
