// A client that sends exactly the bytes it is given and shows exactly the bytes that come back.
// Must not use src/ for anything but types, so that no fault can cancel itself out.

import { connect as connectTcp, type NetConnectOpts, type Socket } from 'node:net'
import { type ConnectionOptions, connect as connectTls } from 'node:tls'
import { onTestFinished } from 'vitest'
import type { Frame } from '../../src/protocol/frame.ts'
import { closePayload, frame, RFC_KEY, readFrames } from './bytes.ts'

/** The key of RFC 6455 section 1.3, and the value that answers it. */
export const KEY = 'dGhlIHNhbXBsZSBub25jZQ=='
export const ACCEPT = 's3pPLMBiTxaQ9kYGzzhZRbK+xOo='

/** Hold a parsed head of a response; names in lower case, several values joined by ", ". */
export interface RawHead {
  readonly status: number
  readonly statusText: string
  readonly headers: Readonly<Record<string, string>>
}

const HANDSHAKE_HEADERS = {
  Host: 'localhost',
  Upgrade: 'websocket',
  Connection: 'Upgrade',
  'Sec-WebSocket-Key': KEY,
  'Sec-WebSocket-Version': '13',
}

/** Write a request: the headers of a handshake, some of them replaced, repeated (array) or left out (undefined). */
export function handshake(
  changes: Readonly<Record<string, string | readonly string[] | undefined>> = {},
  requestLine = 'GET / HTTP/1.1',
): string {
  const lines = [requestLine]
  for (const [name, value] of Object.entries({ ...HANDSHAKE_HEADERS, ...changes })) {
    if (value === undefined) continue
    for (const one of Array.isArray(value) ? value : [value]) lines.push(`${name}: ${one}`)
  }
  return `${lines.join('\r\n')}\r\n\r\n`
}

/** Write a frame as clients do, masked. */
export function masked(first: number, payload?: Uint8Array | string): Uint8Array {
  return frame(first, payload, RFC_KEY)
}

/** Write a masked close frame. */
export function maskedClose(code: number, reason = ''): Uint8Array {
  return masked(0x88, closePayload(code, reason))
}

/** Parse the head of a response, as far as tests need it. */
export function parseHead(text: string): RawHead {
  const [statusLine = '', ...lines] = text.split('\r\n')
  const [, status = '', statusText = ''] = /^HTTP\/1\.1 (\d{3}) ?(.*)$/.exec(statusLine) ?? []
  const headers: Record<string, string> = {}
  for (const line of lines) {
    const colon = line.indexOf(':')
    const name = line.slice(0, colon).toLowerCase()
    const value = line.slice(colon + 1).trim()
    headers[name] = name in headers ? `${headers[name]}, ${value}` : value
  }
  return { status: Number(status), statusText, headers }
}

/** Where a raw client connects to: what `net.connect` takes, and `tls` where TLS is spoken. */
export type RawTarget = NetConnectOpts & { readonly tls?: ConnectionOptions }

/** Hold one connected socket; it is destroyed when the test ends. */
export class RawClient {
  readonly socket: Socket
  /** Resolves when nothing more will come, by an end, a reset or an error; never rejects. */
  readonly ended: Promise<void>
  #received: Buffer = Buffer.alloc(0)
  #hasEnded = false
  #wake: (() => void) | undefined

  constructor(socket: Socket) {
    this.socket = socket
    this.ended = new Promise((resolve) => {
      const end = (): void => {
        this.#hasEnded = true
        this.#wake?.()
        resolve()
      }
      socket.on('end', end)
      socket.on('close', end)
      // 'close' follows; what ended the line is seldom what a test is about.
      socket.on('error', () => {})
    })
    socket.on('data', (chunk) => {
      this.#received = this.#received.length === 0 ? chunk : Buffer.concat([this.#received, chunk])
      this.#wake?.()
    })
  }

  /** Connect; the socket is destroyed at the end of the test. */
  static async connect(target: RawTarget): Promise<RawClient> {
    const socket = target.tls === undefined ? connectTcp(target) : connectTls({ ...target, ...target.tls })
    onTestFinished(() => {
      socket.destroy()
    })
    const client = new RawClient(socket)
    await new Promise<void>((resolve, reject) => {
      socket.once(target.tls === undefined ? 'connect' : 'secureConnect', resolve)
      socket.once('error', reject)
    })
    return client
  }

  /** Connect and open a WebSocket by hand. */
  static async open(
    target: RawTarget,
    changes?: Parameters<typeof handshake>[0],
    requestLine?: string,
  ): Promise<RawClient> {
    const client = await RawClient.connect(target)
    client.write(handshake(changes, requestLine))
    const { status } = await client.readHead()
    if (status !== 101) throw new Error(`the handshake was answered with ${status}`)
    return client
  }

  /** Write bytes; text as Latin-1, so that each character is one byte. */
  write(bytes: Uint8Array | string): void {
    this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes)
  }

  /** Send and wait until the system took it all. */
  writeAndDrain(bytes: Uint8Array | string): Promise<void> {
    return new Promise((resolve) => {
      this.socket.write(typeof bytes === 'string' ? Buffer.from(bytes, 'latin1') : bytes, () => resolve())
    })
  }

  /** Drop the connection with a TCP reset. */
  reset(): void {
    this.socket.resetAndDestroy()
  }

  /** Take `count` bytes. */
  async read(count: number): Promise<Buffer> {
    await this.#until(() => this.#received.length >= count)
    const taken = this.#received.subarray(0, count)
    this.#received = this.#received.subarray(count)
    return taken
  }

  /** Take the head of a response. */
  async readHead(): Promise<RawHead> {
    const end = '\r\n\r\n'
    await this.#until(() => this.#received.includes(end))
    const text = await this.read(this.#received.indexOf(end) + end.length)
    return parseHead(text.toString('latin1', 0, text.length - end.length))
  }

  /** Take a response with a Content-Length, or else until the connection ends. */
  async readResponse(): Promise<RawHead & { readonly body: string }> {
    const head = await this.readHead()
    const length = head.headers['content-length']
    const body = length === undefined ? await this.readToEnd() : await this.read(Number(length))
    return { ...head, body: body.toString('utf8') }
  }

  /** Take one frame. */
  async readFrame(): Promise<Frame> {
    const [, second = 0] = await this.#peek(2)
    const short = second & 0x7f
    const lengthSize = short === 126 ? 2 : short === 127 ? 8 : 0
    const start = await this.#peek(2 + lengthSize)
    const length =
      lengthSize === 0 ? short : lengthSize === 2 ? start.readUInt16BE(2) : Number(start.readBigUInt64BE(2))
    const maskSize = second & 0x80 ? 4 : 0
    const [first] = readFrames(Uint8Array.from(await this.read(2 + lengthSize + maskSize + length)))
    return first!
  }

  /** Take one frame and give its payload as text. */
  async readText(): Promise<string> {
    const { payload } = await this.readFrame()
    return new TextDecoder().decode(payload)
  }

  /** Take frames until a close frame comes, and give its code and reason. */
  async readClose(): Promise<{ readonly code: number; readonly reason: string }> {
    for (;;) {
      const { opcode, payload } = await this.readFrame()
      if (opcode !== 0x8) continue
      const code = payload.length === 0 ? 1005 : (payload[0]! << 8) | payload[1]!
      return { code, reason: new TextDecoder().decode(payload.subarray(2)) }
    }
  }

  /** Take all that comes until the connection ends. */
  async readToEnd(): Promise<Buffer> {
    await this.ended
    const taken = this.#received
    this.#received = Buffer.alloc(0)
    return taken
  }

  async #peek(count: number): Promise<Buffer> {
    await this.#until(() => this.#received.length >= count)
    return this.#received
  }

  async #until(isThere: () => boolean): Promise<void> {
    while (!isThere()) {
      if (this.#hasEnded) {
        throw new Error(`the connection ended after ${JSON.stringify(this.#received.toString('latin1'))}`)
      }
      await new Promise<void>((resolve) => {
        this.#wake = resolve
      })
      this.#wake = undefined
    }
  }
}
