// The handshakes of servers that are being watched. A server answers in several places; all of them know the socket.

import type { TraceOptions } from '../connection/trace-options.ts'
import { type Observer, observe } from './observer.ts'

const observers = new WeakMap<object, Observer>()

/** The head of a request with its lines as they came. */
export interface WatchedRequest {
  readonly method: string
  readonly target: string
  readonly httpVersion: string
  lines(): [string, string][]
}

/** Begin to watch a handshake that came over a socket; `undefined` when nobody wants to know of it. */
export function observeRequest(
  request: WatchedRequest,
  socket: object,
  trace: boolean | TraceOptions | undefined,
): Observer | undefined {
  const observer = observe('server', trace)
  if (observer === undefined) return undefined
  observers.set(socket, observer)
  observer.request(request.method, request.target, request.lines(), request.httpVersion)
  return observer
}

/** Find who watches the handshake over a socket. */
export function observerOf(socket: object): Observer | undefined {
  return observers.get(socket)
}

/** Pair the names and values of Node's `rawHeaders`. */
export function headerLines(rawHeaders: readonly string[]): [string, string][] {
  const lines: [string, string][] = []
  for (let index = 0; index + 1 < rawHeaders.length; index += 2) {
    lines.push([rawHeaders[index]!, rawHeaders[index + 1]!])
  }
  return lines
}
