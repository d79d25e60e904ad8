import { once } from 'node:events'
import type { AddressInfo } from 'node:net'
import { constants } from 'node:os'
import { type ConnectionOptions, connect, createServer, type TlsOptions } from 'node:tls'
import { describe, expect, test } from 'vitest'
import { explainError, isTlsError, systemErrorCode } from '../../src/connection/system-error.ts'
import { ProtocolError } from '../../src/errors.ts'
import { tlsCertificate, tlsKey } from '../support/tls.ts'

function systemError(code: unknown, message = `read ${code}`): Error {
  return Object.assign(new Error(message), { code })
}

describe('explainError', () => {
  // What connect(2), read(2) and write(2) on a socket can answer, and opening one.
  test.each([
    'EACCES',
    'EADDRINUSE',
    'EADDRNOTAVAIL',
    'ECONNABORTED',
    'ECONNREFUSED',
    'ECONNRESET',
    'EHOSTUNREACH',
    'EMFILE',
    'ENETDOWN',
    'ENETRESET',
    'ENETUNREACH',
    'ENFILE',
    'ENOBUFS',
    'ENOMEM',
    'ENOTCONN',
    'EPERM',
    'EPIPE',
    'EPROTO',
    'ETIMEDOUT',
  ])('has words for %s', (code) => {
    expect(constants.errno).toHaveProperty(code)
    const words = explainError(systemError(code))
    expect(words).toMatch(new RegExp(`^[a-z].+ \\(${code}\\)$`))
    expect(words).not.toContain('read E')
  })

  test.each([
    ['ERR_SSL_SSLV3_ALERT_HANDSHAKE_FAILURE', 'no version, cipher or certificate in common|have no version'],
    ['ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', 'have no version'],
    ['ERR_SSL_SSLV3_ALERT_BAD_CERTIFICATE', 'our certificate is broken'],
    ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_EXPIRED', 'our certificate has expired'],
    ['ERR_SSL_SSLV3_ALERT_CERTIFICATE_UNKNOWN', 'does not accept our certificate'],
    ['ERR_SSL_TLSV1_ALERT_UNKNOWN_CA', 'authority of our certificate'],
    ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'our versions of TLS'],
    ['ERR_SSL_TLSV1_ALERT_INTERNAL_ERROR', 'an error of its own'],
    ['ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED', 'wants a certificate of ours'],
    ['ERR_SSL_TLSV1_UNRECOGNIZED_NAME', 'SNI'],
    ['ERR_SSL_TLSV1_ALERT_NO_APPLICATION_PROTOCOL', 'ALPN'],
    ['ERR_SSL_TLSV1_ALERT_ACCESS_DENIED', 'gives no access'],
  ])('reads the alert of %s', (code, words) => {
    expect(explainError(systemError(code))).toMatch(
      new RegExp(`^the peer ended TLS: .*(?:${words}).* \\(${code}\\)$`),
    )
  })

  test.each([
    [
      'version',
      { minVersion: 'TLSv1.3' },
      { maxVersion: 'TLSv1.2' },
      'it does not speak our versions of TLS',
    ],
    [
      // Its code is another since OpenSSL 3.2, that is since Node 22.
      'ciphers',
      { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES128-GCM-SHA256' },
      { maxVersion: 'TLSv1.2', ciphers: 'ECDHE-ECDSA-AES256-GCM-SHA384' },
      'the two ends have no version, cipher or certificate in common',
    ],
    [
      'ALPN',
      { ALPNProtocols: ['one'] },
      { ALPNProtocols: ['other'] },
      'it speaks none of our protocols (ALPN)',
    ],
  ] as const)('reads a real alert: %s', async (_, serverOptions, clientOptions, words) => {
    const server = createServer({
      cert: tlsCertificate,
      key: tlsKey,
      ...(serverOptions as TlsOptions),
    })
    server.on('tlsClientError', () => {})
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    const { port } = server.address() as AddressInfo
    const socket = connect({
      port,
      host: '127.0.0.1',
      ca: tlsCertificate,
      ...(clientOptions as ConnectionOptions),
    })
    const [error] = (await once(socket, 'error')) as [Error]
    expect(explainError(error)).toMatch(/^the peer ended TLS: .+ \([\w/]+\)$/)
    expect(explainError(error)).toContain(words)
    expect(isTlsError(error)).toBe(true)
    socket.destroy()
    server.close()
  })

  test('reads the number of an alert where its name is not passed on', () => {
    const text =
      'C0A8:error:0A000410:SSL routines:ssl3_read_bytes:ssl/tls alert:../record.c:1605:SSL alert number 40'
    expect(explainError(systemError('EPROTO', text))).toBe(
      'the peer ended TLS: the two ends have no version, cipher or certificate in common (EPROTO)',
    )
    expect(explainError(systemError('EPROTO', 'SSL alert number 255'))).toMatch(
      /^the peer speaks TLS wrongly/,
    )
  })

  test.each(['CERT_HAS_EXPIRED', 'DEPTH_ZERO_SELF_SIGNED_CERT', 'ENOTFOUND', 'EAI_AGAIN'])(
    'has words for %s',
    (code) => {
      expect(explainError(systemError(code, 'x'))).toMatch(new RegExp(`^.{10,} \\(${code}\\)$`))
    },
  )

  test('keeps the names that a certificate is for', () => {
    expect(explainError(systemError('ERR_TLS_CERT_ALTNAME_INVALID', 'DNS:b'))).toBe(
      "the peer's certificate is for another name (ERR_TLS_CERT_ALTNAME_INVALID: DNS:b)",
    )
  })

  test('adds what to do, by the code or by the alert', () => {
    const advice = { ECONNREFUSED: 'start it', UNKNOWN_CA: 'give another' }
    expect(explainError(systemError('ECONNREFUSED'), advice)).toMatch(/: start it \(ECONNREFUSED\)$/)
    expect(explainError(systemError('ERR_SSL_TLSV1_ALERT_UNKNOWN_CA'), advice)).toMatch(
      /: give another \(ERR/,
    )
    expect(explainError(systemError('EPIPE'), advice)).not.toContain('undefined')
  })

  test('quotes any other error, short and printable', () => {
    expect(explainError(new Error('it broke'))).toBe('it broke')
    expect(explainError(new Error('a\u001b[31m\nb'))).toBe('a?[31m b')
    expect(explainError(new RangeError(''))).toBe('RangeError')
    expect(explainError(new Error('x'.repeat(5000)))).toBe(`${'x'.repeat(200)}…`)
    expect(explainError(systemError('E_NEVER_HEARD', 'what it says'))).toBe('what it says')
  })
})

describe('systemErrorCode', () => {
  test('gives codes of the system, and no others', () => {
    expect(systemErrorCode(systemError('ECONNRESET'))).toBe('ECONNRESET')
    expect(systemErrorCode(systemError('ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE'))).toBe(
      'ERR_SSL_SSL/TLS_ALERT_BAD_CERTIFICATE',
    )
    expect(systemErrorCode(new ProtocolError('WS_BAD_UTF8'))).toBeUndefined()
    expect(systemErrorCode(new Error('x'))).toBeUndefined()
    expect(systemErrorCode(systemError(-104))).toBeUndefined()
    expect(systemErrorCode(systemError('\u001b[31m'))).toBeUndefined()
    expect(systemErrorCode(undefined)).toBeUndefined()
  })
})

describe('isTlsError', () => {
  test.each([
    ['EPROTO', true],
    ['ERR_SSL_WRONG_VERSION_NUMBER', true],
    ['ERR_TLS_CERT_ALTNAME_INVALID', true],
    ['CERT_HAS_EXPIRED', true],
    ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', true],
    ['ECONNRESET', false],
    ['ERR_STREAM_DESTROYED', false],
  ])('of %s is %s', (code, is) => {
    expect(isTlsError(systemError(code))).toBe(is)
  })
})
