// The head of a handshake as a connection keeps it: one string instead of an object with a string for each header,
// unpacked when somebody asks. Thousands of idle connections have heads that nobody looks at.

import { type HeaderMap, headerValue } from '../handshake/http1.ts'
import { readRequestHead } from '../handshake/request-head.ts'
import type { HandshakeRequest } from './connection.ts'

/** Keep a request as the text from which `readRequestHead` has read it. */
export class RequestText implements HandshakeRequest {
  readonly #text: string
  #headers: HandshakeRequest['headers'] | undefined

  constructor(text: string) {
    this.#text = text
  }

  get target(): string {
    const start = this.#text.indexOf(' ') + 1
    return this.#text.slice(start, this.#text.indexOf(' ', start))
  }

  get headers(): HandshakeRequest['headers'] {
    this.#headers ??= readRequestHead(this.#text, Number.POSITIVE_INFINITY)!.headers
    return this.#headers
  }
}

/** Keep a request that others have parsed. */
export class PackedRequest implements HandshakeRequest {
  readonly target: string
  #packed: string
  #headers: HandshakeRequest['headers'] | undefined

  constructor(target: string, headers: HeaderMap) {
    this.target = target
    const parts: string[] = []
    for (const name of Object.keys(headers)) parts.push(name, headerValue(headers, name) ?? '')
    // No header holds a line feed: the HTTP parser refuses it.
    this.#packed = parts.join('\n')
  }

  get headers(): HandshakeRequest['headers'] {
    if (this.#headers === undefined) {
      const parts = this.#packed.split('\n')
      const headers: Record<string, string> = {}
      for (let index = 0; index + 1 < parts.length; index += 2) headers[parts[index]!] = parts[index + 1]!
      this.#headers = headers
      this.#packed = ''
    }
    return this.#headers
  }
}
