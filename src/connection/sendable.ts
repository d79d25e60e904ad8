// What users may send, and how it becomes bytes.

import type { Blob } from 'node:buffer'
import type { ReadableStream } from 'node:stream/web'
import type { Platform } from '../protocol/platform.ts'
import { PreparedMessage } from '../protocol/prepared-message.ts'

/** A part of a message: text or bytes. */
export type Piece = string | Uint8Array | ArrayBuffer | DataView

/** What brings the pieces of one message bit by bit. */
export type MessageSource = Iterable<Piece> | AsyncIterable<Piece> | ReadableStream<Piece> | Blob

/** What can be sent: a message, or what brings its pieces. */
export type Sendable = Piece | PreparedMessage | MessageSource

/** Choose how a message is sent. */
export interface SendOptions {
  /**
   * The kind of message, when it is not what the value says: `text` sends bytes that are UTF-8 as text, `binary`
   * sends a string as bytes.
   */
  readonly type?: 'text' | 'binary'
  /**
   * Compress the message, if that was agreed with the peer and it is large enough. Leave secrets uncompressed that are
   * sent together with what an attacker chooses: the size of the result tells about both.
   * @default true
   */
  readonly compress?: boolean
}

/** What `send()` returns when its caller may go on at once. */
export const RESOLVED: Promise<void> = Promise.resolve()

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

/** Tell whether a value is a whole message; everything else that can be sent is a source. */
export function isPiece(message: Sendable): message is Piece {
  return typeof message === 'string' || ArrayBuffer.isView(message) || message instanceof ArrayBuffer
}

/** Get at the pieces of a source. Throw a TypeError for what is none. */
export function iterateSource(source: MessageSource): AsyncIterator<Piece> | Iterator<Piece> {
  if (typeof source === 'object' && source !== null) {
    if ('stream' in source && typeof source.stream === 'function') return iterateSource(source.stream())
    if ('getReader' in source) return iterateStream(source)
    if (Symbol.asyncIterator in source) return iterateAsync(source)
    if (Symbol.iterator in source) return source[Symbol.iterator]()
  }
  throw new TypeError(
    `a message must be a string, bytes, or something that brings them piece by piece, not ${describeType(source)}`,
  )
}

// A Node stream's own iterator lets go of the stream only if it was asked for a piece before.
function iterateAsync(source: AsyncIterable<Piece> & { destroy?(): void }): AsyncIterator<Piece> {
  const iterator = source[Symbol.asyncIterator]()
  if (typeof source.destroy !== 'function') return iterator
  return {
    next: () => iterator.next(),
    async return() {
      source.destroy!()
      return { value: undefined, done: true }
    },
  }
}

// The iterator of a WHATWG stream cannot be stopped while it waits for a piece; a reader can.
function iterateStream(stream: ReadableStream<Piece>): AsyncIterator<Piece, undefined> {
  const reader = stream.getReader()
  return {
    next: () => reader.read() as Promise<IteratorResult<Piece, undefined>>,
    async return() {
      await reader.cancel()
      reader.releaseLock()
      return { value: undefined, done: true }
    },
  }
}

/** Let go of a source. What goes wrong with that is nobody's business any more. */
export async function stopSource(iterator: AsyncIterator<Piece> | Iterator<Piece>): Promise<void> {
  try {
    await iterator.return?.()
  } catch {
    // The error that ended the message is the one to be heard.
  }
}

/** Let go of a message that is not sent. Throw a TypeError for what is none. */
export function discard(message: Sendable): void {
  if (!(message instanceof PreparedMessage) && !isPiece(message)) void stopSource(iterateSource(message))
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
