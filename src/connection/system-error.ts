// Errors of TCP, name lookup and TLS in words. Neither Node's messages ("read ECONNRESET") nor OpenSSL's
// ("error:0A000418:SSL routines:ssl3_read_bytes:tlsv1 alert unknown ca") say what happened.

import { printable } from '../errors.ts'

const WORDS: Readonly<Record<string, string>> = {
  // TCP and below, in the words of errno(3) as far as they are of use
  EACCES: 'the system does not allow it',
  EADDRINUSE: 'the address is in use',
  EADDRNOTAVAIL: 'the address is none of this machine, or no port is free',
  EBADF: 'the socket was closed by something in this process',
  ECANCELED: 'the operation was cancelled',
  ECONNABORTED: 'the system gave the TCP connection up',
  ECONNREFUSED: 'nothing listens there',
  ECONNRESET: 'the peer or something between reset the TCP connection',
  EHOSTDOWN: "the peer's machine is down",
  EHOSTUNREACH: "there is no way to the peer's machine",
  EIO: 'the system could not read or write',
  EMFILE: 'this process has too many files and sockets open',
  ENETDOWN: 'the network is down',
  ENETRESET: 'the network dropped the connection',
  ENETUNREACH: 'there is no way to the network of the peer',
  ENFILE: 'the system has too many files and sockets open',
  ENOBUFS: 'the system has no memory for sockets',
  ENOENT: 'there is no such Unix socket',
  ENOMEM: 'the system has no memory',
  ENOTCONN: 'the TCP connection was gone already',
  EPERM: 'the system or a firewall does not allow it',
  EPIPE: 'the peer had dropped the TCP connection when we wrote to it',
  EPROTO: 'the peer speaks TLS wrongly, or no TLS',
  ETIMEDOUT: 'the network did not deliver what we sent',
  ERR_STREAM_DESTROYED: 'the stream was destroyed by something in this process',
  ERR_STREAM_PREMATURE_CLOSE: 'the stream ended before its time',
  ERR_STREAM_WRITE_AFTER_END: 'the stream was ended by something in this process',
  // Name lookup
  EAI_AGAIN: 'the name server does not answer',
  EAI_FAIL: 'the name server failed',
  ENODATA: 'the name has no address',
  ENOTFOUND: 'the name is not known',
  // TLS
  ERR_SSL_APPLICATION_DATA_AFTER_CLOSE_NOTIFY: 'data came after the end of TLS',
  ERR_SSL_BAD_RECORD_TYPE: 'what came is no TLS',
  ERR_SSL_CERTIFICATE_VERIFY_FAILED: "the peer's certificate is not trusted",
  ERR_SSL_DECRYPTION_FAILED_OR_BAD_RECORD_MAC: 'encrypted bytes were changed on their way',
  ERR_SSL_HTTP_REQUEST: 'the peer speaks HTTP without TLS',
  ERR_SSL_NO_PROTOCOLS_AVAILABLE: 'no version of TLS is allowed',
  ERR_SSL_NO_SHARED_CIPHER: 'the two ends know no common cipher',
  ERR_SSL_PACKET_LENGTH_TOO_LONG: 'what came is no TLS',
  ERR_SSL_PEER_DID_NOT_RETURN_A_CERTIFICATE: 'the peer showed no certificate',
  ERR_SSL_UNEXPECTED_EOF_WHILE_READING: 'the peer ended the TCP connection without ending TLS',
  ERR_SSL_UNEXPECTED_MESSAGE: 'the peer sent a message of TLS out of turn',
  ERR_SSL_UNSUPPORTED_PROTOCOL: 'the two ends know no common version of TLS',
  ERR_SSL_WRONG_VERSION_NUMBER: 'what came is no TLS',
  ERR_TLS_CERT_ALTNAME_INVALID: "the peer's certificate is for another name",
  ERR_TLS_HANDSHAKE_TIMEOUT: 'the TLS handshake took too long',
  // Verification of certificates, in the names of OpenSSL
  CERT_CHAIN_TOO_LONG: "the chain of the peer's certificate is too long",
  CERT_HAS_EXPIRED: "the peer's certificate has expired",
  CERT_NOT_YET_VALID: "the peer's certificate is not valid yet",
  CERT_REVOKED: "the peer's certificate was revoked",
  CERT_SIGNATURE_FAILURE: "the signature of the peer's certificate is wrong",
  CERT_UNTRUSTED: "the peer's certificate is not trusted",
  DEPTH_ZERO_SELF_SIGNED_CERT: "the peer's certificate is signed by itself",
  HOSTNAME_MISMATCH: "the peer's certificate is for another name",
  INVALID_CA: "the peer's certificate was not issued by an authority",
  SELF_SIGNED_CERT_IN_CHAIN: "the authority of the peer's certificate is not trusted",
  UNABLE_TO_GET_ISSUER_CERT: "the authority of the peer's certificate is not known",
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: "the authority of the peer's certificate is not known",
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: "the authority of the peer's certificate is not known",
}

// RFC 8446 section 6, and the older ones of RFC 5246 section 7.2: the number of each alert, its name as OpenSSL
// spells it in errors, and its meaning.
const ALERTS: readonly (readonly [number: number, name: string, words: string])[] = [
  [10, 'UNEXPECTED_MESSAGE', 'it got a message of TLS out of turn'],
  [20, 'BAD_RECORD_MAC', 'encrypted bytes were changed on their way'],
  [21, 'DECRYPTION_FAILED', 'it could not decrypt'],
  [22, 'RECORD_OVERFLOW', 'it got a record that is too long'],
  [30, 'DECOMPRESSION_FAILURE', 'it could not decompress'],
  [40, 'HANDSHAKE_FAILURE', 'the two ends have no version, cipher or certificate in common'],
  [41, 'NO_CERTIFICATE', 'it has no certificate'],
  [42, 'BAD_CERTIFICATE', 'our certificate is broken'],
  [43, 'UNSUPPORTED_CERTIFICATE', 'our certificate is of a kind that it does not take'],
  [44, 'CERTIFICATE_REVOKED', 'our certificate was revoked'],
  [45, 'CERTIFICATE_EXPIRED', 'our certificate has expired'],
  [46, 'CERTIFICATE_UNKNOWN', 'it does not accept our certificate'],
  [47, 'ILLEGAL_PARAMETER', 'it got a value that TLS does not allow'],
  [48, 'UNKNOWN_CA', 'it does not know the authority of our certificate'],
  [49, 'ACCESS_DENIED', 'our certificate gives no access'],
  [50, 'DECODE_ERROR', 'it could not read a message of TLS'],
  [51, 'DECRYPT_ERROR', 'a signature or key of TLS was wrong'],
  [70, 'PROTOCOL_VERSION', 'it does not speak our versions of TLS'],
  [71, 'INSUFFICIENT_SECURITY', 'our ciphers are too weak for it'],
  [80, 'INTERNAL_ERROR', 'it met an error of its own'],
  [86, 'INAPPROPRIATE_FALLBACK', 'the version of TLS was lowered on the way'],
  [90, 'USER_CANCELLED', 'it was cancelled there'],
  [100, 'NO_RENEGOTIATION', 'it does not negotiate anew'],
  [109, 'MISSING_EXTENSION', 'it misses an extension of TLS'],
  [110, 'UNSUPPORTED_EXTENSION', 'it got an extension of TLS that it did not ask for'],
  [112, 'UNRECOGNIZED_NAME', 'it does not know the name that was asked for (SNI)'],
  [113, 'BAD_CERTIFICATE_STATUS_RESPONSE', 'the status of our certificate is broken'],
  [115, 'UNKNOWN_PSK_IDENTITY', 'it does not know our key'],
  [116, 'CERTIFICATE_REQUIRED', 'it wants a certificate of ours'],
  [120, 'NO_APPLICATION_PROTOCOL', 'it speaks none of our protocols (ALPN)'],
]

/** The longest message of somebody else's error that is quoted, in characters. */
const LONGEST_QUOTE = 200

/** Give the code of an error of the system, such as `ECONNRESET`; `undefined` for errors of this library and others. */
export function systemErrorCode(error: Error | undefined): string | undefined {
  const code = (error as { code?: unknown } | undefined)?.code
  // The slash is that of OpenSSL 3.2 and later: ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE.
  return typeof code === 'string' && /^(?!WS_)[A-Z][A-Z0-9_/]{1,79}$/.test(code) ? code : undefined
}

/** Tell whether an error is one of TLS. */
export function isTlsError(error: Error): boolean {
  const code = systemErrorCode(error) ?? ''
  return /^(?:EPROTO$|ERR_SSL_|ERR_TLS_|CERT_|UNABLE_TO_|DEPTH_ZERO_|SELF_SIGNED_|HOSTNAME_|INVALID_CA)/.test(
    code,
  )
}

/**
 * Put any error into words: one of the system by its code, another by its message, which is shortened and printable.
 * `advice` says what to do about a code, or about an alert of TLS by the name of RFC 8446 in capitals.
 */
export function explainError(error: Error, advice: Readonly<Record<string, string>> = {}): string {
  const code = systemErrorCode(error) ?? ''
  const alert = findAlert(code, error.message)
  const words = alert === undefined ? WORDS[code] : `the peer ended TLS: ${alert.words}`
  if (words === undefined) {
    return quote(error.message) || code || quote(error.name)
  }
  const whatToDo = advice[alert?.name ?? code]
  // The names that a certificate is for stand in Node's message alone.
  const source = code === 'ERR_TLS_CERT_ALTNAME_INVALID' ? `${code}: ${quote(error.message)}` : code
  return `${words}${whatToDo === undefined ? '' : `: ${whatToDo}`} (${source})`
}

function quote(text: unknown): string {
  const line = printable(String(text))
  return line.length > LONGEST_QUOTE ? `${line.slice(0, LONGEST_QUOTE)}…` : line
}

function findAlert(code: string, message: string): { name: string; words: string } | undefined {
  const named = /^ERR_SSL_(?:SSLV3|TLSV1|TLSV13|SSL\/TLS)_(?:ALERT_)?(\w+)$/.exec(code)?.[1]
  // Where OpenSSL's code is not passed on, its text is.
  const number = Number(/\bSSL alert number (\d+)/.exec(message)?.[1] ?? Number.NaN)
  const alert = ALERTS.find((one) => one[1] === named || one[0] === number)
  return alert && { name: alert[1], words: alert[2] }
}
