// As the README of ws shows an echo and a broadcast: the payload goes back as the Buffer it came in, text is never
// decoded.

import { createServer } from 'node:https'
import { WebSocket, WebSocketServer } from 'ws'
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

const version = versionIn('../node_modules/ws/package.json')
const http = tls === undefined ? undefined : createServer(tls)
// The example of its README, but that short messages are compressed too. With takeover the window and who keeps one are
// left at what is negotiated, which is the default.
const perMessageDeflate = {
  zlibDeflateOptions: { chunkSize: 1024, memLevel: 7, level: 3 },
  zlibInflateOptions: { chunkSize: 10 * 1024 },
  ...(hasTakeover
    ? {}
    : { clientNoContextTakeover: true, serverNoContextTakeover: true, serverMaxWindowBits: 10 }),
  concurrencyLimit: 10,
  threshold: 0,
}
const server = new WebSocketServer({
  ...(http === undefined ? { host, port } : { server: http }),
  maxPayload: maxMessageSize,
  ...(compression === undefined ? {} : { perMessageDeflate }),
})

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
