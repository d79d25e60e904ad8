// What compresses messages, as the protocol core sees it: permessage-deflate (RFC 7692) is one. The core knows when a
// message is to be compressed and how a compressed one is marked on the wire, and nothing of how it is done.

import type { ProtocolError } from '../errors.ts'
import type { PreparedMessage } from './prepared-message.ts'

/** Take what a message is decompressed to. */
export interface DecompressionSink {
  /**
   * Take decompressed bytes, which are valid during the call only; `isEnd` says that the message ends with them.
   * Return false to get no more until `resume()`.
   */
  onDecompressed(bytes: Uint8Array, start: number, end: number, isEnd: boolean): boolean
  /** All that `decompress` returned false for is done. */
  onDecompressionReady(): void
  /** The bytes are no compressed message; nothing more comes. */
  onDecompressionFailed(error: ProtocolError): void
}

/** Compress the messages of one connection, and decompress its peer's. */
export interface Compression {
  // --- out ---

  /** The size in bytes from which messages are compressed. */
  readonly threshold: number
  /**
   * Decide whether a message of this size is compressed; asked once for each message. Without a size it is one that goes
   * out in fragments.
   */
  isWorthwhile(size: number | undefined): boolean
  /** Tell whether compressing this much takes so long that it should be done elsewhere, with `compressLater`. */
  isLong(size: number): boolean
  /**
   * Compress a whole message. Return its payload, which is valid until the next call only, or `undefined` when that
   * would not be smaller.
   */
  compress(bytes: Uint8Array): Uint8Array | undefined
  /**
   * Compress a whole message without holding up this thread; `done` gets what `compress` returns, to keep. Nothing else
   * may be compressed meanwhile.
   */
  compressLater(bytes: Uint8Array, done: (compressed: Uint8Array | undefined) => void): void
  /**
   * Compress the next piece of a message that goes out in fragments; `done` gets it, valid during the call only, now or
   * later. Nothing else may be compressed between the first piece and the last.
   */
  compressPiece(bytes: Uint8Array, isLast: boolean, done: (compressed: Uint8Array) => void): void
  /** Give the compressed frame of a message that goes to many peers; `undefined` when it goes as it is. */
  compressShared(message: PreparedMessage): Uint8Array | undefined

  // --- in ---

  /**
   * Decompress the next piece of a message into the sink; `isLast` says that the message ends with it. Return false
   * when not all of it is done: then nothing more may be given until the sink is told that it is.
   */
  decompress(bytes: Uint8Array, start: number, end: number, isLast: boolean, sink: DecompressionSink): boolean
  /** Go on after the sink wanted no more. May be called at any time, and then does nothing. */
  resume(): void

  /** Give back all memory: the connection is over. */
  close(): void
}
