// What the errors of the system mean for somebody who connects: what happened, why, and what to do.

import { HandshakeError, type HandshakePhase, printable, WebSocketError } from '../errors.ts'

const TRUST = "if it is the right server, give its certificate, or its authority's, as tls: { ca }"

/** What the codes of Node and OpenSSL mean. The code stands behind it. */
const EXPLANATIONS: Readonly<Record<string, string>> = {
  // The name
  ENOTFOUND: 'the host name is not known',
  EAI_AGAIN: 'no name server answers: is there a network?',
  // TCP and Unix sockets
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the peer dropped the connection',
  EPIPE: 'the peer dropped the connection',
  ETIMEDOUT: 'nobody answers: a firewall may drop what is sent there',
  EHOSTUNREACH: 'there is no way to that host',
  ENETUNREACH: 'there is no way to that network',
  EADDRNOTAVAIL: 'this machine does not have the address of tcp: { localAddress }, or no port is left',
  EADDRINUSE: 'the port of tcp: { localPort } is taken',
  ENOENT: 'there is no such Unix socket',
  EACCES: 'it is not allowed here',
  EPERM: 'it is not allowed here',
  // Certificates
  DEPTH_ZERO_SELF_SIGNED_CERT: `its certificate is self-signed: ${TRUST}`,
  SELF_SIGNED_CERT_IN_CHAIN: `its certificate comes from an authority that is not trusted here: ${TRUST}`,
  UNABLE_TO_GET_ISSUER_CERT: `the authority of its certificate is not known here: ${TRUST}`,
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: `the authority of its certificate is not known here: ${TRUST}`,
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: `the authority of its certificate is not known here, or the server leaves out a certificate in between: ${TRUST}`,
  CERT_HAS_EXPIRED:
    'its certificate has expired: renew it on the server, and look at the clock of this machine',
  CERT_NOT_YET_VALID: 'its certificate is not valid yet: look at the clock of this machine',
  CERT_REVOKED: 'its certificate was revoked',
  ERR_TLS_CERT_ALTNAME_INVALID:
    'its certificate is for another name: connect by that name, or give it as tls: { servername }',
  // TLS
  ERR_SSL_WRONG_VERSION_NUMBER: 'it does not speak TLS there: is the address right, or should it be ws: ?',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'it does not speak TLS there: is the address right, or should it be ws: ?',
  ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED:
    'it asks for a certificate of ours: give one as tls: { cert, key }',
  ERR_SSL_TLSV1_ALERT_UNKNOWN_CA:
    'it does not trust the authority of our certificate: see tls: { cert, key }',
  ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE: 'it does not accept our certificate: see tls: { cert, key }',
  ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE:
    'it wants another cipher or TLS version, or a certificate of ours: see tls: { cert, key }',
  ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION: 'it wants another TLS version: see tls: { minVersion }',
  ERR_SSL_UNSUPPORTED_PROTOCOL:
    'it only speaks a TLS version that is not allowed here: see tls: { minVersion }',
}

/** Say in words why a step failed. */
export function explain(error: Error): string {
  const { code = '', errors } = error as NodeJS.ErrnoException & { errors?: Error[] }
  // Node tries several addresses of one name; each has failed in its own way.
  if (errors !== undefined && errors.length > 0 && error.message === '') return errors.map(explain).join('; ')
  const explanation = EXPLANATIONS[code]
  if (explanation === undefined) return printable(error.message || code || String(error))
  // The names that a certificate is for stand in Node's message alone.
  if (code === 'ERR_TLS_CERT_ALTNAME_INVALID') return `${explanation} (${code}: ${printable(error.message)})`
  return `${explanation} (${code})`
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
