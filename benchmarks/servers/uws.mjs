// As the Echo example of uWebSockets.js does it: the message is lent for the time of the call and sent on.
//
// The native binary is loaded by its name: the package's own entry would fall back silently to an
// implementation in JavaScript, and that must not be measured under this name.

import { createRequire } from 'node:module'
import { announce, host, maxMessageSize, port, versionIn } from './contract.mjs'

const folder = '../node_modules/@trufflesuite/uws-js-unofficial'
const { platform, arch, versions } = process
const uWS = createRequire(import.meta.url)(
  `${folder}/binaries/uws_${platform}_${arch}_${versions.modules}.node`,
)

uWS
  .App()
  .ws('/*', {
    maxPayloadLength: maxMessageSize,
    // Its default of 64 KiB would drop what is in flight with large messages.
    maxBackpressure: maxMessageSize,
    message(socket, message, isBinary) {
      socket.send(message, isBinary)
    },
  })
  .listen(host, port, (listening) => {
    if (!listening) throw new Error(`could not listen on port ${port}`)
    announce(uWS.us_socket_local_port(listening), versionIn(`${folder}/package.json`).split('-')[0])
  })
