// A server that answers a handshake with exactly the bytes that a test wants.

import { createHash } from 'node:crypto'
import { createServer, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'
import { onTestFinished } from 'vitest'

/** Hold a server that is up until the test ends. */
export interface FakeServer {
  readonly port: number
  readonly url: string
  /** How many connections came. */
  readonly count: number
  /** Resolves when every connection that came is closed. */
  allClosed(): Promise<void>
}

/** Hold one request that came in. */
export interface FakeRequest {
  readonly head: string
  /** The right value of Sec-WebSocket-Accept. */
  readonly accept: string
}

/** Answer each connection by hand: `onRequest` is called when its head is complete. */
export async function fakeServer(
  onRequest: (socket: Socket, request: FakeRequest) => void,
  tls?: TlsOptions,
): Promise<FakeServer> {
  const sockets = new Set<Socket>()
  const ends: Promise<void>[] = []
  const onConnection = (socket: Socket): void => {
    let head = ''
    socket.on('error', () => {})
    const onData = (chunk: Buffer): void => {
      head += chunk.toString('latin1')
      if (!head.includes('\r\n\r\n')) return
      socket.off('data', onData)
      socket.resume()
      onRequest(socket, { head, accept: acceptFor(head) })
    }
    socket.on('data', onData)
  }
  const server = tls === undefined ? createServer(onConnection) : createTlsServer(tls, onConnection)
  // The TCP sockets, also those beneath TLS.
  server.on('connection', (socket: Socket) => {
    sockets.add(socket)
    ends.push(new Promise((resolve) => socket.once('close', resolve)))
    socket.on('error', () => {})
  })
  onTestFinished(() => {
    for (const socket of sockets) socket.destroy()
    server.close()
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
  const { port } = server.address() as { port: number }
  return {
    port,
    url: `${tls === undefined ? 'ws' : 'wss'}://127.0.0.1:${port}/`,
    get count() {
      return ends.length
    },
    allClosed: async () => void (await Promise.all(ends)),
  }
}

/** Compute the answer to a request's key with the system's SHA-1 (RFC 6455 section 4.2.2). */
export function acceptFor(head: string): string {
  const key = /^sec-websocket-key: (.*)$/im.exec(head)?.[1]?.trim() ?? ''
  return createHash('sha1').update(`${key}258EAFA5-E914-47DA-95CA-C5AB0DC85B11`).digest('base64')
}

/** Write a 101 response that is right but for the given lines. */
export function accepted({ accept }: FakeRequest, ...lines: string[]): string {
  return [
    'HTTP/1.1 101 Switching Protocols',
    'Upgrade: websocket',
    'Connection: Upgrade',
    `Sec-WebSocket-Accept: ${accept}`,
    ...lines,
    '\r\n',
  ].join('\r\n')
}
