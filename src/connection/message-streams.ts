// A connection as a pair of WHATWG streams of messages, as browsers' WebSocketStream has them. Both wait: nothing is
// read from the peer before somebody reads here, and writing goes on when the peer takes it.

import type { ReadableStream, WritableStream } from 'node:stream/web'
import { CloseCode } from '../protocol/close-code.ts'
import type { Message } from '../protocol/message.ts'
import type { Sendable } from './sendable.ts'

/** Hold both directions of a connection. */
export interface MessageStreams {
  /** Messages that come: ends after an ordinary close, and errors after another one. Cancelling it closes. */
  readonly readable: ReadableStream<Message>
  /** Messages to send. Closing it closes with 1000, aborting it with 1011. */
  readonly writable: WritableStream<Sendable>
}

/** The part of a connection that streams need. */
export interface StreamableConnection extends AsyncIterable<Message> {
  send(message: Sendable): Promise<void>
  close(code?: number, reason?: string): Promise<unknown>
}

/** Make the streams. */
export function messageStreams(connection: StreamableConnection): MessageStreams {
  const messages = connection[Symbol.asyncIterator]()
  // The connection has a queue of its own; a second one would only hide from the peer that nobody reads.
  const strategy = { highWaterMark: 0 }
  return {
    readable: new globalThis.ReadableStream(
      {
        async pull(controller) {
          const { value, done } = await messages.next()
          if (done === true) controller.close()
          else controller.enqueue(value)
        },
        async cancel() {
          await connection.close()
        },
      },
      strategy,
    ),
    writable: new globalThis.WritableStream({
      // abort() below waits for the message under way, which may wait for ever.
      start(controller) {
        // Node's types do not know it.
        const { signal } = controller as unknown as { readonly signal: AbortSignal }
        signal.addEventListener('abort', () => void connection.close(CloseCode.InternalError))
      },
      write: (message: Sendable) => connection.send(message),
      async close() {
        await connection.close()
      },
      async abort() {
        await connection.close(CloseCode.InternalError)
      },
    }),
  }
}
