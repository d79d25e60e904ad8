// What a connection needs from the byte stream beneath it. Sockets, TLS sockets and memory look the same from
// above.

import type { Output } from '../protocol/output.ts'

/** Tell where one end of a connection is. */
export interface Address {
  readonly host: string
  readonly port: number
}

/** Be told what happens on a transport. */
export interface TransportHandler {
  /** `length` bytes were read to the kernel's `readStart`. */
  onRead(length: number): void
  /** Bytes came that lie elsewhere; they are only valid during the call. */
  onData(bytes: Uint8Array): void
  /** The peer will send nothing more. */
  onEnd(): void
  /** All that was written is with the kernel of the system. */
  onDrain(): void
  /** The stream is gone for both directions. Called exactly once, last. */
  onClosed(error: Error | undefined): void
}

/** Carry bytes both ways. What is written through `Output` leaves at the end of the turn, or with `flush`. */
export interface Transport extends Output {
  readonly localAddress: Address | undefined
  readonly remoteAddress: Address | undefined
  /** Bytes that were written and that the system has not taken. */
  readonly bufferedAmount: number
  /** Bytes that the system has taken; only its growth has a meaning. It looks closely, which takes its time. */
  readonly taken: number
  /** When bytes were last handed to the system, in whole ms of the clock; `undefined` when none were. */
  readonly flushedAt: number | undefined
  /** Once the stream is gone: bytes that were written and that the system never took; after an error at least so many. */
  readonly unsent: number
  /** True while the system has not taken all of a payload that was appended by reference. */
  readonly holdsReference: boolean
  /** Tell whether something was flushed before the turn ended since this was asked last: a long burst is under way. */
  takeEarlyFlush(): boolean
  /** Begin to read. Before this nothing is delivered. */
  start(handler: TransportHandler): void
  /** Stop reading, so that the peer has to wait. */
  pause(): void
  resume(): void
  /** Hand what was written to the system now. */
  flush(): void
  /** See that `onDrain` is called as soon as the system has taken all. */
  notifyDrain(): void
  /** Flush, then send nothing more; the peer may still send. */
  end(): void
  /** Drop the stream at once, in both directions. */
  destroy(): void
}
