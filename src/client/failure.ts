// What the errors of the system mean for somebody who connects: what is to be done about them, and in which phase they
// came.

import { explainError } from '../connection/system-error.ts'
import { HandshakeError, type HandshakePhase, WebSocketError } from '../errors.ts'

const TRUST = "if it is the right server, give its certificate, or its authority's, as tls: { ca }"
const CLIENT_CERTIFICATE = 'see tls: { cert, key }'
const NO_TLS = 'is the address right, and is TLS to be spoken there?'

/** What to do about what the system says. */
const ADVICE: Readonly<Record<string, string>> = {
  EAI_AGAIN: 'is there a network?',
  // TCP
  ETIMEDOUT: 'a firewall may drop it, or nobody is there',
  EADDRNOTAVAIL: 'see tcp: { localAddress }',
  EADDRINUSE: 'see tcp: { localPort }',
  // Certificates
  DEPTH_ZERO_SELF_SIGNED_CERT: TRUST,
  SELF_SIGNED_CERT_IN_CHAIN: TRUST,
  UNABLE_TO_GET_ISSUER_CERT: TRUST,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: TRUST,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: `the server may leave out a certificate in between; ${TRUST}`,
  CERT_HAS_EXPIRED: 'renew it on the server, and look at the clock of this machine',
  CERT_NOT_YET_VALID: 'look at the clock of this machine',
  ERR_TLS_CERT_ALTNAME_INVALID: 'connect by that name, or give it as tls: { servername }',
  // TLS
  ERR_SSL_WRONG_VERSION_NUMBER: NO_TLS,
  ERR_SSL_PACKET_LENGTH_TOO_LONG: NO_TLS,
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'see tls: { minVersion }',
  // Alerts of the peer
  CERTIFICATE_REQUIRED: 'give one as tls: { cert, key }',
  UNKNOWN_CA: CLIENT_CERTIFICATE,
  BAD_CERTIFICATE: CLIENT_CERTIFICATE,
  HANDSHAKE_FAILURE: CLIENT_CERTIFICATE,
  PROTOCOL_VERSION: 'see tls: { minVersion }',
}

/** Say in words why a step failed, and what to do about it. */
export function explain(error: Error): string {
  const { errors } = error as Error & { errors?: readonly Error[] }
  // Node tries several addresses of one name; each has failed in its own way.
  if (errors !== undefined && errors.length > 0 && error.message === '') {
    return [...new Set(errors.map(explain))].join('; ')
  }
  return explainError(error, ADVICE)
}

/**
 * Make of whatever a step failed with the error that is told: `where` names the place. Errors of ours stay what
 * they are.
 */
export function asFailure(error: unknown, phase: HandshakePhase, where: string): unknown {
  if (!(error instanceof Error) || error instanceof WebSocketError) return error
  const code = (error as NodeJS.ErrnoException).code ?? ''
  if (phase === 'proxy') {
    return new HandshakeError({
      code: 'WS_PROXY_FAILED',
      // The option tls is about the server.
      detail: `${where}: ${explain(error).replaceAll('tls: {', 'proxy.tls: {')}`,
      status: 0,
      phase,
      cause: error,
    })
  }
  // A server can refuse our certificate after TLS was done, as far as we could know.
  const isTls = phase === 'tls' || code.startsWith('ERR_SSL_')
  if (isTls ? code === 'ECONNRESET' : phase === 'handshake') {
    return new HandshakeError({
      code: 'WS_HANDSHAKE_INTERRUPTED',
      detail: explain(error),
      status: 0,
      phase,
      cause: error,
    })
  }
  return new HandshakeError({
    code: 'WS_CONNECT_FAILED',
    detail: `${where}: ${explain(error)}`,
    status: 0,
    phase: isTls ? 'tls' : phase,
    cause: error,
  })
}
