// A WebSocket that behaves as the WHATWG standard says, with a test in place of the network and the peer.

import { onTestFinished, vi } from 'vitest'
import { connectIn } from '../../src/browser/connect.ts'
import type { BrowserEnvironment } from '../../src/browser/environment.ts'
import type { BrowserSocket, CloseEventLike, Outgoing } from '../../src/browser/socket.ts'
import type { ConnectOptions } from '../../src/client/options.ts'
import type { Connection } from '../../src/connection/connection.ts'
import { FakeClock } from '../../src/testing/fake-clock.ts'

const CONNECTING = 0
const OPEN = 1
const CLOSING = 2
const CLOSED = 3

/** Be a WebSocket whose peer is a test. */
export class FakeWebSocket implements BrowserSocket {
  readonly url: string
  readonly offered: readonly string[]
  readyState: number = CONNECTING
  bufferedAmount = 0
  protocol = ''
  extensions = ''
  binaryType = 'blob'
  onopen: (() => void) | null = null
  onmessage: ((event: { readonly data: unknown }) => void) | null = null
  onerror: ((event: { readonly error?: unknown }) => void) | null = null
  onclose: ((event: CloseEventLike) => void) | null = null
  /** What was sent, in order. */
  readonly sent: Outgoing[] = []
  /** What `close` was called with, each time. */
  readonly closes: { code: number | undefined; reason: string | undefined }[] = []

  constructor(url: string, offered: readonly string[] = []) {
    this.url = url
    this.offered = offered
  }

  // --- what programs call ---

  send(data: Outgoing): void {
    if (this.readyState === CONNECTING) throw new DOMException('still connecting', 'InvalidStateError')
    if (typeof data === 'string') this.bufferedAmount += Buffer.byteLength(data)
    else this.bufferedAmount += data instanceof Uint8Array ? data.length : data.size
    if (this.readyState !== OPEN) return
    // The browser copies at once.
    this.sent.push(data instanceof Uint8Array ? data.slice() : data)
  }

  close(code?: number, reason?: string): void {
    if (code !== undefined && code !== 1000 && !(code >= 3000 && code <= 4999)) {
      throw new DOMException(`the code ${code} is not for programs`, 'InvalidAccessError')
    }
    if (reason !== undefined && Buffer.byteLength(reason) > 123) {
      throw new DOMException('the reason is too long', 'SyntaxError')
    }
    if (this.readyState >= CLOSING) return
    this.closes.push({ code, reason })
    const wasConnecting = this.readyState === CONNECTING
    this.readyState = CLOSING
    if (wasConnecting) queueMicrotask(() => this.fail())
  }

  // --- what the network and the peer do ---

  /** Have the server accept. */
  accept(protocol = '', extensions = ''): void {
    this.readyState = OPEN
    this.protocol = protocol
    this.extensions = extensions
    this.onopen?.()
  }

  /** A message came. */
  deliver(message: string | Uint8Array): void {
    // "If ready state is not OPEN (1), then return."
    if (this.readyState !== OPEN) return
    this.onmessage?.({ data: typeof message === 'string' ? message : message.slice().buffer })
  }

  /** The network took all, or so many bytes. */
  flush(bytes: number = this.bufferedAmount): void {
    this.bufferedAmount -= bytes
  }

  /** The peer's close frame came: the closing handshake has begun, and the line is still there. */
  receiveClose(): void {
    if (this.readyState === OPEN) this.readyState = CLOSING
  }

  /** The closing handshake is done: with the peer's code, or with ours if it answered. */
  endWith(code: number, reason = '', wasClean = true): void {
    this.readyState = CLOSED
    this.onclose?.({ code, reason, wasClean })
  }

  /** The peer answers our close frame. */
  answerClose(): void {
    const { code = 1005, reason = '' } = this.closes.at(-1) ?? {}
    this.endWith(code, reason)
  }

  /** The connection fails: browsers say no more than this. */
  fail(error?: unknown): void {
    this.readyState = CLOSED
    this.onerror?.({ error })
    this.onclose?.({ code: 1006, reason: '', wasClean: false })
  }
}

/** Hold a browser made for a test. */
export interface FakeBrowser {
  readonly clock: FakeClock
  /** Sockets in the order in which they were made. */
  readonly sockets: FakeWebSocket[]
  readonly environment: () => BrowserEnvironment
  isOnline: boolean
}

export function fakeBrowser(base?: string): FakeBrowser {
  const clock = new FakeClock()
  const sockets: FakeWebSocket[] = []
  class Recorded extends FakeWebSocket {
    constructor(url: string, offered: readonly string[]) {
      super(url, offered)
      sockets.push(this)
    }
  }
  const browser: FakeBrowser = {
    clock,
    sockets,
    isOnline: true,
    environment: () => ({ WebSocket: Recorded, clock, base, isOnline: browser.isOnline }),
  }
  return browser
}

/** Hold an open connection, and its other end. */
export interface Opened<Data> {
  readonly connection: Connection<Data>
  readonly socket: FakeWebSocket
  readonly clock: FakeClock
  readonly browser: FakeBrowser
}

/** Connect, with a server that accepts. */
export async function openInBrowser<Data = unknown>(
  options: ConnectOptions<Data> = {},
  { protocol = '', extensions = '' }: { readonly protocol?: string; readonly extensions?: string } = {},
): Promise<Opened<Data>> {
  const browser = fakeBrowser()
  const connecting = connectIn(browser.environment, 'ws://localhost/chat?room=1', options)
  await vi.waitUntil(() => browser.sockets.length === 1)
  const socket = browser.sockets[0]!
  socket.accept(protocol, extensions)
  return { connection: await connecting, socket, clock: browser.clock, browser }
}

/** Put a WebSocket of ours in the place of the page's until the test is over, and give those that are made. */
export function stubWebSocket(): FakeWebSocket[] {
  const { sockets, environment } = fakeBrowser()
  vi.stubGlobal('WebSocket', environment().WebSocket)
  onTestFinished(() => void vi.unstubAllGlobals())
  return sockets
}
