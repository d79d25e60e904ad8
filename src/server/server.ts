// A server that listens: where it is reached, who is connected, and how it stops.

import type { Server as HttpServer } from 'node:http'
import type { Socket } from 'node:net'
import type { Connection } from '../connection/connection.ts'
import type { Acceptor } from './acceptor.ts'
import { type CloseOptions, resolveCloseOptions } from './close-options.ts'
import type { HeadReader } from './head-reader.ts'

/** Serve WebSocket connections; made by `serve`. */
export class Server<Data = unknown> implements AsyncDisposable {
  readonly #http: HttpServer
  readonly #acceptor: Acceptor<Data>
  readonly #reader: HeadReader<Data> | undefined
  readonly #isSecure: boolean
  readonly #path: string | undefined
  readonly #port: number
  readonly #host: string
  /** The TCP sockets beneath TLS: Node's own list lacks those whose TLS handshake is not done. */
  readonly #sockets = new Set<Socket>()
  #closing: Promise<void> | undefined
  readonly #closed: Promise<void>

  /** @internal */
  constructor(
    http: HttpServer,
    acceptor: Acceptor<Data>,
    reader: HeadReader<Data> | undefined,
    isSecure: boolean,
  ) {
    this.#http = http
    this.#acceptor = acceptor
    this.#reader = reader
    this.#isSecure = isSecure
    const address = http.address()
    this.#path = typeof address === 'string' ? address : undefined
    this.#port = typeof address === 'object' && address !== null ? address.port : 0
    this.#host = typeof address === 'object' && address !== null ? address.address : 'localhost'
    this.#closed = new Promise((resolve) => {
      http.once('close', resolve)
    })
    if (isSecure) {
      http.on('connection', (socket) => {
        this.#sockets.add(socket)
        socket.once('close', () => this.#sockets.delete(socket))
      })
    }
  }

  /** The port that the server listens on; 0 on a Unix socket. */
  get port(): number {
    return this.#port
  }

  /** The address that the server listens on. */
  get host(): string {
    return this.#host
  }

  /** A URL under which this machine reaches the server. */
  get url(): string {
    const scheme = this.#isSecure ? 'wss' : 'ws'
    if (this.#path !== undefined)
      return `${scheme}+unix:${this.#path.split('/').map(encodeURIComponent).join('/')}`
    // Who listens on all addresses is reached under each; a URL needs one.
    const isAny = this.#host === '::' || this.#host === '0.0.0.0'
    const host = isAny ? 'localhost' : this.#host.includes(':') ? `[${this.#host}]` : this.#host
    return `${scheme}://${host}:${this.#port}/`
  }

  /** True while new connections are accepted. */
  get listening(): boolean {
    return this.#http.listening && this.#closing === undefined
  }

  /** The connections that are not closed. */
  get connections(): ReadonlySet<Connection<Data>> {
    return this.#acceptor.connections
  }

  /** Resolves when the server has stopped. */
  get closed(): Promise<void> {
    return this.#closed
  }

  /**
   * Stop: take no more connections, close those that are open (with 1001 by default), wait for their closing
   * handshakes and handlers, and drop what is left after `timeout` ms (10,000 by default). Calling it again
   * only waits. Throws a TypeError or RangeError that names a wrong option.
   */
  close(options: CloseOptions = {}): Promise<void> {
    this.#closing ??= this.#close(resolveCloseOptions(options))
    return this.#closing
  }

  async #close(options: Required<CloseOptions>): Promise<void> {
    this.#acceptor.beginClosing()
    this.#http.close()
    this.#http.closeIdleConnections()
    this.#reader?.close()
    await this.#acceptor.closeAll(options)
    this.#http.closeAllConnections()
    for (const socket of this.#sockets) socket.destroy()
    await this.#closed
  }

  /** Stop, for `await using`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}
