// Text, memory and randomness as Node does them fastest. Buffer's own slicing works on any Uint8Array and
// takes offsets, so no view has to be made for each message.

import { Buffer, isUtf8, transcode } from 'node:buffer'
import { randomFillSync } from 'node:crypto'
import { type Platform, portablePlatform } from '../protocol/platform.ts'
import { allocateMessage, copyMessage } from './message-memory.ts'

interface BufferMethods {
  latin1Slice?(this: Uint8Array, start: number, end: number): string
  ucs2Slice?(this: Uint8Array, start: number, end: number): string
  utf8Slice?(this: Uint8Array, start: number, end: number): string
  utf8Write?(this: Uint8Array, text: string, offset: number): number
}

const { latin1Slice, ucs2Slice, utf8Slice, utf8Write } = Buffer.prototype as unknown as BufferMethods

const REPLACEMENT = '\ufffd'

// Before Node 24 text that is not ASCII was decoded byte by byte. By way of UTF-16, for which there is a fast
// conversion, a page of Chinese takes a tenth of the time.
const isDecodingSlow = Number.parseInt(process.versions.node, 10) < 24 && ucs2Slice !== undefined
const TRANSCODE_FROM = isDecodingSlow ? 1024 : Number.POSITIVE_INFINITY

function decodeByTranscoding(bytes: Uint8Array): string | undefined {
  try {
    const utf16 = transcode(bytes, 'utf8', 'utf16le')
    return ucs2Slice!.call(utf16, 0, utf16.length)
  } catch {
    // It refuses what is invalid.
    return undefined
  }
}

/** The platform of Node and of what is compatible with it. */
export const nodePlatform: Platform = {
  // What a runtime lacks is done in the portable way; these methods of Buffer are in use everywhere, but undocumented.
  decodeAscii:
    latin1Slice === undefined
      ? portablePlatform.decodeAscii
      : (bytes, start, end) => latin1Slice.call(bytes, start, end),

  decodeUtf8:
    utf8Slice === undefined
      ? portablePlatform.decodeUtf8
      : (bytes, start, end) => {
          if (end - start >= TRANSCODE_FROM) return decodeByTranscoding(bytes.subarray(start, end))
          const text = utf8Slice.call(bytes, start, end)
          // Decoding replaces what is invalid by U+FFFD. Valid text hardly ever contains it, so that only then
          // the bytes are looked at again.
          if (text.includes(REPLACEMENT) && !isUtf8(bytes.subarray(start, end))) return undefined
          return text
        },

  isUtf8(bytes, start, end) {
    return isUtf8(bytes.subarray(start, end))
  },

  utf8Length(text) {
    return Buffer.byteLength(text)
  },

  encodeUtf8:
    utf8Write === undefined
      ? portablePlatform.encodeUtf8
      : (text, target, offset) => utf8Write.call(target, text, offset),

  allocate: allocateMessage,

  copy: copyMessage,

  randomFill(bytes) {
    randomFillSync(bytes)
  },
}
