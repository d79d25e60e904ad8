// As the README of ws shows an echo and a broadcast: the payload goes back as the Buffer it came in, text is never
// decoded.

import { createServer } from 'node:https'
import { WebSocket, WebSocketServer } from 'ws'
import { announce, host, maxMessageSize, port, tls, versionIn, work } from './contract.mjs'

const version = versionIn('../node_modules/ws/package.json')
const http = tls === undefined ? undefined : createServer(tls)
const server = new WebSocketServer(
  http === undefined
    ? { host, port, maxPayload: maxMessageSize }
    : { server: http, maxPayload: maxMessageSize },
)

server.on('connection', (socket) => {
  socket.on('error', (error) => console.error(error))
  socket.on('message', (data, isBinary) => {
    if (work !== 'broadcast') {
      socket.send(data, { binary: isBinary })
      return
    }
    for (const client of server.clients) {
      if (client.readyState === WebSocket.OPEN) client.send(data, { binary: isBinary })
    }
  })
})

const listening = http ?? server
listening.on('listening', () => announce(listening.address().port, version))
http?.listen(port, host)
