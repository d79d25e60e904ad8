// The step through an HTTP proxy: CONNECT (RFC 9110 section 9.3.6), on a stream that leads to the proxy.

import { request as httpRequest, type IncomingMessage } from 'node:http'
import type { Duplex } from 'node:stream'
import { HandshakeError, printable } from '../errors.ts'
import { assertHeader } from '../handshake/http1.ts'
import { basic } from './credentials.ts'
import { describePlace } from './dial-tcp.ts'
import { MAX_HEADER_SIZE } from './handshake-http1.ts'
import type { Opening } from './opening.ts'
import { describeProxy, type ProxyServer } from './proxy-options.ts'

/** Build the headers of a CONNECT request, in order. Throws TypeError for a header that must not be sent. */
export function buildConnectHeaders(
  proxy: ProxyServer,
  authority: string,
  userAgent: string | undefined,
): [string, string][] {
  const headers: [string, string][] = [['Host', authority]]
  const names = new Set(proxy.headers.map(([name]) => String(name).toLowerCase()))
  if (userAgent !== undefined && !names.has('user-agent')) headers.push(['User-Agent', userAgent])
  if ((proxy.username !== '' || proxy.password !== '') && !names.has('proxy-authorization')) {
    headers.push(['Proxy-Authorization', basic(proxy)])
  }
  for (const [name, value] of proxy.headers) {
    if (RESERVED.has(String(name).toLowerCase())) {
      throw new TypeError(`proxy.headers cannot set ${name}: the request to the proxy sets it itself`)
    }
    headers.push([name, value])
  }
  // Without it Node writes "close", which a proxy might take at its word.
  headers.push(['Connection', 'keep-alive'])
  for (const [name, value] of headers) assertHeader(name, value)
  return headers
}

/** What says where a request ends and where it goes. */
const RESERVED: ReadonlySet<string> = new Set(['host', 'content-length', 'transfer-encoding', 'connection'])

/**
 * Ask the proxy for a tunnel. When it is there the stream leads to the server. Rejects with HandshakeError when the
 * proxy refuses, and with the system's error.
 */
export function openHttpTunnel(
  opening: Opening,
  stream: Duplex,
  proxy: ProxyServer,
  to: { readonly host: string; readonly port: number },
  userAgent: string | undefined,
): Promise<void> {
  const authority = describePlace(to)
  const headers = buildConnectHeaders(proxy, authority, userAgent)
  return opening.wait((resolve, reject) => {
    const request = httpRequest({
      method: 'CONNECT',
      path: authority,
      headers: headers.flat(),
      createConnection: () => stream,
      maxHeaderSize: MAX_HEADER_SIZE,
    })
    request.on('error', reject)
    // To Node every answer to CONNECT is the beginning of a tunnel, refusals too.
    request.on('connect', (response, _stream, head) => {
      if (!isSuccess(response)) {
        reject(describeRefusal(response, proxy))
        return
      }
      // What the server said already belongs before what is read next.
      if (head.length > 0) stream.unshift(head)
      resolve()
    })
    request.end()
  })
}

function isSuccess({ statusCode = 0 }: IncomingMessage): boolean {
  return statusCode >= 200 && statusCode < 300
}

const ADVICE: Readonly<Record<number, string>> = {
  400: 'it may be no proxy for HTTP, or want TLS (https:)',
  403: 'it does not allow this server or port',
  405: 'it does not know CONNECT',
  407: 'give it a user and password, in its URL or as proxy: { username, password }',
  502: 'it cannot reach the server',
  503: 'it cannot reach the server',
  504: 'it cannot reach the server in time',
}

function describeRefusal(response: IncomingMessage, proxy: ProxyServer): HandshakeError {
  const { statusCode: status = 0, statusMessage = '' } = response
  const answer = `${status} ${printable(statusMessage).slice(0, 200)}`.trim()
  const advice = ADVICE[status]
  return new HandshakeError({
    code: 'WS_PROXY_FAILED',
    detail: `${describeProxy(proxy)} answered ${answer}${advice === undefined ? '' : `: ${advice}`}`,
    status,
    phase: 'proxy',
  })
}
