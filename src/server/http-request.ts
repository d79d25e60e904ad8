// Requests on our port that are no handshakes: the standard's Request goes in, its Response comes out.

import type { IncomingMessage, ServerResponse } from 'node:http'
import { Readable } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import { ReadableStream, type ReadableStreamDefaultController } from 'node:stream/web'
import type { Logger } from '../connection/options.ts'
import { reportError } from '../connection/report-error.ts'
import { requestUrl } from './request-url.ts'

/** Answer one request with what `onRequest` returns. */
export async function answerRequest(
  request: IncomingMessage,
  response: ServerResponse,
  onRequest: (request: Request) => Response | Promise<Response>,
  logger: Logger,
): Promise<void> {
  let asked: Request
  try {
    asked = toRequest(request, response)
  } catch {
    // A Host that is none, or a method such as TRACE, which the standard's Request does not take.
    sendText(response, 400, 'the request cannot be understood\n')
    return
  }
  let isAnswering = false
  try {
    const answer = await onRequest(asked)
    if (response.destroyed) {
      // The client has left meanwhile.
      await answer.body?.cancel()
      return
    }
    response.statusCode = answer.status
    if (answer.statusText !== '') response.statusMessage = answer.statusText
    for (const [name, value] of answer.headers) response.appendHeader(name, value)
    if (answer.body === null) response.end()
    else {
      isAnswering = true
      await pipeline(Readable.fromWeb(answer.body as ReadableStream), response)
    }
  } catch (error) {
    // A client that leaves is no failure of ours. A body that fails has the stream destroyed as well.
    const hasLeft = isAnswering ? isPrematureClose(error) : response.destroyed
    if (hasLeft) return
    reportError(logger, 'onRequest failed', error)
    if (response.headersSent) response.destroy()
    else sendText(response, 500, 'the server failed\n')
  }
}

/** Say that this server speaks WebSocket only (RFC 9110 section 15.5.22). */
export function answerUpgradeRequired(response: ServerResponse): void {
  response.setHeader('Upgrade', 'websocket')
  response.setHeader('Sec-WebSocket-Version', '13')
  // `close`, because nobody reads the request's body: a slow one would hold its socket. `Upgrade` must stand beside
  // the header of that name (RFC 9110 section 7.8).
  response.setHeader('Connection', 'close, Upgrade')
  sendText(response, 426, 'this is a WebSocket server: connect with ws: or wss: instead\n')
}

function isPrematureClose(error: unknown): boolean {
  return (error as NodeJS.ErrnoException | undefined)?.code === 'ERR_STREAM_PREMATURE_CLOSE'
}

function sendText(response: ServerResponse, status: number, text: string): void {
  response.statusCode = status
  response.setHeader('Content-Type', 'text/plain; charset=utf-8')
  response.end(text)
}

function toRequest(request: IncomingMessage, response: ServerResponse): Request {
  const scheme = 'encrypted' in request.socket ? 'https' : 'http'
  const url = requestUrl(scheme, request.headers.host ?? 'localhost', request.url ?? '/')
  const headers = new Headers()
  const { rawHeaders } = request
  for (let index = 0; index < rawHeaders.length; index += 2) {
    headers.append(rawHeaders[index]!, rawHeaders[index + 1]!)
  }
  const method = request.method ?? 'GET'
  const hasBody = method !== 'GET' && method !== 'HEAD'
  const init: RequestInit = { method, headers }
  if (hasBody) {
    init.body = toBody(request, response) as NonNullable<RequestInit['body']>
    init.duplex = 'half'
  }
  return new Request(url, init)
}

/** Read the body when it is asked for and not before: one that nobody wants is thrown away by node:http. */
function toBody(request: IncomingMessage, response: ServerResponse): ReadableStream<Uint8Array> {
  let chunks: AsyncIterator<Uint8Array> | undefined
  const source = {
    async pull(controller: ReadableStreamDefaultController<Uint8Array>): Promise<void> {
      if (chunks === undefined) {
        chunks = request[Symbol.asyncIterator]()
        // Half of a body stands in the way of the next request, and only the end of the line takes it away.
        response.once('finish', () => request.complete || request.destroy())
      }
      const { value, done } = await chunks.next()
      if (done) controller.close()
      else controller.enqueue(new Uint8Array(value))
    },
  }
  return new ReadableStream(source, { highWaterMark: 0 })
}
