import { describe, expect, test } from 'vitest'
import { asFailure, explain } from '../../src/client/failure.ts'
import { HandshakeError, type HandshakePhase, WebSocketTimeoutError } from '../../src/errors.ts'

function systemError(code: string, message = `system says ${code}`): Error {
  return Object.assign(new Error(message), { code })
}

describe('explain', () => {
  test.each([
    ['ECONNREFUSED', 'nothing listens there (ECONNREFUSED)'],
    ['ENOTFOUND', 'the name is not known (ENOTFOUND)'],
    [
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      "the peer's certificate is signed by itself: if it is the right server, give its certificate, or its authority's, as tls: { ca } (DEPTH_ZERO_SELF_SIGNED_CERT)",
    ],
    ['EWHATEVER', 'system says EWHATEVER'],
  ])('%s', (code, words) => {
    expect(explain(systemError(code))).toBe(words)
  })

  test('keeps the names that a certificate is for', () => {
    const error = systemError('ERR_TLS_CERT_ALTNAME_INVALID', "Host: a. is not in the cert's altnames: DNS:b")
    expect(explain(error)).toMatch(/servername.*altnames: DNS:b\)$/)
  })

  test('each address of a name', () => {
    const error = new AggregateError([systemError('ECONNREFUSED'), systemError('ENETUNREACH')])
    expect(explain(error)).toBe(
      'nothing listens there (ECONNREFUSED); there is no way to the network of the peer (ENETUNREACH)',
    )
  })

  test('the same of several addresses once', () => {
    const error = new AggregateError([systemError('ECONNREFUSED'), systemError('ECONNREFUSED')])
    expect(explain(error)).toBe('nothing listens there (ECONNREFUSED)')
  })

  test('no more of a certificate with many names than can be read', () => {
    const names = Array.from({ length: 1000 }, (_, index) => `DNS:host-${index}.example`).join(', ')
    const error = systemError('ERR_TLS_CERT_ALTNAME_INVALID', `Host: a. is not in the altnames: ${names}`)
    expect(explain(error).length).toBeLessThan(500)
    expect(explain(new Error(names)).length).toBeLessThan(500)
  })

  test.each(['SSLV3', 'SSL/TLS'])('an alert in the words of OpenSSL before 3.2 and since: %s', (version) => {
    const code = `ERR_SSL_${version}_ALERT_HANDSHAKE_FAILURE`
    expect(explain(systemError(code))).toBe(
      `the peer ended TLS: the two ends have no version, cipher or certificate in common: see tls: { cert, key } (${code})`,
    )
  })

  test('without control characters', () => {
    expect(explain(new Error('a\x1b[2Jb\r\nc'))).toBe('a?[2Jb c')
  })

  test('an error without a message', () => {
    expect(explain(systemError('EODD', ''))).toBe('EODD')
    expect(explain(new Error(''))).toBe('Error')
  })
})

describe('asFailure', () => {
  test.each<[HandshakePhase, string, string, string, HandshakePhase]>([
    [
      'dns',
      'ENOTFOUND',
      'WS_CONNECT_FAILED',
      'could not connect: a:1: the name is not known (ENOTFOUND)',
      'dns',
    ],
    [
      'connect',
      'ECONNREFUSED',
      'WS_CONNECT_FAILED',
      'could not connect: a:1: nothing listens there (ECONNREFUSED)',
      'connect',
    ],
    [
      'connect',
      'ECONNRESET',
      'WS_CONNECT_FAILED',
      'could not connect: a:1: the peer or something between reset the TCP connection (ECONNRESET)',
      'connect',
    ],
    [
      'proxy',
      'ECONNRESET',
      'WS_PROXY_FAILED',
      'the proxy gave no way through: a:1: the peer or something between reset the TCP connection (ECONNRESET)',
      'proxy',
    ],
    [
      'proxy',
      'DEPTH_ZERO_SELF_SIGNED_CERT',
      'WS_PROXY_FAILED',
      "the proxy gave no way through: a:1: the peer's certificate is signed by itself: if it is the right server, give its certificate, or its authority's, as proxy.tls: { ca } (DEPTH_ZERO_SELF_SIGNED_CERT)",
      'proxy',
    ],
    [
      'tls',
      'ECONNRESET',
      'WS_HANDSHAKE_INTERRUPTED',
      'the connection ended during the opening handshake: the peer or something between reset the TCP connection (ECONNRESET)',
      'tls',
    ],
    [
      'tls',
      'CERT_HAS_EXPIRED',
      'WS_CONNECT_FAILED',
      "could not connect: a:1: the peer's certificate has expired: renew it on the server, and look at the clock of this machine (CERT_HAS_EXPIRED)",
      'tls',
    ],
    [
      'handshake',
      'ECONNRESET',
      'WS_HANDSHAKE_INTERRUPTED',
      'the connection ended during the opening handshake: the peer or something between reset the TCP connection (ECONNRESET)',
      'handshake',
    ],
    [
      'handshake',
      'HPE_INVALID_CONSTANT',
      'WS_HANDSHAKE_INTERRUPTED',
      'the connection ended during the opening handshake: system says HPE_INVALID_CONSTANT',
      'handshake',
    ],
    [
      'handshake',
      'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
      'WS_CONNECT_FAILED',
      'could not connect: a:1: the peer ended TLS: it wants a certificate of ours: give one as tls: { cert, key } (ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED)',
      'tls',
    ],
  ])('in the phase %s: %s', (phase, code, expectedCode, message, expectedPhase) => {
    const cause = systemError(code)
    const error = asFailure(cause, phase, 'a:1')
    expect(error).toBeInstanceOf(HandshakeError)
    expect(error).toMatchObject({ code: expectedCode, message, status: 0, phase: expectedPhase, cause })
  })

  test('leaves errors of ours, and what is no error', () => {
    const ours = new WebSocketTimeoutError('open', 1)
    expect(asFailure(ours, 'tls', 'a')).toBe(ours)
    expect(asFailure('reason', 'tls', 'a')).toBe('reason')
  })
})
