// A throw-away key and certificate for the works over TLS, made once by openssl.

import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { cacheFolder } from './process.ts'

/** Returns the environment that gives a server key and certificate. Throws if there is no openssl. */
export function tlsEnvironment(): Record<string, string> {
  const folder = cacheFolder()
  const key = `${folder}tls.key`
  const certificate = `${folder}tls.crt`
  if (!existsSync(certificate)) {
    mkdirSync(folder, { recursive: true })
    execFileSync(
      'openssl',
      [
        ...['req', '-x509', '-newkey', 'ec', '-pkeyopt', 'ec_paramgen_curve:prime256v1', '-nodes'],
        ...['-keyout', key, '-out', certificate, '-days', '3650', '-subj', '/CN=localhost'],
      ],
      { stdio: 'ignore' },
    )
  }
  return { TLS_KEY: key, TLS_CERT: certificate }
}
