// As Bun's documentation shows it: text arrives as a string, binary as a Buffer, and a broadcast is a topic that all
// subscribe to.

import { announce, compression, hasTakeover, host, maxMessageSize, port, tls, work } from './contract.mjs'

const isCompressed = compression !== undefined
const contexts = hasTakeover ? 'dedicated' : 'shared'
const server = Bun.serve({
  hostname: host,
  port,
  ...(tls === undefined ? {} : { tls }),
  fetch(request, server) {
    return server.upgrade(request) ? undefined : new Response('WebSocket only', { status: 426 })
  },
  websocket: {
    maxPayloadLength: maxMessageSize,
    ...(isCompressed ? { perMessageDeflate: { compress: contexts, decompress: contexts } } : {}),
    open(socket) {
      if (work === 'broadcast') socket.subscribe('all')
    },
    message(socket, message) {
      if (work === 'broadcast') server.publish('all', message, isCompressed)
      else socket.send(message, isCompressed)
    },
  },
})

announce(server.port, Bun.version, `Bun ${Bun.version}`)
