// A handshake that is refused gets an HTTP response, and then the end of its socket.

import type { Duplex } from 'node:stream'
import type { HandshakeError } from '../errors.ts'
import { formatRefusal } from '../handshake/http1.ts'
import { observerOf } from '../trace/handshakes.ts'

// A client that does not read its refusal is not waited for.
const LINGER = 1000

/** Answer with the error's status and its words; never throws. */
export function refuse(socket: Duplex, error: HandshakeError): void {
  // What our own code threw is nobody's business but the log's.
  const body = error.status === 500 ? 'the server failed\n' : `${error.message}\n`
  try {
    send(socket, formatRefusal({ status: error.status, body, headers: retryHeaders(error) }))
  } catch {
    // Who cannot be answered is not let in either.
    socket.destroy()
  }
  observerOf(socket)?.failed(error)
}

/** Answer with a response of the user's; `onBody` is called when its body is there. */
export async function refuseWithResponse(
  socket: Duplex,
  response: Response,
  onBody?: () => void,
): Promise<void> {
  const body = await response.text()
  onBody?.()
  // The length belongs to the body as it is sent here.
  const headers = [...response.headers].filter(([name]) => name !== 'content-length')
  send(socket, formatRefusal({ status: response.status, headers, body }))
}

function retryHeaders({ status }: HandshakeError): [string, string][] {
  return status === 503 ? [['Retry-After', '1']] : []
}

function send(socket: Duplex, response: string): void {
  if (socket.destroyed || socket.writableEnded) return
  socket.end(response)
  observerOf(socket)?.responseText(response)
  // Reading on lets the client's bytes drain, so that no reset overtakes the answer. It needs that nobody listens to
  // 'readable', or a stream does not flow.
  socket.resume()
  const timer = setTimeout(() => socket.destroy(), LINGER)
  timer.unref()
  socket.once('close', () => clearTimeout(timer))
}
