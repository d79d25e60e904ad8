// The request and its answer over HTTP/1.1, on a stream that leads to the server: node:http speaks,
// handshake/http1.ts judges.

import { Buffer } from 'node:buffer'
import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { HandshakeError, HandshakeRejectedError } from '../errors.ts'
import { checkResponse, joinHeaders, type ResponseHead, type ServerHandshake } from '../handshake/http1.ts'
import { headerLines } from '../trace/handshakes.ts'
import type { Observer } from '../trace/observer.ts'
import type { Opening } from './opening.ts'

/** Hold a request that is ready to be sent. */
export interface OpeningRequest {
  /** Path and query, percent-encoded. */
  readonly target: string
  /** In their order. */
  readonly headers: readonly (readonly [string, string])[]
  /** The value of Sec-WebSocket-Key among them. */
  readonly key: string
  readonly subprotocols: readonly string[]
}

/** Hold the answer of a server that opens the WebSocket. */
export interface Acceptance {
  readonly kind: 'accepted'
  readonly head: ResponseHead
  readonly handshake: ServerHandshake
  /** Bytes that came with the response: they belong to the WebSocket. */
  readonly early: Uint8Array
}

/** Hold any other answer. */
export interface Refusal {
  readonly kind: 'refused'
  readonly head: ResponseHead
  /** The beginning of the body; empty when it was not waited for. */
  readonly body: string
}

/** 16 KiB of headers, as on servers. */
export const MAX_HEADER_SIZE: number = 16 * 1024
/** Header lines of a response, as on servers. */
const MAX_HEADERS = 100
/** A refusal's body is read up to here: enough for a message, too little to hurt. */
const MAX_REFUSAL_BODY = 64 * 1024
/** Time for a refusal's body, in ms: a short text comes with the head, and the status must not wait for more. */
const REFUSAL_BODY_TIME = 1000

/**
 * Send the request and wait for the answer. `needsBody` tells of the head of a refusal whether the body matters.
 * Rejects with HandshakeError when a 101 breaks the rules, and with the system's error.
 */
export function shakeHands(
  opening: Opening,
  stream: Duplex,
  { target, headers, key, subprotocols }: OpeningRequest,
  needsBody: (head: ResponseHead) => boolean,
  observer?: Observer,
): Promise<Acceptance | Refusal> {
  const expected = { key, subprotocols }
  /** Give what there is of a refusal, once its head is here. */
  let refusal: (() => Refusal) | undefined
  let bodyTimer: NodeJS.Timeout | undefined
  const settled = opening.wait<Acceptance | Refusal>(
    (resolve, reject) => {
      // --- the request ---
      observer?.request('GET', target, headers)
      const request = httpRequest({
        method: 'GET',
        path: target,
        headers: headers.flat(),
        createConnection: () => stream,
        maxHeaderSize: MAX_HEADER_SIZE,
      })
      // By now it is read from; a stream that somebody has paused would stay so.
      request.on('socket', () => stream.resume())
      // Node cuts off what is above this without a word: one more than allowed shows that there was more.
      request.maxHeadersCount = MAX_HEADERS + 1

      // --- its answer ---
      request.on('upgrade', (response, _stream, early) => {
        observeResponse(observer, response)
        try {
          const head = readHead(response)
          const handshake = checkResponse(head, expected)
          resolve({ kind: 'accepted', head, handshake, early })
        } catch (error) {
          reject(error)
        }
      })
      request.on('response', (response) => {
        observeResponse(observer, response)
        let head: ResponseHead
        let isBodyNeeded: boolean
        try {
          head = readHead(response)
          if (head.status === 101) throw brokenUpgrade(head, expected)
          isBodyNeeded = needsBody(head)
        } catch (error) {
          reject(error)
          return
        }
        const body: Buffer[] = []
        let size = 0
        refusal = () => ({
          kind: 'refused',
          head,
          body: Buffer.concat(body).subarray(0, MAX_REFUSAL_BODY).toString('utf8'),
        })
        const end = (): void => resolve(refusal!())
        if (!isBodyNeeded) {
          end()
          return
        }
        bodyTimer = setTimeout(end, REFUSAL_BODY_TIME)
        response.on('data', (chunk: Buffer) => {
          body.push(chunk)
          size += chunk.length
          if (size < MAX_REFUSAL_BODY) return
          // Cookies may be kept before the socket is dropped, and a hostile server sends on meanwhile.
          response.pause()
          end()
        })
        response.on('end', end)
        response.on('error', end)
        response.on('close', end)
      })
      request.on('error', (error) => {
        // The status is known; a body that is broken changes nothing about it.
        if (refusal === undefined) reject(error)
        else resolve(refusal())
      })
      request.end()
    },
    // So does the end of the time.
    () => (refusal === undefined ? undefined : asRejection(refusal())),
  )
  return settled.finally(() => clearTimeout(bodyTimer))
}

/** Make the error that tells of a refusal. */
export function asRejection({ head, body }: Refusal): HandshakeRejectedError {
  return new HandshakeRejectedError({
    status: head.status,
    statusText: head.statusText,
    headers: joinHeaders(head.headers),
    body,
  })
}

function observeResponse(
  observer: Observer | undefined,
  { statusCode = 0, statusMessage = '', rawHeaders }: IncomingMessage,
): void {
  observer?.response(statusCode, statusMessage, headerLines(rawHeaders))
}

function readHead({ statusCode, statusMessage, headers, rawHeaders }: IncomingMessage): ResponseHead {
  if (rawHeaders.length / 2 > MAX_HEADERS) {
    throw new HandshakeError({
      code: 'WS_TOO_MANY_HEADERS',
      detail: `more than ${MAX_HEADERS} lines`,
      status: 0,
    })
  }
  return { status: statusCode ?? 0, statusText: statusMessage ?? '', headers }
}

/** Say what is wrong with a 101 that is no upgrade to node:http: it lacks Upgrade or Connection. */
function brokenUpgrade(head: ResponseHead, expected: Parameters<typeof checkResponse>[1]): unknown {
  try {
    checkResponse(head, expected)
  } catch (error) {
    return error
  }
  return new HandshakeError({ code: 'WS_BAD_UPGRADE', detail: 'not understood', status: 0 })
}
