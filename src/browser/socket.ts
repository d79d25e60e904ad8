// The browser's own WebSocket, as far as this build uses it. The types are ours, because the package is compiled without
// those of the DOM.

import type { Blob } from 'node:buffer'

/** What can be given to a browser's `send`. */
export type Outgoing = string | Uint8Array | Blob

/** What a browser tells about the end of a connection. */
export interface CloseEventLike {
  readonly code: number
  readonly reason: string
  readonly wasClean: boolean
}

/** A WebSocket as the WHATWG standard has it. */
export interface BrowserSocket {
  readonly readyState: number
  readonly bufferedAmount: number
  readonly protocol: string
  readonly extensions: string
  binaryType: string
  onopen: (() => void) | null
  onmessage: ((event: { readonly data: unknown }) => void) | null
  /** Browsers say nothing in it; runtimes that are none often do. */
  onerror: ((event: { readonly error?: unknown }) => void) | null
  onclose: ((event: CloseEventLike) => void) | null
  send(data: Outgoing): void
  close(code?: number, reason?: string): void
}

/** The `readyState` of a socket that can be sent on. */
export const OPEN = 1

/** Hear nothing more from a socket. */
export function detach(socket: BrowserSocket): void {
  socket.onopen = null
  socket.onmessage = null
  // Emulations of browsers throw an error that nobody hears.
  socket.onerror = () => {}
  socket.onclose = null
}
