// serve(): a server of our own on a port, a Unix socket, with or without TLS.

import { createServer as createHttpServer, type Server as HttpServer, type IncomingMessage } from 'node:http'
import { createServer as createHttpsServer } from 'node:https'
import { reportError } from '../connection/report-error.ts'
import { listHasToken } from '../handshake/header-grammar.ts'
import { prepareSockets } from '../transport/socket-transport.ts'
import { Acceptor } from './acceptor.ts'
import { HeadReader, MAX_HEADER_SIZE } from './head-reader.ts'
import { answerRequest, answerUpgradeRequired } from './http-request.ts'
import { assertHandler, resolveUpgradeOptions, type ServeOptions, type ServerHandler } from './options.ts'
import { MAX_HEADERS } from './received-request.ts'
import { Server } from './server.ts'

/** 60 s for a whole request with its body: enough for a form on a slow line. Without an end, bodies that come drop
 * by drop would hold their sockets for ever. */
const REQUEST_TIMEOUT = 60_000

/**
 * Serve WebSocket connections.
 *
 * The handler is a coroutine that is run for each connection (when it returns the connection is closed with
 * 1000, when it throws with 1011), or an object of callbacks. Resolves when the server listens; rejects with the
 * system's error when it cannot, such as EADDRINUSE. Throws a TypeError or RangeError that names a wrong option.
 * Answers to `websockets.serve` of Python.
 *
 * @example
 * const server = await serve(async (connection) => {
 *   for await (const message of connection) await connection.send(message)
 * }, { port: 8765 })
 */
export async function serve<Data = unknown>(
  handler: ServerHandler<Data>,
  options: ServeOptions<Data> = {},
): Promise<Server<Data>> {
  assertHandler(handler)
  const resolved = resolveUpgradeOptions(options)
  const { onRequest, signal, tls } = options
  if (onRequest !== undefined && typeof onRequest !== 'function') {
    throw new TypeError('onRequest must be a function')
  }
  if (tls !== undefined && (typeof tls !== 'object' || tls === null)) {
    throw new TypeError('tls must be an object of options such as key and cert')
  }
  signal?.throwIfAborted()
  const acceptor = new Acceptor(handler, resolved)
  // Node takes whole numbers only.
  const openTimeout = Math.ceil(resolved.openTimeout)
  const limits = {
    maxHeaderSize: MAX_HEADER_SIZE,
    headersTimeout: openTimeout,
    // Node refuses less than the time for the headers.
    requestTimeout: Math.max(REQUEST_TIMEOUT, openTimeout),
    connectionsCheckingInterval: Math.min(openTimeout, 1000),
    // An offer to change to another protocol, such as curl's to HTTP/2, may be ignored (RFC 9110 section 7.8).
    // Node before 22.21 and 24.9 does not ask; there such a request counts as a handshake and gets 426.
    shouldUpgradeCallback: ({ headers }: IncomingMessage) => listHasToken(headers.upgrade ?? '', 'websocket'),
  }
  const http: HttpServer =
    tls === undefined
      ? createHttpServer(limits)
      : createHttpsServer({ handshakeTimeout: openTimeout, ...tls, ...limits })
  // One more than is allowed, so that Node's silent cut can be told from a request that is just at the limit.
  http.maxHeadersCount = MAX_HEADERS + 1
  const { logger } = resolved.connection
  http.on('upgrade', (request, socket, head) => acceptor.accept(request, socket, head))
  http.on('connect', (request, socket, head) => acceptor.accept(request, socket, head))
  http.on('request', (request, response) => {
    if (onRequest === undefined) answerUpgradeRequired(response)
    else void answerRequest(request, response, onRequest, logger)
  })
  await prepareSockets()
  const reader = HeadReader.install(http, acceptor, openTimeout)
  await listen(http, options)
  // What goes wrong with accepting must not end the process.
  http.on('error', (error) => {
    reportError(logger, 'the server could not accept a connection', error)
  })
  const server = new Server(http, acceptor, reader, tls !== undefined)
  if (signal?.aborted) {
    await server.close()
    throw signal.reason
  }
  if (signal !== undefined) {
    const onAbort = (): void => void server.close()
    signal.addEventListener('abort', onAbort, { once: true })
    void server.closed.then(() => signal.removeEventListener('abort', onAbort))
  }
  return server
}

function listen(http: HttpServer, options: { port?: number; host?: string; path?: string }): Promise<void> {
  const { port = 0, host, path } = options
  return new Promise((resolve, reject) => {
    http.once('error', reject)
    const listening = (): void => {
      http.off('error', reject)
      resolve()
    }
    if (path !== undefined) http.listen(path, listening)
    else if (host !== undefined) http.listen(port, host, listening)
    else http.listen(port, listening)
  })
}
