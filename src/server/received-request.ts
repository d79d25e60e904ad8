// The request of a handshake as the acceptor sees it, whoever has read it: node:http, or we ourselves.

import type { IncomingHttpHeaders, IncomingMessage } from 'node:http'
import type { HandshakeRequest } from '../connection/connection.ts'
import { PackedRequest, RequestText } from '../connection/packed-head.ts'
import { HandshakeError } from '../errors.ts'
import type { RequestHead } from '../handshake/http1.ts'
import { type PlainRequestHead, readHeaderLines } from '../handshake/request-head.ts'
import { headerLines } from '../trace/handshakes.ts'

/** The most header lines of a request: 100. Browsers send about 15; a parser's time grows with each. */
export const MAX_HEADERS = 100

/** Hold a request of which only the handshake's own rules are left to check. */
export interface ReceivedRequest extends RequestHead {
  readonly headers: IncomingHttpHeaders
  /** Give the header lines as they came: names as they were written, and values. */
  lines(): [string, string][]
  /** Throw a HandshakeError for what a parsed head does not show any more. */
  checkLines(): void
  /** Keep it for the time of the connection. */
  keep(): HandshakeRequest
}

/** Give the request that node:http has parsed. */
export function parsedRequest(request: IncomingMessage): ReceivedRequest {
  const { method = '', url: target = '/', httpVersion, headers, rawHeaders } = request
  return {
    method,
    httpVersion,
    target,
    headers,
    lines: () => headerLines(rawHeaders),
    checkLines() {
      const count = rawHeaders.length >> 1
      if (count > MAX_HEADERS) {
        throw new HandshakeError({ code: 'WS_TOO_MANY_HEADERS', detail: `${count} headers`, status: 431 })
      }
      if (countHosts(rawHeaders) > 1) {
        throw new HandshakeError({ code: 'WS_DUPLICATE_HEADER', detail: 'Host', status: 400 })
      }
    },
    keep: () => new PackedRequest(target, headers),
  }
}

/** A request that `readRequestHead` has read from a text. */
export class PlainRequest implements ReceivedRequest {
  readonly method: string
  readonly httpVersion: string
  readonly target: string
  readonly headers: PlainRequestHead['headers']
  readonly #text: string

  constructor(head: PlainRequestHead, text: string) {
    this.method = head.method
    this.httpVersion = head.httpVersion
    this.target = head.target
    this.headers = head.headers
    this.#text = text
  }

  lines(): [string, string][] {
    return readHeaderLines(this.#text)
  }

  // What it would look for is not plain.
  checkLines(): void {}

  keep(): HandshakeRequest {
    return new RequestText(this.#text)
  }
}

/** Count the Host headers. Node shows the first and drops the others, where a proxy may go by the last. */
function countHosts(rawHeaders: readonly string[]): number {
  let count = 0
  for (let index = 0; index < rawHeaders.length; index += 2) {
    if (rawHeaders[index]!.toLowerCase() === 'host') count++
  }
  return count
}
