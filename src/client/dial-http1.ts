// Dial and shake hands over HTTP/1.1: node:http speaks, handshake/http1.ts judges.

import { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import { request as httpsRequest } from 'node:https'
import type { Duplex } from 'node:stream'
import { type AgreedExtensions, confirmExtensions, offerExtensions } from '../connection/extensions.ts'
import { HandshakeError, HandshakeRejectedError, WebSocketTimeoutError } from '../errors.ts'
import { buildRequestHeaders, checkResponse, joinHeaders } from '../handshake/http1.ts'
import { encodeKey } from '../handshake/key.ts'
import type { WebSocketUrl } from '../handshake/url.ts'
import { systemWheel } from '../timing/timer-wheel.ts'
import { headerLines } from '../trace/handshakes.ts'
import type { Observer } from '../trace/observer.ts'
import type { ResolvedConnectOptions } from './options.ts'

/** Hold what dialling brought. */
export interface Dialled {
  readonly socket: Duplex
  /** Bytes that came with the response: they belong to the WebSocket. */
  readonly head: Uint8Array
  /** The headers that were sent, names in lower case. */
  readonly requestHeaders: Readonly<Record<string, string>>
  readonly response: IncomingMessage
  readonly subprotocol: string | undefined
  readonly extensions: AgreedExtensions
}

/** 16 KiB of headers, as on servers. */
const MAX_HEADER_SIZE = 16 * 1024
/** Header lines of a response, as on servers. */
const MAX_HEADERS = 100
/** A refusal's body is read up to here: enough for a message, too little to hurt. */
const MAX_REFUSAL_BODY = 64 * 1024
/** Time for a refusal's body, in ms: a short text comes with the head, and the status must not wait for more. */
const REFUSAL_BODY_TIME = 1000

/**
 * Open the TCP or TLS connection and make the opening handshake. Rejects with HandshakeError,
 * HandshakeRejectedError, WebSocketTimeoutError, or the signal's reason.
 */
export function dialHttp1(
  url: WebSocketUrl,
  options: ResolvedConnectOptions,
  observer?: Observer,
): Promise<Dialled> {
  const { openTimeout, signal, subprotocols, tls } = options
  if (signal?.aborted) return Promise.reject(signal.reason)
  const key = encodeKey(randomBytes(16))
  const headers = buildRequestHeaders({
    key,
    host: url.host,
    target: url.target,
    subprotocols,
    extensions: offerExtensions(options.connection),
    origin: options.origin,
    authorization: basicCredentials(url),
    userAgent: options.userAgent,
    headers: options.headers,
  })
  observer?.request('GET', url.target, headers)
  return new Promise((resolve, reject) => {
    const request = (url.secure ? httpsRequest : httpRequest)({
      ...(url.secure ? tls : {}),
      ...(url.socketPath === undefined
        ? { host: url.hostname, port: url.port }
        : { socketPath: url.socketPath }),
      path: url.target,
      method: 'GET',
      headers: headers.flat(),
      agent: false,
      maxHeaderSize: MAX_HEADER_SIZE,
    })
    // Node cuts off what is above this without a word: one more than allowed shows that there was more.
    request.maxHeadersCount = MAX_HEADERS + 1
    let isDone = false
    /** Reject with the refusal, once its head is here. */
    let refuse: (() => void) | undefined
    let bodyTimer: NodeJS.Timeout | undefined
    const timer = setTimeout(() => {
      if (refuse === undefined) fail(new WebSocketTimeoutError('open', openTimeout))
      else refuse()
    }, openTimeout)
    const onAbort = (): void => fail(signal!.reason)
    signal?.addEventListener('abort', onAbort)

    function finish(): boolean {
      if (isDone) return false
      isDone = true
      clearTimeout(timer)
      clearTimeout(bodyTimer)
      signal?.removeEventListener('abort', onAbort)
      return true
    }
    function fail(reason: unknown): void {
      if (!finish()) return
      request.destroy()
      reject(reason)
    }

    request.on('error', (error) => {
      // The status is known; a body that is broken changes nothing about it.
      if (refuse === undefined) fail(asHandshakeError(error, url))
      else refuse()
    })
    request.on('upgrade', (response, socket, head) => {
      observeResponse(observer, response)
      try {
        checkHeaderCount(response)
        const handshake = checkResponse(toHead(response), { key, subprotocols })
        const extensions = confirmExtensions(handshake.extensions, options.connection, systemWheel)
        if (!finish()) socket.destroy()
        const requestHeaders = Object.fromEntries(headers.map(([name, value]) => [name.toLowerCase(), value]))
        resolve({ socket, head, requestHeaders, response, subprotocol: handshake.subprotocol, extensions })
      } catch (error) {
        socket.destroy()
        fail(error)
      }
    })
    request.on('response', (response) => {
      observeResponse(observer, response)
      try {
        checkHeaderCount(response)
        if (response.statusCode === 101) throw brokenUpgrade(response, key, subprotocols)
      } catch (error) {
        fail(error)
        return
      }
      const body: Buffer[] = []
      let size = 0
      const end = (): void => {
        if (!isDone) fail(describeRefusal(response, body))
      }
      refuse = end
      bodyTimer = setTimeout(end, REFUSAL_BODY_TIME)
      response.on('data', (chunk: Buffer) => {
        body.push(chunk)
        size += chunk.length
        if (size >= MAX_REFUSAL_BODY) end()
      })
      response.on('end', end)
      response.on('error', end)
      response.on('close', end)
    })
    request.end()
  })
}

function observeResponse(observer: Observer | undefined, response: IncomingMessage): void {
  const { statusCode = 0, statusMessage = '', rawHeaders } = response
  observer?.response(statusCode, statusMessage, headerLines(rawHeaders))
}

function basicCredentials({ username, password }: WebSocketUrl): string | undefined {
  if (username === '' && password === '') return undefined
  return `Basic ${Buffer.from(`${username}:${password}`).toString('base64')}`
}

function toHead(response: IncomingMessage): Parameters<typeof checkResponse>[0] {
  return {
    status: response.statusCode ?? 0,
    statusText: response.statusMessage ?? '',
    headers: response.headers,
  }
}

/** Say what is wrong with a 101 that is no upgrade to node:http: it lacks Upgrade or Connection. */
function brokenUpgrade(response: IncomingMessage, key: string, subprotocols: readonly string[]): unknown {
  try {
    checkResponse(toHead(response), { key, subprotocols })
  } catch (error) {
    return error
  }
  return new HandshakeError({ code: 'WS_BAD_UPGRADE', detail: 'not understood', status: 0 })
}

function checkHeaderCount({ rawHeaders }: IncomingMessage): void {
  const count = rawHeaders.length / 2
  if (count <= MAX_HEADERS) return
  throw new HandshakeError({
    code: 'WS_TOO_MANY_HEADERS',
    detail: `more than ${MAX_HEADERS} lines`,
    status: 0,
  })
}

function describeRefusal(response: IncomingMessage, body: readonly Buffer[]): HandshakeRejectedError {
  return new HandshakeRejectedError({
    status: response.statusCode ?? 0,
    statusText: response.statusMessage ?? '',
    headers: joinHeaders(response.headers),
    body: Buffer.concat(body).subarray(0, MAX_REFUSAL_BODY).toString('utf8'),
  })
}

function asHandshakeError(error: unknown, url: WebSocketUrl): unknown {
  if (!(error instanceof Error)) return error
  const { code } = error as NodeJS.ErrnoException
  const where = url.socketPath ?? `${url.hostname}:${url.port}`
  if (code === 'ECONNRESET' || code?.startsWith('HPE_')) {
    return new HandshakeError({
      code: 'WS_HANDSHAKE_INTERRUPTED',
      detail: explain(error),
      status: 0,
      cause: error,
    })
  }
  return new HandshakeError({
    code: 'WS_CONNECT_FAILED',
    detail: `${where}: ${explain(error)}`,
    status: 0,
    cause: error,
  })
}

const EXPLANATIONS: Readonly<Record<string, string>> = {
  ECONNREFUSED: 'nothing listens there (ECONNREFUSED)',
  ENOTFOUND: 'the host name is not known (ENOTFOUND)',
  ENOENT: 'there is no such Unix socket (ENOENT)',
  ECONNRESET: 'the peer dropped the connection (ECONNRESET)',
}

function explain(error: Error): string {
  const { code = '', errors } = error as NodeJS.ErrnoException & { errors?: Error[] }
  // Node tries several addresses of one name; each has failed in its own way.
  if (errors !== undefined && errors.length > 0 && error.message === '') return errors.map(explain).join('; ')
  return EXPLANATIONS[code] ?? (error.message || code)
}
