// As the examples of uWebSockets.js do it: the message is lent for the time of the call and sent on, and a broadcast
// is a topic that all subscribe to.
//
// The native binary is loaded by its name: the package's own entry would fall back silently to an
// implementation in JavaScript, and that must not be measured under this name.

import { createRequire } from 'node:module'
import {
  announce,
  compression,
  hasTakeover,
  host,
  maxMessageSize,
  port,
  tls,
  versionIn,
  work,
} from './contract.mjs'

const folder = '../node_modules/@trufflesuite/uws-js-unofficial'
const { platform, arch, versions } = process
const uWS = createRequire(import.meta.url)(
  `${folder}/binaries/uws_${platform}_${arch}_${versions.modules}.node`,
)

const app =
  tls === undefined
    ? uWS.App()
    : uWS.SSLApp({ key_file_name: process.env.TLS_KEY, cert_file_name: process.env.TLS_CERT })

// Shared contexts are its way without takeover. Its dedicated ones come in sizes: these have windows of 4 KiB.
const compressors = hasTakeover
  ? uWS.DEDICATED_COMPRESSOR_32KB | uWS.DEDICATED_DECOMPRESSOR_4KB
  : uWS.SHARED_COMPRESSOR | uWS.SHARED_DECOMPRESSOR
const isCompressed = compression !== undefined

app
  .ws('/*', {
    maxPayloadLength: maxMessageSize,
    // Its default of 64 KiB would drop what is in flight with large messages.
    maxBackpressure: maxMessageSize,
    ...(isCompressed ? { compression: compressors } : {}),
    open(socket) {
      if (work === 'broadcast') socket.subscribe('all')
    },
    message(socket, message, isBinary) {
      if (work === 'broadcast') app.publish('all', message, isBinary, isCompressed)
      else socket.send(message, isBinary, isCompressed)
    },
  })
  .listen(host, port, (listening) => {
    if (!listening) throw new Error(`could not listen on port ${port}`)
    announce(uWS.us_socket_local_port(listening), versionIn(`${folder}/package.json`).split('-')[0])
  })
