// The step to TLS, over whatever stream leads there: a TCP socket, a tunnel, TLS of a proxy, or a stream of the user.

import { isIP } from 'node:net'
import type { Duplex } from 'node:stream'
import { type ConnectionOptions, type TLSSocket, connect as tlsConnect } from 'node:tls'
import type { Opening } from './opening.ts'

/**
 * Speak TLS over a stream, and check the peer's certificate for `hostname`. Rejects with the error of the system or
 * of OpenSSL.
 */
export function startTls(
  opening: Opening,
  stream: Duplex,
  hostname: string,
  options: ConnectionOptions,
): Promise<TLSSocket> {
  return opening.wait((resolve, reject) => {
    const socket = opening.own(
      tlsConnect({
        // Servers that speak HTTP/2 too must not choose it.
        ALPNProtocols: ['http/1.1'],
        // The name for SNI, which knows no addresses and no dot at the end (RFC 6066 section 3).
        ...(isIP(hostname) === 0 ? { servername: hostname.replace(/\.$/, '') } : {}),
        // Node takes `checkServerIdentity: undefined` at its word, and fails where nobody can catch it.
        ...Object.fromEntries(Object.entries(options).filter(([, value]) => value !== undefined)),
        socket: stream,
        // The name that the certificate is checked for, unless there is a servername.
        host: hostname,
      }),
    )
    const onSecure = (): void => {
      stop()
      resolve(socket)
    }
    const onError = (error: Error): void => {
      stop()
      reject(error)
    }
    // A stream that is no socket of Node's ends without an error.
    const onClose = (): void => {
      onError(Object.assign(new Error('the stream ended before TLS was ready'), { code: 'ECONNRESET' }))
    }
    const stop = (): void => {
      socket.off('secureConnect', onSecure)
      socket.off('error', onError)
      socket.off('close', onClose)
    }
    socket.on('secureConnect', onSecure)
    socket.on('error', onError)
    socket.on('close', onClose)
  })
}
