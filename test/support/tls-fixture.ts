// What both ends of a TLS connection are set up with in tests.

import { tlsCertificate, tlsKey } from './tls.ts'

export { tlsCertificate as TEST_CERTIFICATE, tlsKey as TEST_KEY } from './tls.ts'

/** What a server of a test is set up with. */
export const SERVER_TLS: { readonly key: string; readonly cert: string } = {
  key: tlsKey,
  cert: tlsCertificate,
}

/** What a client of a test trusts. */
export const CLIENT_TLS: { readonly ca: string } = { ca: tlsCertificate }
