// A connection as a Node stream of bytes, for what only knows streams: what is written goes out as binary messages,
// and the bytes of all messages come in one after the other, also of those that are too large to be held as a whole.

import { Buffer } from 'node:buffer'
import { Duplex } from 'node:stream'
import { ConnectionClosedError } from '../errors.ts'
import { isOrdinaryClose } from '../protocol/close-code.ts'
import type { Message } from '../protocol/message.ts'

/** The part of a connection that a stream of bytes needs. */
export interface ByteConnection {
  receiveStream(): AsyncIterable<Message>
  send(message: Uint8Array): Promise<void>
  close(): Promise<unknown>
  terminate(): void
}

/** Make the stream. */
export function connectionDuplex(connection: ByteConnection): Duplex {
  /** Asks for more: set while the reading side is full. */
  let goOn: (() => void) | undefined
  let isReading = false
  /** A message has begun and not ended: when the peer closes here, bytes are missing. */
  let isWithin = false

  async function read(): Promise<void> {
    try {
      for (;;) {
        isWithin = false
        for await (const piece of connection.receiveStream()) {
          isWithin = true
          if (piece.length === 0 || duplex.push(toBuffer(piece))) continue
          await new Promise<void>((resolve) => {
            goOn = resolve
          })
        }
      }
    } catch (error) {
      const info = error instanceof ConnectionClosedError ? error.info : undefined
      const isCutOff = isWithin && info?.initiator === 'remote'
      if (info !== undefined && isOrdinaryClose(info.code) && !isCutOff) duplex.push(null)
      else duplex.destroy(error as Error)
    }
  }

  const duplex = new Duplex({
    // A WebSocket has no half that could stay open: with the end of one direction both end.
    allowHalfOpen: false,
    read() {
      if (isReading) {
        goOn?.()
        goOn = undefined
        return
      }
      isReading = true
      void read()
    },
    write(chunk: Buffer, _encoding, callback) {
      connection.send(chunk).then(() => callback(), callback)
    },
    final(callback) {
      connection.close().then(() => callback(), callback)
    },
    destroy(error, callback) {
      goOn?.()
      if (error === null) void connection.close()
      else connection.terminate()
      callback(error)
    },
  })
  return duplex
}

function toBuffer(piece: Message): Buffer {
  return typeof piece === 'string'
    ? Buffer.from(piece)
    : Buffer.from(piece.buffer, piece.byteOffset, piece.byteLength)
}
