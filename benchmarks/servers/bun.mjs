// As Bun's documentation shows it: text arrives as a string, binary as a Buffer.

import { announce, host, maxMessageSize, port } from './contract.mjs'

const server = Bun.serve({
  hostname: host,
  port,
  fetch(request, server) {
    return server.upgrade(request) ? undefined : new Response('WebSocket only', { status: 426 })
  },
  websocket: {
    maxPayloadLength: maxMessageSize,
    message(socket, message) {
      socket.send(message)
    },
  },
})

announce(server.port, Bun.version, `Bun ${Bun.version}`)
