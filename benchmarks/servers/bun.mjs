// As Bun's documentation shows it: text arrives as a string, binary as a Buffer, and a broadcast is a topic that all
// subscribe to.

import { announce, host, maxMessageSize, port, tls, work } from './contract.mjs'

const server = Bun.serve({
  hostname: host,
  port,
  ...(tls === undefined ? {} : { tls }),
  fetch(request, server) {
    return server.upgrade(request) ? undefined : new Response('WebSocket only', { status: 426 })
  },
  websocket: {
    maxPayloadLength: maxMessageSize,
    open(socket) {
      if (work === 'broadcast') socket.subscribe('all')
    },
    message(socket, message) {
      if (work === 'broadcast') server.publish('all', message)
      else socket.send(message)
    },
  },
})

announce(server.port, Bun.version, `Bun ${Bun.version}`)
